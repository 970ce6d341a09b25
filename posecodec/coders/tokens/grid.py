"""TokenGrid: the integers that a stretch of motion becomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class TokenGrid:
    """Tokens of one chunk of one track.

    indices: (t, h, w, Q) int32 in 0..codes-1: steps of equal length, rows (parts of the body, and last its path),
    columns (1), levels from coarse to fine, of which a prefix is a coarser code. codes: N.

    Raises InputError if shape, type or range do not fit.

    >>> TokenGrid(np.zeros((2, 6, 1, 4), np.int32), 512).levels
    4
    """

    indices: NDArray[np.int32]
    codes: int

    def __post_init__(self) -> None:
        array = self.indices
        if array.ndim != 4 or array.dtype != np.int32 or not array.shape[3]:
            raise InputError(f"tokens are {array.dtype} {array.shape}; int32 (t, h, w, Q) is needed")
        if array.size and not (0 <= int(array.min()) and int(array.max()) < self.codes):
            raise InputError(f"tokens reach from {array.min()} to {array.max()}; 0 to {self.codes - 1} is allowed")

    def __repr__(self) -> str:
        steps, height, width, levels = self.indices.shape
        return f"TokenGrid({steps} steps of {height} x {width} x {levels}, {self.codes} codes)"

    @property
    def levels(self) -> int:
        """Q."""
        return int(self.indices.shape[3])

    def truncate(self, levels: int) -> TokenGrid:
        """The first levels only. Raises InputError if there are not so many."""
        if not 1 <= levels <= self.levels:
            raise InputError(f"{levels} levels of {self.levels} asked for")
        return TokenGrid(self.indices[..., :levels].copy(), self.codes)
