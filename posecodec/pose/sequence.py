"""PoseSequence: what every reader returns, every writer takes, and the codec gives back.

A frozen, validated value. Missing keypoints are NaN positions with confidence 0. It does not know files (`io`) nor how
people are cut into tracks (`tracks`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.pose import editing
from posecodec.pose.choosing import Choice
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.skeletons.files import resolve_skeleton
from posecodec.typing import Bools, Floats

if TYPE_CHECKING:
    import pandas

UNITS = ("unknown", "mm", "cm", "m", "px", "in")  # What a sequence may state; the order is part of the bitstream
FLOAT32_MAX = float(np.finfo(np.float32).max)  # Coordinates beyond it would be infinite once coded; in `unit`
PIECE = 1 << 17  # Coordinates that are looked at together
UNIT_MM: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}  # Millimeters in a unit of length
DEFAULT_RATE = 30.0  # Frames per second where nothing tells: the rate of most cameras
AXES = ("unknown", "x", "y", "z", "-x", "-y", "-z")
"""Which way is up. The order is part of the bitstream. Images, whose y points down, are "-y"."""


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """Keypoints of P people over T frames.

    positions: (T, P, K, D) float32, or float64 where float32 would change a value, D 2 or 3, in `unit`, within float32's
        range; NaN in all D where a keypoint is missing.
    confidence: (T, P, K) float32, finite, 0 where missing; any range (detectors disagree on it).
    skeleton: K ordered keypoints.
    fps: frames per second, > 0; exactly one of `fps` and `timestamps` is given.
    timestamps: (T,) float64 seconds, strictly increasing, or None.
    unit, up: one of UNITS, one of AXES.
    ids: P unique strings.
    metadata: JSON values, returned unchanged.

    Raises InputError that says which of these does not hold, and where. Use `PoseSequence.from_arrays` to fill in defaults.

    >>> PoseSequence.from_arrays(np.zeros((5, 19, 3)), fps=29.97, unit="mm")
    PoseSequence(5 frames, 1 person, coco19 3D, 29.97 fps, mm)
    """

    positions: NDArray[np.floating[Any]]
    confidence: NDArray[np.float32]
    skeleton: Skeleton
    fps: float | None
    timestamps: Floats | None
    unit: str
    up: str
    ids: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_arrays(self.positions, self.confidence, len(self.skeleton), self.skeleton.name)
        if self.fps is not None:
            object.__setattr__(self, "fps", read_rate(self.fps))
        _check_time(self.fps, self.timestamps, len(self.positions))
        _check_labels(self.unit, self.up, self.ids, self.positions.shape[1], self.positions.shape[3])
        for name in ("positions", "confidence", "timestamps"):
            array = getattr(self, name)
            if array is not None and array.flags.writeable:
                array = array.copy()
                array.setflags(write=False)
                object.__setattr__(self, name, array)

    @staticmethod
    def from_arrays(
        positions: Any, *, fps: float | None = None, timestamps: Any = None, confidence: Any = None,
        skeleton: Skeleton | str | Sequence[str] | None = None, unit: str = "unknown", up: str = "unknown", ids: Any = None,
        metadata: Mapping[str, Any] | None = None, exact: bool = False,
    ) -> PoseSequence:  # fmt: skip
        """A sequence from arrays, with defaults for what is not given; copies what it takes.

        positions: (T, K, D) or (T, P, K, D), an array of any real dtype, kept as float32 where that changes no value, else
        as float64; with `exact` float64 in any case. NaN in any coordinate, or a mask over it, makes the keypoint missing.
        confidence: as positions without D, 0 where masked; 1 where valid if None. skeleton: also by name, the .toml or .json
        file that describes one, or K names; coco19 if None and K = 19, else custom.
        ids: "0", "1", ... if None. Raises InputError as the class does.
        """
        points = _as_positions(positions, exact)
        weights = (
            np.ones(points.shape[:3], np.float32)
            if confidence is None
            else _as_float(confidence, "confidence", masked=0)
        )
        given = weights.shape
        weights = weights[:, None] if weights.ndim == 2 else weights
        if weights.shape != points.shape[:3]:
            raise InputError(f"confidence has shape {given}; positions {points.shape} need {points.shape[:3]}")
        for _, points_of, weights_of in _list_pieces(points, weights):
            _mark_missing(points_of, weights_of)
        if skeleton is None:
            skeleton = COCO19 if points.shape[2] == len(COCO19) else build_skeleton(points.shape[2])
        times = None if timestamps is None else _as_float(timestamps, "timestamps", np.float64)
        names = tuple(str(i) for i in (range(points.shape[1]) if ids is None else ids))
        points.setflags(write=False)
        weights.setflags(write=False)
        body = resolve_skeleton(skeleton)
        return PoseSequence(points, weights, body, fps, times, unit, up, names, dict(metadata or {}))

    of = from_arrays
    """The short name of `from_arrays`."""

    def __repr__(self) -> str:
        rate = f"{self.fps:g} fps" if self.fps is not None else f"timestamps, {self.rate:.4g} fps"
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        return f"PoseSequence({self.frames} frames, {people}, {self.skeleton.name} {self.dims}D, {rate}, {self.unit})"

    def _repr_html_(self) -> str:
        """The viewer's page, for notebooks."""
        shown: str = import_module("posecodec.view.notebook").render_cell(
            self, repr(self)
        )  # which stands above this one
        return shown

    @property
    def frames(self) -> int:
        """T."""
        return int(self.positions.shape[0])

    @property
    def people(self) -> int:
        """P."""
        return int(self.positions.shape[1])

    @property
    def dims(self) -> int:
        """D, 2 or 3."""
        return int(self.positions.shape[3])

    @property
    def valid(self) -> Bools:
        """(T, P, K): whether the keypoint is there."""
        return np.asarray(~np.isnan(self.positions[..., 0]))

    @property
    def rate(self) -> float:
        """Frames per second; the mean rate where timestamps are given."""
        return mean_rate(self.fps, self.timestamps)

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, frames: int | slice) -> PoseSequence:
        """Some frames: `sequence[100:200]`, every second one `sequence[::2]`, or one, `sequence[-1]`."""
        taken: PoseSequence = editing.take_frames(self, frames)
        return taken

    def __iter__(self) -> Iterator[PoseSequence]:
        """Frame by frame, each a sequence of one."""
        return (self[frame] for frame in range(self.frames))

    @staticmethod
    def concatenate(sequences: Iterable[PoseSequence]) -> PoseSequence:
        """One after the other, people matched by their ids. Raises UsageError where they do not fit, with the remedy."""
        joined: PoseSequence = editing.concatenate(sequences)
        return joined

    def select(self, keypoints: Choice | None = None, people: Choice | None = None) -> PoseSequence:
        """Only some keypoints and people, by name or number, in the order given. Raises UsageError for unknown ones.

        Also those where a mask of one boolean each is true, a slice of them, or a single one.
        """
        selected: PoseSequence = editing.select(self, keypoints, people)
        return selected

    def to(self, unit: str) -> PoseSequence:
        """Positions in another unit of length: mm, cm, m, in. Raises UsageError where there is none to convert."""
        converted: PoseSequence = editing.convert_unit(self, unit, UNIT_MM)
        return converted

    def resample(self, fps: float) -> PoseSequence:
        """The motion at another frame rate, by straight lines between frames.

        Raises UsageError for one not above 0, InputError for what is no number, or where that takes more memory than a file
        may.
        """
        resampled: PoseSequence = editing.resample(self, read_rate(fps))
        return resampled

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each keypoint of each person and frame: frame, time in seconds, person, keypoint, x, y, (z,) confidence.

        Raises DependencyError without pandas.
        """
        return editing.build_dataframe(self)

    def with_positions(self, positions: NDArray[np.floating[Any]], confidence: NDArray[np.float32]) -> PoseSequence:
        """The same people and times with other positions (T, P, K, D) and confidences (T, P, K)."""
        return replace(self, positions=positions, confidence=confidence)

    def mapped_to(self, target: Skeleton) -> PoseSequence:
        """The keypoints of `target`, by name or by the documented mapping to coco19.

        A mean of several sources is missing where one of them is. Keypoints that only the source has are gone.
        Raises InputError if nothing maps.
        """
        if target.keypoints == self.skeleton.keypoints:
            return replace(self, skeleton=target)
        names = self.skeleton.keypoints
        table: dict[str, tuple[str, ...]] = {n: (n,) for n in target.keypoints if n in names}
        if target == COCO19:
            table.update(self.skeleton.to_coco19)
        if not table:
            raise InputError(
                f"no keypoint of {self.skeleton.name!r} maps to {target.name!r}; name the keypoints, as in "
                "dataclasses.replace(sequence, skeleton=...) where they are in its order"
            )
        shape = (self.frames, self.people, len(target))
        positions = np.full((*shape, self.dims), np.nan, self.positions.dtype)
        confidence = np.zeros(shape, np.float32)
        for k, name in enumerate(target.keypoints):
            if name in table:
                sources = [names.index(n) for n in table[name]]
                positions[:, :, k] = self.positions[:, :, sources].mean(axis=2)
                confidence[:, :, k] = self.confidence[:, :, sources].min(axis=2)
        confidence[np.isnan(positions[..., 0])] = 0
        return replace(self, positions=positions, confidence=confidence, skeleton=target)


def mean_rate(fps: float | None, timestamps: Floats | None) -> float:
    """Frames per second of a recording that states its rate or its times; DEFAULT_RATE where neither tells."""
    if fps is not None:
        return fps
    span = float(timestamps[-1] - timestamps[0]) if timestamps is not None and len(timestamps) > 1 else 0.0
    rate = (len(timestamps) - 1) / span if timestamps is not None and span > 0 else 0.0
    return rate if rate > 0 and math.isfinite(rate) else DEFAULT_RATE


def read_rate(fps: Any) -> float:
    """A frame rate of any real number, a Fraction too, or of an array of one. Raises InputError for anything else.

    >>> from fractions import Fraction
    >>> read_rate(np.array([30.0])), round(read_rate(Fraction(30000, 1001)), 3)
    (30.0, 29.97)
    """
    value = fps.item() if getattr(fps, "shape", None) in ((), (1,)) else fps
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"fps is {fps!r:.40}; it must be a number above 0")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_array(values: Any, what: str) -> NDArray[Any]:
    """Of tensors too; masked arrays stay such. Raises InputError where there is none."""
    try:
        return values if np.ma.isMaskedArray(values) else np.asarray(values)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{what} are not an array: {error}") from error


def _as_float(values: Any, what: str, dtype: Any = np.float32, masked: float = math.nan) -> NDArray[Any]:
    """A copy as floats. masked: what stands where a masked array has no value."""
    array = _as_array(values, what)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{what} are of type {array.dtype}; numbers are needed")
    with np.errstate(over="ignore"):
        return np.ma.filled(array.astype(dtype), masked)


def narrow_floats(values: Floats) -> NDArray[np.floating[Any]]:
    """float64 numbers as float32 where that changes none of them, else as they are."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow, values, equal_nan=True) else values


def _mark_missing(points: NDArray[np.floating[Any]], weights: NDArray[np.float32]) -> None:
    """Keypoints of which a coordinate is NaN get all NaN and a confidence of 0; those without any stay bit by bit."""
    missing, whole = np.zeros(weights.shape, bool), np.ones(weights.shape, bool)
    for axis in range(points.shape[-1]):
        unknown = np.isnan(points[..., axis])
        missing |= unknown
        whole &= unknown
    if missing.any():
        points[missing & ~whole] = np.nan
        weights[missing] = 0


def _as_positions(values: Any, exact: bool) -> NDArray[np.floating[Any]]:
    values = _as_array(values, "positions")
    dtype = values.dtype
    short = dtype.kind == "f" and dtype.itemsize <= np.dtype(np.float32).itemsize
    points = _as_float(values, "positions", np.float32 if short else np.float64)
    points = points if short or exact and dtype.kind == "f" else narrow_floats(points)
    if points.ndim == 3:
        points = points[:, None]
    if points.ndim != 4:
        raise InputError(f"positions have shape {points.shape}; (T, K, D) or (T, P, K, D) is needed")
    return points


def _check_arrays(positions: Any, confidence: Any, keypoints: int, name: str) -> None:
    shape = positions.shape
    if np.ma.isMaskedArray(positions) or np.ma.isMaskedArray(confidence):
        raise InputError(
            "a masked array; PoseSequence.from_arrays takes it, or fill it: positions with NaN, confidence with 0"
        )
    if len(shape) != 4 or positions.dtype not in (np.float32, np.float64):
        raise InputError(f"positions are {positions.dtype} {shape}; float32 (T, P, K, D) is needed")
    if shape[3] not in (2, 3):
        raise InputError(f"positions have {shape[3]} coordinates a keypoint; 2 or 3 are needed")
    if shape[2] != keypoints:
        raise InputError(f"positions hold {shape[2]} keypoints but skeleton {name!r} has {keypoints}")
    if confidence.shape != shape[:3] or confidence.dtype != np.float32:
        raise InputError(f"confidence is {confidence.dtype} {confidence.shape}; float32 {shape[:3]} is needed")
    for start, positions_of, confidence_of in _list_pieces(positions, confidence):
        _check_values(positions_of, confidence_of, start)


def _list_pieces(
    positions: NDArray[np.floating[Any]], confidence: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.floating[Any]], NDArray[np.float32]]]:
    """First frame, positions and confidences of some frames after others: few enough for caches, and for little memory."""
    frames = max(PIECE // max(math.prod(positions.shape[1:]), 1), 1)
    for start in range(0, len(positions), frames):
        yield start, positions[start : start + frames], confidence[start : start + frames]


def _check_values(positions: NDArray[np.floating[Any]], confidence: NDArray[np.float32], start: int) -> None:
    """Of frames from `start` on. Raises InputError."""
    axes = [positions[..., axis] for axis in range(positions.shape[-1])]
    lowest, highest = (known.reduce(positions, axis=None, initial=0) for known in (np.fmin, np.fmax))
    if not -FLOAT32_MAX <= lowest <= highest <= FLOAT32_MAX:
        infinite = (np.abs(positions) > FLOAT32_MAX).any(axis=-1)
        _reject(infinite, start, "an infinite coordinate (or one beyond float32)", "make it NaN if missing")
    missing = np.isnan(axes[0])
    partly = np.zeros_like(missing)
    for axis in axes[1:]:
        partly |= np.isnan(axis) != missing
    _reject(partly, start, "a keypoint with only some coordinates NaN", "make all of them NaN")
    _reject(~np.isfinite(confidence), start, "a confidence that is not finite", "give 0 where nothing is known")
    _reject(missing & (confidence != 0), start, "a missing keypoint with a confidence", "make it 0")


def _reject(bad: Bools, start: int, what: str, remedy: str) -> None:
    if bad.any():
        frame, person, keypoint = np.argwhere(bad)[0]
        raise InputError(f"{what} at frame {start + frame}, person {person}, keypoint {keypoint}; {remedy}")


def _check_time(fps: float | None, timestamps: Any, frames: int) -> None:
    if (fps is None) == (timestamps is None):
        raise InputError("give either fps or timestamps (pass --fps N, or fps=N in Python)")
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise InputError(f"fps is {fps}; it must be a finite number above 0")
    if timestamps is not None:
        if timestamps.shape != (frames,) or timestamps.dtype != np.float64:
            raise InputError(f"timestamps are {timestamps.dtype} {timestamps.shape}; float64 ({frames},) is needed")
        if not np.isfinite(timestamps).all() or (np.diff(timestamps) <= 0).any():
            raise InputError("timestamps are not finite and strictly increasing; sort them and drop repeated frames")


def _check_labels(unit: str, up: str, ids: tuple[str, ...], people: int, dims: int) -> None:
    if unit not in UNITS:
        raise InputError(f"unit {unit!r} is not known; use one of {', '.join(UNITS)}")
    if up not in AXES:
        raise InputError(f"up axis {up!r} is not known; use one of {', '.join(AXES)}")
    if dims == 2 and up in ("z", "-z"):
        raise InputError(f"up axis {up!r} in 2D; use x, y, -x or -y")
    if len(ids) != people:
        raise InputError(f"{len(ids)} ids for {people} people; give one each")
    if len(set(ids)) != people:
        raise InputError(f"ids {list(ids)} repeat; every person needs an id of their own")
