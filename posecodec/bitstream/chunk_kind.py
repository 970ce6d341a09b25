"""What kinds of chunks there are, which is their first two bits, and which weights each needs. Loads nothing."""

from __future__ import annotations

from enum import IntEnum

KIND_BITS = 2  # Of a chunk's first byte, from the top
TOKEN_BODY_BIT = 7 - KIND_BITS  # Of the first byte: whether the body of a chunk in parts is coded as tokens


class ChunkKind(IntEnum):
    """How a chunk is coded; the values stand in the file."""

    TOKENS = 0
    TRANSFORM = 1
    LOSSLESS = 2
    PARTS = 3

    @staticmethod
    def read_from(data: bytes) -> ChunkKind:
        """The kind of a chunk; TOKENS of an empty one.

        >>> ChunkKind.read_from(bytes([0b01_000000])).label
        'transform'
        """
        return ChunkKind(data[0] >> 8 - KIND_BITS if data else 0)

    @property
    def label(self) -> str:
        """The kind in a word."""
        return self.name.lower()


def needs_token_weights(data: bytes) -> bool:
    """Whether a chunk needs token weights: for all of it, or for the body in it."""
    kind = ChunkKind.read_from(data)
    return kind == ChunkKind.TOKENS or kind == ChunkKind.PARTS and bool(data[0] >> TOKEN_BODY_BIT & 1)


def needs_transform_weights(data: bytes) -> bool:
    """Whether a chunk needs the transform's weights."""
    return ChunkKind.read_from(data) in (ChunkKind.TRANSFORM, ChunkKind.PARTS)
