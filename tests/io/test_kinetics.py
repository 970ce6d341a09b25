"""Kinetics-skeleton and Azure Kinect: hand-worked files, times, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from posecodec.errors import InputError, NoRateError
from posecodec.io import detect
from posecodec.io.formats import azure_kinect, kinetics
from posecodec.pose.skeletons.builtin import BUILT_IN

NAMES = [
    f"{name.removeprefix('left_').removeprefix('right_').replace('hand_tip', 'handtip').upper()}{side}"
    for name in BUILT_IN["kinect32"].keypoints
    for side in ["_LEFT" if name.startswith("left_") else "_RIGHT" if name.startswith("right_") else ""]
]


def person(start: float = 0.25, count: int = 18) -> dict[str, Any]:
    return {"pose": [start + k / 64 for k in range(2 * count)], "score": [0.75] * count}


def clip(*frames: list[Any], **extra: Any) -> dict[str, Any]:
    listed = [{"frame_index": i + 1, "skeleton": skeleton} for i, skeleton in enumerate(frames)]
    return {"data": listed, "label": "juggling balls", "label_index": 158} | extra


def test_a_clip(put):
    gap = person(0.5)
    gap["pose"][4:6] = [0, 0]
    path = put(clip([person()], [], [gap, person()]))
    assert detect(path).format == "kinetics"
    sequence = kinetics.read(path)
    assert sequence.positions.shape == (3, 2, 18, 2) and sequence.skeleton.name == "coco18"
    assert (sequence.fps, sequence.unit, sequence.up) == (30, "unknown", "-y")
    np.testing.assert_array_equal(sequence.positions[2, 0, :4, 0], [0.5, 0.53125, np.nan, 0.59375])
    assert sequence.confidence[2, 0, :3].tolist() == [0.75, 0.75, 0]
    assert sequence.metadata["kinetics"] == {"label": "juggling balls", "label_index": 158}


def test_the_first_frame_has_its_number(put):
    frames = [{"frame_index": number, "skeleton": [person()]} for number in (7, 8)]
    assert kinetics.read(put({"data": frames})).metadata["kinetics"] == {"first": 7}


def test_other_detectors_and_pixels(put, reports):
    with reports("not kept: resolution"):
        sequence = kinetics.read(put(clip([person(100, 17)], resolution=[340, 256])), fps=25)
    assert sequence.skeleton.name == "coco17" and sequence.unit == "px" and sequence.fps == 25


@pytest.mark.parametrize(("content", "match"), [
    ([], 'no list "data"'), ({"data": 5}, 'no list "data"'), (clip(), "0 frames and nobody"),
    (clip([]), "1 frames and nobody"),
    ({"data": [5]}, 'frame 0 has no list "skeleton"'), (clip([5]), "frame 1, person 0 is int"),
    (clip([{"pose": [1, 2], "score": [1, 2]}]), "2 coordinates and 2 scores"),
    (clip([{"pose": [1, 2]}]), "score is NoneType"),
    ({"data": [{"frame_index": 3, "skeleton": []}] * 2}, "frame 1: frame_index is 3"),
    ({"data": [{"frame_index": -1, "skeleton": []}]}, "frame_index is -1"),
    (clip([person(), person(count=5)]), "person 1 has 15 numbers, the first has 54"),
])  # fmt: skip
def test_clips_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        kinetics.read(put(content))


def joints(start: float = 100.5) -> list[list[float]]:
    return [[start + k, -k, 2000.25] for k in range(32)]


def bodies(*frames: Any, step: int = 33333, **extra: Any) -> dict[str, Any]:
    listed = [
        {"frame_id": i, "timestamp_usec": i * step, "num_bodies": len(b), "bodies": b} for i, b in enumerate(frames)
    ]
    return {
        "k4abt_sdk_version": "1.1.0",
        "joint_names": NAMES,
        "bone_list": [["PELVIS", "NECK"]],
        "frames": listed,
    } | extra


def seen(key: int = 1, start: float = 100.5, **extra: Any) -> dict[str, Any]:
    return {"body_id": key, "joint_positions": joints(start), "joint_orientations": [[1, 0, 0, 0]] * 32} | extra


def test_azure_kinect(put, reports):
    path = put(bodies([seen()], [], [seen(2, 300), seen(confidence_levels=[2] * 31 + [0])]))
    assert detect(path).format == "azure_kinect"
    with reports("not kept: joint_orientations, k4abt_sdk_version"):
        sequence = azure_kinect.read(path)
    assert sequence.positions.shape == (3, 2, 32, 3) and sequence.skeleton.name == "kinect32"
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (30, "mm", "-y", ("1", "2"))
    np.testing.assert_array_equal(sequence.positions[2, 1, 31], [331, -31, 2000.25])
    np.testing.assert_allclose(sequence.confidence[2, 0, [0, 31]], [2 / 3, 0])


def test_times_that_are_not_regular_are_kept(put):
    content = bodies([seen()], [seen()], [seen()])
    content["frames"][1]["timestamp_usec"] = 40000
    sequence = azure_kinect.read(put(content))
    assert sequence.fps is None and sequence.timestamps.tolist() == [0, 0.04, 0.066666]
    assert azure_kinect.read(put(content), fps=30).fps == 30
    for frame in content["frames"]:
        del frame["timestamp_usec"]
    with pytest.raises(NoRateError):
        azure_kinect.read(put(content))


def test_names_of_joints(put):
    content = bodies([seen()])
    del content["joint_names"]
    assert azure_kinect.read(put(content), fps=30).skeleton.name == "kinect32"
    content["joint_names"] = [f"J{k}_LEFT" for k in range(32)]
    assert azure_kinect.read(put(content), fps=30).skeleton.keypoints[3] == "left_j3"


@pytest.mark.parametrize(("content", "match"), [
    ([], 'no list "frames"'), (bodies(), 'no list "frames"'), (bodies([], []), "2 frames and nobody"),
    (bodies([5]), "frame 0, body 0: joint_positions are no list"), (bodies([seen(joint_positions=[[1, 2]])]), "are no list"),
    (bodies([seen(joint_positions=[[1, 2, "a"]])]), "something else than numbers"), ({"frames": [5]}, "frame 0 is no object"),
    (bodies([seen(confidence_levels=[1])]), "1 confidence_levels for 32"),
    (bodies([seen()], joint_names=["a"]), "names of 32"),
    (bodies([seen()], [seen()], step=0), "frame 1: timestamp_usec is not later"),
])  # fmt: skip
def test_azure_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        azure_kinect.read(put(json.loads(json.dumps(content))))
