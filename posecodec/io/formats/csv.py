"""Tables of text, `.csv` and its like: our own, and those that others' columns make readable.

Ours begin with lines `# key: JSON` (fps; unit, up, skeleton, ids, metadata where they are not the default), then columns
frame, [time,] [person,] NAME_x, NAME_y, [NAME_z,] [NAME_c,] ... and a row for each frame and person that is in it, at least
one a frame; cells are empty where a keypoint is missing. `pandas.read_csv(path, comment="#")` reads them. Others may be wide
or long (`csv_columns` says what headers mean), or numbers without a header, (T, K*D); between commas, semicolons (numbers
may then have decimal commas), tabs or blanks. Leaves out DeepLabCut's tables, which `dlc` reads.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, NoRateError, UsageError, make_printable, report_change, report_count
from posecodec.io import AnyPath, Certainty, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.filesystem import find_suffix
from posecodec.io.formats import csv_comments
from posecodec.io.formats.csv_cells import Table, fit_cells, is_numbers, parse_cell, read_table
from posecodec.io.formats.csv_columns import Columns, read_columns
from posecodec.io.formats.npy import unflatten
from posecodec.io.parsing import missing, pixel_columns, text_tables
from posecodec.io.parsing.frame_rates import NO_RATE, find_regular_rate, require_rate
from posecodec.memory import check_memory
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, check_keypoints
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Floats, Ints

SLOWEST = 2.0  # seconds between frames from which a column that only says time is believed to be in a finer unit
_MOST_COLUMNS = 8  # for each keypoint: x, y, z, a confidence, and as many that nobody reads
FINER = ((1e-3, "milliseconds"), (1e-6, "microseconds"), (1e-9, "nanoseconds"))


@dataclass
class _Rows:
    """Rows as read, N of them: lines, frames (numbers, or ranks of times), people and keypoints (indices in `ids`, `names`;
    -1 where the cell is empty), and values N x (axes and confidences). decimals: of the times, in seconds."""

    lines: array[int] = field(default_factory=lambda: array("i"))
    frames: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    people: array[int] = field(default_factory=lambda: array("i"))
    keypoints: array[int] = field(default_factory=lambda: array("i"))
    values: array[float] = field(default_factory=lambda: array("d"))
    ids: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    decimals: int = 0


@guard_reader
def read(
    path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None, columns: str | None = None
) -> PoseSequence:
    """The people of a table. What had to be guessed is reported.

    Frames run from the first number to the last; numbers without a row are all missing. Times at a constant step become
    a frame rate, others timestamps. metadata `csv`: `first_frame` where that is not 0.
    fps: instead of the file's rate or times, or where it has none. skeleton: needed for numbers without a header (other
    than coco19's 57 or 38 columns). columns: "xyc" or "xyz", whether the third of a keypoint's numbers without a header is a
    confidence; the values tell if it is not given.
    Raises InputError, with the line, if the columns or a cell make no sense, or a frame and person are there twice.
    """
    table = read_table(read_bytes(path))
    cells = table.first[1]
    check_keypoints(len(cells) // _MOST_COLUMNS)
    if cells[0].strip().lower() == "scorer":
        raise InputError("this is a table of DeepLabCut (it begins with 'scorer'); pass --from dlc (format='dlc')")
    if is_numbers(cells):
        return _read_headless(table, fps, skeleton, columns)
    if columns is not None:
        raise UsageError("the header tells what the columns are; leave out --columns")
    named = read_columns(cells, "fps" in table.comments)
    found = _read_rows(table, named)
    if not found.lines:
        raise InputError("a header but no rows; export the table again")
    return _build_sequence(table, named, found, fps)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """All of the sequence, as a wide table; between tabs if the path ends in .tsv, else commas.

    Frames are numbered from metadata `csv` `first_frame`, else 0. Numbers have as many digits as give the same float back.
    Raises UsageError if there are no frames or the metadata are not JSON.
    """
    if not sequence.frames:
        raise UsageError("the sequence has no frames, and .csv cannot say so; save as .npz")
    between = "\t" if find_suffix(path) == ".tsv" else ","
    names = _make_safe_names(sequence.skeleton.keypoints)
    cells = _make_safe_names(sequence.ids)
    lines = csv_comments.encode_comments(sequence, names)
    weighted = bool((sequence.confidence[sequence.valid] != 1).any())
    ends = [*"xyz"[: sequence.dims], *(["c"] if weighted else [])]
    several = sequence.people != 1
    head = ["frame", *(["time"] if sequence.fps is None else []), *(["person"] if several else [])]
    lines.append(between.join([*head, *(f"{name}_{end}" for name in names for end in ends)]))
    first, valid = csv_comments.read_first_frame(sequence.metadata), sequence.valid
    weights = np.where(valid, sequence.confidence, np.float32(np.nan)) if weighted else None
    for t in range(sequence.frames):
        start = [str(first + t)] + ([repr(float(sequence.timestamps[t]))] if sequence.timestamps is not None else [])
        there: list[int | None] = [int(p) for p in np.flatnonzero(valid[t].any(axis=-1))]
        for p in there or ([0] if sequence.people else [None]):  # a frame has a row even where nobody is in it
            own = [*start, cells[p] if p is not None else ""] if several else start
            lines.append(between.join([*own, *_encode_row(sequence, t, p, weights)]))
    write_atomic(path, ("\n".join(lines) + "\n").encode(), force)


def _make_safe_names(names: Sequence[str]) -> Sequence[str]:
    """The names, or all of them numbered where one would need quotes or could be taken for something else: also for a
    formula, by a spreadsheet. Their own are in the comments."""
    special = set(',;\t"#\r\n')
    unsafe = any(
        not name or name != name.strip() or special & set(name) or len(name.splitlines()) != 1
        or name.lower() in text_tables.EMPTY or csv_comments.FORMULA.match(name)
        or name != make_printable(name)
        for name in names
    )  # fmt: skip
    return [str(i) for i in range(len(names))] if unsafe else names


def _encode_row(sequence: PoseSequence, t: int, p: int | None, weights: NDArray[np.float32] | None) -> list[str]:
    """The cells of all keypoints; weights: (T, P, K), NaN where missing, if they are to be written."""
    if p is None:
        return [""] * (len(sequence.skeleton) * (sequence.dims + (weights is not None)))
    cells = text_tables.format_floats(sequence.positions[t, p])
    if weights is None:
        return cells
    dims, scores = sequence.dims, text_tables.format_floats(weights[t, p])
    return [cell for k, score in enumerate(scores) for cell in (*cells[k * dims : (k + 1) * dims], score)]


def _read_headless(table: Table, fps: float | None, skeleton: Skeleton | None, columns: str | None) -> PoseSequence:
    """(T, K*D) numbers; a first line 0, 1, 2, ... is the header of pandas, and a column under its empty cell the index."""
    line, cells = table.first
    index = len(cells) > 2 and not cells[0].strip()
    counted = [cell.strip() for cell in cells[index:]] == [str(i) for i in range(len(cells) - index)]
    width = len(cells) - (index and counted)
    if counted and len(cells) > 2:
        report_change("the first line only counts the columns; it is taken as a header")
    values, lines, count = array("d"), iter(table.rows), 0
    for line, row in lines if counted and len(cells) > 2 else chain([table.first], lines):
        row = fit_cells(row, len(cells), line)
        values.extend([parse_cell(cell, line, table.comma) for cell in row[len(cells) - width :]])
        count += 1
    if not count:
        raise InputError("a header but no rows; export the table again")
    report_change(f"no header; the {width} columns are taken as the coordinates of each keypoint in turn")
    skeleton = csv_comments.read_skeleton(table.comments, None) or skeleton
    points = unflatten(np.frombuffer(values, np.float64).reshape(count, width), skeleton)
    points, confidence = pixel_columns.split_confidence(missing.mask_infinite(points), columns)
    stated = table.comments.get("fps")
    rate = require_rate(stated if fps is None and csv_comments.is_rate(stated) else fps)
    unit, up = (csv_comments.read_text(table.comments, key) for key in ("unit", "up"))
    metadata = {"source_format": "csv"}
    if confidence is not None:
        unit, up = "px" if unit == "unknown" else unit, "-y" if up == "unknown" else up
    return PoseSequence.from_arrays(
        points, fps=rate, confidence=confidence, skeleton=skeleton, unit=unit, up=up, metadata=metadata
    )


def _read_rows(table: Table, columns: Columns) -> _Rows:
    found = _Rows()
    width = len(table.first[1])
    wanted = [i for axes, weight in zip(columns.axes, columns.confidence, strict=True) for i in (*axes, weight)]
    stated = table.comments.get("ids")
    if isinstance(stated, list):
        found.ids.update((str(key), p) for p, key in enumerate(_make_safe_names([str(key) for key in stated])))
    for line, cells in table.rows:
        if not any(cell.strip() for cell in cells) and (columns.frame is not None or columns.time is not None):
            continue
        cells = fit_cells(cells, width, line)
        found.lines.append(line)
        _add_time(found, columns, cells, line, table.comma)
        found.values.extend([math.nan if i is None else parse_cell(cells[i], line, table.comma) for i in wanted])
        person = _take_cell(cells, columns.person)
        nobody = 0 if columns.person is None else -1
        found.people.append(found.ids.setdefault(person, len(found.ids)) if person else nobody)
        if columns.keypoint is not None:
            part = "/".join(filter(None, (_take_cell(cells, part) for part in columns.parts)))
            name = (part, _take_cell(cells, columns.keypoint))
            found.keypoints.append(found.names.setdefault(name, len(found.names)) if any(name) else -1)
    return found


def _take_cell(cells: Sequence[str], column: int | None) -> str:
    return cells[column].strip() if column is not None else ""


def _add_time(found: _Rows, columns: Columns, cells: Sequence[str], line: int, comma: bool) -> None:
    if columns.time is not None:
        cell = cells[columns.time].replace(",", ".") if comma else cells[columns.time]
        found.times.append(text_tables.parse_number(cell, line, "a time in numbers"))
        found.decimals = max(found.decimals, text_tables.count_decimals(cell))
    if columns.frame is not None:
        found.frames.append(text_tables.parse_whole(cells[columns.frame], line, "a frame number"))
    else:
        found.frames.append(len(found.frames))


def _build_sequence(table: Table, columns: Columns, found: _Rows, fps: float | None) -> PoseSequence:
    comments = table.comments
    ids, people = _read_people(found, columns, comments)
    names, keypoints = _read_keypoints(found, columns)
    frames, times = _read_frames(found, columns, fps is not None, "fps" in comments)
    first = int(frames.min())
    values = _place_values(found, columns, frames - first, people, keypoints, (len(ids), len(names)))
    points, weights = missing.mask_infinite(values[..., :-1]), values[..., -1]
    given = any(column is not None for column in columns.confidence)
    confidence = missing.fill_confidence(points, weights, "confidence") if given else None
    made = csv_comments.read_skeleton(comments, names) or build_skeleton(names)
    rate, stamps = _read_timing(found, comments, frames - first, times, len(values), fps)
    unit, up = (csv_comments.read_text(comments, key) for key in ("unit", "up"))
    unit = columns.unit if "unit" not in comments else unit
    return PoseSequence.from_arrays(
        points, fps=rate, timestamps=stamps, confidence=confidence, skeleton=made, unit=unit, up=up, ids=ids,
        metadata=csv_comments.read_metadata(comments, first if columns.frame is not None else 0),
    )  # fmt: skip


def _read_people(found: _Rows, columns: Columns, comments: Mapping[str, Any]) -> tuple[list[str], NDArray[np.intc]]:
    """ids, and per row the person's index among them, -1 where the row is of nobody."""
    people = np.frombuffer(found.people, np.intc).copy()
    stated = comments.get("ids")
    if stated is not None:
        if not (isinstance(stated, list) and all(isinstance(key, str) for key in stated)):
            raise InputError("the comment ids is no list of texts; correct it")
        if columns.person is None and len(stated) != 1:
            raise InputError(f"the comment ids has {len(stated)} entries, but there is no column person; add it")
        if columns.person is not None and len(found.ids) > len(stated):
            raise InputError(f"the person {list(found.ids)[len(stated)]!r:.40} is not in the comment ids; add it")
        ids = [str(key) for key in stated]
    else:
        ids = list(found.ids) if columns.person is not None else ["0"]
    nobody = people < 0
    filled = nobody & ~np.isnan(_read_values(found)).all(axis=1)
    if filled.any():
        line = found.lines[int(np.argmax(filled))]
        if stated is not None:
            raise InputError(f"line {line} has coordinates but no person; fill in the cell")
        report_change(f"{np.count_nonzero(filled)} rows name no person; they are of one with the id ''")
        people[filled] = len(ids)
        ids.append("")
    return ids, people


def _read_values(found: _Rows) -> Floats:
    """(N, columns)."""
    return np.frombuffer(found.values, np.float64).reshape(len(found.lines), -1)


def _read_keypoints(found: _Rows, columns: Columns) -> tuple[list[str], Ints | None]:
    """Names, and in a long table per row the index of its keypoint."""
    if columns.keypoint is None:
        return list(columns.names), None
    check_keypoints(len(found.names))
    parts = list(dict.fromkeys(part for part, _ in found.names))
    names = list(found.names)
    if all(name.isascii() and name.isdecimal() and len(name) < 10 for _, name in names):
        order = {part: i for i, part in enumerate(parts)}
        names.sort(key=lambda name: (order[name[0]], int(name[1])))
    rank = {name: i for i, name in enumerate(names)}
    ranks = np.array([rank[name] for name in found.names] + [-1])
    if not names:
        raise InputError("no row names a keypoint; export the table again")
    return [f"{part}/{name}" if part else name for part, name in names], ranks[np.frombuffer(found.keypoints, np.intc)]


def _read_frames(found: _Rows, columns: Columns, has_rate: bool, ours: bool) -> tuple[Ints, Floats | None]:
    """Per row its frame's number and its time in seconds. has_rate: whether the user states one, so that times may lack."""
    times = np.frombuffer(found.times, np.float64) if columns.time is not None else None
    numbers = np.frombuffer(found.frames, np.int64)
    if times is not None and not np.isfinite(times).all():
        lacking = ~np.isfinite(times)
        line = found.lines[int(np.argmax(lacking))]
        by_row = columns.frame is None and (columns.person is not None or columns.keypoint is not None)
        if by_row or not (lacking.all() or (has_rate and columns.frame is not None)):
            raise InputError(f"line {line} has no time; fill it in, or delete the column and pass --fps N")
        report_change(f"{np.count_nonzero(lacking)} rows have no time; the column is not used")
        return numbers, None
    if times is None:
        return numbers, None
    if columns.frame is None:
        numbers = np.unique(times, return_inverse=True)[1].reshape(-1).astype(np.int64)
    second = columns.second or (1.0 if ours or has_rate else _guess_second(times))
    found.decimals += round(-math.log10(second))
    return numbers, times * second


def _guess_second(times: Floats) -> float:
    """What a 1 is in seconds where no name says so: the unit in which frames follow each other as cameras take them."""
    steps = np.diff(np.unique(times))
    step = float(np.median(steps)) if len(steps) else 0.0
    if step < SLOWEST:
        return 1.0
    second, name = next((unit for unit in FINER if step * unit[0] < 1), FINER[-1])
    what = f"times are {step:g} apart, which would be {1 / step:.3g} frames per second; they are taken as {name}"
    report_change(f"{what} (call the column time_s if they are seconds)")
    return second


def _place_values(
    found: _Rows, columns: Columns, frames: Ints, people: NDArray[np.intc], keypoints: Ints | None,
    size: tuple[int, int],
) -> Floats:  # fmt: skip
    """(T, P, K, D + 1): coordinates and confidence, NaN where there is no row."""
    values = _read_values(found)
    shape = (int(frames.max()) + 1, *size, len(columns.axes[0]) + 1)
    if missing.is_mostly_missing(math.prod(shape), values.size):
        what = f"{shape[0]} frames of {size[0]} people and {size[1]} keypoints"
        raise InputError(f"{what}, but only {len(values)} rows; correct the frame numbers or split the table")
    check_memory(4 * 8 * math.prod(shape), f"{size[0]} people in {shape[0]} frames")
    gaps = shape[0] - len(np.unique(frames))
    report_count(gaps, "frames between the first and the last have no row; all is missing there")
    _check_once(found, frames, people, keypoints)
    placed = np.full(shape, np.nan)
    there = people >= 0
    if keypoints is None:
        placed[frames[there], people[there]] = values[there].reshape(-1, *shape[2:])
    else:
        there &= keypoints >= 0
        placed[frames[there], people[there], keypoints[there]] = values[there]
    return placed


def _check_once(found: _Rows, frames: Ints, people: NDArray[np.intc], keypoints: Ints | None) -> None:
    """Raises InputError if a frame and person (and keypoint) have two rows."""
    keys: list[NDArray[Any]] = [people, frames] if keypoints is None else [keypoints, people, frames]
    order = np.lexsort(keys)
    same = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
    if same.any():
        at = int(np.argmax(same))
        lines = sorted((found.lines[int(order[at])], found.lines[int(order[at + 1])]))
        what = "frame and person" if keypoints is None else "frame, person and keypoint"
        raise InputError(f"lines {lines[0]} and {lines[1]} are of the same {what}; keep one, or add a column person")


def _read_timing(
    found: _Rows, comments: Mapping[str, Any], frames: Ints, times: Floats | None, count: int, fps: float | None
) -> tuple[float | None, Floats | None]:
    """Frame rate, or timestamps (T,)."""
    stated = comments.get("fps")
    if stated is not None and not csv_comments.is_rate(stated):
        what = "a number above 0 was expected, or null with a column time"
        raise InputError(f"the comment fps is {stated!r:.40}; {what}")
    if fps is not None or stated is not None:
        return float(stated or 0) if fps is None else fps, None
    if times is None:
        raise NoRateError(NO_RATE)
    present, at = np.unique(frames, return_index=True)
    stamps = times[at]
    if (times != stamps[np.searchsorted(present, frames)]).any():
        wrong = int(np.argmax(times != stamps[np.searchsorted(present, frames)]))
        raise InputError(f"line {found.lines[wrong]} gives its frame another time than a line before; correct one")
    rate = find_regular_rate(stamps, present, found.decimals) if "fps" not in comments and len(present) > 1 else None
    if rate is not None:
        start = f"; that they begin at {stamps[0]:g} s is not kept" if stamps[0] else ""
        report_change(f"the times are those of {text_tables.format_plain(rate)} frames per second{start}")
        return rate, None
    report_count(count - len(present), "frames without a row get times in between")
    return None, np.interp(np.arange(count), present, stamps)


def _sniff(file: Source) -> Clue | None:
    """A table has separators, or begins with a number or a comment; else the suffix is a hint."""
    line = file.first_line
    if line and not file.is_json and b"\0" not in file.head and re.search(rb"[,;\t]|^[-+0-9.]|^# \w+: ", line):
        return Clue("being a table of text")
    return Clue(f"its suffix {file.path.suffix}", Certainty.HINT) if file.suffix in (".csv", ".tsv") else None


FORMAT = Format(
    name="csv", title="table of text", suffixes=(".csv", ".tsv", ".txt"), read=read, write=write,
    options=("fps", "skeleton", "columns"), sniff=_sniff,
    priority=90, channels=True,
)  # fmt: skip
