"""One bad file of a folder, whatever is bad about it, is a line at the end; the others are done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.commands import run
from cli.tasks import Settings, work
from click.testing import CliRunner

import posecodec
from posecodec.cli import batch, cli
from posecodec.cli.resuming import MANIFEST
from posecodec.errors import PosecodecError
from posecodec.pose.synthetic import walk

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, links and pipes of POSIX")


def call(*arguments: object) -> str:
    found = CliRunner().invoke(cli, [*map(str, arguments)])
    return f"{found.output}{found.exception or ''}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a.npz", "z.npz"):
        posecodec.save(walk(8), tmp_path / "in" / name)
    return tmp_path


def list_made(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


@posix
@pytest.mark.parametrize("jobs", [1, 2])
def test_links_to_nothing_pipes_and_what_was_deleted_meanwhile(jobs: int, folder: Path) -> None:
    source = folder / "in"
    (source / "b.npz").symlink_to(folder / "nothing")
    (source / "loop.npz").symlink_to("loop.npz")
    os.mkfifo(source / "c.csv")
    (source / "d.csv").symlink_to("/dev/zero")
    found = run("encode", source, "-o", folder / "out", "-j", jobs, timeout=600)
    assert found.returncode == 1 and "2 done, 0 skipped (done before), 2 failed" in found.stdout, found.stderr
    assert "b.npz: no such file" in found.stdout and "Traceback" not in found.stderr
    assert list_made(folder / "out") == ["a.posec", "z.posec"]
    tasks = batch.plan((str(source),), str(folder / "later"), None, ".posec")
    (source / "a.npz").unlink()
    with pytest.raises(PosecodecError, match="3 of 4 files failed"):
        batch.run(tasks, work, Settings(), 1, False, None)


def test_what_cannot_be_looked_at_is_an_item_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_file = Path.is_file

    def look(path: Path) -> bool:
        if path.name == "a.npz":
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", look)
    assert len(batch.plan((str(folder / "in"),), str(folder / "out"), None, ".posec")) == 2


def test_a_file_where_a_folder_is_to_be_made(folder: Path) -> None:
    (folder / "in" / "deep").mkdir()
    posecodec.save(walk(8), folder / "in" / "deep" / "b.npz")
    (folder / "out").mkdir()
    (folder / "out" / "deep").write_text("mine")
    found = call("encode", folder / "in", "-o", folder / "out")
    assert "2 done, 0 skipped (done before), 1 failed" in found and "deep: cannot be made" in found
    assert (folder / "out" / "deep").read_text() == "mine"


def start(folder: Path, jobs: int, *names: str) -> subprocess.Popen[str]:
    """A run of tasks.py over files of these names."""
    (folder / "in").mkdir()
    for name in names:
        (folder / "in" / name).write_text(name)
    sources = [str(folder / "in" / name) for name in names]
    script = [sys.executable, str(Path(__file__).with_name("tasks.py")), str(folder / "out"), str(jobs)]
    pipe = subprocess.PIPE
    return subprocess.Popen([*script, *sources], stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_memory_that_runs_out_and_mistakes_of_ours(jobs: int, tmp_path: Path) -> None:
    shown, errors = start(tmp_path, jobs, "a", "large", "odd", "warned 1", "warned 2", "z").communicate(timeout=600)
    assert errors.endswith("2 of 6 files failed\n") and "\x1b" not in shown + errors
    assert "4 done, 0 skipped (done before), 2 failed" in shown and "large: there is not enough memory" in shown
    assert "KeyError: '\\x1b[2J'; this is a mistake of posecodec's" in shown
    assert list_made(tmp_path / "out") == ["a", "warned 1", "warned 2", "z"]
    assert errors.count("warning: the kernels' cache\\nis gone") == (
        jobs == 2
    )  # with one process it is Python's to show


@posix
def test_a_killed_process_costs_its_own_file_only(tmp_path: Path) -> None:
    names = ("a", "murderer", "unlucky", "b", "z")
    shown, errors = start(tmp_path, 2, *names).communicate(timeout=600)
    assert errors.endswith("1 of 5 files failed\n") and "murderer: its process was killed" in shown
    assert list_made(tmp_path / "out") == sorted({*names} - {"murderer"})


@posix
def test_no_process_outlives_the_first(tmp_path: Path) -> None:
    process = start(tmp_path, 2, "slow 1", "slow 2")
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and not (tmp_path / "out" / MANIFEST).exists():
        time.sleep(0.05)
    process.kill()
    process.communicate()
    while time.monotonic() < deadline and is_alive(process.pid):
        time.sleep(0.05)
    assert not is_alive(process.pid)


def is_alive(group: int) -> bool:
    """Whether any process of a group is."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_summary_that_cannot_be_written_is_said_before_any_work(folder: Path) -> None:
    for inputs, output in ((folder / "in", "out"), (next((folder / "in").glob("a.*")), "a.posec")):
        found = call("encode", inputs, "-o", folder / output, "--summary", folder / "no" / "s.json")
        assert "done" not in found and found.endswith("does not exist; make it first")
        assert not (folder / output).exists()


@posix
def test_a_mistake_of_ours_is_told_without_what_a_file_says_to_the_terminal(tmp_path: Path) -> None:
    evil = "KeyError('\\x1b]0;title\\x07\\nerror: all is well\\ud800')"
    for error, expected in (
        (evil, "KeyError"),
        ("EOFError('Ran out of input')", "EOFError"),
        ("ValueError()", "ValueE"),
    ):
        code = f"""
import posecodec.cli.inspecting
def fail(*_):
    raise {error}
posecodec.cli.inspecting.open_input = fail
import sys
sys.argv = ["posecodec", "info", "x"]
from posecodec.cli import main
main()
"""
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert found.returncode == 1 and expected in found.stderr and "report it" in found.stderr, found.stderr
        assert all(line.isprintable() for line in found.stderr.split("\n"))
        assert not any(line.startswith("error: all") for line in found.stderr.split("\n"))
