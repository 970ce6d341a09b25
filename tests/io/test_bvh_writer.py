"""Rigs written as `.bvh`: read back by our own reader, joints are where the residual says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from cli import commands

from posecodec.errors import DataWarning, UsageError
from posecodec.io import load, save
from posecodec.io.formats.bvh import build_rotation
from posecodec.io.formats.bvh_writer import build_rig, solve_rotations, to_angles
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19, get_builtin
from posecodec.pose.synthetic import walk


def write_and_read(sequence: PoseSequence, path: Path) -> tuple[np.ndarray, str]:
    """(T, K, 3) of the sequence's keypoints as read from a BVH file of it, and what was said."""
    with pytest.warns(DataWarning) as said:
        save(sequence, path)
        back = load(path, skeleton="native", unit=sequence.unit)
    assert back.fps == pytest.approx(sequence.fps, rel=1e-12) and back.frames == sequence.frames
    at = [back.skeleton.keypoints.index(name) for name in sequence.skeleton.keypoints]
    return back.positions[:, 0, at].astype(np.float64), " ".join(str(warning.message) for warning in said)


@pytest.mark.parametrize("name", ["coco19", "h36m17", "smpl22", "halpe26"])
def test_joints_come_back_within_the_residual(name: str, tmp_path: Path) -> None:
    skeleton = get_builtin(name)
    sequence = walk(40, fps=60.0).mapped_to(skeleton)
    points, said = write_and_read(sequence, tmp_path / "a.bvh")
    mean, most = (float(number) for number in re.findall(r"off by (\S+) mm in the mean and (\S+) at", said)[0])
    off = np.linalg.norm(points - sequence.positions[:, 0], axis=2)
    assert np.nanmax(off) == pytest.approx(most, rel=0.01) and np.nanmean(off) == pytest.approx(mean, rel=0.01)
    assert mean < 15


def test_a_rig_whose_bones_keep_their_length_comes_back_exactly(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    points = np.zeros((50, 4, 3))
    points[:, 0] = generator.normal(size=(50, 3)).cumsum(axis=0)
    for k, length in ((1, 3.0), (2, 2.0), (3, 1.0)):
        way = generator.normal(size=(50, 3))
        points[:, k] = points[:, k - 1] + length * way / np.linalg.norm(way, axis=1, keepdims=True)
    skeleton = Skeleton("custom", ("a", "b c", "b{c", "d"), ((0, 1), (1, 2), (2, 3)))
    rig = build_rig(points, skeleton)
    turns, placed = solve_rotations(points, rig)
    np.testing.assert_allclose(placed, points, atol=1e-6)
    sequence = PoseSequence.from_arrays(points[:, None], fps=100, skeleton=skeleton, unit="cm")
    with pytest.warns(DataWarning):
        save(sequence, tmp_path / "a.bvh")
        back = load(tmp_path / "a.bvh", unit="cm", skeleton="native")
    assert back.skeleton.keypoints == ("a", "b_c", "b_c#2", "d", "d_end")
    np.testing.assert_allclose(back.positions[:, 0, :4], points, atol=1e-4)


def test_angles_turn_as_the_reader_turns_them() -> None:
    generator = np.random.default_rng(1)
    degrees = generator.uniform(-180, 180, (200, 3))
    degrees[:, 1] /= 2
    degrees[:20, 1] = 90
    turns = np.stack([build_rotation(axis, degrees[:, i]) for i, axis in enumerate((2, 0, 1))])
    turns = turns[0] @ turns[1] @ turns[2]
    found = to_angles(turns)
    again = [build_rotation(axis, found[:, i]) for i, axis in enumerate((2, 0, 1))]
    np.testing.assert_allclose(again[0] @ again[1] @ again[2], turns, atol=1e-7)
    assert np.abs(np.diff(found[:, [0, 2]], axis=0)).max() <= 180


def test_gaps_are_bridged_and_named(tmp_path: Path) -> None:
    sequence = walk(20)
    positions = sequence.positions.copy()
    positions[5:9, 0, 4] = positions[:, 0, 2] = np.nan
    gappy = PoseSequence.from_arrays(positions, fps=30, skeleton=COCO19, unit="mm", up="y")
    points, said = write_and_read(gappy, tmp_path / "a.bvh")
    assert np.isfinite(points).all() and "24 of 380 places are missing" in said
    assert f"never seen, so put in the middle of the others: {COCO19.keypoints[2]}" in said


def test_what_has_no_room_is_refused_with_the_way_round(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a.bvh: BVH holds one person, and here are 2 \(.*\); save each on its own"):
        save(walk(3, people=2), tmp_path / "a.bvh")
    flat = PoseSequence.from_arrays(np.zeros((3, 1, 19, 2)), fps=30, skeleton=COCO19)
    with pytest.raises(UsageError, match="3D at a constant rate, and here is 2 dimensions"):
        save(flat, tmp_path / "a.bvh")
    assert not list(tmp_path.iterdir())


def test_commands_write_it_where_it_is_asked_for(tmp_path: Path) -> None:
    save(walk(8), tmp_path / "a.npz")
    assert commands.run("convert", tmp_path / "a.npz", tmp_path / "a.bvh").returncode == 0
    assert commands.run("encode", tmp_path / "a.bvh", "-o", tmp_path / "a.posec").returncode == 0
    assert commands.run("decode", tmp_path / "a.posec", "--to", "bvh", "-o", tmp_path / "b.bvh").returncode == 0
    assert load(tmp_path / "b.bvh", skeleton="native").frames == 8
