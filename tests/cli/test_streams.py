"""What a new user stumbled over: `-` for standard output, help without a command, devices that are not there, gaps left."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli.commands import COMMAND
from conftest import load_shipped

import posecodec
from posecodec.pose.synthetic import walk


def run(*words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams")
    posecodec.save(walk(40), path / "walk.npz")
    return path


def test_a_line_of_output_goes_to_standard_output(folder: Path) -> None:
    load_shipped("body3d")
    made = run("convert", folder / "walk.npz", "-", "--to", "csv")
    assert made.returncode == 0 and made.stdout.count(b"\n") > 40 and b"40 frames" in made.stderr
    assert run("sample", "-", "--to", "csv", "--frames", 3).stdout.count(b"\n") < 100
    assert not (Path.cwd() / "-").exists()
    assert run("encode", folder / "walk.npz", "--levels", 3, "-o", folder / "t.posec").returncode == 0
    cut = run("cut", folder / "t.posec", "-o", "-", "--levels", 1)
    assert cut.returncode == 0 and cut.stdout.startswith(b"PSC")
    several = run("convert", folder / "walk.npz", folder / "walk.npz", "-", "--to", "csv")
    assert several.returncode == 2 and b"give a folder" in several.stderr


def test_without_a_command_there_is_help_as_lines() -> None:
    for words in ((), ("corpus",)):
        found = run(*words)
        assert b"\\n" not in found.stderr and (found.stdout + found.stderr).count(b"\n") > 10
    found = run("completion")
    assert found.returncode == 2 and b"\\n" not in found.stderr and b"zsh" in found.stderr


@pytest.mark.parametrize("device", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_said_in_a_line(folder: Path, device: str) -> None:
    load_shipped("body3d")
    found = run("encode", folder / "walk.npz", "--levels", 1, "--device", device, "-o", folder / "none.posec")
    assert found.returncode == 2 and b"Traceback" not in found.stderr and b"has no device" in found.stderr


def test_what_is_left_of_gaps_is_told(folder: Path, tmp_path: Path) -> None:
    load_shipped("windows3d")
    sequence = walk(60)
    positions = sequence.positions.copy()
    positions[:10] = np.nan  # nobody is there yet
    positions[30:40, 0, 5] = np.nan
    sure = np.isfinite(positions[..., 0]).astype(np.float32)
    posecodec.save(sequence.with_positions(positions, sure), tmp_path / "gaps.npz")
    told = run("convert", tmp_path / "gaps.npz", tmp_path / "filled.npz", "--fill").stderr
    assert b"10 missing keypoints filled, 190 left" in told
    positions[:10] = sequence.positions[:10]
    sure = np.isfinite(positions[..., 0]).astype(np.float32)
    posecodec.save(sequence.with_positions(positions, sure), tmp_path / "gaps.npz", force=True)
    assert b"left" not in run("convert", tmp_path / "gaps.npz", tmp_path / "filled.npz", "--fill", "-f").stderr


def test_a_summary_of_one_file_is_written(folder: Path, tmp_path: Path) -> None:
    coded = tmp_path / "a.posec"
    assert run("encode", folder / "walk.npz", "-o", coded, "--summary", tmp_path / "a.json").returncode == 0
    facts = json.loads((tmp_path / "a.json").read_text())
    assert facts["done"] == 1 and facts["bytes_out"] == coded.stat().st_size
    assert run("decode", coded, "-o", tmp_path / "b.npz", "--summary", tmp_path / "b.json").returncode == 0
    assert json.loads((tmp_path / "b.json").read_text())["done"] == 1


def test_a_name_of_motion_bids_is_written_as_that(tmp_path: Path) -> None:
    assert run("sample", tmp_path / "a_motion.tsv", "--frames", 20).returncode == 0
    assert (tmp_path / "a_channels.tsv").exists() and posecodec.load(tmp_path / "a_motion.tsv").frames == 20


def test_impossible_options_leave_no_corpus(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "in").mkdir()
    posecodec.save(walk(20), tmp_path / "in" / "a.npz")
    assert run("corpus", "plan", tmp_path / "in", "-o", tmp_path / "m.parquet").returncode == 0
    for options in (("--max-error", "5furlong"), ("--levels", 9), ("--max-error", "5mm", "--lossless")):
        assert run("corpus", "encode", tmp_path / "m.parquet", "-o", tmp_path / "c", *options).returncode == 2
        assert not (tmp_path / "c").exists()
