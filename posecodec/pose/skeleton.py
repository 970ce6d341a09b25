"""Skeletons: ordered keypoint names, edges and left-right pairs; the order is the identity.

Holds the built-in skeletons (their tables are in `skeleton_tables`) and the documented mappings from them to `coco19`.
It knows nothing of positions (`sequence`), other spellings (`skeleton_names`) or files (`skeleton_file`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import TABLES, Table

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


def _build(table: Table) -> Skeleton:
    names = tuple(table.keypoints.split())
    index = {n: i for i, n in enumerate(names)}
    links = _indices(table.edges, index)
    pairs = (*side_pairs(names), *_indices(table.pairs, index))
    mapping = map19(names, table.stands_for) if table.human else {}
    return Skeleton(table.name, names, links, pairs, None if table.root is None else index[table.root], mapping)


def _indices(pairs: str, index: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """Of names as `a-b`, separated by spaces."""
    return tuple((index[a], index[b]) for a, b in (pair.split("-") for pair in pairs.split()))


def side_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) indices of the names that differ by one word between underscores, left and right.

    >>> side_pairs(["nose", "right_eye", "left_eye"])
    ((2, 1),)
    """
    index = {n: i for i, n in enumerate(names)}
    partners = {n: n.replace("left", "right") for n in names if "left" in n.split("_")}
    return tuple((index[n], index[other]) for n, other in partners.items() if other in index)


_COCO19 = TABLES[0].keypoints.split()
_MIDPOINTS = {"neck": "left_shoulder right_shoulder", "mid_hip": "left_hip right_hip"}


def map19(names: Sequence[str], stands_for: Mapping[str, str]) -> Mapping19:
    """coco19 keypoint -> the source keypoints whose mean stands for it.

    A name both have maps to itself; neck and mid-hip may be midpoints; `stands_for` names what only nearly coincides
    (names separated by spaces). A keypoint that nothing stands for is left out and comes out missing.
    """
    mapping: dict[str, tuple[str, ...]] = {}
    for target in _COCO19:
        midpoint = tuple(_MIDPOINTS.get(target, "?").split())
        if target in stands_for:
            mapping[target] = tuple(stands_for[target].split())
        elif target in names:
            mapping[target] = (target,)
        elif all(n in names for n in midpoint):
            mapping[target] = midpoint
    return mapping


BUILT_IN: Mapping[str, Skeleton] = {table.name: _build(table) for table in TABLES}
"""Built-in skeletons by name. The order is part of the bitstream (docs/bitstream.md): append, never reorder."""
assert len(BUILT_IN) == len(TABLES) <= 31

COCO19 = BUILT_IN["coco19"]
COCO17 = BUILT_IN["coco17"]
BODY25 = BUILT_IN["body25"]
H36M17 = BUILT_IN["h36m17"]
SMPL22 = BUILT_IN["smpl22"]
MEDIAPIPE33 = BUILT_IN["mediapipe33"]


def by_name(name: str) -> Skeleton:
    """The built-in skeleton of that name. Raises InputError naming those that exist."""
    if name not in BUILT_IN:
        raise InputError(f"no built-in skeleton {name!r}; there are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def missing_for(source: Skeleton, target: Skeleton) -> tuple[str, ...]:
    """Keypoints of `source` that `target` does not have by name, and so could not give back."""
    return tuple(name for name in source.keypoints if name not in target.keypoints)
