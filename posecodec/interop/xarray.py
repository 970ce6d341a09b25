"""xarray datasets of poses, as the package movement has them, to a PoseSequence and back.

A dataset is taken by what it has (`ds["position"]`, `.dims`, `.coords`, `.attrs`), so reading needs neither xarray nor
movement; only `to_dataset` imports xarray. Dimensions may be in any order and have the names of any version of movement:
`keypoints` or `keypoint`, `individuals` or `individual`. Leaves out bounding boxes and variables other than `position` and
`confidence`.

>>> import numpy as np
>>> from posecodec.pose.sequence import PoseSequence
>>> sequence = PoseSequence.from_arrays(np.zeros((5, 19, 3)), fps=30)
>>> from_dataset(to_dataset(sequence)).fps
30.0
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, NoRateError, UsageError, name_install, report_change
from posecodec.pose.sequence import AXES, UNITS, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.typing import Floats

if TYPE_CHECKING:
    import xarray

PLURAL = ("time", "space", "keypoints", "individuals")
SINGULAR = ("time", "space", "keypoint", "individual")
OUR_KEY = "posecodec"  # Attribute of what movement has no place for, as JSON text; also our name as source_software
RESERVED = ("ds_type", "fps", "time_unit", OUR_KEY)
MOVEMENT_KEY = "movement"  # Where metadata keep a dataset's attributes, and the number of its first frame
NO_RATE = "the dataset does not say its frame rate; pass fps=N"
MOST_FRAMES = 1e15  # float64 tells frame numbers up to this apart, with room for a fraction
NTSC = 1.001  # what a whole rate is divided by: 30000 / 1001 is 29.97
DECIMALS = 3  # of a rate that people write, such as 23.976
ROUNDINGS = 4  # of a time's own precision: the seconds, their difference, a product and a quotient are rounded


def from_dataset(ds: Any, *, fps: float | None = None) -> PoseSequence:
    """The sequence in a dataset of `position` (time, space, keypoints, individuals) and maybe `confidence`.

    fps: frames per second; without it what `ds.attrs` or the times tell. Times that are not those of a frame rate
    become timestamps; with `fps` they are replaced. Attributes that JSON can hold become metadata.

    Raises InputError if the dataset is none of poses, NoRateError if it counts frames and nobody tells how many a second.
    Warns with DataWarning of what is left out or changed.
    """
    position = _get_variable(ds, "position")
    points = _order_positions(ds, position)
    attrs = dict(getattr(ds, "attrs", {}))
    ours = _read_ours(attrs)
    names, ids = _read_labels(position, 2, points.shape[2]), _read_labels(position, 3, points.shape[1])
    points = _clear_partial(points)
    confidence = _read_confidence(ds, points)
    others = sorted(str(name) for name in getattr(ds, "data_vars", ()) if name not in ("position", "confidence"))
    if others:
        report_change(f"{len(others)} variables are left behind: {', '.join(others[:4])}")
    facts = _keep_attributes(attrs)
    rate, first, times = _read_time(position, attrs, fps, len(points), ours.get("timed") is True)
    facts |= {"first": first} if first else {}
    metadata = _take_mapping(ours.get("metadata")) | ({MOVEMENT_KEY: facts} if facts else {})
    sequence = PoseSequence.from_arrays(
        points, fps=1.0 if rate is None and times is None else rate, timestamps=times, confidence=confidence,
        skeleton=_restore_skeleton(names, points.shape[2], ours.get("skeleton")), ids=ids,
        unit=_choose_known(ours.get("unit"), UNITS), up=_choose_known(ours.get("up"), AXES), metadata=metadata, exact=True,
    )  # fmt: skip
    if rate is None and times is None:
        raise NoRateError(NO_RATE)
    return sequence


def to_dataset(sequence: PoseSequence, *, singular: bool = False) -> xarray.Dataset:
    """A dataset that movement takes: `position` (time, space, keypoints, individuals), `confidence` without space.

    singular: name dimensions `keypoint` and `individual`, as movement does from 0.17 on. `time` is in seconds.
    What movement has no place for (unit, up, edges, metadata) is JSON text in the attribute "posecodec", from which
    `from_dataset` gives it back. Raises UsageError if xarray is missing.
    """
    try:
        import xarray
    except ImportError as error:
        raise UsageError(f"datasets need xarray; {name_install('xarray')}") from error
    dims = SINGULAR if singular else PLURAL
    facts = _take_mapping(sequence.metadata.get(MOVEMENT_KEY))
    return xarray.Dataset(
        data_vars={
            "position": (dims, np.array(sequence.positions.transpose(0, 3, 2, 1))),
            "confidence": ((dims[0], *dims[2:]), np.array(sequence.confidence.transpose(0, 2, 1))),
        },
        coords={
            dims[0]: _list_seconds(sequence, facts.get("first")),
            dims[1]: ["x", "y", "z"][: sequence.dims],
            dims[2]: np.array(sequence.skeleton.keypoints, str),
            dims[3]: np.array(sequence.ids, str),
        },
        attrs=_build_attributes(sequence, _take_mapping(facts.get("attrs"))),
    )


def _get_variable(ds: Any, name: str) -> Any:
    """A variable of the dataset. Raises InputError where there is none."""
    try:
        return ds[name]
    except (KeyError, TypeError, IndexError, ValueError) as error:
        has = ", ".join(map(str, getattr(ds, "data_vars", ()))) or type(ds).__name__
        raise InputError(f"no variable {name!r} in the dataset ({has}); pass a movement dataset of poses") from error


def _find_axes(variable: Any, what: str) -> list[int | None]:
    """Where a variable has time, space, keypoints and individuals; None where it has no such dimension."""
    dims = [str(name) for name in variable.dims]
    axes = [next((dims.index(n) for n in pair if n in dims), None) for pair in zip(PLURAL, SINGULAR, strict=True)]
    if others := [name for i, name in enumerate(dims) if i not in axes]:
        raise InputError(
            f"{what} has the dimension {others[0]!r} besides {', '.join(PLURAL)}; choose one with ds.isel({others[0]}=0)"
        )
    return axes


def _order_positions(ds: Any, position: Any) -> NDArray[Any]:
    """Positions (T, P, K, D) of x, y and maybe z. Raises InputError where a dimension is missing."""
    axes = _find_axes(position, "position")
    for axis, name in list(zip(axes, PLURAL, strict=True))[:3]:
        if axis is None:
            boxes = "; boxes have no keypoints" if getattr(ds, "attrs", {}).get("ds_type") == "bboxes" else ""
            raise InputError(f"position has dimensions {tuple(position.dims)} but no {name!r}{boxes}; pass poses")
    return _arrange_axes(position, [axes[0], axes[3], axes[2], axes[1]])[..., _find_space(position)]


def _arrange_axes(variable: Any, axes: Sequence[int | None]) -> NDArray[Any]:
    """The variable's axes in that order, of length 1 where it has none."""
    values = np.asarray(variable.values if hasattr(variable, "values") else variable)
    if values.dtype.kind not in "fiu":
        raise InputError(f"the dataset holds values of type {values.dtype}; numbers are needed")
    values = values.transpose([axis for axis in axes if axis is not None])
    for i, axis in enumerate(axes):
        values = values if axis is not None else np.expand_dims(values, i)
    return values


def _get_coordinate(variable: Any, dimension: int) -> NDArray[Any] | None:
    """The coordinate of a dimension in either of its names, None if it has none."""
    coords = getattr(variable, "coords", {})
    found = next((coords[name] for name in (PLURAL[dimension], SINGULAR[dimension]) if name in coords), None)
    return None if found is None else np.asarray(found.values if hasattr(found, "values") else found)


def _read_labels(variable: Any, dimension: int, count: int) -> list[str] | None:
    found = _get_coordinate(variable, dimension)
    names = None if found is None else [str(name) for name in found.reshape(-1)]
    return names if names is not None and len(names) == count else None


def _find_space(position: Any) -> list[int]:
    """Where x, y and maybe z are along space."""
    found = _get_coordinate(position, 1)
    size = position.shape[[str(n) for n in position.dims].index("space")]
    labels = list("xyz"[:size]) if found is None else [str(label) for label in found.reshape(-1)]
    if size not in (2, 3) or sorted(labels) != list("xyz"[:size]):
        raise InputError(f"space is {labels}, {size} long; x, y or x, y, z is needed")
    return [labels.index(axis) for axis in "xyz"[:size]]


def _clear_partial(points: NDArray[Any]) -> NDArray[Any]:
    """Positions whose missing keypoints are NaN in all coordinates; tells of those that are not yet."""
    odd = ~np.isfinite(points).all(axis=-1) & ~np.isnan(points).all(axis=-1)
    if not odd.any():
        return points
    report_change(f"{int(odd.sum())} keypoints with only some coordinates, or infinite ones, are missing now")
    return np.where(odd[..., None], np.array(np.nan, points.dtype), points)


def _read_confidence(ds: Any, points: NDArray[Any]) -> NDArray[np.float32] | None:
    """Confidences (T, P, K), None where the dataset has none; tells of those that cannot be kept."""
    if "confidence" not in ds:
        return None
    axes = _find_axes(ds["confidence"], "confidence")
    if axes[1] is not None:
        raise InputError("confidence has the dimension 'space'; one number a keypoint is needed")
    found = _arrange_axes(ds["confidence"], [axes[0], axes[3], axes[2]])
    missing = np.isnan(points).any(axis=-1)
    if found.shape != missing.shape:
        raise InputError(f"confidence is {found.shape} (time, individuals, keypoints), position {missing.shape}")
    unknown = ~np.isfinite(found)
    if unknown.all() and not missing.all():
        report_change("confidences are all NaN; they are 1 where a keypoint is there")
        return None
    if (unknown & ~missing).any():
        report_change(f"{int((unknown & ~missing).sum())} confidences that are not finite are 0 now")
    lost = missing & ~unknown & (found != 0)
    if lost.any():
        report_change(f"{int(lost.sum())} confidences of keypoints without a position are 0 now")
    with np.errstate(over="ignore"):
        kept = np.asarray(np.where(unknown | missing, 0, found), np.float32)
    if not np.isfinite(kept).all():
        raise InputError("a confidence is beyond float32; scale them")
    return kept


def _read_time(
    position: Any, attrs: Mapping[str, Any], fps: float | None, frames: int, timed: bool
) -> tuple[float | None, int, Floats | None]:
    """Frames per second, the number of the first frame, and timestamps; of the first and the last at most one."""
    stated = _parse_rate(attrs.get("fps") if fps is None else fps)
    if fps is not None and stated is None:
        raise InputError(f"fps is {fps}; it must be a finite number above 0")
    values = _get_coordinate(position, 0)
    if values is None or not frames:
        return stated, 0, None
    if values.dtype.kind == "m":
        values = values / np.timedelta64(1, "s")
    if values.dtype.kind not in "fiu":
        needed = "seconds or frame numbers are needed: ds.assign_coords(time=...)"
        raise InputError(f"time is of type {values.dtype}; {needed}")
    if attrs.get("time_unit", "frames" if values.dtype.kind in "iu" else "seconds") == "frames":
        return _time_by_number(values, stated)
    if fps is not None:
        return stated, 0, None
    return (None, 0, np.asarray(values, np.float64)) if timed else _time_by_seconds(values, stated)


def _time_by_number(values: NDArray[Any], rate: float | None) -> tuple[float | None, int, Floats | None]:
    first = float(values[0])
    if first.is_integer() and abs(first) < MOST_FRAMES and np.array_equal(values, first + np.arange(len(values))):
        return rate, int(first), None
    if rate is None:
        raise NoRateError(NO_RATE)
    return None, 0, np.asarray(values, np.float64) / rate


def _time_by_seconds(values: NDArray[Any], rate: float | None) -> tuple[float | None, int, Floats | None]:
    """Seconds, as a frame rate where that gives every one of them but for rounding."""
    tolerance = ROUNDINGS * float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)
    for candidate in ([] if rate is None else [rate]) + _guess_rates(values):
        with np.errstate(all="ignore"):
            numbers = np.rint(values.astype(np.float64) * candidate)
        if not (np.abs(numbers) < MOST_FRAMES).all() or (np.diff(numbers) != 1).any():
            continue
        if np.allclose(numbers / candidate, values, rtol=tolerance, atol=0):
            _report_rate(rate, candidate)
            return candidate, int(numbers[0]), None
    _report_rate(rate, None)
    return None, 0, np.asarray(values, np.float64)


def _report_rate(stated: float | None, found: float | None) -> None:
    if stated not in (None, found):
        what = "timestamps" if found is None else f"{found:g} frames per second"
        report_change(f"fps is {stated:g} but the times say otherwise; they are kept as {what}")


def _guess_rates(values: NDArray[Any]) -> list[float]:
    """Rates that equidistant times may have: the mean, and whole, decimal and NTSC ones near it."""
    span = float(values[-1]) - float(values[0])
    mean = (len(values) - 1) / span if span > 0 else 0.0
    if not 0 < mean < MOST_FRAMES:
        return []
    near = [round(mean), round(mean * NTSC) / NTSC, round(mean, DECIMALS), mean]
    return [float(rate) for rate in near if rate > 0]


def _parse_rate(value: Any) -> float | None:
    """What an attribute tells as frames per second, None where that is no rate."""
    try:
        rate = float(np.asarray(value).item())
    except (TypeError, ValueError):
        return None
    return rate if np.isfinite(rate) and rate > 0 else None


def _list_seconds(sequence: PoseSequence, first: Any) -> Floats:
    if sequence.timestamps is not None:
        return np.array(sequence.timestamps)
    assert sequence.fps is not None
    start = first if type(first) is int and abs(first) < MOST_FRAMES else 0
    return (np.arange(sequence.frames, dtype=np.float64) + start) / sequence.fps


def _build_attributes(sequence: PoseSequence, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a dataset: those it had, those of movement, and what only we know."""
    attrs = {"source_software": OUR_KEY} | {k: v for k, v in kept.items() if k not in RESERVED}
    attrs |= {"ds_type": "poses", "time_unit": "seconds"}
    attrs |= {} if sequence.fps is None else {"fps": sequence.fps}
    skeleton, others = sequence.skeleton, {k: v for k, v in sequence.metadata.items() if k != MOVEMENT_KEY}
    ours: dict[str, Any] = {"unit": sequence.unit, "up": sequence.up}
    if skeleton != build_skeleton(skeleton.keypoints):
        ours["skeleton"] = {name: getattr(skeleton, name) for name in ("name", "edges", "pairs", "root")}
    ours |= {"metadata": others} if others else {}
    ours |= {"timed": True} if sequence.timestamps is not None else {}
    ours = {key: value for key, value in ours.items() if value != "unknown"}
    try:
        return attrs | ({OUR_KEY: json.dumps(ours, ensure_ascii=False)} if ours else {})
    except (TypeError, ValueError, RecursionError) as error:
        what = f"metadata cannot be written as JSON: {error}; keep to text, numbers, lists, objects"
        raise InputError(what) from error


def _read_ours(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What `to_dataset` put beside; nothing where that has been tampered with."""
    try:
        return _take_mapping(json.loads(attrs.get(OUR_KEY, "{}")))
    except (TypeError, ValueError, RecursionError):
        report_change(f"the attribute {OUR_KEY!r} is no JSON and is left behind")
        return {}


def _keep_attributes(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes to be kept as metadata; tells of those that JSON cannot hold."""
    kept, lost = {}, []
    for name, value in attrs.items():
        if name in RESERVED or (name == "source_software" and value in (OUR_KEY, None)):
            continue
        plain = value.item() if isinstance(value, np.generic) else value
        plain = plain.tolist() if isinstance(plain, np.ndarray) else plain
        try:
            kept[str(name)] = json.loads(json.dumps(plain))
        except (TypeError, ValueError, RecursionError):
            lost.append(str(name))
    if lost:
        report_change(f"{len(lost)} attributes that JSON cannot hold are left behind: {', '.join(sorted(lost)[:4])}")
    return {"attrs": kept} if kept else {}


def _restore_skeleton(names: list[str] | None, count: int, told: Any) -> Skeleton:
    """The skeleton of the names, with what the attributes tell of it where that fits."""
    if names is None:
        return build_skeleton(count)
    plain, told = build_skeleton(names), _take_mapping(told)
    if not told:
        return plain
    try:
        edges, pairs = (tuple((int(a), int(b)) for a, b in told[key]) for key in ("edges", "pairs"))
        root = None if told["root"] is None else int(told["root"])
        return Skeleton(str(told["name"]), tuple(names), edges, pairs, root)
    except (InputError, LookupError, TypeError, ValueError):
        report_change("edges and pairs do not fit the keypoints any more and are left behind")
        return plain


def _take_mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _choose_known(value: Any, known: Sequence[str]) -> str:
    return value if isinstance(value, str) and value in known else "unknown"
