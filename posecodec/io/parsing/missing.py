"""What is missing: coordinates and scores that a PoseSequence can hold, and a report of what was changed or looks missing.

Knows no format.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import report_change, report_count
from posecodec.pose.sequence import FLOAT32_MAX, PoseSequence

LEAST_CONFIDENCE = 0.001  # Written of what has a position and confidence 0, where 0 means missing
_CELLS_PER_VALUE = 2  # honest recordings have a row for at least every second frame and person
_ROUNDED_SHARE = 1e-5  # of the spread of points that rounding may be, unsaid: 0.02 mm of a body
_CELLS_FREE = 1_000_000  # cells that any table may ask for: 8 MB of float64, however few rows it has


def mask_infinite(points: NDArray[Any]) -> NDArray[Any]:
    """(..., D) numbers with NaN in place of infinite coordinates; reports those, and keypoints with only some coordinates.

    Returns `points` itself where nothing had to change.
    """
    infinite = (np.abs(points) > FLOAT32_MAX).any(axis=-1)
    if infinite.any():
        report_change(f"{infinite.sum()} keypoints with an infinite coordinate are taken as missing")
        points = np.where(infinite[..., None], np.array(np.nan, points.dtype), points)
    missing = np.isnan(points)
    partly = (missing.any(axis=-1) & ~missing.all(axis=-1)).sum()
    report_count(partly, "keypoints with only some coordinates are taken as missing")
    return points


def fill_confidence(points: NDArray[Any], scores: NDArray[Any], what: str) -> NDArray[np.float32]:
    """Confidences (...) of points (..., D): the scores, 1 where a point has none, 0 where it is missing.

    what: names the scores in reports.
    """
    there = ~np.isnan(points).any(axis=-1)
    unknown = there & ~(np.abs(scores) <= FLOAT32_MAX)
    report_count(unknown.sum(), f"keypoints without a {what} get the confidence 1")
    outside = (there & ~unknown & ((scores < 0) | (scores > 1))).sum()
    report_count(outside, f"values of {what} are outside [0, 1]; they are kept")
    return np.where(there, np.where(unknown, 1, scores), 0).astype(np.float32)


def keep_unsure(sequence: PoseSequence, title: str, anywhere: bool = True) -> PoseSequence:
    """The sequence with a confidence above 0 of what has a position, for formats to which 0 means missing; reports it.

    Coding makes a confidence 0 that is below half a step. anywhere: whether it means so of any position, or of 0, 0 alone.
    """
    unsure = sequence.valid & (sequence.confidence == 0)
    unsure &= anywhere | (sequence.positions == 0).all(axis=-1)
    if not unsure.any():
        return sequence
    what = f"{unsure.sum()} keypoints with a position have confidence 0, which {title} reads as missing"
    report_change(f"{what}; they get {LEAST_CONFIDENCE:g}")
    return sequence.with_positions(
        sequence.positions, np.where(unsure, np.float32(LEAST_CONFIDENCE), sequence.confidence)
    )


def report_rounding(points: NDArray[Any], title: str) -> None:
    """Report by how much a format that holds float32 rounds points (..., D) that are far from 0 for how they spread."""
    if points.dtype == np.float32 or not np.isfinite(points).any():
        return
    off = float(np.nanmax(np.abs(points - points.astype(np.float32))))
    if off > _ROUNDED_SHARE * float(np.nanstd(points.reshape(-1, points.shape[-1]), axis=0).max()):
        report_change(f"positions are rounded by up to {off:.3g}, as {title} holds float32; .npz and .csv keep them")


def report_zeros(points: NDArray[Any]) -> None:
    """Report how many of the points (..., D) are exactly 0, by which some capture software means a missing marker."""
    count = int(np.count_nonzero((points == 0).all(axis=-1)))
    report_count(count, "points are exactly 0, 0, 0 and may be missing: pass --zeros-missing if they are")


def is_mostly_missing(cells: int, found: int) -> bool:
    """Whether an array of so many cells is out of all proportion to the values found for it: its frame numbers are wrong."""
    return cells > _CELLS_PER_VALUE * found + _CELLS_FREE
