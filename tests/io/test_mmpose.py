"""MMPose predictions: the three forms, 2D and 3D, names, ids, and what is reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from detections import frame, instance, meta

from posecodec.errors import DataWarning, InputError
from posecodec.io.formats.mmpose import read
from posecodec.pose.skeletons.builtin import COCO17, H36M17


def boxed(start: float = 1.0, **extra: Any) -> dict[str, Any]:
    return instance(start, bbox=[[1, 2, 3, 4]], bbox_score=0.9, **extra)


def test_hand_worked_inferencer_output(put, reports):
    hidden = boxed()
    hidden["keypoints"][1] = [0, 0]
    hidden["keypoint_scores"][:2] = [0, 0.125]
    frames = [
        {"frame_id": 2, "instances": [hidden]},
        {"frame_id": 3, "instances": []},
        {"frame_id": 5, "instances": [boxed(9)]},
    ]
    with reports("bbox, bbox_score of 2 instances are not kept", "17 in 2D are taken as coco17"):
        sequence = read(put(frames), fps=29.97)
    assert sequence.positions.shape == (4, 1, 17, 2) and sequence.skeleton == COCO17
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[:, 0].all(axis=1).tolist() == [True, False, False, True]
    np.testing.assert_array_equal(sequence.positions[0, 0, :3], [[1, 1.25], [0, 0], [3, 3.25]])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :3], [0, 0.125, 0.5])
    assert sequence.metadata == {"source_format": "mmpose", "mmpose": {"first": 2}}


def test_hand_worked_demo_output(put):
    info = [{"frame_id": 0, "instances": [instance(1, 3)]}, {"frame_id": 1, "instances": [instance(2, 3)]}]
    content = {"meta_info": meta(["nose", "left_eye", "right_eye"], skeleton_links=[[0, 1], [2, 0], [7, 9], 5])}
    sequence = read(put(content | {"instance_info": info}), fps=30)
    assert sequence.skeleton.keypoints == ("nose", "left_eye", "right_eye")
    assert sequence.skeleton.edges == ((0, 1), (2, 0)) and sequence.skeleton.pairs == ((1, 2),)
    np.testing.assert_array_equal(sequence.positions[1, 0], [[2, 2.25], [3, 3.25], [4, 4.25]])
    assert sequence.metadata == {"source_format": "mmpose"}


def test_instances_of_one_image(put):
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put([instance(), instance(50)]), fps=30)
    assert sequence.positions.shape == (1, 2, 17, 2) and sequence.positions[0, 1, 0, 0] == 50


def test_3d(put):
    frames = [{"frame_id": 0, "instances": [instance(dims=3)]}]
    sequence = read(put(frames), fps=30)
    assert sequence.dims == 3 and sequence.skeleton.name == "custom"
    assert (sequence.unit, sequence.up) == ("unknown", "unknown")
    np.testing.assert_array_equal(sequence.positions[0, 0, 2], [3, 3.25, -2])
    names = "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head "
    names += "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
    sequence = read(put({"meta_info": meta(names.split()), "instance_info": frames}), fps=30)
    assert sequence.skeleton == H36M17


def test_lists_of_one(put):
    nested = instance(1, 3)
    nested["keypoints"], nested["keypoint_scores"] = [nested["keypoints"]], [nested["keypoint_scores"]]
    plain = read(put([{"frame_id": 0, "instances": [instance(1, 3)]}]), fps=30)
    again = read(put([{"frame_id": 0, "instances": [nested]}]), fps=30)
    np.testing.assert_array_equal(again.positions, plain.positions)
    np.testing.assert_array_equal(again.confidence, plain.confidence)


def test_ids(put):
    a, b = instance(1, track_id=3), instance(50, track_id=8)
    frames = [{"frame_id": 0, "instances": [a, b]}, {"frame_id": 1, "instances": [b]}]
    sequence = read(put(frames), fps=30)
    assert sequence.ids == ("3", "8") and sequence.positions[1, 1, 0, 0] == 50 and not sequence.valid[1, 0].any()


def test_edges(put):
    one = read(put([{"frame_id": 0, "instances": [{"keypoints": [[1, 2]]}]}]), fps=30)
    assert one.positions.shape == (1, 1, 1, 2) and one.confidence.item() == 1
    nobody = read(put([{"frame_id": 0, "instances": []}, {"instances": []}]), fps=30)
    assert nobody.positions.shape == (2, 0, 17, 2)


def test_infinite_null_and_out_of_range(put, reports):
    body = instance(1, 5)
    body["keypoints"][:3] = [[1e999, 2], [None, 2], [1e300, 2]]
    body["keypoint_scores"][3:] = [None, 2.5]
    with reports("2 keypoints with an infinite", "1 confidences that are not finite", "1 confidences are outside"):
        sequence = read(put([{"frame_id": 0, "instances": [body]}]), fps=30)
    np.testing.assert_array_equal(sequence.confidence[0, 0], [0, 0, 0, 0, 2.5])
    assert sequence.valid[0, 0].tolist() == [False] * 3 + [True] * 2


@pytest.mark.parametrize(("content", "match"), [
    ("", "0 bytes"), ("{", "line 1, column 2"), ("5", "neither a list of frames"),
    ({"meta_info": {}}, "neither a list of frames"), ([], "no frames"), ([5], 'frame 0 has no list "instances"'),
    (frame(frame_id="x"), "frame 0: frame_id is 'x'"), (frame() * 2, "frame 1: frame_id 0 is there twice"),
    (frame(5), "frame 0, instance 0 has no keypoints"),
    (frame({"keypoints": 5}), "frame 0, instance 0: keypoints are not a list of points"),
    (frame({"keypoints": [[1, 2], [1]]}), "do not have 2 or 3 coordinates each"),
    (frame({"keypoints": [["a", 2]]}), "keypoints holds something else than numbers"),
    (frame({"keypoints": [[1, 2]], "keypoint_scores": [1, 1]}), "2 scores for 1 keypoints"),
    (frame(instance(), instance(1, 5)), "frame 0, instance 1 has keypoints of shape \\(5, 2\\), frame 0, instance 0"),
    (frame() + [{"frame_id": 10**9, "instances": []}], "split"),
    ({"meta_info": meta("ab"), "instance_info": frame(instance())}, "names 2 keypoints, instances have 17"),
    ({"meta_info": {"keypoint_id2name": {"1": "a"}}, "instance_info": frame()}, "keypoint_id2name is not"),
    ({"meta_info": meta("aa"), "instance_info": frame(instance(1, 2))}, "repeats"),
])  # fmt: skip
def test_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(content), fps=30)
