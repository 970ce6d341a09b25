"""Chunks of tokens: none yet, as there are no weights of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import Header
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.errors import WeightsError
from posecodec.networks.availability import require_torch
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.zoo import Weights


class TokensCoder:
    """Tokens of bodies; without weights of them it supports nothing."""

    kind = ChunkKind.TOKENS
    qp_range = range(1)

    def __init__(self, weights: Weights | None, device: str) -> None:
        self.weights, self.device = weights, device

    @property
    def tokenizer(self) -> Any:
        """What turns keypoints into tokens and back. Raises DependencyError without torch, WeightsError without weights."""
        require_torch()
        raise WeightsError("tokens need token weights; pass -m body3d or -m body2d")

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether a chunk can be coded."""
        return False

    def supports_skeleton(self, skeleton: Skeleton, dims: int) -> bool:
        """Whether the weights can code such keypoints."""
        return False

    def check_sequence(self, sequence: PoseSequence) -> None:
        """Raises InputError where the weights cannot code a sequence, and as `tokenizer` does."""
        self.tokenizer  # noqa: B018

    def encode_levels(self, chunk: ChunkInput, levels: int) -> Chunk:
        """Tokens of so many levels. Raises as `tokenizer` does."""
        return Chunk(self.tokenizer)

    def encode(self, chunk: ChunkInput, qp: int, *, max_error: float | None = None) -> Candidate:
        """The chunk as tokens. Raises as `tokenizer` does."""
        return Candidate(self.encode_levels(chunk, qp), 0.0, 0.0)

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises as `tokenizer` does."""
        return DecodedChunk(self.tokenizer, self.tokenizer)

    def read_grids(self, header: Header, chunks: list[Chunk]) -> tuple[TokenGrid, ...]:
        """The grids of a file, one for each chunk of tokens. Raises as `tokenizer` does."""
        return tuple(self.tokenizer for chunk in chunks if chunk.kind == self.kind)

    def detokenize(self, grids: Sequence[TokenGrid], size: float | None) -> tuple[NDArray[np.float32], str, str]:
        """Positions (T, P, K, D) of one person per grid, their unit and the axis that is up. Raises as `tokenizer` does."""
        return self.tokenizer, "", ""
