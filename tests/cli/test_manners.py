"""Manners of commands: what exists is refused first, several files at once, `-` everywhere, dry and quiet runs, help."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from posecodec import cli, io, zoo
from posecodec.cli import progress
from posecodec.cli.common import refuse_terminal
from posecodec.errors import CorruptError, InputError, PosecodecError, UsageError, WeightsError
from posecodec.pose.synthetic import walk


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two recordings and their files, in a folder that nobody writes to."""
    folder = tmp_path_factory.mktemp("made")
    for name, frames in (("a", 20), ("b", 30)):
        io.save(walk(frames), folder / f"{name}.npz")
        call("encode", folder / f"{name}.npz")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of these to work in."""
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments, stdin=None):
    """A command's output; errors are raised."""
    result = CliRunner().invoke(cli.cli, [*map(str, arguments)], input=stdin, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    "command",
    [
        ["encode", "a.npz"], ["encode", "a.npz", "-o", "b.posec"], ["decode", "a.posec"],
        ["decode", "a.posec", "-o", "b.npz"],
        ["convert", "a.npz", "b.npz"], ["view", "a.npz", "-o", "a.posec"], ["tokens", "a.npz", "-o", "b.npz"],
        ["cut", "a.posec", "-o", "b.posec"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_exists_is_refused_before_any_work(here, command, monkeypatch):
    def read_nothing(*args, **options):
        raise AssertionError("it was read")

    monkeypatch.setattr("posecodec.io.load", read_nothing)
    monkeypatch.setattr("posecodec.codec.PoseCodec.decode", read_nothing)
    with pytest.raises(UsageError, match="exists already; pass --force"):
        call(*command)


def test_several_files_go_beside_each(here):
    for path in here.glob("*.posec"):
        path.unlink()
    call("encode", "a.npz", "b.npz")
    assert {path.name for path in here.iterdir()} == {"a.npz", "a.posec", "b.npz", "b.posec"}
    with pytest.raises(PosecodecError, match="2 of 2 files failed"):
        call("encode", "a.npz", "b.npz")
    call("encode", "a.npz", "b.npz", "-f")
    (here / "a").mkdir()  # is in nobody's way
    call("decode", "a.posec", "b.posec", "--to", "csv")
    assert io.load(here / "b.csv").frames == 30
    with pytest.raises(UsageError, match="need -o DIR"):
        call("encode", here)


def test_dry_runs_write_nothing(here):
    before = sorted(path.name for path in here.iterdir())
    assert call("encode", "a.npz", "-n") == "a.npz -> a.posec (exists)\n"
    assert call("encode", here, "-o", "out", "-n").count("\n") == 2
    told = [json.loads(line) for line in call("decode", "a.posec", "b.posec", "-n", "--json").splitlines()]
    assert [each["output"] for each in told] == ["a.npz", "b.npz"] and told[0]["exists"]
    assert sorted(path.name for path in here.iterdir()) == before


def test_quiet_runs_say_nothing(here):
    assert call("encode", "a.npz", "-f", "-q") == ""
    assert call("encode", "a.npz", "-f") != ""
    with pytest.raises(InputError):
        call("encode", "none.npz", "-q")
    call("info", "a.npz")


def test_verbose_runs_tell_how_it_was_coded_and_how_long_it_took(here):
    told = call("encode", "a.npz", "-f", "-v")
    assert re.search(r"a\.npz: \d+ bytes, \d+ of them in chunks: 1 x \w+; weights \w+; \d+\.\d\d s", told)
    assert re.search(r"a\.posec: read, decoded and written in \d+\.\d\d s", call("decode", "a.posec", "-f", "-v"))
    assert "in chunks" not in call("encode", "a.npz", "-f")


@pytest.mark.parametrize(("command", "known"), [
    (["cut", "a.posec", "-o", "c.posec"], {"input": "a.posec", "output": "c.posec"}),
    (["view", "a.npz", "-o", "a.html"], {"output": "a.html", "frames": 20, "people": 1}),
    (["sample", "c.npz", "--frames", "9"], {"output": "c.npz", "frames": 9}),
    (["skeletons", "coco17"], {"name": "coco17", "root": None}),
], ids=str)  # fmt: skip
def test_every_command_speaks_json(here, command, known):
    told = json.loads(call(*command, "--json"))
    assert told | known == told
    assert len(json.loads(call("skeletons", "--json"))) >= 20


@pytest.mark.parametrize("model", ["windows2d", "body2d"])
def test_weights_that_are_of_no_use_are_an_error(here, model):
    for goal in ([], ["--levels", 2]):
        with pytest.raises(WeightsError, match="leave -m out"):
            call("encode", "a.npz", "-m", model, "-f", *goal)
    assert "body3d is not used" in call("encode", "a.npz", "-m", "body3d", "-f")


def test_what_lies_here_under_a_built_in_name_is_not_taken_for_it(here):
    (here / "windows3d").mkdir()
    (here / "transform").write_text("notes")
    assert "bytes" in call("encode", "a.npz", "-f")
    assert "frames" in call("decode", "a.posec", "-f")


@pytest.mark.parametrize("command", ["info", "verify"])
def test_folders_and_several_files_are_inspected(made, command):
    for arguments in ((made,), (made / "a.posec", made / "b.posec")):
        told = call(command, *arguments, "--json").splitlines()
        files = [Path(json.loads(line)["file"]).name for line in told]
        assert files[-1].startswith("b") and len(files) == (4 if command == "info" and arguments == (made,) else 2)
    assert "a.posec" in call(command, made)


def test_a_bad_file_among_several_is_told_and_the_others_go_on(here):
    (here / "a.posec").write_bytes((here / "a.posec").read_bytes()[:-3])
    with pytest.raises(CorruptError, match="1 of 2 files failed"):
        call("verify", here)
    with pytest.raises(InputError, match=r"no \.posec files"):
        (here / "empty").mkdir()
        call("verify", "empty")


def test_several_are_compared_with_the_first(made):
    lines = call("compare", made / "a.npz", made / "a.posec", made / "a.npz", "--json").splitlines()
    told = [json.loads(line) for line in lines]
    assert told[0]["mpjpe"] > 0 and told[1]["mpjpe"] == 0 and told[1]["file"].endswith("a.npz")


def test_several_are_converted_into_a_folder(here):
    call("convert", "a.npz", "b.posec", "out", "--to", "trc")
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a.trc", "b.trc"]
    with pytest.raises(UsageError, match="--to"):
        call("convert", "a.npz", "b.npz", "out")
    with pytest.raises(UsageError, match="to what"):
        call("convert", "a.npz")


def test_several_are_viewed_into_a_folder_and_one_opens_a_page(here, monkeypatch):
    call("view", "a.npz", "b.posec", "-o", "pages")
    assert sorted(path.name for path in (here / "pages").iterdir()) == ["a.npz.html", "b.posec.html"]
    with pytest.raises(UsageError, match="-o DIR"):
        call("view", "a.npz", "b.npz")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DISPLAY", ":0")
    call("view", "a.npz")
    assert opened[0].startswith("file://") and Path(opened[0][7:]).read_text().startswith("<!")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if sys.platform == "linux":
        assert "open file://" in call("view", "a.npz") and len(opened) == 1


@pytest.mark.parametrize("name", ["a.npz", "a.posec"])
def test_standard_input_is_taken_everywhere(made, here, name):
    data = (made / name).read_bytes()
    assert json.loads(call("info", "-", "--json", stdin=data))["frames"] == 20
    assert json.loads(call("compare", made / "a.npz", "-", "--json", stdin=data))["mpjpe"] < 30
    call("convert", "-", "c.csv", stdin=data)
    call("view", "-", "-o", "c.html", stdin=data)
    assert io.load(here / "c.csv").frames == 20 and (here / "c.html").exists()
    if name == "a.posec":
        assert "whole" in call("verify", "-", stdin=data)


def test_other_formats_are_no_posec(made):
    with pytest.raises(InputError, match="encode"):
        call("decode", made / "a.npz")


def test_bytes_are_nothing_for_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match="terminal"):
        refuse_terminal()


def test_info_tells_numbers_or_nothing(made, tmp_path):
    facts = json.loads(call("info", made / "a.posec", "--json"))
    assert facts["duration"] == pytest.approx(20 / 30, abs=1e-3) and facts["bits a frame"] == 8 * facts["bytes"] / 20
    assert facts["ratio"] == round(4 * 20 * 19 * 3 / facts["bytes"], 1)
    import numpy as np

    np.save(tmp_path / "x.npy", np.zeros((4, 17, 2)))
    facts = json.loads(call("info", tmp_path / "x.npy", "--json"))
    assert facts["fps"] is None and facts["duration"] is None
    assert "pass --fps" in call("info", tmp_path / "x.npy") and "None" not in call("info", tmp_path / "x.npy")


def test_the_help_lists_each_command_once_and_in_whole_sentences():
    text = call("--help")
    assert "..." not in text.partition("Commands:")[2]
    listed = [
        line.split()[0] for line in text.splitlines() if line[:2] == "  " and line[2:3].islower() and "  " in line[2:]
    ]
    names = [name for names in cli._FILES.values() for name in names]
    assert (
        sorted(set(listed) & set(names)) == sorted(names) == sorted(n for names in cli._GROUPS.values() for n in names)
    )
    assert "-V" in text


def test_a_bar_makes_way_for_lines(monkeypatch, capsys):
    with progress.open_bar(5) as bar:
        assert bar.bar is None
        with bar.make_way():
            print("a line")
        bar.advance()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.open_bar(3) as bar:
        with bar.make_way():
            print("another")
        bar.advance()
        assert bar.bar.n == 1
    told = capsys.readouterr()
    assert told.out == "a line\nanother\n" and "file" in told.err


def test_weights_of_ones_own_are_found_by_name_and_by_hash(here, monkeypatch):
    source = zoo.find_weights("windows3d")
    (here / "own").mkdir()
    for path in (source, source.with_suffix(".json")):
        (here / "own" / f"mine{path.suffix}").write_bytes(path.read_bytes())
    monkeypatch.setenv(zoo.SEARCH_PATH, str(here / "own"))
    monkeypatch.setattr(zoo, "FOLDERS", ())
    assert zoo.list_weights() == ["mine"] == [zoo.find_named(zoo.read_weights("mine").id)]
    (card,) = json.loads(call("models", "--json"))
    assert card["name"] == "mine" and [card | {"name": ""}] == [
        each | {"name": ""} for each in json.loads(call("models", "own/mine.safetensors", "--json"))
    ]


@pytest.mark.parametrize(
    ("line", "offered"), [("encode -m wind", "windows3d"), ("info --from bv", "bvh"), ("encode --skeleton smpl2", "smpl22"),
                          ("view --unit m", "mm")],
)  # fmt: skip
def test_shells_complete_values(line, offered):
    *words, begun = line.split()
    completed = ShellComplete(cli.cli, {}, "posecodec", "_POSECODEC_COMPLETE").get_completions(words, begun)
    assert offered in [each.value for each in completed]
