"""Plans in the trained basis: which size, heading and place are taken off a body, and what its channels usually hold."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from posecodec.bitstream.exp_golomb import build_exp_golomb, get_exp_golomb, get_raw, sign_extend
from posecodec.coders.transform.basis_choice import NOTHING, Plan, filled, kept_of
from posecodec.coders.transform.coefficient_model import BINS
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.kinematics.bones import HEADING_STEPS, Polar, PolarTables, Tree, bones_of, heading, world_bones
from posecodec.pose.orientation import upright
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Bools, Floats, Ints

SCALE_STEPS = 32
SCALE_BITS, TURN_BITS, ORIGIN_BITS = 12, 8, 10
RATE = 30.0
"""Frames per second that the polar prior was counted at."""


def plan_polar(
    points: Floats, skeleton: Skeleton, up: str, polar: PolarTables, prior: Ints, rate: float
) -> Plan | None:
    """A plan in the trained basis for (T, 19, 3) of coco19 with NaN, or None where the body has no size.

    skeleton: of the recorded keypoints, all of them of coco19.
    """
    tree = _coco_tree()
    steps = polar_scale(points, polar, tree)
    if steps is None:
        return None
    scale, turned_up = 2.0 ** (steps / SCALE_STEPS), upright(3, up)
    world = rested(bridged(points @ turned_up.T * scale, tree), polar, tree)
    turn = int(np.rint(heading(world[:1], COCO19)[0] / (2 * np.pi) * HEADING_STEPS)) % HEADING_STEPS
    origin = np.rint(world[0].mean(axis=0))
    if np.abs(origin).max() > 2**24:
        return None
    fields = ((steps % (1 << SCALE_BITS), SCALE_BITS), (turn, TURN_BITS), *build_exp_golomb(origin, ORIGIN_BITS))
    basis = Polar(polar, COCO19, tree, turn, origin)
    return Plan(
        basis, scale, turned_up, basis.forward(world), _at_rate(prior, rate), polar_pinned(polar), fields,
        kept_of(skeleton),
    )  # fmt: skip


def read_polar(
    decoder: RangeDecoder, skeleton: Skeleton, polar: PolarTables, prior: Ints, up: str, rate: float
) -> Plan:
    steps = sign_extend(get_raw(decoder, SCALE_BITS), SCALE_BITS)
    turn = get_raw(decoder, TURN_BITS)
    origin = np.array([get_exp_golomb(decoder, ORIGIN_BITS) for _ in range(3)], np.float64)
    basis = Polar(polar, COCO19, _coco_tree(), turn, origin)
    return Plan(
        basis, 2.0 ** (steps / SCALE_STEPS), upright(3, up), NOTHING, _at_rate(prior, rate), polar_pinned(polar), (),
        kept_of(skeleton),
    )  # fmt: skip


def bridged(points: Floats, tree: Tree) -> Floats:
    """(T, K, 3) with gaps filled from the root outwards by bones between their directions and lengths before and after.

    As `filled` where no such bone is ever seen.
    """
    whole, missing, time = filled(points), np.isnan(points[..., 0]), np.arange(len(points))
    for start, end in tree.bones:
        gone, known = missing[:, end], ~(missing[:, start] | missing[:, end])
        if not gone.any() or not known.any():
            continue
        bone = points[known, end] - points[known, start]
        values = np.column_stack([bone, np.linalg.norm(bone, axis=1)])
        between = np.stack([np.interp(time[gone], time[known], column) for column in values.T], axis=1)
        size = np.linalg.norm(between[:, :3], axis=1)
        whole[gone, end] = whole[gone, start] + between[:, :3] * (between[:, 3] / np.maximum(size, 1e-9))[:, None]
    return whole


def rested(points: Floats, tables: PolarTables, tree: Tree) -> Floats:
    """Keypoints never seen put where bones of usual direction and length lead, from the root outwards and back."""
    if not np.isnan(points).any():
        return points
    rest = world_bones(bones_of(np.zeros((1, 3 * len(tree.bones))), tables.frames, tables.lengths), tree, COCO19)[0]
    whole = points.copy()
    for (start, end), bone in [*zip(tree.bones[::-1], rest[::-1], strict=True), *zip(tree.bones, rest, strict=True)]:
        for to, at, sign in ((start, end, -1.0), (end, start, 1.0)):
            gone = np.isnan(whole[:, to, 0])
            whole[gone, to] = whole[gone, at] + sign * bone
    return np.where(np.isnan(whole), 0.0, whole)


def polar_scale(points: Floats, tables: PolarTables, tree: Tree) -> int | None:
    """Thirty-seconds of an octave that make the bones of (T, K, 3) of usual length together; None where none is seen."""
    ends = np.array(tree.bones)
    length = np.linalg.norm(points[:, ends[:, 1]] - points[:, ends[:, 0]], axis=-1)
    seen = ~np.isnan(length).all(axis=0)
    if not seen.any():
        return None
    ratio = tables.lengths[seen].sum() / max(float(np.nanmedian(length[:, seen], axis=0).sum()), 1e-300)
    steps = int(np.clip(np.rint(SCALE_STEPS * np.log2(ratio)), -(10**6), 10**6))
    return steps if abs(steps) < 1 << SCALE_BITS - 1 else None


@lru_cache(maxsize=1)
def _coco_tree() -> Tree:
    return Tree.of(COCO19)


def polar_pinned(tables: PolarTables) -> Bools:
    """Channels of the polar basis that begin at zero: the centroid's x and z."""
    pinned = np.zeros(len(tables.mean), np.bool_)
    pinned[-2:] = True
    return pinned


def _at_rate(prior: Ints, rate: float) -> Ints:
    """The prior of another frame rate: bins are half octaves of the frequency, which is a share of the rate."""
    shift = int(np.clip(np.rint(2 * np.log2(rate / RATE)), -BINS, BINS))
    return prior[..., np.clip(np.arange(BINS) + shift, 0, BINS - 1)]
