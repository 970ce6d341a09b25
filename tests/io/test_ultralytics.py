"""Ultralytics' JSON: images and lists of frames, tracks, what is missing, normalized coordinates, what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError
from posecodec.io import detect
from posecodec.io.formats.ultralytics import read


def detection(start: float = 100.0, count: int = 17, scale: float = 1.0, **extra: Any) -> dict[str, Any]:
    points = {"x": [scale * (start + k) for k in range(count)], "y": [scale * (50 + k) for k in range(count)]}
    points["visible"] = [0.75] * count
    box = {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}
    return {"name": "person", "class": 0, "confidence": 0.9, "box": box, "keypoints": points} | extra


def test_a_list_of_frames(put, reports):
    frames = [[detection(track_id=7)], [], [detection(200, track_id=9), detection(101, track_id=7)]]
    for content in (frames, [json.dumps(frame) for frame in frames], {"frames": frames}):
        path = put(content)
        assert detect(path).format == "ultralytics"
        with reports("box, class, confidence, name of 3 detections are not kept"):
            sequence = read(path, fps=29.97)
        assert sequence.positions.shape == (3, 2, 17, 2) and sequence.skeleton.name == "coco17"
        assert (sequence.unit, sequence.up, sequence.ids) == ("px", "-y", ("7", "9"))
        np.testing.assert_array_equal(sequence.positions[:, 0, 0, 0], [100, np.nan, 101])
        np.testing.assert_array_equal(sequence.positions[2, 1, 16], [216, 66])
        assert sequence.confidence[0, 0, 0] == 0.75


def test_one_image(put):
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put(json.dumps([detection(), detection(300)], indent=2)), fps=1)
    assert sequence.positions[:, :, 0, 0].tolist() == [[100, 300]]


def test_keypoints_at_the_origin_are_missing(put, reports):
    values = detection()
    for axis in "xy":
        values["keypoints"][axis][3] = values["keypoints"][axis][5] = 0.0
    values["keypoints"]["visible"][3] = 0.25
    values["keypoints"]["x"][6], values["keypoints"]["y"][7] = None, 0.0
    with reports("1 keypoints at 0, 0 have a confidence of 0.5 or more"):
        sequence = read(put([[values]]), fps=30)
    assert np.flatnonzero(~sequence.valid[0, 0]).tolist() == [3, 5, 6]


def test_normalized_coordinates_and_other_classes(put, reports):
    bare = {"name": "ball", "class": 32, "confidence": 0.5, "box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}
    frames = [[detection(scale=1 / 256)], [detection(scale=1 / 256, name="dog"), bare]]
    del frames[0][0]["keypoints"]["visible"]
    with reports("fractions of the image's width and height", "1 detections have no keypoints", "3 classes"):
        sequence = read(put(frames), fps=30)
    assert sequence.unit == "unknown" and sequence.confidence[0, 0, 0] == 1


BOXES = [[{"name": "person", "box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}}]]


@pytest.mark.parametrize(("content", "match"), [
    (BOXES, "1 detections and no keypoints; use a pose model"), ([], "0 detections"), ({"a": 1}, "an object of"),
    ("5", "int"),
    ([[detection()], detection()], "item 1 is dict"), ([detection(), [detection()]], "item 1 is list"),
    ([5], "frame 0 is int"), ([[5]], "frame 0, detection 0 is int"), (["{"], "frame 0 is no JSON"),
    ([[detection(keypoints=[1, 2])]], 'no object of lists "x"'), ([[detection(keypoints={"x": [1]})]], 'no object of lists'),
    ([[detection(keypoints={"x": [1], "y": [1, 2]})]], "have 1, 2, 1 numbers"),
    ([[detection(keypoints={"x": "a", "y": [1]})]], "x of keypoints is str"),
    ([[detection(keypoints={"x": [1], "y": [1], "visible": ["a"]})]], "visible holds something else"),
    ([[detection(), detection(count=5)]], "detection 1: keypoints has 15 numbers, the first has 51"),
])  # fmt: skip
def test_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(content), fps=30)
