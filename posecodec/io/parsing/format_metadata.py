"""Facts: what metadata keep under a format's name so that its writer gives a file back as it was. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from posecodec.pose.sequence import PoseSequence

NUMBERS = range(10**15)  # Frame numbers and such: exact as JSON's floats, and file names hold their 15 digits


def read_facts(sequence: PoseSequence, name: str) -> Mapping[str, Any]:
    """What metadata keep for the writer of a format; whether it makes sense is for the writer to check."""
    facts = sequence.metadata.get(name)
    return facts if isinstance(facts, dict) else {}


def read_integer(facts: Any, key: str, otherwise: int, allowed: range = NUMBERS) -> int:
    """An integer among the facts; another value if there are none, or it is none or not allowed."""
    value = facts.get(key) if isinstance(facts, Mapping) else None
    return value if type(value) is int and value in allowed else otherwise


def find_runs(numbers: Iterable[int]) -> list[list[int]]:
    """Numbers as [first, last] runs, in their order.

    >>> find_runs([7, 1, 2, 3])
    [[7, 7], [1, 3]]
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def expand_runs(value: Any, allowed: range) -> set[int]:
    """The allowed numbers in [first, last] runs; nothing of what is no such list."""
    found: set[int] = set()
    for run in value if isinstance(value, list) else []:
        if isinstance(run, list) and len(run) == 2 and all(type(n) is int for n in run):
            found.update(range(max(run[0], allowed.start), min(run[1] + 1, allowed.stop)))
    return found
