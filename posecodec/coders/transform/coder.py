"""Chunks of transform coefficients, at any accuracy, for any keypoints; and what refines a chunk of windows.

The stream inside a chunk is `stream`'s; here stand what is around it (presence, error bound) and which step means what.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.exp_golomb import get_float32, put_float32
from posecodec.bitstream.presence import read_presence
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.transform import corrections, plain_corrections
from posecodec.coders.transform.basis_choice import BasisChoice, choose_basis
from posecodec.coders.transform.error_bound import bound_step, outlier_steps
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP, read_motion, write_motion
from posecodec.coders.transform.weights import TransformTables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.signal.quantization import qp_of_step
from posecodec.typing import Floats
from posecodec.zoo import Weights

BODY_QP = 101  # In the bone basis, of the default quality on coco19 in 3D, about (`python benchmarks/speed.py`, val)
STEPS_IN_BONE_ERROR = 6.0  # Steps in a mean error, about, in the bone basis: where searches begin
STEPS_IN_GRAPH_ERROR = 2.5  # The same in the graph's


class TransformCoder:
    """Adaptive blocks of frequencies in a basis of bones or of the skeleton's graph, with an integer context model."""

    kind = ChunkKind.TRANSFORM
    qp_range = range(FIRST_QP, LAST_QP + 1)

    def __init__(self, weights: Weights, tables: TransformTables) -> None:
        self.weights, self.tables = weights, tables

    def supports(self, chunk: ChunkInput) -> bool:
        """Any chunk."""
        return True

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk at a step of its basis, corrected to a bound; remembered. Raises InputError where it is too fine."""
        return chunk.memo.recall((self.kind, qp, max_error), lambda: self._encode(chunk, qp, max_error))

    def _encode(self, chunk: ChunkInput, qp: int, max_error: float | None) -> Candidate:
        encoder, basis = chunk.begin(self.kind), self.basis(chunk)
        if max_error is not None:  # of which the cheapest is sought
            basis.spectra.keep()
        pose = write_motion(encoder, basis, qp, self.tables.model)
        return self.write_end(encoder, chunk, pose, max_error)

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        decoder = RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        return DecodedChunk.from_pose(self.read_end(decoder, self.read(decoder, context)), presence, context)

    def read(self, decoder: RangeDecoder, context: ChunkContext, guide: Floats | None = None) -> Floats:
        """The motion alone, (T, K, D), of a stream that holds other things too. guide: see `stream.write_motion`."""
        return read_motion(decoder, context, self.tables, guide)

    def encode_refinement(
        self, chunk: ChunkInput, qp: int, guide: Floats, base: bytes, max_error: float | None = None
    ) -> Candidate:
        """A chunk of windows, and what it misses. guide: the body (T, 19, D) of coco19 that the windows in `base` give."""
        encoder = RangeEncoder()
        pose = write_motion(encoder, self.basis(chunk), qp, self.tables.model, guide)
        found = self.write_end(encoder, chunk, pose, max_error)
        return Candidate(Chunk(base, found.chunk.base), found.total_error, found.max_error)

    def decode_refinement(self, chunk: Chunk, context: ChunkContext, guide: Floats) -> Floats:
        """The mirror of `encode_refinement`: keypoints (T, K, D). Raises CorruptError."""
        decoder = RangeDecoder(chunk.refinement)
        return self.read_end(decoder, self.read(decoder, context, guide))

    def basis(self, chunk: ChunkInput) -> BasisChoice:
        """The basis for a chunk and its channels, which no step changes; remembered."""
        return chunk.memo.recall((self.kind, "basis"), lambda: self._choose_basis(chunk))

    def _choose_basis(self, chunk: ChunkInput) -> BasisChoice:
        body = None if chunk.body is None else chunk.body.astype(np.float64)
        points = chunk.points.astype(np.float64)
        return choose_basis(points, body, chunk.skeleton, chunk.up, chunk.rate, self.tables, chunk.default_error)

    def is_generic(self, chunk: ChunkInput) -> bool:
        """Whether nothing was trained for the basis of a chunk; remembered apart from the basis."""
        return chunk.memo.recall((self.kind, "generic"), lambda: self.basis(chunk).is_generic)

    def find_scale(self, chunk: ChunkInput) -> float:
        """What the basis of a chunk multiplies coordinates by; remembered apart from the basis."""
        return chunk.memo.recall((self.kind, "scale"), lambda: float(self.basis(chunk).scale))

    def qp_for_error(self, chunk: ChunkInput, error: float) -> int:
        """The QP that gives about that mean error, in the recording's unit."""
        steps = STEPS_IN_GRAPH_ERROR if self.is_generic(chunk) else STEPS_IN_BONE_ERROR
        return self.qp_in_basis(chunk, qp_of_step(error * steps))

    def default_qp(self, chunk: ChunkInput) -> int:
        """The QP that is expected to give the default quality."""
        return self.qp_for_error(chunk, chunk.default_error) if self.is_generic(chunk) else BODY_QP

    def qp_in_basis(self, chunk: ChunkInput, absolute_qp: int) -> int:
        """The QP of a step in the recording's unit, which is the same for chunks of all scales."""
        qp = absolute_qp + qp_of_step(self.find_scale(chunk))
        return min(max(qp, self.qp_range.start), self.qp_range.stop - 1)

    def to_absolute_qp(self, chunk: ChunkInput, qp: int) -> int:
        """The QP in the recording's unit of one in the basis. The mirror of `qp_in_basis`."""
        return qp - qp_of_step(self.find_scale(chunk))

    def write_end(self, encoder: RangeEncoder, chunk: ChunkInput, pose: Floats, max_error: float | None) -> Candidate:
        """End a chunk whose motion decodes to a pose (T, K, D), with corrections where a bound asks for them."""
        encoder.put_bits(int(max_error is not None), 1)
        if max_error is not None:
            bound = _tighten_bound(max_error, chunk)
            moves = outlier_steps(chunk.points.astype(np.float64) - pose, bound)
            put_float32(encoder, bound)
            self._corrections.write_corrections(encoder, moves)
            pose = pose + moves * bound_step(bound, pose.shape[2])
        return Candidate.measure(Chunk(encoder.finish()), chunk, pose)

    def read_end(self, decoder: RangeDecoder, pose: Floats) -> Floats:
        """The mirror of `write_end`: the pose with its corrections. Raises CorruptError."""
        if decoder.get_bits(1):
            bound = get_float32(decoder)
            if not (np.isfinite(bound) and bound > 0):
                raise CorruptError(f"a bound of {bound}; get the file again")
            moves = self._corrections.read_corrections(decoder, *pose.shape)
            pose = pose + moves * bound_step(bound, pose.shape[2])
        decoder.finish()
        return pose

    @property
    def _corrections(self) -> ModuleType:
        """How they are written: mixed corrections came together with dependent quantization."""
        return corrections if self.tables.model.is_dependent else plain_corrections


def _tighten_bound(bound: float, chunk: ChunkInput) -> float:
    """A bound that leaves room for the rounding of positions that follows, or the bound itself where there is none."""
    farthest = np.float32(chunk.farthest) if chunk.origin is None else np.float64(chunk.farthest)
    tighter = float(np.float32(bound - np.sqrt(chunk.points.shape[2]) / 2 * float(np.spacing(farthest))))
    return tighter if tighter > 0 else bound
