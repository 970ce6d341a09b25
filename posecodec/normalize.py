"""Take a body's place, heading and size out of its keypoints, and put them back.

What remains is a body at the origin, upright, facing +z and about one unit large: what the network sees. What was taken
out becomes `Side`: whole numbers, the control points of uniform cubic B-splines over time (a straight walk costs next to
nothing, and the curve has no seams). The body is taken relative to the *quantized* heading and size, so their rounding
loses nothing; the rounding of the root is the codec's global error.

Works on one track in numpy; entropy coding of `Side` is `codec`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.skeleton import Skeleton

Floats = NDArray[np.float64]
RADIUS_SHARE = 0.135
"""Root mean square distance of a standing body's keypoints from its root, as a share of its summed bone lengths."""
LARGEST = 2**28
"""No control point may be larger: side information is coded as 32-bit integers."""


@dataclass(frozen=True)
class Normalization:
    """How a model normalizes; part of its weights.

    dims: 2 or 3. bones: (start, end, share of the body's size) of the edges whose lengths define the size in 3D.
    root_knots, heading_knots, scale_knots: frames between spline knots; 0 codes one constant (heading: none at all).
    root_steps: quantizer step of the root for 1, 2, ... levels, in body sizes. heading_step: radians.
    scale_step: of log2(size). thrift: see `quantized_spline`; only the encoder needs it.
    """

    dims: int
    bones: tuple[tuple[int, int, float], ...]
    root_knots: int
    heading_knots: int
    scale_knots: int
    root_steps: tuple[float, ...]
    heading_step: float
    scale_step: float
    thrift: float

    def root_step(self, levels: int) -> float:
        """The root's step, in body sizes, when that many quantizer levels are coded."""
        return self.root_steps[min(levels, len(self.root_steps)) - 1]


@dataclass(frozen=True, eq=False)
class Side:
    """Side information of one chunk: int32 control points.

    root: (n, D) in root steps x body size. heading: (m,), empty where the model has none. scale: (s,) of log2(size).
    """

    root: NDArray[np.int32]
    heading: NDArray[np.int32]
    scale: NDArray[np.int32]


def knot_count(frames: int, spacing: int) -> int:
    """Control points of a spline over that many frames; 1 where it is a constant."""
    return 1 if spacing == 0 else (frames - 1) // spacing + 4


def spline_basis(frames: int, spacing: int) -> Floats:
    """(frames, knot_count) weights of the uniform cubic B-spline (de Boor, "A Practical Guide to Splines", ch. IX)."""
    basis = np.zeros((frames, knot_count(frames, spacing)))
    if spacing == 0:
        basis[:, 0] = 1
        return basis
    time = np.arange(frames) / spacing
    first = time.astype(np.int64)
    u = time - first
    weights = ((1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3)
    for offset, weight in enumerate(weights):
        basis[np.arange(frames), first + offset] = weight / 6
    return basis


def fit_spline(values: Floats, weights: Floats, spacing: int, stiffness: float = 1e-2) -> Floats:
    """Control points (n, C) of the smooth curve nearest to values (T, C), weighted least squares.

    weights: (T,) >= 0; where all are 0 the curve is 0. `stiffness` penalizes second differences, which also fills gaps.
    """
    basis = spline_basis(len(values), spacing)
    normal = _normal_matrix(basis, weights, stiffness)
    target = (basis * weights[:, None]).T @ np.where(weights[:, None] > 0, values, 0.0)
    return np.asarray(np.linalg.solve(normal, target), np.float64)


def _normal_matrix(basis: Floats, weights: Floats, stiffness: float) -> Floats:
    count = basis.shape[1]
    bend = np.diff(np.eye(count), 2, axis=0) if count > 2 else np.zeros((0, count))
    return (basis * weights[:, None]).T @ basis + stiffness * bend.T @ bend + 1e-9 * np.eye(count)


def quantized_spline(
    values: Floats, weights: Floats, spacing: int, step: float, thrift: float, stiffness: float = 1e-2
) -> NDArray[np.int32]:
    """Whole control points (n, C) whose curve, times step, is near the values (T, C) and cheap to code.

    thrift: squared steps, summed over frames, that a bit is worth; 0 rounds to the nearest. Starting there, control
    points move by 1 while that lowers error + thrift x bits, where bits are those of the second differences that
    `entropy.curves` codes. Raises InputError if a point is too large to be coded.
    """
    control = fit_spline(values, weights, spacing, stiffness) / step
    points = np.rint(control)
    if not (np.abs(points) < LARGEST).all():
        raise InputError(
            f"a body lies {np.abs(points).max():.3g} quantizer steps from the origin, more than {LARGEST} can be coded; "
            "move the recording nearer to 0, or check its coordinates for outliers"
        )
    if thrift and len(points) > 2:
        _save_bits(points, control, _normal_matrix(spline_basis(len(values), spacing), weights, stiffness), thrift)
    return points.astype(np.int32)


@numba.njit(cache=True)
def _save_bits(points: Floats, control: Floats, normal: Floats, thrift: float) -> None:
    """Coordinate descent in place; see `quantized_spline`."""
    count, channels = points.shape
    for channel in range(channels):
        for _ in range(4):
            moved = False
            for k in range(count):
                slope = 0.0
                for j in range(count):
                    slope += normal[k, j] * (points[j, channel] - control[j, channel])
                before = _bits_near(points[:, channel], k)
                for move in (-1.0, 1.0):
                    points[k, channel] += move
                    gain = thrift * (before - _bits_near(points[:, channel], k))
                    if gain > 2 * move * slope + normal[k, k] + 1e-9:
                        moved = True
                        break
                    points[k, channel] -= move
            if not moved:
                break


@numba.njit(cache=True)
def _bits_near(points: Floats, k: int) -> float:
    """About how many bits the second differences cost that control point k (n,) has a part in."""
    bits = 0.0
    for j in range(max(k, 2), min(k + 3, len(points))):
        size = abs(points[j] - 2 * points[j - 1] + points[j - 2])
        bits += 0.5 if size == 0 else 1.2 + 1.6 * np.log2(1.0 + size)
    if k < 2:
        bits += 0.5 if points[1] == points[0] else 1.2 + 1.6 * np.log2(1.0 + abs(points[1] - points[0]))
    return bits


def upright(dims: int, up: str) -> Floats:
    """(D, D) orthonormal matrix that turns coordinates with that axis up into the network's: 3D y up, 2D y down.

    `up` is one of AXES but "unknown". In 3D it is a rotation; in 2D an image whose y points up is flipped.
    """
    axis = "xyz".index(up[-1])
    sign = -1.0 if up[0] == "-" else 1.0
    if dims == 2:
        return np.diag([1.0, -sign]) if axis == 1 else np.array([[0.0, 1.0], [-sign, 0.0]])
    vertical = np.eye(3)[axis] * sign
    across = np.eye(3)[0] if axis != 0 else np.eye(3)[1]
    return np.stack([across, vertical, np.cross(across, vertical)])


def guess_up(points: NDArray[np.float32], skeleton: Skeleton) -> str:
    """The axis along which the upper body stands above the hips, most often; y (2D: -y) where that cannot be told."""
    dims = points.shape[-1]
    top, bottom = _mean_of(points, skeleton, "shoulder"), _mean_of(points, skeleton, "hip")
    stem = top - bottom
    stem = stem[~np.isnan(stem).any(axis=-1)]
    if not len(stem) or not np.abs(mean := stem.mean(axis=0)).any():
        return "y" if dims == 3 else "-y"
    axis = int(np.abs(mean).argmax())
    return ("" if mean[axis] > 0 else "-") + "xyz"[axis]


def _mean_of(points: NDArray[np.float32], skeleton: Skeleton, part: str) -> Floats:
    """(T, D) mean of the left and right keypoint of that name; NaN where one is missing or there is none."""
    names = [f"left_{part}", f"right_{part}"]
    if not all(n in skeleton.keypoints for n in names):
        return np.full((len(points), points.shape[-1]), np.nan)
    return points[:, [skeleton.keypoints.index(n) for n in names]].astype(np.float64).mean(axis=1)


def headings(points: Floats, skeleton: Skeleton) -> tuple[Floats, Floats]:
    """Which way the body faces: angle about y in radians, 0 facing +z, unwrapped over time, and how sure it is.

    points: (T, K, 3), y up. The angle is that of the line from right to left, of hips and shoulders together.
    Returns (T,) angles and (T,) weights in [0, 1], 0 where a keypoint is missing or the line is upright.
    """
    lateral = np.zeros((len(points), 3))
    for part in ("hip", "shoulder"):
        left, right = (skeleton.keypoints.index(f"{side}_{part}") for side in ("left", "right"))
        lateral += points[:, left] - points[:, right]
    known = ~np.isnan(lateral).any(axis=-1)
    flat = np.where(known, np.hypot(lateral[:, 0], lateral[:, 2]), 0.0)
    weights = flat / max(flat.max(initial=0.0), 1e-9)
    known = weights > 1e-3
    angles = np.zeros(len(points))
    angles[known] = np.unwrap(np.arctan2(-lateral[known, 2], lateral[known, 0]))
    return angles, np.where(known, weights**2, 0.0)


def turn(points: Floats, angles: Floats) -> Floats:
    """Rotate (T, K, 3) about y by angles (T,): a body facing +z then faces the heading `angles`."""
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1)


def sizes(body: Floats, bones: tuple[tuple[int, int, float], ...]) -> tuple[Floats, Floats]:
    """log2 of the body's size in each frame, and its weight, 0 where it cannot be told.

    body: (T, K, D) relative to the root. In 3D, the summed length of the bones (missing ones made up for by their usual
    share), one value for all frames; in 2D, and where no bone is seen, from the keypoints' distances from the root.
    """
    squares = np.square(body).sum(axis=-1)
    count = (~np.isnan(squares)).sum(axis=-1)
    size: Floats = np.sqrt(np.nansum(squares, axis=-1) / np.maximum(count, 1))
    if body.shape[-1] == 3:
        size = np.full(len(body), _summed_bones(body, bones) or size.max(initial=0.0) / RADIUS_SHARE)
    known = size > 1e-20
    return np.where(known, np.log2(np.where(known, size, 1.0)), 0.0), np.asarray(known, np.float64)


def _summed_bones(body: Floats, bones: tuple[tuple[int, int, float], ...]) -> float:
    """Median length of all bones together; 0 where none is ever seen whole."""
    total, share = 0.0, 0.0
    for start, end, part in bones:
        length = np.linalg.norm(body[:, start] - body[:, end], axis=-1)
        length = length[~np.isnan(length)]
        if len(length):
            total, share = total + float(np.median(length)), share + part
    return total / share if share else 0.0


def roots(points: Floats, skeleton: Skeleton) -> tuple[Floats, NDArray[np.bool_]]:
    """(T, D) where the body is, and (T,) whether that was seen: the root keypoint; NaN where it is missing."""
    assert skeleton.root is not None
    root = points[:, skeleton.root]
    return root, ~np.isnan(root[:, 0])


def fallback_roots(points: Floats, root: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Roots with gaps filled: from the mean of the keypoints, shifted to agree where both are known."""
    if seen.all():
        return root
    count = (~np.isnan(points[..., 0])).sum(axis=1)
    center = np.nansum(points, axis=1) / np.maximum(count, 1)[:, None]
    both = seen & (count > 0)
    shift = (root[both] - center[both]).mean(axis=0) if both.any() else 0.0
    return np.where(seen[:, None], root, np.where(count[:, None] > 0, center + shift, np.nan))


def normalize(
    points: NDArray[np.float32], skeleton: Skeleton, how: Normalization, up: str, levels: int
) -> tuple[NDArray[np.float32], Side]:
    """Separate one track into a normalized body and side information.

    points: (T, K, D) in any unit, NaN where missing; `up` as for `upright`; `levels` chooses the root's step.
    Returns the body (T, K, D) float32, NaN where missing, and its Side. Raises InputError where coordinates are so far
    from 0, relative to the body, that they cannot be coded.
    """
    world = points.astype(np.float64) @ upright(how.dims, up).T
    frames = len(world)
    root, seen = roots(world, skeleton)
    root = fallback_roots(world, root, seen)
    known = ~np.isnan(root[:, 0])
    log_size, weight = sizes(world - root[:, None], how.bones)
    scale = quantized_spline(log_size[:, None], weight, how.scale_knots, how.scale_step, how.thrift, 1.0)[:, 0]
    size = _curve(scale, frames, how.scale_knots, how.scale_step, exponent=True)
    unit = how.root_step(levels) * size.mean()
    path = quantized_spline(root, known.astype(np.float64), how.root_knots, unit, how.thrift)
    heading = np.zeros(0, np.int32)
    if how.heading_knots:
        angles, sure = headings(world, skeleton)
        heading = quantized_spline(angles[:, None], sure, how.heading_knots, how.heading_step, how.thrift)[:, 0]
    body = world - np.where(seen[:, None], root, _curve(path, frames, how.root_knots, unit))[:, None]
    if how.heading_knots:
        body = turn(body, -_curve(heading, frames, how.heading_knots, how.heading_step))
    return (body / size[:, None, None]).astype(np.float32), Side(path, heading, scale)


def _curve(control: NDArray[np.int32], frames: int, spacing: int, step: float, exponent: bool = False) -> Floats:
    """Values of the quantized spline at every frame: (T,) or (T, C)."""
    values = spline_basis(frames, spacing) @ (control * step)
    return np.exp2(values) if exponent else values


def denormalize(body: NDArray[np.float32], side: Side, how: Normalization, up: str, levels: int) -> NDArray[np.float32]:
    """The mirror of `normalize`: (T, K, D) in the recording's own unit and axes."""
    frames = len(body)
    size = _curve(side.scale, frames, how.scale_knots, how.scale_step, exponent=True)
    world = body.astype(np.float64) * size[:, None, None]
    if how.heading_knots:
        world = turn(world, _curve(side.heading, frames, how.heading_knots, how.heading_step))
    unit = how.root_step(levels) * size.mean()
    world = world + _curve(side.root, frames, how.root_knots, unit)[:, None]
    return (world @ upright(how.dims, up)).astype(np.float32)
