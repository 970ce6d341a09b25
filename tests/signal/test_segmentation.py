"""Lengths of blocks cover all frames, are the ones allowed, and are the cheapest that there are."""

import itertools

import numpy as np
import pytest

from posecodec.coders.transform.block_coder import BLOCK_PRICE, BLOCKS
from posecodec.coders.windows.frequency_bands import WINDOW_PRICE
from posecodec.coders.windows.lengths import WINDOW_LENGTHS
from posecodec.signal.dct import dct, dst
from posecodec.signal.segmentation import BlockPrice, BlockSpectra, Segmentation, choose_lengths, list_spans

SMALL = Segmentation((4, 8, 12), longest=15)
KINDS = [(BLOCKS, BLOCK_PRICE), (WINDOW_LENGTHS, WINDOW_PRICE)]


def wander(frames, channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, channels)).cumsum(axis=0)


def list_all(segmentation, frames):
    """Every way to cut frames into blocks."""
    if not frames:
        return [()]
    return [
        (length, *rest)
        for length in segmentation.list_options(frames)
        for rest in list_all(segmentation, frames - length)
    ]


def price(channels, lengths, step, price, is_residual):
    """What blocks cost, in double precision and by its definition."""
    total = 0.0
    for start, length in list_spans(lengths):
        pinned = start > 0 and not is_residual
        block = (channels[start : start + length] - (channels[start - 1] if pinned else 0)) * (1.2 / step)
        values = ((dst if pinned else dct)(length) @ block)[: price.rows]
        total += price.bits + 0.5 * np.log2(1 + values**2).sum()
        total += price.residue_bits * ((block**2).sum() - (values**2).sum())
    return total


@pytest.mark.parametrize("is_residual", [False, True])
@pytest.mark.parametrize("kind", [BlockPrice(9.0), BlockPrice(9.0, rows=3, residue_bits=1.0), BlockPrice(0.1)])
@pytest.mark.parametrize("frames", [1, 4, 7, 15, 16, 33, 41])
def test_chosen_lengths_are_the_cheapest_of_all(frames, kind, is_residual):
    for seed, step in itertools.product(range(3), (0.3, 3.0)):
        channels = wander(frames, seed=seed)
        found = choose_lengths(channels, step, SMALL, kind, is_residual=is_residual)
        least = min(price(channels, lengths, step, kind, is_residual) for lengths in list_all(SMALL, frames))
        assert price(channels, found, step, kind, is_residual) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("longest", [1, 8, 10, 100])
def test_no_block_that_could_be_shorter_is_longer_than_asked_for(longest):
    for frames in range(1, 60):
        found = choose_lengths(np.zeros((frames, 1)), 1.0, SMALL, BlockPrice(50.0), longest)
        assert SMALL.is_valid(found) and max(found) <= max(longest, 7)


@pytest.mark.parametrize("segmentation", [SMALL, BLOCKS, WINDOW_LENGTHS])
def test_options_can_always_finish(segmentation):
    for left in range(1, 1101):
        found = segmentation.list_options(left)
        assert found and len(set(found)) == len(found) and max(found) <= min(left, segmentation.longest)
        assert (left in found) == (left <= segmentation.longest)
    assert segmentation.list_options(0) == []


@pytest.mark.parametrize(("segmentation", "kind"), KINDS)
@pytest.mark.parametrize("is_residual", [False, True])
def test_chosen_lengths_cover_the_frames_and_are_allowed(segmentation, kind, is_residual):
    drawn, noise = wander(1100), np.random.default_rng(0).normal(0, 100, (1100, 2))
    for frames in (*range(1, 50), *range(50, 1100, 53), 159, 160, 161, 271, 272, 1023, 1024, 1099, 1100):
        for channels in (drawn, np.cumsum(drawn, axis=0), noise, np.full((1100, 2), 1e300)):
            found = choose_lengths(channels[:frames], 0.5, segmentation, kind, is_residual=is_residual)
            assert segmentation.is_valid(found) and sum(found) == frames


def test_lengths_by_hand():
    for lengths in ((1,), (159,), (16, 1), (16, 4), (128, 128, 33), (96, 159), (16,) * 64):
        assert WINDOW_LENGTHS.is_valid(lengths), lengths
    for lengths in ((), (160,), (17, 16), (16, 0), (0,), (-16,), (4, 16), (128, 160), (20, 64)):
        assert not WINDOW_LENGTHS.is_valid(lengths), lengths
    options = [WINDOW_LENGTHS.list_options(left) for left in (1, 16, 160)]
    assert options == [[1], [16], list(WINDOW_LENGTHS.lengths)]


def test_whatever_may_be_chosen_is_allowed():
    for frames in range(1, 400):
        left, found, rng = frames, [], np.random.default_rng(frames)
        while left:
            found.append(int(rng.choice(WINDOW_LENGTHS.list_options(left))))
            left -= found[-1]
        assert WINDOW_LENGTHS.is_valid(found) and sum(found) == frames


def test_still_channels_take_few_blocks_and_busy_ones_many():
    assert choose_lengths(np.zeros((256, 3)), 1.0, BLOCKS, BLOCK_PRICE) == (256,)
    assert len(choose_lengths(np.zeros((1024, 3)), 1.0, BLOCKS, BLOCK_PRICE)) <= 1024 // 256
    busy = np.random.default_rng(0).normal(0, 1000, (320, 6)).cumsum(axis=0)
    assert len(choose_lengths(busy * 0, 8.0, WINDOW_LENGTHS, WINDOW_PRICE)) < 320 // 33
    assert len(choose_lengths(busy, 8.0, WINDOW_LENGTHS, WINDOW_PRICE)) > 320 // 33


def test_spans_follow_each_other():
    assert list_spans((16, 32, 20)) == [(0, 16), (16, 32), (48, 20)] and list_spans(()) == []


def test_kept_spectra_change_nothing():
    channels = wander(700, channels=70)
    for is_residual in (False, True):
        spectra = BlockSpectra(channels)
        for step in (0.5, 2.0, 0.5, 8.0):
            found = choose_lengths(spectra, step, BLOCKS, BLOCK_PRICE, is_residual=is_residual)
            assert found == choose_lengths(channels, step, BLOCKS, BLOCK_PRICE, is_residual=is_residual)
        assert spectra._kept
