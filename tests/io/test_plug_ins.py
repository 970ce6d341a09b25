"""Formats of other packages: the one of docs/new_format.md, installed, and others that are broken."""

import importlib
import json
import re
import sys

import pytest
from click.testing import CliRunner
from conformance import CHECKS, Sample
from conftest import ROOT
from good_files import MAKERS

import posecodec
from posecodec.cli import cli
from posecodec.errors import DataWarning, UsageError
from posecodec.io import FORMATS, Format, detect, find_format, register_format
from posecodec.pose.synthetic import walk

PAGE = (ROOT / "docs" / "new_format.md").read_text()
LAB = re.search(r"^```python\n(.*?)^```", PAGE, re.M | re.S)[1]
ENTRY = re.search(r"^\[project.*\n(.*)", PAGE, re.M)[1].replace('"', "")


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a package of one module with entry points where Python finds both; all of it is gone after the test."""

    def put(name, code, entries):
        folder = tmp_path / "site" / name
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        (folder / f"{name}.py").write_text(code)
        (folder / f"{name}-1.0.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        (folder / f"{name}-1.0.dist-info" / "entry_points.txt").write_text(f"[posecodec.formats]\n{entries}\n")
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()

    for attribute, value in {"_plug_ins_loaded": False, "_loaded": {}, "broken": {}}.items():
        monkeypatch.setattr(FORMATS, attribute, value)
    return put


@pytest.fixture
def lab(install):
    install("lab_format", LAB, ENTRY)
    return FORMATS["lab"]


@pytest.fixture
def sample(lab, tmp_path):
    lab.save(walk(6), tmp_path / "sample.lab")
    return Sample("take.lab", (tmp_path / "sample.lab").read_bytes(), refuses_cuts=False)


@pytest.mark.parametrize("check", CHECKS)
def test_a_plug_in_conforms(check, lab, sample, tmp_path):
    assert lab.read.__module__ == "lab_format" and list(FORMATS)[-1] == "lab"
    (tmp_path / "test").mkdir()
    check(lab, sample, tmp_path / "test")


def test_a_plug_in_takes_no_file_of_others(lab, sample, tmp_path):
    for name, makers in MAKERS.items():
        for maker in makers[:1]:
            (tmp_path / f"a-{name}").write_bytes(maker())
            assert detect(tmp_path / f"a-{name}").format != "lab"


def test_commands_and_functions_know_a_plug_in(lab, tmp_path):
    posecodec.save(walk(4), tmp_path / "a.lab")
    assert posecodec.load(tmp_path / "a.lab").metadata == {"source_format": "lab"}
    assert find_format(tmp_path / "none.lab") == "lab"
    rows = json.loads(CliRunner().invoke(cli, ["formats", "--json"]).stdout)
    assert rows[-1] == {
        "name": "lab",
        "what": "markers of our lab",
        "files": [".lab"],
        "read": True,
        "write": True,
        "extra": "",
    }


@pytest.mark.parametrize(
    ("code", "entry", "message"),
    [
        ("import nowhere_at_all", "broken_format:FORMAT", "nowhere_at_all"),
        ("FORMAT = 3", "broken_format:FORMAT", "int"),
        ("", "broken_format:FORMAT", "FORMAT"),
        ("raise SystemExit", "broken_format:FORMAT", "SystemExit"),
        (LAB.replace('name="lab"', 'name="npz"'), "broken_format:FORMAT", "already"),
        (LAB.replace("write=write", "options=('speed',)"), "broken_format:FORMAT", "options"),
    ],
)
def test_a_broken_plug_in_is_named_and_breaks_no_other(code, entry, message, install, tmp_path):
    install("broken_format", code, f"broken = {entry}")
    install("lab_format", LAB, ENTRY)
    with pytest.warns(DataWarning, match=f"'broken' of the package broken_format .*{message}"):
        assert "lab" in list(FORMATS) and "broken" not in FORMATS
    posecodec.save(walk(3), tmp_path / "a.lab")
    assert posecodec.load(tmp_path / "a.lab").frames == 3
    with pytest.raises(UsageError, match="no format 'broken'; there are npz.*'broken' of the package broken_format"):
        posecodec.load(tmp_path / "a.lab", format="broken")


def test_a_format_is_registered_once(lab):
    register_format(lab)
    with pytest.raises(UsageError, match="'lab' already"):
        register_format(Format(name="lab", title="another", suffixes=(".x",), read=lab.read, write=lab.write))
    with pytest.raises(UsageError, match="'npz' already"):
        register_format(Format(name="npz", title="another", suffixes=(".x",), read=lab.read, write=lab.write))
    with pytest.raises(UsageError, match="str"):
        register_format("lab")


def test_a_sniff_that_fails_is_reported_and_the_others_are_asked(install, lab, tmp_path):
    def fail(file):
        raise KeyError("oops")

    register_format(
        Format(name="bad", title="", suffixes=(".bad",), read=lab.read, write=lab.write, sniff=fail, priority=1)
    )
    posecodec.save(walk(3), tmp_path / "a.npy")
    with pytest.warns(DataWarning, match="'bad' failed"):
        assert detect(tmp_path / "a.npy").format == "npy"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Lab"}, "name"),
        ({"suffixes": ()}, "suffix"),
        ({"suffixes": ("lab",)}, "suffix"),
        ({"suffixes": (".LAB",)}, "suffix"),
        ({"own_suffixes": (".x",)}, "own_suffixes"),
        ({"options": ("speed",)}, "fps, unit"),
        ({"write": None}, "read_only"),
        ({"read_only": "so"}, "read_only"),
    ],
)
def test_formats_that_contradict_themselves(wrong, message, lab):
    facts = {"name": "lab", "title": "", "suffixes": (".lab",), "read": lab.read, "write": lab.write}
    with pytest.raises(UsageError, match=message):
        Format(**facts | wrong)


def test_the_page_is_forty_lines():
    assert len([line for line in LAB.splitlines() if line.strip()]) <= 40
