"""Weights of windows: their tables as tensors of a weights file and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.windows.frequency_bands import FrequencyBands
from posecodec.coders.windows.prior import TENSOR_NAMES, Prior
from posecodec.errors import WeightsError
from posecodec.kinematics.body_model import Body
from posecodec.kinematics.bones import RestBones
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.zoo import Weights


@dataclass(frozen=True, eq=False, repr=False)
class WindowTables:
    """All that is learned."""

    body: Body
    bands: FrequencyBands
    prior: Prior


def load_tables(weights: Weights) -> WindowTables:
    """The tables of a weights file, for bodies of its skeleton. Raises WeightsError where they are not of windows."""
    try:
        skeleton, dims = BUILT_IN[weights.settings["skeleton"]], int(weights.settings["dims"])
        return unpack_tables(weights.tensors, skeleton, dims)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        what = f"weights {weights.name!r} do not fit this posecodec: {error}; get them again"
        raise WeightsError(what) from error


def unpack_tables(tensors: dict[str, NDArray[Any]], skeleton: Skeleton, dims: int) -> WindowTables:
    """The tables among the tensors of a weights file. Raises KeyError where one is missing."""
    parts = (f"body.{name}" for name in ("usual", "lengths", "rest", "metric"))
    usual, lengths, rest, metric = (tensors[name].astype(np.float64) for name in parts)
    body = Body(skeleton, dims, RestBones(usual, lengths), rest, float(tensors["body.height"][0]), metric)
    rotations, means = (tensors[f"bands.{name}"].astype(np.float64) for name in ("turns", "means"))
    prior = Prior(**{name: tensors[f"prior.{tensor}"] for name, tensor in TENSOR_NAMES.items()})
    return WindowTables(body, FrequencyBands(rotations, means, body.is_translation), prior)


def pack_tables(tables: WindowTables) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_tables`."""
    body, bands = tables.body, tables.bands
    tensors: dict[str, NDArray[Any]] = {"body.usual": body.bones.directions, "body.lengths": body.bones.lengths}
    tensors |= {"body.rest": body.rest_shape, "body.metric": body.metric, "body.height": np.array([body.height])}
    tensors |= {"bands.turns": bands.rotations, "bands.means": bands.means}
    return tensors | {f"prior.{tensor}": getattr(tables.prior, name) for name, tensor in TENSOR_NAMES.items()}
