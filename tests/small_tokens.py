"""Small weights of tokens: a training of a few steps on generated walks."""

import posecodec
from posecodec import zoo
from posecodec.networks.part_config import PartConfig
from posecodec.pose.synthetic import walk
from posecodec.train.config import Data
from posecodec.train.steps import run_steps
from posecodec.train.token_config import TokenTraining, Weighting
from posecodec.train.token_export import export
from posecodec.train.token_loop import TokenTrainer

PARTS = ((3, 4, 5), (9, 10, 11), (6, 7, 8), (12, 13, 14), (0, 1, 2, 15, 16, 17, 18))
SMALL = dict(width=16, depth=1, features=2, codes=16, levels=3, latent=8)


def write_walks(folder):
    folder.mkdir(exist_ok=True)
    for i in range(3):
        posecodec.save(walk(120 + 40 * i, people=i + 1), folder / f"{i}.npz")
    return folder


def shape(dims=3, **changes):
    return PartConfig(dims, PARTS, extent=0.26 if dims == 3 else 2.6, **{**SMALL, **changes})


def config(folder, out, dims=3, **changes):
    values = dict(
        name="tiny", model=shape(dims), data=Data((str(folder),), (str(folder / "0.npz"),)), out=str(out), steps=6,
        licence="none", attribution="none", default_levels=2, batch=4, window=2, warmup=2, evaluate_every=3,
        start_windows=64, prior_windows=64, prior_steps=4,
        losses=Weighting(adversarial_from=2),
    )  # fmt: skip
    return TokenTraining(**{**values, **changes})


def train_codec(folder, dims):
    """A codec with weights of that many dimensions, which lie in the folder as tokensDd."""
    trainer = TokenTrainer(config(write_walks(folder / f"walks{dims}"), folder / f"run{dims}", dims, steps=2))
    run_steps(trainer)
    export(trainer, folder / f"tokens{dims}d", lambda text: None)
    return posecodec.PoseCodec(zoo.read_weights(folder / f"tokens{dims}d.safetensors"))
