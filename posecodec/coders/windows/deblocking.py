"""Joins of windows, smoothed: a window ends at rest and the next begins in motion, which shows as a jerk.

Frames near a join become Gaussian means of their neighbors, the nearer the wider, and wider at coarse steps, so that bodies
accelerate at joins about as much as elsewhere (benchmarks/tokens.py). The encoder's loop does not see it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posecodec.kinematics.body_model import Motion
from posecodec.signal.segmentation import list_spans
from posecodec.typing import Floats

REACH = 9.0
"""Frames on either side of a join that change."""
WIDTH, WIDTH_PER_OCTAVE, WIDEST = 2.22, 0.26, 2.5
"""Standard deviation at a join, in frames, at the step 2**9, and how it grows with the step."""


def deblock(motion: Motion, lengths: Sequence[int], index: int) -> Motion:
    """A decoded motion (T, ...) of windows of these lengths, at the step of an index."""
    joins = [start for start, _ in list_spans(lengths)[1:]]
    if not joins:
        return motion
    width = float(np.clip(WIDTH + WIDTH_PER_OCTAVE * (index / 16 - 9), 0.5, WIDEST))
    return Motion(*(_blur(part, joins, width) for part in (motion.shape, motion.angle, motion.center)))


def _blur(values: Floats, joins: Sequence[int], width: float) -> Floats:
    """(T, ...) blurred around joins."""
    blurred, flat = values.copy(), values.reshape(len(values), -1)
    reach = int(REACH)
    for join in joins:
        for frame in range(max(join - reach, 0), min(join + reach, len(values))):
            near = width * (1 - abs(frame + 0.5 - join) / REACH)
            first, last = max(frame - 2 * reach, 0), min(frame + 2 * reach + 1, len(values))
            weights = np.exp(-0.5 * np.square((np.arange(first, last) - frame) / max(near, 0.05)))
            blurred[frame] = (weights @ flat[first:last] / weights.sum()).reshape(values.shape[1:])
    return blurred
