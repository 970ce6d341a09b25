"""One person's motion as a range-coded stream, at any accuracy: a plan's fields, a step, and the plan's channels.

The mirrored pair is `write_motion` and `read_motion`; docs/bitstream.md specifies the fields. A plan does not depend on
the accuracy, so that a search for a step pays for it once.
"""

from __future__ import annotations

from dataclasses import dataclass

from posecodec.bitstream.exp_golomb import get_raw, put_raw
from posecodec.coders.transform.basis_choice import Plan, kept_of
from posecodec.coders.transform.block_coder import Coder, decode_channels, encode_channels
from posecodec.coders.transform.coefficient_model import CoefficientModel
from posecodec.coders.transform.graph_fourier import Graph
from posecodec.coders.transform.plan_graph import is_stiff, plan_graph, read_graph
from posecodec.coders.transform.plan_polar import plan_polar, read_polar
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kinematics.bones import PolarTables
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats, Ints

INDEX_BITS = 11
FIRST_INDEX, LAST_INDEX = -(1 << INDEX_BITS - 1), (1 << INDEX_BITS - 1) - 1


@dataclass(frozen=True, eq=False)
class TransformTables:
    """What the transform codec has learned: part of its weights.

    prior: (2, C, BINS) of the polar channels, as `Coder` takes it.
    """

    polar: PolarTables
    prior: Ints
    model: CoefficientModel


def plan_for(
    points: Floats, body: Floats | None, skeleton: Skeleton, up: str, rate: float, tables: TransformTables, error: float
) -> Plan:
    """The plan for (T, K, D) as recorded, NaN where missing: polar where there is a body whose bones keep their length.

    body: (T, 19, D) of coco19, or None where the recorded keypoints are not all of it. error: about what will be asked
    for. Raises InputError where coordinates are too far from 0.
    """
    if body is not None and body.shape[2] == 3:
        plan = plan_polar(body, skeleton, up, tables.polar, tables.prior, rate)
        if plan is not None and is_stiff(plan, points, skeleton, error):
            return plan
    return plan_graph(points, skeleton)


def write_motion(
    encoder: RangeEncoder, plan: Plan, index: int, model: CoefficientModel, guide: Floats | None = None
) -> Floats:
    """Code a plan with the step of an index; returns the pose (T, K, D) that the decoder will have.

    guide: a body (T, 19, D) of coco19 that the decoder has already: then only what is left is coded. Raises TooFineError.
    """
    encoder.put_bits(int(isinstance(plan.basis, Graph)), 1)
    for value, bits in plan.fields:
        put_raw(encoder, value, bits)
    put_raw(encoder, index - FIRST_INDEX, INDEX_BITS)
    coder = Coder(model, plan.prior, plan.pinned, index, guide is not None, isinstance(plan.basis, Graph))
    known = plan.guided(guide)
    return plan.placed(encode_channels(encoder, plan.channels - known, coder) + known)


def read_motion(
    decoder: RangeDecoder, frames: int, skeleton: Skeleton, dims: int, up: str, rate: float, tables: TransformTables,
    guide: Floats | None = None,
) -> Floats:  # fmt: skip
    """The mirror of `write_motion`: (T, K, D) as recorded. Raises CorruptError."""
    if decoder.get_bits(1):
        plan = read_graph(decoder, skeleton, dims)
    elif dims == 3 and kept_of(skeleton) is not None:
        plan = read_polar(decoder, skeleton, tables.polar, tables.prior, up, rate)
    else:
        raise CorruptError(f"a chunk of bodies in a file of {skeleton.name!r} in {dims}D; get the file again")
    if guide is not None and plan.kept is None:
        raise CorruptError("a refinement of keypoints that no tokens stand for; get the file again")
    index = get_raw(decoder, INDEX_BITS) + FIRST_INDEX
    coder = Coder(tables.model, plan.prior, plan.pinned, index, guide is not None, isinstance(plan.basis, Graph))
    return plan.placed(decode_channels(decoder, frames, len(plan.pinned), coder) + plan.guided(guide))
