"""Seams of windows smoothed: a window ends at rest and the next begins in motion, which shows as a jerk.

Frames near a seam become Gaussian means of their neighbors, the nearer the wider, and wider at coarse steps, so that bodies
accelerate at seams about as much as elsewhere (benchmarks/windows.py). The encoder's loop does not see it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posecodec.kinematics.body_model import Motion
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.signal.segmentation import list_spans
from posecodec.typing import Floats

REACH = 9  # Frames on either side of a seam that change
WIDTH = 2.22  # Standard deviation of the mean at a seam, in frames, at the step 2**WIDTH_OCTAVE (log of 2026-11-24)
WIDTH_OCTAVE = 9  # Octave of the step that WIDTH is of: errors of 57 mm or so
WIDTH_PER_OCTAVE = 0.26  # Frames that a step twice as large adds to it
WIDEST = 2.5  # Frames of standard deviation at most: wider ones move more than they smooth
NARROWEST = 0.5  # Frames at least, at a seam: narrower ones change nothing
NARROWEST_ASIDE = 0.05  # Frames at least, aside of a seam, so that no weight divides by 0


def deblock(motion: Motion, lengths: Sequence[int], qp: int) -> Motion:
    """A decoded motion (T, ...) of windows of these lengths, at the step of a QP."""
    seams = [start for start, _ in list_spans(lengths)[1:]]
    if not seams:
        return motion
    width = float(np.clip(WIDTH + WIDTH_PER_OCTAVE * (qp / STEPS_PER_OCTAVE - WIDTH_OCTAVE), NARROWEST, WIDEST))
    return Motion(*(_smooth_seams(part, seams, width) for part in (motion.shape, motion.angle, motion.center)))


def _smooth_seams(values: Floats, seams: Sequence[int], width: float) -> Floats:
    smooth: Floats = values.copy()
    flat = values.reshape(len(values), -1)
    for seam in seams:
        for frame in range(max(seam - REACH, 0), min(seam + REACH, len(values))):
            near = width * (1 - abs(frame + 0.5 - seam) / REACH)
            first, last = max(frame - 2 * REACH, 0), min(frame + 2 * REACH + 1, len(values))
            weights = np.exp(-0.5 * np.square((np.arange(first, last) - frame) / max(near, NARROWEST_ASIDE)))
            smooth[frame] = (weights @ flat[first:last] / weights.sum()).reshape(values.shape[1:])
    return smooth
