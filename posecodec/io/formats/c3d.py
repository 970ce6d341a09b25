"""C3D motion capture files: the labeled points, read from and written to bytes by our own code (`c3d_parser`).

One person, whose keypoints are the points in their order; the labels of several subjects ("Anna:LASI") stay apart by name.
A point is missing where it is NaN or its residual is below 0. Up is the axis of POINT:Y_SCREEN. Leaves out analog data,
events, residuals, camera masks and every parameter but those of the points: what a file has of them is reported.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.formats import c3d_parser
from posecodec.io.formats.c3d_parser import BLOCK, COUNT_FULL, EVENTS_KEY, EVENTS_WORD, KEY, Content
from posecodec.io.parsing import frame_rates, markers, missing
from posecodec.io.parsing.format_metadata import read_facts, read_integer
from posecodec.pose.sequence import AXES, PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

_NO_POSITIONS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")
_MAX_LIST = 255  # entries of a list, bytes of a text and blocks of the parameters: each is counted in one byte
_INTEGER_RANGE = 32000
"""Integers that the stated scale would need for the farthest coordinate: POINT:SCALE is read even where floats are stored."""
_MIN_SCALE = 1e-30  # of a file without any extent: a scale must not be 0


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The points of a `.c3d`, in the unit of POINT:UNITS, float32.

    Integer files are scaled. metadata `c3d`: `first_frame` if it is not 1, `units` if they are no unit known here,
    `x_screen` if it is not the axis written by default. fps: instead of POINT:RATE.
    Raises InputError if the file is cut short, its counts do not fit, or it has no labeled points.
    """
    content = c3d_parser.parse(read_bytes(path))
    names = _read_names(content)
    gone = content.points[..., 3] < 0
    points = missing.mask_infinite(np.where(gone[..., None], np.float32(np.nan), content.points[..., :3]))
    missing.report_zeros(points)
    _report_left_out(content)
    unit, up, facts = _read_unit_and_axes(content)
    rate, skeleton = _round_rate(content.rate) if fps is None else fps, build_skeleton(names)
    metadata = {"source_format": "c3d"} | ({"c3d": facts} if facts else {})
    return PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, unit=unit, up=up, metadata=metadata)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.c3d` of floats (Intel): labels, unit, rate, axis and number of the first frame as they were read.

    Missing points are 0, 0, 0 with residual -1, the others have residual 0. Confidences and the id are left behind.
    Raises UsageError unless it is one person in 3D at a constant rate, with keypoint names that a label can hold.
    """
    _check_fits(sequence)
    points = sequence.positions[:, 0].astype("<f4")
    if not (np.isfinite(points) | np.isnan(points)).all():
        raise UsageError("a coordinate is beyond float32, which .c3d holds; save as .npz")
    values = np.zeros((*points.shape[:2], 4), "<f4")
    values[..., :3] = np.nan_to_num(points)
    values[..., 3] = np.where(sequence.valid[:, 0], 0, -1)
    first = read_integer(read_facts(sequence, "c3d"), "first_frame", 1, range(1, 1 << 31))
    scale = -max(float(np.abs(values[..., :3]).max()) / _INTEGER_RANGE, _MIN_SCALE)
    head = _encode_header(sequence, first, scale)
    body = values.tobytes()
    write_atomic(path, head + body + bytes(-len(body) % BLOCK), force)


def _read_names(content: Content) -> list[str]:
    """A label for each point. Those without are called *N, as capture software does, N counting from 1."""
    known, count = content.parameters, content.points.shape[1]
    keys = ["POINT:LABELS"]  # then POINT:LABELS2 and so on: one list may have 255 entries
    while f"POINT:LABELS{len(keys) + 1}" in known:
        keys.append(f"POINT:LABELS{len(keys) + 1}")
    found = [text for key in keys if key in known for text in known[key].texts]
    labels = (found + [""] * count)[:count]
    if all(label.startswith("*") or not label for label in labels):
        raise InputError(f"none of the {count} points has a label in POINT:LABELS; label them in the capture software")
    report_count(labels.count(""), "points without a label are called *N, N counting from 1")
    return _make_unique([label or f"*{i}" for i, label in enumerate(labels, 1)])


def _make_unique(names: Sequence[str]) -> list[str]:
    """The names, with _2, _3 behind those that were there before."""
    taken, counts, result = set(names), Counter[str](), []
    for name in names:
        counts[name] += 1
        new = name
        while counts[name] > 1 and new in taken:
            new = f"{name}_{counts[name]}"
            counts[name] += new in taken
        taken.add(new)
        result.append(new)
    changed = [new for old, new in zip(names, result, strict=True) if new != old]
    if changed:
        report_change(f"{len(changed)} labels are there twice; the later ones get a number ({changed[0]})")
    return result


def _read_unit_and_axes(content: Content) -> tuple[str, str, dict[str, Any]]:
    """Unit, up axis, and what is needed to write the file again."""
    known, keys = content.parameters, ("POINT:UNITS", "POINT:Y_SCREEN", "POINT:X_SCREEN")
    text, up, across = ("".join(known[key].texts[:1]) if key in known else "" for key in keys)
    unit = markers.UNITS.get(text.lower(), "unknown")
    axis = next((axis for axis in AXES if axis == up.lower().removeprefix("+")), "unknown")
    facts: dict[str, Any] = {}
    if content.first != 1:
        facts["first_frame"] = content.first
    if text and unit == "unknown":
        facts["units"] = text
    if across and axis != "unknown" and across != _pick_x_screen(axis):
        facts["x_screen"] = across
    return unit, axis, facts


def _pick_x_screen(up: str) -> str:
    """The axis to the right on a screen where `up` is up, if nothing is known of it."""
    return "+Y" if up.endswith("x") else "+X"


def _round_rate(rate: float) -> float:
    """The usual rate that is this float32, or else its shortest decimal: 29.97, not 29.969999313354492."""
    rate = frame_rates.require_rate(rate if math.isfinite(rate) and rate > 0 else None)
    usual = next((r for r in frame_rates.USUAL_RATES if np.float32(r) == np.float32(rate)), None)
    return float(usual or str(np.float32(rate)))


def _report_left_out(content: Content) -> None:
    parameters, residual = content.parameters, content.points[..., 3]
    measured = int(((residual > 0) | (residual < -1)).sum())
    analog, events = (c3d_parser.read_count(parameters, f"{group}:USED", 0) for group in ("ANALOG", "EVENT"))
    parts = {"analog channels": analog, "events": content.events or events, "residuals": measured}
    found = [f"{count} {what}" for what, count in parts.items() if count]
    groups = {key.partition(":")[0] for key in parameters} - {"POINT", "ANALOG", "EVENT", "TRIAL"}
    if groups:
        found.append(f"the parameters of {', '.join(sorted(groups))}"[:300])
    if found:
        report_change(f"{'; '.join(found)} are not kept")
    kinds = {kind: len(parameters[f"POINT:{kind}"].texts) for kind in _NO_POSITIONS if f"POINT:{kind}" in parameters}
    other = [f"{count} {kind.lower()}" for kind, count in kinds.items() if count]
    if other:
        report_change(f"some points are no positions but {', '.join(other)} of a model; they are kept as points")


def _check_fits(sequence: PoseSequence) -> None:
    markers.check_one_person(sequence, ".c3d")
    with np.errstate(over="ignore"):
        stored = float(np.float32(sequence.rate))
    if not (math.isfinite(stored) and stored > 0):
        raise UsageError(f"the rate {sequence.fps} is beyond float32, which .c3d holds; save as .npz")
    if _round_rate(stored) != sequence.fps:
        report_change(f"the rate {sequence.fps} is written as {np.float32(sequence.fps)}, as precise as .c3d can be")
    names = sequence.skeleton.keypoints
    wrong = [n for n in names if n != n.strip("\0 ") or not n or len(n.encode()) > _MAX_LIST]
    if wrong or all(n.startswith("*") for n in names):
        raise UsageError(f"the keypoint name {(wrong or names)[0]!r:.60} is no label; rename it or save as .npz")
    if sequence.ids != ("0",):
        report_change(f".c3d has no room for the id {sequence.ids[0]!r}; it is left behind")


def _encode_header(sequence: PoseSequence, first: int, scale: float) -> bytes:
    count, frames, rate = len(sequence.skeleton), sequence.frames, sequence.rate
    if count > COUNT_FULL:
        raise UsageError(f"{count} keypoints; .c3d holds {COUNT_FULL}, save as .npz")
    size = len(_encode_parameters(sequence, first, scale, 0))
    blocks = -(-size // BLOCK)
    if blocks > _MAX_LIST:
        raise UsageError(f"{count} labels need {size} bytes, more than the {_MAX_LIST * BLOCK} of .c3d; save as .npz")
    section = _encode_parameters(sequence, first, scale, 2 + blocks)
    words = struct.pack("<4H", count, 0, min(first, COUNT_FULL), min(first + frames - 1, COUNT_FULL))
    head = bytes((2, KEY)) + words + struct.pack("<HfHHf", 0, scale, 2 + blocks, 0, rate)
    head = head.ljust(2 * EVENTS_WORD, b"\0") + struct.pack("<H", EVENTS_KEY)
    section = section[:2] + bytes((blocks,)) + section[3:]
    return head.ljust(BLOCK, b"\0") + section.ljust(blocks * BLOCK, b"\0")


def _encode_parameters(sequence: PoseSequence, first: int, scale: float, start: int) -> bytes:
    """The parameter section; `start` is the block of the data."""
    names, facts = [name.encode() for name in sequence.skeleton.keypoints], read_facts(sequence, "c3d")
    frames, count = sequence.frames, len(names)
    integers = {"USED": count, "FRAMES": min(frames, COUNT_FULL), "DATA_START": start}
    point = [_encode_numbers(name, "H", value) for name, value in integers.items()]
    point += [_encode_numbers("SCALE", "f", scale), _encode_numbers("RATE", "f", sequence.rate)]
    units = sequence.unit if sequence.unit != "unknown" else facts.get("units")
    if isinstance(units, str) and 0 < len(units.encode()) <= _MAX_LIST:
        point.append(_encode_texts("UNITS", [units.encode()]))
    if sequence.up != "unknown":
        across = facts.get("x_screen")
        if not (isinstance(across, str) and re.fullmatch("[+-][XYZ]", across)):
            across = _pick_x_screen(sequence.up)
        up = sequence.up.upper() if sequence.up.startswith("-") else f"+{sequence.up.upper()}"
        point += [_encode_texts("X_SCREEN", [across.encode()]), _encode_texts("Y_SCREEN", [up.encode()])]
    for number, at in enumerate(range(0, count, _MAX_LIST), 1):
        point.append(_encode_texts(f"LABELS{number if number > 1 else ''}", names[at : at + _MAX_LIST]))
    if frames >= COUNT_FULL:
        point.append(_encode_numbers("LONG_FRAMES", "f", frames))
    groups = [("POINT", point), ("ANALOG", [_encode_numbers("USED", "H", 0)])]
    if first + frames - 1 > COUNT_FULL:
        fields = (("ACTUAL_START_FIELD", first), ("ACTUAL_END_FIELD", first + frames - 1))
        groups.append(("TRIAL", [_encode_numbers(name, "H", n & 0xFFFF, n >> 16) for name, n in fields]))
    section = b"\x01\x50\x00\x54"
    for i, (name, parts) in enumerate(groups, 1):
        section += _encode_record(-i, name, b"") + b"".join(_encode_record(i, *part) for part in parts)
    return section + bytes(2)


Part = tuple[str, bytes]
"""A parameter's name, and its type, dimensions and data."""


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


def _sniff(file: Source) -> Clue | None:
    """The first byte is the block where the parameters begin, the second the key of C3D."""
    head = file.head
    is_c3d = len(head) >= 512 and head[0] < 64 and head[1] == KEY and b"\0" in head[:512]
    return Clue("its second byte, 50 hex") if is_c3d else None


FORMAT = Format(
    name="c3d", title="C3D motion capture", suffixes=(".c3d",), own_suffixes=(".c3d",), read=read, write=write,
    sniff=_sniff, priority=47,
)  # fmt: skip
