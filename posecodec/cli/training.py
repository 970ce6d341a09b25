"""`train`, `train-windows` and `train-transform`: new weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecodec.cli import options
from posecodec.cli.common import show_lines
from posecodec.errors import UsageError

if TYPE_CHECKING:
    from posecodec.train.grid_config import GridTraining


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON or TOML, see configs.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option(
    "--data", help="Systems of the paper: train on this, panoptic:DIR or a folder with train/, val/, cameras/."
)
@click.option("--steps", type=click.IntRange(1), help="Systems of the paper: so many steps.")
@click.option(
    "--vary", multiple=True, help="Systems of the paper: train several, KEY=VALUE,VALUE such as model.codes=64,128."
)
@click.option("--resume", type=click.Path(path_type=Path), help="Systems of the paper: go on from this checkpoint.")
@click.option(
    "--begin", type=click.Path(path_type=Path), help="Systems of the paper: begin with the network of these weights."
)
@options.device
@click.option("--threads", type=int, help="CPU threads of torch.")
def train(
    config: Path, target: Path, data: str | None, steps: int | None, vary: tuple[str, ...], resume: Path | None,
    begin: Path | None, device: str, threads: int | None,
) -> None:  # fmt: skip
    """Train the network of tokens and its prior (about 90 minutes on one core); goes on from the last checkpoint.

    With a config of configs/paper it trains a system of arXiv 2509.19252 (hours); --vary trains one for each value, into a
    folder.
    """
    _limit_threads(threads)
    from posecodec.train.grid_runs import is_grid_config, list_runs

    if not is_grid_config(config):
        if data or steps or vary or resume or begin:
            raise UsageError(
                "--data, --steps, --vary, --resume and --begin are for systems of the paper; change the config instead"
            )
        _train_tokens(config, target, device)
        return
    _train_grids(list(list_runs(config, vary, data, steps)), target, resume, begin, device)


def _train_grids(runs: list[GridTraining], target: Path, resume: Path | None, begin: Path | None, device: str) -> None:
    from posecodec.train.grid_export import export
    from posecodec.train.grid_loop import GridTrainer
    from posecodec.train.steps import run_steps
    from posecodec.zoo import read_weights

    if resume and len(runs) > 1:
        raise UsageError("--resume goes on with one training; leave out --vary")
    for run in runs:
        trainer = GridTrainer(run, device)
        if begin:
            trainer.begin_with(read_weights(begin))
        named = resume or (Path(run.resume) if run.resume else None)
        run_steps(trainer, partial(_show_step, run.steps), named)
        made = target if len(runs) == 1 else target / run.name
        card = export(trainer, made, lambda text: show_lines(text, True))
        show_lines(f"{made}.safetensors  {card['sha256'][:8]}")


def _train_tokens(config: Path, target: Path, device: str) -> None:
    from posecodec.train.steps import run_steps
    from posecodec.train.token_config import TokenTraining
    from posecodec.train.token_export import export
    from posecodec.train.token_loop import TokenTrainer

    trainer = TokenTrainer(TokenTraining.load(config), device)
    run_steps(trainer, partial(_show_step, trainer.config.steps))
    card = export(trainer, target, lambda text: show_lines(text, True))
    show_lines(f"{target}.safetensors  {card['sha256'][:8]}")


def _show_step(steps: int, step: int, values: dict[str, float]) -> None:
    losses = " ".join(f"{name} {value:.3f}" for name, value in values.items())
    click.echo(f"\r{step:6}/{steps} {'#' * (20 * step // steps):20} {losses}", nl=False, err=True)


@click.command("train-transform")
@click.option(
    "--data", required=True, multiple=True, type=click.Path(path_type=Path),
    help="Folder of motion, see benchmarks/train; several if given again.",
)  # fmt: skip
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--samples", default=1600, show_default=True, help="Stretches of motion to learn from.")
@click.option("--steps", default=4000, show_default=True, help="Steps of the optimizer.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_transform(data: tuple[Path, ...], target: Path, samples: int, steps: int, threads: int | None) -> None:
    """Fit the transform codec's bases and context model (about a quarter of an hour on one core)."""
    _limit_threads(threads)
    from posecodec.train.transform import export

    card = export(data, target, samples, steps, lambda text: show_lines(text, True))
    show_lines(f"{target}.safetensors  {card['sha256'][:8]}")


@click.command("train-windows")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON, see benchmarks/train.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_windows(config: Path, target: Path, threads: int | None) -> None:
    """Train the weights of windows: bases and integer prior (about six minutes on one core)."""
    _limit_threads(threads)
    from posecodec.train.windows import WindowTraining, train

    card = train(WindowTraining.load(config), target, lambda text: show_lines(text, True))
    show_lines(f"{target}.safetensors  {card['sha256'][:8]}")


def _limit_threads(threads: int | None) -> None:
    """Load torch, with so many threads if told. Raises DependencyError where it is not installed."""
    from posecodec.networks.availability import require_torch

    require_torch("training needs", "train")
    import torch

    if threads:
        torch.set_num_threads(threads)
