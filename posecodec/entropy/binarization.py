"""Signed integers as bits: raw ones, and a binarization whose every bit is adaptive.

Five models code signed integers and share what really is the same, the raw bits. The rest differs in substance, and every
bit of it is in files that exist, so it stays with each:

- `put_int` here: zero, sign, unary up to 14, then Exp-Golomb; every bit but the last ones learns. For rare, large values.
- `coders.transform.magnitudes`: magnitudes by rows that a network picks; their lowest bits and the sign are raw.
- `coders.windows.prior`: five questions whose probabilities a network says; nothing learns.
- `float_coding`: the length, the two bits after the leading one, and the sign last; all of them learn.
- `confidences`: zero, sign, length and two bits, each mixed from nine models; of long numbers these two are raw.

>>> from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
>>> encoder = RangeEncoder()
>>> encoder.run(put_int, MAX_INT_BYTES, int_model(1), 0, -70000)
>>> int(RangeDecoder(encoder.finish()).run(get_int, int_model(1), 0))
-70000
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive_models import BIT_FIELDS, bit_model, get_bit, put_bit
from posecodec.entropy.range_coder import FAULT, MAX_BITS, MAX_PUT_BYTES, Int, get_bits, put_bits
from posecodec.kernels import kernel
from posecodec.typing import Ints

# The slots of an integer's bits: is it zero, is it negative, is |v| > 1 .. 14, and the length of the escape.
# They and the bits are int64 because numba compiles a kernel anew for every literal that it is called with.
ZERO, NEGATIVE, UNARY = np.int64(0), np.int64(1), np.int64(2)
UNARY_MAX = 14  # Magnitudes up to here are said in unary
ESCAPE = UNARY + UNARY_MAX
ESCAPE_MAX = 30  # |v| - 14 of an int32 is below 2**31
INT_SLOTS = int(ESCAPE) + ESCAPE_MAX
INT_MAX = 2**31 - 1
MAX_INT_BYTES = MAX_PUT_BYTES * (INT_SLOTS + 2)


@kernel
def put_raw(state: Ints, out: NDArray[np.uint8], value: Int, bits: Int) -> None:
    """Code 0 <= value < 2**bits at exactly `bits` bits, at most 32, the lowest 16 last. Writes at most 4 bytes."""
    low = min(bits, np.int64(MAX_BITS))
    put_bits(state, out, value >> low, bits - low)
    put_bits(state, out, value & ((np.int64(1) << low) - 1), low)


@kernel
def get_raw(state: Ints, data: NDArray[np.uint8], bits: Int) -> int:
    """The mirror of `put_raw`."""
    low = min(bits, np.int64(MAX_BITS))
    high = get_bits(state, data, bits - low)
    value: int = (high << low) | get_bits(state, data, low)
    return value


@kernel
def put_long_raw(state: Ints, out: NDArray[np.uint8], value: Int, bits: Int) -> None:
    """As `put_raw`, of up to 64 bits, 16 at a time from the highest on: other bytes where `bits` is no multiple of 16."""
    while bits > 0:
        part = min(bits, np.int64(MAX_BITS))
        bits -= part
        put_bits(state, out, (value >> bits) & ((np.int64(1) << part) - 1), part)


@kernel
def get_long_raw(state: Ints, data: NDArray[np.uint8], bits: Int) -> Int:
    """The mirror of `put_long_raw`."""
    value: Int = np.int64(0)
    while bits > 0:
        part = min(bits, np.int64(MAX_BITS))
        bits -= part
        value = (value << part) | get_bits(state, data, part)
    return value


def int_model(contexts: int) -> NDArray[np.int32]:
    """`contexts` integers that nothing is known about: (contexts, 46, 3) int32, a `bit_model` of 46 slots each.

    A trained table has the same shape, int32 or uint16; its third field says how many bits (0 .. 126) it is worth.
    """
    return bit_model(contexts * INT_SLOTS).reshape(contexts, INT_SLOTS, BIT_FIELDS)


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
    put_raw(state, out, rest & ((1 << length) - 1), np.int64(length))


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
        size = UNARY_MAX + ((1 << length) | get_raw(state, data, np.int64(length)))
    if size > INT_MAX + negative:
        state[FAULT] = 1
        return 0
    return -size if negative else size
