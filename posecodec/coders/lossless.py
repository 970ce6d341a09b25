"""Chunks with every bit of their positions and confidences, NaNs included. The arithmetic is `entropy.floats`'."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from posecodec.bitstream.chunk_kind import KIND_BITS, ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import Header, Track
from posecodec.coders.chunk import (
    Candidate,
    ChunkContext,
    ChunkInput,
    DecodedChunk,
    Memo,
    measure_pose,
    usual_dtype,
)
from posecodec.entropy.floats import pack_floats, unpack_floats
from posecodec.errors import CorruptError
from posecodec.memory import is_justified

KIND_BYTE = ChunkKind.LOSSLESS.prefix[0] << 8 - KIND_BITS  # What the first byte begins with
WIDE = 1  # Bit of the first byte: positions are float64
UNSURE = 2  # Another: confidences are not just 1 where a keypoint is there, and follow
LENGTH_BYTES = 4  # Of the size of the packed positions


class LosslessCoder:
    """Exact floats; there is no step to choose."""

    kind = ChunkKind.LOSSLESS
    qp_range = range(1)

    def supports(self, chunk: ChunkInput) -> bool:
        """Any chunk."""
        return True

    def encode(self, chunk: ChunkInput, qp: int = 0, *, max_error: float | None = None) -> Candidate:
        """The chunk as it is; every bound is kept."""
        wide = chunk.points.dtype == np.float64
        sure = chunk.confidence.tobytes() == chunk.presence.mask.astype(np.float32).tobytes()
        head = KIND_BYTE | (WIDE if wide else 0) | (0 if sure else UNSURE)
        positions = pack_floats(np.ascontiguousarray(chunk.points))
        confidence = b"" if sure else pack_floats(np.ascontiguousarray(chunk.confidence))
        size = len(positions).to_bytes(LENGTH_BYTES, "little")
        return Candidate(Chunk(bytes([head]) + size + positions + confidence), 0.0, 0.0)

    def encode_beside(self, chunk: ChunkInput) -> Candidate:
        """The chunk in a file of others: with positions of the type that these decode to."""
        if chunk.recorded is not None:
            return self.encode(replace(chunk, points=chunk.recorded.astype(np.float64), memo=Memo()))
        narrow = chunk.points.astype(np.float32)
        exact = self.encode(replace(chunk, points=narrow, memo=Memo()))
        return Candidate.measure(exact.chunk, chunk, narrow.astype(np.float64))

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        data, shape = chunk.base, (context.frames, len(context.skeleton), context.dims)
        end = 1 + LENGTH_BYTES + int.from_bytes(data[1 : 1 + LENGTH_BYTES], "little")
        if end > len(data) or data[0] & ~(WIDE | UNSURE) != KIND_BYTE:
            raise CorruptError("an exact chunk that is cut short; get the file again")
        dtype = np.dtype(np.float64 if data[0] & WIDE else np.float32)
        positions = unpack_floats(data[1 + LENGTH_BYTES : end], shape, dtype)
        if not data[0] & UNSURE:
            return DecodedChunk(positions, np.asarray(~np.isnan(positions).any(axis=2), np.float32))
        return DecodedChunk(positions, unpack_floats(data[end:], shape[:2], np.dtype(np.float32)))


def cover_missing(header: Header, chunks: list[Chunk], size: int) -> tuple[Header, list[Chunk]]:
    """Header and chunks of a file of so many bytes as a reader takes them who is told nothing about memory.

    That is as they are, but for long recordings in which hardly anybody is: there chunks say so for every frame.
    """
    if is_justified(header.bare * measure_pose(header, usual_dtype(header)), size):
        return header, chunks
    dtype, shape = usual_dtype(header), (len(header.skeleton), header.dims)
    kind = bytes([KIND_BYTE | (WIDE if dtype == np.float64 else 0)])

    @cache
    def write_nothing(frames: int) -> Chunk:
        positions = pack_floats(np.full((frames, *shape), np.nan, dtype))
        return Chunk(kind + len(positions).to_bytes(LENGTH_BYTES, "little") + positions)

    source = iter(chunks)
    tracks = [(track, [next(source) for _ in track.chunks]) for track in header.tracks]
    for person in range(len(header.ids)):
        own = sorted((track.start, track.length) for track in header.tracks if track.person == person)
        starts = [0, *(start + length for start, length in own)]
        gaps = zip(starts, [*(start for start, _ in own), header.frames], strict=True)
        for gap in (Track(person, start, stop - start) for start, stop in gaps if stop > start):
            tracks.append((gap, [write_nothing(length) for _, length in gap.chunks]))
    tracks.sort(key=lambda each: (each[0].person, each[0].start))
    return replace(header, tracks=tuple(track for track, _ in tracks)), [chunk for _, own in tracks for chunk in own]
