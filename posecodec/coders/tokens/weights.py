"""Token weights as a weights file holds them, and back: tables for the integers, tensors for the network. Loads no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.prior import Layers, Prior
from posecodec.coders.tokens.stream import RemainderModel, TokenTables
from posecodec.typing import Floats

NETWORK, PRIOR = "network.", "prior."  # What names of tensors begin with
KIND = "tokens"  # The setting "kind" of weights for tokens
FULL_LEVELS = 4  # Of the prior, whose codes have vectors of full width
LATE_WIDTH = 8  # Of the vectors of later levels' codes: with 48 for all, weights would exceed 8 MB


def stack_codebooks(tensors: dict[str, NDArray[Any]]) -> Floats:
    """(h, Q, N, F) codebooks of parts and path among the network's tensors, as float32 of what float16 holds."""
    names = sorted(name for name in tensors if name.startswith(f"{NETWORK}quantizers.") and name.endswith("codebooks"))
    path = [tensors[f"{NETWORK}path_{which}.codebooks"] for which in ("first", "rest")]
    return np.stack([*(tensors[name] for name in names), np.concatenate(path)]).astype(np.float32)


def unpack_tables(tensors: dict[str, NDArray[Any]]) -> TokenTables:
    """The tables among the tensors of a weights file. Raises KeyError where one is missing."""
    found = {name: tensors[PRIOR + name] for name in Layers._fields}
    late = tensors.get(f"{PRIOR}late_codes", found["codes"][:, :0])
    late = np.pad(late, [(0, 0)] * 3 + [(0, found["codes"].shape[3] - late.shape[3])])
    layers = Layers(**found | {"codes": np.concatenate([found["codes"], late], axis=1)})
    spreads = tensors[f"{NETWORK}spreads"].astype(np.float64)
    prior = Prior.build(layers, stack_codebooks(tensors), spreads)
    return TokenTables(prior, RemainderModel(tensors[f"{PRIOR}classes"], tensors[f"{PRIOR}frequencies"]))


def pack_tables(layers: Layers, remainders: RemainderModel) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_tables`, but for what is the network's."""
    tensors = {PRIOR + name: value for name, value in layers._asdict().items()}
    tensors[f"{PRIOR}codes"] = layers.codes[:, :FULL_LEVELS]
    tensors[f"{PRIOR}late_codes"] = layers.codes[:, FULL_LEVELS:, :, :LATE_WIDTH]
    return tensors | {f"{PRIOR}classes": remainders.classes, f"{PRIOR}frequencies": remainders.frequencies}
