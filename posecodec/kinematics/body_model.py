"""Bodies as channels seen from the last frame that is known, so that neither place nor heading matters.

A 3D body is bones (logarithms of their directions, see `bones`), heading and center; a 2D body is offsets from its center.
Both are weighted by what they do to keypoints: an error of 1 in all channels together is the root of the summed squared
error of the keypoints, in thousandths of a usual body's height or so (3D: mm of a usual body).

All functions take leading batch axes. Left out: gaps (`gap_filling`) and windows (`coders.windows.frequency_bands`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from posecodec.kinematics.bones import HEADING_UNIT, BoneTree, RestBones, measure_heading
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Bools, Floats


@dataclass(frozen=True, eq=False, repr=False)
class State:
    """What a window starts from. shape: (..., S) of a frame. angle: (...,) heading, radians. center: (..., D)."""

    shape: Floats
    angle: Floats
    center: Floats


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """The same for T frames. shape: (..., T, S). angle: (..., T), without jumps of a turn. center: (..., T, D)."""

    shape: Floats
    angle: Floats
    center: Floats

    def state_at(self, frame: int) -> State:
        """The state of one frame."""
        return State(self.shape[..., frame, :], self.angle[..., frame], self.center[..., frame, :])

    def cut(self, start: int, length: int) -> Motion:
        """Some frames."""
        frames = slice(start, start + length)
        return Motion(self.shape[..., frames, :], self.angle[..., frames], self.center[..., frames, :])


@dataclass(frozen=True, eq=False, repr=False)
class Body:
    """What is learned of a skeleton's bodies in D dimensions.

    bones: in 3D; none in 2D. rest_shape: (S,). height: of the center above 0 in 3D, else 0. metric: (S + 1, S + 1) in 3D,
    heading last; (S, S) in 2D.
    """

    skeleton: Skeleton
    dims: int
    bones: RestBones
    rest_shape: Floats
    height: float
    metric: Floats

    @property
    def channels(self) -> int:
        """C: shape, heading in 3D, center."""
        return len(self.metric) + self.dims

    @property
    def is_translation(self) -> Bools:
        """(C,) channels that are 0 where a recording begins: the center's, but for its height."""
        number = np.arange(self.channels) - self.channels
        return np.asarray((number >= -self.dims) & ((number != -2) | (self.dims == 2)))

    @cached_property
    def tree(self) -> BoneTree:
        """Bones from the root outwards."""
        return BoneTree.from_skeleton(self.skeleton)

    @cached_property
    def _inverse(self) -> Floats:
        return np.asarray(np.linalg.inv(self.metric))

    def analyze(self, points: Floats) -> Motion:
        """Keypoints (..., T, K, D) without gaps, y up in 3D, at the usual size."""
        center, lead = points.mean(axis=-2), points.shape[:-2]
        if self.dims == 2:
            shape = (points - center[..., None, :]).reshape(*lead, -1)
            return Motion(shape, np.zeros(lead), center)
        flat = points.reshape(-1, *points.shape[-2:])
        angle = measure_heading(flat, self.skeleton)
        local = self.tree.to_local(rotate_about_y(self.tree.measure_bones(flat), angle))
        shape = self.bones.log_map(local).reshape(*lead, -1)
        return Motion(shape, np.unwrap(angle.reshape(lead), axis=-1), center)

    def synthesize(self, motion: Motion) -> Floats:
        """The mirror of `analyze`: (..., T, K, D)."""
        lead = motion.angle.shape
        if self.dims == 2:
            return motion.shape.reshape(*lead, -1, 2) + motion.center[..., None, :]
        bones = self.tree.to_world(self.bones.exp_map(motion.shape.reshape(-1, motion.shape.shape[-1])))
        body = self.tree.centered @ rotate_about_y(bones, -motion.angle.ravel())
        return body.reshape(*lead, len(self.skeleton), 3) + motion.center[..., None, :]

    def to_local(self, motion: Motion, state: State) -> Floats:
        """(..., T, C) channels as seen from a state."""
        shape = motion.shape - state.shape[..., None, :]
        place = (motion.center - state.center[..., None, :]) * self._root_k
        if self.dims == 2:
            return np.concatenate([shape @ self.metric, place], axis=-1)
        angle = motion.angle - state.angle[..., None]
        angle = angle - 2 * np.pi * np.rint(angle[..., :1] / (2 * np.pi))
        values = np.concatenate([shape, HEADING_UNIT * angle[..., None]], axis=-1) @ self.metric
        return np.concatenate([values, rotate_about_y(place, state.angle)], axis=-1)

    def to_world(self, channels: Floats, state: State) -> Motion:
        """The mirror of `to_local`."""
        place = channels[..., -self.dims :] / self._root_k
        values = channels[..., : -self.dims] @ self._inverse
        if self.dims == 2:
            angle = np.zeros(channels.shape[:-1])
            return Motion(values + state.shape[..., None, :], angle, place + state.center[..., None, :])
        angle = values[..., -1] / HEADING_UNIT + state.angle[..., None]
        center = rotate_about_y(place, -state.angle) + state.center[..., None, :]
        return Motion(values[..., :-1] + state.shape[..., None, :], angle, center)

    def start_at(self, angle: Any, center: Floats) -> State:
        """The state before the first frame: the rest shape at a heading (...,) and a place (..., D); height is as learned."""
        place = np.array(center, np.float64)
        if self.dims == 3:
            place[..., 1] = self.height
        turn = np.asarray(angle, np.float64)
        return State(np.broadcast_to(self.rest_shape, (*turn.shape, len(self.rest_shape))), turn, place)

    @property
    def _root_k(self) -> float:
        return float(np.sqrt(len(self.skeleton)))
