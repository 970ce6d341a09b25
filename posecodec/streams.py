"""Token grids as one line of integers for models that read and write sequences, and back.

The vocabulary holds four special tokens and then the codes of every level, level after level. A person's chunk is its
latent steps in order, within a step its cells, within a cell its levels from coarse to fine:

    START PERSON l1 l2 .. lQ l1 l2 .. lQ ... PERSON l1 l2 .. lQ ... END

PERSON opens every chunk. PAD fills batches up. Nothing here knows where people stand: that is side information, which the
file keeps and `PoseCodec.detokenize` does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.tokens import TokenGrid

PAD, START, END, PERSON = range(4)
SPECIAL = 4


@dataclass(frozen=True)
class Vocabulary:
    """levels: Q, coarse to fine. codes: N of each. cells: h x w of the latent grid. frames_per_step: of a latent step.

    >>> Vocabulary(6, 512, (1, 1), 16).size
    3076
    """

    levels: int
    codes: int
    cells: tuple[int, int]
    frames_per_step: int

    @property
    def size(self) -> int:
        """How many different tokens there are."""
        return SPECIAL + self.levels * self.codes

    def flatten(self, grids: Sequence[TokenGrid]) -> NDArray[np.int32]:
        """(n,) the stream of chunks; of their levels the first Q. Raises InputError if they have fewer or other codes."""
        offsets = SPECIAL + self.codes * np.arange(self.levels, dtype=np.int32)
        parts: list[NDArray[np.int32]] = [np.array([START], np.int32)]
        for grid in grids:
            self._check(grid)
            parts += [np.array([PERSON], np.int32), (grid.indices[..., : self.levels] + offsets).ravel()]
        return np.concatenate([*parts, np.array([END], np.int32)]).astype(np.int32)

    def unflatten(self, stream: NDArray[np.integer]) -> tuple[TokenGrid, ...]:
        """The chunks of a stream, each of whole latent steps; what a model left unfinished at a chunk's end is dropped.

        Raises InputError where a token is not of the level that its place asks for.
        """
        chunks: list[list[int]] = []
        for token in np.asarray(stream).tolist():
            if token == END:
                break
            if token == PERSON:
                chunks.append([])
            elif token not in (PAD, START):
                if not chunks:
                    raise InputError(f"token {token} before any person; a chunk begins with {PERSON}")
                chunks[-1].append(token)
        return tuple(grid for grid in map(self._grid, chunks) if grid is not None)

    def _grid(self, tokens: list[int]) -> TokenGrid | None:
        per_step = self.levels * self.cells[0] * self.cells[1]
        steps = len(tokens) // per_step
        if not steps:
            return None
        shape = (steps, *self.cells, self.levels)
        codes = np.array(tokens[: steps * per_step], np.int64).reshape(shape) - SPECIAL
        codes -= self.codes * np.arange(self.levels)
        if codes.min() < 0 or codes.max() >= self.codes:
            place = int(np.flatnonzero((codes < 0).ravel() | (codes >= self.codes).ravel())[0])
            raise InputError(
                f"token {tokens[place]} at place {place} of a chunk is not of level {place % self.levels + 1}"
            )
        return TokenGrid(codes.astype(np.int32), self.codes, steps * self.frames_per_step, self.frames_per_step)

    def level_of(self, place: int) -> int:
        """The level, 0 .. Q-1, of the token at a place within a chunk."""
        return place % self.levels

    def allowed(self, place: int) -> slice:
        """The tokens that may stand at a place within a chunk."""
        first = SPECIAL + self.codes * self.level_of(place)
        return slice(first, first + self.codes)

    def _check(self, grid: TokenGrid) -> None:
        if grid.codes != self.codes or grid.levels < self.levels or grid.indices.shape[1:3] != self.cells:
            raise InputError(
                f"a grid of {grid.levels} levels of {grid.codes} codes and {grid.indices.shape[1:3]} cells, where the "
                f"vocabulary has {self.levels} of {self.codes} and {self.cells}; encode with more levels, or ask for fewer"
            )


def padded(streams: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """(B, n) streams filled up with PAD to the longest."""
    longest = max((len(stream) for stream in streams), default=0)
    batch = np.full((len(streams), longest), PAD, np.int32)
    for row, stream in zip(batch, streams, strict=True):
        row[: len(stream)] = stream
    return batch
