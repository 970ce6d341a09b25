"""Bodies that something is learned of, and which of their keypoints a recording's are.

A recording whose keypoints are all among a body's by name needs to say nothing; any other says which of a body's each is.
The order of the bodies and of their keypoints is part of the bitstream: append, never change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import Field, get_raw
from posecodec.coders.transform.body_guess import guess_places
from posecodec.coders.transform.bone_basis import BoneTables
from posecodec.coders.transform.flat_basis import FlatTables
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, MEDIAPIPE33, map_coco19
from posecodec.typing import Floats, Ints

BODY_BITS = 4  # Of a body's number
MEDIAPIPE_EDGES = (
    ("mid_hip", "neck left_hip right_hip"), ("neck", "nose left_shoulder right_shoulder"),
    ("nose", "left_eye right_eye mouth_left mouth_right"),
    *((f"{side}_eye", f"{side}_ear {side}_eye_inner {side}_eye_outer") for side in ("left", "right")),
    *((f"{side}_{a}", " ".join(f"{side}_{b}" for b in ends.split())) for side in ("left", "right") for a, ends in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "pinky index thumb"), ("hip", "knee"), ("knee", "ankle"),
        ("ankle", "heel foot_index"),
    )),
)  # fmt: skip
"""From where, to which keypoints."""


def _add_middles(name: str, skeleton: Skeleton) -> Skeleton:
    """MediaPipe's keypoints with neck and middle of the hips, and as a tree."""
    names = (*skeleton.keypoints, "neck", "mid_hip")
    edges = tuple((names.index(a), names.index(b)) for a, ends in MEDIAPIPE_EDGES for b in ends.split())
    return Skeleton(name, names, edges, skeleton.pairs, names.index("mid_hip"))


TRAINED: Mapping[str, Skeleton] = {
    **{name: BUILT_IN[name] for name in ("coco19", "h36m17", "smpl22", "smpl24", "body25", "halpe26")},
    "mediapipe35": _add_middles("mediapipe35", MEDIAPIPE33),
    **{name: BUILT_IN[name] for name in ("mpii16", "kinect25", "kinect32")},
}
"""By name, in their order."""


@dataclass(frozen=True, eq=False, repr=False)
class TrainedBody:
    """What is learned of one body. prior: (2, C, BINS) of the channels of its basis, as `BlockCoder` takes it."""

    skeleton: Skeleton
    tables: BoneTables | FlatTables
    prior: Ints

    @property
    def lengths(self) -> Floats:
        """(K-1,) of its bones, as usual."""
        return self.tables.rest.lengths if isinstance(self.tables, BoneTables) else self.tables.lengths

    @cached_property
    def tree(self) -> BoneTree:
        """Bones from the root outwards."""
        return BoneTree.from_skeleton(self.skeleton)


@dataclass(frozen=True, eq=False, repr=False)
class BodyMatch:
    """How a recording's keypoints are a body's. places: which of its keypoints each is. fields: what a chunk says of it."""

    body: TrainedBody
    places: tuple[int, ...]
    fields: tuple[Field, ...] = ()

    def place(self, points: NDArray[np.floating]) -> Floats:
        """(T, J, D) of the body, NaN where nothing tells, of keypoints (T, K, D)."""
        names = self.body.skeleton.keypoints
        whole = np.full((len(points), len(names), points.shape[2]), np.nan)
        whole[:, self.places] = points
        known = [names[k] for k in self.places]
        for name, sources in map_coco19(known, {}).items():
            if name in names and name not in known:
                whole[:, names.index(name)] = whole[:, [names.index(source) for source in sources]].mean(axis=1)
        return whole


@lru_cache(maxsize=64)
def find_places(skeleton: Skeleton, body: Skeleton) -> tuple[int, ...] | None:
    """Which keypoints of a body a skeleton's are, by name; None where it has others."""
    index = {name: k for k, name in enumerate(body.keypoints)}
    places = tuple(index.get(name, -1) for name in skeleton.keypoints)
    return None if -1 in places else places


def match_by_name(skeleton: Skeleton, bodies: Sequence[TrainedBody]) -> BodyMatch | None:
    """Keypoints as those of coco19, if it has all of them, else of the smallest body that has; None where there is none."""
    found = ((body, find_places(skeleton, body.skeleton)) for body in bodies)
    able = [BodyMatch(body, places) for body, places in found if places is not None]
    return min(able, key=lambda match: (match.body is not bodies[0], len(match.body.skeleton)), default=None)


def offer_matches(skeleton: Skeleton, bodies: Sequence[TrainedBody]) -> list[BodyMatch]:
    """What a recording's keypoints may be: by name, or else by edges and names in other spellings, the likeliest first."""
    if (named := match_by_name(skeleton, bodies)) or len(bodies) < 2:
        return [named] if named else []
    found: dict[tuple[int, tuple[int, ...]], None] = {}
    for number, body in enumerate(bodies):
        for places in guess_places(skeleton, body.skeleton):
            found[number, places] = None
    return [_spell_out(skeleton, bodies, number, places) for number, places in found]


def _spell_out(
    skeleton: Skeleton, bodies: Sequence[TrainedBody], number: int, places: tuple[int, ...]
) -> BodyMatch:  # fmt: skip
    body, in_order = bodies[number], places == tuple(range(len(skeleton)))
    roles = () if in_order else ((k, _count_bits(body)) for k in places)
    return BodyMatch(body, places, ((number, BODY_BITS), (int(in_order), 1), *roles))


def read_match(
    decoder: RangeDecoder, skeleton: Skeleton, bodies: Sequence[TrainedBody]
) -> BodyMatch | None:  # fmt: skip
    """The match that a chunk was coded with: by name, or as it says. None where it says none that can be."""
    if (named := match_by_name(skeleton, bodies)) or len(bodies) < 2:
        return named
    number, count = get_raw(decoder, BODY_BITS), len(skeleton)
    if number >= len(bodies) or count > len(bodies[number].skeleton):
        return None
    body = bodies[number]
    in_order = decoder.get_bits(1)
    places = tuple(k if in_order else get_raw(decoder, _count_bits(body)) for k in range(count))
    able = len(set(places)) == count and max(places) < len(body.skeleton)
    return BodyMatch(body, places) if able else None


def _count_bits(body: TrainedBody) -> int:
    return (len(body.skeleton) - 1).bit_length()
