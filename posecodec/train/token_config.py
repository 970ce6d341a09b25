"""Everything that a training of tokens depends on, as one typed value read from JSON or TOML (see configs/*.json)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from posecodec.errors import InputError
from posecodec.networks.config import from_dict, read_values
from posecodec.networks.part_config import PartConfig
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.files import resolve_skeleton
from posecodec.train.config import Augmentation, Data


@dataclass(frozen=True)
class Damage:
    """What detectors and markers do to windows that are not quantized, so that the network learns to mend it.

    noisy: share of these that jitter. jitter: the largest standard deviation, body sizes. gaps: share
    with keypoints missing. drop: of these, share of the keypoints, alone. group: probability that each group of keypoints
    is missing together. shortest, longest: frames of a gap. held: share of the windows whose last pose is held from some
    frame on, as at the end of a recording.
    """

    noisy: float = 0.5
    jitter: float = 0.009
    gaps: float = 0.8
    drop: float = 0.3
    group: float = 0.2
    shortest: int = 8
    longest: int = 48
    held: float = 0.25


@dataclass(frozen=True)
class Weighting:
    """Weights of the losses. body, world and velocity are distances in pixels; heatmap and commitment squared pixels;
    guess is the path that the guide expects, a distance too."""

    body: float = 1.0
    world: float = 0.5
    velocity: float = 0.5
    guess: float = 0.1
    heatmap: float = 0.02
    commitment: float = 0.25
    adversarial: float = 0.05
    adversarial_from: int = 0
    """First step with the discriminator; 0 leaves it out."""
    drawn: int = 2
    """Windows of a batch whose whole heatmaps are made, for the heatmap and adversarial losses."""


@dataclass(frozen=True)
class TokenTraining:
    """One run. `out` holds checkpoints and the log; `name` is the weights' name. window: steps of tokens in a window.

    whole: share of the windows that are not quantized, which is how gaps are filled. lean: a window is trained at q levels
    with a probability that goes with 1 / q^lean. default_levels: of the weights.
    start_windows: that the linear path and the first codebooks are fitted to. prior_windows, prior_steps: what the
    integer prior learns from, and how long.
    """

    name: str
    model: PartConfig
    data: Data
    out: str
    steps: int
    licence: str
    attribution: str
    default_levels: int = 4
    batch: int = 24
    window: int = 4
    whole: float = 0.3
    lean: float = 0.0
    dropout: float = 0.1
    learning_rate: float = 5e-4
    linear_rate: float = 5e-5
    warmup: int = 200
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    evaluate_every: int = 1000
    start_windows: int = 10240
    prior_windows: int = 16384
    prior_steps: int = 5000
    augmentation: Augmentation = field(default_factory=Augmentation)
    damage: Damage = field(default_factory=Damage)
    losses: Weighting = field(default_factory=Weighting)

    @staticmethod
    def load(path: str | Path) -> TokenTraining:
        """Read a JSON or TOML file; paths in it are relative to the working directory. Keypoints of parts may be named.

        Raises InputError.
        """
        values = read_values(path)
        try:
            parts, skeleton = values["model"]["parts"], values["data"].get("skeleton", "coco19")
            values["model"]["parts"] = number_keypoints(parts, resolve_skeleton(skeleton))
        except (AttributeError, KeyError, TypeError) as error:
            raise InputError(f"{path}: needs [data] and [model] with parts, lists of keypoints") from error
        return from_dict(TokenTraining, values)


def number_keypoints(parts: list[list[int | str]], skeleton: Skeleton) -> list[list[int]]:
    """Parts with keypoints by number where they are named. Raises InputError."""
    names = {name: k for k, name in enumerate(skeleton.keypoints)}
    unknown = [k for part in parts for k in part if isinstance(k, str) and k not in names]
    if unknown:
        raise InputError(f"model.parts name {unknown[0]!r}, which is no keypoint of {skeleton.name!r}")
    return [[names[k] if isinstance(k, str) else k for k in part] for part in parts]
