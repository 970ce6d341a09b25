"""Who is who from frame to frame, where a file's slots are only the order of a list.

Each frame's bodies are assigned to the people known so far, at the least total distance from where these are expected
(the assignment problem; Kuhn 1955, Munkres 1957). It leaves out looks, learned motion and any second thoughts: people
who are out of sight for longer than a second come back as somebody new. Positions are never touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import body_heights
from posecodec.errors import InputError, report_change
from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Floats

Indices = NDArray[np.intp]

_MEMORY = 1.0  # Seconds out of sight after which somebody is new: who stands there by then may be another person
_REACH = 0.3  # Heights that a person may be from where they are expected, an instant later: limbs swing, detectors err
_REACH_PER_SECOND = 2.0  # Heights more with each second: a person at a run
_VELOCITY_KEPT = 0.5  # Share of the velocity that is the one before: enough to smooth noise, but turns are followed
_GLIDE = 0.3  # Seconds for which somebody out of sight is expected to move on as before
_TIMES_LARGER = 20  # Times as many poses as there were that people may become: bodies that jump about would fill memory
_POSES_FREE = 200_000  # Poses beyond that which are always granted: less than 100 MB of 19 keypoints
_BARRED = 1e6  # Cost of what is out of reach (a cost above 1): more than all other costs of a frame together


def follow(sequence: PoseSequence) -> PoseSequence:
    """The same bodies, each in the slot of the person it seems to belong to; ids "0", "1", ... by first appearance.

    Every body (a frame's slot with a keypoint in it) is kept exactly once, as it is. How many changed their slot is
    reported. The number of people may rise (somebody back after a second is new) or fall.
    Raises InputError if bodies are so little connected that people would be out of all proportion to what there is.

    >>> follow(PoseSequence.from_arrays(np.zeros((5, 1, 19, 3)), fps=30, ids=["0"])).ids
    ('0',)
    """
    owner = _find_owners(sequence)
    count = int(owner.max(initial=-1)) + 1
    if sequence.frames * count > _TIMES_LARGER * sequence.frames * sequence.people + _POSES_FREE:
        raise InputError(
            f"followed by where they are, the people of {sequence.people:,} slots fall apart into {count:,}; the "
            "bodies jump about too much, so keep them as given (no --track), or state the true rate with --fps"
        )
    ids = tuple(str(i) for i in range(count))
    t, p = np.nonzero(owner >= 0)
    moved = int((owner[t, p] != p).sum())
    if not moved and ids == sequence.ids:
        return sequence
    positions = np.full((sequence.frames, count, *sequence.positions.shape[2:]), np.nan, sequence.positions.dtype)
    confidence = np.zeros(positions.shape[:3], np.float32)
    positions[t, owner[t, p]] = sequence.positions[t, p]
    confidence[t, owner[t, p]] = sequence.confidence[t, p]
    report_change(_summarize(sequence, len(t), moved, count))
    return replace(sequence, positions=positions, confidence=confidence, ids=ids)


def _summarize(sequence: PoseSequence, bodies: int, moved: int, count: int) -> str:
    text = f"{moved:,} of {bodies:,} bodies changed their slot: followed by where they are, there are {count:,} people"
    others = sum(name != str(i) for i, name in enumerate(sequence.ids))
    return text + (f'; their ids are "0", "1", ... instead of the {len(sequence.ids):,} given' if others else "")


@dataclass(frozen=True, eq=False, repr=False)
class _Person:
    """Who was seen, when last (seconds), the keypoints (K, D) as last seen, all moved along, and the velocity (D,)."""

    number: int
    time: float
    pose: Floats
    velocity: Floats

    def predict(self, time: float) -> Floats:
        """Where the keypoints are expected."""
        return self.pose + self.velocity * min(time - self.time, _GLIDE)

    def move_to(self, time: float, pose: Floats) -> _Person:
        """The same person with a new pose."""
        missing = np.isnan(pose)
        shift = (pose - self.pose)[~missing[:, 0] & ~np.isnan(self.pose[:, 0])]
        velocity = self.velocity
        if len(shift):
            step = shift.mean(axis=0) / max(time - self.time, 1e-6)
            velocity = _VELOCITY_KEPT * velocity + (1 - _VELOCITY_KEPT) * step
        return _Person(self.number, time, np.where(missing, self.predict(time), pose), velocity)


def _find_owners(sequence: PoseSequence) -> Indices:
    """(T, P) number of the person that each body belongs to; -1 where there is no body."""
    owner = np.full((sequence.frames, sequence.people), -1, np.intp)
    points = sequence.positions.astype(np.float64)
    there = np.asarray(sequence.valid.any(axis=2))
    times = np.arange(sequence.frames) / sequence.rate if sequence.timestamps is None else sequence.timestamps
    size = _measure_size(points)
    known: list[_Person] = []
    count = 0
    for t in np.flatnonzero(there.any(axis=1)):
        time, slots = float(times[t]), np.flatnonzero(there[t])
        known = [person for person in known if time - person.time <= max(_MEMORY, 1.5 / sequence.rate)]
        bodies = points[t, slots]
        matches = _match(bodies, known, time, size)
        for slot, body, match in zip(slots, bodies, matches, strict=True):
            if match < 0:
                known.append(_Person(count, time, body, np.zeros(sequence.dims)))
                owner[t, slot], count = count, count + 1
            else:
                known[match] = known[match].move_to(time, body)
                owner[t, slot] = known[match].number
    return owner


def _measure_size(points: Floats) -> float:
    """Median height of the bodies; where no body has one, half of the room that all of them take."""
    heights = body_heights(points, "unknown")
    heights = heights[heights > 0]
    if len(heights):
        return float(np.median(heights))
    flat = points[~np.isnan(points[..., 0])]
    return float(np.ptp(flat, axis=0).max() / 2) if len(flat) else 0.0


def _match(bodies: Floats, known: list[_Person], time: float, size: float) -> list[int]:
    """For each of the bodies (n, K, D) the index of the person in `known`, or -1 for somebody new."""
    if not known:
        return [-1] * len(bodies)
    expected = np.stack([person.predict(time) for person in known])
    reach = np.array([size * (_REACH + _REACH_PER_SECOND * (time - person.time)) for person in known])
    cost = _measure_distances(bodies, expected) / np.maximum(reach, 1e-30)
    nearest = cost.argmin(axis=1)
    if len(set(nearest.tolist())) == len(bodies) and (cost.min(axis=1) <= 1).all():
        return [int(i) for i in nearest]
    barred = np.where(cost <= 1, cost, _BARRED)
    chosen = assign(np.concatenate([barred, np.ones((len(bodies), len(bodies)))], axis=1))
    return [i if i < len(known) else -1 for i in chosen]


def _measure_distances(bodies: Floats, expected: Floats) -> Floats:
    """(n, m) mean distances over the keypoints that both have, of the centers where they share none."""
    return np.stack([_measure_distances_from(pose, bodies) for pose in expected], axis=1)


def _measure_distances_from(pose: Floats, bodies: Floats) -> Floats:
    gap = np.sqrt(np.square(bodies - pose).sum(axis=-1))
    shared = ~np.isnan(gap)
    count = shared.sum(axis=-1)
    mean = np.where(shared, gap, 0.0).sum(axis=-1) / np.maximum(count, 1)
    for i in np.flatnonzero(count == 0):
        mean[i] = np.linalg.norm(np.nanmean(bodies[i], axis=0) - np.nanmean(pose, axis=0))
    return np.asarray(mean)


def assign(cost: Floats) -> list[int]:
    """The column for each row of finite costs (n, m), n <= m, no column twice, at the least total cost.

    The Hungarian method with potentials, one shortest augmenting path a row (Jonker & Volgenant 1987): O(n^2 m).

    >>> assign(np.array([[1.0, 2.0], [1.0, 5.0]]))
    [1, 0]
    """
    rows, columns = cost.shape
    of_row, of_column = np.zeros(rows), np.zeros(columns)
    row_at = np.full(columns, -1, np.intp)
    for first in range(rows):
        slack, before = np.full(columns, np.inf), np.full(columns, -1, np.intp)
        done = np.zeros(columns, np.bool_)
        row, column = first, -1
        while row >= 0:
            if column >= 0:
                done[column] = True
            reduced = cost[row] - of_row[row] - of_column
            better = ~done & (reduced < slack)
            slack[better], before[better] = reduced[better], column
            column = int(np.where(done, np.inf, slack).argmin())
            delta = slack[column]
            of_row[row_at[done]] += delta
            of_row[first] += delta
            of_column[done] -= delta
            slack[~done] -= delta
            row = int(row_at[column])
        while column >= 0:
            previous = int(before[column])
            row_at[column] = row_at[previous] if previous >= 0 else first
            column = previous
    result = np.full(rows, -1, np.intp)
    result[row_at[row_at >= 0]] = np.flatnonzero(row_at >= 0)
    return [int(i) for i in result]
