"""Tables of text, `.csv` and its like: our own, and those that others' columns make readable.

Ours begin with lines `# key: JSON` (fps; unit, up, skeleton, ids, metadata where they are not the default), then columns
frame, [time,] [person,] NAME_x, NAME_y, [NAME_z,] [NAME_c,] ... and a row for each frame and person that is in it, at least
one a frame; cells are empty where a keypoint is missing. `pandas.read_csv(path, comment="#")` reads them. Others may be wide
or long (`table_columns` says what headers mean), or numbers without a header, (T, K*D); between commas, semicolons (numbers
may then have decimal commas), tabs or blanks. Leaves out DeepLabCut's tables, which `dlc` reads.
"""

from __future__ import annotations

import csv
import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, NoRateError, UsageError, report_change
from posecodec.io.filesystem import AnyPath, guard_reader, read_bytes, write_atomic
from posecodec.io.formats.csv_columns import Columns, columns_of
from posecodec.io.formats.npy import unflattened
from posecodec.io.parsing.missing import scored, usable
from posecodec.io.parsing.rates import NO_RATE, regular_rate
from posecodec.io.parsing.text_tables import EMPTY, decimals, lines_of, number, plain, texts, whole
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Bools, Floats, Ints

KEYS = ("fps", "unit", "up", "skeleton", "ids", "metadata")
_TIMES_AS_MANY, _CELLS_FREE = 2, 5_000_000

Row = tuple[int, list[str]]
"""Line number and cells."""


@dataclass(frozen=True, eq=False)
class _Text:
    """comments: by key of KEYS. first: the header, or a row of numbers. comma: whether numbers may have decimal commas."""

    comments: dict[str, Any]
    first: Row
    rows: Iterator[Row]
    comma: bool


@dataclass
class _Found:
    """Rows as read, N of them: lines, frames (numbers, or places of times), people and keypoints (places in `ids`, `names`;
    -1 where the cell is empty), and values N x (axes and confidences)."""

    lines: array[int] = field(default_factory=lambda: array("i"))
    frames: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    people: array[int] = field(default_factory=lambda: array("i"))
    keypoints: array[int] = field(default_factory=lambda: array("i"))
    values: array[float] = field(default_factory=lambda: array("f"))
    ids: dict[str, int] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    places: int = 0


@guard_reader
def read(path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None) -> PoseSequence:
    """The people of a table. What had to be guessed is reported.

    Frames run from the first number to the last; numbers without a row are all missing. Times at a constant step become
    a frame rate, others timestamps. metadata `csv`: `first_frame` where that is not 0.
    fps: instead of the file's rate or times, or where it has none. skeleton: needed for numbers without a header (other
    than coco19's 57 or 38 columns); else the order in which its keypoints are given back.
    Raises InputError, with the line, if the columns or a cell make no sense, or a frame and person are there twice.
    """
    text = _text(read_bytes(path))
    cells = text.first[1]
    if cells[0].strip().lower() == "scorer":
        raise InputError("this is a table of DeepLabCut (it begins with 'scorer'); pass --from dlc (format='dlc')")
    if _is_numbers(cells):
        return _headless(text, fps, skeleton)
    columns = columns_of(cells, "fps" in text.comments)
    found = _read_rows(text, columns)
    if not found.lines:
        raise InputError("a header but no rows; export the table again")
    return _sequence(text, columns, found, fps, skeleton)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """All of the sequence, as a wide table; between tabs if the path ends in .tsv, else commas.

    Frames are numbered from metadata `csv` `first_frame`, else 0. Numbers have as many digits as give the same float back.
    Raises UsageError if there are no frames or the metadata are not JSON.
    """
    if not sequence.frames:
        raise UsageError("the sequence has no frames, and .csv cannot say so; save as .npz")
    between = "\t" if Path(path).suffix.lower() == ".tsv" else ","
    names = _safe_names(sequence.skeleton.keypoints)
    cells = _safe_names(sequence.ids)
    lines = [f"# {key}: {_json(value)}" for key, value in _comments(sequence, names, cells).items()]
    weighted = bool((sequence.confidence[sequence.valid] != 1).any())
    ends = [*"xyz"[: sequence.dims], *(["c"] if weighted else [])]
    several = sequence.people != 1
    head = ["frame", *(["time"] if sequence.fps is None else []), *(["person"] if several else [])]
    lines.append(between.join([*head, *(f"{name}_{end}" for name in names for end in ends)]))
    first, valid = _first_frame(sequence.metadata), sequence.valid
    weights = np.where(valid, sequence.confidence, np.float32(np.nan)) if weighted else None
    for t in range(sequence.frames):
        start = [str(first + t)] + ([repr(float(sequence.timestamps[t]))] if sequence.timestamps is not None else [])
        for p in _written_people(valid[t]):
            own = [*start, cells[p] if p is not None else ""] if several else start
            lines.append(between.join([*own, *_row(sequence, t, p, weights)]))
    write_atomic(path, ("\n".join(lines) + "\n").encode(), force)


def _comments(sequence: PoseSequence, names: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """What stands before the header, by key."""
    skeleton = sequence.skeleton
    found: dict[str, Any] = {"fps": sequence.fps}
    if sequence.unit != "unknown":
        found["unit"] = sequence.unit
    if sequence.up != "unknown":
        found["up"] = sequence.up
    renamed = tuple(names) != skeleton.keypoints
    if renamed or skeleton != build_skeleton(skeleton.keypoints):
        found["skeleton"] = {"name": skeleton.name} | ({"keypoints": skeleton.keypoints} if renamed else {})
        parts = {"edges": skeleton.edges, "pairs": skeleton.pairs, "root": skeleton.root}
        found["skeleton"] |= {key: value for key, value in parts.items() if value not in ((), None)}
    if sequence.people != 1 or sequence.ids != ("0",):
        found["ids"] = list(sequence.ids)
    if sequence.metadata != {"source_format": "csv"}:
        found["metadata"] = dict(sequence.metadata)
    return found


def _json(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the metadata are not JSON ({error}); take out what is not") from error


def _safe_names(names: Sequence[str]) -> Sequence[str]:
    """The names, or all of them numbered where one would need quotes or could be taken for something else."""
    special = set(',;\t"#\r\n')
    unsafe = any(
        not name or name != name.strip() or special & set(name) or len(name.splitlines()) != 1 or name.lower() in EMPTY
        or any("\ud800" <= c <= "\udfff" for c in name)
        for name in names
    )  # fmt: skip
    return [str(i) for i in range(len(names))] if unsafe else names


def _written_people(valid: Bools) -> list[int | None]:
    """Who has a row in a frame, from its (P, K) validity: those who are there, or the first, or nobody."""
    there: list[int | None] = [int(p) for p in np.flatnonzero(valid.any(axis=-1))]
    return there or ([0] if len(valid) else [None])


def _row(sequence: PoseSequence, t: int, p: int | None, weights: NDArray[np.float32] | None) -> list[str]:
    """The cells of all keypoints; weights: (T, P, K), NaN where missing, if they are to be written."""
    if p is None:
        return [""] * (len(sequence.skeleton) * (sequence.dims + (weights is not None)))
    cells = texts(sequence.positions[t, p])
    if weights is None:
        return cells
    dims, scores = sequence.dims, texts(weights[t, p])
    return [cell for k, score in enumerate(scores) for cell in (*cells[k * dims : (k + 1) * dims], score)]


def _first_frame(metadata: Mapping[str, Any]) -> int:
    facts = metadata.get("csv")
    first = facts.get("first_frame") if isinstance(facts, dict) else None
    return first if type(first) is int and abs(first) < 1 << 50 else 0


class _Lines:
    """The lines of a table without comments, and the number of the one given last."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.at = lines, 0
        self.comments: dict[str, tuple[int, str]] = {}
        self.before = True

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.at += 1
            if line.startswith("#"):
                self._comment(line)
            elif line.strip():
                self.before = False
                yield line

    def _comment(self, line: str) -> None:
        key, colon, value = line[1:].partition(":")
        if colon and self.before and key.strip() in KEYS:
            self.comments[key.strip()] = (self.at, value.strip())


def _text(data: bytes) -> _Text:
    lines = _Lines(lines_of(data))
    content = iter(lines)
    start = next(content, "")
    delimiter = ""
    if start.lower().startswith("sep=") and len(start.strip()) == 5:  # a hint to Excel
        delimiter, start = start[4], next(content, "")
    if not start.strip():
        raise InputError(f"no line but comments among {lines.at}; export the table again")
    delimiter = delimiter or _delimiter(start)

    def content_again() -> Iterator[str]:
        yield start
        yield from content

    rows = _rows(csv.reader(content_again(), delimiter=delimiter, skipinitialspace=delimiter == " "), lines)
    first = next(rows, (lines.at, [""]))
    comments = {key: _comment_value(key, *found) for key, found in lines.comments.items()}
    return _Text(comments, first, rows, delimiter != ",")


def _delimiter(line: str) -> str:
    """What is between the cells of a line: the first of tab, semicolon and comma that is in it outside quotes."""
    bare = "".join(line.split('"')[::2])
    return next((mark for mark in "\t;," if mark in bare), " " if len(bare.split()) > 1 else ",")


def _rows(cells: Iterator[list[str]], lines: _Lines) -> Iterator[Row]:
    try:
        for row in cells:
            yield lines.at, row
    except csv.Error as error:
        raise InputError(f"line {lines.at} is no CSV ({error}); export it again") from error


def _comment_value(key: str, line: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"line {line}: {key} is {text!r:.40}, JSON was expected ({error}); correct it") from error


def _is_numbers(cells: Sequence[str]) -> bool:
    """Whether a first line is a row of numbers rather than a header."""
    filled = [cell.strip().replace(",", ".") for cell in cells if cell.strip().lower() not in EMPTY]
    try:
        return bool([float(cell) for cell in filled])
    except ValueError:
        return False


def _headless(text: _Text, fps: float | None, skeleton: Skeleton | None) -> PoseSequence:
    """(T, K*D) numbers; a first line 0, 1, 2, ... is the header of pandas, and a column under its empty cell the index."""
    line, cells = text.first
    index = len(cells) > 2 and not cells[0].strip()
    counted = [cell.strip() for cell in cells[index:]] == [str(i) for i in range(len(cells) - index)]
    width = len(cells) - (index and counted)
    if counted and len(cells) > 2:
        report_change("the first line only counts the columns; it is taken as a header")
    values, lines, count = array("f"), iter(text.rows), 0
    for line, row in lines if counted and len(cells) > 2 else _again(text.first, lines):
        row = _fitted(row, len(cells), line)
        values.extend([_number(cell, line, text.comma) for cell in row[len(cells) - width :]])
        count += 1
    if not count:
        raise InputError("a header but no rows; export the table again")
    report_change(f"no header; the {width} columns are taken as the coordinates of each keypoint in turn")
    skeleton = skeleton or _stated_skeleton(text.comments, None)
    points = unflattened(np.frombuffer(values, np.float32).reshape(count, width), skeleton)
    if fps is None and not _is_rate(text.comments.get("fps")):
        usable(points)
        raise NoRateError(NO_RATE)
    return PoseSequence.from_arrays(
        usable(points),
        fps=text.comments["fps"] if fps is None else fps,
        skeleton=skeleton,
        unit=_stated(text.comments, "unit"),
        up=_stated(text.comments, "up"),
        metadata={"source_format": "csv"},
    )


def _again(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _fitted(cells: list[str], width: int, line: int) -> list[str]:
    """The cells of a row without empty ones beyond the header's. Raises InputError if they are too few or too many."""
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        raise InputError(
            f"line {line} has {len(cells)} cells, the first line {width}; the file is cut short or damaged"
        )
    return cells[:width]


def _number(cell: str, line: int, comma: bool) -> float:
    return number(cell.replace(",", ".") if comma and "." not in cell else cell, line)


def _read_rows(text: _Text, columns: Columns) -> _Found:
    """All rows below the header."""
    found = _Found()
    width = len(text.first[1])
    wanted = [i for axes, weight in zip(columns.axes, columns.confidence, strict=True) for i in (*axes, weight)]
    stated = text.comments.get("ids")
    if isinstance(stated, list):
        found.ids.update((str(key), p) for p, key in enumerate(_safe_names([str(key) for key in stated])))
    for line, cells in text.rows:
        if not any(cell.strip() for cell in cells) and (columns.frame is not None or columns.time is not None):
            continue
        cells = _fitted(cells, width, line)
        found.lines.append(line)
        _add_time(found, columns, cells, line, text.comma)
        found.values.extend([math.nan if i is None else _number(cells[i], line, text.comma) for i in wanted])
        found.people.append(_place(found.ids, _cell(cells, columns.person)) if columns.person is not None else 0)
        if columns.keypoint is not None:
            name = (_cell(cells, columns.part), _cell(cells, columns.keypoint))
            found.keypoints.append(found.names.setdefault(name, len(found.names)) if any(name) else -1)
    return found


def _cell(cells: Sequence[str], place: int | None) -> str:
    return cells[place].strip() if place is not None else ""


def _place(ids: dict[str, int], key: str) -> int:
    return ids.setdefault(key, len(ids)) if key else -1


def _add_time(found: _Found, columns: Columns, cells: Sequence[str], line: int, comma: bool) -> None:
    """The row's frame number and time."""
    if columns.time is not None:
        cell = cells[columns.time].replace(",", ".") if comma else cells[columns.time]
        found.times.append(number(cell, line, "a time in numbers") * columns.second)
        found.places = max(found.places, decimals(cell) + round(-math.log10(columns.second)))
    if columns.frame is not None:
        found.frames.append(whole(cells[columns.frame], line, "a frame number"))
    elif columns.time is None:
        found.frames.append(len(found.frames))


def _sequence(
    text: _Text, columns: Columns, found: _Found, fps: float | None, skeleton: Skeleton | None
) -> PoseSequence:
    comments = text.comments
    ids, people = _people(found, columns, comments)
    names, keypoints = _keypoints(found, columns)
    frames, times = _frames(found, columns)
    first = int(frames.min())
    values = _placed(found, columns, frames - first, people, keypoints, (len(ids), len(names)))
    points, weights = usable(values[..., :-1]), values[..., -1]
    given = any(place is not None for place in columns.confidence)
    confidence = scored(points, weights, "confidence") if given else None
    made = _stated_skeleton(comments, names) or build_skeleton(names)
    if skeleton is not None and skeleton.keypoints != made.keypoints and set(skeleton.keypoints) == set(made.keypoints):
        order = [made.keypoints.index(name) for name in skeleton.keypoints]
        points, confidence = points[:, :, order], confidence[:, :, order] if confidence is not None else None
    rate, stamps = _timing(found, comments, frames - first, times, len(values), fps)
    return PoseSequence.from_arrays(
        points,
        fps=rate,
        timestamps=stamps,
        confidence=confidence,
        skeleton=skeleton or made,
        unit=_stated(comments, "unit"),
        up=_stated(comments, "up"),
        ids=ids,
        metadata=_metadata(comments, first if columns.frame is not None else 0),
    )


def _people(found: _Found, columns: Columns, comments: Mapping[str, Any]) -> tuple[list[str], NDArray[np.intc]]:
    """ids, and per row the person's place among them, -1 where the row is of nobody."""
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
    filled = nobody & ~np.isnan(_values(found)).all(axis=1)
    if filled.any():
        line = found.lines[int(np.argmax(filled))]
        if stated is not None:
            raise InputError(f"line {line} has coordinates but no person; fill in the cell")
        report_change(f"{np.count_nonzero(filled)} rows name no person; they are of one with the id ''")
        people[filled] = len(ids)
        ids.append("")
    return ids, people


def _values(found: _Found) -> NDArray[np.float32]:
    """(N, columns)."""
    return np.frombuffer(found.values, np.float32).reshape(len(found.lines), -1)


def _keypoints(found: _Found, columns: Columns) -> tuple[list[str], Ints | None]:
    """Names, and in a long table per row the place of its keypoint."""
    if columns.keypoint is None:
        return list(columns.names), None
    parts = list(dict.fromkeys(part for part, _ in found.names))
    names = list(found.names)
    if all(name.isascii() and name.isdecimal() and len(name) < 10 for _, name in names):
        names.sort(key=lambda name: (parts.index(name[0]), int(name[1])))
    rank = {name: i for i, name in enumerate(names)}
    place = np.array([rank[name] for name in found.names] + [-1])
    if not names:
        raise InputError("no row names a keypoint; export the table again")
    return [f"{part}/{name}" if part else name for part, name in names], place[np.frombuffer(found.keypoints, np.intc)]


def _frames(found: _Found, columns: Columns) -> tuple[Ints, Floats | None]:
    """Per row its frame's number and its time."""
    times = np.frombuffer(found.times, np.float64) if columns.time is not None else None
    if times is not None and not np.isfinite(times).all():
        line = found.lines[int(np.argmax(~np.isfinite(times)))]
        raise InputError(f"line {line} has no time; fill it in, or delete the column and pass --fps N")
    if columns.frame is None and times is not None:
        return np.unique(times, return_inverse=True)[1].reshape(-1).astype(np.int64), times
    return np.frombuffer(found.frames, np.int64), times


def _placed(
    found: _Found,
    columns: Columns,
    frames: Ints,
    people: NDArray[np.intc],
    keypoints: Ints | None,
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """(T, P, K, D + 1): coordinates and confidence, NaN where there is no row."""
    values = _values(found)
    dims = len(columns.axes[0])
    shape = (int(frames.max()) + 1, *size, dims + 1)
    if math.prod(shape) > _TIMES_AS_MANY * values.size + _CELLS_FREE:
        what = f"{shape[0]} frames of {size[0]} people and {size[1]} keypoints"
        raise InputError(f"{what}, but only {len(values)} rows; correct the frame numbers or split the table")
    numbers = len(np.unique(frames))
    if shape[0] > numbers:
        report_change(f"{shape[0] - numbers} frames between the first and the last have no row; all is missing there")
    _check_once(found, frames, people, keypoints)
    placed = np.full(shape, np.nan, np.float32)
    there = people >= 0
    if keypoints is None:
        placed[frames[there], people[there]] = values[there].reshape(-1, *shape[2:])
    else:
        there &= keypoints >= 0
        placed[frames[there], people[there], keypoints[there]] = values[there]
    return placed


def _check_once(found: _Found, frames: Ints, people: NDArray[np.intc], keypoints: Ints | None) -> None:
    """Raises InputError if a frame and person (and keypoint) have two rows."""
    keys: list[NDArray[Any]] = [people, frames] if keypoints is None else [keypoints, people, frames]
    order = np.lexsort(keys)
    same = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
    if same.any():
        at = int(np.argmax(same))
        lines = sorted((found.lines[int(order[at])], found.lines[int(order[at + 1])]))
        what = "frame and person" if keypoints is None else "frame, person and keypoint"
        raise InputError(f"lines {lines[0]} and {lines[1]} are of the same {what}; keep one, or add a column person")


def _timing(
    found: _Found,
    comments: Mapping[str, Any],
    frames: Ints,
    times: Floats | None,
    count: int,
    fps: float | None,
) -> tuple[float | None, Floats | None]:
    """Frame rate, or timestamps (T,)."""
    stated = comments.get("fps")
    if stated is not None and not _is_rate(stated):
        raise InputError(
            f"the comment fps is {stated!r:.40}; a number above 0 was expected, or null with a column time"
        )
    if fps is not None or stated is not None:
        return float(stated or 0) if fps is None else fps, None
    if times is None:
        raise NoRateError(NO_RATE)
    present, at = np.unique(frames, return_index=True)
    stamps = times[at]
    if (times != stamps[np.searchsorted(present, frames)]).any():
        wrong = int(np.argmax(times != stamps[np.searchsorted(present, frames)]))
        raise InputError(f"line {found.lines[wrong]} gives its frame another time than a line before; correct one")
    rate = regular_rate(stamps, present, found.places) if "fps" not in comments and len(present) > 1 else None
    if rate is not None:
        start = f"; that they begin at {stamps[0]:g} s is not kept" if stamps[0] else ""
        report_change(f"the times are those of {plain(rate)} frames per second{start}")
        return rate, None
    if count > len(present):
        report_change(f"{count - len(present)} frames without a row get times in between")
    return None, np.interp(np.arange(count), present, stamps)


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1e300


def _stated(comments: Mapping[str, Any], key: str) -> str:
    value = comments.get(key, "unknown")
    if not isinstance(value, str):
        raise InputError(f"the comment {key} is {value!r:.40}, a text was expected; correct it")
    return value


def _stated_skeleton(comments: Mapping[str, Any], names: Sequence[str] | None) -> Skeleton | None:
    """The skeleton of the comment, with the names of the header unless it has its own."""
    value = comments.get("skeleton")
    if value is None:
        return None
    try:
        keypoints = tuple(str(name) for name in value.get("keypoints", names))
        edges, pairs = (tuple((int(a), int(b)) for a, b in value.get(key, ())) for key in ("edges", "pairs"))
        root = value.get("root")
        made = Skeleton(str(value["name"]), keypoints, edges, pairs, None if root is None else int(root))
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"the comment skeleton is not name, edges, pairs, root ({error}); correct it") from error
    return made


def _metadata(comments: Mapping[str, Any], first: int) -> dict[str, Any]:
    metadata = comments.get("metadata", {"source_format": "csv"})
    if not isinstance(metadata, dict):
        raise InputError(f"the comment metadata is {type(metadata).__name__}, an object was expected; correct it")
    if _first_frame(metadata) != first:
        facts = metadata.get("csv")
        metadata = metadata | {"csv": (facts if isinstance(facts, dict) else {}) | {"first_frame": first}}
    return metadata
