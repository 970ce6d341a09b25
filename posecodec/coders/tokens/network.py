"""The network of token weights, and what its search for codes reads, in torch."""

from __future__ import annotations

import numpy as np
import torch

from posecodec.coders.tokens.stream import RemainderModel
from posecodec.coders.tokens.weights import NETWORK
from posecodec.errors import WeightsError
from posecodec.networks.part_config import PartConfig
from posecodec.networks.part_vqgan import PartVQGAN
from posecodec.networks.path_search import RemainderPrices
from posecodec.zoo import Weights


def load_network(weights: Weights, config: PartConfig, device: str) -> PartVQGAN:
    """Ready to run. Raises WeightsError if the weights hold no such network."""
    model = PartVQGAN(config)
    held = {name.removeprefix(NETWORK): t for name, t in weights.tensors.items() if name.startswith(NETWORK)}
    state = model.state_dict()
    for name, tensor in held.items():
        if name not in state or state[name].shape != tensor.shape:
            raise WeightsError(f"weights {weights.name!r} hold no such network: {name} {tensor.shape}; get them again")
        state[name] = torch.from_numpy(tensor.astype(np.float32))
    last = f"components.{len(config.parts)}"
    if last not in held:
        state[last] = state[f"bases.{len(config.parts)}"]
    lost = [name for name in state if name not in held and not name.endswith(("uses", "sums", last))]
    if lost:
        raise WeightsError(f"weights {weights.name!r} lack {', '.join(lost[:3])} of the network; get them again")
    model.load_state_dict(state)
    return model.to(device).eval()


def load_remainder_prices(model: RemainderModel, device: str) -> RemainderPrices:
    """What remainders of paths cost, for the search of codes."""
    classes, bits = torch.from_numpy(model.classes).long(), torch.from_numpy(model.bits).float()
    return RemainderPrices(classes.to(device), bits.to(device))
