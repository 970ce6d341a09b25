"""Magnitudes as adaptive binary decisions, at a place among rows of probabilities, and what they cost.

A row stands for an expected magnitude; there is a set of rows for each quantizer (see `trellis`). Signs are raw bits.
"""

from __future__ import annotations

import numpy as np

from posecodec.entropy.binarization import get_raw, put_raw
from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_PUT_BYTES,
    MAX_TOTAL,
    get_binary,
    get_bits,
    put,
    put_bits,
)
from posecodec.kernels import kernel

ROWS = 32  # Rows of probabilities, half an octave of magnitude apart: up to 2**16 steps
FINE = 16  # Places from one row to the next, of which the network picks one
PLACES = ROWS * FINE  # Of a set; those of the odd quantizer's come after the even one's
LAST_MIXED = 13  # Up to this row probabilities are interpolated; from the next on magnitudes have raw low bits
UNARY = 14  # Magnitudes, less their raw low bits, that are said in unary
ESCAPE = 24  # Slots for the length of what is left of larger ones
SLOTS = UNARY + ESCAPE
RATE = 7  # Rows move by 2**-RATE of what they were wrong by: they are trained, and a chunk changes little
LEAST = 24  # No probability is below this many 65536ths
LARGEST = 2**29  # Magnitude that no coefficient reaches, so that what is computed of it stays in 32 bits
MAX_COEFFICIENT_BYTES = MAX_PUT_BYTES * (SLOTS + 8)


@kernel
def _split_place(place):  # type: ignore[no-untyped-def]
    """The row below a place, the next one's weight in sixteenths, and how many low bits are raw there."""
    row = np.int64(place >> 4)
    size = row & (ROWS - 1)
    if size > LAST_MIXED:
        return row, np.int64(0), (size - LAST_MIXED - 1) >> 1
    return row, np.int64(place & 15), np.int64(0)


@kernel
def _probability(rows, row, weight, slot):  # type: ignore[no-untyped-def]
    """The probability of a one, times 2**16, between two rows."""
    one = np.int64(rows[row, slot])
    if weight:
        one = ((FINE - weight) * one + weight * np.int64(rows[row + 1, slot])) >> 4
    return min(max(one, np.int64(LEAST)), np.int64(MAX_TOTAL - LEAST))


@kernel
def _adapt(rows, row, weight, slot, bit):  # type: ignore[no-untyped-def]
    goal = np.int64(MAX_TOTAL - 1) if bit else np.int64(0)
    rows[row, slot] += (goal - rows[row, slot]) >> RATE
    if weight:
        rows[row + 1, slot] += (goal - rows[row + 1, slot]) >> RATE


@kernel
def _put_bit(state, out, rows, row, weight, slot, bit):  # type: ignore[no-untyped-def]
    one = _probability(rows, row, weight, slot)
    if bit:
        put(state, out, MAX_TOTAL - one, one, MAX_BITS)
    else:
        put(state, out, np.int64(0), MAX_TOTAL - one, MAX_BITS)
    _adapt(rows, row, weight, slot, bit)


@kernel
def _get_bit(state, data, rows, row, weight, slot):  # type: ignore[no-untyped-def]
    bit = get_binary(state, data, MAX_TOTAL - _probability(rows, row, weight, slot))
    _adapt(rows, row, weight, slot, bit)
    return bit


@kernel
def put_coefficient(state, out, rows, place, value):  # type: ignore[no-untyped-def]
    """Code one integer below 2**29 in magnitude at a place among the rows, and learn from it."""
    row, weight, low = _split_place(place)
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
        put_raw(state, out, rest - (np.int64(1) << length), length)
    put_raw(state, out, size - (high << low), low)
    if size:
        put_bits(state, out, np.int64(value < 0), np.int64(1))


@kernel
def get_coefficient(state, data, rows, place):  # type: ignore[no-untyped-def]
    """The mirror of `put_coefficient`; an integer beyond 2**29 is a fault and returns 0."""
    row, weight, low = _split_place(place)
    high = np.int64(0)
    while high < UNARY and _get_bit(state, data, rows, row, weight, high):
        high += 1
    if high == UNARY:
        length = np.int64(0)
        while length < 30 and _get_bit(state, data, rows, row, weight, min(UNARY + length, SLOTS - 1)):
            length += 1
        high += (np.int64(1) << length) + get_raw(state, data, length) - 1
    size = (high << low) + get_raw(state, data, low)
    if size >= LARGEST:
        state[FAULT] = 1
        return np.int64(0)
    if size and get_bits(state, data, np.int64(1)):
        return -size
    return size


@kernel
def estimate_bits(rows, place, size):  # type: ignore[no-untyped-def]
    """About how many bits a magnitude costs: for the encoder's choice only, so floats are fine."""
    row, weight, low = _split_place(place)
    high = size >> low
    chance = 1.0
    bits = float(low) + (1.0 if size else 0.0)
    for slot in range(min(high, np.int64(UNARY))):
        chance *= _probability(rows, row, weight, slot) / MAX_TOTAL
    if high < UNARY:
        chance *= 1.0 - _probability(rows, row, weight, high) / MAX_TOTAL
    else:
        bits += 2.0 * np.log2(high - UNARY + 1.0) + 1.0
    return bits - np.log2(chance)
