"""What is missing: people who come and go, gaps, keypoints never seen, zeros that may mean missing, odd confidences."""

from __future__ import annotations

import numpy as np

from posecodec.analysis.checks.finding import Finding, list_names, name_first, name_person, name_place, say_count
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
    text = (
        f"{partly.sum()} of {say_count(sequence.people, 'person', 'people')} not there throughout ({late.sum()} enter late, "
        f"{early.sum()} leave early, {(~seen).sum()} never seen): {name_person(sequence, p)} {spell}; kept so, but where one "
        "leaves as another enters they may be the same: pass --track"
    )
    return Finding("come-and-go", text, int(partly.sum()))


def check_gaps(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    valid, frame = sequence.valid, np.arange(sequence.frames)[:, None]
    there, seen = np.asarray(valid.any(axis=2)), np.asarray(valid.any(axis=0))
    first, last = _find_first_last(there)
    away = ~there & (frame > first) & (frame < last) & there.any(axis=0)
    lost = there[..., None] & ~valid & seen
    if not (away.any() or lost.any()):
        return None
    people, points = find_runs(away), find_runs(lost)
    count = len(people) + len(points)
    expected = int((there | away).sum(axis=0) @ seen.sum(axis=1))
    missing = int(away.sum(axis=0) @ seen.sum(axis=1)) + int(lost.sum())
    longest = max((tuple(runs[runs[:, 1].argmax()]) for runs in (people, points) if len(runs)), key=lambda run: run[1])
    text = (
        f"{say_count(count, 'gap')} ({len(people):,} of whole people, {len(points):,} of single keypoints), "
        f"{100 * missing / expected:.2g} % missing; the longest is {say_count(longest[1], 'frame')} "
        f"({longest[1] / sequence.rate:.3g} s) from {name_place(sequence, longest[0], *longest[2:])}; kept as missing, "
        "fill them first if a later step needs every frame"
    )
    return Finding("gaps", text, count)


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
