"""Compiled kernels on disk: damaged, of others, nowhere to be kept. What is computed stays right, and a line says so once."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from numba import config

from posecodec import kernel_cache
from posecodec.kernels import kernel

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="there are no kernels to keep")
SOURCE = """
from posecodec.kernels import kernel

@kernel
def add(a, b):
    return a + b

@kernel
def subtract(a, b):
    return a - b
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with two kernels, whose cache lies beside it."""
    monkeypatch.setattr(config, "CACHE_DIR", "")
    (tmp_path / "package").mkdir()
    path = tmp_path / "package" / "tiny.py"
    path.write_text(SOURCE)
    return path


def load(path: Path) -> tuple[int, bool, list[str]]:
    """In a new module: 3 + 4 by its kernel, whether that came from disk, and what was said."""
    kernel_cache._said.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        spec = importlib.util.spec_from_file_location("tiny", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["tiny"] = module
        spec.loader.exec_module(module)
        found = module.add(3, 4)
        module.subtract(3, 4)
        was_kept = bool(module.add.stats.cache_hits)
    return found, was_kept, [str(w.message) for w in caught]


def list_cache(path: Path, kind: str = "nb[ic]") -> list[Path]:
    return sorted((path.parent / "__pycache__").glob(f"tiny.add*.{kind}"))


def test_the_next_process_finds_what_was_compiled(file: Path) -> None:
    assert load(file) == (7, False, [])
    assert len(list_cache(file)) == 2
    assert load(file) == (7, True, [])


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"", "cut": lambda data: data[: len(data) // 2], "a pickle": lambda data: b"cos\nsystem\n.",
    "first bit": lambda data: bytes([data[0] ^ 1]) + data[1:], "last bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_files_are_made_anew_and_said_once(kind: str, file: Path) -> None:
    load(file)
    (path,) = list_cache(file, kind)
    whole = path.read_bytes()
    for what, damage in DAMAGE.items():
        path.write_bytes(damage(whole))
        assert load(file) == (7, False, [kernel_cache._DAMAGED]), what
        assert load(file) == (7, True, []), what
    path.unlink()
    assert load(file) == (7, False, []) and load(file) == (7, True, [])


def test_a_sound_file_of_another_kernel_is_not_run(file: Path) -> None:
    load(file)
    (path,) = list_cache(file, "nbc")
    (other,) = (file.parent / "__pycache__").glob("tiny.subtract*.nbc")
    path.write_bytes(other.read_bytes())
    assert load(file) == (7, False, []) and load(file) == (7, True, [])


@pytest.fixture
def nowhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files where the caches' folders would be, and an empty folder for temporary files, which is returned."""
    taken, temporary = file.parent.parent / "taken", file.parent.parent / "temporary"
    taken.write_text("")
    temporary.mkdir()
    (file.parent / "__pycache__").write_text("")
    monkeypatch.setattr(config, "CACHE_DIR", str(taken))
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(taken))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return temporary


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="where the user's cache lies on Linux")
def test_where_nothing_can_be_written_but_temporary_files(file: Path, nowhere: Path) -> None:
    assert load(file) == (7, False, []) and load(file) == (7, True, [])
    (own,) = nowhere.iterdir()
    assert own.stat().st_mode & 0o777 == 0o700 and Path(config.CACHE_DIR).name == "taken"


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="where the user's cache lies on Linux")
def test_a_temporary_folder_that_others_can_write_to_is_not_used(file: Path, nowhere: Path) -> None:
    folder = nowhere / f"posecodec-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    found, was_kept, said = load(file)
    assert (found, was_kept) == (7, False) and len(said) == 1 and "somebody else's" in said[0]
    assert "NUMBA_CACHE_DIR" in said[0] and not list(folder.iterdir())


def test_a_full_disk(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernel_cache._CheckedFiles, "_open_for_write", fail)
    found, was_kept, said = load(file)
    assert (found, was_kept) == (7, False) and len(said) == 1 and "No space left" in said[0]


def test_without_a_compiler_kernels_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(a: Any, b: Any) -> Any:
        return a + b

    monkeypatch.setattr("posecodec.kernels.njit", lambda **_: lambda function: function)
    assert kernel(add) is add
