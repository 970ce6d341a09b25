"""A person's motion as a body of size 1 that faces one way, and its path through the world: what the network for tokens sees.

    positions = place(body, path) * size

In 3D a path is (x, y, z, heading) in body sizes and radians, y up; in 2D (x, y, log of the size) in the recording's unit.
Gaps stay gaps in the body; a path has none. Leaves out which axis is up (`pose.orientation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.errors import InputError
from posecodec.kinematics.headings import fit_spline, measure_headings, spline_basis
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

Bones = tuple[tuple[int, int, float], ...]
"""(start, end, share) of every bone: its keypoints, and its share of the summed length of all."""
HEADING_SPACING = 16
"""Frames between the knots of a smoothed heading: half a second at 30 Hz, slower than a step and faster than a turn."""
SIZE_SPACING = 64
"""Frames between the knots of a smoothed size in 2D: slower than a step, as fast as someone walks towards a camera."""
NEAR_ROOT = ("left_hip", "right_hip", "neck", "left_shoulder", "right_shoulder")
"""Keypoints that tell where the root is while it is missing, nearest first."""
SMALLEST = 1e-9  # Sizes below this are no sizes: such keypoints all lie in one place


@dataclass(frozen=True, eq=False, repr=False)
class BodyTrack:
    """body: (T, K, D), NaN where missing. path: (T, D + 1). size: in 3D the summed length of the bones, in 2D 1."""

    body: Floats
    path: Floats
    size: float


def split_track(points: Floats, skeleton: Skeleton, bones: Bones, size: float | None = None) -> BodyTrack:
    """Of keypoints (T, K, D), y up in 3D, NaN where missing. size: if it is known better than these frames tell it."""
    root = find_root(points, skeleton)
    body = points - root[:, None]
    if points.shape[2] == 2:
        log_size = _smooth_log_spread(body)
        path = np.column_stack([root, log_size])
        return BodyTrack(body / np.exp(log_size)[:, None, None], path, 1.0)
    angles, sure = measure_headings(points, skeleton)
    heading = spline_basis(len(points), HEADING_SPACING) @ fit_spline(angles[:, None], sure, HEADING_SPACING)[:, 0]
    size = size or measure_size(body, bones)
    return BodyTrack(rotate_about_y(body, -heading) / size, np.column_stack([root / size, heading]), size)


def place_body(body: Floats, track: BodyTrack) -> Floats:
    """The mirror of `split_track`, of another body (T, K, D) on a track's path."""
    path = track.path
    if body.shape[2] == 2:
        return np.asarray(body * np.exp(path[:, None, 2:]) + path[:, None, :2])
    return np.asarray((rotate_about_y(body, path[:, 3]) + path[:, None, :3]) * track.size)


def list_roots(skeleton: Skeleton) -> list[int]:
    """The keypoint whose place is the body's, or those whose mean is: the middle of the hips of what has no root.

    Raises InputError where neither is known.
    """
    if skeleton.root is not None:
        return [skeleton.root]
    if names := skeleton.to_coco19.get("mid_hip"):
        return [skeleton.keypoints.index(name) for name in names]
    raise InputError(f"skeleton {skeleton.name!r} has no root; name one in its file (root = ...)")


def find_root(points: Floats, skeleton: Skeleton) -> Floats:
    """Where the root is (T, D): where it is missing as far as ever from a keypoint near it that is seen, else bridged
    by straight lines; the middle of all where it is never seen."""
    root = points[:, list_roots(skeleton)].mean(axis=1)
    if np.isnan(root).all():
        seen = ~np.isnan(points[..., :1])
        root = np.nansum(points, axis=1) / np.where(seen.any(axis=1), seen.sum(axis=1), np.nan)
    gone = np.isnan(root).any(axis=1)
    if gone.all():
        return np.zeros_like(root)
    time, known = np.arange(len(root)), root.copy()
    for name in [name for name in NEAR_ROOT if gone.any() and name in skeleton.keypoints]:
        near = points[:, skeleton.keypoints.index(name)]
        both = ~np.isnan(near).any(axis=1) & ~gone
        if both.any():
            off = (known - near)[both]
            guess = near + np.stack([np.interp(time, time[both], column) for column in off.T], axis=1)
            root = np.where(np.isnan(root), guess, root)
    seen = ~np.isnan(root).any(axis=1)
    return np.stack([np.interp(time, time[seen], column[seen]) for column in root.T], axis=1)


def measure_size(body: Floats, bones: Bones) -> float:
    """Summed length of the bones of (T, K, 3), each the median over time; bones never seen by their usual share."""
    lengths = np.array([_median(np.linalg.norm(body[:, a] - body[:, b], axis=-1)) for a, b, _ in bones])
    shares = np.array([share for *_, share in bones])
    known = ~np.isnan(lengths)
    size = float(lengths[known].sum() / shares[known].sum()) if known.any() else 0.0
    return size if size > SMALLEST else 1.0


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _smooth_log_spread(body: Floats) -> Floats:
    """Log of the root mean square distance from the root, as a smooth curve (T,); 0 where nothing is seen."""
    seen = ~np.isnan(body[..., 0])
    count = seen.sum(axis=1)
    spread = np.sqrt(np.nansum(np.square(body), axis=(1, 2)) / np.maximum(count, 1))
    sure = np.where(spread > SMALLEST, count / body.shape[1], 0.0)
    logs = np.log(np.maximum(spread, SMALLEST))
    curve: Floats = spline_basis(len(body), SIZE_SPACING) @ fit_spline(logs[:, None], sure, SIZE_SPACING)[:, 0]
    return curve
