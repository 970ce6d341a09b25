"""Float arrays without loss: steps of a grid, predicted from earlier frames and other channels, and range coded.

Every value x becomes an integer k, the nearest step of x * rate, and what rounds off: the distance from k / rate to x
counted in floats that lie between. `rate` is a power of ten where numbers were written with so many decimals, and then
the distances are mostly 0; else a power of two, so that a step is about the last bit of typical values. Where that does
not fit (NaN, infinities, zeros that stand for "missing", numbers far beyond the others) the bits themselves are kept,
once for each run. Only the choice of the grid and of the predictors uses floats, and of these the decoder knows the
result; k / rate is a single division that IEEE 754 rounds the same way everywhere.

Arrays that this does not suit are left to zstd, so that nothing gets much larger than zstd makes it. Neither shape nor
dtype are in the bytes; the caller keeps them.

>>> data = pack_floats(np.float32([[0.1], [0.2], [0.3]]))
>>> unpack_floats(data, (3, 1), np.float32).ravel()
array([0.1, 0.2, 0.3], dtype=float32)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import zstandard
from numpy.typing import DTypeLike, NDArray

from posecodec.entropy.adaptive_models import (
    bit_model,
    decode_symbols,
    encode_symbols,
    get_bit,
    put_bit,
    symbol_model,
)
from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_PUT_BYTES,
    MAX_TOTAL,
    RangeDecoder,
    RangeEncoder,
    get_bits,
    is_sound,
    kernel,
    put_bits,
)
from posecodec.errors import CorruptError

__all__ = ["pack_floats", "unpack_floats"]

Floats = NDArray[Any]

# The first byte: how the rest is written, and whether float64 values are all float32 ones and written as such.
RAW, PLANES, MODEL = 0, 1, 2
NARROW = 4
LEVEL = 19

LIMIT = 2**53  # largest |k| and distance: beyond, a value's own bits are kept
MOST_SURPRISE = 2 * LIMIT  # weighted sums of so much stay below 2**63
LOWEST_RATE, HIGHEST_RATE = 2.0**-60, 2.0**100  # no k / rate is too large or denormal in float32
MOST_DECIMALS = 9
SAMPLE = 1 << 16  # values that the grid is chosen by

# A value from the four before it, in quarters: hold, half of the way to the straight line, line, parabola, ...
TAPS = np.array(
    [[4, 0, 0, 0], [6, -2, 0, 0], [8, -4, 0, 0], [10, -8, 2, 0], [12, -12, 4, 0], [3, 1, 0, 0], [2, 2, 0, 0],
     [14, -18, 10, -2], [4, 2, 0, -2], [5, -1, 0, 0]],
    dtype=np.int64,
)  # fmt: skip
HOLD = 0
MOST_SOURCES = 3
WEIGHT_BITS = 6  # -32 .. 31 sixteenths
MOST_CHANNELS = 1024  # arrays of more have no sources
WORTH = 24.0  # bits that a source must save

# Slots of a number's bits: its sign, the length of its magnitude in unary, and the two bits after the leading one.
MOST_LENGTH = 56
SIGN = np.int64(0)
LENGTH = np.int64(1)
MANTISSA = LENGTH + MOST_LENGTH
SLOTS = int(MANTISSA) + 3 * (MOST_LENGTH + 1)
MOST_BYTES = MAX_PUT_BYTES * 2 * (MOST_LENGTH + 12)  # of one value
CHUNK = 4096  # values coded by one run of a kernel

SCALES = 20  # classes of the magnitude to expect
MOODS = 3
REST_ROWS = 55 * 3
SIXTEENTHS = 4  # bits after the point of magnitudes to expect
MOST_SCALE = 2**44
MEAN, MOOD = 0, 1  # the state within a frame: mean magnitude, and how much larger numbers are than expected


@dataclass(frozen=True, eq=False)
class _Steps:
    """An array (T, C) as integers: steps and rest (T, C) int64, and odd (T, C) bool where rest holds ordered bits."""

    rate: float
    steps: NDArray[np.int64]
    rest: NDArray[np.int64]
    odd: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Predictors:
    """By channel: a row of TAPS (C,), the earlier channels (C, 3) whose surprise tells of its own, -1 for none, and
    weights (C, 3) in sixteenths. All int64."""

    order: NDArray[np.int64]
    source: NDArray[np.int64]
    weight: NDArray[np.int64]


def pack_floats(array: Floats) -> bytes:
    """The bytes of a float32 or float64 array (T, ...) of any number of axes, b"" if it is empty.

    Lossless to the bit, and made for motion: the first axis is time. Never more than a byte larger than zstd makes it.
    """
    dtype = array.dtype.newbyteorder("=")
    assert dtype in (np.float32, np.float64) and array.ndim, f"array is {array.dtype} {array.shape}"
    if not array.size:
        return b""
    values = np.ascontiguousarray(array, dtype=dtype).reshape(len(array), -1)
    candidates = [bytes([RAW]) + _compressed(values)]
    narrow = dtype == np.float64 and _is_narrow(values)
    values = values.astype(np.float32) if narrow else values
    planes = values.astype(values.dtype.newbyteorder("<")).view(np.uint8).reshape(values.size, -1).T
    flag = NARROW if narrow else 0
    candidates.append(bytes([PLANES | flag]) + _compressed(planes))
    candidates += [
        bytes([MODEL | flag]) + _write_model(s, values.itemsize, _stride(array.shape)) for s in _grids(values)
    ]
    return min(candidates, key=len)


def unpack_floats(data: bytes, shape: tuple[int, ...], dtype: DTypeLike) -> Floats:
    """The array that `pack_floats` wrote, of the shape and dtype (float32 or float64) that it had.

    Needs memory for a few arrays of that shape, whatever the bytes say. Raises CorruptError.
    """
    wanted = np.dtype(dtype)
    assert wanted in (np.float32, np.float64) and shape, f"array is {wanted} {shape}"
    size = math.prod(shape)
    if not size or not data:
        if size or data:
            raise _corrupt(f"{len(data)} bytes for {size} values")
        return np.zeros(shape, wanted)
    mode, narrow = data[0] & ~NARROW, data[0] & NARROW
    if mode > MODEL or (narrow and wanted == np.float32):
        raise _corrupt(f"an unknown method {data[0]}")
    stored = np.dtype(np.float32) if narrow else wanted
    table = (shape[0], size // shape[0])
    if mode == MODEL:
        values = _read_model(data[1:], table, stored, _stride(shape))
    else:
        values = _read_zstd(data[1:], table, stored, mode)
    with np.errstate(invalid="ignore"):
        return values.reshape(shape).astype(wanted)


def _stride(shape: tuple[int, ...]) -> int:
    """How many channels before lies the same axis of the keypoint before."""
    return shape[-1] if len(shape) > 2 else 1


def _corrupt(what: str) -> CorruptError:
    return CorruptError(f"packed floats are damaged: {what}; get the file again")


def _compressed(array: Floats) -> bytes:
    """What zstd makes of an array's bytes, little-endian."""
    little = array.astype(array.dtype.newbyteorder("<"))
    return zstandard.ZstdCompressor(level=LEVEL).compress(little.tobytes())


def _read_zstd(data: bytes, table: tuple[int, int], dtype: np.dtype[Any], mode: int) -> Floats:
    size = table[0] * table[1] * dtype.itemsize
    try:
        if zstandard.frame_content_size(data) not in (-1, size):
            raise _corrupt("it states another size")
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise _corrupt(str(error)) from error
    if len(raw) != size:
        raise _corrupt(f"{len(raw)} bytes, not {size}")
    table_of_bytes = np.frombuffer(raw, np.uint8)
    if mode == PLANES:
        table_of_bytes = table_of_bytes.reshape(dtype.itemsize, -1).T.copy()
    return table_of_bytes.view(dtype.newbyteorder("<")).astype(dtype).reshape(table)


# --- Floats as integers ---


def _is_narrow(values: Floats) -> bool:
    """Whether float64 values survive as float32, bit by bit, whatever the machine makes of NaNs and denormals."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        back = values.astype(np.float32).astype(np.float64)
    bits = values.view(np.int64)
    plain = (np.abs(values) >= np.finfo(np.float32).tiny) | (values == 0) | (bits == np.float64(np.nan).view(np.int64))
    return bool((plain & (back.view(np.int64) == bits)).all())


def _ordered(values: Floats) -> NDArray[np.int64]:
    """Floats numbered in their order: -0.0 is -1, 0.0 is 0, the next larger one 1."""
    kind = np.int32 if values.dtype == np.float32 else np.int64
    bits = np.ascontiguousarray(values).view(kind).astype(np.int64)
    return np.where(bits < 0, bits ^ np.iinfo(kind).max, bits)


def _unordered(numbers: NDArray[np.int64], dtype: np.dtype[Any]) -> Floats:
    """The mirror of `_ordered`; numbers that no float32 has wrap around."""
    kind = np.int32 if dtype == np.float32 else np.int64
    bits = numbers.astype(kind).astype(np.int64)
    return np.where(bits < 0, bits ^ np.iinfo(kind).max, bits).astype(kind).view(dtype)


def _on_grid(steps: NDArray[np.int64], rate: float, dtype: np.dtype[Any]) -> NDArray[np.int64]:
    """The numbers of the floats that steps / rate are, rounded once to float64 and once to float32."""
    with np.errstate(under="ignore"):
        return _ordered((steps / rate).astype(dtype))


def _to_steps(values: Floats, rate: float, odd_zeros: bool) -> _Steps:
    """Values (T, C) on a grid; `odd_zeros` keeps exact zeros by their bits."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        scaled = np.rint(values.astype(np.float64) * rate)
        odd = ~(np.abs(scaled) <= LIMIT)
    numbers = _ordered(values)
    steps = np.where(odd, 0, scaled).astype(np.int64)
    rest = numbers - _on_grid(steps, rate, values.dtype)
    odd |= (rest > LIMIT) | (rest < -LIMIT)
    if odd_zeros:
        odd |= numbers == 0
    return _Steps(rate, _held(steps, odd), np.where(odd, numbers, rest), odd)


def _held(steps: NDArray[np.int64], odd: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Steps (T, C), where odd those of the last frame that is not, 0 if there is none."""
    if not odd.any():
        return steps
    frame = np.maximum.accumulate(np.where(odd, -1, np.arange(len(odd))[:, None]), axis=0)
    return np.where(frame < 0, 0, np.take_along_axis(steps, np.maximum(frame, 0), axis=0))


def _grids(values: Floats) -> Iterator[_Steps]:
    """The most promising grid, and the same with zeros kept by their bits if there are any."""
    sample = values[: max(8, SAMPLE // values.shape[1])]
    rates = _rates(sample)
    if not rates:
        return
    rate = min(rates, key=lambda rate: _guessed_bits(_to_steps(sample, rate, False)))
    steps = _to_steps(values, rate, False)
    common = int(np.gcd.reduce(steps.steps, axis=None))
    if common > 1 and LOWEST_RATE <= rate / common and not steps.rest.any():
        steps = _to_steps(values, rate / common, False)
    yield steps
    if ((values == 0) & ~steps.odd).any():
        yield _to_steps(values, steps.rate, True)


def _rates(sample: Floats) -> list[float]:
    """Steps per unit that might suit: decimals, the last bits of large and typical values, the first difference."""
    finite = sample[np.isfinite(sample) & (sample != 0)].astype(np.float64)
    if not finite.size:
        return [1.0]
    rates = {10.0**n for n in range(MOST_DECIMALS + 1)}
    digits = np.finfo(sample.dtype).nmant
    sizes = np.frexp(np.quantile(np.abs(finite), [0.05, 0.5, 1.0], method="higher"))[1]
    rates |= {math.ldexp(1.0, int(min(max(digits + 1 - size, -60), 100))) for size in sizes}
    rates.add(math.ldexp(1.0, int(min(max(_lowest_bit(finite), -60), 100))))
    step = (float(finite[-1]) - float(finite[0])) / max(len(finite) - 1, 1)
    if sample.shape[1] == 1 and LOWEST_RATE < abs(step) < HIGHEST_RATE:
        rates |= {abs(1 / step), float(Fraction(abs(1 / step)).limit_denominator(1001))}
    return sorted(rate for rate in rates if LOWEST_RATE <= rate <= HIGHEST_RATE)


def _lowest_bit(finite: NDArray[np.float64]) -> int:
    """How many binary digits after the point the values have, at most."""
    mantissa, exponent = np.frexp(finite)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    return int((53 - exponent - (np.frexp((whole & -whole).astype(np.float64))[1] - 1)).max())


def _guessed_bits(found: _Steps) -> float:
    steps = np.diff(found.steps, n=min(2, len(found.steps) - 1), axis=0)
    rest = np.abs(np.where(found.odd, 2**62, found.rest).astype(np.float64))
    return float(np.log2(1 + np.abs(steps.astype(np.float64))).mean() + (np.log2(1 + rest) + (rest > 0)).mean())


# --- Predictors ---


def _choose(steps: NDArray[np.int64], odd: NDArray[np.bool_]) -> _Predictors:
    """Predictors for steps (T, C): taps by the logarithms of what is left, sources greedily by least squares."""
    frames, channels = steps.shape
    chosen = _Predictors(np.full(channels, HOLD), *np.full((2, channels, MOST_SOURCES), -1))
    chosen.weight[:] = 0
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
        _choose_sources(np.where(odd[4:], 0, left), chosen)
    return chosen


def _choose_sources(left: NDArray[np.float64], chosen: _Predictors) -> None:
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
            if len(left) / 2 * math.log2((energy + len(left) / 8) / (max(less, 0) + len(left) / 8)) < WORTH:
                break
            chosen.source[channel, place], chosen.weight[channel, place] = source, weight
            shared -= weight / 16 * products[source, :channel]
            energy = max(less, 0)


@kernel
def _clip(value, limit):  # type: ignore[no-untyped-def]
    return min(max(value, np.int64(-limit)), np.int64(limit))


@kernel
def _own(steps, t, c, stride, order, taps):  # type: ignore[no-untyped-def]
    """A value from its own past; in the first frame from the channel `stride` before."""
    if t == 0:
        return steps[0, c - stride] if c >= stride else np.int64(0)
    if t < 4:
        return 2 * steps[t - 1, c] - steps[t - 2, c] if t > 1 and order[c] else steps[t - 1, c]
    row = order[c]
    total = np.int64(2)
    for i in range(4):
        total += taps[row, i] * steps[t - 1 - i, c]
    return total >> 2


@kernel
def _predicted(own, surprise, t, c, source, weight):  # type: ignore[no-untyped-def]
    """`own`, moved by what the sources' own pasts did not tell in this frame."""
    total = np.int64(8)
    for i in range(source.shape[1]):
        if t > 0 and source[c, i] >= 0:
            total += weight[c, i] * surprise[source[c, i]]
    return _clip(own + (total >> 4), LIMIT)


# --- Numbers as bits ---


@kernel
def _length(value):  # type: ignore[no-untyped-def]
    """Bits of a number >= 0."""
    length = np.int64(0)
    while value > 0:
        value >>= 1
        length += 1
    return length


@kernel
def _put_raw(state, out, value, bits):  # type: ignore[no-untyped-def]
    while bits > 0:
        part = min(bits, np.int64(MAX_BITS))
        bits -= part
        put_bits(state, out, (value >> bits) & ((np.int64(1) << part) - 1), part)


@kernel
def _get_raw(state, data, bits):  # type: ignore[no-untyped-def]
    value = np.int64(0)
    while bits > 0:
        part = min(bits, np.int64(MAX_BITS))
        bits -= part
        value = (value << part) | get_bits(state, data, part)
    return value


@kernel
def _put_number(state, out, probs, row, value, shift):  # type: ignore[no-untyped-def]
    """Code |value| < 2**56 with a row of `probs`, the lowest `shift` bits raw."""
    slots = probs[row]
    size = abs(value)
    length = _length(size >> shift)
    for i in range(min(length + 1, np.int64(MOST_LENGTH))):
        put_bit(state, out, slots, LENGTH + i, np.int64(i < length))
    below = shift + max(length - 1, np.int64(0))
    slot = MANTISSA + 3 * length
    for _ in range(min(np.int64(2), length - 1)):
        below -= 1
        bit = (size >> below) & 1
        put_bit(state, out, slots, slot, bit)
        slot += 1 + bit
    _put_raw(state, out, size & ((np.int64(1) << below) - 1), below)
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
    size = (size << below) | _get_raw(state, data, below)
    if size and get_bit(state, data, slots, SIGN):
        return -size
    return size


# --- Contexts ---


@kernel
def _scale(t, c, scale, frame):  # type: ignore[no-untyped-def]
    """Sixteenths of the magnitude to expect: of this channel's last numbers, at first of this frame's."""
    return scale[c] if t > 2 else frame[MEAN]


@kernel
def _shift(expected):  # type: ignore[no-untyped-def]
    """Bits not worth modeling: those that leave about two or three above them."""
    return max(_length(expected) - 7, np.int64(0))


@kernel
def _row(expected, frame):  # type: ignore[no-untyped-def]
    """The row for numbers of an expected magnitude: by its logarithm, then by how this frame went so far."""
    shift = _shift(expected)
    if shift:
        level = 16 + ((expected >> (shift + 4)) & 3)
    else:
        length = _length(expected)
        level = 2 * length + ((expected >> (length - 2)) & 1 if length > 1 else np.int64(0))
    mood = np.int64(0) if frame[MOOD] < -8 else np.int64(2) if frame[MOOD] > 8 else np.int64(1)
    return MOODS * level + mood


@kernel
def _learn(number, expected, t, c, scale, frame):  # type: ignore[no-untyped-def]
    """Move the expectations towards a number."""
    size = min(abs(number) << SIXTEENTHS, np.int64(MOST_SCALE))
    frame[MEAN] += (size - frame[MEAN]) >> 3
    frame[MOOD] += 4 * _clip(_length(size) - _length(expected), 4) - (frame[MOOD] >> 3)
    if t < 3:
        scale[c] = (size + frame[MEAN]) >> 1
    else:
        scale[c] += (size - scale[c] + 2) >> 2


@kernel
def _rest_row(step, before):  # type: ignore[no-untyped-def]
    """The row for a rest: by the length of the step and of the rest that this channel had before."""
    return 3 * min(_length(abs(step)), np.int64(54)) + min(_length(abs(before)), np.int64(2))


@kernel
def _odd_context(odd, t, c):  # type: ignore[no-untyped-def]
    before = np.int64(t > 0 and odd[t - 1, c])
    return 2 * before + np.int64(odd[t, c - 1] if c > 0 else before)


# --- The stream ---


@kernel
def _put_values(state, out, first, last, steps, rest, odd, fixed, models, memory, options):  # type: ignore[no-untyped-def]
    """Code values number `first` to `last` of (T, C), frame by frame."""
    stride, taps, order, source, weight = fixed
    number_model, rest_model, odd_model = models
    scale, surprise, frame, before, kept = memory
    has_odd, has_rest, width = options
    for i in range(first, last):
        t, c = i // steps.shape[1], i % steps.shape[1]
        if has_odd:
            put_bit(state, out, odd_model, _odd_context(odd, t, c), np.int64(odd[t, c]))
        if odd[t, c]:
            new = np.int64(rest[t, c] != kept[0])
            put_bit(state, out, odd_model, np.int64(4), new)
            if new:
                _put_raw(state, out, rest[t, c], width)
            kept[0] = rest[t, c]
            surprise[c] = 0
            continue
        own = _own(steps, t, c, stride, order, taps)
        number = steps[t, c] - _predicted(own, surprise, t, c, source, weight)
        expected = _scale(t, c, scale, frame)
        _put_number(state, out, number_model, _row(expected, frame), number, _shift(expected))
        _learn(number, expected, t, c, scale, frame)
        surprise[c] = _clip(steps[t, c] - own, MOST_SURPRISE)
        if has_rest:
            _put_number(state, out, rest_model, _rest_row(steps[t, c], before[c]), rest[t, c], np.int64(0))
            before[c] = rest[t, c]


@kernel
def _get_values(state, data, steps, rest, odd, fixed, models, memory, options):  # type: ignore[no-untyped-def]
    """The mirror of `_put_values`, for all of (T, C)."""
    stride, taps, order, source, weight = fixed
    number_model, rest_model, odd_model = models
    scale, surprise, frame, before, kept = memory
    has_odd, has_rest, width = options
    for t in range(steps.shape[0]):
        for c in range(steps.shape[1]):
            if not is_sound(state, data):
                return
            if has_odd:
                odd[t, c] = get_bit(state, data, odd_model, _odd_context(odd, t, c)) == 1
            if odd[t, c]:
                if get_bit(state, data, odd_model, np.int64(4)):
                    kept[0] = _get_raw(state, data, width)
                rest[t, c] = kept[0]
                steps[t, c] = steps[t - 1, c] if t > 0 else np.int64(0)
                surprise[c] = 0
                continue
            own = _own(steps, t, c, stride, order, taps)
            expected = _scale(t, c, scale, frame)
            number = _get_number(state, data, number_model, _row(expected, frame), _shift(expected))
            steps[t, c] = number + _predicted(own, surprise, t, c, source, weight)
            if abs(steps[t, c]) > LIMIT:
                state[FAULT] = 1
                return
            _learn(number, expected, t, c, scale, frame)
            surprise[c] = _clip(steps[t, c] - own, MOST_SURPRISE)
            if has_rest:
                rest[t, c] = _get_number(state, data, rest_model, _rest_row(steps[t, c], before[c]), np.int64(0))
                before[c] = rest[t, c]


def _models() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Fresh models of numbers, rests and odd values."""
    numbers, rests = (bit_model(rows * SLOTS).reshape(rows, SLOTS, -1) for rows in (SCALES * MOODS, REST_ROWS))
    return numbers, rests, bit_model(5)


def _memory(channels: int) -> tuple[NDArray[np.int64], ...]:
    """Expected magnitudes, surprises, the frame's two figures, rests before, and the last odd value's bits."""
    scale, surprise, before = np.zeros((3, channels), np.int64)
    return scale, surprise, np.zeros(2, np.int64), before, np.zeros(1, np.int64)


def _write_model(found: _Steps, item: int, stride: int) -> bytes:
    """Rate, options, predictors and values of (T, C)."""
    encoder = RangeEncoder()
    rate = int(np.float64(found.rate).view(np.int64))
    options = bool(found.odd.any()), bool(found.rest[~found.odd].any()), 8 * item
    for place in (48, 32, 16, 0):
        encoder.put_bits(rate >> place & 0xFFFF, 16)
    encoder.put_bits(2 * options[0] + options[1], 2)
    chosen = _choose(found.steps, found.odd)
    _write_predictors(encoder, chosen)
    fixed = (stride, TAPS, chosen.order, chosen.source, chosen.weight)
    models, memory = _models(), _memory(found.steps.shape[1])
    for first in range(0, found.steps.size, CHUNK):
        last = min(first + CHUNK, found.steps.size)
        arrays = (found.steps, found.rest, found.odd)
        encoder.run(_put_values, (last - first) * MOST_BYTES, first, last, *arrays, fixed, models, memory, options)
    return encoder.finish()


def _read_model(data: bytes, table: tuple[int, int], dtype: np.dtype[Any], stride: int) -> Floats:
    """The mirror of `_write_model`."""
    decoder = RangeDecoder(data)
    rate = 0
    for _ in range(4):
        rate = rate << 16 | decoder.get_bits(16)
    scale = float(np.array(rate, np.uint64).view(np.float64))
    if not LOWEST_RATE <= scale <= HIGHEST_RATE:
        raise _corrupt(f"{scale} steps per unit")
    flags = decoder.get_bits(2)
    options = bool(flags & 2), bool(flags & 1), 8 * dtype.itemsize
    chosen = _read_predictors(decoder, table[1])
    fixed = (stride, TAPS, chosen.order, chosen.source, chosen.weight)
    steps, rest = np.zeros((2, *table), np.int64)
    odd = np.zeros(table, np.bool_)
    decoder.run(_get_values, steps, rest, odd, fixed, _models(), _memory(table[1]), options)
    decoder.finish()
    numbers = np.where(odd, 0, _on_grid(steps, scale, dtype)) + rest
    return _unordered(numbers, dtype)


def _write_predictors(encoder: RangeEncoder, chosen: _Predictors) -> None:
    """Per channel a row of TAPS and how many sources, both adaptive, and the sources."""
    counts = (chosen.source >= 0).sum(axis=1)
    rows, model = np.zeros(len(counts), np.int64), symbol_model(np.ones((2, len(TAPS))))
    encode_symbols(encoder, chosen.order, model[:1], rows)
    encode_symbols(encoder, counts, model[1:, : MOST_SOURCES + 1].copy(), rows)
    for channel, count in enumerate(counts.tolist()):
        for place in range(count):
            encoder.put_uniform(int(chosen.source[channel, place]), channel)
            encoder.put_bits(int(chosen.weight[channel, place]) + 32, WEIGHT_BITS)


def _read_predictors(decoder: RangeDecoder, channels: int) -> _Predictors:
    """The mirror of `_write_predictors`."""
    rows, model = np.zeros(channels, np.int64), symbol_model(np.ones((2, len(TAPS))))
    order = decode_symbols(decoder, channels, model[:1], rows).astype(np.int64)
    counts = decode_symbols(decoder, channels, model[1:, : MOST_SOURCES + 1].copy(), rows)
    source, weight = np.full((channels, MOST_SOURCES), -1, np.int64), np.zeros((channels, MOST_SOURCES), np.int64)
    for channel in np.flatnonzero(counts).tolist():
        if channel == 0 or channel > MAX_TOTAL:
            raise _corrupt(f"channel {channel} follows another")
        for place in range(counts[channel]):
            source[channel, place] = decoder.get_uniform(channel)
            weight[channel, place] = decoder.get_bits(WEIGHT_BITS) - 32
    return _Predictors(order, source, weight)
