"""TRC marker trajectories (Track Row Column, of Motion Analysis; used by OpenSim, Pose2Sim, Sports2D): read and written.

Text between tabs: a line `PathFileType`, a line of keys and one of their values, the names of the markers, their axes, and a
row a frame of frame number, time and x, y, z of every marker; empty or NaN where it is missing. One person, 3D. The format
does not say which way is up (y in OpenSim, mostly z in laboratories), so `up` is unknown. Times are those of DataRate; what
the Time column says otherwise is reported. Source: "Marker (.trc) Files" in OpenSim's documentation.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import frame_rates, markers, missing, text_tables
from posecodec.io.parsing.format_metadata import expand_runs, read_facts, read_integer
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Bools, Floats, Ints

KEYS = (
    "DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames",
)  # fmt: skip
UNITS = markers.UNITS | {"unknown": "unknown"}
_OURS = ("DataRate", "NumFrames", "NumMarkers", "Units")
"""Keys whose values follow from the sequence; what others say is kept."""
_MAX_GAPS = 20  # gaps in the frame numbers that metadata keep; more are not worth their bytes
_NUMBERS = range(1 - (1 << 40), 1 << 40)
"""First frames that are believed: far beyond any recording, and all numbers after them fit int64."""
_STEPS = range(1, 1 << 40)
_MAX_START = 1e12  # seconds of the first time that are believed
_MAX_OFF = 1e-6  # seconds that a time may be off beside its last digit: float arithmetic
_MAX_NAME = 1000  # characters of the first line's name that metadata keep


@dataclass(frozen=True, eq=False, repr=False)
class _Table:
    """numbers, times: T. points: (T, K, 3). decimals: of the times."""

    header: dict[str, str]
    title: str
    names: list[str]
    numbers: Ints
    times: Floats
    decimals: int
    points: NDArray[np.float32]


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
    step, gaps = _find_steps(table.numbers)
    points = missing.mask_infinite(_place_points(table, step))
    missing.report_zeros(points)
    rate = _read_rate(table.header) if fps is None else fps
    facts = _collect_facts(table, path.name, rate, step, gaps)
    _report_times(table, rate, step)
    unit = UNITS.get(table.header.get("Units", "").lower(), "unknown")
    metadata = {"source_format": "trc"} | ({"trc": facts} if facts else {})
    return PoseSequence.from_arrays(
        points, fps=rate, skeleton=build_skeleton(table.names), unit=unit, metadata=metadata
    )


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.trc`: rows, numbers, times and header as they were read; the line of axes counts the markers.

    Times have 6 digits behind the point. Confidences, id and axis are left behind. Raises UsageError unless it is one
    person in 3D at a constant rate, with names that a cell can hold.
    """
    _check_fits(sequence)
    facts = read_facts(sequence, "trc")
    first, step = read_integer(facts, "first_frame", 1, _NUMBERS), read_integer(facts, "step", 1, _STEPS)
    kept = _choose_rows(sequence, facts, first, step)
    rate, given = sequence.rate, facts.get("start")
    start = float(given) if isinstance(given, int | float) and abs(given) < _MAX_START else 0.0
    name = facts.get("name")
    title = name if isinstance(name, str) and _is_cell_text(name) else Path(path).name
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
    lines = enumerate(text_tables.decode_lines(data), 1)
    _, head = next(lines, (1, ""))
    cells = head.rstrip("\r\n").split("\t")
    if cells[0].strip() != "PathFileType":
        raise InputError(f"line 1 begins with {cells[0]!r:.40}, PathFileType was expected; the file is not TRC")
    header = _read_header(lines)
    return _read_rows(lines, header, "\t".join(cells[3:]).strip(), _read_names(lines, header))


def _take_line(lines: Lines, what: str) -> tuple[int, str]:
    for at, line in lines:
        if line.strip():
            return at, line.rstrip("\r\n")
    raise InputError(f"the file ends before {what}; it is cut short")


def _read_header(lines: Lines) -> dict[str, str]:
    """The values of lines 2 and 3 by key, spelled as in KEYS."""
    at, text = _take_line(lines, "the line of keys (DataRate ...)")
    keys = text.split()
    _, text = _take_line(lines, "the values of DataRate and the other keys")
    values = [cell.strip() for cell in text.rstrip("\t ").split("\t")]
    values = values if len(values) == len(keys) else text.split()
    if "DataRate" not in keys or len(values) != len(keys):
        what = f"line {at} has {len(keys)} keys ({text!r:.80} their values)"
        expected = "DataRate and the others were expected, with as many values on the next line"
        raise InputError(f"{what}; {expected}; it is damaged")
    return dict(zip(keys, values, strict=True))


def _read_names(lines: Lines, header: Mapping[str, str]) -> list[str]:
    at, text = _take_line(lines, "the names of the markers")
    cells = [cell.strip() for cell in text.split("\t")]
    if len(cells) < 3 or cells[0].lower() not in ("frame#", "frame"):
        raise InputError(f"line {at} is {text!r:.60}; Frame#, Time and the names between tabs were expected")
    names = [cell for cell in cells[2:] if cell]
    stated = _read_count(header, "NumMarkers")
    if stated not in (None, len(names)) or not names:
        raise InputError(f"NumMarkers is {stated}, line {at} names {len(names)}; correct one of them")
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise InputError(f"line {at} names the marker {repeated!r:.40} twice; rename one")
    return names


def _read_count(header: Mapping[str, str], key: str) -> int | None:
    return text_tables.parse_whole(header[key], 3, f"{key}, a whole number,") if key in header else None


def _read_rows(lines: Lines, header: dict[str, str], title: str, names: list[str]) -> _Table:
    width = 2 + 3 * len(names)
    numbers, times, values = array("q"), array("d"), array("f")
    decimals = short = 0
    for at, line in lines:
        cells = line.rstrip("\r\n").split("\t")
        if not line.strip() or (not numbers and not cells[0].strip()):
            continue  # a blank line, or that of the axes
        full = _fit_cells(cells, width, at, line.endswith("\n"))
        short += len(cells) < width
        numbers.append(text_tables.parse_whole(full[0], at, "the frame's number"))
        times.append(text_tables.parse_number(full[1], at, "the time"))
        decimals = max(decimals, text_tables.count_decimals(full[1]))
        values.extend([text_tables.parse_number(cell, at) for cell in full[2:]])
    stated = _read_count(header, "NumFrames")
    if stated not in (None, len(numbers)) or not numbers:
        raise InputError(f"NumFrames is {stated}, {len(numbers)} rows follow; the file is cut short or damaged")
    report_count(short, "rows end early; the markers not reached are missing there")
    points = np.frombuffer(values, np.float32).reshape(len(numbers), len(names), 3)
    return _Table(header, title, names, np.array(numbers), np.array(times), decimals, points)


def _fit_cells(cells: Sequence[str], width: int, at: int, ended: bool) -> Sequence[str]:
    """The cells of a row, filled up where whole markers at its end are left out, without empty ones beyond."""
    lacking = width - len(cells)
    if lacking > 0 and lacking % 3 == 0 and ended and len(cells) > 2:
        return [*cells, *[""] * lacking]
    if lacking > 0 or any(cell.strip() for cell in cells[width:]):
        raise InputError(f"line {at} has {len(cells)} cells, {width} were expected; it is cut short or damaged")
    return cells[:width]


def _find_steps(numbers: Ints) -> tuple[int, list[list[int]]]:
    """The difference of frame numbers, and the runs [first, last] of those without a row."""
    steps = np.diff(numbers)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0))
        raise InputError(f"frame {numbers[at + 1]} follows frame {numbers[at]}; number the rows upwards")
    step = int(steps[0]) if len(steps) > 1 and (steps == steps[0]).all() else 1
    return step, [[int(numbers[i]) + 1, int(numbers[i + 1]) - 1] for i in np.flatnonzero(steps != step)]


def _place_points(table: _Table, step: int) -> NDArray[np.float32]:
    """(T, 1, K, 3) from the first number to the last."""
    index = (table.numbers - table.numbers[0]) // step
    count, rows, width = int(index[-1]) + 1, len(index), table.points[0].size
    if missing.is_mostly_missing(count * width, rows * width):
        raise InputError(f"frames {table.numbers[0]} to {table.numbers[-1]}, but only {rows} rows; split the recording")
    report_count(count - rows, "frames between the first and the last are not in it; all is missing there")
    points = np.full((count, 1, *table.points.shape[1:]), np.nan, np.float32)
    points[index, 0] = table.points
    return points


def _read_rate(header: Mapping[str, str]) -> float:
    rate = text_tables.parse_number(header["DataRate"], 3, "DataRate, a number,")
    return frame_rates.require_rate(rate if math.isfinite(rate) and rate > 0 else None)


def _report_times(table: _Table, rate: float, step: int) -> None:
    """Report where the Time column is not what the rate says, by more than its digits leave open."""
    with np.errstate(all="ignore"):
        off: Floats = table.times - table.times[0] - (table.numbers - table.numbers[0]) / step / rate
    wrong = np.flatnonzero(np.logical_not(np.abs(off) <= frame_rates.LAST_DIGIT * 10.0**-table.decimals + _MAX_OFF))
    if len(wrong):
        rule = f"those of {text_tables.format_plain(rate)} frames per second"
        first = f"the first is {table.times[wrong[0]]:g} s, of frame {table.numbers[wrong[0]]}"
        report_change(f"{len(wrong)} times differ from {rule} ({first}); the rate is followed")


def _collect_facts(table: _Table, name: str, rate: float, step: int, gaps: list[list[int]]) -> dict[str, Any]:
    """What is needed to write the file again and does not follow from the sequence."""
    first, start = int(table.numbers[0]), float(table.times[0])
    defaults = _describe_original(rate, first, len(table.numbers))
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


def _check_fits(sequence: PoseSequence) -> None:
    markers.check_one_person(sequence, ".trc")
    wrong = next((n for n in sequence.skeleton.keypoints if not _is_cell_text(n)), None)
    if wrong is not None:
        raise UsageError(f"the keypoint name {wrong!r:.60} does not fit in a cell; rename it or save as .npz")
    left = [f"the id {sequence.ids[0]!r}"] if sequence.ids != ("0",) else []
    left += [f"the up axis {sequence.up!r}"] if sequence.up != "unknown" else []
    if left:
        report_change(f".trc has no room for {' and '.join(left)}")


def _is_cell_text(text: str) -> bool:
    """Whether a cell can hold the text and give it back."""
    return text == text.strip() and bool(text) and len(text.splitlines()) == 1 and "\t" not in text


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
        texts = isinstance(key, str) and isinstance(value, str) and _is_cell_text(key) and _is_cell_text(value)
        if texts and " " not in key and (key not in _OURS or (key == "Units" and sequence.unit == "unknown")):
            values[key] = value
    order = [*KEYS, *(key for key in values if key not in KEYS)]
    return ["\t".join(order), "\t".join(values[key] for key in order)]


FORMAT = Format(
    name="trc", title="OpenSim marker trajectories", suffixes=(".trc",), own_suffixes=(".trc",), read=read,
    write=write, sniff=lambda file: file.find_start(b"PathFileType"),
)  # fmt: skip
