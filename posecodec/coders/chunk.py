"""One chunk of one person as bytes: transform-coded, refining tokens, in parts, or exact; and back.

Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.chunk_kind import KIND_BITS, ChunkKind
from posecodec.bitstream.header import Header, Track
from posecodec.bitstream.presence import Presence, read_presence, write_presence
from posecodec.coders.body_parts import PartsPlan, read_parts, write_parts
from posecodec.coders.transform.basis_choice import BasisChoice, choose_basis
from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.error_bound import bound_step, outlier_steps, read_corrections, write_corrections
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP, read_motion, write_motion
from posecodec.coders.transform.weights import TransformTables
from posecodec.entropy.floats import pack_floats, unpack_floats
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.quantization import qp_of_step
from posecodec.typing import Floats

QUALITY = 0.01
"""Mean error of the default quality, as a share of a person's height."""
HEIGHTS = 3.2
"""A standing body's height in root mean square distances of its keypoints from their center."""
BODY_INDEX = 100
"""Step of the default quality in the polar basis."""
SPREAD_OVER = {True: 6.0, False: 2.5}
"""Steps in a mean error, about, in the polar basis and in others: where searches begin."""


@dataclass(frozen=True, eq=False)
class Job:
    """A chunk to be coded: frames start.. of a track.

    points: (T, K, D) as recorded, NaN where missing. body: (T, 19, D) of coco19, or None where it does not have all of
    the recorded keypoints. up: axis used for coding. confidence: (T, K). rate: frames per second. unit: of the recording.
    """

    track: Track
    points: NDArray[np.floating]
    body: NDArray[np.float32] | None
    presence: Presence
    confidence: NDArray[np.float32]
    up: str
    skeleton: Skeleton
    rate: float
    unit: str

    @staticmethod
    def of(sequence: PoseSequence, body: PoseSequence | None, up: str, track: Track, start: int, length: int) -> Job:
        """The job of some frames of a track."""
        frames, person = slice(start, start + length), track.person
        confidence = sequence.confidence[frames, person]
        return Job(
            track, sequence.positions[frames, person], None if body is None else body.positions[frames, person],
            Presence.of(sequence.valid[frames, person], confidence), confidence, up, sequence.skeleton, sequence.rate,
            sequence.unit,
        )  # fmt: skip

    def plan(self, tables: TransformTables) -> BasisChoice:
        """The plan of the transform, made once."""
        if "_plan" not in self.__dict__:
            body = None if self.body is None else self.body.astype(np.float64)
            points = self.points.astype(np.float64)
            self.__dict__["_plan"] = choose_basis(points, body, self.skeleton, self.up, self.rate, tables, self.target)
        found: BasisChoice = self.__dict__["_plan"]
        return found

    def made(self, index: int, tables: TransformTables) -> Made:
        """The chunk by the transform at a step, made once: searches ask for the same step again."""
        kept = self.__dict__.setdefault("_made", {})
        if index not in kept:
            kept[index] = transformed(self, index, tables)
        found: Made = kept[index]
        return found

    def parts_plan(self, tables: TransformTables) -> PartsPlan | None:
        """The plan in parts, made once; None where there is no body with more around it, or what cannot be coded so."""
        if "_parts_plan" not in self.__dict__:
            points = self.points.astype(np.float64)
            try:
                found = PartsPlan.of(points, self.skeleton, self.up, self.rate, tables, self.target)
            except InputError:
                found = None
            self.__dict__["_parts_plan"] = found
        plan: PartsPlan | None = self.__dict__["_parts_plan"]
        return plan

    def made_in_parts(self, level: int, tables: TransformTables) -> Made:
        """The chunk in parts at a QP, made once."""
        kept = self.__dict__.setdefault("_made_in_parts", {})
        if level not in kept:
            kept[level] = in_parts(self, level, tables)
        found: Made = kept[level]
        return found

    def of_body(self, plan: PartsPlan) -> Job:
        """The job of the body alone, made once."""
        if "_of_body" not in self.__dict__:
            parts, points = plan.parts, plan.parts.of_coco19(self.points, self.skeleton)
            body = list(parts.body)
            self.__dict__["_of_body"] = Job(
                self.track, self.points[:, body], points.astype(np.float32),
                Presence(np.ascontiguousarray(self.presence.mask[:, body]), None, 1.0), self.confidence[:, body],
                self.up, parts.body_skeleton, self.rate, self.unit,
            )  # fmt: skip
        found: Job = self.__dict__["_of_body"]
        return found

    @cached_property
    def size(self) -> float:
        """Root mean square distance of keypoints from the center of their pose, or of the path where that is larger."""
        points = self.points.astype(np.float64)
        count = np.maximum(self.presence.mask.sum(axis=1), 1)
        center = np.nansum(points, axis=1) / count[:, None]
        extent = float(np.sqrt(np.nanmean(np.square(points - center[:, None]).sum(axis=2))))
        return extent or float(np.abs(np.diff(center, axis=0)).mean()) if len(points) > 1 else extent or 1.0

    def index_of(self, error: float, tables: TransformTables) -> int:
        """The step that gives about that mean error, in the recording's unit."""
        return self.index_at(qp_of_step(error * SPREAD_OVER[isinstance(self.plan(tables).basis, BoneBasis)]), tables)

    def index_at(self, level: int, tables: TransformTables) -> int:
        """The step of a QP in the recording's unit, which is the same for chunks of all scales."""
        return int(np.clip(level + qp_of_step(self.plan(tables).scale), FIRST_QP, LAST_QP))

    def level_of(self, index: int, tables: TransformTables) -> int:
        """The QP of a step of the plan's."""
        return index - qp_of_step(self.plan(tables).scale)

    @property
    def target(self) -> float:
        """The mean error of the default quality."""
        return QUALITY * HEIGHTS * (self.size or 1.0)

    def quality(self, tables: TransformTables) -> int:
        """The step that is expected to give the default quality."""
        return BODY_INDEX if isinstance(self.plan(tables).basis, BoneBasis) else self.index_of(self.target, tables)


@dataclass(frozen=True)
class Made:
    """A chunk's bytes, and its keypoints' errors as the decoder will have them: their sum and the largest."""

    data: bytes
    total: float
    worst: float


def transformed(
    job: Job, index: int, tables: TransformTables, bound: float | None = None, guide: Floats | None = None
) -> Made:
    """A chunk by the transform, corrected to a bound; with a guide, what refines it (see `write_motion`)."""
    encoder = RangeEncoder()
    if guide is None:
        write_presence(encoder, ChunkKind.TRANSFORM, job.presence)
    plan = job.plan(tables)
    return _made(encoder, job, write_motion(encoder, plan, index, tables.model, guide), bound)


def in_parts(
    job: Job,
    level: int,
    tables: TransformTables,
    bound: float | None = None,
    write_body: Callable[[RangeEncoder], Floats] | None = None,
) -> Made:
    """A chunk of a body and of what hangs on it at a QP for both, corrected to a bound.

    write_body: codes the body as tokens and returns what it decodes to.
    """
    plan, encoder = job.parts_plan(tables), RangeEncoder()
    assert plan is not None
    write_presence(encoder, ChunkKind.PARTS, job.presence, write_body is not None)
    return _made(encoder, job, write_parts(encoder, plan, level, tables.model, write_body), bound)


def _made(encoder: RangeEncoder, job: Job, pose: Floats, bound: float | None) -> Made:
    """The chunk of a pose that has been coded, corrected to a bound."""
    errors = job.points.astype(np.float64) - _single(pose)
    encoder.put_bits(int(bound is not None), 1)
    if bound is not None:
        tighter = _tightened(bound, job.points)
        moves = outlier_steps(job.points.astype(np.float64) - pose, tighter)
        _put_float(encoder, tighter)
        write_corrections(encoder, moves)
        errors = job.points.astype(np.float64) - _single(pose + moves * bound_step(tighter, pose.shape[2]))
    sizes = np.sqrt(np.square(errors).sum(axis=2))[job.presence.mask]
    return Made(encoder.finish(), float(sizes.sum()), float(sizes.max(initial=0.0)))


def _tightened(bound: float, points: NDArray[np.floating]) -> float:
    """A bound that leaves room for the rounding to float32 that follows, or the bound itself where there is none."""
    most = np.float32(np.nanmax(np.abs(points), initial=0.0))
    tighter = float(np.float32(bound - np.sqrt(points.shape[2]) / 2 * float(np.spacing(most))))
    return tighter if tighter > 0 else bound


def untransformed(
    data: bytes, header: Header, frames: int, tables: TransformTables, guide: Floats | None = None
) -> tuple[Floats, Presence | None]:
    """The mirror of `transformed`: keypoints (T, K, D), none missing, and what is there. Raises CorruptError."""
    decoder, count = RangeDecoder(data), len(header.skeleton)
    presence = read_presence(decoder, frames, count) if guide is None else None
    rate = header.rate
    pose = read_motion(decoder, frames, header.skeleton, header.dims, header.coded_up, rate, tables, guide)
    return _corrected(decoder, pose), presence


def from_parts(
    data: bytes,
    header: Header,
    frames: int,
    tables: TransformTables,
    read_body: Callable[[RangeDecoder, Skeleton], Floats] | None = None,
) -> tuple[Floats, Presence]:
    """The mirror of `in_parts`. read_body: decodes a body of tokens, by its skeleton. Raises CorruptError."""
    decoder, skeleton, dims = RangeDecoder(data), header.skeleton, header.dims
    presence = read_presence(decoder, frames, len(skeleton))
    pose = read_parts(decoder, frames, skeleton, dims, header.coded_up, header.rate, tables, read_body)
    return _corrected(decoder, pose), presence


def _corrected(decoder: RangeDecoder, pose: Floats) -> Floats:
    """What was decoded, with the corrections that follow, up to the end."""
    if decoder.get_bits(1):
        bound = _get_float(decoder)
        pose = pose + read_corrections(decoder, *pose.shape) * bound_step(bound, pose.shape[2])
    decoder.finish()
    return pose


def recorded(pose: Floats, skeleton: Skeleton) -> Floats:
    """The recorded keypoints of a body of coco19, by name."""
    return pose[:, [COCO19.keypoints.index(name) for name in skeleton.keypoints]]


def _single(pose: Floats) -> Floats:
    """As the decoder gives it: float32."""
    with np.errstate(over="ignore"):
        return pose.astype(np.float32).astype(np.float64)


def _put_float(encoder: RangeEncoder, value: float) -> None:
    bits = int(np.float32(value).view(np.uint32))
    encoder.put_bits(bits >> 16, 16)
    encoder.put_bits(bits & 0xFFFF, 16)


def _get_float(decoder: RangeDecoder) -> float:
    value = float(np.uint32(decoder.get_bits(16) << 16 | decoder.get_bits(16)).view(np.float32))
    if not (np.isfinite(value) and value > 0):
        raise CorruptError(f"a bound of {value}; get the file again")
    return value


WIDE, UNSURE = 1, 2
LENGTH_BYTES = 4


def exact(job: Job) -> bytes:
    """A chunk with every bit of its positions and confidences."""
    wide = job.points.dtype == np.float64
    surely = job.confidence.tobytes() == job.presence.mask.astype(np.float32).tobytes()
    positions = pack_floats(np.ascontiguousarray(job.points))
    head = ChunkKind.LOSSLESS << 8 - KIND_BITS | (WIDE if wide else 0) | (0 if surely else UNSURE)
    confidence = b"" if surely else pack_floats(np.ascontiguousarray(job.confidence))
    return bytes([head]) + len(positions).to_bytes(LENGTH_BYTES, "little") + positions + confidence


def exact_dtype(data: bytes) -> np.dtype[np.floating]:
    """The type of an exact chunk's positions."""
    return np.dtype(np.float64 if data[0] & WIDE else np.float32)


def inexact(data: bytes, header: Header, frames: int) -> tuple[NDArray[np.floating], NDArray[np.float32]]:
    """The mirror of `exact`: positions (T, K, D) and confidences (T, K). Raises CorruptError."""
    shape = (frames, len(header.skeleton), header.dims)
    end = 1 + LENGTH_BYTES + int.from_bytes(data[1 : 1 + LENGTH_BYTES], "little")
    if end > len(data) or data[0] & ~(WIDE | UNSURE) != ChunkKind.LOSSLESS << 8 - KIND_BITS:
        raise CorruptError("an exact chunk that is cut short; get the file again")
    positions = unpack_floats(data[1 + LENGTH_BYTES : end], shape, exact_dtype(data))
    if data[0] & UNSURE:
        confidence: NDArray[np.float32] = unpack_floats(data[end:], shape[:2], np.dtype(np.float32))
        return positions, confidence
    return positions, np.asarray(~np.isnan(positions).any(axis=2), np.float32)
