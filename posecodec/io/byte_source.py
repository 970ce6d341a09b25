"""Bytes that are read where they are asked for: of a file, behind a URL, or in memory already. Knows no format."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from posecodec.errors import DependencyError, InputError, name_install
from posecodec.io.filesystem import AnyPath, check_file, check_path
from posecodec.memory import check_memory

NEAR_BLOCK = 128  # Bytes to begin with where nobody knows how many are needed: a header of a few dozen, and little more
FAR_BLOCK = 1 << 14  # The same behind a URL, where a request takes longer than so many bytes


def is_url(source: object) -> bool:
    """Whether a source is a text such as https://..., s3://... or file://..."""
    return isinstance(source, str) and "://" in source


class ByteSource:
    """size: bytes in all. block: how many to read first. Every `read` is one access, or one request where it is a URL.

    Raises InputError that begins with the path if there is no such file, it is empty or cannot be read; DependencyError
    where a URL is given without fsspec; UsageError for what is none of these, such as an open file.
    """

    def __init__(self, source: bytes | AnyPath) -> None:
        self._name, self.block = "", NEAR_BLOCK
        if isinstance(source, bytes | bytearray | memoryview):
            self._file: BinaryIO = io.BytesIO(source)
        elif is_url(source):
            self._name, self.block = str(source), FAR_BLOCK
            self._file = _open_url(self._name)
        else:
            check_path(source, "the bytes that file.read() gives")
            self._name = str(source)
            self._file = _open_file(Path(source))
        self.size = self._file.seek(0, io.SEEK_END)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`; fewer where they end before."""
        wanted, parts = max(min(stop, self.size) - start, 0), list[bytes]()
        if self._name:
            check_memory(wanted, f"{self._name}: what is read of it")
        try:
            self._file.seek(start)
            while wanted and (part := self._file.read(wanted)[:wanted]):
                parts.append(part)
                wanted -= len(part)
        except Exception as error:
            if is_url(self._name):
                raise _build_error(self._name, error) from error
            if isinstance(error, OSError):
                raise InputError(f"{self._name}: cannot be read ({error.strerror}); try again") from error
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> ByteSource:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _open_file(path: Path) -> BinaryIO:
    try:
        check_file(path)
        return path.open("rb", buffering=0)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _open_url(url: str) -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise DependencyError(f"URLs need fsspec; {name_install('remote')}") from error
    try:
        system, path = fsspec.core.url_to_fs(url)
        file = system.open(path, "rb", cache_type="none")
        file.seek(0, io.SEEK_END)  # an error where the server gives no ranges
        return file
    except Exception as error:
        raise _build_error(url, error) from error


def _build_error(url: str, error: Exception) -> InputError:
    """Of whatever a server, or the library that speaks to it, does: each has exceptions of its own."""
    what = f"{type(error).__name__}: {error}"
    return InputError(f"{url}: cannot be read in ranges ({what}); check the address, or download the file")
