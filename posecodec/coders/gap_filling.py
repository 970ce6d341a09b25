"""Gaps filled by what a model of bodies expects of them, led over into what was seen at both ends.

In several rounds, as in the imputation of missing data by principal components: what a round made of a gap says where the
root is and where the body faces in the next. Models are `kinematics.motion_model` and the network of tokens;
`kinematics.gap_filling` has ways that know nothing of bodies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.header import Track
from posecodec.errors import InputError
from posecodec.kinematics.body_track import Bones, place_body, split_track
from posecodec.pose.orientation import guess_up
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.skeletons.whole import WHOLE, find_places
from posecodec.pose.tracks import find_tracks
from posecodec.signal.resampling import resample
from posecodec.typing import Bools, Floats, Ints

ENDS = 4  # Frames on each side of a gap whose mean says how far the model is off there: single ones may jitter


class BodyModel(Protocol):
    """What knows how bodies move. skeleton, bones: of its bodies. rounds: in which it is asked."""

    @property
    def skeleton(self) -> Skeleton:
        """Its keypoints."""

    @property
    def bones(self) -> Bones:
        """As in `split_track`."""

    @property
    def rounds(self) -> int:
        """How often it is asked, each time with what it said before."""

    def narrow(self, seen: Bools) -> tuple[BodyModel, Ints]:
        """The model of those of its keypoints (K,) that a recording has, or of more of them, and which these are."""

    def turn_axes(self, up: str) -> Floats:
        """(D, D) that turns a recording's axes into its own."""

    def count_frames(self, frames: int, rate: float) -> int:
        """Frames at its rate of so many at a rate. Raises InputError where they are too many."""

    def restore_body(self, body: Floats, gone: Bools, number: int) -> Floats:
        """What it makes of a body (T, K, D), filled since the second round. gone: (T, K) what was not seen."""


def fill_sequence(sequence: PoseSequence, model: BodyModel) -> PoseSequence:
    """Every person's keypoints that the model knows by name, from the first frame to the last; confidences stay as they are.

    Raises InputError if the recording has none of these keypoints.
    """
    places = find_places(sequence.skeleton, model.skeleton)
    ours, theirs = list(places), list(places.values())
    if not ours:
        raise InputError(
            f"gaps of {sequence.skeleton.name!r} cannot be filled: it has no keypoint of {model.skeleton.name}; "
            "give weights of motion or tokens that know its keypoints (--fill-with, weights=)"
        )
    bodies, positions = see_bodies(sequence, model.skeleton, places), sequence.positions.copy()
    up = sequence.up
    if up == "unknown":
        up = guess_up(bodies.reshape(-1, *bodies.shape[2:]), model.skeleton)
    for person, start, length in find_tracks(sequence.valid):
        track = bodies[start : start + length, person]
        seen = ~np.isnan(track[..., 0]).all(axis=0)
        seen[theirs] = True
        narrow, kept = model.narrow(seen)
        for first, count in Track(person, start, length).chunks:
            at = slice(first, first + count), person
            filled = np.full(bodies[at].shape, np.nan)
            filled[:, kept] = fill_gaps(bodies[at][:, kept].astype(np.float64), narrow, up, sequence.rate)
            known = positions[at]
            known[:, ours] = np.where(np.isnan(known[:, ours]), filled[:, theirs], known[:, ours])
    return sequence.with_positions(positions, sequence.confidence)


def see_bodies(sequence: PoseSequence, skeleton: Skeleton, places: dict[int, int]) -> NDArray[np.floating]:
    """(T, P, K, D) a recording's people as keypoints of a model's skeleton, NaN where it tells nothing of them.

    places: which of these each of its own is. Of all bodies' keypoints also what coco19 has of them: the middle of hips.
    """
    if skeleton != WHOLE:
        return sequence.mapped_to(skeleton).positions
    bodies = np.full((*sequence.positions.shape[:2], len(skeleton), sequence.dims), np.nan)
    if sequence.skeleton.to_coco19 or set(sequence.skeleton.keypoints) & set(COCO19.keypoints):
        bodies[:, :, : len(COCO19)] = sequence.mapped_to(COCO19).positions
    bodies[:, :, list(places.values())] = sequence.positions[:, :, list(places)]
    return bodies


def fill_gaps(points: Floats, model: BodyModel, up: str, rate: float) -> Floats:
    """Keypoints (T, K, D) of the weights' skeleton, as recorded, with NaN where missing; none is after it.

    As given where nothing is missing, or nothing was ever seen.
    """
    gone = np.isnan(points[..., 0])
    if not gone.any() or gone.all():
        return points
    frames = model.count_frames(len(points), rate)
    turned = points.astype(np.float64) @ model.turn_axes(up).T
    unseen = np.isnan(resample(turned, frames)[..., 0])

    def restore(filled: Floats, number: int) -> Floats:
        track = split_track(resample(filled, frames), model.skeleton, model.bones)
        made = place_body(model.restore_body(track.body, unseen, number), track)
        return resample(made, len(points))

    return np.asarray(fill_by(turned, restore, model.rounds) @ model.turn_axes(up))


def fill_by(points: Floats, restore: Callable[[Floats, int], Floats], rounds: int) -> Floats:
    """Keypoints (T, K, D) with NaN where missing, filled by what `restore` makes of them, again and again.

    restore: keypoints, at first with gaps, then filled, and the number of the round; to all of them.
    """
    filled = points
    for number in range(rounds):
        filled = blend(points, restore(filled, number))
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
