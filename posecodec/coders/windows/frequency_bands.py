"""Windows of channels as frequencies: cosines for the first, sines pinned to the last known frame for the others.

Of a window its lowest ROWS frequencies are coded. Each is decorrelated by a matrix that depends on the frequency itself, not
on its number, so that windows of all lengths share what is learned. The mirrored pair is `forward` and `inverse`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from posecodec.signal.dct import dct, dst
from posecodec.signal.segmentation import BlockPrice
from posecodec.typing import Bools, Floats, Ints

WINDOW = 64  # Frames of the windows that tables are given for
ROWS = 32  # Frequencies of a window
WINDOW_PRICE = BlockPrice(bits=50.0, rows=ROWS, residue_bits=1.0)
"""What windows cost, for choosing their lengths; what no row stands for is lost, which counts a bit a squared step."""
OWN_ROWS = 9  # With a matrix of their own, the last for all higher ones: 8 save 6 % against one (log of 2026-11-24)


@dataclass(frozen=True, eq=False, repr=False)
class FrequencyBands:
    """What is learned of first and later windows. rotations: (2, OWN_ROWS, C, C) orthogonal. means: (2, C) of the lowest row.

    is_translation: (C,) channels that are 0 where a recording begins.
    """

    rotations: Floats
    means: Floats
    is_translation: Bools

    def forward(self, channels: Floats, later: bool) -> Floats:
        """(..., n, C) as seen from the state before, to (..., ROWS, C)."""
        frames = channels.shape[-2]
        rows = _lowest_rows(frames, True) @ channels
        if not later:
            rows = np.where(self.is_translation, rows, _lowest_rows(frames, False) @ channels)
        rows[..., 0, :] -= self._scale_mean(frames, later)
        return np.asarray(np.einsum("...kc,kcd->...kd", rows, self._pick_rotations(frames, later)))

    def inverse(self, values: Floats, frames: int, later: bool) -> Floats:
        """The mirror of `forward`: (..., frames, C), without what no row stands for."""
        rows = np.asarray(np.einsum("...kd,kcd->...kc", values, self._pick_rotations(frames, later)))
        rows[..., 0, :] += self._scale_mean(frames, later)
        channels = _lowest_rows(frames, True).T @ rows
        if later:
            return np.asarray(channels)
        return np.asarray(np.where(self.is_translation, channels, _lowest_rows(frames, False).T @ rows))

    def _pick_rotations(self, frames: int, later: bool) -> Floats:
        return np.asarray(self.rotations[int(later)][np.minimum(reference_rows(frames), OWN_ROWS - 1)])

    def _scale_mean(self, frames: int, later: bool) -> Floats:
        """A pose's share grows with the root of the length, a movement's with its cube too."""
        return np.asarray(self.means[int(later)] * (frames / WINDOW) ** np.where(self.is_translation | later, 1.5, 0.5))


@lru_cache(maxsize=256)
def reference_rows(frames: int) -> Ints:
    """(ROWS,) the row of a window of WINDOW frames that has the frequency of each row of one of so many frames."""
    return np.asarray(np.minimum((2 * np.arange(ROWS) + 1) * WINDOW // (2 * frames), ROWS - 1))


@lru_cache(maxsize=256)
def _lowest_rows(frames: int, pinned: bool) -> Floats:
    """(ROWS, frames) lowest frequencies, zero where a short window has not so many."""
    low = (dst(frames) if pinned else dct(frames))[:ROWS]
    return np.concatenate([low, np.zeros((ROWS - len(low), frames))])
