"""Outputs on disk as zstd and git write them: links, devices, permissions, syncs, and what kills leave behind."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli.commands import run

import posecodec
from posecodec.errors import UsageError
from posecodec.io import replacing, write_atomic
from posecodec.io.filesystem import write_folder
from posecodec.io.replacing import append_line, remove_leftovers, replace_file
from posecodec.pose.synthetic import walk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, locks and permissions of POSIX")
FOLDER = {"a.txt": b"a", "b.txt": b"b"}


def write_frames(path: Path, files: dict[str, bytes], force: bool = True) -> None:
    write_folder(path, files, force, lambda name: name.endswith(".txt"))


def list_files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def find_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(replacing, "_cleaned", set())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o755])
def test_what_is_replaced_keeps_its_permissions(mode: int, tmp_path: Path) -> None:
    path, folder = tmp_path / "a", tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomic(path, b"new", True)
    assert path.read_bytes() == b"new" and find_mode(path) == mode
    write_frames(folder, FOLDER)
    (folder / "a.txt").chmod(mode)
    folder.chmod(0o700 | mode)
    write_frames(folder, FOLDER | {"c.txt": b"c"})
    assert find_mode(folder) == 0o700 | mode and find_mode(folder / "a.txt") == mode
    assert find_mode(folder / "c.txt") == find_mode(folder / "b.txt")


def test_new_files_have_ordinary_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", b"x", False)
        write_frames(tmp_path / "f", FOLDER)
    finally:
        os.umask(before)
    assert [find_mode(tmp_path / name) for name in ("a", "f", "f/a.txt")] == [0o640, 0o750, 0o640]


def test_what_replaces_a_private_file_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(replacing, "_write_all", lambda descriptor, data: seen.append(os.fstat(descriptor).st_mode))
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o600)
    write_atomic(tmp_path / "a", b"secret", True)
    assert [stat.S_IMODE(mode) for mode in seen] == [0o600]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay_or_what_the_group_could_do_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    os.chown(path, 1234, 2345)
    path.chmod(0o664)
    write_atomic(path, b"new", True)
    assert (path.stat().st_uid, path.stat().st_gid, find_mode(path)) == (1234, 2345, 0o664)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    write_atomic(path, b"newer", True)
    assert path.read_bytes() == b"newer" and find_mode(path) == 0o604


def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "link", tmp_path / "far" / "target"
    link.symlink_to("far/target")
    with pytest.raises(UsageError, match="exists already"):
        write_atomic(link, b"x", False)
    for data in (b"to where nothing was", b"to where something was"):
        write_atomic(link, data, True)
        assert link.is_symlink() and target.read_bytes() == data
    folders = tmp_path / "folders"
    folders.symlink_to(tmp_path / "far" / "frames")
    for files in (FOLDER, {"c.txt": b"c"}):
        write_frames(folders, files)
        assert folders.is_symlink() and list_files(tmp_path / "far" / "frames") == files
    assert sorted(p.name for p in (tmp_path / "far").iterdir()) == ["frames", "target"]
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomic(tmp_path / "loop", b"x", True)


def test_pipes_and_devices_are_written_into(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    for force in (False, True):
        reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
        reader.start()
        write_atomic(pipe, b"x" * 200_000, force)
        reader.join(10)
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert got == [b"x" * 200_000] * 2
    write_atomic("/dev/null", b"x", True)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
def test_devices_of_the_command_line(tmp_path: Path) -> None:
    posecodec.save(walk(8), tmp_path / "a.npz")
    whole = run("encode", tmp_path / "a.npz", "-o", "/dev/null", "-f")
    assert whole.returncode == 0 and stat.S_ISCHR(os.stat("/dev/null").st_mode)
    for arguments in (("-o", "/dev/full", "-f"), ("-o", "-")):
        with open("/dev/full", "wb") as full:
            found = subprocess.run(
                [sys.executable, "-m", "posecodec", "encode", str(tmp_path / "a.npz"), *arguments],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert found.returncode in (1, 2) and "No space left" in found.stderr, found.stderr
        assert "Traceback" not in found.stderr and "ignored" not in found.stderr
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_content_is_synced_before_the_move_and_the_name_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def watch(name: str, describe: object) -> None:
        before = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args: (done.append(describe(*args)), before(*args))[1])

    watch("fsync", lambda descriptor: "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
    watch("replace", lambda *_: "move")
    write_atomic(tmp_path / "a", b"x", False)
    assert done == ["file", "move", "folder"]
    done.clear()
    write_frames(tmp_path / "f", FOLDER)
    assert done == ["file"] * 3 + ["folder"] * 2 + ["move", "folder"]
    done.clear()
    append_line(tmp_path / "log", "x", sync=True)
    append_line(tmp_path / "log", "y", sync=False)
    assert done == ["file"]


def make_leftovers(folder: Path) -> list[Path]:
    """What a kill leaves of a file and of a folder that were being written."""
    paths = [folder / f".posecodec-{letter * 16}.part" for letter in "ab"]
    paths[0].write_bytes(b"half")
    (paths[1] / "new").mkdir(parents=True)
    (paths[1] / "new" / "a.txt").write_bytes(b"half")
    return paths


def test_leftovers_of_kills_are_removed_but_nothing_else(tmp_path: Path) -> None:
    make_leftovers(tmp_path)
    others = (".posecodec-1.part", ".posecodec-aaaaaaaaaaaaaaaa.tmp", "posecodec-aaaaaaaaaaaaaaaa.part")
    for name in others:
        (tmp_path / name).write_bytes(b"somebody's")
    (tmp_path / f".posecodec-{'c' * 16}.part").symlink_to(tmp_path / others[0])
    write_atomic(tmp_path / "out", b"x", False)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "out", f".posecodec-{'c' * 16}.part"])


def test_what_somebody_still_writes_stays(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from posecodec.io import replacing
folder = Path({str(tmp_path)!r})
with replacing._open_aside(folder / "other", None) as held, replacing._make_folder_aside(folder):
    print(held[0].name, flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert other.stdout is not None
    other.stdout.readline()
    write_atomic(tmp_path / "out", b"x", False)
    assert len(list(tmp_path.iterdir())) == 3
    other.kill()
    other.communicate()
    assert len(list(tmp_path.iterdir())) == 3
    replacing._cleaned.clear()
    write_atomic(tmp_path / "out", b"x", True)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_whose_writer_was_killed_between_its_moves_is_put_in_place(tmp_path: Path) -> None:
    write_frames(tmp_path / "f", FOLDER)
    aside = tmp_path / f".posecodec-{'d' * 16}.part"
    aside.mkdir()
    (tmp_path / "f").rename(aside / "old")
    (aside / "new").mkdir()
    (aside / "new" / "c.txt").write_bytes(b"c")
    (aside / "name").write_bytes(b"f")
    replacing._cleaned.clear()
    remove_leftovers(tmp_path)
    assert list_files(tmp_path) == {"f/c.txt": b"c"}
    aside.mkdir()
    (tmp_path / "f").rename(aside / "old")
    (aside / "new").mkdir()
    (aside / "name").write_bytes(b"../escape")
    replacing._cleaned.clear()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [] and not (tmp_path.parent / "escape").exists()


def test_a_cleaner_that_is_quicker_than_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create, asides = replacing._create, list[Path]()

    def create_and_lose(path: Path, old: object) -> int:
        descriptor = create(path, None)
        asides.append(path)
        if len(asides) == 1:
            path.unlink()
        return descriptor

    monkeypatch.setattr(replacing, "_create", create_and_lose)
    replace_file(tmp_path / "a", b"x")
    assert len(asides) == 2 and list_files(tmp_path) == {"a": b"x"}


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(replacing.fcntl, "flock", refuse)
    leftovers = make_leftovers(tmp_path)
    write_atomic(tmp_path / "out", b"x", False)
    assert all(path.exists() for path in leftovers) and (tmp_path / "out").read_bytes() == b"x"


def test_lines_are_appended_whole_and_never_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    for line in ("one", "two"):
        append_line(log, line, sync=False)
    assert log.read_text() == "one\ntwo\n"
    log.write_text("one\nhal")
    append_line(log, "three", sync=True)
    assert log.read_text() == "one\nhal\nthree\n"
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: len(data) - 1)
        with pytest.raises(OSError, match="No space"):
            append_line(log, "four", sync=True)
    (tmp_path / "link").symlink_to(log)
    with pytest.raises(OSError):
        append_line(tmp_path / "link", "five", sync=True)
    assert log.read_text() == "one\nhal\nthree\n"
