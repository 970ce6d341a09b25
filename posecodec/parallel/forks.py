"""Pieces of one recording in copies of this process, which share no lock: threads lose a quarter of their time over it.

A process is copied only while it has one thread: on Linux, and not once PyTorch has started its own.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, BinaryIO, TypeVar

from posecodec.parallel.threads import map_in_threads

NUMBER_BYTES = 4  # Of a piece's number in the pipe that hands them out
MAX_PIECES = 1 << 14  # Whose numbers a pipe holds
THREADS = "/proc/self/task"  # A folder of what runs in this process, where the system has one

Item = TypeVar("Item")
Result = TypeVar("Result")
Found = tuple[int, bool, Any]  # Number of a piece, whether all went well, and what came of it or was raised


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int, forks: bool = False
) -> Iterator[Result]:  # fmt: skip
    """What work makes of each item, in their order and the same for any number of jobs.

    forks: in copies of this process, where it may be copied; of what work does to its item nothing is seen then.
    """
    if not forks or jobs == 1 or not os.path.isdir(THREADS) or len(os.listdir(THREADS)) > 1:
        return map_in_threads(work, items, jobs)
    pieces = list(items)
    return (map_in_forks if len(pieces) <= MAX_PIECES else map_in_threads)(work, pieces, min(jobs, max(len(pieces), 1)))


def map_in_forks(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """As `map_in_order`. This process works too, and does what copies that were killed have left undone."""
    numbers, inbox, found = _hand_out(len(items)), SimpleQueue[Found | None](), dict[int, Found]()
    copies = list[tuple[int, BinaryIO]]()
    with contextlib.suppress(OSError):  # fewer copies where no more can be had
        for _ in range(jobs - 1):
            copies.append(_start_copy(work, items, numbers, copies))
    readers = [threading.Thread(target=_pass_on, args=(stream, inbox), daemon=True) for _, stream in copies]
    for reader in readers:
        reader.start()
    try:
        ended = 0
        for following in range(len(items)):
            while following not in found:
                if not inbox.empty() or (number := _take_number(numbers)) is None and ended < len(copies):
                    message = inbox.get()
                    ended += message is None
                else:
                    message = _try_piece(work, items, following if number is None else number)
                if message is not None:
                    found[message[0]] = message
            _, well, result = found.pop(following)
            if not well:
                raise result
            yield result
    finally:
        os.close(numbers)
        for copy, _ in copies:
            os.kill(copy, signal.SIGKILL)
            os.waitpid(copy, 0)
        for reader in readers:
            reader.join()


def _hand_out(count: int) -> int:
    """A pipe from which whoever is free reads the number of the next piece, until it is empty."""
    numbers, write = os.pipe()
    with os.fdopen(write, "wb") as stream:
        stream.write(b"".join(number.to_bytes(NUMBER_BYTES, "little") for number in range(count)))
    return numbers


def _take_number(numbers: int) -> int | None:
    """The number of a piece that nobody works on; None where there is none."""
    number = os.read(numbers, NUMBER_BYTES)
    return int.from_bytes(number, "little") if number else None


def _try_piece(work: Callable[[Item], Result], items: Sequence[Item], number: int) -> Found:
    try:
        return number, True, work(items[number])
    except Exception as error:
        return number, False, error


def _start_copy(
    work: Callable[[Item], Result], items: Sequence[Item], numbers: int, others: list[tuple[int, BinaryIO]]
) -> tuple[int, BinaryIO]:
    """A copy of this process that works until no piece is left, or nobody reads what it finds: its number, and that."""
    read, write = os.pipe()
    try:
        copy = os.fork()
    except OSError:
        os.close(read)
        os.close(write)
        raise
    if copy:
        os.close(write)
        return copy, os.fdopen(read, "rb")
    try:
        for descriptor in (read, *(stream.fileno() for _, stream in others)):
            os.close(descriptor)
        with os.fdopen(write, "wb") as stream:
            while (number := _take_number(numbers)) is not None:
                pickle.dump(_try_piece(work, items, number), stream, pickle.HIGHEST_PROTOCOL)
                stream.flush()
    finally:
        os._exit(0)  # nothing else of the first process is ended or written twice


def _pass_on(stream: BinaryIO, inbox: SimpleQueue[Found | None]) -> None:
    """Pass on what a copy finds; None at its end, whatever that is."""
    with stream, contextlib.suppress(Exception):
        while True:
            inbox.put(pickle.load(stream))
    inbox.put(None)
