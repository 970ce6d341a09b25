"""Heatmap volumes of the paper's systems, drawn from pixel coordinates: Gaussians of keypoints, lines of limbs.

A limb is a Gaussian profile of the distance to the segment between its two keypoints, a merged channel the maximum over
limbs (arXiv 2509.19252, sigma 0.75 px on a grid of 128). Only pixels within `REACH` sigmas are touched.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec.kernels import kernel
from posecodec.networks.grid_config import GridConfig, Volume

REACH = 4.0  # Sigmas from a line or a point beyond which nothing is drawn: below 1/2980 of its height


def draw_volume(centers: Tensor, config: GridConfig, volume: Volume, brightness: Tensor | None = None) -> Tensor:
    """Heatmaps (B, T, C, H, W) float32 of centers (B, T, V, K, 2) in pixels; what is NaN draws nothing.

    brightness: (B, T, V, n) of each of the n keypoints or limbs, 1 if not told.
    """
    batch, frames, views = centers.shape[:3]
    flat = np.ascontiguousarray(centers.flatten(0, 2).numpy(), np.float64)
    limbs = np.array(
        [(k, k) for k in range(config.keypoints)] if volume.draw == "keypoints" else config.limbs, np.int64
    )
    bright = np.ones((len(flat), len(limbs))) if brightness is None else brightness.flatten(0, 2).numpy().astype(float)
    merged = volume.draw == "merged"
    out = np.zeros((len(flat), 1 if merged else len(limbs), config.grid, config.grid), np.float32)
    _draw(out, flat, limbs.reshape(-1, 2), np.ascontiguousarray(bright), config.sigma)
    return torch.from_numpy(out).reshape(batch, frames, -1, config.grid, config.grid)


@kernel
def _draw(
    out: NDArray[np.float32],
    centers: NDArray[np.float64],
    limbs: NDArray[np.int64],
    bright: NDArray[np.float64],
    sigma: float,
) -> None:
    grid, reach = out.shape[2], REACH * sigma
    for n in range(centers.shape[0]):
        for e in range(limbs.shape[0]):
            ax, ay = centers[n, limbs[e, 0], 0], centers[n, limbs[e, 0], 1]
            bx, by = centers[n, limbs[e, 1], 0], centers[n, limbs[e, 1], 1]
            low, high = max(min(ay, by) - reach, 0.0), min(max(ay, by) + reach, grid - 1.0)
            left, right = max(min(ax, bx) - reach, 0.0), min(max(ax, bx) + reach, grid - 1.0)
            if not (low <= high and left <= right):
                continue
            dx, dy = bx - ax, by - ay
            square, channel = max(dx * dx + dy * dy, 1e-9), e % out.shape[1]
            for i in range(int(np.ceil(low)), int(high) + 1):
                for j in range(int(np.ceil(left)), int(right) + 1):
                    share = min(max(((j - ax) * dx + (i - ay) * dy) / square, 0.0), 1.0)
                    gap = (j - ax - share * dx) ** 2 + (i - ay - share * dy) ** 2
                    if gap <= reach * reach:
                        value = np.float32(bright[n, e] * np.exp(-0.5 * gap / sigma**2))
                        if value > out[n, channel, i, j]:
                            out[n, channel, i, j] = value
