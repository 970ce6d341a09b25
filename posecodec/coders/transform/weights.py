"""The transform codec's tables as a weights file and back."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.coders.transform.coefficient_model import CoefficientModel
from posecodec.coders.transform.stream import TransformTables
from posecodec.errors import WeightsError
from posecodec.kinematics.bones import PolarTables
from posecodec.zoo import Weights

NAME = "transform"


@lru_cache(maxsize=1)
def built_in() -> tuple[Weights, TransformTables]:
    """The weights that come with posecodec, and their tables. Raises WeightsError."""
    found = zoo.read_weights(NAME)
    return found, tables_of(found)


def tables_of(found: Weights) -> TransformTables:
    """The tables in a weights file. Raises WeightsError if it holds others."""
    try:
        polar = PolarTables(
            **{f.name: found.tensors[f"polar.{f.name}"].astype(np.float64) for f in fields(PolarTables)}
        )
        model = CoefficientModel(
            **{f.name: found.tensors[f"model.{f.name}"].astype(np.int32) for f in fields(CoefficientModel)}
        )
        return TransformTables(polar, found.tensors["prior"].astype(np.int64), model)
    except KeyError as error:
        raise WeightsError(f"{found.name!r} holds no tables of the transform codec ({error}); get it again") from error


def tensors_of(tables: TransformTables) -> dict[str, NDArray[Any]]:
    """The mirror of `tables_of`: tensors for `zoo.write_weights`. Fractions become multiples of 2**-16, kept as int32."""
    tensors: dict[str, NDArray[Any]] = {f"polar.{f.name}": getattr(tables.polar, f.name) for f in fields(PolarTables)}
    tensors |= {f"model.{f.name}": getattr(tables.model, f.name) for f in fields(CoefficientModel)}
    return tensors | {"prior": tables.prior.astype(np.int16)}
