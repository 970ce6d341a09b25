"""What is inside a chunk: validity, confidence, side information and tokens as one stream of the range coder.

`write` and `read` mirror each other line by line; docs/bitstream.md specifies them. All of it is integers.
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
class Payload:
    """The integers of one chunk.

    mask: (T, K) whether a keypoint is there. confidence: (T, K) int32 in steps of scale / 255, 0 where missing, or None
    if it is 1 wherever there is a keypoint. side, tokens (t, h, w, Q): as elsewhere.
    """

    mask: NDArray[np.bool_]
    confidence: NDArray[np.int32] | None
    confidence_scale: float
    side: Side
    tokens: NDArray[np.int32]


def write(chunk: Payload, tables: Tables) -> bytes:
    """The bytes of a chunk."""
    encoder = RangeEncoder()
    encoder.put_bits(chunk.tokens.shape[-1] - 1, LEVEL_BITS)
    encode_mask(encoder, chunk.mask)
    _write_confidence(encoder, chunk)
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
    levels = decoder.get_bits(LEVEL_BITS) + 1
    if levels > len(tables.tokens.classes):
        raise CorruptError(f"a chunk of {levels} levels, where the weights have {len(tables.tokens.classes)}")
    mask = decode_mask(decoder, frames, keypoints)
    confidence, confidence_scale = _read_confidence(decoder, mask)
    heading_count = knot_count(frames, how.heading_knots) if how.heading_knots else 0
    scale = decode_curve(decoder, knot_count(frames, how.scale_knots), 1, tables.scale.astype(np.int32))
    heading = decode_curve(decoder, heading_count, 1, tables.heading.astype(np.int32))
    root = decode_curve(decoder, knot_count(frames, how.root_knots), how.dims, tables.root.astype(np.int32))
    tokens = decode_tokens(decoder, (*grid, levels), tables.tokens)
    decoder.finish()
    return Payload(mask, confidence, confidence_scale, Side(root, heading[:, 0], scale[:, 0]), tokens)


def _write_confidence(encoder: RangeEncoder, chunk: Payload) -> None:
    encoder.put_bits(int(chunk.confidence is not None), 1)
    if chunk.confidence is None:
        return
    bits = int(np.float32(chunk.confidence_scale).view(np.uint32))
    encoder.put_bits(bits >> 16, 16)
    encoder.put_bits(bits & 0xFFFF, 16)
    encode_confidences(encoder, chunk.confidence, chunk.mask)


def _read_confidence(decoder: RangeDecoder, mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32] | None, float]:
    if not decoder.get_bits(1):
        return None, 1.0
    bits = decoder.get_bits(16) << 16 | decoder.get_bits(16)
    scale = float(np.uint32(bits).view(np.float32))
    if not np.isfinite(scale):
        raise CorruptError(f"a confidence scale of {scale}; get the file again")
    return decode_confidences(decoder, mask), scale
