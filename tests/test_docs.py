"""README and docs: every block of commands and of Python runs, in order, in a folder of its own."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import shlex
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from conftest import ROOT

from posecodec import zoo
from posecodec.cli import cli
from posecodec.io import FORMATS
from posecodec.pose.synthetic import walk

JOINTS = (
    ("UpLeg", "hip"), ("Leg", "knee"), ("Foot", "ankle"), ("Arm", "shoulder"), ("ForeArm", "elbow"), ("Hand", "wrist"),
)  # fmt: skip

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
NOT_RUN = "not run by the tests: "  # In the comment of a command, with a reason


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of the blocks that run; those without a language are what a command prints."""
    found = [(language, code) for language, code in BLOCK.findall((ROOT / page).read_text("utf-8")) if language]
    assert {language for language, _ in found} <= {"bash", "python"}
    return found


RUN = [page for page in PAGES if blocks(page)]


def missing(code: str) -> list[str]:
    """Packages named in a first line `# needs: a, b` that are not installed."""
    needs = re.match(r"# needs: (.*)", code)
    return [name for name in re.split(r"[,\s]+", needs[1]) if importlib.util.find_spec(name) is None] if needs else []


def run_commands(code: str) -> None:
    """Lines of `posecodec ...` and `mkdir ...`; anything else is a mistake of the page unless it says why it is not run."""
    for line in code.replace("\\\n", " ").splitlines():
        if NOT_RUN in line:
            continue
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


def write_bvh(path: Path) -> None:
    """The walking sample in cm, on a rig whose joints move freely: the recording that the README calls walk.bvh."""
    walked = walk(160)
    points = walked.positions[:, 0] / 10
    names = walked.skeleton.keypoints
    sides = {f"{side}{joint}": f"{side.lower()}_{keypoint}" for side in ("Left", "Right") for joint, keypoint in JOINTS}
    joints = {name: points[:, names.index(keypoint)] for name, keypoint in {**sides, "Head": "nose"}.items()}
    channels = "CHANNELS 3 Xposition Yposition Zposition"
    lines = ["HIERARCHY", "ROOT Hips", "{", "OFFSET 0 0 0", channels]
    for name, places in joints.items():
        offset = " ".join(map(str, places[0]))
        lines += [f"JOINT {name}", "{", f"OFFSET {offset}", channels, "End Site", "{", "OFFSET 0 10 0", "}", "}"]
    rows = np.hstack([np.zeros((len(points), 3)), *joints.values()])
    lines += ["}", "MOTION", f"Frames: {len(rows)}", f"Frame Time: {1 / walked.rate}"]
    path.write_text("\n".join([*lines, *(" ".join(f"{value:.4f}" for value in row) for row in rows)]) + "\n", "utf-8")


@pytest.mark.skipif("windows3d" not in zoo.list_weights(), reason="the weights windows3d are not in this checkout")
@pytest.mark.parametrize("page", RUN)
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FORMATS, "_loaded", {})
    if page == "README.md":
        Path("recordings").mkdir()
        for name in ("walk.bvh", "recordings/one.bvh", "recordings/two.bvh"):
            write_bvh(Path(name))
    names: dict[str, object] = {"__name__": "__main__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for language, code in blocks(page):
            lacking = missing(code)
            if lacking:
                pytest.skip(f"{', '.join(lacking)} not installed; the blocks up to there ran")
            if language == "bash":
                run_commands(code)
            else:
                exec(compile(code, page, "exec"), names)  # the page is ours


def test_what_does_not_run_says_so() -> None:
    """Few commands, each with a reason, and none in a block without a language, which nothing runs."""
    skipped = [line for page in PAGES for _, code in blocks(page) for line in code.splitlines() if NOT_RUN in line]
    assert len(skipped) <= 4
    found = [block for page in PAGES for block in BLOCK.findall((ROOT / page).read_text("utf-8"))]
    assert not [
        code for language, code in found if not language and re.search(r"^(posecodec|python|bash) ", code, re.M)
    ]


def test_terms_are_those_of_the_code() -> None:
    """Every name of the third column of docs/terminology.md is one."""
    rows = [line.split("|") for line in (ROOT / "docs/terminology.md").read_text("utf-8").splitlines()]
    names = [name for row in rows if len(row) > 4 for name in re.findall(r"`([\w.]+)`", row[3])]
    assert len(names) > 40
    for name in names:
        assert pkgutil.resolve_name(f"posecodec.{name}") is not None
