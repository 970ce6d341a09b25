"""TokenGrid: the integers a model turns a stretch of motion into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError


@dataclass(frozen=True, eq=False)
class TokenGrid:
    """Tokens of one chunk of one track.

    indices: (t, h, w, Q) int32 in 0..codes-1; Q levels, first to last, of which a prefix is a coarser code.
    codes: N. frames: how many frames the chunk has; the last latent step may reach beyond them.
    frames_per_step: frames that one latent step stands for.

    Raises InputError if shape, type or range do not fit.

    >>> TokenGrid(np.zeros((2, 1, 1, 4), np.int32), 512, 20, 16).levels
    4
    """

    indices: NDArray[np.int32]
    codes: int
    frames: int
    frames_per_step: int

    def __post_init__(self) -> None:
        array = self.indices
        if array.ndim != 4 or array.dtype != np.int32:
            raise InputError(f"tokens are {array.dtype} {array.shape}; int32 (t, h, w, Q) is needed")
        if array.size and not (0 <= int(array.min()) and int(array.max()) < self.codes):
            raise InputError(f"tokens reach from {array.min()} to {array.max()}; 0 to {self.codes - 1} is allowed")
        if self.frames < 1 or len(array) != -(-self.frames // self.frames_per_step):
            raise InputError(
                f"{len(array)} latent steps for {self.frames} frames at {self.frames_per_step} frames per step"
            )

    @property
    def levels(self) -> int:
        """Q."""
        return self.indices.shape[3]

    def coarser(self, levels: int) -> TokenGrid:
        """The first levels only. Raises InputError if there are not so many."""
        if not 1 <= levels <= self.levels:
            raise InputError(f"{levels} levels of {self.levels} asked for")
        return TokenGrid(self.indices[..., :levels].copy(), self.codes, self.frames, self.frames_per_step)
