"""OpenPose folders: sections, gaps, ids, malformed files, and writing the user's own files back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import DataWarning, InputError, NoRateError, PosecodecError, UsageError
from posecodec.io.formats.openpose import FULL, combine_sections, read, write
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BODY25, BUILT_IN, COCO19

KEYS = [f"{s}_keypoints_{d}d" for d in (2, 3) for s in ("pose", "face", "hand_left", "hand_right")]


def person(key: int | None = -1, **sections: list[float]) -> dict[str, Any]:
    """As version 1.3 writes it; section by key."""
    return ({} if key is None else {"person_id": [key]}) | {name: sections.get(name, []) for name in KEYS}


def body(start: float = 1.0, count: int = 25) -> list[float]:
    return [v for k in range(count) for v in (start + k, start + k + 0.25, 0.5)]


def folder(path: Path, frames: dict[int, Any], prefix: str = "clip_", version: float = 1.3) -> Path:
    path.mkdir()
    for number, people in frames.items():
        text = people if isinstance(people, str) else json.dumps({"version": version, "people": people})
        (path / f"{prefix}{number:012d}_keypoints.json").write_text(text)
    return path


def contents(path: Path) -> dict[str, Any]:
    return {p.name: json.loads(p.read_text()) for p in sorted(path.iterdir())}


@pytest.fixture
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        yield


def test_hand_worked_folder(tmp_path: Path) -> None:
    values = body()
    values[3:9] = [0, 0, 0, 0, 0, 0.75]  # missing; a position at 0, 0
    values[9:12] = [7, 8, 0]  # a position of confidence 0
    sequence = read(folder(tmp_path / "a", {0: [person(pose_keypoints_2d=values)], 1: []}), fps=29.97)
    assert sequence.positions.shape == (2, 1, 25, 2) and sequence.skeleton == BODY25
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.valid[0, 0, :4].tolist() == [True, False, True, True] and not sequence.valid[1].any()
    np.testing.assert_array_equal(sequence.positions[0, 0, [0, 2, 3, 24]], [[1, 1.25], [0, 0], [7, 8], [25, 25.25]])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :4], [0.5, 0, 0.75, 0])
    assert sequence.metadata == {"source_format": "openpose", "openpose": {"prefix": "clip_"}}


def test_the_user_gets_their_own_files_back(tmp_path: Path, quiet: None) -> None:
    values = body(0.1)
    values[3:6] = [0, 0, 0]
    frames = {7: [person(pose_keypoints_2d=values)], 8: [], 11: [person(pose_keypoints_2d=body(3.3))]}
    before = folder(tmp_path / "a", frames, "cam1_")
    sequence = read(before, fps=30)
    assert sequence.frames == 5 and sequence.metadata["openpose"] == {
        "prefix": "cam1_",
        "first": 7,
        "missing": [[2, 3]],
    }
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


@pytest.mark.parametrize(
    ("version", "make", "width"),
    [
        (1.2, lambda values: {key: values if key == KEYS[0] else [] for key in KEYS}, 3),
        (1.1, lambda values: {key: values if key == KEYS[0] else [] for key in KEYS[:4]}, 3),
        (1.0, lambda values: {"pose_keypoints": values, "face_keypoints": []}, 3),
    ],
)
def test_older_versions(version: float, make: Callable[[Any], Any], width: int, tmp_path: Path, quiet: None) -> None:
    before = folder(tmp_path / "a", {0: [make(body())]}, "", version)
    write(read(before, fps=30), tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_ordinary_metadata_is_small(tmp_path: Path) -> None:
    sequence = read(folder(tmp_path / "a", {0: [person(pose_keypoints_2d=body())]}, ""), fps=30)
    assert sequence.metadata == {"source_format": "openpose"}


def test_sections_make_the_skeleton(tmp_path: Path, quiet: None) -> None:
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


@pytest.mark.parametrize(
    ("sections", "name", "edges", "root"),
    [
        ({"pose": 25}, "body25", 24, 8),
        ({"pose": 18}, "coco18", 17, 1),
        ({"pose": 25, "hand_left": 21, "hand_right": 21}, "custom", 66, 8),
        ({"pose": 18, "hand_left": 21}, "custom", 38, 1),
        ({"hand_left": 21}, "custom", 20, None),
        ({"pose": 15}, "custom", 0, None),
        ({"face": 70}, "custom", 63, None),
    ],
)
def test_skeletons(sections: dict[str, int], name: str, edges: int, root: int | None) -> None:
    skeleton = combine_sections(sections)
    assert (skeleton.name, len(skeleton), len(skeleton.edges), skeleton.root) == (
        name, sum(sections.values()), edges, root,
    )  # fmt: skip
    if "pose" in sections and sections["pose"] > 15:
        assert skeleton.to_coco19["nose"] == ("nose",) and len(skeleton.to_coco19) == 19


def test_3d(tmp_path: Path, quiet: None) -> None:
    values = [v for k in range(25) for v in (k + 0.5, -k, 2.5, 0.75)]
    values[4:8] = [0, 0, 0, 0]
    before = folder(tmp_path / "a", {0: [person(pose_keypoints_3d=values)]})
    sequence = read(before, fps=30)
    assert sequence.dims == 3 and sequence.unit == "unknown"
    np.testing.assert_array_equal(sequence.positions[0, 0, 2], [2.5, -2, 2.5])
    assert not sequence.valid[0, 0, 1]
    write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_3d_beside_2d_is_left_out_and_reported(tmp_path: Path) -> None:
    both = person(pose_keypoints_2d=body(), pose_keypoints_3d=[1.0] * 100)
    with pytest.warns(DataWarning, match="3D sections beside 2D ones"):
        assert read(folder(tmp_path / "a", {0: [both]}), fps=30).dims == 2


def test_list_order_is_identity_and_reported(tmp_path: Path) -> None:
    two = [person(pose_keypoints_2d=body(1)), person(pose_keypoints_2d=body(100))]
    before = folder(tmp_path / "a", {0: two, 1: two[:1]})
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(before, fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[0, 1, 0, 0] == 100
    with pytest.warns(DataWarning, match="--fps 30"):
        write(sequence, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(before)


def test_tracking_ids(tmp_path: Path, quiet: None) -> None:
    a, b = person(4, pose_keypoints_2d=body(1)), person(9, pose_keypoints_2d=body(100))
    before = folder(tmp_path / "a", {0: [a, b], 1: [b], 2: [b, a]})
    sequence = read(before, fps=30)
    assert sequence.ids == ("4", "9") and sequence.positions[1, 1, 0, 0] == 100 and not sequence.valid[1, 0].any()
    write(sequence, tmp_path / "b")
    again = read(tmp_path / "b", fps=30)
    assert again.ids == ("4", "9")
    np.testing.assert_array_equal(again.positions, sequence.positions)
    zero = folder(tmp_path / "c", {0: [person(0, pose_keypoints_2d=body())]})
    write(read(zero, fps=30), tmp_path / "d")
    assert contents(tmp_path / "d") == contents(zero)


def test_ids_that_repeat_are_not_kept(tmp_path: Path) -> None:
    two = [person(4, pose_keypoints_2d=body(1))] * 2
    with pytest.warns(DataWarning) as found:
        sequence = read(folder(tmp_path / "a", {0: two}), fps=30)
    assert sequence.ids == ("0", "1") and any("twice in a frame" in str(w.message) for w in found)


def test_people_who_come_and_go(tmp_path: Path, quiet: None) -> None:
    points = np.random.default_rng(0).normal(size=(5, 3, 25, 2), scale=300).astype(np.float32)
    points[:2, 0] = points[3:, 1] = points[2] = points[4, 2, 3:] = np.nan
    for ids, back in ((None, "012"), (("7", "3", "5"), ("7", "3", "5")), (("ann", "ben", "cleo"), "012")):
        write(PoseSequence.from_arrays(points, fps=30, skeleton=BODY25, ids=ids), tmp_path / "a", force=True)
        again = read(tmp_path / "a", fps=30)
        np.testing.assert_array_equal(again.positions[:, [again.ids.index(key) for key in back]], points)


def test_malformed_files_are_missing_frames(tmp_path: Path) -> None:
    bad = ["{", "", "[]", "{}", '{"people": 5}', '{"people": [5]}', "[" * 100_000, "\xff"]
    bad += [
        json.dumps({"people": [{KEYS[0]: v}]}) for v in ([1] * 74, ["a"] * 75, 3, [[1]] * 75, [1] * 54, [10**400] * 75)
    ]
    frames = {0: [person(pose_keypoints_2d=body())], 1: [person(pose_keypoints_2d=body())]}
    before = folder(tmp_path / "a", frames | dict(enumerate(bad, 2)))
    with pytest.warns(DataWarning, match=r"14 files are malformed.*clip_000000000002_keypoints.json.*line 1, column 2"):
        sequence = read(before, fps=30)
    assert sequence.frames == 2 + len(bad) and sequence.valid[:2].all() and not sequence.valid[2:].any()


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        ({0: "{", 1: "x"}, "all 2 files are malformed; clip_000000000000_keypoints.json"),
        (
            {0: '{"people": [{"pose_keypoints_2d": [1, 2]}]}'},
            "person 0: pose_keypoints_2d has 2 numbers.*export it again",
        ),
        ({0: [person(pose_keypoints_2d=body())], 10**11: []}, "split"),
        ({}, "no \\*_keypoints.json.*give the one"),
    ],
)
def test_refused(frames: dict[int, Any], match: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=match):
        read(folder(tmp_path / "a", frames), fps=30)


def test_two_recordings_in_a_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / "a", {0: []})
    (path / "other_000000000001_keypoints.json").write_text("{}")
    with pytest.raises(InputError, match="different recordings; keep one"):
        read(path, fps=30)
    (path / "other_000000000001_keypoints.json").rename(path / "x_keypoints.json")
    with pytest.raises(InputError, match="'x_keypoints.json' does not number a frame.*rename"):
        read(path, fps=30)


def test_no_rate_comes_last(tmp_path: Path) -> None:
    with pytest.raises(NoRateError, match="--fps N"):
        read(folder(tmp_path / "a", {0: [person(pose_keypoints_2d=body())]}))


def test_nobody_at_all(tmp_path: Path, quiet: None) -> None:
    sequence = read(folder(tmp_path / "a", {0: [], 1: []}), fps=30)
    assert sequence.positions.shape == (2, 0, 25, 2)
    write(sequence, tmp_path / "b")
    assert read(tmp_path / "b", fps=30).positions.shape == (2, 0, 25, 2)


def test_infinite_and_nan(tmp_path: Path) -> None:
    values = body()
    values[0], values[3], values[6], values[8] = float("inf"), float("nan"), 1e300, float("nan")
    with pytest.warns(DataWarning, match="2 keypoints with an infinite"):
        sequence = read(folder(tmp_path / "a", {0: [person(pose_keypoints_2d=values)]}), fps=30)
    assert sequence.valid[0, 0, :4].tolist() == [False, False, False, True]


def test_confidences_out_of_range_and_unknown_keys_are_reported(tmp_path: Path) -> None:
    values = body()
    values[2] = 1.5
    path = folder(tmp_path / "a", {0: [person(pose_keypoints_2d=values) | {"color": 1}]})
    with pytest.warns(DataWarning) as found:
        assert read(path, fps=30).confidence[0, 0, 0] == 1.5
    text = "".join(str(w.message) for w in found)
    assert "1 confidences are outside" in text and "color (1 times)" in text


def test_single_file(tmp_path: Path, quiet: None) -> None:
    path = next(folder(tmp_path / "a", {12: [person(pose_keypoints_2d=body())]}).iterdir())
    sequence = read(path, fps=30)
    assert sequence.frames == 1 and sequence.metadata["openpose"] == {"prefix": "clip_", "first": 12}
    write(sequence, tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == json.loads(path.read_text())
    assert read(tmp_path / "b.json", fps=30).metadata == {"source_format": "openpose"}
    two = PoseSequence.from_arrays(np.ones((2, 25, 2)), fps=30, skeleton=BODY25)
    with pytest.raises(UsageError, match="name a folder"):
        write(two, tmp_path / "c.json")


def test_many_gaps_are_not_worth_their_metadata(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="99 frames have no file"):
        sequence = read(folder(tmp_path / "a", {2 * n: [person(pose_keypoints_2d=body())] for n in range(100)}), fps=30)
    assert sequence.metadata["openpose"] == {"prefix": "clip_"}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"skeleton": COCO19, "points": np.ones((1, 19, 2))}, "body25"),
        ({"timestamps": [0.0], "fps": None}, "timestamps.*--fps"),
        ({"up": "y"}, "--up -y"),
        ({"points": np.zeros((1, 25, 2)), "confidence": np.zeros((1, 25))}, "means missing"),
    ],
)
def test_what_openpose_cannot_hold(changes: dict[str, Any], match: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {"points": np.ones((1, 25, 2)), "fps": 30, "skeleton": BODY25} | changes
    with pytest.raises(UsageError, match=match):
        write(PoseSequence.from_arrays(values.pop("points"), **values), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "facts",
    [
        5,
        {"prefix": "../x", "first": -1, "missing": 3, "keys": "x", "version": "y", "digits": 0},
        {"prefix": "a\0", "first": True, "missing": [[0, 1e9], ["a"], [-5, 10**9]], "keys": [99], "version": None},
        {"prefix": "x" * 300, "first": 10**30, "missing": [[0, 10**30]], "keys": [[]], "digits": 10**9},
        {"prefix": "cam2", "suffix": "/etc", "keys": [0]},
    ],
)
def test_hostile_metadata(facts: Any, tmp_path: Path, quiet: None) -> None:
    sequence = PoseSequence.from_arrays(np.ones((3, 25, 2)), fps=30, skeleton=BODY25, metadata={"openpose": facts})
    write(sequence, tmp_path / "a")
    np.testing.assert_array_equal(read(tmp_path / "a", fps=30).positions, sequence.positions)


def test_folders_are_replaced_only_by_force_and_if_they_hold_nothing_else(tmp_path: Path, quiet: None) -> None:
    sequence = PoseSequence.from_arrays(np.ones((1, 25, 2)), fps=30, skeleton=BODY25)
    write(sequence, tmp_path / "a")
    with pytest.raises(UsageError, match="--force"):
        write(sequence, tmp_path / "a")
    write(sequence, tmp_path / "a", force=True)
    (tmp_path / "a" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="notes.txt"):
        write(sequence, tmp_path / "a", force=True)


def test_pose_format_reads_the_same(tmp_path: Path, quiet: None) -> None:
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


FILE = json.dumps({"version": 1.3, "people": [person(pose_keypoints_2d=body())]}).encode()


def test_truncated_anywhere(tmp_path: Path, quiet: None) -> None:
    for size in range(0, len(FILE), 7):
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
