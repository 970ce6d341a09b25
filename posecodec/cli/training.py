"""`train-tokens`, `train-transform` and `train`: new weights."""

from __future__ import annotations

from pathlib import Path

import click

from posecodec.cli import options


@click.command("train-transform")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of motion, see benchmarks/train.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--samples", default=1600, show_default=True, help="Stretches of motion to learn from.")
@click.option("--steps", default=4000, show_default=True, help="Steps of the optimizer.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_transform(data: Path, target: Path, samples: int, steps: int, threads: int | None) -> None:
    """Fit the transform codec's basis and context model (about ten minutes on one core)."""
    import torch

    from posecodec.train.transform import export

    if threads:
        torch.set_num_threads(threads)
    card = export(data, target, samples, steps, lambda text: click.echo(text, err=True))
    click.echo(f"{target}.safetensors  {card['sha256'][:8]}")


@click.command("train-tokens")
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON, see benchmarks/train.")
@click.option("--export", "target", required=True, type=click.Path(path_type=Path), help="Write PATH.safetensors.")
@click.option("--threads", type=int, help="CPU threads of torch.")
def train_tokens(config: Path, target: Path, threads: int | None) -> None:
    """Train token weights: bases, integer prior and network (about twenty minutes on two cores)."""
    import torch

    from posecodec.train.weights import TokenTraining, train

    if threads:
        torch.set_num_threads(threads)
    card = train(TokenTraining.load(config), target, lambda text: click.echo(text, err=True))
    click.echo(f"{target}.safetensors  {card['sha256'][:8]}")


@click.command()
@click.option("--config", required=True, type=click.Path(path_type=Path), help="JSON, see benchmarks/train.")
@options.device
@click.option("--threads", type=int, help="CPU threads of torch.")
def train(config: Path, device: str, threads: int | None) -> None:
    """Train a VQ-GAN of the paper, for research; goes on from the last checkpoint. torchrun starts several processes.

    The weights that come with posecodec are made by train-tokens and train-transform.
    """
    import torch

    from posecodec.train.config import TrainConfig
    from posecodec.train.loop import Trainer

    if threads:
        torch.set_num_threads(threads)
    trainer = Trainer(TrainConfig.load(config), device)
    steps = trainer.config.steps

    def show(step: int, values: dict[str, float]) -> None:
        losses = " ".join(f"{name} {value:.3f}" for name, value in values.items())
        click.echo(f"\r{step:6}/{steps} {'#' * (20 * step // steps):20} {losses}", nl=False, err=True)

    trainer.run(show if trainer.rank == 0 else lambda step, values: None)
