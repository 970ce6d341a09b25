"""The VQ-GAN's generator: heatmap volume -> latent grid -> tokens -> latent grid -> heatmap volume.

Beside the network runs an optional linear path: the principal components of the keypoints of a group of frames. The
network starts as a zero-initialized correction of it, in the latents and in the heatmaps, because the linear transform
generalizes to people never seen and the network alone does not (benchmarks/LOG.md). The decoder then gives where the linear
path puts each keypoint and a correction of the log-heatmap around it; `heatmap` draws the one and adds the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posecodec.networks.config import ModelConfig
from posecodec.networks.layers import Fold, PatchEmbed, PatchRender, Residual, Unfold, list_folds
from posecodec.networks.vector_quantizer import ResidualQuantizer


@dataclass(frozen=True, eq=False, repr=False)
class Decoded:
    """points: (B, T, K, D) of the linear path, or None without one. logits: (B, T, C, H, W) log-heatmaps, or the
    correction to those of the points."""

    points: Tensor | None
    logits: Tensor


class VQGAN(nn.Module):
    """Encoder, residual quantizer and decoder in the shape of a config."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        folds = list_folds(config)
        width, grid = config.width, config.latent_grid
        into, out = (v.count_channels(config.keypoints, config.limbs) for v in (config.inputs, config.outputs))
        self.embed = PatchEmbed(into, config.patch, config.features, width)
        self.fold = nn.Sequential(*(nn.Sequential(nn.GELU(), Fold(by, width)) for by in folds))
        self.analysis = nn.Sequential(*(Residual(width, grid) for _ in range(config.depth)))
        self.to_latent = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.latent))
        self.quantizer = ResidualQuantizer(config.levels, config.codes, config.latent)
        self.from_latent = nn.Linear(config.latent, width)
        self.coarseness = nn.Embedding(config.levels, width)
        self.synthesis = nn.Sequential(*(Residual(width, grid) for _ in range(config.depth)))
        self.unfold = nn.Sequential(*(nn.Sequential(Unfold(by, width), nn.GELU()) for by in reversed(folds)))
        self.draw = PatchRender(out, config.patch, config.features, width)
        if config.linear:
            size = config.factor[0] * config.keypoints * config.dims
            self.mean = nn.Parameter(torch.zeros(size))
            self.components = nn.Parameter(torch.zeros(config.latent, size))
            self.basis = nn.Parameter(torch.zeros(config.latent, size))
            self.refine = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.latent))
            for parameter in (*self.to_latent[1].parameters(), *self.refine[1].parameters()):
                nn.init.zeros_(parameter)

    def encode(self, volume: Tensor, points: Tensor) -> Tensor:
        """Latents before quantization, (B, t, h, w, F).

        volume: (B, T, C, H, W) heatmaps, T a multiple of the time factor. points: (B, T, K, D), the read-out of that
        volume with gaps filled, which the linear path takes; ignored without one.
        """
        latents: Tensor = self.to_latent(self.analysis(self.fold(self.embed(volume))))
        if self.config.linear:
            groups = points.reshape(len(points), -1, self.mean.numel()) - self.mean
            latents = latents + (groups @ self.components.T)[:, :, None, None]
        return latents

    def decode(self, latents: Tensor, used: Tensor) -> Decoded:
        """Log-heatmaps (or a correction to the linear path's) of quantized latents (B, t, h, w, F).

        used: (B,) int64, how many levels each was quantized with, 1..Q.
        """
        hidden = self.synthesis(self.from_latent(latents) + self.coarseness(used - 1)[:, None, None, None])
        logits = self.draw(self.unfold(hidden))
        if not self.config.linear:
            return Decoded(None, logits)
        latents = latents + self.refine(hidden)
        points = latents.flatten(1, 3) @ self.basis + self.mean
        return Decoded(points.reshape(len(latents), -1, self.config.keypoints, self.config.dims), logits)
