"""Parts of sequences, several made one, other units and frame rates: what `PoseSequence`'s methods do.

Values are taken or converted, never guessed; metadata go along, of some frames as `cutting` has it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from posecodec.errors import DependencyError, UsageError, report_change, report_count
from posecodec.memory import check_memory
from posecodec.pose.channels import KEY
from posecodec.pose.choosing import Choice, find_places
from posecodec.pose.cutting import cut_metadata
from posecodec.pose.skeleton import Skeleton

if TYPE_CHECKING:
    import pandas

PoseSequence = Any  # Its module imports this one
TIME_ROUNDING = 1e-9  # Relative difference of frame rates that count as one
COPIES = 5  # of what is resampled, in float64, that there are at once


def take_frames(sequence: PoseSequence, which: int | slice) -> PoseSequence:
    """Some frames: a slice as of a list, one by its number as a sequence of one. A step slows the rate.

    Raises IndexError where there is no such frame, UsageError for a slice that turns time around.
    """
    if not isinstance(which, slice):
        if isinstance(which, bool) or not isinstance(which, Integral):
            raise UsageError(f"{which!r:.40} is no frame; give a number, or a slice as in sequence[100:200]")
        number = which + sequence.frames if which < 0 else which
        if not 0 <= number < sequence.frames:
            raise IndexError(f"frame {which} of {sequence.frames}")
        which = slice(number, number + 1)
    start, stop, step = which.indices(sequence.frames)
    if step < 1:
        raise UsageError(f"frames {start}:{stop}:{step} go back in time; give a step of 1 or more")
    at = slice(start, stop, step)
    return replace(
        sequence, positions=sequence.positions[at], confidence=sequence.confidence[at],
        fps=None if sequence.fps is None else sequence.fps / step,
        timestamps=None if sequence.timestamps is None else sequence.timestamps[at],
        metadata=cut_metadata(sequence.metadata, sequence.frames, at, sequence.rate),
    )  # fmt: skip


def concatenate(sequences: Iterable[PoseSequence]) -> PoseSequence:
    """One after the other: people by their ids, missing where a sequence does not have them; metadata of the first.

    Raises UsageError where there is none, where skeletons, units, axes or frame rates differ, or times do not go on, and
    says how to make them fit. Channels, and metadata of others that do not go on the first's, are left out with a report.
    """
    several = list(sequences)
    if not several:
        raise UsageError("nothing to concatenate; give at least one sequence")
    first = several[0]
    for number, other in enumerate(several[1:], 1):
        _check_alike(first, other, number)
        _check_times(several[number - 1], other, number)
    ids = tuple(dict.fromkeys(person for sequence in several for person in sequence.ids))
    shape = (sum(sequence.frames for sequence in several), len(ids), len(first.skeleton))
    positions = np.full((*shape, first.dims), np.nan, np.result_type(*(sequence.positions for sequence in several)))
    confidence, start = np.zeros(shape, np.float32), 0
    for sequence in several:
        at = slice(start, start + sequence.frames)
        people = [ids.index(person) for person in sequence.ids]
        positions[at, people], confidence[at, people] = sequence.positions, sequence.confidence
        start = at.stop
    timed = [sequence.timestamps for sequence in several if sequence.timestamps is not None]
    return replace(
        first, positions=positions, confidence=confidence, ids=ids, timestamps=np.concatenate(timed) if timed else None,
        metadata=_join_metadata(several),
    )  # fmt: skip


def _join_metadata(several: Sequence[PoseSequence]) -> dict[str, Any]:
    """The first's without channels; reports these, and what others say that the first's frames would not if they went on."""
    if any(KEY in sequence.metadata for sequence in several):
        report_change("channels, which have a value a frame, are left out")
    plain = [_drop_channels(sequence.metadata) for sequence in several]
    frames, lost = several[0].frames, 0
    for sequence, metadata in zip(several[1:], plain[1:], strict=True):
        after = cut_metadata(plain[0], frames + 1, slice(frames, None), several[0].rate)
        lost += metadata not in ({}, plain[0], after)
        frames += sequence.frames
    report_count(lost, f"of {len(several)} sequences have other metadata than the first; they are left out")
    return plain[0]


def _drop_channels(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != KEY}


def _check_times(before: PoseSequence, other: PoseSequence, number: int) -> None:
    times = [sequence.timestamps for sequence in (before, other)]
    if all(each is not None and len(each) for each in times) and times[1][0] <= times[0][-1]:
        found = f"begins at {times[1][0]:g} s, and what is before it ends at {times[0][-1]:g} s"
        raise UsageError(f"sequence {number} {found}; add to its timestamps, or sort the sequences")


def _check_alike(first: PoseSequence, other: PoseSequence, number: int) -> None:
    where = f"sequence {number}"
    if other.skeleton.keypoints != first.skeleton.keypoints:
        raise UsageError(f"{where} is {other.skeleton.name}, not {first.skeleton.name}; use mapped_to or select first")
    if (other.dims, other.up) != (first.dims, first.up):
        raise UsageError(f"{where} is {other.dims}D, up {other.up}, not {first.dims}D, up {first.up}; turn it first")
    if other.unit != first.unit:
        raise UsageError(f"{where} is in {other.unit}, not {first.unit}; use .to({first.unit!r}) first")
    if (other.fps is None) != (first.fps is None):
        raise UsageError(f"{where} has {'times' if other.fps is None else 'a frame rate'}, unlike the first")
    if (
        first.fps is not None
        and other.fps is not None
        and not math.isclose(other.fps, first.fps, rel_tol=TIME_ROUNDING)
    ):
        raise UsageError(f"{where} has {other.fps:g} fps, not {first.fps:g}; use .resample({first.fps:g}) first")


def select(sequence: PoseSequence, keypoints: Choice | None, people: Choice | None) -> PoseSequence:
    """Only some keypoints and people, as `choosing` finds them, in the order given; edges and pairs among them stay, and what
    they stand for in coco19.

    Raises UsageError for one that is not there, with names like it.
    """
    if people is not None:
        places = find_places(people, sequence.ids, "person")
        sequence = replace(
            sequence, positions=sequence.positions[:, places], confidence=sequence.confidence[:, places],
            ids=tuple(sequence.ids[place] for place in places),
        )  # fmt: skip
    if keypoints is None:
        return sequence
    places = find_places(keypoints, sequence.skeleton.keypoints, "keypoint")
    return replace(
        sequence, positions=sequence.positions[:, :, places], confidence=sequence.confidence[:, :, places],
        skeleton=_cut_skeleton(sequence.skeleton, places),
    )  # fmt: skip


def _cut_skeleton(skeleton: Skeleton, places: list[int]) -> Skeleton:
    def renumber(pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        return tuple((new[a], new[b]) for a, b in pairs if a in new and b in new)

    new = {place: number for number, place in enumerate(places)}
    if len(new) < len(places):
        raise UsageError("a keypoint is asked for twice; name each once")
    if places == list(range(len(skeleton))):
        return skeleton
    root = None if skeleton.root is None else new.get(skeleton.root)
    names = tuple(skeleton.keypoints[place] for place in places)
    known = skeleton.to_coco19.items()  # without what maps by its name anyway: a wrist alone makes no body of a hand
    mapping = {target: sources for target, sources in known if sources != (target,) and {*sources} <= {*names}}
    return Skeleton(
        f"part of {skeleton.name}", names, renumber(skeleton.edges), renumber(skeleton.pairs), root, mapping
    )


def convert_unit(sequence: PoseSequence, unit: str, lengths: Mapping[str, float]) -> PoseSequence:
    """Positions in another unit of length. lengths: mm in each. Raises UsageError where either is none."""
    if unit == sequence.unit:
        return sequence
    if unit not in lengths:
        raise UsageError(f"{unit!r} is no unit of length; give one of {', '.join(lengths)}")
    if sequence.unit not in lengths:
        unknown = "say what it is first, as in dataclasses.replace(sequence, unit='m')"
        remedy = unknown if sequence.unit == "unknown" else "pixels have no length"
        raise UsageError(f"positions in {sequence.unit} cannot be converted to {unit}; {remedy}")
    factor = lengths[sequence.unit] / lengths[unit]
    positions = (sequence.positions.astype(np.float64) * factor).astype(sequence.positions.dtype)
    return replace(sequence, positions=positions, unit=unit)


def resample(sequence: PoseSequence, fps: float) -> PoseSequence:
    """The motion at another frame rate, by straight lines between frames; from the first frame on, as long as it lasts.

    A keypoint is missing where it is in a frame beside. Raises UsageError for a rate that is not above 0, InputError where
    that takes more memory than a file may. Channels are left out.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise UsageError(f"{fps} frames a second; give a rate above 0")
    if sequence.fps is not None and math.isclose(sequence.fps, fps, rel_tol=TIME_ROUNDING) or not sequence.frames:
        return replace(sequence, fps=float(fps), timestamps=None)
    times = sequence.timestamps if sequence.timestamps is not None else np.arange(sequence.frames) / sequence.rate
    times = np.asarray(times) - times[0]
    frames = min(times[-1] * fps * (1 + TIME_ROUNDING), sys.maxsize)
    shape = sequence.positions.shape
    what = f"{shape[1]} people with {shape[2]} keypoints at {fps:g} frames a second for {times[-1]:g} seconds"
    check_memory(int(frames) * max(math.prod(shape[1:]), 1) * COPIES * np.dtype(np.float64).itemsize, what)
    asked = np.arange(math.floor(frames) + 1) / fps
    low = np.clip(np.searchsorted(times, asked, side="right") - 1, 0, max(len(times) - 2, 0))
    high = np.minimum(low + 1, len(times) - 1)
    share = np.clip((asked - times[low]) / np.maximum(times[high] - times[low], 1e-300), 0, 1)
    share[np.abs(share) < TIME_ROUNDING], share[np.abs(share - 1) < TIME_ROUNDING] = 0, 1

    def blend(values: Any) -> Any:
        part = share.reshape(-1, *[1] * (values.ndim - 1))
        first, second = values[low].astype(np.float64), values[high].astype(np.float64)
        mixed = np.where(part == 0, first, np.where(part == 1, second, first + (second - first) * part))
        return mixed.astype(values.dtype)

    positions, confidence = blend(sequence.positions), blend(sequence.confidence)
    confidence[np.isnan(positions[..., 0])] = 0
    return replace(
        sequence, positions=positions, confidence=confidence, fps=float(fps), timestamps=None,
        metadata=_drop_channels(sequence.metadata),
    )  # fmt: skip


def build_dataframe(sequence: PoseSequence) -> pandas.DataFrame:
    """A row for each keypoint of each person in each frame: frame, time (s), person, keypoint, x, y, (z,) confidence.

    Raises DependencyError without pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise DependencyError("a DataFrame needs pandas; pip install pandas") from error
    shape = sequence.positions.shape[:3]
    times = sequence.timestamps if sequence.timestamps is not None else np.arange(shape[0]) / sequence.rate
    frame, person, keypoint = (place.ravel() for place in np.indices(shape))
    axes = {axis: sequence.positions[..., d].ravel() for d, axis in enumerate("xyz"[: sequence.dims])}
    return pandas.DataFrame({
        "frame": frame, "time": np.asarray(times, np.float64)[frame],
        "person": pandas.Categorical.from_codes(person, list(sequence.ids)),
        "keypoint": pandas.Categorical.from_codes(keypoint, list(sequence.skeleton.keypoints)),
        **axes, "confidence": sequence.confidence.ravel(),
    })  # fmt: skip
