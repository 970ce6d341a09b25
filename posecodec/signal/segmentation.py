"""How long blocks of frames are: the lengths that they may have, and the dynamic programme that chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.signal.dct import dct, dst
from posecodec.typing import Floats

MIN_CHANNEL, MAX_CHANNEL = (
    1e-30,
    1e30,
)  # Smallest that counts, and largest value that lengths are chosen by: float32 holds its sums
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

    def estimate(self, spectra: BlockSpectra, factor: float, start: int, length: int, pinned: bool) -> float:
        """About the bits of a block of channels times a factor, predicted by the frame before where it is pinned."""
        values = spectra.transform(start, length, pinned, self.rows) * np.float32(factor)
        np.square(values, out=values)
        residue = 0.0
        if self.residue_bits:
            residue = float(np.square(spectra.cut(start, length, pinned) * np.float32(factor)).sum() - values.sum())
        values += 1
        return self.bits + 0.5 * float(np.log2(values, out=values).sum()) + self.residue_bits * residue


@dataclass(eq=False, repr=False)
class BlockSpectra:
    """Transforms of all blocks that channels (T, C) may be cut into, in single precision; no step changes them.

    kept: those that were worked out, by start and length, where several steps are to be tried; None where only one is.
    """

    channels: Floats
    kept: dict[tuple[int, int], NDArray[np.float32]] | None = None

    @cached_property
    def largest(self) -> float:
        """The largest magnitude, at least MIN_CHANNEL."""
        return float(np.abs(self._single).max(initial=MIN_CHANNEL))

    @cached_property
    def _single(self) -> NDArray[np.float32]:
        return np.clip(self.channels, -MAX_CHANNEL, MAX_CHANNEL).astype(np.float32)

    def cut(self, start: int, length: int, pinned: bool) -> NDArray[np.float32]:
        """(N, C) of a block, less the frame before where it is pinned."""
        before = self._single[start - 1] if pinned else np.float32(0)
        return np.asarray(self._single[start : start + length] - before)

    def transform(self, start: int, length: int, pinned: bool, rows: int | None) -> NDArray[np.float32]:
        """(rows, C) of a block, frequencies first. Spectra that are kept must be asked for the same rows every time."""
        if self.kept is not None and (start, length) in self.kept:
            return self.kept[start, length]
        found = _single_precision(length, pinned, rows) @ self.cut(start, length, pinned)
        if self.kept is not None:
            self.kept[start, length] = found
        return found


@lru_cache(maxsize=512)
def _single_precision(frames: int, pinned: bool, rows: int | None) -> NDArray[np.float32]:
    """A transform's lowest rows in the precision that choosing lengths needs."""
    return (dst(frames) if pinned else dct(frames))[:rows].astype(np.float32)


def choose_lengths(
    channels: Floats | BlockSpectra, step: float, segmentation: Segmentation, price: BlockPrice,
    longest: int | None = None, is_residual: bool = False,
) -> tuple[int, ...]:  # fmt: skip
    """Lengths of the blocks of channels (T, C) that need the fewest bits at a step, about.

    longest: none that could be shorter is longer. is_residual: channels are what another coder left, so that no frame before
    a block says anything about it.
    """
    spectra = channels if isinstance(channels, BlockSpectra) else BlockSpectra(channels)
    frames, shortest = len(spectra.channels), segmentation.lengths[0]
    longest = segmentation.longest if longest is None else max(longest, 2 * shortest - 1)
    factor = min(ESTIMATE_GAIN / step, MAX_VALUE / spectra.largest)
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    for start in range(0, frames, shortest):
        if start not in best:
            continue
        pinned = start > 0 and not is_residual
        for length in (n for n in segmentation.list_options(frames - start) if n <= longest):
            total, end = best[start][0] + price.estimate(spectra, factor, start, length, pinned), start + length
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
