"""The four gap fillers, by hand."""

from __future__ import annotations

import numpy as np
from conftest import BODY, REST, TREE

from posecodec.kinematics.gap_filling import (
    fill_from_centroid,
    fill_from_rest_pose,
    interpolate_bones,
    interpolate_gaps,
)
from posecodec.pose.skeletons.builtin import COCO19


def test_gaps_are_bridged_and_ends_held():
    points = np.arange(10.0)[:, None, None] * np.ones((10, 2, 3))
    points[[0, 4, 5, 9], 0] = np.nan
    points[:, 1] = np.nan
    found = interpolate_gaps(points)
    assert found[:, 0, 0].tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert np.isnan(found[:, 1]).all() and np.isnan(points[0, 0]).all()


def test_what_is_whole_is_returned_as_it_is():
    for filled in (interpolate_gaps(BODY), interpolate_bones(BODY, TREE), fill_from_rest_pose(BODY, REST, TREE)):
        assert filled is BODY
    assert (fill_from_centroid(BODY) == BODY).all()


def test_what_is_never_seen_goes_to_the_middle_of_the_others():
    points = np.array([[[1.0, 0.0], [3.0, 4.0], [np.nan, np.nan]], [[np.nan, np.nan], [5.0, 4.0], [np.nan, np.nan]]])
    assert fill_from_centroid(points)[:, 2].tolist() == [[2.0, 2.0], [3.0, 2.0]]
    assert fill_from_centroid(points)[:, 0].tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_bones_keep_their_length_where_they_are_interpolated():
    """A forearm that turns by a right angle in a gap is as long as ever halfway, where a straight line shortens it."""
    elbow, wrist = (COCO19.keypoints.index(f"left_{name}") for name in ("elbow", "wrist"))
    points = np.repeat(BODY[:1], 3, axis=0)
    points[:, wrist] = points[:, elbow] + np.array([[250.0, 0, 0], [np.nan] * 3, [0, 0, 250.0]])
    found = interpolate_bones(points, TREE)[1, wrist] - points[1, elbow]
    np.testing.assert_allclose(found, np.array([1, 0, 1]) * 250 / np.sqrt(2))
    straight = interpolate_gaps(points)[1, wrist] - points[1, elbow]
    np.testing.assert_allclose(straight, [125, 0, 125])


def test_what_is_never_seen_hangs_on_by_bones_at_rest():
    hidden = [COCO19.keypoints.index(name) for name in ("left_wrist", "left_elbow")]
    points = BODY.copy()
    points[:, hidden] = np.nan
    found = fill_from_rest_pose(points, REST, TREE)
    bones = np.linalg.norm(TREE.measure_bones(found), axis=-1)
    for number, (_, end) in enumerate(TREE.bones):
        if end in hidden:
            np.testing.assert_allclose(bones[:, number], REST.lengths[number])
    assert (found[:, [k for k in range(19) if k not in hidden]] == np.delete(BODY, hidden, axis=1)).all()


def test_a_body_of_one_keypoint_is_a_body_at_rest():
    points = np.full((2, 19, 3), np.nan)
    points[:, 5] = [100.0, 200.0, 300.0]
    found = fill_from_rest_pose(points, REST, TREE)
    np.testing.assert_allclose(np.linalg.norm(TREE.measure_bones(found), axis=-1), [REST.lengths] * 2)
    assert (fill_from_rest_pose(np.full((2, 19, 3), np.nan), REST, TREE) == 0).all()
