"""Trajectories of idtracker.ai (`trajectories.h5`, folders `trajectories_csv`) and of idTracker (`trajectories.txt`): read.

Every animal is a person of one keypoint, its centroid, in pixels, y down; the probability of its identity is the confidence.
idtracker.ai's `trajectories.npy` is a pickle and not read: its command idtrackerai_format makes the others of it; tidy tables
(`trajectories_tidy.csv`) are read as tables of text. Leaves out areas, setup points, identity groups, and writing.
Source: idtracker.ai's documentation, "Output structure".
"""

from __future__ import annotations

import json
import math
import re
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change
from posecodec.io import Clue, Format, Source, guard_reader, read_bytes
from posecodec.io.filesystem import check_file
from posecodec.io.parsing import frame_rates, hdf5, missing, text_tables
from posecodec.io.parsing.marker_rows import find_mark, split_cells
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Floats

_FILE, _FACTS, _SCORES = "trajectories.csv", "attributes.json", "id_probabilities.csv"
_TITLE = re.compile(r"(x|y|probid|id_probabilities)([1-9]\d{0,5})", re.IGNORECASE)
_HEADER = re.compile(rb"(?:time,x1,y1(?:,x2,y2.*)?|X1\tY1\tProbId1.*)", re.IGNORECASE)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The animals of a recording, ids from 1.

    fps: instead of what attributes.json beside a table, or the file itself, says. Raises InputError where a cell is no
    number or the arrays do not fit, NoRateError where nothing tells the rate.
    """
    path = path / _FILE if (path / _FILE).is_file() else path
    check_file(path)
    points, scores, stated = _read_h5(path) if hdf5.is_hdf5(path) else _read_tables(path)
    if not points.size:
        raise InputError("no frames or no animals in it; track the video again")
    points = missing.mask_infinite(points[:, :, None])
    confidence = (
        missing.fill_confidence(points, scores[:, :, None], "identity probability") if scores is not None else None
    )
    rate = frame_rates.require_rate(stated if fps is None else fps)
    return PoseSequence.from_arrays(
        points, fps=rate, confidence=confidence, skeleton=build_skeleton(["centroid"]), unit="px", up="-y",
        ids=[str(p + 1) for p in range(points.shape[1])], metadata={"source_format": "idtracker"},
    )  # fmt: skip


def _read_h5(path: Path) -> tuple[Floats, Floats | None, float | None]:
    """(T, P, 2), probabilities (T, P), frames per second."""
    with hdf5.open_file(path) as file:
        points = hdf5.read_numbers(file, "trajectories", 3)
        scores = None
        if "id_probabilities" in file:
            stored = hdf5.read_numbers(file, "id_probabilities", hdf5.get_dataset(file, "id_probabilities").ndim)
            scores = stored.reshape(points.shape[:2]).astype(np.float64) if stored.size * 2 == points.size else None
        rate = hdf5.read_attribute(file, "frames_per_second")
        rate = hdf5.read_numbers(file, "frames_per_second", 0) if rate is None and "frames_per_second" in file else rate
    if points.shape[2] != 2:
        raise InputError(f"trajectories are {points.shape}; (frames, animals, 2) was expected")
    return points.astype(np.float64), scores, _check_rate(rate)


def _check_rate(value: Any) -> float | None:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def _read_tables(path: Path) -> tuple[Floats, Floats | None, float | None]:
    values, titles, decimals = _read_table(path)
    columns = {(match[1].lower(), int(match[2])): i for i, t in enumerate(titles) if (match := _TITLE.fullmatch(t))}
    count = max((k for _, k in columns), default=0)
    if not count or any((axis, k) not in columns for k in range(1, count + 1) for axis in "xy"):
        raise InputError(f"the columns are {', '.join(titles[:6])!r:.60}; x1, y1, x2, y2, ... were expected")
    points = np.stack([values[:, [columns[axis, k] for k in range(1, count + 1)]] for axis in "xy"], axis=-1)
    own = [columns.get(("probid", k)) for k in range(1, count + 1)]
    scores = values[:, [i for i in own if i is not None]] if None not in own else None
    beside = path.with_name(_SCORES)
    if scores is None and beside.is_file():
        found, names, _ = _read_table(beside)
        keep = [i for i, name in enumerate(names) if _TITLE.fullmatch(name)]
        scores = found[:, keep] if (len(found), len(keep)) == (len(values), count) else None
        if scores is None:
            report_change(f"{_SCORES} beside it has another size and is left out")
    return points, scores, _find_rate(path, values, titles, decimals)


def _find_rate(path: Path, values: Floats, titles: list[str], decimals: int) -> float | None:
    """Frames per second by attributes.json beside the table, else by its times."""
    beside = path.with_name(_FACTS)
    if beside.is_file():
        try:
            facts = json.loads(read_bytes(beside))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{_FACTS} beside it is no JSON ({error}); remove it and pass --fps N") from error
        rate = _check_rate(facts.get("frames_per_second")) if isinstance(facts, dict) else None
        if rate is not None:
            return rate
    times = values[:, 0] if titles[0].lower() == "time" else None
    if times is None or len(times) < 2 or not np.isfinite(times).all():
        return None
    return frame_rates.find_regular_rate(times, np.arange(len(times)), decimals)


def _read_table(path: Path) -> tuple[Floats, list[str], int]:
    """(T, columns), their names, and decimals of the first."""
    lines = enumerate(text_tables.decode_lines(read_bytes(path), latin=True), 1)
    _, head = next(lines, (1, ""))
    mark = find_mark(head)
    titles = split_cells(head, mark)
    found, decimals = array("d"), 0
    for at, line in lines:
        cells = split_cells(line, mark)
        if not any(cells):
            continue
        if len(cells) != len(titles):
            raise InputError(
                f"line {at} has {len(cells)} cells, {len(titles)} were expected; it is cut short or damaged"
            )
        found.extend([text_tables.parse_number(cell, at) for cell in cells])
        decimals = max(decimals, text_tables.count_decimals(cells[0]))
    return np.frombuffer(found, np.float64).reshape(-1, len(titles)), titles, decimals


def _sniff(file: Source) -> Clue | None:
    """Its columns under the name trajectories, or those of idTracker; names of its own in HDF5."""
    if file.is_folder:
        return file.find_name(re.compile(re.escape(_FILE)), _FILE)
    fits = _HEADER.fullmatch(file.first_line) is not None
    if fits and (file.name.startswith("trajectories") or file.first_line[:4].lower() != b"time"):
        return Clue("the columns of trajectories in it")
    return file.find_in_hdf5(b"id_probabilities", b"identities_groups")


FORMAT = Format(
    name="idtracker", title="idtracker.ai trajectories", suffixes=(".h5", "", ".csv", ".txt"), folder_mark=_FILE, read=read,
    read_only="trajectories of idtracker.ai are only read", sniff=_sniff, extra="h5",
)  # fmt: skip
