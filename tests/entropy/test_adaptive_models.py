"""The adaptive models: round trips in mixed streams, how fast they learn, golden bytes, attacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecodec.entropy import adaptive_models
from posecodec.entropy.binarization import INT_SLOTS, MAX_INT_BYTES, get_int, int_model, put_int
from posecodec.entropy.range_coder import MAX_TOTAL, RangeDecoder, RangeEncoder, is_sound
from posecodec.errors import CorruptError
from posecodec.kernels import kernel

N = 100_000
GOLDEN = (
    "7ff04c138732ac5c064f85f23feed7fbc0f3b56555bc96b5a974aae3d90e590be098535ff4db6008da88bb91e2ffffffffff"
    "fad9701bafffffff74c7eb039c06f445982feca26e3d3d311bf0f08e94ae"
)

int32s = st.integers(-(2**31), 2**31 - 1) | st.integers(-20, 20) | st.sampled_from([-(2**31), 2**31 - 1])


@kernel
def put_bit_run(
    state: NDArray[np.int64], out: NDArray[np.uint8], probs: NDArray[np.int32], bits: NDArray[np.int64]
) -> None:
    for bit in bits:
        adaptive_models.put_bit(state, out, probs, np.int64(0), bit)


@kernel
def get_bit_run(
    state: NDArray[np.int64], data: NDArray[np.uint8], probs: NDArray[np.int32], bits: NDArray[np.int64]
) -> None:
    for i in range(bits.size):
        bits[i] = adaptive_models.get_bit(state, data, probs, np.int64(0))


@kernel
def put_int_run(state, out, values, probs, contexts):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        put_int(state, out, probs, contexts[i], values[i])


@kernel
def get_int_run(state, data, values, probs, contexts):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        values[i] = get_int(state, data, probs, contexts[i])
        if not is_sound(state, data):
            return


def encode_ints(
    encoder: RangeEncoder, values: NDArray[np.int64], probs: NDArray[np.int32], contexts: NDArray[np.int64]
) -> None:
    encoder.run(put_int_run, values.size * MAX_INT_BYTES, values, probs, contexts)


def decode_ints(
    decoder: RangeDecoder, n: int, probs: NDArray[np.int32], contexts: NDArray[np.int64]
) -> NDArray[np.int32]:
    values = np.zeros(n, np.int32)
    decoder.run(get_int_run, values, probs, contexts)
    return values


def coded_ints(values: NDArray[np.int64], probs: NDArray[np.int32]) -> bytes:
    encoder = RangeEncoder()
    encode_ints(encoder, values, probs, np.zeros(values.size, np.int64))
    return encoder.finish()


def coded_bits(bits: NDArray[np.int64]) -> bytes:
    encoder = RangeEncoder()
    encoder.run(put_bit_run, 2 * bits.size, adaptive_models.bit_model(1), bits)
    return encoder.finish()


def entropy_bits(values: NDArray[np.int64]) -> float:
    counts = np.unique(values, return_counts=True)[1]
    return -float((counts * np.log2(counts / values.size)).sum())


def golden_parts() -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Numbers, a mask and symbols that depend on no generator."""
    i = np.arange(60)
    numbers = np.concatenate([(i * i * 37 % 23 - 11) // (1 + i % 4), [14, -15, 16, 70000, -(2**31), 2**31 - 1]])
    return numbers, (i[:40] * 7 % 11 > 1).reshape(8, 5), i * i % 7


def write_golden() -> bytes:
    numbers, mask, symbols = golden_parts()
    encoder = RangeEncoder()
    encode_ints(encoder, numbers, int_model(2), np.arange(numbers.size) % 2)
    adaptive_models.encode_mask(encoder, mask)
    counts = adaptive_models.symbol_model([[30000] * 7, [1, 2, 3, 4, 5, 6, 7]])
    adaptive_models.encode_symbols(encoder, symbols, counts, symbols[::-1] % 2, 5000)
    encoder.put_bits(0x2A, 7)
    return encoder.finish()


def check_golden() -> None:
    """What is written is the golden string, and it reads back; runs with and without numba's compiler."""
    numbers, mask, symbols = golden_parts()
    assert write_golden().hex() == GOLDEN
    decoder = RangeDecoder(bytes.fromhex(GOLDEN))
    back = decode_ints(decoder, numbers.size, int_model(2), np.arange(numbers.size) % 2)
    assert np.array_equal(back, numbers)
    assert np.array_equal(adaptive_models.decode_mask(decoder, *mask.shape), mask)
    counts = adaptive_models.symbol_model([[30000] * 7, [1, 2, 3, 4, 5, 6, 7]])
    assert np.array_equal(
        adaptive_models.decode_symbols(decoder, symbols.size, counts, symbols[::-1] % 2, 5000), symbols
    )
    assert decoder.get_bits(7) == 0x2A
    decoder.finish()


def test_golden() -> None:
    check_golden()


@pytest.mark.compiled
def test_golden_without_compiler() -> None:
    """Python's arithmetic and the compiled one agree, in another process, with overflow an error."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", f"import {Path(__file__).stem} as t; t.check_golden()"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path},
        check=True,
    )


def test_package_is_light() -> None:
    code = "import sys, posecodec.entropy; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    root = str(ROOT)
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=True)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_mixed_stream_round_trips(data: st.DataObject) -> None:
    """Everything after everything else, in one stream, with models that start equal and end equal."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    parts = data.draw(st.lists(st.sampled_from(["ints", "symbols", "mask", "raw"]), max_size=5))
    rng = np.random.default_rng(seed)
    rows, size = int(rng.integers(1, 4)), int(rng.integers(1, 40))
    table = rng.integers(1, 5000, (rows, size))
    increment = int(rng.integers(0, 32769))
    stream: list[tuple[str, Any, NDArray[np.int64]]] = []
    values: Any
    for part in parts:
        if part == "ints":
            values = np.array(data.draw(st.lists(int32s, max_size=30)), dtype=np.int64)
        elif part == "symbols":
            values = rng.integers(0, size, int(rng.integers(0, 30)))
        elif part == "mask":
            values = rng.random(tuple(rng.integers(0, 6, 2))) < rng.random()
        else:
            values = rng.integers(0, 2**16, 3)
        stream.append((part, values, rng.integers(0, rows, values.size)))

    encoder, probs, counts = RangeEncoder(), int_model(rows), adaptive_models.symbol_model(table)
    for part, values, contexts in stream:
        if part == "ints":
            encode_ints(encoder, values, probs, contexts)
        elif part == "symbols":
            adaptive_models.encode_symbols(encoder, values, counts, contexts, increment)
        elif part == "mask":
            adaptive_models.encode_mask(encoder, values)
        else:
            for value in values:
                encoder.put_bits(value, 16)

    decoder, probs_back, counts_back = (
        RangeDecoder(encoder.finish()),
        int_model(rows),
        table.astype(np.int32),
    )
    back: Any
    for part, values, contexts in stream:
        if part == "ints":
            back = decode_ints(decoder, values.size, probs_back, contexts)
        elif part == "symbols":
            back = adaptive_models.decode_symbols(decoder, values.size, counts_back, contexts, increment)
        elif part == "mask":
            back = adaptive_models.decode_mask(decoder, *values.shape)
        else:
            back = np.array([decoder.get_bits(16) for _ in values])
        assert np.array_equal(back, values)
    decoder.finish()
    assert np.array_equal(probs_back, probs) and np.array_equal(counts_back, counts)


def test_every_size_of_int() -> None:
    powers = np.concatenate([2 ** np.arange(32) + d for d in (-2, -1, 0, 1, 13, 14, 15)])
    values = np.clip(np.concatenate([powers, -powers]), -(2**31), 2**31 - 1)
    data = coded_ints(values, int_model(1))
    back = decode_ints(RangeDecoder(data), values.size, int_model(1), np.zeros(values.size, int))
    assert back.dtype == np.int32 and np.array_equal(back, values)


@pytest.mark.parametrize("value", [-(2**31), 2**31 - 1, 0, 14, 15])
def test_worst_case_fits_the_reserve(value: int) -> None:
    """Tables that are as sure as can be of the wrong thing."""
    probs = int_model(1)
    probs[..., :2] = np.where(np.arange(INT_SLOTS) < 1, 65535, 0)[:, None]
    data = coded_ints(np.array([value]), probs.copy())
    assert len(data) <= MAX_INT_BYTES
    assert decode_ints(RangeDecoder(data), 1, probs, np.zeros(1, int)) == [value]


def test_symbols_outside_the_model_are_mistakes() -> None:
    model = adaptive_models.symbol_model([1, 1])
    for symbols, counts, rows in (([2], model, [0]), ([0], model, [1]), ([0], model, [0, 0]), ([0], model * 1.0, [0])):
        with pytest.raises(AssertionError):
            adaptive_models.encode_symbols(RangeEncoder(), symbols, counts, rows)


def test_trained_tables_of_either_dtype() -> None:
    """A table that coding has trained makes the next stream shorter, as int32 and as uint16 alike."""
    values = np.round(np.random.default_rng(1).laplace(0, 2, 400)).astype(np.int64)
    trained = int_model(1)
    coded_ints(values, trained)
    fresh = coded_ints(values[:50], int_model(1))
    assert coded_ints(values[:50], trained.astype(np.uint16)) == coded_ints(values[:50], trained.copy())
    assert len(coded_ints(values[:50], trained.copy())) < len(fresh)
    decoder = RangeDecoder(coded_ints(values[:50], trained.copy()))
    back = decode_ints(decoder, 50, trained.astype(np.uint16), np.zeros(50, int))
    assert np.array_equal(back, values[:50])


@pytest.mark.compiled
@pytest.mark.parametrize(("p", "n", "overhead"), [(0.5, 200, 0.12), (0.05, 200, 0.16), (0.2, N, 0.04), (0.01, N, 0.12)])
def test_bits_are_learned_quickly(p: float, n: int, overhead: float) -> None:
    """Within a few bits of the entropy at once, and within the price of windows of 16 and 128 in the end."""
    bits = (np.arange(n) * 0.6180339887498949 % 1 < p).astype(np.int64)
    np.random.default_rng(0).shuffle(bits)
    data = coded_bits(bits)
    assert 8 * len(data) <= (1 + overhead) * entropy_bits(bits) + 16
    decoder, back = RangeDecoder(data), np.empty_like(bits)
    decoder.run(get_bit_run, adaptive_models.bit_model(1), back)
    decoder.finish()
    assert np.array_equal(back, bits)


@pytest.mark.compiled
@pytest.mark.parametrize("bit", [0, 1])
def test_a_constant_bit_costs_next_to_nothing(bit: int) -> None:
    assert len(coded_bits(np.full(20, bit))) <= 1
    assert 8 * len(coded_bits(np.full(N, bit))) <= 0.001 * N


@pytest.mark.compiled
def test_ints_cost_about_their_entropy() -> None:
    values = np.round(np.random.default_rng(2).laplace(0, 3, N)).astype(np.int64)
    assert 8 * len(coded_ints(values, int_model(1))) <= 1.02 * entropy_bits(values)


def test_all_true_mask_is_free() -> None:
    encoder = RangeEncoder()
    adaptive_models.encode_mask(encoder, np.ones((1000, 133), bool))
    assert encoder.finish() == b""
    assert adaptive_models.decode_mask(RangeDecoder(b""), 1000, 133).all()


def test_mask_follows_runs() -> None:
    """A keypoint that leaves and comes back once costs a few bytes, not one bit a frame."""
    mask = np.ones((300, 17), bool)
    mask[100:180, 4:7] = False
    encoder = RangeEncoder()
    adaptive_models.encode_mask(encoder, mask)
    assert len(encoder.finish()) < 40
    assert np.array_equal(adaptive_models.decode_mask(RangeDecoder(encoder.finish()), 300, 17), mask)


@pytest.mark.compiled
@pytest.mark.parametrize("size", [1, 2, 300, adaptive_models.MAX_SYMBOLS])
def test_symbol_counts_stay_in_bounds(size: int) -> None:
    """Totals are halved below 2**16, no count reaches 0, and a table that starts above is brought down."""
    rng = np.random.default_rng(size)
    counts = adaptive_models.symbol_model(np.full(size, 100_000 // size + 1))
    symbols = rng.integers(0, size, 2000)
    encoder = RangeEncoder()
    adaptive_models.encode_symbols(encoder, symbols, counts, np.zeros(2000, int), 20_000)
    assert counts.min() >= 1 and counts.sum() <= MAX_TOTAL + 20_000
    again = adaptive_models.symbol_model(np.full(size, 100_000 // size + 1))
    decoder = RangeDecoder(encoder.finish())
    assert np.array_equal(adaptive_models.decode_symbols(decoder, 2000, again, np.zeros(2000, int), 20_000), symbols)


@pytest.mark.compiled
@pytest.mark.parametrize(("size", "skew"), [(1000, 0.0), (50, 0.3)])
def test_static_symbols_cost_the_ideal(size: int, skew: float) -> None:
    """Without an increment the table is static, and any total codes as well as a power of two."""
    table = np.maximum(1, 5000 * np.exp(-skew * np.arange(size))).astype(np.int32)
    symbols = np.random.default_rng(5).choice(size, N, p=table / table.sum())
    counts = adaptive_models.symbol_model(table)
    encoder = RangeEncoder()
    adaptive_models.encode_symbols(encoder, symbols, counts, np.zeros(N, int), 0)
    while table.sum() > MAX_TOTAL:
        table = (table + 1) >> 1
    assert np.array_equal(counts[0], table)
    ideal = -np.log2(table[symbols] / table.sum()).sum()
    assert 8 * len(encoder.finish()) <= 1.001 * ideal + 64


@pytest.mark.parametrize("table", [[[3, 0, 2]], [1] * 4097, [[]]])
def test_bad_tables_are_mistakes(table: list[int]) -> None:
    with pytest.raises(AssertionError):
        adaptive_models.symbol_model(table)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.lists(st.sampled_from(["ints", "symbols", "mask"]), min_size=1, max_size=4))
def test_any_bytes_decode_or_are_corrupt(data: bytes, parts: list[str]) -> None:
    decoder = RangeDecoder(data)
    try:
        for part in parts:
            if part == "ints":
                decode_ints(decoder, 200, int_model(2), np.arange(200) % 2)
            elif part == "symbols":
                symbols = adaptive_models.decode_symbols(
                    decoder, 200, adaptive_models.symbol_model(np.ones(100)), np.zeros(200, int)
                )
                assert symbols.min() >= 0 and symbols.max() < 100
            else:
                assert adaptive_models.decode_mask(decoder, 20, 10).shape == (20, 10)
        decoder.finish()
    except CorruptError:
        pass


def test_int_beyond_int32_is_corrupt() -> None:
    """The longest escape can name 2**31 + 13, which no int32 is."""
    encoder, probs = RangeEncoder(), int_model(1)
    encoder.run(put_int, MAX_INT_BYTES, probs, np.int64(0), np.int64(2**31))
    with pytest.raises(CorruptError, match="symbol"):
        decode_ints(RangeDecoder(encoder.finish()), 1, int_model(1), np.zeros(1, int))


def test_decoding_stops_where_the_bytes_end() -> None:
    """A count that the file made up costs no more time than its bytes are worth."""
    values = np.random.default_rng(0).integers(-(2**31), 2**31, 50)
    data = coded_ints(values, int_model(1))
    probs = int_model(1)
    with pytest.raises(CorruptError, match="past its end"):
        decode_ints(RangeDecoder(data[:-20]), 1000, probs, np.zeros(1000, int))
