"""The `.posec` file around the chunks: header, index and checksums, as docs/bitstream.md specifies.

The mirrored pair is `write` and `read`; `PosecFile` reads no more than is asked for, and what is left of a damaged file.
Of a chunk it knows only the kind (`chunk_kind`), and it loads neither torch nor numba.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from zstandard import ZstdError

from posecodec.bitstream.chunk_kind import ChunkKind, needs_body_weights, needs_transform_weights
from posecodec.bitstream.fields import FieldReader, HeaderError, encode_varint
from posecodec.bitstream.header import MAGIC, VERSIONS, Header, ParsedHeader, header_bytes, parse_header
from posecodec.errors import CorruptError, InputError, PosecodecError
from posecodec.io.byte_source import ByteSource
from posecodec.io.filesystem import AnyPath
from posecodec.io.unpacking import GZIP, unpack

LAYER_BYTES = 12  # What a refinement adds to a chunk beside itself: a second checksum, and sizes in the index
CRC_BYTES, HEADER_CRC_BYTES = 4, 2  # Of a part (CRC-32) and of the header (CRC-16)
HEADER_CRC_START = 0xFFFF  # CRC-16/CCITT-FALSE
MOST_AT_ONCE = 16 << 20  # Bytes of chunks from which on no more are read with them


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


def read(source: bytes | AnyPath) -> tuple[Header, list[Chunk]]:
    """Header and checked chunks of a whole file. Raises CorruptError that says what is wrong, and where."""
    with PosecFile(source) as file:
        return file.header, file.read_all()


def read_header(source: bytes | AnyPath) -> Header:
    """The header of a file, or of the beginning of one of several chunks. Raises CorruptError."""
    with PosecFile(source) as file:
        return file.header


def drop_refinements(data: bytes) -> bytes:
    """The file without what refines its chunks: smaller and coarser, with nothing decoded. Raises CorruptError."""
    header, chunks = read(data)
    if not any(chunk.refinement for chunk in chunks):
        return data
    cut = [Chunk(chunk.base) for chunk in chunks]
    needed = any(chunk.needs_transform_weights for chunk in cut)
    return write(replace(header, guarantee=None, transform=header.transform if needed else b""), cut)


@dataclass(frozen=True)
class Loss:
    """Frames `start` to `stop` - 1 of a person that a damaged file does not give back, or only coarsely; and why."""

    person: str
    start: int
    stop: int
    why: str
    coarse: bool = False

    def __str__(self) -> str:
        what = "coarser" if self.coarse else "lost"
        return f"frames {self.start} to {self.stop - 1} of {self.person!r} are {what}: {self.why}"


class PosecFile:
    """A file whose header was read and checked, and whose chunks are read when they are asked for.

    source: bytes, a path, or a URL. header: what it says. size: bytes in all. spans: person, first frame and number of
    frames of each chunk. Raises CorruptError where the header is damaged, which in a file of one chunk shares its checksum,
    InputError where the source cannot be read.
    """

    def __init__(self, source: bytes | AnyPath) -> None:
        self._source = ByteSource(source)
        try:
            head = self._source.read(0, self._source.block)
            if head.startswith(GZIP):
                with self._source as packed:
                    self._source = ByteSource(_unpack(packed.read(0, packed.size)))
                head = self._source.read(0, self._source.block)
            self._found = _read_checked_header(self._source, head)
        except PosecodecError:
            self._source.close()
            raise
        self.header, self.size, self.spans = self._found.header, self._source.size, self._found.header.spans
        sizes = (size + CRC_BYTES for size in self._found.sizes)
        self._starts = list(accumulate(sizes, initial=self._found.end))  # of the parts, and where the file ends
        self._layers = 1 + self._found.layered

    @property
    def length_fault(self) -> str:
        """What is wrong with the number of bytes; "" if nothing."""
        what = "cut short" if self.size < self._starts[-1] else "longer than it should be"
        fault = f"the file is {what}: {self.size} bytes, its index says {self._starts[-1]}"
        return (
            ""
            if self.size == self._starts[-1]
            else f"{fault}; get it again, or what is whole of it by decode --recover"
        )

    def check_length(self) -> None:
        """Raises CorruptError where there is a `length_fault`."""
        if self.length_fault:
            raise CorruptError(self.length_fault)

    def read_chunks(
        self, numbers: Iterable[int] | None = None, lost: list[Loss] | None = None
    ) -> Iterator[tuple[int, Chunk]]:
        """Some chunks, all by default, in the order of the file, each with its number; only they are read.

        lost: gets what is damaged, which is then left out, instead of a CorruptError.
        """
        wanted = range(len(self.spans)) if numbers is None else sorted(numbers)
        for run in self._find_runs(wanted):
            begin, end = (self._starts[number * self._layers] for number in (run.start, run.stop))
            data = self._source.read(begin, end)
            for number in run:
                parts = list[bytes]()
                try:
                    for part in self._check_parts(number, data, begin):
                        parts.append(part)
                except CorruptError as error:
                    if lost is None:
                        raise
                    lost.append(self.describe_loss(number, error, coarse=bool(parts)))
                if parts:
                    yield number, Chunk(*parts)

    def read_all(self) -> list[Chunk]:
        """All chunks of a file that is whole. Raises CorruptError."""
        self.check_length()
        return [chunk for _, chunk in self.read_chunks()]

    def describe_loss(self, number: int, why: object, coarse: bool = False) -> Loss:
        """What is lost with a chunk."""
        span = self.spans[number]
        return Loss(self.header.ids[span.person], span.start, span.start + span.length, str(why), coarse)

    def describe_damage(self, lost: list[Loss]) -> list[str]:
        """All that is wrong with the file, given what reading it lost."""
        return [*filter(None, [self.length_fault]), *map(str, lost)]

    def _find_runs(self, numbers: Sequence[int]) -> Iterator[range]:
        """Chunks that lie side by side and are read at once."""
        first = 0
        for i, number in enumerate(numbers):
            follows = i + 1 < len(numbers) and numbers[i + 1] == number + 1
            size = self._starts[(number + 1) * self._layers] - self._starts[numbers[first] * self._layers]
            if not follows or size > MOST_AT_ONCE:
                yield range(numbers[first], number + 1)
                first = i + 1

    def _check_parts(self, number: int, data: bytes, begin: int) -> Iterator[bytes]:
        """The parts of a chunk, from data that begin there in the file. Raises CorruptError at the first that is damaged."""
        for part_number in range(number * self._layers, (number + 1) * self._layers):
            start, stop = (self._starts[part_number + i] - begin for i in range(2))
            part, crc = data[start : stop - CRC_BYTES], data[stop - CRC_BYTES : stop]
            if crc != _part_crc(part, self._found.check, part_number) and not self._found.single:  # which was checked
                which = f"part {part_number} of {len(self._found.sizes)} (byte {start + begin})"
                fault = "is not there: the file is cut short" if stop > len(data) else "fails its checksum"
                raise CorruptError(f"{which} {fault}; get the file again, or what is whole of it by decode --recover")
            yield part

    def close(self) -> None:
        """Let the file go."""
        self._source.close()

    def __enter__(self) -> PosecFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _read_checked_header(source: ByteSource, data: bytes) -> ParsedHeader:
    """data: the first bytes, as many as were read at once."""
    if data[:3] != MAGIC:
        raise CorruptError(f"this is no .posec file: it begins with {data[:3]!r}, not {MAGIC!r}")
    if len(data) > 3 and data[3] & 15 not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise CorruptError(f"the file is damaged or of version {data[3] & 15}; this posecodec reads {known}")
    reader = FieldReader(source, data, 3)
    try:
        found = parse_header(reader)
        check = binascii.crc_hqx(reader.data[: found.end], HEADER_CRC_START)
        stored = b"" if found.single else reader.read_bytes(HEADER_CRC_BYTES)
    except HeaderError as error:
        what = f"the header is damaged or cut short at byte {reader.place}: {error}; get it again"
        raise CorruptError(what) from error
    except CorruptError:
        raise
    except (PosecodecError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, ZstdError) as error:
        raise CorruptError(f"the header is damaged near byte {reader.place} ({error}); get the file again") from error
    if found.single:
        return replace(found, sizes=[_check_single(source, data, found.end)])
    if stored != check.to_bytes(HEADER_CRC_BYTES, "little"):
        raise CorruptError("the header fails its checksum; get the file again")
    return replace(found, check=check, end=found.end + HEADER_CRC_BYTES)


def _check_single(source: ByteSource, data: bytes, start: int) -> int:
    """The size of the only chunk, which begins at `start`. Raises CorruptError where the file fails its only checksum."""
    whole = data if len(data) == source.size else source.read(0, source.size)
    if len(whole) < start + CRC_BYTES or whole[-CRC_BYTES:] != _crc32(whole[:-CRC_BYTES]):
        raise CorruptError("the file fails its checksum: it is damaged, cut short or too long; get it again")
    return len(whole) - start - CRC_BYTES


def _crc32(data: bytes, start: int = 0) -> bytes:
    return zlib.crc32(data, start).to_bytes(CRC_BYTES, "little")


def _part_crc(part: bytes, check: int, number: int) -> bytes:
    """Of a part, begun with the header's checksum and its own number, so that parts cannot change places."""
    return _crc32(part, (check + 65536 * number) & 0xFFFFFFFF)


def _unpack(packed: bytes) -> bytes:
    """What gzip packed. Raises CorruptError."""
    try:
        return unpack(packed)
    except InputError as error:
        raise CorruptError(str(error)) from error
