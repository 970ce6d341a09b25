"""The sub-pixel read-out, differentiable, and without heatmaps: what training uses in place of `heatmap.read_corrected`.

The read-out fits a parabola to the 5 x 5 log-heatmap around the peak, and that is linear in the heatmap. So a filter's share
in slope and bend is a number for each place of the window, and a keypoint's correction a sum over filters. The peak is
sought where the linear path puts it, not where the maximum is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.heatmap import FLATTEST, RADIUS, REACH
from posecodec.networks.part_vqgan import PartVQGAN


def read_strokes(model: PartVQGAN, points: Tensor, strokes: Tensor) -> Tensor:
    """Keypoints (B, T, K, D) of the linear path's points and the strokes that correct their log-heatmaps."""
    config = model.config
    centers = heatmap.to_pixels(points, config.grid, config.extent)
    middle = torch.nan_to_num(centers.detach()).round().clamp(RADIUS, config.grid - 1 - RADIUS)
    places = nn_one_hot(middle - RADIUS, config.grid - 2 * RADIUS)
    strokes = strokes.unflatten(2, centers.shape[2:4])
    across, down = _measure(model.drawn_columns), _measure(model.drawn_rows)
    found = []
    for axis, (along, beside) in enumerate(((across, down), (down, across))):
        level = strokes * (places[..., 1 - axis, :] @ beside[0])
        slope = (level * (places[..., axis, :] @ along[1])).sum(-1)
        bend = (level * (places[..., axis, :] @ along[2])).sum(-1)
        slope = slope + (centers[..., axis] - middle[..., axis]) / config.sigma**2
        bend = (bend - 0.5 / config.sigma**2).clamp_max(-FLATTEST / config.sigma**2)
        found.append(middle[..., axis] + (-slope / (2 * bend)).clamp(-REACH, REACH))
    return heatmap.from_pixels(torch.stack(found, -1), config.grid, config.extent)


def nn_one_hot(index: Tensor, size: int) -> Tensor:
    """(...) whole numbers as (..., size) rows of zeros and a one: products with these are faster than gathering."""
    return (index.unsqueeze(-1) == torch.arange(size, device=index.device)).to(index.dtype)


def _measure(filters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, slope and bend of filters (features, grid) in every window: three (grid - 4, features)."""
    windows = filters.unfold(1, 2 * RADIUS + 1, 1).transpose(0, 1)
    steps = torch.arange(-RADIUS, RADIUS + 1, dtype=filters.dtype, device=filters.device)
    return windows.mean(-1), (windows * steps).sum(-1) / 10, (windows * (steps.square() - 2)).sum(-1) / 14
