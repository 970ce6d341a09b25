"""Tiny systems of the paper, trained for a few steps on the walking sample: what tests of them share."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import ROOT

import posecodec
from posecodec.pose.synthetic import walk
from posecodec.train.grid_export import export
from posecodec.train.grid_loop import GridTrainer
from posecodec.train.grid_runs import list_runs
from posecodec.train.steps import run_steps

CONFIGS = ROOT / "configs" / "paper"
SMALL = {"grid": 16, "width": 8, "depth": 1, "detail": 4, "latent": 4, "codes": 16, "factor": [4, 4, 4], "window": 8}
CAMERA = {
    "K": [[1400, 0, 960], [0, 1400, 540], [0, 0, 1]], "distCoef": [-0.28, 0.17, 0, 0, -0.04],
    "R": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "t": [0, 1000, 4000],
}  # fmt: skip


def write_data(folder: Path, cameras: int = 3) -> Path:
    """A folder with train/, val/ and cameras/."""
    for split, frames in (("train", 90), ("val", 60)):
        (folder / split).mkdir(parents=True)
        posecodec.save(walk(frames), folder / split / "walk.npz")
    (folder / "cameras").mkdir()
    views = [{**CAMERA, "t": [60 * v, 1000, 4000 + 100 * v]} for v in range(cameras)]
    (folder / "cameras" / "all.json").write_text(json.dumps({"cameras": views}))
    return folder


def write_config(name: str, folder: Path, **model: object) -> Path:
    """A config of configs/paper, made small, as JSON; its runs lie in the folder."""
    text = {
        "base": str(CONFIGS / f"{name}.toml"), "out": str(folder / "run"), "steps": 4, "batch": 1, "evaluate_every": 2,
        "val_windows": 1, "prior_windows": 2, "prior_steps": 4, "model": {**SMALL, **model},
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(text))
    return path


def train_small(name: str, folder: Path, **model: object) -> Path:
    """The weights of a small training."""
    config = write_config(name, folder, **model)
    (run,) = list_runs(config, folder=str(write_data(folder / "data")))
    trainer = GridTrainer(run)
    run_steps(trainer)
    export(trainer, folder / name, lambda text: None)
    return folder / f"{name}.safetensors"
