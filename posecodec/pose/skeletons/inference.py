"""Which built-in skeleton unnamed keypoints are likely to be of, from their number and where they are.

Limbs are short next to the body, as long on the left as on the right, and in 3D they keep their length: the skeleton
whose edges do so best is the guess. It cannot tell left from right where two orders differ in nothing else. Whoever
uses a guess says so.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Floats

_SEEN_POSES = 256  # Poses that are looked at: enough for every phase of a movement, few enough to take milliseconds
_LIMIT = 0.7
"""Length and unlikeness of edges, see `_score`, that are still taken for limbs'. On 79 recordings of people, in 3D and
from two sides in 2D, it is at most 0.58; of keypoints in a random order less than 1 % stay below 0.8."""
_FEWEST_SEEN = 1 / 3  # Share of the edges that must be seen: who sits at a desk has no legs


def infer_skeleton(count: int, dims: int, positions: Any = None) -> Skeleton | None:
    """The built-in skeleton that K unnamed keypoints look like, or None if there is none or nothing tells which.

    count: K. dims: D, 2 or 3. positions: (T, K, D) or (T, P, K, D), NaN where missing. Without positions only a number
    of keypoints that one skeleton alone has gives a guess; with them the edges must be like limbs.

    >>> infer_skeleton(33, 3).name
    'mediapipe33'
    """
    candidates = [skeleton for skeleton in BUILT_IN.values() if len(skeleton) == count]
    poses = _sample_poses(positions, count, dims)
    if poses is None:
        return candidates[0] if len(candidates) == 1 else None
    scores = [_score(poses, skeleton) for skeleton in candidates]
    fair = [(score, i) for i, score in enumerate(scores) if score is not None]
    return candidates[min(fair)[1]] if fair else None


def _sample_poses(positions: Any, count: int, dims: int) -> Floats | None:
    """(N, P, K, D) of about `_SEEN_POSES` poses, evenly spread over time; None where nobody is seen."""
    points = np.asarray([] if positions is None else positions)
    if not points.size:
        return None
    points = points.reshape(len(points), -1, count, dims)
    every = max(1, len(points) * points.shape[1] // _SEEN_POSES)
    points = points[::every].astype(np.float64)
    points[~np.isfinite(points)] = np.nan
    return points if np.isfinite(points).any() else None


def _score(poses: Floats, skeleton: Skeleton) -> float | None:
    """How little edges are like limbs, 0 or more; None where they are not, or too few are seen.

    Their length in units of the distance between any two keypoints, plus how much those of the two sides differ, plus in
    3D how much they change over time.
    """
    edges = np.array(skeleton.edges)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        lengths = np.linalg.norm(poses[:, :, edges[:, 0]] - poses[:, :, edges[:, 1]], axis=-1)
        shares = np.nanmean(lengths / _measure_spread(poses)[..., None], axis=(0, 1))
        share = float(np.nanmean(shares))
        unlike = float(np.nanmean(np.abs(shares - shares[_mirror_edges(skeleton)])) / share)
        change = float(np.nanmean(np.nanstd(lengths, axis=0) / np.nanmean(lengths, axis=0)))
    score = share + (unlike if np.isfinite(unlike) else 0.0)
    if np.isfinite(shares).mean() < _FEWEST_SEEN or not score < _LIMIT:
        return None
    return score + (change if poses.shape[-1] == 3 and np.isfinite(change) else 0.0)


def _measure_spread(poses: Floats) -> Floats:
    """(N, P) root mean square distance between any two keypoints; NaN where all are in one place."""
    centered = poses - np.nanmean(poses, axis=2, keepdims=True)
    spread = np.sqrt(2 * np.nanmean((centered**2).sum(axis=-1), axis=2))
    return np.where(spread > 0, spread, np.nan)


def _mirror_edges(skeleton: Skeleton) -> list[int]:
    """For each edge the index of its mirror image."""
    index = {frozenset(edge): i for i, edge in enumerate(skeleton.edges)}
    return [index[frozenset(skeleton.mirror[k] for k in edge)] for edge in skeleton.edges]
