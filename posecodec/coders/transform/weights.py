"""The transform codec's tables as a weights file and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.coders.transform.bone_basis import BoneTables
from posecodec.coders.transform.coefficient_model import BINS, FEATURES, ROWS, SLOTS, TENSOR_NAMES, CoefficientModel
from posecodec.coders.weight_rules import LARGE, MOST_BIAS, MOST_WEIGHT, can_be_inverted, have_directions
from posecodec.entropy.range_coder import MAX_TOTAL
from posecodec.kinematics.bones import RestBones
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Ints
from posecodec.zoo import Rule, Weights, check_tensors, name_weights

NAME = "transform"
RULES = {
    "polar.usual": Rule("f", ("B", 3), -LARGE, LARGE, have_directions),
    "polar.lengths": Rule("f", ("B",), 1, LARGE),
    "polar.mean": Rule("f", ("C",), -LARGE, LARGE),
    "polar.matrix": Rule("f", ("C", "C"), -LARGE, LARGE, can_be_inverted),
    "model.w1": Rule("int32", (FEATURES, "H"), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b1": Rule("int32", ("H",), -MOST_BIAS, MOST_BIAS),
    "model.w2": Rule("int32", ("H", "G"), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b2": Rule("int32", ("G",), -MOST_BIAS, MOST_BIAS),
    "model.w3": Rule("int32", ("G",), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b3": Rule("int32", (1,), -MOST_BIAS, MOST_BIAS),
    "model.rows": Rule("int32", (ROWS, SLOTS), 1, MAX_TOTAL - 1),
    "model.shifts": Rule("int32", (ROWS, 3), -256, 256),  # a step either way
    "prior": Rule("int16", (2, "C", BINS), -1024, 1024),  # 64 octaves
}
SIZES = {"B": len(COCO19) - 1, "C": 3 * len(COCO19) + 1}  # Of the one skeleton that there are bones for


@dataclass(frozen=True, eq=False, repr=False)
class TransformTables:
    """What the transform codec has learned: part of its weights.

    prior: (2, C, BINS) of the channels of bones, as `BlockCoder` takes it.
    """

    bones: BoneTables
    prior: Ints
    model: CoefficientModel


@lru_cache(maxsize=1)
def load_built_in() -> tuple[Weights, TransformTables]:
    """The weights that come with posecodec, and their tables. Raises WeightsError."""
    found = zoo.read_weights(NAME)
    return found, unpack_tables(found)


def unpack_tables(found: Weights) -> TransformTables:
    """The tables in a weights file. Raises WeightsError if it holds others."""
    with name_weights(found.name):
        check_tensors(found.tensors, RULES, SIZES)
    parts = (f"polar.{name}" for name in ("usual", "lengths", "mean", "matrix"))
    usual, lengths, mean, matrix = (found.tensors[part].astype(np.float64) for part in parts)
    model = {name: found.tensors[f"model.{tensor}"] for name, tensor in TENSOR_NAMES.items()}
    bones = BoneTables(RestBones(usual, lengths), mean, matrix)
    return TransformTables(bones, found.tensors["prior"].astype(np.int64), CoefficientModel(**model))


def pack_tables(tables: TransformTables) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_tables`: tensors for `zoo.write_weights`. Fractions become multiples of 2**-16, kept as int32."""
    bones = tables.bones
    tensors: dict[str, NDArray[Any]] = {"polar.usual": bones.rest.directions, "polar.lengths": bones.rest.lengths}
    tensors |= {"polar.mean": bones.mean, "polar.matrix": bones.matrix}
    tensors |= {f"model.{tensor}": getattr(tables.model, name) for name, tensor in TENSOR_NAMES.items()}
    return tensors | {"prior": tables.prior.astype(np.int16)}
