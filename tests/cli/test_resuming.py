"""Folder runs that go on: what was asked and of what is remembered, and all else is done again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec.cli import cli
from posecodec.cli.resuming import MANIFEST, hash_content
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk

HAND = PoseSequence.from_arrays(np.random.default_rng(0).normal(size=(20, 4, 3)).cumsum(axis=0), fps=25, unit="mm")


def call(*arguments: object) -> str:
    """What a command prints."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    return f"{result.output}\n{result.exception or ''}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    posecodec.save(walk(20), tmp_path / "in" / "a.csv")
    return tmp_path


@pytest.mark.parametrize(
    "first, then",
    [("", "--unit m"), ("", "--up z"), ("", "--skeleton coco17"), ("", "--zeros-missing"), ("", "--track"),
     ("--max-error 5mm", "--max-error 50mm"), ("--lossless", ""), ("", "--mean-error 3mm"), ("", "--from csv")],
)  # fmt: skip
def test_other_options_do_it_again(folder: Path, first: str, then: str) -> None:
    assert "1 done, 0 skipped" in call("encode", folder / "in", "-o", folder / "out", *first.split())
    assert "0 done, 1 skipped" in call("encode", folder / "in", "-o", folder / "out", *first.split())
    again = call("encode", folder / "in", "-o", folder / "out", *then.split())
    assert "1 done, 0 skipped" in again and "note: " in again and "other options" in again
    call("encode", folder / "in", "-o", folder / "alone", *then.split())
    assert (folder / "out" / "a.posec").read_bytes() == (folder / "alone" / "a.posec").read_bytes()


def test_files_that_options_name_are_part_of_what_is_asked(folder: Path) -> None:
    table = folder / "mine.toml"
    table.write_text('name = "two"\nkeypoints = ["nose", "neck"]\n')
    ask = ("encode", folder / "in", "-o", folder / "out", "--skeleton", table)
    assert "1 done" in call(*ask) and "1 skipped" in call(*ask)
    table.write_text('name = "two"\nkeypoints = ["neck", "nose"]\n')
    assert "1 done, 0 skipped" in call(*ask)


def test_a_second_file_of_the_same_stem_renames_nothing(folder: Path) -> None:
    ask = ("encode", folder / "in", "-o", folder / "out")
    assert "1 done" in call(*ask)
    posecodec.save(walk(6), folder / "in" / "a.npz")
    assert "1 done, 1 skipped" in call(*ask) and "2 skipped" in call(*ask)
    assert sorted(path.name for path in (folder / "out").glob("*.posec")) == ["a.npz.posec", "a.posec"]
    (folder / "in" / "a.csv").unlink()
    assert "0 done, 1 skipped" in call(*ask)  # and stays a.npz.posec
    assert posecodec.load(folder / "out" / "a.posec").frames == 20
    assert "2 done" in call("decode", folder / "out", "-o", folder / "back")


def test_another_source_of_an_older_date_is_done_again(folder: Path) -> None:
    scene = folder / "in" / "scene"
    posecodec.save(walk(6), scene, format="panoptic")
    ask = ("encode", folder / "in", "-o", folder / "out", "--fps", "29.97")
    assert "2 done" in call(*ask) and "0 done, 2 skipped" in call(*ask)
    posecodec.save(walk(25), folder / "in" / "a.csv", force=True)
    inside = sorted(scene.iterdir())[2]
    inside.write_text(inside.read_text().replace("1", "2"))
    for path in (folder / "in" / "a.csv", inside, scene):
        os.utime(path, (0, 0))
    assert "2 done, 0 skipped" in call(*ask)


def test_damaged_outputs_and_damaged_memory_are_mended(folder: Path) -> None:
    ask = ("encode", folder / "in", "-o", folder / "out")
    call(*ask)
    whole = (folder / "out" / "a.posec").read_bytes()
    (folder / "out" / "a.posec").write_bytes(whole[:-1])
    assert "1 done" in call(*ask) and (folder / "out" / "a.posec").read_bytes() == whole
    for rubbish in ("[1]", '{"file": 3}', "{", '{"file": "a.posec", "asked": {}}', "\0\udcff" * 9):
        (folder / "out" / MANIFEST).write_text(rubbish, errors="surrogatepass")
        assert "1 done, 0 skipped" in call(*ask)


def test_encoding_replaces_nothing_that_it_did_not_write(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "a.posec").write_bytes(b"somebody else's")
    ask = ("encode", folder / "in", "-o", folder / "out")
    refused = call(*ask)
    assert "a.posec: exists already" in refused and (folder / "out" / "a.posec").read_bytes() == b"somebody else's"
    assert "1 failed" in call(*ask)
    assert "0 failed" in call(*ask, "-f") and "0 failed" in call(*ask, "--max-error", "9mm")


def test_decoding_replaces_what_it_wrote_and_nothing_else(folder: Path) -> None:
    posecodec.save(HAND, folder / "in" / "b.npz")
    call("encode", folder / "in", "-o", folder / "out", "--lossless")
    ask = ("decode", folder / "out", "-o", folder / "back")
    assert "2 done" in call(*ask) and "0 done, 2 skipped" in call(*ask)
    assert "2 done, 0 skipped" in call(*ask, "--to", "npz")
    call("encode", folder / "in", "-o", folder / "out", "--max-error", "9mm")
    assert "2 done, 0 skipped" in call(*ask, "--to", "npz")
    edited = folder / "back" / "b.npz"
    edited.write_bytes(b"edited")
    refused = call(*ask, "--to", "npz")
    assert "b.npz: exists already" in refused and "0 done, 1 skipped (done before), 1 failed" in refused
    assert edited.read_bytes() == b"edited"
    (folder / "back" / "a.pose").write_bytes(b"somebody else's")
    assert "a.pose: exists already" in call(*ask, "--to", "pose")
    assert (folder / "back" / "a.pose").read_bytes() == b"somebody else's"
    assert "exists already" in call(*ask, "--to", "npz") and "2 done" in call(*ask, "--to", "npz", "-f")


def test_what_a_killed_run_was_at_is_done_again(folder: Path) -> None:
    call("encode", folder / "in", "-o", folder / "out")
    ask = ("decode", folder / "out", "-o", folder / "back")
    call(*ask)
    path = folder / "back" / MANIFEST
    lines = path.read_text().splitlines()
    begun, finished = (sorted(json.loads(line)) for line in lines)
    assert begun == ["asked", "file", "source"] and finished == ["asked", "file", "made", "output", "source"]
    path.write_text(lines[0] + "\n")
    assert "1 done, 0 skipped" in call(*ask)
    assert hash_content(folder / "back" / "a.csv") == json.loads(path.read_text().splitlines()[-1])["made"]
