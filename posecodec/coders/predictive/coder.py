"""Chunks that are coded frame by frame within a bound: presence, the bound, and whole numbers of its lattice.

Every keypoint is within the bound by how fine the lattice is: nothing is corrected.
"""

from __future__ import annotations

import numpy as np

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.exp_golomb import get_float32, put_float32
from posecodec.bitstream.presence import Presence, read_presence
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.predictive.frames import code_frame
from posecodec.coders.predictive.lattice import find_within, locate
from posecodec.coders.predictive.model import start_model
from posecodec.coders.predictive.residual import MAX_BYTES
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Bools, Ints

SAFETY = 1 - 2.0**-12  # Share of a bound that is used, since positions are rounded where they are computed


class PredictiveCoder:
    """Any keypoints, in whole numbers of a lattice; there is no step to choose but the bound."""

    kind = ChunkKind.PREDICTIVE
    qp_range = range(1)

    def supports(self, chunk: ChunkInput) -> bool:
        """Any chunk."""
        return True

    def encode(self, chunk: ChunkInput, qp: int = 0, *, max_error: float | None = None) -> Candidate:
        """The chunk within a bound, that of its default quality where none is told; remembered.

        Raises InputError where it is too fine for coordinates that reach so far.
        """
        bound = chunk.default_error if max_error is None else max_error
        return chunk.memo.recall((self.kind, bound), lambda: self._encode(chunk, bound))

    def _encode(self, chunk: ChunkInput, bound: float) -> Candidate:
        encoder, radius = chunk.begin(self.kind), find_radius(chunk, bound)
        mask = chunk.presence.mask
        offered = find_within(np.where(mask[..., None], chunk.points, 0).astype(np.float64), radius)
        put_float32(encoder, radius)
        steps = write_steps(encoder, offered, mask, chunk.skeleton)
        return Candidate.measure(Chunk(encoder.finish()), chunk, locate(steps, radius))

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        presence, steps, radius = self.read_integers(chunk, context)
        return DecodedChunk.from_pose(locate(steps, radius), presence, context)

    def read_integers(self, chunk: Chunk, context: ChunkContext) -> tuple[Presence, Ints, float]:
        """What is there, whole numbers (T, K, D) and the radius of their lattice. Raises CorruptError."""
        decoder = RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        radius = get_float32(decoder)
        if not (np.isfinite(radius) and radius > 0):
            raise CorruptError(f"a lattice for a bound of {radius}; get the file again")
        steps = read_steps(decoder, presence.mask, context.dims, context.skeleton)
        decoder.finish()
        return presence, steps, radius


def find_radius(chunk: ChunkInput, bound: float) -> float:
    """The covering radius, a float32, that leaves room in a bound for the rounding of positions, if there is any."""
    farthest = np.float32(chunk.farthest) if chunk.origin is None else np.float64(chunk.farthest)
    rounding = np.sqrt(chunk.points.shape[2]) / 2 * float(np.spacing(farthest))
    radius = np.float32((bound - rounding if bound > rounding else bound) * SAFETY)
    return float(radius) or bound


def write_steps(encoder: RangeEncoder, offered: Ints, mask: Bools, skeleton: Skeleton) -> Ints:
    """Code one of the lattice points (T, K, A, D) offered for each keypoint where mask (T, K) is set; returns which."""
    steps: Ints = offered[:, :, 0].copy()
    model = start_model(steps.shape[1], steps.shape[2], skeleton.edges)
    for frame, there, choice in zip(steps, mask, offered, strict=True):
        max_bytes = int(there.sum()) * steps.shape[2] * MAX_BYTES
        encoder.run(code_frame, max_bytes, False, frame, there, choice, model)
    return steps


def read_steps(decoder: RangeDecoder, mask: Bools, dims: int, skeleton: Skeleton) -> Ints:
    """The mirror of `write_steps`, 0 where nothing is there. Raises CorruptError."""
    steps = np.zeros((*mask.shape, dims), np.int64)
    model = start_model(mask.shape[1], dims, skeleton.edges)
    nothing = np.zeros((mask.shape[1], 0, dims), np.int64)
    for frame, there in zip(steps, mask, strict=True):
        decoder.run(code_frame, True, frame, there, nothing, model)
    return steps
