"""Every measure of naturalness on motion made by hand, clips that are too short, and the mean over clips."""

import math
import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest

from posecodec.analysis import motion_quality as mq
from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

FPS = 30.0
LEFT, RIGHT = (COCO19.keypoints.index(f"{side}_ankle") for side in ("left", "right"))


def body(frames=12):
    """A body that stands still: keypoints 100 mm apart along x, both ankles on the floor."""
    points = np.zeros((frames, 19, 3))
    points[..., 0] = 100 * np.arange(19)
    points[..., 1] = 1000
    points[:, [LEFT, RIGHT], 1] = 80
    return points


def along(positions, axis=0):
    """A body whose every keypoint has moved by `positions` (T,) in mm along an axis."""
    points = body(len(positions))
    points[..., axis] += np.asarray(positions, np.float64)[:, None]
    return points


def sliding(mm_per_s, ankles=(LEFT, RIGHT), frames=12):
    points = body(frames)
    points[:, list(ankles), 2] += mm_per_s / FPS * np.arange(frames)[:, None]
    return points


def noise(frames=200, seed=0):
    return body(frames) + np.random.default_rng(seed).normal(size=(frames, 19, 3)) * 50


def wave(amplitude, hz, seconds=4):
    """One keypoint at velocity amplitude x cos, mm/s, along x; the power is amplitude^2 / 2."""
    velocity = amplitude * np.cos(2 * np.pi * hz * np.arange(seconds * FPS) / FPS)
    points = body(len(velocity) + 1)
    points[1:, 0, 0] += np.cumsum(velocity) / FPS
    return points


def test_jerk_ratio_of_scaled_motion_is_the_scale():
    cubic = np.arange(8.0) ** 3
    assert mq.jerk_ratio(along(cubic), along(0.5 * cubic), FPS) == pytest.approx(0.5)
    assert mq.jerk_ratio(along(cubic), along(np.arange(8.0) ** 2), FPS) == pytest.approx(0, abs=1e-9)
    assert math.isnan(mq.jerk_ratio(body(), along(np.arange(12.0) ** 3), FPS))


def test_spectrum_of_a_wave_counts_in_its_band():
    original = wave(math.sqrt(2 * (1e6 - 1)), hz=3)
    six_decades_in_one_of_six_bands = mq.spectrum_distance(original, body(len(original)), FPS)
    assert six_decades_in_one_of_six_bands == pytest.approx(1.0, abs=1e-6)
    a_wave_in_another_band = mq.spectrum_distance(original, wave(math.sqrt(2 * (1e6 - 1)), hz=7), FPS)
    assert a_wave_in_another_band == pytest.approx(2.0, abs=1e-6)


def test_spectrum_of_doubled_noise_has_four_times_the_power():
    original, slow = noise(), noise(40)
    assert mq.spectrum_distance(original, 2 * original, FPS) == pytest.approx(math.log10(4), abs=1e-3)
    assert mq.spectrum_distance(original, original, FPS) == 0
    assert mq.spectrum_distance(slow, 10 * slow, 5.0) == pytest.approx(2, abs=0.01), "no bands above 2.5 Hz"


def test_spectrum_ignores_where_the_body_is_and_constant_velocity():
    original = noise()
    drifting = original + np.arange(200.0)[:, None, None] * 40 + 5000
    assert mq.spectrum_distance(original, drifting, FPS) == pytest.approx(0, abs=1e-9)


def test_spectrum_agrees_with_scipy():
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(1).normal(size=(150, 4))
    size, power = mq._estimate_spectrum(values, 60)
    _, density = signal.welch(values, fs=1, window="hann", nperseg=60, axis=0)
    assert size == 60
    np.testing.assert_allclose(power[1:-1], density.sum(axis=1)[1:-1] / 60, rtol=1e-9)


def test_bone_variation_of_rigid_motion_and_of_a_breathing_body():
    assert mq.bone_variation(along(np.arange(12.0) ** 2)) == pytest.approx(0, abs=1e-9)
    size = np.where(np.arange(10) % 2, 1.1, 0.9)
    assert mq.bone_variation(body(10) * size[:, None, None]) == pytest.approx(10)


def test_bone_variation_of_one_bone():
    points = body(10)
    points[..., 1] = 0
    end = COCO19.keypoints.index("left_ear")
    points[:, end, 0] = points[:, COCO19.keypoints.index("left_eye"), 0] + np.where(np.arange(10) % 2, 120, 80)
    assert mq.bone_variation(points) == pytest.approx(20 / len(COCO19.edges))


def test_a_foot_that_slides_at_100_skates_at_100():
    assert mq.foot_skating(body(), sliding(100), FPS) == pytest.approx(100)
    assert mq.foot_skating(body(), sliding(100, [LEFT]), FPS) == pytest.approx(50)
    assert mq.foot_skating(body(), body(), FPS) == 0
    assert mq.foot_skating(body(), along(np.arange(12.0) * 10, axis=1), FPS) == 0, "only level speed counts"


def test_a_foot_skates_only_where_the_original_stands():
    lifted = body()
    lifted[:, RIGHT, 1] += 51
    assert mq.foot_skating(lifted, sliding(100, [LEFT]), FPS) == pytest.approx(100)
    lifted[:, RIGHT, 1] -= 2
    assert mq.foot_skating(lifted, sliding(100, [LEFT]), FPS) == pytest.approx(50)
    assert mq.foot_skating(sliding(149), sliding(149), FPS) == pytest.approx(149)
    assert math.isnan(mq.foot_skating(sliding(151), body(), FPS))


def kinked(sharpness=9.0, frames=12, seam=6):
    """Accelerates by 1 everywhere but in the two frames beside a seam, there by `sharpness`."""
    acceleration = np.ones(frames)
    acceleration[[seam - 1, seam]] = sharpness
    velocity = np.concatenate([[0.0], np.cumsum(acceleration[1:-1])])
    return along(np.concatenate([[0.0], np.cumsum(velocity)]))


def test_seam_ratio_of_a_kink_at_a_join():
    assert mq.seam_ratio(kinked(), [6]) == pytest.approx(9)
    assert mq.seam_ratio(kinked(1.0), [6]) == pytest.approx(1)
    assert mq.seam_ratio(kinked(), [3]) == pytest.approx(1 / ((2 * 9 + 6 * 1) / 8))
    assert mq.seam_ratio(kinked(), [0, 6, 12]) == pytest.approx(9)


def test_a_jump_between_still_windows_is_all_seam():
    still_then_still = np.where(np.arange(12) < 6, 0.0, 10.0)
    jitter = 0.5 * np.arange(12) ** 2
    assert mq.seam_ratio(along(still_then_still + jitter), [6]) == pytest.approx((11 + 9) / 2)
    assert math.isnan(mq.seam_ratio(along(still_then_still), [6])), "nothing accelerates elsewhere"


def test_seam_excess_takes_out_what_the_original_does_there():
    assert mq.seam_excess(kinked(), kinked(), [6]) == pytest.approx(1)
    assert mq.seam_excess(kinked(3.0), kinked(9.0), [6]) == pytest.approx(3)
    for seams in ([], [0], [12], [-3, 40]):
        assert math.isnan(mq.seam_ratio(kinked(), seams))
        assert math.isnan(mq.seam_excess(kinked(), kinked(), seams))


def test_measure_of_one_pair_is_every_measure():
    original = walk(120).positions[:, 0].astype(np.float64)
    decoded = original + np.random.default_rng(2).normal(size=original.shape)
    found = astuple(mq.measure([(original, decoded)], FPS, [[64]]))
    assert found == pytest.approx((
        np.linalg.norm(original - decoded, axis=-1).mean(), mq.jerk_ratio(original, decoded, FPS),
        mq.spectrum_distance(original, decoded, FPS), mq.bone_variation(decoded),
        mq.foot_skating(original, decoded, FPS), mq.seam_ratio(decoded, [64]), mq.seam_excess(original, decoded, [64]),
    ))  # fmt: skip
    assert not any(math.isnan(value) for value in found)


def test_an_original_against_itself_and_nothing_at_all():
    assert all(math.isnan(value) for value in astuple(mq.measure([], FPS, [])))
    original = walk(120).positions[:, 0]
    found = mq.measure([(original, original)], FPS, [range(32, 120, 32)])
    assert (found.mpjpe, found.jerk_ratio, found.spectrum_distance, found.seam_excess) == (0, 1, 0, 1)


def test_measure_weights_by_frames_and_skips_nan():
    short, long = body(10), body(30)
    pairs = [(short, short + [3, 0, 4]), (long, long), (kinked(), kinked())]
    found = mq.measure(pairs, FPS, [[], [15], [6]])
    assert found.mpjpe == pytest.approx(5 * 10 / 52)
    assert found.seam_ratio == pytest.approx(9), "the others are still or have no seams"
    assert found.foot_skating == pytest.approx(np.average([0, mq.foot_skating(*pairs[2], FPS)], weights=[40, 12]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("frames", range(6))
def test_short_clips_do_not_crash(frames):
    original = np.asarray(noise(frames), np.float32)
    found = mq.measure([(original, original + 1)], FPS, [[2]])
    assert math.isnan(found.jerk_ratio) == (frames < 4)
    assert math.isnan(found.spectrum_distance) == (frames < 5), "the only bin of 4 frames is at 10 Hz"
    assert math.isnan(found.mpjpe) == (frames == 0)
    longer = (kinked(), kinked())
    assert mq.measure([(original[:3], original[:3]), longer], FPS, [[], [6]]).jerk_ratio == pytest.approx(1)


def test_measure_says_what_does_not_fit():
    with pytest.raises(InputError, match="shape|original"):
        mq.measure([(body(10), body(9))], FPS, [[]])
    with pytest.raises(InputError, match="give both as"):
        mq.measure([(body()[:, :17], body()[:, :17])], FPS, [[]])
    with pytest.raises(InputError, match="give each pair its seams"):
        mq.measure([(body(), body())], FPS, [])


def test_measuring_does_not_load_torch():
    code = "import sys, posecodec.analysis.motion_quality; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
