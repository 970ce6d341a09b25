"""What the frame-by-frame coder may cost, about, in a fiftieth of the time that coding takes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.predictive.lattice import PITCHES

BITS_PER_MISS = 2 * math.e  # Of a Laplace distribution with a mean size of so many pitches: log2 of times that


def estimate_size(points: NDArray[np.floating], bound: float) -> float:
    """Bytes for points (T, K, D), NaN where missing, by how large first and second differences of each channel are."""
    pitch = (np.prod(2 * np.array(PITCHES[points.shape[2]])) / 2) ** (1 / points.shape[2]) * bound
    misses = np.full(points.shape[1:], np.inf)
    for order in (1, 2):
        moved = np.abs(np.diff(points.astype(np.float64), order, axis=0))
        there = ~np.isnan(moved)
        total, count = np.where(there, moved, 0).sum(axis=0), there.sum(axis=0)
        np.fmin(misses, np.where(count > 0, total / np.maximum(count, 1), np.inf), out=misses)
    known = (~np.isnan(points)).sum(axis=0)
    with np.errstate(all="ignore"):
        bits = known * np.log2(1 + BITS_PER_MISS * np.where(np.isinf(misses), 1.0, misses / pitch))
    return float(np.nan_to_num(bits).sum()) / 8
