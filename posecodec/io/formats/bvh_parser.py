"""The text of a `.bvh` file as a tree of joints and a table of channel values.

Checks everything that the text states against what follows it, and names the line. Knows nothing of kinematics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Literal, NoReturn

import numpy as np

from posecodec.errors import InputError, report_change
from posecodec.io.parsing.frame_rates import USUAL_RATES
from posecodec.pose.skeleton import check_keypoints
from posecodec.typing import Floats

Channel = tuple[Literal["position", "rotation"], int, int]
"""Kind, axis (0, 1, 2 for x, y, z), column of the motion table."""

END = "_end"  # Of the names that End Sites get: their joint's and this
_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_WHOLE = 1e-9  # share by which the inverse of a time is off a whole number that it is
_POSES_FREE = (
    10_000  # joints times frames that even a short text may ask for: each joint that moves has a number a frame
)


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """A rig and how it moves.

    names: J joints and End Sites, parents first. parents: J indices, -1 for the root. offsets: (J, 3) in the file's
    unit. channels: per joint in the order listed. rows: (T, C), degrees and lengths. fps: frames per second.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Floats
    channels: tuple[tuple[Channel, ...], ...]
    rows: Floats
    fps: float


@dataclass
class _Tree:
    """The hierarchy while it is read; an offset is None until its line comes. columns: C, the channels of all joints."""

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float] | None] = field(default_factory=list)
    channels: list[list[Channel]] = field(default_factory=list)
    columns: int = 0


Line = tuple[int, list[str]]


def parse(text: str) -> Motion:
    """The hierarchy and the motion. Raises InputError that names the line."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None:
        raise InputError(f"no line MOTION among {len(lines)} lines; the file is not BVH or is cut short")
    tree = _parse_hierarchy(_split_statements(lines[:start]))
    filled = [(number, line) for number, line in enumerate(lines[start + 1 :], start + 2) if line.strip()]
    frames, time = _read_stated(filled, 0, "Frames:"), _read_stated(filled, 1, "Frame Time:")
    rate = infer_frame_rate(time[1], time[0])
    _check_frames(frames, len(filled) - 2, len(tree.names), len(text))
    rows = np.empty((len(filled) - 2, tree.columns))
    for t, (number, line) in enumerate(filled[2:]):
        words, count = line.split(), tree.columns
        if len(words) != count:
            raise InputError(f"line {number}: {len(words)} values, but the joints have {count} channels; it is damaged")
        rows[t] = _parse_floats(number, words)
    offsets = np.array(tree.offsets, np.float64).reshape(-1, 3)
    channels = tuple(tuple(of_joint) for of_joint in tree.channels)
    return Motion(tuple(tree.names), tuple(tree.parents), offsets, channels, rows, rate)


def _split_statements(lines: Sequence[str]) -> Iterator[Line]:
    """Line number and words of each statement; a brace is a statement of its own wherever it stands."""
    for number, line in enumerate(lines, 1):
        for piece in re.split(r"([{}])", line):
            if piece.strip():
                yield number, piece.split()


def _parse_hierarchy(pieces: Iterator[Line]) -> _Tree:
    tree, pending = _Tree(), False
    open_joints: list[int] = []
    number, words = next(pieces, (1, [""]))
    if words[0].upper() != "HIERARCHY":
        _reject(number, words, "HIERARCHY")
    for number, words in pieces:
        key = words[0].upper()
        if pending != (key == "{"):
            _reject(number, words, "{" if pending else "OFFSET, CHANNELS, JOINT, End Site or }")
        pending = False
        if key == "{":
            open_joints.append(len(tree.names) - 1)
        elif key in ("ROOT", "JOINT", "END"):
            _add_joint(tree, open_joints, number, words)
            pending = True
        elif not open_joints:
            _reject(number, words, "a ROOT around it")
        elif key == "}":
            joint = open_joints.pop()
            if tree.offsets[joint] is None:
                what = f"joint {tree.names[joint]!r} closes without an OFFSET"
                raise InputError(f"line {number}: {what}; the file is damaged")
        else:
            _add_property(tree, open_joints[-1], number, words)
    if open_joints or pending or not tree.names:
        raise InputError(f"line {number}: MOTION begins before every joint is closed by a brace; the file is damaged")
    return tree


def _add_joint(tree: _Tree, open_joints: Sequence[int], number: int, words: list[str]) -> None:
    root = words[0].upper() == "ROOT"
    if root == bool(open_joints) or (root and tree.names):
        _reject(number, words, "one ROOT, and every JOINT and End Site inside it")
    if len(words) < 2:
        _reject(number, words, "a name")
    parent = open_joints[-1] if open_joints else -1
    end = words[0].upper() == "END"
    check_keypoints(len(tree.names) + 1)
    tree.names.append(f"{tree.names[parent]}{END}" if end else " ".join(words[1:]))
    tree.parents.append(parent)
    tree.offsets.append(None)
    tree.channels.append([])


def _add_property(tree: _Tree, joint: int, number: int, words: list[str]) -> None:
    key, names = words[0].upper(), words[2:]
    if key == "OFFSET" and len(words) == 4:
        tree.offsets[joint] = _parse_floats(number, words[1:])
        return
    if key != "CHANNELS" or len(words) < 2:
        _reject(number, words, "OFFSET x y z, CHANNELS n names, JOINT, End Site or }")
    if words[1] != str(len(names)) or tree.channels[joint]:
        _reject(number, words, "CHANNELS once for a joint, its count and as many names")
    for column, name in enumerate(names, tree.columns):
        found = _CHANNEL.fullmatch(name)
        if not found:
            _reject(number, [name], "Xposition ... Zrotation")
        kind: Literal["position", "rotation"] = "position" if found[2].lower() == "position" else "rotation"
        tree.channels[joint].append((kind, "xyz".index(found[1].lower()), column))
    tree.columns += len(names)


def _check_frames(frames: tuple[int, str], rows: int, joints: int, size: int) -> None:
    number, stated = frames
    if not (stated.isascii() and stated.isdecimal() and len(stated) < 12):
        _reject(number, [stated], "a number of frames")
    if int(stated) != rows:
        raise InputError(f"line {number}: {stated} frames are stated, {rows} follow; the file is cut short or damaged")
    if rows * joints > size + _POSES_FREE:
        raise InputError(f"{rows} frames of {joints} joints in {size} characters; so few cannot move so many")


def _read_stated(filled: Sequence[tuple[int, str]], at: int, key: str) -> tuple[int, str]:
    """Line number and value of `key value`."""
    if at >= len(filled):
        raise InputError(f"no line {key!r} after MOTION; the file is cut short")
    number, line = filled[at]
    pattern = key.replace(" ", r"\s+").replace(":", r"\s*:\s*") + r"(\S+)"
    found = re.fullmatch(pattern, line.strip(), re.IGNORECASE)
    if not found:
        _reject(number, line.split(), f"{key} and a number")
    return number, found[1]


def _parse_floats(number: int, words: Sequence[str]) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        _reject(number, words, "numbers")
    if not all(map(math.isfinite, values)):
        _reject(number, words, "finite numbers")
    return values


def infer_frame_rate(text: str, number: int = 0) -> float:
    """Frames per second of a frame time as printed: a whole rate that it is exactly, a usual one that is printed so, or else
    the exact one.

    Rates that round to those digits go before those only cut off to them, which is reported, and whole ones before 29.97
    and such. Raises InputError, naming line `number`, unless it is a finite time above 0.

    >>> infer_frame_rate("0.0083333"), infer_frame_rate("0.004")
    (120.0, 250.0)
    """
    seconds = _parse_floats(number, [text])[0]
    if not (seconds > 0 and math.isfinite(1 / seconds)):
        _reject(number, [text], "a frame time above 0")
    whole = round(1 / seconds)
    if abs(1 / seconds - whole) <= _WHOLE * whole:
        return float(whole)
    try:
        exponent = Decimal(text).as_tuple().exponent
    except InvalidOperation:
        exponent = 0
    digit = 10.0 ** max(exponent, -300) if isinstance(exponent, int) else 0.0
    for slack in (digit / 2, digit):
        near = [r for r in USUAL_RATES if abs(1 / r - seconds) <= min(slack, 0.1 * seconds) + 1e-12]
        if near:
            rate = float(min(near, key=lambda r: (r != int(r), abs(1 / r - seconds))))
            if slack == digit:
                report_change(f"the frame time {text} is taken for that of {rate:.6g} frames per second, cut off")
            return rate
    return 1 / seconds


def _reject(number: int, words: Sequence[str], expected: str) -> NoReturn:
    found = " ".join(words)[:60]
    raise InputError(f"line {number}: found {found!r}, expected {expected}; the file is damaged or not BVH")
