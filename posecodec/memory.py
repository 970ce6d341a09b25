"""How much memory a file may ask for: the one limit that readers and decoders check before they take any.

It stands beside the rule that what is asked for is in proportion to what is there, which each reader checks for itself
(`check_justified` for what a few bytes can say at length): a large file may be sound and still more than this machine has.
Knows no file.
"""

from __future__ import annotations

import functools
import math
import os
import re
from pathlib import Path

from posecodec.errors import InputError, PosecodecError, UsageError

SHARE = 2  # the machine's memory by the usual limit: half of it is for what is made of a file, and for everybody else
_UNKNOWN = 4 << 30  # bytes to limit to where the system does not say what it has: a small machine of today
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of containers, v2 and v1
_UNITS = {"": 1, "b": 1}
_UNITS |= {f"{unit}b": 1000**power for power, unit in enumerate("kmgt", 1)}
_UNITS |= {f"{unit}ib": 1024**power for power, unit in enumerate("kmgt", 1)}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?) ?([kmgt]?i?b?)", re.IGNORECASE)

FREE = 64 << 20  # bytes that any file may ask for, however short: 2 hours of 19 keypoints
TIMES = 1 << 14  # bytes that each byte of a file justifies: 20 times what coded motion does at its coarsest

_limit: int | None = None
_sharers = 1


def set_memory_limit(size: int | str | None, sharers: int = 1) -> None:
    """How much memory reading or decoding one file may take, in this process: bytes, or "2GiB", "500MB".

    None: half of what the machine (or its container) has, and no more than a file's bytes justify; a size is also for files
    that ask for more than that. sharers: processes that share it. Raises UsageError for what is no size, and keeps the
    limit that was.
    """
    global _limit, _sharers
    asked = parse_size(size) if isinstance(size, str) else size
    if asked is not None and not 1 <= asked < math.inf:
        raise UsageError(f"a memory limit of {size!r} leaves nothing, or is none; give one such as 2GiB or 500MB")
    if sharers < 1:
        raise UsageError(f"a memory limit for {sharers} processes; give at least 1")
    _limit, _sharers = None if asked is None else int(asked), sharers


def get_memory_limit() -> int:
    """The limit in bytes."""
    return (_measure_machine() // SHARE if _limit is None else _limit) // _sharers


def get_told_limit() -> int | None:
    """The limit as it was set, for all who share it; None if it is the usual one."""
    return _limit


def check_memory(needed: int, what: str, error: type[PosecodecError] = InputError) -> None:
    """Raises `error` if so many bytes are more than the limit; to be called before they are taken.

    what: what needs them, such as "the keypoints of 20 people in 300000 frames", as the message begins.
    """
    limit = get_memory_limit()
    if needed > limit:
        have = f"more than the {format_size(limit)} that a file may take"
        remedy = "--max-memory SIZE (posecodec.set_memory_limit in Python) if you trust it"
        raise error(f"{what} would need {format_size(needed)}, {have}; split it, or pass {remedy}")


def is_justified(needed: int, there: int) -> bool:
    """Whether so many bytes of a file may ask for so many of memory, unless a limit is set."""
    return needed <= FREE + TIMES * there


def check_justified(needed: int, there: int, what: str, error: type[PosecodecError]) -> None:
    """As `check_memory`; where no limit is set, raises also if `there` bytes of a file do not justify what is needed."""
    check_memory(needed, what, error)
    if get_told_limit() is None and not is_justified(needed, there):
        what = f"{what} would need {format_size(needed)}, where its bytes justify {format_size(FREE + TIMES * there)}"
        raise error(f"{what}; pass --max-memory SIZE (posecodec.set_memory_limit in Python) if you trust it")


def parse_size(text: str) -> int:
    """Bytes of a text. Raises UsageError for what is no size.

    >>> parse_size("2GiB"), parse_size("1.5 MB"), parse_size("4096")
    (2147483648, 1500000, 4096)
    """
    found = _SIZE.fullmatch(text.strip())
    unit = found[2].lower() if found else "?"
    if found is None or unit not in _UNITS:
        raise UsageError(f"{text!r:.40} is no amount of memory; give one such as 2GiB, 500MB or 4096 (bytes)")
    return int(float(found[1]) * _UNITS[unit])


def format_size(size: int) -> str:
    """An amount of memory for people.

    >>> format_size(5 << 30), format_size(2000)
    ('5.0 GiB', '2.0 KiB')
    """
    power = min(max(size.bit_length() - 1, 0) // 10, 4)
    return f"{size / 1024**power:.1f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[power]}" if power else f"{size} bytes"


@functools.cache
def _measure_machine() -> int:
    """Bytes that the machine has, or its container may take."""
    found = [_measure_windows() if os.name == "nt" else _measure_posix()]
    for path in _GROUPS:
        try:
            found.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # no such group, or one without a limit ("max")
            continue
    return min(size for size in found if size > 0)


def _measure_posix() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _UNKNOWN


def _measure_windows() -> int:
    import ctypes

    kilobytes = ctypes.c_ulonglong()
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  known to type checkers on Windows only
    return kilobytes.value << 10 if kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes)) else _UNKNOWN
