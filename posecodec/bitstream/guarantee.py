"""What a file promises of itself: what the encoder was asked for, and kept, as docs/bitstream.md specifies.

The mirrored pair is `encode_guarantee` and `decode_guarantee`. Bounds are decimal numbers as people say them, or a float32.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from decimal import Decimal

from posecodec.bitstream.fields import FieldReader, HeaderError, encode_varint

GUARANTEES = ("max-error", "mean-error", "bitrate", "lossless")  # Kinds of guarantees, by their number in the file
REACHED_STEPS = 255  # Steps in which the used share of a guarantee is kept
KIND_BITS = 2  # Of a byte, the lower ones
MOST_DIGITS = 2**14  # Decimals below fill two bytes at most
EXPONENT = 31  # Of ten, that exponent 0 is written as
FLOAT = 63  # Written as an exponent: a float32 follows
SMALLEST, LARGEST = 2.0**-149, (2 - 2.0**-23) * 2.0**127  # Of float32, and of bounds


@dataclass(frozen=True)
class Guarantee:
    """What was asked of the encoder and kept. kind: one of GUARANTEES.

    value: the bound in the recording's unit, kbit/s, or, of a lossless file, the CRC-32 of its positions.
    reached: share of the bound that was used up, 0..1, rounded up to 1/255; 0 of a lossless file.
    """

    kind: str
    value: float
    reached: float


def encode_guarantee(guarantee: Guarantee) -> bytes:
    """As short as it goes."""
    kind = GUARANTEES.index(guarantee.kind)
    if guarantee.kind == "lossless":
        return bytes([kind]) + int(guarantee.value).to_bytes(4, "little")
    decimal = Decimal(repr(float(guarantee.value))).normalize()
    digits, exponent = int("".join(map(str, decimal.as_tuple().digits))), decimal.as_tuple().exponent
    if digits < MOST_DIGITS and isinstance(exponent, int) and 0 <= exponent + EXPONENT < FLOAT:
        form, value = exponent + EXPONENT, encode_varint(digits)
    else:
        form, value = FLOAT, struct.pack("<f", min(max(guarantee.value, SMALLEST), LARGEST))
    share = math.ceil(REACHED_STEPS * guarantee.reached)
    return bytes([kind | form << KIND_BITS]) + value + bytes([share])


def decode_guarantee(source: FieldReader) -> Guarantee:
    """The mirror of `encode_guarantee`. Raises HeaderError."""
    form, kind = divmod(source.read_bytes(1)[0], 1 << KIND_BITS)
    if GUARANTEES[kind] == "lossless":
        if form:
            raise HeaderError("reserved bits are set")
        return Guarantee(GUARANTEES[kind], int.from_bytes(source.read_bytes(4), "little"), 0.0)
    if form == FLOAT:
        return _read_bound(GUARANTEES[kind], struct.unpack("<f", source.read_bytes(4))[0], source)
    digits = source.read_varint()
    if not digits % 10:
        raise HeaderError(f"a promise of {digits} in a longer form than needed")
    return _read_bound(GUARANTEES[kind], float(f"{digits}e{form - EXPONENT}"), source)


def decode_guarantee_2(source: FieldReader) -> Guarantee:
    """As files of version 2 have it. Raises HeaderError."""
    kind = GUARANTEES[source.read_bytes(1)[0]]
    if kind == "lossless":
        return Guarantee(kind, int.from_bytes(source.read_bytes(4), "little"), 0.0)
    return _read_bound(kind, struct.unpack("<f", source.read_bytes(4))[0], source)


def _read_bound(kind: str, value: float, source: FieldReader) -> Guarantee:
    if not 0 < value <= LARGEST:
        raise HeaderError(f"a promise of {value}")
    return Guarantee(kind, value, source.read_bytes(1)[0] / REACHED_STEPS)
