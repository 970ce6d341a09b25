"""AlphaPose results: image names, idx in all its forms, and writing the user's own file back."""

import json

import numpy as np
import pytest
from detections import keypoints, result

from posecodec import PoseSequence, Skeleton
from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io import detect
from posecodec.io.formats.alphapose import read, write
from posecodec.pose.skeletons.builtin import COCO17


def test_hand_worked(put, reports):
    first = result("0.jpg", idx=[0.0])
    first["keypoints"][:6] = [0, 0, 0, 7, 8, 5.75]
    with reports("box, score of 3 results", "1 confidences are outside 0 to 1 (5.75 at most)"):
        sequence = read(put([first, result("10.jpg", 5, idx=0.0), result("9.jpg", 3, idx=[0.0])]), fps=29.97)
    assert sequence.positions.shape == (11, 1, 17, 2) and sequence.skeleton == COCO17
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :2].tolist() == [False, True] and not sequence.valid[1:9].any()
    assert sequence.confidence[0, 0, 1] == 5.75 and sequence.positions[9:, 0, 0, 0].tolist() == [3, 5]
    assert sequence.metadata == {"source_format": "alphapose", "alphapose": {"tracked": True}}


@pytest.mark.parametrize(("images", "facts"), [
    (["0.jpg", "1.jpg"], {}),
    (["frame_12.png", "frame_13.png"], {"prefix": "frame_", "suffix": ".png", "first": 12}),
    (["000009.jpg", "000010.jpg"], {"digits": 6, "first": 9}),
    (["clip.3.mp4", "clip.5.mp4"], {"prefix": "clip.", "suffix": ".mp4", "first": 3}),
    (["7", "8"], {"suffix": "", "first": 7}),
])  # fmt: skip
def test_names_of_images_come_back(images, facts, tmp_path, put):
    sequence = read(put([result(name) for name in images]), fps=30)
    assert sequence.metadata == {"source_format": "alphapose"} | ({"alphapose": facts} if facts else {})
    write(sequence, tmp_path / "b.json")
    made = {"score": 0.5, "box": [1, 1.25, 16, 16]}
    assert json.loads((tmp_path / "b.json").read_text()) == [result(name) | made for name in images]


def test_idx_is_who_somebody_is(tmp_path, put):
    content = [result("0.jpg", idx=7), result("0.jpg", 50, idx=[9]), result("1.jpg", 50, idx=9)]
    sequence = read(put(content), fps=30)
    assert sequence.ids == ("7", "9") and sequence.positions[1, 1, 0, 0] == 50 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b.json")
    assert [entry["idx"] for entry in json.loads((tmp_path / "b.json").read_text())] == [7, 9, 9]


@pytest.mark.parametrize("extra", [{}, {"idx": 0}, {"idx": [0.0]}, {"idx": None}, {"idx": [[1], [2]]}])
def test_without_ids_list_order_is_identity(extra, put):
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put([result("0.jpg", **extra), result("0.jpg", 50, **extra)]), fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[0, 1, 0, 0] == 50


@pytest.mark.parametrize(("count", "name"), [(26, "halpe26"), (133, "coco133"), (136, "custom"), (1, "custom")])
def test_counts(count, name, tmp_path, put):
    sequence = read(put([result("0.jpg", count=count)]), fps=30)
    assert sequence.skeleton.name == name and len(sequence.skeleton) == count
    write(sequence, tmp_path / "b.json")
    again = read(tmp_path / "b.json", fps=30)
    assert again.skeleton == sequence.skeleton
    np.testing.assert_array_equal(again.positions, sequence.positions)


@pytest.mark.parametrize(("content", "match"), [
    ("", "0 bytes"), ("[{", "line 1, column 3"), ({"0.jpg": {}}, "'0.jpg' has no list of bodies"),
    (5, "this is int, a list was expected"),
    ([], "holds no keypoints"), ([5], "result 0 is int"), ([result(0)], "image_id is 0, a file name.*--from coco"),
    ([result("x.jpg")], "'x.jpg' does not number a frame.*rename"),
    ([result("a_0.jpg"), result("b_1.jpg")], "'a_0.jpg' and 'b_1.jpg' are of different recordings"),
    ([result("01.jpg"), result("2.jpg")], "'2.jpg' is not numbered like '01.jpg'"),
    ([result("0.jpg"), result("999999999999.jpg")], "split"), ([result("\ud8000.jpg")], "no Unicode"),
    ([result("0.jpg"), result("1.jpg", count=3)], "result 1 has 3 keypoints, result 0 17"),
    ([result("0.jpg", keypoints=[1])], "result 0: keypoints has 1 numbers"),
])  # fmt: skip
def test_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(content), fps=30)


@pytest.mark.parametrize(("content", "skeleton"), [
    ({f"frame_{i}.jpg": [{"keypoints": keypoints(i), "scores": 2.5, "idx": 7}] for i in (3, 4)}, "coco17"),
    ({f"frame_{i}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": keypoints(i, 18)}]} for i in (3, 4)}, "coco18"),
    ({f"frame_{i}.jpg": {"people": [{"pose_keypoints_2d": keypoints(i, 18)}]} for i in (3, 4)}, "coco18"),
])  # fmt: skip
def test_older_layouts(content, skeleton, put):
    path = put({**content, "frame_6.jpg": []} if isinstance(content["frame_3.jpg"], list) else content)
    assert detect(path).format == "alphapose"
    sequence = read(path, fps=30)
    assert sequence.skeleton.name == skeleton and sequence.positions[:2, 0, 0, 0].tolist() == [3, 4]
    assert sequence.ids == ("7" if skeleton == "coco17" else "0",) and sequence.metadata["alphapose"]["first"] == 3


def test_images_with_nobody_are_frames(tmp_path, put):
    bodies = [[], [{"joints": keypoints(7)}], [{"joints": keypoints(8)}], []]
    sequence = read(put({f"{i}.jpg": {"bodies": of_image} for i, of_image in enumerate(bodies)}), fps=30)
    assert sequence.valid.any(axis=(1, 2)).tolist() == [False, True, True, False]
    with pytest.warns(DataWarning, match="first 1 and last 1 frames"):
        write(sequence, tmp_path / "b.json")
    assert [entry["image_id"] for entry in json.loads((tmp_path / "b.json").read_text())] == ["1.jpg", "2.jpg"]


def test_keypoints_that_would_be_taken_for_others_are_refused(tmp_path):
    skeleton = Skeleton("mine", tuple(f"k{number}" for number in range(18)))
    sequence = PoseSequence.from_arrays(np.ones((2, 18, 2)), fps=30, skeleton=skeleton, unit="px", up="-y")
    with pytest.raises(UsageError, match="18 would be read as coco18, not as 'mine'"):
        write(sequence, tmp_path / "a.json")


def test_older_layouts_refused(put):
    for content, match in (
        ({"a": 1}, "no list of bodies"),
        ({"a.jpg": [5]}, "result 0 is int"),
        ({"a.jpg": [{}]}, "no keypoints"),
    ):
        with pytest.raises(InputError, match=match):
            read(put(content), fps=30)
