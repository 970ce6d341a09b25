"""The canonical body that networks are trained on: relative to its root, facing +z at every moment, of size 1.

Headings are smoothed by splines. Leaves out which axis is up (`pose.orientation`) and clips and windows (`train.data`).
"""

from __future__ import annotations

import numpy as np

from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

Bones = tuple[tuple[int, int, float], ...]
"""(start, end, share) of every bone: its keypoints, and its share of the summed length of all."""
RADIUS_SHARE = 0.135
"""Root mean square distance of a standing body's keypoints from its root, as a share of its summed bone lengths."""
HEADING_SPACING = 16
"""Frames between the knots of a smoothed heading: half a second at 30 Hz, slower than a step and faster than a turn."""


def canonicalize_body(points: Floats, skeleton: Skeleton, bones: Bones) -> tuple[Floats, Floats, Floats, float]:
    """One person's motion (T, K, 3), y up, as body (T, K, 3), root (T, 3), heading (T,) and size.

    body = rotate_about_y(points - root, -heading) / size.
    """
    assert skeleton.root is not None
    root = points[:, skeleton.root]
    angles, sure = measure_headings(points, skeleton)
    basis = spline_basis(len(points), HEADING_SPACING)
    heading = basis @ fit_spline(angles[:, None], sure, HEADING_SPACING)[:, 0]
    body = points - root[:, None]
    size = 2.0 ** measure_sizes(body, bones)[0].mean()
    return rotate_about_y(body, -heading) / size, root, heading, size


def knot_count(frames: int, spacing: int) -> int:
    """Control points of a spline over that many frames; 1 where it is a constant."""
    return 1 if spacing == 0 else (frames - 1) // spacing + 4


def spline_basis(frames: int, spacing: int) -> Floats:
    """(frames, knot_count) weights of the uniform cubic B-spline (de Boor, "A Practical Guide to Splines", ch. IX)."""
    basis = np.zeros((frames, knot_count(frames, spacing)))
    if spacing == 0:
        basis[:, 0] = 1
        return basis
    time = np.arange(frames) / spacing
    first = time.astype(np.int64)
    u = time - first
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    for offset, weight in enumerate(weights):
        basis[np.arange(frames), first + offset] = weight / 6
    return basis


def fit_spline(values: Floats, weights: Floats, spacing: int, stiffness: float = 1e-2) -> Floats:
    """Control points (n, C) of the smooth curve nearest to values (T, C), weighted least squares.

    weights: (T,) >= 0; where all are 0 the curve is 0. `stiffness` penalizes second differences, which also fills gaps.
    """
    basis = spline_basis(len(values), spacing)
    normal = _build_normal_matrix(basis, weights, stiffness)
    target = (basis * weights[:, None]).T @ np.where(weights[:, None] > 0, values, 0.0)
    return np.asarray(np.linalg.solve(normal, target), np.float64)


def _build_normal_matrix(basis: Floats, weights: Floats, stiffness: float) -> Floats:
    count = basis.shape[1]
    bend = np.diff(np.eye(count), 2, axis=0) if count > 2 else np.zeros((0, count))
    return (basis * weights[:, None]).T @ basis + stiffness * bend.T @ bend + 1e-9 * np.eye(count)


def measure_headings(points: Floats, skeleton: Skeleton) -> tuple[Floats, Floats]:
    """Which way the body faces: angle about y in radians, 0 facing +z, unwrapped over time, and how sure it is.

    points: (T, K, 3), y up. The angle is that of the line from right to left, of hips and shoulders together.
    Returns (T,) angles and (T,) weights in [0, 1], 0 where a keypoint is missing or the line is upright.
    """
    lateral = np.zeros((len(points), 3))
    for part in ("hip", "shoulder"):
        left, right = (skeleton.keypoints.index(f"{side}_{part}") for side in ("left", "right"))
        lateral += points[:, left] - points[:, right]
    known = ~np.isnan(lateral).any(axis=-1)
    flat = np.where(known, np.hypot(lateral[:, 0], lateral[:, 2]), 0.0)
    weights = flat / max(flat.max(initial=0.0), 1e-9)
    known = weights > 1e-3
    angles = np.zeros(len(points))
    angles[known] = np.unwrap(np.arctan2(-lateral[known, 2], lateral[known, 0]))
    return angles, np.where(known, weights**2, 0.0)


def measure_sizes(body: Floats, bones: Bones) -> tuple[Floats, Floats]:
    """log2 of the body's size in each frame, and its weight, 0 where it cannot be told.

    body: (T, K, D) relative to the root. In 3D, the summed length of the bones (missing ones made up for by their usual
    share), one value for all frames; in 2D, and where no bone is seen, from the keypoints' distances from the root.
    """
    squares = np.square(body).sum(axis=-1)
    count = (~np.isnan(squares)).sum(axis=-1)
    size: Floats = np.sqrt(np.nansum(squares, axis=-1) / np.maximum(count, 1))
    if body.shape[-1] == 3:
        size = np.full(len(body), _sum_bones(body, bones) or size.max(initial=0.0) / RADIUS_SHARE)
    known = size > 1e-20
    return np.where(known, np.log2(np.where(known, size, 1.0)), 0.0), np.asarray(known, np.float64)


def _sum_bones(body: Floats, bones: Bones) -> float:
    """Median length of all bones together; 0 where none is ever seen whole."""
    total, share = 0.0, 0.0
    for start, end, part in bones:
        length = np.linalg.norm(body[:, start] - body[:, end], axis=-1)
        length = length[~np.isnan(length)]
        if len(length):
            total, share = total + float(np.median(length)), share + part
    return total / share if share else 0.0
