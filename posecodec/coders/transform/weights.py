"""The transform codec's tables as a weights file and back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.coders.transform.bodies import TRAINED, TrainedBody
from posecodec.coders.transform.bone_basis import BoneTables
from posecodec.coders.transform.coefficient_model import BINS, FEATURES, TENSOR_NAMES, CoefficientModel
from posecodec.coders.transform.flat_basis import FlatTables
from posecodec.coders.transform.magnitudes import ROWS, SLOTS
from posecodec.coders.weight_rules import LARGE, MOST_BIAS, MOST_WEIGHT, can_be_inverted, have_directions
from posecodec.entropy.range_coder import MAX_TOTAL
from posecodec.errors import WeightsError
from posecodec.kinematics.bones import RestBones
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.zoo import Rule, Weights, check_tensors, name_weights

NAME = "transform"
EARLIER = ("transform-0.5", "transform-0.5.1")  # Those that files were written with before, and are still read with


def belong_to_quantizers(rows: NDArray[Any]) -> bool:
    """Whether there are as many rows as one quantizer or two have."""
    return len(rows) in (ROWS, 2 * ROWS)


BODY_RULES = {
    "usual": Rule("f", ("B", 3), -LARGE, LARGE, have_directions),
    "lengths": Rule("f", ("B",), 1, LARGE),
    "mean": Rule("f", ("C",), -LARGE, LARGE),
    "matrix": Rule("f", ("C", "C"), -LARGE, LARGE, can_be_inverted),
    "prior": Rule("int16", (2, "C", BINS), -1024, 1024),  # 64 octaves
}
"""Of each body in 3D that there are tensors of."""
FLAT_RULES = {name: BODY_RULES[name] for name in ("lengths", "mean", "matrix", "prior")}
"""Of each one in 2D."""
FLAT = "flat."  # What their names begin with
RULES = {
    "model.w1": Rule("int32", (FEATURES, "H"), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b1": Rule("int32", ("H",), -MOST_BIAS, MOST_BIAS),
    "model.w2": Rule("int32", ("H", "G"), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b2": Rule("int32", ("G",), -MOST_BIAS, MOST_BIAS),
    "model.w3": Rule("int32", ("G",), -MOST_WEIGHT, MOST_WEIGHT),
    "model.b3": Rule("int32", (1,), -MOST_BIAS, MOST_BIAS),
    "model.rows": Rule("int32", ("R", SLOTS), 1, MAX_TOTAL - 1, belong_to_quantizers),
    "model.shifts": Rule("int32", ("R", 3), -256, 256),  # a step either way
}
FIRST = {"prior": "prior", **{field: f"polar.{field}" for field in ("usual", "lengths", "mean", "matrix")}}
"""Names of the tensors of coco19, which was alone once; those of another body begin with its name."""


@dataclass(frozen=True, eq=False, repr=False)
class TransformTables:
    """What the transform codec has learned: part of its weights. bodies, flat_bodies: in 3D and in 2D, in the order of
    `TRAINED`; coco19 is the first in 3D."""

    bodies: tuple[TrainedBody, ...]
    flat_bodies: tuple[TrainedBody, ...]
    model: CoefficientModel

    def list_bodies(self, dims: int) -> tuple[TrainedBody, ...]:
        """Those of so many dimensions."""
        return self.bodies if dims == 3 else self.flat_bodies

    @property
    def coco19(self) -> TrainedBody:
        """The first body, which windows and tokens are of as well."""
        return self.bodies[0]


@lru_cache(maxsize=2)
def load_built_in(name: str = NAME) -> tuple[Weights, TransformTables]:
    """Weights of the transform that come with posecodec, and their tables. Raises WeightsError."""
    found = zoo.read_weights(name)
    return found, unpack_tables(found)


def are_tables(weights: Weights) -> bool:
    """Whether weights are the transform's, rather than of windows or tokens."""
    return FIRST["matrix"] in weights.tensors and set(RULES) <= set(weights.tensors)


def find_other(named: bytes) -> str | None:
    """The weights of the transform that a file names by their id: earlier ones, or of one's own that are found by it (see
    `zoo.find_named`); None where there are none."""
    for name in EARLIER:
        if zoo.read_weights(name).id == named:
            return name
    with contextlib.suppress(WeightsError):
        return zoo.find_named(named)
    return None


def unpack_tables(found: Weights) -> TransformTables:
    """The tables in a weights file. Raises WeightsError if it holds others."""
    with name_weights(found.name):
        check_tensors(found.tensors, RULES)
        bodies = [s for s in TRAINED.values() if s == COCO19 or _has_tensors(found, f"{s.name}.")]
        flat = [s for s in TRAINED.values() if _has_tensors(found, f"{FLAT}{s.name}.")]
        model = {name: found.tensors[f"model.{tensor}"] for name, tensor in TENSOR_NAMES.items()}
        return TransformTables(
            tuple(_unpack_body(s, found.tensors) for s in bodies), tuple(_unpack_flat(s, found.tensors) for s in flat),
            CoefficientModel(**model),
        )  # fmt: skip


def _has_tensors(found: Weights, prefix: str) -> bool:
    return any(tensor.startswith(prefix) for tensor in found.tensors)


def _unpack_body(skeleton: Skeleton, tensors: Mapping[str, NDArray[Any]]) -> TrainedBody:
    rules = {_name_tensor(skeleton, field): rule for field, rule in BODY_RULES.items()}
    check_tensors(tensors, rules, {"B": len(skeleton) - 1, "C": 3 * len(skeleton) + 1})
    usual, lengths, mean, matrix, prior = (tensors[name] for name in rules)
    usual, lengths, mean, matrix = (part.astype(np.float64) for part in (usual, lengths, mean, matrix))
    return TrainedBody(skeleton, BoneTables(mean, matrix, RestBones(usual, lengths)), prior.astype(np.int64))


def _unpack_flat(skeleton: Skeleton, tensors: Mapping[str, NDArray[Any]]) -> TrainedBody:
    rules = {f"{FLAT}{skeleton.name}.{field}": rule for field, rule in FLAT_RULES.items()}
    check_tensors(tensors, rules, {"B": len(skeleton) - 1, "C": 2 * len(skeleton)})
    lengths, mean, matrix, prior = (tensors[name] for name in rules)
    tables = FlatTables(mean.astype(np.float64), matrix.astype(np.float64), lengths.astype(np.float64))
    return TrainedBody(skeleton, tables, prior.astype(np.int64))


def _name_tensor(skeleton: Skeleton, field: str) -> str:
    return FIRST[field] if skeleton == COCO19 else f"{skeleton.name}.{field}"


def pack_tables(tables: TransformTables) -> dict[str, NDArray[Any]]:
    """The mirror of `unpack_tables`: tensors for `zoo.write_weights`. Fractions become multiples of 2**-16, kept as int32."""
    tensors: dict[str, NDArray[Any]] = {}
    for body in tables.bodies:
        bones = body.tables
        assert isinstance(bones, BoneTables)
        parts = (bones.rest.directions, bones.rest.lengths, bones.mean, bones.matrix, body.prior.astype(np.int16))
        names = (_name_tensor(body.skeleton, field) for field in BODY_RULES)
        tensors |= dict(zip(names, parts, strict=True))
    for body in tables.flat_bodies:
        flat = (body.lengths, body.tables.mean, body.tables.matrix, body.prior.astype(np.int16))
        names = (f"{FLAT}{body.skeleton.name}.{field}" for field in FLAT_RULES)
        tensors |= dict(zip(names, flat, strict=True))
    return tensors | {f"model.{tensor}": getattr(tables.model, name) for name, tensor in TENSOR_NAMES.items()}
