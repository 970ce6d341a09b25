"""A body as directions and lengths of its bones: the trained basis for skeletons whose limbs keep their length.

Keypoints of a body are not free: a limb of constant length has two numbers, not three. Each bone is turned by the body's
heading, those of the arms and the head by the torso as well and the ears by the eyes, and written as the logarithm of its
direction about the bone's usual one (two numbers, on the tangent plane) and what its length differs from the usual;
heading and centroid join them. A learned matrix weights all of it by what it does
to the keypoints, on average, and decorrelates it, so that an error of 1 in one channel is about 1 / sqrt(K) mm a keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

HEADING_UNIT = 1000.0
"""Heading is in thousandths of a radian beside the millimeters of the bones."""
HEADING_STEPS = 256


@dataclass(frozen=True, eq=False)
class PolarTables:
    """What is learned. usual: (K-1, 3) the usual direction of each bone. lengths: (K-1,) mm.

    mean: (C,), matrix: (C, C) with C = 3K + 1: channels = (bone logs, heading, centroid) @ matrix - mean.
    """

    usual: Floats
    lengths: Floats
    mean: Floats
    matrix: Floats

    @cached_property
    def frames(self) -> Floats:
        """(K-1, 3, 3) of each bone: rows x, y and z, z the usual direction."""
        return np.stack([_frame(direction) for direction in self.usual])

    @cached_property
    def inverse(self) -> Floats:
        """The inverse of the matrix."""
        return np.asarray(np.linalg.inv(self.matrix))


def _frame(direction: Floats) -> Floats:
    z = direction / np.linalg.norm(direction)
    x = np.cross(z, np.eye(3)[np.argmin(np.abs(z))])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


@dataclass(frozen=True)
class Tree:
    """Bones of a skeleton from its root outwards: (start, end) of each, and (K, K-1) which bones lead to a keypoint."""

    bones: tuple[tuple[int, int], ...]
    paths: Floats

    @cached_property
    def centered(self) -> Floats:
        """(K, K-1) what leads to a keypoint from the centroid."""
        return self.paths - self.paths.mean(axis=0)

    @staticmethod
    def of(skeleton: Skeleton) -> Tree:
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
        return Tree(tuple(bones), paths)


def turned(vectors: Floats, angle: Floats) -> Floats:
    """(T, N, 3) turned about y by an angle (T,) in radians, from x towards -z."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def heading(points: Floats, skeleton: Skeleton) -> Floats:
    """(T,) direction of the left side in the xz plane, from hips and shoulders, without jumps of a turn."""
    names = skeleton.keypoints
    left, right = ([names.index(f"{side}_{part}") for part in ("hip", "shoulder")] for side in ("left", "right"))
    across = (points[:, left] - points[:, right]).sum(axis=1)
    return np.unwrap(np.arctan2(across[:, 2], across[:, 0]))


def logs(vectors: Floats, frames: Floats, lengths: Floats) -> Floats:
    """(T, B, 3) bones to (T, 3B): tangent coordinates in mm at the usual length, and the length's difference."""
    size = np.linalg.norm(vectors, axis=-1)
    local = np.einsum("bij,tbj->tbi", frames, vectors) / np.maximum(size, 1e-9)[..., None]
    side = np.linalg.norm(local[..., :2], axis=-1)
    angle = np.arctan2(side, local[..., 2])
    factor = np.where(side > 1e-12, angle / np.maximum(side, 1e-12), 1.0) * lengths
    tangent = local[..., :2] * factor[..., None]
    tangent[..., 0] += np.where((side <= 1e-12) & (local[..., 2] < 0), np.pi * lengths, 0.0)
    return np.concatenate([tangent, (size - lengths)[..., None]], axis=-1).reshape(len(vectors), -1)


def bones_of(values: Floats, frames: Floats, lengths: Floats) -> Floats:
    """The mirror of `logs`: (T, 3B) to (T, B, 3)."""
    split = values.reshape(len(values), -1, 3)
    tangent = split[..., :2] / lengths[:, None]
    angle = np.linalg.norm(tangent, axis=-1)
    local = np.concatenate([tangent * np.sinc(angle / np.pi)[..., None], np.cos(angle)[..., None]], axis=-1)
    return np.einsum("bij,tbi->tbj", frames, local) * (split[..., 2] + lengths)[..., None]


FOLLOWS = (
    ("neck", "left_shoulder", "right_shoulder", "elbow wrist nose left_eye right_eye"),
    ("left_eye", "left_eye", "right_eye", "ear"),
)
"""Bones, by the keypoint at their end, and what follows them: along, from, to, and the names of the followers."""


def body_frames(along: Floats, across: Floats) -> Floats:
    """(T, 3, 3) orthonormal frames, rows x, y, z: y along a bone (T, 3), x across (T, 3) as far as that is aside of y.

    Where either has no direction, an axis takes its place, so that a frame always turns back what it turned.
    """
    y = _unit(along, np.array([0.0, 1.0, 0.0]))
    aside = across - (across * y).sum(axis=1, keepdims=True) * y
    other = np.eye(3)[np.abs(y).argmin(axis=1)]
    other -= (other * y).sum(axis=1, keepdims=True) * y
    x = _unit(aside, _unit(other, other))
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _unit(vectors: Floats, instead: Floats) -> Floats:
    size = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(size > 1e-6, vectors / np.maximum(size, 1e-6), instead)


def _followers(tree: Tree, skeleton: Skeleton) -> list[tuple[int, int, int, list[int]]]:
    ends = [skeleton.keypoints[end] for _, end in tree.bones]
    return [
        (
            ends.index(a),
            ends.index(b),
            ends.index(c),
            [i for i, n in enumerate(ends) if n.endswith(tuple(names.split()))],
        )
        for a, b, c, names in FOLLOWS
    ]


def local_bones(bones: Floats, tree: Tree, skeleton: Skeleton) -> Floats:
    """Bones (T, B, 3), turned by the heading, as seen from those that they follow."""
    local = bones.copy()
    for along, left, right, after in _followers(tree, skeleton):
        frames = body_frames(_middle(bones, along, left, right), bones[:, left] - bones[:, right])
        local[:, after] = bones[:, after] @ frames.swapaxes(1, 2)
    return local


def world_bones(local: Floats, tree: Tree, skeleton: Skeleton) -> Floats:
    """The mirror of `local_bones`: whom others follow comes first."""
    bones = local.copy()
    for along, left, right, after in _followers(tree, skeleton):
        frames = body_frames(_middle(bones, along, left, right), bones[:, left] - bones[:, right])
        bones[:, after] = local[:, after] @ frames
    return bones


def _middle(bones: Floats, along: int, left: int, right: int) -> Floats:
    """The bone along, or the mean of left and right where it is one of them."""
    return bones[:, left] + bones[:, right] if along == left else bones[:, along]


@dataclass(frozen=True, eq=False)
class Polar:
    """The basis for one stretch of one person, y up, at the usual size.

    turn: heading taken off, in 256ths of a turn. origin: (3,) where the centroid starts.
    """

    tables: PolarTables
    skeleton: Skeleton
    tree: Tree
    turn: int
    origin: Floats

    def forward(self, points: Floats) -> Floats:
        """(T, K, 3) mm without gaps to channels (T, 3K + 1)."""
        angle = heading(points, self.skeleton)
        ends = np.array(self.tree.bones)
        bones = local_bones(turned(points[:, ends[:, 1]] - points[:, ends[:, 0]], angle), self.tree, self.skeleton)
        rest = angle - self.turn * 2 * np.pi / HEADING_STEPS
        rest -= 2 * np.pi * np.rint(rest[0] / (2 * np.pi))
        place = (points.mean(axis=1) - self.origin) * np.sqrt(len(self.skeleton))
        values = np.concatenate(
            [logs(bones, self.tables.frames, self.tables.lengths), HEADING_UNIT * rest[:, None], place], axis=1
        )
        return values @ self.tables.matrix - self.tables.mean

    def inverse(self, channels: Floats) -> Floats:
        """The mirror of `forward`: (T, K, 3)."""
        values = (channels + self.tables.mean) @ self.tables.inverse
        local = bones_of(values[:, :-4], self.tables.frames, self.tables.lengths)
        bones = world_bones(local, self.tree, self.skeleton)
        angle = values[:, -4] / HEADING_UNIT + self.turn * 2 * np.pi / HEADING_STEPS
        body = self.tree.centered @ turned(bones, -angle)
        return body + (values[:, None, -3:] / np.sqrt(len(self.skeleton)) + self.origin)
