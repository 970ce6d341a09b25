"""How large a body is, and that the default quality is about 1 % of it for everybody."""

from __future__ import annotations

import numpy as np
import pytest

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.analysis.body_size import measure_side, measure_smallest
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton


def move(shape: np.ndarray, frames: int = 150, way: float = 40.0, seed: int = 0) -> np.ndarray:
    """(T, K, D): a shape that wanders and jitters, turning in the plane of its first two axes."""
    rng, time = np.random.default_rng(seed), np.arange(frames)[:, None] / 20
    size = np.ptp(shape, axis=0).max()
    bent = shape + 0.05 * size * np.sin(time[..., None] + np.arange(len(shape))[:, None])
    path = way * np.concatenate([np.sin(time), np.cos(0.7 * time), 0 * time], axis=1)[:, None, : shape.shape[1]]
    return bent + path + rng.normal(scale=0.01 * size, size=bent.shape)


MOUSE = np.array([[0.0, 0.0], [-9.0, 4.0], [9.0, 4.0], [0.0, 36.0]])
ANIMAL = np.concatenate([np.random.default_rng(1).normal(size=(11, 2)) * (4, 12), [[0, 80]]])
HAND = np.random.default_rng(2).normal(size=(21, 3)) * (20, 45, 8)
PERSON = np.random.default_rng(3).normal(size=(20, 3)) * (150, 120, 480)


def test_side():
    points = move(MOUSE)
    assert measure_side(points) == pytest.approx(37, rel=0.1)
    assert (
        measure_side(np.full((4, 3, 2), np.nan)) == 0
        and measure_side(points[:, :1]) == 0
        and measure_side(points[:0]) == 0
    )


def test_side_is_robust():
    points = move(ANIMAL)
    side = measure_side(points)
    lost = points.copy()
    lost[:, 3] = 4000 + np.random.default_rng(0).normal(size=(len(points), 2))  # a keypoint in the corner of the image
    assert measure_side(lost) == pytest.approx(side, rel=0.2)
    jumps = points.copy()
    jumps[::5, 7] += 3000
    assert measure_side(jumps) == pytest.approx(side, rel=0.1)
    halves = points.copy()
    halves[::2, 2:] = np.nan
    halves[1::4] = np.nan
    assert measure_side(halves) > 0.8 * side


def test_subjects_are_measured_by_themselves():
    names = [f"{who}:{k}" for who in ("Anna", "Ben") for k in range(20)]
    pair = np.concatenate([move(PERSON), move(PERSON * 0.5) + 6000], axis=1)
    assert measure_smallest(pair, names) == pytest.approx(measure_side(move(PERSON * 0.5)))
    assert measure_smallest(pair, [f"{k}" for k in range(40)]) > 5000
    assert measure_smallest(pair[:, :22], names[:22]) < 2000  # two keypoints are no subject, but far from one


@pytest.mark.parametrize(("points", "skeleton"), [
    (move(MOUSE), build_skeleton(4)), (move(ANIMAL), build_skeleton(12)), (move(HAND, way=200), BUILT_IN["hand21"]),
    (move(PERSON, way=900), build_skeleton(20)),
])  # fmt: skip
def test_default_quality_is_1_percent(points, skeleton):
    before = PoseSequence.from_arrays(points, fps=30, skeleton=skeleton)
    after = PoseCodec().decode(PoseCodec().encode(before))
    error = np.linalg.norm(before.positions - after.positions, axis=-1).mean() / measure_side(before.positions[:, 0])
    assert 0.002 < error <= 0.0106


def test_default_quality_of_subjects_does_not_grow_with_their_distance():
    names = [f"{who}:{k}" for who in ("Anna", "Ben") for k in range(20)]
    errors = []
    for distance in (500, 50000):
        pair = np.concatenate([move(PERSON), move(PERSON, seed=1) + distance], axis=1)
        before = PoseSequence.from_arrays(pair, fps=30, skeleton=Skeleton("custom", tuple(names)))
        after = PoseCodec().decode(PoseCodec().encode(before))
        errors.append(np.linalg.norm(before.positions - after.positions, axis=-1).mean() / measure_side(pair[:, :20]))
    assert max(errors) <= 0.0106
