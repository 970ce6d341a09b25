"""A body's own box: its keypoints about its center, facing ahead, as the network's heatmaps see them."""

from __future__ import annotations

import numpy as np

from posecodec.kinematics.body_model import Motion
from posecodec.kinematics.bones import turned
from posecodec.typing import Floats


def boxed(points: Floats, motion: Motion) -> Floats:
    """(..., T, K, D) as seen from the centers and headings of a motion, in mm of a usual body."""
    inside = points - motion.center[..., None, :]
    return inside if points.shape[-1] == 2 else _turned(inside, motion.angle)


def unboxed(points: Floats, motion: Motion) -> Floats:
    """The mirror of `boxed`."""
    outside = points if points.shape[-1] == 2 else _turned(points, -motion.angle)
    return np.asarray(outside + motion.center[..., None, :])


def _turned(points: Floats, angle: Floats) -> Floats:
    return turned(points.reshape(-1, *points.shape[-2:]), angle.ravel()).reshape(points.shape)
