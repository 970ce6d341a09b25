"""Folders, processes, resuming, summaries, streams: what the command line does with many files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli.commands import COMMAND, run

import posecodec
from posecodec.bitstream.container import read
from posecodec.cli.resuming import MANIFEST
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk

HAND = PoseSequence.from_arrays(np.random.default_rng(0).normal(size=(20, 4, 3)).cumsum(axis=0), fps=25, unit="mm")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two good files of one stem, one deeper, a bad one, one that is no recording, and a Panoptic folder."""
    root = tmp_path / "in"
    (root / "day 1" / "scene").mkdir(parents=True)
    posecodec.save(HAND, root / "a.npz")
    posecodec.save(HAND, root / "a.pose", format="pose")
    posecodec.save(HAND, root / "day 1" / "b.npz")
    (root / "c.npz").write_bytes(b"PK rubbish")
    (root / "notes.md").write_text("hello")
    (root / "config.json").write_text('{"colour": 3}')
    (root / "day 1" / "scene").rmdir()
    (root / "day 1" / "loop").symlink_to(root)
    posecodec.save(walk(4), root / "day 1" / "scene", format="panoptic")
    return root


def made(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)


WHOLE = ["a.npz.posec", "a.pose.posec", "day 1/b.posec", "day 1/scene.posec"]


def test_a_tree_is_mirrored_and_bad_files_are_listed_at_the_end(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = run("encode", tree, "-o", out, "--max-error", "1", "--summary", tmp_path / "s.json", "--fps", 30)
    assert found.returncode == 1
    assert made(out) == WHOLE
    assert "4 done, 0 skipped (done before), 1 failed" in found.stdout
    assert str(tree / "c.npz") in found.stdout.splitlines()[-1]
    facts = json.loads((tmp_path / "s.json").read_text())
    assert facts["done"] == 4 and facts["bytes_out"] == sum(p.stat().st_size for p in out.rglob("*.posec"))
    assert max(e["max"] for e in facts["error"] if e["unit"] == "px") <= 1
    assert "2 files are no recordings: config.json, notes.md" in found.stderr and "config.json" not in found.stdout


def test_a_data_set_of_motion_bids_and_scenes_beside_it_fail_nowhere(tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "sub-01").mkdir(parents=True)
    posecodec.save(walk(5), root / "sub-01" / "sub-01_task-walk_motion.tsv")
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t30\n")
    (root / "dataset_description.json").write_text('{"Name": "Walks", "BIDSVersion": "1.10.0"}')
    posecodec.save(walk(5), root / "walk.glb")
    found = run("encode", root, "-o", tmp_path / "out")
    assert found.returncode == 0, found.stderr
    assert made(tmp_path / "out") == ["sub-01/sub-01_task-walk_motion.posec"]
    assert "6 files are no recordings: dataset_description.json, participants.tsv, sub-01/" in found.stderr


def test_again_goes_on_where_it_stopped(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tree / "c.npz").unlink()
    assert run("encode", tree, "-o", out, "--fps", 30).returncode == 0
    (out / "day 1" / "b.posec").unlink()
    (out / "a.npz.posec").write_bytes((out / "a.npz.posec").read_bytes()[:-3])
    again = run("encode", tree, "-o", out, "--fps", 30)
    assert "2 done, 2 skipped" in again.stdout and again.returncode == 0
    for path in out.rglob("*.posec"):
        read(path.read_bytes())
    os.utime(tree / "a.pose", (time.time() + 9,) * 2)
    assert "0 done, 4 skipped" in run("encode", tree, "-o", out, "--fps", 30).stdout
    assert "4 done" in run("encode", tree, "-o", out, "--fps", 30, "-f").stdout


def test_processes_give_the_same_files(tree: Path, tmp_path: Path) -> None:
    (tree / "c.npz").unlink()
    assert run("encode", tree, "-o", tmp_path / "one", "--fps", 30).returncode == 0
    found = run("encode", tree, "-o", tmp_path / "two", "--fps", 30, "-j", 2, "--json")
    assert found.returncode == 0
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    assert [line["input"] for line in lines[:-1]] and lines[-1]["summary"]["done"] == 4
    assert made(tmp_path / "one") == made(tmp_path / "two") == WHOLE
    for name in WHOLE:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    back = run("decode", tmp_path / "two", "-o", tmp_path / "back", "-j", 2)
    assert back.returncode == 0, back.stderr
    assert "4 skipped" in run("decode", tmp_path / "two", "-o", tmp_path / "back").stdout
    assert [n for n in made(tmp_path / "back") if "scene" not in n] == ["a.npz.npz", "a.pose.pose", "day 1/b.npz"]
    assert (tmp_path / "back" / "day 1" / "scene" / "body3DScene_00000003.json").exists()


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupts_leave_no_half_written_file(jobs: int, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(40):
        posecodec.save(walk(200), source / f"{number:02}.npz")
    process = subprocess.Popen(
        [*COMMAND, "encode", str(source), "-o", str(out), "-j", str(jobs), "--max-error", "5mm"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "bits/frame" in process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 130 and errors.strip().endswith("interrupted") and "Traceback" not in errors
    names = made(out)
    assert 0 < len(names) < 40 and all(name.endswith(".posec") for name in names)
    for name in names:
        read((out / name).read_bytes())
    again = run("encode", source, "-o", out, "-j", 2, "--max-error", "5mm")
    assert again.returncode == 0 and f"{len(names)} skipped" in again.stdout and len(made(out)) == 40


def test_streams(tmp_path: Path) -> None:
    posecodec.save(HAND, tmp_path / "a.npz")
    data = (tmp_path / "a.npz").read_bytes()
    encoded = subprocess.run([*COMMAND, "encode", "-", "-o", "-"], input=data, capture_output=True, check=True)
    assert b"bits/frame" in encoded.stderr
    assert posecodec.PoseCodec.from_pretrained(None).decode(encoded.stdout).frames == 20
    back = subprocess.run([*COMMAND, "decode", "-", "-o", "-"], input=encoded.stdout, capture_output=True, check=True)
    (tmp_path / "b.npz").write_bytes(back.stdout)
    np.testing.assert_allclose(posecodec.load(tmp_path / "b.npz").positions, HAND.positions, atol=1)
    told = subprocess.run([*COMMAND, "info", "-", "--json"], input=data, capture_output=True, check=True)
    assert json.loads(told.stdout)["frames"] == 20
    empty = subprocess.run([*COMMAND, "encode", "-", "-o", "-"], input=b"", capture_output=True, check=False)
    assert empty.returncode == 3 and not empty.stdout


def test_outputs_that_cannot_be(tree: Path, tmp_path: Path) -> None:
    assert run("encode", tree).returncode == 2
    (tmp_path / "file").write_text("precious")
    assert run("encode", tree, "-o", tmp_path / "file").returncode == 2
    assert run("encode", tree / "day 1", tmp_path / "nothing", "-o", tmp_path / "x").returncode == 1
    (tmp_path / "empty").mkdir()
    found = run("encode", tmp_path / "empty", "-o", tmp_path / "x")
    assert found.returncode == 3 and "formats" in found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_and_version(shell: str) -> None:
    assert "_POSECODEC_COMPLETE" in run("completion", shell).stdout
    assert run("--version").stdout.strip().endswith(posecodec.__version__)


def test_an_output_never_replaces_its_input_nor_poses_as_another_format(tmp_path: Path) -> None:
    posecodec.save(HAND, tmp_path / "a.npz")
    data = (tmp_path / "a.npz").read_bytes()
    for target in ("a.npz", "b.npz", "b.csv"):
        found = run("encode", tmp_path / "a.npz", "-o", tmp_path / target, "-f")
        assert found.returncode == 2 and target in found.stderr
    assert (tmp_path / "a.npz").read_bytes() == data and len(list(tmp_path.iterdir())) == 1


def test_one_recording_in_threads_is_the_same(tmp_path):
    source = tmp_path / "two.npz"
    posecodec.save(walk(1500, people=2), source)
    for jobs in (1, 2):
        assert run("encode", source, "-o", tmp_path / f"{jobs}.posec", "-j", jobs).returncode == 0
        assert run("decode", tmp_path / "1.posec", "-o", tmp_path / f"{jobs}.npz", "-j", jobs).returncode == 0
    assert (tmp_path / "1.posec").read_bytes() == (tmp_path / "2.posec").read_bytes()
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
