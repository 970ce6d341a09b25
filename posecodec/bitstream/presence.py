"""How chunks begin: their kind, and presence: which keypoints are there, and how surely.

What follows is the coders' (`posecodec.coders`). docs/bitstream.md specifies it; all of it is integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.exp_golomb import get_float32, put_float32
from posecodec.entropy.adaptive_models import decode_mask, encode_mask
from posecodec.entropy.confidences import decode_confidences, encode_confidences
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.typing import Bools

CONFIDENCE_STEPS = 255  # In which confidences are kept: a byte's, as many detectors give them


@dataclass(frozen=True, eq=False, repr=False)
class Presence:
    """What is there in a chunk, and how surely.

    mask: (T, K) whether a keypoint is there. confidence: (T, K) int32 in steps of scale / 255, 0 where missing, or None
    if it is 1 wherever there is a keypoint.
    """

    mask: Bools
    confidence: NDArray[np.int32] | None
    scale: float

    @staticmethod
    def quantize(valid: Bools, confidence: NDArray[np.float32]) -> Presence:
        """Confidences (T, K) in steps; the scale is 1 unless one is larger."""
        if (confidence[valid] == 1).all():
            return Presence(valid, None, 1.0)
        scale = float(np.float32(max(1.0, np.abs(confidence).max())))
        steps = np.rint(confidence.astype(np.float64) * CONFIDENCE_STEPS / scale)
        return Presence(valid, steps.astype(np.int32), scale)

    def dequantize(self) -> NDArray[np.float32]:
        """Confidences (T, K) as the decoder has them: the mirror of `quantize`."""
        if self.confidence is None:
            return self.mask.astype(np.float32)
        return np.asarray(self.confidence * (self.scale / CONFIDENCE_STEPS), np.float32)


def write_presence(encoder: RangeEncoder, kind: ChunkKind, presence: Presence, windows: bool = False) -> None:
    """How every chunk but a lossless one begins. windows: whether the body of one in parts is coded as windows."""
    encoder.put_bits(*kind.prefix)
    if kind == ChunkKind.PARTS:
        encoder.put_bits(int(windows), 1)
    encode_mask(encoder, presence.mask)
    encoder.put_bits(int(presence.confidence is not None), 1)
    if presence.confidence is not None:
        put_float32(encoder, presence.scale)
        encode_confidences(encoder, presence.confidence, presence.mask)


def read_presence(decoder: RangeDecoder, frames: int, keypoints: int) -> Presence:
    """The mirror of `write_presence`, whose kind is known. Raises CorruptError."""
    start = decoder.get_bits(2)
    if start >> 1:  # prefixes that begin with 1 have a third bit, and 100 a fourth
        start = 2 * start + decoder.get_bits(1)
    if start == 0b100:
        decoder.get_bits(1)
    mask = decode_mask(decoder, frames, keypoints)
    if not decoder.get_bits(1):
        return Presence(mask, None, 1.0)
    scale = get_float32(decoder)
    if not np.isfinite(scale):
        raise CorruptError(f"a confidence scale of {scale}; get the file again")
    return Presence(mask, decode_confidences(decoder, mask), scale)
