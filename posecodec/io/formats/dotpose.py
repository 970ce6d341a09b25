"""The `.pose` binary format of sign-language-processing: versions 0.1 and 0.2 read, 0.2 written.

Little-endian; text is a u16 length and UTF-8. A header of components (points, limbs, colors) and a body of float32
positions (T, P, K, D) followed by confidences (T, P, K), where 0 means missing. Units are pixels, y down. Leaves out
version 0.0, person ids and masks other than the confidence. Specification: docs/specs in sign-language-processing/pose.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import missing
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import MAX_KEYPOINTS, Skeleton, check_keypoints
from posecodec.pose.skeletons.builtin import BUILT_IN

Pairs = tuple[tuple[int, int], ...]
_KEY = "pose_header"
_OLD_VERSION = 0.1  # read only: its rate is whole, and it counts frames in 16 bits
_VERSION = 0.2  # read and written
_MAX_NAME = 1000  # bytes of a name; that of a component stands before each of its points
_MOST_ROWS = 2 * MAX_KEYPOINTS  # limbs, or colors, of a file


@dataclass(frozen=True)
class _Component:
    """One component of the header: `format` is such as "XYZC", limbs are pairs of its own points, colors are RGB."""

    name: str
    format: str
    points: tuple[str, ...]
    limbs: Pairs
    colors: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int, int]
    components: tuple[_Component, ...]

    @property
    def keypoints(self) -> int:
        return sum(len(c.points) for c in self.components)

    @property
    def dims(self) -> int:
        return max((len(c.format) for c in self.components), default=0) - 1


class _Cursor:
    """Reads on from `data`, never past its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int, what: str) -> bytes:
        if size > self.left:
            where = f"{what} at byte {self.at}"
            raise InputError(f"{where} needs {size} bytes, {self.left} are left; the file is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout), what))

    def read_rows(self, count: int, width: int, what: str) -> list[tuple[int, ...]]:
        """`count` rows of `width` u16."""
        values = np.frombuffer(self.take(2 * count * width, what), "<u2").reshape(count, width)
        return [tuple(row) for row in values.tolist()]

    def read_text(self, what: str) -> str:
        (size,) = self.unpack("H", what)
        if size > _MAX_NAME:
            raise InputError(f"{what} has {size} bytes, more than {_MAX_NAME}; the header is damaged")
        data = self.take(size, what)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{what} is no UTF-8 text ({data!r:.40}); the file is damaged") from error

    @property
    def left(self) -> int:
        return len(self.data) - self.at


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a `.pose` file, in pixels.

    Keypoints are named COMPONENT/POINT, with the limbs as edges. A file of one component whose points are those of a
    built-in skeleton gets that skeleton (NOSE or Nose for nose, RShoulder for right_shoulder). The rest of the header
    is kept as metadata `pose_header`, so that writing gives the same bytes.
    fps: instead of the file's rate. Raises InputError if the file is cut short or states what it does not hold.
    """
    cursor = _Cursor(read_bytes(path))
    (version,) = cursor.unpack("f", "the version")
    if not any(np.float32(version) == np.float32(known) for known in (_OLD_VERSION, _VERSION)):
        raise InputError(f"version {version:.6g}; 0.1 and 0.2 are read, convert it with pose-format")
    header = _read_header(cursor)
    rate, points, confidence = _read_body(cursor, header, np.float32(version) == np.float32(_OLD_VERSION))
    skeleton = _build_skeleton(header)
    points = np.where(confidence[..., None] == 0, np.float32(np.nan), points)
    return PoseSequence.from_arrays(
        points, fps=rate if fps is None else fps, confidence=confidence, skeleton=skeleton, unit="px", up="-y",
        metadata={"source_format": "pose", _KEY: _describe_header(header, skeleton)},
    )  # fmt: skip


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.pose` file of version 0.2, under the header it was read with if metadata still holds one that fits.

    Unit, axes, ids and other metadata are left behind. Raises UsageError if the sequence has timestamps.
    """
    if sequence.fps is None:
        raise UsageError(".pose holds no timestamps; pass --fps N (fps=N in load) or save as .npz")
    if not sequence.people:
        raise UsageError("the sequence has no people, and .pose cannot say so; save as .npz")
    sequence = missing.keep_unsure(sequence, ".pose")
    header = _restore_header(sequence) or _make_header(sequence)
    try:
        head = _encode_header(header) + struct.pack("<fIH", sequence.fps, sequence.frames, sequence.people)
    except (struct.error, OverflowError, UnicodeError) as error:
        raise UsageError(f"too much for .pose, whose counts and names are 16 bits ({error}); save as .npz") from error
    missing.report_rounding(sequence.positions, ".pose")
    _report_left(sequence, _build_skeleton(header))
    points = np.nan_to_num(sequence.positions, nan=0.0).astype("<f4")
    write_atomic(path, head + points.tobytes() + sequence.confidence.astype("<f4").tobytes(), force)


def _report_left(sequence: PoseSequence, read: Skeleton) -> None:
    """Say what of a recording has no room in a `.pose` file, which is of pixels with y down. read: its skeleton once read."""
    skeleton = sequence.skeleton
    left = [f"the unit {sequence.unit}"] if sequence.unit not in ("px", "unknown") else []
    left += ["the up axis"] if sequence.up not in ("-y", "unknown") else []
    left += ["ids"] if sequence.ids != tuple(map(str, range(sequence.people))) else []
    left += ["pairs of left and right"] if {*skeleton.pairs} - {*read.pairs} else []
    left += ["the root"] if skeleton.root not in (None, read.root) else []
    between = len({*skeleton.edges} - {*read.edges})
    left += [f"{between} limbs between components"] if between else []
    if left:
        report_change(f".pose has no room for {' and '.join(left)}")
    renamed = [(a, b) for a, b in zip(skeleton.keypoints, read.keypoints, strict=True) if a != b]
    if renamed:
        report_change(f"{len(renamed)} keypoints get other names in .pose, {renamed[0][0]!r} {renamed[0][1]!r} for one")


def _read_header(cursor: _Cursor) -> _Header:
    width, height, depth, count = cursor.unpack("4H", "the header")
    components: list[_Component] = []
    rows = points = 0
    for _ in range(count):
        components.append(_read_component(cursor))
        points += len(components[-1].points)
        rows += max(len(components[-1].limbs), len(components[-1].colors), 1)
        check_keypoints(points)
        if rows > _MOST_ROWS:
            raise InputError(f"more than {_MOST_ROWS} components, limbs or colors; the header is damaged")
    header = _Header((width, height, depth), tuple(components))
    if header.dims not in (2, 3):
        formats = [c.format for c in header.components]
        raise InputError(f"point formats {formats} have {header.dims} coordinates; 2 or 3 and a confidence are needed")
    return header


def _read_component(cursor: _Cursor) -> _Component:
    name, layout = cursor.read_text("a component's name"), cursor.read_text("a component's format")
    points, limbs, colors = cursor.unpack("3H", f"the counts of component {name!r}")
    check_keypoints(points)
    names = tuple(cursor.read_text(f"a point name of {name!r}") for _ in range(points))
    pairs = tuple((a, b) for a, b in cursor.read_rows(limbs, 2, f"the limbs of {name!r}"))
    if any(i >= points for pair in pairs for i in pair):
        raise InputError(f"component {name!r}: a limb names a point beyond its {points}; the header is damaged")
    return _Component(name, layout, names, pairs, tuple(cursor.read_rows(colors, 3, f"the colors of {name!r}")))


def _read_body(cursor: _Cursor, header: _Header, old: bool) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """fps, positions (T, P, K, D), confidence (T, P, K)."""
    rate, frames, people = cursor.unpack("HHH" if old else "fIH", "the body's counts")
    frame = 4 * people * header.keypoints * (header.dims + 1)
    if old and frame:
        frames = cursor.left // frame  # 16 bits overflow after 65,535 frames, so the bytes decide
    if frames * frame != cursor.left:
        what = f"{frames} frames of {people} people x {header.keypoints} points need {frames * frame} bytes"
        raise InputError(f"{what}, {cursor.left} are left at byte {cursor.at}; the file is cut short or damaged")
    if not frame:
        raise InputError(f"the file holds {people} people of {header.keypoints} points; there is nothing to read")
    values = np.frombuffer(cursor.take(cursor.left, "the body"), "<f4")
    shape = (frames, people, header.keypoints)
    split = frames * people * header.keypoints * header.dims
    rate = float(str(np.float32(rate)))  # the shortest decimal: 29.97, not 29.969999313354492
    return rate, values[:split].reshape(*shape, header.dims), values[split:].reshape(shape)


def _build_skeleton(header: _Header) -> Skeleton:
    only = header.components[0]
    if len(header.components) == 1:
        plain = tuple(_simplify_name(name) for name in only.points)
        known = next((s for s in BUILT_IN.values() if s.keypoints == plain), None)
        if known:
            return known
    names, edges, first = [], [], 0
    written = [  # as `_make_header` does it: what has no component's name in front is of one that is called as the skeleton
        point if component.name in BUILT_IN else f"{component.name}/{point}"
        for component in header.components
        for point in component.points
    ]
    for name in {component.name for component in header.components} & BUILT_IN.keys():
        if BUILT_IN[name].keypoints == tuple(written):
            return BUILT_IN[name]
    for component in header.components:
        names += [f"{component.name}/{point}" for point in component.points]
        edges += [(first + a, first + b) for a, b in component.limbs]
        first += len(component.points)
    return Skeleton("custom", tuple(names), tuple(edges))


def _simplify_name(name: str) -> str:
    """A point's name as built-in skeletons spell it: NOSE -> nose, RShoulder -> right_shoulder, MidHip -> mid_hip."""
    if name.isupper():
        return name.lower()
    name = re.sub(r"^([LR])(?=[A-Z])", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _describe_header(header: _Header, skeleton: Skeleton) -> dict[str, Any]:
    """The header as JSON values; names and limbs only where the skeleton does not hold them already."""
    known = skeleton.name in BUILT_IN
    components = []
    for c in header.components:
        points = {"points": list(c.points), "limbs": [list(p) for p in c.limbs]} if known else {"points": len(c.points)}
        components.append({"name": c.name, "format": c.format, **points, "colors": [list(color) for color in c.colors]})
    return {"size": list(header.size), "components": components}


def _restore_header(sequence: PoseSequence) -> _Header | None:
    """The header a file was read with, or None if there is none or it no longer fits the skeleton."""
    try:
        values = sequence.metadata[_KEY]
        width, height, depth = values["size"]
        components, first = [], 0
        for entry in values["components"]:
            components.append(_restore_component(entry, sequence.skeleton, first))
            first += len(components[-1].points)
        header = _Header((width, height, depth), tuple(components))
        fits = header.dims == sequence.dims and _build_skeleton(header).keypoints == sequence.skeleton.keypoints
        _encode_header(header)
        return header if fits else None
    except (LookupError, TypeError, ValueError, AttributeError, struct.error, InputError):
        return None


def _restore_component(entry: Mapping[str, Any], skeleton: Skeleton, first: int) -> _Component:
    points, colors = entry["points"], tuple(tuple(color) for color in entry["colors"])
    if not isinstance(points, int):
        limbs = tuple((a, b) for a, b in entry["limbs"])
        return _Component(entry["name"], entry["format"], tuple(points), limbs, colors)
    last, skip = first + points, len(entry["name"]) + 1
    names = tuple(name[skip:] for name in skeleton.keypoints[first:last])
    return _Component(entry["name"], entry["format"], names, _cut_edges(skeleton, first, last), colors)


def _cut_edges(skeleton: Skeleton, first: int, last: int) -> Pairs:
    return tuple((a - first, b - first) for a, b in skeleton.edges if first <= a < last and first <= b < last)


def _make_header(sequence: PoseSequence) -> _Header:
    """A header for a sequence from elsewhere: a component for each run of names with one prefix before "/"."""
    skeleton, components, first = sequence.skeleton, [], 0
    layout = "XYC" if sequence.dims == 2 else "XYZC"
    for prefix, group in groupby([name.rpartition("/") for name in skeleton.keypoints], key=lambda parts: parts[0]):
        names = tuple(parts[2] for parts in group)
        limbs = _cut_edges(skeleton, first, first + len(names))
        components.append(_Component(prefix or skeleton.name, layout, names, limbs, ((255, 0, 0),)))
        first += len(names)
    return _Header(_measure_extent(sequence.positions), tuple(components))


def _measure_extent(positions: NDArray[np.float32]) -> tuple[int, int, int]:
    """Width, height and depth that hold every position, within 16 bits."""
    seen = positions[~np.isnan(positions[..., 0])].reshape(-1, positions.shape[-1])
    most = np.zeros(3) if not len(seen) else np.pad(seen.max(axis=0), (0, 3 - seen.shape[1]))
    width, height, depth = (int(v) for v in np.clip(np.ceil(most), 0, 0xFFFF))
    return width, height, depth


def _encode_header(header: _Header) -> bytes:
    parts = [struct.pack("<f4H", _VERSION, *header.size, len(header.components))]
    for c in header.components:
        counts = struct.pack("<3H", len(c.points), len(c.limbs), len(c.colors))
        parts += [_encode_text(c.name), _encode_text(c.format), counts, *map(_encode_text, c.points)]
        parts += [struct.pack(f"<{len(row)}H", *row) for row in (*c.limbs, *c.colors)]
    return b"".join(parts)


def _encode_text(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<H", len(data)) + data


def _sniff(file: Source) -> Clue | None:
    """The file begins with its version, 0.1 or 0.2, as a float."""
    if len(file.head) < 4 or b"\0" not in file.head[:64]:
        return None
    (version,) = struct.unpack("<f", file.head[:4])
    is_known = _OLD_VERSION - 0.01 < version < _VERSION + 0.01
    return Clue("beginning with a .pose version") if is_known else None


FORMAT = Format(
    name="pose", title="sign-language-processing .pose", suffixes=(".pose",), own_suffixes=(".pose",), read=read,
    write=write, sniff=_sniff, priority=46,
)  # fmt: skip
