"""Skeletons: ordered keypoint names, edges and left-right pairs; the order is the identity.

Holds the built-in skeletons and the documented mappings from them to `coco19`. It knows nothing of positions: that is
`sequence`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posecodec.errors import InputError

Mapping19 = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Skeleton:
    """Ordered keypoints of one kind of body.

    name: what the skeleton is called; "custom" where nobody named it.
    keypoints: K unique names, in order.
    edges: pairs of keypoint indices that are drawn as limbs.
    pairs: (left, right) index pairs that a mirror swaps.
    root: index of the keypoint that stands for the whole body's place, or None to use the mean of all.

    Raises InputError if names repeat or an index is out of range.

    >>> COCO19.keypoints[COCO19.root]
    'mid_hip'
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    root: int | None = None
    to_coco19: Mapping19 = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.keypoints:
            raise InputError(f"skeleton {self.name!r} has no keypoints; at least one is needed")
        repeated = sorted(n for n, count in Counter(self.keypoints).items() if count > 1)
        if repeated:
            raise InputError(f"skeleton {self.name!r} repeats the keypoint names {repeated}; rename them")
        indices = [i for pair in (*self.edges, *self.pairs) for i in pair]
        if self.root is not None:
            indices.append(self.root)
        wrong = sorted({i for i in indices if not 0 <= i < len(self.keypoints)})
        if wrong:
            raise InputError(f"skeleton {self.name!r}: indices {wrong} are outside its {len(self.keypoints)} keypoints")
        sides = [i for pair in self.pairs for i in pair]
        if len(set(sides)) != len(sides):
            raise InputError(f"skeleton {self.name!r}: a keypoint is in two left-right pairs; give it one partner")

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def mirror(self) -> tuple[int, ...]:
        """Permutation of K indices that swaps left and right."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)

    @staticmethod
    def custom(keypoints: Sequence[str] | int) -> Skeleton:
        """A skeleton without edges from K names, or from a count (names "0", "1", ...)."""
        if isinstance(keypoints, int):
            keypoints = [str(i) for i in range(keypoints)]
        names = tuple(str(name) for name in keypoints)
        known = next((s for s in BUILT_IN.values() if s.keypoints == names), None)
        return known or Skeleton("custom", names)


def _sided(*parts: str) -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for part in parts for side in ("left", "right"))


def _build(name: str, keypoints: str, edges: str, root: str | None, extra: Mapping[str, str] | None = None) -> Skeleton:
    """A skeleton from space-separated names and edges `a-b`, with its mapping to coco19 (see `_map19`)."""
    names = tuple(keypoints.split())
    index = {n: i for i, n in enumerate(names)}
    links = tuple((index[a], index[b]) for a, b in (e.split("-") for e in edges.split()))
    partners = {n: n.replace("left", "right") for n in names if "left" in n.split("_")}
    pairs = tuple((index[n], index[other]) for n, other in partners.items() if other in index)
    return Skeleton(name, names, links, pairs, None if root is None else index[root], _map19(names, extra or {}))


_COCO19 = (
    "neck nose mid_hip left_shoulder left_elbow left_wrist left_hip left_knee left_ankle right_shoulder right_elbow "
    "right_wrist right_hip right_knee right_ankle left_eye left_ear right_eye right_ear"
)
_MIDPOINTS = {"neck": "left_shoulder right_shoulder", "mid_hip": "left_hip right_hip"}


def _map19(names: tuple[str, ...], extra: Mapping[str, str]) -> Mapping19:
    """coco19 keypoint -> the source keypoints whose mean stands for it.

    A name both have maps to itself; neck and mid-hip may be midpoints; `extra` names what only nearly coincides.
    A keypoint that nothing stands for is left out and comes out missing.
    """
    mapping: dict[str, tuple[str, ...]] = {}
    for target in _COCO19.split():
        midpoint = tuple(_MIDPOINTS.get(target, "?").split())
        if target in extra:
            mapping[target] = tuple(extra[target].split())
        elif target in names:
            mapping[target] = (target,)
        elif all(n in names for n in midpoint):
            mapping[target] = midpoint
    return mapping


_LIMBS = (
    "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist "
    "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle "
)
_FACE = "nose-left_eye left_eye-left_ear nose-right_eye right_eye-right_ear "
_NECKED = "neck-left_shoulder neck-right_shoulder mid_hip-left_hip mid_hip-right_hip neck-mid_hip neck-nose "
_FEET = "left_ankle-left_heel left_ankle-left_big_toe left_big_toe-left_small_toe "

COCO19 = _build("coco19", _COCO19, _NECKED + _LIMBS + _FACE, "mid_hip")
COCO17 = _build(
    "coco17",
    " ".join(("nose", *_sided("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"))),
    _LIMBS + _FACE + "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip",
    None,
)
BODY25 = _build(
    "body25",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe "
    "left_small_toe left_heel right_big_toe right_small_toe right_heel",
    _NECKED + _LIMBS + _FACE + _FEET + _FEET.replace("left", "right"),
    "mid_hip",
)
H36M17 = _build(
    "h36m17",
    "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax head head_top left_shoulder "
    "left_elbow left_wrist right_shoulder right_elbow right_wrist",
    _LIMBS + "mid_hip-left_hip mid_hip-right_hip mid_hip-spine spine-thorax thorax-head head-head_top "
    "thorax-left_shoulder thorax-right_shoulder",
    "mid_hip",
    {"neck": "thorax", "nose": "head"},
)
SMPL22 = _build(
    "smpl22",
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist",
    _LIMBS + "pelvis-left_hip pelvis-right_hip pelvis-spine1 spine1-spine2 spine2-spine3 spine3-neck neck-head "
    "spine3-left_collar spine3-right_collar left_collar-left_shoulder right_collar-right_shoulder "
    "left_ankle-left_foot right_ankle-right_foot",
    "pelvis",
    {"neck": "left_shoulder right_shoulder"},
)
MEDIAPIPE33 = _build(
    "mediapipe33",
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot_index right_foot_index",
    _LIMBS + _FACE + "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
    "mouth_left-mouth_right left_wrist-left_pinky left_wrist-left_index left_wrist-left_thumb right_wrist-right_pinky "
    "right_wrist-right_index right_wrist-right_thumb left_ankle-left_heel left_heel-left_foot_index "
    "right_ankle-right_heel right_heel-right_foot_index",
    None,
)

BUILT_IN: Mapping[str, Skeleton] = {s.name: s for s in (COCO19, COCO17, BODY25, H36M17, SMPL22, MEDIAPIPE33)}
"""Built-in skeletons by name. The order is part of the bitstream (docs/bitstream.md): append, never reorder."""


def by_name(name: str) -> Skeleton:
    """The built-in skeleton of that name. Raises InputError naming those that exist."""
    if name not in BUILT_IN:
        raise InputError(f"no built-in skeleton {name!r}; there are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def missing_for(source: Skeleton, target: Skeleton) -> tuple[str, ...]:
    """Keypoints of `source` that `target` does not have by name, and so could not give back."""
    return tuple(name for name in source.keypoints if name not in target.keypoints)
