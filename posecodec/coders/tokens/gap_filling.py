"""Gaps filled by the network: what it makes of the keypoints that were seen, led over into these at both ends of a gap.

No codes are involved: the encoder's latents go to the decoder as they are, in several rounds, as in the imputation of missing
data by principal components: what a round made of a gap is seen by the next. `kinematics.gap_filling` has ways without
a network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posecodec.bitstream.header import Track
from posecodec.coders.tokens.tokenizer import Tokenizer
from posecodec.errors import InputError
from posecodec.kinematics.body_track import split_track
from posecodec.pose.orientation import guess_up
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.tracks import find_tracks
from posecodec.signal.resampling import resample
from posecodec.typing import Bools, Floats

ROUNDS = 3  # Of the network: what it made of a gap is seen in the next round; more of them drift (benchmarks/LOG.md)
ENDS = 4  # Frames on each side of a gap whose mean says how far the network is off there: single ones may jitter


def fill_sequence(sequence: PoseSequence, tokenizer: Tokenizer) -> PoseSequence:
    """Every person's keypoints that the weights know by name, from the first frame to the last; confidences stay as they are.

    Raises InputError if the recording has none of these keypoints.
    """
    names = tokenizer.skeleton.keypoints
    ours = [k for k, name in enumerate(sequence.skeleton.keypoints) if name in names]
    theirs = [names.index(sequence.skeleton.keypoints[k]) for k in ours]
    if not ours:
        raise InputError(
            f"gaps of {sequence.skeleton.name!r} cannot be filled: it has no keypoint of {tokenizer.skeleton.name}"
        )
    body, positions = sequence.mapped_to(tokenizer.skeleton), sequence.positions.copy()
    up = sequence.up
    if up == "unknown":
        up = guess_up(body.positions.reshape(-1, *body.positions.shape[2:]), body.skeleton)
    for person, start, length in find_tracks(sequence.valid):
        for first, count in Track(person, start, length).chunks:
            at = slice(first, first + count), person
            filled = fill_gaps(body.positions[at].astype(np.float64), tokenizer, up, sequence.rate)
            seen = positions[at]
            seen[:, ours] = np.where(np.isnan(seen[:, ours]), filled[:, theirs], seen[:, ours])
    return sequence.with_positions(positions, sequence.confidence)


def fill_gaps(points: Floats, tokenizer: Tokenizer, up: str, rate: float) -> Floats:
    """Keypoints (T, K, D) of the weights' skeleton, as recorded, with NaN where missing; none is after it.

    As given where nothing is missing, or nothing was ever seen.
    """
    gone = np.isnan(points[..., 0])
    if not gone.any() or gone.all():
        return points
    return fill_by(points, lambda whole, late: _restore(whole, late, tokenizer, up, rate))


def fill_by(points: Floats, restore: Callable[[Floats, bool], Floats]) -> Floats:
    """Keypoints (T, K, D) with NaN where missing, filled by what `restore` makes of them, again and again.

    restore: keypoints, at first with gaps, then filled, and whether steps begin half a step late; to all of them.
    """
    filled = points
    for number in range(ROUNDS):
        filled = blend(points, restore(filled, number % 2 == 1))
    return filled


def blend(points: Floats, made: Floats) -> Floats:
    """Keypoints (T, K, D) with NaN where missing, filled by what was made of them (T, K, D), led over at the ends of gaps."""
    gone = np.isnan(points[..., 0])
    made = made + _mean_off(points - made)[:, None]
    filled: Floats = points.copy()
    for k in np.flatnonzero(gone.any(axis=0)):
        off = _lead_over(points[:, k] - made[:, k], gone[:, k])
        filled[gone[:, k], k] = (made[:, k] + off)[gone[:, k]]
    return filled


def _restore(points: Floats, late: bool, tokenizer: Tokenizer, up: str, rate: float) -> Floats:
    """What the network makes of all keypoints (T, K, D), in the recording's unit and axes. late: as in `fill_by`."""
    network = tokenizer.network
    from posecodec.networks import part_io, path

    turned = points.astype(np.float64) @ tokenizer.orient(up).T
    world = resample(turned, tokenizer.count_frames(len(points), rate))
    track = split_track(world, tokenizer.skeleton, tokenizer.bones)
    body = part_io.restore_body(network, track.body, late)
    made = path.place_array(body, track.path) * track.size
    return np.asarray(resample(made, len(points)) @ tokenizer.orient(up))


def _mean_off(off: Floats) -> Floats:
    """(T, D) how far all that is seen is off in the mean: the root, which the rest hangs on, may jitter or be bridged
    itself."""
    seen = ~np.isnan(off[..., 0])
    return np.asarray(np.nansum(off, axis=1) / np.maximum(seen.sum(axis=1), 1)[:, None])


def _lead_over(off: Floats, gone: Bools) -> Floats:
    """How far a keypoint (T, D) was off where it was seen, led through gaps by straight lines; 0 where it was never seen."""
    seen = np.flatnonzero(~gone)
    if not len(seen):
        return np.zeros_like(off)
    steady = off.copy()
    for at in seen:
        near = seen[np.abs(seen - at) < ENDS]
        if gone[max(at - 1, 0)] or gone[min(at + 1, len(gone) - 1)]:
            steady[at] = off[near].mean(axis=0)
    time = np.arange(len(off))
    return np.stack([np.interp(time, seen, steady[seen, d]) for d in range(off.shape[1])], axis=1)
