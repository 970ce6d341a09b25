"""The integer prior: a small causal network that says how likely every quantized value of a window is.

It reads what the decoder knows already: magnitudes and signs at lower frequencies and in channels before, of the window
before, what is usual here, the step, the length of the window. Its answers are five logits: whether a value is 0, whether
its magnitude is 1, 2, how far beyond, and its sign. Weights, activations and probabilities are integers, so that encoder
and decoder agree on every machine. The encoder's kernel also chooses the values: those that cost least in error and bits.

Units: features in sixteenths (of an octave, of a step), weights in 1/256, logits in 1/256.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.transform.coefficient_model import exp16, log16
from posecodec.coders.windows.frequency_bands import ROWS, reference_rows
from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_TOTAL,
    RangeDecoder,
    RangeEncoder,
    get_binary,
    get_bits,
    is_sound,
    kernel,
    put,
    put_bits,
)
from posecodec.typing import Bools, Floats, Ints

FEATURES = 29
LOGITS = 5
TABLE_REACH = 12
"""Logits beyond this many nats count as this many."""
TABLE = 2 * TABLE_REACH * 64 + 1
LEAST = 8
"""No probability is below this many 65536ths."""
MOST_HIDDEN = 4095
LARGEST = 2**20
BINS = 8
LIMIT_BITS = 12
PAD = 4
DECODE, ENCODE, CHOOSE, READ = 0, 1, 2, 3
MAX_VALUE_BYTES = 2 * 28


@dataclass(frozen=True, eq=False)
class Prior:
    """The learned tables, part of the weights.

    usual: (2, ROWS, C) int32, 16 x log2 of the magnitude that a row and channel of first and later windows usually has.
    by_channel: (2, C, H), by_row: (2, ROWS, H), w1: (FEATURES, H), w2: (H, G), b2: (G,), w3: (G, LOGITS), b3: (LOGITS,):
    the network, int32. chances: (TABLE,) int32, the logistic function times 2**16. shifts: (3, BINS) int32, how far
    towards zero values of magnitude 1, 2, more lie on average, in 1/256, by how surely they were thought to be 0.
    limits: (2, classes, ROWS + 1) uint16 frequencies of 2**LIMIT_BITS, of how many rows are coded, by octave of the step.
    """

    usual: NDArray[np.int32]
    by_channel: NDArray[np.int32]
    by_row: NDArray[np.int32]
    w1: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]
    chances: NDArray[np.int32]
    shifts: NDArray[np.int32]
    limits: NDArray[np.uint16]

    @property
    def network(self) -> tuple[NDArray[np.int32], ...]:
        """What `code_window` takes of it."""
        return self.w1, self.w2, self.b2, self.w3, self.b3, self.chances, self.shifts


@kernel
def features_of(x, logs, values, before, usual, rowsums, sums, k, c, limit, fixed):  # type: ignore[no-untyped-def]
    """Fill x with what is known before value (k, c); logs (ROWS + 4, C + 8) in sixteenths, padded.

    rowsums: (ROWS + 2,) of logs, padded. sums: running totals: logs of this row, surplus of this row, surplus of rows before.
    fixed: index of the step, kind of window, log of its length, log-sum of the window before.
    """
    r, j = k + PAD, c + PAD
    x[0] = logs[r - 1, j]
    x[1] = logs[r - 2, j]
    x[2] = logs[r - 3, j] + logs[r - 4, j]
    x[3] = logs[r, j - 1]
    x[4] = logs[r, j - 2]
    x[5] = logs[r, j - 3] + logs[r, j - 4]
    x[6] = logs[r - 1, j + 1]
    x[7] = logs[r - 1, j - 1]
    x[8] = logs[r - 1, j + 2] + logs[r - 1, j - 2]
    x[9] = logs[r - 2, j + 1] + logs[r - 2, j - 1]
    old = np.int64(before[k, c])
    older = np.int64(before[k - 1, c]) if k else np.int64(0)
    x[10] = log16(1 + abs(old))
    x[11] = log16(1 + abs(older)) + (log16(1 + abs(np.int64(before[k + 1, c]))) if k + 1 < before.shape[0] else 0)
    x[12] = rowsums[k + 1] >> 2
    x[13] = rowsums[k] >> 2
    x[14] = fixed[4 + k] >> 2
    x[15] = sums[0] >> 2
    x[16] = usual
    x[17] = sums[1] >> 3
    x[18] = sums[2] >> 4
    x[19] = sums[3 + c] >> 1
    x[20] = fixed[2]
    x[21] = 16 * fixed[1]
    x[22] = fixed[0] - 144
    above = np.int64(values[k - 1, c]) if k else np.int64(0)
    higher = np.int64(values[k - 2, c]) if k > 1 else np.int64(0)
    x[23] = 16 * min(max(above, np.int64(-3)), np.int64(3))
    x[24] = 16 * min(max(higher, np.int64(-3)), np.int64(3))
    x[25] = 16 * min(max(old, np.int64(-4)), np.int64(4))
    x[26] = 16 * min(max(older, np.int64(-4)), np.int64(4))
    x[27] = 16 * min(np.int64(limit - 1 - k), np.int64(8))
    x[28] = 16 if k == 0 else 0
    for f in range(FEATURES):
        x[f] = min(max(x[f], -1023), 1023)


@kernel
def take_in(value, usual, logs, rowsums, sums, k, c):  # type: ignore[no-untyped-def]
    """Remember a value for the features of those after it."""
    log = log16(1 + abs(np.int64(value)))
    logs[k + PAD, c + PAD] = log
    rowsums[k + 2] += log
    surplus = log - log16(256 + ((exp16(usual + 128) * 13) >> 4)) + 128
    sums[0] += log
    sums[1] += surplus
    sums[3 + c] += surplus


@kernel
def _logits(x, first, w1, w2, b2, w3, b3, h1, h2, out):  # type: ignore[no-untyped-def]
    for i in range(h1.size):
        h1[i] = first[i]
    for f in range(x.size):
        v = x[f]
        if v != 0:
            for i in range(h1.size):
                h1[i] += v * w1[f, i]
    for i in range(h2.size):
        h2[i] = b2[i]
    for f in range(h1.size):
        v = min(h1[f] >> 8, MOST_HIDDEN)
        if v > 0:
            for i in range(h2.size):
                h2[i] += v * w2[f, i]
    for i in range(out.size):
        out[i] = b3[i]
    for f in range(h2.size):
        v = min(h2[f] >> 8, MOST_HIDDEN)
        if v > 0:
            for i in range(out.size):
                out[i] += v * w3[f, i]


@kernel
def _chance(logit, chances):  # type: ignore[no-untyped-def]
    """The probability of a yes, times 2**16, of a logit in 1/4096."""
    place = min(max((np.int64(logit) >> 6) + TABLE_REACH * 64, np.int64(0)), np.int64(TABLE - 1))
    return np.int64(chances[place])


@kernel
def _put_bit(state, out, yes, chance):  # type: ignore[no-untyped-def]
    if yes:
        put(state, out, MAX_TOTAL - chance, chance, MAX_BITS)
    else:
        put(state, out, np.int64(0), MAX_TOTAL - chance, MAX_BITS)


@kernel
def _put_value(state, out, value, chance):  # type: ignore[no-untyped-def]
    size = abs(np.int64(value))
    _put_bit(state, out, size == 0, chance[0])
    if size == 0:
        return
    _put_bit(state, out, value > 0, chance[4])
    _put_bit(state, out, size > 1, chance[1])
    if size == 1:
        return
    _put_bit(state, out, size > 2, chance[2])
    if size == 2:
        return
    rest, length = size - 2, np.int64(0)
    while rest >> (length + 1):
        _put_bit(state, out, True, chance[3])
        length += 1
    _put_bit(state, out, False, chance[3])
    low = min(length, np.int64(MAX_BITS))
    put_bits(state, out, (rest - (np.int64(1) << length)) >> low, length - low)
    put_bits(state, out, (rest - (np.int64(1) << length)) & ((np.int64(1) << low) - 1), low)


@kernel
def _get_bit(state, data, chance):  # type: ignore[no-untyped-def]
    return get_binary(state, data, MAX_TOTAL - chance)


@kernel
def _get_value(state, data, chance):  # type: ignore[no-untyped-def]
    if _get_bit(state, data, chance[0]):
        return np.int64(0)
    positive = _get_bit(state, data, chance[4])
    size = np.int64(1)
    if _get_bit(state, data, chance[1]):
        size = np.int64(2)
        if _get_bit(state, data, chance[2]):
            length = np.int64(0)
            while length < 24 and _get_bit(state, data, chance[3]):
                length += 1
            low = min(length, np.int64(MAX_BITS))
            rest = (np.int64(1) << length) + (np.int64(get_bits(state, data, length - low)) << low)
            size = 2 + rest + get_bits(state, data, low)
    if size > LARGEST:
        state[FAULT] = 1
        return np.int64(0)
    return size if positive else -size


@kernel
def _cost(size, positive, chance):  # type: ignore[no-untyped-def]
    """About how many bits a value costs: for the encoder's choice only, so floats are fine."""
    if size == 0:
        return -np.log2(chance[0] / MAX_TOTAL)
    odds = (MAX_TOTAL - chance[0]) / MAX_TOTAL * ((chance[4] if positive else MAX_TOTAL - chance[4]) / MAX_TOTAL)
    odds *= (chance[1] if size > 1 else MAX_TOTAL - chance[1]) / MAX_TOTAL
    if size == 1:
        return -np.log2(odds)
    odds *= (chance[2] if size > 2 else MAX_TOTAL - chance[2]) / MAX_TOTAL
    if size == 2:
        return -np.log2(odds)
    length = np.floor(np.log2(size - 2.0))
    more = chance[3] / MAX_TOTAL
    return -np.log2(odds) - length * np.log2(more) - np.log2(1.0 - more) + length


@kernel
def _shift(size, zero, shifts):  # type: ignore[no-untyped-def]
    place = min(max((np.int64(zero) >> 12) + BINS // 2, np.int64(0)), np.int64(BINS - 1))
    return shifts[min(size, np.int64(3)) - 1, place] / 256.0


@kernel
def _choose(target, chance, zero, shifts, thrift):  # type: ignore[no-untyped-def]
    """The value that costs least, squared error + thrift x bits, of the three nearest to zero's side, and 0."""
    size = abs(target)
    most = min(np.int64(size + 0.75), np.int64(LARGEST))
    best, least = np.int64(0), size * size + thrift * _cost(np.int64(0), True, chance)
    for other in range(max(most - 2, np.int64(1)), most + 1):
        error = size - (other - _shift(other, zero, shifts))
        price = error * error + thrift * _cost(other, target > 0, chance)
        if price < least:
            best, least = np.int64(other), price
    return best if target > 0 else -best


@kernel
def code_window(  # type: ignore[no-untyped-def]
    state, stream, mode, targets, thrift, values, places, before, usual, fixed, limit, biases, by_row,
    w1, w2, b2, w3, b3, chances, shifts,
):  # fmt: skip
    """Decode, encode, choose or only read the values of one window, by row, then by channel.

    targets: (ROWS, C) float64 in steps, read where values are chosen. values: (ROWS, C) int32. places: (ROWS, C)
    float64, filled with what the values stand for. before: (ROWS, C) int32 of the window before. usual: (ROWS, C) int32
    less the step's index. fixed: see `features_of`. limit: rows that are coded, the rest is 0. biases: (C, H) int32.
    """
    count = values.shape[1]
    x = np.zeros(FEATURES, np.int32)
    h1, h2 = np.zeros(w1.shape[1], np.int32), np.zeros(b2.size, np.int32)
    first, out = np.zeros(h1.size, np.int32), np.zeros(LOGITS, np.int32)
    chance = np.zeros(LOGITS, np.int64)
    logs = np.zeros((values.shape[0] + PAD, count + 2 * PAD), np.int32)
    rowsums, sums = np.zeros(values.shape[0] + 2, np.int64), np.zeros(3 + count, np.int64)
    for k in range(limit):
        sums[0] = 0
        sums[2] += sums[1]
        sums[1] = 0
        for c in range(count):
            features_of(x, logs, values, before, usual[k, c], rowsums, sums, k, c, limit, fixed)
            for i in range(first.size):
                first[i] = biases[c, i] + by_row[k, i]
            _logits(x, first, w1, w2, b2, w3, b3, h1, h2, out)
            for i in range(LOGITS):
                chance[i] = _chance(out[i], chances)
            if mode == CHOOSE:
                values[k, c] = _choose(targets[k, c], chance, out[0], shifts, thrift)
            elif mode == ENCODE:
                _put_value(state, stream, values[k, c], chance)
            elif mode == DECODE:
                values[k, c] = _get_value(state, stream, chance)
            size = abs(np.int64(values[k, c]))
            places[k, c] = 0.0
            if size:
                place = size - _shift(size, out[0], shifts)
                places[k, c] = place if values[k, c] > 0 else -place
            take_in(values[k, c], usual[k, c], logs, rowsums, sums, k, c)
        if mode == DECODE and not is_sound(state, stream):
            return


@kernel
def read_features(out, values, before, usual, fixed, limit):  # type: ignore[no-untyped-def]
    """For training: the features (limit, C, FEATURES) that `code_window` sees where it codes `values`."""
    count = values.shape[1]
    logs = np.zeros((values.shape[0] + PAD, count + 2 * PAD), np.int32)
    rowsums, sums = np.zeros(values.shape[0] + 2, np.int64), np.zeros(3 + count, np.int64)
    for k in range(limit):
        sums[0] = 0
        sums[2] += sums[1]
        sums[1] = 0
        for c in range(count):
            features_of(out[k, c], logs, values, before, usual[k, c], rowsums, sums, k, c, limit, fixed)
            take_in(values[k, c], usual[k, c], logs, rowsums, sums, k, c)


@dataclass(eq=False)
class Coder:
    """The prior at one step, from window to window."""

    prior: Prior
    index: int
    before: NDArray[np.int32]

    @staticmethod
    def of(prior: Prior, index: int) -> Coder:
        """At the step of an index, before the first window."""
        return Coder(prior, index, np.zeros(prior.usual.shape[1:], np.int32))

    def choose(self, targets: Floats, frames: int, later: bool, thrift: float) -> tuple[NDArray[np.int32], Floats]:
        """Values (ROWS, C) for targets in steps, and what they stand for.

        Chosen twice, since what is left of the rows decides how many are coded. The next window follows these.
        """
        values = np.zeros(targets.shape, np.int32)
        limit = _limit_of(np.abs(targets) > 0.6)
        for _ in range(2):
            coded = limit
            places = self._run(_CODE_NOTHING, CHOOSE, targets, values, frames, later, coded, thrift)
            values[coded:] = 0
            limit = _limit_of(values != 0)
        if limit < coded:
            places = self._run(_CODE_NOTHING, READ, targets, values, frames, later, limit)
        self.before = values
        return values, places

    def encode(self, encoder: RangeEncoder, values: NDArray[np.int32], frames: int, later: bool) -> Floats:
        """Code values (ROWS, C); returns what they stand for, in steps."""
        limit = _limit_of(values != 0)
        start, freq = self._limit_span(later, limit)
        encoder.put(start, freq, LIMIT_BITS)
        run = partial(encoder.run, code_window, limit * values.shape[1] * MAX_VALUE_BYTES)
        places = self._run(run, ENCODE, _NO_TARGETS, values, frames, later, limit)
        self.before = values
        return places

    def decode(self, decoder: RangeDecoder, frames: int, later: bool) -> tuple[NDArray[np.int32], Floats]:
        """The mirror of `encode`: values and what they stand for. Raises CorruptError."""
        limit = self._get_limit(decoder, later)
        values = np.zeros(self.before.shape, np.int32)
        places = self._run(partial(decoder.run, code_window), DECODE, _NO_TARGETS, values, frames, later, limit)
        self.before = values
        return values, places

    def stands_for(self, values: NDArray[np.int32], frames: int, later: bool) -> Floats:
        """What values stand for, in steps, without coding them."""
        limit = _limit_of(values != 0)
        places = self._run(_CODE_NOTHING, READ, _NO_TARGETS, values, frames, later, limit)
        self.before = values
        return places

    def fixed(self, frames: int, later: bool) -> Ints:
        """What is the same for all values of a window: see `features_of`."""
        length = int(log16(frames)) - int(log16(64))
        sums = [int(v) for v in _LOGS[np.minimum(np.abs(self.before), len(_LOGS) - 1)].sum(axis=1)]
        return np.array([self.index, int(later), length, 0, *sums], np.int64)

    def usual(self, frames: int, later: bool) -> NDArray[np.int32]:
        """(ROWS, C) usual magnitudes in sixteenths of an octave above a step."""
        return np.asarray(
            np.clip(self.prior.usual[int(later)][reference_rows(frames)] - self.index, -160, 400), np.int32
        )

    def _run(
        self, run: Callable[..., Any], mode: int, targets: Floats, values: NDArray[np.int32], frames: int, later: bool,
        limit: int, thrift: float = 0.0,
    ) -> Floats:  # fmt: skip
        """Run `code_window`, a range coder's if it codes; returns what the values stand for."""
        places = np.zeros(values.shape)
        p = self.prior
        run(
            mode, targets, thrift, values, places, self.before, self.usual(frames, later), self.fixed(frames, later),
            limit, p.by_channel[int(later)], p.by_row[int(later)], *p.network,
        )  # fmt: skip
        return places

    def _limit_row(self, later: bool) -> Ints:
        table = self.prior.limits[int(later)]
        return table[min(max(self.index // 16, 0), len(table) - 1)].astype(np.int64)

    def _limit_span(self, later: bool, limit: int) -> tuple[int, int]:
        row = self._limit_row(later)
        return int(row[:limit].sum()), int(row[limit])

    def _get_limit(self, decoder: RangeDecoder, later: bool) -> int:
        row = self._limit_row(later)
        limit = int(np.searchsorted(np.cumsum(row), decoder.get_target(LIMIT_BITS), side="right"))
        decoder.advance(int(row[:limit].sum()), int(row[limit]), LIMIT_BITS)
        return limit


_CODE_NOTHING = partial(code_window, np.zeros(4, np.int64), np.zeros(0, np.uint8))
_NO_TARGETS = np.zeros((1, 1))
_LOGS = np.array([int(log16(1 + v)) for v in range(4096)], np.int64)


def _limit_of(busy: Bools) -> int:
    """Rows up to the last that has anything."""
    rows = np.flatnonzero(busy.any(axis=1))
    return int(rows[-1]) + 1 if len(rows) else 0


assert ROWS + 1 <= 1 << LIMIT_BITS
