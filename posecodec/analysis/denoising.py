"""Jitter of detectors and cameras taken off a recording: how large it is, for each keypoint, and the motion without it.

Movement is slow and jitter is white: fourth differences tell the jitter, and what exceeds it at a frequency is movement. Each
keypoint is turned into cosines in short windows that overlap, and each cosine is shrunk by the share of movement in it
(Wiener 1949; in windows as Ephraim and Malah 1984 do for speech).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.kinematics.gap_filling import interpolate_gaps
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.tracks import find_tracks
from posecodec.signal.dct import dct
from posecodec.typing import Bools, Floats

WINDOW, USUAL_RATE, LONGEST = 32, 30.0, 256  # Frames of a window at a rate, and at most at a higher one
HOPS = 4  # Windows that each frame is in
EXCESS = 1.5  # Times the jitter's power that counts as jitter: half of what is just above it is chance
SPREAD = 0.35  # Of a frequency, up and down, that powers are averaged over
ORDER, GAIN = 4, 70.0  # Of the differences, and what they multiply the power of white noise by
DEVIATION = 0.6745  # Median of the absolute of N(0, 1)
SHORTEST = 2 * ORDER + 1  # Frames that a track needs for its jitter to be told
PIECE = 256  # Windows that are worked on at once, to spare memory


@dataclass(frozen=True, eq=False)
class Denoised:
    """sequence: without jitter. noise: its standard deviation, root of the mean square over coordinates, in the unit."""

    sequence: PoseSequence
    noise: float


def remove_noise(sequence: PoseSequence, noise: float | None = None) -> Denoised:
    """A recording without its jitter; gaps stay gaps. noise: standard deviation of a coordinate, in the recording's unit;
    estimated for each keypoint of each person where it is None."""
    positions, valid, window = sequence.positions.copy(), sequence.valid, _choose_window(sequence.rate)
    power, count = 0.0, 0
    for person, start, length in find_tracks(valid):
        at, seen = (slice(start, start + length), person), valid[start : start + length, person]
        points = np.where(seen[..., None], positions[at], np.nan).astype(np.float64)
        sigma = estimate_noise(points) if noise is None else np.full(points.shape[1], float(noise))
        smooth = smooth_points(interpolate_gaps(points), sigma, window)
        positions[at] = np.where(seen[..., None], smooth, positions[at])
        power, count = power + float((np.square(sigma) * seen.sum(axis=0)).sum()), count + int(seen.sum())
    made = sequence.with_positions(positions, sequence.confidence)
    return Denoised(made, float(np.sqrt(power / max(count, 1))))


def estimate_noise(points: Floats) -> Floats:
    """(K,) standard deviation of the jitter in a coordinate of points (T, K, D) with NaN; 0 where too little is seen."""
    if len(points) < SHORTEST:
        return np.zeros(points.shape[1])
    changes = np.abs(np.diff(points, ORDER, axis=0)).swapaxes(0, 1).reshape(points.shape[1], -1)
    known: Bools = (~np.isnan(changes)).sum(axis=1) >= SHORTEST
    found = np.zeros(points.shape[1])
    found[known] = np.nanmedian(changes[known], axis=1) / (DEVIATION * np.sqrt(GAIN))
    return found


def smooth_points(points: Floats, sigma: Floats, window: int) -> Floats:
    """Points (T, K, D) without jitter of standard deviations (K,), in windows of so many frames; NaN stays NaN."""
    frames = len(points)
    if frames < SHORTEST:
        return points
    size = min(window, frames)
    starts = np.unique(np.append(np.arange(0, frames - size + 1, max(size // HOPS, 1)), frames - size))
    weight = np.square(np.sin(np.pi * (np.arange(size) + 0.5) / size)) + 1e-3
    total, weights = np.zeros_like(points), np.zeros(frames)
    for first in range(0, len(starts), PIECE):
        index = starts[first : first + PIECE, None] + np.arange(size)
        shrunk = _shrink(points[index], sigma) * weight[None, :, None, None]
        np.add.at(total, index, shrunk)
        np.add.at(weights, index, np.broadcast_to(weight, index.shape))
    return np.asarray(total / weights[:, None, None])


def _shrink(windows: Floats, sigma: Floats) -> Floats:
    """Windows (W, B, K, D) with each cosine of the difference from the line between their ends shrunk."""
    size = windows.shape[1]
    share = np.linspace(0, 1, size)[None, :, None, None]
    line = windows[:, :1] * (1 - share) + windows[:, -1:] * share
    values = np.einsum("fb,wbkd->wfkd", dct(size), windows - line)
    power, number = np.square(values).mean(axis=3), np.arange(size)
    sums = np.concatenate([np.zeros_like(power[:, :1]), np.cumsum(power, axis=1)], axis=1)
    low = np.floor(number / (1 + SPREAD)).astype(int)
    high = np.minimum(np.ceil((number + 1) * (1 + SPREAD)).astype(int) + 1, size)
    around = (sums[:, high] - sums[:, low]) / (high - low)[None, :, None]
    jitter = np.square(sigma)[None, None]
    moved = np.maximum(around - EXCESS * jitter, 0)
    gain = moved / np.maximum(moved + jitter, 1e-300)
    gain[:, 0] = 1
    return np.asarray(np.einsum("fb,wfkd->wbkd", dct(size), values * gain[..., None]) + line)


def _choose_window(rate: float) -> int:
    return int(np.clip(round(WINDOW * rate / USUAL_RATE), WINDOW, LONGEST))
