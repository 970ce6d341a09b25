"""Takes that the benchmarks measure on, in 3D as recorded, in 2D through five calibrated cameras, 1920 x 1080."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import posecodec
from posecodec.bench.data import Take, load_split
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.train.cameras import load_cameras, project
from posecodec.train.clips import load_clips


@dataclass(frozen=True, eq=False)
class Flat:
    """A take as a camera sees it. points: (T, 19, 2) px."""

    points: np.ndarray

    def to_sequence(self) -> posecodec.PoseSequence:
        """As the codec gets it."""
        return posecodec.PoseSequence.from_arrays(self.points, fps=30.0, skeleton=COCO19, unit="px", up="-y")


def project_all(data: Path, split: str) -> list[Flat]:
    """Every take through every camera of the calibration, the person at the middle, on the floor."""
    cameras = load_cameras(data / "cameras" / "panoptic_hd5.json")
    count, found = len(cameras.offset), []
    for clip in load_clips((str(data / split),), COCO19):
        middle = clip.points[:, 2].mean(axis=0) * np.array([1, 0, 1], np.float32)
        views = project(torch.from_numpy(clip.points - middle).expand(count, -1, -1, -1), cameras).numpy()
        found += [Flat(view) for view in views]
    return found


def load_takes(data: Path, split: str, dims: int) -> list[Take] | list[Flat]:
    """What weights of so many dimensions see of a split."""
    return load_split(data, split) if dims == 3 else project_all(data, split)
