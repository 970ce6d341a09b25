"""The walk moves as a walk does: rigid limbs, feet that stand still, a plausible body and speed."""

import itertools

import numpy as np
import pytest

from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

LIMBS = [(a, b) for a, b in COCO19.edges if {COCO19.keypoints[a], COCO19.keypoints[b]} != {"neck", "nose"}]
INDEX = {name: k for k, name in enumerate(COCO19.keypoints)}


@pytest.fixture(scope="module")
def sample():
    return walk(300, 30.0, 2)


@pytest.fixture(scope="module")
def points(sample):
    return sample.positions.astype(np.float64)


def lengths(points, a, b):
    return np.linalg.norm(points[..., a, :] - points[..., b, :], axis=-1)


def test_what_it_says_it_is(sample):
    assert sample.positions.shape == (300, 2, 19, 3)
    assert (sample.skeleton, sample.unit, sample.up, sample.fps) == (COCO19, "mm", "y", 30.0)
    assert sample.valid.all() and (sample.confidence == 1).all()
    assert walk().positions.shape == (300, 1, 19, 3)


def test_it_is_the_same_every_time_and_in_every_length(sample):
    np.testing.assert_array_equal(walk(300, 30.0, 2).positions, sample.positions)
    np.testing.assert_array_equal(walk(100, 30.0, 1).positions, sample.positions[:100, :1])
    np.testing.assert_allclose(walk(150, 15.0, 2).positions, sample.positions[::2], atol=1e-3)


def test_limbs_are_rigid_and_the_head_as_documented(points):
    """Distances of the offsets nose (0, 45, 105), eyes (+-32, 80, 85), ears (+-73, 62, 2)."""
    for a, b in LIMBS:
        assert np.ptp(lengths(points, a, b)) < 1e-3, (COCO19.keypoints[a], COCO19.keypoints[b])
    for a, b, expected in [
        ("left_eye", "right_eye", 64), ("nose", "left_eye", np.sqrt(32**2 + 35**2 + 20**2)),
        ("left_ear", "right_ear", 146), ("nose", "right_ear", np.sqrt(73**2 + 17**2 + 103**2)),
    ]:  # fmt: skip
        np.testing.assert_allclose(lengths(points, INDEX[a], INDEX[b]), expected, atol=2e-3)


def test_neck_and_mid_hip_are_midpoints(points):
    for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
        mean = (points[..., INDEX[f"left_{part}"], :] + points[..., INDEX[f"right_{part}"], :]) / 2
        np.testing.assert_allclose(points[..., INDEX[middle], :], mean, atol=1e-3)


def test_stature_and_feet_on_the_floor(points):
    eyes = points[..., [INDEX["left_eye"], INDEX["right_eye"]], 1]
    assert 1500 < eyes.min() and eyes.max() < 1640  # a person of 1.7 m has eyes at 1.59 m
    ankles = points[..., [INDEX["left_ankle"], INDEX["right_ankle"]], 1]
    assert 75 < ankles.min() and ankles.min(axis=-1).max() < 110  # one foot is always down
    assert 180 < ankles.max() < 300
    assert (points[..., 1].argmin(axis=-1)[..., None] == [INDEX["left_ankle"], INDEX["right_ankle"]]).any(axis=-1).all()


def test_speeds(sample, points):
    speed = np.linalg.norm(np.diff(points, axis=0), axis=-1) * sample.rate / 1000
    hips = speed[:, :, INDEX["mid_hip"]]
    assert 0.8 < hips.min() and hips.max() < 1.8
    assert speed.max() < 8


def test_feet_slide_less_than_6_mm_in_stance(points):
    """In each run of frames with the ankle within 3 mm of its lowest, about a third of the stride."""
    runs = 0
    for person, side in np.ndindex(2, 2):
        ankle = points[:, person, INDEX[("left_ankle", "right_ankle")[side]]]
        low = ankle[:, 1] < ankle[:, 1].min() + 3
        for run in np.split(np.arange(len(low)), np.flatnonzero(np.diff(low)) + 1):
            if low[run[0]]:
                slide = np.linalg.norm(ankle[run][:, [0, 2]] - ankle[run[0], [0, 2]], axis=-1).max()
                assert slide < 6
                runs += len(run) >= 10
    assert runs >= 30


def test_faces_plus_z_with_the_left_at_plus_x_and_turns_left(points):
    side = points[:, :, INDEX["left_hip"]] - points[:, :, INDEX["right_hip"]]
    assert (side[0, :, 0] > 170).all()
    assert (points[30, :, INDEX["mid_hip"], 2] > points[0, :, INDEX["mid_hip"], 2] + 1000).all()
    assert (points[0, :, INDEX["nose"], 2] > points[0, :, INDEX["neck"], 2]).all()
    step = np.diff(points[:, :, INDEX["mid_hip"]][::33], axis=0)
    heading = np.degrees(np.unwrap(np.arctan2(step[..., 0], step[..., 2]), axis=0))
    turned = heading[-1] - heading[0]
    assert ((60 < turned) & (turned < 120)).all()


def test_arms_swing_against_the_legs(points):
    forward = np.cross(points[:, 0, INDEX["left_hip"]] - points[:, 0, INDEX["right_hip"]], [0, 1, 0])
    limbs = points[:, 0, [INDEX[name] for name in ("left_wrist", "left_ankle", "right_ankle")]]
    ahead = ((limbs - points[:, 0, [INDEX["mid_hip"]]]) * forward[:, None]).sum(axis=-1)
    _, left_ankle, right_ankle = np.corrcoef(ahead.T)[0]
    assert left_ankle < -0.7 and right_ankle > 0.7


def test_people_walk_apart_with_their_own_tempo():
    positions = walk(900, 30.0, 4).positions
    hips = positions[:, :, INDEX["mid_hip"]].astype(np.float64)
    for a, b in itertools.combinations(range(4), 2):
        assert np.linalg.norm(hips[:, a] - hips[:, b], axis=-1).min() > 700
    bob = np.abs(np.fft.rfft(hips[..., 1] - hips[..., 1].mean(axis=0), axis=0))
    assert len(set(bob.argmax(axis=0).tolist())) > 1
    own = positions - positions[:, :, [INDEX["mid_hip"]]]
    assert np.abs(own[0, 0] - own[0, 1]).max() > 50


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"people": 0}, {"fps": 0}, {"fps": -1}, {"fps": float("nan")}, {"fps": float("inf")}]
)
def test_impossible_walks(wrong):
    with pytest.raises(InputError, match="must be"):
        walk(**wrong)
