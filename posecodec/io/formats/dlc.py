"""DeepLabCut tracks and labels: `.csv`, and `.h5` as pandas writes it, in its table and its fixed format.

Columns are named by scorer, individual (in multi-animal projects), bodypart and coordinate (x, y, likelihood; x, y, z of
3D projects). Rows are video frames, or labeled images whose file name ends in the frame number. Individuals are people;
where their bodyparts differ, as those of "single" do, each has the keypoints of all. Positions are pixels, y down; those
of 3D projects are in the unit of their calibration, which the file does not say. The file states no frame rate. The `.h5`
is read by h5py alone: pandas would unpickle what the file holds. Leaves out config.yaml (so there are no edges) and
writing.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Clue, Format, guard_reader, read_bytes
from posecodec.io.filesystem import check_file
from posecodec.io.parsing import frame_rates, hdf5, missing, safe_pickle, text_tables
from posecodec.io.parsing.format_metadata import NUMBERS
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Floats, Ints

LEVELS = ("scorer", "bodyparts", "coords")
LEVELS_MULTI = ("scorer", "individuals", "bodyparts", "coords")
COORDS = ("x", "y", "z", "likelihood")
_GROUP = "df_with_missing"
_SCORER = re.compile(rb'(?:\xef\xbb\xbf)?(?:sep=.\r?\n)?\s*"?scorer"?\s*([,;\t])', re.IGNORECASE)
_START = 100  # bytes in which the first cell and what follows it are looked for
_NUMBER, _IMAGE = re.compile(r"(\d{1,15})(?:\.0+)?"), re.compile(r".*?(\d{1,15})\.[A-Za-z]\w{0,7}")

Column = tuple[str, ...]
Lines = Iterator[tuple[int, list[str]]]


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """columns: W names by level. rows: T frame numbers, or these or image paths as text. values: (T, W)."""

    columns: list[Column]
    rows: list[str] | NDArray[np.integer[Any]]
    values: NDArray[Any]


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The individuals of a DeepLabCut `.csv` or `.h5`; the likelihood is the confidence, as it is (1 in files of labels).

    Frames run from the first row's number to the last's; numbers without a row are all missing. Positions of an `.h5` are
    float64, as in the file. metadata `dlc`: the scorer, and `first_frame` where that is not 0.
    fps: frames per second, needed. Raises InputError if the content is no DeepLabCut table, and says where; NoRateError
    without fps.
    """
    check_file(path)
    binary = hdf5.is_hdf5(path)
    table = _read_h5(path) if binary else _read_csv(read_bytes(path))
    if not len(table.rows):
        raise InputError("a header but no rows; analyze the video again")
    return _build_sequence(table, fps, binary)


def _build_sequence(table: _Table, fps: float | None, exact: bool) -> PoseSequence:
    scorer, ids, keypoints, dims = _read_names(table.columns)
    numbers = (
        _check_frame_numbers(table.rows) if isinstance(table.rows, np.ndarray) else _parse_frame_numbers(table.rows)
    )
    values = _place_values(table, numbers, ids, keypoints)
    positions = missing.mask_infinite(values[..., :dims])
    given = any(column[-1] == "likelihood" for column in table.columns)
    confidence = missing.fill_confidence(positions, values[..., 3], "likelihood") if given else None
    rate = frame_rates.require_rate(fps)
    facts: dict[str, Any] = {"scorer": scorer} | ({"first_frame": int(numbers.min())} if numbers.min() else {})
    unit, up = ("px", "-y") if dims == 2 else ("unknown", "unknown")
    return PoseSequence.from_arrays(
        positions, fps=rate, confidence=confidence, skeleton=build_skeleton(keypoints), unit=unit, up=up,
        ids=ids or None, metadata={"source_format": "dlc", "dlc": facts}, exact=exact,
    )  # fmt: skip


def _read_names(columns: Sequence[Column]) -> tuple[str, list[str], list[str], int]:
    """Scorer, individuals (none in single-animal files), bodyparts in order of appearance, and 2 or 3."""
    wrong = next((c for c in columns if c[-1] not in COORDS), None)
    if wrong is not None:
        raise InputError(f"the column {'/'.join(wrong)} is none of {', '.join(COORDS)}; export the file again")
    [(common, count)] = Counter(columns).most_common(1)
    if count > 1:
        raise InputError(f"the column {'/'.join(common)} is there twice; keep one")
    scorers = list(dict.fromkeys(c[0] for c in columns))
    if len(scorers) != 1:
        raise InputError(f"{len(scorers)} scorers ({', '.join(scorers[:3])}), one was expected; keep one to a file")
    ids = list(dict.fromkeys(c[1] for c in columns if len(c) == 4))
    dims = 3 if any(c[-1] == "z" for c in columns) else 2
    given = set(columns)
    for start in dict.fromkeys(c[:-1] for c in columns):
        lacking = [axis for axis in "xyz"[:dims] if (*start, axis) not in given]
        if lacking:
            raise InputError(f"{'/'.join(start)} has no column {lacking[0]}; export the file again")
    return scorers[0], ids, list(dict.fromkeys(c[-2] for c in columns)), dims


def _check_frame_numbers(rows: NDArray[np.integer[Any]]) -> Ints:
    """The frame numbers, which rows have as such."""
    odd = rows.astype(np.float64)
    if odd.min() < 0 or odd.max() >= NUMBERS.stop:
        raise InputError(f"rows are numbered {rows.min()} to {rows.max()}; frame numbers were expected")
    if len(np.unique(rows)) < len(rows):
        raise InputError("a frame number is there twice; keep one row a frame")
    return rows.astype(np.int64)


def _parse_frame_numbers(rows: Sequence[str]) -> Ints:
    """The frame number of each row: the row's own, or that at the end of the image's name."""
    folders, numbers = set[str](), dict[int, None]()
    for i, row in enumerate(rows):
        folder, _, name = row.replace("\\", "/").rpartition("/")
        digits = (None if folder else _NUMBER.fullmatch(name)) or _IMAGE.fullmatch(name)
        if digits is None:
            raise InputError(f"row {i} is named {row!r:.80}; a frame number or an image with one was expected")
        number = int(digits[1])
        folders.add(folder)
        if number in numbers:
            raise InputError(f"row {i} is frame {number}, which is there twice; keep one row a frame")
        numbers[number] = None
    if len(folders) > 1:
        raise InputError(f"rows are of {len(folders)} folders ({sorted(folders)[:2]} ...); keep one video to a file")
    return np.fromiter(numbers, np.int64)


def _place_values(table: _Table, numbers: Ints, ids: Sequence[str], keypoints: Sequence[str]) -> NDArray[Any]:
    """(T, P, K, 4): x, y, z, likelihood, NaN where the file has nothing."""
    first, count = int(numbers.min()), int(numbers.max() - numbers.min()) + 1
    shape = (count, max(len(ids), 1), len(keypoints), len(COORDS))
    if missing.is_mostly_missing(math.prod(shape), table.values.size):
        what = f"frames {first} to {first + count - 1}, {shape[1]} individuals and {shape[2]} bodyparts"
        raise InputError(f"{what}, but only {len(numbers)} rows of {len(table.columns)} columns; split the file")
    report_count(count - len(numbers), "frames between the first and the last are not in it; all is missing there")
    values = np.full(shape, np.nan, table.values.dtype)
    rows = numbers - first
    person, point = ({name: i for i, name in enumerate(names)} for names in (ids, keypoints))
    for w, column in enumerate(table.columns):
        p = person[column[1]] if len(column) == 4 else 0
        values[rows, p, point[column[-2]], COORDS.index(column[-1])] = table.values[:, w]
    return values


def _read_csv(data: bytes) -> _Table:
    """Header lines, each named in its first cell, then a row a frame."""
    lines, comma = _read_csv_rows(data)
    header: list[list[str]] = []
    for _, cells in lines:
        header.append(cells)
        if cells[0].strip().lower() == "coords" or len(header) == len(LEVELS_MULTI):
            break
    labels, expected = tuple(cells[0].strip().lower() for cells in header), f"expected {LEVELS} or {LEVELS_MULTI}"
    if labels not in (LEVELS, LEVELS_MULTI):
        raise InputError(f"the first lines are {labels!r:.100}, {expected}; is it DeepLabCut's?")
    width = len(header[0])
    while width > 1 and not any(cells[width - 1] for cells in header if len(cells) >= width):
        width -= 1  # columns that a spreadsheet left empty
    header = [cells[:width] for cells in header]
    start = next((i for i, cell in enumerate(header[-1]) if cell in COORDS), width)
    if any(len(cells) != width for cells in header) or start == width:
        raise InputError(f"the header lines have {[len(c) for c in header]} cells; equally many were expected")
    columns = list(zip(*(cells[start:] for cells in header), strict=True))
    return _Table(columns, *_read_csv_values(lines, width, start, comma))


def _read_csv_rows(data: bytes) -> tuple[Lines, bool]:
    """The lines with their numbers, and whether numbers may have decimal commas: semicolons or tabs are a spreadsheet's."""
    found = _SCORER.match(data[:_START])
    mark = found[1].decode() if found else ","
    if mark != ",":
        report_change(f"cells are between {mark!r}, not commas; the file went through a spreadsheet")
    return _number_rows(data, mark), mark != ","


def _number_rows(data: bytes, mark: str) -> Lines:
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline=""), delimiter=mark)
    try:
        for cells in lines:
            if any(cells) and not (lines.line_num == 1 and cells[0].lower().startswith("sep=")):
                yield lines.line_num, cells
    except UnicodeDecodeError as error:
        raise InputError(f"no UTF-8 text after line {lines.line_num}; export it again") from error
    except csv.Error as error:
        raise InputError(f"line {lines.line_num} is no CSV ({error}); export it again") from error


def _read_csv_values(lines: Lines, width: int, start: int, comma: bool) -> tuple[list[str], Floats]:
    """Names and (T, W) values of the rows; a name is the cells before the values, put together as a path."""
    rows, values = [], []
    for line, cells in lines:
        if len(cells) < width or any(cells[width:]):
            what = f"line {line} has {len(cells)} cells, the header {width}"
            raise InputError(f"{what}; the file is cut short or damaged")
        rows.append("/".join(cells[:start]))
        given = [cell.replace(",", ".") if comma else cell for cell in cells[start:width]]
        values.append(np.array([_parse_number(cell, line) for cell in given]))
    return rows, np.array(values, np.float64)


def _parse_number(cell: str, line: int) -> float:
    if cell.strip().lower() in text_tables.EMPTY:
        return np.nan
    try:
        return float(cell if "_" not in cell else "?")
    except ValueError as error:
        raise InputError(f"line {line} holds {cell!r:.40} where a number was expected; export it again") from error


def _read_h5(path: Path) -> _Table:
    with hdf5.open_file(path) as file:
        names = [_GROUP] if _GROUP in file else hdf5.list_names(file)
        if len(names) != 1:
            raise InputError(f"no group {_GROUP!r}, only {names[:10]}; give DeepLabCut's own .h5")
        frame = hdf5.get_group(file, names[0])
        kind = _read_attribute(frame, "pandas_type")
        if kind == "frame_table":
            return _read_table(frame)
        if kind == "frame":
            return _read_fixed(frame)
    raise InputError(f"group {names[0]!r} is {kind!r:.40}, a pandas frame was expected; give DeepLabCut's own .h5")


def _read_table(frame: hdf5.Group) -> _Table:
    """pandas' table format: one record a row; the columns are in a pickled attribute."""
    table = hdf5.get_dataset(frame, "table")
    fields = table.dtype.names or ()
    blocks = [name for name in fields if name.startswith("values_block_")]
    if table.ndim != 1 or "index" not in fields or not blocks or table.dtype.hasobject:
        raise InputError(f"the table has the fields {fields!r:.80}; index and values_block_0 were expected")
    axes = _unpickle_attribute(frame, "non_index_axes")
    order = _check_columns(axes[0][1] if len(axes) == 1 and len(axes[0]) == 2 else None)
    records = hdf5.read_dataset(table)
    found: dict[Column, NDArray[Any]] = {}
    for name in blocks:
        block = _check_block(records[name], name)
        columns = order if len(blocks) == 1 else _check_columns(_unpickle_attribute(table, f"{name}_kind"))
        found.update(zip(_check_width(columns, block, name), block.T, strict=True))
    if found.keys() != set(order):
        raise InputError(f"values for {len(found)} columns, but {len(order)} are named; the file is damaged")
    return _Table(order, _name_rows(records["index"]), np.stack([found[column] for column in order], axis=1))


def _read_fixed(frame: hdf5.Group) -> _Table:
    """pandas' fixed format: the columns as levels and codes, the values in one block or several."""
    order = _read_multi_index(frame, "axis0")
    many = _read_attribute(frame, "axis1_variety") == "multi"
    several = ["/".join(row) for row in _read_multi_index(frame, "axis1")] if many else None
    rows = _read_index(frame, "axis1") if several is None else several
    values = np.full((len(rows), len(order)), np.nan)
    index, found = {column: w for w, column in enumerate(order)}, set[Column]()
    for name in (key for key in hdf5.list_names(frame) if re.fullmatch(r"block\d+_values", key)):
        block = _check_block(hdf5.read_numbers(frame, name, 2), name)
        block = block if _read_attribute(hdf5.get_dataset(frame, name), "transposed") else block.T
        columns = _check_width(_read_multi_index(frame, name.replace("values", "items")), block, name)
        if len(block) != len(rows) or not index.keys() >= set(columns):
            raise InputError(f"{name} is {block.shape}, for {len(rows)} rows of other columns; the file is damaged")
        values[:, [index[column] for column in columns]] = block
        found.update(columns)
    if len(found) != len(index):
        raise InputError(f"values for {len(found)} columns, but {len(index)} are named; the file is damaged")
    return _Table(order, rows, values)


def _read_multi_index(frame: hdf5.Group, name: str) -> list[Column]:
    """The tuples of a MultiIndex, from its levels and codes."""
    count = _read_attribute(frame, f"{name}_nlevels")
    if count not in (1, 2, 3, 4):
        raise InputError(f"{name} has {count!r:.20} levels; those of {LEVELS_MULTI} were expected")
    parts = []
    for level in range(int(count)):
        names = hdf5.read_texts(frame, f"{name}_level{level}")
        codes = hdf5.read_numbers(frame, f"{name}_label{level}", 1)
        if codes.dtype.kind == "f" or ((codes < 0) | (codes >= len(names))).any():
            raise InputError(f"{name}_label{level} points outside the {len(names)} names; the file is damaged")
        parts.append([names[code] for code in codes.tolist()])
    columns = list(zip(*parts, strict=True))
    return _check_columns(columns) if name == "axis0" else columns


def _read_index(frame: hdf5.Group, name: str) -> list[str] | NDArray[np.integer[Any]]:
    found = hdf5.get_dataset(frame, name)
    if found.ndim != 1 or found.dtype.kind not in "iuS":
        raise InputError(f"the rows' names are {found.dtype} {found.shape}; frame numbers or image paths were expected")
    return _name_rows(hdf5.read_dataset(found))


def _name_rows(index: NDArray[Any]) -> list[str] | NDArray[np.integer[Any]]:
    if index.dtype.kind not in "iuS":
        raise InputError(f"the rows' names are {index.dtype}; frame numbers or image paths were expected")
    return index if index.dtype.kind in "iu" else [hdf5.decode_text(row, "the rows' names") for row in index.tolist()]


def _check_columns(names: Any) -> list[Column]:
    """Names of columns from a file. Raises InputError unless they are texts in 3 or 4 levels."""
    names = names if isinstance(names, list) else []
    levels = [name for name in names if isinstance(name, tuple)]
    columns = [tuple(hdf5.decode_text(part, "a column's name") for part in parts) for parts in levels]
    if len(columns) != len(names) or {len(column) for column in columns} not in ({3}, {4}):
        raise InputError(f"the columns are not named in the levels {LEVELS} or {LEVELS_MULTI}; is it DeepLabCut's?")
    return columns


def _check_width(columns: list[Column], block: NDArray[Any], name: str) -> list[Column]:
    if block.shape[1] != len(columns):
        raise InputError(f"{name} has {block.shape[1]} columns, but {len(columns)} are named; the file is damaged")
    return columns


def _check_block(block: NDArray[Any], name: str) -> NDArray[Any]:
    """(T, W) numbers. Raises InputError where they are something else."""
    if block.dtype.kind not in "iuf" or block.ndim != 2:
        raise InputError(f"{name} is {block.dtype} {block.shape}; numbers in rows and columns were expected")
    return block.astype(np.float64, copy=False)


def _unpickle_attribute(owner: hdf5.Member, name: str) -> Any:
    """A list in a pickled attribute, by the unpickler that runs nothing."""
    data = hdf5.read_attribute(owner, name)
    value = safe_pickle.unpickle(bytes(data), f"attribute {name!r}") if isinstance(data, bytes) else None
    if not isinstance(value, list):
        raise InputError(f"attribute {name!r} is missing or no list; was the file written by pandas?")
    return value


def _read_attribute(owner: hdf5.Member, name: str) -> Any:
    value = hdf5.read_attribute(owner, name)
    return value.decode("latin1") if isinstance(value, bytes) else value


FORMAT = Format(
    name="dlc", title="DeepLabCut tracks", suffixes=(".csv", ".h5"), read=read,
    read_only="DeepLabCut files are only read", extra="h5", states_rate=False,
    sniff=lambda file: Clue("beginning with scorer") if _SCORER.match(file.head)
    else file.find_in_hdf5(_GROUP.encode()),
)  # fmt: skip
