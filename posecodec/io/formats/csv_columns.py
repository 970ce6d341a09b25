"""What the columns of a table mean, by the names in its header.

Wide tables have columns for each coordinate of each keypoint (`nose_x`, `nose.x`, `nose x`, `noseX`, `x_nose`, `x0`) and one
row a frame (and person); long ones have one row a keypoint. Knows no cells but those of the header.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posecodec.errors import InputError, report_change
from posecodec.pose.skeleton import check_keypoints

FRAME = (
    "frame", "frame_id", "frame_number", "frame_idx", "frame_index", "frame#", "frame_num", "framenumber", "frameid",
    "frame_no", "frame number", "frame no", "sync_index", "fnum",
)  # fmt: skip
TIME = (
    "time", "timestamp", "t", "frame_time", "frametime", "elapsed", "elapsed_time", "time_stamp", "timestamps", "times",
)  # fmt: skip
"""Names of a time column, before its unit: time_ms, timestamp (us), t [s]. A unit alone (ms, seconds) is one too."""
SECONDS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3,
    "millis": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "usec": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
    "nsec": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip
"""Units of times, in seconds."""
_TIME = re.compile(rf"({'|'.join(TIME)})(?:[ _.]*[(\[]?({'|'.join(SECONDS)})[)\]]?)?|({'|'.join(list(SECONDS)[1:])})")
PERSON = ("person", "person_id", "track", "track_id", "individual", "object_id", "instance", "instance_id", "id")
KEYPOINT = (
    "keypoint", "landmark", "landmark_index", "joint", "bodypart", "keypoint_name", "landmark_name", "joint_name",
    "keypoint_id", "landmark_id", "joint_id", "keypoint_index", "marker", "name",
    "point_id", "point", "point_name",
)  # fmt: skip
PARTS = ("type", "model", "trajectory")
"""Columns of a long table that tell keypoints of one name apart; `type` is MediaPipe's, the others FreeMoCap's."""
_FREEMOCAP = {"timestamp_by_camera", "trajectory", "model"}
CONFIDENCE = ("c", "conf", "confidence", "likelihood", "visibility", "score", "v", "p", "prob", "probability")
OUR_STYLE = ("suffix", "_", "x")
_SUFFIX = re.compile(r"(.+?)([_. :/-]?)([xyzXYZ])")
_PREFIX = re.compile(r"([xyzXYZ])([_. :/-]?)(.+)")

Style = tuple[str, str, str]
"""Where the axis stands, what is between it and the name, and whether it is x or X."""
Wide = dict[str, dict[str, int]]
"""By keypoint and axis the columns of coordinates."""
Indices = tuple[int | None, ...]


@dataclass(frozen=True)
class Columns:
    """Indices of columns from 0, None where there is none.

    second: what a 1 in the time column is in seconds, None where the header does not say. names, axes, confidence: of K
    keypoints, of axes D columns each; of a long table only one, without a name. parts, keypoint: of a long table, the columns
    that name the keypoint. unit: of the coordinates, where the program is known by its columns.
    """

    names: tuple[str, ...]
    axes: tuple[tuple[int, ...], ...]
    confidence: Indices
    frame: int | None = None
    time: int | None = None
    second: float | None = 1.0
    person: int | None = None
    parts: tuple[int, ...] = ()
    keypoint: int | None = None
    unit: str = "unknown"


def read_columns(header: Sequence[str], ours: bool) -> Columns:
    """The meaning of a header's cells. ours: written by us, so that nothing has to be guessed.

    Reports what was guessed and which columns are not used. Raises InputError if no coordinates are found.
    """
    cells = [cell.strip() for cell in header]
    twice = [cell for cell, count in Counter(cells).items() if count > 1 and cell]
    if twice:
        raise InputError(f"the column {twice[0]!r:.60} is in the header twice; rename one")
    lower = {cell.lower(): i for i, cell in reversed(list(enumerate(cells))) if cell}
    style, wide = _choose_style(cells, ours)
    keypoint: int | None = None
    parts: tuple[int, ...] = ()
    unit = "unknown"
    axis_of = next((of for of in ("{}", "{}_coord") if {of.format(axis) for axis in "xy"} <= lower.keys()), None)
    if axis_of is not None and len(wide) < 2:
        keypoint = next((lower[name] for name in KEYPOINT if name in lower), None)
        parts = tuple(lower[name] for name in PARTS if name in lower) if keypoint is not None else ()
        wide = {"0": {axis: lower[axis_of.format(axis)] for axis in "xyz" if axis_of.format(axis) in lower}}
        confidence: Indices = (next((lower[name] for name in CONFIDENCE if name in lower), None),)
        if keypoint is None:
            report_change("the columns x and y are of no named keypoint; there is one, called 0")
        elif len(_FREEMOCAP & lower.keys()) > 1:
            unit = "mm"
            report_change("FreeMoCap's table states no unit; millimeters are taken (pass --unit if it is another)")
    else:
        confidence = _find_confidences(cells, wide, style)
    axes = _list_axes(wide, cells)
    used = {i for group in (*axes, confidence, parts, (keypoint,)) for i in group if i is not None}
    frame, time, person = _find_roles(cells, used, lower)
    used |= {i for i in (frame, time, person) if i is not None}
    unused = [cell for i, cell in enumerate(cells) if i not in used and cell]
    if unused:
        report_change(f"{len(unused)} columns are not kept: {', '.join(unused[:8])}"[:300])
    second = _read_second(cells[time]) if time is not None else 1.0
    return Columns(tuple(wide), axes, confidence, frame, time, second, person, parts, keypoint, unit)


def _read_second(cell: str) -> float | None:
    """What a 1 in a time column is in seconds, None where its name does not say."""
    match = _TIME.fullmatch(cell.lower())
    unit = (match[2] or match[3]) if match else None
    return SECONDS[unit] if unit else None


def _find_roles(cells: Sequence[str], used: set[int], lower: Mapping[str, int]) -> Indices:
    """Columns of frame, time and person, none of which is in `used`."""

    def find(names: Sequence[str]) -> int | None:
        return next((lower[name] for name in names if name in lower and lower[name] not in used), None)

    frame, person = find(FRAME), find(PERSON)
    times = sorted(name for name, column in lower.items() if column not in used and _TIME.fullmatch(name))
    time = find([*TIME, *times])
    if frame is None and not cells[0] and 0 not in used and person is None:
        frame = 0  # the index that pandas writes
    if frame is None and time is None and person is not None:
        if cells[person].lower() != "id":
            what = f"a column {cells[person]!r} but none of {', '.join(FRAME[:4])} or time"
            raise InputError(f"{what}; add the frame numbers")
        report_change("the column 'id' is taken as the frame number, as there is no other")
        frame, person = person, None
    return frame, time, person


def _choose_style(cells: Sequence[str], ours: bool) -> tuple[Style, Wide]:
    """The style that makes the most keypoints of the cells (the first of several), and these: those that have x and y."""
    by_style: dict[Style, Wide] = {OUR_STYLE: {}}
    for i, cell in enumerate(cells):
        for style, name, axis in _list_readings(cell):
            by_style.setdefault(style, {}).setdefault(name, {})[axis] = i
    kept = {
        style: {name: axes for name, axes in found.items() if {"x", "y"} <= axes.keys()}
        for style, found in by_style.items()
    }
    style = OUR_STYLE if ours and kept[OUR_STYLE] else max(kept, key=lambda style: len(kept[style]))
    check_keypoints(len(kept[style]))
    return style, kept[style]


def _list_axes(wide: Wide, cells: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """(K, D) columns of the coordinates."""
    if not wide:
        what = f"no column for x and y of a keypoint among {len(cells)} ({', '.join(cells[:6])!r:.80})"
        remedy = "name them NAME_x and NAME_y, or frame, keypoint, x, y with a row a keypoint"
        raise InputError(f"{what}; {remedy}; --from dlc reads DeepLabCut's")
    solid = any("z" in axes for axes in wide.values())
    flat = next((name for name, axes in wide.items() if solid and "z" not in axes), None)
    if flat is not None:
        raise InputError(f"the keypoint {flat!r:.40} has no column for z, others have; add it or delete those")
    return tuple(tuple(axes[axis] for axis in ("xyz" if solid else "xy")) for axes in wide.values())


def _list_readings(cell: str) -> list[tuple[Style, str, str]]:
    """The ways to read a cell as a coordinate: style, keypoint, axis."""
    readings = []
    suffix, prefix = _SUFFIX.fullmatch(cell), _PREFIX.fullmatch(cell)
    if suffix and (suffix[2] or (suffix[3].isupper() and not suffix[1].isupper())):
        readings.append((("suffix", suffix[2], "xX"[suffix[3].isupper()]), suffix[1], suffix[3].lower()))
    if prefix and (prefix[2] or prefix[3].isdecimal()):
        readings.append((("prefix", prefix[2], "xX"[prefix[1].isupper()]), prefix[3], prefix[1].lower()))
    return readings


def _find_confidences(cells: Sequence[str], names: Mapping[str, object], style: Style) -> Indices:
    kind, between, _ = style
    lower = {cell.lower(): i for i, cell in reversed(list(enumerate(cells)))}
    exact = {cell: i for i, cell in enumerate(cells)}
    taken = set()
    result: list[int | None] = []
    for name in names:
        wanted = [f"{name}{between}{end}" if kind == "suffix" else f"{end}{between}{name}" for end in CONFIDENCE]
        near = [exact[w] for w in wanted if w in exact] + [lower[w.lower()] for w in wanted if w.lower() in lower]
        column = next((i for i in near if i not in taken), None)
        taken.add(column)
        result.append(column)
    return tuple(result)
