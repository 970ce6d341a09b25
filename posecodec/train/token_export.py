"""From a trained network to a weights file: codes settled, integer prior and tables learned, a card that says where
it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posecodec import zoo
from posecodec.coders.tokens import weights as token_weights
from posecodec.coders.tokens.network import load_remainder_prices
from posecodec.coders.tokens.prior import Prior, to_whole
from posecodec.coders.tokens.stream import TokenTables
from posecodec.networks.part_io import find_codes
from posecodec.networks.path_search import Prices
from posecodec.pose.skeletons.files import write_skeleton
from posecodec.train import checkpoint, data
from posecodec.train.git_commit import find_commit
from posecodec.train.steps import find_checkpoint
from posecodec.train.token_loop import TokenTrainer
from posecodec.train.token_prior import count_remainders, train_prior

BATCH = 64  # Windows that are encoded at once
FIRST_SHARE = 3  # Of the last prior's steps a first one has, which only says what codes cost while they are chosen
KEY = 2**31  # Of the generator that windows are drawn by, apart from the steps of training


def export(trainer: TokenTrainer, target: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write TARGET.safetensors and TARGET.json of a trainer's last checkpoint. Returns the card."""
    config, model = trainer.config, trainer.state.model
    checkpoint.load(trainer.state, find_checkpoint(config.out))
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data.copy_(tensor.data.half().float())
    tensors = {f"{token_weights.NETWORK}{name}": value.numpy() for name, value in model.state_dict().items()}
    unsaved = ("uses", "sums", f".components.{len(config.model.parts)}")
    tensors = {name: value for name, value in tensors.items() if not name.endswith(unsaved)}
    values = to_whole(token_weights.stack_codebooks(tensors), model.spreads.numpy()[:, None, None])
    tables = None
    for steps in (config.prior_steps // FIRST_SHARE, config.prior_steps):
        tokens, remainders = collect(trainer, config.prior_windows, tables, say)
        layers = train_prior(values, tokens, steps, config.seed, say)
        flat = tokens.flatten(0, 1).numpy().astype(np.int32), remainders.flatten(0, 1).numpy().astype(np.int32)
        tables = TokenTables(Prior(layers, values), count_remainders(*flat, config.model.codes))
    assert tables is not None
    used = [len(np.unique(column)) for column in tokens.flatten(0, 1).flatten(1).T.numpy()]
    say(f"codes in use: {min(used)} to {max(used)} of {config.model.codes}")
    tensors |= token_weights.pack_tables(tables.prior.layers, tables.remainders)
    settings = {
        "kind": token_weights.KIND, "dims": config.model.dims, "network": asdict(config.model),
        "skeleton": write_skeleton(trainer.skeleton), "bones": trainer.bones, "usual_size": measure_usual_size(trainer),
        "default_levels": config.default_levels, "licence": config.licence, "attribution": config.attribution,
    } | ({"y": "down"} if config.model.dims == 2 else {})  # fmt: skip
    about = {
        "name": config.name, "steps": trainer.state.step, "commit": find_commit(), "codes_in_use": [min(used), max(used)],
        "begun_with": trainer.begun_with, "validation": trainer.validate(), "config": json.loads(json.dumps(asdict(config))),
    }  # fmt: skip
    return zoo.write_weights(target, tensors, settings, about)


@torch.no_grad()
def collect(
    trainer: TokenTrainer, windows: int, tables: TokenTables | None, say: Callable[[str], None]
) -> tuple[Tensor, Tensor]:
    """Tokens (B, t, h, Q) and remainders (B, t, knots, D + 1) of so many augmented training windows.

    With tables they are chosen as the encoder does, by what they cost.
    """
    model, found = trainer.state.model.eval(), []
    for number in range(-(-windows // BATCH)):
        rng = data.build_generator(trainer.config.seed, KEY + number)
        body, path = trainer.draw_windows(BATCH, trainer.config.augmentation, rng)
        latents = trainer.encode(body, body, torch.ones(body.shape[:3], dtype=torch.bool))
        start = trainer.draw_start(path, rng)
        if tables is None:
            tokens, way, _ = find_codes(model, latents, path, start)
        else:
            first, _, _ = find_codes(model, latents, path, start, beam=1)
            bits = [torch.from_numpy(tables.prior.price(grid.astype(np.int32))) for grid in first.numpy()]
            tokens, way, _ = find_codes(
                model, latents, path, start, Prices(torch.stack(bits), load_remainder_prices(tables.remainders, "cpu"))
            )
        found.append((tokens, way.remainders))
        if number % 50 == 49:
            say(f"tokens of {(number + 1) * BATCH} windows")
    tokens, remainders = (torch.cat(parts) for parts in zip(*found, strict=True))
    return tokens, remainders


def measure_usual_size(trainer: TokenTrainer) -> float:
    """The median size of bodies: summed bones in mm, in 2D their spread in pixels of a full-HD image."""
    if trainer.config.model.dims == 3:
        return float(trainer.motion.size.median())
    _, path = trainer.draw_windows(256, trainer.config.augmentation, data.build_generator(trainer.config.seed, KEY - 1))
    return float(path[:, 0, 2].exp().median())
