"""A patch discriminator over heatmap volumes (Isola et al., "Image-to-Image Translation", 2017, in space and time).

It looks at patches of 4 x 4 pixels and 4 frames and mixes neighbors in time, and so judges local motion, not identity.
"""

from __future__ import annotations

from torch import Tensor, nn

from posecodec.networks.layers import PatchEmbed


class PatchDiscriminator(nn.Module):
    """(B, T, C, H, W) heatmaps -> (B, T / 4, h, w) scores, high for real."""

    def __init__(self, channels: int, grid: int, width: int = 64) -> None:
        super().__init__()
        side = 4 if grid % 4 == 0 else 1
        self.embed = PatchEmbed(channels, (4, side, side), 4, width)
        first = nn.Conv3d(width, width, 3, padding=1)
        last = nn.Conv3d(width, 1, (3, 1, 1), padding=(1, 0, 0))
        self.body = nn.Sequential(nn.LeakyReLU(0.2), first, nn.GroupNorm(8, width), nn.LeakyReLU(0.2), last)

    def forward(self, volume: Tensor) -> Tensor:
        scores: Tensor = self.body(self.embed(volume).movedim(-1, 1))[:, 0]
        return scores
