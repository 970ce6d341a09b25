"""How chunks begin: what is written of presence is read back, and no surprise on damaged bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.bitstream.chunk_kind import ChunkKind, has_windows_body, needs_body_weights
from posecodec.bitstream.exp_golomb import get_exp_golomb
from posecodec.bitstream.presence import Presence, read_presence, write_presence
from posecodec.entropy.confidences import decode_confidences, encode_confidences
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError


def presence_of(seed, frames, keypoints, missing, confident):
    """Random presence; confidences beyond [0, 1] on both sides."""
    rng = np.random.default_rng(seed)
    mask = rng.random((frames, keypoints)) >= missing
    confidence = np.where(mask, rng.integers(-300, 256, mask.shape), 0).astype(np.int32)
    return Presence(mask, None, 1.0) if confident else Presence(mask, confidence, 3.25)


def written(kind, presence):
    encoder = RangeEncoder()
    write_presence(encoder, kind, presence)
    encoder.put_bits(5, 3)
    return encoder.finish()


def assert_same(presence, found):
    assert (found.mask == presence.mask).all() and found.scale == presence.scale
    assert (found.confidence is None) == (presence.confidence is None)
    if found.confidence is not None:
        assert found.confidence.dtype == np.int32 and (found.confidence == presence.confidence).all()


@pytest.mark.parametrize("kind", [ChunkKind.WINDOWS, ChunkKind.TRANSFORM, ChunkKind.TOKENS])
@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_presence_round_trips(kind, confident, missing):
    presence = presence_of(0, 50, 19, missing, confident)
    data = written(kind, presence)
    assert ChunkKind.read_from(data) == kind
    decoder = RangeDecoder(data)
    assert_same(presence, read_presence(decoder, 50, 19))
    assert decoder.get_bits(3) == 5
    decoder.finish()


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 140),
    keypoints=st.integers(1, 20),
    missing=st.sampled_from([0.0, 0.02, 0.5, 0.99, 1.0]),
    confident=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_presence_of_any_shape_round_trips(seed, frames, keypoints, missing, confident):
    presence = presence_of(seed, frames, keypoints, missing, confident)
    data = written(ChunkKind.WINDOWS, presence)
    assert written(ChunkKind.WINDOWS, presence) == data
    decoder = RangeDecoder(data)
    assert_same(presence, read_presence(decoder, frames, keypoints))
    assert decoder.get_bits(3) == 5
    decoder.finish()


def test_kinds_have_names():
    first = [bytes([bits << 5 | 7]) for bits in range(8)]
    names = ["windows", "windows", "transform", "transform", "lossless", "tokens", "parts", "parts"]
    assert [ChunkKind.read_from(data).label for data in first] == names
    assert ChunkKind.read_from(b"") == ChunkKind.WINDOWS
    assert [has_windows_body(data) for data in (b"", *first)] == [False] * 8 + [True]
    assert [needs_body_weights(data) for data in (b"", *first)] == [True] * 3 + [False] * 3 + [True, False, True]


@pytest.mark.parametrize("windows", [False, True])
def test_chunks_in_parts_say_how_their_body_is_coded(windows):
    encoder, presence = RangeEncoder(), presence_of(0, 50, 19, 0.3, False)
    write_presence(encoder, ChunkKind.PARTS, presence, windows)
    data = encoder.finish()
    assert ChunkKind.read_from(data) == ChunkKind.PARTS and has_windows_body(data) == windows
    assert_same(presence, read_presence(RangeDecoder(data), 50, 19))


@pytest.mark.parametrize("low, high", [(0, 1), (0, 30), (-2, 2), (0, 1e-3), (0, 1e30)])
def test_confidences_are_kept_to_half_a_step(low, high):
    rng = np.random.default_rng(0)
    valid = rng.random((40, 19)) < 0.7
    confidence = np.where(valid, rng.uniform(low, high, valid.shape), 0).astype(np.float32)
    presence = Presence.quantize(valid, confidence)
    assert presence.scale == max(1.0, np.float32(np.abs(confidence).max()))
    found = presence.dequantize()
    assert found.dtype == np.float32 and (found[~valid] == 0).all()
    np.testing.assert_allclose(found, confidence, rtol=0, atol=presence.scale / 510 * 1.0001)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_confidences_of_one_are_not_written(share):
    valid = np.random.default_rng(0).random((40, 19)) < share
    presence = Presence.quantize(valid, valid.astype(np.float32))
    assert presence.confidence is None and presence.scale == 1
    assert (presence.dequantize() == valid).all()


@pytest.mark.parametrize("scale", [np.inf, -np.inf, np.nan])
def test_a_confidence_scale_that_is_no_number_is_refused(scale):
    presence = presence_of(0, 16, 3, 0.0, False)
    data = written(ChunkKind.WINDOWS, Presence(presence.mask, presence.confidence, scale))
    with pytest.raises(CorruptError, match="confidence scale"):
        read_presence(RangeDecoder(data), 16, 3)


def harmless(data, frames, keypoints):
    """Whether data give presence; anything but presence of the right shape or a CorruptError fails the test."""
    try:
        decoder = RangeDecoder(data)
        found = read_presence(decoder, frames, keypoints)
        decoder.get_bits(3)
        decoder.finish()
    except CorruptError:
        return False
    assert found.mask.shape == (frames, keypoints) and np.isfinite(found.scale)
    assert found.confidence is None or (found.confidence[~found.mask] == 0).all()
    return True


@pytest.mark.compiled
def test_numbers_farther_away_than_any_can_be_are_corrupt():
    encoder = RangeEncoder()
    for _ in range(40):
        encoder.put_bits(1, 1)
    for bits in (0, 6):
        with pytest.raises(CorruptError, match="farther away"):
            get_exp_golomb(RangeDecoder(encoder.finish()), bits)


def test_damaged_presence_gives_presence_or_a_corrupt_error():
    frames, keypoints = 60, 5
    data = written(ChunkKind.WINDOWS, presence_of(3, frames, keypoints, 0.2, False))
    assert harmless(data, frames, keypoints)
    outcomes = []
    for place in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[place] ^= mask
            outcomes.append(harmless(bytes(wrong), frames, keypoints))
    assert not all(outcomes)
    for length in range(len(data)):
        harmless(data[:length], frames, keypoints)
    assert not harmless(data + b"\x01" * 20, frames, keypoints)


@given(st.binary(max_size=300), st.integers(1, 1024))
@settings(max_examples=200, deadline=None)
def test_random_presence_gives_presence_or_a_corrupt_error(data, frames):
    harmless(data, frames, 19)


@given(st.integers(0, 30), st.integers(1, 8), st.integers(0, 2**32 - 1), st.sampled_from([1, 255, 2**29]))
@settings(max_examples=80, deadline=None)
def test_confidences_round_trip(frames, keypoints, seed, largest):
    rng = np.random.default_rng(seed)
    mask = rng.random((frames, keypoints)) < 0.7
    values = np.where(mask, rng.integers(-largest, largest + 1, mask.shape), 0).astype(np.int32)
    encoder = RangeEncoder()
    encode_confidences(encoder, values, mask)
    decoder = RangeDecoder(encoder.finish())
    found = decode_confidences(decoder, mask)
    decoder.finish()
    assert found.dtype == np.int32 and (found == values).all()
