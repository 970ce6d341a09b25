"""AlphaPose results: image names, idx in all its forms, and writing the user's own file back."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import DataWarning, InputError, NoRateError, PosecodecError, UsageError
from posecodec.io.formats.alphapose import read, write
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO17, H36M17


def result(image: Any = "0.jpg", start: float = 1.0, count: int = 17, **extra: Any) -> dict[str, Any]:
    values = [n for k in range(count) for n in (start + k, start + k + 0.25, 0.5)]
    return {"image_id": image, "category_id": 1, "keypoints": values, "score": 2.9, "box": [1, 2, 3, 4]} | extra


def put(folder: Path, content: Any) -> Path:
    (folder / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "a.json"


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield


def test_hand_worked(tmp_path: Path) -> None:
    first = result("0.jpg", idx=[0.0])
    first["keypoints"][:6] = [0, 0, 0, 7, 8, 5.75]
    with pytest.warns(DataWarning) as found:
        sequence = read(put(tmp_path, [first, result("10.jpg", 5, idx=0.0), result("9.jpg", 3, idx=[0.0])]), fps=29.97)
    text = " ".join(str(w.message) for w in found)
    assert "box, score of 3 results" in text and "1 confidences are outside 0 to 1 (5.75 at most)" in text
    assert sequence.positions.shape == (11, 1, 17, 2) and sequence.skeleton == COCO17
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :2].tolist() == [False, True] and not sequence.valid[1:9].any()
    assert sequence.confidence[0, 0, 1] == 5.75 and sequence.positions[9:, 0, 0, 0].tolist() == [3, 5]
    assert sequence.metadata == {"source_format": "alphapose", "alphapose": {"tracked": True}}


@pytest.mark.parametrize(
    ("images", "facts"),
    [
        (["0.jpg", "1.jpg"], {}),
        (["frame_12.png", "frame_13.png"], {"prefix": "frame_", "suffix": ".png", "first": 12}),
        (["000009.jpg", "000010.jpg"], {"digits": 6, "first": 9}),
        (["clip.3.mp4", "clip.5.mp4"], {"prefix": "clip.", "suffix": ".mp4", "first": 3}),
        (["7", "8"], {"suffix": "", "first": 7}),
    ],
)
def test_names_of_images_come_back(images: list[str], facts: dict[str, Any], tmp_path: Path, quiet: None) -> None:
    sequence = read(put(tmp_path, [result(name) for name in images]), fps=30)
    assert sequence.metadata == {"source_format": "alphapose"} | ({"alphapose": facts} if facts else {})
    write(sequence, tmp_path / "b.json")
    made = {"score": 0.5, "box": [1, 1.25, 16, 16]}
    assert json.loads((tmp_path / "b.json").read_text()) == [result(name) | made for name in images]


def test_idx_is_who_somebody_is(tmp_path: Path, quiet: None) -> None:
    content = [result("0.jpg", idx=7), result("0.jpg", 50, idx=[9]), result("1.jpg", 50, idx=9)]
    sequence = read(put(tmp_path, content), fps=30)
    assert sequence.ids == ("7", "9") and sequence.positions[1, 1, 0, 0] == 50 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b.json")
    assert [entry["idx"] for entry in json.loads((tmp_path / "b.json").read_text())] == [7, 9, 9]


@pytest.mark.parametrize("extra", [{}, {"idx": 0}, {"idx": [0.0]}, {"idx": None}, {"idx": [[1], [2]]}])
def test_without_ids_list_order_is_identity(extra: dict[str, Any], tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put(tmp_path, [result("0.jpg", **extra), result("0.jpg", 50, **extra)]), fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[0, 1, 0, 0] == 50


@pytest.mark.parametrize(("count", "name"), [(26, "halpe26"), (133, "coco133"), (136, "custom"), (1, "custom")])
def test_counts(count: int, name: str, tmp_path: Path, quiet: None) -> None:
    sequence = read(put(tmp_path, [result(count=count)]), fps=30)
    assert sequence.skeleton.name == name and len(sequence.skeleton) == count
    write(sequence, tmp_path / "b.json")
    again = read(tmp_path / "b.json", fps=30)
    assert again.skeleton == sequence.skeleton
    np.testing.assert_array_equal(again.positions, sequence.positions)


def test_round_trip(tmp_path: Path, quiet: None) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3, 17, 2), scale=500).astype(np.float32)
    points[1, 0] = points[2] = points[3:, 1] = points[5, 2, 3:] = np.nan
    confidence = rng.uniform(0.01, 6, points.shape[:3])
    sequence = PoseSequence.from_arrays(points, fps=29.97, confidence=confidence, skeleton=COCO17)
    write(sequence, tmp_path / "a.json")
    again = read(tmp_path / "a.json", fps=29.97)
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "0 bytes"),
        ("[{", "line 1, column 3"),
        ({"0.jpg": {}}, "this is dict, a list was expected"),
        ([], "holds no keypoints"),
        ([5], "result 0 is int"),
        ([result(0)], "image_id is 0, a file name.*--from coco"),
        ([result("x.jpg")], "'x.jpg' does not number a frame.*rename"),
        ([result("a_0.jpg"), result("b_1.jpg")], "'a_0.jpg' and 'b_1.jpg' are of different recordings"),
        ([result("01.jpg"), result("2.jpg")], "'2.jpg' is not numbered like '01.jpg'"),
        ([result("0.jpg"), result("999999999999.jpg")], "split"),
        ([result("\ud8000.jpg")], "no Unicode"),
        ([result(), result("1.jpg", count=3)], "result 1 has 3 keypoints, result 0 17"),
        ([result(keypoints=[1])], "result 0: keypoints has 1 numbers"),
    ],
)
def test_refused(content: Any, match: str, tmp_path: Path, quiet: None) -> None:
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(tmp_path, content), fps=30)


def test_no_rate_comes_last(tmp_path: Path, quiet: None) -> None:
    with pytest.raises(NoRateError, match="--fps N"):
        read(put(tmp_path, [result()]))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"points": np.ones((1, 17, 3))}, "3D"),
        ({"timestamps": [0.0], "fps": None}, "timestamps"),
        ({"skeleton": H36M17}, "would be read as coco17"),
        ({"points": np.full((1, 17, 2), np.nan)}, "nobody is seen"),
        ({"points": np.ones((1, 0, 17, 2))}, "nobody is seen"),
        ({"points": np.zeros((1, 17, 2)), "confidence": np.zeros((1, 17))}, "means missing"),
    ],
)
def test_what_alphapose_cannot_hold(changes: dict[str, Any], match: str, tmp_path: Path, quiet: None) -> None:
    values: dict[str, Any] = {"points": np.ones((1, 17, 2)), "fps": 30, "skeleton": COCO17} | changes
    with pytest.raises(UsageError, match=match):
        write(PoseSequence.from_arrays(values.pop("points"), **values), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("facts", [5, {"prefix": 1}, {"digits": 10**9, "first": -3, "category_id": "x", "suffix": "7"}])
def test_hostile_metadata(facts: Any, tmp_path: Path, quiet: None) -> None:
    sequence = PoseSequence.from_arrays(np.ones((3, 17, 2)), fps=30, skeleton=COCO17, metadata={"alphapose": facts})
    write(sequence, tmp_path / "a.json")
    np.testing.assert_array_equal(read(tmp_path / "a.json", fps=30).positions, sequence.positions)


FILE = json.dumps([result("f_08.jpg", idx=1), result("f_09.jpg", 7, idx=[2]), result("f_12.jpg", idx=2)]).encode()


def test_truncated_anywhere(tmp_path: Path, quiet: None) -> None:
    for size in range(0, len(FILE), 11):
        (tmp_path / "a.json").write_bytes(FILE[:size])
        with pytest.raises(InputError, match="a.json"):
            read(tmp_path / "a.json", fps=30)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.binary(min_size=1, max_size=3))
def test_mutated_bytes(tmp_path_factory: pytest.TempPathFactory, place: int, change: bytes) -> None:
    path = tmp_path_factory.mktemp("m") / "a.json"
    path.write_bytes(FILE[:place] + change + FILE[place + len(change) :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            read(path, fps=30)
        except PosecodecError:
            pass
