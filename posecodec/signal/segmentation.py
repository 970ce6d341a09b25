"""How long blocks of frames are: the lengths that they may have, and the dynamic programme that chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.signal.dct import dct, dst
from posecodec.typing import Floats

MAX_VALUE = 1e15  # Largest value in steps that lengths are chosen by: squares of its sums fit float32
ESTIMATE_GAIN = 1.2  # Times its size in steps that a coefficient's bits are estimated by, as 0.5 log2(1 + square)


@dataclass(frozen=True)
class Segmentation:
    """Lengths that blocks may have: one of some, or, of the last, all that is left, up to `longest`.

    >>> Segmentation((16, 32), 47).list_options(20), Segmentation((16, 32), 47).list_options(300)
    ([16, 20], [16, 32])
    """

    lengths: tuple[int, ...]
    longest: int

    def list_options(self, left: int) -> list[int]:
        """Lengths of a block where so many frames are left."""
        return [n for n in self.lengths if n < left] + ([left] if 1 <= left <= self.longest else [])

    def is_valid(self, lengths: Sequence[int]) -> bool:
        """Whether blocks may have these lengths, one after the other."""
        left = [sum(lengths[i:]) for i in range(len(lengths))]
        return bool(lengths) and all(n in self.list_options(rest) for n, rest in zip(lengths, left, strict=True))


@dataclass(frozen=True)
class BlockPrice:
    """What a block costs, about. bits: besides its coefficients. rows: of which the lowest are coded, None for all.

    residue_bits: that a squared step is worth of what no row stands for.
    """

    bits: float
    rows: int | None = None
    residue_bits: float = 0.0

    def estimate(self, scaled: NDArray[np.float32], start: int, length: int, pinned: bool) -> float:
        """About the bits of a block of channels (T, C) in steps, predicted by the frame before where it is pinned."""
        block = scaled[start : start + length] - (scaled[start - 1] if pinned else np.float32(0))
        values = _single_precision(length, pinned, self.rows) @ block
        np.square(values, out=values)
        residue = float(np.square(block).sum() - values.sum()) if self.residue_bits else 0.0
        values += 1
        return self.bits + 0.5 * float(np.log2(values, out=values).sum()) + self.residue_bits * residue


@lru_cache(maxsize=512)
def _single_precision(frames: int, pinned: bool, rows: int | None) -> NDArray[np.float32]:
    """A transform's lowest rows in the precision that choosing lengths needs."""
    return (dst(frames) if pinned else dct(frames))[:rows].astype(np.float32)


def choose_lengths(
    channels: Floats, step: float, segmentation: Segmentation, price: BlockPrice, longest: int | None = None,
    is_residual: bool = False,
) -> tuple[int, ...]:  # fmt: skip
    """Lengths of the blocks of channels (T, C) that need the fewest bits at a step, about.

    longest: none that could be shorter is longer. is_residual: channels are what another coder left, so that no frame before
    a block says anything about it.
    """
    frames, shortest = len(channels), segmentation.lengths[0]
    longest = segmentation.longest if longest is None else max(longest, 2 * shortest - 1)
    scaled = np.clip(channels * (ESTIMATE_GAIN / step), -MAX_VALUE, MAX_VALUE).astype(np.float32)
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    for start in range(0, frames, shortest):
        if start not in best:
            continue
        pinned = start > 0 and not is_residual
        for length in (n for n in segmentation.list_options(frames - start) if n <= longest):
            total, end = best[start][0] + price.estimate(scaled, start, length, pinned), start + length
            if end not in best or total < best[end][0]:
                best[end] = (total, length)
    lengths, end = [], frames
    while end:
        lengths.append(best[end][1])
        end -= lengths[-1]
    return tuple(lengths[::-1])


def list_spans(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """(start, length) of blocks of these lengths, one after the other."""
    return [(sum(lengths[:i]), length) for i, length in enumerate(lengths)]
