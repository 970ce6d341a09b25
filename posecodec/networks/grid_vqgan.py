"""A VQ-GAN from heatmap volume to a grid of tokens and back, lean enough for two cores.

Heatmap channels are few and almost empty, so pixels are folded into cells of 2 x 4 x 4 first; a shallow stage works there,
and everything deep on the token grid, whose cells are larger still. Volumes are (B, T, C, H, W), features on a grid channels
first, (B, width, t, h, w), in the layout that convolutions are fastest in.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from posecodec.networks.dense_vqgan import DenseDecoder, DenseEncoder
from posecodec.networks.gradient_quantizer import GradientQuantizer
from posecodec.networks.grid_config import GridConfig
from posecodec.networks.vector_quantizer import ResidualQuantizer, find_nearest

Cells = tuple[int, int, int]
FINE: Cells = (2, 4, 4)  # Frames, rows and columns of a fine cell
LOGIT_START = -4.0  # What an empty pixel's value is before the sigmoid, at the start


class GridVQGAN(nn.Module):
    """Encoder, quantizer and decoder in the shape of a config."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        self.config = config
        lean = config.network == "lean"
        self.encoder: nn.Module = LeanEncoder(config) if lean else DenseEncoder(config)
        self.decoder: nn.Module = LeanDecoder(config) if lean else DenseDecoder(config)
        self.quantizer: ResidualQuantizer | GradientQuantizer
        if config.quantizer == "gradient":
            self.quantizer = GradientQuantizer(config.codes, config.latent)
        else:
            self.quantizer = ResidualQuantizer(1, config.codes, config.latent, decay=0.99, revive=config.revive)

    @property
    def codebook(self) -> Tensor:
        """(N, F)."""
        book = self.quantizer.get_buffer("codebooks")[0] if isinstance(self.quantizer, ResidualQuantizer) else None
        return self.quantizer.get_parameter("codebook") if book is None else book

    def encode(self, volume: Tensor) -> Tensor:
        """Latents (B, t, h, w, F) of a volume (B, T, C, H, W)."""
        latents: Tensor = self.encoder(volume.transpose(1, 2)).movedim(1, -1).float()
        return latents

    def tokenize(self, volume: Tensor) -> Tensor:
        """Tokens (B, t, h, w) of a volume."""
        return find_nearest(self.encode(volume), self.codebook)

    def decode(self, latents: Tensor) -> Tensor:
        """Heatmaps (B, T, C, H, W) of quantized latents (B, t, h, w, F), in 0 .. 1.

        Those of keypoints, of which each is somewhere, are chances of pixels in the height that a Gaussian's have.
        """
        logits: Tensor = self.decoder(latents.movedim(-1, 1)).float().transpose(1, 2)
        if self.config.target.draw == "keypoints":
            chances = logits.flatten(-2).softmax(-1).reshape(logits.shape)
            return chances * (2 * math.pi * self.config.sigma**2)
        return logits.sigmoid()

    def detokenize(self, tokens: Tensor) -> Tensor:
        """Heatmaps of tokens (B, t, h, w)."""
        return self.decode(self.codebook[tokens])

    @property
    def last_layer(self) -> Tensor:
        """The weight that the adaptive adversarial weight compares gradients at."""
        layer: Tensor = self.decoder.get_submodule("last").get_parameter("weight")
        return layer


class Block(nn.Module):
    """A pre-normalized residual block: convolutions in space, then in time; starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.across = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
        self.along = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0))
        nn.init.zeros_(self.along.weight)
        assert self.along.bias is not None
        nn.init.zeros_(self.along.bias)

    def forward(self, grid: Tensor) -> Tensor:
        change: Tensor = self.along(nn.functional.gelu(self.across(self.norm(grid))))
        return grid + change


class LeanEncoder(nn.Module):
    """(B, C, T, H, W) -> (B, F, t, h, w)."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        fine, rest = split_factor(config)
        self.see = nn.Conv3d(config.channels[0], config.detail, fine, stride=fine)
        self.look = Block(config.detail)
        self.fold = nn.Conv3d(config.detail, config.width, rest, stride=rest)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(config.depth)))
        self.norm = nn.GroupNorm(1, config.width)
        self.latent = nn.Conv3d(config.width, config.latent, 1)

    def forward(self, volume: Tensor) -> Tensor:
        latents: Tensor = self.latent(
            self.norm(self.blocks(self.fold(nn.functional.gelu(self.look(self.see(volume))))))
        )
        return latents


class LeanDecoder(nn.Module):
    """(B, F, t, h, w) -> (B, C, T, H, W), before the sigmoid."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        fine, rest = split_factor(config)
        self.latent = nn.Conv3d(config.latent, config.width, 1)
        self.blocks = nn.Sequential(*(Block(config.width) for _ in range(config.depth + 1)))
        self.unfold = nn.ConvTranspose3d(config.width, config.detail, rest, stride=rest)
        self.look = nn.Sequential(Block(config.detail), Block(config.detail), nn.GroupNorm(1, config.detail))
        self.last = nn.ConvTranspose3d(config.detail, config.channels[1], fine, stride=fine)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, LOGIT_START)

    def forward(self, latents: Tensor) -> Tensor:
        volume: Tensor = self.last(nn.functional.gelu(self.look(self.unfold(self.blocks(self.latent(latents))))))
        return volume


def split_factor(config: GridConfig) -> tuple[Cells, Cells]:
    """Pixels of a fine cell, and fine cells of a token, in frames, rows and columns."""
    t, h, w = (min(fine, factor) for fine, factor in zip(FINE, config.factor, strict=True))
    t = t if config.factor[0] % t == 0 else 1
    a, b, c = config.factor
    return (t, h, w), (a // t, b // h, c // w)
