"""Metadata of some frames of a recording: channels, which have a value a frame, and facts that count frames or seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from posecodec.pose.channels import cut_channels

FIRST = {
    "alphapose": ("first", 0), "c3d": ("first_frame", 1), "coco": ("first", 0), "csv": ("first_frame", 0),
    "dlc": ("first_frame", 0), "frames": ("first", 0), "kinetics": ("first", 1), "mmpose": ("first", 0),
    "motive": ("first_frame", 0), "movement": ("first", 0),
    "openpose": ("first", 0), "qualisys": ("first_frame", 1), "slp": ("first", 0),
    "trc": ("first_frame", 1), "vicon": ("first_frame", 1), "yolo": ("first", 0),
}  # fmt: skip
"""Under which name a format's facts keep the number of the first frame, and which it is where they do not."""
LATEST = 1e12  # Seconds of a first time that are believed
PANOPTIC = "first_frame"  # Panoptic's, which is among the metadata themselves


def cut_metadata(metadata: Mapping[str, Any], count: int, frames: slice, rate: float) -> dict[str, Any]:
    """Metadata of `count` frames for some of them: channels are cut, and numbers and times of the first frame follow it.

    rate: frames per second before.
    """
    start, _, step = frames.indices(count)
    found = cut_channels(metadata, count, frames)
    if (start, step) == (0, 1):
        return found
    if type(found.get(PANOPTIC)) is int:
        found[PANOPTIC] += start
    for name, (key, usual) in FIRST.items():
        facts = found.get(name)
        if isinstance(facts, Mapping) or (facts is None and found.get("source_format") == name):
            found[name] = _shift_facts(dict(facts or {}), name, key, usual, start, step, rate)
    return {name: facts for name, facts in found.items() if facts != {} or name in metadata}


def _shift_facts(
    facts: dict[str, Any], name: str, key: str, usual: int, start: int, step: int, rate: float
) -> dict[str, Any]:  # fmt: skip
    """The facts of a format for frames from `start` on, every `step`th."""
    stride = facts.get("step", 1) if name == "trc" else 1
    if type(stride) is not int or type(facts.get(key, usual)) is not int:
        return facts
    if start:
        facts[key] = facts.get(key, usual) + stride * start
    given = facts.get("start", 0.0) if name == "trc" else None
    if start and isinstance(given, int | float) and max(abs(given), start / rate) < LATEST:
        facts["start"] = given + start / rate
    if name == "trc" and step > 1:
        facts["step"] = stride * step
    if name == "openpose" and isinstance(facts.get("missing"), list):
        facts["missing"] = [run for given in facts["missing"] if (run := _shift_run(given, start, step))]
    if name == "coco" and isinstance(names := facts.get("names"), Mapping) and type(names.get("first", 0)) is int:
        facts["names"] = {**names, "first": names.get("first", 0) + start}
    return facts


def _shift_run(run: Any, start: int, step: int) -> list[int]:
    """The numbers of every `step`th frame from `start` on in a run [first, last] of frames; none where it has none."""
    if not (isinstance(run, list) and len(run) == 2 and all(type(number) is int for number in run)):
        return []
    first, last = -(-max(run[0] - start, 0) // step), (run[1] - start) // step
    return [first, last] if first <= last else []
