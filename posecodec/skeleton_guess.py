"""Which built-in skeleton unnamed keypoints are likely to be of, from their number and where they are.

Limbs are short next to the body, and in 3D they keep their length: the skeleton whose edges do so best is the guess.
It cannot tell left from right where an order differs in nothing else. Whoever uses a guess says so.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.skeleton import BUILT_IN, Skeleton

_SEEN_POSES = 256
_LIMIT = 0.6
"""How long edges may be, next to the distance of any two keypoints, to be taken for limbs; people have 0.3 to 0.5."""

Floats = NDArray[np.float64]


def guess(count: int, dims: int, positions: Any = None) -> Skeleton | None:
    """The built-in skeleton that K unnamed keypoints look like, or None if there is none or nothing tells which.

    count: K. dims: D, 2 or 3. positions: (T, K, D) or (T, P, K, D), NaN where missing. Without positions only a number
    of keypoints that one skeleton alone has gives a guess; with them the edges must be short enough to be limbs.

    >>> guess(33, 3).name
    'mediapipe33'
    """
    candidates = [skeleton for skeleton in BUILT_IN.values() if len(skeleton) == count]
    poses = _poses(positions, count, dims)
    if poses is None:
        return candidates[0] if len(candidates) == 1 else None
    scores = [_score(poses, skeleton) for skeleton in candidates]
    fair = [(score, i) for i, score in enumerate(scores) if score is not None]
    return candidates[min(fair)[1]] if fair else None


def _poses(positions: Any, count: int, dims: int) -> Floats | None:
    """(N, P, K, D) of at most `_SEEN_POSES` frames, evenly spread; None where nobody is seen."""
    points = np.asarray([] if positions is None else positions)
    if not points.size:
        return None
    points = points.reshape(len(points), -1, count, dims)
    points = points[:: max(1, -(-len(points) * points.shape[1] // _SEEN_POSES))].astype(np.float64)
    points[~np.isfinite(points)] = np.nan
    return points if np.isfinite(points).any() else None


def _score(poses: Floats, skeleton: Skeleton) -> float | None:
    """How long edges are, in units of the distance between any two keypoints, and in 3D how much that varies.

    None where they are too long for limbs, or too few are seen.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        centered = poses - np.nanmean(poses, axis=2, keepdims=True)
        spread = np.sqrt(2 * np.nanmean((centered**2).sum(axis=-1), axis=2))
        edges = np.array(skeleton.edges)
        lengths = np.linalg.norm(poses[:, :, edges[:, 0]] - poses[:, :, edges[:, 1]], axis=-1)
        shares = np.nanmean(lengths / np.where(spread > 0, spread, np.nan)[..., None], axis=(0, 1))
        varying = np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)
        share, change = float(np.nanmean(shares)), float(np.nanmean(varying))
    if np.isnan(shares).mean() > 0.5 or not share < _LIMIT:
        return None
    return share + (change if poses.shape[-1] == 3 and np.isfinite(change) else 0.0)
