"""Train token weights from a config, whole: tables, network, and the file that holds them.

posecodec train-tokens --config benchmarks/train/body3d.json --export weights/body3d
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from posecodec import zoo
from posecodec.coders.windows.stream import USUAL_SPREAD
from posecodec.coders.windows.weights import WindowTables, pack_tables, unpack_tables
from posecodec.kinematics.bones import SCALE_STEPS_PER_OCTAVE, BoneTree
from posecodec.networks.config import read_config
from posecodec.networks.refiner import RefinerConfig
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.train import data, views
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.config import Augmentation, Data
from posecodec.train.git_commit import find_commit
from posecodec.train.refine import Pairs, build_pairs, train_refiner
from posecodec.train.window_tables import LENGTH, fit
from posecodec.typing import Floats

FITTED_BY = ("dims", "data", "augmentation", "seed", "prior_windows", "prior_steps")
"""What of a config decides the tables."""


@dataclass(frozen=True)
class TokenTraining:
    """One training. dims: 2 or 3. prior_windows, prior_steps: see `window_tables.fit`. pairs, adversarial: see `refine`.

    refiner_steps: 0 leaves the network out. levels: the default of the weights.
    """

    name: str
    dims: int
    data: Data
    licence: str
    attribution: str
    refiner: RefinerConfig
    levels: int = 8
    seed: int = 0
    prior_windows: int = 6144
    prior_steps: int = 3000
    pairs: int = 2048
    refiner_steps: int = 400
    adversarial: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    @staticmethod
    def load(path: str | Path) -> TokenTraining:
        """Read a JSON file; paths in it are relative to the working directory. Raises InputError."""
        return read_config(TokenTraining, path)


class WindowSource:
    """Draws augmented windows (B, LENGTH, K, D) of usual size: in mm, or as cameras see them."""

    def __init__(self, config: TokenTraining) -> None:
        self.config, self.skeleton = config, get_builtin(config.data.skeleton)
        clips = data.load_clips(config.data.train, self.skeleton)
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


def draw_pairs(source: WindowSource, tables: WindowTables, count: int, seed: int) -> Pairs:
    """Pairs for the network, see `refine.build_pairs`; the same whether this run made the tables or an earlier one."""
    source.rng = data.build_generator(seed, 8)
    return build_pairs(source(count), tables, np.random.default_rng((seed, 1)))


def train(config: TokenTraining, target: Path, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json; returns the card."""
    source = WindowSource(config)
    tables = load_or_fit(config, source, say)
    tensors, settings = pack_tables(tables), build_settings(config, source.skeleton)
    if config.refiner_steps:
        pairs = draw_pairs(source, tables, config.pairs, config.seed)
        net = train_refiner(config.refiner, pairs, config.refiner_steps, config.adversarial, seed=config.seed, say=say)
        tensors |= {f"refiner.{name}": tensor.numpy() for name, tensor in net.state_dict().items()}
        settings["refiner"] = asdict(config.refiner)
    names = [Path(path).name for path in config.data.train]
    about = {"attribution": config.attribution, "data": names, "commit": find_commit(), "steps": config.prior_steps}
    return zoo.write_weights(target, tensors, settings, about)


def load_or_fit(config: TokenTraining, source: WindowSource, say: Callable[[str], None]) -> WindowTables:
    """The tables, of an earlier run of the same where there is one in runs/NAME (an ignored folder), so that it can go on."""
    kept = Path("runs") / config.name / "tables.safetensors"
    wanted = json.loads(json.dumps({name: vars(config)[name] for name in FITTED_BY}, default=vars))
    if not kept.exists() or zoo.read_card(kept).get("made_by") != wanted:
        tables = fit(source, source.skeleton, config.dims, config.seed, config.prior_windows, config.prior_steps, say)
        zoo.write_weights(kept, pack_tables(tables), build_settings(config, source.skeleton), {"made_by": wanted})
    return unpack_tables(zoo.read_weights(kept).tensors, source.skeleton, config.dims)


def build_settings(config: TokenTraining, skeleton: Skeleton) -> dict[str, Any]:
    """What the weights file itself says, licence included."""
    return {"dims": config.dims, "skeleton": skeleton.name, "default_levels": config.levels, "licence": config.licence}
