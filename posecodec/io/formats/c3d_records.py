"""The header and the parameter section of a C3D file that is written: `c3d_parser` the other way. Intel, floats."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from posecodec.errors import UsageError, report_change
from posecodec.io.formats.c3d_labels import MODELED
from posecodec.io.formats.c3d_parser import BLOCK, COUNT_FULL, EVENTS_KEY, EVENTS_WORD, KEY, MOST_EVENTS
from posecodec.io.parsing.format_metadata import read_integer
from posecodec.pose.channels import Channel
from posecodec.pose.sequence import PoseSequence

MOST_LISTED = 255  # Entries of a list, bytes of a text and blocks of the parameters: each is counted in one byte
_INTEGER_RANGE = 32000
"""Integers that the stated scale would need for the farthest coordinate: POINT:SCALE is read even where floats are stored."""
_MIN_SCALE = 1e-30  # of a file without any extent: a scale must not be 0

Part = tuple[str, bytes]
"""A parameter's name, and its type, dimensions and data."""
Groups = list[tuple[str, list[Part]]]


def encode_head(
    sequence: PoseSequence, labels: Sequence[str], channels: Sequence[Channel], facts: Mapping[str, Any], across: str,
    largest: float,
) -> bytes:  # fmt: skip
    """All that stands before the points. across: of X_SCREEN. largest: coordinate. Raises UsageError if it finds no room."""
    count, frames, rate = len(labels), sequence.frames, sequence.rate
    if count > COUNT_FULL:
        raise UsageError(f"{count} keypoints; .c3d holds {COUNT_FULL}, save as .npz")
    first = read_integer(facts, "first_frame", 1, range(1, 1 << 31))
    scale = -max(largest / _INTEGER_RANGE, _MIN_SCALE)
    groups = [
        ("POINT", [*_list_point(sequence, facts, across), *_list_labels("LABELS", labels), *_list_channels(channels)]),
        ("ANALOG", [_encode_numbers("USED", "H", 0)]),
        *_list_trial(first, frames),
        *_list_events(facts),
    ]
    size = len(_encode_section(groups, count, frames, scale, 0))
    blocks = -(-size // BLOCK)
    if blocks > MOST_LISTED:
        raise UsageError(f"{count} labels need {size} bytes, more than the {MOST_LISTED * BLOCK} of .c3d; save as .npz")
    section = _encode_section(groups, count, frames, scale, 2 + blocks)
    words = struct.pack("<4H", count, 0, min(first, COUNT_FULL), min(first + frames - 1, COUNT_FULL))
    head = bytes((2, KEY)) + words + struct.pack("<HfHHf", 0, scale, 2 + blocks, 0, rate)
    head = head.ljust(2 * EVENTS_WORD, b"\0") + struct.pack("<H", EVENTS_KEY) + _encode_events(facts)
    section = section[:2] + bytes((blocks,)) + section[3:]
    return head.ljust(BLOCK, b"\0") + section.ljust(blocks * BLOCK, b"\0")


def _encode_section(groups: Groups, count: int, frames: int, scale: float, start: int) -> bytes:
    """The parameters; `start` is the block of the data."""
    integers = {"USED": count, "FRAMES": min(frames, COUNT_FULL), "DATA_START": start}
    point = [_encode_numbers(name, "H", value) for name, value in integers.items()]
    point.append(_encode_numbers("SCALE", "f", scale))
    section = b"\x01\x50\x00\x54"
    for i, (name, parts) in enumerate(groups, 1):
        parts = point + parts if name == "POINT" else parts
        section += _encode_record(-i, name, b"") + b"".join(_encode_record(i, *part) for part in parts)
    return section + bytes(2)


def _list_point(sequence: PoseSequence, facts: Mapping[str, Any], across: str) -> Iterator[Part]:
    """Rate, unit and axes."""
    yield _encode_numbers("RATE", "f", sequence.rate)
    units = sequence.unit if sequence.unit != "unknown" else facts.get("units")
    if isinstance(units, str) and 0 < len(units.encode()) <= MOST_LISTED:
        yield _encode_texts("UNITS", [units.encode()])
    if sequence.up != "unknown":
        up = sequence.up.upper() if sequence.up.startswith("-") else f"+{sequence.up.upper()}"
        yield _encode_texts("X_SCREEN", [across.encode()])
        yield _encode_texts("Y_SCREEN", [up.encode()])
    if sequence.frames >= COUNT_FULL:
        yield _encode_numbers("LONG_FRAMES", "f", sequence.frames)


def _list_labels(name: str, labels: Sequence[str]) -> Iterator[Part]:
    """A list that goes on in NAME2, NAME3 and so on."""
    for number, at in enumerate(range(0, len(labels), MOST_LISTED), 1):
        texts = [label.encode() for label in labels[at : at + MOST_LISTED]]
        yield _encode_texts(f"{name}{number if number > 1 else ''}", texts)


def _list_channels(channels: Sequence[Channel]) -> Iterator[Part]:
    """Which labels are no places, by group, the units of groups, and what pairs them. A group has one unit."""
    groups: dict[str, list[Channel]] = {}
    for channel in channels:
        groups.setdefault(channel.kind.upper(), []).append(channel)
    pairs = []
    for group, members in groups.items():
        unit = MODELED.get(group, group.removesuffix("S"))
        pairs += [group.encode(), unit.encode()]
        yield from _list_labels(group, [channel.name for channel in members])
        if members[0].unit:
            yield _encode_texts(f"{unit}_UNITS", [members[0].unit.encode()[:MOST_LISTED]])
    if pairs:
        width = max(map(len, pairs))
        sizes = struct.pack("<bBBBB", -1, 3, width, 2, len(pairs) // 2)
        yield "TYPE_GROUPS", sizes + b"".join(text.ljust(width) for text in pairs)


def _list_trial(first: int, frames: int) -> Groups:
    """Frame numbers that need more than 16 bits."""
    if first + frames - 1 <= COUNT_FULL:
        return []
    fields = (("ACTUAL_START_FIELD", first), ("ACTUAL_END_FIELD", first + frames - 1))
    return [("TRIAL", [_encode_numbers(name, "H", n & 0xFFFF, n >> 16) for name, n in fields])]


def _list_events(facts: Mapping[str, Any]) -> Groups:
    """The group EVENT as it was read; reports parameters that are none."""
    stored = facts.get("events")
    found = stored if isinstance(stored, dict) else {}
    parts = [part for name, value in found.items() if (part := _encode_fact(name, value)) is not None]
    if len(parts) < len(found):
        report_change(f"{len(found) - len(parts)} parameters of EVENT in the metadata are none of C3D; left out")
    return [("EVENT", parts)] if parts else []


def _encode_fact(name: str, value: Any) -> Part | None:
    """A parameter from [kind, sizes, values]; None where they do not fit each other."""
    try:
        kind, sizes, values = value
        shape = bytes(sizes)
        head = struct.pack("<bB", kind, len(shape)) + shape
        if kind == -1:
            width = shape[0] if shape else 1
            texts = [text.encode().ljust(width) for text in values]
            data = b"".join(texts) if all(len(text) == width for text in texts) else b""
        else:
            data = struct.pack(f"<{len(values)}{ {1: 'B', 2: 'H', 4: 'f'}[kind] }", *values)
        fits = len(data) == math.prod(shape) * abs(kind) and 0 < len(name.encode()) < 128
    except (TypeError, ValueError, KeyError, AttributeError, struct.error, OverflowError):
        return None
    return (name, head + data) if fits else None


def _encode_events(facts: Mapping[str, Any]) -> bytes:
    """The header's own events, as they were read."""
    stored = facts.get("header_events")
    try:
        events = [(str(label).encode()[:4].ljust(4), float(at), int(flag)) for label, at, flag in stored or []]
        count = len(events)
        times = struct.pack(f"<{count}f", *(at for _, at, _ in events)).ljust(4 * MOST_EVENTS, b"\0")
        flags = bytes(flag for *_, flag in events).ljust(MOST_EVENTS, b"\0")
    except (TypeError, ValueError, struct.error, OverflowError):
        return b""
    if count > MOST_EVENTS:
        return b""
    return struct.pack("<HH", count, 0) + times + flags + bytes(2) + b"".join(label for label, *_ in events)


def _encode_numbers(name: str, layout: str, *values: float) -> Part:
    """Integers of 16 bits (layout H, kind 2) or floats (f, kind 4); one has no dimensions."""
    sizes = bytes((len(values),)) if len(values) > 1 else b""
    kind = struct.pack("<bB", struct.calcsize(f"<{layout}"), len(sizes))
    return name, kind + sizes + struct.pack(f"<{len(values)}{layout}", *values)


def _encode_texts(name: str, texts: Sequence[bytes]) -> Part:
    width = max(map(len, texts))
    return name, struct.pack("<bBBB", -1, 2, width, len(texts)) + b"".join(t.ljust(width) for t in texts)


def _encode_record(number: int, name: str, content: bytes) -> bytes:
    content += b"\0"  # no description
    return struct.pack("<bb", len(name), number) + name.encode() + struct.pack("<H", 2 + len(content)) + content
