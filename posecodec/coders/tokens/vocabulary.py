"""Token grids as one line of integers for models that read and write sequences, and back.

Every step of a chunk is the same number of tokens, level by level and in each row by row, so where a token stands
says what it is about and its number is the plain code number, after four special ones:

    START PERSON [level 1: row 1 .. row h] [level 2: ...] .. [level Q: ...]  [next step] .. PERSON .. END

PERSON opens every chunk. PAD fills batches up. Nothing here knows where people stand: that is side information, which
the file keeps and `PoseCodec.detokenize` does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.grid import TokenGrid
from posecodec.errors import InputError

PAD, START, END, PERSON = range(4)  # The special tokens
SPECIAL = 4  # How many they are: code c is token SPECIAL + c


@dataclass(frozen=True)
class Vocabulary:
    """levels: Q, coarse to fine. rows, columns: h and w of the grid. codes: N.

    >>> Vocabulary(4, 6, 512).size, Vocabulary(4, 6, 512).tokens_per_step
    (516, 24)
    """

    levels: int
    rows: int
    codes: int
    columns: int = 1

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return SPECIAL + self.codes

    @property
    def tokens_per_step(self) -> int:
        """Tokens that every step is."""
        return self.levels * self.rows * self.columns

    def flatten(self, grids: Sequence[TokenGrid]) -> NDArray[np.int32]:
        """(n,) the stream of chunks; of their levels the first Q. Raises InputError if they have fewer or other rows."""
        parts: list[list[int] | NDArray[np.integer]] = [[START]]
        for grid in grids:
            if (
                grid.codes != self.codes
                or grid.levels < self.levels
                or grid.indices.shape[1:3] != (self.rows, self.columns)
            ):
                had = f"{grid.levels} levels of {grid.codes} codes and {grid.indices.shape[1:3]} cells"
                ours = f"{self.levels} of {self.codes} and {(self.rows, self.columns)}"
                remedy = "encode with more levels, or ask for fewer"
                raise InputError(f"a grid of {had}, where the vocabulary has {ours}; {remedy}")
            codes = grid.indices[..., : self.levels].transpose(0, 3, 1, 2)
            parts += [[PERSON], SPECIAL + codes.ravel()]
        return np.concatenate([*parts, [END]]).astype(np.int32)

    def unflatten(self, stream: NDArray[np.integer]) -> tuple[TokenGrid, ...]:
        """The chunks of a stream that hold a whole step; steps that a model left unfinished are dropped.

        Raises InputError where a token cannot stand.
        """
        chunks: list[list[int]] = []
        for place, token in enumerate(np.asarray(stream).tolist()):
            if token == END:
                break
            if token == PERSON:
                chunks.append([])
            elif token in (PAD, START):
                continue
            elif not chunks or not SPECIAL <= token < self.size:
                raise InputError(f"token {token} at place {place}: no chunk is open, or it is none of the {self.size}")
            else:
                chunks[-1].append(token - SPECIAL)
        return tuple(self._build_grid(chunk) for chunk in chunks if len(chunk) >= self.tokens_per_step)

    def _build_grid(self, codes: list[int]) -> TokenGrid:
        whole = len(codes) - len(codes) % self.tokens_per_step
        steps = np.array(codes[:whole], np.int32).reshape(-1, self.levels, self.rows, self.columns)
        return TokenGrid(np.ascontiguousarray(steps.transpose(0, 2, 3, 1)), self.codes)


def pad_batch(streams: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """(B, n) streams filled up with PAD to the longest."""
    batch = np.full((len(streams), max(map(len, streams), default=0)), PAD, np.int32)
    for row, stream in zip(batch, streams, strict=True):
        row[: len(stream)] = stream
    return batch
