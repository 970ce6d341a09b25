"""What training minimizes. Distances are in heatmap pixels, so that one set of weights serves every grid."""

from __future__ import annotations

import torch
from torch import Tensor

SOFTENING = 1e-6  # Squared pixels, added to squared distances: their roots have finite gradients at 0
LEAST_CHANCE = 1e-30  # Of a pixel, before the logarithm
LARGEST_BALANCE = 1e4  # Most that the adversarial loss is scaled up by (Esser et al.)


def measure_heatmap_error(made: Tensor, real: Tensor) -> Tensor:
    """Squared error summed over a heatmap's pixels, mean over heatmaps; about 1.5 squared pixels for small offsets."""
    return (made - real).square().sum((-1, -2)).mean()


def measure_binary(made: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of pixels in 0 .. 1, in nats."""
    return torch.nn.functional.binary_cross_entropy(made, target)


def measure_cross_entropy(made: Tensor, real: Tensor) -> Tensor:
    """Of where a keypoint is: nats that heatmaps, as chances of pixels, need for real ones, mean over those not empty."""
    weight = real.sum((-1, -2))
    chances = real / weight.clamp_min(1e-6)[..., None, None]
    height = made.sum((-1, -2), keepdim=True)
    nats = -(chances * (made / height).clamp_min(LEAST_CHANCE).log()).sum((-1, -2))
    return nats.sum() / (weight > 0).sum().clamp_min(1)


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
