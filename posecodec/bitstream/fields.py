"""Fields of a header as bytes, and back: whole numbers, texts, packed JSON, frame rates, times.

Each `encode_` is mirrored by a method of `FieldReader` or a `decode_`; docs/bitstream.md specifies them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import zstandard

from posecodec.errors import CorruptError, InputError
from posecodec.io.byte_source import ByteSource
from posecodec.memory import FREE, check_justified, is_justified
from posecodec.typing import Floats

MAX_PACKED = 64 << 20  # Bytes of a packed field when unpacked: what a header may ask a reader to hold
JSON_COST = 64  # Bytes of memory for each byte of JSON at most: lists in lists take 44. So 1 MiB is justified
TIME_COST = 64  # Bytes of memory for each timestamp while they are decoded: 50. So 2^20 of them are justified
CHANNELS = b'"channels":{"data":"'  # Where the text of channels begins in JSON: one string, which costs what it is long
VARINT_BITS = 35  # Five groups of seven: the largest number that a header holds
DENOMINATOR_BITS = 32  # Of a frame rate as a fraction
RATES = tuple(map(Fraction, "24000/1001 24 25 30000/1001 30 48 50 60000/1001 60 90 100 120 200 240".split()))
"""Frame rates with a code of their own, which is their place here plus 1."""


class HeaderError(Exception):
    """What is wrong with a header."""


class FieldReader:
    """Reads fields one after the other and never beyond the end. data: what was read of the source for that."""

    def __init__(self, source: ByteSource, data: bytes, place: int) -> None:
        self._source, self.data, self.place = source, bytearray(data), place

    def require(self, count: int) -> None:
        """Refuse a count of fields that the bytes left cannot hold."""
        if count > self._source.size - self.place:
            raise HeaderError(f"{count} fields in {max(self._source.size - self.place, 0)} bytes")

    def read_bytes(self, count: int) -> bytes:
        self.require(count)
        self.place += count
        if self.place > len(self.data):
            more = (
                self._source.block + len(self.data) // 4
            )  # so that accesses are few, and hardly anything is read in vain
            self.data += self._source.read(len(self.data), max(self.place, len(self.data) + more))
        if self.place > len(self.data):
            raise HeaderError("the file became shorter while it was read")
        return bytes(self.data[self.place - count : self.place])

    def read_varint(self) -> int:
        value = 0
        for group in range(5):
            byte = self.read_bytes(1)[0]
            value |= (byte & 127) << 7 * group
            if byte < 128:
                if not byte and group:
                    raise HeaderError("a number in a longer form than needed")
                return value
        raise HeaderError("a number of more than 35 bits")

    def read_text(self) -> str:
        return self.read_bytes(self.read_varint()).decode()

    def read_json(self, what: str) -> Any:
        """The value that a packed field spells out."""
        text = self._read_packed()
        check_justified(JSON_COST * measure_json(text), 0, what, CorruptError)
        return json.loads(text)

    def _read_packed(self) -> bytes:
        size, raw = self.read_varint(), self.read_varint()
        if raw > MAX_PACKED:
            raise HeaderError(f"a packed field of {raw} bytes")
        frame = self.read_bytes(size)
        if size and zstandard.frame_content_size(frame) not in (-1, raw):
            raise HeaderError("a packed field that states another size")
        data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=max(raw, 1))
        if len(data) != raw:
            raise HeaderError(f"a packed field of {len(data)} bytes, not {raw}")
        return data


def encode_varint(value: int) -> bytes:
    assert 0 <= value < 2**VARINT_BITS
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def take_steps(pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Pairs (a, b) as whole numbers from 0 on: how far b is from the b before, and from a."""
    last = 0
    for a, b in pairs:
        yield from (_fold(b - last), _fold(b - a))
        last = b


def _fold(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def encode_text(value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the id {value!r} is no valid unicode ({error.reason}); rename it") from error
    return encode_varint(len(data)) + data


def encode_packed(data: bytes) -> bytes:
    frame = zstandard.ZstdCompressor(level=19, write_checksum=False, write_content_size=False).compress(data)
    return encode_varint(len(frame)) + encode_varint(len(data)) + frame


def measure_json(text: bytes) -> int:
    """Bytes of JSON but those of channels' text."""
    start = text.find(CHANNELS) + len(CHANNELS)
    return len(text) - (max(text.find(b'"', start) - start, 0) if start >= len(CHANNELS) else 0)


def encode_packed_json(value: Any, what: str) -> bytes:
    """Raises InputError where it is longer than readers take."""
    text = encode_json(value)
    if not is_justified(JSON_COST * measure_json(text), 0) or len(text) > MAX_PACKED:
        most = f"at most {FREE // JSON_COST:,} can be kept, and {MAX_PACKED:,} with channels"
        raise InputError(f"{what} of {len(text):,} bytes; {most}: leave some out")
    return encode_packed(text)


def encode_json(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        what = f"metadata cannot be written as JSON: {error}; keep to text, numbers, lists and objects"
        raise InputError(what) from error


def rate_fraction(fps: float) -> Fraction | None:
    """The simplest fraction whose nearest float64 is `fps`; None beyond 32 bits.

    >>> rate_fraction(30000 / 1001), rate_fraction(12.5)
    (Fraction(30000, 1001), Fraction(25, 2))
    """
    ratios = (Fraction(fps).limit_denominator(2**bits) for bits in range(DENOMINATOR_BITS))
    ratio = next((ratio for ratio in ratios if ratio > 0 and float(ratio) == fps), None)
    return None if ratio is None or ratio.numerator >= 2**VARINT_BITS else ratio


def encode_rate(fps: float) -> bytes:
    """As short as it goes: a code, a fraction, or 0/ and the float64 itself."""
    ratio = rate_fraction(fps)
    if ratio is None:
        return encode_varint(0) + encode_varint(0) + struct.pack("<d", fps)
    if ratio in RATES:
        return encode_varint(1 + RATES.index(ratio))
    return encode_varint(0) + encode_varint(ratio.numerator) + encode_varint(ratio.denominator)


def decode_rate(source: FieldReader) -> float:
    code = source.read_varint()
    if code:
        return float(RATES[code - 1])
    numerator = source.read_varint()
    if numerator:
        return float(Fraction(numerator, source.read_varint()))
    fps = float(struct.unpack("<d", source.read_bytes(8))[0])
    if not (math.isfinite(fps) and fps > 0):
        raise HeaderError(f"a frame rate of {fps}")
    return fps


def encode_times(times: Floats) -> bytes:
    from posecodec.entropy.floats import pack_floats  # numba takes a third of a second to load

    data = pack_floats(times)
    if not is_justified(TIME_COST * len(times), len(data)):
        raise InputError(f"{len(times):,} timestamps that follow a rule; give fps instead, or cut the recording")
    return encode_varint(len(data)) + data


def decode_times(source: FieldReader, frames: int) -> Floats:
    from posecodec.entropy.floats import unpack_floats

    data = source.read_bytes(source.read_varint())
    check_justified(TIME_COST * frames, len(data), f"the timestamps of {frames} frames", CorruptError)
    return unpack_floats(data, (frames,), np.float64)
