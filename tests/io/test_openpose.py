"""OpenPose folders: sections, gaps, ids, malformed files, and writing the user's own files back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from detections import SECTIONS, body, person

from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io import Guess, detect
from posecodec.io.detect import is_recording
from posecodec.io.formats.openpose import FULL, combine_sections, read, write
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BODY25, BUILT_IN


def folder(path: Path, frames: dict[int, Any], prefix: str = "clip_", version: float = 1.3) -> Path:
    path.mkdir()
    for number, people in frames.items():
        text = people if isinstance(people, str) else json.dumps({"version": version, "people": people})
        (path / f"{prefix}{number:012d}_keypoints.json").write_text(text)
    return path


def contents(path: Path) -> dict[str, Any]:
    return {p.name: json.loads(p.read_text()) for p in sorted(path.iterdir())}


def test_hand_worked_folder(tmp_path):
    values = body()
    values[3:9] = [0, 0, 0, 0, 0, 0.75]  # missing; a position at 0, 0
    values[9:12] = [7, 8, 0]  # a position of confidence 0
    sequence = read(folder(tmp_path / "a", {0: [person(values)], 1: []}), fps=29.97)
    assert sequence.positions.shape == (2, 1, 25, 2) and sequence.skeleton == BODY25
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :4].tolist() == [True, False, True, True] and not sequence.valid[1].any()
    np.testing.assert_array_equal(sequence.positions[0, 0, [0, 2, 3, 24]], [[1, 1.25], [0, 0], [7, 8], [25, 25.25]])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :4], [0.5, 0, 0.75, 0])
    assert sequence.metadata == {"source_format": "openpose", "openpose": {"prefix": "clip_"}}


def test_the_user_gets_their_own_files_back(tmp_path):
    values = body(0.1)
    values[3:6] = [0, 0, 0]
    frames = {7: [person(values)], 8: [], 11: [person(body(3.3))]}
    before = folder(tmp_path / "a", frames, "cam1_")
    sequence = read(before, fps=30)
    facts = {"prefix": "cam1_", "first": 7, "missing": [[2, 3]]}
    assert sequence.frames == 5 and sequence.metadata["openpose"] == facts
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


@pytest.mark.parametrize(("names", "facts"), [
    (["cam01.0030.json", "cam01.0031.json", "cam01.0033.json"], {"prefix": "cam01.", "digits": 4, "suffix": ".json"}),
    (["NAME_000030.json", "NAME_000031.json", "NAME_000033.json"], {"prefix": "NAME_", "digits": 6, "suffix": ".json"}),
    (["30.json", "31.json", "33.json"], {"digits": 1, "suffix": ".json"}),
    (["a2_030_pose.json", "a2_031_pose.json", "a2_033_pose.json"], {"prefix": "a2_", "digits": 3, "suffix": "_pose.json"}),
])  # fmt: skip
def test_other_file_names(names, facts, tmp_path, reports):
    path = tmp_path / "cam"
    path.mkdir()
    for i, name in enumerate(names):
        (path / name).write_text(json.dumps({"version": 1.3, "people": [person(body(i))]}))
    (path / "notes.json").write_text("{}")
    assert detect(path) == Guess("openpose", f'the "people" in {names[0]}') and is_recording(path)
    with reports("1 other .json files"):
        sequence = read(path, fps=30)
    assert sequence.positions[:, 0, 0, 1].tolist()[:2] == [0.25, 1.25] and sequence.frames == 4
    assert sequence.metadata["openpose"] == facts | {"first": 30, "missing": [[2, 2]]}
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == {name: contents(path)[name] for name in names}
    write(sequence, tmp_path / "b", force=True)
    (tmp_path / "b" / "other7.json").write_text("{}")
    with pytest.raises(UsageError, match="holds other files"):
        write(sequence, tmp_path / "b", force=True)


def test_a_tree_of_such_folders_has_a_file_for_each(tmp_path):
    for camera in ("cam1", "cam2"):
        (tmp_path / "in" / camera).mkdir(parents=True)
        for i in range(3):
            text = json.dumps({"people": [person(body(i))]})
            (tmp_path / "in" / camera / f"{camera}_{i:04d}.json").write_text(text)
    done = CliRunner().invoke(cli, ["encode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--fps", "30"])
    assert done.exit_code == 0 and sorted(p.name for p in (tmp_path / "out").glob("*.posec")) == [
        "cam1.posec",
        "cam2.posec",
    ]


def test_alphapose_in_separate_files(tmp_path):
    (tmp_path / "sep-json").mkdir()
    for i in range(2):
        content = {"version": "AlphaPose v0.3", "bodies": [{"joints": body(i, 18)}]}
        (tmp_path / "sep-json" / f"{i}.json").write_text(json.dumps(content))
    assert detect(tmp_path / "sep-json").format == "openpose"
    sequence = read(tmp_path / "sep-json", fps=30)
    assert sequence.skeleton.name == "coco18" and sequence.positions[:, 0, 0, 0].tolist() == [0, 1]
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b")["1.json"]["people"][0]["pose_keypoints_2d"] == body(1, 18)


@pytest.mark.parametrize(("version", "people"), [
    (1.2, {key: body() if key == SECTIONS[0] else [] for key in SECTIONS}),
    (1.1, {key: body() if key == SECTIONS[0] else [] for key in SECTIONS[:4]}),
    (1.0, {"pose_keypoints": body(), "face_keypoints": []}),
])  # fmt: skip
def test_older_versions(version, people, tmp_path):
    before = folder(tmp_path / "a", {0: [people]}, "", version)
    write(read(before, fps=30), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_ordinary_metadata_is_small(tmp_path):
    sequence = read(folder(tmp_path / "a", {0: [person(body())]}, ""), fps=30)
    assert sequence.metadata == {"source_format": "openpose"}


def test_sections_make_the_skeleton(tmp_path):
    full = {f"{section}_keypoints_2d": body(5, count) for section, count in FULL.items()}
    half = {"pose_keypoints_2d": body(9, 25), "hand_left_keypoints_2d": [0] * 63}
    before = folder(tmp_path / "a", {0: [person(**half)], 1: [person(**full), person(**half)]})
    sequence = read(before, fps=30)
    assert sequence.skeleton == BUILT_IN["openpose137"] == combine_sections(FULL)
    assert sequence.positions.shape == (2, 2, 137, 2)
    assert sequence.valid[0, 0].sum() == 25 and sequence.valid[1, 0].all()
    assert sequence.positions[1, 0, 25, 0] == 5 and sequence.skeleton.keypoints[95] == "left_hand/wrist"
    write(sequence, tmp_path / "b")
    again = read(tmp_path / "b", fps=30)
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)


@pytest.mark.parametrize(("sections", "name", "edges", "root"), [
    ({"pose": 25}, "body25", 24, 8), ({"pose": 18}, "coco18", 17, 1),
    ({"pose": 25, "hand_left": 21, "hand_right": 21}, "custom", 66, 8),
    ({"pose": 18, "hand_left": 21}, "custom", 38, 1), ({"hand_left": 21}, "custom", 20, None),
    ({"pose": 15}, "custom", 0, None), ({"face": 70}, "custom", 63, None),
])  # fmt: skip
def test_skeletons(sections, name, edges, root):
    skeleton = combine_sections(sections)
    assert (skeleton.name, len(skeleton), len(skeleton.edges), skeleton.root) == (
        name, sum(sections.values()), edges, root,
    )  # fmt: skip
    if "pose" in sections and sections["pose"] > 15:
        assert skeleton.to_coco19["nose"] == ("nose",) and len(skeleton.to_coco19) == 19


def test_3d(tmp_path):
    values = [v for k in range(25) for v in (k + 0.5, -k, 2.5, 0.75)]
    values[4:8] = [0, 0, 0, 0]
    before = folder(tmp_path / "a", {0: [person(pose_keypoints_3d=values)]})
    sequence = read(before, fps=30)
    assert sequence.dims == 3 and sequence.unit == "unknown"
    np.testing.assert_array_equal(sequence.positions[0, 0, 2], [2.5, -2, 2.5])
    assert not sequence.valid[0, 0, 1]
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_3d_beside_2d_is_left_out_and_reported(tmp_path):
    both = person(body(), pose_keypoints_3d=[1.0] * 100)
    with pytest.warns(DataWarning, match="3D sections beside 2D ones"):
        assert read(folder(tmp_path / "a", {0: [both]}), fps=30).dims == 2


def test_list_order_is_identity_and_reported(tmp_path):
    two = [person(body(1)), person(body(100))]
    before = folder(tmp_path / "a", {0: two, 1: two[:1]})
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(before, fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[0, 1, 0, 0] == 100
    with pytest.warns(DataWarning, match="--fps 30"):
        write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_tracking_ids(tmp_path):
    a, b = person(body(1), 4), person(body(100), 9)
    before = folder(tmp_path / "a", {0: [a, b], 1: [b], 2: [b, a]})
    sequence = read(before, fps=30)
    assert sequence.ids == ("4", "9") and sequence.positions[1, 1, 0, 0] == 100 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b")
    again = read(tmp_path / "b", fps=30)
    assert again.ids == ("4", "9")
    np.testing.assert_array_equal(again.positions, sequence.positions)
    zero = folder(tmp_path / "c", {0: [person(body(), 0)]})
    write(read(zero, fps=30), tmp_path / "d")
    assert contents(tmp_path / "d") == contents(zero)


def test_ids_that_repeat_are_not_kept(tmp_path):
    two = [person(body(1), 4)] * 2
    with pytest.warns(DataWarning) as found:
        sequence = read(folder(tmp_path / "a", {0: two}), fps=30)
    assert sequence.ids == ("0", "1") and any("twice in a frame" in str(w.message) for w in found)


def test_people_who_come_and_go(tmp_path):
    points = np.random.default_rng(0).normal(size=(5, 3, 25, 2), scale=300).astype(np.float32)
    points[:2, 0] = points[3:, 1] = points[2] = points[4, 2, 3:] = np.nan
    for ids, back in ((None, "012"), (("7", "3", "5"), ("7", "3", "5")), (("ann", "ben", "cleo"), "012")):
        write(PoseSequence.from_arrays(points, fps=30, skeleton=BODY25, ids=ids), tmp_path / "a", force=True)
        again = read(tmp_path / "a", fps=30)
        found = again.positions[:, [again.ids.index(key) for key in back]].astype(np.float32)
        np.testing.assert_array_equal(found, points)


def test_malformed_files_are_missing_frames(tmp_path):
    bad = ["{", "", "[]", "{}", '{"people": 5}', '{"people": [5]}', "[" * 100_000, "\xff"]
    bad += [
        json.dumps({"people": [{SECTIONS[0]: v}]})
        for v in ([1] * 74, ["a"] * 75, 3, [[1]] * 75, [1] * 54, [10**400] * 75)
    ]
    frames = {0: [person(body())], 1: [person(body())]}
    before = folder(tmp_path / "a", frames | dict(enumerate(bad, 2)))
    with pytest.warns(DataWarning, match=r"14 files are malformed.*clip_000000000002_keypoints.json.*line 1, column 2"):
        sequence = read(before, fps=30)
    assert sequence.frames == 2 + len(bad) and sequence.valid[:2].all() and not sequence.valid[2:].any()


@pytest.mark.parametrize(("frames", "match"), [
    ({0: "{", 1: "x"}, "all 2 files are malformed; clip_000000000000_keypoints.json"),
    ({0: '{"people": [{"pose_keypoints_2d": [1, 2]}]}'}, "person 0: pose_keypoints_2d has 2 numbers.*export it again"),
    ({0: [person(body())], 10**11: []}, "split"), ({}, "no \\*_keypoints.json.*give the one"),
])  # fmt: skip
def test_refused(frames, match, tmp_path):
    with pytest.raises(InputError, match=match):
        read(folder(tmp_path / "a", frames), fps=30)


def test_two_recordings_in_a_folder(tmp_path):
    path = folder(tmp_path / "a", {0: []})
    (path / "other_000000000001_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match="different recordings; keep one"):
        read(path, fps=30)
    (path / "other_000000000001_keypoints.json").rename(path / "x_keypoints.json")
    with pytest.raises(InputError, match="'x_keypoints.json' does not number a frame.*rename"):
        read(path, fps=30)


def test_nobody_at_all(tmp_path):
    sequence = read(folder(tmp_path / "a", {0: [], 1: []}), fps=30)
    assert sequence.positions.shape == (2, 0, 25, 2)
    write(sequence, tmp_path / "b")
    assert read(tmp_path / "b", fps=30).positions.shape == (2, 0, 25, 2)


def test_infinite_and_nan(tmp_path):
    values = body()
    values[0], values[3], values[6], values[8] = float("inf"), float("nan"), 1e300, float("nan")
    with pytest.warns(DataWarning, match="2 keypoints with an infinite"):
        sequence = read(folder(tmp_path / "a", {0: [person(values)]}), fps=30)
    assert sequence.valid[0, 0, :4].tolist() == [False, False, False, True]


def test_confidences_out_of_range_and_unknown_keys_are_reported(tmp_path, reports):
    values = body()
    values[2] = 1.5
    path = folder(tmp_path / "a", {0: [person(values) | {"color": 1}]})
    with reports("1 confidences are outside", "color (1 times)"):
        assert read(path, fps=30).confidence[0, 0, 0] == 1.5


def test_single_file(tmp_path):
    path = next(folder(tmp_path / "a", {12: [person(body())]}).iterdir())
    sequence = read(path, fps=30)
    assert sequence.frames == 1 and sequence.metadata["openpose"] == {"prefix": "clip_", "first": 12}
    write(sequence, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(path.read_text())
    assert read(tmp_path / "b.json", fps=30).metadata == {"source_format": "openpose"}
    two = PoseSequence.from_arrays(np.ones((2, 25, 2)), fps=30, skeleton=BODY25)
    with pytest.raises(UsageError, match="name a folder"):
        write(two, tmp_path / "c.json")


def test_many_gaps_are_not_worth_their_metadata(tmp_path):
    with pytest.warns(DataWarning, match="99 frames have no file"):
        sequence = read(folder(tmp_path / "a", {2 * n: [person(body())] for n in range(100)}), fps=30)
    assert sequence.metadata["openpose"] == {"prefix": "clip_"}


def test_folders_are_replaced_only_by_force_and_if_they_hold_nothing_else(tmp_path):
    sequence = PoseSequence.from_arrays(np.ones((1, 25, 2)), fps=30, skeleton=BODY25)
    write(sequence, tmp_path / "a")
    with pytest.raises(UsageError, match="--force"):
        write(sequence, tmp_path / "a")
    write(sequence, tmp_path / "a", force=True)
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="notes.txt"):
        write(sequence, tmp_path / "a", force=True)


def test_pose_format_reads_the_same(tmp_path):
    openpose = pytest.importorskip("pose_format.utils.openpose")
    points = np.random.default_rng(1).uniform(1, 900, (4, 1, 137, 2)).astype(np.float32)
    points[1, 0, 3] = np.nan
    sequence = PoseSequence.from_arrays(points, fps=30, skeleton=BUILT_IN["openpose137"], unit="px", up="-y")
    write(replace(sequence, metadata={"openpose": {"prefix": "clip_"}}), tmp_path / "a")
    theirs = openpose.load_openpose_directory(str(tmp_path / "a"), fps=30)
    data = theirs.body.data.filled(np.nan)
    sizes = [len(c.points) for c in theirs.header.components]
    names = [c.name for c in theirs.header.components]
    found = dict(zip(names, np.split(data, np.cumsum(sizes)[:-1], axis=2), strict=True))
    order = ["pose_keypoints_2d", "face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"]
    np.testing.assert_array_equal(np.concatenate([found[name] for name in order], axis=2), points)
