"""The VQ-GAN that makes tokens: heatmaps -> latents of parts of the body, step by step -> codes -> latents -> heatmaps.

A step of frames has one latent for each part (arms, legs, core) and one for the path through the world. Beside the network
runs a linear path, the principal components of each part's keypoints over a step; the network is a zero-initialized
correction of it, in the latents and in the heatmaps, because the linear transform generalizes to people never seen
and the network alone does not (benchmarks/LOG.md).

The path is seen, step by step, from where the step before ends by its tokens of the first level alone. So its tokens nest like
the others and errors do not add up. What they code is what a small network, the guide, does not already guess from the
body's tokens of the first level: legs that walk say how fast. The decoder's network corrects the rest.

Heatmaps of Gaussians are products of two profiles, and so are the filters that read and draw them: `encode` takes either whole
heatmaps or profiles, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecodec.networks.layers import Fold, Residual, Unfold
from posecodec.networks.part_config import PartConfig
from posecodec.networks.path import to_local, to_world
from posecodec.networks.vector_quantizer import ResidualQuantizer, find_nearest

GUIDE_WIDTH, GUIDE_DEPTH = 96, 2  # Of the guide: it sees few codes and says little
TIME = (2, 1, 1)  # Of a grid with one row and column: what its layers fold and spread along


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """points: (B, T, K, D) of the linear path. strokes: (B, T, V * K, features) that correct its log-heatmaps, see
    `PartVQGAN.draw`. steps: (B, t, step, D + 1) the path of each step seen from its state."""

    points: Tensor
    strokes: Tensor
    steps: Tensor


class PartVQGAN(nn.Module):
    """Encoder, quantizers and decoder in the shape of a config."""

    def __init__(self, config: PartConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        width, maps = config.width, config.views * config.keypoints
        count = (config.step // config.patch).bit_length() - 1
        sizes = [*(config.step * len(part) * config.dims for part in config.parts), config.step * config.path_channels]
        self.seen_rows = nn.Parameter(torch.randn(config.features, config.grid) * 0.5)
        self.seen_columns = nn.Parameter(torch.randn(config.features, config.grid) * 0.5)
        self.embed = nn.Linear(config.patch * maps * config.features, width)
        self.fold = nn.Sequential(*(nn.Sequential(nn.GELU(), Fold(TIME, width)) for _ in range(count)))
        self.analysis = nn.Sequential(*(Residual(width, TIME) for _ in range(config.depth)))
        self.to_latent = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(config.parts) * config.latent))
        self.means = nn.ParameterList(torch.zeros(size) for size in sizes)
        self.components = nn.ParameterList(torch.zeros(config.latent, size) for size in sizes)
        self.bases = nn.ParameterList(torch.zeros(config.latent, size) for size in sizes)
        self.quantizers = nn.ModuleList(
            ResidualQuantizer(config.levels, config.codes, config.latent) for _ in range(config.rows)
        )
        self.guide = nn.Sequential(
            nn.Linear(len(config.parts) * config.latent, GUIDE_WIDTH),
            *(Residual(GUIDE_WIDTH, TIME) for _ in range(GUIDE_DEPTH)),
            nn.LayerNorm(GUIDE_WIDTH),
            nn.Linear(GUIDE_WIDTH, config.latent),
        )
        self.from_latent = nn.Linear(config.rows * config.latent, width)
        self.coarseness = nn.Embedding(config.levels + 1, width)
        self.synthesis = nn.Sequential(*(Residual(width, TIME) for _ in range(config.depth)))
        self.refine = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(config.parts) * config.latent))
        self.unfold = nn.Sequential(*(nn.Sequential(Unfold(TIME, width), nn.GELU()) for _ in range(count)))
        self.stroke = nn.Linear(width, config.patch * maps * config.features)
        self.steer = nn.Linear(width, config.patch * config.path_channels)
        self.drawn_rows = nn.Parameter(torch.randn(config.features, config.grid) * 0.5)
        self.drawn_columns = nn.Parameter(torch.randn(config.features, config.grid) * 0.5)
        self.drop = nn.Dropout(dropout)
        for layer in (self.to_latent[1], self.refine[1], self.guide[-1], self.stroke, self.steer):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def see(self, volume: Tensor) -> Tensor:
        """What the filters see in heatmaps (B, T, C, H, W): (B, T, C, features)."""
        return torch.einsum("btchw,fh,fw->btcf", volume, self.seen_rows, self.seen_columns)

    def see_profiles(self, down: Tensor, across: Tensor) -> Tensor:
        """The same of heatmaps that are products of profiles (B, T, C, H) and (B, T, C, W)."""
        return (down @ self.seen_rows.T) * (across @ self.seen_columns.T)

    def encode(self, seen: Tensor, points: Tensor) -> Tensor:
        """Latents of the parts, (B, t, h - 1, F), before quantization.

        seen: (B, T, C, features), T a multiple of the step. points: (B, T, K, D), what the heatmaps show, gaps filled.
        """
        config = self.config
        hidden = self.embed(seen.reshape(len(seen), -1, self.embed.in_features))[:, :, None, None]
        correction = self.to_latent(self.drop(self.analysis(self.drop(self.fold(hidden)))))
        groups = points.unflatten(1, (-1, config.step))
        linear = [
            (groups[:, :, :, list(part)].flatten(2) - mean) @ components.T
            for part, mean, components in zip(config.parts, self.means, self.components, strict=False)
        ]
        latents: Tensor = torch.stack(linear, 2) + correction.reshape(*groups.shape[:2], -1, config.latent)
        return latents

    def guess(self, tokens: Tensor) -> Tensor:
        """Latents (B, t, F) of the path that the parts' tokens (B, t, h - 1) of the first level let expect."""
        seen = [q.codebooks[0][tokens[:, :, row]] for row, q in enumerate(self.quantizers[:-1])]
        guessed: Tensor = self.guide(torch.cat(seen, -1)[:, :, None, None])[:, :, 0, 0]
        return guessed

    @torch.no_grad()
    def encode_path(self, path: Tensor, guess: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, t, F) of a path (B, T, D + 1) less a guess, and the states (B, t, D + 1) that steps are seen from.

        start: (B, D + 1) the first state. The later ones are where the first level of the step before ends.
        """
        latents, states = [], [start]
        for step, frames in enumerate(path.unflatten(1, (-1, self.config.step)).unbind(1)):
            local = to_local(frames, states[-1]).flatten(1)
            latents.append((local - self.means[-1]) @ self.components[-1].T - guess[:, step])
            token = find_nearest(latents[-1], self.quantizers[-1].codebooks[0])
            states.append(self.advance(token, guess[:, step], states[-1]))
        return torch.stack(latents, 1), torch.stack(states[:-1], 1)

    def advance(self, token: Tensor, guess: Tensor, state: Tensor) -> Tensor:
        """The state (B, D + 1) after a step from a state, by the path's token (B,) of the first level and the guess (B, F)."""
        latents = self.quantizers[-1].codebooks[0][token] + guess
        return to_world(self.draw_path(latents)[:, -1:], state)[:, 0]

    def follow(self, tokens: Tensor, guess: Tensor, start: Tensor) -> Tensor:
        """States (B, t, D + 1) of the path's tokens (B, t) of the first level."""
        states = [start]
        for step, token in enumerate(tokens.unbind(1)[:-1]):
            states.append(self.advance(token, guess[:, step], states[-1]))
        return torch.stack(states, 1)

    def draw_path(self, latents: Tensor) -> Tensor:
        """The path (..., step, D + 1) that latents (..., F) say, seen from the state of their step."""
        return (latents @ self.bases[-1] + self.means[-1]).unflatten(-1, (self.config.step, -1))

    def quantize(self, latents: Tensor, levels: int) -> Tensor:
        """Nearest codes of each row, level by level. (B, t, h, F) -> (B, t, h, Q)."""
        rows = [q.encode(latents[:, :, r], levels) for r, q in zip(range(latents.shape[2]), self.quantizers, strict=False)]
        return torch.stack(rows, 2)

    def dequantize(self, tokens: Tensor) -> Tensor:
        """The mirror of `quantize`: sums of the codes of as many levels as there are. (B, t, h, Q) -> (B, t, h, F)."""
        return torch.stack([q.decode(tokens[:, :, row]) for row, q in enumerate(self.quantizers)], 2)

    def decode(self, latents: Tensor, used: Tensor) -> Decoded:
        """What latents (B, t, h, F) say, the guess of the path added to its row. used: (B,) levels they were quantized with; Q + 1 if not."""
        config, batch = self.config, len(latents)
        hidden = self.from_latent(latents.flatten(2)) + self.coarseness(used - 1)[:, None]
        hidden = self.drop(self.synthesis(self.drop(hidden)[:, :, None, None]))
        parts = latents[:, :, :-1] + self.refine(hidden).reshape(*latents.shape[:2], -1, config.latent)
        points = latents.new_empty(batch, latents.shape[1] * config.step, config.keypoints, config.dims)
        for row, part in enumerate(config.parts):
            drawn = parts[:, :, row] @ self.bases[row] + self.means[row]
            points[:, :, list(part)] = drawn.reshape(batch, -1, len(part), config.dims)
        fine = self.unfold(hidden)[:, :, 0, 0]
        strokes = self.stroke(fine).reshape(batch, points.shape[1], -1, config.features)
        steer = self.steer(fine).reshape(batch, -1, config.step, config.path_channels)
        return Decoded(points, strokes, self.draw_path(latents[:, :, -1]) + steer)

    def draw(self, strokes: Tensor) -> Tensor:
        """The correction of log-heatmaps that strokes (B, T, C, features) make: (B, T, C, H, W)."""
        return torch.einsum("btcf,fh,fw->btchw", strokes, self.drawn_rows, self.drawn_columns)

    @property
    def last_layer(self) -> Tensor:
        """The weight that the adaptive adversarial weight compares gradients at."""
        return self.stroke.weight
