"""Jitter taken off: near the truth, gaps and short recordings left as they are, and no error promised of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import rng
from numpy.testing import assert_array_equal

from posecodec import PoseCodec, PoseSequence, save
from posecodec.analysis.denoising import SHORTEST, estimate_noise, remove_noise, smooth_points
from posecodec.bitstream import container
from posecodec.cli import cli
from posecodec.errors import UsageError
from posecodec.pose.synthetic import walk

CODEC = PoseCodec()
CLEAN = walk(300, people=2)


def shake(sigma: float, seed: int = 0) -> PoseSequence:
    moved = CLEAN.positions + rng(seed).normal(scale=sigma, size=CLEAN.positions.shape)
    return CLEAN.with_positions(moved.astype(np.float32), CLEAN.confidence)


def distance(sequence: PoseSequence) -> float:
    return float(np.nanmean(np.linalg.norm(sequence.positions - CLEAN.positions, axis=-1)))


@pytest.mark.parametrize("sigma", [3.0, 10.0, 30.0])
def test_jitter_is_estimated_and_half_of_it_goes(sigma):
    noisy = shake(sigma)
    found = remove_noise(noisy)
    assert 0.9 * sigma < found.noise < 1.15 * sigma
    assert distance(found.sequence) < 0.6 * distance(noisy)
    coded = CODEC.encode(noisy, denoise="auto")
    assert coded.noise == found.noise
    assert distance(CODEC.decode(coded)) < 0.65 * distance(noisy)
    assert container.read(coded.data)[0].guarantee is None


def test_each_keypoint_has_jitter_of_its_own():
    points = CLEAN.positions[:, 0].astype(np.float64)
    points[:, 5] += rng(1).normal(scale=20, size=(300, 3))
    found = estimate_noise(points)
    assert 17 < found[5] < 23 and np.delete(found, 5).max() < 2


def test_gaps_stay_gaps_and_others_stay_as_they_are():
    noisy = shake(5.0)
    gone = rng(2).random(noisy.valid.shape) < 0.2
    gone[:, 1, 7] = True
    positions = np.where(gone[..., None], np.nan, noisy.positions)
    with_gaps = noisy.with_positions(positions, np.where(gone, 0, noisy.confidence).astype(np.float32))
    found = remove_noise(with_gaps)
    assert_array_equal(found.sequence.valid, with_gaps.valid)
    assert distance(found.sequence) < 0.75 * distance(with_gaps)


@pytest.mark.parametrize("frames", [1, SHORTEST - 1])
def test_too_short_to_tell(frames):
    short = walk(frames)
    found = remove_noise(short)
    assert found.noise == 0 and np.array_equal(found.sequence.positions, short.positions)
    assert CODEC.decode(CODEC.encode(short, denoise="auto")).frames == frames


def test_a_line_stays_a_line_and_longer_windows_at_higher_rates():
    line = np.linspace([0, 0, 0], [900, 50, -20], 400)[:, None]
    np.testing.assert_allclose(smooth_points(line, np.array([5.0]), 32), line, atol=1e-6)
    fast = walk(1800, fps=180.0)
    moved = fast.positions + rng(3).normal(scale=4, size=fast.positions.shape)
    again = remove_noise(fast.with_positions(moved.astype(np.float32), fast.confidence), 4.0).sequence
    assert np.linalg.norm(again.positions - fast.positions, axis=-1).mean() < 0.3 * 4 * np.sqrt(8 / np.pi)


@pytest.mark.parametrize("goal", [{"max_error": 5.0}, {"mean_error": 5.0}, {"lossless": True}, {"levels": 2}])
def test_with_an_error_it_is_refused(goal):
    with pytest.raises(UsageError, match="denoise"):
        CODEC.encode(CLEAN, denoise="auto", **goal)


def test_a_given_size_and_a_bitrate():
    noisy = shake(10.0)
    assert CODEC.encode(noisy, denoise="1cm").noise == pytest.approx(10)
    coded = CODEC.encode(noisy, denoise=10.0, bitrate=1.0)
    assert container.read(coded.data)[0].guarantee.kind == "bitrate" and len(coded.data) * 8 <= 1000 * 300 / 30
    with pytest.raises(UsageError, match="no length"):
        CODEC.encode(noisy, denoise="much")


def test_the_command_tells_what_it_took(tmp_path):
    path = tmp_path / "noisy.npz"
    save(shake(10.0), path)
    run = CliRunner().invoke(cli, ["encode", str(path), "--denoise", "auto"], catch_exceptions=False)
    assert run.exit_code == 0 and "noise removed: 1" in run.output and " mm a coordinate" in run.output
    run = CliRunner().invoke(cli, ["encode", str(path), "--denoise", "auto", "--json", "-f"], catch_exceptions=False)
    assert 9 < json.loads(run.output)["noise_removed"] < 11
    run = CliRunner().invoke(cli, ["encode", str(path), "--denoise", "auto", "--max-error", "5", "-f"])
    assert isinstance(run.exception, UsageError)
