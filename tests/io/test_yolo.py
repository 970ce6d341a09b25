"""YOLO-pose labels: layouts of lines, folders, ids, writing, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from posecodec import load
from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io import detect
from posecodec.io.formats.yolo import read, write
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, COCO19

SUFFIX = ".txt"


def label(start: float = 0.25, count: int = 17, width: int = 3, weight: float = 0.875, after: str = "") -> str:
    points = [[start + k / 64, 0.125 + k / 64, weight][:width] for k in range(count)]
    numbers = " ".join(f"{number:g}" for point in points for number in point)
    return f"0 0.5 0.5 0.25 0.5 {numbers} {after}".strip() + "\n"


def folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


@pytest.mark.parametrize(("text", "shape", "ids", "weight"), [
    (label(), (1, 1, 17, 2), ("0",), 0.875), (label(width=2), (1, 1, 17, 2), ("0",), 1),
    (label(after="3"), (1, 1, 17, 2), ("3",), 0.875),
    (label(after="0.75"), (1, 1, 17, 2), ("0",), 0.875), (label(after="0.75 3"), (1, 1, 17, 2), ("3",), 0.875),
    (label(after="7") + label(0.3, after="2"), (1, 2, 17, 2), ("7", "2"), 0.875), (label(weight=2), (1, 1, 17, 2), ("0",), 2),
    (label(width=2, after="0.75 12"), (1, 1, 17, 2), ("12",), 1), (label(count=26), (1, 1, 26, 2), ("0",), 0.875),
    (label(count=5), (1, 1, 5, 2), ("0",), 0.875), (label(count=4, width=3, weight=2), (1, 1, 4, 2), ("0",), 2),
])  # fmt: skip
def test_layouts_of_a_line(text, shape, ids, weight, put):
    path = put(text)
    assert detect(path).format == "yolo"
    sequence = read(path, fps=30)
    assert (
        sequence.positions.shape == shape and sequence.ids == ids and (sequence.unit, sequence.up) == ("unknown", "-y")
    )
    np.testing.assert_array_equal(
        sequence.positions[0, 0, :3], [[0.25, 0.125], [0.265625, 0.140625], [0.28125, 0.15625]]
    )
    assert (sequence.confidence[0, 0] == weight).all()


def test_a_folder_is_one_recording(tmp_path, reports):
    path = folder(tmp_path / "labels", {
        "clip_8.txt": label(after="1"), "clip_10.txt": label(0.3, after="1") + label(0.1, after="2"), "clip_11.txt": "",
        "classes.txt": "person",
    })  # fmt: skip
    with reports("1 other .txt files", "boxes are not kept"):
        sequence = read(path, fps=29.97)
    assert sequence.positions.shape == (4, 2, 17, 2) and sequence.ids == ("1", "2")
    np.testing.assert_array_equal(sequence.valid[..., 0], [[True, False], [False, False], [True, True], [False, False]])
    assert sequence.metadata["yolo"] == {"prefix": "clip_", "first": 8, "tracked": True} or sequence.metadata["yolo"] == {
        "prefix": "clip_", "first": 8
    }  # fmt: skip
    write(sequence, tmp_path / "again")
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == ["clip_10.txt", "clip_11.txt", "clip_8.txt"]
    again = read(tmp_path / "again", fps=29.97)
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    assert again.ids == sequence.ids
    done = CliRunner().invoke(cli, ["encode", str(tmp_path), "-o", str(tmp_path / "out"), "--fps", "30"])
    assert done.exit_code == 0 and sorted(p.name for p in (tmp_path / "out").glob("*.posec")) == [
        "again.posec",
        "labels.posec",
    ]


def test_a_keypoint_at_the_origin_is_missing(put):
    text = label().replace("0.25 0.125 0.875 0.265625 0.140625 0.875", "0 0 0.25 0 0.5 0.875")
    assert np.flatnonzero(~read(put(text), fps=30).valid).tolist() == [0]


def test_what_can_be_read_in_several_ways_is_said(put):
    with pytest.warns(DataWarning, match="read as 4 keypoints of 3 numbers; pass --skeleton"):
        assert len(read(put(label(count=6, width=2, after="")), fps=30).skeleton) == 4
    sequence = load(put(label(count=19, width=2)), skeleton="coco19", fps=30)
    assert sequence.skeleton == COCO19 and sequence.positions[0, 0, 18, 0] == np.float32(0.53125)


def test_tables_of_text_are_no_labels(put):
    for text in ("1 2 3 4 5 6\n" * 3, "0 0.5 0.5 0.5\n", " ".join(["0.5"] * 57) + "\n"):
        assert detect(put(text)).format == "csv"


@pytest.mark.parametrize(("text", "match"), [
    ("", "0 bytes"), ("\n", "no detections"), ("a b", "line 1 holds something else"),
    (label() + "0 0.5\n", "line 2 has 2 numbers"), (label() + "0 7 0.5 0.1 0.1 0.5 0.5 1\n", "line 2 has 8 numbers"),
    (label() + label(count=9), "lines have 32 to 56 numbers"),
    (label().replace("0.875", "0.5 77"), "lines have 73"), ("\xff\xfe", "holds something else|no text"),
])  # fmt: skip
def test_refused(text, match, put):
    with pytest.raises(InputError, match=f"a.txt: .*({match})"):
        read(put(text), fps=30)


def test_refused_folders(tmp_path):
    with pytest.raises(InputError, match="no NAME_12.txt"):
        read(folder(tmp_path / "a", {"x.txt": "a"}), fps=30)
    with pytest.raises(InputError, match="different recordings"):
        read(folder(tmp_path / "b", {"a_1.txt": label(), "b_1.txt": label()}), fps=30)
    with pytest.raises(InputError, match="a_2.txt: line 1 holds"):
        read(folder(tmp_path / "c", {"a_1.txt": label(), "a_2.txt": "x"}), fps=30)


def test_keypoints_that_would_be_taken_for_others_are_not_written(tmp_path):
    skeleton = Skeleton("mine", tuple(f"k{number}" for number in range(17)))
    with pytest.raises(UsageError, match="17 would be read as coco17"):
        write(PoseSequence.from_arrays(np.full((1, 17, 2), 0.5), fps=30, skeleton=skeleton), tmp_path / "a1.txt")


def test_pixels_are_not_written(tmp_path):
    sequence = PoseSequence.from_arrays(np.full((2, 17, 2), 300.0), fps=30, skeleton=COCO17, unit="px")
    with pytest.raises(UsageError, match="fractions of the image's size"):
        write(sequence, tmp_path / "a")
    flat = sequence.with_positions(sequence.positions / 1000, sequence.confidence)
    with pytest.raises(UsageError, match="2 frames.*name a folder"):
        write(flat, tmp_path / "a.txt")
