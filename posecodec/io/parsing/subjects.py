"""Whose labeled places are: subjects are what stands before a label's first colon, "Anna:LASI". Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_EMPTY = 3  # Times the labels that there may be places for keypoints, if subjects have few names in common


@dataclass(frozen=True)
class Subjects:
    """People and keypoints of labeled places. at: (person, keypoint) of each label; plain: the person whose labels have no
    prefix, None if all have one."""

    ids: tuple[str, ...]
    keypoints: tuple[str, ...]
    at: tuple[tuple[int, int], ...]
    plain: str | None


def split_subjects(labels: Sequence[str]) -> Subjects:
    """A person for each prefix where there are several, whose keypoints are those of all; else one with the labels."""
    parts = [label.partition(":") for label in labels]
    owners = [prefix if colon and name else None for prefix, colon, name in parts]
    names = [label if owner is None else part[2] for label, owner, part in zip(labels, owners, parts, strict=True)]
    prefixes = list(dict.fromkeys(owners))
    keypoints = tuple(dict.fromkeys(names))
    people = len(prefixes)
    if len(set(prefixes) - {None}) < 2 or people * len(keypoints) > _MOST_EMPTY * len(labels):
        return Subjects(("0",), tuple(labels), tuple((0, k) for k in range(len(labels))), None)
    number, places = {owner: p for p, owner in enumerate(prefixes)}, {name: k for k, name in enumerate(keypoints)}
    plain = None
    if None in number:
        plain = next(id for i in range(people + 1) if (id := str(i)) not in number)
    ids = tuple(plain or "" if owner is None else owner for owner in prefixes)
    at = tuple((number[owner], places[name]) for owner, name in zip(owners, names, strict=True))
    return Subjects(ids, keypoints, at, plain)


def place_subjects(values: NDArray[Any], subjects: Subjects) -> NDArray[Any]:
    """(T, P, K, 3) of labeled places (T, N, 3), NaN where a person lacks a keypoint."""
    shape = (len(values), len(subjects.ids), len(subjects.keypoints), 3)
    points = np.full(shape, np.nan, values.dtype)
    for i, (person, keypoint) in enumerate(subjects.at):
        points[:, person, keypoint] = values[:, i]
    return points


def make_label(id: str, keypoint: str, plain: Any) -> str:
    """The mirror of `split_subjects`, of one label of several subjects."""
    return keypoint if id == plain else f"{id}:{keypoint}"
