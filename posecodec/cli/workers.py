"""Tasks in processes of their own, of one thread each. Who is killed costs its own task, and no process outlives the first.

An interrupt, of which only the first process hears, waits for the tasks that are being done.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from posecodec.cli.common import show_warning
from posecodec.memory import get_told_limit, set_memory_limit

Task = TypeVar("Task")
Result = TypeVar("Result")
Warned = tuple[str, type[Warning]]
_ORPHANED = 1  # Exit code of a process whose first one was killed: nobody reads it
_warned: list[Warned] = []  # In a process of its own: what is to be said, which the first one says


def run_tasks(
    do: Callable[[Task], Result], tasks: Iterable[Task], jobs: int, look_again: Callable[[Task], Task]
) -> Generator[tuple[Task, Result | None], None, None]:
    """(task, what `do` returned of it), in the order in which they are done; None where the process was killed at it.

    Which of the tasks it was that had a process killed is not known: those that were under way are done again, one after
    another, as `look_again` returns them. Warnings are shown here, each once.
    """
    rest, said = deque(tasks), set[Warned]()
    while rest:
        for task in (yield from _run_pool(do, rest, jobs, said)):
            if (yield from _run_pool(do, deque([look_again(task)]), 1, said)):
                yield task, None


def _run_pool(
    do: Callable[[Task], Result], rest: deque[Task], jobs: int, said: set[Warned]
) -> Generator[tuple[Task, Result], None, list[Task]]:
    """Take tasks from `rest` until it is empty, or until a process was killed: returns those that were under way then."""
    os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_worker, (get_told_limit(), jobs))
    under_way: dict[Future[tuple[Result, list[Warned]]], Task] = {}
    try:
        while rest or under_way:
            while rest and len(under_way) <= jobs:  # one more than there are processes, so that none waits for us
                future = pool.submit(_do_and_hear, do, rest[0])
                under_way[future] = rest.popleft()
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                found = _take_result(future, said)
                yield under_way.pop(future), found
    except BrokenProcessPool:
        whole = [future for future in under_way if future.done() and future.exception() is None]
        for future in whole:
            yield under_way.pop(future), _take_result(future, said)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return list(under_way.values())


def _take_result(future: Future[tuple[Result, list[Warned]]], said: set[Warned]) -> Result:
    found, warned = future.result()
    for message, category in [each for each in dict.fromkeys(warned) if each not in said]:
        show_warning(message, category)
        said.add((message, category))
    return found


def _start_worker(memory: int | None, jobs: int) -> None:
    """In a process of its own: deaf to interrupts, with its share of the memory, and gone when the first process is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_memory_limit(memory, jobs)
    warnings.showwarning = lambda message, category, *_, **__: _warned.append((str(message), category))
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(_ORPHANED)


def _do_and_hear(do: Callable[[Task], Result], task: Task) -> tuple[Result, list[Warned]]:
    """What `do` returns, and the warnings since the last task."""
    found = do(task)
    heard = _warned.copy()
    _warned.clear()
    return found, heard
