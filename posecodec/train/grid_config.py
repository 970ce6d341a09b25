"""Everything that a training of a paper's system depends on, as `grid_runs` reads it from TOML (see configs/paper)."""

from __future__ import annotations

from dataclasses import dataclass, field

from posecodec.errors import InputError
from posecodec.networks.grid_config import GridConfig
from posecodec.train.config import Data


@dataclass(frozen=True)
class Sampling:
    """How windows are cut, as the paper's code does.

    shortest, longest: frames of the stretch that a window's frames are drawn from, one at random in each of as many equal
    parts. flicker: whether each limb's brightness is random in each frame, the lesser of two draws of N(.65, .16), else 1.
    facing: whether bodies are turned so that the shoulders of the first frame lie along x. mirror, bones: augmentation, see
    `config.Augmentation`. visible: share of the keypoints that a camera has to see in every frame.
    jitter, missing: damage of what is seen, in every other window: largest standard deviation in pixels of the grid, largest
    share of the keypoints, each for itself in each view and frame.
    """

    shortest: int = 16
    longest: int = 299
    flicker: bool = False
    facing: bool = False
    mirror: float = 0.5
    bones: float = 0.06
    visible: float = 0.9
    jitter: float = 0.0
    missing: float = 0.0


@dataclass(frozen=True)
class GridLosses:
    """Weights of the losses. l1, square: of pixels; ssim: of 1 - SSIM; cross: of where keypoints are, see `losses`;
    commitment: of the quantizer's. binary: of the cross-entropy of pixels, whose gradient does not vanish where a whole
    channel is black, as others do.
    adversarial_from: first step with the discriminator; 0 leaves it out."""

    l1: float = 2.0
    square: float = 20.0
    ssim: float = 1.0
    cross: float = 0.0
    binary: float = 0.0
    commitment: float = 0.25
    adversarial: float = 0.8
    adversarial_from: int = 0


@dataclass(frozen=True)
class GridTraining:
    """One run. `out` holds checkpoints and the log; `name` is the weights' name. system: the paper's name of it.

    resume: a checkpoint to go on from where `out` has none, "" for none.

    prior_windows, prior_steps: what the integer prior learns from, and how long. val_windows: that it is validated on.
    """

    name: str
    system: str
    model: GridConfig
    data: Data
    out: str
    steps: int
    licence: str
    attribution: str
    resume: str = ""
    batch: int = 2
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    evaluate_every: int = 500
    val_windows: int = 24
    prior_windows: int = 512
    prior_steps: int = 1500
    sampling: Sampling = field(default_factory=Sampling)
    losses: GridLosses = field(default_factory=GridLosses)

    def __post_init__(self) -> None:
        if self.sampling.facing and self.model.source.views == "image":
            raise InputError("bodies that face one way are 3D; drop sampling.facing for a system of one view")
