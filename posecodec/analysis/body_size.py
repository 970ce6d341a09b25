"""How large a body is: the height of a person who stands, the longer side of an animal or a hand.

Of keypoints alone, whoever they belong to; robust against poses that are half missing and keypoints that are somewhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posecodec.pose.vectors import find_medians, measure_lengths, measure_sides
from posecodec.typing import Floats

FEWEST_TRIMMED = 5  # Keypoints of a body from which on those that are far from the others do not count
FAR = 6.0  # Times the usual distance from the middle of a body that is too far to be of it
FEWEST_OF_SUBJECT = 3  # Keypoints from which on what has a prefix of its own is measured by itself
_WHOLE = 0.5  # Share of the usual number of keypoints that a pose must have to be measured


def measure_side(points: NDArray[np.floating]) -> float:
    """The usual side of a box around the poses (T, K, D), along the axis where that is longest; 0 where none can be told.

    >>> measure_side(np.array([[[0.0, 0.0], [3.0, 1.0]], [[0.0, 0.0], [5.0, 1.0]]]))
    4.0
    """
    poses = _drop_far(points.astype(np.float64))
    there = ~np.isnan(poses[..., 0])
    counts = there.sum(axis=1)
    usual = float(np.median(counts[counts > 1])) if (counts > 1).any() else 0.0
    whole = poses[(counts > 1) & (counts >= _WHOLE * usual)]
    if not len(whole):
        return 0.0
    return float(np.median(measure_sides(whole), axis=0).max())


def measure_smallest(points: NDArray[np.floating], keypoints: Sequence[str]) -> float:
    """The side of a body, or where names are of several subjects ("Anna:LASI", "Ben:LASI") of the smallest; 0 likewise."""
    subjects: dict[str, list[int]] = {}
    for k, name in enumerate(keypoints):
        subjects.setdefault(name.partition(":")[0] if ":" in name else "", []).append(k)
    several = [part for part in subjects.values() if len(part) >= FEWEST_OF_SUBJECT]
    parts = several if len(several) > 1 else [list(range(len(keypoints)))]
    return min((side for part in parts if (side := measure_side(points[:, part])) > 0), default=0.0)


def _drop_far(poses: Floats) -> Floats:
    """Without keypoints that are usually far from where the others are."""
    seen = ~np.isnan(poses[..., 0]).all(axis=0)
    if seen.sum() < FEWEST_TRIMMED:
        return poses
    poses = poses[(~np.isnan(poses[..., 0])).sum(axis=1) > 1][:, seen]
    if not len(poses):
        return poses
    lengths = measure_lengths(poses - find_medians(poses, 1)[:, None])
    kept = ~np.isnan(lengths).all(axis=0)
    poses, far = poses[:, kept], find_medians(lengths[:, kept], 0)
    return poses[:, far <= FAR * np.median(far)]
