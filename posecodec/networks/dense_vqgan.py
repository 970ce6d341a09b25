"""The dense network of arXiv 2509.19252: 50 M parameters between heatmaps and tokens, and 11 M that judge, for a GPU.

Five stages of residual blocks at full resolution and below, with attention among all cells where an image has 16 rows, and
in the middle. It is built from the paper's description. Two of its oddities are kept: attention adds to what it has
normalized, and the decoder attends in its first two stages however many rows they have.
"""

from __future__ import annotations

from torch import Tensor, nn

from posecodec.networks.grid_config import GridConfig

Strides = tuple[int, int, int]
WIDTHS = (64, 64, 128, 128, 256)  # Of the encoder's stages; the decoder's are the reverse
ENCODER_BLOCKS, DECODER_BLOCKS = 2, 3  # Residual blocks of a stage
ATTENDED_ROWS = 16  # Of the encoder
ATTENDED_STAGES = 2  # Of the decoder
GROUPS = 32
EMPTY_LOGIT = -4.0  # What a pixel is before the sigmoid, at the start: almost all are empty
JUDGE_WIDTHS = (64, 128, 256, 512)


class DenseEncoder(nn.Module):
    """(B, C, T, H, W) -> (B, F, t, h, w)."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        strides, rows, width = list_strides(config.factor), config.grid, WIDTHS[0]
        layers: list[nn.Module] = [nn.Conv3d(config.channels[0], width, 3, padding=1)]
        for stage, wider in enumerate(WIDTHS):
            layers += _list_blocks(width, wider, ENCODER_BLOCKS, rows == ATTENDED_ROWS)
            width = wider
            if stage < len(strides):
                layers.append(Shrink(width, strides[stage]))
                rows //= strides[stage][1]
        self.stages = nn.Sequential(*layers, *_list_middle(width), nn.GroupNorm(GROUPS, width), nn.SiLU())
        self.see = nn.Conv3d(width, width, 3, padding=1)
        self.latent = nn.Conv3d(width, config.latent, 1)

    def forward(self, volume: Tensor) -> Tensor:
        latents: Tensor = self.latent(self.see(self.stages(volume)))
        return latents


class DenseDecoder(nn.Module):
    """(B, F, t, h, w) -> (B, C, T, H, W), before the sigmoid."""

    def __init__(self, config: GridConfig) -> None:
        super().__init__()
        strides, width = list_strides(config.factor), WIDTHS[-1]
        self.latent = nn.Conv3d(config.latent, width, 1)
        layers: list[nn.Module] = [nn.Conv3d(width, width, 3, padding=1), *_list_middle(width)]
        for stage, narrower in enumerate(reversed(WIDTHS)):
            layers += _list_blocks(width, narrower, DECODER_BLOCKS, stage < ATTENDED_STAGES)
            width = narrower
            if 0 < stage <= len(strides):
                layers.append(Grow(width, strides[-stage]))
        self.stages = nn.Sequential(*layers, nn.GroupNorm(GROUPS, width), nn.SiLU())
        self.last = nn.Conv3d(width, config.channels[1], 3, padding=1)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, EMPTY_LOGIT)

    def forward(self, latents: Tensor) -> Tensor:
        volume: Tensor = self.last(self.stages(self.latent(latents)))
        return volume


class PaperDiscriminator(nn.Module):
    """(B, T, C, H, W) heatmaps of at least 24 frames, rows and columns -> (B, t, h, w) scores, high for real."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv3d(channels, JUDGE_WIDTHS[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for i, (width, wider) in enumerate(zip(JUDGE_WIDTHS, JUDGE_WIDTHS[1:], strict=False)):
            stride = 1 if i == len(JUDGE_WIDTHS) - 2 else 2
            layers.append(nn.Conv3d(width, wider, 4, stride=stride, padding=1, bias=False))
            layers += [nn.BatchNorm3d(wider), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Conv3d(JUDGE_WIDTHS[-1], 1, 4, padding=1))

    def forward(self, volume: Tensor) -> Tensor:
        scores: Tensor = self.body(volume.transpose(1, 2))[:, 0]
        return scores


class Block(nn.Module):
    """A residual block: twice normalization, swish and a 3-wide convolution."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv3d(width, wider, 3, padding=1),
            nn.GroupNorm(GROUPS, wider), nn.SiLU(), nn.Conv3d(wider, wider, 3, padding=1),
        )  # fmt: skip
        self.shortcut = nn.Identity() if width == wider else nn.Conv3d(width, wider, 1)

    def forward(self, grid: Tensor) -> Tensor:
        changed: Tensor = self.shortcut(grid) + self.change(grid)
        return changed


class Attention(nn.Module):
    """Attention with one head among all cells of a grid (B, width, t, h, w), added to the normalized grid."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.ask, self.offer, self.value, self.out = (nn.Conv3d(width, width, 1) for _ in range(4))

    def forward(self, grid: Tensor) -> Tensor:
        grid = self.norm(grid)
        ask, offer, value = (part(grid).flatten(2).transpose(1, 2) for part in (self.ask, self.offer, self.value))
        seen = nn.functional.scaled_dot_product_attention(ask, offer, value)
        change: Tensor = self.out(seen.transpose(1, 2).reshape(grid.shape))
        return grid + change


class Shrink(nn.Module):
    """A strided 3-wide convolution, with zeros at the far ends."""

    def __init__(self, width: int, strides: Strides) -> None:
        super().__init__()
        self.pad = tuple(n for stride in reversed(strides) for n in (int(stride == 1), 1))
        self.fold = nn.Conv3d(width, width, 3, stride=strides)

    def forward(self, grid: Tensor) -> Tensor:
        folded: Tensor = self.fold(nn.functional.pad(grid, self.pad))
        return folded


class Grow(nn.Module):
    """Cells repeated, then a 3-wide convolution."""

    def __init__(self, width: int, strides: Strides) -> None:
        super().__init__()
        self.strides = tuple(float(n) for n in strides)
        self.smooth = nn.Conv3d(width, width, 3, padding=1)

    def forward(self, grid: Tensor) -> Tensor:
        grown: Tensor = self.smooth(nn.functional.interpolate(grid, scale_factor=list(self.strides), mode="nearest"))
        return grown


def list_strides(factor: tuple[int, int, int]) -> list[Strides]:
    """What each layer that shrinks the grid shrinks it by, as even as the factor allows: 48 frames by 4, 4 and 3.

    There are as many layers as the rows or columns are to be halved, and the first ones shrink most.
    """
    count = max(max(factor[1:]).bit_length() - 1, int(factor[0] > 1))
    by_axis = []
    for rest in factor:
        steps: list[int] = []
        for left in range(count, 0, -1):
            steps.append(next(n for n in range(1, rest + 1) if rest % n == 0 and n**left >= rest))
            rest //= steps[-1]
        by_axis.append(steps)
    return list(zip(*by_axis, strict=True))


def _list_blocks(width: int, wider: int, count: int, attends: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for i in range(count):
        layers.append(Block(wider if i else width, wider))
        if attends:
            layers.append(Attention(wider))
    return layers


def _list_middle(width: int) -> list[nn.Module]:
    return [Block(width, width), Attention(width), Block(width, width)]
