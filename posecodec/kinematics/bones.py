"""Bones of a body: their tree, the logarithms of their directions, the body's heading and size.

Keypoints of a body are not free: a limb of constant length has two numbers, not three. Each bone is turned by the body's
heading, those of the arms and the head by the torso as well and the ears by the eyes, and written as the logarithm of its
direction about the one it has at rest (two numbers, on the tangent plane) and what its length differs from that at rest.

Left out: whole bodies as channels (`body_model`, `coders.transform.bone_basis`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.vectors import find_medians, find_normals, measure_lengths
from posecodec.typing import Bools, Floats

HEADING_UNIT = 1000.0  # Heading is in thousandths of a radian beside the millimeters of the bones
SCALE_STEPS_PER_OCTAVE = 32  # A body's size is coded in steps of 2 %, which its tables do not notice
MAX_SCALE = 1 << 11  # Magnitude that no scale reaches, in steps: 64 octaves either way
SHORTEST = 1e-9  # Lengths below this many mm count as this, so that none divides by 0
STRAIGHT = 1e-12  # Sines of an angle below this count as 0: the logarithm is linear there
NO_DIRECTION = 1e-6  # Bones shorter than this many mm give a frame no direction


@dataclass(frozen=True, eq=False, repr=False)
class RestBones:
    """What is learned of a skeleton's bones. directions: (K-1, 3) at rest. lengths: (K-1,) mm."""

    directions: Floats
    lengths: Floats

    @cached_property
    def frames(self) -> Floats:
        """(K-1, 3, 3) of each bone: rows x, y and z, z the direction at rest."""
        return np.stack([_build_frame(direction) for direction in self.directions])

    @cached_property
    def _turn(self) -> Floats:
        """(3B, 3B) what turns all bones at once, as rows, into their frames."""
        count = len(self.frames)
        whole = np.zeros((count, 3, count, 3))
        whole[np.arange(count), :, np.arange(count)] = self.frames.swapaxes(1, 2)
        return whole.reshape(3 * count, 3 * count)

    def log_map(self, bones: Floats) -> Floats:
        """(T, B, 3) bones to (T, 3B): tangent coordinates in mm at the length at rest, and the length's difference."""
        size = measure_lengths(bones)
        local = (bones.reshape(len(bones), -1) @ self._turn).reshape(bones.shape)
        local /= np.maximum(size, SHORTEST)[..., None]
        side = measure_lengths(local[..., :2])
        angle = np.arctan2(side, local[..., 2])
        factor = np.where(side > STRAIGHT, angle / np.maximum(side, STRAIGHT), 1.0) * self.lengths
        tangent = local[..., :2] * factor[..., None]
        opposite = (side <= STRAIGHT) & (local[..., 2] < 0)
        tangent[..., 0] += np.where(opposite, np.pi * self.lengths, 0.0)
        return np.concatenate([tangent, (size - self.lengths)[..., None]], axis=-1).reshape(len(bones), -1)

    def exp_map(self, values: Floats) -> Floats:
        """The mirror of `log_map`: (T, 3B) to (T, B, 3)."""
        split = values.reshape(len(values), -1, 3)
        tangent = split[..., :2] / self.lengths[:, None]
        angle = measure_lengths(tangent)
        local = np.concatenate([tangent * np.sinc(angle / np.pi)[..., None], np.cos(angle)[..., None]], axis=-1)
        bones = (local.reshape(len(values), -1) @ self._turn.T).reshape(split.shape)
        return np.asarray(bones * (split[..., 2] + self.lengths)[..., None])


def _build_frame(direction: Floats) -> Floats:
    z = direction / np.linalg.norm(direction)
    x = np.cross(z, np.eye(3)[np.argmin(np.abs(z))])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


CHEST = ("thorax", "spine3", "spine_shoulder", "spine_chest", "neck")
"""Where the torso ends, from the root, the first that a skeleton has."""
FOLLOW_TORSO = "elbow wrist hand hand_tip thumb pinky index neck head head_top upper_neck nose left_eye right_eye"
FOLLOW_HEAD = "ear eye_inner eye_outer mouth_left mouth_right"
"""Bones that are seen from others, by the last words of the keypoint at their end."""


@dataclass(frozen=True, eq=False, repr=False)
class Follow:
    """Bones that are seen from a frame of others. along, across: (B,) sums of bones that give y, and x as far as that is
    aside of it. bones: those that follow."""

    along: Floats
    across: Floats
    bones: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class BoneTree:
    """Bones of a skeleton from its root outwards.

    bones: (start, end) of each. paths: (K, K-1) which bones lead to a keypoint.
    """

    skeleton: Skeleton
    bones: tuple[tuple[int, int], ...]
    paths: Floats

    @staticmethod
    @lru_cache(maxsize=16)
    def from_skeleton(skeleton: Skeleton) -> BoneTree:
        """Breadth first from the root along the edges."""
        assert skeleton.root is not None
        found, bones = [skeleton.root], []
        for at in found:
            for a, b in skeleton.edges:
                other = b if a == at else a if b == at else at
                if other not in found:
                    found.append(other)
                    bones.append((at, other))
        paths = np.zeros((len(skeleton), len(bones)))
        for i, (start, end) in enumerate(bones):
            paths[end] = paths[start]
            paths[end, i] = 1.0
        return BoneTree(skeleton, tuple(bones), paths)

    @cached_property
    def centered(self) -> Floats:
        """(K, K-1) what leads to a keypoint from the centroid."""
        return np.asarray(self.paths - self.paths.mean(axis=0))

    @cached_property
    def _follows(self) -> list[Follow]:
        """Those of the torso, and then those of the head where there are eyes."""
        names, paths = self.skeleton.keypoints, self.paths
        chest = next(name for name in CHEST if name in names)
        torso = paths[names.index(chest)]
        shoulders = self._find_path("left_shoulder") - self._find_path("right_shoulder")
        bearing = (torso > 0) | (self._find_path("left_shoulder") > 0) | (self._find_path("right_shoulder") > 0)
        follows = [Follow(torso, shoulders, self._find_ends(FOLLOW_TORSO, ~bearing))]
        if "left_eye" in names and "right_eye" in names and "nose" in names:
            left, right = (self._find_path(f"{side}_eye") - self._find_path("nose") for side in ("left", "right"))
            follows.append(Follow(left + right, left - right, self._find_ends(FOLLOW_HEAD, ~bearing)))
        return follows

    def _find_path(self, name: str) -> Floats:
        """(B,) which bones lead to a keypoint."""
        return np.asarray(self.paths[self.skeleton.keypoints.index(name)])

    def _find_ends(self, words: str, allowed: Bools) -> tuple[int, ...]:
        """Allowed bones that end in keypoints of these last words."""
        endings = tuple(words.split())
        names = [self.skeleton.keypoints[end] for _, end in self.bones]
        known = (name.removeprefix("left_").removeprefix("right_") in endings or name in endings for name in names)
        return tuple(i for i, follows in enumerate(known) if follows and allowed[i])

    def measure_bones(self, points: Floats) -> Floats:
        """(..., B, 3) of keypoints (..., K, 3)."""
        starts, ends = np.array(self.bones).T
        return np.asarray(points[..., ends, :] - points[..., starts, :])

    def to_local(self, bones: Floats) -> Floats:
        """Bones (T, B, 3), turned by the heading, as seen from those that they follow."""
        local: Floats = bones.copy()
        for follow in self._follows:
            local[:, follow.bones] = bones[:, follow.bones] @ _build_frames_of(bones, follow).swapaxes(1, 2)
        return local

    def to_world(self, local: Floats) -> Floats:
        """The mirror of `to_local`: whom others follow comes first."""
        bones: Floats = local.copy()
        for follow in self._follows:
            bones[:, follow.bones] = local[:, follow.bones] @ _build_frames_of(bones, follow)
        return bones


def _build_frames_of(bones: Floats, follow: Follow) -> Floats:
    """(T, 3, 3) frames that bones follow."""
    return build_frames(_sum_bones(bones, follow.along), _sum_bones(bones, follow.across))


def _sum_bones(bones: Floats, signs: Floats) -> Floats:
    """(T, 3) sum of the bones (T, B, 3) that have a sign, one after the other."""
    total = np.zeros((len(bones), 3))
    for i in np.flatnonzero(signs):
        total += signs[i] * bones[:, i]
    return total


def build_frames(along: Floats, across: Floats) -> Floats:
    """(T, 3, 3) orthonormal frames, rows x, y, z: y along a bone (T, 3), x across (T, 3) as far as that is aside of y.

    Where either has no direction, an axis takes its place, so that a frame always turns back what it turned.
    """
    y = _normalize(along, np.array([0.0, 1.0, 0.0]))
    aside = across - (across * y).sum(axis=1, keepdims=True) * y
    other = np.eye(3)[np.abs(y).argmin(axis=1)]
    other -= (other * y).sum(axis=1, keepdims=True) * y
    x = _normalize(aside, _normalize(other, other))
    return np.stack([x, y, find_normals(x, y)], axis=1)


def _normalize(vectors: Floats, instead: Floats) -> Floats:
    size = measure_lengths(vectors)[:, None]
    return np.where(size > NO_DIRECTION, vectors / np.maximum(size, NO_DIRECTION), instead)


def measure_heading(points: Floats, skeleton: Skeleton) -> Floats:
    """(T,) direction of the left side in the xz plane, from hips and shoulders together, in radians."""
    names = skeleton.keypoints
    left, right = ([names.index(f"{side}_{part}") for part in ("hip", "shoulder")] for side in ("left", "right"))
    across = (points[:, left] - points[:, right]).sum(axis=1)
    return np.asarray(np.arctan2(across[:, 2], across[:, 0]))


def follow_heading(points: Floats, skeleton: Skeleton) -> Floats:
    """The same for frames that follow each other, without jumps of a turn."""
    return np.unwrap(measure_heading(points, skeleton))


def measure_scale(points: Floats, usual: Floats, tree: BoneTree) -> int | None:
    """Steps of size that make the bones of (T, K, D) as long as usual (B,), together; None where none is seen."""
    length = measure_lengths(tree.measure_bones(points))
    seen = ~np.isnan(length).all(axis=0)
    if not seen.any():
        return None
    ratio = usual[seen].sum() / max(float(find_medians(length[:, seen], 0).sum()), 1e-300)
    steps = int(np.clip(np.rint(SCALE_STEPS_PER_OCTAVE * np.log2(ratio)), -MAX_SCALE, MAX_SCALE))
    return steps if abs(steps) < MAX_SCALE else None


def scale_of_steps(steps: int) -> float:
    """The factor of so many steps of size."""
    return float(2.0 ** (steps / SCALE_STEPS_PER_OCTAVE))


def steady_bones(points: Floats, tree: BoneTree, share: float) -> Floats:
    """(T, K, 3) whose bones come nearer to their median lengths, by a share of what they differ, from the root outwards."""
    steady: Floats = points.copy()
    for start, end in tree.bones:
        bone = points[:, end] - points[:, start]
        length = np.maximum(np.linalg.norm(bone, axis=1), SHORTEST)
        steady[:, end] = steady[:, start] + bone * (1 + share * (np.median(length) / length - 1))[:, None]
    return steady
