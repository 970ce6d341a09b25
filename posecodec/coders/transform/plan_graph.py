"""Plans in the modes of a tree: which tree, and a rough guess of what its channels hold, for any keypoints."""

from __future__ import annotations

import numpy as np

from posecodec.bitstream.exp_golomb import Field, build_exp_golomb, get_exp_golomb, get_raw, sign_extend
from posecodec.coders.transform.basis_choice import NOTHING, Plan, filled, kept_of, price, settled
from posecodec.coders.transform.coefficient_model import BINS, frequency_bins, log16
from posecodec.coders.transform.graph_fourier import Edge, Graph, learned_tree, modes, own_tree
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.errors import CorruptError, InputError
from posecodec.pose.skeleton import Skeleton
from posecodec.signal.dct import dst
from posecodec.typing import Bools, Floats, Ints

EXPONENT_BITS, ORIGIN_BITS, LEVEL_BITS, SLOPE_BITS, DROP_BITS, WEIGHT_BITS = 10, 6, 14, 6, 6, 4
FARTHEST = 2**24
SPREAD_UNITS = 4
"""Octaves from a graph's unit to how far its keypoints spread."""
STIFF_STEPS = 2.5
"""Steps in the error at which bases are compared."""
TRAINED_GAIN = 1.1
"""What the polar basis gains by what it has learned, which prices do not see."""


def plan_graph(points: Floats, skeleton: Skeleton) -> Plan:
    """A plan in the modes of a tree, for any keypoints (T, K, D) with NaN.

    Raises InputError where coordinates are too far from 0, relative to how they spread.
    """
    return min(graph_plans(points, skeleton), key=_price)


def graph_plans(points: Floats, skeleton: Skeleton) -> list[Plan]:
    """Plans in the modes of each tree that comes into question; otherwise as `plan_graph`."""
    whole = filled(points)
    center = np.nanmean(whole, axis=1, keepdims=True)
    whole = np.where(np.isnan(whole), center, whole)
    spread = float(np.sqrt(np.square(whole - center).mean()) + np.abs(whole - whole[:1]).mean()) or 1.0
    exponent = int(np.floor(np.log2(spread))) - SPREAD_UNITS
    whole = whole * 2.0**-exponent
    origin = np.rint(whole[0].mean(axis=0))
    if not np.abs(origin).max() <= FARTHEST or abs(exponent) >= 1 << EXPONENT_BITS - 1:
        raise InputError("coordinates are too far from 0, relative to how they spread; use --lossless")
    return [_plan_tree(whole, skeleton, edges, learned, exponent) for edges, learned in _trees(whole, skeleton)]


def is_stiff(plan: Plan, points: Floats, skeleton: Skeleton, error: float) -> bool:
    """Whether a polar plan pays for (T, K, D) as recorded: bones that keep their length make it cheaper than a graph."""
    whole = settled(points)
    modal = Graph(modes(len(skeleton), own_tree(skeleton)), whole[0].mean(axis=0)).forward(whole)
    return price(plan.channels, error * plan.scale * STIFF_STEPS) < TRAINED_GAIN * price(modal, error * STIFF_STEPS)


def read_graph(decoder: RangeDecoder, skeleton: Skeleton, dims: int) -> Plan:
    """The mirror: everything of a plan but its channels. Raises CorruptError."""
    count, edges = len(skeleton), own_tree(skeleton)
    if decoder.get_bits(1):
        bits = _bits_of(count)
        edges = tuple((get_raw(decoder, bits), end, get_raw(decoder, WEIGHT_BITS)) for end in range(1, count))
        if any(start >= count for start, _, _ in edges):
            raise CorruptError("a tree over keypoints that do not exist; get the file again")
    exponent = sign_extend(get_raw(decoder, EXPONENT_BITS), EXPONENT_BITS)
    origin = np.array([get_exp_golomb(decoder, ORIGIN_BITS) for _ in range(dims)], np.float64)
    level = sign_extend(get_raw(decoder, LEVEL_BITS), LEVEL_BITS)
    numbers = (level, get_raw(decoder, SLOPE_BITS), get_raw(decoder, DROP_BITS))
    return Plan(
        Graph(modes(count, edges), origin), 2.0**-exponent, np.eye(dims), NOTHING,
        _graph_prior(count, dims, numbers), _graph_pinned(count, dims), (), kept_of(skeleton),
    )  # fmt: skip


def _trees(points: Floats, skeleton: Skeleton) -> list[tuple[tuple[Edge, ...], bool]]:
    trees = [(own_tree(skeleton), False)]
    return trees + [(learned_tree(points), True)] if len(skeleton) > 2 else trees


def _plan_tree(points: Floats, skeleton: Skeleton, edges: tuple[Edge, ...], learned: bool, exponent: int) -> Plan:
    count = points.shape[1]
    origin = np.rint(points[0].mean(axis=0))
    basis = Graph(modes(count, edges), origin)
    channels = basis.forward(points)
    numbers = _fit_numbers(channels, points.shape[2])
    tree = (
        [f for start, _, weight in edges for f in ((start, _bits_of(count)), (weight, WEIGHT_BITS))] if learned else []
    )
    fields = (
        (int(learned), 1), *tree, (exponent % (1 << EXPONENT_BITS), EXPONENT_BITS), *build_exp_golomb(origin, ORIGIN_BITS),
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


def _bits_of(count: int) -> int:
    return max(count - 1, 1).bit_length()


def _graph_pinned(count: int, dims: int) -> Bools:
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


def _number_fields(numbers: tuple[int, int, int]) -> tuple[Field, ...]:
    level, slope, drop = numbers
    return (level % (1 << LEVEL_BITS), LEVEL_BITS), (slope, SLOPE_BITS), (drop, DROP_BITS)


def _graph_prior(count: int, dims: int, numbers: tuple[int, int, int]) -> Ints:
    level, slope, drop = numbers
    rank = np.array([log16(1 + c // dims) for c in range(count * dims)], np.int64)
    later = level - slope * np.arange(BINS)[None] - ((drop * rank) >> 4)[:, None]
    return np.stack([later, later])
