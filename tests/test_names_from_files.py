"""Names that files bring along (ids, keypoints, skeletons, metadata, paths): harmless wherever they are shown or written."""

from __future__ import annotations

import csv as tables
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.commands import run

import posecodec
from posecodec.errors import UsageError, make_printable
from posecodec.io.filesystem import write_folder
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.view import scene

EVIL = "\x1b]0;title\x07\x1b[2J\nprompt lossless\u202egnp\u2028\x9b31m"
FORMULAS = ("=HYPERLINK(1)", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-2+3", "a,=cmd()", "a;=cmd()", "-1", "x\t=1")


def make(ids=("0",), names=("nose", "neck"), metadata=None) -> PoseSequence:
    points = np.random.default_rng(0).normal(size=(5, len(ids), len(names), 3)) * 100
    skeleton = replace(build_skeleton(names), name=EVIL)
    return PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, ids=ids, metadata=metadata or {}, unit="mm")


def test_what_is_shown_is_one_line_of_harmless_characters() -> None:
    text = make_printable(EVIL + "\ud800Ægir 日本 \U000e0041")
    assert text.isprintable() and "Ægir 日本" in text and "\\x1b[2J\\nprompt" in text and "\\ud800" in text
    assert make_printable(Path("a/b")) == "a/b"


@pytest.mark.parametrize("command", ["info", "verify", "encode", "decode", "compare", "convert"])
def test_the_terminal(command: str, tmp_path: Path) -> None:
    sequence = make(ids=(EVIL, "b"), names=(EVIL, "neck"), metadata={EVIL: EVIL})
    folder = tmp_path / "in\x1b[31m"
    folder.mkdir()
    posecodec.save(sequence, folder / "a.npz")
    posecodec.PoseCodec().encode(sequence).save(folder / "a.posec")
    other = replace(sequence, ids=("x\x1b[2J", "b"), metadata={})
    posecodec.save(other, folder / "b.npz")
    calls = {
        "info": [["info", folder / "a.npz"], ["info", folder / "a.posec"]],
        "verify": [["verify", folder / "a.posec", folder / "b.npz"]],
        "encode": [["encode", folder / "a.npz", "-f"], ["encode", folder, "-o", tmp_path / "out\x1b[1m"]],
        "decode": [["decode", folder / "a.posec", "-o", folder / "c.trc"], ["decode", folder / "none\x1b.posec"]],
        "compare": [["compare", folder / "a.npz", folder / "b.npz"]],
        "convert": [["convert", folder / "a.npz", folder / "d.c3d"], ["convert", folder / "a.npz", folder / "e.csv"]],
    }
    for arguments in calls[command]:
        found = run(*arguments)
        shown = found.stdout + found.stderr
        assert shown and "Traceback" not in shown
        assert all(line.isprintable() for line in shown.split("\n")), repr(shown)
        assert not any(line.startswith("prompt") for line in shown.split("\n"))


def test_the_page_and_pictures() -> None:
    built = scene.build(make(ids=(EVIL, "<script>")), None, EVIL, None)
    for text in (built.title, *built.facts, *built.ids):
        assert text.isprintable()


def test_no_cell_of_a_table_is_a_formula(tmp_path: Path) -> None:
    for ids, names in ((FORMULAS, ("nose", "neck")), (("0",), FORMULAS), (("-1", "7"), ("nose", "neck"))):
        sequence = make(ids, names, {"note": list(FORMULAS)})
        posecodec.save(sequence, tmp_path / "a.csv", force=True)
        text = (tmp_path / "a.csv").read_text()
        for mark in ",;\t|":
            for row in tables.reader(text.splitlines(), delimiter=mark):
                cells = [cell.strip().strip('"') for cell in row]
                assert not [c for c in cells if c[:1] in ("=", "@") or (c[:1] in ("+", "-") and "cmd" in c)]
        back = posecodec.load(tmp_path / "a.csv")
        assert (back.ids, back.skeleton, back.metadata["note"]) == (ids, sequence.skeleton, list(FORMULAS))


@pytest.mark.parametrize(
    "name", ["../a", "/etc/a", "a/b", "a\\b", "..", ".", "", ".hidden", "con", "NUL.json", "com1.x.json", "a\nb", "c:d",
             "\x1b", "a.", "a ", "\u202ea", "x" * 256, "a\0b", "\ud800"],
)  # fmt: skip
def test_names_of_files_that_files_bring_along_stay_in_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a file's name"):
        write_folder(tmp_path / "out", {"good.json": b"", name: b""}, False, lambda _: True)
    assert not list(tmp_path.iterdir())
    write_folder(tmp_path / "out", {"Ægir 日本-1_keypoints.json": b""}, False, lambda _: True)
