"""The limit on memory: sizes, what is refused, the option, and running out."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
from cli.commands import run

from posecodec import PoseCodec, load, memory, save
from posecodec.cli import cli, main
from posecodec.errors import CorruptError, InputError, UsageError
from posecodec.memory import check_memory, get_memory_limit, parse_size, set_memory_limit
from posecodec.pose.synthetic import walk


@pytest.fixture(autouse=True)
def usual_limit():
    yield
    set_memory_limit(None)


def test_more_than_the_limit_is_refused_with_the_option_that_raises_it():
    set_memory_limit("10MB")
    check_memory(10_000_000, "a recording")
    with pytest.raises(InputError, match="a recording would need 9.5 MiB, more than the 9.5 MiB .* --max-memory"):
        check_memory(10_000_001, "a recording")
    with pytest.raises(CorruptError):
        check_memory(10_000_001, "a header", CorruptError)


def test_the_usual_limit_is_half_of_the_machine():
    assert 1 << 28 < get_memory_limit() < 1 << 44
    assert get_memory_limit() == memory._measure_machine() // 2


def test_sharing_it_is_not_setting_it():
    whole = get_memory_limit()
    set_memory_limit(None, sharers=4)
    assert get_memory_limit() == whole // 4 and memory.get_told_limit() is None
    with pytest.raises(InputError, match="where its bytes justify 65.6 MiB; pass --max-memory"):
        memory.check_justified(memory.FREE + 100 * memory.TIMES + 1, 100, "a header", InputError)
    memory.check_justified(memory.FREE + 100 * memory.TIMES, 100, "a header", InputError)
    set_memory_limit("1GiB", sharers=4)
    assert get_memory_limit() == 1 << 28 and memory.get_told_limit() == 1 << 30
    memory.check_justified(1 << 28, 100, "a header", InputError)


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2 << 30), ("500MB", 500_000_000), ("1.5 kb", 1500), ("0.5tib", 1 << 39), ("7", 7), ("7B", 7)]
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "2 giga", "2G", "1e9", "nan", "0", "0MB"])
def test_what_is_no_size_is_a_usage_error(text):
    with pytest.raises(UsageError):
        set_memory_limit(text)


@pytest.mark.parametrize("size", [-1, 0, float("nan"), float("inf")])
def test_a_limit_that_is_refused_changes_nothing(size):
    set_memory_limit("1GiB")
    with pytest.raises(UsageError):
        set_memory_limit(size)
    with pytest.raises(UsageError):
        set_memory_limit("2GiB", sharers=0)
    assert get_memory_limit() == 1 << 30


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("1048576\n")
    (tmp_path / "b").write_text("max\n")
    monkeypatch.setattr(memory, "_GROUPS", [str(tmp_path / name) for name in "abc"])
    memory._measure_machine.cache_clear()
    assert get_memory_limit() == 1 << 19
    memory._measure_machine.cache_clear()


@pytest.mark.parametrize(
    "command", [["info"], ["encode", "-f"], ["convert"], ["view", "-o", "a.html"], ["decode", "-f"], ["cut", "-o", "b"]]
)
def test_commands_take_the_limit(command, tmp_path):
    save(walk(30), tmp_path / "a.npz")
    PoseCodec().encode(walk(30)).save(tmp_path / "a.posec")
    more = ["b.csv"] if command == ["convert"] else []
    source, limit = {"decode": ("a.posec", "5kB"), "cut": ("a.posec", 100)}.get(command[0], ("a.npz", "1kB"))
    done = run(command[0], source, *more, *command[1:], "--max-memory", limit, cwd=tmp_path)
    assert done.returncode == 3 and "would need" in done.stderr and "--max-memory" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_processes_share_the_limit(tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        save(walk(3), tmp_path / f"in/{name}.npz")
    size = (tmp_path / "in/a.npz").stat().st_size
    done = run("encode", "in", "-o", "out", "-j", 2, "--max-memory", int(size * 4), cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("reading the file would need") == 2


def test_packed_files_take_no_more_than_the_limit(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a_x,a_y\n" + b"1,2\n" * 500_000))
    np.savez_compressed(tmp_path / "a.npz", positions=np.zeros((8000, 19, 3)))
    set_memory_limit("1MB")
    for name in ("a.csv.gz", "a.npz"):
        with pytest.raises(InputError, match="what .* would need .* --max-memory"):
            load(tmp_path / name, fps=30)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits what a process may take")
def test_a_file_that_finds_no_memory_is_one_line(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1_000_000, 19, 3), np.float32))
    code = "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 30, 1 << 30)); from posecodec.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "info", "a.npy", "--fps", "30"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1 and "not enough memory" in done.stderr and len(done.stderr.splitlines()) == 1, (
        done.stderr
    )


def test_no_memory_is_one_line(monkeypatch, capsys):
    def take(**options):
        raise MemoryError

    monkeypatch.setattr(cli, "main", take)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert (
        capsys.readouterr().err == "error: there is not enough memory; split the recording, or close other programs\n"
    )
