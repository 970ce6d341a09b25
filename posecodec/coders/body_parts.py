"""A body inside a larger skeleton: which keypoints are the body's, and where the others hang on it.

The body is coded on its own, by whatever codes bodies best, and the others by a graph of their own, as seen from keypoints
of the decoded body. The mirrored pair is `write_parts` and `read_parts`; docs/bitstream.md specifies it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import Field, get_raw, put_raw
from posecodec.coders.transform.basis_choice import PRICED_FRAMES, BasisChoice, choose_basis, offer_graphs
from posecodec.coders.transform.block_coder import RD_LAMBDA
from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.coefficient_model import CoefficientModel
from posecodec.coders.transform.stream import FIRST_QP, LAST_QP, read_motion, write_motion
from posecodec.coders.transform.weights import TransformTables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kinematics.gap_filling import fill_from_centroid
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.dct import dct
from posecodec.signal.quantization import qp_of_step, step_of_qp
from posecodec.typing import Floats

LEAST_BODY = 2
"""Keypoints that make a body."""
MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
"""Keypoints of coco19 that two others stand for where nobody recorded them."""
GUESSED, EVENLY = 1.44, 1 / 12
"""Times its power in steps that a coefficient's bits are guessed by; the error of one that is coded, in steps squared."""
HOLD = 1.25
"""Times the least spread up to which a loose keypoint hangs where the one before it does."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A skeleton in two. body, rest: its keypoints that are the body's, and the others, both in its order.

    body_skeleton: with the names of coco19. rest_skeleton: with what edges there are among the others. anchors: for
    every other keypoint the place among `body` of the keypoint that it hangs on, None where no edges lead to one.
    """

    body: tuple[int, ...]
    rest: tuple[int, ...]
    body_skeleton: Skeleton
    rest_skeleton: Skeleton
    anchors: tuple[int | None, ...]

    @staticmethod
    @lru_cache(maxsize=16)
    def of(skeleton: Skeleton) -> Parts | None:
        """The parts of a skeleton; None where there is no body, or nothing else."""
        found: dict[str, int] = {}
        for k, name in enumerate(skeleton.keypoints):
            found.setdefault(plain_name(name), k)
        body = tuple(sorted(k for name, k in found.items() if name in COCO19.keypoints))
        rest = tuple(k for k in range(len(skeleton)) if k not in body)
        if len(body) < LEAST_BODY or not rest:
            return None
        names = tuple(plain_name(skeleton.keypoints[k]) for k in body)
        near = _nearest(skeleton, body)
        return Parts(
            body, rest, Skeleton("body", names, _within(skeleton, body)),
            Skeleton("rest", tuple(str(k) for k in rest), _within(skeleton, rest)),
            tuple(near.get(k) for k in rest),
        )  # fmt: skip

    @property
    def loose(self) -> tuple[int, ...]:
        """Places among `rest` of keypoints that no edges join to the body."""
        return tuple(i for i, anchor in enumerate(self.anchors) if anchor is None)

    def of_coco19(self, points: NDArray[np.floating], skeleton: Skeleton) -> Floats:
        """(T, 19, D) of recorded keypoints (T, K, D), NaN where missing; what is not recorded by the documented mapping."""
        whole = np.full((len(points), len(COCO19), points.shape[2]), np.nan)
        for name, k in zip(self.body_skeleton.keypoints, self.body, strict=True):
            whole[:, COCO19.keypoints.index(name)] = points[:, k]
        known = set(self.body_skeleton.keypoints)
        for name, sources in (*skeleton.to_coco19.items(), *MIDDLES.items()):
            if name in known:
                continue
            if all(source in skeleton.keypoints for source in sources):
                places = [skeleton.keypoints.index(source) for source in sources]
                whole[:, COCO19.keypoints.index(name)] = points[:, places].mean(axis=1)
            elif all(source in known for source in sources):
                places = [COCO19.keypoints.index(source) for source in sources]
                whole[:, COCO19.keypoints.index(name)] = whole[:, places].mean(axis=1)
        return whole


def plain_name(name: str) -> str:
    """A keypoint's name as coco19 spells it: pose/NOSE is nose, pose/RShoulder and RightShoulder are right_shoulder."""
    name = name.rpartition("/")[2]
    if name.isupper():
        return name.lower()
    name = re.sub(r"^([LR])(?=[A-Z])", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _nearest(skeleton: Skeleton, body: tuple[int, ...]) -> dict[int, int]:
    """For every keypoint that edges join to the body, the place of the nearest one of it: breadth first, all at once."""
    beside: dict[int, list[int]] = {k: [] for k in range(len(skeleton))}
    for a, b in skeleton.edges:
        beside[a].append(b)
        beside[b].append(a)
    near, queue = {k: place for place, k in enumerate(body)}, deque(body)
    while queue:
        at = queue.popleft()
        for k in beside[at]:
            if k not in near:
                near[k] = near[at]
                queue.append(k)
    return near


def _within(skeleton: Skeleton, kept: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Edges among some keypoints, by their places among them."""
    place = {k: i for i, k in enumerate(kept)}
    return tuple((place[a], place[b]) for a, b in skeleton.edges if a in place and b in place)


@dataclass(frozen=True, eq=False)
class PartsPlan:
    """How a stretch will be coded in parts.

    points: (T, K, D) as recorded, NaN where missing. anchors: for every keypoint of the rest a place among the body's.
    bodies, rests: plans to choose from at each step; those of the rest are of the body as recorded.
    """

    parts: Parts
    points: Floats
    anchors: tuple[int, ...]
    bodies: tuple[BasisChoice, ...]
    rests: tuple[BasisChoice, ...]

    @staticmethod
    def of(
        points: Floats, skeleton: Skeleton, up: str, rate: float, tables: TransformTables, error: float
    ) -> PartsPlan | None:
        """The plan for (T, K, D), NaN where missing; None where there are no two parts to be seen.

        error: about what will be asked for. Raises InputError where coordinates are too far from 0.
        """
        parts = Parts.of(skeleton)
        if parts is None or any(np.isnan(points[:, part]).all() for part in (parts.body, parts.rest)):
            return None
        seen, body = points[:, parts.body], parts.of_coco19(points, skeleton)
        first = choose_basis(seen, body, parts.body_skeleton, up, rate, tables, error)
        bodies = (first,) if isinstance(first.basis, BoneBasis) else offer_graphs(seen, parts.body_skeleton)
        anchors = _anchors(parts, points)
        around = points[:, parts.rest] - first.reconstruct(first.channels)[:, anchors]
        return PartsPlan(parts, points, anchors, tuple(bodies), tuple(offer_graphs(around, parts.rest_skeleton)))

    def anchor_fields(self) -> tuple[Field, ...]:
        """The anchors of what is loose, in runs."""
        loose = self.parts.loose
        bits, fields, start = _bits_of(len(self.parts.body)), [], 0
        while start < len(loose):
            anchor, end = self.anchors[loose[start]], start
            while end < len(loose) and self.anchors[loose[end]] == anchor:
                end += 1
            fields += [(anchor, bits), (end - start - 1, _bits_of(len(loose)))]
            start = end
        return tuple(fields)


def write_parts(
    encoder: RangeEncoder,
    plan: PartsPlan,
    level: int,
    model: CoefficientModel,
    write_body: Callable[[RangeEncoder], Floats] | None = None,
) -> Floats:
    """Code a plan with the step 2 ** (level / 16), in the recording's unit; the pose (T, K, D) that the decoder will have.

    write_body: codes the body in another way and returns it, (T, its keypoints, D). Raises TooFineError.
    """
    parts = plan.parts
    for value, bits in plan.anchor_fields():
        put_raw(encoder, value, bits)
    body = write_body(encoder) if write_body else _write_plan(encoder, _least(plan.bodies, level), level, model)
    held = body[:, plan.anchors]
    least = _least(plan.rests, level)
    around = fill_from_centroid(plan.points[:, parts.rest] - held)
    rest = _write_plan(encoder, replace(least, channels=least.basis.forward(around * least.scale)), level, model)
    return _joined(parts, body, rest + held)


def read_parts(
    decoder: RangeDecoder, frames: int, skeleton: Skeleton, dims: int, up: str, rate: float, tables: TransformTables,
    read_body: Callable[[RangeDecoder, Skeleton], Floats] | None = None,
) -> Floats:  # fmt: skip
    """The mirror of `write_parts`: (T, K, D) as recorded. Raises CorruptError."""
    parts = Parts.of(skeleton)
    if parts is None:
        raise CorruptError(f"a chunk of a body and more in a file of {skeleton.name!r}; get the file again")
    anchors = _read_anchors(decoder, parts)
    if read_body:
        body = read_body(decoder, parts.body_skeleton)
    else:
        body = read_motion(decoder, frames, parts.body_skeleton, dims, up, rate, tables)
    rest = read_motion(decoder, frames, parts.rest_skeleton, dims, up, rate, tables)
    with np.errstate(all="ignore"):
        return _joined(parts, body, rest + body[:, anchors])


def index_at(level: int, plan: BasisChoice) -> int:
    """The index of a step in a plan's channels for one in the recording's unit."""
    return int(np.clip(level + qp_of_step(plan.scale), FIRST_QP, LAST_QP))


def _write_plan(encoder: RangeEncoder, plan: BasisChoice, level: int, model: CoefficientModel) -> Floats:
    return write_motion(encoder, plan, index_at(level, plan), model)


def _least(plans: Sequence[BasisChoice], level: int) -> BasisChoice:
    """The plan that costs least at a step, about, in bits and in error."""
    return plans[0] if len(plans) == 1 else min(plans, key=lambda plan: _cost(plan, step_of_qp(index_at(level, plan))))


def _cost(plan: BasisChoice, step: float) -> float:
    """Bits of a plan at a step, about, with what its error would take in bits."""
    first = plan.channels[:PRICED_FRAMES]
    power = np.square(dct(len(first)) @ first / step)
    bits = 0.5 * np.log2(1 + GUESSED * power) + np.minimum(power, EVENLY) / RD_LAMBDA
    return float(bits.sum()) * len(plan.channels) / len(first) + sum(bits for _, bits in plan.fields)


def _joined(parts: Parts, body: Floats, rest: Floats) -> Floats:
    pose = np.empty((len(body), len(parts.body) + len(parts.rest), body.shape[2]))
    pose[:, parts.body], pose[:, parts.rest] = body, rest
    return pose


def _anchors(parts: Parts, points: Floats) -> tuple[int, ...]:
    """Anchors of the rest of (T, K, D): by edges, and of what is loose the keypoint that it moves with.

    Loose keypoints that edges join hang together, and rather where the ones before them do.
    """
    anchors = list(parts.anchors)
    last = 0
    for group in _groups(parts):
        spread = _spread(points[:, [parts.rest[i] for i in group]], points[:, parts.body])
        best = int(np.argmin(spread))
        last = last if spread[last] <= HOLD * spread[best] and np.isfinite(spread[last]) else best
        for i in group:
            anchors[i] = last
    return tuple(anchor or 0 for anchor in anchors)


def _groups(parts: Parts) -> list[list[int]]:
    """Loose keypoints, as places among the rest, in groups that edges join."""
    group = list(range(len(parts.rest)))
    for a, b in parts.rest_skeleton.edges:
        old, new = max(group[a], group[b]), min(group[a], group[b])
        group = [new if g == old else g for g in group]
    return [[i for i in parts.loose if group[i] == g] for g in dict.fromkeys(group[i] for i in parts.loose)]


def _spread(group: Floats, body: Floats) -> Floats:
    """How much a group (T, G, D) moves against each keypoint of a body (T, B, D); infinite where never seen together."""
    count = np.maximum((~np.isnan(group[..., 0])).sum(axis=1), 1)
    middle = np.where(np.isnan(group[..., :1]).all(axis=1), np.nan, np.nansum(group, axis=1) / count[:, None])
    apart = middle[:, None] - body
    seen = ~np.isnan(apart[..., 0])
    mean = np.where(seen[..., None], apart, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)[:, None]
    moved = np.where(seen, np.square(apart - mean).sum(axis=2), 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen.any(axis=0), moved, np.inf)


def _read_anchors(decoder: RangeDecoder, parts: Parts) -> list[int]:
    """All anchors. Raises CorruptError."""
    anchors, loose = list(parts.anchors), parts.loose
    start = 0
    while start < len(loose):
        anchor = get_raw(decoder, _bits_of(len(parts.body)))
        end = start + get_raw(decoder, _bits_of(len(loose))) + 1
        if anchor >= len(parts.body) or end > len(loose):
            raise CorruptError("keypoints that hang on none of the body; get the file again")
        for i in loose[start:end]:
            anchors[i] = anchor
        start = end
    return [anchor or 0 for anchor in anchors]


def _bits_of(count: int) -> int:
    """Raw bits of a number below a count."""
    return (count - 1).bit_length()
