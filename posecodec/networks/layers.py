"""The layers of encoder and decoder. Heatmaps are (B, T, C, H, W); features on a grid are (B, t, h, w, F), channels last.

Normalization acts on each grid cell alone, so a recording of any length gives what its windows would.
"""

from __future__ import annotations

from torch import Tensor, nn

Grid = tuple[int, int, int]


class PatchEmbed(nn.Module):
    """Heatmaps to features, early: one small filter bank shared by all channels, then a mix of channels and frames.

    (B, T, C, H, W) -> (B, T / pt, H / ph, W / pw, width). Nothing after it works at full resolution.
    """

    def __init__(self, channels: int, patch: Grid, features: int, width: int) -> None:
        super().__init__()
        self.patch = patch
        self.filters = nn.Linear(patch[1] * patch[2], features)
        self.mix = nn.Linear(patch[0] * channels * features, width)

    def forward(self, volume: Tensor) -> Tensor:
        batch, frames, channels, height, width = volume.shape
        pt, ph, pw = self.patch
        cells = volume.reshape(batch, frames, channels, height // ph, ph, width // pw, pw).transpose(4, 5)
        seen = self.filters(cells.flatten(-2)).reshape(batch, frames // pt, pt, channels, height // ph, width // pw, -1)
        features: Tensor = self.mix(seen.permute(0, 1, 4, 5, 2, 3, 6).flatten(4))
        return features


class Fold(nn.Module):
    """Fold neighboring cells together, by 2 along the axes that `by` names: downsampling without loss of place."""

    def __init__(self, by: Grid, width: int) -> None:
        super().__init__()
        self.by = by
        self.mix = nn.Linear(width * by[0] * by[1] * by[2], width)

    def forward(self, grid: Tensor) -> Tensor:
        batch, t, h, w, width = grid.shape
        a, b, c = self.by
        cells = grid.reshape(batch, t // a, a, h // b, b, w // c, c, width).permute(0, 1, 3, 5, 2, 4, 6, 7)
        folded: Tensor = self.mix(cells.flatten(4))
        return folded


class Unfold(nn.Module):
    """The mirror of `Fold`."""

    def __init__(self, by: Grid, width: int) -> None:
        super().__init__()
        self.by = by
        self.mix = nn.Linear(width, width * by[0] * by[1] * by[2])

    def forward(self, grid: Tensor) -> Tensor:
        batch, t, h, w, width = grid.shape
        a, b, c = self.by
        cells: Tensor = self.mix(grid).reshape(batch, t, h, w, a, b, c, width).permute(0, 1, 4, 2, 5, 3, 6, 7)
        return cells.reshape(batch, t * a, h * b, w * c, width)


class Residual(nn.Module):
    """A pre-normalized residual block on the grid: 3-wide convolution, GELU, pointwise; starts as the identity."""

    def __init__(self, width: int, extent: Grid) -> None:
        super().__init__()
        t, h, w = (3 if size > 1 else 1 for size in extent)
        self.norm = nn.LayerNorm(width)
        self.spread = nn.Conv3d(width, width, (t, h, w), padding=(t // 2, h // 2, w // 2))
        self.point = nn.Linear(width, width)
        nn.init.zeros_(self.point.weight)
        nn.init.zeros_(self.point.bias)

    def forward(self, grid: Tensor) -> Tensor:
        spread = self.spread(self.norm(grid).movedim(-1, 1)).movedim(1, -1)
        change: Tensor = self.point(nn.functional.gelu(spread))
        return grid + change
