"""Blocks of frames and their transforms: cosines for the first block, sines pinned to the frame before for the others.

A block is predicted by the last frame decoded before it. What is left starts near zero and ends anywhere, which is what
the sines of DST-VII do (Han et al. 2012, for image blocks beside a decoded edge): blocks join without a seam.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.typing import Floats

SIZES = (16, 32, 64, 128, 256)
GRID = SIZES[0]
LONGEST = SIZES[-1] + GRID - 1
MOST = 1e15
"""Largest value in steps that sizes are chosen by: squares of its sums fit float32."""
BLOCK_BITS = 40.0
"""What a block costs besides its coefficients, for choosing sizes."""


@lru_cache(maxsize=128)
def dct(frames: int) -> Floats:
    """(N, N) orthonormal DCT-II, frequencies first."""
    n = np.arange(frames)
    matrix = np.sqrt(2 / frames) * np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * frames))
    matrix[0] /= np.sqrt(2)
    return matrix


@lru_cache(maxsize=128)
def dst(frames: int) -> Floats:
    """(N, N) orthonormal DST-VII, frequencies first: zero at the frame before the first, flat at the end."""
    n = np.arange(frames)
    period = 4 * frames + 2
    waves = 2 / np.sqrt(2 * frames + 1) * np.sin(2 * np.pi * np.arange(period) / period)
    return np.asarray(waves[(2 * n[:, None] + 1) * (n + 1) % period])


@lru_cache(maxsize=128)
def _single(frames: int, pinned: bool) -> NDArray[np.float32]:
    """A transform in the precision that choosing sizes needs."""
    return (dst(frames) if pinned else dct(frames)).astype(np.float32)


def options(left: int) -> list[int]:
    """Sizes that a block may have where `left` frames are left; the last one takes all, if it can."""
    return [size for size in SIZES if size < left] + ([left] if left <= LONGEST else [])


def choose_sizes(channels: Floats, step: float, whole: bool) -> list[int]:
    """Sizes of the blocks of channels (T, C) that need the fewest bits at that step, about.

    whole: channels are residuals without a frame before, so that every block is a cosine block.
    """
    frames = len(channels)
    scaled = np.clip(channels * (1.2 / step), -MOST, MOST).astype(np.float32)
    marks = [*range(0, frames, GRID), frames]
    best = {0: (0.0, 0)}
    for start in marks[:-1]:
        if start not in best:
            continue
        for size in options(frames - start):
            price = best[start][0] + _price(scaled, start, size, whole)
            end = start + size
            if end not in best or price < best[end][0]:
                best[end] = (price, size)
    sizes, end = [], frames
    while end:
        sizes.append(best[end][1])
        end -= sizes[-1]
    return sizes[::-1]


def _price(scaled: NDArray[np.float32], start: int, size: int, whole: bool) -> float:
    """About the bits of a block, of channels in steps."""
    block, pinned = scaled[start : start + size], start > 0 and not whole
    values = _single(size, pinned) @ (block - scaled[start - 1] if pinned else block)
    np.square(values, out=values)
    values += 1
    return BLOCK_BITS + 0.5 * float(np.log2(values, out=values).sum())
