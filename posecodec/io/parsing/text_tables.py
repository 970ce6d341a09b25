"""Numbers and times in the cells of text tables, shared by `table` and `trc`. Knows no format."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.io.formats.bvh_parser import USUAL_RATES
from posecodec.typing import Floats

EMPTY = frozenset(("", "nan", "na", "n/a", "null", "none", "<na>", "-nan"))
"""What an empty cell may hold, in small letters."""
_MAX_DIGITS = 17


def lines_of(data: bytes) -> Iterator[str]:
    """The lines of a text, with their ends. Raises InputError where it is not UTF-8 (or UTF-16 with its mark)."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = io.TextIOWrapper(io.BytesIO(data), encoding, newline=None)
    number = 0
    try:
        for line in text:
            number += 1
            yield line
    except UnicodeError as error:
        raise InputError(f"no UTF-8 text after line {number} ({error}); save it as UTF-8") from error


def number(cell: str, line: int, what: str = "a number") -> float:
    """The number in a cell, NaN if it is empty. Raises InputError that names the line."""
    try:
        return float(cell if "_" not in cell else "?")
    except ValueError:
        if cell.strip().lower() in EMPTY:
            return math.nan
    raise InputError(f"line {line} holds {cell!r:.40} where {what} was expected; correct the cell or empty it")


def whole(cell: str, line: int, what: str) -> int:
    """The whole number in a cell, which may be printed as 5.0. Raises InputError that names the line."""
    value = number(cell, line, what)
    if not (abs(value) < 1 << 53 and value == int(value)):
        raise InputError(f"line {line} holds {cell!r:.40} where {what} was expected; correct the cell")
    return int(value)


def decimals(cell: str) -> int:
    """Digits behind the point, as many as there would be without an exponent."""
    mantissa, _, exponent = cell.strip().lower().partition("e")
    places = len(mantissa.partition(".")[2])
    return min(max(places - int(exponent), 0), _MAX_DIGITS) if exponent.lstrip("+-").isdecimal() else places


def texts(values: NDArray[Any]) -> list[str]:
    """The shortest decimals that give back the same float32 or float64; empty where NaN."""
    return ["" if v != v else str(v) for v in values.ravel()]


def plain(value: float) -> str:
    """A number as people write it: 60 rather than 60.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def regular_rate(times: Floats, steps: NDArray[Any], places: int) -> float | None:
    """Frames per second of times in seconds printed to `places` digits, of frames numbered by `steps`; None if irregular.

    The usual rate that these times could be rounded from, whole ones before 29.97 and such; else the shortest decimal.

    >>> regular_rate(np.array([0.0, 0.033, 0.067, 0.1]), np.arange(4), 3)
    30.0
    """
    count, span = float(steps[-1] - steps[0]), float(times[-1] - times[0])
    if not (span > 0 and count > 0 and math.isfinite(count / span)):
        return None
    slack = 1.001 * 10.0**-places + 1e-9 * max(abs(float(times[0])), abs(float(times[-1])))
    usual = sorted(map(float, USUAL_RATES), key=lambda r: (r != int(r), abs(r - count / span)))
    shortest = (float(f"{count / span:.{digits}g}") for digits in range(1, _MAX_DIGITS + 1))
    return next((r for r in _all(usual, shortest) if _off(times, steps, r) <= min(slack, 0.25 / r)), None)


def _all(*parts: Iterable[float]) -> Iterator[float]:
    for part in parts:
        yield from part


def _off(times: Floats, steps: NDArray[Any], rate: float) -> float:
    """The most that any time differs from what the rate says."""
    return float(np.abs(times - times[0] - (steps - steps[0]) / rate).max())
