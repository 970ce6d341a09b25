"""Compiled kernels on disk, for the next process: checked before they are run, made anew where they are damaged.

Beside the package if its folder can be written, else in the user's cache or where NUMBA_CACHE_DIR says, else in a temporary
folder of the user's own, else nowhere. numba itself believes whatever lies there: it gives up where nothing can be written,
at the end of an empty file (which a power cut leaves) or at damage, and runs code of which a bit has changed.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

_DIGEST_BYTES = 16
_MARK = "checked"  # In names of files: numba's own of the same kernels have no checksum
_DAMAGED = "some compiled kernels on disk were damaged, and are made anew"
_UNWRITABLE = "compiled kernels cannot be kept ({}): every process takes a minute to make them; set NUMBA_CACHE_DIR"
_config: Any = numba.config  # whose names are made as it is loaded, from the environment
_said: set[str] = set()


def attach_cache(compiled: Any) -> None:
    """Have a function that numba compiles on first use kept on disk, wherever that can be."""
    try:
        compiled._cache = _KernelCache(compiled.py_func)
    except (OSError, RuntimeError):
        before = _config.CACHE_DIR
        try:
            _config.CACHE_DIR = str(_make_own_folder())
            compiled._cache = _KernelCache(compiled.py_func)
        except (OSError, RuntimeError) as error:
            _say_once(_UNWRITABLE.format(error))
        finally:
            _config.CACHE_DIR = before


class _KernelCache(FunctionCache):
    """numba's cache of one function, no failure of which is more than a warning."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        name, stamp = f"{self._impl.filename_base}.{_MARK}", self._impl.locator.get_source_stamp()
        self._cache_file = _CheckedFiles(self.cache_path, name, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for types of arguments; None where it has to be made."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            _say_once(_DAMAGED)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it, if that can be."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            self.disable()
            _say_once(_UNWRITABLE.format(error))


class _CheckedFiles(IndexDataCacheFile):
    """Index and kernels of one function: each file begins with a digest of the rest, and a kernel says whose it is."""

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (self._source_stamp, key, data))

    def load(self, key: Any) -> Any:
        """The kernel of a key; None where there is none, or another process was quicker to write one of another key."""
        found = super().load(key)
        if found is None or found[:2] != (self._source_stamp, key):
            return None
        return found[2]

    def _load_index(self) -> dict[Any, str]:
        try:
            with open(self._index_path, "rb") as file:
                version, stamp, overloads = _unpack(file.read())
        except FileNotFoundError:
            return {}
        except Exception:
            _say_once(_DAMAGED)
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(self._dump((self._version, self._source_stamp, overloads)))

    def _load_data(self, name: str) -> Any:
        return _unpack(Path(self._data_path(name)).read_bytes())

    def _dump(self, obj: Any) -> bytes:
        packed: bytes = super()._dump(obj)
        return _digest(packed) + packed


def _unpack(data: bytes) -> Any:
    """What `_dump` packed. Raises ValueError where that is damaged, before anything is made of it."""
    packed = data[_DIGEST_BYTES:]
    if _digest(packed) != data[:_DIGEST_BYTES]:
        raise ValueError("the digest of a compiled kernel is another")
    return pickle.loads(packed)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).digest()


def _make_own_folder() -> Path:
    """A folder for temporary files that nobody else can write to, since what lies in it is run. Raises OSError."""
    if os.name == "nt":
        return Path(tempfile.gettempdir()) / "posecodec"  # which is the user's own there
    folder = Path(tempfile.gettempdir()) / f"posecodec-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is somebody else's")
    return folder


def _say_once(text: str) -> None:
    if text not in _said:
        _said.add(text)
        warnings.warn(text, stacklevel=3)
