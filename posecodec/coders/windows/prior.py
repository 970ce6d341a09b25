"""The integer prior: a small causal network that says how likely every quantized value of a window is.

It reads what the decoder knows already: magnitudes and signs at lower frequencies and in channels before, of the window
before, what is usual here, the step, the length of the window. Its answers are five logits: whether a value is 0, whether
its magnitude is 1, 2, how far beyond, and its sign. Weights, activations and probabilities are integers, so that encoder
and decoder agree on every machine. The encoder's kernel also chooses the values: those that cost least in error and bits.

Units: features in sixteenths (of an octave, of a step), weights in 1/256, logits in 1/256 of what the last layer says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.windows.frequency_bands import reference_rows
from posecodec.entropy.binarization import get_raw, put_raw
from posecodec.entropy.fixed_point import exp16, log16, measure_logs
from posecodec.entropy.integer_network import NEIGHBORS, PAD, Network, fill_neighbors, run_hidden, run_layer
from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_PUT_BYTES,
    MAX_TOTAL,
    RangeDecoder,
    RangeEncoder,
    get_binary,
    is_sound,
    put,
)
from posecodec.kernels import allocating_kernel, inlined_kernel, kernel
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.typing import Bools, Floats, Ints

FEATURES = NEIGHBORS + 19  # What the network reads of a value's surroundings
LOGITS = 5  # What it answers: is a value 0, is its magnitude more than 1, more than 2, its length more, is it positive
TABLE_REACH = 12  # Logits beyond this many nats count as this many
TABLE = 2 * TABLE_REACH * 64 + 1  # Entries of the logistic function, 64 a nat
LEAST = 8  # No probability is below this many 65536ths
MOST_HIDDEN = np.int64(4095)  # The network's activations are capped here, so that their sums stay in 32 bits
LARGEST = 2**20  # No value is larger in magnitude
BINS = 8  # Classes of how surely a value was thought to be 0, a nat each
ROW_COUNT_BITS = 12  # Frequencies of how many rows are coded sum to 2**ROW_COUNT_BITS
DECODE, ENCODE, QUANTIZE, RECONSTRUCT = 0, 1, 2, 3
MAX_VALUE_BYTES = MAX_PUT_BYTES * 28
SIGNIFICANT = 0.6  # Targets below this many steps are taken for zeros when the rows to code are first counted


@dataclass(frozen=True, eq=False)
class Prior:
    """The learned tables, part of the weights.

    expected: (2, ROWS, C) int32, 16 x log2 of the magnitude that a row and channel of first and later windows usually has.
    by_channel: (2, C, H), by_row: (2, ROWS, H), w1: (FEATURES, H), w2: (H, G), b2: (G,), w3: (G, LOGITS), b3: (LOGITS,):
    the network, int32. sigmoid: (TABLE,) int32, the logistic function times 2**16. reconstruction_offsets: (3, BINS)
    int32, how far towards zero values of magnitude 1, 2, more lie on average, in 1/256, by how surely they were thought
    to be 0. last_significant: (2, classes, ROWS + 1) uint16 frequencies of how many rows are coded, by octave of the step.
    """

    expected: NDArray[np.int32]
    by_channel: NDArray[np.int32]
    by_row: NDArray[np.int32]
    w1: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]
    sigmoid: NDArray[np.int32]
    reconstruction_offsets: NDArray[np.int32]
    last_significant: NDArray[np.uint16]

    @property
    def network(self) -> Network:
        """The layers, without the first one's bias."""
        return Network(self.w1, self.w2, self.b2, self.w3, self.b3)


_RENAMED = {
    "expected": "usual", "sigmoid": "chances", "reconstruction_offsets": "shifts", "last_significant": "limits"
}  # fmt: skip
TENSOR_NAMES = {f.name: _RENAMED.get(f.name, f.name) for f in fields(Prior)}
"""Fields of the prior -> their names in weights files."""


class WindowContext(NamedTuple):
    """What is known before a window of C channels.

    before: (ROWS, C) int32 values of the window before. expected: (ROWS, C) int32, less the QP.
    sums: (ROWS,) int64 logs of the rows of the window before. qp: of the step. later: 1 if there is a window before.
    length: 16 x log2 of its frames, less that of 64. last_significant: rows that are coded, the rest is 0.
    """

    before: NDArray[np.int32]
    expected: NDArray[np.int32]
    sums: Ints
    qp: int
    later: int
    length: int
    last_significant: int


@inlined_kernel
def _fill_features(x, context, logs, values, rowsums, sums, k, c):  # type: ignore[no-untyped-def]
    """Fill x with what is known before value (k, c); logs (ROWS + 4, C + 8) in sixteenths, padded.

    rowsums: (ROWS + 2,) of logs, padded. sums: running totals: logs of this row, surplus of this row, surplus of rows
    before, and by channel.
    """
    before = context.before
    fill_neighbors(x, logs, k, c)
    old = np.int64(before[k, c])
    older = np.int64(before[k - 1, c]) if k else np.int64(0)
    x[10] = log16(1 + abs(old))
    x[11] = log16(1 + abs(older)) + (log16(1 + abs(np.int64(before[k + 1, c]))) if k + 1 < before.shape[0] else 0)
    x[12] = rowsums[k + 1] >> 2
    x[13] = rowsums[k] >> 2
    x[14] = context.sums[k] >> 2
    x[15] = sums[0] >> 2
    x[16] = context.expected[k, c]
    x[17] = sums[1] >> 3
    x[18] = sums[2] >> 4
    x[19] = sums[3 + c] >> 1
    x[20] = context.length
    x[21] = 16 * context.later
    x[22] = context.qp - 144
    above = np.int64(values[k - 1, c]) if k else np.int64(0)
    higher = np.int64(values[k - 2, c]) if k > 1 else np.int64(0)
    x[23] = 16 * min(max(above, np.int64(-3)), np.int64(3))
    x[24] = 16 * min(max(higher, np.int64(-3)), np.int64(3))
    x[25] = 16 * min(max(old, np.int64(-4)), np.int64(4))
    x[26] = 16 * min(max(older, np.int64(-4)), np.int64(4))
    x[27] = 16 * min(np.int64(context.last_significant - 1 - k), np.int64(8))
    x[28] = 16 if k == 0 else 0
    for f in range(FEATURES):
        x[f] = min(max(x[f], -1023), 1023)


@inlined_kernel
def _update_context(value, expected, logs, rowsums, sums, k, c):  # type: ignore[no-untyped-def]
    """Remember a value for the features of those after it."""
    log = log16(1 + abs(np.int64(value)))
    logs[k + PAD, c + PAD] = log
    rowsums[k + 2] += log
    surplus = log - log16(256 + ((exp16(expected + 128) * 13) >> 4)) + 128
    sums[0] += log
    sums[1] += surplus
    sums[3 + c] += surplus


@inlined_kernel
def _start_row(sums):  # type: ignore[no-untyped-def]
    """What is known of a row becomes what is known of rows before."""
    sums[2] += sums[1]
    sums[0] = 0
    sums[1] = 0


@kernel
def _probability(logit, sigmoid):  # type: ignore[no-untyped-def]
    """The probability of a yes, times 2**16, of a logit in 1/4096."""
    place = min(max((np.int64(logit) >> 6) + TABLE_REACH * 64, np.int64(0)), np.int64(TABLE - 1))
    return np.int64(sigmoid[place])


@kernel
def _put_bit(state, out, yes, p):  # type: ignore[no-untyped-def]
    if yes:
        put(state, out, MAX_TOTAL - p, p, MAX_BITS)
    else:
        put(state, out, np.int64(0), MAX_TOTAL - p, MAX_BITS)


@kernel
def _put_value(state, out, value, p):  # type: ignore[no-untyped-def]
    size = abs(np.int64(value))
    _put_bit(state, out, np.int64(size == 0), p[0])
    if size == 0:
        return
    _put_bit(state, out, np.int64(value > 0), p[4])
    _put_bit(state, out, np.int64(size > 1), p[1])
    if size == 1:
        return
    _put_bit(state, out, np.int64(size > 2), p[2])
    if size == 2:
        return
    rest, length = size - 2, np.int64(0)
    while rest >> (length + 1):
        _put_bit(state, out, np.int64(1), p[3])
        length += 1
    _put_bit(state, out, np.int64(0), p[3])
    put_raw(state, out, rest - (np.int64(1) << length), length)


@kernel
def _get_bit(state, data, p):  # type: ignore[no-untyped-def]
    return get_binary(state, data, MAX_TOTAL - p)


@kernel
def _get_value(state, data, p):  # type: ignore[no-untyped-def]
    if _get_bit(state, data, p[0]):
        return np.int64(0)
    positive = _get_bit(state, data, p[4])
    size = np.int64(1)
    if _get_bit(state, data, p[1]):
        size = np.int64(2)
        if _get_bit(state, data, p[2]):
            length = np.int64(0)
            while length < 24 and _get_bit(state, data, p[3]):
                length += 1
            size = 2 + (np.int64(1) << length) + get_raw(state, data, length)
    if size > LARGEST:
        state[FAULT] = 1
        return np.int64(0)
    return size if positive else -size


@kernel
def _estimate_bits(size, positive, p):  # type: ignore[no-untyped-def]
    """About how many bits a value costs: for the encoder's choice only, so floats are fine."""
    if size == 0:
        return -np.log2(p[0] / MAX_TOTAL)
    odds = (MAX_TOTAL - p[0]) / MAX_TOTAL * ((p[4] if positive else MAX_TOTAL - p[4]) / MAX_TOTAL)
    odds *= (p[1] if size > 1 else MAX_TOTAL - p[1]) / MAX_TOTAL
    if size == 1:
        return -np.log2(odds)
    odds *= (p[2] if size > 2 else MAX_TOTAL - p[2]) / MAX_TOTAL
    if size == 2:
        return -np.log2(odds)
    length = np.floor(np.log2(size - 2.0))
    more = p[3] / MAX_TOTAL
    return -np.log2(odds) - length * np.log2(more) - np.log2(1.0 - more) + length


@kernel
def _offset(size, zero, offsets):  # type: ignore[no-untyped-def]
    place = min(max((np.int64(zero) >> 12) + BINS // 2, np.int64(0)), np.int64(BINS - 1))
    return offsets[min(size, np.int64(3)) - 1, place] / 256.0


@kernel
def _choose(target, p, zero, offsets, rd_lambda):  # type: ignore[no-untyped-def]
    """The value that costs least, squared error + rd_lambda x bits, of the three nearest to zero's side, and 0."""
    size = abs(target)
    most = min(np.int64(size + 0.75), np.int64(LARGEST))
    best, least = np.int64(0), size * size + rd_lambda * _estimate_bits(np.int64(0), target > 0, p)
    for other in range(max(most - 2, np.int64(1)), most + 1):
        error = size - (other - _offset(other, zero, offsets))
        price = error * error + rd_lambda * _estimate_bits(other, target > 0, p)
        if price < least:
            best, least = np.int64(other), price
    return best if target > 0 else -best


class Workroom(NamedTuple):
    """What a window is coded in: features (FEATURES,), layers (H,) and (G,), the first one's bias (H,), logits and chances
    (LOGITS,), and what features are made of."""

    x: NDArray[np.int32]
    h1: NDArray[np.int32]
    h2: NDArray[np.int32]
    bias: NDArray[np.int32]
    out: NDArray[np.int32]
    p: Ints
    logs: NDArray[np.int32]
    rowsums: Ints
    sums: Ints


def make_workroom(rows: int, count: int, hidden: int, network: Network) -> Workroom:
    """For windows of so many rows and channels, and a network with so many units in its first layer."""
    return Workroom(
        np.zeros(FEATURES, np.int32), np.zeros(hidden, np.int32), np.zeros(network.b2.size, np.int32),
        np.zeros(hidden, np.int32), np.zeros(LOGITS, np.int32), np.zeros(LOGITS, np.int64),
        np.zeros((rows + PAD, count + 2 * PAD), np.int32), np.zeros(rows + 2, np.int64), np.zeros(3 + count, np.int64),
    )  # fmt: skip


@kernel
def code_window(  # type: ignore[no-untyped-def]
    state, stream, mode, targets, rd_lambda, values, reconstructed, context, by_channel, by_row, network, sigmoid,
    offsets, room,
):  # fmt: skip
    """Decode, encode, choose or only read the values of one window, by row, then by channel.

    targets: (ROWS, C) float64 in steps, read where values are chosen. values: (ROWS, C) int32. reconstructed: (ROWS, C)
    float64 zeros, filled with what the values stand for. context: a `WindowContext`. by_channel: (C, H), by_row: (ROWS,
    H) int32, which together are the bias of the network's first layer. room: a fresh `Workroom`.
    """
    x, h1, h2, bias, out, p, logs, rowsums, sums = room
    for k in range(context.last_significant):
        _start_row(sums)
        for c in range(values.shape[1]):
            _fill_features(x, context, logs, values, rowsums, sums, k, c)
            for i in range(bias.size):
                bias[i] = by_channel[c, i] + by_row[k, i]
            run_hidden(x, bias, network, MOST_HIDDEN, h1, h2)
            run_layer(h2, MOST_HIDDEN, network.w3, network.b3, out)
            for i in range(LOGITS):
                p[i] = _probability(out[i], sigmoid)
            if mode == QUANTIZE:
                values[k, c] = _choose(targets[k, c], p, out[0], offsets, rd_lambda)
            elif mode == ENCODE:
                _put_value(state, stream, values[k, c], p)
            elif mode == DECODE:
                values[k, c] = _get_value(state, stream, p)
            size = abs(np.int64(values[k, c]))
            if size:
                magnitude = size - _offset(size, out[0], offsets)
                reconstructed[k, c] = magnitude if values[k, c] > 0 else -magnitude
            _update_context(values[k, c], context.expected[k, c], logs, rowsums, sums, k, c)
        if mode == DECODE and not is_sound(state, stream):
            return


@allocating_kernel
def read_features(out, values, context):  # type: ignore[no-untyped-def]
    """For training: the features (rows, C, FEATURES) that `code_window` sees where it codes `values`."""
    count = values.shape[1]
    logs = np.zeros((values.shape[0] + PAD, count + 2 * PAD), np.int32)
    rowsums, sums = np.zeros(values.shape[0] + 2, np.int64), np.zeros(3 + count, np.int64)
    for k in range(context.last_significant):
        _start_row(sums)
        for c in range(count):
            _fill_features(out[k, c], context, logs, values, rowsums, sums, k, c)
            _update_context(values[k, c], context.expected[k, c], logs, rowsums, sums, k, c)


_CODE_NOTHING = partial(code_window, np.zeros(4, np.int64), np.zeros(0, np.uint8))
_NO_TARGETS = np.zeros((1, 1))


@dataclass(eq=False)
class PriorCoder:
    """The prior at one QP, from window to window."""

    prior: Prior
    qp: int
    before: NDArray[np.int32]

    @staticmethod
    def start(prior: Prior, qp: int) -> PriorCoder:
        """At a QP, before the first window."""
        return PriorCoder(prior, qp, np.zeros(prior.expected.shape[1:], np.int32))

    def quantize(self, targets: Floats, frames: int, later: bool, rd_lambda: float) -> tuple[NDArray[np.int32], Floats]:
        """Values (ROWS, C) for targets in steps, and what they stand for: least squared error + rd_lambda x bits.

        Chosen twice, since what is left of the rows decides how many are coded. The next window follows these.
        """
        values = np.zeros(targets.shape, np.int32)
        rows = _last_significant(np.abs(targets) > SIGNIFICANT)
        for _ in range(2):
            coded = rows
            reconstructed = self._run(_CODE_NOTHING, QUANTIZE, values, frames, later, coded, targets, rd_lambda)
            values[coded:] = 0
            rows = _last_significant(values != 0)
        if rows < coded:
            return values, self.reconstruct(values, frames, later)
        self.before = values
        return values, reconstructed

    def reconstruct(self, values: NDArray[np.int32], frames: int, later: bool) -> Floats:
        """What values (ROWS, C) stand for, in steps, without coding them. The next window follows these."""
        rows = _last_significant(values != 0)
        reconstructed = self._run(_CODE_NOTHING, RECONSTRUCT, values, frames, later, rows)
        self.before = values
        return reconstructed

    def encode(self, encoder: RangeEncoder, values: NDArray[np.int32], frames: int, later: bool) -> Floats:
        """Code values (ROWS, C); returns what they stand for, in steps."""
        rows = _last_significant(values != 0)
        table = self._row_frequencies(later)
        encoder.put(int(table[:rows].sum()), int(table[rows]), ROW_COUNT_BITS)
        run = partial(encoder.run, code_window, rows * values.shape[1] * MAX_VALUE_BYTES)
        reconstructed = self._run(run, ENCODE, values, frames, later, rows)
        self.before = values
        return reconstructed

    def decode(self, decoder: RangeDecoder, frames: int, later: bool) -> tuple[NDArray[np.int32], Floats]:
        """The mirror of `encode`: values and what they stand for. Raises CorruptError."""
        table = self._row_frequencies(later)
        rows = int(np.searchsorted(np.cumsum(table), decoder.get_target(ROW_COUNT_BITS), side="right"))
        decoder.advance(int(table[:rows].sum()), int(table[rows]), ROW_COUNT_BITS)
        values = np.zeros(self.before.shape, np.int32)
        reconstructed = self._run(partial(decoder.run, code_window), DECODE, values, frames, later, rows)
        self.before = values
        return values, reconstructed

    def context(self, frames: int, later: bool, last_significant: int) -> WindowContext:
        """What is known before a window of so many frames, of which so many rows are coded."""
        expected = np.clip(self.prior.expected[int(later)][reference_rows(frames)] - self.qp, -160, 400).astype(
            np.int32
        )
        sums = measure_logs(self.before).sum(axis=1, dtype=np.int64)
        length = int(log16(frames)) - int(log16(64))
        return WindowContext(self.before, expected, sums, self.qp, int(later), length, last_significant)

    def _run(
        self, run: Callable[..., Any], mode: int, values: NDArray[np.int32], frames: int, later: bool, rows: int,
        targets: Floats = _NO_TARGETS, rd_lambda: float = 0.0,
    ) -> Floats:  # fmt: skip
        """Have `code_window` run; returns what the values stand for."""
        p, reconstructed = self.prior, np.zeros(values.shape)
        by_row = p.by_row[int(later)]
        run(
            mode, targets, rd_lambda, values, reconstructed, self.context(frames, later, rows),
            p.by_channel[int(later)], by_row, p.network, p.sigmoid, p.reconstruction_offsets,
            make_workroom(len(values), values.shape[1], by_row.shape[1], p.network),
        )  # fmt: skip
        return reconstructed

    def _row_frequencies(self, later: bool) -> Ints:
        """(ROWS + 1,) frequencies of how many rows are coded at this step."""
        table = self.prior.last_significant[int(later)]
        return np.asarray(table[min(max(self.qp // STEPS_PER_OCTAVE, 0), len(table) - 1)], np.int64)


def _last_significant(significant: Bools) -> int:
    """Rows up to the last that has anything."""
    rows = np.flatnonzero(significant.any(axis=1))
    return int(rows[-1]) + 1 if len(rows) else 0
