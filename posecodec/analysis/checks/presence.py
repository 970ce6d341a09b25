"""What is missing: people who come and go, gaps, keypoints never seen, zeros that may mean missing, odd confidences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.analysis.checks.finding import (
    Finding,
    has_listed_people,
    list_names,
    name_first,
    name_person,
    name_place,
    say_count,
)
from posecodec.analysis.checks.measures import Indices, MeasuredMotion, find_runs
from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Bools


def check_come_and_go(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    there = np.asarray(sequence.valid.any(axis=2))
    seen = np.asarray(there.any(axis=0))
    first, last = _find_first_last(there)
    late, early = seen & (first > 0), seen & (last < sequence.frames - 1)
    partly = late | early | ~seen
    if not partly.any():
        return None
    p = int(partly.argmax())
    spell = f"is there in frames {first[p]} to {last[p]}" if seen[p] else "is never there"
    follow = ", but where one leaves as another enters they may be the same: pass --track"
    text = (
        f"{partly.sum()} of {say_count(sequence.people, 'person', 'people')} not there throughout ({late.sum()} enter late, "
        f"{early.sum()} leave early, {(~seen).sum()} never seen): {name_person(sequence, p)} {spell}; kept so"
        f"{follow if has_listed_people(sequence) else ''}"
    )
    return Finding("come-and-go", text, int(partly.sum()))


@dataclass(frozen=True, eq=False, repr=False)
class Gaps:
    """people (N, 3): first frame, length, person of whole people's. points (N, 4): and keypoint, of single keypoints of
    people who are there. share: of what is missing in them."""

    people: Indices
    points: Indices
    share: float

    @property
    def count(self) -> int:
        """Of both kinds."""
        return len(self.people) + len(self.points)

    @property
    def longest(self) -> tuple[int, ...]:
        """First frame, length, person, and keypoint of a single one. There has to be one."""
        longest = (tuple(runs[runs[:, 1].argmax()]) for runs in (self.people, self.points) if len(runs))
        return max(longest, key=lambda run: int(run[1]))


def measure_gaps(sequence: PoseSequence) -> Gaps:
    """Where people are away between frames in which they are there, and where keypoints are missing of people who are."""
    valid, frame = sequence.valid, np.arange(sequence.frames)[:, None]
    there, seen = np.asarray(valid.any(axis=2)), np.asarray(valid.any(axis=0))
    first, last = _find_first_last(there)
    away = ~there & (frame > first) & (frame < last) & there.any(axis=0)
    lost = there[..., None] & ~valid & seen
    expected = int((there | away).sum(axis=0) @ seen.sum(axis=1))
    missing = int(away.sum(axis=0) @ seen.sum(axis=1)) + int(lost.sum())
    return Gaps(find_runs(away), find_runs(lost), missing / max(expected, 1))


def check_gaps(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    gaps = measure_gaps(sequence)
    if not gaps.count:
        return None
    longest = gaps.longest
    text = (
        f"{say_count(gaps.count, 'gap')} ({len(gaps.people):,} of whole people, {len(gaps.points):,} of single keypoints), "
        f"{100 * gaps.share:.2g} % missing; the longest is {say_count(longest[1], 'frame')} "
        f"({longest[1] / sequence.rate:.3g} s) from {name_place(sequence, longest[0], *longest[2:])}; kept as missing, "
        "fill them first if a later step needs every frame"
    )
    return Finding("gaps", text, gaps.count)


def check_unseen(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    seen = np.asarray(sequence.valid.any(axis=0))
    unseen = ~seen & seen.any(axis=1, keepdims=True)
    if not unseen.any():
        return None
    nobody = ~seen.any(axis=0)
    if nobody.any():
        names = list_names([sequence.skeleton.keypoints[k] for k in np.flatnonzero(nobody)])
        text = f"{say_count(int(nobody.sum()), 'keypoint')} never seen in anybody: {names}"
        if own := int((unseen & ~nobody).sum()):
            text += f", and {own:,} more in one person or another"
    else:
        p, k = np.argwhere(unseen)[0]
        text = f"{say_count(int(unseen.sum()), 'keypoint')} never seen in one person or another, the first "
        text += name_person(sequence, p, k)
    return Finding("unseen", f"{text}; check the skeleton, or leave it: it costs next to nothing", int(unseen.sum()))


def check_confidence(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    outside = (sequence.confidence < 0) | (sequence.confidence > 1)
    if not outside.any():
        return None
    low, high = sequence.confidence.min(), sequence.confidence.max()
    text = (
        f"{say_count(int(outside.sum()), 'confidence')} outside 0 to 1 (range {low:.4g} to {high:.4g}), the first at "
        f"{name_first(sequence, outside)}; kept as they are, scale them first if they should be shares"
    )
    return Finding("confidence", text, int(outside.sum()))


def check_zeros(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    zeros = motion.zeros
    if not zeros.any():
        return None
    count, where = int(zeros.sum()), ",".join("0" * sequence.dims)
    text = f"{say_count(count, 'position')} exactly {where}, the first at {name_first(sequence, zeros)}; "
    return Finding("zeros", text + "if that means missing, pass --zeros-missing", count)


def _find_first_last(there: Bools) -> tuple[Indices, Indices]:
    """First and last frame (P,) in which people are there; for those who never are, 0 and the last of all."""
    return there.argmax(axis=0), len(there) - 1 - there[::-1].argmax(axis=0)
