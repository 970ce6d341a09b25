"""Models that learn while they code: bits, signed integers, masks and symbols, all in integers.

Streams are a few hundred bytes, so learning fast counts more than the limit: a bit's probability is the mean of two
estimates that begin as the Krichevsky-Trofimov estimate (1981), 1/(n + 2) of the way to each bit, and settle at rates
1/16 and 1/128 (the mean of two rates is how H.266 models its bits). Integers are binarized into such bits, so that one
row of 46 bits learns any distribution of int32. Symbols keep plain frequency counts.

Every model is an array that the caller owns, that may come from training, and that is changed by coding: pass a copy of
a trained table. Encoder and decoder must start from equal arrays. What the contexts mean is the caller's business.

>>> encoder, rows = RangeEncoder(), np.zeros(3, np.int64)
>>> encode_ints(encoder, np.array([4, 0, -1]), int_model(1), rows)
>>> decode_ints(RangeDecoder(encoder.finish()), 3, int_model(1), rows)
array([ 4,  0, -1], dtype=int32)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecodec.entropy.range_coder import (
    FAULT,
    MAX_BITS,
    MAX_PUT_BYTES,
    MAX_TOTAL,
    Int,
    RangeDecoder,
    RangeEncoder,
    advance_total,
    get_binary,
    get_bits,
    get_target_total,
    is_sound,
    kernel,
    put,
    put_bits,
    put_total,
)
from posecodec.typing import Bools, Ints

__all__ = [
    "BIT_FIELDS",
    "INT_SLOTS",
    "MAX_INT_BYTES",
    "MAX_SYMBOLS",
    "bit_model",
    "decode_ints",
    "decode_mask",
    "decode_symbols",
    "encode_ints",
    "encode_mask",
    "encode_symbols",
    "get_bit",
    "get_int",
    "get_symbol",
    "int_model",
    "put_bit",
    "put_int",
    "put_symbol",
    "symbol_model",
]

# A bit's state is a row of these fields. FAST and SLOW are probabilities of a one, times 2**16.
FAST, SLOW, SEEN = 0, 1, 2
BIT_FIELDS = 3
HALF = MAX_TOTAL // 2
FAST_WINDOW = 16
SLOW_WINDOW = 128
MAX_SEEN = SLOW_WINDOW - 2  # bits seen, counted up to here: the windows no longer grow
MIN_FREQ = 16  # no bit is ever thought rarer than 2**-12

# The slots of an integer's bits: is it zero, is it negative, is |v| > 1 .. 14, and the length of the escape.
# They and the bits are int64 because numba compiles a kernel anew for every literal that it is called with.
ZERO, NEGATIVE, UNARY = np.int64(0), np.int64(1), np.int64(2)
UNARY_MAX = 14
ESCAPE = UNARY + UNARY_MAX
ESCAPE_MAX = 30  # |v| - 14 of an int32 is below 2**31
INT_SLOTS = int(ESCAPE) + ESCAPE_MAX
INT_MAX = 2**31 - 1
MAX_INT_BYTES = MAX_PUT_BYTES * (INT_SLOTS + 2)

MAX_SYMBOLS = 4096
CHUNK = 1024  # symbols coded by one run of a kernel
ALL_TRUE = 15  # sixteenths of the probability that nothing is missing


def bit_model(n: int) -> NDArray[np.int32]:
    """`n` bits that nothing is known about: (n, 3) int32 of two probabilities of a one in 0 .. 65535 and bits seen."""
    model = np.zeros((n, BIT_FIELDS), dtype=np.int32)
    model[:, :SEEN] = HALF
    return model


def int_model(contexts: int) -> NDArray[np.int32]:
    """`contexts` integers that nothing is known about: (contexts, 46, 3) int32, a `bit_model` of 46 slots each.

    A trained table has the same shape, int32 or uint16; its third field says how many bits (0 .. 126) it is worth.
    """
    return bit_model(contexts * INT_SLOTS).reshape(contexts, INT_SLOTS, BIT_FIELDS)


def symbol_model(table: ArrayLike) -> NDArray[np.int32]:
    """A fresh (rows, N) int32 model of any table of frequencies >= 1, given as (rows, N) or (N,); N is 1 .. 4096."""
    counts: NDArray[np.int32] = np.atleast_2d(np.array(table, dtype=np.int32))
    assert counts.min(initial=1) >= 1, "a symbol of frequency 0 cannot be coded"
    _check_symbol_model(counts)
    return counts


@kernel
def _freq_zero(model: NDArray[np.int32], index: Int) -> Int:
    """The probability of a zero, times 2**16, kept clear of 0 and 1."""
    one = (np.int64(model[index, FAST]) + np.int64(model[index, SLOW])) >> 1
    return min(max(MAX_TOTAL - one, np.int64(MIN_FREQ)), np.int64(MAX_TOTAL - MIN_FREQ))


@kernel
def _learn(model: NDArray[np.int32], index: Int, bit: Int | np.bool_) -> None:
    """Move both estimates towards `bit` by 1/(bits seen + 2), rounded, but by at least 1/16 and 1/128."""
    seen = np.int64(model[index, SEEN])
    fast = np.int64(model[index, FAST])
    slow = np.int64(model[index, SLOW])
    fast_window = min(seen + 2, np.int64(FAST_WINDOW))
    slow_window = min(seen + 2, np.int64(SLOW_WINDOW))
    if bit:
        fast += (MAX_TOTAL - fast + (fast_window >> 1)) // fast_window
        slow += (MAX_TOTAL - slow + (slow_window >> 1)) // slow_window
    else:
        fast -= (fast + (fast_window >> 1)) // fast_window
        slow -= (slow + (slow_window >> 1)) // slow_window
    model[index, FAST] = min(fast, np.int64(MAX_TOTAL - 1))
    model[index, SLOW] = min(slow, np.int64(MAX_TOTAL - 1))
    model[index, SEEN] = min(seen + 1, np.int64(MAX_SEEN))


@kernel
def put_bit(state: Ints, out: NDArray[np.uint8], probs: NDArray[np.int32], index: Int, bit: Int) -> None:
    """Code one bit with row `index` of a `bit_model`, and learn from it. Writes at most 2 bytes."""
    zero = _freq_zero(probs, index)
    start = zero if bit else np.int64(0)
    freq = MAX_TOTAL - zero if bit else zero
    put(state, out, start, freq, MAX_BITS)
    _learn(probs, index, np.int64(bit))


@kernel
def get_bit(state: Ints, data: NDArray[np.uint8], probs: NDArray[np.int32], index: Int) -> int:
    """The mirror of `put_bit`."""
    bit = get_binary(state, data, _freq_zero(probs, index))
    _learn(probs, index, np.int64(bit))
    return bit


@kernel
def put_int(state: Ints, out: NDArray[np.uint8], probs: NDArray[np.int32], context: Int, value: Int) -> None:
    """Code one int32 with row `context` of an `int_model`, and learn from it. Writes at most MAX_INT_BYTES.

    Is it zero; its sign; |v| up to 14 in unary; then |v| - 14 as an adaptive Exp-Golomb code: its length in unary, and
    the bits below the leading one raw, high half first.
    """
    slots = probs[context]
    size = abs(np.int64(value))
    put_bit(state, out, slots, ZERO, np.int64(size == 0))
    if size == 0:
        return
    put_bit(state, out, slots, NEGATIVE, np.int64(value < 0))
    for k in range(1, UNARY_MAX + 1):
        put_bit(state, out, slots, UNARY + k - 1, np.int64(size > k))
        if size <= k:
            return
    rest = size - UNARY_MAX
    length = 0
    longer = np.int64(1)
    while length < ESCAPE_MAX and longer:
        longer = np.int64(rest >> (length + 1) > 0)
        put_bit(state, out, slots, ESCAPE + length, longer)
        length += 1 if longer else 0
    low_bits = min(length, MAX_BITS)
    mantissa = rest & ((1 << length) - 1)
    put_bits(state, out, mantissa >> low_bits, length - low_bits)
    put_bits(state, out, mantissa & ((1 << low_bits) - 1), low_bits)


@kernel
def get_int(state: Ints, data: NDArray[np.uint8], probs: NDArray[np.int32], context: Int) -> int:
    """The mirror of `put_int`; a value that no int32 has is a fault and returns 0."""
    slots = probs[context]
    if get_bit(state, data, slots, ZERO):
        return 0
    negative = get_bit(state, data, slots, NEGATIVE)
    size = 1
    while size <= UNARY_MAX and get_bit(state, data, slots, UNARY + size - 1):
        size += 1
    if size > UNARY_MAX:
        length = 0
        while length < ESCAPE_MAX and get_bit(state, data, slots, ESCAPE + length):
            length += 1
        low_bits = min(length, MAX_BITS)
        high = get_bits(state, data, length - low_bits)
        low = get_bits(state, data, low_bits)
        size = UNARY_MAX + ((1 << length) | (high << low_bits) | low)
    if size > INT_MAX + negative:
        state[FAULT] = 1
        return 0
    return -size if negative else size


@kernel
def put_symbol(
    state: Ints, out: NDArray[np.uint8], counts: NDArray[np.int32], row: Int, symbol: Int, increment: Int
) -> None:
    """Code 0 <= symbol < N with row `row` of a `symbol_model`, then add `increment` (0 .. 2**15) to its count.

    Before coding, counts are halved, rounding up, until their total is at most 2**16. Writes at most 2 bytes.
    """
    total = _fit_total(counts, row)
    start = np.int64(0)
    for i in range(symbol):
        start += counts[row, i]
    put_total(state, out, start, counts[row, symbol], total)
    counts[row, symbol] += increment


@kernel
def get_symbol(state: Ints, data: NDArray[np.uint8], counts: NDArray[np.int32], row: Int, increment: Int) -> int:
    """The mirror of `put_symbol`."""
    total = _fit_total(counts, row)
    target = get_target_total(state, total)
    symbol = 0
    start = np.int64(0)
    while symbol < counts.shape[1] - 1 and start + counts[row, symbol] <= target:
        start += counts[row, symbol]
        symbol += 1
    advance_total(state, data, start, counts[row, symbol], total)
    counts[row, symbol] += increment
    return symbol


@kernel
def _fit_total(counts: NDArray[np.int32], row: Int) -> Int:
    """Halve the counts of a row, rounding up, until their total is at most 2**16; return the total."""
    while True:
        total = np.int64(0)
        for i in range(counts.shape[1]):
            total += counts[row, i]
        if total <= MAX_TOTAL:
            return total
        for i in range(counts.shape[1]):
            counts[row, i] = (counts[row, i] + 1) >> 1


@kernel
def _put_ints(
    state: Ints,
    out: NDArray[np.uint8],
    values: Ints,
    probs: NDArray[np.int32],
    contexts: Ints,
) -> None:
    for i in range(values.size):
        put_int(state, out, probs, contexts[i], values[i])


@kernel
def _get_ints(
    state: Ints,
    data: NDArray[np.uint8],
    values: NDArray[np.int32],
    probs: NDArray[np.int32],
    contexts: Ints,
) -> None:
    for i in range(values.size):
        values[i] = get_int(state, data, probs, contexts[i])
        if not is_sound(state, data):
            return


@kernel
def _put_symbols(
    state: Ints,
    out: NDArray[np.uint8],
    symbols: Ints,
    counts: NDArray[np.int32],
    rows: Ints,
    increment: int,
) -> None:
    for i in range(symbols.size):
        put_symbol(state, out, counts, rows[i], symbols[i], increment)


@kernel
def _get_symbols(
    state: Ints,
    data: NDArray[np.uint8],
    symbols: NDArray[np.int32],
    counts: NDArray[np.int32],
    rows: Ints,
    increment: int,
) -> None:
    for i in range(symbols.size):
        symbols[i] = get_symbol(state, data, counts, rows[i], increment)
        if not is_sound(state, data):
            return


@kernel
def _mask_context(mask: Bools, t: int, k: int) -> Int:
    """Two bits: this keypoint in the frame before, and the keypoint before in this frame; True where there is none."""
    before = t == 0 or mask[t - 1, k]
    beside = k == 0 or mask[t, k - 1]
    return 2 * np.int64(before) + np.int64(beside)


@kernel
def _put_mask(state: Ints, out: NDArray[np.uint8], mask: Bools, probs: NDArray[np.int32]) -> None:
    for t in range(mask.shape[0]):
        for k in range(mask.shape[1]):
            put_bit(state, out, probs, _mask_context(mask, t, k), np.int64(mask[t, k]))


@kernel
def _get_mask(state: Ints, data: NDArray[np.uint8], mask: Bools, probs: NDArray[np.int32]) -> None:
    for t in range(mask.shape[0]):
        for k in range(mask.shape[1]):
            mask[t, k] = get_bit(state, data, probs, _mask_context(mask, t, k)) == 1
        if not is_sound(state, data):
            return


def _rows(rows: ArrayLike, n: int, model: NDArray[np.int32]) -> Ints:
    """Row indices as the kernels take them: numba does not look at bounds, so they are looked at here."""
    indices = np.ascontiguousarray(rows, dtype=np.int64)
    assert indices.shape == (n,), f"{n} symbols have contexts of shape {indices.shape}"
    assert n == 0 or (indices.min() >= 0 and indices.max() < len(model)), "context outside the model"
    return indices


def _check_int_model(probs: NDArray[np.int32]) -> None:
    sound = probs.ndim == 3 and probs.shape[1:] == (INT_SLOTS, BIT_FIELDS) and probs.flags.c_contiguous
    assert sound and probs.dtype in (np.int32, np.uint16), f"int model is {probs.dtype} {probs.shape}"


def _check_symbol_model(counts: NDArray[np.int32]) -> None:
    sound = counts.ndim == 2 and 1 <= counts.shape[1] <= MAX_SYMBOLS and counts.flags.c_contiguous
    assert sound and counts.dtype == np.int32, f"symbol model is {counts.dtype} {counts.shape}"


def encode_ints(encoder: RangeEncoder, values: ArrayLike, probs: NDArray[np.int32], contexts: ArrayLike) -> None:
    """Code `values` (n,) of int32 range, value i with row contexts[i] of `probs`, an `int_model`, which learns."""
    numbers = np.ascontiguousarray(values, dtype=np.int64)
    assert numbers.size == 0 or (numbers.min() >= -INT_MAX - 1 and numbers.max() <= INT_MAX), "value beyond int32"
    _check_int_model(probs)
    rows = _rows(contexts, numbers.size, probs)
    for i in range(0, numbers.size, CHUNK):
        chunk = slice(i, i + CHUNK)
        encoder.run(_put_ints, numbers[chunk].size * MAX_INT_BYTES, numbers[chunk], probs, rows[chunk])


def decode_ints(decoder: RangeDecoder, n: int, probs: NDArray[np.int32], contexts: ArrayLike) -> NDArray[np.int32]:
    """The `n` values (n,) int32 that `encode_ints` coded with the same contexts. Raises CorruptError."""
    _check_int_model(probs)
    rows = _rows(contexts, n, probs)
    values: NDArray[np.int32] = np.zeros(n, dtype=np.int32)
    decoder.run(_get_ints, values, probs, rows)
    return values


def encode_symbols(
    encoder: RangeEncoder, symbols: ArrayLike, counts: NDArray[np.int32], rows: ArrayLike, increment: int = 32
) -> None:
    """Code `symbols` (n,) in 0 .. N-1, symbol i with row rows[i] of `counts`, a `symbol_model`, which learns.

    `increment` (0 .. 2**15, 0 for a static table) is how much one symbol weighs against the table.
    """
    numbers = np.ascontiguousarray(symbols, dtype=np.int64)
    assert numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < counts.shape[1]), "symbol outside the model"
    _check_symbol_model(counts)
    assert 0 <= increment <= HALF, f"increment {increment} is not in 0 .. {HALF}"
    indices = _rows(rows, numbers.size, counts)
    for i in range(0, numbers.size, CHUNK):
        chunk = slice(i, i + CHUNK)
        encoder.run(
            _put_symbols, numbers[chunk].size * MAX_PUT_BYTES, numbers[chunk], counts, indices[chunk], increment
        )


def decode_symbols(
    decoder: RangeDecoder, n: int, counts: NDArray[np.int32], rows: ArrayLike, increment: int = 32
) -> NDArray[np.int32]:
    """The `n` symbols (n,) int32 that `encode_symbols` coded with the same rows. Raises CorruptError."""
    _check_symbol_model(counts)
    assert 0 <= increment <= HALF, f"increment {increment} is not in 0 .. {HALF}"
    symbols: NDArray[np.int32] = np.zeros(n, dtype=np.int32)
    decoder.run(_get_symbols, symbols, counts, _rows(rows, n, counts), increment)
    return symbols


def encode_mask(encoder: RangeEncoder, mask: Bools) -> None:
    """Code a (T, K) bool mask, True = keypoint present: 0.09 bits if all are, else 4 bits and an adaptive bit each."""
    assert mask.ndim == 2, f"mask has shape {mask.shape}, not (T, K)"
    mask = np.ascontiguousarray(mask, dtype=np.bool_)
    missing = not mask.all()
    encoder.put(ALL_TRUE if missing else 0, 1 if missing else ALL_TRUE, 4)
    if missing:
        encoder.run(_put_mask, mask.size * MAX_PUT_BYTES, mask, bit_model(4))


def decode_mask(decoder: RangeDecoder, T: int, K: int) -> Bools:
    """The (T, K) bool mask that `encode_mask` coded. Raises CorruptError."""
    mask: Bools = np.ones((T, K), dtype=np.bool_)
    missing = decoder.get_target(4) == ALL_TRUE
    decoder.advance(ALL_TRUE if missing else 0, 1 if missing else ALL_TRUE, 4)
    if missing:
        decoder.run(_get_mask, mask, bit_model(4))
    return mask
