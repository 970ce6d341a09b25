"""The range coder: round trips, code length against the ideal and against constriction, carries, endings, attacks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from posecodec.entropy import range_coder as rc
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kernels import kernel

N = 100_000
Symbol = tuple[str, int, int, int]


@st.composite
def symbols(draw: st.DrawFn) -> Symbol:
    """(kind, start, freq, size): an interval of a power of two, of any total, or raw bits."""
    kind = draw(st.sampled_from(["bits", "total", "raw"]))
    size = draw(st.integers(1, rc.MAX_TOTAL) if kind == "total" else st.integers(0, rc.MAX_BITS))
    total = size if kind == "total" else 1 << size
    start = draw(st.integers(0, total - 1) | st.sampled_from([0, total - 1]))
    freq = 1 if kind == "raw" else draw(st.integers(1, total - start) | st.sampled_from([1, total - start]))
    return kind, start, freq, size


def encode(stream: list[Symbol]) -> bytes:
    encoder = RangeEncoder()
    for kind, start, freq, size in stream:
        if kind == "raw":
            encoder.put_bits(start, size)
        elif kind == "bits":
            encoder.put(start, freq, size)
        else:
            encoder.put_total(start, freq, size)
    return encoder.finish()


def decodes(data: bytes, stream: list[Symbol]) -> bool:
    """Whether `data` holds `stream`; CorruptError is a no."""
    decoder = RangeDecoder(data)
    try:
        for kind, start, freq, size in stream:
            if kind == "raw":
                if decoder.get_bits(size) != start:
                    return False
                continue
            target = decoder.get_target(size) if kind == "bits" else decoder.get_target_total(size)
            if not start <= target < start + freq:
                return False
            (decoder.advance if kind == "bits" else decoder.advance_total)(start, freq, size)
        decoder.finish()
    except CorruptError:
        return False
    return True


@kernel
def put_all(
    state: NDArray[np.int64], out: NDArray[np.uint8], table: NDArray[np.int64], values: NDArray[np.int64]
) -> None:
    for value in values:
        rc.put(state, out, table[value], table[value + 1] - table[value], rc.MAX_BITS)


@kernel
def get_all(
    state: NDArray[np.int64], data: NDArray[np.uint8], table: NDArray[np.int64], values: NDArray[np.int64]
) -> None:
    for i in range(values.size):
        target = rc.get_target(state, rc.MAX_BITS)
        value = np.searchsorted(table, target, side="right") - 1
        rc.advance(state, data, table[value], table[value + 1] - table[value], rc.MAX_BITS)
        values[i] = value


@kernel
def put_ternary(state: NDArray[np.int64], out: NDArray[np.uint8], values: NDArray[np.int64]) -> None:
    for value in values:
        rc.put_total(state, out, value, 1, 3)


@kernel
def get_ternary(state: NDArray[np.int64], data: NDArray[np.uint8], values: NDArray[np.int64]) -> None:
    for i in range(values.size):
        values[i] = rc.get_target_total(state, 3)
        rc.advance_total(state, data, values[i], 1, 3)


def frequencies(kind: str) -> NDArray[np.int64]:
    """Static tables that sum to 2**16."""
    if kind == "single":
        return np.array([rc.MAX_TOTAL - 1, 1])
    if kind == "single, last":
        return np.array([1, rc.MAX_TOTAL - 1])
    weights = np.ones(1000) if kind == "uniform" else 0.7 ** np.arange(40)
    freqs = np.maximum(1, np.floor(weights / weights.sum() * rc.MAX_TOTAL)).astype(np.int64)
    freqs[0] += rc.MAX_TOTAL - freqs.sum()
    return freqs


def coded(kind: str) -> tuple[NDArray[np.int64], NDArray[np.int64], bytes, float]:
    """Values drawn from a table, the table's frequencies, their code, and their ideal length in bits."""
    freqs = frequencies(kind)
    values = np.random.default_rng(7).choice(freqs.size, N, p=freqs / rc.MAX_TOTAL)
    if kind.startswith("single"):
        values[:] = freqs.argmax()
    encoder = RangeEncoder()
    encoder.run(put_all, N * rc.MAX_PUT_BYTES, np.concatenate([[0], np.cumsum(freqs)]), values)
    return values, freqs, encoder.finish(), -float(np.log2(freqs[values] / rc.MAX_TOTAL).sum())


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ([], ""),
        ([("raw", 0, 1, 16)], ""),
        ([("raw", 1, 1, 1)], "80"),
        ([("bits", 3, 1, 2)], "c0"),
        ([("total", 1, 1, 3)], "56"),  # 0x56 is the first byte in [256/3, 512/3)
        ([("raw", 0xABCD, 1, 16), ("raw", 0xEF, 1, 8)], "abcdef"),
        ([("bits", 0, 1, 0), ("total", 0, 1, 1), ("raw", 0, 1, 0)], ""),
    ],
)
def test_worked_by_hand(stream: list[Symbol], data: str) -> None:
    assert encode(stream).hex() == data
    assert decodes(encode(stream), stream)


@settings(max_examples=150, deadline=None)
@given(st.lists(symbols(), max_size=60))
def test_round_trip(stream: list[Symbol]) -> None:
    data = encode(stream)
    assert decodes(data, stream)
    totals = [(freq, size if kind == "total" else 2**size) for kind, _, freq, size in stream]
    ideal = sum(np.log2(total / freq) for freq, total in totals)
    assert 8 * len(data) <= ideal + 16


@settings(max_examples=150, deadline=None)
@given(st.lists(symbols(), max_size=12))
def test_last_byte_is_needed(stream: list[Symbol]) -> None:
    data = encode(stream)
    assert not data or not decodes(data[:-1], stream)


@pytest.mark.compiled
def test_nothing_shorter_decodes() -> None:
    """Brute force over every string of fewer bytes."""
    shorter = [bytes(s) for n in range(2) for s in itertools.product(range(256), repeat=n)]
    rng = np.random.default_rng(3)
    for _ in range(40):
        stream: list[Symbol] = []
        while len(encode(stream)) < 2:
            total = int(rng.integers(1, 60))
            stream.append(("total", int(rng.integers(total)), 1, total))
            data = encode(stream)
            assert not any(decodes(s, stream) for s in shorter if len(s) < len(data))


def test_power_of_two_totals_agree() -> None:
    stream = [("bits", i * 97 % 1000, 1 + i % 24, 10) for i in range(200)]
    assert encode(stream) == encode([("total", start, freq, 1 << bits) for _, start, freq, bits in stream])


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["skewed", "uniform", "single", "single, last"])
def test_length_is_ideal(kind: str) -> None:
    values, freqs, data, ideal = coded(kind)
    assert 8 * len(data) <= 1.001 * ideal + 64
    decoder, back = RangeDecoder(data), np.empty_like(values)
    decoder.run(get_all, np.concatenate([[0], np.cumsum(freqs)]), back)
    decoder.finish()
    assert np.array_equal(back, values)


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["skewed", "uniform", "single"])
def test_no_longer_than_constriction(kind: str) -> None:
    constriction = pytest.importorskip("constriction")
    values, freqs, data, _ = coded(kind)
    model = constriction.stream.model.Categorical(freqs / rc.MAX_TOTAL, perfect=True)
    oracle = constriction.stream.queue.RangeEncoder()
    oracle.encode(values.astype(np.int32), model)
    assert 8 * len(data) <= 32 * oracle.get_compressed().size + 64


@pytest.mark.compiled
@pytest.mark.parametrize("code", [b"\x7f" + b"\xff" * 200, b"\x80" + b"\0" * 200])
def test_carry_runs_through_long_runs(code: bytes) -> None:
    """Ternary symbols that hug 1/2 leave 7f ff ff .. or 80 00 00 .. behind, and the last ones decide which."""
    hugging = np.zeros(900, np.int64)
    RangeDecoder(code).run(get_ternary, hugging)
    heads = set()
    for tail in itertools.product(range(3), repeat=5):
        values = np.concatenate([hugging[: 900 - 5 * (tail[0] + 1)], tail])
        encoder = RangeEncoder()
        encoder.run(put_ternary, 2 * values.size, values)
        data = encoder.finish()
        heads.add(data[:100])
        again, back = RangeDecoder(data), np.zeros_like(values)
        again.run(get_ternary, back)
        again.finish()
        assert np.array_equal(back, values)
    assert heads == {b"\x7f" + b"\xff" * 99, b"\x80" + b"\0" * 99}


def test_long_runs_of_ff() -> None:
    stream: list[Symbol] = [("raw", 0xFFFF, 1, 16)] * 500
    assert encode(stream) == b"\xff" * 1000
    assert decodes(encode(stream), stream)


def test_zeros_are_dropped_but_not_without_end() -> None:
    """A stream of zero bits ends where the decoder has read MAX_OVERRUN bytes too many, and still decodes."""
    stream: list[Symbol] = [("raw", 0, 1, 8)] * 100
    data = encode(stream)
    decoder = RangeDecoder(data)
    assert [decoder.get_bits(8) for _ in stream] == [0] * 100
    assert decoder.overrun == rc.MAX_OVERRUN
    assert data == b"\0" * 95


def test_finish_leaves_the_encoder_as_it_was() -> None:
    encoder = RangeEncoder()
    encoder.put_bits(0x1234, 16)
    assert encoder.finish() == encoder.finish() == b"\x12\x34"
    encoder.put_bits(0x56, 8)
    assert encoder.finish() == b"\x12\x34\x56"


def test_overrun_is_corrupt() -> None:
    decoder = RangeDecoder(b"\x12\x34")
    assert decoder.get_bits(16) == 0x1234
    assert (decoder.get_bits(16), decoder.get_bits(16), decoder.overrun) == (0, 0, 7)
    with pytest.raises(CorruptError, match="9 bytes past its end"):
        decoder.get_bits(16)


def test_bytes_left_over_are_corrupt() -> None:
    for data in (b"\x12\x34", b"\x12\x34\x56"):
        decoder = RangeDecoder(data)
        assert decoder.get_bits(16) == 0x1234
        if len(data) == 2:
            decoder.finish()
            continue
        with pytest.raises(CorruptError, match="3 bytes where at most 2 were expected"):
            decoder.finish()


@pytest.mark.parametrize(("start", "freq", "bits"), [(0, 1, 8), (5, 0, 8), (300, 10, 8), (-5, 3, 8), (0, 0, 0)])
def test_impossible_interval_is_a_fault(start: int, freq: int, bits: int) -> None:
    decoder = RangeDecoder(b"\x80\x40")
    with pytest.raises(CorruptError, match="symbol"):
        decoder.advance(start, freq, bits)
    with pytest.raises(CorruptError, match="symbol"):
        decoder.get_bits(1)


@pytest.mark.parametrize("total", [0, -1])
def test_impossible_total_is_a_fault(total: int) -> None:
    decoder = RangeDecoder(b"\x80\x40")
    assert decoder.get_target_total(total) == 0
    with pytest.raises(CorruptError):
        decoder.advance_total(0, 1, total)
    encoder = RangeEncoder()
    encoder.put_total(0, 1, total)
    with pytest.raises(AssertionError):
        encoder.finish()


def test_mistakes_of_the_encoder_are_asserted() -> None:
    encoder = RangeEncoder()
    encoder.put(3, 0, 4)
    with pytest.raises(AssertionError, match="empty interval"):
        encoder.finish()
    cramped = RangeEncoder()
    cramped.run(put_ternary, 2, np.ones(10_000, np.int64))
    with pytest.raises(AssertionError, match="wrote more"):
        cramped.finish()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.lists(symbols(), max_size=60))
def test_any_bytes_decode_or_are_corrupt(data: bytes, stream: list[Symbol]) -> None:
    """Wherever the target points, there is a next state, and the intervals of the stream need not even hold it."""
    decodes(data, stream)
    state, code = (
        np.array([int.from_bytes(data[:4].ljust(4, b"\0"), "big"), rc.FULL, 4, 0]),
        np.frombuffer(data, np.uint8),
    )
    for _, start, freq, size in stream:
        if size <= rc.MAX_BITS:
            assert 0 <= rc.get_target(state, size) < 1 << size
            rc.advance(state, code, start, freq, size)
        assert 0 <= rc.get_target_total(state, max(size, 1)) < max(size, 1)
        rc.advance_total(state, code, rc.get_target_total(state, max(size, 1)), 1, max(size, 1))
        assert rc.BOTTOM <= state[rc.RANGE] <= rc.FULL
        assert 0 <= state[rc.OFFSET] < state[rc.RANGE]
