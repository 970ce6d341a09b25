"""One person's motion as a range-coded stream, at any accuracy: choose a basis, code its channels, correct what is off.

`Plan` is everything that does not depend on the accuracy, so that a search for a step pays for it once. The mirrored pair
is `write_motion` and `read_motion`; docs/bitstream.md specifies the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.rangecoder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.normalize import upright
from posecodec.skeleton import COCO19, Skeleton, missing_for
from posecodec.transform.blocks import dct, dst
from posecodec.transform.coefficients import BINS, CoefficientModel, frequency_bins, log16
from posecodec.transform.graph import Edge, Graph, learned_tree, modes, own_tree
from posecodec.transform.layer import Coder, decode_channels, encode_channels
from posecodec.transform.polar import HEADING_STEPS, Polar, PolarTables, Tree, bones_of, heading, world_bones

Floats = NDArray[np.float64]
SCALE_STEPS = 32
SCALE_BITS, INDEX_BITS, EXPONENT_BITS, LEVEL_BITS, SLOPE_BITS, DROP_BITS = 12, 11, 10, 14, 6, 6
FIRST_INDEX, LAST_INDEX = -(1 << INDEX_BITS - 1), (1 << INDEX_BITS - 1) - 1
ORIGIN_BITS = 10
SPREAD_BITS = 6
PRICED = 256
STIFF_STEPS = 2.5
"""Steps in the error at which bases are compared."""
SPREAD_UNITS = 4
"""Octaves from a graph's unit to how far its keypoints spread."""
NOTHING: Floats = np.zeros(1)
RATE = 30.0
"""Frames per second that the polar prior was counted at."""


@dataclass(frozen=True, eq=False)
class TransformTables:
    """What the transform codec has learned: part of its weights.

    prior: (2, C, BINS) of the polar channels, as `Coder` takes it.
    """

    polar: PolarTables
    prior: NDArray[np.int64]
    model: CoefficientModel


@dataclass(frozen=True, eq=False)
class Plan:
    """How a stretch will be coded.

    turned, scale: what the basis sees is scale x (recorded coordinates @ turned.T). channels: (T, C) of the recording.
    prior, pinned: as `Coder` takes them. fields: what is written before the channels, as (value, bits). kept: which
    keypoints of coco19 the recorded ones are, in order; None where they are not all among them.
    """

    basis: Polar | Graph
    scale: float
    turned: Floats
    channels: Floats
    prior: NDArray[np.int64]
    pinned: NDArray[np.bool_]
    fields: tuple[tuple[int, int], ...]
    kept: tuple[int, ...] | None

    def guided(self, guide: Floats | None) -> Floats:
        """Channels of bodies (T, 19, D) of coco19; 0 of None."""
        if guide is None:
            return NOTHING
        pose = guide if isinstance(self.basis, Polar) else guide[:, self.kept]
        return self.basis.forward(pose @ self.turned.T * self.scale)

    def placed(self, channels: Floats) -> Floats:
        """Poses (T, K, D) as recorded, of channels."""
        pose = (self.basis.inverse(channels) / self.scale) @ self.turned
        return pose[:, self.kept] if isinstance(self.basis, Polar) else pose


def filled(points: Floats) -> Floats:
    """(T, K, D) with gaps bridged by straight lines and ends held; keypoints never seen stay NaN."""
    missing = np.isnan(points[..., 0])
    if not missing.any():
        return points
    whole, time = points.copy(), np.arange(len(points))
    for k in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        gone = missing[:, k]
        for d in range(points.shape[2]):
            whole[gone, k, d] = np.interp(time[gone], time[~gone], points[~gone, k, d])
    return whole


def _rested(points: Floats, tables: PolarTables, tree: Tree) -> Floats:
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


def kept_of(skeleton: Skeleton) -> tuple[int, ...] | None:
    """Which keypoints of coco19 a skeleton's are; None where it has others."""
    if missing_for(skeleton, COCO19):
        return None
    return tuple(COCO19.keypoints.index(name) for name in skeleton.keypoints)


def plan_polar(points: Floats, skeleton: Skeleton, up: str, tables: TransformTables, rate: float) -> Plan | None:
    """A plan in the trained basis for (T, 19, 3) of coco19 with NaN, or None where the body has no size.

    skeleton: of the recorded keypoints, all of them of coco19.
    """
    tree = _coco_tree()
    steps = polar_scale(points, tables.polar, tree)
    if steps is None:
        return None
    scale, turned_up = 2.0 ** (steps / SCALE_STEPS), upright(3, up)
    world = _rested(filled(points @ turned_up.T * scale), tables.polar, tree)
    turn = int(np.rint(heading(world[:1], COCO19)[0] / (2 * np.pi) * HEADING_STEPS)) % HEADING_STEPS
    origin = np.rint(world[0].mean(axis=0))
    if np.abs(origin).max() > 2**24:
        return None
    fields = ((steps % (1 << SCALE_BITS), SCALE_BITS), (turn, 8), *_signed_fields(origin, ORIGIN_BITS))
    basis = Polar(tables.polar, COCO19, tree, turn, origin)
    return Plan(
        basis, scale, turned_up, basis.forward(world), _at_rate(tables.prior, rate), polar_pinned(tables.polar), fields,
        kept_of(skeleton),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _coco_tree() -> Tree:
    return Tree.of(COCO19)


def polar_pinned(tables: PolarTables) -> NDArray[np.bool_]:
    """Channels of the polar basis that begin at zero: the centroid's x and z."""
    pinned = np.zeros(len(tables.mean), np.bool_)
    pinned[-2:] = True
    return pinned


def _at_rate(prior: NDArray[np.int64], rate: float) -> NDArray[np.int64]:
    """The prior of another frame rate: bins are half octaves of the frequency, which is a share of the rate."""
    shift = int(np.clip(np.rint(2 * np.log2(rate / RATE)), -BINS, BINS))
    return prior[..., np.clip(np.arange(BINS) + shift, 0, BINS - 1)]


def plan_graph(points: Floats, skeleton: Skeleton) -> Plan:
    """A plan in the modes of a tree, for any keypoints (T, K, D) with NaN.

    Raises InputError where coordinates are too far from 0, relative to how they spread.
    """
    whole = filled(points)
    center = np.nanmean(whole, axis=1, keepdims=True)
    whole = np.where(np.isnan(whole), center, whole)
    spread = float(np.sqrt(np.square(whole - center).mean()) + np.abs(whole - whole[:1]).mean()) or 1.0
    exponent = int(np.floor(np.log2(spread))) - SPREAD_UNITS
    whole = whole * 2.0**-exponent
    origin = np.rint(whole[0].mean(axis=0))
    if not np.abs(origin).max() <= 2**24 or abs(exponent) >= 1 << EXPONENT_BITS - 1:
        raise InputError("coordinates are too far from 0, relative to how they spread; use --lossless")
    plans = [_plan_tree(whole, skeleton, edges, learned, exponent) for edges, learned in _trees(whole, skeleton)]
    return min(plans, key=_price)


def _trees(points: Floats, skeleton: Skeleton) -> list[tuple[tuple[Edge, ...], bool]]:
    trees = [(own_tree(skeleton), False)]
    return trees + [(learned_tree(points), True)] if len(skeleton) > 2 else trees


def _plan_tree(points: Floats, skeleton: Skeleton, edges: tuple[Edge, ...], learned: bool, exponent: int) -> Plan:
    count = points.shape[1]
    origin = np.rint(points[0].mean(axis=0))
    basis = Graph(modes(count, edges), origin)
    channels = basis.forward(points)
    numbers = _fit_numbers(channels, points.shape[2])
    tree = [f for start, _, weight in edges for f in ((start, _bits_of(count)), (weight, 4))] if learned else []
    fields = (
        (int(learned), 1), *tree, (exponent % (1 << EXPONENT_BITS), EXPONENT_BITS), *_signed_fields(origin, SPREAD_BITS),
        *_number_fields(numbers),
    )  # fmt: skip
    dims = points.shape[2]
    return Plan(
        basis, 2.0**-exponent, np.eye(dims), channels, _graph_prior(count, dims, numbers), _graph_pinned(count, dims),
        fields, kept_of(skeleton),
    )  # fmt: skip


def _price(plan: Plan) -> float:
    """Bits at an error of a fiftieth of the spread, about."""
    return price(plan.channels, 2**SPREAD_UNITS / 42) + sum(b for _, b in plan.fields)


def price(channels: Floats, step: float) -> float:
    """Bits that channels (T, C) need at a step, about, by their first frames."""
    first = channels[:PRICED]
    return 0.5 * float(np.log2(1 + np.square(dct(len(first)) @ first * (1.2 / step))).sum())


def is_stiff(plan: Plan, points: Floats, skeleton: Skeleton, error: float) -> bool:
    """Whether a polar plan pays for (T, K, D) as recorded: bones that keep their length make it cheaper than a graph."""
    whole = filled(points)
    whole = np.where(np.isnan(whole), np.nanmean(whole, axis=1, keepdims=True), whole)
    modal = Graph(modes(len(skeleton), own_tree(skeleton)), whole[0].mean(axis=0)).forward(whole)
    return price(plan.channels, error * plan.scale * STIFF_STEPS) < price(modal, error * STIFF_STEPS)


def _bits_of(count: int) -> int:
    return max(count - 1, 1).bit_length()


def _graph_pinned(count: int, dims: int) -> NDArray[np.bool_]:
    pinned = np.zeros(count * dims, np.bool_)
    pinned[:dims] = True
    return pinned


def _fit_numbers(channels: Floats, dims: int) -> tuple[int, int, int]:
    """(level, slope, drop): 16 x log2 of magnitude as a plane over frequency bins and log of the mode, least squares."""
    size = min(len(channels), 64)
    starts = range(0, len(channels) - size + 1, max(size, len(channels) // 16))
    moved = np.mean([np.abs(dst(size) @ (channels[s : s + size] - channels[max(s - 1, 0)])) for s in starts], axis=0)
    logs = 16 * np.log2(np.maximum(moved, 1e-300)).ravel()
    rank = np.array([log16(1 + c // dims) for c in range(channels.shape[1])]) / 16
    slope, drop = np.repeat(frequency_bins(size), len(rank)), np.tile(rank, size)
    known = logs > logs.max() - 400
    plane = np.stack([np.ones(known.sum()), -slope[known], -drop[known]], axis=1)
    found = np.linalg.lstsq(plane, logs[known], rcond=None)[0]
    most = (1 << LEVEL_BITS - 1) - 1
    return (
        int(np.clip(np.rint(found[0]), -most, most)), int(np.clip(np.rint(found[1]), 0, (1 << SLOPE_BITS) - 1)),
        int(np.clip(np.rint(found[2]), 0, (1 << DROP_BITS) - 1)),
    )  # fmt: skip


def _number_fields(numbers: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    level, slope, drop = numbers
    return (level % (1 << LEVEL_BITS), LEVEL_BITS), (slope, SLOPE_BITS), (drop, DROP_BITS)


def _graph_prior(count: int, dims: int, numbers: tuple[int, int, int]) -> NDArray[np.int64]:
    level, slope, drop = numbers
    rank = np.array([log16(1 + c // dims) for c in range(count * dims)], np.int64)
    later = level - slope * np.arange(BINS)[None] - ((drop * rank) >> 4)[:, None]
    return np.stack([later, later])


def _signed_fields(values: Floats, bits: int) -> tuple[tuple[int, int], ...]:
    """Whole numbers as Exp-Golomb codes with that many low bits, written as raw fields."""
    fields: list[tuple[int, int]] = []
    for value in values:
        size = 2 * abs(int(value)) - (int(value) < 0)
        high = (size >> bits) + 1
        length = high.bit_length() - 1
        fields += [(1, 1)] * length + [(0, 1), (high - (1 << length), length), (size & ((1 << bits) - 1), bits)]
    return tuple(fields)


def write_motion(
    encoder: RangeEncoder, plan: Plan, index: int, model: CoefficientModel, guide: Floats | None = None
) -> Floats:
    """Code a plan with the step of an index; returns the pose (T, K, D) that the decoder will have.

    guide: a body (T, 19, D) of coco19 that the decoder has already: then only what is left is coded. Raises TooFineError.
    """
    encoder.put_bits(int(isinstance(plan.basis, Graph)), 1)
    for value, bits in plan.fields:
        _put_raw(encoder, value, bits)
    _put_raw(encoder, index - FIRST_INDEX, INDEX_BITS)
    coder = Coder(model, plan.prior, plan.pinned, index, guide is not None, isinstance(plan.basis, Graph))
    known = plan.guided(guide)
    return plan.placed(encode_channels(encoder, plan.channels - known, coder) + known)


def read_motion(
    decoder: RangeDecoder, frames: int, skeleton: Skeleton, dims: int, up: str, rate: float, tables: TransformTables,
    guide: Floats | None = None,
) -> Floats:  # fmt: skip
    """The mirror of `write_motion`: (T, K, D) as recorded. Raises CorruptError."""
    if decoder.get_bits(1):
        plan = _read_graph(decoder, skeleton, dims)
    elif dims == 3 and kept_of(skeleton) is not None:
        plan = _read_polar(decoder, skeleton, tables, up, rate)
    else:
        raise CorruptError(f"a chunk of bodies in a file of {skeleton.name!r} in {dims}D; get the file again")
    if guide is not None and plan.kept is None:
        raise CorruptError("a refinement of keypoints that no tokens stand for; get the file again")
    index = _get_raw(decoder, INDEX_BITS) + FIRST_INDEX
    coder = Coder(tables.model, plan.prior, plan.pinned, index, guide is not None, isinstance(plan.basis, Graph))
    return plan.placed(decode_channels(decoder, frames, len(plan.pinned), coder) + plan.guided(guide))


def _read_polar(decoder: RangeDecoder, skeleton: Skeleton, tables: TransformTables, up: str, rate: float) -> Plan:
    steps = _signed(_get_raw(decoder, SCALE_BITS), SCALE_BITS)
    turn = _get_raw(decoder, 8)
    origin = np.array([_get_exp_golomb(decoder, ORIGIN_BITS) for _ in range(3)], np.float64)
    basis = Polar(tables.polar, COCO19, _coco_tree(), turn, origin)
    prior, pinned = _at_rate(tables.prior, rate), polar_pinned(tables.polar)
    return Plan(basis, 2.0 ** (steps / SCALE_STEPS), upright(3, up), NOTHING, prior, pinned, (), kept_of(skeleton))


def _read_graph(decoder: RangeDecoder, skeleton: Skeleton, dims: int) -> Plan:
    count, edges = len(skeleton), own_tree(skeleton)
    if decoder.get_bits(1):
        bits = _bits_of(count)
        edges = tuple((_get_raw(decoder, bits), end, _get_raw(decoder, 4)) for end in range(1, count))
        if any(start >= count for start, _, _ in edges):
            raise CorruptError("a tree over keypoints that do not exist; get the file again")
    exponent = _signed(_get_raw(decoder, EXPONENT_BITS), EXPONENT_BITS)
    origin = np.array([_get_exp_golomb(decoder, SPREAD_BITS) for _ in range(dims)], np.float64)
    level = _signed(_get_raw(decoder, LEVEL_BITS), LEVEL_BITS)
    numbers = (level, _get_raw(decoder, SLOPE_BITS), _get_raw(decoder, DROP_BITS))
    return Plan(
        Graph(modes(count, edges), origin), 2.0**-exponent, np.eye(dims), NOTHING,
        _graph_prior(count, dims, numbers), _graph_pinned(count, dims), (), kept_of(skeleton),
    )  # fmt: skip


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _get_exp_golomb(decoder: RangeDecoder, bits: int) -> int:
    """The mirror of `_signed_fields`, at most 2**30 in magnitude. Raises CorruptError."""
    length = 0
    while decoder.get_bits(1):
        length += 1
        if length > 30 - bits:
            raise CorruptError("a place farther away than any can be; get the file again")
    size = ((1 << length) + _get_raw(decoder, length) - 1 << bits) + _get_raw(decoder, bits)
    return -((size + 1) >> 1) if size & 1 else size >> 1


def _put_raw(encoder: RangeEncoder, value: int, bits: int) -> None:
    low = min(bits, 16)
    encoder.put_bits(value >> low, bits - low)
    encoder.put_bits(value & (1 << low) - 1, low)


def _get_raw(decoder: RangeDecoder, bits: int) -> int:
    low = min(bits, 16)
    high = decoder.get_bits(bits - low)
    return high << low | decoder.get_bits(low)
