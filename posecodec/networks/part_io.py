"""Between a body's keypoints and tokens: heatmaps drawn, encoded, decoded, and read out by the sub-pixel argmax.

    encode: body -> heatmap volume -> encoder -> latents -> codes;  path -> codes and remainders
    decode: codes -> latents -> decoder -> heatmap volume -> argmax -> body;  codes and remainders -> path

`kinematics.body_track` makes bodies and paths of recordings; `coders.tokens` makes bytes of codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.beam_search import BEAM, search_codes
from posecodec.networks.part_vqgan import PartVQGAN, Path
from posecodec.networks.path import place_array, to_world
from posecodec.networks.path_search import Prices, RemainderPrices
from posecodec.signal.joins import smooth_joins
from posecodec.typing import Floats


@dataclass(frozen=True, eq=False, repr=False)
class Codes:
    """tokens: (t, h, Q) int32, h with the path. remainders: (t, n) int32 of the path."""

    tokens: NDArray[np.int32]
    remainders: NDArray[np.int32]


Price = Callable[[NDArray[np.int32]], NDArray[np.float32]]
"""Tokens (t, h, Q) -> bits (t, h, L, N) that each code of the first L levels would cost in the place of each."""


def render_volume(body: Tensor, model: PartVQGAN) -> Tensor:
    """Heatmaps (B, T, C, H, W) of bodies (B, T, K, D); keypoints that are NaN draw nothing."""
    config = model.config
    centers = heatmap.to_pixels(body, config.grid, config.extent)
    return heatmap.render(centers, config.grid, config.sigma).flatten(2, 3)


def bridge_gaps(model: PartVQGAN, points: Tensor, there: Tensor) -> Tensor:
    """Bodies for the linear path: gaps bridged by straight lines; what is nowhere seen where the mean body has it."""
    config = model.config
    rest = points.new_zeros(config.keypoints, config.dims)
    for part, mean in zip(config.parts, model.means, strict=False):
        rest[list(part)] = mean.detach().reshape(config.step, len(part), config.dims).mean(0)
    return heatmap.fill_gaps(points, there, rest)


def encode_body(model: PartVQGAN, body: Floats) -> Tensor:
    """Latents (1, t, h - 1, F) of a body (T, K, D) with NaN where missing; its last pose is held to the end of a step."""
    points = _hold(body, model)
    seen = model.see(render_volume(points, model))
    there = ~points.isnan().any(-1)
    return model.encode(seen, bridge_gaps(model, points.nan_to_num(), there))


@torch.inference_mode()
def encode(
    model: PartVQGAN, body: Floats, path: Floats, start: Floats, price: Price, remainders: RemainderPrices
) -> Codes:
    """All levels of codes of a body (T, K, D) and its path (T, D + 1), first seen from `start` (D + 1,).

    price: what codes cost, by those that a first search finds. remainders: what theirs cost.
    """
    latents, first = encode_body(model, body), _to_tensor(start, model)[None]
    held = _hold(path, model)
    tokens, _, _ = find_codes(model, latents, held, first, beam=1)
    bits = _to_tensor(price(tokens[0].cpu().numpy().astype(np.int32)), model)[None]
    tokens, way, _ = find_codes(model, latents, held, first, Prices(bits, remainders))
    found = tokens[0], way.remainders[0].flatten(1)
    return Codes(*(values.cpu().numpy().astype(np.int32) for values in found))


def find_codes(
    model: PartVQGAN, latents: Tensor, path: Tensor, start: Tensor, prices: Prices | None = None, beam: int = BEAM
) -> tuple[Tensor, Path, Tensor]:
    """Tokens (B, t, h, Q) of latents (B, t, h - 1, F) and paths (B, T, D + 1), the paths step by step, and the guess
    of them."""
    shape = latents.shape[:2]

    def search(values: Tensor, row: int, books: Tensor) -> Tensor:
        known = None
        if prices is not None:
            known = prices.tokens[:, :, row, model.config.levels - len(books) :].flatten(0, 1)
        codes: Tensor = search_codes(values.flatten(0, 1), books, known, beam).unflatten(0, shape)
        return codes

    *books, first, later = model.list_codebooks()
    parts = torch.stack([search(latents[:, :, row], row, book) for row, book in enumerate(books)], 2)
    guess = model.guess(parts[..., 0])
    way = model.encode_path(path, guess, start, prices)
    rest = way.values - first[0][way.tokens] - model.project_remainders(way.remainders)
    last = torch.cat([way.tokens.unsqueeze(-1), search(rest, len(books), later)], 2)
    return torch.cat([parts, last.unsqueeze(2)], 2), way, guess


@torch.inference_mode()
def decode(model: PartVQGAN, codes: Codes, start: Floats) -> Floats:
    """The mirror of `encode`: keypoints (t * step, K, D) where they are, in body sizes."""
    tokens = _to_tensor(codes.tokens, model).long()[None]
    remainders = _to_tensor(codes.remainders, model)[None].unflatten(2, (model.config.knots, -1))
    guess = model.guess(tokens[:, :, :-1, 0])
    states = model.follow(tokens[:, :, -1, 0], remainders, guess, _to_tensor(start, model)[None])
    latents = model.dequantize(tokens)
    latents[:, :, -1] += guess
    body, steps = draw_body(model, latents, remainders, tokens.shape[3])
    bodies, path = (x[0].double().cpu().numpy() for x in (body, to_world(steps, states).flatten(1, 2)))
    bodies, path = (smooth_joins(x, model.config.step) for x in (bodies, path))
    return place_array(bodies, path)


@torch.inference_mode()
def restore_body(model: PartVQGAN, body: Floats, late: bool = False) -> Floats:
    """A body (T, K, D) as the network sees it, gaps filled: through heatmaps and latents, but no codes.

    late: steps begin half a step later, so that others are seen together.
    """
    before = model.config.step // 2 if late else 0
    latents = encode_body(model, np.concatenate([np.repeat(body[:1], before, axis=0), body]))
    config = model.config
    still = latents.new_zeros(*latents.shape[:2], 1, config.latent)
    remainders = latents.new_zeros(*latents.shape[:2], config.knots, config.path_channels)
    made, _ = draw_body(model, torch.cat([latents, still], 2), remainders, config.levels + 1)
    return np.asarray(made[0, before : before + len(body)].double().cpu().numpy())


def draw_body(model: PartVQGAN, latents: Tensor, remainders: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Bodies (B, T, K, D), by the argmax of the decoder's heatmaps, and the paths of steps (B, t, step, D + 1)."""
    config = model.config
    decoded = model.decode(latents, remainders, torch.full((len(latents),), levels, device=latents.device))
    correction = model.draw(decoded.strokes)
    read = heatmap.read_corrected(decoded.points, correction, config.grid, config.extent, config.sigma)
    inside = (decoded.points.abs() < config.extent * (1 - 2 / config.grid)).all(-1, keepdim=True)
    return torch.where(inside, read.to(inside.device), decoded.points), decoded.steps


def _hold(values: Floats, model: PartVQGAN) -> Tensor:
    """(1, T, ...) the last frame repeated until T is a multiple of the step."""
    spare = -len(values) % model.config.step
    return _to_tensor(np.concatenate([values, np.repeat(values[-1:], spare, axis=0)]), model)[None]


def _to_tensor(values: NDArray[Any], model: PartVQGAN) -> Tensor:
    """As float32, where the model is."""
    return torch.from_numpy(values).float().to(model.spreads.device)
