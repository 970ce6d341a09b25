"""The network of token weights, and what its search for codes reads, in torch; and how any network is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from posecodec.coders.tokens.stream import RemainderModel
from posecodec.coders.tokens.weights import NETWORK
from posecodec.coders.weight_rules import LARGE
from posecodec.errors import WeightsError
from posecodec.networks.availability import check_device
from posecodec.networks.part_config import PartConfig
from posecodec.networks.part_vqgan import PartVQGAN
from posecodec.networks.path_search import RemainderPrices
from posecodec.zoo import Rule, Weights, check_tensors, name_weights

Network = TypeVar("Network", bound=nn.Module)
_NO_TWINS: Mapping[str, str] = MappingProxyType({})
UNSAVED = ("uses", "sums")  # What ends the names of tensors that only training needs


def load_network(weights: Weights, config: PartConfig, device: str) -> PartVQGAN:
    """Ready to run. Raises WeightsError if the weights hold no such network, UsageError where there is no such device."""
    check_device(device)
    last = len(config.parts)
    return load_checked(weights, PartVQGAN, config, {f"components.{last}": f"bases.{last}"}).to(device).eval()


def load_checked(
    weights: Weights, build: Callable[..., Network], config: object, twins: Mapping[str, str] = _NO_TWINS
) -> Network:
    """What `build` makes of a config, with its weights. twins: tensors that others stand for where they are not held.

    Raises WeightsError if a tensor is missing, is no part of the network or of another shape.
    """
    with name_weights(weights.name):
        held = {name.removeprefix(NETWORK): t for name, t in weights.tensors.items() if name.startswith(NETWORK)}
        rules = list_rules(build, config)
        if unknown := sorted(set(held) - set(rules)):
            raise WeightsError(f"{unknown[0]!r:.80} is no part of its network")
        optional = {name for name in rules if (name.endswith(UNSAVED) or name in twins) and name not in held}
        check_tensors(held, {name: rule for name, rule in rules.items() if name not in optional})
        held |= {name: held[twin] for name, twin in twins.items() if name not in held}
        model = build(config)
        given = {name: torch.from_numpy(tensor.astype(np.float32)) for name, tensor in held.items()}
        model.load_state_dict(model.state_dict() | given)
    return model


@lru_cache(maxsize=8)
def list_rules(build: Callable[..., nn.Module], config: Any) -> dict[str, Rule]:
    """What each tensor of a network of this shape has to be. No memory is taken for it: a config may say anything."""
    with torch.device("meta"):
        state = build(config).state_dict()
    return {name: Rule("f", tuple(tensor.shape), -LARGE, LARGE) for name, tensor in state.items()}


def load_remainder_prices(model: RemainderModel, device: str) -> RemainderPrices:
    """What remainders of paths cost, for the search of codes."""
    classes, bits = torch.from_numpy(model.classes).long(), torch.from_numpy(model.bits).float()
    return RemainderPrices(classes.to(device), bits.to(device))
