"""How one stretch of motion will be coded: a basis, its channels, and what the decoder must know of both.

The trained basis of bones (`bone_basis`) where there is a body whose bones keep their length, else the modes of a tree
(`graph_fourier`): the skeleton's own or one learned from the recording. A choice does not depend on the accuracy, so that a
search for a step pays for it once. The mirrored pair is `BasisChoice.write` and `read_basis`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from posecodec.bitstream.exp_golomb import Field, build_exp_golomb, get_exp_golomb, get_raw, put_raw, sign_extend
from posecodec.coders.chunk import ROUNDED, ChunkContext
from posecodec.coders.transform import graph_fourier as graph
from posecodec.coders.transform.bodies import BodyMatch, TrainedBody, find_places, offer_matches, read_match
from posecodec.coders.transform.bone_basis import BoneBasis, BoneTables, measure_heading_steps, rescale_prior
from posecodec.coders.transform.flat_basis import FlatBasis
from posecodec.coders.transform.graph_fourier import Edge, GraphBasis, GraphPrior
from posecodec.coders.transform.weights import TransformTables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.kinematics import gap_filling as gaps
from posecodec.kinematics.bones import measure_scale, scale_of_steps
from posecodec.pose.orientation import upright
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.signal.dct import dct
from posecodec.signal.segmentation import ESTIMATE_GAIN, BlockSpectra
from posecodec.typing import Bools, Floats, Ints

NO_CHANNELS: Floats = np.zeros(1)  # In place of channels that nobody codes, and of those of a guide that is not there
PRICED_FRAMES = 256  # Frames at the start of a stretch that bits are estimated by
SCALE_BITS = 12  # Of a body's size, signed: MAX_SCALE either way
HEADING_BITS = 8  # Of its first heading, in HEADING_STEPS of a turn
BONE_ORIGIN_BITS = 10  # Low bits of where it starts, in mm: a meter without an escape
EXPONENT_BITS = 10  # Of a graph's unit, signed: octaves of a recording's own
GRAPH_ORIGIN_BITS = 6  # Low bits of where its keypoints start, in that unit: four times their spread without an escape
FARTHEST = 2**24  # Units from 0 that a stretch may start: what float32 tells apart
SPREAD_OCTAVES = 4  # Octaves from a graph's unit to how far its keypoints spread
FINE_STEPS = 42  # Steps in the spread at which trees are compared: an error of about a fiftieth of it
STIFF_STEPS = 2.5  # Steps in the error at which bases are compared
TRAINED_GAIN = 1.1  # Of bones by what they learned, which estimates do not see (noise on coco19, log of 2026-11-23)


@dataclass(frozen=True, eq=False, repr=False)
class BasisChoice:
    """How a stretch will be coded.

    rotation, scale: what the basis sees is scale x (recorded coordinates @ rotation.T). channels: (T, C) of the recording.
    prior, pinned: as `BlockCoder` takes them. fields: what is written before the channels, as (value, bits). in_coco19:
    which keypoints of coco19 the recorded ones are, in order; None where they are not all among them.
    """

    basis: BoneBasis | FlatBasis | GraphBasis
    scale: float
    rotation: Floats
    channels: Floats
    prior: Ints
    pinned: Bools
    fields: tuple[Field, ...]
    places: tuple[int, ...]
    in_coco19: tuple[int, ...] | None

    @property
    def is_generic(self) -> bool:
        """Whether nothing was trained for the basis."""
        return isinstance(self.basis, GraphBasis)

    @cached_property
    def spectra(self) -> BlockSpectra:
        """Of the channels, what lengths of blocks are chosen by."""
        return BlockSpectra(self.channels)

    def write(self, encoder: RangeEncoder) -> None:
        """What the decoder must know before the channels."""
        encoder.put_bits(int(self.is_generic), 1)
        for value, bits in self.fields:
            put_raw(encoder, value, bits)

    def project(self, guide: Floats | None) -> Floats:
        """Channels of bodies (T, 19, D) of coco19; 0 of None."""
        if guide is None:
            return NO_CHANNELS
        pose = guide[:, self.in_coco19] if self.is_generic else guide
        return self.basis.forward(pose @ self.rotation.T * self.scale)

    def reconstruct(self, channels: Floats) -> Floats:
        """Poses (T, K, D) as recorded, of channels."""
        pose = (self.basis.inverse(channels) / self.scale) @ self.rotation
        return pose if self.is_generic else pose[:, self.places]


def choose_basis(
    points: Floats, body: Floats | None, skeleton: Skeleton, up: str, rate: float, tables: TransformTables, error: float
) -> BasisChoice:
    """The basis for (T, K, D) as recorded, NaN where missing: bones where there is a body that keeps their length.

    body: (T, 19, D) of coco19, or None where the recorded keypoints are not all of it. error: about what will be asked
    for. Raises InputError where coordinates are too far from 0.
    """
    best: BasisChoice | None = None
    for match in offer_matches(skeleton, tables.list_bodies(points.shape[2])):
        named = body if match.body.skeleton == COCO19 and not match.fields else None
        choice = choose_body(match.place(points) if named is None else named, match, skeleton, up, rate)
        if choice and (best is None or _estimate_price(choice, error) < _estimate_price(best, error)):
            best = choice
    return best if best and _is_stiff(best, points, skeleton, error) else choose_graph(points, skeleton)


def read_basis(decoder: RangeDecoder, context: ChunkContext, tables: TransformTables) -> BasisChoice:
    """Everything of a choice but its channels. Raises CorruptError."""
    if decoder.get_bits(1):
        return _read_graph(decoder, context.skeleton, context.dims)
    if match := read_match(decoder, context.skeleton, tables.list_bodies(context.dims)):
        return _read_body(decoder, context, match)
    where = f"a file of {context.skeleton.name!r} in {context.dims}D"
    raise CorruptError(f"a chunk of bodies in {where}; get the file again")


def choose_body(points: Floats, match: BodyMatch, skeleton: Skeleton, up: str, rate: float) -> BasisChoice | None:
    """The trained basis for (T, J, D) of a body with NaN, or None where it has no size. skeleton: of what was recorded."""
    tables, tree, dims = match.body.tables, match.body.tree, points.shape[2]
    steps = measure_scale(points, match.body.lengths, tree)
    if steps is None:
        return None
    rotation, scale, heading = upright(dims, up), scale_of_steps(steps), 0
    fields = [*match.fields, (steps % (1 << SCALE_BITS), SCALE_BITS)]
    world = points @ rotation.T * scale
    if isinstance(tables, BoneTables):
        world = gaps.fill_from_rest_pose(gaps.interpolate_bones(world, tree), tables.rest, tree)
        heading = measure_heading_steps(world[0], tree)
        fields.append((heading, HEADING_BITS))
    else:
        world = gaps.fill_from_centroid(world)
    origin = np.rint(world[0].mean(axis=0))
    if not np.abs(origin).max() <= FARTHEST:
        return None
    basis = _build_basis(match.body, origin, heading)
    fields += build_exp_golomb(origin, BONE_ORIGIN_BITS)
    return BasisChoice(
        basis, scale, rotation, basis.forward(world), rescale_prior(match.body.prior, rate), tables.pinned,
        tuple(fields), match.places, find_in_coco19(skeleton),
    )  # fmt: skip


def _build_basis(body: TrainedBody, origin: Floats, heading: int) -> BoneBasis | FlatBasis:
    tables = body.tables
    if isinstance(tables, BoneTables):
        return BoneBasis(tables, body.tree, heading, origin)
    return FlatBasis(tables, origin)


def _read_body(decoder: RangeDecoder, context: ChunkContext, match: BodyMatch) -> BasisChoice:
    """The mirror of `choose_body`."""
    scale = scale_of_steps(sign_extend(get_raw(decoder, SCALE_BITS), SCALE_BITS))
    heading = get_raw(decoder, HEADING_BITS) if context.dims == 3 else 0
    origin = np.array([get_exp_golomb(decoder, BONE_ORIGIN_BITS) for _ in range(context.dims)], np.float64)
    return BasisChoice(
        _build_basis(match.body, origin, heading), scale, upright(context.dims, context.up), NO_CHANNELS,
        rescale_prior(match.body.prior, context.rate), match.body.tables.pinned, (), match.places,
        find_in_coco19(context.skeleton),
    )  # fmt: skip


def choose_graph(points: Floats, skeleton: Skeleton) -> BasisChoice:
    """The modes of the tree that needs the fewest bits, about, for any keypoints (T, K, D) with NaN.

    Raises InputError where coordinates are too far from 0, relative to how they spread.
    """
    step = 2**SPREAD_OCTAVES / FINE_STEPS
    return min(
        offer_graphs(points, skeleton),
        key=lambda choice: _estimate_bits(choice.channels, step) + sum(bits for _, bits in choice.fields),
    )


def offer_graphs(points: Floats, skeleton: Skeleton) -> list[BasisChoice]:
    """The modes of each tree that comes into question; otherwise as `choose_graph`."""
    whole = gaps.interpolate_gaps(points)
    center = np.nanmean(whole, axis=1, keepdims=True)
    whole = np.where(np.isnan(whole), center, whole)
    spread = float(np.sqrt(np.square(whole - center).mean()) + np.abs(whole - whole[:1]).mean())
    spread = spread if spread > ROUNDED * np.abs(whole).max() else 1.0
    exponent = int(np.floor(np.log2(spread))) - SPREAD_OCTAVES
    whole = whole * 2.0**-exponent
    if not np.abs(np.rint(whole[0].mean(axis=0))).max() <= FARTHEST or abs(exponent) >= 1 << EXPONENT_BITS - 1:
        raise InputError("coordinates are too far from 0, relative to how they spread; use --lossless")
    choices = [_in_modes(whole, skeleton, graph.build_tree(skeleton), ((0, 1),), exponent)]
    if len(skeleton) > 2:
        edges, bits = graph.learn_tree(whole), _count_bits(len(skeleton))
        learned = [field for start, _, weight in edges for field in ((start, bits), (weight, graph.WEIGHT_BITS))]
        choices.append(_in_modes(whole, skeleton, edges, ((1, 1), *learned), exponent))
    return choices


def _in_modes(
    points: Floats, skeleton: Skeleton, edges: tuple[Edge, ...], tree: tuple[Field, ...], exponent: int
) -> BasisChoice:
    """The choice of a tree. tree: what is written of it. points: in units of 2 ** exponent."""
    count, dims = points.shape[1:]
    basis = GraphBasis(graph.compute_modes(count, edges), np.rint(points[0].mean(axis=0)))
    channels = basis.forward(points)
    prior = GraphPrior.fit(channels, dims)
    unit = exponent % (1 << EXPONENT_BITS), EXPONENT_BITS
    fields = (*tree, unit, *build_exp_golomb(basis.origin, GRAPH_ORIGIN_BITS), *prior.fields)
    return BasisChoice(
        basis, 2.0**-exponent, np.eye(dims), channels, prior.expand(count, dims), basis.pinned, fields, (),
        find_in_coco19(skeleton),
    )  # fmt: skip


def _read_graph(decoder: RangeDecoder, skeleton: Skeleton, dims: int) -> BasisChoice:
    """The mirror of `_in_modes`. Raises CorruptError."""
    count, edges = len(skeleton), graph.build_tree(skeleton)
    if decoder.get_bits(1):
        bits = _count_bits(count)
        edges = tuple((get_raw(decoder, bits), end, get_raw(decoder, graph.WEIGHT_BITS)) for end in range(1, count))
        if any(start >= count for start, _, _ in edges):
            raise CorruptError("a tree over keypoints that do not exist; get the file again")
    exponent = sign_extend(get_raw(decoder, EXPONENT_BITS), EXPONENT_BITS)
    origin = np.array([get_exp_golomb(decoder, GRAPH_ORIGIN_BITS) for _ in range(dims)], np.float64)
    prior = GraphPrior.read(decoder).expand(count, dims)
    basis = GraphBasis(graph.compute_modes(count, edges), origin)
    return BasisChoice(
        basis, 2.0**-exponent, np.eye(dims), NO_CHANNELS, prior, basis.pinned, (), (), find_in_coco19(skeleton)
    )


def _is_stiff(choice: BasisChoice, points: Floats, skeleton: Skeleton, error: float) -> bool:
    """Whether bones that keep their length make it cheaper than a graph for (T, K, D) as recorded."""
    whole = gaps.fill_from_centroid(points)[:PRICED_FRAMES]
    modes = graph.compute_modes(len(skeleton), graph.build_tree(skeleton))
    channels = GraphBasis(modes, whole[0].mean(axis=0)).forward(whole)
    bits = _estimate_bits(choice.channels, error * choice.scale * STIFF_STEPS)
    return bits < TRAINED_GAIN * _estimate_bits(channels, error * STIFF_STEPS)


def _estimate_price(choice: BasisChoice, error: float) -> float:
    """Bits of a basis of bones, about, with what it says of itself."""
    share = PRICED_FRAMES / max(len(choice.channels), 1)
    told = sum(bits for _, bits in choice.fields) * min(share, 1.0)
    return _estimate_bits(choice.channels, error * choice.scale * STIFF_STEPS) + told


def _estimate_bits(channels: Floats, step: float) -> float:
    """Bits that channels need at a step, about, by their first frames."""
    first = channels[:PRICED_FRAMES]
    return 0.5 * float(np.log2(1 + np.square(dct(len(first)) @ first * (ESTIMATE_GAIN / step))).sum())


def find_in_coco19(skeleton: Skeleton) -> tuple[int, ...] | None:
    """Which keypoints of coco19 a skeleton's are; None where it has others."""
    return find_places(skeleton, COCO19)


def _count_bits(count: int) -> int:
    """Bits of a keypoint's number below a count, at least 1."""
    return max(count - 1, 1).bit_length()
