"""What does not move as bodies do: repeated poses, people or sides that change places, jumps, jitter.

Thresholds are far above what motion capture of dancing and jumping does.
"""

from __future__ import annotations

import numpy as np

from posecodec.analysis.checks.finding import Finding, has_listed_people, list_names, name_place, say_amount, say_count
from posecodec.analysis.checks.measures import Indices, MeasuredMotion, find_runs, measure_lengths, take_quantile
from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Floats

_PADDED_SHARES = (0.2, 0.9)  # Of frames in which all stand still, if padded: fewer are dropouts, more a picture
_JUMP = 0.02  # Heights off the middle of its neighbors from which a keypoint may jump: less is a detector's noise
_JUMP_TIMES_USUAL = 10  # The same in multiples of that keypoint's median
_JUMP_TIMES_BEND = 4.0  # The same in multiples of what the frames around it bend there, which is large in fast turns
_JUMP_TIMES_ACROSS = 1.5  # The same in multiples of the way between the neighbors, which is long in fast swings
_REST_SHARE = 0.2  # Share of the keypoints, those that move least within 4 frames, that count as at rest
_JITTER = 0.01  # Heights that second differences at rest may reach: noise of about 0.25 % in each axis
_NOISE_GROWTH = 2.0  # Times that fourth differences must exceed second ones: 3.4 in white noise, hardly in motion


def check_repeated(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    missing = ~sequence.valid
    still = (sequence.positions[1:] == sequence.positions[:-1]).all(axis=-1) | (missing[1:] & missing[:-1])
    still &= sequence.confidence[1:] == sequence.confidence[:-1]
    same = np.pad(still.all(axis=2) & ~missing[1:].all(axis=2), ((1, 0), (0, 0)))
    if not same.any():
        return None
    runs = find_runs(same)
    count, longest = int(same.sum()), runs[runs[:, 1].argmax()]
    share = same.all(axis=1).mean()
    text = (
        f"{say_count(count, 'pose')} the same as in the frame before, to the last digit, in {say_count(len(runs), 'run')}; "
        f"the longest is {longest[1]} from {name_place(sequence, longest[0], longest[2])}; drop padded frames and state the "
        "true rate with --fps"
    )
    if _PADDED_SHARES[0] < share < _PADDED_SHARES[1]:
        text += f" (the true rate may be nearer {sequence.rate * (1 - share):.3g} fps)"
    return Finding("repeated", text, count)


def check_identity(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    frames = motion.identity.any(axis=1)
    if not frames.any():
        return None
    t, count = int(frames.argmax()), int(frames.sum())
    names = list_names([sequence.ids[p] for p in np.flatnonzero(motion.identity[t])])
    remedy = (
        "pass --track to follow them by where they are" if has_listed_people(sequence) else "check it in the source"
    )
    text = (
        f"people seem to change places in {say_count(count, 'frame')}, the first frame {t} (ids {names}): their positions "
        f"go on under another id; {remedy}"
    )
    return Finding("identity", text, count)


def check_left_right(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if not motion.sides.any():
        return None
    count = int(motion.sides.sum())
    t, p = np.argwhere(motion.sides)[0]
    text = (
        f"left and right seem to change places {say_count(count, 'time')}, the first at {name_place(sequence, t, p)}; "
        "swap them back in the source, or expect spikes there"
    )
    return Finding("left-right", text, count)


def check_jumps(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if sequence.frames < 3:
        return None
    off = motion.turn[2:] / 2
    jump = off > _JUMP * motion.size
    jump &= ~np.isnan(off)
    if jump.any():
        jump &= off > _JUMP_TIMES_USUAL * take_quantile(off, 0.5)
        swapped = motion.identity | motion.sides
        jump &= ~(swapped[1:-1] | swapped[2:])[..., None]  # not in frames that a swap leads into or out of
    t, p, k = np.nonzero(jump)
    hit = off[t, p, k] > _expect_off(motion.planes, t + 1, p, k)
    if not hit.any():
        return None
    t, p, k = t[hit], p[hit], k[hit]
    poses = len(set(zip(t.tolist(), p.tolist(), strict=True)))
    text = (
        f"{say_count(len(t), 'keypoint')} out and back within a frame (in {say_count(poses, 'pose')}), the first at "
        f"{name_place(sequence, t[0] + 1, p[0], k[0])}, {say_amount(sequence, off[t[0], p[0], k[0]])} off its "
        "neighbors; make them missing or smooth them if they are no motion"
    )
    return Finding("jumps", text, len(t))


def _expect_off(planes: Floats, t: Indices, p: Indices, k: Indices) -> Floats:
    """How far at most the keypoints may be off the middle of their neighbors, as those (and the next) move."""
    before, after = planes[:, t - 1, p, k], planes[:, t + 1, p, k]
    middle, wide = (before + after) / 2, np.full_like(before, np.nan)
    inner = (t >= 2) & (t < planes.shape[1] - 2)
    t, p, k = t[inner], p[inner], k[inner]
    wide[:, inner] = (planes[:, t - 2, p, k] + planes[:, t + 2, p, k]) / 2
    bend = measure_lengths(wide - middle)
    return np.fmax(_JUMP_TIMES_BEND * bend, _JUMP_TIMES_ACROSS * measure_lengths(after - before))


def check_jitter(sequence: PoseSequence, motion: MeasuredMotion) -> Finding | None:
    if sequence.frames < 5 or not motion.size:
        return None
    net = measure_lengths(motion.planes[:, 4:] - motion.planes[:, :-4])
    known = ~(np.isnan(net) | np.isnan(bend := motion.turn[3:-1]))
    if not known.any():
        return None
    rest = known & (net <= np.quantile(net[known], _REST_SHARE))
    usual = float(np.median(bend[rest]))
    if not usual > _JITTER * motion.size:
        return None
    t, p, k = np.nonzero(rest)
    fourth = motion.turns[:, t + 4, p, k] - 2 * motion.turns[:, t + 3, p, k] + motion.turns[:, t + 2, p, k]
    if not np.nanmedian(measure_lengths(fourth)) > _NOISE_GROWTH * usual:
        return None
    text = (
        f"keypoints tremble: even at rest their second difference is {say_amount(sequence, usual)} in the median "
        f"({100 * usual / motion.size:.2g} % of the body's height); smoothing first saves most of the bytes"
    )
    return Finding("jitter", text, int(rest.sum()))
