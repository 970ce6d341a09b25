"""Channels of one chunk to range-coded blocks and back: prediction, transform, quantization, in mirrored steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.transform import coefficient_model
from posecodec.coders.transform.coefficient_model import (
    DECODE,
    ENCODE,
    LOOK,
    BlockContext,
    CoefficientModel,
    frequency_bins,
    frequency_logs,
)
from posecodec.coders.transform.magnitudes import LARGEST, MAX_COEFFICIENT_BYTES, PLACES, ROWS
from posecodec.coders.transform.trellis import find_path
from posecodec.entropy.fixed_point import exp16_of, measure_logs
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import InputError
from posecodec.kernels import kernel
from posecodec.signal.dct import dct, dst
from posecodec.signal.quantization import step_of_qp
from posecodec.signal.segmentation import BlockPrice, BlockSpectra, Segmentation, choose_lengths
from posecodec.typing import Bools, Floats, Ints

BLOCKS = Segmentation((16, 32, 64, 128, 256), longest=271)
"""Frames of a block; the last takes what is too short for one of its own. 512 gain under 0.3 % (log of 2026-11-23)."""
BLOCK_PRICE = BlockPrice(bits=40.0)  # For choosing lengths: 10 bits lose 3 %, 50 gain 0.5 % (log of 2026-11-23)
FIRST, LATER, RESIDUAL = 0, 1, 2  # Kinds of blocks: of a stretch the first, and others; of what another coder left all
RD_LAMBDA = 0.12  # Squared steps that a bit is worth: from 0.09 to 0.14 within 0.3 % (log of 2026-11-28)
ROUNDING = 0.4  # Added before rounding down, for a first look at where integers are expected: a dead zone of 1.2 steps
ROUNDED_TO_ZERO = 0.62  # Steps that the encoder rounds to 0 at any price, for choosing how many frequencies are coded
GENERIC_KIND = 4  # What the context model sees added to a block's kind where nothing was trained for the basis


class TooFineError(InputError):
    """A step so fine that coefficients do not fit 30 bits."""


@dataclass(eq=False, repr=False)
class BlockCoder:
    """What encoder and decoder both keep from block to block.

    prior: (2, C, BINS) int, 16 x log2 of the expected magnitude of first and later blocks. pinned: (C,) channels that begin
    at zero. is_residual: of what another coder left. is_generic: nothing was trained for the basis.
    """

    model: CoefficientModel
    prior: Ints
    pinned: Bools
    qp: int
    is_residual: bool
    is_generic: bool = False

    def __post_init__(self) -> None:
        self.rows = self.model.rows.copy()
        self.expected = exp16_of(np.ascontiguousarray(self.prior - self.qp + 128))
        self.seen = 0
        self.last: NDArray[np.int32] | None = None

    def choose_kind(self, start: int) -> int:
        """Which kind of block begins at a frame."""
        return RESIDUAL if self.is_residual else FIRST if start == 0 else LATER

    def forward(self, block: Floats, before: Floats, kind: int) -> Floats:
        """(N, C) coefficients of a block, predicted by the frame (C,) before."""
        if kind == LATER:
            return np.asarray(dst(len(block)) @ (block - before))
        values: Floats = dct(len(block)) @ block
        if kind == FIRST and self.pinned.any():
            values[:, self.pinned] = dst(len(block)) @ block[:, self.pinned]
        return values

    def inverse(self, values: Floats, before: Floats, kind: int) -> Floats:
        """The mirror of `forward`."""
        if kind == LATER:
            return np.asarray(dst(len(values)).T @ values + before)
        block: Floats = dct(len(values)).T @ values
        if kind == FIRST and self.pinned.any():
            block[:, self.pinned] = dst(len(values)).T @ values[:, self.pinned]
        return block

    def run(
        self, stream: RangeEncoder | RangeDecoder, kind: int, last_significant: int, values: Floats
    ) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Code a block, frequencies up to the last significant: integers (N, C) and their places among the model's rows."""
        frames, count = values.shape
        quantized, places = np.zeros(values.shape, np.int32), np.zeros(values.shape, np.int16)
        context = self._build_context(frames, count, kind)
        room = coefficient_model.make_workroom(frames, count, self.model)
        args = (
            quantized, places, context, room, self.model.b1, self.model.network, self.rows, self.model.machine,
            last_significant,
        )  # fmt: skip
        if isinstance(stream, RangeEncoder):
            coded = slice(last_significant)
            quantized[coded] = np.copysign(np.floor(np.abs(values[coded]) + ROUNDING), values[coded])
            stream.run(coefficient_model.code_block, 0, LOOK, *args)
            self._choose(values[coded], places[coded], quantized[coded])
            stream.run(coefficient_model.code_block, last_significant * count * MAX_COEFFICIENT_BYTES, ENCODE, *args)
        else:
            stream.run(coefficient_model.code_block, DECODE, *args)
        coefficient_model.update_expected(self.expected[1], context.bins, quantized, self.seen)
        self.last = quantized
        self.seen += 1
        return quantized, places

    def _choose(self, values: Floats, places: NDArray[np.int16], quantized: NDArray[np.int32]) -> None:
        """Fill the integers of values (N, C) with those that cost least. places: where merely rounded ones are expected."""
        rows, machine = self.rows, self.model.machine
        find_path(values.ravel(), places.ravel() % PLACES, rows, RD_LAMBDA, machine, quantized.reshape(-1))

    def _build_context(self, frames: int, count: int, kind: int) -> BlockContext:
        return BlockContext(
            self._align_last(frames, count), self.expected[int(kind != FIRST)], frequency_bins(frames),
            frequency_logs(frames), kind + GENERIC_KIND * self.is_generic,
        )  # fmt: skip

    def _align_last(self, frames: int, count: int) -> NDArray[np.int32]:
        """(N + 2, C) log magnitudes of the block before, laid on the frequencies of this one."""
        if self.last is None:
            return np.zeros((frames + 2, count), np.int32)
        old = len(self.last)
        at = np.minimum((2 * np.arange(frames + 1) + 1) * old // (2 * frames), old - 1)
        aligned = np.zeros((frames + 2, count), np.int32)
        aligned[1:] = measure_logs(self.last)[at]
        return aligned


def dequantize(quantized: NDArray[np.int32], places: NDArray[np.int16], offsets: NDArray[np.int32]) -> Floats:
    """Coefficients in steps: the centroid of what each integer stands for."""
    values = np.zeros(quantized.shape)
    _fill_centroids(values, quantized, places, offsets)
    return values


@kernel
def _fill_centroids(values, quantized, places, offsets):  # type: ignore[no-untyped-def]
    for k in range(quantized.shape[0]):
        for c in range(quantized.shape[1]):
            size = abs(np.int64(quantized[k, c]))
            if size:
                row = places[k, c] >> 4
                centroid = size - 0.5 * (row >= ROWS) - offsets[row, min(size, np.int64(3)) - 1] / 256.0
                values[k, c] = centroid if quantized[k, c] > 0 else -centroid


def encode_channels(
    encoder: RangeEncoder, channels: Floats, coder: BlockCoder, spectra: BlockSpectra | None = None
) -> Floats:
    """Code channels (T, C); returns what the decoder will have. spectra: of them, where known. Raises TooFineError."""
    step, decoded, start = step_of_qp(coder.qp), np.zeros_like(channels), 0
    for size in choose_lengths(spectra or channels, step, BLOCKS, BLOCK_PRICE, is_residual=coder.is_residual):
        choice = BLOCKS.list_options(len(channels) - start)
        encoder.put_uniform(choice.index(size), len(choice))
        kind = coder.choose_kind(start)
        before = decoded[start - 1]
        values = coder.forward(channels[start : start + size], before, kind) / step
        if not np.abs(values).max(initial=0.0) < LARGEST - 1:
            raise TooFineError("too fine an error for coordinates that reach so far; allow more, or use --lossless")
        last_significant = _find_last_significant(values)
        encoder.put_uniform(last_significant, size + 1)
        quantized, places = coder.run(encoder, kind, last_significant, values)
        block = coder.inverse(dequantize(quantized, places, coder.model.reconstruction_offsets) * step, before, kind)
        decoded[start : start + size] = block
        start += size
    return decoded


def decode_channels(decoder: RangeDecoder, frames: int, count: int, coder: BlockCoder) -> Floats:
    """The mirror of `encode_channels`: channels (T, C). Raises CorruptError."""
    step, decoded, start = step_of_qp(coder.qp), np.zeros((frames, count)), 0
    while start < frames:
        choice = BLOCKS.list_options(frames - start)
        size = choice[decoder.get_uniform(len(choice))]
        kind = coder.choose_kind(start)
        before = decoded[start - 1]
        last_significant = decoder.get_uniform(size + 1)
        quantized, places = coder.run(decoder, kind, last_significant, np.zeros((size, count)))
        block = coder.inverse(dequantize(quantized, places, coder.model.reconstruction_offsets) * step, before, kind)
        decoded[start : start + size] = block
        start += size
    return decoded


def _find_last_significant(values: Floats) -> int:
    """How many frequencies have anything that will not be rounded to zero."""
    busy = np.flatnonzero((np.abs(values) > ROUNDED_TO_ZERO).any(axis=1))
    return int(busy[-1]) + 1 if len(busy) else 0
