"""Orthonormal transforms of blocks of frames: cosines, and sines that are zero at the frame before the first.

A block is predicted by the last frame decoded before it. What is left starts near zero and ends anywhere, which is what
the sines of DST-VII do (Han et al. 2012, for image blocks beside a decoded edge): blocks join without a seam.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from posecodec.typing import Floats


@lru_cache(maxsize=128)
def dct(frames: int) -> Floats:
    """(N, N) orthonormal DCT-II, frequencies first."""
    n = np.arange(frames)
    matrix = np.sqrt(2 / frames) * np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * frames))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix)


@lru_cache(maxsize=128)
def dst(frames: int) -> Floats:
    """(N, N) orthonormal DST-VII, frequencies first: zero at the frame before the first, flat at the end."""
    n = np.arange(frames)
    period = 4 * frames + 2
    waves = 2 / np.sqrt(2 * frames + 1) * np.sin(2 * np.pi * np.arange(period) / period)
    return np.asarray(waves[(2 * n[:, None] + 1) * (n + 1) % period])
