"""Motion-BIDS: `sub-01_task-walk_tracksys-omc_motion.tsv` and the files beside it, read and written.

The table has no heading: a column a channel, which `..._channels.tsv` lists (name, component, type, tracked_point, units),
`n/a` where a value is missing. `..._motion.json` says the rate, and `..._channels.json`, if it is there, which way the axes
of the reference frames point. These may lie in folders above, for all recordings whose names have their entities
("inheritance principle"). Channels of type POS become keypoints, LATENCY times, MISC called `..._confidence` confidences;
others (ORNT, ACCEL, GYRO, JNTANG, ...) are left out, and a note counts them. One person, 3D or 2D.
Source: bids-specification 1.10, "Motion"; Jeung et al., "Motion-BIDS", Scientific Data 2024.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io.filesystem import AnyPath, guard_reader, read_bytes, refuse_existing, write_atomic
from posecodec.io.parsing import frame_rates, markers, missing, text_tables
from posecodec.io.parsing.format_metadata import read_facts
from posecodec.io.registry import Format
from posecodec.io.sniffing import Clue, Source
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import check_keypoints
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Floats

ENDING = "_motion.tsv"
AXES = "xyz"
CONFIDENCE = "_confidence"  # What the name of a MISC channel of ours ends in
ABOVE = 3  # Folders above the recording's that are looked into: session, subject, data set
EMPTY = "n/a"
_MOST_BYTES = 1 << 20  # Of a file beside the table
_MOST_FACTS = 1 << 16  # Characters of what metadata keep of it
_OURS = (
    "SamplingFrequency", "TaskName", "TrackedPointsCount", "POSChannelCount", "MISCChannelCount", "LATENCYChannelCount",
    "MotionChannelCount", "RecordingDuration", "RecordingType", "MissingValues",
)  # fmt: skip
"""Keys of the JSON that follow from the sequence and the name; of others metadata keep what they say."""


@dataclass(frozen=True)
class _Channel:
    """A row of the list of channels, and its column in the table."""

    column: int
    name: str
    component: str
    kind: str
    point: str
    unit: str
    frame: str


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The tracked points. metadata `motion_bids`: what the JSON says besides.

    fps: instead of SamplingFrequency. Raises InputError where the list of channels is missing or is of another table.
    """
    stem = _find_stem(path)
    channels = _read_channels(path, stem)
    about = _read_json(path, stem, "motion")
    points = _group(channels)
    check_keypoints(len(points))
    sure = {c.point: c for c in channels if c.kind == "MISC" and c.name.lower().endswith(CONFIDENCE)}
    late = next((c for c in channels if c.kind == "LATENCY"), None)
    wanted = [c.column for axes in points.values() for c in axes]
    wanted += [sure[name].column for name in points if name in sure]
    values, decimals = _read_table(path, [*wanted, *([late.column] if late else [])], len(channels))
    dims = len(next(iter(points.values())))
    places = missing.mask_infinite(values[:, : dims * len(points)].reshape(len(values), len(points), dims))
    scores = np.full(places.shape[:2], np.nan)
    scores[:, [k for k, name in enumerate(points) if name in sure]] = values[:, dims * len(points) : len(wanted)]
    confidence = missing.fill_confidence(places, scores, "confidence") if sure else None
    _report_left(channels, {*wanted, late.column if late else -1})
    rate, times = _choose_rate(fps, about, values[:, -1] if late else None, decimals)
    facts = _collect_facts(about)
    metadata: dict[str, Any] = {"source_format": "motion_bids"} | ({"motion_bids": facts} if facts else {})
    first = next(iter(points.values()))[0]
    return PoseSequence.from_arrays(
        places, confidence=confidence, fps=rate, timestamps=times, skeleton=build_skeleton(list(points)),
        unit=_name_unit(first.unit), up=_find_up(path, stem, first.frame, dims), metadata=metadata,
    )  # fmt: skip


def _report_left(channels: list[_Channel], used: set[int]) -> None:
    left = Counter(c.kind for c in channels if c.column not in used)
    told = ", ".join(f"{count} {kind}" for kind, count in left.items())
    report_count(sum(left.values()), f"channels that are no places are left out ({told:.200})")


def _collect_facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON says that does not follow from sequence and name."""
    facts = {key: value for key, value in about.items() if key not in _OURS}
    if len(json.dumps(facts)) <= _MOST_FACTS:
        return facts
    report_change("what the JSON beside it says is long, and left out")
    return {}


def _find_stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    if not name.lower().endswith(ENDING):
        raise InputError(
            f"Motion-BIDS tables are called ...{ENDING}, and what is in them stands in ..._channels.tsv beside"
        )
    return name[: -len(ENDING)]


def _find_beside(path: Path, stem: str, ending: str) -> list[Path]:
    """Files that say something of a recording, the nearest last: beside it, or above with only its entities (KEY-VALUE)."""
    entities, found = {part for part in stem.split("_") if "-" in part}, []
    for folder in list(path.absolute().parents)[: ABOVE + 1]:
        for file in sorted(folder.glob(f"*_{ending}")):
            named = file.name[: -len(ending) - 1]
            if file.is_file() and (named == stem or set(named.split("_")) <= entities):
                found.append(file)
    return sorted(found, key=lambda file: (len(file.parts), len(file.name)))


def _read_small(path: Path) -> bytes:
    data = read_bytes(path)
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path.name} beside it has {len(data)} bytes; far more than a list")
    return data


def _read_json(path: Path, stem: str, what: str) -> dict[str, Any]:
    """What JSON files of a kind say, nearer ones over those above."""
    values: dict[str, Any] = {}
    for file in _find_beside(path, stem, f"{what}.json"):
        try:
            found = json.loads(_read_small(file))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{file.name} beside it is no JSON ({error}); correct it") from error
        values |= found if isinstance(found, dict) else {}
    return values


def _read_channels(path: Path, stem: str) -> list[_Channel]:
    files = _find_beside(path, stem, "channels.tsv")
    if not files:
        raise InputError(f"{stem}_channels.tsv, which says what its columns are, is not beside it; get both files")
    lines = [
        line.rstrip("\r\n").split("\t") for line in text_tables.decode_lines(_read_small(files[-1])) if line.strip()
    ]
    head = [cell.strip().lower() for cell in lines[0]] if lines else []
    lacks = [name for name in ("name", "component", "type", "tracked_point", "units") if name not in head]
    if lacks:
        raise InputError(f"{files[-1].name} beside it has no column {lacks[0]!r}; it needs name, component, type, ...")
    channels = []
    for column, line in enumerate(lines[1:]):
        cells = dict(zip(head, (cell.strip() for cell in line), strict=False))
        cell = {name: "" if cells.get(name, EMPTY) == EMPTY else cells[name] for name in head}
        channels.append(_Channel(
            column, cell["name"], cell["component"].lower(), cell["type"].upper(), cell["tracked_point"], cell["units"],
            cell.get("reference_frame", ""),
        ))  # fmt: skip
    return channels


def _group(channels: list[_Channel]) -> dict[str, list[_Channel]]:
    """Channels of each tracked point, x, y and maybe z, in the order of the list."""
    found: dict[str, dict[str, _Channel]] = {}
    for channel in (c for c in channels if c.kind == "POS" and c.component in AXES):
        name = channel.point or re.sub(rf"[ _.-]?{channel.component}$", "", channel.name, flags=re.IGNORECASE)
        axes = found.setdefault(name, {})
        if not name or channel.component in axes:
            raise InputError(f"two POS channels for {channel.component} of {name!r}; name tracked points apart")
        axes[channel.component] = channel
    if not found:
        raise InputError("no channel of type POS with component x, y or z; only places of tracked points can be read")
    dims = 3 if any("z" in axes for axes in found.values()) else 2
    for name, axes in found.items():
        if set(axes) != set(AXES[:dims]):
            raise InputError(f"{name!r} has {', '.join(axes)}; every tracked point needs {', '.join(AXES[:dims])}")
    units = Counter(axis.unit for axes in found.values() for axis in axes.values())
    if len(units) > 1:
        raise InputError(f"places in {' and '.join(units)}; bring them to one unit")
    return {name: [axes[axis] for axis in AXES[:dims]] for name, axes in found.items()}


def _read_table(path: Path, wanted: list[int], count: int) -> tuple[Floats, int]:
    """(T, n) of the wanted columns, NaN where a cell says that it is empty; digits of the last one behind the point."""
    rows, decimals = [], 0
    for at, line in enumerate(text_tables.decode_lines(read_bytes(path)), 1):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) != count:
            raise InputError(f"line {at} has {len(cells)} cells for {count} channels; it has no heading, get it again")
        picked = [cells[column] for column in wanted]
        decimals = max(decimals, text_tables.count_decimals(picked[-1]))
        try:
            rows.append(np.array(picked, float))
        except ValueError:
            rows.append(np.array([text_tables.parse_number(cell, at) for cell in picked]))
    if not rows:
        raise InputError("no row is in it; get it again")
    return np.stack(rows), decimals


def _choose_rate(
    fps: float | None, about: Mapping[str, Any], times: Floats | None, decimals: int
) -> tuple[float | None, Floats | None]:
    """The rate, or times (T,), printed to `decimals` digits, where they are not those of the rate."""
    if fps is not None:
        return fps, None
    stated = (about.get(key) for key in ("SamplingFrequencyEffective", "SamplingFrequency"))
    numbers = (float(v) for v in stated if isinstance(v, int | float) and not isinstance(v, bool))  # they may be "n/a"
    rate = next((value for value in numbers if 0 < value < float("inf")), None)
    if times is None:
        return frame_rates.require_rate(rate), None
    if np.isnan(times).any() or (np.diff(times) <= 0).any():
        report_change("the LATENCY channel does not rise in every frame, and is left out")
        return frame_rates.require_rate(rate), None
    if rate is None or not frame_rates.fits_rate(times, np.arange(len(times)), rate, decimals):
        return None, times
    if times[0]:
        report_change(f"the times are those of the rate; that they begin at {times[0]:g} s is not kept")
    return rate, None


def _name_unit(unit: str) -> str:
    known = markers.UNITS.get(unit.lower())
    if known is None and unit:
        report_change(f"places in {unit!r:.40}, a unit that is not known; say --unit where it is one of lengths")
    return known or "unknown"


def _find_up(path: Path, stem: str, frame: str, dims: int) -> str:
    """The axis that points up in the reference frame of the places, as ..._channels.json says."""
    told = _read_json(path, stem, "channels").get("reference_frame")
    levels = told.get("Levels", {}) if isinstance(told, dict) else {}
    level = levels.get(frame, next(iter(levels.values()), None)) if isinstance(levels, dict) else None
    axes = level.get("SpatialAxes") if isinstance(level, dict) else None
    for axis, letter in zip(AXES[:dims], axes.upper() if isinstance(axes, str) else "", strict=False):
        if letter in "SI":
            return axis if letter == "S" else f"-{axis}"
    return "unknown"


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """`..._motion.tsv` and beside it `..._channels.tsv`, `..._motion.json` and, if known what is up, `..._channels.json`.

    Raises UsageError unless it is one person, with names that a cell can hold, and the path ends in _motion.tsv.
    """
    path = Path(path)
    if not path.name.endswith(ENDING):
        raise UsageError(f"{path}: Motion-BIDS names end in {ENDING}, such as sub-01_task-walk_tracksys-omc{ENDING}")
    if sequence.people != 1 or not sequence.frames:
        raise UsageError(f"{path}: holds one person, this is {sequence.people}; save each on its own, or as .npz")
    names, dims = sequence.skeleton.keypoints, sequence.dims
    wrong = next((name for name in names if not markers.is_cell_text(name) or name == EMPTY), None)
    if wrong is not None:
        raise UsageError(f"the keypoint name {wrong!r:.60} does not fit in a cell; rename it or save as .npz")
    if sequence.ids != ("0",):
        report_change(f"{ENDING} has no room for the id {sequence.ids[0]!r}; name the subject in the file's name")
    stem = path.with_name(path.name[: -len(ENDING)])
    beside = {
        Path(f"{stem}_channels.tsv"): _list_channels(sequence),
        Path(f"{stem}_motion.json"): _describe(sequence, stem.name),
    } | ({Path(f"{stem}_channels.json"): _describe_axes(sequence)} if sequence.up != "unknown" else {})
    for file in (path, *beside):
        refuse_existing(file, force)
    places = sequence.positions[:, 0].reshape(sequence.frames, len(names) * dims)
    cells = [[cell or EMPTY for cell in text_tables.format_floats(row)] for row in places]
    if _has_confidence(sequence):
        scores = (text_tables.format_floats(row) for row in sequence.confidence[:, 0])
        cells = [row + more for row, more in zip(cells, scores, strict=True)]
    if sequence.timestamps is not None:
        cells = [[*row, repr(float(time))] for row, time in zip(cells, sequence.timestamps, strict=True)]
    for file, data in beside.items():
        write_atomic(file, data, force)
    write_atomic(path, "".join("\t".join(row) + "\n" for row in cells).encode(), force)


def _has_confidence(sequence: PoseSequence) -> bool:
    return bool((sequence.confidence[sequence.valid] != 1).any())


def _list_channels(sequence: PoseSequence) -> bytes:
    unit = EMPTY if sequence.unit == "unknown" else sequence.unit
    frame = "global" if sequence.up != "unknown" else EMPTY
    rows = [("name", "component", "type", "tracked_point", "units", "reference_frame")]
    for name in sequence.skeleton.keypoints:
        rows += [(f"{name}_{axis}", axis, "POS", name, unit, frame) for axis in AXES[: sequence.dims]]
    if _has_confidence(sequence):
        rows += [(f"{name}{CONFIDENCE}", EMPTY, "MISC", name, EMPTY, EMPTY) for name in sequence.skeleton.keypoints]
    if sequence.timestamps is not None:
        rows.append(("latency", EMPTY, "LATENCY", EMPTY, "s", EMPTY))
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _describe(sequence: PoseSequence, stem: str) -> bytes:
    task = next((part[5:] for part in stem.split("_") if part.startswith("task-")), "motion")
    count = len(sequence.skeleton)
    extra = {key: value for key, value in read_facts(sequence, "motion_bids").items() if key not in _OURS}
    counts = {"POSChannelCount": count * sequence.dims} | (
        {"MISCChannelCount": count} if _has_confidence(sequence) else {}
    )
    values = {
        **extra, "SamplingFrequency": sequence.rate, "TaskName": task, "TrackedPointsCount": count, **counts,
        "RecordingType": "continuous", "RecordingDuration": sequence.frames / sequence.rate, "MissingValues": EMPTY,
    } | ({"LATENCYChannelCount": 1} if sequence.timestamps is not None else {})  # fmt: skip
    return f"{json.dumps(values, indent=2)}\n".encode()


def _describe_axes(sequence: PoseSequence) -> bytes:
    at, letter = AXES.index(sequence.up[-1]), "I" if sequence.up[0] == "-" else "S"
    axes = "".join(letter if axis == at else "_" for axis in range(sequence.dims))
    level = {"SpatialAxes": axes, "RotationRule": EMPTY, "RotationOrder": EMPTY, "Description": "as recorded"}
    return f"{json.dumps({'reference_frame': {'Levels': {'global': level}}}, indent=2)}\n".encode()


def _sniff(file: Source) -> Clue | None:
    return Clue(f"its name, which ends in {ENDING}") if file.name.lower().removesuffix(".gz").endswith(ENDING) else None


FORMAT = Format(
    name="motion_bids", title="Motion-BIDS table", suffixes=(".tsv",), read=read, write=write, sniff=_sniff, priority=20,
    ending=ENDING,
)  # fmt: skip
