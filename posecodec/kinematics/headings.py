"""Which way a body faces, frame by frame, and smooth curves through what is known only here and there.

`body_track` takes headings out of bodies.
"""

from __future__ import annotations

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

STIFFNESS = 1e-2
"""Weight of control points' squared second differences against the frames' squared errors: enough to bridge gaps."""
NO_HEADING = 1e-3  # Share of the widest line from right to left below which a frame does not say where the body faces


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

    points: (T, K, 3), y up. The angle is that of the line from right to left, of hips and shoulders together;
    of what has neither it is 0 and never sure.
    Returns (T,) angles and (T,) weights in [0, 1], 0 where a keypoint is missing or the line is upright.
    """
    lateral = np.zeros((len(points), 3))
    for part in ("hip", "shoulder"):
        left, right = (_find_keypoint(points, skeleton, f"{side}_{part}") for side in ("left", "right"))
        if left is not None and right is not None:
            lateral += left - right
    known = ~np.isnan(lateral).any(axis=-1)
    flat = np.where(known, np.hypot(lateral[:, 0], lateral[:, 2]), 0.0)
    weights = flat / max(flat.max(initial=0.0), 1e-9)
    known = weights > NO_HEADING
    angles = np.zeros(len(points))
    angles[known] = np.unwrap(np.arctan2(-lateral[known, 2], lateral[known, 0]))
    return angles, np.where(known, weights**2, 0.0)


def _find_keypoint(points: Floats, skeleton: Skeleton, name: str) -> Floats | None:
    """(T, D) of a keypoint of coco19, or of what stands for it in another skeleton; None where nothing does."""
    names = (name,) if name in skeleton.keypoints else skeleton.to_coco19.get(name, ())
    if not names:
        return None
    return np.asarray(points[:, [skeleton.keypoints.index(each) for each in names]].mean(axis=1))
