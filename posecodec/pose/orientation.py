"""Which way is up: how coordinates are turned upright and about the vertical, a guess where a recording does not say."""

from __future__ import annotations

from typing import Any

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


def rotate_about_y(vectors: Floats, angle: Floats) -> Floats:
    """(..., N, 3) turned about the vertical by angles (...,) in radians, from x towards -z."""
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    across = cos * x + sin * z
    return np.stack([across, np.broadcast_to(y, across.shape), cos * z - sin * x], axis=-1)


def guess_up(points: NDArray[np.floating[Any]], skeleton: Skeleton) -> str:
    """The axis along which the upper body stands above the hips, most often; y (2D: -y) where that cannot be told."""
    dims = points.shape[-1]
    trunks = find_trunks(points, skeleton)
    if not len(trunks) or not np.abs(mean := trunks.mean(axis=0)).any():
        return "y" if dims == 3 else "-y"
    axis = int(np.abs(mean).argmax())
    return ("" if mean[axis] > 0 else "-") + "xyz"[axis]


def find_trunks(points: NDArray[np.floating[Any]], skeleton: Skeleton) -> Floats:
    """(N, D) from the middle of the hips to that of the shoulders, of those poses (T, K, D) where all four are there."""
    names = skeleton.keypoints
    parts = [[f"{side}_{part}" for side in ("left", "right")] for part in ("shoulder", "hip")]
    if not all(name in names for part in parts for name in part):
        return np.zeros((0, points.shape[-1]))
    ends = (points[:, [names.index(name) for name in part]] for part in parts)
    top, bottom = (end.mean(axis=1, dtype=np.float64) for end in ends)
    trunks = top - bottom
    return np.asarray(trunks[~np.isnan(trunks).any(axis=-1)])
