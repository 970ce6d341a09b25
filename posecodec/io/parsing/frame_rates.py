"""Frame rates: the usual ones, which of them times were rounded from, and what to say where a file tells none.

Knows no format.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import NoRateError
from posecodec.io.parsing.text_tables import MAX_DIGITS
from posecodec.typing import Floats

NO_RATE = "the file does not say its frame rate; pass --fps N (fps=N in Python)"
USUAL_RATES = (24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 90, 100, 120000 / 1001, 120, 200, 240)
"""Frames per second of film, video and motion capture."""
LAST_DIGIT = 1.001
"""Units of the last digit that a time may be off: rounded or cut off, and a little for float arithmetic."""
_RELATIVE = 4 * float(np.finfo(np.float64).eps)  # the same of the time itself, for what float64 cannot tell apart
_MAX_OFF = 0.25  # frames that a time may be off, however few digits it has
_SAME = 1e-6  # share by which rates differ that are the same, written with more or fewer digits


def is_same_rate(a: float, b: float) -> bool:
    """Whether two rates differ only by the digits that they are written with.

    >>> is_same_rate(29.97003, 30000 / 1001), is_same_rate(29.97, 30)
    (True, False)
    """
    return abs(a - b) <= _SAME * max(abs(a), abs(b))


def require_rate(rate: float | None) -> float:
    """The rate itself. Raises NoRateError where there is none: asked last, so that other faults are told first."""
    if rate is None:
        raise NoRateError(NO_RATE)
    return rate


def find_regular_rate(times: Floats, steps: NDArray[Any], decimals: int) -> float | None:
    """Frames per second of times in seconds printed to `decimals` digits, of frames numbered by `steps`; None if irregular.

    The usual rate that these times could be rounded from, whole ones before 29.97 and such; else the shortest decimal.

    >>> find_regular_rate(np.array([0.0, 0.033, 0.067, 0.1]), np.arange(4), 3)
    30.0
    """
    count, span = float(steps[-1] - steps[0]), float(times[-1] - times[0])
    if not (span > 0 and count > 0 and math.isfinite(count / span)):
        return None
    usual = sorted(map(float, USUAL_RATES), key=lambda r: (r != int(r), abs(r - count / span)))
    shortest = (float(f"{count / span:.{digits}g}") for digits in range(1, MAX_DIGITS + 1))
    for rate in chain(usual, shortest):
        if fits_rate(times, steps, rate, decimals):
            return rate
    return None


def fits_rate(times: Floats, steps: NDArray[Any], rate: float, decimals: int) -> bool:
    """Whether times in seconds, printed to `decimals` digits, of frames numbered by `steps`, are those of a rate.

    >>> fits_rate(np.array([5.0, 5.033, 5.067]), np.arange(3), 30.0, 3)
    True
    """
    slack = LAST_DIGIT * 10.0**-decimals + _RELATIVE * max(abs(float(times[0])), abs(float(times[-1])))
    off = np.abs(times - times[0] - (steps - steps[0]) / rate)
    return bool(off.max() <= min(slack, _MAX_OFF / rate))
