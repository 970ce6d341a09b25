"""COCO results and annotation files: both ways, ids, names, and what is reported."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from detections import annotations, keypoints, result

from posecodec.errors import DataWarning, InputError
from posecodec.io.formats.coco import read, write
from posecodec.io.formats.coco_entries import FLAGS, PARTS
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO17, COCO19


def whole_body(image: int = 0, start: float = 5.0, body: int = 17, **changes: Any) -> dict[str, Any]:
    parts = {part: keypoints(start, count, 1) for part, count in PARTS.items()}
    flags = dict.fromkeys(FLAGS, True)
    return {"image_id": image, "category_id": 1, "keypoints": keypoints(start, body, 2)} | parts | flags | changes


def test_hand_worked_results(put):
    values = keypoints(v=0.5)
    values[:6] = [0, 0, 0, 0, 0, 0.25]
    content = [result(3, keypoints=values), result(5, start=100)]
    with pytest.warns(DataWarning, match="score of 2 results are not kept"):
        sequence = read(put(content), fps=29.97)
    assert sequence.positions.shape == (3, 1, 17, 2) and sequence.skeleton == COCO17
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :3].tolist() == [False, True, True] and not sequence.valid[1].any()
    np.testing.assert_array_equal(sequence.positions[0, 0, 1:3], [[0, 0], [3, 3.25]])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :3], [0, 0.25, 0.5])
    assert sequence.metadata == {"source_format": "coco", "coco": {"results": True, "first": 3}}


def test_hand_worked_annotations(put, reports):
    content = annotations()
    content["annotations"][1]["keypoints"][:9] = [0, 0, 0, 5, 6, 0, 7, 8, 1]
    del content["annotations"][0]
    with reports("1 keypoints with v = 0 have a position", "area, bbox of 2 annotations are not kept"):
        sequence = read(put(content), fps=30)
    assert sequence.positions.shape == (3, 1, 17, 2) and sequence.skeleton == COCO17
    assert not sequence.valid[0].any() and sequence.valid[1, 0, :3].tolist() == [False, False, True]
    np.testing.assert_array_equal(sequence.confidence[1, 0, :4], [0, 0, 1, 2])
    facts = {"first": 1, "names": {"digits": 6, "suffix": ".png"}, "size": [640, 480]}
    assert sequence.metadata == {"source_format": "coco", "coco": facts}


def test_the_user_gets_their_own_file_back(tmp_path, put):
    content = annotations()
    write(read(put(content), fps=30), tmp_path / "b.json")
    again = json.loads((tmp_path / "b.json").read_text())
    assert again["images"] == content["images"] and again["annotations"] == content["annotations"]
    assert again["categories"][0]["keypoints"] == list(COCO17.keypoints)
    content = [result(3), result(3, 50.1), result(5), result(6), result(6, 70.7)]
    write(read(put(content), fps=30), tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text()) == [entry | {"score": 0.5} for entry in content]


def test_names_and_limbs_of_the_category(tmp_path, put):
    category = {"id": 5, "name": "mouse", "keypoints": ["snout", "left_ear", "right_ear"], "skeleton": [[1, 2], [1, 3]]}
    images = [{"id": 0}, {"id": 1}]
    bodies = [{"id": 9, "image_id": i, "category_id": 5, "keypoints": keypoints(3, 3, 2)} for i in (0, 1)]
    path = put({"images": images, "annotations": bodies, "categories": [{"id": 1}, category]})
    sequence = read(path, fps=30)
    assert sequence.skeleton.keypoints == ("snout", "left_ear", "right_ear")
    assert sequence.skeleton.edges == ((0, 1), (0, 2)) and sequence.skeleton.pairs == ((1, 2),)
    assert sequence.metadata["coco"] == {"category_id": 5, "category": "mouse"}
    write(sequence, tmp_path / "b.json")
    again = read(tmp_path / "b.json", fps=30)
    assert again.skeleton == sequence.skeleton and again.metadata == sequence.metadata
    np.testing.assert_array_equal(again.positions, sequence.positions)


@pytest.mark.parametrize(
    ("count", "name"), [(17, "coco17"), (133, "coco133"), (26, "halpe26"), (19, "custom"), (1, "custom")]
)
def test_counts_without_names(count, name, tmp_path, put):
    sequence = read(put([result(count=count)]), fps=30)
    assert sequence.skeleton.name == name and sequence.positions.shape == (1, 1, count, 2)
    write(sequence, tmp_path / "b.json")
    np.testing.assert_array_equal(read(tmp_path / "b.json", fps=30).positions, sequence.positions)


@pytest.mark.parametrize(("limbs", "edges", "said"), [
    ([[3, 2], [2, 1]], ((2, 1), (1, 0)), ""),
    ([[0, 1], [1, 2]], ((0, 1), (1, 2)), "count keypoints from 0"),
    ([[3, 1], [4, 2], [1, 2]], ((2, 0), (0, 1)), r"1 of 3 limbs name no two of 3 keypoints.*\[4, 2\]"),
    ([[0, 3], [1, 2]], ((0, 1),), r"1 of 2 limbs"),
    ([[1, 2, 3], 5, [None, 1], [1.5, 2], [2, 2], [1, 2]], ((0, 1),), "5 of 6"), ("abc", (), ""),
    ([[-1, 10**30]], (), "1 of 1"),
])  # fmt: skip
def test_limbs_that_name_no_keypoint_are_left_out(limbs, edges, said, put, recwarn):
    category = {"id": 1, "keypoints": ["a", "b", "c"], "skeleton": limbs}
    body = {"image_id": 0, "category_id": 1, "keypoints": keypoints(3, 3, 2)}
    path = put({"annotations": [body], "categories": [category]})
    assert read(path, fps=30).skeleton.edges == edges
    found = [str(w.message) for w in recwarn if "limb" in str(w.message)]
    assert len(found) == bool(said) and all(re.search(said, text) for text in found)


def test_whole_bodies_are_133_keypoints_and_come_back_in_their_fields(tmp_path, put):
    whole = [whole_body(image=i, start=100.0 * i) | {"id": i} for i in (1, 2, 3)]
    whole[1] |= dict.fromkeys(("face_kpts", "lefthand_kpts"), None)
    del whole[1]["righthand_kpts"]
    content = annotations(annotations=whole)
    sequence = read(put(content), fps=30)
    assert sequence.skeleton.name == "coco133" and sequence.positions.shape == (3, 1, 133, 2)
    assert sequence.valid.sum(axis=2).ravel().tolist() == [133, 23, 133]
    assert sequence.positions[2, 0, [0, 17, 23, 91, 112], 0].tolist() == [300, 300.0, 300, 300, 300]
    assert sequence.confidence[0, 0, [0, 17, 23]].tolist() == [2, 1, 1]
    write(sequence, tmp_path / "b.json")
    again = json.loads((tmp_path / "b.json").read_text())
    for before, after in zip(whole, again["annotations"], strict=True):
        parts = [part for part in PARTS if before.get(part)]
        assert all(before[part] == after[part] for part in ("keypoints", *parts))
        assert [after[flag] for flag in FLAGS] == [part in parts for part in PARTS] and after["num_keypoints"] == 17
    assert again["categories"][0]["keypoints"] == list(COCO17.keypoints)
    np.testing.assert_array_equal(read(tmp_path / "b.json", fps=30).positions, sequence.positions)
    results = [{**entry, "score": 0.5} for entry in whole]
    sequence = read(put(results), fps=30)
    write(sequence, tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())[2]["face_kpts"] == whole[2]["face_kpts"]


def test_names_of_another_number_are_left_out(put, reports):
    with reports("names 1 keypoints, annotations have 17; the names are left out"):
        assert read(put(annotations(categories=[{"id": 1, "keypoints": ["a"]}])), fps=30).skeleton == COCO17


def test_a_list_for_each_keypoint(put):
    plain, nested = annotations(), annotations()
    for entry in nested["annotations"]:
        flat = entry["keypoints"]
        entry["keypoints"] = [flat[i : i + 3] for i in range(0, len(flat), 3)]
    np.testing.assert_array_equal(read(put(nested), fps=30).positions, read(put(plain), fps=30).positions)


def test_people(tmp_path, put):
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put([result(0), result(0, 50), result(1, 50)]), fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[1, 0, 0, 0] == 50
    content = [result(0, track_id=4), result(0, 50, track_id="b"), result(1, 50, track_id="b")]
    sequence = read(put(content), fps=30)
    assert sequence.ids == ("4", "b") and sequence.positions[1, 1, 0, 0] == 50 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b.json")
    assert [entry["track_id"] for entry in json.loads((tmp_path / "b.json").read_text())] == [4, "b", "b"]
    zero = [result(0, track_id=0), result(1, track_id=0)]
    write(read(put(zero), fps=30), tmp_path / "c.json")
    assert [entry["track_id"] for entry in json.loads((tmp_path / "c.json").read_text())] == [0, 0]


def test_half_of_the_ids_are_none(put):
    with pytest.warns(DataWarning, match="ids are not kept, because 1 of 2 have none"):
        assert read(put([result(0, track_id=4), result(1)]), fps=30).ids == ("0",)


def test_any_skeleton_as_annotations(tmp_path):
    points = np.random.default_rng(0).normal(size=(4, 1, 19, 2)).astype(np.float32)
    points[[0, 3]] = np.nan
    write(PoseSequence.from_arrays(points, fps=30, skeleton=COCO19), tmp_path / "a.json")
    again = read(tmp_path / "a.json", fps=30)
    assert again.skeleton == COCO19
    np.testing.assert_array_equal(again.positions.astype(np.float32), points)


def test_boxes_and_scores_are_around_the_keypoints(tmp_path):
    points = np.full((1, 17, 2), np.nan)
    points[0, :2] = [[1, 10], [4, 12]]
    weights = np.zeros((1, 17))
    weights[0, :2] = 0.25, 0.75
    sequence = PoseSequence.from_arrays(points, fps=30, confidence=weights, skeleton=COCO17)
    write(sequence, tmp_path / "a.json")
    made = json.loads((tmp_path / "a.json").read_text())["annotations"][0]
    assert (made["bbox"], made["area"], made["num_keypoints"]) == ([1, 10, 3, 2], 6, 2)
    write(PoseSequence.from_arrays(points, fps=30, confidence=weights, skeleton=COCO17, metadata={"coco": {"results": True}}),
          tmp_path / "b.json")  # fmt: skip
    assert json.loads((tmp_path / "b.json").read_text())[0]["score"] == 0.5


def test_nobody(tmp_path, put):
    content = annotations(annotations=[])
    sequence = read(put(content), fps=30)
    assert sequence.positions.shape == (3, 0, 17, 2)
    write(sequence, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["images"] == content["images"]
    with pytest.raises(InputError, match="holds no keypoints"):
        read(put([]), fps=30)


@pytest.mark.parametrize(("change", "match"), [
    ({"images": [{"id": 7}, {"id": 3}, {"id": 5}]}, "ids are not consecutive"),
    ({"images": [{"id": i + 1, "file_name": f"{n}.png"} for i, n in enumerate("axb")]}, "file names do not number"),
    ({"images": [{"id": i + 1, "width": i} for i in range(3)]}, "several sizes"),
    ({"images": [{"id": i + 1, "video_id": i} for i in range(3)]}, "3 videos are taken as one"),
])  # fmt: skip
def test_images_that_are_not_regular_are_reported(change, match, put):
    content = annotations(**change)
    for entry, image in zip(content["annotations"], content["images"], strict=True):
        entry["image_id"] = image["id"]
    with pytest.warns(DataWarning, match=match):
        sequence = read(put(content), fps=30)
    np.testing.assert_array_equal(sequence.positions[:, 0, 0, 0], [0.5, 1.5, 2.5])


def test_categories_and_other_keys_are_reported(put, reports):
    with reports(
        "2 categories are taken alike", "bbox, score, segmentation of 3 results", "1 of 3 results have no keypoints"
    ):
        read(put([result(0), result(1, category_id=3, segmentation=[]), {"image_id": 4, "bbox": []}]), fps=30)


def test_infinite_null_and_out_of_range(put, reports):
    values: list[Any] = keypoints(v=7)
    values[0], values[3], values[6] = float("inf"), None, 1e300
    with reports("2 keypoints with an infinite", "14 confidences are outside 0 to 1"):
        sequence = read(put([result(keypoints=values)]), fps=30)
    assert sequence.valid[0, 0].tolist() == [False] * 3 + [True] * 14 and sequence.confidence.max() == 7


@pytest.mark.parametrize(("content", "match"), [
    ("", "0 bytes"), ("{", "line 1, column 2"), ("5", "list of results or an object"),
    ({"a": 1}, "an object of \\['a'\\]"), ([5], "result 0 is int"),
    ([result(keypoints=[1, 2])], "result 0: keypoints has 2 numbers.*export it again"),
    ([result(keypoints=["a"] * 51)], "result 0: keypoints holds something else"),
    ([result(keypoints=5)], "result 0: keypoints is int"),
    ([result(), result(1, count=5)], "result 1 has 5 keypoints, result 0 17; split"),
    ([result("0.jpg")], "image_id is '0.jpg'.*--from alphapose"), ([result(-1)], "image_id is -1"),
    ([result(None)], "image_id is None"), ([result(0), result(10**9)], "split"),
    ([result(0), result(10**400)], "frame number was expected"),
    (annotations(images=[{"id": 1}, {"id": 1}]), "images: number 1 has no id of its own"),
    (annotations(images=[{"id": 1}]), 'annotation 1: image_id 2 is not in "images"'),
    (annotations(categories=[{"id": 1, "keypoints": ["a"] * 17}]), "repeats"),
    (annotations(categories=[{"id": 1, "keypoints": [f"\ud800{k}" for k in range(17)]}]), "no Unicode"),
    ({"annotations": [whole_body(body=18)]}, "annotation 0 has 18 keypoints beside those of feet"),
    ({"annotations": [whole_body(foot_kpts=[1, 2])]}, "annotation 0: foot_kpts has 2 numbers; 18 were expected"),
    ({"annotations": [whole_body(face_kpts=["a"] * 204)]}, "annotation 0: face_kpts holds something else"),
    ({"annotations": [], "images": []}, "neither images nor annotations"),
])  # fmt: skip
def test_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(content), fps=30)


def test_ids_out_of_proportion_are_refused_before_memory_is_taken(put):
    content = [{"image_id": t, "keypoints": [1] * 399, "track_id": t % 60} for t in range(500)]
    with pytest.raises(InputError, match="60 ids in frames 0 to 499 need 182 MB.*split the recording"):
        read(put(content), fps=30)


def test_what_is_left_behind_is_reported(tmp_path, reports):
    points = np.ones((4, 19, 2))
    points[[0, 2, 3]] = np.nan
    sequence = PoseSequence.from_arrays(
        points, fps=29.97, skeleton=COCO19, unit="m", metadata={"coco": {"results": True}}
    )
    parts = "the unit m and the rate (reading needs --fps 29.97)", "names of the keypoints", "first 1 and last 2"
    with reports(*parts):
        write(sequence, tmp_path / "a.json")


def test_pycocotools_reads_the_same(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    points = np.random.default_rng(2).uniform(1, 600, (4, 2, 17, 2)).astype(np.float32)
    points[1, 1] = points[2, 0, 3:6] = np.nan
    sequence = PoseSequence.from_arrays(points, fps=30, skeleton=COCO17, unit="px", up="-y")
    write(sequence, tmp_path / "a.json")
    truth = coco.COCO(str(tmp_path / "a.json"))
    assert truth.getImgIds() == [0, 1, 2, 3] and truth.loadCats([1])[0]["keypoints"] == list(COCO17.keypoints)
    write(replace(sequence, metadata={"coco": {"results": True}}), tmp_path / "b.json")
    for theirs in (truth, truth.loadRes(str(tmp_path / "b.json"))):
        for t in range(4):
            found = [entry["keypoints"] for entry in theirs.loadAnns(theirs.getAnnIds(imgIds=[t]))]
            rows = np.array(found, np.float32).reshape(-1, 17, 3)
            seen = sequence.valid[t].any(axis=1)
            np.testing.assert_array_equal(rows[..., :2], np.nan_to_num(points[t, seen]))
            np.testing.assert_array_equal(rows[..., 2], sequence.confidence[t, seen])
