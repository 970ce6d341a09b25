"""What the frame-by-frame coder knows while it codes: arrays of integers, the same for whoever reads and whoever writes.

`copy_model` of it between two frames is all that is needed to go on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from posecodec.coders.predictive.residual import KINDS, QUESTIONS, REACH, Estimates
from posecodec.entropy.mixing import Mixer, start_mixer
from posecodec.typing import Ints

UNIT = 256  # Of positions: a whole number of the lattice in 3D, and about that in 2D
UNITS = {2: (222, 384), 3: (UNIT,) * 3}
"""What one whole number along each axis is worth, by dimensions: pitches of a hexagonal lattice as 222 : 384."""
AXES = {2: (1, 0), 3: (0, 1, 2)}
"""The order of axes. Of the second and third only every other number is possible, which the first tells."""

# Of a channel, one coordinate of one keypoint: last position, last two movements, by how much the last two were missed by
# what was expected, the same of this frame (0 before it is known), and of the frame before.
LAST, MOVE, MOVE_BEFORE, MISS, MISS_BEFORE, NOW, EARLIER = range(7)
FIELDS = 7
FEATURES = 14
NEAR = 3  # Keypoints coded before one in the same frame that are near it; and one coded after
CENTERS = 6
HOLD, DRIFT, SHARED, STEADY, QUICK, MIXED = range(CENTERS)
CLASSES = 12  # Of scales, in octaves of the pitch
FRACTIONS, RATIOS = 18, 8  # Of where the expected place lies between numbers, and of recent to usual misses
CELLS = 3
FIRST_WEIGHTS = ((0, 52428), (4, 13107))
"""Of the shared regression, at its start: what features weigh in 65536ths, the others nothing."""
FIRST_SAMPLES = 64 << 12  # What they count, in squares of a usual feature
FIRST_CENTERS = 2
GIVEN_WEIGHT, CELL_WEIGHT = 0.8, 0.5


class Model(NamedTuple):
    """channels: (K, D, FIELDS). seen: (K,) frames. near: (K, NEAR + 1) other keypoints, -1 for none. misses: (K, D,
    CENTERS, 2) usual sizes, recent and slow. shared: (D, F, F + 2) regressions, of each axis; steady, quick: (K, D, F,
    F + 2), of each channel, that forget slowly and fast. common: (D + 1,) summed misses of this frame, and of how many
    keypoints. features: (F,). estimates, mixer: of a channel; first_*: of what is seen for the first time, with misses
    (D, FIRST_CENTERS). parents: (K,) `find_parents`. units, axes: (D,).
    """

    channels: Ints
    seen: Ints
    near: Ints
    misses: Ints
    shared: Ints
    steady: Ints
    quick: Ints
    common: Ints
    features: Ints
    estimates: Estimates
    mixer: Mixer
    first_estimates: Estimates
    first_mixer: Mixer
    first_misses: Ints
    parents: Ints
    units: Ints
    axes: Ints


def find_parents(keypoints: int, edges: Sequence[tuple[int, int]]) -> Ints:
    """(K,) for every keypoint the last one before it that an edge joins to it, else the one before it; -1 at first."""
    parents = np.arange(-1, keypoints - 1)
    joined = np.full(keypoints, -1)
    for a, b in edges:
        low, high = min(a, b), max(a, b)
        if low < high:
            joined[high] = max(joined[high], low)
    return np.asarray(np.where(joined >= 0, joined, parents), np.int64)


def start_model(keypoints: int, dims: int, edges: Sequence[tuple[int, int]]) -> Model:
    """Before the first frame."""
    regression = (FEATURES, FEATURES + 2)
    shared = np.zeros((dims, *regression), np.int64)
    for i in range(FEATURES):
        shared[:, i, i] = FIRST_SAMPLES
    for i, weight in FIRST_WEIGHTS:
        shared[:, i, FEATURES + 1], shared[:, i, FEATURES] = weight, FIRST_SAMPLES * weight >> 16
    rows = CLASSES * FRACTIONS + RATIOS * CLASSES + keypoints * dims
    mixer = start_mixer(
        2 * CENTERS,
        CELLS,
        rows,
        2 * dims * KINDS * 2 * (2 * REACH + 1),
        CLASSES,
        QUESTIONS,
        (GIVEN_WEIGHT, CELL_WEIGHT),
    )
    first = start_mixer(
        2 * FIRST_CENTERS, 1, dims, dims * KINDS * 2 * (2 * REACH + 1), 1, QUESTIONS, (GIVEN_WEIGHT, CELL_WEIGHT)
    )
    return Model(
        np.zeros((keypoints, dims, FIELDS), np.int64), np.zeros(keypoints, np.int64),
        np.full((keypoints, NEAR + 1), -1, np.int64), np.zeros((keypoints, dims, CENTERS, 2), np.int64),
        shared, np.zeros((keypoints, dims, *regression), np.int64), np.zeros((keypoints, dims, *regression), np.int64),
        np.zeros(dims + 1, np.int64), np.zeros(FEATURES, np.int64), _start_estimates(CENTERS), mixer,
        _start_estimates(FIRST_CENTERS), first, np.full((dims, FIRST_CENTERS), UNIT << 9, np.int64),
        find_parents(keypoints, edges), np.array(UNITS[dims], np.int64), np.array(AXES[dims], np.int64),
    )  # fmt: skip


def copy_model(model: Model) -> Model:
    """One that can go on by itself."""
    copied: Model = _copy_fields(model)
    return copied


def _copy_fields(fields: Any) -> Any:
    return fields.copy() if isinstance(fields, np.ndarray) else type(fields)(*map(_copy_fields, fields))


def _start_estimates(centers: int) -> Estimates:
    return Estimates(np.zeros(centers, np.int64), np.zeros(2 * centers, np.int64))
