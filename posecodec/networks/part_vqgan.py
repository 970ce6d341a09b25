"""The VQ-GAN that makes tokens: heatmaps -> latents of parts of the body, step by step -> codes -> latents -> heatmaps.

A step of frames has one latent for each part (arms, legs, core) and one for the path through the world. Beside the network
runs a linear path, the principal components of each part's keypoints over a step; the network is a zero-initialized
correction of it, in the latents and in the heatmaps, because the linear transform generalizes to people never seen
and the network alone does not (benchmarks/LOG.md). What codes of other parts and of the steps before and after say about a
latent is linear at first, too.

The path is seen, step by step, from a state: where the step before ends by its token of the first level and by a remainder,
whole numbers of small steps that are no tokens. So tokens nest at all levels and errors do not add up. What the tokens
say is what a small network, the guide, does not already guess from the body's tokens of the first level: legs that walk say
how fast. The decoder's network corrects the rest.

Heatmaps of Gaussians are products of two profiles, and so are the filters that read and draw them: `encode` takes
either whole heatmaps or profiles, with the same result.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecodec.networks.layers import Fold, Residual, Unfold
from posecodec.networks.part_config import PartConfig
from posecodec.networks.path import to_local, to_world
from posecodec.networks.path_search import Prices
from posecodec.networks.vector_quantizer import ResidualQuantizer, find_nearest, nearest_codes, sum_codes

REACH = 3  # Steps that are seen together: the one before, its own, the one after
GUIDE_WIDTH, GUIDE_DEPTH = 96, 2  # Of the guide: it sees few codes and says little
REVIVE = 0.02  # A code of a part that is used less than this share of the mean starts anew; rare codes of paths stay
STEER_UNIT = 0.02  # Body sizes that the network's correction of a path counts in
TIME = (2, 1, 1)  # Of a grid with one row and column: what its layers fold and spread along


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """points: (B, T, K, D) of the linear path. strokes: (B, T, V * K, features) that correct its log-heatmaps, see
    `PartVQGAN.draw`. steps: (B, t, step, D + 1) the path of each step seen from its state."""

    points: Tensor
    strokes: Tensor
    steps: Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Path:
    """A path before quantization, seen step by step. values: (B, t, F) latents less the guess. tokens: (B, t) of the first
    level. remainders: (B, t, knots, D + 1) whole numbers. states: (B, t, D + 1)."""

    values: Tensor
    tokens: Tensor
    remainders: Tensor
    states: Tensor


class PartVQGAN(nn.Module):
    """Encoder, quantizers and decoder in the shape of a config. spreads: (h, F) of latents, which layers see as 1."""

    spreads: Tensor

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
        self.register_buffer("spreads", torch.ones(config.rows, config.latent))
        quantizers = (
            ResidualQuantizer(config.levels, config.codes, config.latent, revive=REVIVE) for _ in config.parts
        )
        self.quantizers = nn.ModuleList(quantizers)
        self.path_first = ResidualQuantizer(1, config.codes, config.latent)
        self.path_rest = ResidualQuantizer(config.levels - 1, config.codes, config.latent)
        self.guide = nn.Sequential(
            nn.Linear(len(config.parts) * config.latent, GUIDE_WIDTH),
            *(Residual(GUIDE_WIDTH, TIME) for _ in range(GUIDE_DEPTH)),
            nn.LayerNorm(GUIDE_WIDTH),
            nn.Linear(GUIDE_WIDTH, config.latent),
        )
        around = REACH * config.rows * config.latent
        self.guide_linear = nn.Parameter(torch.zeros(REACH * len(config.parts) * config.latent + 1, config.latent))
        self.context = nn.Parameter(torch.zeros(config.levels + 1, around + 1, config.rows * config.latent))
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
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def list_codebooks(self) -> list[Tensor]:
        """Of each part, (Q, N, F), and of the path: of its first level, and of the others."""
        quantizers = (*self.quantizers, self.path_first, self.path_rest)
        return [quantizer.get_buffer("codebooks") for quantizer in quantizers]

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
        correction = self.to_latent(self.drop(self.analysis(self.drop(self.fold(hidden)))))[:, :, 0, 0]
        groups = points.unflatten(1, (-1, config.step))
        linear = [
            (groups[:, :, :, list(part)].flatten(2) - mean) @ components.T
            for part, mean, components in zip(config.parts, self.means, self.components, strict=False)
        ]
        latents: Tensor = torch.stack(linear, 2) + correction.unflatten(2, (-1, config.latent)) * self.spreads[:-1]
        return latents

    def guess(self, tokens: Tensor) -> Tensor:
        """Latents (B, t, F) of the path that the parts' tokens (B, t, h - 1) of the first level let expect."""
        books = self.list_codebooks()[: len(self.config.parts)]
        seen = torch.cat([book[0][tokens[:, :, row]] for row, book in enumerate(books)], -1)
        scaled = self.guide((seen / self.spreads[:-1].flatten())[:, :, None, None])[:, :, 0, 0]
        guessed: Tensor = scaled * self.spreads[-1] + gather(seen) @ self.guide_linear
        return guessed

    @torch.no_grad()
    def encode_path(self, path: Tensor, guess: Tensor, start: Tensor, prices: Prices | None = None) -> Path:
        """A path (B, T, D + 1) step by step, given the guess of it, from a first state (B, D + 1).

        With prices the code of a step is the cheapest for what it leaves, otherwise the nearest.
        """
        states, values, tokens, remainders = [start], [], [], []
        book = self.path_first.codebooks[0]
        for step, frames in enumerate(path.unflatten(1, (-1, self.config.step)).unbind(1)):
            local, guessed = to_local(frames, states[-1]), guess[:, step]
            values.append((local.flatten(1) - self.means[-1]) @ self.components[-1].T - guessed)
            if prices is None:
                tokens.append(find_nearest(values[-1], book))
            else:
                after = self.find_remainders(local[:, None], book + guessed[:, None])
                rest = values[-1][:, None] - book - self.project_remainders(after)
                tokens.append(prices.choose_path(step, rest, after, self.config.remainder))
            remainders.append(self.find_remainders(local, book[tokens[-1]] + guessed))
            states.append(self.advance(tokens[-1], remainders[-1], guessed, states[-1]))
        return Path(*(torch.stack(x, 1) for x in (values, tokens, remainders, states[:-1])))

    def find_remainders(self, local: Tensor, latents: Tensor) -> Tensor:
        """Whole numbers (..., knots, D + 1) by which paths (..., step, D + 1) are off what latents (..., F) say."""
        between = self.config.step // self.config.knots
        off = (local - self.draw_path(latents))[..., between - 1 :: between, :]
        return (off / self.config.remainder).round()

    def advance(self, token: Tensor, remainder: Tensor, guess: Tensor, state: Tensor) -> Tensor:
        """The state (B, D + 1) after a step: by the path's token (B,) of the first level, remainder (B, knots, D +
        1), guess."""
        end = self.draw_path(self.path_first.codebooks[0][token] + guess)[:, -1]
        return to_world((end + remainder[:, -1] * self.config.remainder)[:, None], state)[:, 0]

    def follow(self, tokens: Tensor, remainders: Tensor, guess: Tensor, start: Tensor) -> Tensor:
        """States (B, t, D + 1) of the path's tokens (B, t) of the first level and remainders (B, t, knots, D + 1)."""
        states = [start]
        for step, token in enumerate(tokens.unbind(1)[:-1]):
            states.append(self.advance(token, remainders[:, step], guess[:, step], states[-1]))
        return torch.stack(states, 1)

    def draw_path(self, latents: Tensor) -> Tensor:
        """The path (..., step, D + 1) that latents (..., F) say, seen from the state of their step."""
        drawn: Tensor = latents @ self.bases[-1] + self.means[-1]
        return drawn.reshape(*drawn.shape[:-1], self.config.step, -1)

    def draw_remainders(self, remainders: Tensor) -> Tensor:
        """What remainders (B, t, knots, D + 1) add to their steps' paths (B, t, step, D + 1): straight lines from
        knot to knot."""
        config, time = self.config, torch.arange(1, self.config.step + 1, device=remainders.device)
        knots = torch.arange(1, config.knots + 1, device=remainders.device)
        hats = (1 - (time[:, None] * config.knots / config.step - knots).abs()).clamp_min(0)
        return torch.einsum("btnc,sn->btsc", remainders, hats * config.remainder)

    def project_remainders(self, remainders: Tensor) -> Tensor:
        """The same as latents (B, t, F)."""
        latents: Tensor = self.draw_remainders(remainders).flatten(2) @ self.components[-1].T
        return latents

    def quantize(self, latents: Tensor, levels: int) -> Tensor:
        """Nearest codes of the parts, level by level. (B, t, h - 1, F) -> (B, t, h - 1, Q)."""
        books = self.list_codebooks()[: len(self.config.parts)]
        return torch.stack([nearest_codes(latents[:, :, row], book[:levels]) for row, book in enumerate(books)], 2)

    def quantize_path(self, path: Path, levels: int) -> Tensor:
        """(B, t, Q) tokens of the path."""
        rest = path.values - self.path_first.codebooks[0][path.tokens] - self.project_remainders(path.remainders)
        return torch.cat([path.tokens.unsqueeze(-1), self.path_rest.encode(rest, levels - 1)], -1)

    def dequantize(self, tokens: Tensor) -> Tensor:
        """Sums of the codes of as many levels as there are, for parts and path. (B, t, h, Q) -> (B, t, h, F)."""
        *books, first, later = self.list_codebooks()
        rows = [sum_codes(tokens[:, :, row], book) for row, book in enumerate(books)]
        path = sum_codes(tokens[:, :, -1, :1], first) + sum_codes(tokens[:, :, -1, 1:], later)
        return torch.stack([*rows, path], 2)

    def decode(self, latents: Tensor, remainders: Tensor, used: Tensor) -> Decoded:
        """What latents (B, t, h, F) say, the guess of the path added to its row.

        used: (B,) levels they were quantized with; Q + 1 if they were not.
        """
        config, batch = self.config, len(latents)
        pushed = self.project_remainders(remainders)
        told = torch.cat([latents[:, :, :-1].flatten(2), latents[:, :, -1] + pushed], 2)
        hidden = self.from_latent(told / self.spreads.flatten()) + self.coarseness(used - 1)[:, None]
        hidden = self.drop(self.synthesis(self.drop(hidden)[:, :, None, None]))
        latents = latents + (gather(told) @ self.context[used - 1]).unflatten(2, (config.rows, -1))
        refined = self.refine(hidden)[:, :, 0, 0].unflatten(2, (-1, config.latent)) * self.spreads[:-1]
        parts = latents[:, :, :-1] + refined
        points = latents.new_empty(batch, latents.shape[1] * config.step, config.keypoints, config.dims)
        for row, part in enumerate(config.parts):
            drawn = parts[:, :, row] @ self.bases[row] + self.means[row]
            points[:, :, list(part)] = drawn.reshape(batch, -1, len(part), config.dims)
        fine = self.unfold(hidden)[:, :, 0, 0]
        strokes = self.stroke(fine).reshape(batch, points.shape[1], -1, config.features)
        steer = STEER_UNIT * self.steer(fine).reshape(batch, -1, config.step, config.path_channels)
        steps = self.draw_path(latents[:, :, -1]) + self.draw_remainders(remainders) + steer
        return Decoded(points, strokes, steps)

    def draw(self, strokes: Tensor) -> Tensor:
        """The correction of log-heatmaps that strokes (B, T, C, features) make: (B, T, C, H, W)."""
        return torch.einsum("btcf,fh,fw->btchw", strokes, self.drawn_rows, self.drawn_columns)

    @property
    def last_layer(self) -> Tensor:
        """The weight that the adaptive adversarial weight compares gradients at."""
        return self.stroke.weight


def gather(values: Tensor) -> Tensor:
    """(B, t, n) as (B, t, REACH * n + 1): each with those before and after it, zeros beyond the ends, and a one."""
    padded = nn.functional.pad(values, (0, 0, REACH // 2, REACH // 2))
    near = [padded[:, i : i + values.shape[1]] for i in range(REACH)]
    return torch.cat([*near, torch.ones_like(values[..., :1])], -1)
