"""What is inside a chunk: integers in, the same integers out, and no surprise on damaged bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import payload
from posecodec.entropy.adaptive import int_model
from posecodec.entropy.confidences import decode_confidences, encode_confidences
from posecodec.entropy.curves import CONTEXTS, decode_curve, encode_curve
from posecodec.entropy.rangecoder import RangeDecoder, RangeEncoder
from posecodec.entropy.tokencoder import INCREMENT, TokenTables, decode_tokens, encode_tokens
from posecodec.errors import CorruptError
from posecodec.normalize import LARGEST, Normalization, Side, knot_count
from posecodec.payload import LOSSLESS, TOKENS, TRANSFORM, Payload, Presence, Tables, read_presence, write_presence

LEVELS, CODES = 5, 12
HOWS = {
    3: Normalization(3, ((0, 1, 1.0),), 16, 32, 0, (0.02, 0.01), 0.25, 0.03125, 0.0),
    2: Normalization(2, ((0, 1, 1.0),), 16, 0, 64, (0.02, 0.01), 0.25, 0.03125, 0.0),
}


def token_tables(seed=0, levels=LEVELS, codes=CODES):
    """Tables with three classes before and two below at the first two levels, and skewed counts."""
    rng = np.random.default_rng(seed)
    before, below = np.zeros((2, levels, codes), np.uint8)
    classes = np.zeros((levels, 2), np.int64)
    before[:2], below[:2] = rng.integers(1, 4, (2, codes)), rng.integers(1, 3, (2, codes))
    classes[:2] = 3, 2
    shell = TokenTables(np.ones((1, codes), np.uint16), before, below, classes)
    rows = int(((classes[:, 0] + 1) * shell.widths).sum())
    return TokenTables(rng.integers(1, 3000, (rows, codes)).astype(np.uint16), before, below, classes)


TABLES = token_tables()


def tables(dims):
    rows = (dims * CONTEXTS, CONTEXTS, CONTEXTS)
    return Tables(TABLES, *(int_model(n).astype(np.uint16) for n in rows))


def chunk_of(seed, frames, keypoints, dims, levels, missing, confident, largest=50):
    """A random chunk; confidences beyond [0, 1] on both sides."""
    rng, how = np.random.default_rng(seed), HOWS[dims]
    mask = rng.random((frames, keypoints)) >= missing
    confidence = np.where(mask, rng.integers(-300, 256, mask.shape), 0).astype(np.int32)

    def points(*shape):
        return rng.integers(-largest, largest + 1, shape).astype(np.int32)

    heading = knot_count(frames, how.heading_knots) if how.heading_knots else 0
    side = Side(
        points(knot_count(frames, how.root_knots), dims), points(heading), points(knot_count(frames, how.scale_knots))
    )
    tokens = rng.integers(0, CODES, (-(-frames // 16), 1, 2, levels)).astype(np.int32)
    presence = Presence(mask, None, 1.0) if confident else Presence(mask, confidence, 3.25)
    return Payload(presence, side, tokens)


def read(data, frames, keypoints, dims):
    return payload.read(data, frames, keypoints, (-(-frames // 16), 1, 2), HOWS[dims], tables(dims))


def assert_same(presence, found):
    assert (found.mask == presence.mask).all() and found.scale == presence.scale
    assert (found.confidence is None) == (presence.confidence is None)
    if found.confidence is not None:
        assert found.confidence.dtype == np.int32 and (found.confidence == presence.confidence).all()


@pytest.mark.parametrize("kind", [TOKENS, TRANSFORM, LOSSLESS])
@pytest.mark.parametrize("confident", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3, 1.0])
def test_presence_round_trips(kind, confident, missing):
    presence = chunk_of(0, 50, 19, 3, 1, missing, confident).presence
    encoder = RangeEncoder()
    write_presence(encoder, kind, presence)
    encoder.put_bits(5, 3)
    data = encoder.finish()
    assert payload.kind_of(data) == kind
    decoder = RangeDecoder(data)
    assert_same(presence, read_presence(decoder, 50, 19))
    assert decoder.get_bits(3) == 5
    decoder.finish()


def test_kinds_have_names():
    first = [bytes([kind << 6 | 7]) for kind in range(4)]
    assert [payload.kind_of(data) for data in first] == [TOKENS, TRANSFORM, LOSSLESS, 3]
    assert [payload.name_of(data) for data in first] == ["tokens", "transform", "lossless", "unknown"]
    assert payload.kind_of(b"") == TOKENS and payload.name_of(b"") == "tokens"


@pytest.mark.parametrize("low, high", [(0, 1), (0, 30), (-2, 2), (0, 1e-3), (0, 1e30)])
def test_confidences_are_kept_to_half_a_step(low, high):
    rng = np.random.default_rng(0)
    valid = rng.random((40, 19)) < 0.7
    confidence = np.where(valid, rng.uniform(low, high, valid.shape), 0).astype(np.float32)
    presence = Presence.of(valid, confidence)
    assert presence.scale == max(1.0, np.float32(np.abs(confidence).max()))
    found = presence.confidences()
    assert found.dtype == np.float32 and (found[~valid] == 0).all()
    np.testing.assert_allclose(found, confidence, rtol=0, atol=presence.scale / 510 * 1.0001)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_confidences_of_one_are_not_written(share):
    valid = np.random.default_rng(0).random((40, 19)) < share
    presence = Presence.of(valid, valid.astype(np.float32))
    assert presence.confidence is None and presence.scale == 1
    assert (presence.confidences() == valid).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(1, 140),
    keypoints=st.integers(1, 20),
    dims=st.sampled_from([2, 3]),
    levels=st.integers(1, LEVELS),
    missing=st.sampled_from([0.0, 0.02, 0.5, 0.99, 1.0]),
    confident=st.booleans(),
    largest=st.sampled_from([0, 1, 50, 10**6, LARGEST - 1]),
)
@settings(max_examples=120, deadline=None)
def test_a_chunk_round_trips(seed, frames, keypoints, dims, levels, missing, confident, largest):
    chunk = chunk_of(seed, frames, keypoints, dims, levels, missing, confident, largest)
    data = payload.write(chunk, tables(dims))
    assert payload.write(chunk, tables(dims)) == data
    found = read(data, frames, keypoints, dims)
    assert payload.kind_of(data) == TOKENS
    assert_same(chunk.presence, found.presence)
    for name in ("root", "heading", "scale"):
        a, b = getattr(chunk.side, name), getattr(found.side, name)
        assert a.shape == b.shape and a.dtype == b.dtype and (a == b).all(), name
    assert found.tokens.dtype == np.int32 and (found.tokens == chunk.tokens).all()


def test_coding_leaves_the_tables_as_they_were():
    own = tables(3)
    before = [table.copy() for table in (own.tokens.counts, own.root, own.heading, own.scale)]
    chunk = chunk_of(1, 64, 19, 3, LEVELS, 0.1, False)
    data = payload.write(chunk, own)
    payload.read(data, 64, 19, (4, 1, 2), HOWS[3], own)
    for table, then in zip((own.tokens.counts, own.root, own.heading, own.scale), before, strict=True):
        assert (table == then).all()


def test_a_still_certain_chunk_costs_hardly_more_than_its_tokens():
    chunk = chunk_of(0, 64, 19, 3, 2, 0.0, True, largest=0)
    assert len(payload.write(chunk, tables(3))) <= 4 * 2 * 2 * np.log2(CODES) / 8 + 14


def test_more_levels_than_the_weights_have_are_refused():
    wide = Tables(token_tables(levels=LEVELS + 1), *(getattr(tables(3), n) for n in ("root", "heading", "scale")))
    chunk = chunk_of(0, 64, 19, 3, LEVELS, 0.0, True)
    more = Payload(chunk.presence, chunk.side, np.concatenate([chunk.tokens, chunk.tokens[..., :1]], axis=-1))
    with pytest.raises(CorruptError, match="6 levels"):
        read(payload.write(more, wide), 64, 19, 3)


@pytest.mark.parametrize("scale", [np.inf, -np.inf, np.nan])
def test_a_confidence_scale_that_is_no_number_is_refused(scale):
    chunk = chunk_of(0, 16, 3, 3, 1, 0.0, False)
    presence = Presence(chunk.presence.mask, chunk.presence.confidence, scale)
    data = payload.write(Payload(presence, chunk.side, chunk.tokens), tables(3))
    with pytest.raises(CorruptError, match="confidence scale"):
        read(data, 16, 3, 3)


def harmless(data, frames, keypoints, dims):
    """Whether data give a chunk; anything but a chunk of the right shapes or a CorruptError fails the test."""
    try:
        found = read(data, frames, keypoints, dims)
    except CorruptError:
        return False
    mask, confidence = found.presence.mask, found.presence.confidence
    assert mask.shape == (frames, keypoints)
    assert 0 <= found.tokens.min() and found.tokens.max() < CODES
    assert confidence is None or (confidence[~mask] == 0).all()
    return True


@pytest.mark.parametrize("dims", [2, 3])
def test_damaged_payloads_give_a_chunk_or_a_corrupt_error(dims):
    frames, keypoints = 60, 5
    data = payload.write(chunk_of(3, frames, keypoints, dims, 3, 0.2, False), tables(dims))
    assert harmless(data, frames, keypoints, dims)
    outcomes = []
    for place in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            wrong = bytearray(data)
            wrong[place] ^= mask
            outcomes.append(harmless(bytes(wrong), frames, keypoints, dims))
    assert not all(outcomes)
    for length in range(len(data)):
        harmless(data[:length], frames, keypoints, dims)
    assert not harmless(data + b"\x01" * 20, frames, keypoints, dims)


@given(st.binary(max_size=300), st.integers(1, 1024), st.sampled_from([2, 3]))
@settings(max_examples=300, deadline=None)
def test_random_payloads_give_a_chunk_or_a_corrupt_error(data, frames, dims):
    harmless(data, frames, 19, dims)


def curve_round_trip(points):
    encoder = RangeEncoder()
    encode_curve(encoder, points, int_model(points.shape[1] * CONTEXTS))
    data = encoder.finish()
    decoder = RangeDecoder(data)
    found = decode_curve(decoder, *points.shape, int_model(points.shape[1] * CONTEXTS))
    decoder.finish()
    assert found.dtype == np.int32 and found.shape == points.shape and (found == points).all()
    return data


@given(
    st.integers(0, 40), st.integers(1, 3), st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1, 3, 1000, 2**20, LARGEST - 1, 2**29 - 1]),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_curves_round_trip(count, channels, seed, largest):
    rng = np.random.default_rng(seed)
    curve_round_trip(rng.integers(-largest, largest + 1, (count, channels)).astype(np.int32))


def test_the_largest_curves_round_trip():
    end = 2**29 - 1
    curve_round_trip(np.array([[end, -end], [-end, end]] * 10, np.int32))


def test_straight_curves_cost_little():
    line = np.arange(64, dtype=np.int32)[:, None] * np.int32([17, -3, 0])
    assert len(curve_round_trip(line)) <= 16
    wild = np.random.default_rng(0).integers(-50, 50, (64, 3)).astype(np.int32)
    assert len(curve_round_trip(wild)) > 100


def test_a_curve_beyond_all_bounds_is_corrupt():
    encoder, probs = RangeEncoder(), int_model(CONTEXTS)
    steep = np.cumsum(np.cumsum(np.full(40, 2**27)))[:, None]
    encode_curve(encoder, steep, probs)
    with pytest.raises(CorruptError):
        decode_curve(RangeDecoder(encoder.finish()), 40, 1, int_model(CONTEXTS))


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


@given(
    steps=st.integers(1, 20), rows=st.integers(1, 2), columns=st.integers(1, 3), levels=st.integers(1, LEVELS),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_tokens_round_trip(steps, rows, columns, levels, seed):
    tokens = np.random.default_rng(seed).integers(0, CODES, (steps, rows, columns, levels)).astype(np.int32)
    encoder = RangeEncoder()
    encode_tokens(encoder, tokens, TABLES)
    decoder = RangeDecoder(encoder.finish())
    assert (decode_tokens(decoder, tokens.shape, TABLES) == tokens).all()
    decoder.finish()


def information(tokens, tables):
    """Bits of tokens (S, cells, Q) by the rows that `contexts` names, counts growing as they are coded."""
    counts, bits = tables.counts.astype(np.int64), 0.0
    for row, token in zip(tables.contexts(tokens).ravel(), tokens.ravel(), strict=True):
        while counts[row].sum() > 2**16:
            counts[row] = (counts[row] + 1) >> 1
        bits -= np.log2(counts[row, token] / counts[row].sum())
        counts[row, token] += INCREMENT
    return bits


@pytest.mark.parametrize("levels", range(1, LEVELS + 1))
@pytest.mark.parametrize("steps", [1, 4, 300])
def test_contexts_are_the_rows_that_the_coder_uses(levels, steps):
    rng = np.random.default_rng(levels)
    tables = token_tables(7)
    # Each row expects one token nearly for sure, so that coding by any other row would cost far more.
    counts = np.ones_like(tables.counts)
    counts[np.arange(len(counts)), rng.integers(0, CODES, len(counts))] = 4000
    tables = TokenTables(counts, tables.before, tables.below, tables.classes)
    tokens = rng.integers(0, CODES, (steps, 2, levels)).astype(np.int32)
    for s in range(steps):
        for cell in range(2):
            for q in range(levels):
                if rng.random() < 0.9:
                    tokens[s, cell, q] = counts[tables.contexts(tokens)[s, cell, q]].argmax()
        if s > 20:  # the rest stays random: enough of both
            break
    encoder = RangeEncoder()
    encode_tokens(encoder, tokens[:, None], tables)
    bits = information(tokens, tables)
    assert bits - 8 <= 8 * len(encoder.finish()) <= bits + 16 + bits * 1e-3


def test_contexts_by_hand():
    before = np.array([[1, 2], [1, 1]], np.uint8)
    below = np.array([[2, 1], [0, 0]], np.uint8)
    tables = TokenTables(np.ones((9, 2), np.uint16), before, below, np.array([[2, 2], [1, 0]]))
    assert tables.rows.tolist() == [0, 3] and tables.widths.tolist() == [1, 3]
    tokens = np.array([[[0, 1]], [[1, 0]], [[1, 1]]], np.int32)
    assert tables.contexts(tokens)[:, 0].tolist() == [[0, 3 + 2], [1, 3 + 3 + 1], [2, 3 + 3 + 1]]
