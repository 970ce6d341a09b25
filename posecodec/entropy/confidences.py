"""Confidences of keypoints as adaptive integers: the difference from the same keypoint's last one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive import MAX_INT_BYTES, get_int, int_model, put_int
from posecodec.entropy.rangecoder import RangeDecoder, RangeEncoder, is_sound, kernel

CONTEXTS = 4


@kernel
def _put(state, out, values, mask, last, change, probs):  # type: ignore[no-untyped-def]
    for t in range(values.shape[0]):
        for k in range(values.shape[1]):
            if mask[t, k]:
                step = values[t, k] - last[k]
                put_int(state, out, probs, min(abs(change[k]), np.int64(CONTEXTS - 1)), step)
                last[k] = values[t, k]
                change[k] = step


@kernel
def _get(state, data, values, mask, last, change, probs):  # type: ignore[no-untyped-def]
    for t in range(values.shape[0]):
        for k in range(values.shape[1]):
            if mask[t, k]:
                change[k] = get_int(state, data, probs, min(abs(change[k]), np.int64(CONTEXTS - 1)))
                last[k] += change[k]
                values[t, k] = last[k]
        if not is_sound(state, data):
            return


def encode_confidences(encoder: RangeEncoder, values: NDArray[np.int32], mask: NDArray[np.bool_]) -> None:
    """Code values (T, K) where mask (T, K) is set."""
    encoder.reserve(int(mask.sum()) * MAX_INT_BYTES)
    last = np.zeros((2, values.shape[1]), np.int64)
    _put(encoder.state, encoder.out, values.astype(np.int64), mask, last[0], last[1], int_model(CONTEXTS))


def decode_confidences(decoder: RangeDecoder, mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The values (T, K) that `encode_confidences` coded, 0 where the mask is not set. Raises CorruptError."""
    values = np.zeros(mask.shape, np.int64)
    last = np.zeros((2, mask.shape[1]), np.int64)
    _get(decoder.state, decoder.data, values, mask, last[0], last[1], int_model(CONTEXTS))
    decoder.check()
    return values.clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
