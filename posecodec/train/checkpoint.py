"""Checkpoints that resume exactly: parameters, codebooks with their averages, optimizers, generator, step and best score.

They are for one machine and one run, in an ignored folder; `export` makes what is shared. A checkpoint is one safetensors
file: tensors by name, numbers as JSON in its metadata, no pickle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_bytes
from torch import Tensor

from posecodec.errors import InputError
from posecodec.io.replacing import replace_file

Model = TypeVar("Model", bound=torch.nn.Module)


@dataclass(repr=False)
class State(Generic[Model]):
    """All that changes while training."""

    model: Model
    judge: torch.nn.Module
    optimizer: torch.optim.Optimizer
    judge_optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = float("inf")

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        """What is trained, by name."""
        return {"model": self.model, "judge": self.judge}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """What trains it, by name."""
        return {"optimizer": self.optimizer, "judge_optimizer": self.judge_optimizer}


def save(state: State[Any], path: Path) -> None:
    """Replace the file at once, so that an interruption leaves the last one whole."""
    tensors = {"generator": torch.get_rng_state()}
    numbers: dict[str, Any] = {"step": state.step, "best": state.best}
    for name, module in state.modules.items():
        tensors |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in state.optimizers.items():
        values = optimizer.state_dict()
        numbers[name] = values["param_groups"]
        for index, moments in values["state"].items():
            tensors |= {f"{name}/{index}/{key}": value for key, value in moments.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, save_bytes({n: x.contiguous() for n, x in tensors.items()}, {"posecodec": json.dumps(numbers)}))


def load(state: State[Any], path: Path) -> None:
    """Bring `state` to what was saved. Raises InputError if the file is not a checkpoint of this model."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            numbers = json.loads(file.metadata()["posecodec"])
        for name, module in state.modules.items():
            module.load_state_dict(_select(tensors, name))
        for name, optimizer in state.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _select(tensors, name).items():
                index, _, moment = key.partition("/")
                moments.setdefault(int(index), {})[moment] = value
            optimizer.load_state_dict({"state": moments, "param_groups": numbers[name]})
        torch.set_rng_state(tensors["generator"])
        state.step, state.best = numbers["step"], numbers["best"]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise InputError(
            f"{path} is not a checkpoint of this model and config: {error}; remove it to start anew"
        ) from error


def _select(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Those under a name, which is taken off."""
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}
