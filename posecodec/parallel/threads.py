"""Pieces of one recording in several threads. Kernels and most of NumPy run without Python's global lock, and share cores."""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

HAND_OVER_SECONDS = 2e-4  # After which a thread that runs Python lets another one have the lock: kernels are that short
AHEAD = 2  # Pieces for each thread that are begun before the first of them is asked for

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(work: Callable[[Item], Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """What work makes of each item, in their order and the same for any number of jobs, a little ahead of who asks.

    >>> list(map_in_threads(abs, [-3, 2, -1], jobs=2))
    [3, 2, 1]
    """
    if jobs == 1:
        yield from map(work, items)
        return
    with _hand_over_quickly(), ThreadPoolExecutor(jobs) as pool:
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


@contextlib.contextmanager
def _hand_over_quickly() -> Iterator[None]:
    """Threads that come back from a kernel wait for the lock no longer than a kernel takes; Python's own 5 ms idle a core."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, HAND_OVER_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
