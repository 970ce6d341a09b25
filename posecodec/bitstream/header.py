"""The header of a `.posec` file: what a recording is beside its motion, as docs/bitstream.md specifies it.

The mirrored pair is `header_bytes` and `parse_header`; `container` adds checksums, `fields` codes the single fields.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from posecodec.bitstream import fields
from posecodec.bitstream.fields import FieldReader, HeaderError, encode_varint
from posecodec.bitstream.guarantee import Guarantee, decode_guarantee, decode_guarantee_2, encode_guarantee
from posecodec.bitstream.known_weights import ID_BYTES, decode_weights, encode_weights
from posecodec.bitstream.spelling import read_spelled, spell
from posecodec.errors import InputError, UsageError
from posecodec.pose.cutting import cut_metadata
from posecodec.pose.sequence import AXES, UNITS, mean_rate
from posecodec.pose.skeleton import MAX_KEYPOINTS, Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Floats

MAGIC, VERSION, NAMING = b"PSC", 3, 4
VERSIONS = (2, VERSION, NAMING)
"""That are read: 2 has longer names of weights and longer promises, and in 4 chunks in parts name a trained body."""
CHUNK_FRAMES = 1024  # Frames of a chunk at most: 34 s at 30 fps, so that a damaged chunk loses no more
MAX_POSES = 2**24  # Frames times people of a file: 6 days of one at 30 fps, 5 GB of positions and confidence
MAX_PEOPLE = 1 << 16  # That a file may name: more than any tracker gives, and little enough to make room for
MAX_EDGES = 4096  # Of a skeleton: half as many again as a mesh of a face has
SPELLED = 30  # Number of a skeleton that is not built in and stands in the header in few bytes
SPELLED_OUT = 31  # The same as JSON, which names that are no lines of text need
EARLY = 1e-6  # Of a frame: by so much a time may miss it and still mean it
LISTED = 12  # Ids that fit a message
FLAGS = ("flat", "simple", "named", "timed", "spelled", "noted", "promised", "wide")  # Of the flag byte, upwards
LAYOUT = ("weights", "transform", "layered", "single")
"""What the upper half of the version byte says: which weights are named, whether chunks have refinements, and whether
there is one chunk and so neither index nor header CRC."""


@dataclass(frozen=True, slots=True)
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

    def clip(self, frames: range) -> Track:
        """What of it is within some frames, counted from the first of them; of length 0 if nothing is."""
        start = min(max(self.start, frames.start), frames.stop)
        stop = max(min(self.start + self.length, frames.stop), start)
        return Track(self.person, start - frames.start, stop - start)


@dataclass(frozen=True, eq=False)
class Header:
    """All that a file says besides its chunks.

    weights, transform: first 4 bytes of the SHA-256 of the weights of windows or tokens, and of the transform's, b"" if not
    needed. up is what the recording states, coded_up what it was coded with. origin: D float32 values that were taken off the
    positions, which are decoded as float64; None if as float32. names_bodies: whether chunks in parts say by which trained
    body. Everything else as in PoseSequence.
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
    guarantee: Guarantee | None = None
    origin: tuple[float, ...] | None = None
    names_bodies: bool = False

    @property
    def simple(self) -> bool:
        """Whether one person is there all the time."""
        return len(self.ids) == 1 and self.tracks == (Track(0, 0, self.frames),)

    @property
    def bare(self) -> int:
        """Frames times people that no track covers."""
        return self.frames * len(self.ids) - sum(track.length for track in self.tracks)

    @property
    def rate(self) -> float:
        """Frames per second; the mean rate where timestamps are given, as in PoseSequence."""
        return mean_rate(self.fps, self.timestamps)

    @property
    def chunk_count(self) -> int:
        """How many chunks the tracks make."""
        return sum(-(-track.length // CHUNK_FRAMES) for track in self.tracks)

    @property
    def spans(self) -> list[Track]:
        """Person, first frame and number of frames of every chunk, in the order of the file."""
        return [Track(track.person, *span) for track in self.tracks for span in track.chunks]

    def find_frames(self, start: float = 0.0, end: float = math.inf) -> slice:
        """The frames from `start` on and before `end`, in seconds from the first."""
        if self.timestamps is not None:
            times = self.timestamps - self.timestamps[:1].sum()
            return slice(*(int(np.searchsorted(times, second)) for second in (start, end)))
        numbers = (second * self.rate - EARLY for second in (start, end))
        return slice(*(math.ceil(min(max(number, 0), self.frames)) for number in numbers))

    def cut(self, frames: slice, people: Sequence[str] | None) -> tuple[Header, range, list[int]]:
        """The header of some frames and people, of all if None; which frames these are, and the people's numbers.

        Metadata are those of `cut_metadata`. Raises UsageError where there are no such frames or people.
        """
        first, stop, step = frames.indices(self.frames)
        if step != 1:
            raise UsageError(f"frames in steps of {step}; give some that follow each other")
        if stop <= first < self.frames + (self.frames > 0):
            what = f"there are no frames {frames.start} to {frames.stop} in a recording of {self.frames}"
            raise UsageError(f"{what}, {self.frames / self.rate:.4g} s; give some that are there")
        known = {name: number for number, name in enumerate(self.ids)}
        names = self.ids if people is None else tuple(dict.fromkeys(map(str, people)))
        if lost := [name for name in names if name not in known]:
            raise UsageError(f"nobody is called {lost[0]!r}; there are {', '.join(map(repr, self.ids[:LISTED]))}")
        span, kept = range(first, max(first, stop)), [known[name] for name in names]
        if len(span) == self.frames and names == self.ids:
            return self, span, kept
        numbers = {person: number for number, person in enumerate(kept)}
        tracks = [replace(t.clip(span), person=numbers[t.person]) for t in self.tracks if t.person in numbers]
        times = None if self.timestamps is None else self.timestamps[first:stop]
        metadata = cut_metadata(self.metadata, self.frames, slice(first, stop), self.rate)
        found = replace(
            self, timestamps=times, frames=len(span), ids=names, metadata=metadata, guarantee=None,
            tracks=tuple(track for track in tracks if track.length),
        )  # fmt: skip
        return found, span, kept


@dataclass(frozen=True)
class ParsedHeader:
    """What stands before the chunks: header, sizes of the parts, header CRC, and where the first part begins."""

    header: Header
    sizes: list[int]
    check: int
    end: int
    layered: bool
    single: bool


def header_bytes(header: Header, layered: bool, single: bool) -> bytes:
    """A header up to the sizes of parts. Raises InputError if it has too many frames or what cannot be written."""
    if header.frames * max(len(header.ids), 1) > MAX_POSES:
        raise InputError(
            f"{header.frames} frames of {len(header.ids)} people; at most {MAX_POSES} frames times people fit: "
            "cut the recording"
        )
    if len(header.skeleton) > MAX_KEYPOINTS or len(header.skeleton.edges) > MAX_EDGES:
        found = f"{len(header.skeleton)} keypoints, {len(header.skeleton.edges)} edges"
        raise InputError(f"{found}; at most {MAX_KEYPOINTS} and {MAX_EDGES} fit: split the skeleton")
    if len(header.ids) > MAX_PEOPLE:
        raise InputError(f"{len(header.ids)} people; at most {MAX_PEOPLE} fit: cut the recording")
    spelled, skeleton = b"", next((i for i, s in enumerate(BUILT_IN.values()) if s == header.skeleton), None)
    if skeleton is None:
        short = spell(header.skeleton)
        spelled, skeleton = (short, SPELLED) if short else (_encode_skeleton(header.skeleton), SPELLED_OUT)
    named = header.ids != tuple(str(i) for i in range(len(header.ids)))
    flags = (
        header.dims == 2, header.simple, named, header.timestamps is not None, bool(spelled),
        bool(header.metadata), header.guarantee is not None, header.origin is not None,
    )  # fmt: skip
    layout = (bool(header.weights), bool(header.transform), layered, single)
    version = NAMING if header.names_bodies else VERSION
    version |= sum(16 << bit for bit, is_set in enumerate(layout) if is_set)
    out = bytearray(MAGIC + bytes([version]))
    out += encode_weights(header.weights) + encode_weights(header.transform)
    out.append(sum(1 << bit for bit, is_set in enumerate(flags) if is_set))
    out.append(UNITS.index(header.unit) | AXES.index(header.up) << 3)
    out.append(skeleton | AXES.index(header.coded_up) << 5)
    out += fields.encode_rate(header.fps) if header.fps is not None else b""
    out += encode_varint(header.frames)
    out += b"" if header.simple else encode_varint(len(header.ids))
    out += b"".join(fields.encode_text(name) for name in header.ids) if named else b""
    if not header.simple:
        numbers = [len(header.tracks), *(n for t in header.tracks for n in (t.person, t.start, t.length))]
        out += b"".join(encode_varint(n) for n in numbers)
    out += spelled
    out += fields.encode_times(header.timestamps) if header.timestamps is not None else b""
    out += fields.encode_packed_json(header.metadata, "metadata") if header.metadata else b""
    out += encode_guarantee(header.guarantee) if header.guarantee else b""
    out += struct.pack(f"<{header.dims}f", *header.origin) if header.origin is not None else b""
    return bytes(out)


def parse_header(source: FieldReader) -> ParsedHeader:
    """The mirror of `header_bytes`, after the magic, and of the index. Raises HeaderError, or what a value raises."""
    version = source.read_bytes(1)[0]
    layout = {name: bool(version >> 4 + bit & 1) for bit, name in enumerate(LAYOUT)}
    named = [layout[name] for name in ("weights", "transform")]
    if version & 15 in (VERSION, NAMING):
        read_guarantee = decode_guarantee
        weights, transform = (decode_weights(source) if is_named else b"" for is_named in named)
    else:
        read_guarantee = decode_guarantee_2
        weights, transform = (source.read_bytes(ID_BYTES if is_named else 0) for is_named in named)
    flags, labels, shape = source.read_bytes(3)
    if labels >> 6:
        raise HeaderError("reserved bits are set")
    state = {name: bool(flags >> bit & 1) for bit, name in enumerate(FLAGS)}
    fps = None if state["timed"] else fields.decode_rate(source)
    frames = source.read_varint()
    people = 1 if state["simple"] else source.read_varint()
    source.require(people if state["named"] else 0)
    if people > MAX_PEOPLE or frames * max(people, 1) > MAX_POSES:
        raise HeaderError(f"{frames} frames of {people} people")
    ids = tuple(source.read_text() if state["named"] else str(i) for i in range(people))
    tracks = (Track(0, 0, frames),) if state["simple"] else _decode_tracks(source, frames, people)
    skeleton = _decode_skeleton(source, state["spelled"], shape & 31)
    times = fields.decode_times(source, frames) if state["timed"] else None
    metadata = source.read_json("the metadata") if state["noted"] else {}
    guarantee = read_guarantee(source) if state["promised"] else None
    dims = 2 if state["flat"] else 3
    origin = _decode_origin(source, dims) if state["wide"] else None
    header = Header(
        weights, transform, dims, UNITS[labels & 7], AXES[labels >> 3], AXES[shape >> 5],
        skeleton, fps, times, frames, ids, tracks, metadata, guarantee, origin, version & 15 == NAMING,
    )  # fmt: skip
    if header.coded_up == "unknown" or not isinstance(metadata, dict):
        raise HeaderError("impossible axis or metadata")
    if layout["single"] and (header.chunk_count != 1 or layout["layered"]):
        raise HeaderError("an index is missing")
    parts = 0 if layout["single"] else header.chunk_count * (1 + layout["layered"])
    source.require(parts)
    sizes = [source.read_varint() for _ in range(parts)]
    return ParsedHeader(header, sizes, 0, source.place, layout["layered"], layout["single"])


def _decode_origin(source: FieldReader, dims: int) -> tuple[float, ...]:
    origin = struct.unpack(f"<{dims}f", source.read_bytes(4 * dims))
    if not all(map(math.isfinite, origin)):
        raise HeaderError(f"an origin of {origin}")
    return origin


def _encode_skeleton(skeleton: Skeleton) -> bytes:
    names = ("name", "keypoints", "edges", "pairs", "root")
    return fields.encode_packed_json({name: getattr(skeleton, name) for name in names}, "a skeleton")


def _decode_skeleton(source: FieldReader, spelled: bool, number: int) -> Skeleton:
    if not spelled:
        return list(BUILT_IN.values())[number]
    if number == SPELLED:
        return read_spelled(source, MAX_EDGES)
    if number != SPELLED_OUT:
        raise HeaderError("skeleton both built in and spelled out")
    values = source.read_json("the skeleton")
    if len(values["keypoints"]) > MAX_KEYPOINTS or len(values["edges"]) > MAX_EDGES:
        raise HeaderError(f"{len(values['keypoints'])} keypoints, {len(values['edges'])} edges")
    edges, pairs = (tuple((int(a), int(b)) for a, b in values[key]) for key in ("edges", "pairs"))
    root = None if values["root"] is None else int(values["root"])
    return Skeleton(str(values["name"]), tuple(str(k) for k in values["keypoints"]), edges, pairs, root)


def _decode_tracks(source: FieldReader, frames: int, people: int) -> tuple[Track, ...]:
    count = source.read_varint()
    source.require(3 * count)
    tracks = tuple(Track(source.read_varint(), source.read_varint(), source.read_varint()) for _ in range(count))
    ends: dict[int, int] = {}
    for track in sorted(tracks, key=lambda track: track.start):
        end = track.start + track.length
        if track.person >= people or not track.length or end > frames or ends.get(track.person, 0) > track.start:
            raise HeaderError(f"impossible or overlapping {track}")
        ends[track.person] = end
    return tracks
