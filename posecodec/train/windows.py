"""Train the weights of windows from a config, whole: the tables, and the file that holds them.

posecodec train-windows --config benchmarks/train/windows3d.json --export weights/windows3d
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posecodec import zoo
from posecodec.coders.windows.stream import USUAL_SPREAD
from posecodec.coders.windows.weights import pack_tables
from posecodec.kinematics.bones import SCALE_STEPS_PER_OCTAVE, BoneTree
from posecodec.networks.config import read_config
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.train import data, views
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.clips import load_clips
from posecodec.train.config import Augmentation, Data
from posecodec.train.git_commit import find_commit
from posecodec.train.window_tables import LENGTH, fit
from posecodec.typing import Floats


@dataclass(frozen=True)
class WindowTraining:
    """One training. dims: 2 or 3. prior_windows, prior_steps: see `window_tables.fit`."""

    name: str
    dims: int
    data: Data
    licence: str
    attribution: str
    seed: int = 0
    prior_windows: int = 6144
    prior_steps: int = 3000
    augmentation: Augmentation = field(default_factory=Augmentation)

    @staticmethod
    def load(path: str | Path) -> WindowTraining:
        """Read a JSON file; paths in it are relative to the working directory. Raises InputError."""
        return read_config(WindowTraining, path)


class WindowSource:
    """Draws augmented windows (B, LENGTH, K, D) of usual size: in mm, or as cameras see them."""

    def __init__(self, config: WindowTraining) -> None:
        self.config, self.skeleton = config, get_builtin(config.data.skeleton)
        clips = load_clips(config.data.train, self.skeleton)
        self.motion = data.canonicalize(clips, self.skeleton, data.measure_bone_shares(clips, self.skeleton))
        self.cameras: Cameras | None = load_cameras(config.data.cameras) if config.data.cameras else None
        self.rng = data.build_generator(config.seed, 7)
        self.tree = BoneTree.from_skeleton(self.skeleton)
        self.usual = float(np.median([self._measure_sizes(clip.points[None].astype(np.float64))[0] for clip in clips]))

    def __call__(self, batch: int) -> Floats:
        drawn = data.draw_windows(self.motion, self.config.augmentation, batch, LENGTH, self.rng)
        if self.config.dims == 3:
            points = views.place_in_world(drawn).numpy().astype(np.float64)
            return points * _round_ratio(self.usual / self._measure_sizes(points))[:, None, None, None]
        points = views.project_to_pixels(drawn, self.cameras, self.rng).numpy().astype(np.float64)
        spread = np.square(points - points.mean(axis=2, keepdims=True)).sum(axis=3).mean(axis=2)
        return points * _round_ratio(USUAL_SPREAD / np.sqrt(np.median(spread, axis=1)))[:, None, None, None]

    def _measure_sizes(self, points: Floats) -> Floats:
        """(B,) summed median lengths of the bones."""
        return np.asarray(np.median(np.linalg.norm(self.tree.measure_bones(points), axis=-1), axis=1).sum(axis=1))


def _round_ratio(ratio: Floats) -> Floats:
    return np.asarray(2.0 ** (np.rint(SCALE_STEPS_PER_OCTAVE * np.log2(ratio)) / SCALE_STEPS_PER_OCTAVE))


def train(config: WindowTraining, target: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json; returns the card."""
    source = WindowSource(config)
    tables = fit(source, source.skeleton, config.dims, config.seed, config.prior_windows, config.prior_steps, say)
    names = [Path(path).name for path in config.data.train]
    about = {"attribution": config.attribution, "data": names, "commit": find_commit(), "steps": config.prior_steps}
    return zoo.write_weights(target, pack_tables(tables), build_settings(config, source.skeleton), about)


def build_settings(config: WindowTraining, skeleton: Skeleton) -> dict[str, Any]:
    """What the weights file itself says, licence included."""
    return {"dims": config.dims, "skeleton": skeleton.name, "licence": config.licence}
