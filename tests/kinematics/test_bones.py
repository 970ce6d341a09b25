"""Bones of a body: tree, logarithms, what follows what, heading and size."""

import numpy as np
import pytest
from conftest import BODY, REST, TREE, rng

from posecodec.kinematics.bones import (
    RestBones,
    build_frames,
    follow_heading,
    measure_heading,
    measure_scale,
    scale_of_steps,
)
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeletons.builtin import COCO19


def test_the_tree_of_coco19_reaches_every_keypoint_once():
    assert sorted(end for _, end in TREE.bones) == sorted(set(range(19)) - {COCO19.root})
    vectors = TREE.measure_bones(BODY)
    assert np.allclose(np.einsum("kb,tbd->tkd", TREE.paths, vectors) + BODY[:, [COCO19.root]], BODY, atol=1e-9)


def test_frames_of_bones_are_turns():
    frames = REST.frames
    assert np.allclose(frames @ frames.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(frames), 1)


def test_logs_are_undone_near_and_far_from_the_direction_at_rest():
    bones = rng().normal(size=(500, 18, 3)) * 10.0 ** rng(1).uniform(-3, 5, (500, 18, 1))
    found = REST.exp_map(REST.log_map(bones))
    assert np.abs(found - bones).max() / np.abs(bones).max() < 1e-12


def test_heading_never_jumps():
    angle = np.linspace(0, 30, 60)
    found = follow_heading(rotate_about_y(np.repeat(BODY[:1], 60, axis=0), angle), COCO19)
    assert np.allclose(np.abs(np.diff(found)), 30 / 59, atol=1e-9)


def test_logs_by_hand():
    """One bone of 100 mm along z: turned by a right angle it is 100 pi / 2 mm away on the tangent plane."""
    rest = RestBones(np.array([[0.0, 0.0, 2.0]]), np.array([100.0]))
    along, aside, longer = (
        rest.log_map(np.array([[bone]]))[0] for bone in ([0, 0, 100.0], [50.0, 0, 0], [0, 0, 130.0])
    )
    np.testing.assert_allclose(along, [0, 0, 0], atol=1e-9)
    assert np.linalg.norm(aside[:2]) == pytest.approx(50 * np.pi) and aside[2] == pytest.approx(-50)
    np.testing.assert_allclose(longer, [0, 0, 30], atol=1e-9)


def test_what_follows_is_seen_from_what_it_follows():
    """Turning the torso with all that follows it changes no follower as seen from it."""
    bones = TREE.measure_bones(BODY)
    tilt = np.linalg.qr(rng().normal(size=(3, 3)))[0]
    tilt *= np.sign(np.linalg.det(tilt))
    local, tilted = TREE.to_local(bones), TREE.to_local(bones @ tilt.T)
    names = [COCO19.keypoints[end] for _, end in TREE.bones]
    follows = [n.endswith(("elbow", "wrist", "nose", "left_eye", "right_eye", "ear")) for n in names]
    np.testing.assert_allclose(tilted[:, follows], local[:, follows], atol=1e-8)
    np.testing.assert_allclose(TREE.to_world(local), bones, atol=1e-8)


def test_frames_without_a_direction_still_turn_back():
    along, across = np.zeros((3, 3)), np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    frames = build_frames(np.stack([along[0], along[1], [0.0, 2.0, 0.0]]), across)
    assert np.allclose(frames @ frames.swapaxes(1, 2), np.eye(3))


def test_heading_is_that_of_the_left_side():
    still = BODY[:1]
    for angle in (0.0, 1.0, -2.0):
        turned = measure_heading(rotate_about_y(still, np.array([angle])), COCO19) - measure_heading(still, COCO19)
        assert np.cos(turned + angle) == pytest.approx(1)


def test_size_is_that_of_the_bones_that_are_seen():
    steps = measure_scale(BODY, REST.lengths, TREE)
    lengths = np.median(np.linalg.norm(TREE.measure_bones(BODY), axis=-1), axis=0)
    assert scale_of_steps(steps) == pytest.approx(REST.lengths.sum() / lengths.sum(), rel=0.012)
    assert measure_scale(BODY * 4, REST.lengths, TREE) == steps - 64
    legs = np.where(np.isin(np.arange(19), (6, 7, 8, 12, 13, 14))[:, None], BODY, np.nan)
    assert abs(measure_scale(legs, REST.lengths, TREE) - steps) < 16
    assert measure_scale(np.full((5, 19, 3), np.nan), REST.lengths, TREE) is None
    assert measure_scale(BODY * 1e-30, REST.lengths, TREE) is None
