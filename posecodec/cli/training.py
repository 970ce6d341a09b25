"""`train`, `train-config`, `train-motion`, `train-windows` and `train-transform`: new weights."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecodec.cli import options
from posecodec.cli.common import show_lines
from posecodec.cli.progress import open_bar
from posecodec.errors import UsageError

if TYPE_CHECKING:
    from posecodec.train.grid_config import GridTraining
    from posecodec.train.steps import Report

_licence = click.option(
    "--licence", default="none given", show_default=True, help="Of the weights, as whoever uses them is told."
)
_attribution = click.option("--attribution", default="", help="Whose motion it is, likewise.")
LINE_EVERY = 100  # Steps from one line to the next where no bar is shown


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON or TOML, see configs.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option(
    "--data", help="Systems of the paper: train on this, panoptic:DIR or a folder with train/, val/, cameras/."
)
@click.option("--steps", type=click.IntRange(1), help="So many steps, instead of the config's.")
@click.option(
    "--vary", multiple=True, help="Systems of the paper: train several, KEY=VALUE,VALUE such as model.codes=64,128."
)
@click.option("--resume", type=click.Path(path_type=Path), help="Systems of the paper: go on from this checkpoint.")
@click.option(
    "--begin",
    type=click.Path(path_type=Path),
    help="Begin with the network of these weights, a path or a built-in name.",
)
@click.option("--tensorboard", is_flag=True, help="Also write the log for TensorBoard, in the config's folder `out`.")
@options.device
@click.option("--threads", type=int, help="CPU threads of torch.")
def train(
    config: Path, target: Path, data: str | None, steps: int | None, vary: tuple[str, ...], resume: Path | None,
    begin: Path | None, tensorboard: bool, device: str, threads: int | None,
) -> None:  # fmt: skip
    """Train the network of tokens and its prior (about 90 minutes on one core); goes on from the last checkpoint.

    With a config of configs/paper it trains a system of arXiv 2509.19252 (hours); --vary trains one for each value, into a
    folder.
    """
    _limit_threads(threads)
    from posecodec.train.grid_runs import is_grid_config, list_runs

    if not is_grid_config(config):
        if data or vary or resume:
            raise UsageError("--data, --vary and --resume are for systems of the paper; change the config instead")
        _train_tokens(config, target, steps, begin, tensorboard, device)
        return
    _train_grids(list(list_runs(config, vary, data, steps)), target, resume, begin, tensorboard, device)


def _train_grids(
    runs: list[GridTraining], target: Path, resume: Path | None, begin: Path | None, tensorboard: bool, device: str
) -> None:  # fmt: skip
    from posecodec.train.grid_export import export
    from posecodec.train.grid_loop import GridTrainer
    from posecodec.train.ranks import Ranks
    from posecodec.train.steps import run_steps
    from posecodec.zoo import read_weights

    if resume and len(runs) > 1:
        raise UsageError("--resume goes on with one training; leave out --vary")
    ranks = Ranks.join(device)
    for run in runs:
        trainer = GridTrainer(run, ranks.choose_device(device), ranks)
        if begin:
            trainer.begin_with(read_weights(begin))
        named = resume or (Path(run.resume) if run.resume else None)
        with _watch(trainer) as show_step:
            run_steps(trainer, show_step, named, tensorboard)
        if not ranks.is_first:
            continue
        made = target if len(runs) == 1 else target / run.name
        card = export(trainer, made, lambda text: show_lines(text, True))
        show_lines(f"{made}.safetensors  {card['sha256'][:8]}")


def _train_tokens(
    config: Path, target: Path, steps: int | None, begin: Path | None, tensorboard: bool, device: str
) -> None:  # fmt: skip
    from posecodec.train.ranks import Ranks
    from posecodec.train.steps import run_steps
    from posecodec.train.token_config import TokenTraining
    from posecodec.train.token_export import export
    from posecodec.train.token_loop import TokenTrainer
    from posecodec.zoo import read_weights

    run, ranks = TokenTraining.load(config), Ranks.join(device)
    trainer = TokenTrainer(replace(run, steps=steps or run.steps), ranks.choose_device(device), ranks)
    if begin:
        trainer.begin_with(read_weights(begin))
    with _watch(trainer) as show_step:
        run_steps(trainer, show_step, tensorboard=tensorboard)
    if not ranks.is_first:
        return
    card = export(trainer, target, lambda text: show_lines(text, True))
    show_lines(f"{target}.safetensors  {card['sha256'][:8]}")


@contextlib.contextmanager
def _watch(trainer: Any) -> Iterator[Report]:
    """What shows the steps of a training: a bar on a terminal, else a line every hundred."""
    steps, began = trainer.config.steps, time.monotonic()
    seen: list[int] = []
    with open_bar(steps if trainer.ranks.is_first else 0, "step") as bar:

        def show_step(step: int, values: dict[str, float]) -> None:
            losses = " ".join(f"{name} {value:.3f}" for name, value in values.items())
            bar.move(step)
            bar.tell(losses)
            seen.append(step)
            if trainer.ranks.is_first and bar.bar is None and (step % LINE_EVERY == 0 or step == steps):
                left = (time.monotonic() - began) / (step - seen[0] + 1) * (steps - step)
                show_lines(f"step {step:,} of {steps:,}, {left / 60:.0f} min left  {losses}", True)

        yield show_step


@click.command("train-config")
@click.argument("target", metavar="CONFIG.toml", type=click.Path(path_type=Path))
@click.option(
    "--data", required=True, type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with train/ and val/: recordings of different people, or corpora.",
)  # fmt: skip
@click.option("--skeleton", required=True, help="Of the recordings: built in (see `skeletons`), or a .toml file.")
@_licence
@_attribution
@click.option("--tiny", is_flag=True, help="For a trial: a network that trains in a minute and is of no use.")
@options.force
def train_config(
    target: Path, data: Path, skeleton: str, licence: str, attribution: str, tiny: bool, force: bool
) -> None:
    """Write a config to train tokens on motion of your own, by what the motion tells: to be read, changed and trained.

    \b
    posecodec train-config mine.toml --data recordings --skeleton smpl22
    posecodec train --config mine.toml --export weights/mine
    posecodec bench tokens --weights weights/mine.safetensors --data recordings/val
    """
    _limit_threads(None)
    from posecodec.io.filesystem import refuse_existing, write_atomic
    from posecodec.train.token_start import draft

    refuse_existing(target, force)
    start = draft(data, skeleton, target.stem, licence, attribution, tiny)
    write_atomic(target, start.text.encode(), force)
    show_lines(f"{target}: {start.clips:,} clips, {start.hours:.2f} hours of motion to train on")


@click.command("train-transform")
@click.option(
    "--data", required=True, multiple=True, type=click.Path(path_type=Path),
    help="Folder of motion, archives or recordings; several if given again.",
)  # fmt: skip
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--samples", default=1600, show_default=True, help="Stretches of motion to learn from.")
@click.option("--steps", default=4000, show_default=True, help="Steps of the optimizer.")
@_licence
@_attribution
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_transform(
    data: tuple[Path, ...], target: Path, samples: int, steps: int, licence: str, attribution: str, threads: int | None
) -> None:
    """Fit the transform codec's bases and context model (about a quarter of an hour on one core).

    For bodies that posecodec has a basis for; `encode -m PATH` uses the result. What there is no motion of stays as it is.
    """
    _limit_threads(threads)
    from posecodec.train.transform import export

    rights = {"licence": licence, "attribution": attribution}
    card = export(data, target, samples, steps, rights, lambda text: show_lines(text, True))
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


@click.command("train-motion")
@click.option(
    "--config", required=True, type=click.Path(path_type=Path), help="JSON or TOML, see configs/motion3d.json."
)
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_motion(config: Path, target: Path, threads: int | None) -> None:
    """Learn how bodies move, for `--fill` (about two minutes on one core). For any skeleton that has edges."""
    _limit_threads(threads)
    from posecodec.train.motion import MotionTraining, train

    card = train(MotionTraining.load(config), target, lambda text: show_lines(text, True))
    show_lines(f"{target}.safetensors  {card['sha256'][:8]}")


def _limit_threads(threads: int | None) -> None:
    """Load torch, with so many threads if told. Raises DependencyError where it is not installed."""
    from posecodec.networks.availability import require_torch

    require_torch("training needs", "train")
    import torch

    if threads:
        torch.set_num_threads(threads)
