"""A chunk of one person's motion as side information and windows of quantized values, and back.

`write` and `read` mirror each other; docs/bitstream.md specifies them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecodec.bitstream.exp_golomb import build_exp_golomb, get_exp_golomb, get_raw, put_raw
from posecodec.coders.windows.deblocking import deblock
from posecodec.coders.windows.frequency_bands import WINDOW_PRICE
from posecodec.coders.windows.lengths import LONGEST, WINDOW_LENGTHS
from posecodec.coders.windows.prior import LARGEST, PriorCoder
from posecodec.coders.windows.weights import WindowTables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.kinematics.body_model import Body, Motion, State
from posecodec.kinematics.bones import MAX_SCALE, SCALE_STEPS_PER_OCTAVE, measure_scale, scale_of_steps
from posecodec.kinematics.gap_filling import fill_from_rest_pose, interpolate_bones, interpolate_gaps
from posecodec.pose.orientation import upright
from posecodec.signal.quantization import step_of_qp
from posecodec.signal.segmentation import choose_lengths, list_spans
from posecodec.typing import Floats, Ints

SCALE_LOW = 3  # Low bits of the scale, which differs from what its unit lets expect
HEADING_BITS = 6  # Of the first heading: 64ths of a turn, 5.6 degrees; the windows tell the rest
ORIGIN_LOW = 6  # Low bits of a place: up to 64 steps of ORIGIN_STEP, 2 m, without an escape
QP_BITS = 9  # 0 .. LAST_QP: steps of whole units of a channel, and coarser.
LAST_QP = (1 << QP_BITS) - 1  # A step of 2**32 is larger than any body
ORIGIN_STEP = 32.0  # A place is coded to this many mm of a usual body; the windows tell the rest
FARTHEST = 2**28  # Steps of ORIGIN_STEP from 0 that a body may be: what the code of a place can tell
USUAL_SPREAD = 530.0  # Root mean square distance of keypoints from their center in 2D, of a body of the usual size
SPREADS = (1e-15, 1e15)  # Between these a body in 2D has a size that a scale can tell, in the recording's unit
UNIT_SCALES = {"mm": 0, "cm": 106, "m": 319, "in": 149, "px": 60, "unknown": 0}
"""Scale that is expected in a unit: the side information says what differs."""
RD_LAMBDA = 0.12  # Squared steps that a bit is worth: 0.10 to 0.14 lie on one curve, 0.19 loses (log of 2026-11-24)


@dataclass(frozen=True, eq=False)
class SideInfo:
    """What windows do not say. scale: size in 1/32 octaves to the usual one. heading: the first, in 64ths of a turn.

    origin: (D,) whole steps of 32 mm where the center begins, 0 for the height in 3D.
    """

    scale: int
    heading: int
    origin: Ints


@dataclass(frozen=True, eq=False, repr=False)
class QuantizedMotion:
    """A chunk's integers. qp: of the step. lengths: (t,) frames of the windows.

    values: (t, ROWS, C) int32. centroids: (t, ROWS, C) what they stand for, in steps.
    """

    side_info: SideInfo
    qp: int
    lengths: tuple[int, ...]
    values: NDArray[np.int32]
    centroids: Floats


def analyze(points: NDArray[np.floating], tables: WindowTables, up: str) -> tuple[Motion, SideInfo]:
    """A body (T, K, D) as recorded, NaN where missing, as a motion of usual size, and its side information.

    Raises InputError where it is so far from 0 that its place cannot be coded.
    """
    body = tables.body
    world = points.astype(np.float64) @ upright(body.dims, up).T
    scale = _measure_scale(world, tables)
    world = _fill_gaps(world * scale_of_steps(scale), tables)
    motion = body.analyze(world)
    origin = np.rint(motion.center[0] / ORIGIN_STEP)
    if body.dims == 3:
        origin[1] = 0
    if not np.abs(motion.center[0]).max() < FARTHEST * ORIGIN_STEP:
        raise InputError(
            f"a body lies {np.abs(origin).max():.3g} steps of {ORIGIN_STEP:g} from the origin, more than {FARTHEST} "
            "cannot be coded; move the recording nearer to 0, or check its coordinates for outliers"
        )
    heading = int(np.rint(motion.angle[0] / (2 * np.pi) * (1 << HEADING_BITS))) % (1 << HEADING_BITS)
    return motion, SideInfo(scale, heading, origin.astype(np.int64))


def _measure_scale(world: Floats, tables: WindowTables) -> int:
    """1/32 octaves that bring a body to the usual size; 0 where it has none."""
    if tables.body.dims == 3:
        found = measure_scale(world, tables.body.bones.lengths, tables.body.tree)
        if found is not None:
            return found
    seen = ~np.isnan(world[..., :1])
    count = np.maximum(seen.sum(axis=1), 1)
    center = np.nansum(world, axis=1) / count
    square = np.nansum(np.square(world - center[:, None]), axis=(1, 2)) / count[:, 0]
    spread = float(np.sqrt(np.median(square[seen.any(axis=(1, 2))]))) if seen.any() else 0.0
    usable = SPREADS[0] < spread < SPREADS[1]
    return int(np.rint(SCALE_STEPS_PER_OCTAVE * np.log2(USUAL_SPREAD / spread))) if usable else 0


def _fill_gaps(world: Floats, tables: WindowTables) -> Floats:
    """Gaps bridged; keypoints never seen where a usual body has them."""
    body = tables.body
    if not np.isnan(world).any():
        return world
    if body.dims == 3:
        return fill_from_rest_pose(interpolate_bones(world, body.tree), body.bones, body.tree)
    whole, shape = interpolate_gaps(world), body.rest_shape.reshape(-1, 2)
    seen = ~np.isnan(whole[0, :, 0])
    if not seen.any():
        return np.asarray(np.broadcast_to(shape, world.shape).copy())
    middle = (whole[:, seen] - shape[seen]).mean(axis=1)
    return np.where(seen[:, None], whole, shape + middle[:, None])


def write_side_info(encoder: RangeEncoder, side_info: SideInfo, qp: int, unit: str, dims: int) -> None:
    """Size, heading, place and step."""
    scale = build_exp_golomb(np.array([side_info.scale - UNIT_SCALES.get(unit, 0)], np.float64), SCALE_LOW)
    heading = [(side_info.heading, HEADING_BITS)] if dims == 3 else []
    origin = build_exp_golomb(side_info.origin[[0, dims - 1]].astype(np.float64), ORIGIN_LOW)
    for value, bits in (*scale, *heading, *origin, (qp, QP_BITS)):
        put_raw(encoder, value, bits)


def read_side_info(decoder: RangeDecoder, unit: str, dims: int) -> tuple[SideInfo, int]:
    """The mirror of `write_side_info`. Raises CorruptError."""
    scale = get_exp_golomb(decoder, SCALE_LOW) + UNIT_SCALES.get(unit, 0)
    if abs(scale) >= MAX_SCALE:
        raise CorruptError("a body of a size that none can have; get the file again")
    heading = get_raw(decoder, HEADING_BITS) if dims == 3 else 0
    origin = np.zeros(dims, np.int64)
    for axis in (0, dims - 1):
        origin[axis] = get_exp_golomb(decoder, ORIGIN_LOW)
    return SideInfo(scale, heading, origin), get_raw(decoder, QP_BITS)


def quantize(
    motion: Motion, side_info: SideInfo, qp: int, tables: WindowTables, rd_lambda: float = RD_LAMBDA,
    longest: int = LONGEST,
) -> QuantizedMotion:  # fmt: skip
    """Windows and values for a motion at the step of a QP, 0 .. LAST_QP, that cost little in error and bits."""
    assert 0 <= qp <= LAST_QP
    step = step_of_qp(qp)
    coder, state = PriorCoder.start(tables.prior, qp), _start_state(side_info, tables.body)
    lengths = choose_lengths(tables.body.to_local(motion, state), step, WINDOW_LENGTHS, WINDOW_PRICE, longest)
    windows = []
    for start, length in list_spans(lengths):
        later = start > 0
        channels = tables.body.to_local(motion.cut(start, length), state)
        targets = np.clip(tables.bands.forward(channels, later) / step, -LARGEST, LARGEST)
        windows.append(coder.quantize(targets, length, later, rd_lambda))
        meant = windows[-1][1]
        state = tables.body.to_world(tables.bands.inverse(meant * step, length, later), state).state_at(-1)
    return QuantizedMotion(side_info, qp, lengths, *map(np.stack, zip(*windows, strict=True)))


def write(encoder: RangeEncoder, quantized: QuantizedMotion, tables: WindowTables, unit: str) -> None:
    """Code a chunk's integers."""
    write_side_info(encoder, quantized.side_info, quantized.qp, unit, tables.body.dims)
    coder = PriorCoder.start(tables.prior, quantized.qp)
    frames = sum(quantized.lengths)
    for (start, length), values in zip(list_spans(quantized.lengths), quantized.values, strict=True):
        choice = WINDOW_LENGTHS.list_options(frames - start)
        encoder.put_uniform(choice.index(length), len(choice))
        coder.encode(encoder, values, length, start > 0)


def read(decoder: RangeDecoder, frames: int, tables: WindowTables, unit: str) -> QuantizedMotion:
    """The mirror of `write`. Raises CorruptError."""
    side_info, qp = read_side_info(decoder, unit, tables.body.dims)
    coder, start, windows = PriorCoder.start(tables.prior, qp), 0, []
    while start < frames:
        choice = WINDOW_LENGTHS.list_options(frames - start)
        length = choice[decoder.get_uniform(len(choice))]
        windows.append((length, *coder.decode(decoder, length, start > 0)))
        start += length
    lengths, values, centroids = zip(*windows, strict=True)
    return QuantizedMotion(side_info, qp, lengths, np.stack(values), np.stack(centroids))


def reconstruct(quantized: QuantizedMotion, tables: WindowTables) -> Motion:
    """What the integers say, at the usual size, upright, seams smoothed."""
    state, step = _start_state(quantized.side_info, tables.body), step_of_qp(quantized.qp)
    parts = []
    for (start, length), centroids in zip(list_spans(quantized.lengths), quantized.centroids, strict=True):
        channels = tables.bands.inverse(centroids * step, length, start > 0)
        parts.append(tables.body.to_world(channels, state))
        state = parts[-1].state_at(-1)
    motion = Motion(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("shape", "angle", "center")))
    return deblock(motion, quantized.lengths, quantized.qp)


def to_world(points: Floats, side_info: SideInfo, dims: int, up: str) -> Floats:
    """The mirror of `analyze`: keypoints (T, K, D) of usual size in the recording's own unit and axes."""
    return np.asarray(points * scale_of_steps(-side_info.scale) @ upright(dims, up))


def _start_state(side_info: SideInfo, body: Body) -> State:
    angle = side_info.heading * 2 * np.pi / (1 << HEADING_BITS)
    return body.start_at(angle, np.asarray(side_info.origin * ORIGIN_STEP, np.float64))
