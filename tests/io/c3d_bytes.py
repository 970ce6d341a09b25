"""C3D files byte by byte, for tests."""

from __future__ import annotations

import struct
from typing import Any

ORDER = {84: "<", 85: "<", 86: ">"}


def dec(value: float) -> bytes:
    """A float as a VAX stores it: 4 times as large, its halves exchanged."""
    raw = struct.pack("<f", value * 4)
    return raw[2:] + raw[:2]


def real(value: float, processor: int) -> bytes:
    return dec(value) if processor == 85 else struct.pack(ORDER[processor] + "f", value)


def record(number: int, name: bytes, content: bytes, order: str) -> bytes:
    return struct.pack("bb", len(name), number) + name + struct.pack(order + "H", 3 + len(content)) + content + b"\0"


def made(processor: int = 84, integers: bool = False, **changes: Any) -> bytes:
    """Three frames of points A and B: (1, 2, 3), (4, 5, 6) and so on in mm at 100 Hz, B missing in frame 2; no padding."""
    order, scale = ORDER[processor], 0.5 if integers else -0.5

    def number(name: bytes, value: float, kind: int = 2) -> bytes:
        data = struct.pack(order + "H", int(value)) if kind == 2 else real(value, processor)
        return record(1, name, struct.pack("bb", kind, 0) + data, order)

    def text(name: bytes, *values: bytes) -> bytes:
        width = max(map(len, values))
        body = b"".join(value.ljust(width) for value in values)
        return record(1, name, struct.pack("bBBB", -1, 2, width, len(values)) + body, order)

    used, frames, start = changes.get("used", 2), changes.get("frames", 3), changes.get("start", 3)
    parts = [b"\0\0\1" + bytes([processor]), text(b"LABELS", *changes.get("labels", (b"A", b"B")))]
    parts += [number(b"USED", used), number(b"FRAMES", frames), number(b"DATA_START", start)]
    parts += [number(b"RATE", changes.get("rate", 100), 4), number(b"SCALE", changes.get("scale", scale), 4)]
    parts += [text(b"UNITS", b"mm "), text(b"Y_SCREEN", b"+Z"), *changes.get("more", ())]
    parts += [record(-1, b"POINT", b"", order), b"\0\0"]
    head = struct.pack(order + "5H", used, 0, changes.get("first", 7), changes.get("first", 7) + frames - 1, 0)
    head += real(scale, processor) + struct.pack(order + "HH", start, 0) + real(100, processor)
    data = b""
    for k in range(6):
        values = [3 * k + 1, 3 * k + 2, 3 * k + 3, -1 if k == 3 else 0]
        if integers:
            data += struct.pack(order + "4h", *(2 * v for v in values[:3]), values[3])
        else:
            data += b"".join(real(v, processor) for v in values)
    return (b"\2\x50" + head).ljust(512, b"\0") + b"".join(parts).ljust(512, b"\0") + data
