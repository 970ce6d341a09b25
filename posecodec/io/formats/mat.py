"""Positions in MATLAB's `.mat`: read. Version 5 to 7 by ourselves, 7.3 (HDF5) by h5py.

An array of frames, keypoints and 2 or 3 coordinates in any order of its axes, by its name, by --item, or because it is the
only one; names, rate and unit by the names of other variables. QTM's exports, the MoCap Toolbox's structs (x, y, z of each
marker in the columns of `data`, mm) and idTracker's `trajectories.mat` are known.
Leaves out version 4, other variables, names in cells of version 7.3, and writing (MATLAB reads .csv).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change
from posecodec.io import Clue, Format, Source, guard_reader, read_bytes
from posecodec.io.parsing import frame_rates, hdf5, missing
from posecodec.io.parsing.marker_rows import name_apart
from posecodec.io.parsing.markers import UNITS
from posecodec.io.parsing.mat5 import MatFile
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

USUAL = (
    "positions position points xyz markers trajectories pred keypoints joints pos coords coordinates pts data".split()
)
"""Names of arrays of positions, the likeliest first."""
_RATES = "fps framerate frame_rate frames_per_second samplerate sampling_rate fs rate frequency freq".split()
_LABELS = (
    "labels names keypoint_names marker_names markernames joint_names jointnames bodyparts node_names markers".split()
)
_SIGNATURE_73 = b"MATLAB 7.3 MAT-file"
_QTM = "Trajectories.Labeled.Data"  # where QTM puts the markers, in a struct named by the file
_TOOLBOX = "nMarkers"  # by which a struct of the MoCap Toolbox is known, beside its data
_MAX_DEPTH = 4


@guard_reader
def read(path: Path, *, fps: float | None = None, item: str | None = None) -> PoseSequence:
    """The positions in a `.mat`. item: the variable, with the fields of structs as a.b, where several could be it.

    Of several arrays the one with the likeliest name is taken, and of several rates; which, and of what others, is reported.
    Which axis is which is by size (2 or 3 coordinates; the longer of the others is time), and is reported.
    fps: needed unless a variable such as fps or FrameRate says it. Raises InputError if no array, or several, can be it.
    """
    values = dict(_flatten(_read_values(path), ""))
    qtm, toolbox = _find_qtm(values, item), _find_toolbox(values, item)
    if qtm is not None:
        values = {key: value for key, value in values.items() if key.startswith(qtm)}
        points, names, unit = _read_qtm(values, qtm)
    elif toolbox is not None:
        values = {key: value for key, value in values.items() if key.startswith(toolbox)}
        points, names, unit = _read_toolbox(values, toolbox)
    else:
        points, names, unit = _read_array(values, item)
    points = missing.mask_infinite(points)
    missing.report_zeros(points)
    rate = frame_rates.require_rate(_find_rate(values) if fps is None else fps)
    skeleton = build_skeleton(name_apart(names) if names else points.shape[2])
    return PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, unit=unit, metadata={"source_format": "mat"})


def _read_values(path: Path) -> Mapping[str, Any]:
    data = read_bytes(path)
    if not data.startswith(_SIGNATURE_73):
        return MatFile(data).values
    del data
    with hdf5.open_file(path) as file:
        return _read_group(file, 0)


def _read_group(group: hdf5.Group, depth: int) -> dict[str, Any]:
    """Arrays of numbers by name, their axes in MATLAB's order."""
    found: dict[str, Any] = {}
    for name in hdf5.list_names(group):
        if name.startswith("#") or depth > _MAX_DEPTH:
            continue
        member = hdf5.find_member(group, name)
        if isinstance(member, hdf5.Group):
            found[name] = _read_group(member, depth + 1)
        elif isinstance(member, hdf5.Dataset) and member.dtype.kind in "iuf":
            found[name] = hdf5.read_numbers(group, name, member.ndim).T
    return found


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(a.b.c, value) of all that is in structs."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif value is not None:
        yield name, value


def _read_array(values: Mapping[str, Any], item: str | None) -> tuple[NDArray[Any], list[str], str]:
    """(T, P, K, D), names or none, unit."""
    arrays = {
        key: value for key, value in values.items() if isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
    }
    likely = {
        key: value for key, value in arrays.items() if value.ndim in (3, 4) and {2, 3} & set(value.shape) and value.size
    }
    if item is None:
        usual = [key for name in USUAL for key in likely if _name_last(key) == name]
        chosen = usual[0] if usual else next(iter(likely)) if len(likely) == 1 else None
        if chosen is None or any(_name_last(key) == _name_last(chosen) for key in usual[1:]):
            held = (
                ", ".join(f"{key} {value.shape}" for key, value in list(likely.items() or arrays.items())[:6]) or "none"
            )
            raise InputError(f"no array is plainly the positions (arrays: {held}); pass --item NAME, or save (T, K, 3)")
    elif item not in arrays:
        raise InputError(f"no array {item!r:.60}, only {', '.join(list(arrays)[:10])}; pass one of them to --item")
    else:
        chosen = item
    if item is None and len(likely) > 1:
        others = ", ".join(key for key in likely if key != chosen)
        report_change(f"{chosen} is taken for the positions, not {others:.200}; --item takes another")
    lists = [value for key, value in values.items() if _name_last(key) in _LABELS and _is_names(value)]
    points, names = _order_axes(arrays[chosen], chosen, lists)
    if "probtrajectories" in values and points.shape[1] == 1:
        points, names = points.transpose(0, 2, 1, 3), []
    units = [v.lower() for key, v in values.items() if _name_last(key) in ("unit", "units") and isinstance(v, str)]
    if len(set(units)) > 1:
        report_change(f"the unit is {units[0]!r:.40}, the first that is stated of {len(set(units))}")
    return points, names, UNITS.get(units[0], "unknown") if units else "unknown"


def _name_last(key: str) -> str:
    """The name of a variable without the structs that it is in, in small letters."""
    return key.split(".")[-1].lower()


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) and name for name in value)


def _order_axes(array: NDArray[Any], name: str, lists: list[list[str]]) -> tuple[NDArray[Any], list[str]]:
    """(T, P, K, D), and the list of names that fits."""
    shape = array.shape
    axis = next((a for a in reversed(range(array.ndim)) if shape[a] in (2, 3)), None)
    if axis is None or array.ndim not in (3, 4) or (array.ndim == 4 and axis != 3):
        raise InputError(f"{name} is {shape}; (frame, keypoint, 2 or 3) was expected, permute and save it again")
    if array.ndim == 4:
        fitting = next((names for names in lists if len(names) == shape[2]), [])
        return array, fitting
    first, second = (a for a in range(3) if a != axis)
    fitting = next((names for names in lists if len(names) in (shape[first], shape[second])), [])
    swap = shape[second] > shape[first] if not fitting else len(fitting) != shape[second]
    time, keypoint = (second, first) if swap else (first, second)
    words = {time: "frame", keypoint: "keypoint", axis: "coordinate"}
    report_change(f"{name} {shape} is taken as ({', '.join(words[a] for a in range(3))})")
    return array.transpose(time, keypoint, axis)[:, None], fitting


def _read_qtm(values: Mapping[str, Any], start: str) -> tuple[NDArray[Any], list[str], str]:
    """QTM's Data (K, 4, T): x, y, z and the residual, in mm."""
    data, names = values[f"{start}{_QTM}"], values.get(f"{start}Trajectories.Labeled.Labels")
    if not isinstance(data, np.ndarray) or data.ndim != 3 or data.shape[1] not in (3, 4):
        raise InputError("Trajectories.Labeled.Data is no array (marker, 4, frame); export it from QTM again")
    if data.shape[1] == 4:
        report_change("residuals of the markers are left out")
    fits = _is_names(names) and len(names or ()) == len(data)
    return data[:, :3].transpose(2, 0, 1)[:, None], list(names or ()) if fits else [], "mm"


def _find_qtm(values: Mapping[str, Any], item: str | None) -> str | None:
    """What names of a struct of QTM begin with; else as `_find_toolbox`."""
    starts = [key.removesuffix(_QTM) for key in values if key.endswith(_QTM)]
    return _choose_start(starts, item, _QTM, "QTM")


def _find_toolbox(values: Mapping[str, Any], item: str | None) -> str | None:
    """What names of a struct of the MoCap Toolbox begin with; None where there is none, or another array is asked for.

    Raises InputError where there are several and none is asked for.
    """
    starts = [key.removesuffix(_TOOLBOX) for key in values if key.endswith(f".{_TOOLBOX}")]
    starts = [start for start in starts if getattr(values.get(f"{start}data"), "ndim", 0) == 2]
    return _choose_start(starts, item, "data", "the MoCap Toolbox")


def _choose_start(starts: list[str], item: str | None, data: str, program: str) -> str | None:
    if item is not None:
        return next((start for start in starts if item in (start[:-1], f"{start}{data}")), None)
    if len(starts) > 1:
        held = ", ".join(start[:-1] for start in starts[:10])
        raise InputError(f"several recordings of {program} ({held}); pass one of them to --item")
    return starts[0] if starts else None


def _read_toolbox(values: Mapping[str, Any], start: str) -> tuple[NDArray[Any], list[str], str]:
    """Its data (T, 3K), in mm."""
    data, names = values[f"{start}data"], values.get(f"{start}markerName")
    if data.shape[1] % 3 or not data.shape[1]:
        raise InputError(f"{start}data has {data.shape[1]} columns, three for each marker were expected")
    points = data.reshape(len(data), 1, -1, 3)
    fits = _is_names(names) and len(names or ()) == points.shape[2]
    return points, list(names or ()) if fits else [], "mm"


def _find_rate(values: Mapping[str, Any]) -> float | None:
    """Frames per second by the name of a variable with one number; reports others that could be it and differ."""
    numbers = {key: float(v.flat[0]) for key, v in values.items() if isinstance(v, np.ndarray) and v.size == 1
               and v.dtype.kind in "iuf"}  # fmt: skip
    known = {key: rate for name in _RATES for key, rate in numbers.items()
             if _name_last(key) == name and math.isfinite(rate) and rate > 0}  # fmt: skip
    chosen = next(iter(known), None)
    if chosen is None:
        return None
    others = ", ".join(f"{key} ({rate:g})" for key, rate in known.items() if rate != known[chosen])
    if others:
        report_change(f"{chosen} is taken for the frame rate, not {others:.200}; --fps says another")
    return known[chosen]


def _sniff(file: Source) -> Clue | None:
    known = file.head.startswith(b"MATLAB ") and file.head[126:128] in (b"IM", b"MI")
    return Clue("beginning with MATLAB") if known else None


FORMAT = Format(
    name="mat", title="MATLAB arrays of positions", suffixes=(".mat",), own_suffixes=(".mat",), read=read,
    read_only="MATLAB files are only read (MATLAB reads .csv)", options=("fps", "item"), sniff=_sniff, extra="h5",
)  # fmt: skip
