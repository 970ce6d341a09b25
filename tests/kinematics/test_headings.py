"""Which way a body faces and how large it is, on walks whose answer is known; splines."""

import numpy as np
import pytest

from posecodec.kinematics.body_track import measure_size, split_track
from posecodec.kinematics.headings import fit_spline, measure_headings, spline_basis
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

WALK = walk(200).positions[:, 0]
WIDE = WALK.astype(np.float64)
LENGTHS = [float(np.linalg.norm(WALK[0, a] - WALK[0, b])) for a, b in COCO19.edges]
BONES = tuple((a, b, n / sum(LENGTHS)) for (a, b), n in zip(COCO19.edges, LENGTHS, strict=True))
ROOT = COCO19.root


def relative(points):
    return points - points[:, ROOT : ROOT + 1]


def test_a_turning_walker_faces_forward_once_turned_back():
    world = walk(900).positions[:, 0].astype(np.float64)
    angles, sure = measure_headings(world, COCO19)
    assert np.ptp(angles) > 1 and np.abs(np.diff(angles)).max() < 0.2 and (sure > 0.5).all()
    body = rotate_about_y(relative(world), -angles)
    np.testing.assert_allclose(measure_headings(body, COCO19)[0], 0, atol=1e-9)
    np.testing.assert_allclose(rotate_about_y(body, angles), relative(world), atol=1e-9)
    assert (body[:, COCO19.keypoints.index("left_hip"), 0] > 0).all()


@pytest.mark.parametrize("angle", [-3.0, -1.0, 0.5, 2.0, 3.1])
def test_the_heading_turns_with_the_body(angle):
    before, after = (measure_headings(x, COCO19)[0] for x in (WIDE, rotate_about_y(WIDE, np.full(len(WIDE), angle))))
    off = after - before - angle
    np.testing.assert_allclose(off - 2 * np.pi * np.rint(off / (2 * np.pi)), 0, atol=1e-9)


def test_the_heading_does_not_jump_and_is_unsure_where_nothing_tells():
    around = rotate_about_y(WIDE[:1].repeat(100, axis=0), np.linspace(0, 4 * np.pi, 100))
    np.testing.assert_allclose(np.diff(measure_headings(around, COCO19)[0]), 4 * np.pi / 99, atol=1e-9)
    gone = WIDE.copy()
    gone[50:60, COCO19.keypoints.index("left_hip")] = np.nan
    angles, sure = measure_headings(gone, COCO19)
    assert (sure[50:60] == 0).all() and (angles[50:60] == 0).all() and (np.delete(sure, range(50, 60)) > 0).all()
    lying = WIDE @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]).T  # left is up
    assert measure_headings(lying[:1], COCO19)[1].max() <= 1 and not measure_headings(WIDE * np.nan, COCO19)[1].any()


def test_the_size_is_that_of_the_bones():
    size = measure_size(relative(WIDE), BONES)
    assert size == pytest.approx(sum(LENGTHS), rel=1e-3)
    assert measure_size(2 * relative(WIDE), BONES) == pytest.approx(2 * size)


def test_a_canonical_body_faces_forward_and_comes_back():
    track = split_track(WIDE, COCO19, BONES)
    assert np.abs(measure_headings(track.body, COCO19)[0]).max() < 0.3 and measure_size(
        track.body, BONES
    ) == pytest.approx(1)
    turned = rotate_about_y(track.body, track.path[:, 3]) + track.path[:, None, :3]
    np.testing.assert_allclose(turned * track.size, WIDE, atol=1e-6)


@pytest.mark.parametrize("frames, spacing", [(1, 16), (16, 16), (17, 16), (33, 16), (7, 3), (5, 1)])
def test_the_spline_basis_is_a_partition_of_unity(frames, spacing):
    basis = spline_basis(frames, spacing)
    assert basis.shape == (frames, (frames - 1) // spacing + 4)
    np.testing.assert_allclose(basis.sum(axis=1), 1)
    assert (basis >= 0).all()


def test_a_straight_line_is_fitted_exactly_over_gaps():
    line = np.arange(40.0)[:, None] * [1, -2]
    weights = np.ones(40)
    weights[10:25] = 0
    broken = np.where(weights[:, None] > 0, line, np.nan)
    np.testing.assert_allclose(spline_basis(40, 8) @ fit_spline(broken, weights, 8), line, atol=1e-4)
