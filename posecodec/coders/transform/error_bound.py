"""A hard bound: keypoints that came out farther off than promised are moved by whole steps until they are not.

The step is so fine that rounding to it in every axis keeps any error within the bound; the fewest axes that do are moved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.kernels import kernel
from posecodec.typing import Floats

SAFETY = 0.999  # The share of the bound that is aimed at: decoders differ by less than the rest
MAX_STEPS = 2**31 - 1  # Whole steps that int32 holds


def bound_step(bound: float, dims: int) -> float:
    """The step of corrections for a bound: rounding to it is off by at most half of it in every axis."""
    return float(2 * bound * SAFETY / np.sqrt(dims))


def outlier_steps(errors: Floats, bound: float) -> NDArray[np.int32]:
    """Whole steps (T, K, D) that bring errors (T, K, D), NaN where missing, within the bound; 0 where they are.

    Raises InputError where 32 bits do not hold them.
    """
    moves = np.zeros(errors.shape, np.int32)
    room = np.zeros((2, errors.shape[-1]))
    if not _find_moves(errors, bound_step(bound, errors.shape[-1]), (bound * SAFETY) ** 2, moves, room[0], room[1]):
        raise InputError("too fine a bound for coordinates that reach so far; allow more, or use --lossless")
    return moves


@kernel
def _find_moves(errors, step, square, moves, known, wanted):  # type: ignore[no-untyped-def]
    """Fill moves (T, K, D), of which there are none yet. Whether 32 bits hold all of them."""
    for t in range(errors.shape[0]):
        for k in range(errors.shape[1]):
            if not _find_move(errors, t, k, step, square, moves, known, wanted):
                return False
    return True


@kernel
def _find_move(errors, t, k, step, square, moves, known, wanted):  # type: ignore[no-untyped-def]
    """That of one keypoint: rounded to whole steps, along as few axes as will do, those of its largest errors."""
    for d in range(known.size):
        known[d] = 0.0 if np.isnan(errors[t, k, d]) else errors[t, k, d]
        wanted[d] = 0.0
    if _measure_rest(known, wanted, step) <= square:
        return True
    for d in range(known.size):
        wanted[d] = np.rint(known[d] / step)
        if not abs(wanted[d]) <= MAX_STEPS:
            return False
    for number in range(known.size):
        d = _find_nth(known, number)
        before = wanted[d]
        wanted[d] = 0.0
        if not _measure_rest(known, wanted, step) <= square:
            wanted[d] = before
    for d in range(known.size):
        moves[t, k, d] = np.int32(wanted[d])
    return True


@kernel
def _find_nth(values, number):  # type: ignore[no-untyped-def]
    """Where the value is that so many are smaller than in magnitude; of equal ones, the first come first."""
    found = 0
    for d in range(values.size):
        smaller = 0
        for other in range(values.size):
            smaller += abs(values[other]) < abs(values[d]) or (abs(values[other]) == abs(values[d]) and other < d)
        if smaller == number:
            found = d
    return found


@kernel
def _measure_rest(known, wanted, step):  # type: ignore[no-untyped-def]
    """The square of how far off a keypoint is with whole steps."""
    total = 0.0
    for d in range(known.size):
        total += (known[d] - wanted[d] * step) ** 2
    return total
