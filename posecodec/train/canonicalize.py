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
STIFFNESS = 1e-2
"""Weight of control points' squared second differences against the frames' squared errors: enough to bridge gaps."""
NO_HEADING = 1e-3  # Share of the widest line from right to left below which a frame does not say where the body faces


def canonicalize_body(points: Floats, skeleton: Skeleton, bones: Bones) -> tuple[Floats, Floats, Floats, float]:
    """One person's motion (T, K, 3), y up, as body (T, K, 3), root (T, 3), heading (T,) and size.

    body = rotate_about_y(points - root, -heading) / size.
    """
    assert skeleton.root is not None
    root = points[:, skeleton.root]
    angles, sure = measure_headings(points, skeleton)
    heading = spline_basis(len(points), HEADING_SPACING) @ fit_spline(angles[:, None], sure, HEADING_SPACING)[:, 0]
    body = points - root[:, None]
    size = measure_size(body, bones)
    return rotate_about_y(body, -heading) / size, root, heading, size


def spline_basis(frames: int, spacing: int) -> Floats:
    """(frames, n) weights of the uniform cubic B-spline with a knot every `spacing` frames, n control points.

    de Boor, "A Practical Guide to Splines", chapter IX.
    """
    basis = np.zeros((frames, (frames - 1) // spacing + 4))
    time = np.arange(frames) / spacing
    first = time.astype(np.int64)
    u = time - first
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    for offset, weight in enumerate(weights):
        basis[np.arange(frames), first + offset] = weight / 6
    return basis


def fit_spline(values: Floats, weights: Floats, spacing: int) -> Floats:
    """Control points (n, C) of the smooth curve nearest to values (T, C), weighted least squares.

    weights: (T,) >= 0; where all are 0 the curve is 0. STIFFNESS also fills gaps.
    """
    basis = spline_basis(len(values), spacing)
    bend = np.diff(np.eye(basis.shape[1]), 2, axis=0)
    normal = (basis * weights[:, None]).T @ basis + STIFFNESS * bend.T @ bend + 1e-9 * np.eye(basis.shape[1])
    target = (basis * weights[:, None]).T @ np.where(weights[:, None] > 0, values, 0.0)
    return np.asarray(np.linalg.solve(normal, target), np.float64)


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
    known = weights > NO_HEADING
    angles = np.zeros(len(points))
    angles[known] = np.unwrap(np.arctan2(-lateral[known, 2], lateral[known, 0]))
    return angles, np.where(known, weights**2, 0.0)


def measure_size(body: Floats, bones: Bones) -> float:
    """Summed length of the bones of (T, K, 3), each the median over time."""
    lengths = [float(np.median(np.linalg.norm(body[:, a] - body[:, b], axis=-1))) for a, b, _ in bones]
    return sum(lengths) / sum(share for *_, share in bones)
