"""Fixed linear prediction and Rice codes, as FLAC codes sound: a baseline for quantized tracks.

Each track takes the order of differences, 0 to 4, that costs least; each PARTITION of its residuals the number of low bits
that does. Quotients in unary and low bits stand apart, so that both are read at once.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from posecodec.typing import Ints

ORDERS = 5  # 0 to 4, as FLAC's fixed predictors
PARTITION = 128  # Residuals that share a number of low bits
MOST_LOW = 31  # Low bits
_NIBBLES = 5  # Bits of that number


def pack_tracks(tracks: NDArray[np.int64]) -> bytes:
    """Whole numbers (C, T) below 2**40 in magnitude, T > 0."""
    orders, residuals = np.zeros(len(tracks), np.uint8), np.zeros(tracks.shape, np.int64)
    for c, track in enumerate(tracks):
        offered = [_take_differences(track, order) for order in range(ORDERS)]
        orders[c] = np.argmin([_choose_low(codes)[1].sum() for codes in offered])
        residuals[c] = offered[orders[c]]
    low = np.stack([_choose_low(codes)[0] for codes in residuals])
    of_each = np.repeat(low, PARTITION, axis=1)[:, : tracks.shape[1]].ravel()
    codes = residuals.ravel()
    ends = np.cumsum((codes >> of_each) + 1)
    unary = np.zeros(int(ends[-1]), bool)
    unary[ends - 1] = True
    plain = _spread_bits(codes & ((1 << of_each) - 1), of_each)
    told = np.concatenate([_spread_bits(low.ravel(), np.full(low.size, _NIBBLES)), unary, plain])
    return struct.pack("<II", *tracks.shape) + orders.tobytes() + np.packbits(told).tobytes()


def unpack_tracks(data: bytes) -> NDArray[np.int64]:
    """The mirror of `pack_tracks`."""
    count, frames = struct.unpack_from("<II", data)
    orders, body = (
        np.frombuffer(data[8 : 8 + count], np.uint8),
        np.unpackbits(np.frombuffer(data[8 + count :], np.uint8)),
    )
    partitions = -(-frames // PARTITION)
    split = count * partitions * _NIBBLES
    low = _gather_bits(body[:split], np.full(count * partitions, _NIBBLES)).reshape(count, partitions)
    of_each = np.repeat(low, PARTITION, axis=1)[:, :frames].ravel()
    ends = np.flatnonzero(body[split:])[: count * frames]
    quotients = np.diff(ends, prepend=-1) - 1
    codes = (quotients << of_each) + _gather_bits(body[split + int(ends[-1]) + 1 :], of_each)
    tracks = ((codes >> 1) ^ -(codes & 1)).reshape(count, frames)
    for c, order in enumerate(orders):
        for level in range(order, 0, -1):
            tracks[c, level - 1 :] = np.cumsum(tracks[c, level - 1 :])
    return np.asarray(tracks)


def _take_differences(track: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Zigzag codes of a track: differences in time of an order, before them the first value of each lower order."""
    residual = track.copy()
    for level in range(order):
        residual[level + 1 :] = np.diff(residual[level:])
    return np.asarray((residual << 1) ^ (residual >> 63))


def _choose_low(codes: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """For each partition the number of low bits that costs least, and what it costs."""
    padded = np.pad(codes, (0, -len(codes) % PARTITION)).reshape(-1, PARTITION)
    counted = np.minimum(PARTITION, len(codes) - PARTITION * np.arange(len(padded)))
    costs = np.stack([(padded >> k).sum(axis=1) + (k + 1) * counted for k in range(MOST_LOW + 1)])
    return np.argmin(costs, axis=0), costs.min(axis=0)


def _spread_bits(values: NDArray[np.int64], widths: Ints) -> NDArray[np.bool_]:
    """Values in so many bits each, high bits first, end to end."""
    whole = np.repeat(values, widths)
    shift = np.repeat(np.cumsum(widths), widths) - np.arange(len(whole)) - 1
    return np.asarray((whole >> shift) & 1, bool)


def _gather_bits(bits: NDArray[np.uint8], widths: Ints) -> NDArray[np.int64]:
    """The mirror of `_spread_bits`."""
    ends = np.cumsum(widths)
    total = int(ends[-1]) if len(ends) else 0
    shift = np.repeat(ends, widths) - np.arange(total) - 1
    sums = np.concatenate([[0], np.cumsum(bits[:total].astype(np.int64) << shift)])
    return np.asarray(sums[ends] - sums[ends - widths])
