"""Predictions of integers (T, C) over time: each channel from its own past, and from what earlier channels' pasts missed.

The encoder chooses a row of TAPS and up to three earlier channels for every channel, in floats; what it chose is written
(`write_predictors`), and predicting is all integers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from posecodec.entropy.adaptive_models import decode_symbols, encode_symbols, symbol_model
from posecodec.entropy.fixed_point import clip
from posecodec.entropy.float_grids import LARGEST_STEP
from posecodec.entropy.range_coder import MAX_TOTAL, RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kernels import inlined_kernel
from posecodec.typing import Bools, Floats, Ints

TAPS = np.array(
    [[4, 0, 0, 0], [6, -2, 0, 0], [8, -4, 0, 0], [10, -8, 2, 0], [12, -12, 4, 0], [3, 1, 0, 0], [2, 2, 0, 0],
     [14, -18, 10, -2], [4, 2, 0, -2], [5, -1, 0, 0]],
    dtype=np.int64,
)  # fmt: skip
"""A value from the four before it, in quarters: hold, half of the way to the straight line, line, parabola, ..."""
HOLD = 0  # The row of TAPS that repeats the last value
MOST_SOURCES = 3  # Earlier channels that tell of a channel, at most
WEIGHT_BITS = 6  # A source's weight is -32 .. 31 sixteenths.
MOST_CHANNELS = 1024  # Arrays of more have no sources: choosing them takes memory for the square of this
SOURCE_THRESHOLD = 24.0  # Bits that a source must save: about twice what naming it takes


class Predictors(NamedTuple):
    """By channel: a row of TAPS (C,), the earlier channels (C, 3) whose residuals tell of its own, -1 for none, and their
    weights (C, 3) in sixteenths. All int64. stride: the channel so many before predicts in the first frame."""

    order: Ints
    source: Ints
    weight: Ints
    stride: int


def choose_predictors(steps: Ints, escaped: Bools, stride: int) -> Predictors:
    """Predictors for steps (T, C): taps by the logarithms of what is left, sources greedily by least squares."""
    frames, channels = steps.shape
    source, weight = np.full((channels, MOST_SOURCES), -1), np.zeros((channels, MOST_SOURCES), np.int64)
    chosen = Predictors(np.full(channels, HOLD), source, weight, stride)
    if frames < 5:
        return chosen
    known = steps.astype(np.float64)
    best = np.full(channels, np.inf)
    left = np.zeros((frames - 4, channels))
    for row, taps in enumerate(TAPS):
        trial = known[4:] - sum(float(tap) / 4 * known[3 - i : frames - 1 - i] for i, tap in enumerate(taps) if tap)
        bits = np.log2(1 + np.abs(trial)).sum(axis=0)
        better = bits < best
        chosen.order[better], best[better] = row, bits[better]
        left[:, better] = trial[:, better]
    if 1 < channels <= MOST_CHANNELS and frames > 8:
        _choose_sources(np.where(escaped[4:], 0, left), chosen)
    return chosen


def _choose_sources(left: Floats, chosen: Predictors) -> None:
    """Up to three earlier channels each, whose residuals (T, C), weighted, leave the least of the channel's own."""
    bound = 8 * np.median(np.abs(left), axis=0) + 2
    left = np.clip(left, -bound, bound)
    products = left.T @ left
    power = products.diagonal()
    for channel in range(1, left.shape[1]):
        shared = products[channel, :channel].copy()  # with what is left of this channel
        energy = power[channel]
        for place in range(MOST_SOURCES):
            source = int(np.argmax(shared**2 / (power[:channel] + 1)))
            weight = int(min(max(np.rint(16 * shared[source] / (power[source] + 1)), -32), 31))
            less = energy - weight / 8 * shared[source] + (weight / 16) ** 2 * power[source]
            if len(left) / 2 * math.log2((energy + len(left) / 8) / (max(less, 0) + len(left) / 8)) < SOURCE_THRESHOLD:
                break
            chosen.source[channel, place], chosen.weight[channel, place] = source, weight
            shared -= weight / 16 * products[source, :channel]
            energy = max(less, 0)


@inlined_kernel
def extrapolate(steps, t, c, predictors):  # type: ignore[no-untyped-def]
    """A value from its own past; in the first frame from the channel `stride` before."""
    if t == 0:
        return steps[0, c - predictors.stride] if c >= predictors.stride else np.int64(0)
    row = predictors.order[c]
    if t < 4:
        return 2 * steps[t - 1, c] - steps[t - 2, c] if t > 1 and row else steps[t - 1, c]
    total = np.int64(2)
    for i in range(4):
        total += TAPS[row, i] * steps[t - 1 - i, c]
    return total >> 2


@inlined_kernel
def predict(own, residual, t, c, predictors):  # type: ignore[no-untyped-def]
    """`own`, what `extrapolate` gave, moved by what the sources' own pasts did not tell in this frame."""
    source, weight = predictors.source, predictors.weight
    total = np.int64(8)
    for i in range(MOST_SOURCES):
        if t > 0 and source[c, i] >= 0:
            total += weight[c, i] * residual[source[c, i]]
    return clip(own + (total >> 4), LARGEST_STEP)


def write_predictors(encoder: RangeEncoder, chosen: Predictors) -> None:
    """Per channel a row of TAPS and how many sources, both adaptive, and the sources."""
    counts = (chosen.source >= 0).sum(axis=1)
    rows, model = np.zeros(len(counts), np.int64), symbol_model(np.ones((2, len(TAPS))))
    encode_symbols(encoder, chosen.order, model[:1], rows)
    encode_symbols(encoder, counts, model[1:, : MOST_SOURCES + 1].copy(), rows)
    for channel, count in enumerate(counts.tolist()):
        for place in range(count):
            encoder.put_uniform(int(chosen.source[channel, place]), channel)
            encoder.put_bits(int(chosen.weight[channel, place]) + 32, WEIGHT_BITS)


def read_predictors(decoder: RangeDecoder, channels: int, stride: int) -> Predictors:
    """The mirror of `write_predictors`."""
    rows, model = np.zeros(channels, np.int64), symbol_model(np.ones((2, len(TAPS))))
    order = decode_symbols(decoder, channels, model[:1], rows).astype(np.int64)
    counts = decode_symbols(decoder, channels, model[1:, : MOST_SOURCES + 1].copy(), rows)
    source, weight = np.full((channels, MOST_SOURCES), -1, np.int64), np.zeros((channels, MOST_SOURCES), np.int64)
    for channel in np.flatnonzero(counts).tolist():
        if channel == 0 or channel > MAX_TOTAL:
            raise CorruptError(f"packed floats are damaged: channel {channel} follows another; get the file again")
        for place in range(counts[channel]):
            source[channel, place] = decoder.get_uniform(channel)
            weight[channel, place] = decoder.get_bits(WEIGHT_BITS) - 32
    return Predictors(order, source, weight, stride)
