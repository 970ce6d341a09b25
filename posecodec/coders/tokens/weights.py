"""Token weights as a weights file holds them, and back: tables for the integers, tensors for the network. Loads no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.tokens.prior import TABLE, Layers, Prior
from posecodec.coders.tokens.stream import LEVEL_BITS, MOST_REMAINDER, NEAR, RemainderModel, TokenTables
from posecodec.coders.weight_rules import LARGE
from posecodec.entropy.range_coder import MAX_TOTAL
from posecodec.errors import WeightsError
from posecodec.networks.part_config import PartConfig
from posecodec.typing import Floats
from posecodec.zoo import Rule, check_tensors

NETWORK, PRIOR = "network.", "prior."  # What names of tensors begin with
KIND = "tokens"  # The setting "kind" of weights for tokens
FULL_LEVELS = 4  # Of the prior, whose codes have vectors of full width
LATE_WIDTH = 8  # Of the vectors of later levels' codes: with 48 for all, weights would exceed 8 MB
INT8, INT16, INT32 = (2.0 ** (bits - 1) for bits in (8, 16, 32))
MOST_EXPONENTIAL = 1 << 20  # What the table of the exponential begins with
MOST_SPREADS = 1 << 12  # Of what a code stands for: far beyond the 8 spreads that the prior clips it to


def falls_from_1_on(table: NDArray[np.int32]) -> bool:
    """Whether the most likely code has a frequency, and none has more."""
    return bool(table[0] >= 1 and (np.diff(table) <= 0).all())


def sums_to_65536_at_most(frequencies: NDArray[np.int32]) -> bool:
    """Whether each row of frequencies, none of them 0, fits the range coder."""
    return bool((frequencies.sum(-1, dtype=np.int64) <= MAX_TOTAL).all())


def list_rules(config: PartConfig) -> dict[str, Rule]:
    """What the tensors that make integers have to be, for a network of this shape. Those of the network itself: `network`."""
    rows, codes, latent = config.rows, config.codes, config.latent
    books = {f"quantizers.{row}": config.levels for row in range(rows - 1)}
    books |= {"path_first": 1, "path_rest": config.levels - 1}
    remainders = ("M", config.knots, config.path_channels, NEAR, 2 * MOST_REMAINDER + 1)
    return {
        **{f"{NETWORK}{name}.codebooks": Rule("f", (n, codes, latent), -LARGE, LARGE) for name, n in books.items()},
        f"{NETWORK}spreads": Rule("f", (rows, latent), 1e-6, LARGE),
        f"{PRIOR}b1": Rule("int32", (rows, "L", "H"), -INT32, INT32),
        f"{PRIOR}b2": Rule("int32", (rows, "L", "G"), -INT32, INT32),
        f"{PRIOR}w1": Rule("int16", (rows, 2 * rows * latent, "H"), -INT16, INT16),
        f"{PRIOR}w2": Rule("int16", (rows, "H", "G"), -INT16, INT16),
        f"{PRIOR}bias": Rule("int16", (rows, "L", codes), -INT16, INT16),
        f"{PRIOR}codes": Rule("int8", (rows, "early", codes, "G"), -INT8, INT8),
        f"{PRIOR}exponential": Rule("int32", (TABLE,), 0, MOST_EXPONENTIAL, falls_from_1_on),
        f"{PRIOR}frequencies": Rule("int32", remainders, 1, MAX_TOTAL, sums_to_65536_at_most),
        f"{PRIOR}classes": Rule("uint8", (codes,), 0, 255),
    }


def check_tables(tensors: dict[str, NDArray[Any]], config: PartConfig) -> None:
    """Whether tensors are what `unpack_tables` and the kernels take them for. Raises WeightsError."""
    found = check_tensors(tensors, list_rules(config), {"M": len(tensors.get(f"{PRIOR}frequencies", ()))})
    late = found["L"] - found["early"]
    if late or f"{PRIOR}late_codes" in tensors:
        rule = Rule("int8", (config.rows, late, config.codes, "W"), -INT8, INT8)
        found |= check_tensors(tensors, {f"{PRIOR}late_codes": rule}, {})
    if not 0 <= late < found["L"] <= config.levels <= 1 << LEVEL_BITS or found.get("W", 0) > found["G"]:
        raise WeightsError(f"a prior of {found['L']} levels, {late} of them narrow, of {config.levels} levels")
    if tensors[f"{PRIOR}classes"].max() >= found["M"]:
        raise WeightsError(f"{PRIOR}classes says more than the {found['M']} there are")
    spreads = tensors[f"{NETWORK}spreads"].astype(np.float64)[:, None, None]
    if np.abs(stack_codebooks(tensors) / spreads).max() > MOST_SPREADS:
        raise WeightsError(f"codebooks reach farther than {MOST_SPREADS} spreads")


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
