"""The network after the tokens: heatmaps of what they say in, heatmaps nearer to the truth out.

It sees every keypoint as a Gaussian in the body's own box (3D: three axis planes), a few frames at a time, what moves the
box, how coarse the step is and where windows join, and gives a correction of the log-heatmaps. It starts as nothing: the
read-out of uncorrected heatmaps is the decoded pose itself (benchmarks/LOG.md tells why it is a correction).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posecodec.networks import heatmap
from posecodec.networks.config import Volume
from posecodec.networks.layers import PatchEmbed, PatchRender, Residual
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.typing import Floats, Ints

JOIN_REACH = 8  # Frames from a join of windows that the network can tell apart
MOVE_UNIT = 30.0  # mm a frame that count as 1: 0.9 m/s at 30 fps
TURN_SCALE = 10  # Per radian a frame: 3 rad/s count as 1 at 30 fps
USUAL_OCTAVE = 9  # Octaves of the quantizer step that count as 0: the middle of those that tokens are made at


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
        return Volume("image" if self.dims == 2 else "planes", "keypoints").count_channels(self.keypoints, 0)

    @property
    def extras(self) -> int:
        """Numbers beside the heatmaps of a frame: movement of the box, step, distance from the nearest join."""
        return self.dims + 4


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
        beside = self.beside(extras.reshape(len(extras), -1, config.patch * config.extras))
        hidden = self.drop(self.embed(volume) + beside[:, :, None, None])
        correction: Tensor = self.draw(self.drop(self.blocks(hidden)))
        return correction

    def refine(self, points: NDArray[np.float32], extras: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refined points (T, K, D) of one person: the sub-pixel argmax of the corrected heatmaps."""
        config, frames = self.config, len(points)
        spare = -frames % config.patch
        padded, beside = (np.concatenate([x, np.repeat(x[-1:], spare, axis=0)]) for x in (points, extras))
        device = self.beside.weight.device
        with torch.inference_mode():
            seen = torch.from_numpy(padded)[None].to(device)
            correction = self(seen, torch.from_numpy(beside)[None].to(device))
            read = heatmap.read_corrected(seen, correction, config.grid, config.extent, config.sigma)
        inside = (np.abs(points) < config.extent * (1 - 2 / config.grid)).all(axis=-1, keepdims=True)
        return np.where(inside, read[0, :frames].numpy(), points)


def build_extras(center: Floats, angle: Floats, qp: int, joins: Ints) -> NDArray[np.float32]:
    """(T, E) beside the heatmaps.

    center: (T, D) of usual size. angle: (T,). qp: of the step. joins: first frames of later windows.
    """
    frames, dims = center.shape
    moved = np.diff(center, axis=0, append=center[-1:])
    if frames > 1:
        moved[-1] = moved[-2]
    if dims == 3:
        cos, sin = np.cos(angle), np.sin(angle)
        moved = np.stack([cos * moved[:, 0] + sin * moved[:, 2], moved[:, 1], cos * moved[:, 2] - sin * moved[:, 0]], 1)
    turn = np.gradient(angle) if frames > 1 else np.zeros(frames)
    off = np.full(frames, np.inf)
    for join in joins:
        distance = np.arange(frames) - join + 0.5
        off = np.where(np.abs(distance) < np.abs(off), distance, off)
    near = np.maximum(0.0, 1 - np.abs(off) / JOIN_REACH)
    side = np.sign(np.where(np.isinf(off), 0, off))
    octave = np.full(frames, qp / STEPS_PER_OCTAVE - USUAL_OCTAVE)
    return np.column_stack([moved / MOVE_UNIT, turn * TURN_SCALE, near, near * side, octave]).astype(np.float32)
