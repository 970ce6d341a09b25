"""Quantized values as nested digits: level 1 says what matters at the coarsest step, each level after it halves the step.

A digit is 0, 1 or 2. Where a value was 0 so far, 1 and 2 say that it is now 1 or -1; where it was not, 0 and 1 are the next
bit of its magnitude. So a prefix of levels is a coarser code of the same motion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.signal.quantization import STEPS_PER_OCTAVE

TOP_QP = 256  # Of the coarsest step, 2**16: level 1
LAST_QP = 511  # What 9 bits hold; a step of 2**32 is larger than any body


def qp_of_levels(levels: int) -> int:
    """The QP of the step that so many levels reach."""
    return TOP_QP - STEPS_PER_OCTAVE * (levels - 1)


def levels_of_qp(qp: int) -> int:
    """Levels that lead to the step of a QP; at steps between two levels' all levels are finer by the same factor."""
    return 1 + max(TOP_QP - qp, 0) // STEPS_PER_OCTAVE


def largest_magnitude(levels: int) -> int:
    """The largest magnitude that so many levels can tell."""
    return (1 << levels) - 1


def to_digits(values: NDArray[np.int32], levels: int) -> NDArray[np.int32]:
    """(...,) values to (..., Q) digits, coarse to fine; larger magnitudes (bodies in vehicles) count as the largest."""
    values = np.clip(values, -largest_magnitude(levels), largest_magnitude(levels))
    sizes = np.abs(values)[..., None] >> np.arange(levels - 1, -1, -1)
    above = np.abs(values)[..., None] >> np.arange(levels, 0, -1)
    fresh = np.where(values[..., None] < 0, 2, 1) * sizes
    return np.where(above == 0, fresh, sizes & 1).astype(np.int32)


def from_digits(digits: NDArray[np.int32]) -> NDArray[np.int32]:
    """The mirror of `to_digits`, of any number of levels. A 2 where a bit is due counts as 1."""
    sizes = np.zeros(digits.shape[:-1], np.int32)
    negative = np.zeros(digits.shape[:-1], np.bool_)
    for digit in np.moveaxis(digits, -1, 0):
        negative |= (sizes == 0) & (digit == 2)
        sizes = 2 * sizes + (digit != 0)
    return np.where(negative, -sizes, sizes).astype(np.int32)
