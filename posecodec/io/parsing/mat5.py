"""MATLAB's `.mat` of version 5 to 7: arrays, text, cells and structs, read without trusting the sizes it states.

Elements of a tag and bytes, some packed by zlib ("MAT-File Format", MathWorks). An array is a view of bytes that are there.
Leaves out objects, functions, sparse and complex arrays. Knows no format.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from posecodec.errors import InputError
from posecodec.io.unpacking import limit_unpacked

HEADER = 128
_MATRIX, _PACKED = 14, 15
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
    18: "u4",
}
_CELL, _STRUCT, _CHAR, _NUMBERS = 1, 2, 4, range(6, 16)
_COMPLEX = 0x800
_MAX_DEPTH = 8  # structs in structs that are believed
_MAX_TEXT = 100_000
_MAX_ELEMENTS = 100_000  # arrays in a file, and their parts: each takes 8 bytes and becomes some hundred


class MatFile:
    """The bytes of a file. values: its variables by name; what is not read is None."""

    def __init__(self, data: bytes) -> None:
        if data[126:128] not in (b"IM", b"MI"):
            raise InputError("no MATLAB file of version 5 to 7.3; in MATLAB: save(file, '-v7')")
        self.order = "<" if data[126:128] == b"IM" else ">"
        self.left = limit_unpacked(len(data))
        self.elements = 0
        self.values: dict[str, Any] = {}
        try:
            for kind, body in self._list_elements(memoryview(data)[HEADER:]):
                inner = self._unpack(body) if kind == _PACKED else [(kind, body)]
                for what, content in inner:
                    if what == _MATRIX:
                        name, value = self._read_matrix(content, 0)
                        self.values[name] = value
        except (struct.error, ValueError, IndexError, OverflowError, zlib.error) as error:
            raise InputError(f"the MATLAB file cannot be read ({error}); it is cut short or damaged") from error

    def _unpack(self, body: memoryview) -> list[tuple[int, memoryview]]:
        engine = zlib.decompressobj()
        data = engine.decompress(body, self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise InputError("the MATLAB file unpacks to more than is read; save it without compression ('-v6')")
        if not engine.eof:
            raise ValueError("a variable ends early")
        return list(self._list_elements(memoryview(data)))

    def _list_elements(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """(type, bytes) of the elements that follow each other."""
        at = 0
        while at + 8 <= len(data):
            self.elements += 1
            if self.elements > _MAX_ELEMENTS:
                raise InputError(f"the MATLAB file holds more than {_MAX_ELEMENTS} arrays; save the positions alone")
            kind, size = struct.unpack_from(f"{self.order}II", data, at)
            if kind >> 16:
                start, size, kind = at + 4, kind >> 16, kind & 0xFFFF
                end = at + 8
            else:
                start = at + 8
                end = start + size + (0 if kind == _PACKED else -size % 8)
            if start + size > len(data) or (start == at + 4 and size > 4):
                raise ValueError(f"{size} bytes are stated where {len(data) - start} follow")
            yield kind, data[start : start + size]
            at = end

    def _read_matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        parts = list(self._list_elements(data))
        if not parts:
            return "", np.zeros((0, 0))
        if len(parts) < 3 or depth > _MAX_DEPTH:
            raise ValueError("an array without its parts")
        flags = struct.unpack_from(f"{self.order}I", parts[0][1])[0]
        shape = tuple(np.frombuffer(parts[1][1], f"{self.order}i4").tolist())
        name = bytes(parts[2][1]).decode("latin1")[:_MAX_TEXT]
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"an array of shape {shape}")
        kind, rest = flags & 0xFF, parts[3:]
        if kind == _CELL:
            return name, [self._read_matrix(body, depth + 1)[1] for _, body in rest]
        if kind == _STRUCT:
            return name, self._read_struct(rest, depth)
        if kind == _CHAR:
            return name, self._read_text(rest[0]) if rest else ""
        if kind in _NUMBERS and not flags & _COMPLEX:
            return name, self._read_numbers(rest, shape)
        return name, None

    def _read_struct(self, parts: list[tuple[int, memoryview]], depth: int) -> Any:
        """Fields by name of a single struct, a list of those of several."""
        width = struct.unpack_from(f"{self.order}i", parts[0][1])[0]
        text = bytes(parts[1][1])
        if width < 1:
            raise ValueError("a struct without names")
        names = [text[at : at + width].split(b"\0")[0].decode("latin1") for at in range(0, len(text), width)]
        found = [self._read_matrix(body, depth + 1)[1] for _, body in parts[2:]]
        rows = [
            dict(zip(names, found[at : at + len(names)], strict=False))
            for at in range(0, len(found), max(len(names), 1))
        ]
        return rows[0] if len(rows) == 1 else rows

    def _read_text(self, part: tuple[int, memoryview]) -> str:
        kind, body = part
        encoding = {16: "utf-8", 17: "utf-16", 4: "utf-16"}.get(kind, "latin1")
        suffix = ("-le" if self.order == "<" else "-be") if encoding == "utf-16" else ""
        return bytes(body[:_MAX_TEXT]).decode(encoding + suffix, "replace")

    def _read_numbers(self, parts: list[tuple[int, memoryview]], shape: tuple[int, ...]) -> Any:
        if not parts:
            return np.zeros(shape if 0 in shape and max(shape) < 1 << 24 else (0, 0))
        kind, body = parts[0]
        if kind not in _TYPES:
            raise ValueError(f"numbers of type {kind}")
        values = np.frombuffer(body, f"{self.order}{_TYPES[kind]}")
        if len(values) != math.prod(shape):
            raise ValueError(f"{len(values)} numbers for an array {shape}")
        return values.reshape(shape, order="F")
