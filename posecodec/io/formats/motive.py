"""OptiTrack Motive's tracking data exports (`.csv`): read.

A line of keys and values, lines that say each column's type, name, ID and parent, what it holds (Position, Rotation, ...) and
its axis, then a row a frame. Every position is a keypoint: of markers, and of bones and rigid bodies by their pivot. Motive's
y axis is up. Leaves out rotations, marker errors and qualities, which are counted in a note, and writing.
Source: "Data Export: CSV" in OptiTrack's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Format, guard_reader, read_bytes
from posecodec.io.parsing import frame_rates, missing, text_tables
from posecodec.io.parsing.marker_rows import MarkerRows, find_mark, find_triples, name_apart, pick_cells, split_cells
from posecodec.io.parsing.markers import UNITS
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

_MARK = "Format Version"
_KEPT = ("Take Name", "Capture Start Time")
"""Keys that metadata keep; others follow from the recording or say how it was exported."""
_MAX_TEXT = 1000  # characters of a value that metadata keep
_HEADER = 12  # lines before Frame, Time that are believed; there are six to eight
_LABELS = ("type", "name", "id", "parent")

Lines = Iterator[tuple[int, str]]


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The positions in a Motive `.csv`, in its Length Units, y up; one person with a keypoint for each.

    Of the same name, those of the first type have it alone and others as NAME (TYPE). metadata `motive`: the take's name
    and start, `first_frame` where that is not 0.
    fps: instead of Export Frame Rate. Raises InputError where a cell is no number or the header is not Motive's.
    """
    lines: Lines = enumerate(text_tables.decode_lines(read_bytes(path), latin=True), 1)
    _, head = next(lines, (1, ""))
    mark = find_mark(head)
    cells = split_cells(head, mark)
    if cells[0] != _MARK:
        raise InputError(f"line 1 begins with {cells[0]!r:.40}, {_MARK} was expected; it is no export of Motive's")
    header = dict(zip(cells[::2], cells[1::2], strict=False))
    names, columns = _read_columns(lines, mark)
    rows = _read_rows(lines, columns, mark)
    rows.check_count(_read_count(header), "Total Exported Frames")
    step, _ = rows.find_steps()
    points = missing.mask_infinite(rows.place(len(names), step))
    stated = _read_rate(header)
    rate = frame_rates.require_rate(rows.choose_rate(stated, step, "Export Frame Rate")) if fps is None else fps
    facts: dict[str, Any] = {key: header[key][:_MAX_TEXT] for key in _KEPT if header.get(key)}
    facts |= {"first_frame": int(rows.numbers[0])} if rows.numbers[0] else {}
    metadata = {"source_format": "motive"} | ({"motive": facts} if facts else {})
    unit = UNITS.get(header.get("Length Units", "").lower(), "unknown")
    if unit == "unknown":
        report_change(f"the length unit {header.get('Length Units', '')!r:.40} is not known; pass --unit")
    if header.get("Coordinate Space", "Global").lower() == "local":
        report_change("Coordinate Space is Local: positions are relative to the parent; export in Global for places")
    return PoseSequence.from_arrays(
        points, fps=rate, skeleton=build_skeleton(names), unit=unit, up="y", metadata=metadata
    )


def _read_count(header: Mapping[str, str]) -> int | None:
    text = header.get("Total Exported Frames", "")
    return text_tables.parse_whole(text, 1, "Total Exported Frames, a whole number,") if text else None


def _read_rate(header: Mapping[str, str]) -> float | None:
    """The rate of the export, else of the capture."""
    for key in ("Export Frame Rate", "Capture Frame Rate"):
        rate = text_tables.parse_number(header.get(key, "").replace(",", "."), 1, f"{key}, a number,")
        if 0 < rate < float("inf"):
            return rate
    return None


def _read_columns(lines: Lines, mark: str) -> tuple[list[str], list[int]]:
    """Names of the keypoints, and the columns of their coordinates, three each."""
    found: list[list[str]] = []
    for at, line in lines:
        cells = split_cells(line, mark)
        if cells[0].lower() in ("frame", "frame#"):
            return _name_columns(found, [cell.upper() for cell in cells], at)
        if any(cells):
            found.append(cells)
        if len(found) > _HEADER:
            break
    raise InputError("no line begins with Frame, Time (Seconds); it is cut short, or no export of tracking data")


def _name_columns(header: Sequence[Sequence[str]], axes: list[str], at: int) -> tuple[list[str], list[int]]:
    """header: lines before that of the axes, the last of which says what the columns hold."""
    if not header:
        raise InputError(f"line {at} has the axes, but no line before it the names; export it again")
    labels = {row[1].lower(): row for row in header if len(row) > 1 and row[1].lower() in _LABELS}
    unlabeled = dict(zip(_LABELS, header[:-1], strict=False))
    kinds, titles, own = ((labels.get(key) or unlabeled.get(key) or ["", ""]) for key in ("type", "name", "id"))
    kind = [cell.lower() for cell in header[-1]]
    width = len(axes)
    rows = [[*row, *[""] * (width - len(row))][:width] for row in (kinds, titles, own, kind)]
    keys = list(zip(*rows[:3], strict=True))
    places = ["" if what != "position" else axis for what, axis in zip(rows[3], axes, strict=True)]
    triples = find_triples(keys, places)
    if not triples:
        raise InputError("no column holds a position; export markers, or bones with positions")
    rotations = len({key for key, what in zip(keys, rows[3], strict=True) if what == "rotation"})
    report_count(rotations, "rotations of bones and rigid bodies are left out; their positions are kept")
    used = {column for columns in triples.values() for column in columns}
    first = next((i for i, what in enumerate(rows[3]) if what), width)
    others = [i for i in range(first, width) if i not in used and rows[3][i] != "rotation" and axes[i]]
    report_count(len(others), "columns of errors, qualities and the like are left out")
    return _name_keypoints(list(triples)), [column for columns in triples.values() for column in columns]


def _name_keypoints(keys: Sequence[Any]) -> list[str]:
    """Names by (type, name, ID): the type is added where the name is another's that came before."""
    taken: dict[str, str] = {}
    names = []
    for kind, name, _ in keys:
        names.append(name if taken.setdefault(name, kind) == kind else f"{name} ({kind})")
    return name_apart(names)


def _read_rows(lines: Lines, columns: Sequence[int], mark: str) -> MarkerRows:
    rows = MarkerRows(comma=mark != ",")
    for at, line in lines:
        cells = split_cells(line, mark)
        if any(cells):
            is_ended = line.endswith("\n")
            time = cells[1] if len(cells) > 1 else ""
            rows.add(at, cells[0], time, pick_cells(cells, columns, at, is_ended), is_ended)
    return rows


FORMAT = Format(
    name="motive", title="OptiTrack Motive export", suffixes=(".csv",), read=read,
    read_only="Motive's exports are only read", sniff=lambda file: file.find_start(_MARK.encode()),
)  # fmt: skip
