"""float64 values that are the shortest decimals of float32 ones, as text of float32 has them, as these; and back.

All of it is single operations that IEEE 754 rounds the same way everywhere. An encoder checks that it gives the bits back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.typing import Floats

DIGITS = range(6, 10)  # Significant decimals that tell float32 values apart: 6 come back always, 9 tell all apart
POWERS = np.array([float(f"1e{n}") for n in range(-60, 61)])  # Of ten, around those that float32 and its digits need
ZEROTH = 60  # Place of 1 among the powers
SMALLEST = -45  # Decimal exponent of the smallest float32


def to_shortest(values: Floats) -> NDArray[np.float32] | None:
    """The float32 values that these are the shortest decimals of; None where some are not, bit by bit."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        short = values.astype(np.float32)
    same = from_shortest(short).view(np.int64) == np.ascontiguousarray(values).view(np.int64)
    return short if same.all() else None


def from_shortest(values: NDArray[np.float32]) -> Floats:
    """The decimals of fewest digits (6 to 9) that round to these float32 values, as float64; NaN and infinities as they are.

    >>> from_shortest(np.float32([0.1, -530000.1]))
    array([ 1.000000e-01, -5.300001e+05])
    """
    wide = values.astype(np.float64)
    sizes = np.abs(wide)
    plain = np.isfinite(wide) & (wide != 0)
    sizes = np.where(plain, sizes, 1.0)
    exponents = np.searchsorted(POWERS[ZEROTH + SMALLEST :], sizes, side="right") - 1 + SMALLEST
    found = sizes.copy()
    left = plain.copy()
    for digits in DIGITS:
        shift = digits - 1 - exponents
        power = POWERS[ZEROTH + np.abs(shift)]
        with np.errstate(over="ignore", under="ignore"):
            whole = np.rint(np.where(shift < 0, sizes / power, sizes * power))
            decimal = np.where(shift < 0, whole * power, whole / power)
            fits = left & (decimal.astype(np.float32) == sizes)
        found = np.where(fits, decimal, found)
        left &= ~fits
    return np.where(plain, np.copysign(found, wide), wide)
