"""What there is to see of one recording, or of two laid over each other: positions, times, where to look, errors.

Positions are turned so that y is up (2D: down, as in images) and are in the first recording's unit. Long recordings are
thinned to every n-th frame, which `notes` says; errors are measured before that. It does not draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import Comparison, compare, error_per_keypoint
from posecodec.errors import make_printable
from posecodec.pose.orientation import guess_up, upright
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Bools, Floats

MOST_FRAMES = 20_000  # eleven minutes at 30 fps, and more than the error curve has pixels
MOST_NUMBERS = 12_000_000  # coordinates of all layers: 24 MB as integers of two bytes, before they are deflated
HUES = (212, 22, 150, 284, 345, 48, 184, 318)  # degrees, of the first people: neighbors far apart
GOLDEN_ANGLE = 137.508  # degrees between the hues of further people: no two of them ever meet
SMOOTHING_SECONDS = 1.0  # of the mean that the view follows people by: longer than a step, or it would bob
TRAVEL_RATIO = 1.6  # people who use a region this much larger than they are travel
GUESS_POSES = 10_000  # poses that which way is up is guessed from, evenly over all
SEEN_PERCENT = 98  # of frames in which all of everybody is in view; a keypoint astray makes nobody small
OUTLIER_PERCENT = 1  # of frames, at either end, that the view of everything and the floor leave out
FLATTEST = 4  # no half of a region is smaller than the other over this


@dataclass(frozen=True, eq=False, repr=False)
class Layer:
    """positions: (T, P, K, D) float64, NaN where missing. opacity: (T, P, K) in [0, 1], None where all is opaque."""

    name: str
    positions: Floats
    opacity: Floats | None


@dataclass(frozen=True, eq=False, repr=False)
class Errors:
    """mean, max: (T,) over each shown frame's keypoints, NaN where none is compared. keypoint_mean, keypoint_max: (K,) of
    each over people and shown frames. total: over all frames."""

    mean: Floats
    max: Floats
    keypoint_mean: Floats
    keypoint_max: Floats
    total: Comparison

    @property
    def unit(self) -> str:
        """As it is said beside a number."""
        return "units" if self.total.unit == "unknown" else self.total.unit


@dataclass(frozen=True, eq=False, repr=False)
class Region:
    """Where to look: centers (T, D), or (1, D) for all frames, and what is this far around them, aside and up."""

    centers: Floats
    half_width: float
    half_height: float


@dataclass(frozen=True, eq=False, repr=False)
class Scene:
    """All that a page or a picture shows.

    facts: short texts about the recording. notes: what was guessed or left out. stride: shown are frames 0, stride, ...
    of `frames`. names, sides: of keypoints, left -1, right 1, neither 0. times: (T,) seconds of the shown frames, from 0.
    rate: their number per second, on average. body: median diagonal of a pose. floor: height of the ground in 3D. near,
    far: regions that follow people and that hold them all.
    """

    title: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    layers: tuple[Layer, ...]
    ids: tuple[str, ...]
    hues: tuple[float, ...]
    names: tuple[str, ...]
    sides: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    frames: int
    stride: int
    times: Floats
    rate: float
    unit: str
    body: float
    floor: float
    near: Region
    far: Region
    errors: Errors | None
    size: int | None

    @property
    def dims(self) -> int:
        """D, 2 or 3."""
        return int(self.layers[0].positions.shape[-1])

    @property
    def is_empty(self) -> bool:
        """Whether no keypoint is ever there."""
        return all(bool(np.isnan(layer.positions).all()) for layer in self.layers)

    @property
    def travels(self) -> bool:
        """Whether people go about so far that they are small where all of it is in view."""
        near, far = self.near, self.far
        return max(far.half_width / near.half_width, far.half_height / near.half_height) > TRAVEL_RATIO

    @property
    def follows(self) -> bool:
        """Whether the view had better go along. Images have a frame that stays."""
        return self.dims == 3 and self.travels

    @property
    def bits_per_frame(self) -> float | None:
        """8 x file bytes / (frames x people)."""
        poses = self.frames * len(self.ids)
        return None if self.size is None or not poses else 8 * self.size / poses


def build(sequence: PoseSequence, other: PoseSequence | None, title: str, size: int | None) -> Scene:
    """The scene of a recording, or of two. Raises InputError as `metrics.compare` does."""
    total = None if other is None else compare(sequence, other)
    stride = _choose_stride(sequence, 1 if other is None else 2)
    up, guessed = _find_up(sequence, other)
    layers = [_build_layer("Recording" if other is None else "Original", sequence, stride, up)]
    if other is not None:
        layers.append(_build_layer("Decoded", _match_people(other, sequence), stride, up))
    errors = _measure_errors(sequence, other, stride, total) if other is not None and total is not None else None
    points = np.concatenate([layer.positions for layer in layers], axis=1)
    (lows, highs), rate = _bound_frames(points), sequence.rate / stride
    near, far = _follow_people(lows, highs, points, rate), _enclose_all(lows, highs)
    floor = float(np.percentile(lows[:, 1], OUTLIER_PERCENT)) if len(lows := lows[~np.isnan(lows[:, 0])]) else 0.0
    return Scene(
        make_printable(title), _list_facts(sequence), _list_notes(sequence, stride, up if guessed else None), tuple(layers),
        tuple(map(make_printable, sequence.ids)),
        choose_hues(sequence.people), tuple(map(make_printable, sequence.skeleton.keypoints)),
        _tell_sides(sequence), sequence.skeleton.edges, sequence.frames, stride, _list_times(sequence)[::stride], rate,
        sequence.unit, _measure_body(layers[0].positions, near), floor, near, far, errors, size,
    )  # fmt: skip


def choose_hues(people: int) -> tuple[float, ...]:
    """One hue in degrees for each person, the first ones well apart."""
    return tuple(HUES[i] if i < len(HUES) else i * GOLDEN_ANGLE % 360 for i in range(people))


def _tell_sides(sequence: PoseSequence) -> tuple[int, ...]:
    left, right = ({pair[side] for pair in sequence.skeleton.pairs} for side in (0, 1))
    return tuple((k in right) - (k in left) for k in range(len(sequence.skeleton)))


def _choose_stride(sequence: PoseSequence, layers: int) -> int:
    numbers = layers * sequence.people * len(sequence.skeleton) * sequence.dims
    most = max(1, min(MOST_FRAMES, MOST_NUMBERS // max(numbers, 1)))
    return max(1, math.ceil(sequence.frames / most))


def _find_up(sequence: PoseSequence, other: PoseSequence | None) -> tuple[str, bool]:
    """The up axis, and whether it is a guess."""
    stated = [s.up for s in (sequence, other) if s is not None and s.up != "unknown"]
    if stated:
        return stated[0], False
    poses = sequence.positions.reshape(-1, *sequence.positions.shape[2:])
    return guess_up(poses[:: max(1, len(poses) // GUESS_POSES)].astype(np.float32), sequence.skeleton), True


def _build_layer(name: str, sequence: PoseSequence, stride: int, up: str) -> Layer:
    points = sequence.positions[::stride].astype(np.float64) @ upright(sequence.dims, up).T
    return Layer(name, points, _scale_confidence(sequence.confidence[::stride], sequence.valid[::stride]))


def _scale_confidence(confidence: NDArray[np.float32], valid: Bools) -> Floats | None:
    """Confidences in [0, 1]: over the largest one where that is above 1; None where they tell nothing apart."""
    found = confidence[valid]
    top = float(found.max(initial=0.0))
    if top <= 0 or (found == top).all():
        return None
    return np.clip(confidence.astype(np.float64) / max(top, 1.0), 0.0, 1.0)


def _match_people(other: PoseSequence, reference: PoseSequence) -> PoseSequence:
    """The other recording's people in the reference's order and unit."""
    order = [other.ids.index(i) for i in reference.ids]
    factor = UNIT_MM[other.unit] / UNIT_MM[reference.unit] if other.unit in UNIT_MM else 1.0
    positions = other.positions[:, order].astype(np.float64)
    return reference.with_positions(positions if factor == 1 else positions * factor, other.confidence[:, order])


def _measure_errors(sequence: PoseSequence, other: PoseSequence, stride: int, total: Comparison) -> Errors:
    each = error_per_keypoint(sequence, other)[::stride]
    errors = each.reshape(len(each), -1) if each.size else np.full((len(each), 1), np.nan)
    known = ~np.isnan(errors)
    count = known.sum(axis=1)
    mean = np.where(known, errors, 0.0).sum(axis=1) / np.maximum(count, 1)
    top = np.where(known, errors, 0.0).max(axis=1)
    there = ~np.isnan(each)
    number, summed = there.sum(axis=(0, 1)), np.where(there, each, 0.0)
    means, largest = summed.sum(axis=(0, 1)) / np.maximum(number, 1), summed.max(axis=(0, 1), initial=0.0)
    return Errors(
        np.where(count, mean, np.nan), np.where(count, top, np.nan), np.where(number, means, np.nan),
        np.where(number, largest, np.nan), total,
    )  # fmt: skip


def _bound_frames(points: Floats) -> tuple[Floats, Floats]:
    """(T, D) lowest and highest coordinates of each frame's (P, K, D); NaN where nothing is there."""
    valid = ~np.isnan(points)
    any_valid = valid.any(axis=(1, 2))
    low = np.where(valid, points, np.inf).min(axis=(1, 2), initial=np.inf)
    high = np.where(valid, points, -np.inf).max(axis=(1, 2), initial=-np.inf)
    return np.where(any_valid, low, np.nan), np.where(any_valid, high, np.nan)


def _follow_people(lows: Floats, highs: Floats, points: Floats, rate: float) -> Region:
    """A center that goes smoothly with the people of each frame; points (T, P, K, D) are nearly all within its reach."""
    middles = (lows + highs) / 2
    known = ~np.isnan(middles[:, 0])
    if not known.any():
        return Region(np.zeros_like(middles), 1.0, 1.0)
    at = np.arange(len(middles))
    filled = np.stack([np.interp(at, at[known], column[known]) for column in middles.T], axis=1)
    centers = _smooth(_smooth(filled, rate), rate)
    away = np.abs(points[known] - centers[known, None, None])
    flat = np.hypot(away[..., 0], away[..., 2]) if away.shape[-1] == 3 else away[..., 0]
    return Region(centers, *_balance(_find_extent(flat), _find_extent(away[..., 1])))


def _find_extent(distances: Floats) -> float:
    """Of (T, P, K), in nearly every frame."""
    return float(np.percentile(np.where(np.isnan(distances), 0.0, distances).max(axis=(1, 2)), SEEN_PERCENT))


def _enclose_all(lows: Floats, highs: Floats) -> Region:
    """A center that stays, with nearly all that ever happens around it."""
    known = ~np.isnan(lows[:, 0])
    if not known.any():
        return Region(np.zeros((1, lows.shape[1])), 1.0, 1.0)
    low = np.percentile(lows[known], OUTLIER_PERCENT, axis=0)
    high = np.percentile(highs[known], 100 - OUTLIER_PERCENT, axis=0)
    half = (high - low) / 2
    width = float(np.hypot(half[0], half[2]) if len(half) == 3 else half[0])
    return Region(((low + high) / 2)[None], *_balance(width, float(half[1])))


def _balance(width: float, height: float) -> tuple[float, float]:
    """Neither 0 nor far smaller than the other, so that one keypoint and a straight line can be looked at."""
    larger = max(width, height) or 1.0
    return max(width, larger / FLATTEST), max(height, larger / FLATTEST)


def _smooth(values: Floats, rate: float) -> Floats:
    """(T, D) running mean over a second."""
    half = min(round(rate * SMOOTHING_SECONDS / 2), len(values) - 1)
    padded = np.concatenate([np.repeat(values[:1], half + 1, 0), values, np.repeat(values[-1:], half, 0)])
    summed = np.cumsum(padded - values[0], axis=0)
    means: Floats = (summed[2 * half + 1 :] - summed[: -2 * half - 1]) / (2 * half + 1) + values[0]
    return means


def _measure_body(points: Floats, near: Region) -> float:
    """Median diagonal of a pose; where poses are points, what the view holds."""
    lows, highs = _bound_frames(points.reshape(-1, 1, *points.shape[2:]))
    sizes = np.sqrt(np.square(highs - lows).sum(axis=-1))
    sizes = sizes[sizes > 0]
    return float(np.median(sizes)) if len(sizes) else near.half_height


def _list_times(sequence: PoseSequence) -> Floats:
    if sequence.timestamps is None:
        return np.arange(sequence.frames) / sequence.rate
    return sequence.timestamps - (sequence.timestamps[0] if sequence.frames else 0.0)


def _list_facts(sequence: PoseSequence) -> tuple[str, ...]:
    people, frames = sequence.people, sequence.frames
    rate = f"{sequence.rate:.6g} fps" if sequence.fps is not None else f"timestamps, {sequence.rate:.4g} fps on average"
    unit = "" if sequence.unit == "unknown" else f", {sequence.unit}"
    return (
        f"{frames:,} frame{'s' * (frames != 1)}", f"{frames / sequence.rate:.4g} s", rate,
        f"{people} {'person' if people == 1 else 'people'}",
        f"{make_printable(sequence.skeleton.name)}, {len(sequence.skeleton)} keypoint{'s' * (len(sequence.skeleton) != 1)}",
        f"{sequence.dims}D{unit}",
    )  # fmt: skip


def _list_notes(sequence: PoseSequence, stride: int, guess: str | None) -> tuple[str, ...]:
    notes = []
    if stride > 1:
        ending = {1: "st", 2: "nd", 3: "rd"}.get(stride % 10 if stride % 100 not in (11, 12, 13) else 0, "th")
        notes.append(f"A long recording: every {stride}{ending} frame is shown.")
    if guess is not None and sequence.valid.any():
        notes.append(f"Which axis points up is not stated; {guess} is a guess.")
    if not sequence.skeleton.edges and len(sequence.skeleton) > 1:
        notes.append("The skeleton has no edges: points only.")
    return tuple(notes)
