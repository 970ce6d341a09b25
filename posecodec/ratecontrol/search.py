"""Searches for a quantizer step among whole numbers. They know nothing of what is coded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

Measure = Callable[[int], float]  # What a QP gives: bytes, an error, a rate
OCTAVE = 16  # QPs of an octave of the step


def minimize(size: Measure, start: int, candidates: range, strides: Sequence[int]) -> int:
    """The candidate where `size` is least: a pattern search downhill from `start`, in ever smaller strides.

    >>> minimize(lambda qp: (qp - 37) ** 2, 100, range(0, 200), (16, 4, 1))
    37
    """
    size = lru_cache(maxsize=None)(size)
    best = _clip(start, candidates)
    for stride in strides:
        moved = True
        while moved:
            better = min((qp for qp in (best - stride, best + stride) if qp in candidates), key=size, default=best)
            moved = size(better) < size(best)
            best = better if moved else best
    return best


def largest_satisfying(
    value: Measure, limit: float, start: int, candidates: range, first_stride: int = OCTAVE
) -> int | None:
    """The largest candidate whose rising `value` is at most the limit, by galloping and bisection; None if none is.

    first_stride: small where it is expected to be near the start.

    The value need not rise strictly: what is returned keeps the limit and the one after it does not, or is no candidate.

    >>> largest_satisfying(lambda qp: qp / 10, 4.25, 0, range(-100, 100))
    42
    """
    value = lru_cache(maxsize=None)(value)
    good, stride = _clip(start, candidates), first_stride
    while value(good) > limit:
        if good == candidates.start:
            return None
        good, stride = max(good - stride, candidates.start), 2 * stride
    bad, stride = good + 1, first_stride
    while bad in candidates and value(bad) <= limit:
        good, bad, stride = bad, min(bad + stride, candidates.stop), 2 * stride
    while bad - good > 1:
        middle = (good + bad) // 2
        if value(middle) <= limit:
            good = middle
        else:
            bad = middle
    return good


def _clip(start: int, candidates: range) -> int:
    return min(max(start, candidates.start), candidates.stop - 1)
