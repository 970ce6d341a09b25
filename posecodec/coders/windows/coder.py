"""Chunks of windows: quantized frequencies of a body; alone or with a refinement."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.presence import Presence, read_presence
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.transform.coder import TransformCoder
from posecodec.coders.windows import stream
from posecodec.coders.windows.lengths import LONGEST
from posecodec.coders.windows.stream import QuantizedMotion
from posecodec.coders.windows.weights import WindowTables, load_tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.typing import Floats
from posecodec.zoo import Weights


class WindowsCoder:
    """Windows of bodies, with weights of their own; without weights it supports nothing."""

    kind = ChunkKind.WINDOWS
    qp_range = range(80, 225)  # At the finest, a step is about a millimetre of an adult

    def __init__(self, weights: Weights | None, transform: TransformCoder) -> None:
        self.weights, self.transform = weights, transform

    @cached_property
    def tables(self) -> WindowTables:
        """What the weights hold. Raises WeightsError where there are none."""
        if self.weights is None:
            raise WeightsError("windows need weights of their own; pass -m windows3d or -m windows2d")
        return load_tables(self.weights)

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether there are weights, for bodies such as this one."""
        return self.weights is not None and chunk.body is not None and chunk.body.shape[2] == self.tables.body.dims

    def check_sequence(self, sequence: PoseSequence) -> None:
        """Raises InputError where the weights cannot code a sequence, saying why."""
        body, name = self.tables.body, self.weights.name if self.weights else ""
        if sequence.dims != body.dims:
            raise InputError(f"{name} codes {body.dims}D, this is {sequence.dims}D; choose with -m")
        if lost := missing_for(sequence.skeleton, body.skeleton):
            raise InputError(
                f"{name} cannot code {len(lost)} of the keypoints of {sequence.skeleton.name!r} "
                f"({', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}); keep only those of {body.skeleton.name}"
            )

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk at the step of a QP; remembered. It keeps no bound."""
        assert max_error is None

        def compute() -> Candidate:
            coded, quantized = self._quantize(chunk, qp)
            points = self._reconstruct(quantized, chunk.up, chunk.skeleton)
            return Candidate.measure(coded, chunk, points)

        return chunk.memo.recall((self.kind, "candidate", qp), compute)

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        if missing_for(context.skeleton, self.tables.body.skeleton):
            raise CorruptError("windows of keypoints that the file's weights cannot code; get the file again")
        presence, quantized = self.read_integers(chunk, context)
        if chunk.refinement:
            guide = self._reconstruct(quantized, context.up)
            return DecodedChunk.from_pose(self.transform.decode_refinement(chunk, context, guide), presence, context)
        return DecodedChunk.from_pose(self._reconstruct(quantized, context.up, context.skeleton), presence, context)

    def encode_alone(self, chunk: ChunkInput, qp: int, longest: int = LONGEST) -> Chunk:
        """The bytes, and nothing measured. longest: frames of a window at most, for less delay."""
        return self._quantize(chunk, qp, longest)[0]

    def encode_refined(self, chunk: ChunkInput, windows_qp: int, qp: int) -> Candidate:
        """Windows at a QP, and what they miss by the transform at a QP of its own."""
        coded, quantized = self._quantize(chunk, windows_qp)
        return self.transform.encode_refinement(chunk, qp, self._reconstruct(quantized, chunk.up), coded.base)

    def write(self, encoder: RangeEncoder, chunk: ChunkInput, qp: int) -> Floats:
        """The motion alone, into a stream that holds other things too; returns what it decodes to, (T, K, D)."""
        quantized = self._quantize(chunk, qp)[1]
        stream.write(encoder, quantized, self.tables, chunk.unit)
        return self._reconstruct(quantized, chunk.up, chunk.skeleton)

    def read(self, decoder: RangeDecoder, context: ChunkContext) -> Floats:
        """The mirror of `write`. Raises CorruptError."""
        quantized = stream.read(decoder, context.frames, self.tables, context.unit)
        return self._reconstruct(quantized, context.up, context.skeleton)

    def _quantize(self, chunk: ChunkInput, qp: int, longest: int = LONGEST) -> tuple[Chunk, QuantizedMotion]:
        """Bytes and integers of a chunk at a QP, remembered."""
        return chunk.memo.recall((self.kind, qp, longest), lambda: self._write_integers(chunk, qp, longest))

    def _write_integers(self, chunk: ChunkInput, qp: int, longest: int) -> tuple[Chunk, QuantizedMotion]:
        assert chunk.body is not None
        body, tables = chunk.body, self.tables
        analyzed = chunk.memo.recall((self.kind, "analyzed"), lambda: stream.analyze(body, tables, chunk.up))
        quantized = stream.quantize(*analyzed, qp, tables, longest=longest)
        encoder = chunk.begin(self.kind)
        stream.write(encoder, quantized, tables, chunk.unit)
        return Chunk(encoder.finish()), quantized

    def read_integers(self, chunk: Chunk, context: ChunkContext) -> tuple[Presence, QuantizedMotion]:
        """The mirror of `_write_integers`. Raises CorruptError."""
        decoder = RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        quantized = stream.read(decoder, context.frames, self.tables, context.unit)
        decoder.finish()
        return presence, quantized

    def _reconstruct(
        self, quantized: QuantizedMotion, up: str, skeleton: Skeleton | None = None
    ) -> NDArray[np.float64]:
        """Keypoints (T, K, D) that integers say, in the recording's unit and axes: a skeleton's, or all of the weights'."""
        body = self.tables.body
        points = body.synthesize(stream.reconstruct(quantized, self.tables))
        points = stream.to_world(points, quantized.side_info, body.dims, up)
        names = body.skeleton.keypoints
        return points if skeleton is None else points[:, [names.index(name) for name in skeleton.keypoints]]
