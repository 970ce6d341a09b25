"""Models that learn while they code: bits, masks and symbols, all in integers; `binarization` makes bits of integers.

Streams are a few hundred bytes, so learning fast counts more than the limit: a bit's probability is the mean of two
estimates that begin as the Krichevsky-Trofimov estimate (1981), 1/(n + 2) of the way to each bit, and settle at rates
1/16 and 1/128 (the mean of two rates is how H.266 models its bits). Symbols keep plain frequency counts.

Every model is an array that the caller owns, that may come from training, and that is changed by coding: pass a copy of
a trained table. Encoder and decoder must start from equal arrays. What the contexts mean is the caller's business.

>>> encoder, mask = RangeEncoder(), np.array([[True, False], [True, True]])
>>> encode_mask(encoder, mask)
>>> bool((decode_mask(RangeDecoder(encoder.finish()), 2, 2) == mask).all())
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posecodec.entropy import range_coder
from posecodec.entropy.range_coder import MAX_BITS, MAX_TOTAL, Int, RangeDecoder, RangeEncoder, is_sound
from posecodec.kernels import kernel
from posecodec.typing import Bools, Ints

# A bit's state is a row of these fields. FAST and SLOW are probabilities of a one, times 2**16.
FAST, SLOW, SEEN = 0, 1, 2
BIT_FIELDS = 3
HALF = MAX_TOTAL // 2
FAST_WINDOW = 16  # Bits that the faster estimate is the mean of, about
SLOW_WINDOW = 128  # Bits that the slower estimate is the mean of, about
MAX_SEEN = SLOW_WINDOW - 2  # Bits seen are counted up to here: the windows no longer grow
MIN_FREQ = 16  # No bit is ever thought rarer than so many 65536ths, 2**-12

MAX_SYMBOLS = 4096
RUN_LENGTH = 1024  # Numbers coded by one run of a kernel, so that the room it needs stays small
ALL_TRUE = 15  # Sixteenths of the probability that nothing is missing


def bit_model(n: int) -> NDArray[np.int32]:
    """`n` bits that nothing is known about: (n, 3) int32 of two probabilities of a one in 0 .. 65535 and bits seen."""
    model = np.zeros((n, BIT_FIELDS), dtype=np.int32)
    model[:, :SEEN] = HALF
    return model


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
    zero: Int = min(max(MAX_TOTAL - one, np.int64(MIN_FREQ)), np.int64(MAX_TOTAL - MIN_FREQ))
    return zero


@kernel
def _adapt(model: NDArray[np.int32], index: Int, bit: Int | np.bool_) -> None:
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
    range_coder.put(state, out, start, freq, MAX_BITS)
    _adapt(probs, index, np.int64(bit))


@kernel
def get_bit(state: Ints, data: NDArray[np.uint8], probs: NDArray[np.int32], index: Int) -> int:
    """The mirror of `put_bit`."""
    bit: int = range_coder.get_binary(state, data, _freq_zero(probs, index))
    _adapt(probs, index, np.int64(bit))
    return bit


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
    range_coder.put_total(state, out, start, counts[row, symbol], total)
    counts[row, symbol] += increment


@kernel
def get_symbol(state: Ints, data: NDArray[np.uint8], counts: NDArray[np.int32], row: Int, increment: Int) -> int:
    """The mirror of `put_symbol`."""
    total = _fit_total(counts, row)
    target = range_coder.get_target_total(state, total)
    symbol = 0
    start = np.int64(0)
    while symbol < counts.shape[1] - 1 and start + counts[row, symbol] <= target:
        start += counts[row, symbol]
        symbol += 1
    range_coder.advance_total(state, data, start, counts[row, symbol], total)
    counts[row, symbol] += increment
    return symbol


@kernel
def _fit_total(counts: NDArray[np.int32], row: Int) -> Int:
    """Halve the counts of a row, rounding up, until their total is at most 2**16; return the total."""
    while True:
        total: Int = np.int64(0)
        for i in range(counts.shape[1]):
            total += counts[row, i]
        if total <= MAX_TOTAL:
            return total
        for i in range(counts.shape[1]):
            counts[row, i] = (counts[row, i] + 1) >> 1


@kernel
def _put_symbols(
    state: Ints, out: NDArray[np.uint8], symbols: Ints, counts: NDArray[np.int32], rows: Ints, increment: int
) -> None:
    for i in range(symbols.size):
        put_symbol(state, out, counts, rows[i], symbols[i], increment)


@kernel
def _get_symbols(
    state: Ints, data: NDArray[np.uint8], into: NDArray[np.int32], counts: NDArray[np.int32], rows: Ints, increment: int
) -> None:
    for i in range(into.size):
        into[i] = get_symbol(state, data, counts, rows[i], increment)
        if not is_sound(state, data):
            return


@kernel
def _mask_context(mask: Bools, t: int, k: int) -> Int:
    """Two bits: this keypoint in the frame before, and the keypoint before in this frame; True where there is none."""
    before = t == 0 or mask[t - 1, k]
    beside = k == 0 or mask[t, k - 1]
    context: Int = 2 * np.int64(before) + np.int64(beside)
    return context


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


def check_rows(rows: ArrayLike, n: int, model: NDArray[np.int32]) -> Ints:
    """Row indices as the kernels take them: numba does not look at bounds, so they are looked at here."""
    indices = np.ascontiguousarray(rows, dtype=np.int64)
    assert indices.shape == (n,), f"{n} symbols have contexts of shape {indices.shape}"
    assert n == 0 or (indices.min() >= 0 and indices.max() < len(model)), "context outside the model"
    return indices


def _check_symbol_model(counts: NDArray[np.int32]) -> None:
    sound = counts.ndim == 2 and 1 <= counts.shape[1] <= MAX_SYMBOLS and counts.flags.c_contiguous
    assert sound and counts.dtype == np.int32, f"symbol model is {counts.dtype} {counts.shape}"


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
    indices = check_rows(rows, numbers.size, counts)
    for i in range(0, numbers.size, RUN_LENGTH):
        part, run = numbers[i : i + RUN_LENGTH], indices[i : i + RUN_LENGTH]
        encoder.run(_put_symbols, part.size * range_coder.MAX_PUT_BYTES, part, counts, run, increment)


def decode_symbols(
    decoder: RangeDecoder, n: int, counts: NDArray[np.int32], rows: ArrayLike, increment: int = 32
) -> NDArray[np.int32]:
    """The `n` symbols (n,) int32 that `encode_symbols` coded with the same rows. Raises CorruptError."""
    _check_symbol_model(counts)
    assert 0 <= increment <= HALF, f"increment {increment} is not in 0 .. {HALF}"
    symbols: NDArray[np.int32] = np.zeros(n, dtype=np.int32)
    decoder.run(_get_symbols, symbols, counts, check_rows(rows, n, counts), increment)
    return symbols


def encode_mask(encoder: RangeEncoder, mask: Bools) -> None:
    """Code a (T, K) bool mask, True = keypoint present: 0.09 bits if all are, else 4 bits and an adaptive bit each."""
    assert mask.ndim == 2, f"mask has shape {mask.shape}, not (T, K)"
    mask = np.ascontiguousarray(mask, dtype=np.bool_)
    missing = not mask.all()
    encoder.put(ALL_TRUE if missing else 0, 1 if missing else ALL_TRUE, 4)
    if missing:
        encoder.run(_put_mask, mask.size * range_coder.MAX_PUT_BYTES, mask, bit_model(4))


def decode_mask(decoder: RangeDecoder, T: int, K: int) -> Bools:
    """The (T, K) bool mask that `encode_mask` coded. Raises CorruptError."""
    mask: Bools = np.ones((T, K), dtype=np.bool_)
    missing = decoder.get_target(4) == ALL_TRUE
    decoder.advance(ALL_TRUE if missing else 0, 1 if missing else ALL_TRUE, 4)
    if missing:
        decoder.run(_get_mask, mask, bit_model(4))
    return mask
