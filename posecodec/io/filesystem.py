"""Bytes to and from disk for the readers and writers: whole files.

`guard_reader` turns whatever a hostile file provokes into an InputError that names the file; within `expose_bugs`, as the
fuzzer runs it, what only a mistake of ours can raise stays as it is. Nothing here knows a format.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gzip
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Concatenate, ParamSpec

from posecodec.errors import InputError, MissingFileError, PosecodecError, UsageError, make_printable
from posecodec.io.replacing import remove_leftovers, replace_file, replace_folder
from posecodec.io.unpacking import GZIP, unpack
from posecodec.memory import check_memory
from posecodec.pose.sequence import PoseSequence

Options = ParamSpec("Options")
AnyPath = str | os.PathLike[str]

_DAMAGE = (EOFError, OSError, struct.error, tarfile.TarError, zipfile.BadZipFile, zlib.error)
"""What libraries raise where content is damaged."""
_MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a reader raises that did not check enough, whatever the file holds."""
_COPIES = (
    3  # of a file that there are at once, at least: its bytes, what is made of them, and that once more to check it
)
_FULL = (errno.ENOSPC, errno.EDQUOT)  # No space left, which is nobody's mistake of usage
_EXPOSES_BUGS = ContextVar("exposes_bugs", default=False)


MAX_NAME = 255  # Bytes of a file's name
_ODD_NAME = re.compile(r'[/\\:*?"<>|]|^\.|^ |[. ]$|^$')
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{i}" for port in ("COM", "LPT") for i in range(1, 10))}  # of Windows


@contextlib.contextmanager
def expose_bugs() -> Iterator[None]:
    """Within it, readers let exceptions through that are mistakes of theirs instead of blaming the file for them.

    >>> @guard_reader
    ... def read(path):
    ...     return {}["frames"]
    >>> with expose_bugs():
    ...     read("a.json")
    Traceback (most recent call last):
    KeyError: 'frames'
    """
    token = _EXPOSES_BUGS.set(True)
    try:
        yield
    finally:
        _EXPOSES_BUGS.reset(token)


def exposes_bugs() -> bool:
    """Whether we are within `expose_bugs`."""
    return _EXPOSES_BUGS.get()


def guard_reader(
    read: Callable[Concatenate[Path, Options], PoseSequence],
) -> Callable[Concatenate[AnyPath, Options], PoseSequence]:
    """Decorator of a format's `read(path, ...)`: every failure is a PosecodecError that begins with the path."""

    @functools.wraps(read)
    def read_guarded(path: AnyPath, /, *args: Options.args, **options: Options.kwargs) -> PoseSequence:
        try:
            return read(Path(path), *args, **options)
        except PosecodecError as error:
            raise type(error)(f"{path}: {error}") from error
        except MemoryError as error:
            if exposes_bugs():
                raise
            what = f"{path}: there is not enough memory to read it; split it, or close other programs"
            raise PosecodecError(what) from error
        except (*_DAMAGE, *_MISTAKES) as error:
            if exposes_bugs() and not isinstance(error, _DAMAGE):
                raise
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}: the content makes no sense ({what}); check that the file is whole") from error

    return read_guarded


def check_path(path: object, instead: str = "") -> None:
    """Raises UsageError for what is no path, such as an open file. instead: what else would do."""
    if not isinstance(path, str | os.PathLike):
        raise UsageError(
            f"{type(path).__name__} is no path of a file or folder; give one{instead and f', or {instead}'}"
        )


def check_file(path: Path) -> None:
    """Raises MissingFileError if there is no file, InputError if it is a folder or empty."""
    if not path.exists():
        raise MissingFileError("no such file; check the path")
    if path.is_dir():
        raise InputError("this is a folder; a file was expected")
    if not path.stat().st_size:
        raise InputError("the file is empty (0 bytes); fetch or export it again")


def read_bytes(path: Path) -> bytes:
    """The whole file, unpacked if it is gzip. Raises InputError if it is missing, a folder, empty, or may not be read, or is
    more than `memory` allows."""
    check_file(path)
    check_memory(_COPIES * path.stat().st_size, "reading the file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check its permissions") from error
    return unpack(data) if data.startswith(GZIP) else data


def find_suffix(path: AnyPath) -> str:
    """The suffix in small letters, that before .gz if it ends so.

    >>> find_suffix("take.CSV.gz")
    '.csv'
    """
    path = Path(path)
    return (Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix).lower()


def strip_suffix(path: AnyPath) -> Path:
    """The path without its suffix, and without .gz.

    >>> strip_suffix("a/take.csv.gz").name
    'take'
    """
    path = Path(path)
    return (path.with_suffix("") if path.suffix.lower() == ".gz" else path).with_suffix("")


def is_posec(path: object) -> bool:
    """Whether a path or a URL is called as a .posec file, in small or capital letters.

    >>> is_posec("WALK.POSEC"), is_posec("https://example.org/walk.posec?version=2"), is_posec("walk.npz")
    (True, True, False)
    """
    name = str(path) if isinstance(path, str | os.PathLike) else ""
    return (name.partition("?")[0] if "://" in name else name).lower().endswith(".posec")


def read_file(path: AnyPath) -> bytes:
    """As `read_bytes`, with the path in front of every message."""
    try:
        return read_bytes(Path(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write_atomic(path: AnyPath, data: bytes, force: bool) -> None:
    """Write `data` to `path` by way of a file beside it, so that a failure leaves neither half a file nor a leftover.

    A path that ends in .gz is packed by gzip. force: replace a file that exists; a terminal or a pipe is written into without
    it. How links, devices and permissions are kept: `replacing`. Raises UsageError if the target exists (without `force`), is
    a folder, or cannot be written, PosecodecError where no space is left.
    """
    check_path(path)
    path = Path(path)
    if os.path.isdir(path):
        raise UsageError(f"{path}: this is a folder; name a file to write")
    refuse_existing(path, force)
    packed = path.suffix.lower() == ".gz"
    try:
        replace_file(path, gzip.compress(data, mtime=0) if packed else data)
    except OSError as error:
        kind = PosecodecError if error.errno in _FULL else UsageError
        raise kind(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def write_folder(path: AnyPath, files: Mapping[str, bytes], force: bool, ours: Callable[[str], bool]) -> None:
    """Write a folder of files by way of a folder beside it, moved into place when complete.

    files: content by plain file name, which may come from a file: one that leads elsewhere, or that some system keeps for
    itself, is refused. force: replace a folder that exists, but only one in which `ours` knows every
    name, so that nothing else is ever deleted. Raises UsageError as `write_atomic` does.
    """
    path = Path(path)
    for name in files:
        _check_plain(name)
    remove_leftovers(path.absolute().parent)
    refuse_existing(path, force or _is_empty(path))
    try:
        _refuse_foreign(path, ours)
        replace_folder(path, files)
    except OSError as error:
        kind = PosecodecError if error.errno in _FULL else UsageError
        raise kind(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def _is_empty(path: Path) -> bool:
    """Whether there is a folder with nothing in it, which anything may be written to."""
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _check_plain(name: str) -> None:
    """Raises UsageError where a name is not that of a file in any folder of any system."""
    odd = (
        _ODD_NAME.search(name)
        or name.split(".")[0].upper() in _RESERVED
        or len(name.encode(errors="replace")) > MAX_NAME
    )
    if odd or name != make_printable(name):
        raise UsageError(
            f"{name!r:.80} cannot be a file's name everywhere; rename it in the metadata, or choose another format"
        )


def _is_stream(path: Path) -> bool:
    """Whether there is a terminal, /dev/null or a pipe, in which nothing can be replaced."""
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)
    return False


def refuse_existing(path: Path, force: bool) -> None:
    """Raises UsageError if a path exists (without `force`) that is no terminal or pipe, or its folder does not."""
    if os.path.lexists(path) and not force and not _is_stream(path):
        raise UsageError(f"{path}: exists already; pass --force (force=True in Python) to replace it")
    if not os.path.isdir(path.absolute().parent):
        raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist; make it first")


def _refuse_foreign(path: Path, ours: Callable[[str], bool]) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path}: is a file where a folder is to be written; remove it or choose another name")
    foreign = sorted(p.name for p in path.iterdir() if not ours(p.name) or p.is_dir()) if path.exists() else []
    if foreign:
        raise UsageError(f"{path}: holds other files ({foreign[0]!r} ...) and is not replaced; choose another folder")
