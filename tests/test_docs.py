"""README and docs: every block of commands and of Python runs, in order, in a folder of its own."""

from __future__ import annotations

import importlib.util
import re
import shlex
import warnings
from pathlib import Path

import click
import pytest
from conftest import ROOT

from posecodec import zoo
from posecodec.cli import cli

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "bitstream.md")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.M | re.S)


def blocks(text: str) -> list[tuple[str, str]]:
    return BLOCK.findall(text)


def missing(code: str) -> list[str]:
    """Packages named in a first line `# needs: a, b` that are not installed."""
    needs = re.match(r"# needs: (.*)", code)
    return [name for name in re.split(r"[,\s]+", needs[1]) if importlib.util.find_spec(name) is None] if needs else []


def run_commands(code: str) -> None:
    """Lines of `posecodec ...` and `mkdir ...`; anything else is a mistake of the page."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] == "mkdir":
            Path(words[-1]).mkdir(parents="-p" in words)
            continue
        assert words[0] == "posecodec", line
        try:
            cli.main(words[1:], standalone_mode=False)
        except click.exceptions.Exit as done:
            assert done.exit_code == 0, line


@pytest.mark.skipif("body3d" not in zoo.list_weights(), reason="the weights body3d are not in this checkout")
@pytest.mark.parametrize("page", PAGES)
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks((ROOT / "docs" / page).read_text())
    assert found
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for language, code in found:
            lacking = missing(code)
            if lacking:
                pytest.skip(f"{', '.join(lacking)} not installed; the blocks up to there ran")
            if language == "bash":
                run_commands(code)
            else:
                exec(compile(code, page, "exec"), names)  # the page is ours
