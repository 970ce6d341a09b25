"""A body's own frame: its keypoints about its center, facing ahead, as the network's heatmaps see them."""

from __future__ import annotations

import numpy as np

from posecodec.kinematics.body_model import Motion
from posecodec.pose.orientation import rotate_about_y
from posecodec.typing import Floats


def to_body_frame(points: Floats, motion: Motion) -> Floats:
    """(..., T, K, D) as seen from the centers and headings of a motion, in mm of a usual body."""
    inside = points - motion.center[..., None, :]
    return inside if points.shape[-1] == 2 else rotate_about_y(inside, motion.angle)


def from_body_frame(points: Floats, motion: Motion) -> Floats:
    """The mirror of `to_body_frame`."""
    outside = points if points.shape[-1] == 2 else rotate_about_y(points, -motion.angle)
    return np.asarray(outside + motion.center[..., None, :])
