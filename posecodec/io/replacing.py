"""Outputs on disk: written aside, synced, moved into place. Whatever ends a process, one output is whole: the old or the new.

A link is written through, a device or pipe written into, and what is replaced keeps its permissions, as zstd and git have
it. What lies aside is locked for as long as its writer lives, on any machine that shares the disk; what nobody locks was
left by a kill, and the next run that writes to the folder removes it, or finishes it where only the last move was missing.
Where there are no such locks (Windows, some network disks) nothing is ever taken for left behind.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_ASIDE = re.compile(r"\.posecodec-[0-9a-f]{16}\.part")
_NEW, _OLD, _NAME = "new", "old", "name"  # In a folder aside: what is to be, what was, and what both are called
_SYNCING = 8  # Threads that sync a folder's files, which disks do together: 0.9 ms a file, 4 to 8 one after another
_PRIVATE = 0o600  # Of what replaces a file, until it gets that one's permissions
_cleaned: set[Path] = set()  # Folders whose leftovers this process has removed


def replace_file(path: Path, data: bytes) -> None:
    """Make of `path` a file of these bytes, or write them into the device or pipe that it is. Raises OSError.

    Of a link, its target. A new file has ordinary permissions, another those that it had.
    """
    old = _look_up(path)
    if old is not None and not stat.S_ISREG(old.st_mode):
        descriptor = os.open(path, os.O_WRONLY)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        return
    target = Path(os.path.realpath(path))
    remove_leftovers(target.parent)
    with _open_aside(target, old) as (aside, descriptor):
        _write_all(descriptor, data)
        _keep_permissions(aside, old)
        os.fsync(descriptor)
    _sync_folder(target.parent)


def replace_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make of `path` a folder of these files, by plain names, and no others. Raises OSError. Else as `replace_file`."""
    target = Path(os.path.realpath(path))
    remove_leftovers(target.parent)
    with _make_folder_aside(target.parent) as aside:
        new, old = aside / _NEW, aside / _OLD
        new.mkdir()
        with ThreadPoolExecutor(_SYNCING) as pool:
            list(pool.map(lambda name: _write_new(new / name, files[name], _look_up(target / name)), files))
        _keep_permissions(new, _look_up(target))
        _write_new(aside / _NAME, os.fsencode(target.name), None)
        _sync_folder(new)
        _sync_folder(aside)
        try:
            if target.exists():
                os.replace(target, old)
            os.replace(new, target)
        except BaseException:
            if old.exists() and not target.exists():
                os.replace(old, target)
            raise
    _sync_folder(target.parent)


def append_line(path: Path, line: str, sync: bool) -> None:
    """Add a line to a file that several processes write to. A half line before is ended. Raises OSError.

    sync: bring it to disk, with those before it.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)  # who leaves a link there would choose which file is written to
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | no_link, 0o666)
    try:
        os.lseek(descriptor, max(os.fstat(descriptor).st_size - 1, 0), os.SEEK_SET)
        ending = b"" if os.read(descriptor, 1) in (b"", b"\n") else b"\n"
        data = ending + line.encode() + b"\n"
        if os.write(descriptor, data) < len(data):  # in one call: processes do not get into each other's lines
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left aside in a folder, once a process."""
    if folder in _cleaned or sys.platform == "win32":
        return
    _cleaned.add(folder)
    with contextlib.suppress(OSError):
        for name in filter(_ASIDE.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                _remove_if_dead(folder / name)


def _remove_if_dead(aside: Path) -> None:
    """Remove what nobody writes any more. Raises OSError where somebody does, or where that cannot be known."""
    if sys.platform == "win32":
        return
    descriptor = os.open(aside, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        known = os.fstat(descriptor)
        if known.st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISREG(known.st_mode):
            aside.unlink()
        elif stat.S_ISDIR(known.st_mode):
            _finish_move(aside)
            shutil.rmtree(aside)
    finally:
        os.close(descriptor)


def _finish_move(aside: Path) -> None:
    """Where a writer of a folder was killed between its two moves, make the second one: what is new is whole by then."""
    if (aside / _OLD).exists() and (aside / _NEW).exists():
        name = os.fsdecode((aside / _NAME).read_bytes())
        if name == os.path.basename(name) and not os.path.lexists(aside.parent / name):
            os.replace(aside / _NEW, aside.parent / name)


@contextlib.contextmanager
def _open_aside(target: Path, old: os.stat_result | None) -> Iterator[tuple[Path, int]]:
    """A new file beside a target, locked, and its descriptor; at the end it is moved there, or gone where anything failed."""
    while True:
        aside = _name_aside(target.parent)
        descriptor = _create(aside, old)
        still_open: int | None = descriptor
        try:
            if _lock(descriptor):
                yield aside, descriptor
                if sys.platform == "win32":
                    os.close(descriptor)  # no open file can be moved there
                    still_open = None
                os.replace(aside, target)
                return
        finally:
            with contextlib.ExitStack() as last:  # whatever interrupts one, the others are done
                last.callback(_close, still_open)
                last.enter_context(contextlib.suppress(OSError))
                aside.unlink()


@contextlib.contextmanager
def _make_folder_aside(folder: Path) -> Iterator[Path]:
    """The same of a folder."""
    while True:
        aside = _name_aside(folder)
        aside.mkdir(0o700)
        descriptor = None if sys.platform == "win32" else os.open(aside, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if descriptor is None or _lock(descriptor):
                yield aside
                return
        finally:
            with contextlib.ExitStack() as last:
                last.callback(_close, descriptor)
                shutil.rmtree(aside, ignore_errors=True)


def _close(descriptor: int | None) -> None:
    """Of what is moved or gone by now, so that no failure matters."""
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _name_aside(folder: Path) -> Path:
    return folder / f".posecodec-{secrets.token_hex(8)}.part"


def _create(path: Path, old: os.stat_result | None) -> int:
    """A descriptor of a new file, which nobody else can read until it has the permissions of what it replaces."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, 0o666 if old is None else _PRIVATE)


def _lock(descriptor: int) -> bool:
    """Hold what was made just now until it is closed; False where a run that removes leftovers was quicker."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a disk without locks: nobody else gets one either, and so removes nothing
    return os.fstat(descriptor).st_nlink > 0


def _write_new(path: Path, data: bytes, old: os.stat_result | None) -> None:
    descriptor = _create(path, old)
    try:
        _write_all(descriptor, data)
        _keep_permissions(path, old)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _look_up(path: Path) -> os.stat_result | None:
    """What is there, or where a link leads; None if nothing is."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _keep_permissions(path: Path, old: os.stat_result | None) -> None:
    """Give a new file or folder those of what it replaces, its owner and group too as far as that is allowed."""
    if old is None:
        return
    mode = stat.S_IMODE(old.st_mode) & 0o777
    if sys.platform != "win32" and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):
            with contextlib.suppress(PermissionError):
                os.chown(path, owner, group)
        if os.stat(path).st_gid != old.st_gid:
            mode &= ~0o070  # what one group could read is not for another
    os.chmod(path, mode)


def _sync_folder(folder: Path) -> None:
    """Bring names to disk where that can be done. Where it cannot, a power cut leaves the old output, which is whole too."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
