"""JSON in parts: the items of long lists are handed over one by one, so that only what is made of them takes memory.

Values are `json`'s own, item by item, as fast as all at once. Knows no format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from posecodec.errors import InputError
from posecodec.io.filesystem import read_bytes

Take = Callable[[int, Any], Any]
"""What is made of an item of a list, given its number and its value."""

TOP = ""  # stands for the file's own list among the keys of an object
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


def load_in_parts(path: Path, takers: Mapping[str, Take]) -> tuple[Any, int]:
    """The JSON value in a file with each item of some lists replaced by what is made of it, and the file's size in bytes.

    takers: by the key of a list in the file's object, or TOP where the file is a list. Raises InputError as `read_bytes` and
    `parse_in_parts` do.
    """
    data = read_bytes(path)
    size, text = len(data), decode_utf8(data)
    del data
    return parse_in_parts(text, takers), size


def decode_utf8(data: bytes, what: str = "the file") -> str:
    """The text in bytes of UTF-8 (a BOM is allowed). Raises InputError where they are none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is no UTF-8 text (byte {error.start}); export it again") from error


def parse_in_parts(text: str, takers: Mapping[str, Take], what: str = "the file") -> Any:
    """The JSON value of a text, items replaced as `load_in_parts` says. Raises InputError with line and column.

    >>> parse_in_parts('{"fps": 30, "frames": [[1, 2], []]}', {"frames": lambda i, frame: len(frame)})
    {'fps': 30, 'frames': [2, 0]}
    """
    try:
        value, at = _parse_top(text, _skip(text, 0), takers)
        if at != len(text):
            raise json.JSONDecodeError("Extra data", text, at)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{what} is no JSON ({error.msg} at {where}); the file is cut short or damaged") from error
    except ValueError as error:
        raise InputError(f"{what} is no JSON of poses ({error}); export it again") from error
    except RecursionError as error:
        raise InputError(f"{what} is nested too deeply to be a pose file; export it again") from error
    return value


def _parse_top(text: str, at: int, takers: Mapping[str, Take]) -> tuple[Any, int]:
    start = text[at : at + 1]
    if start == "[" and TOP in takers:
        value: Any
        value, at = _parse_list(text, _skip(text, at + 1), takers[TOP])
    elif start == "{" and takers.keys() - {TOP}:
        value, at = _parse_object(text, _skip(text, at + 1), takers)
    else:
        value, at = _DECODER.raw_decode(text, at)
    return value, _skip(text, at)


def _parse_list(text: str, at: int, take: Take) -> tuple[list[Any], int]:
    """at: after the bracket and blanks."""
    items: list[Any] = []
    if text[at : at + 1] == "]":
        return items, at + 1
    while True:
        value, at = _DECODER.raw_decode(text, at)
        items.append(take(len(items), value))
        del value
        at, is_last = _find_next(text, at, "]")
        if is_last:
            return items, at


def _parse_object(text: str, at: int, takers: Mapping[str, Take]) -> tuple[dict[str, Any], int]:
    """at: after the brace and blanks."""
    found: dict[str, Any] = {}
    if text[at : at + 1] == "}":
        return found, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        at = _skip(text, at + 1)
        if key in found and key in takers:
            raise InputError(f"the list {key!r} is there twice; keep one")
        if key in takers and key != TOP and text[at : at + 1] == "[":
            found[key], at = _parse_list(text, _skip(text, at + 1), takers[key])
        else:
            found[key], at = _DECODER.raw_decode(text, at)
        at, is_last = _find_next(text, at, "}")
        if is_last:
            return found, at


def _find_next(text: str, at: int, end: str) -> tuple[int, bool]:
    """Where the next item starts, or where the list or object ends, and whether it does."""
    at = _skip(text, at)
    mark = text[at : at + 1]
    if mark == end:
        return at + 1, True
    if mark != ",":
        raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    return _skip(text, at + 1), False


def _skip(text: str, at: int) -> int:
    """Where the blanks from `at` on end."""
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
