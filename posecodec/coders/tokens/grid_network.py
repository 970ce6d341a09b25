"""The network of token grids' weights, in torch."""

from __future__ import annotations

from posecodec.coders.tokens.network import load_checked
from posecodec.networks.availability import check_device
from posecodec.networks.grid_config import GridConfig
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.zoo import Weights


def load_network(weights: Weights, config: GridConfig, device: str) -> GridVQGAN:
    """Ready to run. Raises WeightsError if the weights hold no such network, UsageError where there is no such device."""
    check_device(device)
    return load_checked(weights, GridVQGAN, config).to(device).eval()
