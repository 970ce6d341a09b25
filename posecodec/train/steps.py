"""The loop of every training of a network: from a start or a checkpoint to the last step, with a log and checkpoints.

A run that is started again goes on from its checkpoint and ends as if never stopped, given that what a step draws comes from
a generator seeded by the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from posecodec.train import checkpoint
from posecodec.train.ranks import Ranks
from posecodec.train.training_log import TrainingLog

LOG_EVERY = 20  # Steps between two records of the losses

Report = Callable[[int, dict[str, float]], None]
"""What is called after each step, with its number and losses."""


class Trainer(Protocol):
    """What the loop asks of a training."""

    state: Any
    ranks: Ranks

    @property
    def config(self) -> Any:
        """`out`, a folder; `steps`, and `evaluate_every` so many of them."""

    def start(self) -> None:
        """Bring the state to where the first step begins."""

    def step(self) -> dict[str, float]:
        """One update; the losses."""

    def validate(self) -> Any:
        """What is logged of the validation split, as JSON values."""


def find_checkpoint(out: str) -> Path:
    """Where a run in a folder can be taken up again."""
    return Path(out) / "last.safetensors"


def ignore(step: int, values: dict[str, float]) -> None:
    """Report nothing."""


def run_steps(
    trainer: Trainer, report: Report = ignore, resume: Path | None = None, tensorboard: bool = False
) -> None:  # fmt: skip
    """Train to the last step, going on from a checkpoint: the run's own if there is one, else `resume`.

    tensorboard: write the log for it too. Raises DependencyError where that is not installed.
    """
    config, state = trainer.config, trainer.state
    log = TrainingLog(config.out, tensorboard and trainer.ranks.is_first)
    own = find_checkpoint(config.out)
    if found := own if own.exists() else resume:
        checkpoint.load(state, found)
    else:
        trainer.start()
    began, first = time.perf_counter(), state.step
    while state.step < config.steps:
        values = trainer.step()
        report(state.step, values)
        if state.step % LOG_EVERY == 0 and trainer.ranks.is_first:
            pace = (time.perf_counter() - began) / (state.step - first)
            rounded = {name: round(value, 5) for name, value in values.items()}
            log.append({"step": state.step, "pace": round(pace, 3), **rounded})
        if state.step % config.evaluate_every == 0 or state.step == config.steps:
            if trainer.ranks.is_first:
                log.append({"step": state.step, "val": trainer.validate()})
                checkpoint.save(state, own)
            trainer.ranks.wait()
