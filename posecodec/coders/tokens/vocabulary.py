"""Token grids as one line of integers for models that read and write sequences, and back.

Most digits of a grid are 0, so that only the others are written, as what they do where: one of them, at a level, raises or
lowers one frequency of one channel. The vocabulary holds four special tokens, one for every length of a latent step, a
marker for every level, and two tokens for every cell:

    START PERSON LENGTH L1 cell cell .. L2 cell .. LQ cell .. LENGTH L1 .. END

PERSON opens every chunk, LENGTH (its frames) every latent step of it; the cells of a level stand in order of frequency and
channel. PAD fills batches up. Nothing here knows where people stand: that is side information, which the file keeps and
`PoseCodec.detokenize` does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.grid import CODES, TokenGrid
from posecodec.coders.windows.lengths import LONGEST
from posecodec.errors import InputError

PAD, START, END, PERSON = range(4)  # The special tokens
SPECIAL = (
    4 + LONGEST
)  # How many special tokens and lengths there are: 4 .. SPECIAL - 1 are steps of 1 .. LONGEST frames


@dataclass
class _Chunk:
    """A chunk as far as it is read. steps: (cells, Q) digits. level: that is open, 0 for none."""

    steps: list[NDArray[np.int32]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    level: int = 0


@dataclass(frozen=True)
class Vocabulary:
    """levels: Q, coarse to fine. cells: (h, w) of the grid: frequencies and channels.

    >>> Vocabulary(9, (32, 58)).size
    3884
    """

    levels: int
    cells: tuple[int, int]

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return self.first_cell + 2 * self.cells[0] * self.cells[1]

    @property
    def first_cell(self) -> int:
        """The token of digit 1 in the first cell; digit 2 follows, then the next cell."""
        return SPECIAL + self.levels

    def token_of_level(self, level: int) -> int:
        """The token that opens a level, 1 .. Q."""
        return SPECIAL + level - 1

    def token_of_length(self, frames: int) -> int:
        """The token that opens a latent step of so many frames, 1 .. LONGEST."""
        return PERSON + frames

    def flatten(self, grids: Sequence[TokenGrid]) -> NDArray[np.int32]:
        """(n,) the stream of chunks; of their levels the first Q. Raises InputError if they have fewer or other cells."""
        parts: list[list[int] | NDArray[np.integer]] = [[START]]
        for grid in grids:
            if grid.codes != CODES or grid.levels < self.levels or grid.indices.shape[1:3] != self.cells:
                had = f"{grid.levels} levels of {grid.codes} codes and {grid.indices.shape[1:3]} cells"
                ours = f"{self.levels} of {CODES} and {self.cells}"
                remedy = "encode with more levels, or ask for fewer"
                raise InputError(f"a grid of {had}, where the vocabulary has {ours}; {remedy}")
            parts.append([PERSON])
            digits = grid.indices[..., : self.levels].reshape(len(grid.indices), -1, self.levels)
            for step, frames in zip(digits, grid.lengths, strict=True):
                parts.append([self.token_of_length(frames)])
                for level, plane in enumerate(step.T, start=1):
                    cells = np.flatnonzero(plane)
                    parts += [[self.token_of_level(level)], self.first_cell + 2 * cells + plane[cells] - 1]
        return np.concatenate([*parts, [END]]).astype(np.int32)

    def unflatten(self, stream: NDArray[np.integer]) -> tuple[TokenGrid, ...]:
        """The chunks of a stream that hold a step; what a model left unfinished is as its levels so far say.

        Raises InputError where a token cannot stand, or where steps have lengths that no chunk has.
        """
        chunks: list[_Chunk] = []
        for place, token in enumerate(np.asarray(stream).tolist()):
            if token == END:
                break
            if token == PERSON:
                chunks.append(_Chunk())
            elif token in (PAD, START):
                continue
            elif not chunks or not PERSON < token < self.size:
                raise InputError(f"token {token} at place {place}: no chunk is open, or it is none of the {self.size}")
            else:
                self._take(chunks[-1], token, place)
        shape = (-1, *self.cells, self.levels)
        return tuple(TokenGrid(np.stack(c.steps).reshape(shape), CODES, tuple(c.lengths)) for c in chunks if c.steps)

    def _take(self, chunk: _Chunk, token: int, place: int) -> None:
        """One token of a chunk: a length opens a step, a marker a level, the others say what a cell does."""
        if token < SPECIAL:
            chunk.steps.append(np.zeros((self.cells[0] * self.cells[1], self.levels), np.int32))
            chunk.lengths.append(token - PERSON)
            chunk.level = 0
        elif token < self.first_cell:
            if token - SPECIAL != chunk.level or not chunk.steps:
                raise InputError(f"level {token - SPECIAL + 1} at place {place} after level {chunk.level}")
            chunk.level += 1
        elif not chunk.level:
            raise InputError(f"token {token} at place {place} before any level")
        else:
            cell, digit = divmod(token - self.first_cell, 2)
            chunk.steps[-1][cell, chunk.level - 1] = digit + 1


def pad_batch(streams: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """(B, n) streams filled up with PAD to the longest."""
    batch = np.full((len(streams), max(map(len, streams), default=0)), PAD, np.int32)
    for row, stream in zip(batch, streams, strict=True):
        row[: len(stream)] = stream
    return batch
