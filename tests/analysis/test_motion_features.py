"""Features of motion made by hand, what they do not depend on, and the distance between sets of them."""

import numpy as np
import pytest

from posecodec.analysis import motion_features as mf
from posecodec.errors import InputError
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

FPS = 30.0
POINTS = walk(400).positions[:, 0].astype(np.float64)
MEASURES = [mf.measure_kinetics, mf.measure_geometry]


def collect(points, measure):
    return np.array([measure(x, FPS) for x in mf.list_stretches(points)])


def slowed(points, speed):
    time = np.arange(len(points)) * speed
    low = time.astype(int)
    return points[low] + (time - low)[:, None, None] * (points[low + 1] - points[low])


def test_stretches_overlap_by_half_and_none_is_short():
    starts = [x[0, 0, 0] for x in mf.list_stretches(np.arange(140.0)[:, None, None])]
    assert starts == [0, 32, 64] and mf.list_stretches(POINTS[:63]) == []


def test_energies_of_steady_and_of_accelerated_motion():
    points = np.zeros((4, 1, 3))
    points[:, 0, 0], points[:, 0, 1] = 100 * np.arange(4), 10 * np.arange(4) ** 2
    horizontal, vertical, acceleration = mf.measure_kinetics(points, 10.0)
    assert horizontal == pytest.approx(1.0), "1 m/s"
    assert vertical == pytest.approx((0.1**2 + 0.3**2 + 0.5**2) / 3) and acceleration == pytest.approx(2.0)
    with pytest.raises(InputError, match="at least 3"):
        mf.measure_kinetics(points[:2], 10.0)


def test_relations_of_a_pose_made_by_hand():
    """It stands facing +z, humeri 300 mm; the left hand is 200 mm ahead of the neck in half of the frames."""
    points = np.zeros((4, 19, 3))
    places = (
        "neck 0 1400,mid_hip 0 900,shoulder 170 1400,elbow 170 1100,wrist 170 850,hip 90 900,knee 90 500,ankle 90 80"
    )
    for name, x, y in (place.split() for place in places.split(",")):
        for side, sign in (("left_", 1), ("right_", -1)):
            full = name if name in COCO19.keypoints else side + name
            points[:, COCO19.keypoints.index(full), :2] = sign * float(x), float(y)
    points[2:, COCO19.keypoints.index("left_wrist"), 2] = 200
    found = dict(zip([r.name for r in mf.RELATIONS], mf.measure_geometry(points, FPS), strict=True))
    assert found.pop("left hand in front of the body plane") == 0.5
    in_one_of_three_steps = {"left hand moves forward", "left hand moves away from the hips", "left hand fast"}
    assert {name for name, share in found.items() if share == pytest.approx(1 / 3)} == in_one_of_three_steps
    assert {name for name, share in found.items() if share == 0} == found.keys() - in_one_of_three_steps
    with pytest.raises(InputError, match="19, 3"):
        mf.measure_geometry(points[:, :3], FPS)


@pytest.mark.parametrize("measure", MEASURES)
def test_features_do_not_tell_place_or_heading(measure):
    moved = rotate_about_y(POINTS, np.full(len(POINTS), 0.7)) + [3000, -50, 800]
    np.testing.assert_allclose(collect(moved, measure), collect(POINTS, measure), atol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_other_speed_is_farther_than_a_little_noise(measure):
    original = collect(POINTS, measure)
    noisy = collect(POINTS + np.random.default_rng(0).normal(scale=0.3, size=POINTS.shape), measure)
    near, far = (mf.frechet_distance(original, x) for x in (noisy, collect(slowed(POINTS, 0.6), measure)))
    assert mf.frechet_distance(original, original) == pytest.approx(0, abs=1e-3) and near < far


def test_distance_of_sets_whose_means_and_spreads_are_known():
    a = np.array([[-1.0], [1.0]])
    assert mf.frechet_distance(a, 3 * a + 2) == pytest.approx(2**2 + (3 * 2**0.5 - 2**0.5) ** 2, abs=1e-4)
    assert mf.frechet_distance(np.zeros((9, 2)), np.zeros((9, 2)) + mf.SMALLEST_SPREAD) == pytest.approx(2)
    with pytest.raises(InputError, match="two or more"):
        mf.frechet_distance(a, a[:1])
