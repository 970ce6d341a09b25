"""A chunk on its way: what goes into a coder, what a trial gives, what a decoder knows and gives back. How it is coded is
the coders'."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.body_size import measure_smallest
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.header import Header, Track
from posecodec.bitstream.presence import Presence, write_presence
from posecodec.entropy.range_coder import RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.memory import check_justified, check_memory
from posecodec.pose.orientation import guess_up
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.tracks import find_tracks
from posecodec.pose.vectors import measure_lengths, measure_squares
from posecodec.typing import Floats

DEFAULT_ERROR = 0.01  # Mean error of the default quality, as a share of a person's height: about 17 mm of an adult
ROUNDED = 2.0**-48  # Share of coordinates up to which a spread is only how means of them were rounded
HEIGHT_IN_SPREADS = 3.2  # A standing body's height in root mean square distances of its keypoints from their center
PERSON_IN_SIDES = 1.5  # The most that a height is of the longer side of poses: people sit, bow, or hide their feet
LEAST_HEIGHT = 0.001  # Least height, in what it would be if all keypoints were near the center: a few may be elsewhere

Result = TypeVar("Result")


class Memo(dict[Hashable, Any]):
    """What has been worked out about one chunk, kept while an encoder tries one step after the other.

    All of it takes kilobytes a frame; `forget` leaves what came of the trials.
    """

    def recall(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """What is known under a key; computed the first time. Nothing is kept of what raises."""
        if key not in self:
            self[key] = compute()
        known: Result = self[key]
        return known

    def forget(self) -> None:
        """Let go all but candidates and single numbers."""
        for key in [key for key, known in self.items() if not isinstance(known, Candidate | float | bool)]:
            del self[key]


@dataclass(frozen=True, eq=False)
class ChunkInput:
    """A chunk to be coded: some frames of a track.

    points: (T, K, D) as recorded, less the origin where the file has one, NaN where missing. body: (T, 19, D) of coco19, or
    None where it does not have all of the recorded keypoints. up: axis used for coding. confidence: (T, K). rate: frames per
    second. unit: of the recording. origin, recorded: None, or (D,) and the points (T, K, D) that it was taken from.
    """

    track: Track
    points: NDArray[np.floating] = field(repr=False)
    body: NDArray[np.floating] | None = field(repr=False)
    presence: Presence = field(repr=False)
    confidence: NDArray[np.float32] = field(repr=False)
    up: str
    skeleton: Skeleton
    rate: float
    unit: str
    origin: Floats | None = None
    recorded: NDArray[np.floating] | None = field(default=None, repr=False)
    memo: Memo = field(default_factory=Memo, repr=False)

    @property
    def count(self) -> int:
        """Keypoints that are there, over all frames."""
        return int(self.presence.mask.sum())

    @property
    def farthest(self) -> float:
        """The largest recorded coordinate, without its sign."""
        points = self.points if self.recorded is None else self.recorded
        return float(np.abs(points).max(initial=0.0, where=self.presence.mask[..., None]))

    def begin(self, kind: ChunkKind, windows: bool = False) -> RangeEncoder:
        """An encoder that has written the presence, which is the same for all steps: remembered. See `write_presence`."""

        def write() -> RangeEncoder:
            encoder = RangeEncoder()
            write_presence(encoder, kind, self.presence, windows)
            return encoder

        return self.memo.recall(("presence", kind, windows), write).copy()

    def measure_errors(self, pose: Floats) -> Floats:
        """(T, K, D) by how much keypoints are off that a decoder has as `pose`, once it gives them back."""
        points = self.points if self.recorded is None else self.recorded
        return points.astype(np.float64) - to_recorded(pose, self.origin).astype(np.float64)

    @cached_property
    def spread(self) -> float:
        """Root mean square distance of keypoints from the center of their pose, or of the path where that is larger."""
        points = self.points.astype(np.float64)
        count = np.maximum(self.presence.mask.sum(axis=1), 1)
        center = np.nansum(points, axis=1) / count[:, None]
        extent = float(np.sqrt(np.nanmean(measure_squares(points - center[:, None]))))
        extent = extent if extent > ROUNDED * np.abs(center).max(initial=0.0) else 0.0
        return extent or float(np.abs(np.diff(center, axis=0)).mean()) if len(points) > 1 else extent or 1.0

    @property
    def is_person(self) -> bool:
        """Whether keypoints are known to be a person's body; of others nothing is known but how large they are."""
        return self.body is not None or bool(self.skeleton.to_coco19)

    @cached_property
    def height(self) -> float:
        """Of a person who stands, or the longer side of an animal or a hand; of several subjects in one, of the smallest."""
        height = HEIGHT_IN_SPREADS * (self.spread or 1.0)
        side = measure_smallest(self.points, self.skeleton.keypoints)
        if not side > 0:
            return height
        return min(height, max(side * (PERSON_IN_SIDES if self.is_person else 1.0), LEAST_HEIGHT * height))

    @property
    def default_error(self) -> float:
        """The mean error of the default quality, in the recording's unit."""
        return DEFAULT_ERROR * self.height


def find_origin(sequence: PoseSequence) -> Floats:
    """(D,) about the middle of where keypoints are, as float32 has it: what is taken off all of them in a wide file."""
    points = sequence.positions[sequence.valid].astype(np.float64)
    middle = points.mean(axis=0) if len(points) else np.zeros(sequence.dims)
    return middle.astype(np.float32).astype(np.float64)


def split_sequence(sequence: PoseSequence, whole: bool = False, origin: Floats | None = None) -> list[ChunkInput]:
    """The chunks of a sequence, in the order of a file. whole: every frame of every person, seen or not.

    origin: (D,) of a wide file, which is decoded as float64.
    """
    recorded = sequence.positions
    if origin is not None:
        sequence = sequence.with_positions(recorded.astype(np.float64) - origin, sequence.confidence)
    body = None if missing_for(sequence.skeleton, COCO19) else sequence.mapped_to(COCO19)
    up = sequence.up
    if up == "unknown":
        source = sequence if body is None else body
        up = guess_up(source.positions.reshape(-1, *source.positions.shape[2:]), source.skeleton)
    chunks, valid = [], sequence.valid
    if whole:
        tracks = [Track(person, 0, sequence.frames) for person in range(sequence.people) if sequence.frames]
    else:
        tracks = [Track(*track) for track in find_tracks(valid)]
    for track, (start, length) in [(each, span) for each in tracks for span in each.chunks]:
        at = slice(start, start + length), track.person
        presence = Presence.quantize(valid[at], sequence.confidence[at])
        chunks.append(ChunkInput(
            track, sequence.positions[at], None if body is None else body.positions[at], presence,
            sequence.confidence[at], up, sequence.skeleton, sequence.rate, sequence.unit, origin,
            None if origin is None else recorded[at],
        ))  # fmt: skip
    return chunks


def assemble_sequence(header: Header, decoded: Iterable[tuple[Track, DecodedChunk]], size: int) -> PoseSequence:
    """The mirror of `split_sequence`: chunks at their places, which may reach beyond; what none covers is missing.

    Memory is taken as chunks need it, and for what none covers as the `size` of the file justifies it. Raises CorruptError,
    and InputError where it is more than is allowed.
    """
    _check_bare(header, header.bare, usual_dtype(header), size)
    covered = np.zeros((header.frames, len(header.ids)), bool)
    positions = confidence = None
    for place, chunk in decoded:
        if positions is None or confidence is None:
            _check_bare(header, header.bare, chunk.positions.dtype, size)
            positions, confidence = _make_room(header, chunk.positions.dtype)
        if chunk.positions.dtype != positions.dtype:
            raise CorruptError("the file holds both float32 and float64; get the file again")
        start, stop = max(place.start, 0), min(place.start + place.length, header.frames)
        there, own = slice(start, stop), slice(start - place.start, stop - place.start)
        positions[there, place.person], confidence[there, place.person] = chunk.positions[own], chunk.confidence[own]
        covered[there, place.person] = True
    if positions is None or confidence is None:
        positions, confidence = _make_room(header, usual_dtype(header))
    _check_bare(header, int(covered.size - covered.sum()), positions.dtype, size)
    positions[~covered] = np.nan
    positions.setflags(write=False)  # as is `confidence`, so that the sequence takes them without copies
    confidence.setflags(write=False)
    try:
        return PoseSequence(
            positions, confidence, header.skeleton, header.fps, header.timestamps, header.unit, header.up,
            header.ids, header.metadata,
        )  # fmt: skip
    except InputError as error:
        raise CorruptError(f"the file holds what no recording can: {error}; get the file again") from error


def usual_dtype(header: Header) -> np.dtype[Any]:
    """Of positions as all chunks but exact ones give them."""
    return np.dtype(np.float32 if header.origin is None else np.float64)


def measure_pose(header: Header, dtype: np.dtype[Any]) -> int:
    """Bytes of a person's positions and confidences in one frame."""
    return len(header.skeleton) * (header.dims * dtype.itemsize + np.dtype(np.float32).itemsize)


def _make_room(header: Header, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Positions, which are not there before they are written, and confidences of 0. Raises InputError."""
    shape = (header.frames, len(header.ids), len(header.skeleton))
    needed = shape[0] * shape[1] * measure_pose(header, dtype)
    check_memory(needed, f"{shape[2]} keypoints of {shape[1]} people in {shape[0]} frames")
    return np.empty((*shape, header.dims), dtype), np.zeros(shape, np.float32)


def _check_bare(header: Header, poses: int, dtype: np.dtype[Any], size: int) -> None:
    """Raises CorruptError where a file of `size` bytes does not justify so many poses that no chunk tells of."""
    what = f"{header.frames} frames of {len(header.ids)} people, hardly ever there,"
    check_justified(poses * measure_pose(header, dtype), size, what, CorruptError)


@dataclass(frozen=True)
class Candidate:
    """A trial encode: the bytes, and the sum and the largest of its keypoints' errors as the decoder will have them."""

    chunk: Chunk
    total_error: float
    max_error: float

    @property
    def size(self) -> int:
        """Bytes that it takes in a file."""
        return self.chunk.size

    @staticmethod
    def measure(chunk: Chunk, source: ChunkInput, pose: Floats) -> Candidate:
        """With the errors of a source's keypoints that are decoded as `pose` (T, K, D)."""
        lengths = measure_lengths(source.measure_errors(pose))[source.presence.mask]
        return Candidate(chunk, float(lengths.sum()), float(lengths.max(initial=0.0)))


@dataclass(frozen=True)
class ChunkContext:
    """What a decoder knows of a chunk before it reads its bytes. up: axis that was used for coding. names_bodies: whether
    chunks in parts say by which trained body."""

    frames: int
    skeleton: Skeleton
    dims: int
    up: str
    rate: float
    unit: str
    origin: Floats | None = None
    names_bodies: bool = False

    @staticmethod
    def from_header(header: Header, frames: int) -> ChunkContext:
        """Of a chunk of so many frames in a file with this header."""
        origin = None if header.origin is None else np.array(header.origin)
        return ChunkContext(
            frames, header.skeleton, header.dims, header.coded_up, header.rate, header.unit, origin, header.names_bodies
        )

    def with_skeleton(self, skeleton: Skeleton) -> ChunkContext:
        """The same of other keypoints."""
        return replace(self, skeleton=skeleton)


@dataclass(frozen=True, eq=False)
class DecodedChunk:
    """positions: (T, K, D), NaN where missing. confidence: (T, K)."""

    positions: NDArray[np.floating]
    confidence: NDArray[np.float32]

    @staticmethod
    def from_pose(pose: Floats, presence: Presence, context: ChunkContext) -> DecodedChunk:
        """Of keypoints (T, K, D) as coded, none missing, and what is there."""
        positions = to_recorded(pose, context.origin)
        missing = np.array(np.nan, positions.dtype)
        return DecodedChunk(np.where(presence.mask[..., None], positions, missing), presence.dequantize())


def to_recorded(pose: Floats, origin: Floats | None) -> NDArray[np.floating]:
    """Keypoints (..., D) as the decoder gives them: float32, infinite where that is too far out; with an origin float64."""
    if origin is not None:
        return np.asarray(pose + origin)
    with np.errstate(over="ignore"):
        return pose.astype(np.float32)
