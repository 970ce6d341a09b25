"""HumanML3D joints: arrays as the data set has them, round trips, and arrays that are something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io.formats import humanml3d
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19, SMPL22

POINTS = np.random.default_rng(0).normal(size=(7, 22, 3)).astype(np.float32)


def saved(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("frames", [1, 7])
def test_read_and_write_give_the_same_file(dtype, frames, tmp_path):
    path = saved(tmp_path / "M000001.npy", POINTS[:frames].astype(dtype) / 3)
    sequence = humanml3d.read(path)
    np.testing.assert_array_equal(sequence.positions[:, 0], np.load(path))
    assert sequence.skeleton == SMPL22 and sequence.positions.dtype == dtype
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (20, "m", "y", ("0",))
    assert sequence.metadata == {"source_format": "humanml3d"}
    humanml3d.write(sequence, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="exists"):
        humanml3d.write(sequence, tmp_path / "b.npy")
    assert humanml3d.read(path, fps=29.97).fps == 29.97


def test_missing_and_infinite(tmp_path, reports):
    points = POINTS.astype(np.float64)
    points[0, 0], points[1, 1, 2], points[2, 2, 0], points[3, 3, 0] = np.nan, np.nan, -np.inf, 1e39
    with reports("2 keypoints with an infinite", "1 keypoints with only some"):
        sequence = humanml3d.read(saved(tmp_path / "a.npy", points))
    assert (~sequence.valid).sum() == 4
    with pytest.warns(DataWarning, match="4 missing keypoints are written as NaN"):
        humanml3d.write(sequence, tmp_path / "b.npy")
    np.testing.assert_array_equal(humanml3d.read(tmp_path / "b.npy").positions, sequence.positions)


def test_write_converts_lengths_and_reports_what_it_leaves(tmp_path, reports):
    sequence = PoseSequence.from_arrays(
        POINTS * 1000, fps=20, skeleton=SMPL22, unit="mm", up="y", ids=["7"], confidence=np.full((7, 22), 0.5)
    )
    with reports("confidences", "'7'"):
        humanml3d.write(sequence, tmp_path / "a.npy")
    np.testing.assert_allclose(humanml3d.read(tmp_path / "a.npy").positions[:, 0], POINTS, rtol=1e-6)


GOOD = PoseSequence.from_arrays(POINTS, fps=20, skeleton=SMPL22, unit="m", up="y")


@pytest.mark.parametrize(("sequence", "message"), [
    (replace(GOOD, fps=30.0), "20 fps, this has 30 fps"),
    (replace(GOOD, fps=None, timestamps=np.arange(7.0)), "this has timestamps"),
    (replace(GOOD, up="z"), "but up is 'z'; pass --up "),
    (replace(GOOD, unit="unknown"), "unit is 'unknown'"),
    (PoseSequence.from_arrays(POINTS[:, :19], fps=20, skeleton=COCO19, unit="m", up="y"), "'coco19'"),
    (PoseSequence.from_arrays(POINTS[..., :2], fps=20, skeleton=SMPL22, unit="m", up="y"), "2D 'smpl22'"),
    (PoseSequence.from_arrays(POINTS[:, None].repeat(2, 1), fps=20, skeleton=SMPL22, unit="m", up="y"), "2 people"),
    (PoseSequence.from_arrays(POINTS[:0], fps=20, skeleton=SMPL22, unit="m", up="y"), "no frames"),
])  # fmt: skip
def test_what_it_cannot_hold(sequence, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        humanml3d.write(sequence, tmp_path / "a.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("array", "message"), [
    (np.zeros((10, 263)), "features; give the file of that name in new_joints"),
    (np.zeros((1, 5, 22, 3)), r"array\[0\]"), (np.zeros((5, 24, 3)), r"shape \(5, 24, 3\), \(T, 22, 3\)"),
    (np.zeros((22, 3)), r"\(T, 22, 3\)"), (np.zeros((0, 22, 3)), r"\(T, 22, 3\)"),
    (np.zeros((5, 22, 3), complex), "complex"), (np.zeros((5, 22, 3), "U1"), "numbers"),
    (np.array({"a": 1}), "pickle"),
])  # fmt: skip
def test_something_else(array, message, tmp_path):
    path = saved(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message) as caught:
        humanml3d.read(path)
    assert str(caught.value).startswith(str(path))
