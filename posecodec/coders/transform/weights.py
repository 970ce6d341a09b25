"""The transform codec's tables as a weights file and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.coders.transform.bone_basis import BoneTables
from posecodec.coders.transform.coefficient_model import TENSOR_NAMES, CoefficientModel
from posecodec.errors import WeightsError
from posecodec.kinematics.bones import RestBones
from posecodec.typing import Ints
from posecodec.zoo import Weights

NAME = "transform"


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
    try:
        parts = (f"polar.{name}" for name in ("usual", "lengths", "mean", "matrix"))
        usual, lengths, mean, matrix = (found.tensors[part].astype(np.float64) for part in parts)
        model = {name: found.tensors[f"model.{tensor}"].astype(np.int32) for name, tensor in TENSOR_NAMES.items()}
        bones = BoneTables(RestBones(usual, lengths), mean, matrix)
        return TransformTables(bones, found.tensors["prior"].astype(np.int64), CoefficientModel(**model))
    except KeyError as error:
        raise WeightsError(f"{found.name!r} holds no tables of the transform codec ({error}); get it again") from error


def pack_tables(tables: TransformTables) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_tables`: tensors for `zoo.write_weights`. Fractions become multiples of 2**-16, kept as int32."""
    bones = tables.bones
    tensors: dict[str, NDArray[Any]] = {"polar.usual": bones.rest.directions, "polar.lengths": bones.rest.lengths}
    tensors |= {"polar.mean": bones.mean, "polar.matrix": bones.matrix}
    tensors |= {f"model.{tensor}": getattr(tables.model, name) for name, tensor in TENSOR_NAMES.items()}
    return tensors | {"prior": tables.prior.astype(np.int16)}
