"""From a trained system of the paper to a weights file: the integer prior learned from its tokens, a card that says where
it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from posecodec import zoo
from posecodec.coders.tokens import grid_weights
from posecodec.coders.tokens.network import UNSAVED
from posecodec.train import checkpoint, data, grid_windows
from posecodec.train.git_commit import find_commit
from posecodec.train.grid_loop import GridTrainer
from posecodec.train.grid_prior import train_grid_prior
from posecodec.train.steps import find_checkpoint

KEY = 2**30  # Of the generator that windows are drawn by, apart from the steps of training


def export(trainer: GridTrainer, target: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json of a trainer's last checkpoint. Returns the card."""
    config, model = trainer.config, trainer.state.model
    checkpoint.load(trainer.state, find_checkpoint(config.out))
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.copy_(tensor.data.half().float())
    tensors = {
        f"{grid_weights.NETWORK}{name}": value.cpu().numpy()
        for name, value in model.state_dict().items()
        if not name.endswith(UNSAVED)
    }
    tokens = collect(trainer, config.prior_windows, say)
    used = len(tokens.unique())
    say(f"codes in use: {used} of {config.model.codes}")
    tensors |= grid_weights.pack_prior(
        train_grid_prior(tokens, config.model.codes, config.prior_steps, config.seed, say)
    )
    settings = {
        "kind": grid_weights.KIND, "dims": config.model.dims, "network": asdict(config.model), "system": config.system,
        "sampling": asdict(config.sampling), "usual_side": measure_usual_side(trainer),
        "skeleton": config.data.skeleton, "licence": config.licence,
        "attribution": config.attribution,
    }  # fmt: skip
    about = {
        "name": config.name, "steps": trainer.state.step, "commit": find_commit(), "codes_in_use": used,
        "validation": trainer.validate(), "config": json.loads(json.dumps(asdict(config))),
    }  # fmt: skip
    return zoo.write_weights(target, tensors, settings, about)


@torch.no_grad()
def collect(trainer: GridTrainer, windows: int, say: Callable[[str], None]) -> Tensor:
    """Tokens (B, t, h, w) int32 of so many augmented training windows."""
    found, batch = [], trainer.config.batch
    trainer.state.model.eval()
    for number in range(-(-windows // batch)):
        source, _ = trainer.draw(data.build_generator(trainer.config.seed, KEY + number), batch)
        found.append(trainer.tokenize(source.to(trainer.device)).cpu().int())
        if number % 100 == 99:
            say(f"tokens of {(number + 1) * batch} windows")
    return torch.cat(found)


def measure_usual_side(trainer: GridTrainer) -> float:
    """The median side of windows' boxes: mm, or pixels of a camera's image."""
    config, rng = trainer.config.model, data.build_generator(trainer.config.seed, KEY - 1)
    windows = grid_windows.cut_windows(trainer.motion, 64, config, trainer.config.sampling, trainer.cameras, rng)
    return float((config.grid * (1 - config.margin) / windows.target_box[:, 0, 0]).median())
