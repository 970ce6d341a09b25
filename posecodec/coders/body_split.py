"""Which keypoints of a larger skeleton are a body's, and where the others hang on it. How both are coded is `body_parts`'."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import Field, get_raw
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.errors import CorruptError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

MIN_BODY = 2  # Keypoints that make a body
MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
"""Keypoints of coco19 that two others stand for where nobody recorded them."""
SAME_ANCHOR = 1.25  # Times the least spread up to which a loose keypoint hangs where the one before it does: cheap runs


@dataclass(frozen=True, eq=False)
class BodySplit:
    """A skeleton in two. body, rest: its keypoints that are the body's, and the others, both in its order.

    body_skeleton: with the names of a trained body, whose number it is. rest_skeleton: with what edges there are among the
    others. anchors: for every other keypoint the place among `body` of the keypoint that it hangs on, None where no edges
    lead to one.
    """

    body: tuple[int, ...]
    rest: tuple[int, ...]
    body_skeleton: Skeleton
    rest_skeleton: Skeleton
    anchors: tuple[int | None, ...]
    number: int = 0

    @staticmethod
    @lru_cache(maxsize=64)
    def from_skeleton(skeleton: Skeleton, trained: Skeleton = COCO19, number: int = 0) -> BodySplit | None:
        """The parts of a skeleton by the names of a trained body; None where there is no body, or nothing else."""
        found: dict[str, int] = {}
        for k, name in enumerate(skeleton.keypoints):
            found.setdefault(normalize_name(name), k)
        body = tuple(sorted(k for name, k in found.items() if name in trained.keypoints))
        rest = tuple(k for k in range(len(skeleton)) if k not in body)
        if len(body) < MIN_BODY or not rest:
            return None
        names = tuple(normalize_name(skeleton.keypoints[k]) for k in body)
        near = _find_nearest(skeleton, body)
        return BodySplit(
            body, rest, Skeleton("body", names, _edges_among(skeleton, body)),
            Skeleton("rest", tuple(str(k) for k in rest), _edges_among(skeleton, rest)),
            tuple(near.get(k) for k in rest), number,
        )  # fmt: skip

    @property
    def loose(self) -> tuple[int, ...]:
        """Places among `rest` of keypoints that no edges join to the body."""
        return tuple(i for i, anchor in enumerate(self.anchors) if anchor is None)

    def join(self, body: Floats, rest: Floats) -> Floats:
        """Keypoints (T, K, D) in the skeleton's order, of those of both parts."""
        pose = np.empty((len(body), len(self.body) + len(self.rest), body.shape[2]))
        pose[:, self.body], pose[:, self.rest] = body, rest
        return pose

    def to_coco19(self, points: NDArray[np.floating], skeleton: Skeleton) -> Floats:
        """(T, 19, D) of recorded keypoints (T, K, D), NaN where missing; what is not recorded by the documented mapping."""
        whole = np.full((len(points), len(COCO19), points.shape[2]), np.nan)
        for name, k in zip(self.body_skeleton.keypoints, self.body, strict=True):
            if name in COCO19.keypoints:
                whole[:, COCO19.keypoints.index(name)] = points[:, k]
        known, names = self.body_skeleton.keypoints, skeleton.keypoints
        for name, sources in (*skeleton.to_coco19.items(), *MIDDLES.items()):
            if name not in known and all(source in names for source in sources):
                middle = points[:, [names.index(source) for source in sources]].mean(axis=1)
            elif name not in known and all(source in known for source in sources):
                middle = whole[:, [COCO19.keypoints.index(source) for source in sources]].mean(axis=1)
            else:
                continue
            whole[:, COCO19.keypoints.index(name)] = middle
        return whole


def choose_split(skeleton: Skeleton, trained: Sequence[Skeleton]) -> BodySplit | None:
    """The parts of a skeleton by the trained body that has most of its keypoints; by the first where no other has more, or
    one has all of them.
    """
    plain = {normalize_name(name) for name in skeleton.keypoints}
    if any(plain <= set(body.keypoints) for body in trained):
        return BodySplit.from_skeleton(skeleton, trained[0])
    splits = (BodySplit.from_skeleton(skeleton, body, number) for number, body in enumerate(trained))
    return max((split for split in splits if split), key=lambda split: len(split.body), default=None)


def normalize_name(name: str) -> str:
    """A keypoint's name as coco19 spells it: pose/NOSE is nose, pose/RShoulder and RightShoulder are right_shoulder."""
    name = name.rpartition("/")[2]
    if name.isupper():
        return name.lower()
    name = re.sub(r"^([LR])(?=[A-Z])", lambda side: {"L": "Left", "R": "Right"}[side[1]], name)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _find_nearest(skeleton: Skeleton, body: tuple[int, ...]) -> dict[int, int]:
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


def _edges_among(skeleton: Skeleton, kept: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Edges among some keypoints, by their places among them."""
    place = {k: i for i, k in enumerate(kept)}
    return tuple((place[a], place[b]) for a, b in skeleton.edges if a in place and b in place)


def anchor_fields(split: BodySplit, anchors: tuple[int, ...]) -> tuple[Field, ...]:
    """The anchors of what is loose, in runs, as (value, bits)."""
    fields: list[Field] = []
    for anchor, run in itertools.groupby(anchors[i] for i in split.loose):
        fields += [(anchor, _count_bits(len(split.body))), (len(list(run)) - 1, _count_bits(len(split.loose)))]
    return tuple(fields)


def read_anchors(decoder: RangeDecoder, split: BodySplit) -> list[int]:
    """The mirror of `anchor_fields`, with the anchors that edges lead to. Raises CorruptError."""
    anchors, loose, start = list(split.anchors), split.loose, 0
    while start < len(loose):
        anchor = get_raw(decoder, _count_bits(len(split.body)))
        end = start + get_raw(decoder, _count_bits(len(loose))) + 1
        if anchor >= len(split.body) or end > len(loose):
            raise CorruptError("keypoints that hang on none of the body; get the file again")
        for i in loose[start:end]:
            anchors[i] = anchor
        start = end
    return [anchor or 0 for anchor in anchors]


def choose_anchors(split: BodySplit, points: Floats) -> tuple[int, ...]:
    """Anchors of the rest of (T, K, D): by edges, and of what is loose the keypoint that it moves with.

    Loose keypoints that edges join hang together, and rather where the ones before them do.
    """
    anchors, last = list(split.anchors), 0
    for group in _group_loose(split):
        spread = _measure_spread(points[:, [split.rest[i] for i in group]], points[:, split.body])
        best = int(np.argmin(spread))
        last = last if spread[last] <= SAME_ANCHOR * spread[best] and np.isfinite(spread[last]) else best
        for i in group:
            anchors[i] = last
    return tuple(anchor or 0 for anchor in anchors)


def _group_loose(split: BodySplit) -> list[list[int]]:
    """Loose keypoints, as places among the rest, in groups that edges join."""
    group = list(range(len(split.rest)))
    for a, b in split.rest_skeleton.edges:
        old, new = max(group[a], group[b]), min(group[a], group[b])
        group = [new if g == old else g for g in group]
    return [[i for i in split.loose if group[i] == g] for g in dict.fromkeys(group[i] for i in split.loose)]


def _measure_spread(group: Floats, body: Floats) -> Floats:
    """How much a group (T, G, D) moves against each keypoint of a body (T, B, D); infinite where never seen together."""
    count = np.maximum((~np.isnan(group[..., 0])).sum(axis=1), 1)
    middle = np.where(np.isnan(group[..., :1]).all(axis=1), np.nan, np.nansum(group, axis=1) / count[:, None])
    apart = middle[:, None] - body
    seen = ~np.isnan(apart[..., 0])
    mean = np.where(seen[..., None], apart, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)[:, None]
    moved = np.where(seen, np.square(apart - mean).sum(axis=2), 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return np.where(seen.any(axis=0), moved, np.inf)


def _count_bits(count: int) -> int:
    """Raw bits of a number below a count."""
    return (count - 1).bit_length()
