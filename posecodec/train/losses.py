"""What training minimizes. Distances are in heatmap pixels, so that one set of weights serves every grid."""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.config import ModelConfig
from posecodec.networks.refiner import RefinerConfig
from posecodec.networks.vqgan import Decoded

SOFTENING = 1e-6  # Squared pixels, added to squared distances: their roots have finite gradients at 0
LARGEST_BALANCE = 1e4  # Most that the adversarial loss is scaled up by (Esser et al.)
Geometry = ModelConfig | RefinerConfig
"""What losses need of a config: pixels a side, half the width of a heatmap, and the Gaussians' sigma."""


def read_out(decoded: Decoded, config: Geometry) -> Tensor:
    """Differentiable keypoints (B, T, K, D) of a model with a linear path.

    The peak is sought where the linear path puts it: the 5 x 5 window around that gets the correction and the parabola.
    """
    assert decoded.points is not None
    centers = heatmap.to_pixels(decoded.points, config.grid, config.extent)
    shape = decoded.logits.shape[:2] + centers.shape[2:4]
    middle, window = heatmap.find_window(centers.detach(), config.grid)
    correction = decoded.logits.reshape(*shape, -1).gather(-1, window)
    offset_y = (window // config.grid - centers[..., 1:]).square()
    offset_x = (window % config.grid - centers[..., :1]).square()
    logs = correction - (offset_x + offset_y) / (2 * config.sigma**2)
    return heatmap.from_pixels(heatmap.fit_peak(logs, middle, config.sigma), config.grid, config.extent)


def draw_heatmaps(decoded: Decoded, config: Geometry, rows: slice) -> Tensor:
    """Whole heatmaps (b, T, C, H, W), in [0, 1] but for the correction, of the windows `rows`."""
    logits = decoded.logits[rows]
    if decoded.points is None:
        return torch.sigmoid(logits)
    centers = heatmap.to_pixels(decoded.points[rows], config.grid, config.extent)
    return (heatmap.render_log(centers, config.grid, config.sigma).flatten(2, 3) + logits).clamp_max(1.0).exp()


def measure_distances(points: Tensor, truth: Tensor, there: Tensor, config: Geometry) -> Tensor:
    """Mean distance of keypoints, in pixels, where `there` (B, T, K)."""
    squares = ((points - truth) * (config.grid / (2 * config.extent))).square().sum(-1)
    return ((squares + SOFTENING).sqrt() * there).sum() / there.sum().clamp_min(1)


def measure_velocities(points: Tensor, truth: Tensor, there: Tensor, config: Geometry) -> Tensor:
    """Mean distance of frame-to-frame movements, in pixels."""
    return measure_distances(points.diff(dim=1), truth.diff(dim=1), there[:, 1:] & there[:, :-1], config)


def measure_heatmap_error(made: Tensor, real: Tensor) -> Tensor:
    """Squared error summed over a heatmap's pixels, mean over heatmaps; about 1.5 squared pixels for small offsets."""
    return (made - real).square().sum((-1, -2)).mean()


def measure_hinge(real: Tensor, made: Tensor) -> Tensor:
    """Hinge loss of a discriminator's scores (Lim and Ye, "Geometric GAN", 2017)."""
    return (1 - real).relu().mean() + (1 + made).relu().mean()


def measure_balance(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """Ratio of the two losses' gradients at the decoder's last layer, at most 1e4 (Esser et al., "Taming Transformers",
    2021, eq. 7)."""
    first = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)[0].norm()
    second = torch.autograd.grad(adversarial, last_layer, retain_graph=True)[0].norm()
    balance: Tensor = (first / (second + 1 / LARGEST_BALANCE)).clamp(0, LARGEST_BALANCE).detach()
    return balance
