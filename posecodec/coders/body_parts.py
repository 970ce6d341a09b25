"""Chunks in two parts: a body inside a larger skeleton, and what hangs on it.

The body is coded by whichever of two coders suits it, and the others by a graph of their own, as seen from keypoints of the
decoded body. Which keypoints are which is `body_split`'s; docs/bitstream.md specifies the chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from posecodec.bitstream.chunk_kind import ChunkKind, has_windows_body
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.exp_golomb import put_raw
from posecodec.bitstream.presence import Presence, read_presence
from posecodec.coders.body_split import BodySplit, anchor_fields, choose_anchors, read_anchors
from posecodec.coders.chunk import Candidate, ChunkContext, ChunkInput, DecodedChunk
from posecodec.coders.transform.basis_choice import PRICED_FRAMES, BasisChoice, choose_basis, offer_graphs
from posecodec.coders.transform.block_coder import RD_LAMBDA
from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.coder import TransformCoder
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP, write_motion
from posecodec.coders.windows.coder import WindowsCoder
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.kinematics.gap_filling import fill_from_centroid
from posecodec.pose.skeleton import Skeleton, missing_for
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
        for value, bits in anchor_fields(plan.split, plan.anchors):
            put_raw(encoder, value, bits)
        if windows_qp is not None:
            body = self.windows.write(encoder, self.body_chunk(chunk), windows_qp)
        else:
            body = self._write_part(encoder, choose_cheapest(plan.bodies, qp), qp)
        held = body[:, plan.anchors]
        basis = choose_cheapest(plan.rests, qp)
        around = fill_from_centroid(plan.points[:, plan.split.rest] - held)
        rest = self._write_part(encoder, replace(basis, channels=basis.basis.forward(around * basis.scale)), qp)
        return self.transform.write_end(encoder, chunk, plan.split.join(body, rest + held), max_error)

    def decode(self, chunk: Chunk, context: ChunkContext) -> DecodedChunk:
        """The mirror of `encode`. Raises CorruptError."""
        split, decoder = BodySplit.from_skeleton(context.skeleton), RangeDecoder(chunk.base)
        presence = read_presence(decoder, context.frames, len(context.skeleton))
        if split is None:
            raise CorruptError(f"a chunk of a body and more in a file of {context.skeleton.name!r}; get the file again")
        anchors = read_anchors(decoder, split)
        coder = self.windows if has_windows_body(chunk.base) else self.transform
        body = coder.read(decoder, context.with_skeleton(split.body_skeleton))
        rest = self.transform.read(decoder, context.with_skeleton(split.rest_skeleton))
        with np.errstate(all="ignore"):
            pose = split.join(body, rest + body[:, anchors])
        return DecodedChunk.from_pose(self.transform.read_end(decoder, pose), presence, context)

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
        split, points = BodySplit.from_skeleton(chunk.skeleton), chunk.points.astype(np.float64)
        if split is None or any(np.isnan(points[:, part]).all() for part in (split.body, split.rest)):
            return None
        seen, body = points[:, split.body], split.to_coco19(points, chunk.skeleton)
        known = chunk.up, chunk.rate, self.transform.tables, chunk.default_error
        try:
            first = choose_basis(seen, body, split.body_skeleton, *known)
            bodies = (first,) if isinstance(first.basis, BoneBasis) else offer_graphs(seen, split.body_skeleton)
            anchors = choose_anchors(split, points)
            around = points[:, split.rest] - first.reconstruct(first.channels)[:, anchors]
            rests = offer_graphs(around, split.rest_skeleton)
        except InputError:
            return None
        return BodyPartsPlan(split, points, anchors, tuple(bodies), tuple(rests))

    def _write_part(self, encoder: RangeEncoder, basis: BasisChoice, qp: int) -> Floats:
        return write_motion(encoder, basis, _qp_in_basis(qp, basis), self.transform.tables.model)


def _cut_body(chunk: ChunkInput, split: BodySplit) -> ChunkInput:
    places = list(split.body)
    mask = np.ascontiguousarray(chunk.presence.mask[:, places])
    return ChunkInput(
        chunk.track, chunk.points[:, places], split.to_coco19(chunk.points, chunk.skeleton).astype(chunk.points.dtype),
        Presence(mask, None, 1.0), chunk.confidence[:, places], chunk.up, split.body_skeleton, chunk.rate, chunk.unit,
        chunk.origin, None if chunk.recorded is None else chunk.recorded[:, places],
    )  # fmt: skip


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
