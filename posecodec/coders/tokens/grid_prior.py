"""The integer prior of token grids (t, h, w): how likely each code of a cell is, by the codes around it that are known.

Nine neighbors are looked up in tables, one for each place, whose sum is the first hidden layer; from there on it is as in
`prior`, in the same units. Cells come row by row, grid by grid; beyond the border stands a code of its own, N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.prior import MOST_HIDDEN, fill_chances, get_code, put_code
from posecodec.entropy.range_coder import FAULT, MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound
from posecodec.kernels import allocating_kernel, inlined_kernel
from posecodec.typing import Floats

NEIGHBORS = np.array(
    [(0, 0, -1), (0, -1, 0), (0, -1, -1), (0, -1, 1), (-1, 0, 0), (-1, 0, 1), (-1, 0, -1), (-1, 1, 0), (-1, -1, 0)]
)
"""(9, 3) steps in time, rows and columns to the cells that are looked at: those around in the grid, and in the one before."""


class GridLayers(NamedTuple):
    """tables: (9, N + 1, H) int16, in 1/256. b1: (H,) int32. w2: (H, G) int16. b2: (G,) int32. codes: (N, G) int8.
    bias: (N,) int16. exponential: (TABLE,) int32. Units as in `prior.Layers`."""

    tables: NDArray[np.int16]
    b1: NDArray[np.int32]
    w2: NDArray[np.int16]
    b2: NDArray[np.int32]
    codes: NDArray[np.int8]
    bias: NDArray[np.int16]
    exponential: NDArray[np.int32]


@dataclass(frozen=True, eq=False, repr=False)
class GridPrior:
    """layers: the network."""

    layers: GridLayers

    def encode(self, encoder: RangeEncoder, tokens: NDArray[np.int32]) -> None:
        """Code tokens (t, h, w)."""
        encoder.run(_encode, tokens.size * MAX_PUT_BYTES, pad(tokens, len(self.layers.bias)), NEIGHBORS, *self.layers)

    def decode(self, decoder: RangeDecoder, shape: tuple[int, int, int]) -> NDArray[np.int32]:
        """The mirror of `encode`. Raises CorruptError."""
        padded = pad(np.zeros(shape, np.int32), len(self.layers.bias))
        decoder.run(_decode, padded, NEIGHBORS, *self.layers)
        return np.ascontiguousarray(padded[1:, 1:-1, 1:-1])

    def measure(self, tokens: NDArray[np.int32]) -> Floats:
        """Bits (t, h, w) that tokens (t, h, w) cost."""
        return np.asarray(_measure(pad(tokens, len(self.layers.bias)), NEIGHBORS, *self.layers))


def pad(tokens: NDArray[np.int32], codes: int) -> NDArray[np.int32]:
    """Tokens (..., t, h, w) with cells of no code before the first grid and around each: (..., t + 1, h + 2, w + 2)."""
    around = [(0, 0)] * (tokens.ndim - 3) + [(1, 0), (1, 1), (1, 1)]
    return np.pad(tokens, around, constant_values=codes)


@inlined_kernel
def _fill(freq, h1, h2, padded, t, y, x, neighbors, tables, b1, w2, b2, codes, bias, exponential):  # type: ignore[no-untyped-def]
    """Fill freq (N,) for a cell of the padded grid; returns their sum."""
    for i in range(h1.size):
        h1[i] = b1[i]
    for n in range(len(neighbors)):
        code = padded[t + neighbors[n, 0], y + neighbors[n, 1], x + neighbors[n, 2]]
        for i in range(h1.size):
            h1[i] += tables[n, code, i]
    for i in range(h1.size):
        h1[i] = min(max(h1[i], 0), MOST_HIDDEN)
    return fill_chances(freq, h1, h2, w2, b2, codes, bias, exponential)


@allocating_kernel
def _encode(state, out, padded, neighbors, tables, b1, w2, b2, codes, bias, exponential):  # type: ignore[no-untyped-def]
    h1, h2, freq = np.empty(b1.size, np.int64), np.empty(b2.size, np.int64), np.empty(bias.size, np.int64)
    for t in range(1, padded.shape[0]):
        for y in range(1, padded.shape[1] - 1):
            for x in range(1, padded.shape[2] - 1):
                total = _fill(freq, h1, h2, padded, t, y, x, neighbors, tables, b1, w2, b2, codes, bias, exponential)
                put_code(state, out, padded[t, y, x], freq, total)


@allocating_kernel
def _decode(state, data, padded, neighbors, tables, b1, w2, b2, codes, bias, exponential):  # type: ignore[no-untyped-def]
    h1, h2, freq = np.empty(b1.size, np.int64), np.empty(b2.size, np.int64), np.empty(bias.size, np.int64)
    for t in range(1, padded.shape[0]):
        for y in range(1, padded.shape[1] - 1):
            if not is_sound(state, data):
                state[FAULT] = 1
                return
            for x in range(1, padded.shape[2] - 1):
                total = _fill(freq, h1, h2, padded, t, y, x, neighbors, tables, b1, w2, b2, codes, bias, exponential)
                padded[t, y, x] = get_code(state, data, freq, total)


@allocating_kernel
def _measure(padded, neighbors, tables, b1, w2, b2, codes, bias, exponential):  # type: ignore[no-untyped-def]
    h1, h2, freq = np.empty(b1.size, np.int64), np.empty(b2.size, np.int64), np.empty(bias.size, np.int64)
    bits = np.empty((padded.shape[0] - 1, padded.shape[1] - 2, padded.shape[2] - 2))
    for t in range(1, padded.shape[0]):
        for y in range(1, padded.shape[1] - 1):
            for x in range(1, padded.shape[2] - 1):
                total = _fill(freq, h1, h2, padded, t, y, x, neighbors, tables, b1, w2, b2, codes, bias, exponential)
                bits[t - 1, y - 1, x - 1] = np.log2(np.float64(total) / np.float64(freq[padded[t, y, x]]))
    return bits
