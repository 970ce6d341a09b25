"""How long blocks of frames are: the lengths that they may have, and the dynamic programme that chooses among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.kernels import kernel
from posecodec.signal.dct import dct, dst
from posecodec.typing import Floats

MIN_CHANNEL, MAX_CHANNEL = (
    1e-30,
    1e30,
)  # Smallest that counts, and largest value that lengths are chosen by: float32 holds its sums
MAX_VALUE = 1e15  # Largest value in steps that lengths are chosen by: squares of its sums fit float32
PIECE = 1 << 16  # Values that are transformed together, about: what caches hold of single precision
PIECE_CHANNELS = 64  # Of which they are
MAX_KEPT_VALUES = 1 << 25  # Of spectra that are kept: 128 MiB, a whole chunk of 350 markers in 3D
MULTIPLIED = 8  # Values whose squares of up to 1e32 are multiplied in doubles before anything is looked at
LARGE_PRODUCT = 1e40  # From which on a logarithm is taken: with MULTIPLIED more it is below 1e308
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

    def estimate(self, spectra: BlockSpectra, factor: float, length: int, starts: range, pinned: bool) -> Floats:
        """(S,) about the bits of blocks of channels times a factor, predicted by the frame before where they are pinned."""
        total = np.full(len(starts), self.bits)
        for columns, first, last in spectra.list_pieces(length, len(starts)):
            some = starts[first:last]
            values = spectra.transform(length, some, columns, pinned, self.rows)
            total[first:last] += 0.5 * _sum_logs(values, factor)
            if self.residue_bits:
                whole = _sum_squares(spectra.cut(length, some, columns, pinned), factor)
                total[first:last] += self.residue_bits * (whole - _sum_squares(values, factor))
        return total


@dataclass(eq=False, repr=False)
class BlockSpectra:
    """Transforms of all blocks that channels (T, C) may be cut into, in single precision; no step changes them.

    Where several steps are tried they are kept, as many as MAX_KEPT_VALUES: from the second on, or as soon as told. For one
    step, memory that is new costs more than it saves.
    """

    channels: Floats
    _kept: dict[tuple[int, int, int], NDArray[np.float32]] = field(default_factory=dict)
    _room: int = 0
    _tried: bool = False

    def keep(self) -> None:
        """Keep what is worked out from now on."""
        if not self._kept:
            self._room = MAX_KEPT_VALUES

    def begin_step(self) -> None:
        """Say that lengths are chosen for another step."""
        if self._tried:
            self.keep()
        self._tried = True

    @cached_property
    def largest(self) -> float:
        """The largest magnitude, at least MIN_CHANNEL."""
        return float(np.abs(self._single).max(initial=MIN_CHANNEL))

    def list_pieces(self, length: int, count: int) -> Iterator[tuple[slice, int, int]]:
        """Channels, first and last of so many blocks that are worked on together: few enough to stay near."""
        some = max(PIECE // (length * PIECE_CHANNELS), 1)
        for column in range(0, self.channels.shape[1], PIECE_CHANNELS):
            for first in range(0, count, some):
                yield slice(column, column + PIECE_CHANNELS), first, min(first + some, count)

    @cached_property
    def _single(self) -> NDArray[np.float32]:
        return np.clip(self.channels, -MAX_CHANNEL, MAX_CHANNEL).astype(np.float32)

    def transform(
        self, length: int, starts: range, columns: slice, pinned: bool, rows: int | None
    ) -> NDArray[np.float32]:
        """(rows, S, C) of blocks that begin at evenly spaced frames, frequencies first; the same rows every time."""
        key = length, starts.start, columns.start
        if key in self._kept:
            return self._kept[key]
        blocks = self.cut(length, starts, columns, pinned)
        found = (_single_precision(length, pinned, rows) @ blocks.reshape(length, -1)).reshape(-1, *blocks.shape[1:])
        if found.size <= self._room:
            self._kept[key] = found
            self._room -= found.size
        return np.asarray(found)

    def cut(self, length: int, starts: range, columns: slice, pinned: bool) -> NDArray[np.float32]:
        """(N, S, C) of blocks, less the frame before where they are pinned."""
        values = self._single
        row, first, last = values.strides[0], *columns.indices(values.shape[1])[:2]
        blocks: NDArray[np.float32] = np.ndarray(
            (length, len(starts), last - first), np.float32, values, starts.start * row + first * values.itemsize,
            (row, row * starts.step, values.itemsize),
        )  # fmt: skip
        before = values[starts.start - 1 : starts.stop - 1 : starts.step, columns] if pinned else np.float32(0)
        return np.subtract(blocks, before, order="C")


@lru_cache(maxsize=512)
def _single_precision(frames: int, pinned: bool, rows: int | None) -> NDArray[np.float32]:
    """A transform's lowest rows in the precision that choosing lengths needs."""
    return (dst(frames) if pinned else dct(frames))[:rows].astype(np.float32)


def _sum_logs(values: NDArray[np.float32], factor: float) -> Floats:
    """(S,) sums of log2(1 + (factor * value)^2) over blocks (N, S, C): logarithms of products, which are far fewer."""
    total = np.zeros(values.shape[1])
    _add_logs(total, np.ones(values.shape[1:]), values, factor)
    return total


@kernel
def _add_logs(total, products, values, factor):  # type: ignore[no-untyped-def]
    rows, count, columns = values.shape
    for first in range(0, rows, MULTIPLIED):
        for k in range(first, min(first + MULTIPLIED, rows)):
            for s in range(count):
                for c in range(columns):
                    scaled = factor * values[k, s, c]
                    products[s, c] *= 1.0 + scaled * scaled
        last = first + MULTIPLIED >= rows
        for s in range(count):
            for c in range(columns):
                if last or products[s, c] > LARGE_PRODUCT:
                    total[s] += np.log2(products[s, c])
                    products[s, c] = 1.0


def _sum_squares(values: NDArray[np.float32], factor: float) -> Floats:
    """(S,) sums of (factor * value)^2 over blocks (N, S, C)."""
    total = np.zeros(values.shape[1])
    _add_squares(total, values, factor)
    return total


@kernel
def _add_squares(total, values, factor):  # type: ignore[no-untyped-def]
    for k in range(values.shape[0]):
        for s in range(values.shape[1]):
            for c in range(values.shape[2]):
                total[s] += (factor * values[k, s, c]) ** 2


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
    spectra.begin_step()

    def price_all(length: int, starts: range) -> Floats:
        return price.estimate(spectra, factor, length, starts, starts.start > 0 and not is_residual)

    later = {
        n: price_all(n, range(shortest, frames - n + 1, shortest))
        for n in segmentation.lengths
        if n <= longest and n + shortest <= frames
    }
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}
    for start in range(0, frames, shortest):
        if start not in best:
            continue
        for length in (n for n in segmentation.list_options(frames - start) if n <= longest):
            known = start > 0 and length in later
            bits = later[length][start // shortest - 1] if known else price_all(length, range(start, start + 1))[0]
            total, end = best[start][0] + float(bits), start + length
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
