"""Qualisys QTM's exports (`.tsv`): places of markers, or of rigid bodies, read and written.

Lines of a key and its values between tabs, [a line that names the columns,] then a row a frame of x, y, z of each marker in
mm, [after its frame number and time]. A marker that is missing is empty or 0, 0, 0. One person, 3D; which way is up is a
setting of QTM's that the file does not say. Of files of rigid bodies (DATA_INCLUDED 6D) rotations are left out, as are events
but for their count. Source: "TSV file formats" in the QTM user manual.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import frame_rates, markers, missing, text_tables
from posecodec.io.parsing.format_metadata import read_facts, read_integer
from posecodec.io.parsing.marker_rows import MarkerRows, name_apart, pick_cells
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

_OURS = ("NO_OF_FRAMES", "NO_OF_MARKERS", "FREQUENCY", "DATA_INCLUDED", "MARKER_NAMES")
"""Keys whose values follow from the sequence; of others metadata keep what they say."""
_DEFAULTS = {
    "NO_OF_CAMERAS": "0", "NO_OF_ANALOG": "0", "ANALOG_FREQUENCY": "0", "DESCRIPTION": "--", "TIME_STAMP": "",
}  # fmt: skip
_ORDER = (
    "NO_OF_FRAMES", "NO_OF_CAMERAS", "NO_OF_MARKERS", "FREQUENCY", "NO_OF_ANALOG", "ANALOG_FREQUENCY", "DESCRIPTION",
    "TIME_STAMP", "DATA_INCLUDED",
)  # fmt: skip
_KEY = re.compile(r"[A-Z][A-Z0-9_ ]*")
_MAX_TEXT = 1000  # characters of a value that metadata keep
_MAX_KEYS = 100
_BODY_COLUMNS = 16  # of a rigid body: x, y, z, three angles, residual, nine of the matrix
_NUMBERS = range(1 - (1 << 40), 1 << 40)


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """header: values by key, still between tabs. names: of the keypoints. counted: whether rows have frame and time."""

    header: dict[str, str]
    names: list[str]
    rows: MarkerRows
    titled: bool
    counted: bool


Lines = Iterator[tuple[int, str]]


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The markers, or the places of the rigid bodies, of a `.tsv` of QTM's, in mm.

    metadata `qualisys`: what further keys say, `first_frame` where that is not 1, `columns` and `counted` (whether the line
    of columns, and frame and time, are there).
    fps: instead of FREQUENCY. Raises InputError where a cell is no number or rows have other columns than MARKER_NAMES.
    """
    table = _parse(read_bytes(path))
    rows = table.rows
    rows.check_count(_read_count(table.header, "NO_OF_FRAMES"), "NO_OF_FRAMES")
    step, _ = rows.find_steps()
    points = missing.mask_infinite(rows.place(len(table.names), step))
    absent = (points == 0).all(axis=-1)
    report_count(int(absent.sum()), "points are 0, 0, 0, which is how QTM writes a missing one; they are missing")
    points = np.where(absent[..., None], np.nan, points) if absent.any() else points
    text = table.header.get("FREQUENCY", "").replace(",", ".")
    frequency = text_tables.parse_number(text, 1, "FREQUENCY, a number,")
    stated = frequency if 0 < frequency < float("inf") else None
    rate = frame_rates.require_rate(rows.choose_rate(stated, step, "FREQUENCY")) if fps is None else fps
    facts = _collect_facts(table)
    metadata = {"source_format": "qualisys"} | ({"qualisys": facts} if facts else {})
    skeleton = build_skeleton(table.names)
    return PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, unit="mm", metadata=metadata)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.tsv` as QTM writes it, 0.000 where a marker is missing; with frames and times unless it came without.

    Lengths become mm, which is reported. Confidences, id and axis are left behind. Raises UsageError unless it is one person
    in 3D at a constant rate, in lengths or an unknown unit, with names that a cell can hold.
    """
    markers.check_one_person(sequence, ".tsv")
    markers.check_cells(sequence, ".tsv")
    if sequence.unit not in (*UNIT_MM, "unknown"):
        raise UsageError(f"QTM's .tsv is in mm, this is in {sequence.unit}; save as .trc, or --to csv for a table")
    if sequence.unit not in ("mm", "unknown"):
        report_change(f"QTM's .tsv is in mm; what is in {sequence.unit} is converted")
        sequence = sequence.to("mm")
    zeros = (sequence.positions == 0).all(axis=-1).sum()
    report_count(int(zeros), "points at 0, 0, 0 are read as missing from it")
    facts = read_facts(sequence, "qualisys")
    names, count = sequence.skeleton.keypoints, sequence.frames
    ours = (str(count), str(len(names)), text_tables.format_plain(sequence.rate), "3D", "\t".join(names))
    header = _DEFAULTS | _read_extra(facts) | dict(zip(_OURS, ours, strict=True))
    order = [key for key in dict.fromkeys([*_ORDER, *header]) if key != "MARKER_NAMES"]
    lines = [f"{key}\t{header[key]}" for key in [*order, "MARKER_NAMES"]]
    counted, titled = (facts.get(key) is not False for key in ("counted", "columns"))
    if titled:
        axes = [f"{name} {axis}" for name in names for axis in "XYZ"]
        lines.append("\t".join([*(["Frame", "Time"] if counted else []), *axes]))
    first = read_integer(facts, "first_frame", 1, _NUMBERS)
    for t in range(count):
        cells = [cell or "0.000" for cell in text_tables.format_floats(sequence.positions[t, 0])]
        start = [str(first + t), f"{t / sequence.rate:.5f}"] if counted else []
        lines.append("\t".join([*start, *cells]))
    write_atomic(path, ("\r\n".join(lines) + "\r\n").encode(), force)


def _parse(data: bytes) -> _Table:
    header: dict[str, str] = {}
    events = 0
    lines = enumerate(text_tables.decode_lines(data, latin=True), 1)
    for at, line in lines:
        key, _, value = line.rstrip("\r\n").partition("\t")
        if not line.strip():
            continue
        if at == 1 and not key.startswith("NO_OF_"):
            raise InputError(f"line 1 begins with {key!r:.40}, NO_OF_FRAMES was expected; it is no export of QTM's")
        if key == "EVENT":
            events += 1
        elif _KEY.fullmatch(key.strip()) and not (key.endswith(" X") and value.partition("\t")[0].endswith(" Y")):
            header[key.strip()] = value
        else:
            report_count(events, "events are left out")
            return _read_rows(header, at, line, lines)
    raise InputError("the header is there, but no rows; the file is cut short")


def _read_rows(header: dict[str, str], at: int, line: str, lines: Lines) -> _Table:
    """line: the first that is not of the header: names of columns, or a row."""
    cells = line.rstrip("\r\n").split("\t")
    titled = not _is_number(cells[0]) or (len(cells) > 1 and not _is_number(cells[1]))
    titles = [cell.strip().lower() for cell in cells] if titled else []
    names, each = _read_names(header)
    row = next(lines, (0, "")) if titled else (at, line)
    width = each * len(names)
    given = len(row[1].rstrip("\r\n").split("\t"))
    counted = titles[:1] == ["frame"] or (not titled and given in (width + 2, width + 3))
    start = 2 * counted
    columns = [start + each * k + axis for k in range(len(names)) for axis in range(3)]
    rows = MarkerRows(comma=True)
    while row[1]:
        at, line = row
        cells = line.rstrip("\r\n").split("\t")
        if line.strip():
            _check_width(cells, start + width, at)
            number, time = (cells[0], cells[1]) if counted and len(cells) > 1 else (1 + len(rows), "")
            is_ended = line.endswith("\n")
            rows.add(at, number, time, pick_cells(cells, columns, at, is_ended), is_ended)
        row = next(lines, (0, ""))
    return _Table(header, name_apart(names), rows, titled, counted)


def _check_width(cells: Sequence[str], width: int, at: int) -> None:
    if any(cell.strip() for cell in cells[width:]):
        what = f"line {at} has {len(cells)} cells, {width} were expected for the names in the header"
        raise InputError(f"{what}; export it again")


def _read_names(header: Mapping[str, str]) -> tuple[list[str], int]:
    """The markers or rigid bodies, and how many columns each has."""
    kind = header.get("DATA_INCLUDED", "3D").strip().upper()
    solid = "BODY_NAMES" in header and "MARKER_NAMES" not in header
    if kind[:2] not in ("3D", "6D"):
        raise InputError(f"DATA_INCLUDED is {kind!r:.20}; export 3D data in QTM")
    key = "BODY_NAMES" if solid else "MARKER_NAMES"
    names = [name.strip() for name in header.get(key, "").split("\t")]
    while names and not names[-1]:
        names.pop()
    count = _read_count(header, "NO_OF_BODIES" if solid else "NO_OF_MARKERS")
    if not names or (count is not None and count < len(names) and not solid):
        raise InputError(f"{key} has {len(names)} names, {count} were expected; export it again")
    if solid:
        report_change(f"rotations of {len(names)} rigid bodies are left out; their positions are kept")
        return [name or str(k) for k, name in enumerate(names)], _BODY_COLUMNS
    named = [*names, *[""] * ((count or 0) - len(names))] if (count or 0) <= 10 * len(names) + 100 else names
    return [name or f"*{k}" for k, name in enumerate(named, 1)], 3


def _read_count(header: Mapping[str, str], key: str) -> int | None:
    text = header.get(key, "").strip()
    return text_tables.parse_whole(text, 1, f"{key}, a whole number,") if text else None


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return not cell.strip()
    return True


def _collect_facts(table: _Table) -> dict[str, Any]:
    """What is needed to write the file again and does not follow from the sequence."""
    known = _DEFAULTS | dict.fromkeys((*_OURS, "BODY_NAMES", "NO_OF_BODIES", "NO_OF_EVENTS"))
    further = {key: value.strip() for key, value in list(table.header.items())[:_MAX_KEYS] if key not in known}
    further |= {key: table.header[key] for key, usual in _DEFAULTS.items() if table.header.get(key, usual) != usual}
    facts: dict[str, Any] = {}
    texts = {key: value for key, value in further.items() if len(value) <= _MAX_TEXT}
    if texts:
        facts["header"] = texts
    first = int(table.rows.numbers[0])
    facts |= {"first_frame": first} if first != 1 else {}
    facts |= {} if table.titled else {"columns": False}
    return facts | ({} if table.counted else {"counted": False})


def _read_extra(facts: Mapping[str, Any]) -> dict[str, str]:
    """Further keys and their values in metadata, as far as lines can hold them."""
    extra = facts.get("header")
    return {
        key: value
        for key, value in (extra.items() if isinstance(extra, dict) else ())
        if isinstance(key, str) and isinstance(value, str) and _KEY.fullmatch(key) and key not in (*_OURS, "EVENT")
        and len(f"{key}{value}".splitlines()) == 1
    }  # fmt: skip


FORMAT = Format(
    name="qualisys", title="Qualisys QTM export", suffixes=(".tsv",), read=read, write=write,
    sniff=lambda file: file.find_start(b"NO_OF_FRAMES"),
)  # fmt: skip
