"""Chunks of tokens: presence, and the integers of a motion by the VQ-GAN.

`tokenizer` has the weights and what they do; here stand the chunk around its integers, and what a trial costs. torch is
loaded when the network is asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import Header
from posecodec.bitstream.presence import Presence, read_presence, write_presence
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.tokens import grid_weights, stream
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import InputError, WeightsError
from posecodec.networks.availability import require_torch
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats
from posecodec.zoo import Weights

if TYPE_CHECKING:
    from posecodec.coders.tokens.interface import AnyTokenizer

_NO_BODY = "tokens and levels are for people's bodies: encode it without --levels (levels= in Python)"
_TRUNK = frozenset(f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "hip"))
_LIMBS = tuple(
    {f"{side}_{a}", f"{side}_{b}"} for side in ("left", "right") for a, b in (("shoulder", "wrist"), ("hip", "ankle"))
)
"""What tells a person by its names: animals have paws or hooves, and markers other names."""


class TokensCoder:
    """Tokens of bodies, with weights of their own; without weights it supports nothing. A QP is a number of levels here."""

    kind = ChunkKind.TOKENS
    qp_range = range(1, (1 << stream.LEVEL_BITS) + 1)

    def __init__(self, weights: Weights | None, device: str) -> None:
        self.weights, self.device = weights, device

    @cached_property
    def tokenizer(self) -> AnyTokenizer:
        """The tables and the network. Raises WeightsError where there are no token weights."""
        if self.weights is None:
            raise WeightsError("tokens need token weights; pass -m body3d or -m body2d")
        if self.weights.settings.get("kind") == grid_weights.KIND:
            from posecodec.coders.tokens.grid_tokenizer import GridTokenizer

            return GridTokenizer(self.weights, self.device)
        from posecodec.coders.tokens.tokenizer import Tokenizer

        return Tokenizer(self.weights, self.device)

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether there are weights, for bodies such as this one."""
        return (
            self.weights is not None and chunk.points.shape[2] == self.tokenizer.dims and self._see(chunk) is not None
        )

    def supports_skeleton(self, skeleton: Skeleton, dims: int) -> bool:
        """Whether the weights can code such keypoints. Raises WeightsError without weights."""
        return dims == self.tokenizer.dims and not missing_for(skeleton, self.tokenizer.skeleton)

    def check_sequence(self, sequence: PoseSequence) -> None:
        """Raises InputError where the weights cannot code a sequence, saying why, DependencyError without torch."""
        require_torch()
        dims, skeleton, name = self.tokenizer.dims, self.tokenizer.skeleton, self.tokenizer.weights.name
        if sequence.dims != dims:
            raise InputError(f"{name} codes {dims}D, this is {sequence.dims}D; choose with -m")
        if lost := missing_for(sequence.skeleton, skeleton):
            known = {*sequence.skeleton.keypoints, *sequence.skeleton.to_coco19}
            remedy = _NO_BODY
            if any(limb <= known for limb in _LIMBS):
                remedy = (
                    f"keep only those that it can, or their mapping: --skeleton {skeleton.name} (mapped_to in Python)"
                )
            what = f"{', '.join(lost[:4])}{', ...' if len(lost) > 4 else ''}"
            raise InputError(
                f"{name} cannot code {len(lost)} keypoints of {sequence.skeleton.name!r} ({what}); {remedy}"
            )
        there = np.flatnonzero(np.any(sequence.valid, axis=(0, 1)))
        seen = {sequence.skeleton.keypoints[k] for k in there}
        if seen and not seen & _TRUNK and {*skeleton.keypoints} >= _TRUNK:
            what = (
                f"of {skeleton.name} only {', '.join(sorted(seen))}" if len(seen) < 5 else "neither shoulders nor hips"
            )
            raise InputError(f"there is {what}; {_NO_BODY}")

    def _see(self, chunk: ChunkInput) -> NDArray[np.floating] | None:
        """A chunk's keypoints (T, K, D) as the weights' skeleton has them; None where it has others."""
        known = self.tokenizer.skeleton
        if known == COCO19 or missing_for(chunk.skeleton, known):
            return chunk.body if known == COCO19 else None
        body = np.full((len(chunk.points), len(known), chunk.points.shape[2]), np.nan, chunk.points.dtype)
        body[:, [known.keypoints.index(name) for name in chunk.skeleton.keypoints]] = chunk.points
        return body

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk at so many levels, with errors after the network. It keeps no bound."""
        assert max_error is None
        coded = self.encode_levels(chunk, qp)
        decoded = self.tokenizer.decode(self._tokenize(chunk).truncate(qp), len(chunk.points), chunk.up, chunk.rate)
        return Candidate.measure(coded, chunk, self._select(decoded, chunk.skeleton))

    def encode_levels(self, chunk: ChunkInput, levels: int) -> Chunk:
        """The bytes alone, of so many levels: the first of all that the encoder finds. Raises InputError."""
        levels = self.tokenizer.check_levels(levels)
        return self._write(chunk.presence, self._tokenize(chunk).truncate(levels), chunk.unit)

    def _tokenize(self, chunk: ChunkInput) -> Any:
        body = self._see(chunk)
        assert body is not None
        return chunk.memo.recall((self.kind, "tokens"), lambda: self.tokenizer.encode(body, chunk.up, chunk.rate))

    def _write(self, presence: Presence, tokens: Any, unit: str) -> Chunk:
        encoder, known = RangeEncoder(), self.tokenizer
        write_presence(encoder, self.kind, presence)
        known.write(encoder, tokens, unit)
        return Chunk(encoder.finish())

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`, of keypoints that `supports_skeleton`. Raises CorruptError."""
        presence, tokens = self.read_integers(chunk, context)
        body = self.tokenizer.decode(tokens, context.frames, context.up, context.rate)
        return DecodedChunk.from_pose(self._select(body, context.skeleton), presence, context)

    def read_integers(self, chunk: Chunk, context: ChunkContext) -> tuple[Presence, Any]:
        """What a chunk's bytes say, before the network. Raises CorruptError."""
        decoder, known = RangeDecoder(chunk.base), self.tokenizer
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        tokens = known.read(decoder, context.frames, context.rate, context.unit)
        decoder.finish()
        return presence, tokens

    def cut(self, chunk: Chunk, context: ChunkContext, levels: int) -> Chunk:
        """The chunk with its first levels only, an exact one as it is, since it only says that nobody is there.

        Raises CorruptError, and InputError if there are not so many levels, or none.
        """
        if chunk.kind == ChunkKind.LOSSLESS:
            return chunk
        if chunk.kind != self.kind:
            raise InputError(f"the file has chunks of {chunk.kind.label}, which have no levels; encode it again")
        presence, tokens = self.read_integers(chunk, context)
        if not 1 <= levels <= tokens.levels:
            raise InputError(f"{levels} levels of {tokens.levels} asked for")
        return self._write(presence, tokens.truncate(levels), context.unit)

    def read_grids(self, header: Header, chunks: list[Chunk]) -> tuple[TokenGrid, ...]:
        """The tokens of a file, a grid for each chunk of them: no network runs. Raises CorruptError."""
        return tuple(
            self.tokenizer.to_grid(self.read_integers(chunk, ChunkContext.from_header(header, span.length))[1])
            for chunk, span in zip(chunks, header.spans, strict=True)
            if chunk.kind == self.kind
        )

    def _select(self, body: Floats, skeleton: Skeleton) -> NDArray[np.float64]:
        """The keypoints of a skeleton, by name, of a body (T, K, D) of the weights'."""
        return body[:, [self.tokenizer.skeleton.keypoints.index(name) for name in skeleton.keypoints]]
