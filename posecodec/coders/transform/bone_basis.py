"""A body as bones, heading and centroid: the trained basis for skeletons whose limbs keep their length.

`kinematics.bones` writes each bone as the logarithm of its direction and its length; heading and centroid join them. A
learned matrix weights all of it by what it does to the keypoints, on average, and decorrelates it, so that an error of 1 in
one channel is about 1 / sqrt(K) mm a keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posecodec.coders.transform.coefficient_model import BINS
from posecodec.kinematics.bones import HEADING_UNIT, BoneTree, RestBones, follow_heading
from posecodec.pose.orientation import rotate_about_y
from posecodec.typing import Bools, Floats, Ints

HEADING_STEPS = 256  # Of a turn, that the first heading is rounded to: 1.4 degrees, of which channels tell the rest
TRAINED_RATE = 30.0  # Frames per second that the prior of the channels was counted at


@dataclass(frozen=True, eq=False, repr=False)
class ChannelTables:
    """What turns coordinates of a body into channels: values @ matrix (C, C) - mean (C,). The centroid's x and z, or x and y,
    are the last two."""

    mean: Floats
    matrix: Floats

    @cached_property
    def inverse(self) -> Floats:
        """The inverse of the matrix."""
        return np.asarray(np.linalg.inv(self.matrix))

    @property
    def pinned(self) -> Bools:
        """(C,) channels that begin at zero: the last two."""
        return np.arange(len(self.mean)) >= len(self.mean) - 2


@dataclass(frozen=True, eq=False, repr=False)
class BoneTables(ChannelTables):
    """What is learned of a body in 3D: the values are bone logs, heading and centroid, C = 3K + 1."""

    rest: RestBones


@dataclass(frozen=True, eq=False, repr=False)
class BoneBasis:
    """The basis for one stretch of one person, y up, at the usual size.

    heading: taken off, in 256ths of a turn. origin: (3,) where the centroid starts.
    """

    tables: BoneTables
    tree: BoneTree
    heading: int
    origin: Floats

    def forward(self, points: Floats) -> Floats:
        """(T, K, 3) mm without gaps to channels (T, 3K + 1)."""
        angle = follow_heading(points, self.tree.skeleton)
        bones = self.tree.to_local(rotate_about_y(self.tree.measure_bones(points), angle))
        rest = angle - self.heading * 2 * np.pi / HEADING_STEPS
        rest -= 2 * np.pi * np.rint(rest[0] / (2 * np.pi))
        center = (points.mean(axis=1) - self.origin) * np.sqrt(points.shape[1])
        values = np.concatenate([self.tables.rest.log_map(bones), HEADING_UNIT * rest[:, None], center], axis=1)
        return values @ self.tables.matrix - self.tables.mean

    def inverse(self, channels: Floats) -> Floats:
        """The mirror of `forward`: (T, K, 3)."""
        values = (channels + self.tables.mean) @ self.tables.inverse
        bones = self.tree.to_world(self.tables.rest.exp_map(values[:, :-4]))
        angle = values[:, -4] / HEADING_UNIT + self.heading * 2 * np.pi / HEADING_STEPS
        body = self.tree.centered @ rotate_about_y(bones, -angle)
        return np.asarray(body + (values[:, None, -3:] / np.sqrt(body.shape[1]) + self.origin))


def measure_heading_steps(pose: Floats, tree: BoneTree) -> int:
    """The heading of a pose (K, 3) in 256ths of a turn."""
    turn = follow_heading(pose[None], tree.skeleton)[0] / (2 * np.pi)
    return int(np.rint(turn * HEADING_STEPS)) % HEADING_STEPS


def rescale_prior(prior: Ints, rate: float) -> Ints:
    """The prior of another frame rate: bins are half octaves of the frequency, which is a share of the rate."""
    shift = int(np.clip(np.rint(2 * np.log2(rate / TRAINED_RATE)), -BINS, BINS))
    return prior[..., np.clip(np.arange(BINS) + shift, 0, BINS - 1)]
