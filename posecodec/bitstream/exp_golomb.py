"""Numbers as raw bits of the range coder: fixed widths, Exp-Golomb codes, float32. They stand before a chunk's channels.

No models: what learns while it codes is in `entropy.adaptive_models`.
"""

from __future__ import annotations

import numpy as np

from posecodec.entropy import binarization
from posecodec.entropy.range_coder import MAX_PUT_BYTES, RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.typing import Floats

Field = tuple[int, int]  # A value and its number of bits


def build_exp_golomb(values: Floats, bits: int) -> tuple[Field, ...]:
    """Whole numbers as Exp-Golomb codes with that many low bits, written as raw fields."""
    fields: list[Field] = []
    for value in values:
        size = 2 * abs(int(value)) - (int(value) < 0)
        high = (size >> bits) + 1
        length = high.bit_length() - 1
        fields += [(1, 1)] * length + [(0, 1), (high - (1 << length), length), (size & ((1 << bits) - 1), bits)]
    return tuple(fields)


def sign_extend(value: int, bits: int) -> int:
    """A number of that many bits in two's complement."""
    return value - (1 << bits) if value >> (bits - 1) else value


def get_exp_golomb(decoder: RangeDecoder, bits: int) -> int:
    """The mirror of `build_exp_golomb`, at most 2**30 in magnitude. Raises CorruptError."""
    length = 0
    while decoder.get_bits(1):
        length += 1
        if length > 30 - bits:
            raise CorruptError("a place farther away than any can be; get the file again")
    size = ((1 << length) + get_raw(decoder, length) - 1 << bits) + get_raw(decoder, bits)
    return -((size + 1) >> 1) if size & 1 else size >> 1


def put_raw(encoder: RangeEncoder, value: int, bits: int) -> None:
    """Code 0 <= value < 2**bits at exactly `bits` bits, at most 32."""
    encoder.run(binarization.put_raw, 2 * MAX_PUT_BYTES, value, bits)


def get_raw(decoder: RangeDecoder, bits: int) -> int:
    """The mirror of `put_raw`. Raises CorruptError."""
    return int(decoder.run(binarization.get_raw, bits))


def put_float32(encoder: RangeEncoder, value: float) -> None:
    """Code a float32 by its bits."""
    put_raw(encoder, int(np.float32(value).view(np.uint32)), 32)


def get_float32(decoder: RangeDecoder) -> float:
    """The mirror of `put_float32`; infinite or NaN if that was written. Raises CorruptError."""
    return float(np.uint32(get_raw(decoder, 32)).view(np.float32))
