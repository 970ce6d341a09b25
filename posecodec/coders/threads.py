"""Chunks in several threads. Kernels and most of NumPy run without Python's global lock, so that cores are shared."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 2  # Chunks for each thread that are begun before the first of them is asked for

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_chunks(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """What work makes of each item, in their order and the same for any number of jobs, a little ahead of who asks.

    >>> list(map_chunks(abs, [-3, 2, -1], jobs=2))
    [3, 2, 1]
    """
    if jobs == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
