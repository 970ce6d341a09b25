"""Checkpoints that resume exactly: parameters, codebooks with their averages, optimizers, step and best score.

They are for one machine and one run, in an ignored folder; `export` makes what is shared. Loading refuses pickles.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from posecodec.errors import InputError
from posecodec.networks.vqgan import VQGAN
from posecodec.train.discriminator import PatchDiscriminator


@dataclass
class State:
    """All that changes while training."""

    model: VQGAN
    judge: PatchDiscriminator
    optimizer: torch.optim.Optimizer
    judge_optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = float("inf")


def save(state: State, path: Path) -> None:
    """Write aside and rename, so that an interruption leaves the last one whole."""
    quantizer = state.model.quantizer
    values = {
        "model": state.model.state_dict(),
        "uses": quantizer.uses,
        "sums": quantizer.sums,
        "judge": state.judge.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "judge_optimizer": state.judge_optimizer.state_dict(),
        "step": state.step,
        "best": state.best,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    torch.save(values, aside)
    os.replace(aside, path)


def load(state: State, path: Path) -> None:
    """Bring `state` to what was saved. Raises InputError if the file is not a checkpoint of this model."""
    try:
        values: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state.model.load_state_dict(values["model"])
        state.model.quantizer.uses.copy_(values["uses"])
        state.model.quantizer.sums.copy_(values["sums"])
        state.judge.load_state_dict(values["judge"])
        state.optimizer.load_state_dict(values["optimizer"])
        state.judge_optimizer.load_state_dict(values["judge_optimizer"])
        state.step, state.best = values["step"], values["best"]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a checkpoint of this model and config: {error}; remove it to start anew"
        ) from error
