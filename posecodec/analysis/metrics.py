"""How far one PoseSequence is from another: the errors of the pose-estimation literature, each with its reference.

Everything is computed in float64, over keypoints valid in both sequences: in mm where the unit is a length, else in the
unit as it stands. People are matched by id and frames by index. It does not resample, rename or align in time, and it
knows nothing of bits: that is `bench`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change
from posecodec.io.parsing.frame_rates import is_same_rate
from posecodec.parallel.threads import map_in_threads
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.vectors import measure_lengths
from posecodec.typing import Floats

PCK_MM = (50.0, 100.0, 150.0)  # Thresholds in mm where the unit is a length, up to that of 3DPCK (Mehta et al. 2017).
POSES_AT_ONCE = 4096  # Whose errors are worked out together where only their sums are asked for: some MB
PCK_HEIGHTS = (0.05, 0.1)  # Elsewhere: fractions of a person's median bounding-box height (Yang & Ramanan 2013: 0.1).


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; NaN where nothing could be measured.

    unit: "mm" where the reference's unit is a length, else the reference's unit ("px" or "unknown").
    compared, only_reference, only_other: keypoints valid in both, in one, in the other.
    mpjpe, p50, p95, p99, max, rmse: mean, percentiles, maximum and root mean square of the error, unaligned.
    mpjpe_root, mpjpe_procrustes: mean error after removing each pose's place; its place, rotation and size.
    pck: label of the threshold -> fraction of keypoints within it.
    velocity_error: unit/s. jerk_reference, jerk_other: unit/s^3. bone_length_error: unit.
    height: median bounding-box height of the reference's poses; percent_of_height and percent_of_height_root: mpjpe and
    mpjpe_root in percent of it.
    """

    unit: str
    compared: int
    only_reference: int
    only_other: int
    mpjpe: float
    mpjpe_root: float
    mpjpe_procrustes: float
    p50: float
    p95: float
    p99: float
    max: float
    rmse: float
    pck: Mapping[str, float]
    velocity_error: float
    jerk_reference: float
    jerk_other: float
    bone_length_error: float
    height: float
    percent_of_height: float
    percent_of_height_root: float

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, ready for JSON: None stands for what could not be measured."""
        values = {**vars(self), "pck": {label: _to_json(fraction) for label, fraction in self.pck.items()}}
        return {name: _to_json(value) for name, value in values.items()}

    def describe(self) -> list[str]:
        """A small table for people, one row a line."""
        unit = "units" if self.unit == "unknown" else self.unit
        one_sided = f"{self.only_reference} only in the reference, {self.only_other} only in the other"
        rows = [
            ("keypoints compared", f"{self.compared} ({one_sided})"),
            ("MPJPE", f"{_show(self.mpjpe, unit)}, {_show(self.percent_of_height, '% of height')}"),
            ("  root-relative", f"{_show(self.mpjpe_root, unit)}, {_show(self.percent_of_height_root, '% of height')}"),
            ("  Procrustes", _show(self.mpjpe_procrustes, unit)),
            ("error p50 / p95 / p99", " / ".join(_show(v) for v in (self.p50, self.p95, self.p99)) + f" {unit}"),
            ("error max", _show(self.max, unit)),
            ("error RMS", _show(self.rmse, unit)),
            *((f"PCK@{label}", _show(100 * fraction, "%")) for label, fraction in self.pck.items()),
            ("velocity error", _show(self.velocity_error, f"{unit}/s")),
            ("jerk reference / other", f"{_show(self.jerk_reference)} / {_show(self.jerk_other)} {unit}/s^3"),
            ("bone-length error", _show(self.bone_length_error, unit)),
        ]
        width = max(len(label) for label, _ in rows)
        return [f"{label:<{width}}  {value}" for label, value in rows]


def compare(reference: PoseSequence, other: PoseSequence) -> Comparison:
    """Every measure of `other` against `reference`.

    Raises InputError, saying what differs and what to do, where keypoints, coordinates, frame counts, ids, units or up
    axes do not agree; UsageError for what is no sequence. Units of length may differ: both are converted to mm. Warns with
    DataWarning where frame rates differ.

    >>> still = PoseSequence.from_arrays(np.zeros((5, 19, 3)), fps=30, unit="m")
    >>> compare(still, still.with_positions(still.positions + np.float32(0.5), still.confidence)).mpjpe_root
    0.0
    """
    if wrong := [each for each in (reference, other) if not isinstance(each, PoseSequence)]:
        raise UsageError(f"{wrong[0]!r:.60} is no sequence; load it first, as in compare(load(A), load(B))")
    _check(reference, other)
    if not is_same_rate(reference.rate, other.rate):
        report_change(
            f"the reference has {reference.rate:g} frames a second, the other {other.rate:g}: frames are compared by their "
            "numbers, velocities and jerks at these rates; state the rate of both (--fps), or resample one"
        )
    a, b = _align(reference, other)
    errors, heights = measure_lengths(a - b), body_heights(_convert(reference), reference.up)
    found = errors[~np.isnan(errors)]
    p50, p95, p99, top = np.percentile(found, (50, 95, 99, 100)).tolist() if found.size else [math.nan] * 4
    mpjpe, mpjpe_root = _average(found), _average(root_relative_errors(a, b, reference.skeleton.root))
    height = _average(heights, np.median)
    return Comparison(
        unit=_name_unit(reference), compared=found.size, only_reference=int(reference.valid.sum()) - found.size,
        only_other=int(other.valid.sum()) - found.size, mpjpe=mpjpe, mpjpe_root=mpjpe_root,
        mpjpe_procrustes=_average(procrustes_errors(a, b)), p50=p50, p95=p95, p99=p99, max=top,
        rmse=math.sqrt(_average(found**2)), pck=_tabulate_pck(errors, heights, _name_unit(reference) == "mm"),
        velocity_error=_average(velocity_errors(a, b, reference.rate, other.rate)),
        jerk_reference=_average(jerk(a, reference.rate)), jerk_other=_average(jerk(b, other.rate)),
        bone_length_error=_average(bone_length_errors(a, b, reference.skeleton.edges)), height=height,
        percent_of_height=_to_percent(mpjpe, height), percent_of_height_root=_to_percent(mpjpe_root, height),
    )  # fmt: skip


@dataclass(frozen=True)
class ErrorSummary:
    """The fields of `Comparison` with these names."""

    unit: str
    mpjpe: float
    mpjpe_root: float
    p95: float
    max: float


def summarize_errors(reference: PoseSequence, other: PoseSequence, jobs: int = 1) -> ErrorSummary:
    """What `compare` finds first, at a fraction of its time and memory: some frames after others. Raises as it does.

    jobs: threads that do it; what they find is the same for any number.

    >>> still = PoseSequence.from_arrays(np.zeros((5, 19, 3)), fps=30)
    >>> summarize_errors(still, still).max
    0.0
    """
    _check(reference, other)
    found, filled, relative = np.empty(reference.valid.sum()), 0, 0.0

    def measure(frames: slice) -> tuple[Floats, float]:
        a, b = _align(reference, other, frames)
        errors, aligned = measure_lengths(a - b), root_relative_errors(a, b, reference.skeleton.root)
        return errors[~np.isnan(errors)], float(np.nansum(aligned))

    for errors, aligned in map_in_threads(measure, list_pieces(reference.positions), jobs):
        found[filled : filled + errors.size] = errors
        filled, relative = filled + errors.size, relative + aligned
    found = found[:filled]
    if not found.size:
        return ErrorSummary(_name_unit(reference), *[math.nan] * 4)
    mpjpe, count = float(found.mean()), found.size
    p95, top = np.percentile(found, (95, 100), overwrite_input=True).tolist()
    return ErrorSummary(_name_unit(reference), mpjpe, relative / count, p95, top)


def list_pieces(array: NDArray[Any]) -> Iterator[slice]:
    """Frames of an array (T, P, ...), some after others, so that what is made of them takes little memory."""
    frames = max(POSES_AT_ONCE // max(array.shape[1], 1), 1)
    return (slice(start, start + frames) for start in range(0, len(array), frames))


def error_per_keypoint(reference: PoseSequence, other: PoseSequence) -> Floats:
    """(T, P, K) float64 Euclidean errors, NaN where a keypoint is not valid in both; people in the reference's order.

    Their mean is MPJPE without alignment (Ionescu et al. 2014, Human3.6M). In mm where the unit is a length.
    Raises InputError as `compare` does.

    >>> still = PoseSequence.from_arrays(np.zeros((5, 19, 3)), fps=30)
    >>> float(error_per_keypoint(still, still).max())
    0.0
    """
    _check(reference, other)
    a, b = _align(reference, other)
    return measure_lengths(a - b)


def root_relative_errors(a: Floats, b: Floats, root: int | None) -> Floats:
    """(T, P, K) errors of poses (T, P, K, D) after each pose's root keypoint is put at the origin.

    The protocol of Ionescu et al. 2014. Where `root` is None or missing, the mean of the pose's keypoints is its root.
    """
    return measure_lengths(_subtract_root(a, root) - _subtract_root(b, root))


def procrustes_errors(a: Floats, b: Floats) -> Floats:
    """(T, P, K) errors left after the similarity transform (no reflection) that best maps each pose of `b` onto `a`.

    Umeyama 1991, equations 40 to 42; the "reconstruction error" of pose estimation. NaN in poses of fewer than D
    keypoints and where those of `a` all coincide; if those of `b` do, they go to the centroid of `a`.
    """
    count = (~np.isnan(a[..., 0])).sum(axis=-1)
    measurable = (count >= a.shape[-1]) & (_measure_extent(a) > 0).any(axis=-1)
    x, y = _subtract_root(a[measurable], None), _subtract_root(b[measurable], None)
    x0, y0 = np.nan_to_num(x), np.nan_to_num(y)
    u, singular, vt = np.linalg.svd(np.swapaxes(y0, -1, -2) @ x0)
    sign = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0, -1.0, 1.0)
    u[..., -1] *= sign[:, None]
    singular[..., -1] *= sign
    spread = (y0**2).sum(axis=(-1, -2))
    collapsed = ~(_measure_extent(y) > 0).any(axis=-1)
    scale = np.where(collapsed, 0.0, singular.sum(axis=-1) / np.where(collapsed, 1.0, spread))
    errors = np.full(a.shape[:-1], np.nan)
    errors[measurable] = measure_lengths(scale[:, None, None] * (y @ u @ vt) - x)
    return errors


def pck(errors: Floats, threshold: float | Floats) -> float:
    """Fraction of the errors that are at most `threshold` (broadcast); NaN errors do not count.

    Percentage of correct keypoints, Yang & Ramanan 2013 (there relative to the bounding box); at a fixed
    length as in Mehta et al. 2017 (3DPCK@150mm).

    >>> pck(np.array([10.0, 60.0, np.nan, 50.0]), 50.0)
    0.6666666666666666
    """
    return _average(np.where(np.isnan(errors), np.nan, errors <= threshold))


def velocity_errors(a: Floats, b: Floats, rate_a: float, rate_b: float) -> Floats:
    """(T-1, P, K) lengths of the difference of velocity, per second, from one frame to the next.

    Its mean is MPJVE, Pavllo et al. 2019 (VideoPose3D). With irregular timestamps the mean rate stands for every step.
    """
    return measure_lengths(np.diff(a, axis=0) * rate_a - np.diff(b, axis=0) * rate_b)


def jerk(points: Floats, rate: float) -> Floats:
    """(T-3, P, K) magnitude of the third finite difference times rate^3, on runs of four valid frames.

    Jerk as the measure of smoothness is Flash & Hogan 1985. With irregular timestamps the mean rate stands for all.

    >>> jerk(np.arange(5.0).reshape(5, 1, 1, 1) ** 3, rate=1.0).ravel()
    array([6., 6.])
    """
    return measure_lengths(np.diff(points, n=3, axis=0)) * rate**3


def bone_length_errors(a: Floats, b: Floats, edges: tuple[tuple[int, int], ...]) -> Floats:
    """(T, P, E) absolute differences of the edges' lengths.

    Bone consistency as in Sun et al. 2017 (compositional pose regression), on lengths instead of vectors.
    """
    ends = np.array(edges, dtype=np.intp).reshape(-1, 2)
    lengths_a, lengths_b = (measure_lengths(points[:, :, ends[:, 0]] - points[:, :, ends[:, 1]]) for points in (a, b))
    return np.abs(lengths_a - lengths_b)


def body_heights(points: Floats, up: str) -> Floats:
    """(T, P) bounding-box heights of (T, P, K, D) along the up axis; NaN where fewer than two keypoints are valid.

    The normalizer of PCK in Yang & Ramanan 2013. Where the up axis is unknown it is the axis along which poses are
    longest (in the median).
    """
    extent = _measure_extent(points)
    axis = "xyz".find(up[-1]) if up != "unknown" else -1
    if not 0 <= axis < extent.shape[-1]:
        medians = [_average(extent[..., d], np.median) for d in range(extent.shape[-1])]
        axis = int(np.argmax(np.nan_to_num(medians)))
    return extent[..., axis]


def _align(reference: PoseSequence, other: PoseSequence, frames: slice = slice(None)) -> tuple[Floats, Floats]:
    """Both sequences' (T, P, K, D) positions of frames in the unit of the result, NaN where either is missing."""
    order = [other.ids.index(i) for i in reference.ids]
    a, b = _convert(reference, frames), _convert(other, frames)[:, order]
    missing = np.isnan(a) | np.isnan(b)
    a[missing] = b[missing] = np.nan
    return a, b


def _check(a: PoseSequence, b: PoseSequence) -> None:
    if a.skeleton.keypoints != b.skeleton.keypoints:
        raise InputError(
            f"the reference has skeleton {a.skeleton.name!r} ({len(a.skeleton)} keypoints), the other "
            f"{b.skeleton.name!r} ({len(b.skeleton)}); map one to the other's keypoints with mapped_to first"
        )
    if a.dims != b.dims:
        raise InputError(f"the reference is {a.dims}D, the other {b.dims}D; compare sequences of the same kind")
    if a.frames != b.frames:
        raise InputError(
            f"the reference has {a.frames} frames, the other {b.frames}; cut both alike (decode --frames A:B; sequence[A:B])"
        )
    if set(a.ids) != set(b.ids):
        lost, added = sorted(set(a.ids) - set(b.ids)), sorted(set(b.ids) - set(a.ids))
        raise InputError(f"ids {lost} are only in the reference, {added} only in the other; give both the same ids")
    if _name_unit(a) != _name_unit(b):
        raise InputError(f"the reference is in {a.unit!r}, the other in {b.unit!r}; state the unit of both (--unit)")
    if "unknown" not in (a.up, b.up) and a.up != b.up:
        raise InputError(f"up is {a.up!r} in the reference, {b.up!r} in the other; turn one of them first (--up)")


def _name_unit(sequence: PoseSequence) -> str:
    return "mm" if sequence.unit in UNIT_MM else sequence.unit


def _convert(sequence: PoseSequence, frames: slice = slice(None)) -> Floats:
    return sequence.positions[frames].astype(np.float64) * UNIT_MM.get(sequence.unit, 1.0)


def _subtract_root(points: Floats, root: int | None) -> Floats:
    """Poses (..., K, D) minus their root keypoint, or minus the mean of the valid ones where there is none."""
    keypoint = None if root is None else points[..., root : root + 1, :]
    if keypoint is not None and not np.isnan(keypoint).any():
        return np.asarray(points - keypoint)
    valid = ~np.isnan(points[..., :1])
    count = np.maximum(valid.sum(axis=-2, keepdims=True), 1)
    center = np.where(valid, points, 0.0).sum(axis=-2, keepdims=True) / count
    return np.asarray(points - (center if keypoint is None else np.where(np.isnan(keypoint), center, keypoint)))


def _measure_extent(points: Floats) -> Floats:
    """(..., D) sides of the bounding box of poses (..., K, D); NaN where fewer than two keypoints are valid."""
    valid = ~np.isnan(points)
    enough = valid.sum(axis=-2) >= 2
    low = np.where(enough, np.where(valid, points, np.inf).min(axis=-2), np.nan)
    return np.where(enough, np.where(valid, points, -np.inf).max(axis=-2), np.nan) - low


def _tabulate_pck(errors: Floats, heights: Floats, length: bool) -> Mapping[str, float]:
    if length:
        return {f"{mm:g} mm": pck(errors, mm) for mm in PCK_MM}
    person = np.array([_average(column, np.median) for column in heights.T]).reshape(1, -1, 1)
    return {f"{part:g} height": pck(errors, part * person) for part in PCK_HEIGHTS}


def _average(values: Floats, mean: Any = np.mean) -> float:
    found = values[~np.isnan(values)]
    return float(mean(found)) if found.size else math.nan


def _to_percent(value: float, height: float) -> float:
    return 100 * value / height if height > 0 else math.nan


def _to_json(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _show(value: float, unit: str = "") -> str:
    text = "n/a" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{text} {unit}".rstrip()
