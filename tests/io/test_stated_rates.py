"""A rate or unit that the caller gives against what the file states: never in silence, and among several the file's wins."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from cli.commands import run
from good_files import ITEMS, MAKERS, name_file

import posecodec
from posecodec import io
from posecodec.bitstream.container import read_header
from posecodec.errors import DataWarning, NoRateError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk

CASES = [(name, number) for name, makers in MAKERS.items() for number in range(len(makers))]


def load_with_notes(path: Path, **options: Any) -> tuple[PoseSequence, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sequence = io.load(path, **options)
    return sequence, [
        str(w.message) for w in caught if issubclass(w.category, DataWarning) and "says" in str(w.message)
    ]


@pytest.mark.parametrize("name, number", CASES)
def test_of_every_format(name: str, number: int, tmp_path: Path) -> None:
    data = MAKERS[name][number]()
    path = tmp_path / name_file(name, data)
    path.write_bytes(data)
    options = {"format": name, "item": ITEMS.get(name)}
    try:
        stated = load_with_notes(path, **options)[0].rate
    except NoRateError:
        for choice in ("fps", "default_fps"):
            sequence, notes = load_with_notes(path, **options, **{choice: 77.0})
            assert sequence.fps == 77 and not notes
        return
    assert io.FORMATS[name].states_rate
    sequence, notes = load_with_notes(path, **options, fps=77.0)
    assert sequence.fps == 77 and notes == [f"the file says {stated:.6g} frames per second; --fps 77 is followed"]
    sequence, notes = load_with_notes(path, **options, default_fps=77.0)
    assert sequence.rate == stated and len(notes) == 1 and "is kept" in notes[0]
    for choice in ("fps", "default_fps"):
        assert not load_with_notes(path, **options, **{choice: stated})[1]


def test_times_are_a_rate_too(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.35]
    posecodec.save(PoseSequence.from_arrays(walk(3).positions, timestamps=times), tmp_path / "a.npz")
    sequence, notes = load_with_notes(tmp_path / "a.npz", fps=30)
    assert sequence.fps == 30 and "5.71429 frames per second on average, by its times; --fps 30" in notes[0]
    sequence, notes = load_with_notes(tmp_path / "a.npz", default_fps=30)
    assert sequence.timestamps is not None and sequence.timestamps.tolist() == times and "is kept" in notes[0]


def test_in_a_tree_a_rate_is_for_files_that_have_none(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    posecodec.save(PoseSequence.from_arrays(walk(20).positions, fps=250), root / "a.npz")
    (root / "b.csv").write_text("frame,nose_x,nose_y\n0,1,2\n1,2,3\n")
    found = run("encode", root, "-o", tmp_path / "out", "--fps", 30)
    assert found.returncode == 0, found.stderr
    assert "a.npz: the file says 250 frames per second, which is kept" in found.stderr and "b.csv" not in found.stderr
    assert [read_header((tmp_path / "out" / f"{name}.posec").read_bytes()).fps for name in "ab"] == [250, 30]
    alone = run("encode", root / "a.npz", "-o", tmp_path / "a.posec", "--fps", 30)
    assert "note: " in alone.stderr and "the file says 250 frames per second; --fps 30 is followed" in alone.stderr
    assert read_header((tmp_path / "a.posec").read_bytes()).fps == 30


@pytest.mark.parametrize("command", ["convert", "info"])
def test_among_several_every_command_keeps_what_files_state(command: str, tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    posecodec.save(PoseSequence.from_arrays(walk(20).positions, fps=250, unit="cm"), root / "a.npz")
    posecodec.save(PoseSequence.from_arrays(walk(20).positions, fps=250), root / "b.npz")
    given = (root, tmp_path / "out", "--to", "npz") if command == "convert" else (root,)
    found = run(command, *given, "--fps", 30, "--unit", "m", *(["--json"] if command == "info" else []))
    assert found.returncode == 0, found.stderr
    if command == "convert":
        kept = [io.load(tmp_path / "out" / f"{name}.npz") for name in "ab"]
        assert [(each.fps, each.unit) for each in kept] == [(250, "cm"), (250, "m")]
    else:
        told = [json.loads(line) for line in found.stdout.splitlines()]
        assert [(each["fps"], each["unit"]) for each in told] == [(250, "cm"), (250, "m")]
    assert "this is in cm, which is kept: among several" in found.stdout + found.stderr


def test_a_unit_or_axis_against_the_files_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    posecodec.save(PoseSequence.from_arrays(walk(3).positions, fps=30, unit="in", up="y"), path)
    with pytest.warns(DataWarning) as told:
        sequence = io.load(path, unit="mm", up="z")
    assert (sequence.unit, sequence.up) == ("mm", "z")
    assert [str(each.message).partition(",")[0] for each in told] == [
        "the file's unit is in; --unit mm is followed", "the file's up is y; --up z is followed",
    ]  # fmt: skip
    with pytest.warns(DataWarning, match="this is in in, which is kept"):
        assert io.load(path, default_unit="mm").unit == "in"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert io.load(path, unit="in", up="y", default_unit="mm").unit == "in"
