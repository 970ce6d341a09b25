"""What several checks look at, measured once: steps and turns, sizes, and people or sides that change places.

Also the statistics that leave out what is missing. It leaves out what is doubtful about them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import body_heights
from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Bools, Floats

Indices = NDArray[np.intp]

_EXCHANGE_MOVED = 0.1  # Heights off where a body was or was heading, to have changed places: no step takes it so far
_EXCHANGE_NEAR = 0.2  # Heights within which it must be of another body's place
_SIDE_MOVED = 0.02  # Heights that a keypoint must leave its place, to have changed sides: more than detectors err
_SIDE_TIMES_USUAL = 4  # The same in multiples of how far it is off in the quietest quarter of the frames


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredMotion:
    """Measured once for all checks. Frame t compares with those before it; NaN where something is missing.

    planes: (D, T, P, K) positions, zeros that stand for "missing" taken out. zeros: (T, P, K) those.
    heights: (T, P) of the bodies along their longest axis. size: their median, 0 where it cannot be told.
    turns: (D, T, P, K) second difference of t - 2, t - 1, t. turn: its length.
    stay: (T, P, K) distance from where the keypoint was or was heading, whichever is nearer.
    identity: (T, P) people that seem to take another's place in t. sides: (T, P) left and right seem to swap in t.
    """

    planes: Floats
    zeros: Bools
    heights: Floats
    size: float
    turns: Floats
    turn: Floats
    stay: Floats
    identity: Bools
    sides: Bools


def measure_motion(sequence: PoseSequence) -> MeasuredMotion:
    points = sequence.positions.astype(np.float64)
    zeros = find_zeros(sequence)
    points[zeros] = np.nan
    heights = body_heights(points, "unknown")
    known = heights[np.isfinite(heights)]
    size = float(np.median(known)) if known.size else 0.0
    planes = np.ascontiguousarray(np.moveaxis(points, -1, 0))
    steps = subtract_previous(planes)
    turns = subtract_previous(steps)
    turn = measure_lengths(turns)
    stay = np.fmin(measure_lengths(steps), turn)
    identity = find_exchanges(planes, stay, size)
    sides = find_side_swaps(planes, stay, size, sequence.skeleton.pairs) & ~identity
    return MeasuredMotion(planes, zeros, heights, size, turns, turn, stay, identity, sides)


def find_zeros(sequence: PoseSequence) -> Bools:
    """(T, P, K) positions of exact zeros; not those of one keypoint that is the origin of its frames."""
    zeros = np.asarray((sequence.positions == 0).all(axis=-1))
    origin = np.flatnonzero((zeros | ~sequence.valid).all(axis=(0, 1)) & zeros.any(axis=(0, 1)))
    root = sequence.skeleton.root
    if len(origin) == 1 and root in (None, int(origin[0])) and len(sequence.skeleton) > 1:
        zeros[..., origin] = False
    return zeros


def find_exchanges(planes: Floats, stay: Floats, size: float) -> Bools:
    """(T, P): people who continue where another one was, who in turn went elsewhere, came or vanished."""
    frames, people = stay.shape[:2]
    result = np.zeros((frames, people), np.bool_)
    there = ~np.asarray(np.isnan(planes[0]).all(axis=2))
    away = average_known(stay)
    moved = np.isnan(away) | (away > _EXCHANGE_MOVED * size)
    for p in range(people):
        for q in range(people):
            here = moved[1:, p] & moved[1:, q] & there[1:, p] & there[:-1, q]
            t = 1 + np.flatnonzero(here) if p != q else np.zeros(0, np.intp)
            if len(t):
                limit = np.fmin(np.fmin(away[t, p], away[t, q]) / 2, _EXCHANGE_NEAR * size if size else np.inf)
                across = average_known(measure_lengths(planes[:, t, p] - planes[:, t - 1, q]))
                result[t[across < limit], p] = True
    return result


def find_side_swaps(planes: Floats, stay: Floats, size: float, pairs: tuple[tuple[int, int], ...]) -> Bools:
    """(T, P): a left and a right keypoint each continue where the other one was."""
    result = np.zeros(stay.shape[:2], np.bool_)
    if not pairs:
        return result
    left, right = np.array(pairs).T
    away = np.minimum(stay[:, :, left], stay[:, :, right])
    far = away > _SIDE_MOVED * size
    if far.any():
        far &= away > _SIDE_TIMES_USUAL * take_quantile(away, 0.25)
    t, p, i = np.nonzero(far)
    sides = ((left[i], right[i]), (right[i], left[i]))
    crossed = np.maximum(*(measure_lengths(planes[:, t, p, a] - planes[:, t - 1, p, b]) for a, b in sides))
    hit = crossed < away[t, p, i] / 2
    result[t[hit], p[hit]] = True
    return result


def subtract_previous(planes: Floats) -> Floats:
    """(D, T, P, K) minus the frame before; NaN in the first."""
    return np.diff(planes, axis=1, prepend=np.nan)


def measure_lengths(vectors: Floats) -> Floats:
    """Euclidean length over the first axis."""
    total = np.square(vectors[0])
    for plane in vectors[1:]:
        total += np.square(plane)
    return np.asarray(np.sqrt(total, out=total), np.float64)


def take_quantile(values: Floats, share: float) -> Floats:
    """That quantile over the first axis of what is not NaN (the lower neighbor); NaN where nothing is."""
    ordered = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)
    count = (~np.isnan(ordered)).sum(axis=-1, keepdims=True)
    index = (share * np.maximum(count - 1, 0)).astype(np.intp)
    return np.asarray(np.take_along_axis(ordered, index, axis=-1)[..., 0])


def average_known(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1))


def find_runs(mask: Bools) -> Indices:
    """(N, 2 + M) start, length and the other M indices of each run of True along the first axis, columns in order."""
    columns = mask.reshape(len(mask), -1)
    used = columns.any(axis=0)
    edges = np.diff(np.pad(columns[:, used].T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    column, start = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    others = np.unravel_index(np.flatnonzero(used)[column], mask.shape[1:])
    return np.stack([start, end - start, *others], axis=1)
