"""The network after the tokens: heatmaps of what they say in, heatmaps nearer to the truth out.

It sees every keypoint as a Gaussian in the body's own box (3D: three axis planes), a few frames at a time, what moves the
box, how coarse the step is and where windows join, and gives a correction of the log-heatmaps. It starts as nothing: the
read-out of uncorrected heatmaps is the decoded pose itself (benchmarks/LOG.md tells why it is a correction).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posecodec.networks import heatmap
from posecodec.networks.config import Volume, from_dict
from posecodec.networks.layers import PatchEmbed, PatchRender, Residual
from posecodec.typing import Ints

JOIN_REACH = 8
"""Frames from a join of windows that the network can tell apart."""


@dataclass(frozen=True)
class RefinerConfig:
    """dims, keypoints: D and K. grid: H = W. extent: half the box, in mm of a usual body. sigma: pixels.

    patch: frames that are embedded together. features: kept of each heatmap. width, depth: of the residual blocks.
    """

    dims: int
    keypoints: int
    grid: int = 16
    extent: float = 1150.0
    sigma: float = 1.0
    patch: int = 4
    features: int = 8
    width: int = 128
    depth: int = 4

    @property
    def channels(self) -> int:
        """Heatmaps of a frame."""
        return Volume("image" if self.dims == 2 else "planes", "keypoints").channels(self.keypoints, 0)

    @property
    def extras(self) -> int:
        """Numbers beside the heatmaps of a frame: movement of the box, step, distance from the nearest join."""
        return self.dims + 4

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RefinerConfig:
        """The mirror of `to_dict`. Raises InputError."""
        found: RefinerConfig = from_dict(RefinerConfig, values)
        return found


class Refiner(nn.Module):
    """(B, T, K, D) points in the box, in mm, and extras (B, T, E) to a correction (B, T, C, H, W) of log-heatmaps."""

    def __init__(self, config: RefinerConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        patch = (config.patch, config.grid, config.grid)
        self.embed = PatchEmbed(config.channels, patch, config.features, config.width)
        self.beside = nn.Linear(config.patch * config.extras, config.width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Residual(config.width, (2, 1, 1)) for _ in range(config.depth)))
        self.draw = PatchRender(config.channels, patch, config.features, config.width)

    def forward(self, points: Tensor, extras: Tensor) -> Tensor:
        """T a multiple of the patch."""
        config = self.config
        centers = heatmap.to_pixels(points, config.grid, config.extent)
        volume = heatmap.render(centers, config.grid, config.sigma).flatten(2, 3)
        beside = self.beside(extras.unflatten(1, (-1, config.patch)).flatten(2))
        hidden = self.drop(self.embed(volume) + beside[:, :, None, None])
        correction: Tensor = self.draw(self.drop(self.blocks(hidden)))
        return correction

    def refine(self, points: NDArray[np.float32], extras: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refined points (T, K, D) of one person: the sub-pixel argmax of the corrected heatmaps."""
        config, frames = self.config, len(points)
        spare = -frames % config.patch
        padded = np.concatenate([points, np.repeat(points[-1:], spare, axis=0)])
        beside = np.concatenate([extras, np.repeat(extras[-1:], spare, axis=0)])
        device = self.beside.weight.device
        with torch.inference_mode():
            seen = torch.from_numpy(padded)[None].to(device)
            correction = self(seen, torch.from_numpy(beside)[None].to(device))
            centers = heatmap.to_pixels(seen, config.grid, config.extent)
            logs = heatmap.render_log(centers, config.grid, config.sigma)
            logs += correction.reshape(logs.shape)
            found = heatmap.read_out(logs.flatten(0, -3).cpu().numpy(), config.sigma, empty=0)
            read = heatmap.from_pixels(torch.from_numpy(found).reshape(centers.shape), config.grid, config.extent)
        inside = (np.abs(points) < config.extent * (1 - 2 / config.grid)).all(axis=-1, keepdims=True)
        return np.where(inside, read[0, :frames].numpy(), points)


def extras_of(
    center: NDArray[np.floating], angle: NDArray[np.floating], index: int, joins: Ints
) -> NDArray[np.float32]:
    """(T, E) beside the heatmaps.

    center: (T, D) of usual size. angle: (T,). index: of the step. joins: first frames of later windows.
    """
    frames, dims = center.shape
    moved = np.diff(center, axis=0, append=center[-1:])
    if frames > 1:
        moved[-1] = moved[-2]
    if dims == 3:
        cos, sin = np.cos(angle), np.sin(angle)
        moved = np.stack([cos * moved[:, 0] + sin * moved[:, 2], moved[:, 1], cos * moved[:, 2] - sin * moved[:, 0]], 1)
    turned = np.gradient(angle) if frames > 1 else np.zeros(frames)
    off = np.full(frames, np.inf)
    for join in joins:
        distance = np.arange(frames) - join + 0.5
        off = np.where(np.abs(distance) < np.abs(off), distance, off)
    near = np.maximum(0.0, 1 - np.abs(off) / JOIN_REACH)
    beside = [turned * 10, near, near * np.sign(np.where(np.isinf(off), 0, off)), np.full(frames, index / 16 - 9)]
    return np.concatenate([moved / 30, np.stack(beside, axis=1)], axis=1).astype(np.float32)
