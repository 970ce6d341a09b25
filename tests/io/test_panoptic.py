"""CMU Panoptic folders and tars: gaps, ids, malformed files, and writing them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec import PoseSequence, load, save
from posecodec.errors import InputError, UsageError
from posecodec.pose.skeletons.builtin import BODY25, COCO19


def body(key: Any, value: float = 1.0, confidence: float = 0.5) -> dict[str, Any]:
    return {"id": key, "joints19": [value, value + 1, value + 2, confidence] * 19}


def scene(folder: Path, frames: dict[int, Any], **extra: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, bodies in frames.items():
        content = {"version": 0.7, "univTime": 1.0, "fpsType": "hd_29_97", "bodies": bodies} | extra
        text = bodies if isinstance(bodies, str) else json.dumps(content)
        (folder / f"body3DScene_{number:08d}.json").write_text(text)
    return folder


def test_gaps_ids_and_confidences(tmp_path):
    hidden = body(4)
    hidden["joints19"][3], hidden["joints19"][7], hidden["joints19"][11] = -1, 0, 0.05
    folder = scene(tmp_path / "a", {100: [], 101: [body(4, 7.0)], 103: [body(2), hidden]})
    sequence = load(folder)
    assert sequence.positions.shape == (4, 2, 19, 3)
    assert sequence.ids == ("4", "2") and sequence.metadata["first_frame"] == 100
    assert (sequence.fps, sequence.unit, sequence.up) == (30000 / 1001, "cm", "-y")
    assert sequence.skeleton == COCO19
    np.testing.assert_array_equal(sequence.positions[1, 0, 5], [7, 8, 9])
    assert not sequence.valid[0].any() and not sequence.valid[2].any() and not sequence.valid[1, 1].any()
    assert sequence.valid[3, 0, :3].tolist() == [False, False, True]
    assert sequence.confidence[3, 0, 2] == np.float32(0.05)


def test_inner_folder_tar_and_gzipped_tar_read_alike(tmp_path):
    scene(tmp_path / "seq" / "hdPose3d_stage1_coco19", {5: [body(0)], 6: [body(0)]})
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "seq", "seq")
    with tarfile.open(tmp_path / "b.tar", "w:gz") as archive:
        archive.add(tmp_path / "seq", "seq")
    sequences = [load(tmp_path / name) for name in ("seq", "a.tar", "b.tar")]
    assert [s.positions.shape for s in sequences] == [(2, 1, 19, 3)] * 3


@pytest.mark.parametrize(("name", "first"), [("body3DScene_00000103.json", 103), ("frame.json", 0)])
def test_one_file_is_a_recording_of_one_frame(name, first, tmp_path):
    folder = scene(tmp_path / "a", {103: [body(2), body(4, 7.0)]})
    (folder / "body3DScene_00000103.json").rename(folder / name)
    sequence = load(folder / name)
    assert sequence.positions.shape == (1, 2, 19, 3) and sequence.ids == ("2", "4")
    assert sequence.metadata == {"source_format": "panoptic", "first_frame": first}
    (folder / name).write_text("{}")
    with pytest.raises(InputError, match="all 1 files are malformed"):
        load(folder / name, format="panoptic")


def test_malformed_files_are_missing_frames(tmp_path):
    bad = ["{", "[]", "{}", '{"bodies": [5]}', '{"bodies": [{"id": 1}]}', '{"bodies": {"a": 1}}', "x"]
    bad += [json.dumps({"bodies": [{"id": 1, "joints19": j}]}) for j in ([1] * 75, ["a"] * 76, [None] * 76, 3)]
    bad += [json.dumps({"bodies": [{"id": 1, "joints19": [n] + [1] * 75}]}) for n in (float("nan"), 1e39, 10**400)]
    bad += [json.dumps({"bodies": [body(1), body(1)]}), "[" * 100_000, '{"bodies": [' + "1e999," * 3]
    folder = scene(tmp_path / "a", {0: [body(1)]} | dict(enumerate(bad, 1)))
    sequence = load(folder)
    assert sequence.metadata["unreadable_frames"] == list(range(1, len(bad) + 1))
    assert sequence.valid[0].all() and not sequence.valid[1:].any()


@pytest.mark.parametrize(("frames", "extra", "match"), [
    ({0: "{", 1: "x"}, {}, "all 2 files are malformed"), ({0: [{"id": 0, "joints15": [0] * 60}]}, {}, "joints15"),
    ({0: [body(1)]}, {"fpsType": "gopro"}, "--fps N"), ({0: [body(1)], 99_999_999: [body(1)]}, {}, "split"),
    ({}, {}, "body3DScene"),
])  # fmt: skip
def test_refused(frames, extra, match, tmp_path):
    with pytest.raises(InputError, match=match):
        load(scene(tmp_path / "a", frames, **extra), format="panoptic")


def test_rates(tmp_path):
    assert load(scene(tmp_path / "a", {0: [body(1)]}, fpsType="vga_25")).fps == 25
    assert load(scene(tmp_path / "b", {0: [body(1)]}, fpsType="gopro"), fps=59.94).fps == 59.94


def random_sequence(**changes: Any) -> PoseSequence:
    rng = np.random.default_rng(0)
    points = rng.normal(scale=100, size=(5, 2, 19, 3)).astype(np.float32)
    points[1, 0, :4] = points[3] = np.nan
    values: dict[str, Any] = {"fps": 30000 / 1001, "unit": "cm", "up": "-y", "ids": ("3", "x")}
    values |= {"confidence": rng.uniform(0.01, 1, points.shape[:3]), "metadata": {"first_frame": 7}}
    return PoseSequence.from_arrays(points, **(values | changes))


@pytest.mark.parametrize("name", ["folder", "a.tar"])
def test_round_trip(name, tmp_path):
    sequence = random_sequence()
    save(sequence, tmp_path / name, format="panoptic")
    again = load(tmp_path / name)
    np.testing.assert_array_equal(again.positions.astype(np.float32), sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    assert (again.ids, again.fps, again.metadata["first_frame"]) == (("3", "x"), sequence.fps, 7)
    with pytest.raises(UsageError, match="--force"):
        save(sequence, tmp_path / name, format="panoptic")
    save(sequence, tmp_path / name, format="panoptic", force=True)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_writing_converts_to_centimeters_with_y_down(tmp_path):
    sequence = PoseSequence.from_arrays(np.full((1, 19, 3), 10), fps=30, unit="mm", up="y")
    save(sequence, tmp_path / "a", format="panoptic")
    again = load(tmp_path / "a", fps=30)
    np.testing.assert_array_equal(again.positions[0, 0, 0], [1, -1, -1])


@pytest.mark.parametrize("changes", [
    {"unit": "px"}, {"up": "z"}, {"skeleton": BODY25}, {"fps": None, "timestamps": np.arange(5.0)},
    {"confidence": np.zeros((5, 2, 19))},
])  # fmt: skip
def test_what_panoptic_cannot_hold(changes, tmp_path):
    if "skeleton" in changes:
        sequence = PoseSequence.from_arrays(np.zeros((5, 25, 3)), fps=30, skeleton=BODY25, unit="cm", up="-y")
    else:
        sequence = random_sequence(**changes)
    with pytest.raises(UsageError):
        save(sequence, tmp_path / "a", format="panoptic")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("changes", "message"), [
    ({"up": "unknown"}, "but up is 'unknown'; pass --up "), ({"unit": "px"}, "but unit is 'px'; pass --unit "),
    ({"unit": "px", "up": "z"}, "but unit is 'px' and up is 'z'; pass --unit and --up "),
])  # fmt: skip
def test_only_what_is_missing_is_asked_for(changes, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        save(random_sequence(**changes), tmp_path / "a", format="panoptic")


def test_force_never_deletes_what_is_not_ours(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="other files"):
        save(random_sequence(), tmp_path / "a", format="panoptic", force=True)
    assert (tmp_path / "a" / "thesis.tex").exists() and len(list(tmp_path.iterdir())) == 1
