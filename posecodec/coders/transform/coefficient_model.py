"""Quantized transform coefficients as range-coded integers, by a small integer network over their neighbors.

For every coefficient the network reads what is already known (magnitudes at lower frequencies and in channels before,
the block before, what the channel usually has at this frequency) and says how large it expects it to be: a place among
ROWS rows of adaptive probabilities, one row per half octave of magnitude. Everything is integers, so encoder and decoder
agree on every machine. The encoder's kernel also chooses the integers: those that cost least in error and bits together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_TOTAL,
    Int,
    get_binary,
    get_bits,
    is_sound,
    kernel,
    put,
    put_bits,
)
from posecodec.typing import Ints

FEATURES = 22
ROWS = 32
UNARY = 14
ESCAPE = 24
SLOTS = UNARY + ESCAPE
FINE = 16
"""Steps between two rows."""
LAST_MIXED = 13
"""Up to this row probabilities are interpolated; from the next on magnitudes have raw low bits."""
RATE = 7
LEAST = 24
BINS = 16
LARGEST = 2**29
PAD = 4
MAX_COEFFICIENT_BYTES = 2 * (SLOTS + 8)
LOG16 = np.array([0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15], np.int64)
EXP16 = np.array(
    [
        65536,
        68438,
        71468,
        74632,
        77936,
        81386,
        84990,
        88752,
        92682,
        96785,
        101070,
        105545,
        110218,
        115098,
        120194,
        125515,
    ],
    np.int64,
)
CENTROIDS = 3


@dataclass(frozen=True, eq=False)
class CoefficientModel:
    """The learned tables, part of the weights.

    w1 (F, H), b1 (H,), w2 (H, G), b2 (G,), w3 (G,), b3 (1,): the network, int32, in units of 1/256.
    rows: (ROWS, SLOTS) int32 probabilities of a one, times 2**16. shifts: (ROWS, 3) int32, how far from q towards zero
    a coefficient of magnitude 1, 2, more lies on average, in 1/256 of a step.
    """

    w1: NDArray[np.int32]
    b1: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]
    rows: NDArray[np.int32]
    shifts: NDArray[np.int32]


@kernel
def log16(value: Int) -> Int:
    """16 x log2 of an integer >= 1, rounded down to about a sixteenth of an octave."""
    size = np.int64(0)
    rest = np.int64(value)
    while rest > 65535:
        rest >>= 16
        size += 16
    while rest > 1:
        rest >>= 1
        size += 1
    frac = ((np.int64(value) << 4) >> size) & 15
    return 16 * size + LOG16[frac]


@kernel
def exp16(value: Int) -> Int:
    """2**(value / 16) as an integer, rounded down; 0 for very negative values, below 2**41."""
    whole = min(np.int64(value) >> 4, np.int64(40))
    mantissa = EXP16[np.int64(value) & 15]
    if whole >= 16:
        return mantissa << (whole - 16)
    return mantissa >> min(16 - whole, np.int64(62))


@kernel
def _features(x, mags, before, usual, tail, k, c, count, size, first, position):  # type: ignore[no-untyped-def]
    """Fill x with what is known before coefficient (k, c): logs in sixteenths of an octave.

    mags: (N + 4, C + 8) log magnitudes of this block, padded; before: (N + 2, C) of the block before, laid on this
    block's frequencies; usual: log of the magnitude expected here; tail: running surpluses over what was usual.
    """
    r, j = k + PAD, c + PAD
    x[0] = mags[r - 1, j]
    x[1] = mags[r - 2, j]
    x[2] = mags[r - 3, j] + mags[r - 4, j]
    x[3] = mags[r, j - 1]
    x[4] = mags[r, j - 2]
    x[5] = mags[r, j - 3] + mags[r, j - 4]
    x[6] = mags[r - 1, j + 1]
    x[7] = mags[r - 1, j - 1]
    x[8] = mags[r - 1, j + 2] + mags[r - 1, j - 2]
    x[9] = mags[r - 2, j + 1] + mags[r - 2, j - 1]
    x[10] = before[k + 1, c]
    x[11] = before[k, c] + before[k + 2, c]
    x[12] = usual
    x[13] = tail[0]
    x[14] = tail[1]
    x[15] = tail[2]
    x[16] = position
    x[17] = size
    x[18] = (256 * c) // count
    x[19] = 64 if first & 3 == 0 else 0
    x[20] = 64 if first & 3 == 2 else 0
    x[21] = 64 if first & 4 else 0


@kernel
def _place(x, w1, b1, w2, b2, w3, b3, h1, h2):  # type: ignore[no-untyped-def]
    """The network: where among the rows, in sixteenths of a row."""
    for i in range(h1.size):
        h1[i] = b1[i]
    for f in range(x.size):
        v = x[f]
        if v != 0:
            for i in range(h1.size):
                h1[i] += v * w1[f, i]
    for i in range(h2.size):
        h2[i] = b2[i]
    for f in range(h1.size):
        v = h1[f] >> 8
        if v > 0:
            for i in range(h2.size):
                h2[i] += v * w2[f, i]
    total = np.int64(b3[0])
    for f in range(h2.size):
        v = h2[f] >> 8
        if v > 0:
            total += np.int64(v) * w3[f]
    return min(max(total >> 8, np.int64(0)), np.int64((ROWS - 1) * FINE))


@kernel
def _low_bits(row: Int) -> Int:
    return max(np.int64(0), (np.int64(row) - 14) >> 1)


@kernel
def _chance(rows, row, weight, slot):  # type: ignore[no-untyped-def]
    """The probability of a one, times 2**16, between two rows."""
    one = np.int64(rows[row, slot])
    if weight:
        one = ((FINE - weight) * one + weight * np.int64(rows[row + 1, slot])) >> 4
    return min(max(one, np.int64(LEAST)), np.int64(MAX_TOTAL - LEAST))


@kernel
def _learn(rows, row, weight, slot, bit):  # type: ignore[no-untyped-def]
    goal = np.int64(MAX_TOTAL - 1) if bit else np.int64(0)
    rows[row, slot] += (goal - rows[row, slot]) >> RATE
    if weight:
        rows[row + 1, slot] += (goal - rows[row + 1, slot]) >> RATE


@kernel
def _put_bit(state, out, rows, row, weight, slot, bit):  # type: ignore[no-untyped-def]
    one = _chance(rows, row, weight, slot)
    if bit:
        put(state, out, MAX_TOTAL - one, one, MAX_BITS)
    else:
        put(state, out, np.int64(0), MAX_TOTAL - one, MAX_BITS)
    _learn(rows, row, weight, slot, bit)


@kernel
def _get_bit(state, data, rows, row, weight, slot):  # type: ignore[no-untyped-def]
    bit = get_binary(state, data, MAX_TOTAL - _chance(rows, row, weight, slot))
    _learn(rows, row, weight, slot, bit)
    return bit


@kernel
def _put_raw(state, out, value, bits):  # type: ignore[no-untyped-def]
    low = min(bits, np.int64(MAX_BITS))
    put_bits(state, out, value >> low, bits - low)
    put_bits(state, out, value & ((np.int64(1) << low) - 1), low)


@kernel
def _get_raw(state, data, bits):  # type: ignore[no-untyped-def]
    low = min(bits, np.int64(MAX_BITS))
    high = get_bits(state, data, bits - low)
    return (high << low) | get_bits(state, data, low)


@kernel
def put_coefficient(state, out, rows, place, value):  # type: ignore[no-untyped-def]
    """Code one integer below 2**29 in magnitude at a place among the rows, and learn from it."""
    row, weight = place >> 4, place & 15
    if row > LAST_MIXED:
        weight = np.int64(0)
    low = _low_bits(row)
    size = abs(np.int64(value))
    high = size >> low
    unary = min(high, np.int64(UNARY))
    for slot in range(unary):
        _put_bit(state, out, rows, row, weight, slot, np.int64(1))
    if high < UNARY:
        _put_bit(state, out, rows, row, weight, high, np.int64(0))
    else:
        rest = high - UNARY + 1
        length = np.int64(0)
        while rest >> (length + 1):
            _put_bit(state, out, rows, row, weight, min(UNARY + length, SLOTS - 1), np.int64(1))
            length += 1
        _put_bit(state, out, rows, row, weight, min(UNARY + length, SLOTS - 1), np.int64(0))
        _put_raw(state, out, rest - (np.int64(1) << length), length)
    _put_raw(state, out, size - (high << low), low)
    if size:
        put_bits(state, out, np.int64(value < 0), np.int64(1))


@kernel
def get_coefficient(state, data, rows, place):  # type: ignore[no-untyped-def]
    """The mirror of `put_coefficient`; an integer beyond 2**29 is a fault and returns 0."""
    row, weight = place >> 4, place & 15
    if row > LAST_MIXED:
        weight = np.int64(0)
    low = _low_bits(row)
    high = np.int64(0)
    while high < UNARY and _get_bit(state, data, rows, row, weight, high):
        high += 1
    if high == UNARY:
        length = np.int64(0)
        while length < 30 and _get_bit(state, data, rows, row, weight, min(UNARY + length, SLOTS - 1)):
            length += 1
        high += (np.int64(1) << length) + _get_raw(state, data, length) - 1
    size = (high << low) + _get_raw(state, data, low)
    if size >= LARGEST:
        state[FAULT] = 1
        return np.int64(0)
    if size and get_bits(state, data, np.int64(1)):
        return -size
    return size


@kernel
def _bits(rows, place, size):  # type: ignore[no-untyped-def]
    """About how many bits a magnitude costs: for the encoder's choice only, so floats are fine."""
    row, weight = place >> 4, place & 15
    if row > LAST_MIXED:
        weight = np.int64(0)
    low = _low_bits(row)
    high = size >> low
    chance = 1.0
    bits = float(low) + (1.0 if size else 0.0)
    for slot in range(min(high, np.int64(UNARY))):
        chance *= _chance(rows, row, weight, slot) / MAX_TOTAL
    if high < UNARY:
        chance *= 1.0 - _chance(rows, row, weight, high) / MAX_TOTAL
    else:
        bits += 2.0 * np.log2(high - UNARY + 1.0) + 1.0
    return bits - np.log2(chance)


@kernel
def _choose(rows, place, value, thrift):  # type: ignore[no-untyped-def]
    """The integer that costs least: squared error + thrift x bits, among the two around the value and 0."""
    size = abs(value)
    near = np.int64(size + 0.5)
    if near == 0:
        return np.int64(0)
    best, cost = near, (size - near) ** 2 + thrift * _bits(rows, place, near)
    other = near - 1
    price = (size - other) ** 2 + thrift * _bits(rows, place, other)
    if price < cost:
        best, cost = other, price
    if other > 0 and other < 3:
        if size**2 + thrift * _bits(rows, place, np.int64(0)) < cost:
            best = np.int64(0)
    return -best if value < 0 else best


@kernel
def _take_in(value, usual, mags, tail, tails, k, c):  # type: ignore[no-untyped-def]
    """Remember a coefficient for the features of those after it; its surplus over what was usual."""
    log = log16(1 + abs(np.int64(value)))
    mags[k + PAD, c + PAD] = log
    surplus = log - max(usual - 112, np.int64(0))
    tail[0] += surplus - (tail[0] >> 3)
    tails[c] += surplus - (tails[c] >> 2)
    return surplus


@kernel
def code_block(  # type: ignore[no-untyped-def]
    state, stream, encoding, values, thrift, quantized, places, mags, before, expected, bins, tails, positions,
    first, w1, b1, w2, b2, w3, b3, rows, limit,
):  # fmt: skip
    """Encode or decode one block in order of frequency, then channel.

    values: (N, C) float64 in steps, for the encoder. quantized: (N, C) int32, filled. places: (N, C) int16, filled.
    mags: (N + 4, C + 8) zeros, filled. before: (N + 2, C) int32. expected: (C, BINS) int64 mean magnitudes in 1/256.
    bins, positions: (N,). tails: (C,) zeros. limit: frequencies that are coded, the rest is zero.
    """
    count = quantized.shape[1]
    x = np.zeros(FEATURES, np.int32)
    h1, h2 = np.zeros(b1.size, np.int32), np.zeros(b2.size, np.int32)
    tail = np.zeros(3, np.int64)
    size = log16(quantized.shape[0])
    for k in range(limit):
        tail[0] = 0
        row_sum = np.int64(0)
        for c in range(count):
            usual = log16(1 + expected[c, bins[k]])
            tail[1] = tails[c] >> 2
            _features(x, mags, before, usual, tail, k, c, count, size, first, positions[k])
            place = _place(x, w1, b1, w2, b2, w3, b3, h1, h2)
            places[k, c] = place
            if encoding:
                value = _choose(rows, place, values[k, c], thrift)
                quantized[k, c] = value
                put_coefficient(state, stream, rows, place, value)
            else:
                quantized[k, c] = get_coefficient(state, stream, rows, place)
            row_sum += _take_in(quantized[k, c], usual, mags, tail, tails, k, c)
        tail[2] = (16 * row_sum) // count + (tail[2] >> 1)
        if not encoding and not is_sound(state, stream):
            return


@kernel
def update_expected(expected, bins, quantized, seen):  # type: ignore[no-untyped-def]
    """Move what each channel is expected to have towards what this block had: by half at first, later by a quarter."""
    total = np.zeros(BINS, np.int64)
    number = np.zeros(BINS, np.int64)
    for k in range(quantized.shape[0]):
        number[bins[k]] += 1
    for c in range(quantized.shape[1]):
        total[:] = 0
        for k in range(quantized.shape[0]):
            total[bins[k]] += min(abs(np.int64(quantized[k, c])), np.int64(1 << 20))
        for b in range(BINS):
            if number[b]:
                mean = (total[b] << 8) // number[b]
                expected[c, b] += (mean - expected[c, b]) >> (1 if seen == 0 else 2)


def frequency_bins(frames: int) -> Ints:
    """(N,) which of BINS half octaves of frequency each coefficient of a block of N frames is in."""
    twice = (2 * np.arange(frames, dtype=np.int64) + 1) * 128 // frames
    logs = np.array([log16(max(int(v), 1)) for v in twice], np.int64)
    return np.minimum(logs // 8, BINS - 1).astype(np.int64)


@kernel
def read_features(out, quantized, mags, before, expected, bins, tails, positions, first, limit):  # type: ignore[no-untyped-def]
    """For training: the features (limit * C, FEATURES) that `code_block` sees where it codes `quantized`."""
    count = quantized.shape[1]
    tail = np.zeros(3, np.int64)
    size = log16(quantized.shape[0])
    for k in range(limit):
        tail[0] = 0
        row_sum = np.int64(0)
        for c in range(count):
            usual = log16(1 + expected[c, bins[k]])
            tail[1] = tails[c] >> 2
            _features(out[k * count + c], mags, before, usual, tail, k, c, count, size, first, positions[k])
            row_sum += _take_in(quantized[k, c], usual, mags, tail, tails, k, c)
        tail[2] = (16 * row_sum) // count + (tail[2] >> 1)
