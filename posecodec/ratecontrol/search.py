"""Searches for the quantizer step that keeps a promise with the fewest bytes. They know nothing of what is coded."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Attempt = Callable[[int], float]
STRIDES = (16, 4, 1)


def cheapest(size: Attempt, start: int, low: int, high: int) -> int:
    """The index in low..high where `size` is least: downhill from `start` in strides of an octave, then finer."""
    size = lru_cache(maxsize=None)(size)
    best = min(max(start, low), high)
    for stride in STRIDES:
        moved = True
        while moved:
            near = [i for i in (best - stride, best + stride) if low <= i <= high]
            better = min(near, key=size, default=best)
            moved = size(better) < size(best)
            best = better if moved else best
    return best


def largest_within(value: Attempt, limit: float, start: int, low: int, high: int) -> int | None:
    """The largest index in low..high whose rising `value` is at most the limit; None if that of `low` is not.

    The value need not rise strictly: what is returned keeps the limit and the index after it does not, or is `high` + 1.
    """
    value = lru_cache(maxsize=None)(value)
    good, stride = min(max(start, low), high), STRIDES[0]
    while value(good) > limit:
        if good == low:
            return None
        good, stride = max(good - stride, low), 2 * stride
    bad = good + 1
    stride = STRIDES[0]
    while bad <= high and value(bad) <= limit:
        good, bad, stride = bad, min(bad + stride, high + 1), 2 * stride
    while bad - good > 1:
        middle = (good + bad) // 2
        if value(middle) <= limit:
            good = middle
        else:
            bad = middle
    return good
