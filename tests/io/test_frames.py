"""Folders of files of one frame each: one recording, whatever the files are, or an error; never a file for each frame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from detections import instance

from posecodec import load
from posecodec.cli import cli
from posecodec.errors import InputError
from posecodec.io import detect
from posecodec.io.formats.frames import read


def folder(path: Path, files: dict[str, Any]) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def detection(start: float, key: int) -> dict[str, Any]:
    points = {"x": [start + k for k in range(17)], "y": [5.0] * 17, "visible": [0.5] * 17}
    return {"name": "person", "box": {"x1": 1}, "track_id": key, "keypoints": points}


def encode(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["encode", *map(str, arguments), "--fps", "30"])


def test_images_of_mmpose_are_one_recording(tmp_path, reports):
    files = {f"{i:06d}.json": [instance(i)] for i in (8, 9, 12)}
    path = folder(tmp_path / "predictions", files | {"000010.json": [], "summary.json": {}})
    assert detect(path).format == "frames"
    with reports(
        "4 files of mmpose, one frame each, are read as one recording",
        "1 files cannot be read; their frames are missing",
    ):
        sequence = read(path, fps=30)
    assert sequence.positions[:, 0, 0, 0].tolist()[:2] == [8, 9] and sequence.frames == 5
    assert sequence.valid[:, 0, 0].tolist() == [True, True, False, False, True]
    assert (sequence.unit, sequence.up, sequence.skeleton.name) == ("px", "-y", "coco17")
    np.testing.assert_array_equal(load(path, format="mmpose", fps=30).positions, sequence.positions)


def test_the_first_frame_is_that_of_the_least_number(tmp_path):
    path = folder(tmp_path / "a", {f"f{number}.json": [detection(number, 7)] for number in (9, 10)})
    sequence = read(path, fps=30)
    assert sequence.metadata["frames"]["first"] == 9 and sequence.positions[:, 0, 0, 0].tolist() == [9, 10]


def test_ids_of_files_are_kept(tmp_path):
    path = folder(tmp_path / "a", {"f1.json": [detection(1, 7), detection(2, 9)], "f2.json": [detection(3, 9)]})
    sequence = read(path, fps=30)
    assert sequence.ids == ("7", "9") and sequence.positions[1, 1, 0, 0] == 3 and not sequence.valid[1, 0].any()


@pytest.mark.parametrize("options", [[], ["--from", "ultralytics"]])
def test_a_tree_has_a_file_for_each_folder(options, tmp_path):
    for name in ("a", "b/c"):
        folder(tmp_path / "in" / name, {f"frame_{i}.json": [detection(i, 1)] for i in range(4)})
    done = encode(tmp_path / "in", "-o", tmp_path / "out", *options)
    assert done.exit_code == 0, done.output
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.posec")) == [
        "a.posec",
        "b/c.posec",
    ]


def test_files_of_a_frame_each_are_no_inputs_of_their_own(tmp_path):
    path = folder(tmp_path / "a", {f"{i}.json": [detection(i, 1)] for i in range(3)})
    done = encode(*sorted(path.iterdir()), "-o", tmp_path / "out")
    assert done.exit_code and "3 of its files hold one frame each; give the folder itself" in str(done.exception)
    assert encode(path / "0.json", "-o", tmp_path / "one.posec").exit_code == 0


def test_arrays_of_a_frame_each(tmp_path):
    (tmp_path / "a").mkdir()
    for i in range(3):
        np.save(tmp_path / "a" / f"{i:03d}.npy", np.full((1, 1, 17, 2), i + 30.0))
    sequence = load(tmp_path / "a", fps=30)
    assert sequence.positions[:, 0, 0, 0].tolist() == [30, 31, 32] and sequence.skeleton.keypoints[0] == "0"
    np.save(tmp_path / "a" / "003.npy", np.ones((2, 1, 17, 2)))
    with pytest.raises(InputError, match="3.npy holds 2 frames and 000.npy one"):
        load(tmp_path / "a", fps=30)


def test_recordings_are_files_of_their_own(tmp_path):
    path = folder(tmp_path / "in", {f"take_{i}.csv": "frame,nose_x,nose_y\n0,1,2\n1,1,2\n" for i in range(3)})
    assert encode(path, "-o", tmp_path / "out").exit_code == 0
    assert len(list((tmp_path / "out").glob("*.posec"))) == 3


@pytest.mark.parametrize(("files", "match"), [
    ({"a_1.json": [detection(1, 1)], "a_2.json": [instance(1, 5)]}, "cannot be read|none of|5 keypoints"),
    ({"a_1.json": [detection(1, 1)], "b_1.json": [detection(1, 1)]}, "different recordings"),
    ({"a_1.json": "{", "a_2.json": "{"}, "names a format|none of 2 files holds anybody; a_1.json"), ({}, "no numbered files"),
    ({"a_1.json": [instance(1, 4)], "a_2.json": [instance(1, 5)]}, r"a_2.json holds 5 keypoints \(custom\) in 2D"),
])  # fmt: skip
def test_refused(files, match, tmp_path, recwarn):
    path = folder(tmp_path / "a", files)
    try:
        read(path, fps=30)
    except InputError as error:
        said = str(error)
    else:
        said = " ".join(str(w.message) for w in recwarn)
    assert re.search(match, said), said
