"""TokenGrid: the integers that a stretch of motion becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.windows.lengths import SIZES, WINDOW_LENGTHS
from posecodec.errors import InputError

CODES = 3  # Values of a token of a vocabulary of digits


@dataclass(frozen=True, eq=False, repr=False)
class TokenGrid:
    """Tokens of one chunk of one track.

    indices: (t, h, w, Q) int32 in 0..codes-1: latent steps, frequencies, channels, levels, first to last, of which a prefix
    is a coarser code. codes: N. lengths: (t,) frames of each latent step, as WINDOW_LENGTHS allows.

    Raises InputError if shape, type or range do not fit.

    >>> TokenGrid(np.zeros((1, 24, 58, 4), np.int32), 3, (20,)).levels
    4
    """

    indices: NDArray[np.int32]
    codes: int
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        array = self.indices
        if array.ndim != 4 or array.dtype != np.int32:
            raise InputError(f"tokens are {array.dtype} {array.shape}; int32 (t, h, w, Q) is needed")
        if array.size and not (0 <= int(array.min()) and int(array.max()) < self.codes):
            raise InputError(f"tokens reach from {array.min()} to {array.max()}; 0 to {self.codes - 1} is allowed")
        if len(array) != len(self.lengths) or not WINDOW_LENGTHS.is_valid(self.lengths):
            what = f"{len(array)} latent steps of {self.lengths} frames"
            raise InputError(f"{what}; {SIZES} are allowed, and what is left")

    def __repr__(self) -> str:
        steps, height, width, levels = self.indices.shape
        return f"TokenGrid({self.frames} frames, {steps} steps of {height} x {width} x {levels}, {self.codes} codes)"

    @property
    def frames(self) -> int:
        """T."""
        return sum(self.lengths)

    @property
    def levels(self) -> int:
        """Q."""
        return int(self.indices.shape[3])

    def truncate(self, levels: int) -> TokenGrid:
        """The first levels only. Raises InputError if there are not so many."""
        if not 1 <= levels <= self.levels:
            raise InputError(f"{levels} levels of {self.levels} asked for")
        return TokenGrid(self.indices[..., :levels].copy(), self.codes, self.lengths)
