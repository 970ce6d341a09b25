"""The transform codec's parts undo each other, stay deterministic, and refuse damaged streams with CorruptError."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
from conftest import rng
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posecodec.bitstream import exp_golomb as raw
from posecodec.coders.transform import basis_choice, corrections, magnitudes, plain_corrections
from posecodec.coders.transform import coefficient_model as coefficients
from posecodec.coders.transform.block_coder import BlockCoder, decode_channels, encode_channels
from posecodec.coders.transform.coefficient_model import BINS
from posecodec.coders.transform.error_bound import bound_step, outlier_steps
from posecodec.coders.transform.magnitudes import FINE, PLACES, ROWS
from posecodec.coders.transform.trellis import DEPENDENT, INDEPENDENT, find_path
from posecodec.coders.transform.weights import load_built_in, pack_tables, unpack_tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.signal.quantization import step_of_qp

FOUND, TABLES = load_built_in()


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 128, 271])
def test_frequency_bins_rise_within_their_number(frames):
    found = coefficients.frequency_bins(frames)
    assert len(found) == frames and found.min() >= 0 and found.max() < BINS and (np.diff(found) >= 0).all()


def test_coefficients_round_trip_at_every_place():
    sizes = (1, 2, 3, 13, 14, 15, 16, 1000, 2**16, 2**20 + 1, 2**29 - 2, 2**29 - 1)
    values = [0, *(s for size in sizes for s in (size, -size))]
    places = [odd * PLACES + place for odd in range(2) for place in range((ROWS - 1) * FINE + 1)]
    encoder, rows = RangeEncoder(), TABLES.model.rows.copy()
    for place in places:
        for value in values:
            encoder.run(
                magnitudes.put_coefficient,
                magnitudes.MAX_COEFFICIENT_BYTES,
                rows,
                np.int64(place),
                np.int64(value),
            )
    decoder, again = RangeDecoder(encoder.finish()), TABLES.model.rows.copy()
    for place in places:
        for value in values:
            assert decoder.run(magnitudes.get_coefficient, again, np.int64(place)) == value, (place, value)
    decoder.finish()
    assert np.array_equal(rows, again)


@given(st.binary(max_size=60), st.integers(0, (ROWS - 1) * FINE))
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_coefficients_in_range(data, place):
    decoder, rows = RangeDecoder(data), TABLES.model.rows.copy()
    for _ in range(50):  # past the end too
        assert (
            abs(magnitudes.get_coefficient(decoder._state, decoder._data, rows, np.int64(place))) < magnitudes.LARGEST
        )


def reconstruct(levels, machine):
    """What integers stand for, in steps, and how many states the machine passed."""
    state, values = 0, []
    for level in levels:
        values.append(np.sign(level) * (abs(level) - 0.5 * (state & 1 and level != 0)))
        state = machine[state, level & 1]
    return np.array(values)


@pytest.mark.parametrize("machine", [DEPENDENT, INDEPENDENT])
@pytest.mark.parametrize("rd_lambda", [0.0, 0.12])
def test_paths_cost_as_little_as_any(machine, rd_lambda):
    rows = TABLES.model.rows
    for values in rng(3).normal(scale=1.2, size=(20, 4)):
        places = rng(5).integers(0, 200, 4).astype(np.int16)
        levels = np.zeros(4, np.int32)
        find_path(values, places, rows, rd_lambda, machine, levels)

        def measure_cost(path, values=values, places=places):
            state, bits = 0, 0.0
            for level, place in zip(path, places, strict=True):
                bits += magnitudes.estimate_bits(rows, np.int64(place) + PLACES * (state & 1), np.int64(abs(level)))
                state = machine[state, level & 1]
            return ((values - reconstruct(path, machine)) ** 2).sum() + rd_lambda * bits

        reach = [sorted({int(np.sign(v)) * n for n in range(int(abs(v)) + 3)}) for v in values]
        assert measure_cost(levels) <= min(measure_cost(path) for path in product(*reach)) + 1e-9


def test_dependent_integers_are_nearer_at_the_same_bits():
    values = rng(6).laplace(scale=3.0, size=20000)
    missed = []
    for machine in (INDEPENDENT, DEPENDENT):
        levels = np.zeros(values.size, np.int32)
        find_path(values, np.full(values.size, 160, np.int16), TABLES.model.rows, 0.0, machine, levels)
        missed.append(np.square(values - reconstruct(levels, machine)).mean())
    assert (
        missed[1] < 0.75 * missed[0]
    )  # 0.5 if all of half a step's density came free; entropy grows by less than it gains


# --- Channels ---

FRAMES = (1, 2, 15, 16, 17, 271, 272, 700)


def coder(count, index, residual=False, generic=False):
    prior = np.full((2, count, BINS), 40, np.int64) - 12 * np.arange(BINS)
    pinned = np.arange(count) < 2
    return BlockCoder(TABLES.model, prior, pinned, index, residual, generic)


def wander(frames, count, size=30.0):
    return rng(frames).normal(scale=size, size=(frames, count)).cumsum(axis=0)


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("index", [-60, 48, 300])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("generic", [False, True])
def test_decoder_has_exactly_what_the_encoder_says(frames, index, residual, generic):
    channels, encoder = wander(frames, 5), RangeEncoder()
    said = encode_channels(encoder, channels, coder(5, index, residual, generic))
    decoder = RangeDecoder(encoder.finish())
    found = decode_channels(decoder, frames, 5, coder(5, index, residual, generic))
    decoder.finish()
    assert np.array_equal(found, said)
    assert np.sqrt(np.square(said - channels).mean()) < 1.5 * step_of_qp(index)


@pytest.mark.parametrize("count", [1, 2, 58, 534])
def test_any_number_of_channels_round_trips(count):
    channels, encoder = wander(40, count), RangeEncoder()
    said = encode_channels(encoder, channels, coder(count, 20))
    assert np.array_equal(decode_channels(RangeDecoder(encoder.finish()), 40, count, coder(count, 20)), said)


def test_channels_of_zeros_take_a_few_bits():
    encoder = RangeEncoder()
    assert not encode_channels(encoder, np.zeros((256, 58)), coder(58, 0)).any()
    assert len(encoder.finish()) <= 3


@pytest.mark.parametrize("size", [2.0**27, 2.0**28.9])
def test_large_coefficients_round_trip(size):
    channels, encoder = np.full((1, 3), size), RangeEncoder()
    said = encode_channels(encoder, channels, coder(3, 0))
    assert np.array_equal(decode_channels(RangeDecoder(encoder.finish()), 1, 3, coder(3, 0)), said)


@pytest.mark.parametrize("size", [2.0**29, 2.0**30])
def test_coefficients_that_no_decoder_takes_are_refused(size):
    encoder = RangeEncoder()
    with pytest.raises(InputError, match="lossless"):
        encode_channels(encoder, np.full((1, 3), size), coder(3, 0))


CHANNELS = wander(120, 6)
STREAM_ENCODER = RangeEncoder()
encode_channels(STREAM_ENCODER, CHANNELS, coder(6, 30))
STREAM = STREAM_ENCODER.finish()


def finite_or_corrupt(data, frames=120):
    decoder = RangeDecoder(data)
    try:
        assert np.isfinite(decode_channels(decoder, frames, 6, coder(6, 30))).all()
        decoder.finish()
    except CorruptError:
        return True
    return False


def test_every_shortened_stream_is_corrupt_or_finite():
    corrupt = [finite_or_corrupt(STREAM[:length]) for length in range(len(STREAM))]
    assert sum(corrupt) > 0.9 * len(STREAM)


@given(st.lists(st.tuples(st.integers(0, len(STREAM) - 1), st.integers(1, 255)), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_every_changed_stream_is_corrupt_or_finite(changes):
    data = bytearray(STREAM)
    for at, bits in changes:
        data[at] ^= bits
    finite_or_corrupt(bytes(data))


@given(st.binary(max_size=300), st.integers(1, 1024))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_corrupt_or_finite(data, frames):
    finite_or_corrupt(data, frames)


@pytest.mark.parametrize("bits", [basis_choice.BONE_ORIGIN_BITS, basis_choice.GRAPH_ORIGIN_BITS])
def test_places_round_trip(bits):
    values = [0, 1, -1, 2, -2, 31, -32, 63, 64, -64, 1023, 1024, -1025, 2**20, -(2**24), 2**24]
    encoder = RangeEncoder()
    for value, size in raw.build_exp_golomb(np.array(values, float), bits):
        raw.put_raw(encoder, value, size)
    decoder = RangeDecoder(encoder.finish())
    assert [raw.get_exp_golomb(decoder, bits) for _ in values] == values


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4), st.sampled_from([2, 3])),
           elements=st.floats(-1e4, 1e4)),
    st.floats(1e-3, 1e5),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_corrections_bring_every_error_within_the_bound(errors, bound):
    left = errors - outlier_steps(errors, bound) * bound_step(bound, errors.shape[2])
    assert np.linalg.norm(left, axis=2).max() <= bound


def test_errors_within_the_bound_and_missing_keypoints_are_left_alone():
    errors = np.array([[[0.5, 0.5, 0.0], [np.nan] * 3, [3.0, 0.0, 0.0]]])
    assert outlier_steps(errors, 1.0)[0].tolist()[:2] == [[0, 0, 0], [0, 0, 0]]
    assert (outlier_steps(errors, 1.0)[0, 2] != 0).tolist() == [True, False, False]


def test_errors_of_billions_of_bounds_are_corrected_or_refused():
    errors = np.full((1, 1, 3), 1e12)
    try:
        left = errors - outlier_steps(errors, 1e-2) * bound_step(1e-2, 3)
    except InputError:
        return
    assert np.linalg.norm(left) <= 1e-2


@given(
    moves=arrays(np.int32, st.tuples(st.integers(1, 5), st.integers(1, 5), st.sampled_from([2, 3])),
           elements=st.one_of(st.just(0), st.integers(-20, 20), st.integers(-(2**31) + 1, 2**31 - 1))),
)  # fmt: skip
@pytest.mark.parametrize("way", [corrections, plain_corrections])
@settings(max_examples=100, deadline=None)
def test_corrections_round_trip(way, moves):
    encoder = RangeEncoder()
    way.write_corrections(encoder, moves)
    decoder = RangeDecoder(encoder.finish())
    assert np.array_equal(way.read_corrections(decoder, *moves.shape), moves)
    decoder.finish()


def test_mixed_corrections_of_clustered_moves_are_a_tenth_smaller():
    random, moves = rng(4), np.zeros((300, 19, 3), np.int32)
    chance = np.where(np.arange(19) % 5 == 0, 0.3, 0.01)
    moves[random.random((300, 19)) < chance, 1] = 1
    sizes = []
    for way in (plain_corrections, corrections):
        encoder = RangeEncoder()
        way.write_corrections(encoder, moves)
        sizes.append(len(encoder.finish()))
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.parametrize("way", [corrections, plain_corrections])
@given(data=st.binary(max_size=100), frames=st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_as_corrections_are_corrupt_or_read(way, data, frames):
    try:
        assert way.read_corrections(RangeDecoder(data), frames, 19, 3).shape == (frames, 19, 3)
    except CorruptError:
        pass


def test_tables_survive_being_written():
    again = unpack_tables(replace(FOUND, tensors=pack_tables(TABLES)))
    assert pack_tables(again).keys() == pack_tables(TABLES).keys()
    for name, tensor in pack_tables(TABLES).items():
        assert np.array_equal(tensor, pack_tables(again)[name])
    for body, other in zip((*TABLES.bodies, *TABLES.flat_bodies), (*again.bodies, *again.flat_bodies), strict=True):
        assert np.array_equal(body.tables.matrix, other.tables.matrix) and np.array_equal(body.prior, other.prior)
        assert np.array_equal(body.lengths, other.lengths) and body.skeleton == other.skeleton
    assert all(
        np.array_equal(getattr(TABLES.model, f.name), getattr(again.model, f.name)) for f in fields(TABLES.model)
    )


def test_tables_of_other_weights_are_refused():
    with pytest.raises(WeightsError, match="is missing"):
        unpack_tables(replace(FOUND, tensors={}))


@pytest.mark.parametrize(("kind", "is_generic"), [(0, False), (1, False), (1, True), (2, False)])
def test_features_for_training_are_what_the_network_reads(kind, is_generic):
    frames, count, model = 33, 9, TABLES.model
    prior = np.ascontiguousarray(np.broadcast_to(np.arange(BINS) * -8, (2, count, BINS))).astype(np.int64)
    coder = BlockCoder(model, prior, np.zeros(count, bool), 0, kind == 2, is_generic)
    for values in (4 * rng(kind).normal(size=(frames, count)), 900 * rng(3).normal(size=(frames, count))):
        context = coder._build_context(frames, count, kind)
        context = context._replace(expected=context.expected.copy())
        quantized, places = coder.run(RangeEncoder(), kind, frames - 2, values)
        found = np.zeros(((frames - 2) * count, coefficients.FEATURES), np.int32)
        coefficients.read_features(found, quantized, context, frames - 2)
        hidden = found.astype(np.int64)
        for weights, bias in ((model.w1, model.b1), (model.w2, model.b2)):
            hidden = np.maximum((hidden @ weights + bias) >> 8, 0)
        expected = np.clip((hidden @ model.w3 + model.b3[0]) >> 8, 0, (ROWS - 1) * FINE)
        assert np.array_equal(places[: frames - 2].ravel() % PLACES, expected) and len(set(expected)) > 5
