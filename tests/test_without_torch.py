"""Without torch everything works but tokens and training, which say what to install; with it nothing else loads it."""

import subprocess
import sys

import pytest
from conftest import load_shipped

GOALS = [[], ["--max-error", "5mm"], ["--mean-error", "60mm"]]
WITHOUT = "import sys; sys.modules['torch'] = None; from posecodec.cli import main; main()"
CLIP = """
import sys
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk
codec = PoseCodec.from_pretrained("windows3d")
for goal in ({}, {"mean_error": 60.0}):
    assert codec.decode(codec.encode(walk(300), **goal)).frames == 300
assert codec.decode(codec.encode_windows(walk(300), 144)).frames == 300
assert "torch" not in sys.modules
"""


def run(folder, *words):
    """A command where importing torch fails."""
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT, *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    load_shipped("windows3d")
    path = tmp_path_factory.mktemp("without")
    assert run(path, "sample", "walk.npz").returncode == 0
    assert run(path, "sample", "filmed.npz", "--filmed").returncode == 0
    return path


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: " ".join(goal) or "default")
def test_files_need_no_torch(folder, goal):
    for command in (
        ["encode", "walk.npz", "-f", *goal], ["decode", "walk.posec", "-o", "back.npz", "-f"], ["info", "walk.posec"],
        ["convert", "filmed.npz", "filled.npz", "-f", "--fill"],
        ["view", "walk.npz", "--compare", "walk.posec", "-o", "walk.html", "-f"], ["verify", "walk.posec", "walk.npz"],
    ):  # fmt: skip
        found = run(folder, *command)
        assert found.returncode == 0, found.stderr


def test_what_needs_torch_says_so(folder):
    assert run(folder, "encode", "walk.npz", "-f", "--levels", 8).returncode == 5
    for command, told in (
        (
            ["encode", "walk.npz", "-f", "--levels", 8, "-m", "windows3d"],
            "tokens need torch; pip install '.[tokens]'",
        ),
        (
            ["convert", "filmed.npz", "filled.npz", "-f", "--fill-with", "body2d"],
            "tokens need torch; pip install '.[tokens]'",
        ),
        (["train-windows", "--config", "a.json", "--export", "a"], "training needs torch; pip install '.[train]'"),
    ):
        found = run(folder, *command)
        assert found.returncode == 5 and told in found.stderr and "Traceback" not in found.stderr


def test_a_clip_loads_no_torch():
    load_shipped("windows3d")
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", CLIP], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
