"""What motion is like, as numbers: kinetic and geometric features of stretches, and how far two sets of them are apart.

Points are (T, 19, 3) of one person, coco19, gapless, mm, y up. Features do not tell where a recording is or which way it
faces. They judge whether motion as a whole is like other motion (FID_k and FID_g of Li et al. 2021, AIST++), not frame by
frame: that is `motion_quality`. Distances depend on the data and the number of stretches: compare them within one table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posecodec.analysis.motion_quality import Points
from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Bools, Floats

STRETCH, STRIDE = 64, 32  # Frames of a stretch, and from the start of one to the next: two seconds at 30 fps, half new
SMALLEST_SPREAD = 1 / STRETCH  # Standard deviations below this count as this: one frame of a stretch, (0.125 m/s)^2
RIDGE = 1e-6  # Added to the variance of normalized features: few samples leave some directions without any
SHORTEST = 1e-9  # mm; shorter vectors have no direction
_MM = 1e-3  # m
_HUMERI = ("left_shoulder", "left_elbow"), ("right_shoulder", "right_elbow")


def list_stretches(points: Points) -> list[Points]:
    """STRETCH frames every STRIDE of points (T, K, 3); none where T is less, and what is left at the end is left out."""
    return [points[start : start + STRETCH] for start in range(0, len(points) - STRETCH + 1, STRIDE)]


def measure_kinetics(points: Points, fps: float) -> Floats:
    """(3K,) of a stretch (T, K, 3), T > 2: horizontal energies, vertical ones (m^2/s^2), and accelerations (m/s^2).

    Means over time of v_x^2 + v_z^2, v_y^2 and |a| of each keypoint, mass left out (Onuma, Faloutsos & Hodgins 2008, as
    in fairmotion and AIST++; these average over five frames at 60 fps first, which is left out so that jitter counts).
    Raises InputError below 3 frames.
    """
    if len(points) < 3:
        raise InputError(f"{len(points)} frames have no acceleration; give at least 3")
    velocity = np.diff(points.astype(np.float64), axis=0) * fps * _MM
    acceleration = np.linalg.norm(np.diff(velocity, axis=0) * fps, axis=-1)
    horizontal, vertical = np.square(velocity[..., [0, 2]]).sum(axis=-1), np.square(velocity[..., 1])
    return np.concatenate([x.mean(axis=0) for x in (horizontal, vertical, acceleration)])


def measure_geometry(points: Points, fps: float) -> Floats:
    """(R,) shares of the frames of a stretch (T, 19, 3), T > 1, in which each of RELATIONS holds.

    Raises InputError for other shapes.
    """
    if points.shape[1:] != (len(COCO19), 3) or len(points) < 2:
        raise InputError(f"points are {points.shape}; give (T, {len(COCO19)}, 3), at least 2 frames")
    body = _Body(points.astype(np.float64), fps)
    return np.array([relation.test(body).mean() for relation in RELATIONS])


def frechet_distance(reference: Floats, other: Floats) -> float:
    """Between the normal distributions fitted to feature vectors (N, F) and (M, F); 0 or more.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson & Landau 1982; Heusel et al. 2017), of features less the reference's
    mean over its standard deviation (AIST++), which is at least SMALLEST_SPREAD. With no more samples than features the
    covariances are singular: RIDGE keeps the root sound, but sets drawn from the same motion then are far from 0.
    Raises InputError where a set has fewer than 2 vectors or the sets have different features.
    """
    if min(len(reference), len(other)) < 2 or reference.shape[1:] != other.shape[1:]:
        raise InputError(f"features are {reference.shape} and {other.shape}; give two or more of the same of each set")
    spread = np.maximum(reference.std(axis=0), SMALLEST_SPREAD)
    first, second = ((x - reference.mean(axis=0)) / spread for x in (reference, other))
    away = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    c1, c2 = (np.atleast_2d(np.cov(x, rowvar=False)) + RIDGE * np.eye(x.shape[1]) for x in (first, second))
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    return max(float(away + np.trace(c1) + np.trace(c2) - 2 * shared), 0.0)


@dataclass(frozen=True, eq=False)
class _Body:
    """A stretch (T, 19, 3) in mm and its own measures: humeri are its unit of length."""

    points: Floats
    fps: float

    @cached_property
    def humerus(self) -> float:
        """mm, mean of both sides."""
        lengths = [np.linalg.norm(self.find(a) - self.find(b), axis=-1) for a, b in _HUMERI]
        return max(float(np.mean(lengths)), SHORTEST)

    @cached_property
    def axes(self) -> dict[str, Floats]:
        """(T, 3) unit vectors: up in the world; of the body along the trunk, to its left and to its front."""
        trunk = self.find("neck") - self.find("mid_hip")
        hips, shoulders = (self.find(f"left_{part}") - self.find(f"right_{part}") for part in ("hip", "shoulder"))
        left = hips + shoulders
        front = np.cross(left, trunk)
        up = np.broadcast_to([0.0, 1.0, 0.0], trunk.shape)
        return {"up": up, "trunk": _normalize(trunk), "left": _normalize(left), "front": _normalize(front)}

    def find(self, name: str) -> Floats:
        """(T, 3) of a keypoint; "floor" stands for a point as high as the stretch's lowest ankle."""
        if name == "floor":
            low = min(self.find(f"{side}_ankle")[:, 1].min() for side in ("left", "right"))
            return np.broadcast_to([0.0, low, 0.0], (len(self.points), 3))
        return self.points[:, COCO19.keypoints.index(name)]


def _normalize(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), SHORTEST))


def _measure_place(body: _Body, keypoint: str, origin: str, axis: str) -> Floats:
    """(T,) humeri of a keypoint from another along an axis."""
    return np.asarray(((body.find(keypoint) - body.find(origin)) * body.axes[axis]).sum(axis=-1) / body.humerus)


def _measure_motion(body: _Body, keypoint: str, origin: str, axis: str) -> Floats:
    """(T-1,) humeri a second along an axis of a keypoint as seen from another, to the next frame."""
    away = np.diff(body.find(keypoint) - body.find(origin), axis=0)
    return np.asarray((away * body.axes[axis][:-1]).sum(axis=-1) * body.fps / body.humerus)


def _measure_growth(body: _Body, keypoint: str, origin: str) -> Floats:
    """(T-1,) humeri a second that two keypoints move away from each other."""
    distance = np.linalg.norm(body.find(keypoint) - body.find(origin), axis=-1)
    return np.asarray(np.diff(distance) * body.fps / body.humerus)


def _measure_speed(body: _Body, keypoint: str) -> Floats:
    """(T-1,) humeri a second."""
    return np.asarray(np.linalg.norm(np.diff(body.find(keypoint), axis=0), axis=-1) * body.fps / body.humerus)


def _measure_angle(body: _Body, first: str, second: str) -> Floats:
    """(T,) degrees between vectors, each `from>to` or an axis."""
    pair = [
        _normalize(np.subtract(*map(body.find, name.split(">")[::-1]))) if ">" in name else body.axes[name]
        for name in (first, second)
    ]
    return np.asarray(np.degrees(np.arccos(np.clip((pair[0] * pair[1]).sum(axis=-1), -1, 1))))


_MEASURES: dict[str, Callable[..., Floats]] = {
    "place": _measure_place,
    "motion": _measure_motion,
    "growth": _measure_growth,
    "speed": _measure_speed,
    "angle": _measure_angle,
}


@dataclass(frozen=True)
class Relation:
    """A thing a pose does or does not: a measure, `_MEASURES`' name and what it takes, is above `low`, at most `high`."""

    name: str
    measure: str
    low: float
    high: float

    def test(self, body: _Body) -> Bools:
        """(T,) or (T-1,) whether it holds."""
        kind, *arguments = self.measure.split()
        value = _MEASURES[kind](body, *arguments)
        return (value > self.low) & (value <= self.high)


ANY = float("inf")
_OF_A_SIDE = (
    ("hand in front of the body plane", "place *_wrist neck front", 0.3, ANY),
    ("hand moves forward", "motion *_wrist neck front", 1.8, ANY),
    ("hand above the neck", "place *_wrist neck trunk", 0.2, ANY),
    ("hand moves up", "motion *_wrist neck trunk", 1.8, ANY),
    ("hand lowered", "place *_wrist floor up", -ANY, 1.2),
    ("hand moves away from the hips", "growth *_wrist mid_hip", 1.4, ANY),
    ("hand fast", "speed *_wrist", 2.5, ANY),
    ("elbow bent", "angle *_elbow>*_shoulder *_elbow>*_wrist", -ANY, 110),
    ("upper arm off the trunk", "angle neck>mid_hip *_shoulder>*_elbow", 25, ANY),
    ("foot in front of the other", "place *_ankle -_ankle front", 0.38, ANY),
    ("foot raised", "place *_ankle floor up", 1.2, ANY),
    ("foot fast", "speed *_ankle", 2.5, ANY),
    ("knee bent", "angle *_knee>*_hip *_knee>*_ankle", -ANY, 110),
    ("thigh lifted", "angle neck>mid_hip *_hip>*_knee", 50, ANY),
)
_OF_BOTH = (
    ("hands far apart", "place left_wrist right_wrist left", 3.0, ANY),
    ("hands approach", "growth left_wrist right_wrist", -ANY, -1.4),
    ("feet far apart", "place left_ankle right_ankle left", 1.3, ANY),
    ("trunk level", "angle trunk up", 70, 110),
    ("body fast", "speed mid_hip", 2.3, ANY),
)


def _list_relations() -> Sequence[Relation]:
    found = [Relation(*row) for row in _OF_BOTH]
    for side, other in (("left", "right"), ("right", "left")):
        for name, measure, low, high in _OF_A_SIDE:
            found.append(Relation(f"{side} {name}", measure.replace("*", side).replace("-", other), low, high))
    return tuple(found)


RELATIONS = _list_relations()
"""Those of Mueller, Roeder & Clausen 2005 that 19 keypoints without toes and spine can tell, thresholds from there but
for widths of shoulders and hips, here in humeri, and planes through toes or ankles, here the body's own axes."""
