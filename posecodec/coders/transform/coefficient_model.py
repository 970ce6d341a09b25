"""Quantized transform coefficients as range-coded integers, by a small integer network over their neighbors.

For every coefficient the network reads what is already known (magnitudes at lower frequencies and in channels before,
the block before, what the channel usually has at this frequency) and says how large it expects it to be: a place among
ROWS rows of adaptive probabilities, one row per half octave of magnitude. Everything is integers, so encoder and decoder
agree on every machine. The encoder's kernel also chooses the integers: those that cost least in error and bits together.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.transform.magnitudes import FINE, PLACES, ROWS, get_coefficient, put_coefficient
from posecodec.coders.transform.trellis import DEPENDENT, INDEPENDENT
from posecodec.entropy.fixed_point import log16
from posecodec.entropy.integer_network import (
    NEIGHBORS,
    PAD,
    UNCAPPED,
    WEIGHT_BITS,
    Network,
    fill_neighbors,
    run_hidden,
    sum_layer,
)
from posecodec.entropy.range_coder import is_sound
from posecodec.kernels import allocating_kernel, inlined_kernel, kernel, short_kernel
from posecodec.typing import Ints

FEATURES = NEIGHBORS + 12  # What the network reads of a coefficient's surroundings
NEAR = 16  # Of which the first differ from one to the next; the others are known of whole rows or channels
POSITION = 18  # That of them which is a channel's
LOOK, ENCODE, DECODE = 0, 1, 2  # What is done with a block: looking only finds where its integers are expected
BINS = 16  # Half octaves of frequency that channels have expectations for


@dataclass(frozen=True, eq=False)
class CoefficientModel:
    """The learned tables, part of the weights.

    w1 (F, H), b1 (H,), w2 (H, G), b2 (G,), w3 (G,), b3 (1,): the network, int32, in units of 1/256.
    rows: (ROWS, SLOTS) int32 probabilities of a one, times 2**16; as many again where there is an odd quantizer.
    reconstruction_offsets: (ROWS, 3) int32, how far towards zero from where it stands a coefficient of magnitude 1, 2, more
    lies on average, in 1/256 of a step; as many again.
    """

    w1: NDArray[np.int32]
    b1: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]
    rows: NDArray[np.int32]
    reconstruction_offsets: NDArray[np.int32]

    @property
    def is_dependent(self) -> bool:
        """Whether there are two quantizers, each with rows of its own."""
        return len(self.rows) > ROWS

    @property
    def machine(self) -> Ints:
        """That tells which quantizer is in use, (S, 2)."""
        return DEPENDENT if self.is_dependent else INDEPENDENT

    @property
    def network(self) -> Network:
        """As `code_block` takes it, beside b1."""
        return Network(self.w1, self.w2, self.b2, self.w3, self.b3)


TENSOR_NAMES = {f.name: {"reconstruction_offsets": "shifts"}.get(f.name, f.name) for f in fields(CoefficientModel)}
"""Fields of the model -> their names in weights files."""


class BlockContext(NamedTuple):
    """What is known before a block of N coefficients in each of C channels.

    before: (N + 2, C) int32 log magnitudes of the block before, laid on this block's frequencies. expected: (C, BINS)
    int64 mean magnitudes in 1/256. bins, logs: (N,) int64, `frequency_bins` and `frequency_logs`. kind: of the block,
    + 4 in a generic basis.
    """

    before: NDArray[np.int32]
    expected: Ints
    bins: Ints
    logs: Ints
    kind: int


@lru_cache(maxsize=256)
def frequency_bins(frames: int) -> Ints:
    """(N,) which of BINS half octaves of frequency each coefficient of a block of N frames is in."""
    twice = (2 * np.arange(frames, dtype=np.int64) + 1) * 128 // frames
    logs = np.array([log16(max(int(v), 1)) for v in twice], np.int64)
    return np.minimum(logs // 8, BINS - 1).astype(np.int64)


@lru_cache(maxsize=256)
def frequency_logs(frames: int) -> Ints:
    """(N,) 16 x log2 of the frequency of each coefficient of a block of N frames, in quarter turns a block."""
    return np.array([log16(2 * k + 1) for k in range(frames)], np.int64)


@inlined_kernel
def _fill_near(x, context, mags, surplus, by_channel, expected, k, c):  # type: ignore[no-untyped-def]
    """Fill x[:NEAR] with what is known around coefficient (k, c): logs in sixteenths of an octave.

    mags: (N + 4, C + 8) log magnitudes of this block, padded. surplus: running surpluses over what was expected, of this
    row and of rows before, and the sum of this row. by_channel: (C,) of channels. expected: the log of what is, here.
    """
    fill_neighbors(x, mags, k, c)
    x[10] = context.before[k + 1, c]
    x[11] = context.before[k, c] + context.before[k + 2, c]
    x[12] = expected
    x[13] = surplus[0]
    x[14] = by_channel[c] >> 2
    x[15] = surplus[1]


@inlined_kernel
def _fill_place(x, context, k, c, count):  # type: ignore[no-untyped-def]
    """Fill x[NEAR:] with where coefficient (k, c) is in its block, and of which kind that is."""
    kind = context.kind
    x[16] = context.logs[k]
    x[17] = log16(context.logs.size)
    x[POSITION] = (256 * c) // count
    x[19] = 64 if kind & 3 == 0 else 0
    x[20] = 64 if kind & 3 == 2 else 0
    x[21] = 64 if kind & 4 else 0


@inlined_kernel
def _expect_row(logs, context, k):  # type: ignore[no-untyped-def]
    """Fill logs (C,) with those of what is expected in row k, unless they are those of the row before."""
    if k == 0 or context.bins[k] != context.bins[k - 1]:
        for c in range(logs.size):
            logs[c] = log16(1 + context.expected[c, context.bins[k]])


@inlined_kernel
def _update_context(value, expected, mags, surplus, by_channel, k, c):  # type: ignore[no-untyped-def]
    """Remember a coefficient for the features of those after it."""
    log = log16(1 + abs(np.int64(value)))
    mags[k + PAD, c + PAD] = log
    more = log - max(expected - 112, np.int64(0))
    surplus[0] += more - (surplus[0] >> 3)
    surplus[2] += more
    by_channel[c] += more - (by_channel[c] >> 2)


@inlined_kernel
def _start_row(surplus, count):  # type: ignore[no-untyped-def]
    """What is known of a row of `count` coefficients becomes what is known of rows before."""
    surplus[1] = (16 * surplus[2]) // count + (surplus[1] >> 1)
    surplus[0] = 0
    surplus[2] = 0


@inlined_kernel
def _weigh_row(bias, x, context, network, k, count):  # type: ignore[no-untyped-def]
    """Fill bias (H,) with the share that a row has in the network's first layer, x being room for features."""
    _fill_place(x, context, k, 0, count)
    for i in range(bias.size):
        bias[i] = 0
    for f in range(NEAR, FEATURES):
        for i in range(bias.size):
            bias[i] += x[f] * network.w1[f, i]


@inlined_kernel
def _predict_row(x, bias, of_row, position, network, start, h1, h2):  # type: ignore[no-untyped-def]
    """The network: where among the rows, in sixteenths of a row. x: the features that are near.

    of_row: `_weigh_row`. start: room for what the first layer begins with.
    """
    for i in range(start.size):
        start[i] = bias[i] + of_row[i] + position * network.w1[POSITION, i]
    run_hidden(x, start, network, UNCAPPED, h1, h2)
    return min(max(sum_layer(h2, network.w3, network.b3) >> WEIGHT_BITS, np.int64(0)), np.int64((ROWS - 1) * FINE))


class Workroom(NamedTuple):
    """What `code_block` works with. near (NEAR,), of_place (FEATURES,): features. start, of_row, h1 (H,), h2 (G,): layers.
    logs, by_channel (C,), surplus (3,), mags (N + 4, C + 8): as the features are made of. positions: (C,) of channels."""

    near: NDArray[np.int32]
    of_place: NDArray[np.int32]
    start: NDArray[np.int32]
    of_row: NDArray[np.int32]
    h1: NDArray[np.int32]
    h2: NDArray[np.int32]
    logs: Ints
    by_channel: Ints
    surplus: Ints
    mags: NDArray[np.int32]
    positions: NDArray[np.int32]


def make_workroom(frames: int, count: int, model: CoefficientModel) -> Workroom:
    """For blocks of so many frames and channels."""
    h1, h2 = model.b1.size, model.b2.size
    return Workroom(
        np.zeros(NEAR, np.int32), np.zeros(FEATURES, np.int32), np.zeros(h1, np.int32), np.zeros(h1, np.int32),
        np.zeros(h1, np.int32), np.zeros(h2, np.int32), np.zeros(count, np.int64), np.zeros(count, np.int64),
        np.zeros(3, np.int64), np.zeros((frames + PAD, count + 2 * PAD), np.int32),
        (256 * np.arange(count, dtype=np.int32)) // count,
    )  # fmt: skip


@kernel
def code_block(  # type: ignore[no-untyped-def]
    state, stream, mode, quantized, places, context, room, bias, network, rows, machine, last_significant
):
    """Encode, decode or look through one block in order of frequency, then channel.

    quantized: (N, C) int32, filled where they are decoded. places: (N, C) int16, filled. context: a `BlockContext`. room: a
    `Workroom`. machine: of quantizers, (S, 2). last_significant: frequencies that are coded, the rest is zero.
    """
    count, quantizer = quantized.shape[1], np.int64(0)
    room.mags[:] = 0
    room.by_channel[:] = 0
    room.surplus[:] = 0
    for k in range(last_significant):
        _start_row(room.surplus, count)
        _expect_row(room.logs, context, k)
        _weigh_row(room.of_row, room.of_place, context, network, k, count)
        for c in range(count):
            expected = room.logs[c]
            _fill_near(room.near, context, room.mags, room.surplus, room.by_channel, expected, k, c)
            place = _predict_row(
                room.near, bias, room.of_row, room.positions[c], network, room.start, room.h1, room.h2
            ) + PLACES * (quantizer & 1)  # fmt: skip
            places[k, c] = place
            if mode == ENCODE:
                put_coefficient(state, stream, rows, place, quantized[k, c])
            elif mode == DECODE:
                quantized[k, c] = get_coefficient(state, stream, rows, place)
            value = quantized[k, c]
            quantizer = machine[quantizer, value & 1]
            _update_context(value, expected, room.mags, room.surplus, room.by_channel, k, c)
        if mode == DECODE and not is_sound(state, stream):
            return


@allocating_kernel
def read_features(out, quantized, context, last_significant):  # type: ignore[no-untyped-def]
    """For training: the features (last_significant * C, FEATURES) that `code_block` sees where it codes `quantized`."""
    count = quantized.shape[1]
    mags, logs = np.zeros((quantized.shape[0] + PAD, count + 2 * PAD), np.int32), np.zeros(count, np.int64)
    surplus, by_channel = np.zeros(3, np.int64), np.zeros(count, np.int64)
    for k in range(last_significant):
        _start_row(surplus, count)
        _expect_row(logs, context, k)
        for c in range(count):
            _fill_near(out[k * count + c], context, mags, surplus, by_channel, logs[c], k, c)
            _fill_place(out[k * count + c], context, k, c, count)
            _update_context(quantized[k, c], logs[c], mags, surplus, by_channel, k, c)


@short_kernel
def update_expected(expected, bins, quantized, seen):  # type: ignore[no-untyped-def]
    """Move what each channel is expected to have towards what this block had: by half at first, later by a quarter.

    bins: (N,) rising.
    """
    for c in range(quantized.shape[1]):
        k = 0
        while k < quantized.shape[0]:
            first, place, total = k, bins[k], np.int64(0)
            while k < quantized.shape[0] and bins[k] == place:
                total += min(abs(np.int64(quantized[k, c])), np.int64(1 << 20))
                k += 1
            mean = (total << 8) // (k - first)
            expected[c, place] += (mean - expected[c, place]) >> (1 if seen == 0 else 2)
