"""The integer prior: a small causal network that says how likely every code of every token is.

It reads what the decoder knows already: what the codes of the step before and of this step so far stand for, in whole
numbers. Two hidden layers answer with a number of nats for each code, and a table of the exponential makes frequencies of
them. Weights, activations and frequencies are integers, so that encoder and decoder agree on every machine. Levels that the
prior does not know cost log2 N bits.

Units: latents in 1/32 of their spread, weights in 1/256, hidden values in 1/256, code vectors in 1/32, logits in 1/1024 nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.range_coder import (
    FAULT,
    MAX_PUT_BYTES,
    MAX_TOTAL,
    RangeDecoder,
    RangeEncoder,
    advance_total,
    get_target_total,
    is_sound,
    put_total,
)
from posecodec.kernels import allocating_kernel, inlined_kernel
from posecodec.typing import Floats

UNIT = 32  # Steps of a latent's spread
REACH = 255  # Latents are clipped to so many steps: eight spreads
WEIGHT_BITS = 8  # Bits after the point of weights
MOST_HIDDEN = np.int64(4095)  # Hidden values are capped here, 16: sums stay in 32 bits
LOGIT_SHIFT = 3  # From 1/8192 nats, as sums come, to 1/1024
TABLE_SHIFT = 4  # From 1/1024 nats to entries of the exponential's table, 64 a nat
TABLE = 1024  # Entries: 16 nats; what is less likely counts as that


class Layers(NamedTuple):
    """The network's integers. w1: (h, 2 h F, H) int16. b1: (h, L, H) int32. w2: (h, H, G) int16. b2: (h, L, G) int32.

    codes: (h, L, N, G) int8, bias: (h, L, N) int16, in 1/1024 nats. exponential: (TABLE,) int32, 2**20 exp(-i / 64).
    """

    w1: NDArray[np.int16]
    b1: NDArray[np.int32]
    w2: NDArray[np.int16]
    b2: NDArray[np.int32]
    codes: NDArray[np.int8]
    bias: NDArray[np.int16]
    exponential: NDArray[np.int32]


@dataclass(frozen=True, eq=False, repr=False)
class Prior:
    """layers: the network. values: (h, Q, N, F) int32, what codes stand for."""

    layers: Layers
    values: NDArray[np.int32]

    @staticmethod
    def build(layers: Layers, codebooks: Floats, spreads: Floats) -> Prior:
        """Of codebooks (h, Q, N, F) and the spreads (h, F) of latents. Products and rounding are exact on every machine."""
        return Prior(layers, to_whole(codebooks, spreads[:, None, None]))

    def encode(self, encoder: RangeEncoder, tokens: NDArray[np.int32], step: int, first: int, last: int) -> None:
        """Code levels first .. last - 1 of a step of tokens (t, h, Q), where all before is known."""
        room = (last - first) * tokens.shape[1] * MAX_PUT_BYTES
        encoder.run(_encode, room, tokens, step, first, last, self.values, self.layers)

    def decode(self, decoder: RangeDecoder, tokens: NDArray[np.int32], step: int, first: int, last: int) -> None:
        """The mirror of `encode`: fills `tokens`. Raises CorruptError."""
        decoder.run(_decode, tokens, step, first, last, self.values, self.layers)

    def measure(self, tokens: NDArray[np.int32]) -> Floats:
        """Bits (t, h, Q) that tokens (t, h, Q) cost."""
        return np.asarray(_measure(tokens, self.values, self.layers))

    def price(self, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
        """Bits (t, h, L, N) that each code of the prior's levels would cost in the place of each of tokens (t, h, Q)."""
        return np.asarray(_price(tokens, self.values, self.layers))

    def list_frequencies(self, tokens: NDArray[np.int32], step: int, row: int, level: int) -> NDArray[np.int64]:
        """(N,) frequencies of the codes of one token, where all before it is known: what sampling needs."""
        return np.asarray(_list(tokens, step, row, level, self.values, self.layers))


def to_whole(latents: Floats, spreads: Floats) -> NDArray[np.int32]:
    """Latents in whole steps of their spreads."""
    return np.asarray(np.rint(latents.astype(np.float64) / spreads.astype(np.float64) * UNIT), np.int32)


@inlined_kernel
def _fill_known(x, tokens, step, row, level, values):  # type: ignore[no-untyped-def]
    """Fill x (2 h F) with what the step before stands for, and this step as far as it is known before a token."""
    rows, size = values.shape[0], values.shape[3]
    x[:] = 0
    for r in range(rows):
        if step > 0:
            for q in range(tokens.shape[2]):
                code = tokens[step - 1, r, q]
                for f in range(size):
                    x[r * size + f] += values[r, q, code, f]
        known = level + 1 if r < row else level
        for q in range(known):
            code = tokens[step, r, q]
            for f in range(size):
                x[(rows + r) * size + f] += values[r, q, code, f]
    for i in range(x.size):
        x[i] = min(max(x[i], -REACH), REACH)


@inlined_kernel
def fill_chances(freq, h1, h2, w2, b2, codes, bias, exponential):  # type: ignore[no-untyped-def]
    """Fill freq (N,) from the first hidden layer h1 (H,), with h2 (G,) as room; returns their sum, at most MAX_TOTAL."""
    for i in range(h2.size):
        total = np.int64(b2[i])
        for j in range(h1.size):
            total += h1[j] * np.int64(w2[j, i])
        h2[i] = min(max(total >> WEIGHT_BITS, 0), MOST_HIDDEN)
    best = np.int64(-(1 << 40))
    for n in range(freq.size):
        total = np.int64(0)
        for i in range(h2.size):
            total += h2[i] * np.int64(codes[n, i])
        freq[n] = (total >> LOGIT_SHIFT) + bias[n]
        best = max(best, freq[n])
    whole = np.int64(0)
    for n in range(freq.size):
        freq[n] = exponential[min((best - freq[n]) >> TABLE_SHIFT, TABLE - 1)]
        whole += freq[n]
    total = np.int64(0)
    for n in range(freq.size):
        freq[n] = 1 + freq[n] * (MAX_TOTAL - freq.size) // whole
        total += freq[n]
    return total


@inlined_kernel
def put_code(state, out, code, freq, total):  # type: ignore[no-untyped-def]
    """Code one of the codes whose frequencies are freq (N,) and their sum total."""
    start = np.int64(0)
    for n in range(code):
        start += freq[n]
    put_total(state, out, start, freq[code], total)


@inlined_kernel
def get_code(state, data, freq, total):  # type: ignore[no-untyped-def]
    """The mirror of `put_code`."""
    target = get_target_total(state, total)
    start, code = np.int64(0), 0
    while start + freq[code] <= target:
        start += freq[code]
        code += 1
    advance_total(state, data, start, freq[code], total)
    return code


@inlined_kernel
def _make_room(values, layers):  # type: ignore[no-untyped-def]
    """Arrays that the kernels work in: what is known (2 h F,), hidden values (H,) and (G,), frequencies (N,)."""
    rows, _, codes, size = values.shape
    known, h1 = np.empty(2 * rows * size, np.int64), np.empty(layers.b1.shape[2], np.int64)
    return known, h1, np.empty(layers.b2.shape[2], np.int64), np.empty(codes, np.int64)


@inlined_kernel
def _fill_frequencies(room, tokens, step, row, level, values, layers):  # type: ignore[no-untyped-def]
    """Fill the frequencies of a token's codes where all before it is known; returns their sum, at most MAX_TOTAL."""
    x, h1, h2, freq = room
    if level >= layers.b1.shape[1]:
        freq[:] = 1
        total = np.int64(freq.size)
    else:
        _fill_known(x, tokens, step, row, level, values)
        for i in range(h1.size):
            h1[i] = layers.b1[row, level, i]
        for j in range(x.size):
            if x[j] != 0:
                for i in range(h1.size):
                    h1[i] += x[j] * np.int64(layers.w1[row, j, i])
        for i in range(h1.size):
            h1[i] = min(max(h1[i] >> WEIGHT_BITS, 0), MOST_HIDDEN)
        codes, bias = layers.codes[row, level], layers.bias[row, level]
        total = fill_chances(freq, h1, h2, layers.w2[row], layers.b2[row, level], codes, bias, layers.exponential)
    return total


@allocating_kernel
def _encode(state, out, tokens, step, first, last, values, layers):  # type: ignore[no-untyped-def]
    room = _make_room(values, layers)
    for level in range(first, last):
        for row in range(tokens.shape[1]):
            total = _fill_frequencies(room, tokens, step, row, level, values, layers)
            put_code(state, out, tokens[step, row, level], room[3], total)


@allocating_kernel
def _decode(state, data, tokens, step, first, last, values, layers):  # type: ignore[no-untyped-def]
    room = _make_room(values, layers)
    for level in range(first, last):
        for row in range(tokens.shape[1]):
            if not is_sound(state, data):
                state[FAULT] = 1
                return
            total = _fill_frequencies(room, tokens, step, row, level, values, layers)
            tokens[step, row, level] = get_code(state, data, room[3], total)


@allocating_kernel
def _measure(tokens, values, layers):  # type: ignore[no-untyped-def]
    room, bits = _make_room(values, layers), np.empty(tokens.shape)
    for step in range(tokens.shape[0]):
        for level in range(tokens.shape[2]):
            for row in range(tokens.shape[1]):
                total = _fill_frequencies(room, tokens, step, row, level, values, layers)
                bits[step, row, level] = np.log2(np.float64(total) / np.float64(room[3][tokens[step, row, level]]))
    return bits


@allocating_kernel
def _price(tokens, values, layers):  # type: ignore[no-untyped-def]
    room, levels = _make_room(values, layers), layers.b1.shape[1]
    bits = np.zeros((tokens.shape[0], tokens.shape[1], levels, values.shape[2]), np.float32)
    for step in range(tokens.shape[0]):
        for level in range(levels):
            for row in range(tokens.shape[1]):
                total = _fill_frequencies(room, tokens, step, row, level, values, layers)
                for n in range(values.shape[2]):
                    bits[step, row, level, n] = np.log2(np.float64(total) / np.float64(room[3][n]))
    return bits


@allocating_kernel
def _list(tokens, step, row, level, values, layers):  # type: ignore[no-untyped-def]
    room = _make_room(values, layers)
    _fill_frequencies(room, tokens, step, row, level, values, layers)
    return room[3]
