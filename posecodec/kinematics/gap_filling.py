"""Keypoints that are missing, put where they do no harm: what is coded there is thrown away, so that it should cost little.

`interpolate_gaps` and `interpolate_bones` fill what is seen before or after, the other two what is never seen.
"""

from __future__ import annotations

import numpy as np

from posecodec.kinematics.bones import SHORTEST, BoneTree, RestBones
from posecodec.typing import Floats


def interpolate_gaps(points: Floats) -> Floats:
    """(T, K, D) with gaps bridged by straight lines and ends held; keypoints never seen stay NaN."""
    missing = np.isnan(points[..., 0])
    if not missing.any():
        return points
    whole: Floats = points.copy()
    time = np.arange(len(points))
    for k in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gone = missing[:, k]
        for d in range(points.shape[2]):
            whole[gone, k, d] = np.interp(time[gone], time[~gone], points[~gone, k, d])
    return whole


def interpolate_bones(points: Floats, tree: BoneTree) -> Floats:
    """(T, K, 3) with gaps filled from the root outwards by bones between their directions and lengths before and after.

    As `interpolate_gaps` where no such bone is ever seen.
    """
    whole, missing, time = interpolate_gaps(points), np.isnan(points[..., 0]), np.arange(len(points))
    for start, end in tree.bones:
        gone, known = missing[:, end], ~(missing[:, start] | missing[:, end])
        if not gone.any() or not known.any():
            continue
        bone = points[known, end] - points[known, start]
        values = np.column_stack([bone, np.linalg.norm(bone, axis=1)])
        between = np.stack([np.interp(time[gone], time[known], column) for column in values.T], axis=1)
        size = np.linalg.norm(between[:, :3], axis=1)
        whole[gone, end] = whole[gone, start] + between[:, :3] * (between[:, 3] / np.maximum(size, SHORTEST))[:, None]
    return whole


def fill_from_centroid(points: Floats) -> Floats:
    """(T, K, D) without gaps: as `interpolate_gaps`, and keypoints never seen in the middle of the others."""
    whole = interpolate_gaps(points)
    if not np.isnan(whole[0]).any():
        return whole
    return np.where(np.isnan(whole), np.nanmean(whole, axis=1, keepdims=True), whole)


def fill_from_rest_pose(points: Floats, rest: RestBones, tree: BoneTree) -> Floats:
    """Keypoints never seen put where bones at rest lead, from the root outwards and back."""
    if not np.isnan(points).any():
        return points
    vectors = tree.to_world(rest.exp_map(np.zeros((1, 3 * len(tree.bones)))))[0]
    bones = list(zip(tree.bones, vectors, strict=True))
    whole = points.copy()
    for (start, end), bone in bones[::-1] + bones:
        for to, at, sign in ((start, end, -1.0), (end, start, 1.0)):
            gone = np.isnan(whole[:, to, 0])
            whole[gone, to] = whole[gone, at] + sign * bone
    return np.where(np.isnan(whole), 0.0, whole)
