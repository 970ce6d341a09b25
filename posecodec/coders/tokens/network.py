"""The network of token weights, and what its search for codes reads, in torch."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec.coders.tokens.stream import RemainderModel
from posecodec.coders.tokens.weights import NETWORK
from posecodec.coders.weight_rules import LARGE
from posecodec.errors import WeightsError
from posecodec.networks.part_config import PartConfig
from posecodec.networks.part_vqgan import PartVQGAN
from posecodec.networks.path_search import RemainderPrices
from posecodec.zoo import Rule, Weights, check_tensors, name_weights


def load_network(weights: Weights, config: PartConfig, device: str) -> PartVQGAN:
    """Ready to run. Raises WeightsError if the weights hold no such network."""
    with name_weights(weights.name):
        held = {name.removeprefix(NETWORK): t for name, t in weights.tensors.items() if name.startswith(NETWORK)}
        rules, last = list_rules(config), f"components.{len(config.parts)}"
        if unknown := sorted(set(held) - set(rules)):
            raise WeightsError(f"{unknown[0]!r:.80} is no part of its network")
        optional = {name for name in rules if name.endswith(("uses", "sums", last)) and name not in held}
        check_tensors(held, {name: rule for name, rule in rules.items() if name not in optional})
        held.setdefault(last, held[f"bases.{len(config.parts)}"])
        model = PartVQGAN(config)
        model.load_state_dict(model.state_dict() | {name: as_float32(tensor) for name, tensor in held.items()})
    return model.to(device).eval()


@lru_cache(maxsize=4)
def list_rules(config: PartConfig) -> dict[str, Rule]:
    """What each tensor of a network of this shape has to be. No memory is taken for it: a config may say anything."""
    with torch.device("meta"):
        state = PartVQGAN(config).state_dict()
    return {name: Rule("f", tuple(tensor.shape), -LARGE, LARGE) for name, tensor in state.items()}


def as_float32(tensor: NDArray[Any]) -> torch.Tensor:
    """An array in torch."""
    return torch.from_numpy(tensor.astype(np.float32))


def load_remainder_prices(model: RemainderModel, device: str) -> RemainderPrices:
    """What remainders of paths cost, for the search of codes."""
    classes, bits = torch.from_numpy(model.classes).long(), torch.from_numpy(model.bits).float()
    return RemainderPrices(classes.to(device), bits.to(device))
