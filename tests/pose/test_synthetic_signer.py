"""The signer moves as somebody who signs: arms of one length, hands at the wrists, fast hands missed, a face that speaks."""

import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec.cli import cli
from posecodec.errors import InputError, UsageError
from posecodec.pose.synthetic_signer import sign


@pytest.fixture(scope="module")
def sample():
    return sign(300)


def find(sample, name):
    return sample.positions[:, 0, sample.skeleton.keypoints.index(name)].astype(np.float64)


def test_what_it_says_it_is(sample):
    assert (sample.skeleton.name, sample.dims, sample.unit, sample.up) == ("openpose137", 2, "px", "-y")
    seen = sample.valid[:, 0]
    assert not seen[:, [sample.skeleton.keypoints.index(f"{side}_ankle") for side in ("left", "right")]].any()
    assert seen[:, 25:95].all() and 0.6 < seen[:, 95:].mean() < 0.99
    assert ((sample.positions[..., 0] > 0) & (sample.positions[..., 0] < 1280))[sample.valid].all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_arms_keep_their_length_and_hands_hang_on_them(sample, side):
    shoulder, elbow, wrist = (find(sample, f"{side}_{part}") for part in ("shoulder", "elbow", "wrist"))
    assert np.ptp(np.linalg.norm(elbow - shoulder, axis=-1)) < 1 and np.linalg.norm(wrist - elbow, axis=-1).max() < 180
    hand = find(sample, f"{side}_hand/wrist")
    np.testing.assert_array_equal(hand[~np.isnan(hand)], wrist[~np.isnan(hand)])
    speed = np.linalg.norm(np.diff(wrist, axis=0), axis=-1)
    assert np.nanmax(np.linalg.norm(np.diff(hand, axis=0), axis=-1)) <= speed.max()


def test_it_is_a_sample_of_the_command_line(tmp_path):
    def call(*arguments):
        return CliRunner().invoke(cli, ["sample", *map(str, arguments)])

    assert call(tmp_path / "a.npz", "--signer", "--frames", 20).exit_code == 0
    np.testing.assert_array_equal(posecodec.load(tmp_path / "a.npz").positions, sign(20).positions)
    assert isinstance(call(tmp_path / "b.npz", "--signer", "--filmed").exception, UsageError)
    with pytest.raises(InputError):
        sign(0)
    assert sign(1).frames == 1
