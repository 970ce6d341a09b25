"""Keypoints as channels seen from the last frame that is known, so that neither place nor heading matters.

A 3D body is bones (logarithms of their directions, as in `transform.polar`), heading and center; a 2D body is offsets
from its center. Both are weighted by what they do to keypoints: an error of 1 in all channels together is the root of the
summed squared error of the keypoints, in thousandths of a usual body's height or so (3D: mm of a usual body).

All functions take leading batch axes. Left out: gaps (`fields`) and windows (`bands`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from posecodec.kinematics.bones import (
    HEADING_UNIT,
    PolarTables,
    Tree,
    bones_of,
    local_bones,
    logs,
    turned,
    world_bones,
)
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class State:
    """What a window starts from. shape: (..., S) of a frame. angle: (...,) heading, radians. center: (..., D)."""

    shape: Floats
    angle: Floats
    center: Floats


@dataclass(frozen=True, eq=False)
class Motion:
    """The same for T frames. shape: (..., T, S). angle: (..., T), without jumps of a turn. center: (..., T, D)."""

    shape: Floats
    angle: Floats
    center: Floats

    def at(self, frame: int) -> State:
        """The state of one frame."""
        return State(self.shape[..., frame, :], self.angle[..., frame], self.center[..., frame, :])

    def part(self, start: int, length: int) -> Motion:
        """Some frames."""
        frames = slice(start, start + length)
        return Motion(self.shape[..., frames, :], self.angle[..., frames], self.center[..., frames, :])


@dataclass(frozen=True, eq=False)
class Body:
    """What is learned of a skeleton's bodies in D dimensions.

    usual, lengths: (K-1, 3) directions and (K-1,) lengths of bones in 3D, empty in 2D. rest: (S,) the usual shape;
    height: of the center above 0 in 3D, else 0. metric: (S + 1, S + 1) in 3D, heading last; (S, S) in 2D.
    """

    skeleton: Skeleton
    dims: int
    usual: Floats
    lengths: Floats
    rest: Floats
    height: float
    metric: Floats

    @property
    def channels(self) -> int:
        """C: shape, heading in 3D, center."""
        return len(self.metric) + self.dims

    @property
    def sliding(self) -> Bools:
        """(C,) channels that are 0 where a recording begins: the center's, but for its height."""
        found = np.zeros(self.channels, np.bool_)
        found[-self.dims :] = True
        if self.dims == 3:
            found[-2] = False
        return found

    @cached_property
    def tree(self) -> Tree:
        """Bones from the root outwards."""
        return Tree.of(self.skeleton)

    @cached_property
    def _ends(self) -> Ints:
        return np.array(self.tree.bones)

    @cached_property
    def _frames(self) -> Floats:
        none = np.zeros(0)
        return PolarTables(self.usual, self.lengths, none, none).frames

    @cached_property
    def _inverse(self) -> Floats:
        return np.asarray(np.linalg.inv(self.metric))

    def analyze(self, points: Floats) -> Motion:
        """Keypoints (..., T, K, D) without gaps, y up in 3D, at the usual size."""
        center = points.mean(axis=-2)
        lead = points.shape[:-2]
        if self.dims == 2:
            shape = (points - center[..., None, :]).reshape(*lead, -1)
            return Motion(shape, np.zeros(lead), center)
        flat = points.reshape(-1, *points.shape[-2:])
        angle = self._heading(flat)
        bones = turned(flat[:, self._ends[:, 1]] - flat[:, self._ends[:, 0]], angle)
        values = logs(local_bones(bones, self.tree, self.skeleton), self._frames, self.lengths)
        return Motion(values.reshape(*lead, -1), np.unwrap(angle.reshape(lead), axis=-1), center)

    def synthesize(self, motion: Motion) -> Floats:
        """The mirror of `analyze`: (..., T, K, D)."""
        lead = motion.angle.shape
        if self.dims == 2:
            return motion.shape.reshape(*lead, -1, 2) + motion.center[..., None, :]
        local = bones_of(motion.shape.reshape(-1, motion.shape.shape[-1]), self._frames, self.lengths)
        bones = world_bones(local, self.tree, self.skeleton)
        body = self.tree.centered @ turned(bones, -motion.angle.ravel())
        return body.reshape(*lead, len(self.skeleton), 3) + motion.center[..., None, :]

    def local(self, motion: Motion, state: State) -> Floats:
        """(..., T, C) channels as seen from a state."""
        shape = motion.shape - state.shape[..., None, :]
        place = (motion.center - state.center[..., None, :]) * self._root_k
        if self.dims == 2:
            return np.concatenate([shape @ self.metric, place], axis=-1)
        angle = motion.angle - state.angle[..., None]
        angle = angle - 2 * np.pi * np.rint(angle[..., :1] / (2 * np.pi))
        values = np.concatenate([shape, HEADING_UNIT * angle[..., None]], axis=-1) @ self.metric
        return np.concatenate([values, _spun(place, state.angle[..., None])], axis=-1)

    def world(self, channels: Floats, state: State) -> Motion:
        """The mirror of `local`."""
        place = channels[..., -self.dims :] / self._root_k
        values = channels[..., : -self.dims] @ self._inverse
        if self.dims == 2:
            angle = np.zeros(channels.shape[:-1])
            return Motion(values + state.shape[..., None, :], angle, place + state.center[..., None, :])
        angle = values[..., -1] / HEADING_UNIT + state.angle[..., None]
        center = _spun(place, -state.angle[..., None]) + state.center[..., None, :]
        return Motion(values[..., :-1] + state.shape[..., None, :], angle, center)

    def start(self, angle: Any, center: Floats) -> State:
        """The state before the first frame: the usual shape at a heading (...,) and a place (..., D); height is usual."""
        place = np.array(center, np.float64)
        if self.dims == 3:
            place[..., 1] = self.height
        turn = np.asarray(angle, np.float64)
        return State(np.broadcast_to(self.rest, (*turn.shape, len(self.rest))), turn, place)

    @property
    def _root_k(self) -> float:
        return float(np.sqrt(len(self.skeleton)))

    def _heading(self, points: Floats) -> Floats:
        """(T,) of the line from right to left, hips and shoulders together."""
        names = self.skeleton.keypoints
        left, right = ([names.index(f"{side}_{part}") for part in ("hip", "shoulder")] for side in ("left", "right"))
        across = (points[:, left] - points[:, right]).sum(axis=1)
        return np.asarray(np.arctan2(across[:, 2], across[:, 0]))


def _spun(vectors: Floats, angle: Floats) -> Floats:
    """(..., 3) turned about y by angles (...,), from x towards -z."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    return np.stack([cos * x + sin * z, np.broadcast_to(y, (cos * x).shape), cos * z - sin * x], axis=-1)
