"""Between normalized keypoints and a model's latents: the heatmaps it takes and gives, drawn and read out.

`train.loop` runs this on windows, for the VQ-GAN of the paper; the codec's own network is `networks.refiner`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.config import ModelConfig, Volume
from posecodec.networks.vqgan import VQGAN
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


def encode_points(model: VQGAN, points: Tensor, there: Tensor) -> Tensor:
    """Latents (B, t, h, w, F) of normalized points (B, T, K, D), of which those not `there` (B, T, K) are left empty.

    The linear path is handed the points themselves: reading the volume out gives them back (tests/networks/test_heatmap.py).
    """
    config = model.config
    rest = model.mean.reshape(-1, config.keypoints, config.dims).mean(0) if config.linear else points.new_zeros(1)
    filled = heatmap.fill_gaps(points, there, rest.detach())
    latents: Tensor = model.encode(render_volume(points, there, config, config.inputs), filled)
    return latents


def decode_points(model: VQGAN, tokens: Tensor) -> Tensor:
    """Normalized points (B, T, K, D) of tokens (B, t, h, w, Q): the sub-pixel argmax of the decoded heatmaps."""
    config = model.config
    used = torch.full((len(tokens),), tokens.shape[-1], device=tokens.device)
    decoded = model.decode(model.quantizer.decode(tokens), used)
    assert decoded.points is not None
    return heatmap.read_corrected(decoded.points, decoded.logits, config.grid, config.extent, config.sigma)
