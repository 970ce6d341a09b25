"""The network of token grids' weights, in torch."""

from __future__ import annotations

from functools import lru_cache

import torch

from posecodec.coders.tokens.grid_weights import NETWORK
from posecodec.coders.tokens.network import as_float32
from posecodec.coders.weight_rules import LARGE
from posecodec.errors import WeightsError
from posecodec.networks.grid_config import GridConfig
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.zoo import Rule, Weights, check_tensors, name_weights

UNSAVED = ("uses", "sums")  # What ends the names of tensors that only training needs


def load_network(weights: Weights, config: GridConfig, device: str) -> GridVQGAN:
    """Ready to run. Raises WeightsError if the weights hold no such network."""
    with name_weights(weights.name):
        held = {name.removeprefix(NETWORK): t for name, t in weights.tensors.items() if name.startswith(NETWORK)}
        rules = list_rules(config)
        if unknown := sorted(set(held) - set(rules)):
            raise WeightsError(f"{unknown[0]!r:.80} is no part of its network")
        check_tensors(held, {name: rule for name, rule in rules.items() if not name.endswith(UNSAVED)})
        model = GridVQGAN(config)
        model.load_state_dict(model.state_dict() | {name: as_float32(tensor) for name, tensor in held.items()})
    return model.to(device).eval()


@lru_cache(maxsize=8)
def list_rules(config: GridConfig) -> dict[str, Rule]:
    """What each tensor of a network of this shape has to be. No memory is taken for it: a config may say anything."""
    with torch.device("meta"):
        state = GridVQGAN(config).state_dict()
    return {name: Rule("f", tuple(tensor.shape), -LARGE, LARGE) for name, tensor in state.items()}
