"""The .pose format: our own round trips, pose-format as the oracle, and files that lie."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec import PoseSequence, Skeleton, load, save
from posecodec.errors import InputError, UsageError
from posecodec.pose.skeletons.builtin import BODY25, BUILT_IN, COCO19, MEDIAPIPE33
from posecodec.pose.synthetic import walk

SUFFIX = ".pose"


def text(value: str) -> bytes:
    return struct.pack("<H", len(value.encode())) + value.encode()


def component(name: str, layout: str, points: list[str], limbs: Any = (), colors: Any = ()) -> bytes:
    head = text(name) + text(layout) + struct.pack("<3H", len(points), len(limbs), len(colors))
    rows = [*limbs, *colors]
    return head + b"".join(map(text, points)) + b"".join(struct.pack(f"<{len(r)}H", *r) for r in rows)


def header(*components: bytes, version: float = 0.2) -> bytes:
    return struct.pack("<f4H", version, 640, 480, 5, len(components)) + b"".join(components)


def body(points: np.ndarray, confidence: np.ndarray, fps: float = 29.97) -> bytes:
    counts = struct.pack("<fIH", fps, points.shape[0], points.shape[1])
    return counts + points.astype("<f4").tobytes() + confidence.astype("<f4").tobytes()


HAND = component("HAND", "XYC", ["wrist", "thümb"], [(0, 1)], [(1, 2, 3), (4, 5, 6)])
POINTS = np.arange(18, dtype=np.float32).reshape(3, 1, 3, 2)
CONFIDENCE = np.array([[[1, 0.5, 0]], [[2, -1, 1]], [[0, 0, 0]]], np.float32)
TWO = header(HAND, component("FACE", "XYC", ["tip"])) + body(POINTS, CONFIDENCE)


def test_hand_worked_file(put):
    sequence = load(put(TWO))
    assert sequence.skeleton.keypoints == ("HAND/wrist", "HAND/thümb", "FACE/tip")
    assert sequence.skeleton.edges == ((0, 1),)
    assert (sequence.fps, sequence.unit, sequence.up) == (29.97, "px", "-y")
    np.testing.assert_array_equal(sequence.valid[:, 0], [[1, 1, 0], [1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(sequence.positions[1, 0], [[6, 7], [8, 9], [10, 11]])
    np.testing.assert_array_equal(sequence.confidence, CONFIDENCE)


def test_read_and_write_gives_the_same_bytes(tmp_path, put):
    zeroed = np.where(CONFIDENCE[..., None] == 0, 0, POINTS)
    data = header(HAND, component("FACE", "XYC", ["tip"])) + body(zeroed, CONFIDENCE)
    save(load(put(data)), tmp_path / "b.pose")
    assert (tmp_path / "b.pose").read_bytes() == data
    named = [name.upper() for name in MEDIAPIPE33.keypoints]
    data = header(component("POSE_LANDMARKS", "XYZC", named, [(0, 1)], [(9, 9, 9)]))
    data += body(np.ones((2, 1, 33, 3)), np.ones((2, 1, 33)))
    sequence = load(put(data))
    assert sequence.skeleton == MEDIAPIPE33
    save(sequence, tmp_path / "c.pose")
    assert (tmp_path / "c.pose").read_bytes() == data


def test_openpose_names_give_body25(put):
    names = [re.sub("^(Left|Right)", lambda m: m[0][0], n.title().replace("_", "")) for n in BODY25.keypoints]
    assert names[2] == "RShoulder" and names[8] == "MidHip"
    data = header(component("pose_keypoints_2d", "XYC", names)) + body(np.ones((1, 1, 25, 2)), np.ones((1, 1, 25)))
    assert load(put(data)).skeleton == BODY25


@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 23.976, 25, 29.97003, 1 / 3])
def test_rates_are_the_shortest_decimal_of_the_same_float32(fps, tmp_path):
    save(PoseSequence.from_arrays(np.ones((2, 19, 2)), fps=fps), tmp_path / "a.pose")
    again = load(tmp_path / "a.pose").fps
    assert again is not None and np.float32(again) == np.float32(fps)
    assert len(repr(again)) <= 10


def old_version(frames: int, stated: int) -> bytes:
    counts = struct.pack("<HHH", 25, stated, 1)
    return header(component("A", "XYC", ["p"]), version=0.1) + counts + np.ones((frames, 3), "<f4").tobytes()


def test_old_version_counts_frames_by_bytes(put):
    sequence = load(put(old_version(70_000, 70_000 % 65_536)))
    assert sequence.frames == 70_000 and sequence.fps == 25
    with pytest.raises(InputError, match="cut short"):
        load(put(old_version(5, 5)[:-1]))


def test_fresh_header_and_missing(tmp_path):
    points = np.random.default_rng(0).normal(size=(4, 2, 19, 3)).astype(np.float32)
    points[1, 1, 2] = np.nan
    save(PoseSequence.from_arrays(points, fps=30), tmp_path / "a.pose")
    again = load(tmp_path / "a.pose")
    assert again.skeleton == COCO19
    np.testing.assert_array_equal(again.positions, points)


def test_header_that_no_longer_fits_is_not_used(tmp_path, put):
    old = load(put(TWO))
    for metadata in (dict(old.metadata), {"pose_header": 5}, {"pose_header": {"size": [1, 2, -3], "components": []}}):
        save(PoseSequence.from_arrays(np.ones((1, 19, 3)), fps=30, metadata=metadata), tmp_path / "b.pose", force=True)
        assert load(tmp_path / "b.pose").skeleton == COCO19


@pytest.mark.parametrize("sequence", [
    PoseSequence.from_arrays(np.ones((2, 19, 2)), timestamps=[0, 1]),
    PoseSequence.from_arrays(np.ones((2, 0, 19, 2)), fps=30),
    PoseSequence.from_arrays(np.ones((1, 70_000, 1, 2)), fps=30),
])  # fmt: skip
def test_what_pose_cannot_hold(sequence, tmp_path):
    with pytest.raises(UsageError, match="npz"):
        save(sequence, tmp_path / "a.pose")
    assert list(tmp_path.iterdir()) == []


ONE = component("A", "XYC", ["p"])


@pytest.mark.parametrize("data", [
    header(ONE, version=0.0) + body(POINTS[:, :, :1], CONFIDENCE[:, :, :1]), header(ONE, version=float("nan")),
    header(component("A", "C", ["p"])) + bytes(10), header(component("A", "XYZWC", ["p"])) + bytes(10),
    header() + bytes(10),
    header(component("A", "XYC", ["p"], [(0, 1)])) + body(POINTS[:, :, :1], CONFIDENCE[:, :, :1]),
    header(component("A", "XYC", ["p", "p"])) + body(POINTS[:, :, :2], CONFIDENCE[:, :, :2]),
    header(ONE) + struct.pack("<fIH", 30, 2**31, 1) + bytes(12),
    header(ONE) + struct.pack("<fIH", 30, 2**32 - 1, 65535) + bytes(12),
    header(ONE) + struct.pack("<fIH", 30, 2**32 - 1, 0),
    header(component("A", "XYC", [])) + struct.pack("<fIH", 30, 2**32 - 1, 9),
    header(ONE) + struct.pack("<fIH", 30, 1, 1) + bytes(16), header(ONE) + struct.pack("<fIH", 0, 1, 1) + bytes(12),
    header(ONE) + struct.pack("<fIH", float("nan"), 1, 1) + bytes(12),
    header(ONE) + body(np.full((1, 1, 1, 2), np.inf), np.ones((1, 1, 1))),
    header(ONE) + body(np.ones((1, 1, 1, 2)), np.full((1, 1, 1), np.nan)),
    header(ONE.replace(b"p", b"\xff")) + body(np.ones((1, 1, 1, 2)), np.ones((1, 1, 1))),
])  # fmt: skip
def test_files_that_lie(data, put):
    with pytest.raises(InputError, match="a.pose"):
        load(put(data))


def test_pose_format_reads_what_we_write(tmp_path):
    oracle = pytest.importorskip("pose_format")
    points = np.random.default_rng(1).normal(size=(5, 2, 19, 3)).astype(np.float32)
    points[2, 1, 7] = np.nan
    save(PoseSequence.from_arrays(points, fps=29.97), tmp_path / "a.pose")
    pose = oracle.Pose.read((tmp_path / "a.pose").read_bytes())
    np.testing.assert_array_equal(pose.body.data.mask.any(-1), np.isnan(points).any(-1))
    np.testing.assert_array_equal(pose.body.data.filled(np.nan), points)
    assert [c.points for c in pose.header.components] == [list(COCO19.keypoints)]
    assert tuple(pose.header.components[0].limbs) == COCO19.edges
    assert np.float32(pose.body.fps) == np.float32(29.97)


def test_we_read_what_pose_format_writes(tmp_path, put):
    oracle = pytest.importorskip("pose_format")
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    parts = [PoseHeaderComponent(n, ["p", "q"], [(0, 1)], [(255, 0, 9)], "XYZC") for n in ("A", "B")]
    points = np.random.default_rng(2).normal(size=(6, 1, 4, 3)).astype(np.float32)
    confidence = np.ones((6, 1, 4), np.float32)
    confidence[3:, 0, 1] = 0
    masked = np.ma.masked_array(points, np.repeat(confidence[..., None] == 0, 3, axis=-1), fill_value=0)
    pose = oracle.Pose(PoseHeader(0.2, PoseHeaderDimensions(10, 20, 30), parts), NumPyPoseBody(50, masked, confidence))
    stream = io.BytesIO()
    pose.write(stream)
    sequence = load(put(stream.getvalue()))
    assert sequence.skeleton.keypoints == ("A/p", "A/q", "B/p", "B/q")
    assert sequence.skeleton.edges == ((0, 1), (2, 3)) and sequence.fps == 50
    np.testing.assert_array_equal(sequence.positions, masked.filled(np.nan))
    save(sequence, tmp_path / "b.pose")
    start = len(stream.getvalue()) - 4 * 6 * 4 * 4
    assert (tmp_path / "b.pose").read_bytes()[:start] == stream.getvalue()[:start]


def test_what_of_a_skeleton_is_lost_is_said(tmp_path, reports):
    skeleton = Skeleton("mine", ("a", "left", "hand/right"), ((0, 1), (1, 2)), ((1, 2),), 0)
    sequence = PoseSequence.from_arrays(np.ones((2, 3, 2)), fps=30, skeleton=skeleton, unit="px", up="-y")
    with reports(
        ".pose has no room for pairs of left and right and the root and 1 limbs between components",
        "2 keypoints get other names in .pose, 'a' 'mine/a' for one",
    ):
        save(sequence, tmp_path / "a.pose")
    assert load(tmp_path / "a.pose").skeleton.keypoints == ("mine/a", "mine/left", "hand/right")


def test_rounding_far_from_0_is_said(tmp_path, reports):
    points = np.round(walk(5).positions.astype(float) / 1000 + (530000.123, 0, 180000.456), 3)
    sequence = PoseSequence.from_arrays(points, fps=30, unit="m", up="y")
    with reports("rounded by up to 0.03"):
        save(sequence, tmp_path / "a.pose")


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_skeletons_come_back_as_themselves(name: str, tmp_path: Path) -> None:
    skeleton = BUILT_IN[name]
    points = np.random.default_rng(0).normal(size=(3, len(skeleton), 2)).astype(np.float32)
    save(PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="px", up="-y"), tmp_path / "a.pose")
    back = load(tmp_path / "a.pose")
    assert back.skeleton.keypoints == skeleton.keypoints
    save(back, tmp_path / "b.pose")
    assert (tmp_path / "b.pose").read_bytes() == (tmp_path / "a.pose").read_bytes()
