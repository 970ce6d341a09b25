"""A chunk of one person's motion as side information and windows of quantized values, and back.

`write` and `read` mirror each other; docs/bitstream.md specifies them. What is decoded here is what the tokens alone say;
the network that refines it comes after (`tokenizer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import build_exp_golomb, get_exp_golomb, get_raw, put_raw
from posecodec.coders.tokens.grid import LONGEST, options
from posecodec.coders.transform.basis_choice import filled
from posecodec.coders.transform.plan_polar import bridged, polar_scale, rested
from posecodec.coders.windows.bitplanes import LAST_INDEX
from posecodec.coders.windows.deblocking import smoothed
from posecodec.coders.windows.frequency_bands import Bands, choose_lengths, spans
from posecodec.coders.windows.prior import LARGEST, Coder, Prior
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.kinematics.body_model import Body, Motion, State
from posecodec.kinematics.bones import PolarTables
from posecodec.pose.orientation import upright
from posecodec.signal.quantization import step_of_qp
from posecodec.typing import Floats, Ints

SCALE_STEPS = 32
SCALE_LOW, TURN_BITS, ORIGIN_LOW, INDEX_BITS = 3, 6, 6, 9
MOST_SCALE = 1 << 11
"""Magnitude that no scale reaches: `polar_scale` and `_scale` keep below it."""
ORIGIN_STEP = 32.0
"""A place is coded to this many mm of a usual body; the windows tell the rest."""
FARTHEST = 2**28
USUAL_SPREAD = 530.0
"""Root mean square distance of a body's keypoints from their center in 2D, when it has the usual size."""
UNIT_SCALES = {"mm": 0, "cm": 106, "m": 319, "in": 149, "px": 60, "unknown": 0}
"""Scale that is expected in a unit: the side information says what differs."""
THRIFT = 0.12
"""Squared steps that a bit is worth to the encoder."""


@dataclass(frozen=True, eq=False)
class Tables:
    """All that is learned but the network."""

    body: Body
    bands: Bands
    prior: Prior

    @cached_property
    def polar(self) -> PolarTables:
        """The bones, as the transform's helpers take them."""
        return PolarTables(self.body.usual, self.body.lengths, np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class Side:
    """What windows do not say. scale: size in 1/32 octaves to the usual one. turn: first heading, 64ths of a turn.

    origin: (D,) whole steps of 32 mm where the center begins, 0 for the height in 3D.
    """

    scale: int
    turn: int
    origin: Ints


@dataclass(frozen=True, eq=False)
class Latents:
    """A chunk's integers. index: of the step. lengths: (t,) frames of the windows.

    values: (t, ROWS, C) int32. places: (t, ROWS, C) what they stand for, in steps.
    """

    side: Side
    index: int
    lengths: tuple[int, ...]
    values: NDArray[np.int32]
    places: Floats


def prepare(points: NDArray[np.floating], tables: Tables, up: str) -> tuple[Motion, Side]:
    """A body (T, K, D) as recorded, NaN where missing, as a motion of usual size, and its side information.

    Raises InputError where it is so far from 0 that its place cannot be coded.
    """
    body = tables.body
    world = points.astype(np.float64) @ upright(body.dims, up).T
    scale = _scale(world, tables)
    world = _whole(world * 2.0 ** (scale / SCALE_STEPS), tables)
    motion = body.analyze(world)
    origin = np.rint(motion.center[0] / ORIGIN_STEP)
    if body.dims == 3:
        origin[1] = 0
    if not np.abs(motion.center[0]).max() < FARTHEST * ORIGIN_STEP:
        raise InputError(
            f"a body lies {np.abs(origin).max():.3g} steps of {ORIGIN_STEP:g} from the origin, more than {FARTHEST} "
            "cannot be coded; move the recording nearer to 0, or check its coordinates for outliers"
        )
    turn = int(np.rint(motion.angle[0] / (2 * np.pi) * (1 << TURN_BITS))) % (1 << TURN_BITS)
    return motion, Side(scale, turn, origin.astype(np.int64))


def _scale(world: Floats, tables: Tables) -> int:
    """1/32 octaves that bring a body to the usual size; 0 where it has none."""
    if tables.body.dims == 3:
        found = polar_scale(world, tables.polar, tables.body.tree)
        if found is not None:
            return found
    seen = ~np.isnan(world[..., :1])
    count = np.maximum(seen.sum(axis=1), 1)
    center = np.nansum(world, axis=1) / count
    square = np.nansum(np.square(world - center[:, None]), axis=(1, 2)) / count[:, 0]
    spread = float(np.sqrt(np.median(square[seen.any(axis=(1, 2))]))) if seen.any() else 0.0
    if not 1e-15 < spread < 1e15:
        return 0
    return int(np.rint(SCALE_STEPS * np.log2(USUAL_SPREAD / spread)))


def _whole(world: Floats, tables: Tables) -> Floats:
    """Gaps bridged; keypoints never seen where a usual body has them."""
    body = tables.body
    if not np.isnan(world).any():
        return world
    if body.dims == 3:
        return rested(bridged(world, body.tree), tables.polar, body.tree)
    whole = filled(world)
    shape = body.rest.reshape(-1, 2)
    seen = ~np.isnan(whole[0, :, 0])
    if not seen.any():
        return np.broadcast_to(shape, world.shape).copy()
    middle = (whole[:, seen] - shape[seen]).mean(axis=1)
    return np.where(seen[:, None], whole, shape + middle[:, None])


def write_side(encoder: RangeEncoder, side: Side, index: int, unit: str, dims: int) -> None:
    """Size, heading, place and step."""
    numbers = np.array([side.scale - UNIT_SCALES.get(unit, 0)], np.float64)
    for value, bits in build_exp_golomb(numbers, SCALE_LOW):
        put_raw(encoder, value, bits)
    if dims == 3:
        put_raw(encoder, side.turn, TURN_BITS)
    for value, bits in build_exp_golomb(_told(side.origin).astype(np.float64), ORIGIN_LOW):
        put_raw(encoder, value, bits)
    put_raw(encoder, index, INDEX_BITS)


def read_side(decoder: RangeDecoder, unit: str, dims: int) -> tuple[Side, int]:
    """The mirror of `write_side`. Raises CorruptError."""
    scale = get_exp_golomb(decoder, SCALE_LOW) + UNIT_SCALES.get(unit, 0)
    if abs(scale) >= MOST_SCALE:
        raise CorruptError("a body of a size that none can have; get the file again")
    turn = get_raw(decoder, TURN_BITS) if dims == 3 else 0
    origin = np.zeros(dims, np.int64)
    for axis in (0, 2) if dims == 3 else (0, 1):
        origin[axis] = get_exp_golomb(decoder, ORIGIN_LOW)
    return Side(scale, turn, origin), get_raw(decoder, INDEX_BITS)


def _told(origin: Ints) -> Ints:
    return origin[[0, 2]] if len(origin) == 3 else origin


def choose(
    motion: Motion, side: Side, index: int, tables: Tables, thrift: float = THRIFT, longest: int = LONGEST
) -> Latents:
    """Windows and values for a motion at the step of an index, 0 .. LAST_INDEX, that cost little in error and bits."""
    assert 0 <= index <= LAST_INDEX
    step = step_of_qp(index)
    coder, state = Coder.of(tables.prior, index), _start(side, tables.body)
    lengths = choose_lengths(tables.body.local(motion, state), step, longest)
    values, places = [], []
    for start, length in spans(lengths):
        later = start > 0
        channels = tables.body.local(motion.part(start, length), state)
        targets = np.clip(tables.bands.forward(channels, later) / step, -LARGEST, LARGEST)
        picked, stands_for = coder.choose(targets, length, later, thrift)
        values.append(picked)
        places.append(stands_for)
        state = tables.body.world(tables.bands.inverse(stands_for * step, length, later), state).at(-1)
    return Latents(side, index, lengths, np.stack(values), np.stack(places))


def write(encoder: RangeEncoder, latents: Latents, tables: Tables, unit: str) -> None:
    """Code a chunk's integers."""
    write_side(encoder, latents.side, latents.index, unit, tables.body.dims)
    coder = Coder.of(tables.prior, latents.index)
    frames = sum(latents.lengths)
    for (start, length), values in zip(spans(latents.lengths), latents.values, strict=True):
        choice = options(frames - start)
        encoder.put_uniform(choice.index(length), len(choice))
        coder.encode(encoder, values, length, start > 0)


def read(decoder: RangeDecoder, frames: int, tables: Tables, unit: str) -> Latents:
    """The mirror of `write`. Raises CorruptError."""
    side, index = read_side(decoder, unit, tables.body.dims)
    coder, start = Coder.of(tables.prior, index), 0
    lengths, found = [], []
    while start < frames:
        choice = options(frames - start)
        place = decoder.get_uniform(len(choice))
        lengths.append(choice[place])
        found.append(coder.decode(decoder, choice[place], start > 0))
        start += choice[place]
    return Latents(side, index, tuple(lengths), np.stack([v for v, _ in found]), np.stack([p for _, p in found]))


def meant(values: NDArray[np.int32], lengths: tuple[int, ...], side: Side, index: int, tables: Tables) -> Latents:
    """Latents of values alone (t, ROWS, C), such as tokens tell."""
    coder = Coder.of(tables.prior, index)
    places = [
        coder.stands_for(window, length, start > 0)
        for window, (start, length) in zip(values, spans(lengths), strict=True)
    ]
    return Latents(side, index, lengths, values, np.stack(places))


def motion_of(latents: Latents, tables: Tables) -> Motion:
    """What latents say, at the usual size, upright, joins smoothed."""
    state, step = _start(latents.side, tables.body), step_of_qp(latents.index)
    parts = []
    for (start, length), places in zip(spans(latents.lengths), latents.places, strict=True):
        channels = tables.bands.inverse(places * step, length, start > 0)
        parts.append(tables.body.world(channels, state))
        state = parts[-1].at(-1)
    motion = Motion(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("shape", "angle", "center")))
    return smoothed(motion, latents.lengths, latents.index)


def placed(points: Floats, side: Side, dims: int, up: str) -> Floats:
    """The mirror of `prepare`: keypoints (T, K, D) of usual size in the recording's own unit and axes."""
    return np.asarray(points * 2.0 ** (-side.scale / SCALE_STEPS) @ upright(dims, up))


def _start(side: Side, body: Body) -> State:
    return body.start(side.turn * 2 * np.pi / (1 << TURN_BITS), np.asarray(side.origin * ORIGIN_STEP, np.float64))
