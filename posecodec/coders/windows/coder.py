"""Chunks of tokens: windows of quantized frequencies of a body, and the network after them; alone or with a refinement.

`tokenizer` has the weights and what they do; here stand the chunk around its integers, and what a trial costs. torch is
loaded when a network is asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import Header
from posecodec.bitstream.presence import Presence, read_presence, write_presence
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.tokens.grid import LONGEST, TokenGrid
from posecodec.coders.transform.coder import TransformCoder
from posecodec.coders.windows import stream
from posecodec.coders.windows.bitplanes import qp_of_levels
from posecodec.coders.windows.stream import QuantizedMotion
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.typing import Floats
from posecodec.zoo import Weights

if TYPE_CHECKING:
    from posecodec.coders.windows.tokenizer import Tokenizer

FINEST_LEVELS, COARSEST_LEVELS = 12, 3  # Levels of tokens whose steps are tried


class WindowsCoder:
    """Tokens of bodies, with weights of their own; without weights it supports nothing."""

    kind = ChunkKind.TOKENS
    qp_range = range(qp_of_levels(FINEST_LEVELS), qp_of_levels(COARSEST_LEVELS) + 1)

    def __init__(self, weights: Weights | None, device: str, transform: TransformCoder) -> None:
        self.weights, self.device, self.transform = weights, device, transform

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tables and the network. Raises WeightsError where there are no token weights."""
        if self.weights is None:
            raise WeightsError("tokens need token weights; pass -m body3d or -m body2d")
        from posecodec.coders.windows.tokenizer import Tokenizer

        return Tokenizer(self.weights, self.device)

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether there are weights, for bodies such as this one."""
        return self.weights is not None and chunk.body is not None and chunk.body.shape[2] == self.tokenizer.dims

    def check_sequence(self, sequence: PoseSequence) -> None:
        """Raises InputError where the weights cannot code a sequence, saying why."""
        dims, skeleton, name = self.tokenizer.dims, self.tokenizer.skeleton, self.tokenizer.weights.name
        if sequence.dims != dims:
            raise InputError(f"{name} codes {dims}D, this is {sequence.dims}D; choose with -m")
        if lost := missing_for(sequence.skeleton, skeleton):
            raise InputError(
                f"{name} cannot code {len(lost)} of the keypoints of {sequence.skeleton.name!r} "
                f"({', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}); leave --levels out, or pass --skeleton "
                f"{skeleton.name} to keep only those that it can"
            )

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk at the step of a QP, with errors after the network. It keeps no bound."""
        assert max_error is None
        return Candidate.measure(self.encode_tokens(chunk, qp), chunk, chunk.points - self.reconstruct(chunk, qp))

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        if missing_for(context.skeleton, self.tokenizer.skeleton):
            raise CorruptError("tokens of keypoints that the file's weights cannot code; get the file again")
        presence, quantized = self.read_integers(chunk, context)
        body = self.tokenizer.decode(quantized, context.up).astype(np.float64)
        if chunk.refinement:
            return DecodedChunk.from_pose(self.transform.decode_refinement(chunk, context, body), presence)
        return DecodedChunk.from_pose(self._select(body, context.skeleton), presence)

    def encode_tokens(self, chunk: ChunkInput, qp: int, longest: int = LONGEST) -> Chunk:
        """The bytes alone: no network runs. longest: frames of a window at most, for less delay."""
        return self._quantize(chunk, qp, longest)[0]

    def read_grids(self, header: Header, chunks: list[Chunk]) -> tuple[TokenGrid, ...]:
        """The tokens of a file, a grid for each chunk of them: no network runs. Raises CorruptError."""
        return tuple(
            self.tokenizer.to_grid(self.read_integers(chunk, ChunkContext.from_header(header, span.length))[1])
            for chunk, span in zip(chunks, header.spans, strict=True)
            if chunk.kind == self.kind
        )

    def write(self, encoder: RangeEncoder, chunk: ChunkInput, qp: int) -> Floats:
        """The motion alone, into a stream that holds other things too; returns what it decodes to, (T, K, D)."""
        stream.write(encoder, self._quantize(chunk, qp)[1], self.tokenizer.tables, chunk.unit)
        return self.reconstruct(chunk, qp)

    def read(self, decoder: RangeDecoder, context: ChunkContext) -> Floats:
        """The mirror of `write`. Raises CorruptError."""
        quantized = stream.read(decoder, context.frames, self.tokenizer.tables, context.unit)
        return self._select(self.tokenizer.decode(quantized, context.up).astype(np.float64), context.skeleton)

    def encode_refined(self, chunk: ChunkInput, levels: int, qp: int) -> Candidate:
        """Tokens of so many levels, and what they miss by the transform at a QP of its own."""
        tokens, quantized = self._quantize(chunk, qp_of_levels(levels))
        guide = self.tokenizer.decode(quantized, chunk.up).astype(np.float64)
        return self.transform.encode_refinement(chunk, qp, guide, tokens.base)

    def reconstruct(self, chunk: ChunkInput, qp: int, network: bool = True) -> Floats:
        """Keypoints (T, K, D) that tokens at a QP decode to; without the network a quick estimate. Remembered."""

        def compute() -> Floats:
            body = self.tokenizer.decode(self._quantize(chunk, qp)[1], chunk.up, network)
            return self._select(body.astype(np.float64), chunk.skeleton)

        return chunk.memo.recall((self.kind, "pose", qp, network), compute)

    def total_error(self, chunk: ChunkInput, qp: int, network: bool = True) -> float:
        """Summed distance of a chunk's keypoints from what tokens decode to, with or without the network."""
        errors = (chunk.points - self.reconstruct(chunk, qp, network))[chunk.presence.mask]
        return float(np.linalg.norm(errors, axis=-1).sum())

    def _quantize(self, chunk: ChunkInput, qp: int, longest: int = LONGEST) -> tuple[Chunk, QuantizedMotion]:
        """Bytes and integers of a chunk at a QP, remembered."""
        return chunk.memo.recall((self.kind, qp, longest), lambda: self._write_integers(chunk, qp, longest))

    def _write_integers(self, chunk: ChunkInput, qp: int, longest: int) -> tuple[Chunk, QuantizedMotion]:
        assert chunk.body is not None
        body, tables = chunk.body, self.tokenizer.tables
        analyzed = chunk.memo.recall((self.kind, "analyzed"), lambda: stream.analyze(body, tables, chunk.up))
        quantized = stream.quantize(*analyzed, qp, tables, longest=longest)
        encoder = RangeEncoder()
        write_presence(encoder, self.kind, chunk.presence)
        stream.write(encoder, quantized, tables, chunk.unit)
        return Chunk(encoder.finish()), quantized

    def read_integers(self, chunk: Chunk, context: ChunkContext) -> tuple[Presence, QuantizedMotion]:
        """The mirror of `_write_integers`. Raises CorruptError."""
        decoder = RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        quantized = stream.read(decoder, context.frames, self.tokenizer.tables, context.unit)
        decoder.finish()
        return presence, quantized

    def _select(self, body: Floats, skeleton: Skeleton) -> NDArray[np.float64]:
        """The keypoints of a skeleton, by name, of a body (T, K, D) of the weights'."""
        return body[:, [self.tokenizer.skeleton.keypoints.index(name) for name in skeleton.keypoints]]
