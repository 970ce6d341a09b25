"""The `.posec` file around the chunks: header, index and checksums, as docs/bitstream.md specifies.

It knows nothing of what a payload holds, and never loads torch.
"""

from __future__ import annotations

import binascii
import json
import math
import struct
import zlib
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import zstandard

from posecodec.errors import CorruptError, InputError, PosecodecError
from posecodec.pose.sequence import AXES, UNITS, mean_rate
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Floats

MAGIC, VERSION = b"PSC", 2
CHUNK_FRAMES = 1024
ID_BYTES = 4
LAYER_BYTES = 12
LARGEST_PACKED = 64 << 20
MOST_POSES = 2**24
"""Frames times people that a file may have: 6 days of one person at 30 fps, and 5 GB of positions and confidence."""
MOST_KEYPOINTS = 2048
SPELLED_OUT = 31
RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1), (90, 1),
        (100, 1), (120, 1), (200, 1), (240, 1),
    )
)  # fmt: skip
FLAGS = ("flat", "simple", "named", "timed", "spelled", "noted", "promised")
LAYOUT = ("tokens", "transform", "layered", "single")
"""What the upper half of the version byte says: which weights are named, whether chunks have refinements, and whether
there is one chunk and so neither index nor header CRC."""
PROMISES = ("max-error", "mean-error", "bitrate", "lossless")


@dataclass(frozen=True)
class Track:
    """One person's frames from entering to leaving: index of the person, first frame, number of frames."""

    person: int
    start: int
    length: int

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """(start, length) in the recording of each of the track's chunks."""
        cuts = range(0, self.length, CHUNK_FRAMES)
        return [(self.start + cut, min(CHUNK_FRAMES, self.length - cut)) for cut in cuts]


@dataclass(frozen=True)
class Promise:
    """What was asked of the encoder and kept. kind: one of PROMISES.

    value: the bound in the recording's unit, kbit/s, or, of a lossless file, the CRC-32 of its positions.
    reached: share of the bound that was used up, 0..1, rounded up to 1/255; 0 of a lossless file.
    """

    kind: str
    value: float
    reached: float


@dataclass(frozen=True)
class Chunk:
    """The bytes of one chunk, and what refines it (b"": nothing)."""

    base: bytes
    refinement: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both, and of the checksums and sizes that a second one brings."""
        return len(self.base) + (len(self.refinement) + LAYER_BYTES if self.refinement else 0)


@dataclass(frozen=True, eq=False)
class Header:
    """All that a file says besides its chunks.

    weights, transform: first 4 bytes of the SHA-256 of the token weights and of the transform's, b"" if not needed. up
    is what the recording states, coded_up what it was coded with. Everything else as in PoseSequence.
    """

    weights: bytes
    transform: bytes
    dims: int
    unit: str
    up: str
    coded_up: str
    skeleton: Skeleton
    fps: float | None
    timestamps: Floats | None
    frames: int
    ids: tuple[str, ...]
    tracks: tuple[Track, ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    promise: Promise | None = None

    @property
    def simple(self) -> bool:
        """Whether one person is there all the time."""
        return len(self.ids) == 1 and self.tracks == (Track(0, 0, self.frames),)

    @property
    def rate(self) -> float:
        """Frames per second; the mean rate where timestamps are given, as in PoseSequence."""
        return mean_rate(self.fps, self.timestamps)

    @property
    def chunk_count(self) -> int:
        """How many chunks the tracks make."""
        return sum(-(-track.length // CHUNK_FRAMES) for track in self.tracks)


def write(header: Header, chunks: list[Chunk]) -> bytes:
    """The whole file. Raises InputError if a rate, id or metadata cannot be written, or it has too many frames."""
    assert len(chunks) == header.chunk_count
    if header.frames * max(len(header.ids), 1) > MOST_POSES:
        raise InputError(
            f"{header.frames} frames of {len(header.ids)} people; at most {MOST_POSES} frames times people fit: "
            "cut the recording"
        )
    if len(header.skeleton) > MOST_KEYPOINTS:
        raise InputError(f"{len(header.skeleton)} keypoints; at most {MOST_KEYPOINTS} fit: split the skeleton")
    layered = any(chunk.refinement for chunk in chunks)
    single = len(chunks) == 1 and not layered
    head = _header_bytes(header, layered, single)
    if single:
        whole = head + chunks[0].base
        return whole + zlib.crc32(whole).to_bytes(4, "little")
    parts = [part for chunk in chunks for part in (chunk.base, chunk.refinement)[: 1 + layered]]
    head += b"".join(_varint(len(part)) for part in parts)
    check = binascii.crc_hqx(head, 0xFFFF)
    checked = [part + _part_crc(part, check, number) for number, part in enumerate(parts)]
    return head + check.to_bytes(2, "little") + b"".join(checked)


def read(data: bytes) -> tuple[Header, list[Chunk]]:
    """Header and checked chunks of a file. Raises CorruptError that says what is wrong, and where."""
    found = _read_header(data)
    if found.single:
        if len(data) < found.end + 4 or data[-4:] != zlib.crc32(data[:-4]).to_bytes(4, "little"):
            raise CorruptError("the file fails its checksum: it is damaged, cut short or too long; get it again")
        return found.header, [Chunk(data[found.end : -4])]
    end = found.end + sum(found.sizes) + 4 * len(found.sizes)
    if len(data) != end:
        what = "cut short" if len(data) < end else "longer than it should be"
        raise CorruptError(f"the file is {what}: {len(data)} bytes, its index says {end}; get it again")
    parts, start = [], found.end
    for number, size in enumerate(found.sizes):
        part, crc = data[start : start + size], data[start + size : start + size + 4]
        if crc != _part_crc(part, found.check, number):
            raise CorruptError(
                f"part {number} of {len(found.sizes)} (byte {start}) fails its checksum; get the file again"
            )
        parts.append(part)
        start += size + 4
    if found.layered:
        return found.header, [Chunk(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return found.header, [Chunk(part) for part in parts]


def read_header(data: bytes) -> Header:
    """The header of a file or of its beginning, chunks unread. Raises CorruptError."""
    return _read_header(data).header


def without_refinement(data: bytes) -> bytes:
    """The file cut after the tokens: smaller and coarser, with nothing decoded. Raises CorruptError."""
    header, chunks = read(data)
    if not any(chunk.refinement for chunk in chunks):
        return data
    plain = all(is_tokens(chunk.base) for chunk in chunks)
    cut = replace(header, promise=None, transform=b"" if plain else header.transform)
    return write(cut, [Chunk(chunk.base) for chunk in chunks])


def is_tokens(base: bytes) -> bool:
    """Whether a chunk needs no transform weights: its kind, the upper two bits, is 0."""
    return not base or base[0] >> 6 == 0


def _part_crc(part: bytes, check: int, number: int) -> bytes:
    return zlib.crc32(part, (check + 65536 * number) & 0xFFFFFFFF).to_bytes(4, "little")


def _header_bytes(header: Header, layered: bool, single: bool) -> bytes:
    skeleton = next((i for i, s in enumerate(BUILT_IN.values()) if s == header.skeleton), SPELLED_OUT)
    named = header.ids != tuple(str(i) for i in range(len(header.ids)))
    states = {
        "flat": header.dims == 2,
        "simple": header.simple,
        "named": named,
        "timed": header.timestamps is not None,
        "spelled": skeleton == SPELLED_OUT,
        "noted": bool(header.metadata),
        "promised": header.promise is not None,
    }
    layout = (bool(header.weights), bool(header.transform), layered, single)
    version = VERSION | sum(16 << bit for bit, is_set in enumerate(layout) if is_set)
    out = bytearray(MAGIC + bytes([version]) + header.weights + header.transform)
    out.append(sum(1 << bit for bit, name in enumerate(FLAGS) if states[name]))
    out.append(UNITS.index(header.unit) | AXES.index(header.up) << 3)
    out.append(skeleton | AXES.index(header.coded_up) << 5)
    out += _rate_bytes(header.fps) if header.fps is not None else b""
    out += _varint(header.frames)
    out += b"" if header.simple else _varint(len(header.ids))
    out += b"".join(_text(name) for name in header.ids) if named else b""
    if not header.simple:
        fields = [len(header.tracks), *(n for t in header.tracks for n in (t.person, t.start, t.length))]
        out += b"".join(_varint(n) for n in fields)
    out += _packed(_skeleton_json(header.skeleton)) if skeleton == SPELLED_OUT else b""
    out += _times_bytes(header.timestamps) if header.timestamps is not None else b""
    out += _packed(_json(header.metadata)) if header.metadata else b""
    out += _promise_bytes(header.promise) if header.promise else b""
    return bytes(out)


def _promise_bytes(promise: Promise) -> bytes:
    kind = bytes([PROMISES.index(promise.kind)])
    if promise.kind == "lossless":
        return kind + int(promise.value).to_bytes(4, "little")
    return kind + struct.pack("<f", promise.value) + bytes([math.ceil(255 * promise.reached)])


def _read_promise(source: _Source) -> Promise:
    kind = PROMISES[source.take(1)[0]]
    if kind == "lossless":
        return Promise(kind, int.from_bytes(source.take(4), "little"), 0.0)
    value = struct.unpack("<f", source.take(4))[0]
    if not (math.isfinite(value) and value > 0):
        raise _Cut(f"a promise of {value}")
    return Promise(kind, value, source.take(1)[0] / 255)


@dataclass(frozen=True)
class _Found:
    """What stands before the chunks: header, sizes of the parts, header CRC, and where the first part begins."""

    header: Header
    sizes: list[int]
    check: int
    end: int
    layered: bool
    single: bool


def _read_header(data: bytes) -> _Found:
    if data[:3] != MAGIC:
        raise CorruptError(f"this is no .posec file: it begins with {data[:3]!r}, not {MAGIC!r}")
    if len(data) > 3 and data[3] & 15 != VERSION:
        raise CorruptError(f"the file is damaged or of version {data[3] & 15}; this posecodec reads version {VERSION}")
    source = _Source(data, 3)
    try:
        found = _parse(source)
    except _Cut as error:
        raise CorruptError(
            f"the header is damaged or cut short at byte {source.place}: {error}; get it again"
        ) from error
    except (
        PosecodecError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, zstandard.ZstdError
    ) as error:  # fmt: skip
        raise CorruptError(f"the header is damaged near byte {source.place} ({error}); get the file again") from error
    if found.single:
        return found
    check = binascii.crc_hqx(data[: found.end], 0xFFFF)
    if data[found.end : found.end + 2] != check.to_bytes(2, "little"):
        raise CorruptError("the header fails its checksum; get the file again")
    return replace(found, check=check, end=found.end + 2)


def _parse(source: _Source) -> _Found:
    version = source.take(1)[0]
    layout = {name: bool(version >> 4 + bit & 1) for bit, name in enumerate(LAYOUT)}
    weights, transform = (source.take(ID_BYTES if layout[name] else 0) for name in ("tokens", "transform"))
    flags, labels, shape = source.take(3)
    if flags >> len(FLAGS) or labels >> 6:
        raise _Cut("reserved bits are set")
    state = {name: bool(flags >> bit & 1) for bit, name in enumerate(FLAGS)}
    fps = None if state["timed"] else _read_rate(source)
    frames = source.varint()
    people = 1 if state["simple"] else source.varint()
    source.expect(people if state["named"] else 0)
    if people > 1 << 20 or frames * max(people, 1) > MOST_POSES:
        raise _Cut(f"{frames} frames of {people} people")
    ids = tuple(source.text() if state["named"] else str(i) for i in range(people))
    tracks = (Track(0, 0, frames),) if state["simple"] else _read_tracks(source, frames, people)
    skeleton = _read_skeleton(source, state["spelled"], shape & 31)
    times = _read_times(source, frames) if state["timed"] else None
    metadata = json.loads(source.packed()) if state["noted"] else {}
    promise = _read_promise(source) if state["promised"] else None
    header = Header(
        weights, transform, 2 if state["flat"] else 3, UNITS[labels & 7], AXES[labels >> 3], AXES[shape >> 5],
        skeleton, fps, times, frames, ids, tracks, metadata, promise,
    )  # fmt: skip
    if header.coded_up == "unknown" or not isinstance(metadata, dict):
        raise _Cut("impossible axis or metadata")
    if layout["single"]:
        if header.chunk_count != 1 or layout["layered"]:
            raise _Cut("an index is missing")
        return _Found(header, [], 0, source.place, False, True)
    parts = header.chunk_count * (1 + layout["layered"])
    source.expect(parts)
    sizes = [source.varint() for _ in range(parts)]
    return _Found(header, sizes, 0, source.place, layout["layered"], False)


def _read_tracks(source: _Source, frames: int, people: int) -> tuple[Track, ...]:
    count = source.varint()
    source.expect(3 * count)
    tracks = tuple(Track(source.varint(), source.varint(), source.varint()) for _ in range(count))
    for track in tracks:
        if track.person >= people or not track.length or track.start + track.length > frames:
            raise _Cut(f"impossible {track}")
    return tracks


def _read_skeleton(source: _Source, spelled: bool, number: int) -> Skeleton:
    if not spelled:
        return list(BUILT_IN.values())[number]
    if number != SPELLED_OUT:
        raise _Cut("skeleton both built in and spelled out")
    values = json.loads(source.packed())
    if len(values["keypoints"]) > MOST_KEYPOINTS:
        raise _Cut(f"{len(values['keypoints'])} keypoints")
    edges, pairs = (tuple((int(a), int(b)) for a, b in values[key]) for key in ("edges", "pairs"))
    root = None if values["root"] is None else int(values["root"])
    return Skeleton(str(values["name"]), tuple(str(k) for k in values["keypoints"]), edges, pairs, root)


def _skeleton_json(skeleton: Skeleton) -> bytes:
    fields = ("name", "keypoints", "edges", "pairs", "root")
    return _json({name: getattr(skeleton, name) for name in fields})


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"metadata cannot be written as JSON: {error}; keep to text, numbers, lists and objects"
        ) from error


def rate_fraction(fps: float) -> Fraction:
    """The simplest fraction whose nearest float64 is `fps`. Raises InputError beyond 32 bits.

    >>> rate_fraction(30000 / 1001), rate_fraction(12.5)
    (Fraction(30000, 1001), Fraction(25, 2))
    """
    limit = 1
    while limit < 2**32:
        ratio = Fraction(fps).limit_denominator(limit)
        if ratio > 0 and float(ratio) == fps:
            if ratio.numerator < 2**35:
                return ratio
            break
        limit *= 2
    raise InputError(f"a frame rate of {fps} cannot be written as a fraction of 32-bit numbers; pass --fps")


def _rate_bytes(fps: float) -> bytes:
    ratio = rate_fraction(fps)
    if ratio in RATES:
        return _varint(1 + RATES.index(ratio))
    return _varint(0) + _varint(ratio.numerator) + _varint(ratio.denominator)


def _read_rate(source: _Source) -> float:
    code = source.varint()
    if code:
        return float(RATES[code - 1])
    numerator, denominator = source.varint(), source.varint()
    if not numerator:
        raise _Cut("a frame rate of 0")
    return float(Fraction(numerator, denominator))


def _times_bytes(times: Floats) -> bytes:
    from posecodec.entropy.floats import pack_floats  # numba takes a third of a second to load

    data = pack_floats(times)
    return _varint(len(data)) + data


def _read_times(source: _Source, frames: int) -> Floats:
    from posecodec.entropy.floats import unpack_floats

    return unpack_floats(source.take(source.varint()), (frames,), np.float64)


def _varint(value: int) -> bytes:
    assert 0 <= value < 2**35
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the id {value!r} is no valid unicode ({error.reason}); rename it") from error
    return _varint(len(data)) + data


def _packed(data: bytes) -> bytes:
    if len(data) > LARGEST_PACKED:
        raise InputError(f"{len(data)} bytes of metadata; at most {LARGEST_PACKED} can be kept")
    frame = zstandard.ZstdCompressor(level=19, write_checksum=False, write_content_size=False).compress(data)
    return _varint(len(frame)) + _varint(len(data)) + frame


class _Cut(Exception):
    """What is wrong with a header."""


class _Source:
    """Reads fields one after the other and never beyond the end."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place

    def expect(self, count: int) -> None:
        """Refuse a count of fields that the bytes left cannot hold."""
        if count > len(self.data) - self.place:
            raise _Cut(f"{count} fields in {len(self.data) - self.place} bytes")

    def take(self, count: int) -> bytes:
        self.expect(count)
        self.place += count
        return self.data[self.place - count : self.place]

    def varint(self) -> int:
        value = 0
        for group in range(5):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * group
            if byte < 128:
                if not byte and group:
                    raise _Cut("a number in a longer form than needed")
                return value
        raise _Cut("a number of more than 35 bits")

    def text(self) -> str:
        return self.take(self.varint()).decode()

    def packed(self) -> bytes:
        size, raw = self.varint(), self.varint()
        if raw > LARGEST_PACKED:
            raise _Cut(f"a packed field of {raw} bytes")
        frame = self.take(size)
        if size and zstandard.frame_content_size(frame) not in (-1, raw):
            raise _Cut("a packed field that states another size")
        data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=max(raw, 1))
        if len(data) != raw:
            raise _Cut(f"a packed field of {len(data)} bytes, not {raw}")
        return data
