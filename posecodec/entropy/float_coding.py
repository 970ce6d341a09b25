"""Gridded floats as range-coded integers and back: contexts, adaptive models, and the stream of steps and rests.

Frame by frame and channel by channel: what a step was not predicted by, by the magnitude to expect; then the rest, by the
rest before. Bits are modeled down to two below the leading one, the others are raw.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive_models import bit_model, get_bit, put_bit
from posecodec.entropy.binarization import get_long_raw, put_long_raw
from posecodec.entropy.fixed_point import clip
from posecodec.entropy.float_grids import LARGEST_STEP, GridSteps
from posecodec.entropy.float_prediction import Predictors, extrapolate, predict
from posecodec.entropy.range_coder import FAULT, MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound
from posecodec.kernels import kernel
from posecodec.typing import Ints

MOST_RESIDUAL = 2 * LARGEST_STEP  # Weighted sums of so much stay below 2**63

# Slots of a number's bits: its sign, the length of its magnitude in unary, and the two bits after the leading one.
MOST_LENGTH = 56
SIGN = np.int64(0)
LENGTH = np.int64(1)
MANTISSA = LENGTH + MOST_LENGTH
SLOTS = int(MANTISSA) + 3 * (MOST_LENGTH + 1)
MOST_BYTES = MAX_PUT_BYTES * 2 * (MOST_LENGTH + 12)  # Of one value
RUN_LENGTH = 4096  # Values coded by one run of a kernel, so that the room it needs stays small

SCALES = 20  # Classes of the magnitude to expect
CONTEXT_CLASSES = 3  # Classes of how a frame went so far: numbers smaller than expected, as expected, larger
CLASS_EDGE = 8  # Running surplus, in quarters of a bit, from which numbers count as smaller or larger
REST_ROWS = 55 * 3  # Classes of a rest: the length of its step, and of the rest before up to 2
SIXTEENTHS = 4  # Bits after the point of magnitudes to expect
MOST_SCALE = 2**44  # Magnitudes to expect end here, so that their sums stay in 64 bits
MEAN, SURPLUS = 0, 1
"""The state within a frame: mean magnitude, and how much larger numbers are than expected."""


class Models(NamedTuple):
    """Adaptive bits of numbers, rests and escapes, which learn."""

    numbers: NDArray[np.int32]
    rests: NDArray[np.int32]
    escapes: NDArray[np.int32]


class Memory(NamedTuple):
    """Magnitudes to expect (C,), residuals (C,), the frame's two figures, rests before (C,), the last escaped rank (1,)."""

    scale: Ints
    residual: Ints
    frame: Ints
    before: Ints
    last_escape: Ints


class Options(NamedTuple):
    """Whether any value is escaped, and has a rest; the bits of a value."""

    has_escapes: bool
    has_rest: bool
    width: int


@kernel
def _count_bits(value):  # type: ignore[no-untyped-def]
    """Bits of a number >= 0."""
    length = np.int64(0)
    while value > 0:
        value >>= 1
        length += 1
    return length


@kernel
def _put_number(state, out, probs, row, value, shift):  # type: ignore[no-untyped-def]
    """Code |value| < 2**56 with a row of `probs`, the lowest `shift` bits raw."""
    slots = probs[row]
    size = abs(value)
    length = _count_bits(size >> shift)
    for i in range(min(length + 1, np.int64(MOST_LENGTH))):
        put_bit(state, out, slots, LENGTH + i, np.int64(i < length))
    below = shift + max(length - 1, np.int64(0))
    slot = MANTISSA + 3 * length
    for _ in range(min(np.int64(2), length - 1)):
        below -= 1
        bit = (size >> below) & 1
        put_bit(state, out, slots, slot, bit)
        slot += 1 + bit
    put_long_raw(state, out, size & ((np.int64(1) << below) - 1), below)
    if size:
        put_bit(state, out, slots, SIGN, np.int64(value < 0))


@kernel
def _get_number(state, data, probs, row, shift):  # type: ignore[no-untyped-def]
    """The mirror of `_put_number`; a number that is too large is a fault and returns 0."""
    slots = probs[row]
    length = np.int64(0)
    while length < MOST_LENGTH and get_bit(state, data, slots, LENGTH + length):
        length += 1
    if length + shift > MOST_LENGTH:
        state[FAULT] = 1
        return np.int64(0)
    below = shift + max(length - 1, np.int64(0))
    slot = MANTISSA + 3 * length
    size = np.int64(min(length, np.int64(1)))
    for _ in range(min(np.int64(2), length - 1)):
        below -= 1
        bit = get_bit(state, data, slots, slot)
        size = 2 * size + bit
        slot += 1 + bit
    size = (size << below) | get_long_raw(state, data, below)
    if size and get_bit(state, data, slots, SIGN):
        return -size
    return size


@kernel
def _expect_magnitude(t, c, scale, frame):  # type: ignore[no-untyped-def]
    """Sixteenths of the magnitude to expect: of this channel's last numbers, at first of this frame's."""
    return scale[c] if t > 2 else frame[MEAN]


@kernel
def _count_raw(expected):  # type: ignore[no-untyped-def]
    """Bits not worth modeling: those that leave about two or three above them."""
    return max(_count_bits(expected) - 7, np.int64(0))


@kernel
def _choose_row(expected, frame):  # type: ignore[no-untyped-def]
    """The row for numbers of an expected magnitude: by its logarithm, then by how this frame went so far."""
    shift = _count_raw(expected)
    if shift:
        scale_class = 16 + ((expected >> (shift + 4)) & 3)
    else:
        length = _count_bits(expected)
        scale_class = 2 * length + ((expected >> (length - 2)) & 1 if length > 1 else np.int64(0))
    context_class = np.int64(1) + np.int64(frame[SURPLUS] > CLASS_EDGE) - np.int64(frame[SURPLUS] < -CLASS_EDGE)
    return CONTEXT_CLASSES * scale_class + context_class


@kernel
def _adapt(number, expected, t, c, scale, frame):  # type: ignore[no-untyped-def]
    """Move the expectations towards a number."""
    size = min(abs(number) << SIXTEENTHS, np.int64(MOST_SCALE))
    frame[MEAN] += (size - frame[MEAN]) >> 3
    frame[SURPLUS] += 4 * clip(_count_bits(size) - _count_bits(expected), 4) - (frame[SURPLUS] >> 3)
    if t < 3:
        scale[c] = (size + frame[MEAN]) >> 1
    else:
        scale[c] += (size - scale[c] + 2) >> 2


@kernel
def _choose_rest_row(step, before):  # type: ignore[no-untyped-def]
    """The row for a rest: by the length of the step and of the rest that this channel had before."""
    return 3 * min(_count_bits(abs(step)), np.int64(54)) + min(_count_bits(abs(before)), np.int64(2))


@kernel
def _find_escape_context(escaped, t, c):  # type: ignore[no-untyped-def]
    before = np.int64(t > 0 and escaped[t - 1, c])
    return 2 * before + np.int64(escaped[t, c - 1] if c > 0 else before)


@kernel
def _put_values(state, out, first, last, steps, rest, escaped, predictors, models, memory, options):  # type: ignore[no-untyped-def]
    """Code values number `first` to `last` of (T, C), frame by frame."""
    numbers, rests, escapes = models
    scale, residual, frame, before, last_escape = memory
    has_escapes, has_rest, width = options
    for i in range(first, last):
        t, c = i // steps.shape[1], i % steps.shape[1]
        if has_escapes:
            put_bit(state, out, escapes, _find_escape_context(escaped, t, c), np.int64(escaped[t, c]))
        if escaped[t, c]:
            is_new = np.int64(rest[t, c] != last_escape[0])
            put_bit(state, out, escapes, np.int64(4), is_new)
            if is_new:
                put_long_raw(state, out, rest[t, c], width)
            last_escape[0] = rest[t, c]
            residual[c] = 0
            continue
        own = extrapolate(steps, t, c, predictors)
        number = steps[t, c] - predict(own, residual, t, c, predictors)
        expected = _expect_magnitude(t, c, scale, frame)
        _put_number(state, out, numbers, _choose_row(expected, frame), number, _count_raw(expected))
        _adapt(number, expected, t, c, scale, frame)
        residual[c] = clip(steps[t, c] - own, MOST_RESIDUAL)
        if has_rest:
            row = _choose_rest_row(steps[t, c], before[c])
            _put_number(state, out, rests, row, rest[t, c], np.int64(0))
            before[c] = rest[t, c]


@kernel
def _get_values(state, data, steps, rest, escaped, predictors, models, memory, options):  # type: ignore[no-untyped-def]
    """The mirror of `_put_values`, for all of (T, C)."""
    numbers, rests, escapes = models
    scale, residual, frame, before, last_escape = memory
    has_escapes, has_rest, width = options
    for t in range(steps.shape[0]):
        for c in range(steps.shape[1]):
            if not is_sound(state, data):
                return
            if has_escapes:
                escaped[t, c] = get_bit(state, data, escapes, _find_escape_context(escaped, t, c)) == 1
            if escaped[t, c]:
                if get_bit(state, data, escapes, np.int64(4)):
                    last_escape[0] = get_long_raw(state, data, width)
                rest[t, c] = last_escape[0]
                steps[t, c] = steps[t - 1, c] if t > 0 else np.int64(0)
                residual[c] = 0
                continue
            own = extrapolate(steps, t, c, predictors)
            expected = _expect_magnitude(t, c, scale, frame)
            number = _get_number(state, data, numbers, _choose_row(expected, frame), _count_raw(expected))
            steps[t, c] = number + predict(own, residual, t, c, predictors)
            if abs(steps[t, c]) > LARGEST_STEP:
                state[FAULT] = 1
                return
            _adapt(number, expected, t, c, scale, frame)
            residual[c] = clip(steps[t, c] - own, MOST_RESIDUAL)
            if has_rest:
                row = _choose_rest_row(steps[t, c], before[c])
                rest[t, c] = _get_number(state, data, rests, row, np.int64(0))
                before[c] = rest[t, c]


def _start(channels: int) -> tuple[Models, Memory]:
    """What encoder and decoder know before the first value."""
    numbers, rests = (bit_model(n * SLOTS).reshape(n, SLOTS, -1) for n in (SCALES * CONTEXT_CLASSES, REST_ROWS))
    scale, residual, before = np.zeros((3, channels), np.int64)
    memory = Memory(scale, residual, np.zeros(2, np.int64), before, np.zeros(1, np.int64))
    return Models(numbers, rests, bit_model(5)), memory


def write_values(encoder: RangeEncoder, found: GridSteps, predictors: Predictors, options: Options) -> None:
    """Code steps and rests (T, C)."""
    known = (found.steps, found.rest, found.escaped, predictors, *_start(found.steps.shape[1]), options)
    for first in range(0, found.steps.size, RUN_LENGTH):
        last = min(first + RUN_LENGTH, found.steps.size)
        encoder.run(_put_values, (last - first) * MOST_BYTES, first, last, *known)


def read_values(
    decoder: RangeDecoder, table: tuple[int, int], rate: float, predictors: Predictors, options: Options
) -> GridSteps:
    """The mirror of `write_values`, for (T, C) values. Raises CorruptError."""
    steps, rest = np.zeros((2, *table), np.int64)
    escaped = np.zeros(table, np.bool_)
    decoder.run(_get_values, steps, rest, escaped, predictors, *_start(table[1]), options)
    return GridSteps(rate, steps, rest, escaped)
