"""The `.posec` file around the chunks: header, index and checksums, as docs/bitstream.md specifies.

The mirrored pair is `write` and `read`. Of a chunk it knows only the kind (`chunk_kind`), and it loads
neither torch nor numba.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass, replace

from zstandard import ZstdError

from posecodec.bitstream.chunk_kind import ChunkKind, needs_body_weights, needs_transform_weights
from posecodec.bitstream.fields import FieldReader, HeaderError, encode_varint
from posecodec.bitstream.header import MAGIC, VERSION, Header, ParsedHeader, header_bytes, parse_header
from posecodec.errors import CorruptError, PosecodecError

LAYER_BYTES = 12  # What a refinement adds to a chunk beside itself: a second checksum, and sizes in the index
CRC_BYTES, HEADER_CRC_BYTES = 4, 2  # Of a part (CRC-32) and of the header (CRC-16)
HEADER_CRC_START = 0xFFFF  # CRC-16/CCITT-FALSE


@dataclass(frozen=True)
class Chunk:
    """The bytes of one chunk, and what refines it (b"": nothing)."""

    base: bytes
    refinement: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both, and of the checksums and sizes that a second one brings."""
        return len(self.base) + (len(self.refinement) + LAYER_BYTES if self.refinement else 0)

    @property
    def kind(self) -> ChunkKind:
        """How it is coded."""
        return ChunkKind.read_from(self.base)

    @property
    def needs_body_weights(self) -> bool:
        """Whether windows or tokens are in it."""
        return needs_body_weights(self.base)

    @property
    def needs_transform_weights(self) -> bool:
        """Whether transform coefficients are in it, or refine it."""
        return needs_transform_weights(self.base) or bool(self.refinement)


def write(header: Header, chunks: list[Chunk]) -> bytes:
    """The whole file. Raises InputError if a rate, id or metadata cannot be written, or it has too many frames."""
    assert len(chunks) == header.chunk_count
    layered = any(chunk.refinement for chunk in chunks)
    single = len(chunks) == 1 and not layered
    head = header_bytes(header, layered, single)
    if single:
        whole = head + chunks[0].base
        return whole + _crc32(whole)
    parts = [part for chunk in chunks for part in (chunk.base, chunk.refinement)[: 1 + layered]]
    head += b"".join(encode_varint(len(part)) for part in parts)
    check = binascii.crc_hqx(head, HEADER_CRC_START)
    checked = [part + _part_crc(part, check, number) for number, part in enumerate(parts)]
    return head + check.to_bytes(HEADER_CRC_BYTES, "little") + b"".join(checked)


def read(data: bytes) -> tuple[Header, list[Chunk]]:
    """Header and checked chunks of a file. Raises CorruptError that says what is wrong, and where."""
    found = _read_checked_header(data)
    if found.single:
        if len(data) < found.end + CRC_BYTES or data[-CRC_BYTES:] != _crc32(data[:-CRC_BYTES]):
            raise CorruptError("the file fails its checksum: it is damaged, cut short or too long; get it again")
        return found.header, [Chunk(data[found.end : -CRC_BYTES])]
    end = found.end + sum(found.sizes) + CRC_BYTES * len(found.sizes)
    if len(data) != end:
        what = "cut short" if len(data) < end else "longer than it should be"
        raise CorruptError(f"the file is {what}: {len(data)} bytes, its index says {end}; get it again")
    parts, start = [], found.end
    for number, size in enumerate(found.sizes):
        part, crc = data[start : start + size], data[start + size : start + size + CRC_BYTES]
        if crc != _part_crc(part, found.check, number):
            which = f"part {number} of {len(found.sizes)} (byte {start})"
            raise CorruptError(f"{which} fails its checksum; get the file again")
        parts.append(part)
        start += size + CRC_BYTES
    if found.layered:
        return found.header, [Chunk(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return found.header, [Chunk(part) for part in parts]


def read_header(data: bytes) -> Header:
    """The header of a file or of its beginning, chunks unread. Raises CorruptError."""
    return _read_checked_header(data).header


def drop_refinements(data: bytes) -> bytes:
    """The file without what refines its chunks: smaller and coarser, with nothing decoded. Raises CorruptError."""
    header, chunks = read(data)
    if not any(chunk.refinement for chunk in chunks):
        return data
    cut = [Chunk(chunk.base) for chunk in chunks]
    needed = any(chunk.needs_transform_weights for chunk in cut)
    return write(replace(header, guarantee=None, transform=header.transform if needed else b""), cut)


def _read_checked_header(data: bytes) -> ParsedHeader:
    if data[:3] != MAGIC:
        raise CorruptError(f"this is no .posec file: it begins with {data[:3]!r}, not {MAGIC!r}")
    if len(data) > 3 and data[3] & 15 != VERSION:
        raise CorruptError(f"the file is damaged or of version {data[3] & 15}; this posecodec reads version {VERSION}")
    source = FieldReader(data, 3)
    try:
        found = parse_header(source)
    except HeaderError as error:
        what = f"the header is damaged or cut short at byte {source.place}: {error}; get it again"
        raise CorruptError(what) from error
    except (PosecodecError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, ZstdError) as error:
        raise CorruptError(f"the header is damaged near byte {source.place} ({error}); get the file again") from error
    if found.single:
        return found
    check = binascii.crc_hqx(data[: found.end], HEADER_CRC_START)
    if data[found.end : found.end + HEADER_CRC_BYTES] != check.to_bytes(HEADER_CRC_BYTES, "little"):
        raise CorruptError("the header fails its checksum; get the file again")
    return replace(found, check=check, end=found.end + HEADER_CRC_BYTES)


def _crc32(data: bytes, start: int = 0) -> bytes:
    return zlib.crc32(data, start).to_bytes(CRC_BYTES, "little")


def _part_crc(part: bytes, check: int, number: int) -> bytes:
    """Of a part, begun with the header's checksum and its own number, so that parts cannot change places."""
    return _crc32(part, (check + 65536 * number) & 0xFFFFFFFF)
