"""Token grids as symbols whose frequencies depend on the token before and on the one a level lower.

Both are known only by their class, of which there are few, so that the tables can be learned from an hour of motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive import get_symbol, put_symbol, symbol_model
from posecodec.entropy.rangecoder import MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound, kernel

INCREMENT = 32


@dataclass(frozen=True, eq=False)
class TokenTables:
    """Frequencies of tokens by context; part of the weights.

    counts: (R, N) uint16 >= 1. before, below: (Q, N) uint8, the class of a token as seen from the next step and from the
    next level, 1 .. its number of classes; 0 stands for no token, and is all there is at levels without classes.
    classes: (Q, 2) int64, how many there are of both, per level.
    """

    counts: NDArray[np.uint16]
    before: NDArray[np.uint8]
    below: NDArray[np.uint8]
    classes: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """(Q,) first row of each level."""
        sizes = (self.classes[:, 0] + 1) * self.widths
        return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    @property
    def widths(self) -> NDArray[np.int64]:
        """(Q,) contexts from the level below: its classes, and one for none."""
        return np.concatenate([[1], self.classes[:-1, 1] + 1]).astype(np.int64)

    def contexts(self, tokens: NDArray[np.int32]) -> NDArray[np.int64]:
        """Rows that code tokens (S, cells, Q), the same shape: what `encode_tokens` uses, for counting."""
        steps, cells, levels = tokens.shape
        level = np.arange(levels)
        before = np.concatenate([np.zeros((1, cells, levels), np.int64), self.before[level, tokens]])[:steps]
        below = np.concatenate([np.zeros((steps, cells, 1), np.int64), self.below[level, tokens]], axis=2)
        return self.rows[:levels] + self.widths[:levels] * before + below[:, :, :levels]


@kernel
def _row(tokens, s, cell, q, rows, widths, before, below):  # type: ignore[no-untyped-def]
    past = np.int64(before[q, tokens[s - 1, cell, q]]) if s else np.int64(0)
    coarse = np.int64(below[q - 1, tokens[s, cell, q - 1]]) if q else np.int64(0)
    return rows[q] + widths[q] * past + coarse


@kernel
def _put(state, out, tokens, counts, rows, widths, before, below):  # type: ignore[no-untyped-def]
    for s in range(tokens.shape[0]):
        for cell in range(tokens.shape[1]):
            for q in range(tokens.shape[2]):
                row = _row(tokens, s, cell, q, rows, widths, before, below)
                put_symbol(state, out, counts, row, tokens[s, cell, q], INCREMENT)


@kernel
def _get(state, data, tokens, counts, rows, widths, before, below):  # type: ignore[no-untyped-def]
    for s in range(tokens.shape[0]):
        for cell in range(tokens.shape[1]):
            for q in range(tokens.shape[2]):
                row = _row(tokens, s, cell, q, rows, widths, before, below)
                tokens[s, cell, q] = get_symbol(state, data, counts, row, INCREMENT)
                if not is_sound(state, data):
                    return


def encode_tokens(encoder: RangeEncoder, indices: NDArray[np.int32], tables: TokenTables) -> None:
    """Code a token grid (t, h, w, Q)."""
    tokens = indices.reshape(len(indices), -1, indices.shape[-1]).astype(np.int64)
    encoder.reserve(tokens.size * MAX_PUT_BYTES)
    fixed = (tables.rows, tables.widths, tables.before, tables.below)
    _put(encoder.state, encoder.out, tokens, symbol_model(tables.counts), *fixed)


def decode_tokens(decoder: RangeDecoder, shape: tuple[int, int, int, int], tables: TokenTables) -> NDArray[np.int32]:
    """The grid that `encode_tokens` coded. Raises CorruptError."""
    tokens = np.zeros((shape[0], shape[1] * shape[2], shape[3]), np.int64)
    fixed = (tables.rows, tables.widths, tables.before, tables.below)
    _get(decoder.state, decoder.data, tokens, symbol_model(tables.counts), *fixed)
    decoder.check()
    return tokens.reshape(shape).astype(np.int32)
