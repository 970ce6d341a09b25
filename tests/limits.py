"""What reading a file may cost, and a measure of it: for the fuzzers, and for files made to cost more. Linux only."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import resource
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from posecodec import PoseSequence, load
from posecodec.errors import PosecodecError
from posecodec.io.unpacking import GZIP, limit_unpacked

SECONDS_FREE, SECONDS_A_MB = 2.0, 1.0  # of processor time, children's included: to start, and for a MB of the file
BYTES_FREE, BYTES_PER_BYTE = 64 << 20, 3  # of memory: to start, and for a byte of the file and of what is made of it
USUAL_COUNT = 0.08  # processor seconds that `_count` takes on the machine that the rule was made on
_GUARD = 1 << 30  # bytes that a reader may take in a test, whatever is measured: the machine has other guests


@dataclass
class Cost:
    """What a read took: seconds of processor time, bytes at the peak; what it may take; and what came of it."""

    seconds: float
    memory: int
    most_seconds: float
    most_memory: int
    result: PoseSequence | Exception | None

    @property
    def excess(self) -> str:
        """What is too much, as text; empty where nothing is."""
        found = []
        if self.seconds > self.most_seconds:
            found.append(f"{self.seconds:.1f} s where {self.most_seconds:.1f} are justified")
        if self.memory > self.most_memory:
            found.append(f"{self.memory >> 20} MiB where {self.most_memory >> 20} are justified")
        return " and ".join(found)


def measure_read(path: Path, catch: type[Exception] = PosecodecError, **options: object) -> Cost:
    """Load a file or folder, and what that took; whatever of `catch` it raises is its result."""
    return measure(lambda: load(path, **options), measure_size(path), catch)  # type: ignore[arg-type]


def measure(
    read: Callable[[], PoseSequence | None], justified: int, catch: type[Exception] = PosecodecError,
    granted: tuple[float, int] = (0.0, 0),
) -> Cost:  # fmt: skip
    """What a reading of so many bytes took; whatever of `catch` it raises is its result.

    granted: seconds and bytes of memory that it may take besides.
    """
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = measure_peak(), _measure_time()
    result: PoseSequence | Exception | None
    with guard_memory():
        try:
            result = read()
        except catch as error:
            result = error.with_traceback(None)
    seconds, memory = _measure_time() - begun, measure_peak() - before
    most = SECONDS_FREE + SECONDS_A_MB * justified / (1 << 20) + granted[0]
    if seconds > most:
        most *= max(1.0, _count() / USUAL_COUNT)  # a slower machine, or one with other guests at this moment
    made = result.positions.nbytes + result.confidence.nbytes if isinstance(result, PoseSequence) else 0
    return Cost(seconds, memory, most, BYTES_FREE + BYTES_PER_BYTE * (justified + made) + granted[1], result)


def measure_size(path: Path) -> int:
    """Bytes of a file or of all in a folder; of what gzip packed, if that is so little that it is read."""
    if path.is_dir():
        return sum(measure_size(file) for file in path.iterdir())
    data = path.read_bytes()
    if not data.startswith(GZIP):
        return len(data)
    with contextlib.suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
        unpacked = len(stream.read(limit_unpacked(len(data)) + 1))
        return unpacked if unpacked <= limit_unpacked(len(data)) else len(data)
    return len(data)


@contextlib.contextmanager
def guard_memory() -> Iterator[None]:
    """Whoever takes a GiB more gets a MemoryError, before the machine has none left."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + _GUARD, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _measure_time() -> float:
    return sum(os.times()[:4])


def _count() -> float:
    """Processor seconds of a piece of work that is always the same."""
    begun, total = _measure_time(), 0
    for i in range(1_000_000):
        total += i % 7
    return _measure_time() - begun


def measure_peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) << 10 if found else 0
