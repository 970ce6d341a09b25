"""Everything a training run depends on, as one typed value read from JSON (see benchmarks/train/*.json)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from posecodec.networks.config import ModelConfig, read_config


@dataclass(frozen=True)
class Data:
    """train, val: archives or pose files, or folders of them. cameras: calibration JSON, for 2D models.

    skeleton: name of the built-in skeleton all of it is in.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    cameras: str | None = None
    skeleton: str = "coco19"


@dataclass(frozen=True)
class Augmentation:
    """mirror: probability. stretch: log-range of the tempo. bones: standard deviation of log bone lengths.

    heading: standard deviation, radians, of an error in the heading (3D; 2D sees every heading). jitter: standard
    deviation in body sizes, drop: probability of a missing keypoint run; both in a share `noisy` of the windows.
    """

    mirror: float = 0.5
    stretch: float = 0.25
    bones: float = 0.06
    heading: float = 0.1
    jitter: float = 0.004
    drop: float = 0.05
    noisy: float = 0.2


STILL = Augmentation(mirror=0, stretch=0, bones=0, heading=0, jitter=0, drop=0, noisy=0)
"""Windows as they were recorded, for validation."""


@dataclass(frozen=True)
class Losses:
    """Weights. position and velocity are distances in pixels; heatmap and commitment are squared pixels."""

    position: float = 1.0
    velocity: float = 0.5
    heatmap: float = 0.1
    commitment: float = 0.25
    adversarial: float = 0.1
    adversarial_from: int = 0
    """First step with the discriminator; 0 leaves it out."""
    drawn: int = 4
    """Windows of a batch whose whole heatmaps are made, for the heatmap and adversarial losses."""


@dataclass(frozen=True)
class TrainConfig:
    """One run. `out` holds checkpoints and the log; `name` is the weights' name at export."""

    name: str
    model: ModelConfig
    data: Data
    out: str
    steps: int
    licence: str
    attribution: str
    batch: int = 32
    learning_rate: float = 5e-4
    linear_rate: float = 5e-5
    warmup: int = 200
    weight_decay: float = 0.02
    clip: float = 1.0
    seed: int = 0
    evaluate_every: int = 500
    evaluate_levels: tuple[int, ...] = (1, 2, 4, 8)
    augmentation: Augmentation = field(default_factory=Augmentation)
    losses: Losses = field(default_factory=Losses)

    @staticmethod
    def load(path: str | Path) -> TrainConfig:
        """Read a JSON file; paths in it are relative to the working directory. Raises InputError."""
        return read_config(TrainConfig, path)
