"""Which quantizer leaves least of the latents of people never seen: residual codes by k-means, finite scalars, larger books.

    python benchmarks/quantizers.py [--config configs/body3d.json] [--windows 6144]

The latents are principal components of parts over a step, as a training starts from; every quantizer is fitted to augmented
training motion and judged on val. Errors are root mean squares of keypoints in mm, before any network, at 9 bits a token.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import torch
from torch import Tensor

from posecodec.networks.beam_search import search_codes
from posecodec.networks.vector_quantizer import ResidualQuantizer, nearest_codes, sum_codes
from posecodec.train import data
from posecodec.train.config import STILL
from posecodec.train.git_commit import find_commit
from posecodec.train.token_config import TokenTraining
from posecodec.train.token_loop import TokenTrainer

LEVELS = (1, 2, 3, 5)
FINITE = (8, 8, 8)  # Values of the scalars of a token of 9 bits (Mentzer et al., "Finite scalar quantization", 2024)


def fit_components(train: Tensor, val: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Both as their leading components about the training mean, (n, size)."""
    _, vectors = torch.linalg.eigh(torch.cov((train - train.mean(0)).T))
    return (train - train.mean(0)) @ vectors.flip(1)[:, :size], (val - train.mean(0)) @ vectors.flip(1)[:, :size]


def quantize_residual(train: Tensor, val: Tensor, codes: int, beam: int) -> list[Tensor]:
    """What is left of val after each of LEVELS."""
    quantizer = ResidualQuantizer(max(LEVELS), codes, train.shape[1])
    quantizer.fit(train, torch.Generator().manual_seed(0))
    books = quantizer.codebooks
    found = search_codes(val, books, beam=beam) if beam > 1 else nearest_codes(val, books)
    return [val - sum_codes(found[:, :q], books) for q in LEVELS]


def quantize_finite(train: Tensor, val: Tensor) -> list[Tensor]:
    """The same of scalars: a token tells the three components of what is left that vary most, eight values each."""
    rest, left = val.clone(), []
    for level in range(max(LEVELS)):
        _, vectors = torch.linalg.eigh(torch.cov(train.T))
        axes = vectors.flip(1)[:, : len(FINITE)]
        for axis, count in zip(axes.T, FINITE, strict=True):
            inner = torch.quantile(train @ axis, (torch.arange(count) + 0.5) / count)
            for samples in (train, rest):
                along = samples @ axis
                nearest = (along[:, None] - inner).abs().argmin(1)
                samples -= inner[nearest][:, None] * axis
        if level + 1 in LEVELS:
            left.append(rest.clone())
    return left


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=Path("configs/body3d.json"), show_default=True)
@click.option("--windows", default=6144, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@torch.no_grad()
def main(config: Path, windows: int, out: Path) -> None:
    """Print a row for every quantizer and write quantizers.json."""
    trainer = TokenTrainer(TokenTraining.load(config))
    shape, rng = trainer.config.model, data.build_generator(1)
    train = (
        trainer.draw_windows(windows, trainer.config.augmentation, rng)[0].unflatten(1, (-1, shape.step)).flatten(0, 1)
    )
    whole, units = [], []
    for clip in trainer.val:
        motion = data.canonicalize([clip], trainer.skeleton, trainer.bones)
        body = trainer.split(data.draw_windows(motion, STILL, 1, len(clip.points), rng), rng)[0][0]
        whole.append(body[: len(body) // shape.step * shape.step].unflatten(0, (-1, shape.step)))
        units += [float(motion.size[0])] * len(whole[-1])
    val, unit = torch.cat(whole), torch.tensor(units)
    ways = {
        "residual k-means, 512": lambda a, b: quantize_residual(a, b, shape.codes, 1),
        "the same, beam of 12": lambda a, b: quantize_residual(a, b, shape.codes, 12),
        "2,048 codes (11 bits), beam of 12": lambda a, b: quantize_residual(a, b, 4 * shape.codes, 12),
        "finite scalars 8 x 8 x 8": quantize_finite,
    }
    rows = []
    for name, way in ways.items():
        squares = torch.zeros(len(LEVELS))
        for part in shape.parts:
            parts = (x[:, :, list(part)].flatten(1) for x in (train, val))
            latents, seen = fit_components(*parts, shape.latent)
            squares += torch.stack([(x.square().sum(1) * unit**2).mean() for x in way(latents.clone(), seen)])
        errors = (squares / (shape.step * shape.keypoints)).sqrt()
        rows.append({"quantizer": name, "levels": LEVELS, "rms_mm": [round(float(e), 1) for e in errors]})
        print(f"| {name} | " + " | ".join(f"{e:.1f}" for e in errors) + " |", flush=True)
    facts = {"commit": find_commit(), "config": str(config), "windows": windows, "rows": rows}
    (out / "quantizers.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
