"""What is inside a chunk of tokens: presence, side information and tokens as one stream of the range coder.

Presence (which keypoints are there, and how surely) begins chunks of the transform too. `write` and `read` mirror each
other line by line; docs/bitstream.md specifies them. All of it is integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive import decode_mask, encode_mask
from posecodec.entropy.confidences import decode_confidences, encode_confidences
from posecodec.entropy.curves import decode_curve, encode_curve
from posecodec.entropy.rangecoder import RangeDecoder, RangeEncoder
from posecodec.entropy.tokencoder import TokenTables, decode_tokens, encode_tokens
from posecodec.errors import CorruptError
from posecodec.normalize import Normalization, Side, knot_count

KIND_BITS = 2
TOKENS, TRANSFORM, LOSSLESS = 0, 1, 2
LEVEL_BITS = 5
CONFIDENCE_STEPS = 255


@dataclass(frozen=True, eq=False)
class Tables:
    """Where the adaptive models start; part of the weights.

    root: int model of D * 8 rows; heading, scale: of 8 rows each (see `entropy.curves`). All uint16.
    """

    tokens: TokenTables
    root: NDArray[np.uint16]
    heading: NDArray[np.uint16]
    scale: NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Presence:
    """What is there in a chunk, and how surely.

    mask: (T, K) whether a keypoint is there. confidence: (T, K) int32 in steps of scale / 255, 0 where missing, or None
    if it is 1 wherever there is a keypoint.
    """

    mask: NDArray[np.bool_]
    confidence: NDArray[np.int32] | None
    scale: float

    @staticmethod
    def of(valid: NDArray[np.bool_], confidence: NDArray[np.float32]) -> Presence:
        """Quantizes confidences (T, K); the scale is 1 unless one is larger."""
        if (confidence[valid] == 1).all():
            return Presence(valid, None, 1.0)
        scale = float(np.float32(max(1.0, np.abs(confidence).max())))
        steps = np.rint(confidence.astype(np.float64) * CONFIDENCE_STEPS / scale)
        return Presence(valid, steps.astype(np.int32), scale)

    def confidences(self) -> NDArray[np.float32]:
        """(T, K), as the decoder has them."""
        if self.confidence is None:
            return self.mask.astype(np.float32)
        return (self.confidence * (self.scale / CONFIDENCE_STEPS)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Payload:
    """The integers of one chunk of tokens (t, h, w, Q)."""

    presence: Presence
    side: Side
    tokens: NDArray[np.int32]


def kind_of(data: bytes) -> int:
    """TOKENS, TRANSFORM or LOSSLESS: the first bits of a chunk."""
    return data[0] >> 8 - KIND_BITS if data else 0


def name_of(data: bytes) -> str:
    """The kind of a chunk in a word."""
    return ("tokens", "transform", "lossless", "unknown")[kind_of(data)]


def write(chunk: Payload, tables: Tables) -> bytes:
    """The bytes of a chunk of tokens."""
    encoder = RangeEncoder()
    write_presence(encoder, TOKENS, chunk.presence)
    encoder.put_bits(chunk.tokens.shape[-1] - 1, LEVEL_BITS)
    encode_curve(encoder, chunk.side.scale[:, None], tables.scale.astype(np.int32))
    encode_curve(encoder, chunk.side.heading[:, None], tables.heading.astype(np.int32))
    encode_curve(encoder, chunk.side.root, tables.root.astype(np.int32))
    encode_tokens(encoder, chunk.tokens, tables.tokens)
    return encoder.finish()


def read(
    data: bytes, frames: int, keypoints: int, grid: tuple[int, int, int], how: Normalization, tables: Tables
) -> Payload:
    """The chunk of that many frames and keypoints whose tokens have the shape grid + (Q,). Raises CorruptError."""
    decoder = RangeDecoder(data)
    presence = read_presence(decoder, frames, keypoints)
    levels = decoder.get_bits(LEVEL_BITS) + 1
    if levels > len(tables.tokens.classes):
        raise CorruptError(f"a chunk of {levels} levels, where the weights have {len(tables.tokens.classes)}")
    heading_count = knot_count(frames, how.heading_knots) if how.heading_knots else 0
    scale = decode_curve(decoder, knot_count(frames, how.scale_knots), 1, tables.scale.astype(np.int32))
    heading = decode_curve(decoder, heading_count, 1, tables.heading.astype(np.int32))
    root = decode_curve(decoder, knot_count(frames, how.root_knots), how.dims, tables.root.astype(np.int32))
    tokens = decode_tokens(decoder, (*grid, levels), tables.tokens)
    decoder.finish()
    return Payload(presence, Side(root, heading[:, 0], scale[:, 0]), tokens)


def write_presence(encoder: RangeEncoder, kind: int, presence: Presence) -> None:
    """How every chunk but a lossless one begins."""
    encoder.put_bits(kind, KIND_BITS)
    encode_mask(encoder, presence.mask)
    encoder.put_bits(int(presence.confidence is not None), 1)
    if presence.confidence is None:
        return
    bits = int(np.float32(presence.scale).view(np.uint32))
    encoder.put_bits(bits >> 16, 16)
    encoder.put_bits(bits & 0xFFFF, 16)
    encode_confidences(encoder, presence.confidence, presence.mask)


def read_presence(decoder: RangeDecoder, frames: int, keypoints: int) -> Presence:
    """The mirror of `write_presence`, whose kind is known. Raises CorruptError."""
    decoder.get_bits(KIND_BITS)
    mask = decode_mask(decoder, frames, keypoints)
    if not decoder.get_bits(1):
        return Presence(mask, None, 1.0)
    bits = decoder.get_bits(16) << 16 | decoder.get_bits(16)
    scale = float(np.uint32(bits).view(np.float32))
    if not np.isfinite(scale):
        raise CorruptError(f"a confidence scale of {scale}; get the file again")
    return Presence(mask, decode_confidences(decoder, mask), scale)
