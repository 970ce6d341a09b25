"""Between normalized keypoints and a model's latents: the heatmaps it takes and gives, drawn and read out.

`codec` runs this on recordings, `train` on windows.
"""

from __future__ import annotations

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec import heatmap
from posecodec.entropy.tokencoder import TokenTables
from posecodec.model.config import ModelConfig, Volume
from posecodec.model.vqgan import VQGAN
from posecodec.skeleton import BUILT_IN


def volume_of(points: Tensor, there: Tensor, config: ModelConfig, volume: Volume) -> Tensor:
    """Heatmaps (B, T, C, H, W) of normalized points (B, T, K, D); keypoints that are not `there` draw nothing."""
    points = torch.where(there.unsqueeze(-1), points, torch.nan)
    if volume.views == "cameras":
        centers = heatmap.to_cameras(points, volume.cameras, config.grid, config.extent)
    else:
        centers = heatmap.to_pixels(points, config.grid, config.extent)
    if volume.draw == "keypoints":
        return heatmap.render(centers, config.grid, config.sigma).flatten(2, 3)
    limbs = heatmap.render_limbs(centers, _edges(config), config.grid, config.sigma)
    return limbs.amax(dim=3) if volume.draw == "merged" else limbs.flatten(2, 3)


def _edges(config: ModelConfig) -> Tensor:
    """Edges of the built-in skeleton with that many keypoints and limbs."""
    for skeleton in BUILT_IN.values():
        if (len(skeleton), len(skeleton.edges)) == (config.keypoints, config.limbs):
            return torch.tensor(skeleton.edges)
    raise AssertionError(f"no skeleton with {config.keypoints} keypoints and {config.limbs} limbs")


def encode_points(model: VQGAN, points: Tensor, there: Tensor) -> Tensor:
    """Latents (B, t, h, w, F) of normalized points (B, T, K, D), of which those not `there` (B, T, K) are left empty.

    The linear path is handed the points themselves: reading the volume out gives them back (tests/test_roundtrip.py).
    """
    config = model.config
    rest = model.mean.reshape(-1, config.keypoints, config.dims).mean(0) if config.linear else points.new_zeros(1)
    filled = heatmap.fill_gaps(points, there, rest.detach())
    latents: Tensor = model.encode(volume_of(points, there, config, config.inputs), filled)
    return latents


def decode_points(model: VQGAN, tokens: Tensor) -> Tensor:
    """Normalized points (B, T, K, D) of tokens (B, t, h, w, Q): the sub-pixel argmax of the decoded heatmaps."""
    config = model.config
    used = torch.full((len(tokens),), tokens.shape[-1], device=tokens.device)
    decoded = model.decode(model.quantizer.decode(tokens), used)
    assert decoded.points is not None
    centers = heatmap.to_pixels(decoded.points, config.grid, config.extent)
    logs = heatmap.render_log(centers, config.grid, config.sigma)
    logs += decoded.logits.reshape(logs.shape)
    found = heatmap.read_out(logs.flatten(0, -3).cpu().numpy(), config.sigma, empty=0)
    return heatmap.from_pixels(torch.from_numpy(found).reshape(centers.shape), config.grid, config.extent)


BEAM = 8
"""Partial codes that the search for tokens keeps."""


def choose_tokens(
    latents: NDArray[np.float32], codebooks: NDArray[np.float32], tables: TokenTables, rate_weight: float
) -> NDArray[np.int32]:
    """Tokens that are near and cheap: they minimize squared distance + rate_weight x bits, searched with a beam.

    latents: (t, h, w, F); codebooks: (Q, N, F), as many levels as are to be coded. Returns (t, h, w, Q) int32.
    Source: entropy-constrained vector quantization (Chou, Lookabaugh and Gray 1989) of a residual quantizer, whose
    greedy search is not the best (Barnes, Rizvi and Nasrabadi 1996). A prefix of the levels is
    a coarser code, though not the best one of so few levels.
    """
    counts = tables.counts.astype(np.float32)
    bits = np.log2(counts.sum(axis=1, keepdims=True) / counts).astype(np.float32)
    flat = np.ascontiguousarray(latents.reshape(len(latents), -1, latents.shape[-1]))
    squares = np.square(codebooks).sum(axis=-1)
    fixed = (tables.rows, tables.widths, tables.before, tables.below)
    tokens = _choose(flat, codebooks, squares, bits * np.float32(rate_weight), *fixed)
    return tokens.reshape(*latents.shape[:3], -1)


@numba.njit(cache=True, fastmath=True)
def _choose(latents, books, squares, costs, rows, widths, before, below):  # type: ignore[no-untyped-def]
    steps, cells, size = latents.shape
    levels, codes, _ = books.shape
    tokens = np.zeros((steps, cells, levels), np.int32)
    for s in range(steps):
        for cell in range(cells):
            kept = 1
            paths = np.zeros((BEAM, levels), np.int32)
            rests = np.zeros((BEAM, size), np.float32)
            rests[0] = latents[s, cell]
            spent = np.zeros(BEAM, np.float32)
            for q in range(levels):
                past = np.int64(before[q, tokens[s - 1, cell, q]]) if s else np.int64(0)
                scores = np.full(BEAM, np.inf, np.float32)
                parents = np.zeros(BEAM, np.int64)
                picks = np.zeros(BEAM, np.int64)
                for m in range(kept):
                    rest = rests[m]
                    energy = np.float32(0)
                    for f in range(size):
                        energy += rest[f] * rest[f]
                    row = rows[q] + widths[q] * past + (np.int64(below[q - 1, paths[m, q - 1]]) if q else np.int64(0))
                    for code in range(codes):
                        product = np.float32(0)
                        for f in range(size):
                            product += rest[f] * books[q, code, f]
                        score = spent[m] + costs[row, code] + energy - 2 * product + squares[q, code]
                        if score < scores[BEAM - 1]:
                            place = BEAM - 1
                            while place > 0 and scores[place - 1] > score:
                                scores[place] = scores[place - 1]
                                parents[place] = parents[place - 1]
                                picks[place] = picks[place - 1]
                                place -= 1
                            scores[place] = score
                            parents[place] = m
                            picks[place] = code
                kept = min(BEAM, kept * codes)
                paths, rests, spent = paths[parents], rests[parents], spent[parents]
                for m in range(kept):
                    row = rows[q] + widths[q] * past + (np.int64(below[q - 1, paths[m, q - 1]]) if q else np.int64(0))
                    spent[m] += costs[row, picks[m]]
                    paths[m, q] = picks[m]
                    rests[m] -= books[q, picks[m]]
            tokens[s, cell] = paths[0]
    return tokens
