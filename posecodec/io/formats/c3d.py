"""C3D motion capture files: the labeled points, read from and written to bytes by our own code (`c3d_parser`).

Keypoints are the points that are places, in their order; each subject of several ("Anna:LASI") is a person. Points that are
none but a model's angles, forces, moments, powers or scalars are channels (`pose.channels`); events stand in metadata.
A point is missing where it is NaN or its residual is below 0. Up is the axis of POINT:Y_SCREEN. Leaves out analog data,
rotations but for their origins where there are no points, residuals, camera masks and other parameters, and reports them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.formats import c3d_labels, c3d_parser
from posecodec.io.formats.c3d_parser import BLOCK, KEY, Content, Points
from posecodec.io.formats.c3d_records import MOST_LISTED, encode_head
from posecodec.io.parsing import frame_rates, markers, missing
from posecodec.io.parsing.format_metadata import find_runs, read_facts
from posecodec.io.parsing.subjects import Subjects, make_label, place_subjects, split_subjects
from posecodec.pose.channels import MOST_CELLS, Channel, describe_channels, read_channels, store_channels
from posecodec.pose.sequence import AXES, PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

_ORIGIN = re.compile(r"_4x4$", re.IGNORECASE)  # What Theia puts behind the names of segments


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The points of a `.c3d`, in the unit of POINT:UNITS, float32.

    Integer files are scaled. metadata `c3d`: `first_frame` if it is not 1, `units` if they are no unit known here,
    `x_screen` if it is not the axis written by default, `order` of labels, by number of person and keypoint and then of
    channel, where it is another, `plain`, the person whose labels have no prefix, `events` and `header_events`.
    fps: instead of POINT:RATE. Raises InputError if the file is cut short, its counts do not fit, or it has no places.
    """
    content = c3d_parser.parse(read_bytes(path))
    labels = c3d_labels.read_labels(content.parameters, content.group, content.points.shape[1])
    if content.group == "ROTATION":
        labels = [_ORIGIN.sub("", label) for label in labels]
    modeled = c3d_labels.find_modeled(content.parameters, labels) if content.group == "POINT" else {}
    places = [i for i in range(len(labels)) if i not in modeled]
    gone = content.points[..., 3] < 0
    values = np.where(gone[..., None], np.float32(np.nan), content.points[..., :3])
    channels = _read_channels(values, labels, modeled)
    if not places:
        raise InputError(f"no places in it, only {describe_channels(channels)} of a model; give a recording of markers")
    subjects = split_subjects([labels[i] for i in places])
    unit, up, facts = _read_unit_and_axes(content)
    facts |= _find_order(subjects, places) | _read_events(content)
    _report_left_out(content)
    stated = content.rate
    del content  # large recordings are let go as soon as can be
    values = missing.mask_infinite(values[:, places])
    missing.report_zeros(values)
    points = place_subjects(values, subjects)
    del values
    rate = _round_rate(stated) if fps is None else fps
    metadata = {"source_format": "c3d"} | ({"c3d": facts} if facts else {}) | _keep_channels(channels)
    return PoseSequence.from_arrays(
        points,
        fps=rate,
        skeleton=build_skeleton(subjects.keypoints),
        unit=unit,
        up=up,
        ids=subjects.ids,
        metadata=metadata,
    )


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A `.c3d` of floats (Intel): labels, channels, events, unit, rate, axis and number of the first frame as they were read.

    Several people are subjects, whose labels begin with their ids. Missing points are 0, 0, 0 with residual -1, the others
    have residual 0. Confidences and the id of one person alone are left behind.
    Raises UsageError unless it is in 3D at a constant rate, with keypoint names that a label can hold.
    """
    _check_fits(sequence)
    facts, channels = read_facts(sequence, "c3d"), _find_channels(sequence)
    labels, points = _sort_labels(sequence, facts, channels)
    if not (np.isfinite(points) | np.isnan(points)).all():
        raise UsageError("a coordinate is beyond float32, which .c3d holds; save as .npz")
    _check_labels(labels)
    values = np.zeros((*points.shape[:2], 4), "<f4")
    values[..., :3] = np.nan_to_num(points)
    values[..., 3] = np.where(np.isnan(points[..., 0]), -1, 0)
    largest = float(np.abs(values[..., :3]).max())
    across = facts.get("x_screen")
    if not (isinstance(across, str) and re.fullmatch("[+-][XYZ]", across)):
        across = _pick_x_screen(sequence.up)
    head = encode_head(sequence, labels, channels, facts, across, largest)
    body = values.tobytes()
    write_atomic(path, head + body + bytes(-len(body) % BLOCK), force)


def _read_channels(values: Points, labels: Sequence[str], modeled: Mapping[int, c3d_labels.Kind]) -> list[Channel]:
    return [Channel(labels[i], kind.group.lower(), kind.unit, values[:, i]) for i, kind in modeled.items()]


def _keep_channels(channels: Sequence[Channel]) -> dict[str, Any]:
    """What goes into metadata, and a note of it."""
    if not channels:
        return {}
    text = f"{len(channels)} points are no places but {describe_channels(channels)} of a model"
    if sum(channel.values.size for channel in channels) > MOST_CELLS:
        report_change(f"{text}; of so many frames they are NOT KEPT")
        return {}
    report_change(f"{text}; they are kept apart, as channels: see encode --channel-error")
    return store_channels(channels)


def _find_order(subjects: Subjects, places: Sequence[int]) -> dict[str, Any]:
    """Facts of the labels' order, where it is not that of people, their keypoints, and then channels."""
    width, count = len(subjects.keypoints), len(subjects.ids) * len(subjects.keypoints)
    number = {at: p * width + k for at, (p, k) in zip(places, subjects.at, strict=True)}
    total, channel, order = max(places) + 1, count, []
    for at in range(total):
        order.append(number.get(at, channel))
        channel += at not in number
    facts: dict[str, Any] = {} if order == list(range(count)) else {"order": find_runs(order)}
    return facts | ({} if subjects.plain is None else {"plain": subjects.plain})


def _sort_labels(
    sequence: PoseSequence, facts: Mapping[str, Any], channels: Sequence[Channel]
) -> tuple[list[str], Points]:
    """All labels of a file, and its points (T, N, 3)."""
    count = sequence.people * len(sequence.skeleton)
    order = c3d_labels.expand_order(facts.get("order"), count + len(channels))
    seen = sequence.valid.any(axis=0).ravel()
    if not (order and set(np.flatnonzero(seen).tolist()) <= set(order)):
        order = list(range(count))
    order += [n for n in range(count, count + len(channels)) if n not in set(order)]
    labels, plain = list(sequence.skeleton.keypoints), facts.get("plain")
    if sequence.people > 1:
        labels = [make_label(id, name, plain) for id in sequence.ids for name in labels]
    labels += [channel.name for channel in channels]
    missing.report_rounding(sequence.positions, ".c3d")
    with np.errstate(over="ignore"):
        places = sequence.positions.reshape(sequence.frames, count, 3).astype("<f4")
    parts = [places, *(channel.values[:, None] for channel in channels)]
    return [labels[n] for n in order], np.concatenate(parts, axis=1)[:, order]


def _find_channels(sequence: PoseSequence) -> list[Channel]:
    """Channels that a file can hold; reports others."""
    held = read_channels(sequence.metadata, sequence.frames)
    fits = [channel for channel in held if channel.values.shape[1] == 3 and channel.kind.upper().isidentifier()]
    known = read_channels(sequence.metadata)
    if len(fits) < len(known):
        report_change(
            f"{len(known) - len(fits)} channels are not of the recording's frames, or not three values; left out"
        )
    return fits


def _read_unit_and_axes(content: Content) -> tuple[str, str, dict[str, Any]]:
    """Unit, up axis, and what is needed to write the file again."""
    known, keys = content.parameters, ("POINT:UNITS", "POINT:Y_SCREEN", "POINT:X_SCREEN")
    text, up, across = ("".join(known[key].texts[:1]) if key in known else "" for key in keys)
    unit = markers.UNITS.get(text.lower(), "unknown")
    if not text and content.group == "ROTATION":
        unit = "mm"  # of Theia, whose files these are
        report_change("POINT:UNITS is empty; places are taken to be in mm (pass --unit if they are not)")
    axis = next((axis for axis in AXES if axis == up.lower().removeprefix("+")), "unknown")
    facts: dict[str, Any] = {}
    if content.first != 1:
        facts["first_frame"] = content.first
    if text and unit == "unknown":
        facts["units"] = text
    if across and axis != "unknown" and across != _pick_x_screen(axis):
        facts["x_screen"] = across
    return unit, axis, facts


def _pick_x_screen(up: str) -> str:
    """The axis to the right on a screen where `up` is up, if nothing is known of it."""
    return "+Y" if up.endswith("x") else "+X"


def _round_rate(rate: float) -> float:
    """The usual rate that is this float32, or else its shortest decimal: 29.97, not 29.969999313354492."""
    rate = frame_rates.require_rate(rate if math.isfinite(rate) and rate > 0 else None)
    usual = next((r for r in frame_rates.USUAL_RATES if np.float32(r) == np.float32(rate)), None)
    return float(usual or str(np.float32(rate)))


def _read_events(content: Content) -> dict[str, Any]:
    """Facts: the parameters of EVENT where there are any, as kind, sizes and values, and the header's own."""
    facts: dict[str, Any] = {}
    if content.events:
        facts["header_events"] = [list(event) for event in content.events]
    if c3d_parser.read_count(content.parameters, "EVENT:USED", 0):
        facts["events"] = {
            key.partition(":")[2]: [parameter.kind, list(parameter.sizes), parameter.texts or parameter.numbers]
            for key, parameter in content.parameters.items()
            if key.startswith("EVENT:") and parameter.data
        }
    return facts


def _report_left_out(content: Content) -> None:
    """What is in the file and not in what was read, in one note."""
    parameters, residual, is_rotation = content.parameters, content.points[..., 3], content.group == "ROTATION"
    analog, rotations = (c3d_parser.read_count(parameters, f"{group}:USED", 0) for group in ("ANALOG", "ROTATION"))
    if is_rotation:
        report_change(
            f"no points, only {rotations} rotations of 4x4: their origins are the keypoints, the rest is not kept"
        )
    measured = 0 if is_rotation else int(((residual > 0) | (residual < -1)).sum())
    counts = {"analog channels": analog, "rotations of 4x4": 0 if is_rotation else rotations, "residuals": measured}
    found = [f"{count} {what}" for what, count in counts.items() if count]
    groups = {key.partition(":")[0] for key in parameters} - {"POINT", "ANALOG", "EVENT", "TRIAL", "ROTATION"}
    if found:
        report_change(f"{', '.join(found)} are not kept")
    if names := ", ".join(sorted(groups)):
        report_change(f"the parameters of {names[:300]} are not kept")


def _check_fits(sequence: PoseSequence) -> None:
    if sequence.dims != 3 or not sequence.frames or not sequence.people:
        found = f"{sequence.frames} frames of {sequence.people} people in {sequence.dims}D"
        raise UsageError(f".c3d holds people in 3D, this is {found}; save as .npz or .csv")
    markers.check_rate(sequence, ".c3d")
    with np.errstate(over="ignore"):
        stored = float(np.float32(sequence.rate))
    if not (math.isfinite(stored) and stored > 0):
        raise UsageError(f"the rate {sequence.fps} is beyond float32, which .c3d holds; save as .npz")
    if _round_rate(stored) != sequence.fps:
        report_change(f"the rate {sequence.fps} is written as {np.float32(sequence.fps)}, as precise as .c3d can be")
    if sequence.people == 1 and sequence.ids != ("0",):
        report_change(f".c3d has no room for the id {sequence.ids[0]!r}; it is left behind")
    wrong = next((id for id in sequence.ids if sequence.people > 1 and (":" in id or not id)), None)
    if wrong is not None:
        raise UsageError(f"the id {wrong!r} cannot stand before the colon of a label; rename it or save as .npz")


def _check_labels(labels: Sequence[str]) -> None:
    wrong = [name for name in labels if name != name.strip("\0 ") or not name or len(name.encode()) > MOST_LISTED]
    if wrong:
        raise UsageError(f"the keypoint name {wrong[0]!r:.60} is no label; rename it or save as .npz")


def _sniff(file: Source) -> Clue | None:
    """The first byte is the block where the parameters begin, the second the key of C3D."""
    head = file.head
    is_c3d = len(head) >= 512 and head[0] < 64 and head[1] == KEY and b"\0" in head[:512]
    return Clue("its second byte, 50 hex") if is_c3d else None


FORMAT = Format(
    name="c3d", title="C3D motion capture", suffixes=(".c3d",), own_suffixes=(".c3d",), read=read, write=write,
    sniff=_sniff, priority=47, channels=True,
)  # fmt: skip
