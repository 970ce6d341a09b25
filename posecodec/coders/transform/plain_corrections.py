"""Corrections as they were written before dependent quantization: adaptive bits by the marks around. See `corrections`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive_models import bit_model, get_bit, put_bit
from posecodec.entropy.binarization import MAX_INT_BYTES, get_int, int_model, put_int
from posecodec.entropy.range_coder import MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound
from posecodec.kernels import kernel

CONTEXTS = 8  # Of whether a keypoint is moved: whether it was in the two frames before, and the keypoint before it


@kernel
def _find_context(marks, t, k):  # type: ignore[no-untyped-def]
    before = marks[t - 1, k] if t else 0
    earlier = marks[t - 2, k] if t > 1 else 0
    beside = marks[t, k - 1] if k else 0
    return 4 * before + 2 * earlier + beside


@kernel
def _put(state, out, moves, marks, probs, ints):  # type: ignore[no-untyped-def]
    for t in range(moves.shape[0]):
        for k in range(moves.shape[1]):
            put_bit(state, out, probs, _find_context(marks, t, k), np.int64(marks[t, k]))
            if marks[t, k]:
                for d in range(moves.shape[2]):
                    put_int(state, out, ints, np.int64(d), np.int64(moves[t, k, d]))


@kernel
def _get(state, data, moves, marks, probs, ints):  # type: ignore[no-untyped-def]
    for t in range(moves.shape[0]):
        for k in range(moves.shape[1]):
            marks[t, k] = get_bit(state, data, probs, _find_context(marks, t, k))
            if marks[t, k]:
                for d in range(moves.shape[2]):
                    moves[t, k, d] = get_int(state, data, ints, np.int64(d))
        if not is_sound(state, data):
            return


def write_corrections(encoder: RangeEncoder, moves: NDArray[np.int32]) -> None:
    """Code whole steps (T, K, D)."""
    marks = moves.any(axis=-1).astype(np.int64)
    max_bytes = marks.size * MAX_PUT_BYTES + int(marks.sum()) * moves.shape[2] * MAX_INT_BYTES
    encoder.run(_put, max_bytes, moves, marks, bit_model(CONTEXTS), int_model(moves.shape[2]))


def read_corrections(decoder: RangeDecoder, frames: int, keypoints: int, dims: int) -> NDArray[np.int32]:
    """The mirror of `write_corrections`. Raises CorruptError."""
    moves = np.zeros((frames, keypoints, dims), np.int32)
    decoder.run(_get, moves, np.zeros((frames, keypoints), np.int64), bit_model(CONTEXTS), int_model(dims))
    return moves
