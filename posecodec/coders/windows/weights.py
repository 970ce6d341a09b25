"""Weights of windows: their tables as tensors of a weights file and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.weight_rules import (
    LARGE,
    MOST_BIAS,
    MOST_WEIGHT,
    can_be_inverted,
    have_directions,
    turn_and_no_more,
)
from posecodec.coders.windows.frequency_bands import OWN_ROWS, ROWS, FrequencyBands
from posecodec.coders.windows.prior import (
    BINS,
    FEATURES,
    LEAST,
    LOGITS,
    ROW_COUNT_BITS,
    TABLE,
    TENSOR_NAMES,
    Prior,
)
from posecodec.entropy.range_coder import MAX_TOTAL
from posecodec.errors import WeightsError
from posecodec.kinematics.body_model import Body, Motion
from posecodec.kinematics.bones import RestBones
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.zoo import Rule, Weights, check_tensors, name_weights


def sums_to_4096_by_rows(frequencies: NDArray[np.uint16]) -> bool:
    """Whether each row of frequencies, none of them 0, is what the range coder's kernel takes it for."""
    return bool((frequencies.sum(-1, dtype=np.int64) == 1 << ROW_COUNT_BITS).all())


RULES = {
    "body.usual": Rule("f", ("B", 3), -LARGE, LARGE, have_directions),
    "body.lengths": Rule("f", ("B",), 1, LARGE),
    "body.rest": Rule("f", ("S",), -LARGE, LARGE),
    "body.metric": Rule("f", ("M", "M"), -LARGE, LARGE, can_be_inverted),
    "body.height": Rule("f", (1,), -LARGE, LARGE),
    "bands.turns": Rule("f", (2, OWN_ROWS, "C", "C"), -LARGE, LARGE, turn_and_no_more),
    "bands.means": Rule("f", (2, "C"), -LARGE, LARGE),
    "prior.usual": Rule("int32", (2, ROWS, "C"), -1024, 1024),  # 64 octaves
    "prior.by_channel": Rule("int32", (2, "C", "H"), -MOST_BIAS, MOST_BIAS),
    "prior.by_row": Rule("int32", (2, ROWS, "H"), -MOST_BIAS, MOST_BIAS),
    "prior.w1": Rule("int32", (FEATURES, "H"), -MOST_WEIGHT, MOST_WEIGHT),
    "prior.w2": Rule("int32", ("H", "G"), -MOST_WEIGHT, MOST_WEIGHT),
    "prior.b2": Rule("int32", ("G",), -MOST_BIAS, MOST_BIAS),
    "prior.w3": Rule("int32", ("G", LOGITS), -MOST_WEIGHT, MOST_WEIGHT),
    "prior.b3": Rule("int32", (LOGITS,), -MOST_BIAS, MOST_BIAS),
    "prior.chances": Rule("int32", (TABLE,), LEAST, MAX_TOTAL - LEAST),
    "prior.shifts": Rule("int32", (3, BINS), -256, 256),  # a step either way
    "prior.limits": Rule("uint16", (2, "O", ROWS + 1), 1, 1 << ROW_COUNT_BITS, sums_to_4096_by_rows),
}


@dataclass(frozen=True, eq=False, repr=False)
class WindowTables:
    """All that is learned."""

    body: Body
    bands: FrequencyBands
    prior: Prior


def load_tables(weights: Weights) -> WindowTables:
    """The tables of a weights file, for bodies of its skeleton. Raises WeightsError where they are not of windows."""
    with name_weights(weights.name):
        skeleton, dims = BUILT_IN[weights.settings["skeleton"]], weights.settings["dims"]
        if dims not in (2, 3):
            raise WeightsError(f"dims is {dims!r:.20}, not 2 or 3")
        return unpack_tables(weights.tensors, skeleton, int(dims))


def unpack_tables(tensors: dict[str, NDArray[Any]], skeleton: Skeleton, dims: int) -> WindowTables:
    """The tables among the tensors of a weights file. Raises WeightsError where one is missing or is none."""
    bones = len(skeleton) - 1 if dims == 3 else 0
    shape = 3 * bones if dims == 3 else 2 * len(skeleton)
    metric = shape + 1 if dims == 3 else shape
    check_tensors(tensors, RULES, {"B": bones, "S": shape, "M": metric, "C": metric + dims})
    parts = (f"body.{name}" for name in ("usual", "lengths", "rest", "metric"))
    usual, lengths, rest, weighting = (tensors[name].astype(np.float64) for name in parts)
    body = Body(skeleton, dims, RestBones(usual, lengths), rest, float(tensors["body.height"][0]), weighting)
    if not np.isfinite(body.synthesize(Motion(rest[None], np.zeros(1), np.zeros((1, dims))))).all():
        raise WeightsError("a body at rest has no places")  # pragma: no cover - none within the rules is known
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
