"""COCO results and annotation files: both ways, ids, names, and what is reported."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import DataWarning, InputError, NoRateError, PosecodecError, UsageError
from posecodec.io.formats.coco import read, write
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19


def keypoints(start: float = 1.0, count: int = 17, v: float = 2) -> list[float]:
    return [n for k in range(count) for n in (start + k, start + k + 0.25, v)]


def result(image: Any = 0, start: float = 1.0, **extra: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": keypoints(start, v=0.5), "score": 0.9} | extra


def annotations(count: int = 3, **changes: Any) -> dict[str, Any]:
    """One person in each image, as a labeling tool exports it."""
    return {
        "images": [
            {"id": i + 1, "file_name": f"{i:06d}.png", "width": 640, "height": 480} for i in range(count)
        ],
        "annotations": [
            {
                "id": i + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
                "keypoints": keypoints(i + 0.5), "bbox": [i + 0.5, i + 0.75, 16, 16], "area": 256,
            }
            for i in range(count)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints), "skeleton": [[1, 2]]}],
    } | changes  # fmt: skip


def put(folder: Path, content: Any) -> Path:
    (folder / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "a.json"


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield


def test_hand_worked_results(tmp_path: Path) -> None:
    values = keypoints(v=0.5)
    values[:6] = [0, 0, 0, 0, 0, 0.25]
    content = [result(3, keypoints=values), result(5, start=100)]
    with pytest.warns(DataWarning, match="score of 2 results are not kept"):
        sequence = read(put(tmp_path, content), fps=29.97)
    assert sequence.positions.shape == (3, 1, 17, 2) and sequence.skeleton == COCO17
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :3].tolist() == [False, True, True] and not sequence.valid[1].any()
    np.testing.assert_array_equal(sequence.positions[0, 0, 1:3], [[0, 0], [3, 3.25]])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :3], [0, 0.25, 0.5])
    assert sequence.metadata == {"source_format": "coco", "coco": {"results": True, "first": 3}}


def test_hand_worked_annotations(tmp_path: Path) -> None:
    content = annotations()
    content["annotations"][1]["keypoints"][:9] = [0, 0, 0, 5, 6, 0, 7, 8, 1]
    del content["annotations"][0]
    with pytest.warns(DataWarning) as found:
        sequence = read(put(tmp_path, content), fps=30)
    text = " ".join(str(w.message) for w in found)
    assert "1 keypoints with v = 0 have a position" in text and "area, bbox of 2 annotations are not kept" in text
    assert sequence.positions.shape == (3, 1, 17, 2) and sequence.skeleton == COCO17
    assert not sequence.valid[0].any() and sequence.valid[1, 0, :3].tolist() == [False, False, True]
    np.testing.assert_array_equal(sequence.confidence[1, 0, :4], [0, 0, 1, 2])
    facts = {"first": 1, "names": {"digits": 6, "suffix": ".png"}, "size": [640, 480]}
    assert sequence.metadata == {"source_format": "coco", "coco": facts}


def test_the_user_gets_their_own_file_back(tmp_path: Path, quiet: None) -> None:
    content = annotations()
    write(read(put(tmp_path, content), fps=30), tmp_path / "b.json")
    again = json.loads((tmp_path / "b.json").read_text())
    assert again["images"] == content["images"] and again["annotations"] == content["annotations"]
    assert again["categories"][0]["keypoints"] == list(COCO17.keypoints)
    content = [result(3), result(3, 50.1), result(5), result(6), result(6, 70.7)]
    write(read(put(tmp_path, content), fps=30), tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text()) == [entry | {"score": 0.5} for entry in content]


def test_names_and_limbs_of_the_category(tmp_path: Path, quiet: None) -> None:
    category = {"id": 5, "name": "mouse", "keypoints": ["snout", "left_ear", "right_ear"], "skeleton": [[1, 2], [1, 3]]}
    images = [{"id": 0}, {"id": 1}]
    bodies = [{"id": 9, "image_id": i, "category_id": 5, "keypoints": keypoints(3, 3)} for i in (0, 1)]
    path = put(tmp_path, {"images": images, "annotations": bodies, "categories": [{"id": 1}, category]})
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
def test_counts_without_names(count: int, name: str, tmp_path: Path, quiet: None) -> None:
    sequence = read(put(tmp_path, [result(keypoints=keypoints(1, count))]), fps=30)
    assert sequence.skeleton.name == name and sequence.positions.shape == (1, 1, count, 2)
    write(sequence, tmp_path / "b.json")
    np.testing.assert_array_equal(read(tmp_path / "b.json", fps=30).positions, sequence.positions)


def test_people(tmp_path: Path, quiet: None) -> None:
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put(tmp_path, [result(0), result(0, 50), result(1, 50)]), fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[1, 0, 0, 0] == 50
    content = [result(0, track_id=4), result(0, 50, track_id="b"), result(1, 50, track_id="b")]
    sequence = read(put(tmp_path, content), fps=30)
    assert sequence.ids == ("4", "b") and sequence.positions[1, 1, 0, 0] == 50 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b.json")
    assert [entry["track_id"] for entry in json.loads((tmp_path / "b.json").read_text())] == [4, "b", "b"]
    zero = [result(0, track_id=0), result(1, track_id=0)]
    write(read(put(tmp_path, zero), fps=30), tmp_path / "c.json")
    assert [entry["track_id"] for entry in json.loads((tmp_path / "c.json").read_text())] == [0, 0]


def test_half_of_the_ids_are_none(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="ids are not kept, because 1 of 2 have none"):
        assert read(put(tmp_path, [result(0, track_id=4), result(1)]), fps=30).ids == ("0",)


@pytest.mark.parametrize("metadata", [{}, {"coco": {"results": True, "first": 7}}])
def test_round_trip(metadata: dict[str, Any], tmp_path: Path, quiet: None) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3, 17, 2), scale=500).astype(np.float32)
    points[1, 0] = points[2] = points[3:, 1] = points[5, 2, 3:] = np.nan
    confidence = rng.uniform(0.01, 1, points.shape[:3])
    sequence = PoseSequence.from_arrays(points, fps=29.97, confidence=confidence, skeleton=COCO17, metadata=metadata)
    write(sequence, tmp_path / "a.json")
    again = read(tmp_path / "a.json", fps=29.97)
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    with pytest.raises(UsageError, match="--force"):
        write(sequence, tmp_path / "a.json")


def test_any_skeleton_as_annotations(tmp_path: Path, quiet: None) -> None:
    points = np.random.default_rng(0).normal(size=(4, 1, 19, 2)).astype(np.float32)
    points[[0, 3]] = np.nan
    write(PoseSequence.from_arrays(points, fps=30, skeleton=COCO19), tmp_path / "a.json")
    again = read(tmp_path / "a.json", fps=30)
    assert again.skeleton == COCO19
    np.testing.assert_array_equal(again.positions, points)


def test_boxes_and_scores_are_around_the_keypoints(tmp_path: Path, quiet: None) -> None:
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


def test_nobody(tmp_path: Path, quiet: None) -> None:
    content = annotations(annotations=[])
    sequence = read(put(tmp_path, content), fps=30)
    assert sequence.positions.shape == (3, 0, 17, 2)
    write(sequence, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["images"] == content["images"]
    with pytest.raises(InputError, match="holds no keypoints"):
        read(put(tmp_path, []), fps=30)
    lonely = PoseSequence.from_arrays(
        np.full((2, 17, 2), np.nan), fps=30, skeleton=COCO17, metadata={"coco": {"results": True}}
    )
    with pytest.raises(UsageError, match="nobody is seen"):
        write(lonely, tmp_path / "c.json")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"images": [{"id": 7}, {"id": 3}, {"id": 5}]}, "ids are not consecutive"),
        ({"images": [{"id": i + 1, "file_name": f"{n}.png"} for i, n in enumerate("axb")]}, "file names do not number"),
        ({"images": [{"id": i + 1, "width": i} for i in range(3)]}, "several sizes"),
        ({"images": [{"id": i + 1, "video_id": i} for i in range(3)]}, "3 videos are taken as one"),
    ],
)
def test_images_that_are_not_regular_are_reported(change: dict[str, Any], match: str, tmp_path: Path) -> None:
    content = annotations(**change)
    for entry, image in zip(content["annotations"], content["images"], strict=True):
        entry["image_id"] = image["id"]
    with pytest.warns(DataWarning, match=match):
        sequence = read(put(tmp_path, content), fps=30)
    np.testing.assert_array_equal(sequence.positions[:, 0, 0, 0], [0.5, 1.5, 2.5])


def test_categories_and_other_keys_are_reported(tmp_path: Path) -> None:
    with pytest.warns(DataWarning) as found:
        read(put(tmp_path, [result(0), result(1, category_id=3, segmentation=[]), {"image_id": 4, "bbox": []}]), fps=30)
    text = " ".join(str(w.message) for w in found)
    assert "2 categories are taken alike" in text and "bbox, score, segmentation of 3 results" in text
    assert "1 of 3 results have no keypoints" in text


def test_infinite_null_and_out_of_range(tmp_path: Path) -> None:
    values: list[Any] = keypoints(v=7)
    values[0], values[3], values[6] = float("inf"), None, 1e300
    with pytest.warns(DataWarning) as found:
        sequence = read(put(tmp_path, [result(keypoints=values)]), fps=30)
    assert sequence.valid[0, 0].tolist() == [False] * 3 + [True] * 14 and sequence.confidence.max() == 7
    text = " ".join(str(w.message) for w in found)
    assert "2 keypoints with an infinite" in text and "14 confidences are outside 0 to 1" in text


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "0 bytes"),
        ("{", "line 1, column 2"),
        ("5", "list of results or an object"),
        ({"a": 1}, "an object of \\['a'\\]"),
        ([5], "result 0 is int"),
        ([result(keypoints=[1, 2])], "result 0: keypoints has 2 numbers.*export it again"),
        ([result(keypoints=["a"] * 51)], "result 0: keypoints holds something else"),
        ([result(keypoints=5)], "result 0: keypoints is int"),
        ([result(), result(1, keypoints=keypoints(1, 5))], "result 1 has 5 keypoints, result 0 17; split"),
        ([result("0.jpg")], "image_id is '0.jpg'.*--from alphapose"),
        ([result(-1)], "image_id is -1"),
        ([result(None)], "image_id is None"),
        ([result(0), result(10**9)], "split"),
        ([result(0), result(10**400)], "frame number was expected"),
        (annotations(images=[{"id": 1}, {"id": 1}]), "images: number 1 has no id of its own"),
        (annotations(images=[{"id": 1}]), 'annotation 1: image_id 2 is not in "images"'),
        (annotations(categories=[{"id": 1, "keypoints": ["a"]}]), "names 1 keypoints, annotations have 17"),
        (annotations(categories=[{"id": 1, "keypoints": ["a"] * 17}]), "repeats"),
        (annotations(categories=[{"id": 1, "keypoints": [f"\ud800{k}" for k in range(17)]}]), "no Unicode"),
        (
            annotations(categories=[{"id": 1, "keypoints": [*"abcdefghijklmnopq"], "skeleton": [[0, 1]]}]),
            "limb \\[0, 1\\] is no pair of 1 to 17",
        ),
        ({"annotations": [], "images": []}, "neither images nor annotations"),
    ],
)
def test_refused(content: Any, match: str, tmp_path: Path, quiet: None) -> None:
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(tmp_path, content), fps=30)


def test_ids_out_of_proportion_are_refused_before_memory_is_taken(tmp_path: Path, quiet: None) -> None:
    content = [{"image_id": t, "keypoints": [1] * 399, "track_id": t % 60} for t in range(500)]
    with pytest.raises(InputError, match="60 ids in frames 0 to 499 need 136 MB.*split the recording"):
        read(put(tmp_path, content), fps=30)


def test_no_rate_comes_last(tmp_path: Path, quiet: None) -> None:
    with pytest.raises(NoRateError, match="--fps N"):
        read(put(tmp_path, annotations()))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"points": np.ones((1, 17, 3))}, "2D keypoints, this is 3D"),
        ({"timestamps": [0.0], "fps": None}, "timestamps"),
        ({"up": "y"}, "--up -y"),
        ({"confidence": np.zeros((1, 17))}, "confidence 0"),
        ({"skeleton": BUILT_IN["h36m17"], "metadata": {"coco": {"results": True}}}, "would be read as coco17"),
    ],
)
def test_what_coco_cannot_hold(changes: dict[str, Any], match: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {"points": np.ones((1, 17, 2)), "fps": 30, "skeleton": COCO17} | changes
    with pytest.raises(UsageError, match=match):
        write(PoseSequence.from_arrays(values.pop("points"), **values), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_behind_is_reported(tmp_path: Path) -> None:
    points = np.ones((4, 19, 2))
    points[[0, 2, 3]] = np.nan
    sequence = PoseSequence.from_arrays(
        points, fps=29.97, skeleton=COCO19, unit="m", metadata={"coco": {"results": True}}
    )
    with pytest.warns(DataWarning) as found:
        write(sequence, tmp_path / "a.json")
    text = " ".join(str(w.message) for w in found)
    for part in ("the unit m and the rate (reading needs --fps 29.97)", "names of the keypoints", "first 1 and last 2"):
        assert part in text


@pytest.mark.parametrize(
    "facts",
    [
        5,
        {"first": -1, "category_id": "x", "category": 5, "size": "a", "names": 5, "results": 1, "tracked": "x"},
        {"first": 10**30, "names": {"prefix": 5, "digits": 10**9, "first": "a"}, "size": [0, -1]},
    ],
)
def test_hostile_metadata(facts: Any, tmp_path: Path, quiet: None) -> None:
    sequence = PoseSequence.from_arrays(np.ones((3, 17, 2)), fps=30, skeleton=COCO17, metadata={"coco": facts})
    write(sequence, tmp_path / "a.json")
    np.testing.assert_array_equal(read(tmp_path / "a.json", fps=30).positions, sequence.positions)


def test_pycocotools_reads_the_same(tmp_path: Path, quiet: None) -> None:
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


FILES = [json.dumps(annotations(2)).encode(), json.dumps([result(0), result(0, 5), result(2, track_id=3)]).encode()]


@pytest.mark.parametrize("data", FILES)
def test_truncated_anywhere(data: bytes, tmp_path: Path, quiet: None) -> None:
    for size in range(0, len(data), 11):
        (tmp_path / "a.json").write_bytes(data[:size])
        with pytest.raises(InputError, match="a.json"):
            read(tmp_path / "a.json", fps=30)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(FILES), st.integers(0, 5000), st.binary(min_size=1, max_size=3))
def test_mutated_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, place: int, change: bytes) -> None:
    path = tmp_path_factory.mktemp("m") / "a.json"
    place %= len(data)
    path.write_bytes(data[:place] + change + data[place + len(change) :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            read(path, fps=30)
        except PosecodecError:
            pass
