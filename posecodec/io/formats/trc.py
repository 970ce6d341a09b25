"""TRC marker trajectories (Track Row Column, of Motion Analysis; used by OpenSim, Pose2Sim, Sports2D): read and written.

Text between tabs: a line `PathFileType`, a line of keys and one of their values, the names of the markers, their axes, and a
row a frame of frame number, time and x, y, z of every marker; empty or NaN where it is missing. One person, 3D. The format
does not say which way is up (y in OpenSim, mostly z in laboratories), so `up` is unknown. Times are those of DataRate; what
the Time column says otherwise is reported. Source: "Marker (.trc) Files" in OpenSim's documentation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import AnyPath, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import frame_rates, markers, missing, text_tables
from posecodec.io.parsing.format_metadata import expand_runs, read_facts, read_integer
from posecodec.io.parsing.marker_rows import MarkerRows, find_mark, name_apart, split_cells
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Bools

KEYS = (
    "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames",
)  # fmt: skip
UNITS = markers.UNITS | {"unknown": "unknown"}
_OURS = ("DataRate", "NumFrames", "NumMarkers", "Units")
"""Keys whose values follow from the sequence; what others say is kept."""
_RATES = ("DataRate", "CameraRate", "OrigDataRate")
_MAX_GAPS = 20  # gaps in the frame numbers that metadata keep; more are not worth their bytes
_NUMBERS = range(1 - (1 << 40), 1 << 40)
"""First frames that are believed: far beyond any recording, and all numbers after them fit int64."""
_STEPS = range(1, 1 << 40)
_MAX_START = 1e12  # seconds of the first time that are believed
_IS_KIND = re.compile(r"\d*|\(X/Y/Z\)")  # the cells between PathFileType and the name
_MAX_NAME = 1000  # characters of the first line's name that metadata keep


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """header: by key. title: after PathFileType. names: of the markers, `unnamed` of them ours."""

    header: dict[str, str]
    title: str
    names: list[str]
    rows: MarkerRows


Lines = Iterator[tuple[int, str]]


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The markers of a `.trc`, in its Units.

    Frames run from the first number to the last; numbers without a row are all missing. metadata `trc`, each only where it
    is not what would be written by default: `name` (in the first line), `first_frame`, `step` (from number to number),
    `start` (the first time), `gaps` ([first, last] numbers without a row), `header` (further keys and their values).
    fps: instead of DataRate. Raises InputError where counts and rows differ or a cell is no number, and says where.
    """
    table = _parse(read_bytes(path))
    step, gaps = table.rows.find_steps()
    points = missing.mask_infinite(table.rows.place(len(table.names), step))
    missing.report_zeros(points)
    stated = _read_rate(table.header)
    rate = frame_rates.require_rate(table.rows.choose_rate(stated, step, "DataRate")) if fps is None else fps
    facts = _collect_facts(table, path.name, rate, step, gaps)
    unit = UNITS.get(table.header.get("Units", "").lower(), "unknown")
    metadata = {"source_format": "trc"} | ({"trc": facts} if facts else {})
    skeleton = build_skeleton(table.names)
    return PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, unit=unit, metadata=metadata)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.trc`: rows, numbers, times and header as they were read; the line of axes counts the markers.

    Times have 6 digits behind the point. Confidences, id and axis are left behind. Raises UsageError unless it is one
    person in 3D at a constant rate, with names that a cell can hold.
    """
    markers.check_one_person(sequence, ".trc")
    markers.check_cells(sequence, ".trc")
    facts = read_facts(sequence, "trc")
    first, step = read_integer(facts, "first_frame", 1, _NUMBERS), read_integer(facts, "step", 1, _STEPS)
    kept = _choose_rows(sequence, facts, first, step)
    rate, given = sequence.rate, facts.get("start")
    start = float(given) if isinstance(given, int | float) and abs(given) < _MAX_START else 0.0
    name = facts.get("name")
    title = name if isinstance(name, str) and markers.is_cell_text(name) else Path(path).name
    lines = [f"PathFileType\t4\t(X/Y/Z)\t{title}", *_encode_header(sequence, facts, first, len(kept))]
    lines.append("Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in sequence.skeleton.keypoints))
    lines.append("\t\t" + "".join(f"X{i}\tY{i}\tZ{i}\t" for i in range(1, len(sequence.skeleton) + 1)) + "\n")
    decimals = max(6, 3 + math.ceil(math.log10(rate)))
    for t in kept:
        cells = text_tables.format_floats(sequence.positions[t, 0])
        time = f"{start + t / rate:.{decimals}f}".rstrip("0").rstrip(".")
        lines.append("\t".join([str(first + step * t), time, *cells]))
    write_atomic(path, ("\n".join(lines) + "\n").encode(), force)


def _parse(data: bytes) -> _Table:
    lines = enumerate(text_tables.decode_lines(data, latin=True), 1)
    _, head = next(lines, (1, ""))
    start = head.strip().strip('"')
    if not start.startswith("PathFileType"):
        found = start.split("\t")[0]
        raise InputError(f"line 1 begins with {found!r:.40}, PathFileType was expected; the file is not TRC")
    header = _read_header(lines)
    at, text = _take_line(lines, "the names of the markers")
    mark = find_mark(text)
    if mark in (";", ","):
        report_change(f"cells are between {mark!r}, not tabs; the file went through a spreadsheet")
    names = _read_names(split_cells(text, mark), at, header)
    title = [cell for cell in re.split(r"[\t;,]", start)[1:] if not _IS_KIND.fullmatch(cell.strip())]
    return _read_rows(lines, header, "\t".join(title).strip(), names, mark)


def _take_line(lines: Lines, what: str) -> tuple[int, str]:
    for at, line in lines:
        if line.strip().strip(",;"):
            return at, line.rstrip("\r\n")
    raise InputError(f"the file ends before {what}; it is cut short")


def _read_header(lines: Lines) -> dict[str, str]:
    """The values of lines 2 and 3 by key, spelled as in KEYS."""
    at, text = _take_line(lines, "the line of keys (DataRate ...)")
    keys = re.split(r"[\s,;]+", text.strip(" \t,;").replace('"', ""))
    _, text = _take_line(lines, "the values of DataRate and the other keys")
    mark = find_mark(text)
    values = split_cells(text.rstrip("\t ,;"), mark)
    values = values if len(values) == len(keys) else re.split(r"[\s;]+", text.strip(" \t;").replace('"', ""))
    if "DataRate" not in keys or len(values) != len(keys):
        what = f"line {at} has {len(keys)} keys ({text!r:.80} their values)"
        expected = "DataRate and the others were expected, with as many values on the next line"
        raise InputError(f"{what}; {expected}; it is damaged")
    header = dict(zip(keys, values, strict=True))
    return header | {key: header[key].replace(",", ".") for key in _RATES if key in header}  # we write points


def _read_names(cells: Sequence[str], at: int, header: Mapping[str, str]) -> list[str]:
    if len(cells) < 2 or cells[0].lower() not in ("frame#", "frame"):
        raise InputError(f"line {at} is {cells!r:.60}; Frame#, Time and the names between tabs were expected")
    names = [cell for cell in cells[2:] if cell]
    stated = _read_count(header, "NumMarkers")
    if not names and stated:
        raise InputError(f"NumMarkers is {stated}, line {at} names none; correct one of them")
    if stated not in (None, len(names)):
        report_change(f"NumMarkers is {stated}, line {at} names {len(names)}, which are taken")
    return name_apart(names)


def _read_count(header: Mapping[str, str], key: str) -> int | None:
    return text_tables.parse_whole(header[key], 3, f"{key}, a whole number,") if key in header else None


def _read_rows(lines: Lines, header: dict[str, str], title: str, names: list[str], mark: str) -> _Table:
    width, rows = 3 * len(names), MarkerRows(comma=mark != ",")
    short = 0
    for at, line in lines:
        cells = split_cells(line, mark)
        if not any(cells) or (not len(rows) and (not cells[0] or cells[0] == "X1")):
            continue  # a blank line, or that of the axes
        ended = line.endswith("\n")
        full = _fit_cells(cells, 2 + width, at, ended)
        short += len(full) < 2 + width
        rows.add(at, full[0], full[1], full[2:], ended)
    rows.check_count(_read_count(header, "NumFrames"), "NumFrames")
    report_count(short, "rows end early; the markers not reached are missing there")
    further = (max(rows.width, width) - width) // 3
    if further:
        own = [f"*{k}" for k in range(len(names) + 1, len(names) + further + 1)]
        follow = " follow those of the markers" if names else ""
        report_change(f"{further} trajectories without a name{follow}; they are called {own[0]} ...")
        names = name_apart(names + own)
    if not names:
        raise InputError("no marker in it: none is named, and all rows end after the time; label or export it again")
    return _Table(header, title, names, rows)


def _fit_cells(cells: Sequence[str], width: int, at: int, ended: bool) -> Sequence[str]:
    """The cells of a row without empty ones beyond whole markers; fewer, or more, by whole markers only."""
    count = len(cells)
    while count > width and not cells[count - 1]:
        count -= 1
    further = count - width
    if further > 0:
        count += -further % 3 if -further % 3 <= len(cells) - count else 0
    is_bare = count <= 2 < width
    if (count - width) % 3 or is_bare or (further < 0 and not ended):
        raise InputError(f"line {at} has {len(cells)} cells, {width} were expected; it is cut short or damaged")
    return cells[:count]


def _read_rate(header: Mapping[str, str]) -> float | None:
    rate = text_tables.parse_number(header["DataRate"], 3, "DataRate, a number,")
    return rate if math.isfinite(rate) and rate > 0 else None


def _collect_facts(table: _Table, name: str, rate: float, step: int, gaps: list[list[int]]) -> dict[str, Any]:
    """What is needed to write the file again and does not follow from the sequence."""
    numbers = table.rows.numbers
    first, start = int(numbers[0]), float(table.rows.times[0])
    defaults = _describe_original(rate, first, len(numbers))
    further = {key: value for key, value in table.header.items() if key not in _OURS}
    extra = {key: value for key, value in further.items() if key not in defaults or not _is_same(value, defaults[key])}
    if table.header.get("Units", "") and table.header["Units"].lower() not in UNITS:
        extra["Units"] = table.header["Units"]
    found: dict[str, Any] = {}
    if table.title and table.title != name and len(table.title) <= _MAX_NAME:
        found["name"] = table.title
    for key, value, default in (("first_frame", first, 1), ("step", step, 1), ("start", start, 0.0)):
        if value != default and math.isfinite(value):
            found[key] = value
    if len(gaps) > _MAX_GAPS:
        report_change(f"{len(gaps)} gaps in the frame numbers are too many to keep; writing fills them with empty rows")
    elif gaps:
        found["gaps"] = gaps
    return found | ({"header": extra} if extra else {})


def _describe_original(rate: float, first: int, frames: int) -> dict[str, str]:
    """What the header says of the original data where nothing else is known."""
    same = text_tables.format_plain(rate)
    return {"CameraRate": same, "OrigDataRate": same, "OrigDataStartFrame": str(first), "OrigNumFrames": str(frames)}


def _is_same(a: str, b: str) -> bool:
    try:
        return float(a) == float(b)
    except ValueError:
        return a == b


def _choose_rows(sequence: PoseSequence, facts: Mapping[str, Any], first: int, step: int) -> list[int]:
    """The frames to write: all but those that had no row, if nothing is there still."""
    gaps = facts.get("gaps") if step == 1 else None
    inside = range(first + 1, first + sequence.frames - 1)
    gone = expand_runs(gaps[:_MAX_GAPS] if isinstance(gaps, list) else None, inside)
    there: Bools = np.any(sequence.valid, axis=(1, 2))
    return [t for t in range(sequence.frames) if there[t] or first + t not in gone]


def _encode_header(sequence: PoseSequence, facts: Mapping[str, Any], first: int, rows: int) -> list[str]:
    ours = (text_tables.format_plain(sequence.rate), str(rows), str(len(sequence.skeleton)), sequence.unit)
    values = dict(zip(_OURS, ours, strict=True)) | _describe_original(sequence.rate, first, rows)
    extra = facts.get("header")
    for key, value in extra.items() if isinstance(extra, dict) else ():
        texts = (
            isinstance(key, str)
            and isinstance(value, str)
            and markers.is_cell_text(key)
            and markers.is_cell_text(value)
        )
        if texts and " " not in key and (key not in _OURS or (key == "Units" and sequence.unit == "unknown")):
            values[key] = value
    order = [*KEYS, *(key for key in values if key not in KEYS)]
    return ["\t".join(order), "\t".join(values[key] for key in order)]


FORMAT = Format(
    name="trc", title="OpenSim marker trajectories", suffixes=(".trc",), own_suffixes=(".trc",), read=read,
    write=write, sniff=lambda file: file.find_start(b"PathFileType"),
)  # fmt: skip
