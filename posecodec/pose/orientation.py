"""Which way is up: how coordinates are turned upright, and a guess where a recording does not say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats


def upright(dims: int, up: str) -> Floats:
    """(D, D) orthonormal matrix that turns coordinates with that axis up into the network's: 3D y up, 2D y down.

    `up` is one of AXES but "unknown". In 3D it is a rotation; in 2D an image whose y points up is flipped.
    """
    axis = "xyz".index(up[-1])
    sign = -1.0 if up[0] == "-" else 1.0
    if dims == 2:
        return np.diag([1.0, -sign]) if axis == 1 else np.array([[0.0, 1.0], [-sign, 0.0]])
    vertical = np.eye(3)[axis] * sign
    across = np.eye(3)[0] if axis != 0 else np.eye(3)[1]
    return np.stack([across, vertical, np.cross(across, vertical)])


def guess_up(points: NDArray[np.float32], skeleton: Skeleton) -> str:
    """The axis along which the upper body stands above the hips, most often; y (2D: -y) where that cannot be told."""
    dims = points.shape[-1]
    top, bottom = _mean_of(points, skeleton, "shoulder"), _mean_of(points, skeleton, "hip")
    stem = top - bottom
    stem = stem[~np.isnan(stem).any(axis=-1)]
    if not len(stem) or not np.abs(mean := stem.mean(axis=0)).any():
        return "y" if dims == 3 else "-y"
    axis = int(np.abs(mean).argmax())
    return ("" if mean[axis] > 0 else "-") + "xyz"[axis]


def _mean_of(points: NDArray[np.float32], skeleton: Skeleton, part: str) -> Floats:
    """(T, D) mean of the left and right keypoint of that name; NaN where one is missing or there is none."""
    names = [f"left_{part}", f"right_{part}"]
    if not all(n in skeleton.keypoints for n in names):
        return np.full((len(points), points.shape[-1]), np.nan)
    return points[:, [skeleton.keypoints.index(n) for n in names]].astype(np.float64).mean(axis=1)
