"""Splines' control points as adaptive integers: what is left when the straight line through the last two is gone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive import MAX_INT_BYTES, get_int, put_int
from posecodec.entropy.rangecoder import FAULT, Int, RangeDecoder, RangeEncoder, is_sound, kernel

CONTEXTS = 8
"""Contexts of each channel; a model of C channels has C * CONTEXTS rows."""
LARGEST_POINT = 2**31 - 1


@kernel
def _context(rest: NDArray[np.int64], k: int, channel: int) -> Int:
    if k < 2:
        return channel * CONTEXTS + k
    size = 2 * abs(rest[k - 1, channel]) if k > 2 else np.int64(0)
    size += abs(rest[k - 2, channel]) if k > 3 else np.int64(0)
    return channel * CONTEXTS + 2 + min(np.int64(5), size)


@kernel
def _predicted(points: NDArray[np.int64], k: int, channel: int) -> Int:
    if k == 0:
        return np.int64(0)
    if k == 1:
        return points[0, channel]
    return 2 * points[k - 1, channel] - points[k - 2, channel]


@kernel
def _put(state, out, points, rest, probs):  # type: ignore[no-untyped-def]
    for k in range(points.shape[0]):
        for channel in range(points.shape[1]):
            rest[k, channel] = points[k, channel] - _predicted(points, k, channel)
            put_int(state, out, probs, _context(rest, k, channel), rest[k, channel])


@kernel
def _get(state, data, points, rest, probs):  # type: ignore[no-untyped-def]
    for k in range(points.shape[0]):
        for channel in range(points.shape[1]):
            rest[k, channel] = get_int(state, data, probs, _context(rest, k, channel))
            points[k, channel] = rest[k, channel] + _predicted(points, k, channel)
            if not is_sound(state, data) or abs(points[k, channel]) > LARGEST_POINT:
                return False
    return True


def encode_curve(encoder: RangeEncoder, points: NDArray[np.int32], probs: NDArray[np.int32]) -> None:
    """Code control points (n, C) below 2**29 in magnitude with an `int_model` of C * CONTEXTS rows, which learns."""
    values = points.astype(np.int64)
    encoder.reserve(values.size * MAX_INT_BYTES)
    _put(encoder.state, encoder.out, values, np.zeros_like(values), probs)


def decode_curve(decoder: RangeDecoder, count: int, channels: int, probs: NDArray[np.int32]) -> NDArray[np.int32]:
    """The control points (count, channels) int32 that `encode_curve` coded. Raises CorruptError."""
    values = np.zeros((count, channels), np.int64)
    if not _get(decoder.state, decoder.data, values, np.zeros_like(values), probs):
        decoder.state[FAULT] = 1
    decoder.check()
    return values.astype(np.int32)
