"""Confidences of keypoints as adaptive integers: the change since the same keypoint's last one.

A change is a few yes/no questions: is it zero, is it negative, how many bits has its size, which ones. Nine models
guess every answer. Five are tables that learn, each from something else that is known: the last two changes, the change
of the keypoint before, the frames since the last change, the level, a forecast. Four are parabolas through the
keypoint's last values with longer or shorter memories, and answer as if the value were logistic around their forecast.
What they say is mixed in the logistic domain by weights that learn, as in Mahoney's PAQ (2005), all in integers.
Nothing is trained: the models start from ignorance in every chunk. Where confidences are missing is not told here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy import range_coder
from posecodec.entropy.binarization import get_long_raw, put_long_raw
from posecodec.entropy.fixed_point import clip
from posecodec.entropy.range_coder import FAULT, MAX_BITS, get_binary, is_sound, put
from posecodec.kernels import kernel
from posecodec.typing import Bools, Ints

START = 255  # What the first confidence is compared with: certainty

# The questions: zero, negative, longer than 1 .. 32 bits, and the two bits after the leading one of short sizes.
ZERO, NEGATIVE, LONGER = np.int64(0), np.int64(1), np.int64(2)
MOST_LENGTH = 33  # Bits of the difference of two int32
MODELED_LENGTH = 9  # Of longer sizes the bits after the leading one are raw: confidences of 0 .. 255 change by no more.
BELOW = LONGER + MOST_LENGTH
QUESTIONS = int(BELOW) + 3 * (MODELED_LENGTH + 1)
MOST_BYTES = range_coder.MAX_PUT_BYTES * (MOST_LENGTH + 8)

# What is known of a keypoint. SIZE: recent changes, in 128ths. Then each filter's forecast, slope, bend and misses.
LAST, CHANGE, BEFORE, RUN, SIGN, SIZE, SEEN, FILTERS = range(8)
FORECAST, SLOPE, BEND, MISS = range(4)
HALF_MEMORIES = (4, 6, 9, 16)  # Twice the number of values after which a filter forgets
KNOWN = FILTERS + 4 * len(HALF_MEMORIES)
TABLES = 5  # Models that are tables; the others are filters
MODELS = TABLES + len(HALF_MEMORIES)
ROWS = 488  # Of a table: no class that `_fill_contexts` finds is as high
FORECAST_LENGTHS = 4
"""Questions about length that filters answer, the first ones: a forecast tells nothing of rare, large changes."""
# The scale of a filter's logistic distribution, in 1024ths: so many 256ths of its mean miss, less what rounding adds.
LEAST_SCALE = 90
SCALE_GAIN = 150
SCALE_LOSS = 60
UNIT = 10  # Bits after the point in forecasts
MOST_SEEN = 31  # Values are counted up to here: all filters have forgotten as many
GAIN_BITS = 16  # Bits after the point in gains
FAR = 1 << 32  # A forecast that misses by so much starts again: products stay below 2**63

ONE = 4096  # Probabilities have 12 bits; their logits have 8 after the point
MOST_LOGIT = 2047
SQUASH = np.array(
    [1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
     3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094],
    dtype=np.int64,
)  # fmt: skip
"""ONE / (1 + exp(-logit)) at every half; written out, since a machine's own exponential might round otherwise."""
FIRST_WEIGHT = 9000  # Of 65536: nine models that agree count a little more than one
RATE = 28  # Of 65536: how fast weights learn
WINDOW = 100  # Answers that a table's probability is the mean of, at most


class Mixer(NamedTuple):
    """Models, weights, and scratch space: rows (MODELS,) and inputs (MODELS,), what each model goes by and says."""

    rows: Ints
    table: NDArray[np.int32]
    weights: Ints
    logits: Ints
    inputs: Ints
    squash: Ints


@kernel
def _squash(logit, table):  # type: ignore[no-untyped-def]
    """4096 / (1 + exp(-logit / 256)), by straight lines between the entries of the table."""
    if logit > MOST_LOGIT:
        return np.int64(ONE - 1)
    if logit < -MOST_LOGIT:
        return np.int64(1)
    place = (logit >> 7) + 16
    part = logit & 127
    return (table[place] * (128 - part) + table[place + 1] * part + 64) >> 7


def _invert_squash() -> Ints:
    """(4096,) the inverse of `_squash`: for each probability the smallest logit that reaches it."""
    logits = np.arange(-MOST_LOGIT, MOST_LOGIT + 1)
    place, part = (logits >> 7) + 16, logits & 127
    squashed = (SQUASH[place] * (128 - part) + SQUASH[place + 1] * part + 64) >> 7
    return np.clip(np.searchsorted(squashed, np.arange(ONE)) - MOST_LOGIT, -MOST_LOGIT, MOST_LOGIT)


def _compute_gains() -> Ints:
    """(filters, 32, 3) gains of value, slope and bend after so many values, times 2**16.

    Parabolas by least squares: first through all values alike (n of them), then with memories that fade by 1 - 1/m a
    value (Morrison, "Introduction to sequential smoothing and prediction", 1969).
    """
    n = np.arange(3, MOST_SEEN + 3, dtype=np.int64)
    even = np.stack([3 * (3 * n * n - 3 * n + 2), 18 * (2 * n - 1), np.full_like(n, 60)], axis=1)
    even = (even << GAIN_BITS) // (n * (n + 1) * (n + 2))[:, None]
    fading = [[h**3 - (h - 2) ** 3, 12 * (h - 1), 8] for h in HALF_MEMORIES]
    fixed = np.array([[(g << GAIN_BITS) // h**3 for g in row] for h, row in zip(HALF_MEMORIES, fading, strict=True)])
    grown = np.maximum(even[None], fixed[:, None])
    return np.concatenate([np.full((len(HALF_MEMORIES), 1, 3), [1 << GAIN_BITS, 0, 0]), grown], axis=1)


@kernel
def _quantize_distance(distance):  # type: ignore[no-untyped-def]
    """A distance, in 16ths up to 2, coarser beyond: -60 .. 60."""
    size = abs(distance) >> (UNIT - 4)
    if size > 32:
        size = min(np.int64(32) + ((size - 32) >> 3), np.int64(60))
    return -size if distance < 0 else size


@kernel
def _fill_contexts(known, k, beside, rows):  # type: ignore[no-untyped-def]
    """Fill `rows` with what each model goes by."""
    state = known[k]
    if not state[SEEN]:
        rows[:] = 0
        return
    change, before, level = state[CHANGE], state[BEFORE], state[LAST]
    rows[0] = 1 + (clip(change, 4) + 4) * 9 + clip(before, 4) + 4
    rows[1] = 1 + (clip(beside, 3) + 3) * 7 + clip(change, 3) + 3
    rows[2] = 1 + min(state[RUN], np.int64(20)) * 3 + state[SIGN]
    near = min(max(np.int64(255) - level, np.int64(0)), np.int64(255))
    rows[3] = 1 + _classify_distance(near) * 12 + min(state[SIZE] >> 5, np.int64(11))
    part = state[FILTERS + 4 :]
    rows[4] = 1 + 121 * _classify_miss(part[MISS]) + _quantize_distance(part[FORECAST] - (level << UNIT)) + 60


@kernel
def _classify_miss(miss):  # type: ignore[no-untyped-def]
    """A filter's misses in four classes."""
    return np.int64(miss > 300) + np.int64(miss > 500) + np.int64(miss > 1200)


@kernel
def _measure_mass(low, high, scale, squash):  # type: ignore[no-untyped-def]
    """The probability, of 4096, that a logistic variable lies between two distances from its mean."""
    return _squash((high << 8) // scale, squash) - _squash((low << 8) // scale, squash)


@kernel
def _answer_by_filter(part, level, slot, negative, squash):  # type: ignore[no-untyped-def]
    """The probability of a yes, of 4096, if the value is logistic around a filter's forecast; half where unsure."""
    middle = (level << UNIT) - part[FORECAST]
    scale = max(np.int64(LEAST_SCALE), ((part[MISS] * SCALE_GAIN) >> 8) - SCALE_LOSS)
    half = np.int64(1 << (UNIT - 1))
    if slot == ZERO:
        yes = _measure_mass(middle - half, middle + half, scale, squash)
        no = ONE - yes
    elif slot == NEGATIVE:
        yes = _squash(((middle - half) << 8) // scale, squash)
        no = ONE - _squash(((middle + half) << 8) // scale, squash)
    else:
        near = np.int64(1) << (slot - LONGER)
        first, last = (near << UNIT) - half, (2 * near << UNIT) - half
        if negative:
            yes = _squash(((middle - last) << 8) // scale, squash)
            no = _measure_mass(middle - last, middle - first, scale, squash)
        else:
            yes = ONE - _squash(((middle + last) << 8) // scale, squash)
            no = _measure_mass(middle + first, middle + last, scale, squash)
    return min(max((yes * ONE + ONE // 2) // (yes + no + 1), np.int64(1)), np.int64(ONE - 1))


@kernel
def _classify_distance(near):  # type: ignore[no-untyped-def]
    """Distances from certainty, 0 .. 255, in 18 classes."""
    if near < 8:
        return near
    return np.int64(8) + (near >> 4) if near < 32 else np.int64(10) + (near >> 5)


@kernel
def _mix(slot, negative, state, mixer):  # type: ignore[no-untyped-def]
    """The probability of a yes, of 4096, leaving the models' logits in `inputs`."""
    rows, table, weights, logits, inputs, squash = mixer
    for i in range(TABLES):
        inputs[i] = logits[table[i, rows[i], slot, 0] >> 4]
    for i in range(TABLES, MODELS):
        inputs[i] = 0
        if slot < LONGER + FORECAST_LENGTHS and state[SEEN]:
            part = state[FILTERS + 4 * (i - TABLES) :]
            inputs[i] = logits[_answer_by_filter(part, state[LAST], slot, negative, squash)]
    total = np.int64(0)
    for i in range(MODELS):
        total += weights[slot, i] * inputs[i]
    return min(max(_squash(total >> 16, squash), np.int64(1)), np.int64(ONE - 1))


@kernel
def _adapt(bit, probability, slot, mixer):  # type: ignore[no-untyped-def]
    """Move the weights and the models towards the answer."""
    rows, table, weights, _, inputs, _ = mixer
    error = ((bit << 12) - probability) * RATE
    for i in range(MODELS):
        weights[slot, i] = clip(weights[slot, i] + ((inputs[i] * error + (1 << 15)) >> 16), 1 << 20)
    for i in range(TABLES):
        cell = table[i, rows[i], slot]
        seen = np.int64(cell[1])
        cell[0] += ((bit << 16) - bit - np.int64(cell[0])) * 2 // (2 * seen + 3)
        cell[1] = min(seen + 1, np.int64(WINDOW))


@kernel
def _put_answer(state, out, bit, slot, negative, known, mixer):  # type: ignore[no-untyped-def]
    probability = _mix(slot, negative, known, mixer)
    zero = (ONE - probability) << 4
    put(state, out, zero if bit else np.int64(0), (probability << 4) if bit else zero, MAX_BITS)
    _adapt(bit, probability, slot, mixer)


@kernel
def _get_answer(state, data, slot, negative, known, mixer):  # type: ignore[no-untyped-def]
    probability = _mix(slot, negative, known, mixer)
    bit = np.int64(get_binary(state, data, (ONE - probability) << 4))
    _adapt(bit, probability, slot, mixer)
    return bit


@kernel
def _put_change(state, out, change, known, mixer):  # type: ignore[no-untyped-def]
    _put_answer(state, out, np.int64(change == 0), ZERO, np.int64(0), known, mixer)
    if change == 0:
        return
    negative = np.int64(change < 0)
    _put_answer(state, out, negative, NEGATIVE, np.int64(0), known, mixer)
    size = abs(change)
    length = np.int64(1)
    while length < MOST_LENGTH:
        longer = np.int64((size >> length) > 0)
        _put_answer(state, out, longer, LONGER + length - 1, negative, known, mixer)
        if not longer:
            break
        length += 1
    below = length - 1
    slot = BELOW + 3 * min(length, np.int64(MODELED_LENGTH))
    for _ in range(min(np.int64(2), below)):
        if length > MODELED_LENGTH:
            break
        below -= 1
        bit = (size >> below) & 1
        _put_answer(state, out, bit, slot, negative, known, mixer)
        slot += 1 + bit
    put_long_raw(state, out, size & ((np.int64(1) << below) - 1), below)


@kernel
def _get_change(state, data, known, mixer):  # type: ignore[no-untyped-def]
    """The mirror of `_put_change`."""
    if _get_answer(state, data, ZERO, np.int64(0), known, mixer):
        return np.int64(0)
    negative = _get_answer(state, data, NEGATIVE, np.int64(0), known, mixer)
    length = np.int64(1)
    while length < MOST_LENGTH and _get_answer(state, data, LONGER + length - 1, negative, known, mixer):
        length += 1
    below = length - 1
    size = np.int64(1)
    slot = BELOW + 3 * min(length, np.int64(MODELED_LENGTH))
    for _ in range(min(np.int64(2), below)):
        if length > MODELED_LENGTH:
            break
        below -= 1
        bit = _get_answer(state, data, slot, negative, known, mixer)
        size = 2 * size + bit
        slot += 1 + bit
    size = (size << below) | get_long_raw(state, data, below)
    return -size if negative else size


@kernel
def _update_context(known, k, value, gains):  # type: ignore[no-untyped-def]
    """Take in a keypoint's new value."""
    state = known[k]
    if not state[SEEN]:
        state[LAST] = value
        state[SIGN] = 1
    change = value - state[LAST]
    state[RUN] = 0 if change else state[RUN] + 1
    if change:
        state[SIGN] = 2 if change > 0 else 0
    state[SIZE] += ((abs(change) << 7) - state[SIZE] + 4) >> 3
    state[BEFORE], state[CHANGE], state[LAST] = state[CHANGE], change, value
    for i in range(gains.shape[0]):
        _move_filter(state[FILTERS + 4 * i :], value << UNIT, gains[i, state[SEEN]])
    state[SEEN] = min(state[SEEN] + 1, np.int64(MOST_SEEN))


@kernel
def _move_filter(part, value, gain):  # type: ignore[no-untyped-def]
    """Move a parabola towards a value and on to the next frame."""
    miss = value - part[FORECAST]
    if abs(miss) > FAR:
        part[FORECAST], part[SLOPE], part[BEND], miss = value, np.int64(0), np.int64(0), np.int64(0)
    part[MISS] += (min(abs(miss), np.int64(1 << 20)) - part[MISS]) >> 3
    bend = part[BEND] + (miss * gain[2] >> (GAIN_BITS - 6))
    slope = part[SLOPE] + (miss * gain[1] >> (GAIN_BITS - 6))
    part[FORECAST] += (miss * gain[0] >> GAIN_BITS) + ((2 * slope + bend) >> 7)
    part[SLOPE], part[BEND] = slope + bend, bend


@kernel
def _predict(known, k):  # type: ignore[no-untyped-def]
    """What a change is counted from: the keypoint's last value, else that of the keypoint before."""
    if known[k, SEEN]:
        return known[k, LAST]
    return known[k - 1, LAST] if k > 0 else np.int64(START)


@kernel
def _put_changes(state, out, values, mask, known, gains, mixer):  # type: ignore[no-untyped-def]
    for t in range(values.shape[0]):
        beside = np.int64(0)
        for k in range(values.shape[1]):
            if mask[t, k]:
                _fill_contexts(known, k, beside, mixer.rows)
                beside = values[t, k] - _predict(known, k)
                _put_change(state, out, beside, known[k], mixer)
                _update_context(known, k, values[t, k], gains)


@kernel
def _get_changes(state, data, values, mask, known, gains, mixer):  # type: ignore[no-untyped-def]
    for t in range(values.shape[0]):
        beside = np.int64(0)
        for k in range(values.shape[1]):
            if mask[t, k]:
                _fill_contexts(known, k, beside, mixer.rows)
                beside = _get_change(state, data, known[k], mixer)
                value = _predict(known, k) + beside
                if value < -(2**31) or value > 2**31 - 1:
                    state[FAULT] = 1
                if not is_sound(state, data):
                    return
                values[t, k] = value
                _update_context(known, k, value, gains)


def _start(keypoints: int) -> tuple[Ints, Ints, Mixer]:
    """What is known before the first value, the filters' gains, and fresh models, weights and scratch space."""
    table = np.zeros((TABLES, ROWS, QUESTIONS, 2), np.int32)
    table[..., 0] = 1 << 15
    weights = np.full((QUESTIONS, MODELS), FIRST_WEIGHT, np.int64)
    mixer = Mixer(np.zeros(MODELS, np.int64), table, weights, _invert_squash(), np.zeros(MODELS, np.int64), SQUASH)
    return np.zeros((keypoints, KNOWN), np.int64), _compute_gains(), mixer


def encode_confidences(encoder: range_coder.RangeEncoder, values: NDArray[np.int32], mask: Bools) -> None:
    """Code values (T, K) int32 where mask (T, K) is set; made for 0 .. 255, but any int32 can be coded."""
    assert values.shape == mask.shape and mask.ndim == 2, f"values {values.shape} with a mask {mask.shape}"
    encoder.run(_put_changes, int(mask.sum()) * MOST_BYTES, values.astype(np.int64), mask, *_start(mask.shape[1]))


def decode_confidences(decoder: range_coder.RangeDecoder, mask: Bools) -> NDArray[np.int32]:
    """The values (T, K) int32 that `encode_confidences` coded, 0 where the mask is not set. Raises CorruptError."""
    values = np.zeros(mask.shape, np.int64)
    decoder.run(_get_changes, values, mask, *_start(mask.shape[1]))
    return values.astype(np.int32)
