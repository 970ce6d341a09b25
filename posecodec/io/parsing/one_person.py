"""What writers of rigs need: one person, every keypoint in every frame."""

from __future__ import annotations

import numpy as np

from posecodec.errors import UsageError, report_change
from posecodec.io.filesystem import AnyPath
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

CUT = "dataclasses.replace(s, positions=s.positions[:, [i]], confidence=s.confidence[:, [i]], ids=s.ids[i : i + 1])"


def find_person(sequence: PoseSequence, path: AnyPath, what: str) -> int:
    """The one who is seen. Raises UsageError where several are, or nobody."""
    seen = np.flatnonzero(sequence.valid.any(axis=(0, 2)))
    if len(seen) != 1:
        ids = ", ".join(str(sequence.ids[person]) for person in seen[:8]) or "nobody"
        raise UsageError(
            f"{path}: {what} holds one person, and here are {len(seen)} ({ids}); save each on its own, in Python: {CUT}"
        )
    return int(seen[0])


def hold_gaps(points: Floats, skeleton: Skeleton, what: str) -> Floats:
    """(T, K, D) without gaps: straight lines in time, the nearest frame at the ends, the mean of the others where never seen.

    Says what was done.
    """
    seen = ~np.isnan(points[..., 0])
    whole: Floats = points.copy()
    never = np.flatnonzero(~seen.any(axis=0))
    for k in np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0)):
        at = np.flatnonzero(seen[:, k])
        for d in range(points.shape[2]):
            whole[:, k, d] = np.interp(np.arange(len(points)), at, points[at, k, d])
    if len(never):
        whole[:, never] = np.nanmean(whole, axis=1, keepdims=True)
    if not seen.all():
        gaps, names = int((~seen).sum()), ", ".join(skeleton.keypoints[k] for k in never[:8])
        where = f"; never seen, so put in the middle of the others: {names}" if len(never) else ""
        report_change(
            f"{gaps} of {seen.size} places are missing, and {what} has no room for gaps: straight lines fill them, and the "
            f"nearest frame is held at the ends{where}"
        )
    return whole
