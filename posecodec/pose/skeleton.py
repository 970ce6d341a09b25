"""Skeleton: ordered keypoint names, edges and left-right pairs; the order is the identity.

Leaves out which skeletons there are (`skeletons.builtin`), other spellings (`skeletons.naming`), files of skeletons
(`skeletons.files`) and positions (`sequence`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from posecodec.errors import InputError

MAX_KEYPOINTS = (
    2048  # four times those of a body with hands and a face mesh: what text may name, and a .posec file hold
)
Mapping19 = Mapping[str, tuple[str, ...]]  # coco19 keypoint -> the keypoints whose mean stands for it


@dataclass(frozen=True)
class Skeleton:
    """Ordered keypoints of one kind of body.

    name: what the skeleton is called; "custom" where nobody named it.
    keypoints: K unique names, in order.
    edges: pairs of keypoint indices that are drawn as limbs.
    pairs: (left, right) index pairs that a mirror swaps.
    root: index of the keypoint that stands for the whole body's place, or None to use the mean of all.

    Raises InputError if names repeat or an index is out of range.

    >>> Skeleton("leg", ("hip", "knee", "ankle"), edges=((0, 1), (1, 2)))
    Skeleton('leg', 3 keypoints)
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

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self)} keypoints)"

    def __len__(self) -> int:
        return len(self.keypoints)

    @property
    def mirror(self) -> tuple[int, ...]:
        """Permutation of K indices that swaps left and right."""
        order = list(range(len(self)))
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return tuple(order)


def check_keypoints(count: int) -> None:
    """Raises InputError where a text names more keypoints than MAX_KEYPOINTS, before work is spent on them."""
    if count > MAX_KEYPOINTS:
        raise InputError(f"more than {MAX_KEYPOINTS} keypoints; keep those of interest, or split the recording")


def missing_for(source: Skeleton, target: Skeleton) -> tuple[str, ...]:
    """Keypoints of `source` that `target` does not have by name, and so could not give back."""
    return tuple(name for name in source.keypoints if name not in target.keypoints)
