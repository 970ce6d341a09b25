"""What windows are made of: frequencies of a window, smoothed seams, side information."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import any_dims, assert_close, small_tables

from posecodec.coders.windows import stream
from posecodec.coders.windows.deblocking import REACH, deblock
from posecodec.coders.windows.frequency_bands import OWN_ROWS, ROWS, FrequencyBands, reference_rows
from posecodec.coders.windows.lengths import LONGEST
from posecodec.coders.windows.stream import SideInfo
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kinematics.body_model import Motion
from posecodec.kinematics.bones import MAX_SCALE


def orthonormal_bands(channels=5, seed=0, means=0.0):
    rng = np.random.default_rng(seed)
    turns = np.linalg.qr(rng.normal(size=(2, OWN_ROWS, channels, channels)))[0]
    is_translation = np.arange(channels) >= channels - 2
    return FrequencyBands(turns, rng.normal(0, 1, (2, channels)) * means, is_translation)


any_kind = pytest.mark.parametrize("later", [False, True])


@any_kind
@pytest.mark.parametrize("frames", [1, 2, 3, 15, 16, 17, 31, 32])
def test_short_windows_are_all_of_their_frequencies(frames, later):
    channels = np.random.default_rng(frames).normal(size=(2, frames, 5))
    values = orthonormal_bands().forward(channels, later)
    assert values.shape == (2, ROWS, 5)
    np.testing.assert_allclose(np.square(values).sum(), np.square(channels).sum())
    for bands in (orthonormal_bands(), orthonormal_bands(means=3.0)):
        back = bands.inverse(bands.forward(channels, later), frames, later)
        np.testing.assert_allclose(back, channels, rtol=0, atol=1e-12)


@any_kind
@pytest.mark.parametrize("frames", [32, 33, 64, 96, 128, LONGEST])
def test_long_windows_are_their_lowest_frequencies(frames, later):
    rng, bands = np.random.default_rng(frames), orthonormal_bands(means=3.0)
    values = rng.normal(size=(ROWS, 5))
    channels = bands.inverse(values, frames, later)
    np.testing.assert_allclose(bands.forward(channels, later), values, rtol=0, atol=1e-12)
    other = rng.normal(size=(frames, 5))
    kept = bands.inverse(bands.forward(other, later), frames, later)
    assert np.square(other - kept).sum() == pytest.approx(max(frames - ROWS, 0) * 5, rel=0.5, abs=1e-12)
    np.testing.assert_allclose(bands.inverse(bands.forward(kept, later), frames, later), kept, rtol=0, atol=1e-12)


@pytest.mark.parametrize("frames", [16, 64, LONGEST])
def test_what_a_window_joins_is_smooth(frames):
    """One frequency of a later window leaves the last known frame slowly; that of a first one need not."""
    bands = replace(orthonormal_bands(), rotations=np.broadcast_to(np.eye(5), (2, OWN_ROWS, 5, 5)))
    values = np.zeros((ROWS, 5))
    values[0] = 1.0
    later, first = (bands.inverse(values, frames, kind) for kind in (True, False))
    assert (np.abs(later[0]) < 0.2 * np.abs(later).max(axis=0)).all()
    assert (first[:, ~bands.is_translation] == first[0, 0]).all()
    assert (first[:, bands.is_translation] == later[:, bands.is_translation]).all()


@any_dims
@any_kind
def test_what_was_learned_of_windows_is_nearly_orthonormal(dims, later):
    bands = small_tables(dims).bands
    product = bands.rotations[int(later)] @ bands.rotations[int(later)].transpose(0, 2, 1)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(product.shape[-1]), product.shape), atol=5e-3)


def test_frequencies_are_alike_in_windows_of_all_lengths():
    assert reference_rows(64).tolist() == list(range(32))
    for frames in range(1, LONGEST + 1):
        rows = reference_rows(frames)
        assert len(rows) == ROWS and (np.diff(rows) >= 0).all() and 0 <= rows[0] and rows[-1] <= ROWS - 1
        period = (np.arange(ROWS) + 0.5) * 64 / frames
        below = period < ROWS
        assert (np.abs(rows - (period - 0.5))[below] <= 0.5 + 1e-9).all()


def moving(dims, frames, seed=0):
    """A motion of random walks."""
    rng = np.random.default_rng(seed)
    parts = (rng.normal(size=(frames, *size)).cumsum(axis=0) for size in ((19 * dims,), (), (dims,)))
    return Motion(*parts)


@any_dims
def test_only_frames_near_seams_are_smoothed(dims):
    motion = moving(dims, 100)
    assert deblock(motion, (100,), 144) is motion
    found = deblock(motion, (32, 68), 144)
    changed = (found.shape != motion.shape).any(axis=1)
    assert changed[32 - 4 : 32 + 4].all()
    assert not changed[: 32 - REACH].any() and not changed[32 + REACH :].any()
    for index in (0, 144, 511):
        for lengths in ((1,), (16, 1), (16, 16, 16, 16, 36), (96, 4)):
            short = moving(dims, sum(lengths))
            assert np.isfinite(deblock(short, lengths, index).shape).all()


@any_dims
def test_smoothing_leaves_steady_motion_and_softens_jerks(dims):
    time = np.arange(96.0)
    steady = Motion(np.outer(time, np.ones(5)), 0.1 * time, np.outer(time, np.ones(dims)))
    assert_close(deblock(steady, (32, 64), 144), steady)
    kinked = Motion(np.abs(time - 31.5)[:, None], np.abs(time - 31.5), np.abs(time - 31.5)[:, None].repeat(dims, 1))
    jerks = [np.abs(np.diff(m.angle, 2)).max() for m in (kinked, *(deblock(kinked, (32, 64), i) for i in (112, 176)))]
    assert jerks == sorted(jerks, reverse=True) and jerks[1] < jerks[0] / 2


def test_side_information_comes_back():
    for dims in (2, 3):
        for scale in (1 - MAX_SCALE, -320, 0, 60, 319, MAX_SCALE - 1):
            for origin in ([0, 0], [1, -1], [2**28, -(2**28)], [-5, 2**27]):
                place = np.array(origin if dims == 2 else [origin[0], 0, origin[1]], np.int64)
                for unit in ("mm", "px", "m", "cm", "in", "unknown"):
                    side = SideInfo(scale, 0 if dims == 2 else 63, place)
                    encoder = RangeEncoder()
                    stream.write_side_info(encoder, side, 511, unit, dims)
                    found, index = stream.read_side_info(RangeDecoder(encoder.finish()), unit, dims)
                    assert index == 511 and (found.scale, found.heading) == (side.scale, side.heading)
                    assert (found.origin == place).all()


@any_dims
@pytest.mark.parametrize("scale", [MAX_SCALE, -MAX_SCALE, 2**20, -(2**20)])
def test_a_size_that_no_body_has_is_corrupt(dims, scale):
    encoder = RangeEncoder()
    stream.write_side_info(encoder, SideInfo(scale, 0, np.zeros(dims, np.int64)), 100, {2: "px", 3: "mm"}[dims], dims)
    with pytest.raises(CorruptError, match="size"):
        stream.read_side_info(RangeDecoder(encoder.finish()), {2: "px", 3: "mm"}[dims], dims)
