"""Unnamed keypoints: whose they are is inferred from their number and places."""

from __future__ import annotations

import numpy as np
import pytest

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BODY25, BUILT_IN, COCO17, COCO19, H36M17, MEDIAPIPE33
from posecodec.pose.skeletons.inference import infer_skeleton
from posecodec.pose.synthetic import walk


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("skeleton", [COCO19, COCO17, H36M17, BODY25, BUILT_IN["coco18"]], ids=lambda s: s.name)
def test_a_walk_is_recognized(skeleton: Skeleton, dims: int) -> None:
    positions = walk(60, people=2).mapped_to(skeleton).positions[..., :dims]
    assert infer_skeleton(len(skeleton), dims, positions) is skeleton
    assert infer_skeleton(len(skeleton), dims, positions[:, 0]) is skeleton, "(T, K, D)"
    assert infer_skeleton(len(skeleton), dims, positions[:1]) is skeleton, "one frame"


def test_no_guess() -> None:
    shuffled = np.random.default_rng(1).permutation(17)
    positions = walk(60).mapped_to(COCO17).positions
    assert infer_skeleton(17, 3, positions[:, :, shuffled]) is None, "edges everywhere"
    assert infer_skeleton(17, 2, positions[:, :, shuffled, 1:]) is None
    assert infer_skeleton(17, 3) is None, "three have 17"
    assert infer_skeleton(33, 2) is MEDIAPIPE33 and infer_skeleton(23, 2) is None
    assert infer_skeleton(17, 3, np.full((4, 1, 17, 3), np.nan)) is None
    assert infer_skeleton(17, 3, np.full((4, 1, 17, 3), np.inf)) is None
    assert infer_skeleton(17, 3, np.zeros((4, 17, 3))) is None
    assert infer_skeleton(17, 3, np.zeros((0, 17, 3))) is None
    assert infer_skeleton(23, 3, np.ones((4, 23, 3))) is None


def test_a_guess_from_the_side() -> None:
    """Where shoulders and hips of the two sides lie on each other."""
    for skeleton in (COCO17, H36M17, BODY25):
        side = walk(30).mapped_to(skeleton).positions[..., 1:]
        assert infer_skeleton(len(skeleton), 2, side) is skeleton


def test_a_guess_without_legs() -> None:
    positions = np.array(walk(30).mapped_to(BODY25).positions[..., :2])
    positions[:, :, 9:15] = np.nan
    positions[:, :, 19:] = np.nan
    assert infer_skeleton(25, 2, positions) is BODY25


def test_a_guess_bears_gaps_and_leaves_positions_alone() -> None:
    positions = np.array(walk(400).mapped_to(COCO17).positions)
    positions[::3, :, 5] = np.nan
    before = positions.copy()
    assert infer_skeleton(17, 3, positions) is COCO17
    assert np.array_equal(before, positions, equal_nan=True)
