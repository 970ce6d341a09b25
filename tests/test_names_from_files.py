"""Names that files bring along (ids, keypoints, skeletons, metadata, paths): harmless wherever they are shown or written."""

from __future__ import annotations

import csv as tables
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.commands import run
from click.testing import CliRunner

import posecodec
from posecodec.cli import cli
from posecodec.cli.common import LONGEST_LINE
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


HOSTILE = (
    EVIL, "a\ud800b\udfff", "\u2067rtl\u2069", "in\u200bvis\u00adib\u2060le", "\U000e0041\U000e0042", "\r\x08\x7f", "\ufeff",
    "\x9b2J", "\udce9 of a file's name",
)  # fmt: skip


def check_shown(*texts: str) -> None:
    """Each line is harmless, and none is what a name would have liked to say."""
    for text in texts:
        assert "Traceback" not in text
        for line in text.split("\n"):
            assert line.isprintable(), repr(line)
            assert not line.startswith("prompt") and len(line) < LONGEST_LINE + 40


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_said_is_harmless(text: str) -> None:
    assert make_printable(text).isprintable() and make_printable(f"x{text}") != f"x{text}"


def test_words_of_all_languages_stay() -> None:
    text = "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937 \xa0\u3000 e\u0301"
    text += " \U0001f469\u200d\U0001f680"
    assert make_printable(text) == text


def call(*arguments: object) -> str:
    """What a command prints, run in this process."""
    found = CliRunner().invoke(cli, [*map(str, arguments)])
    return found.output


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 100_000])
def test_every_text_of_a_recording_on_the_terminal(text: str, tmp_path: Path) -> None:
    sequence = make(ids=(text, "b"), names=(text, "neck"), metadata={"note": text, "source_format": text})
    sequence = replace(sequence, skeleton=replace(sequence.skeleton, name=text))
    npz, posec, other = tmp_path / "a.npz", tmp_path / "a.posec", tmp_path / "b.npz"
    posecodec.save(sequence, npz)
    if text.isascii() or text.encode(errors="replace").decode() == text:  # files hold no half surrogates
        posecodec.PoseCodec().encode(sequence).save(posec)
    else:
        posec.write_bytes(b"none")
    posecodec.save(replace(sequence, ids=("c", text), metadata={}), other)
    (tmp_path / "mine.toml").write_text(f"name = {json.dumps(text)}\nkeypoints = [{json.dumps(text)}, 'neck']\n")
    calls = [("info", npz), ("info", posec), ("verify", posec, other), ("compare", npz, other), ("compare", posec, npz),
             ("convert", npz, tmp_path / "c.trc"), ("decode", posec, "-o", tmp_path / "d.bvh"),
             ("skeletons", tmp_path / "mine.toml"), ("encode", npz, "--item", text),
             ("view", npz, "-o", f"{text}.jpg"[:99])]  # fmt: skip
    for arguments in calls:
        check_shown(call(*arguments))
    json.loads(call("info", npz, "--json"))


def test_cards_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"")
    keys = ("sha256", "skeleton", "licence", "attribution", "steps", "commit")
    (tmp_path / "mine.json").write_text(json.dumps({key: EVIL + "\ud800" for key in keys}))
    monkeypatch.setattr("posecodec.zoo.FOLDERS", (tmp_path,))
    assert "title" in call("models")
    check_shown(call("models"))
    assert json.loads(call("models", "--json"))[0]["licence"].startswith(EVIL)


@pytest.mark.skipif(os.name != "posix", reason="names that other systems refuse")
def test_names_of_files_on_the_command_line(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[2J\nprompt lossless \xe2\x80\xae.npz")
    posecodec.save(make(), tmp_path / name)
    (tmp_path / f"bad{name}").write_bytes(b"PK rubbish")
    for arguments in (["info", name], ["info", "a", name], ["encode", "-x", name], [name], ["encode", ".", "-o", "out"],
                      ["encode", name, f"bad{name}", "-o", "out", "-j", "2", "-f"], ["decode", name]):  # fmt: skip
        found = run(*arguments, cwd=tmp_path, errors="surrogateescape")
        assert found.stdout + found.stderr
        check_shown(found.stdout, found.stderr)


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
        assert shown
        check_shown(shown)


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
