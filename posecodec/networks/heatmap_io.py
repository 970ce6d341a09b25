"""The heatmaps that the VQ-GAN of the paper takes and gives, drawn of normalized keypoints."""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.config import ModelConfig, Volume
from posecodec.pose.skeletons.builtin import BUILT_IN


def render_volume(points: Tensor, there: Tensor, config: ModelConfig, volume: Volume) -> Tensor:
    """Heatmaps (B, T, C, H, W) of normalized points (B, T, K, D); keypoints that are not `there` draw nothing."""
    points = torch.where(there.unsqueeze(-1), points, torch.nan)
    if volume.views == "cameras":
        centers = heatmap.to_cameras(points, volume.cameras, config.grid, config.extent)
    else:
        centers = heatmap.to_pixels(points, config.grid, config.extent)
    if volume.draw == "keypoints":
        return heatmap.render(centers, config.grid, config.sigma).flatten(2, 3)
    limbs = heatmap.render_limbs(centers, _find_edges(config), config.grid, config.sigma)
    return limbs.amax(dim=3) if volume.draw == "merged" else limbs.flatten(2, 3)


def _find_edges(config: ModelConfig) -> Tensor:
    """Edges of the built-in skeleton with that many keypoints and limbs."""
    for skeleton in BUILT_IN.values():
        if (len(skeleton), len(skeleton.edges)) == (config.keypoints, config.limbs):
            return torch.tensor(skeleton.edges)
    raise AssertionError(f"no skeleton with {config.keypoints} keypoints and {config.limbs} limbs")
