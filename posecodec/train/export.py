"""From a checkpoint to weights that are shared: float16 tensors, entropy tables counted on training motion, and a card."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec.entropy.adaptive import int_model
from posecodec.entropy.curves import CONTEXTS, encode_curve
from posecodec.entropy.rangecoder import RangeEncoder
from posecodec.entropy.tokencoder import TokenTables
from posecodec.model import weights
from posecodec.neural import choose_tokens, encode_points
from posecodec.normalize import Normalization, Side, normalize
from posecodec.train import checkpoint, data
from posecodec.train.loop import Trainer

CLASSES = 16
"""Classes that a token is known by to the next step and the next level, at the levels that profit from it."""
CONTEXT_LEVELS = 2
SHARE = 200.0
"""How many observations the level's own distribution is worth in each context."""
EVEN = 0.4
"""Share of a uniform distribution in every table: people never seen use the codes more evenly."""
TOTAL = 2**15
COUNTED = 6144
"""Training windows that the tables are counted on."""
MOST_SEEN = 40
"""How many bits at most a trained start of an adaptive bit is worth."""


def export(trainer: Trainer, source: Path, target: Path, rate_weight: float, default_levels: int) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json from the checkpoint `source`; returns the card.

    rate_weight: squared latent distance that a bit is worth to the encoder.
    """
    checkpoint.load(trainer.state, source)
    model = trainer.state.model.eval()
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data = tensor.data.half().float()
    tables = _token_tables(trainer, rate_weight)
    normalization = normalization_of(trainer)
    curves = _curve_tables(trainer, normalization)
    tensors: dict[str, NDArray[Any]] = {name: t.cpu().numpy() for name, t in model.state_dict().items()}
    tensors |= {
        "entropy.tokens": tables.counts,
        "entropy.before": tables.before,
        "entropy.below": tables.below,
        "entropy.classes": tables.classes,
        **{f"entropy.{name}": table for name, table in curves.items()},
    }
    settings = {
        "config": trainer.config.model.to_dict(),
        "normalization": dataclasses.asdict(normalization),
        "skeleton": trainer.skeleton.name,
        "default_levels": default_levels,
        "rate_weight": rate_weight,
    }
    about = {
        "licence": trainer.config.licence,
        "attribution": trainer.config.attribution,
        "data": [Path(path).name for path in trainer.config.data.train],
        "commit": commit(),
        "steps": trainer.state.step,
        "validation_mm": round(trainer.state.best, 2),
    }
    return weights.write(target, tensors, settings, about)


def normalization_of(trainer: Trainer) -> Normalization:
    """What the config's side steps and the skeleton's bones make."""
    return Normalization(trainer.config.model.dims, trainer.bones, **dataclasses.asdict(trainer.config.side))


def commit() -> str:
    """The short hash of the checkout, or \"unknown\"."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _plain_tables(levels: int, codes: int) -> TokenTables:
    """Every token equally likely, no contexts."""
    zeros = np.zeros((levels, codes), np.uint8)
    return TokenTables(np.ones((levels, codes), np.uint16), zeros, zeros, np.zeros((levels, 2), np.int64))


@torch.no_grad()
def _token_tables(trainer: Trainer, rate_weight: float) -> TokenTables:
    """Classes by what follows a token, and smoothed counts, from two passes: the second knows what bits cost."""
    model, config = trainer.state.model, trainer.config.model
    rng = data.generator_for(trainer.config.seed, 1)
    latents = []
    for _ in range(COUNTED // 32):
        points = trainer.source(32, rng).to(trainer.device)
        latents.append(
            encode_points(model, points, torch.ones(points.shape[:3], dtype=torch.bool, device=points.device))
            .cpu()
            .numpy()
        )
    windows = np.concatenate(latents)
    books = model.quantizer.codebooks.cpu().numpy()
    tables = _plain_tables(config.levels, config.codes)
    for weight in (0.0, rate_weight, rate_weight):
        tokens = np.stack([choose_tokens(w, books, tables, weight) for w in windows])
        tables = count_tables(tokens.reshape(*tokens.shape[:2], -1, config.levels), config.codes, books)
    return tables


def count_tables(tokens: NDArray[np.int32], codes: int, books: NDArray[np.float32]) -> TokenTables:
    """Tables of tokens (windows, t, cells, Q) with codebooks (Q, N, F)."""
    levels = tokens.shape[-1]
    near = min(levels, CONTEXT_LEVELS)
    before = np.zeros((levels, codes), np.uint8)
    below = np.zeros((levels, codes), np.uint8)
    classes = np.zeros((levels, 2), np.int64)
    for q in range(near):
        before[q] = below[q] = _grouped(books[q], np.bincount(tokens[..., q].ravel(), minlength=codes))
        classes[q] = CLASSES
    below[near - 1 :] = classes[near - 1 :, 1] = 0
    shell = TokenTables(np.ones((1, codes), np.uint16), before, below, classes)
    rows = int(((classes[:, 0] + 1) * shell.widths).sum())
    counts = np.zeros((rows, codes))
    general = np.zeros((levels, codes))
    for window in tokens:
        np.add.at(counts, (shell.contexts(window), window), 1)
    for q in range(levels):
        general[q] = np.bincount(tokens[..., q].ravel(), minlength=codes) + 0.5
        block = slice(int(shell.rows[q]), int(shell.rows[q] + (classes[q, 0] + 1) * shell.widths[q]))
        counts[block] += SHARE * general[q] / general[q].sum()
    shares = (1 - EVEN) * counts / counts.sum(axis=1, keepdims=True) + EVEN / codes
    scaled = np.maximum(np.rint(shares * TOTAL), 1)
    return TokenTables(scaled.astype(np.uint16), before, below, classes)


def _grouped(book: NDArray[np.float32], uses: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Classes 1 .. CLASSES of codes by where they lie: k-means weighted by use, started from the most used."""
    points = torch.from_numpy(book)
    share = torch.from_numpy(uses.astype(np.float32) + 0.1)
    centers = points[share.argsort(descending=True)[:CLASSES]].clone()
    for _ in range(20):
        group = torch.cdist(points, centers).argmin(1)
        weight = torch.zeros(len(centers)).index_add_(0, group, share)
        centers = torch.zeros_like(centers).index_add_(0, group, points * share[:, None]) / weight[:, None].clamp_min(
            1e-6
        )
    return (1 + torch.cdist(points, centers).argmin(1)).numpy().astype(np.uint8)


def _curve_tables(trainer: Trainer, how: Normalization) -> dict[str, NDArray[np.uint16]]:
    """Adaptive models of the side information after they have coded the training clips, made cautious again."""
    models = {"root": int_model(how.dims * CONTEXTS), "heading": int_model(CONTEXTS), "scale": int_model(CONTEXTS)}
    for number, side in enumerate(_sides(trainer, how)):
        encoder = RangeEncoder()
        if number % 4 == 0:
            encode_curve(encoder, side.scale[:, None], models["scale"])
        encode_curve(encoder, side.heading[:, None], models["heading"])
        encode_curve(encoder, side.root, models["root"])
    for model in models.values():
        model[..., 0] = model[..., 1]
        model[..., 2] = np.minimum(model[..., 2], MOST_SEEN)
    return {name: model.astype(np.uint16) for name, model in models.items()}


def _sides(trainer: Trainer, how: Normalization) -> list[Side]:
    """Side information of the training clips, in 2D seen by random cameras, at every root step."""
    clips = data.load_clips(trainer.config.data.train, trainer.skeleton)
    rng = data.generator_for(trainer.config.seed, 2)
    order = torch.randperm(len(clips), generator=rng).tolist()
    sides = []
    for number, index in enumerate(order):
        points = trainer.seen(clips[index].points, rng)
        levels = 1 + number % len(how.root_steps)
        sides.append(normalize(points, trainer.skeleton, how, "y" if how.dims == 3 else "-y", levels)[1])
    return sides
