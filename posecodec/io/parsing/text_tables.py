"""Numbers in the cells of text tables, shared by `csv` and `trc`. Knows no format."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from posecodec.errors import InputError, report_change

EMPTY = frozenset(("", "nan", "na", "n/a", "null", "none", "<na>", "-nan"))
"""What an empty cell may hold, in small letters."""
MAX_DIGITS = 17  # Decimals that tell any float64 from every other
_MAX_WHOLE = 1 << 53  # integers below it are exact in float64
_MAX_PLAIN = 10**15  # numbers from it on look like floats: they are measured, not counted


def decode_lines(data: bytes, latin: bool = False) -> Iterator[str]:
    """The lines of a text, with their ends. Raises InputError where it is not UTF-8 (or UTF-16 with its mark).

    latin: text that is no UTF-8 is taken as Windows' of Western Europe (its names only; numbers are the same), with a report.
    """
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if latin and encoding == "utf-8-sig" and not is_utf8(data) and b"\0" not in data:
        encoding = "latin-1"
        report_change("the text is no UTF-8; it is taken as Latin-1, so look at the names")
    text = io.TextIOWrapper(io.BytesIO(data), encoding, newline=None)
    number = 0
    try:
        for line in text:
            number += 1
            yield line
    except UnicodeError as error:
        raise InputError(f"no UTF-8 text after line {number} ({error}); save it as UTF-8") from error


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are text in UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def parse_number(cell: str, line: int, what: str = "a number") -> float:
    """The number in a cell, NaN if it is empty. Raises InputError that names the line."""
    try:
        return float(cell if "_" not in cell else "?")
    except ValueError:
        if cell.strip().lower() in EMPTY:
            return math.nan
    raise InputError(f"line {line} holds {cell!r:.40} where {what} was expected; correct the cell or empty it")


def parse_whole(cell: str, line: int, what: str) -> int:
    """The whole number in a cell, which may be printed as 5.0. Raises InputError that names the line."""
    value = parse_number(cell, line, what)
    if not (abs(value) < _MAX_WHOLE and value == int(value)):
        raise InputError(f"line {line} holds {cell!r:.40} where {what} was expected; correct the cell")
    return int(value)


def count_decimals(cell: str) -> int:
    """Digits behind the point, as many as there would be without an exponent."""
    mantissa, _, exponent = cell.strip().lower().partition("e")
    found = len(mantissa.partition(".")[2])
    return min(max(found - int(exponent), 0), MAX_DIGITS) if exponent.lstrip("+-").isdecimal() else found


def format_floats(values: NDArray[Any]) -> list[str]:
    """The shortest decimals that give back the same float32 or float64; empty where NaN."""
    return ["" if v != v else str(v) for v in values.ravel()]


def format_plain(value: float) -> str:
    """A number as people write it: 60 rather than 60.0."""
    return str(int(value)) if value == int(value) and abs(value) < _MAX_PLAIN else repr(float(value))
