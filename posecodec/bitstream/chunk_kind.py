"""What kinds of chunks there are, which their first bits say, and which weights each needs. Loads nothing."""

from __future__ import annotations

from enum import IntEnum

KIND_BITS = 4  # Of a chunk's first byte, from the top: as many as the longest prefix of a kind has


class ChunkKind(IntEnum):
    """How a chunk is coded."""

    WINDOWS = 0
    TRANSFORM = 1
    LOSSLESS = 2
    PARTS = 3
    TOKENS = 4
    PREDICTIVE = 5

    @staticmethod
    def read_from(data: bytes) -> ChunkKind:
        """The kind of a chunk; WINDOWS of an empty one.

        >>> ChunkKind.read_from(bytes([0b01_000000])).label
        'transform'
        """
        first = data[0] >> 8 - KIND_BITS if data else 0
        return next(kind for kind, (value, bits) in PREFIXES.items() if first >> KIND_BITS - bits == value)

    @property
    def prefix(self) -> tuple[int, int]:
        """The bits that begin a chunk of this kind, as a number, and how many they are."""
        return PREFIXES[self]

    @property
    def label(self) -> str:
        """The kind in a word."""
        return self.name.lower()


PREFIXES = {
    ChunkKind.WINDOWS: (0b00, 2),
    ChunkKind.TRANSFORM: (0b01, 2),
    ChunkKind.LOSSLESS: (0b1000, 4),
    ChunkKind.PREDICTIVE: (0b1001, 4),
    ChunkKind.TOKENS: (0b101, 3),
    ChunkKind.PARTS: (0b11, 2),
}
"""What stands in the file: no prefix begins another. A chunk in parts says in the bit after it how its body is coded."""


def has_windows_body(data: bytes) -> bool:
    """Whether a chunk is one in parts whose body is coded as windows."""
    return bool(data) and data[0] >> 5 == 0b111


def needs_body_weights(data: bytes) -> bool:
    """Whether a chunk needs the weights that the header names first, of windows or tokens, for all of it or its body."""
    return ChunkKind.read_from(data) in (ChunkKind.WINDOWS, ChunkKind.TOKENS) or has_windows_body(data)


def needs_transform_weights(data: bytes) -> bool:
    """Whether a chunk needs the transform's weights."""
    return ChunkKind.read_from(data) in (ChunkKind.TRANSFORM, ChunkKind.PARTS)
