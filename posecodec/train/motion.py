"""Learn how bodies move, as covariances, from a config, and write the weights that fill gaps.

posecodec train-motion --config configs/motion3d.json --export weights/motion3d
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posecodec import zoo
from posecodec.errors import InputError
from posecodec.kinematics.body_track import list_roots
from posecodec.kinematics.motion_model import KIND, MOST_KEYPOINTS, STRIDE, pack_whole
from posecodec.networks.config import read_config
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.files import resolve_skeleton, write_skeleton
from posecodec.pose.skeletons.whole import WHOLE
from posecodec.train import data
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.clips import RATE, SHORTEST, Clip, load_clips
from posecodec.train.config import Augmentation, Data
from posecodec.train.git_commit import find_commit
from posecodec.train.token_views import split_2d, split_3d
from posecodec.train.whole_bodies import load_as
from posecodec.typing import Floats

BATCH = 64  # Windows that are drawn at once
MEAN_OF = 4  # The mean is that of each fourth batch
TAPER = 2  # Windows after which values count as strangers
SPARE = 1.001  # Times what the least eigenvalue lacks to 0


@dataclass(frozen=True)
class MotionTraining:
    """One training. dims: 2 or 3. steps: values of STRIDE frames that are looked at together, which make a window.

    data.skeleton: as of tokens, or "whole" for all keypoints of common bodies (`pose.skeletons.whole`), of archives.
    """

    name: str
    dims: int
    data: Data
    licence: str
    attribution: str
    seed: int = 0
    steps: int = 32
    windows: int = 20480
    augmentation: Augmentation = field(default_factory=Augmentation)

    @staticmethod
    def load(path: str | Path) -> MotionTraining:
        """Read a JSON or TOML file; paths in it are relative to the working directory. Raises InputError."""
        return read_config(MotionTraining, path)


class MotionSource:
    """Draws augmented bodies (B, T, K, D) of size 1 that face one way, of a config's motion."""

    def __init__(self, config: MotionTraining) -> None:
        self.config = config
        self.skeleton = WHOLE if config.data.skeleton == WHOLE.name else resolve_skeleton(config.data.skeleton)
        clips = _load(config.data.train, self.skeleton)
        if not self.skeleton.edges or (config.dims == 3 and self.skeleton.root is None):
            raise InputError(f"skeleton {self.skeleton.name!r} needs edges, and in 3D a root")
        if len(self.skeleton) > MOST_KEYPOINTS:
            raise InputError(f"skeleton {self.skeleton.name!r} has more than {MOST_KEYPOINTS} keypoints; take fewer")
        if clips[0].points.shape[2] < config.dims:
            raise InputError("the motion is 2D; set dims to 2")
        self.roots, self.bones = list_roots(self.skeleton), data.measure_bone_shares(clips, self.skeleton)
        self.motion = data.canonicalize(clips, self.skeleton, self.bones)
        self.cameras: Cameras | None = load_cameras(config.data.cameras) if config.data.cameras else None

    def draw(self, number: int) -> Floats:
        """A batch of a number, the same at each call."""
        rng = data.build_generator(self.config.seed, number)
        windows = data.draw_windows(self.motion, self.config.augmentation, BATCH, STRIDE * self.config.steps, rng)
        body, _ = split_3d(windows) if self.config.dims == 3 else split_2d(windows, self.cameras, self.roots, rng)
        return np.asarray(body.numpy(), np.float64)


def _load(paths: tuple[str, ...], skeleton: Skeleton) -> list[Clip]:
    """Clips of a skeleton; of all bodies' keypoints those of archives that tell of all."""
    if skeleton != WHOLE:
        return load_clips(paths, skeleton)
    found = load_as(tuple(map(Path, paths)), WHOLE, SHORTEST)
    if not found:
        raise InputError(
            f"no motion of all keypoints in {', '.join(paths)}; data.skeleton names what there is motion of"
        )
    return [Clip(str(number), points.astype(np.float32)) for number, points in enumerate(found)]


def measure_covariances(source: MotionSource, say: Callable[[str], None]) -> tuple[Floats, Floats]:
    """Mean (N,) and lags (L, N, N), as `MotionModel` has them, of a source's windows.

    Those of long lags, of which a window has fewer, count less (Bartlett, 1950): so no sum of values varies less than 0.
    """
    steps, size = source.config.steps, len(source.skeleton) * source.config.dims
    batches = -(-source.config.windows // BATCH)
    mean = np.mean([source.draw(number).mean(axis=(0, 1)) for number in range(0, batches, MEAN_OF)], axis=0).ravel()
    products, frames = np.zeros((steps, size, size)), STRIDE * steps
    for number in range(batches):
        body = source.draw(number)
        values = body.reshape(len(body), steps, STRIDE, size).mean(axis=2) - mean
        for lag in range(steps):
            products[lag] += np.tensordot(values[:, lag:], values[:, : steps - lag], axes=((0, 1), (0, 1)))
        if number % 50 == 49:
            say(f"{(number + 1) * BATCH} windows of {batches * BATCH}")
    apart = np.arange(steps)
    taper = (1 - apart * STRIDE / (TAPER * frames)) / (batches * BATCH * (steps - apart))
    return mean, mend_covariances(products * taper[:, None, None])


def mend_covariances(lags: Floats) -> Floats:
    """Lags of which no sum of values has a variance below 0: each value has as much more as the worst lacks."""
    steps, size = lags.shape[:2]
    times = np.arange(steps)[:, None] - np.arange(steps)
    whole = np.where((times >= 0)[..., None, None], lags[np.abs(times)], lags[np.abs(times)].swapaxes(-1, -2))
    least = float(np.linalg.eigvalsh(whole.swapaxes(1, 2).reshape(steps * size, -1))[0])
    mended: Floats = lags.copy()
    mended[0] += np.eye(size) * max(0.0, -SPARE * least)
    return mended


def train(config: MotionTraining, target: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json; returns the card."""
    source = MotionSource(config)
    tensors, scale = pack_whole(*measure_covariances(source, say))
    settings = {
        "kind": KIND, "dims": config.dims, "skeleton": write_skeleton(source.skeleton), "bones": source.bones, "rate": RATE,
        "scale": scale, "licence": config.licence,
    }  # fmt: skip
    names = [Path(path).name for path in config.data.train]
    about = {"attribution": config.attribution, "data": names, "commit": find_commit(), "windows": config.windows}
    return zoo.write_weights(target, dict(tensors), settings, about)
