"""Weights of token grids as a weights file holds them: the integer prior and the network. Loads no torch."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from posecodec.coders.tokens.grid_prior import NEIGHBORS, GridLayers, GridPrior
from posecodec.coders.tokens.prior import TABLE
from posecodec.coders.tokens.weights import INT8, INT16, INT32, MOST_EXPONENTIAL, falls_from_1_on
from posecodec.networks.grid_config import GridConfig
from posecodec.zoo import Rule, check_tensors

NETWORK, PRIOR = "network.", "prior."  # What names of tensors begin with
KIND = "grids"  # The setting "kind" of weights for token grids


def list_rules(config: GridConfig) -> dict[str, Rule]:
    """What the tensors that make integers have to be, for a network of this shape."""
    codes = config.codes
    return {
        f"{PRIOR}tables": Rule("int16", (len(NEIGHBORS), codes + 1, "H"), -INT16, INT16),
        f"{PRIOR}b1": Rule("int32", ("H",), -INT32, INT32),
        f"{PRIOR}w2": Rule("int16", ("H", "G"), -INT16, INT16),
        f"{PRIOR}b2": Rule("int32", ("G",), -INT32, INT32),
        f"{PRIOR}codes": Rule("int8", (codes, "G"), -INT8, INT8),
        f"{PRIOR}bias": Rule("int16", (codes,), -INT16, INT16),
        f"{PRIOR}exponential": Rule("int32", (TABLE,), 0, MOST_EXPONENTIAL, falls_from_1_on),
    }


def unpack_prior(tensors: dict[str, NDArray[Any]], config: GridConfig) -> GridPrior:
    """The prior among the tensors of a weights file. Raises WeightsError where they are not what kernels take them for."""
    check_tensors(tensors, list_rules(config))
    return GridPrior(GridLayers(*(tensors[PRIOR + name] for name in GridLayers._fields)))


def pack_prior(layers: GridLayers) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_prior`."""
    return {PRIOR + name: value for name, value in layers._asdict().items()}
