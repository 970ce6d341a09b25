"""Chunks in two parts: a body inside a larger skeleton, and what hangs on it.

The body is coded by whichever of two coders suits it, and the others by a graph of their own, as seen from keypoints of the
decoded body. Which keypoints are which is `body_split`'s; docs/bitstream.md specifies the chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posecodec.bitstream.chunk_kind import ChunkKind, has_windows_body
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.exp_golomb import get_raw, put_raw
from posecodec.bitstream.presence import Presence, read_presence
from posecodec.coders.body_split import BodySplit, anchor_fields, choose_anchors, choose_split, read_anchors
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.transform.basis_choice import PRICED_FRAMES, BasisChoice, choose_basis, offer_graphs
from posecodec.coders.transform.block_coder import RD_LAMBDA
from posecodec.coders.transform.bodies import BODY_BITS
from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.coder import TransformCoder
from posecodec.coders.transform.flat_basis import FlatBasis
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP, write_motion
from posecodec.coders.windows.coder import WindowsCoder
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.kinematics.gap_filling import fill_from_centroid
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.dct import dct
from posecodec.signal.quantization import MAX_QP, qp_of_step, step_of_qp
from posecodec.typing import Floats

GUESSED_POWER = 1.44  # Times its power, in squared steps, that a coefficient's bits are guessed by
CODED_ERROR = 1 / 12  # Squared steps that a coefficient is off by when it is coded: its rounding error is even


@dataclass(frozen=True, eq=False)
class BodyPartsPlan:
    """How a chunk will be coded in parts, which no step changes.

    points: (T, K, D) as recorded, NaN where missing. anchors: for every keypoint of the rest a place among the body's.
    bodies, rests: bases to choose from at each step; those of the rest are of the body as recorded.
    """

    split: BodySplit
    points: Floats
    anchors: tuple[int, ...]
    bodies: tuple[BasisChoice, ...]
    rests: tuple[BasisChoice, ...]


class BodyPartsCoder:
    """A body by the transform or as windows, the rest by the transform; both in one stream."""

    kind = ChunkKind.PARTS
    qp_range = range(-MAX_QP, MAX_QP + 1)  # in the recording's unit, for both parts

    def __init__(self, transform: TransformCoder, windows: WindowsCoder) -> None:
        self.transform, self.windows = transform, windows

    def supports(self, chunk: ChunkInput) -> bool:
        """Whether there is a body with more around it, near enough to 0."""
        return self._find_plan(chunk) is not None

    def covers(self, skeleton: Skeleton, dims: int) -> bool:
        """Whether weights of windows can code such keypoints, or a body among them. Raises WeightsError without weights."""
        body = self.windows.tables.body
        fits = not missing_for(skeleton, body.skeleton) or BodySplit.from_skeleton(skeleton) is not None
        return fits and dims == body.dims

    def encode(
        self, chunk: ChunkInput, qp: int, *, max_error: float | None = None, windows_qp: int | None = None
    ) -> Candidate:
        """The chunk at a step for both parts, corrected to a bound; remembered. Raises InputError where it is too fine.

        windows_qp: codes the body as windows, at a step of its own.
        """
        key = (self.kind, qp, max_error, windows_qp)
        return chunk.memo.recall(key, lambda: self._encode(chunk, qp, max_error, windows_qp))

    def _encode(self, chunk: ChunkInput, qp: int, max_error: float | None, windows_qp: int | None) -> Candidate:
        plan, encoder = self.plan(chunk), chunk.begin(self.kind, windows=windows_qp is not None)
        named = ((plan.split.number, BODY_BITS),) if plan.split.number else ()
        for value, bits in (*named, *anchor_fields(plan.split, plan.anchors)):
            put_raw(encoder, value, bits)
        if windows_qp is not None:
            body = self.windows.write(encoder, self.body_chunk(chunk), windows_qp)
        else:
            body = self._write_part(encoder, choose_cheapest(plan.bodies, qp), qp)
        held = body[:, plan.anchors]
        basis = choose_cheapest(plan.rests, qp)
        around = _fill_around(plan.points[:, plan.split.rest] - held)
        rest = self._write_part(encoder, replace(basis, channels=basis.basis.forward(around * basis.scale)), qp)
        return self.transform.write_end(encoder, chunk, plan.split.join(body, rest + held), max_error)

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        decoder = RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        number = get_raw(decoder, BODY_BITS) if context.names_bodies else 0
        trained = self._list_trained(context.dims)[number : number + 1]
        split = BodySplit.from_skeleton(context.skeleton, *trained, number) if trained else None
        in_windows = has_windows_body(chunk.base)
        if split is None or (in_windows and number):  # windows are of coco19
            raise CorruptError(f"a chunk of a body and more in a file of {context.skeleton.name!r}; get the file again")
        anchors = read_anchors(decoder, split)
        coder = self.windows if in_windows else self.transform
        body = coder.read(decoder, context.with_skeleton(split.body_skeleton))
        rest = self.transform.read(decoder, context.with_skeleton(split.rest_skeleton))
        with np.errstate(all="ignore"):
            pose = split.join(body, rest + body[:, anchors])
        return DecodedChunk.from_pose(self.transform.read_end(decoder, pose), presence, context)

    def find_split(self, skeleton: Skeleton, dims: int) -> BodySplit | None:
        """The parts in which a skeleton is coded; None where it is no body and more."""
        return choose_split(skeleton, self._list_trained(dims))

    def names_body(self, sequence: PoseSequence, chunks: Iterable[Chunk]) -> bool:
        """Whether chunks of a sequence say by which trained body they are in parts."""
        in_parts = any(chunk.kind == self.kind for chunk in chunks)
        split = self.find_split(sequence.skeleton, sequence.dims) if in_parts else None
        return split is not None and split.number > 0

    def _list_trained(self, dims: int) -> list[Skeleton]:
        """Bodies that chunks may name, by number; by that of coco19 a skeleton is parted without anything being learned."""
        return [COCO19, *(body.skeleton for body in self.transform.tables.list_bodies(dims)[1:])]

    def plan(self, chunk: ChunkInput) -> BodyPartsPlan:
        """The plan of a chunk that is supported."""
        plan = self._find_plan(chunk)
        assert plan is not None
        return plan

    def body_chunk(self, chunk: ChunkInput) -> ChunkInput:
        """The body alone, as a chunk of its own; remembered."""
        return chunk.memo.recall((self.kind, "body"), lambda: _cut_body(chunk, self.plan(chunk).split))

    def _find_plan(self, chunk: ChunkInput) -> BodyPartsPlan | None:
        return chunk.memo.recall((self.kind, "plan"), lambda: self._analyze(chunk))

    def _analyze(self, chunk: ChunkInput) -> BodyPartsPlan | None:
        """The plan; None where there are no two parts to be seen, or coordinates are too far from 0."""
        points = chunk.points.astype(np.float64)
        split = self.find_split(chunk.skeleton, points.shape[2])
        if split is None or np.isnan(points[:, split.body]).all():
            return None
        seen, body = points[:, split.body], split.to_coco19(points, chunk.skeleton)
        known = chunk.up, chunk.rate, self.transform.tables, chunk.default_error
        try:
            first = choose_basis(seen, body, split.body_skeleton, *known)
            bodies = [first] if isinstance(first.basis, BoneBasis) else offer_graphs(seen, split.body_skeleton)
            bodies += [first] if isinstance(first.basis, FlatBasis) else []
            anchors = choose_anchors(split, points)
            around = _fill_around(points[:, split.rest] - first.reconstruct(first.channels)[:, anchors])
            rests = offer_graphs(around, split.rest_skeleton)
        except InputError:
            return None
        return BodyPartsPlan(split, points, anchors, tuple(bodies), tuple(rests))

    def _write_part(self, encoder: RangeEncoder, basis: BasisChoice, qp: int) -> Floats:
        return write_motion(encoder, basis, _qp_in_basis(qp, basis), self.transform.tables.model)


def _cut_body(chunk: ChunkInput, split: BodySplit) -> ChunkInput:
    places = list(split.body)
    mask = np.ascontiguousarray(chunk.presence.mask[:, places])
    body = None if split.number else split.to_coco19(chunk.points, chunk.skeleton).astype(chunk.points.dtype)
    return ChunkInput(
        chunk.track, chunk.points[:, places], body,
        Presence(mask, None, 1.0), chunk.confidence[:, places], chunk.up, split.body_skeleton, chunk.rate, chunk.unit,
        chunk.origin, None if chunk.recorded is None else chunk.recorded[:, places],
    )  # fmt: skip


def _fill_around(around: Floats) -> Floats:
    """(T, K, D) less anchors without gaps; 0 where nobody ever saw any of it."""
    return np.zeros_like(around) if np.isnan(around).all() else fill_from_centroid(around)


def choose_cheapest(offered: Sequence[BasisChoice], qp: int) -> BasisChoice:
    """The basis that costs least at a QP in the recording's unit, about, in bits and in error."""
    if len(offered) == 1:
        return offered[0]
    return min(offered, key=lambda basis: _estimate_cost(basis, step_of_qp(_qp_in_basis(qp, basis))))


def _estimate_cost(basis: BasisChoice, step: float) -> float:
    """Bits of a basis at a step, about, with what its error would take in bits."""
    first = basis.channels[:PRICED_FRAMES]
    power = np.square(dct(len(first)) @ first / step)
    bits = 0.5 * np.log2(1 + GUESSED_POWER * power) + np.minimum(power, CODED_ERROR) / RD_LAMBDA
    return float(bits.sum()) * len(basis.channels) / len(first) + sum(bits for _, bits in basis.fields)


def _qp_in_basis(qp: int, basis: BasisChoice) -> int:
    """The QP in a basis of one in the recording's unit."""
    return int(np.clip(qp + qp_of_step(basis.scale), FIRST_QP, LAST_QP))
