"""What there is to see of one recording, or of two laid over each other: upright positions, times, places, errors.

Positions are turned so that y is up (2D: down, as in images) and are in the first recording's unit. Long recordings are
thinned to every n-th frame, which `notes` says; errors are measured before that. It does not draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import Comparison, compare, error_per_keypoint
from posecodec.pose.orientation import guess_up, upright
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.typing import Bools, Floats

MOST_FRAMES = 20_000
MOST_NUMBERS = 12_000_000
"""Coordinates of all layers together."""
HUES = (212, 22, 150, 284, 345, 48, 184, 318)
"""Of the first people, in degrees."""
GOLDEN_ANGLE = 137.508
SMOOTHING_SECONDS = 1.0
TRAVELS = 1.6
"""People who use a place this much wider than they are travel."""


@dataclass(frozen=True, eq=False)
class Layer:
    """positions: (T, P, K, D) float64, NaN where missing. opacity: (T, P, K) in [0, 1], None where all is opaque."""

    name: str
    positions: Floats
    opacity: Floats | None


@dataclass(frozen=True, eq=False)
class Errors:
    """mean, max: (T,) over each shown frame's keypoints, NaN where none is compared. total: over all frames."""

    mean: Floats
    max: Floats
    total: Comparison


@dataclass(frozen=True, eq=False)
class Place:
    """Where to look: centers (T, D), or (1, D) for all frames; what is within `across` and `along` of it, flat and up."""

    centers: Floats
    across: float
    along: float


@dataclass(frozen=True, eq=False)
class Scene:
    """All that a page or a picture shows.

    facts: short texts about the recording. notes: what was guessed or left out. stride: shown are frames 0, stride, ...
    of `frames`. times: (T,) seconds of the shown frames, from 0. rate: their number per second, on average. body: median
    diagonal of a pose. floor: height of the ground in 3D. near, far: places that follow people and that hold them all.
    """

    title: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    layers: tuple[Layer, ...]
    ids: tuple[str, ...]
    hues: tuple[float, ...]
    edges: tuple[tuple[int, int], ...]
    frames: int
    stride: int
    times: Floats
    rate: float
    unit: str
    body: float
    floor: float
    near: Place
    far: Place
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
        return max(self.far.across / self.near.across, self.far.along / self.near.along) > TRAVELS

    @property
    def follows(self) -> bool:
        """Whether the view had better go along. Images have a place that stays."""
        return self.dims == 3 and self.travels

    @property
    def bits_per_frame(self) -> float | None:
        """8 x file bytes / (frames x people)."""
        poses = self.frames * len(self.ids)
        return None if self.size is None or not poses else 8 * self.size / poses


def build(sequence: PoseSequence, other: PoseSequence | None, title: str, size: int | None) -> Scene:
    """The scene of a recording, or of two. Raises InputError as `metrics.compare` does."""
    total = None if other is None else compare(sequence, other)
    stride = _stride(sequence, 1 if other is None else 2)
    up, guessed = _up(sequence, other)
    layers = [_layer("Original" if other else "Recording", sequence, stride, up)]
    if other is not None:
        layers.append(_layer("Decoded", _matched(other, sequence), stride, up))
    errors = _errors(sequence, other, stride, total) if other is not None and total is not None else None
    points = np.concatenate([layer.positions for layer in layers], axis=1)
    (lows, highs), rate = _boxes(points), sequence.rate / stride
    near, far = _near(lows, highs, points, rate), _far(lows, highs)
    floor = float(np.percentile(lows[:, 1], 1)) if len(lows := lows[~np.isnan(lows[:, 0])]) else 0.0
    return Scene(
        title, _facts(sequence), _notes(sequence, stride, up if guessed else None), tuple(layers), sequence.ids,
        hues(sequence.people), sequence.skeleton.edges, sequence.frames, stride, _times(sequence)[::stride], rate,
        sequence.unit, _body(layers[0].positions, near), floor, near, far, errors, size,
    )  # fmt: skip


def hues(people: int) -> tuple[float, ...]:
    """One hue in degrees for each person, the first ones well apart."""
    return tuple(HUES[i] if i < len(HUES) else i * GOLDEN_ANGLE % 360 for i in range(people))


def _stride(sequence: PoseSequence, layers: int) -> int:
    numbers = layers * sequence.people * len(sequence.skeleton) * sequence.dims
    most = max(1, min(MOST_FRAMES, MOST_NUMBERS // max(numbers, 1)))
    return max(1, math.ceil(sequence.frames / most))


def _up(sequence: PoseSequence, other: PoseSequence | None) -> tuple[str, bool]:
    """The up axis, and whether it is a guess."""
    stated = [s.up for s in (sequence, other) if s is not None and s.up != "unknown"]
    if stated:
        return stated[0], False
    poses = sequence.positions.reshape(-1, *sequence.positions.shape[2:])
    return guess_up(poses[:: max(1, len(poses) // 10_000)].astype(np.float32), sequence.skeleton), True


def _layer(name: str, sequence: PoseSequence, stride: int, up: str) -> Layer:
    points = sequence.positions[::stride].astype(np.float64) @ upright(sequence.dims, up).T
    return Layer(name, points, _opacity(sequence.confidence[::stride], sequence.valid[::stride]))


def _opacity(confidence: NDArray[np.float32], valid: Bools) -> Floats | None:
    """Confidences in [0, 1]: over the largest one where that is above 1; None where they tell nothing apart."""
    found = confidence[valid]
    top = float(found.max(initial=0.0))
    if top <= 0 or (found == top).all():
        return None
    return np.clip(confidence.astype(np.float64) / max(top, 1.0), 0.0, 1.0)


def _matched(other: PoseSequence, reference: PoseSequence) -> PoseSequence:
    """The other recording's people in the reference's order and unit."""
    order = [other.ids.index(i) for i in reference.ids]
    factor = UNIT_MM[other.unit] / UNIT_MM[reference.unit] if other.unit in UNIT_MM else 1.0
    positions = other.positions[:, order].astype(np.float64)
    return reference.with_positions(positions if factor == 1 else positions * factor, other.confidence[:, order])


def _errors(sequence: PoseSequence, other: PoseSequence, stride: int, total: Comparison) -> Errors:
    errors = error_per_keypoint(sequence, other)[::stride]
    errors = errors.reshape(len(errors), -1) if errors.size else np.full((len(errors), 1), np.nan)
    known = ~np.isnan(errors)
    count = known.sum(axis=1)
    mean = np.where(known, errors, 0.0).sum(axis=1) / np.maximum(count, 1)
    top = np.where(known, errors, 0.0).max(axis=1)
    return Errors(np.where(count, mean, np.nan), np.where(count, top, np.nan), total)


def _boxes(points: Floats) -> tuple[Floats, Floats]:
    """(T, D) lowest and highest coordinates of each frame's (P, K, D); NaN where nothing is there."""
    valid = ~np.isnan(points)
    any_valid = valid.any(axis=(1, 2))
    low = np.where(valid, points, np.inf).min(axis=(1, 2), initial=np.inf)
    high = np.where(valid, points, -np.inf).max(axis=(1, 2), initial=-np.inf)
    return np.where(any_valid, low, np.nan), np.where(any_valid, high, np.nan)


def _near(lows: Floats, highs: Floats, points: Floats, rate: float) -> Place:
    """A center that goes smoothly with the people of each frame; points (T, P, K, D) are nearly all within its reach."""
    middles = (lows + highs) / 2
    known = ~np.isnan(middles[:, 0])
    if not known.any():
        return Place(np.zeros_like(middles), 1.0, 1.0)
    at = np.arange(len(middles))
    filled = np.stack([np.interp(at, at[known], column[known]) for column in middles.T], axis=1)
    centers = _smoothed(_smoothed(filled, rate), rate)
    away = np.abs(points[known] - centers[known, None, None])
    flat = np.hypot(away[..., 0], away[..., 2]) if away.shape[-1] == 3 else away[..., 0]
    return Place(centers, *_reach(_largest(flat), _largest(away[..., 1])))


def _largest(distances: Floats) -> float:
    """Of (T, P, K), in nearly every frame."""
    return float(np.percentile(np.where(np.isnan(distances), 0.0, distances).max(axis=(1, 2)), 98))


def _far(lows: Floats, highs: Floats) -> Place:
    """A center that stays, with nearly all that ever happens around it."""
    known = ~np.isnan(lows[:, 0])
    if not known.any():
        return Place(np.zeros((1, lows.shape[1])), 1.0, 1.0)
    low, high = np.percentile(lows[known], 1, axis=0), np.percentile(highs[known], 99, axis=0)
    half = (high - low) / 2
    across = float(np.hypot(half[0], half[2]) if len(half) == 3 else half[0])
    return Place(((low + high) / 2)[None], *_reach(across, float(half[1])))


def _reach(across: float, along: float) -> tuple[float, float]:
    """Neither 0 nor far smaller than the other, so that one keypoint and a straight line can be looked at."""
    larger = max(across, along) or 1.0
    return max(across, larger / 4), max(along, larger / 4)


def _smoothed(values: Floats, rate: float) -> Floats:
    """(T, D) running mean over a second."""
    half = min(round(rate * SMOOTHING_SECONDS / 2), len(values) - 1)
    padded = np.concatenate([np.repeat(values[:1], half + 1, 0), values, np.repeat(values[-1:], half, 0)])
    summed = np.cumsum(padded - values[0], axis=0)
    return (summed[2 * half + 1 :] - summed[: -2 * half - 1]) / (2 * half + 1) + values[0]


def _body(points: Floats, near: Place) -> float:
    """Median diagonal of a pose; where poses are points, what the view holds."""
    lows, highs = _boxes(points.reshape(-1, 1, *points.shape[2:]))
    sizes = np.sqrt(np.square(highs - lows).sum(axis=-1))
    sizes = sizes[sizes > 0]
    return float(np.median(sizes)) if len(sizes) else near.along


def _times(sequence: PoseSequence) -> Floats:
    if sequence.timestamps is None:
        return np.arange(sequence.frames) / sequence.rate
    return sequence.timestamps - (sequence.timestamps[0] if sequence.frames else 0.0)


def _facts(sequence: PoseSequence) -> tuple[str, ...]:
    people, frames = sequence.people, sequence.frames
    rate = f"{sequence.rate:.6g} fps" if sequence.fps is not None else f"timestamps, {sequence.rate:.4g} fps on average"
    unit = "" if sequence.unit == "unknown" else f", {sequence.unit}"
    return (
        f"{frames:,} frame{'s' * (frames != 1)}",
        f"{frames / sequence.rate:.4g} s",
        rate,
        f"{people} {'person' if people == 1 else 'people'}",
        f"{sequence.skeleton.name}, {len(sequence.skeleton)} keypoint{'s' * (len(sequence.skeleton) != 1)}",
        f"{sequence.dims}D{unit}",
    )


def _notes(sequence: PoseSequence, stride: int, guess: str | None) -> tuple[str, ...]:
    notes = []
    if stride > 1:
        ending = {1: "st", 2: "nd", 3: "rd"}.get(stride % 10 if stride % 100 not in (11, 12, 13) else 0, "th")
        notes.append(f"A long recording: every {stride}{ending} frame is shown.")
    if guess is not None and sequence.valid.any():
        notes.append(f"Which axis points up is not stated; {guess} is a guess.")
    if not sequence.skeleton.edges and len(sequence.skeleton) > 1:
        notes.append("The skeleton has no edges: points only.")
    return tuple(notes)
