"""Keypoints to heatmaps and back: Gaussians rendered at sub-pixel centers, and read out again at sub-pixel accuracy.

Coordinates here are normalized: 0 is the middle of the grid and `extent` its half width, so pixel i of W is centered at
(i + 0.5 - W / 2) * 2 * extent / W. "Pixel coordinates" count in pixels with pixel i centered at i.

A 3D keypoint is seen on three axis planes (xy, zy, xz), so every axis is read out twice; the two are averaged. A Gaussian
of sigma 1 px is a band-limited function, so a small grid holds its center exactly: the logarithm is a parabola, and
fitting that parabola to the 5 x 5 pixels around the peak gives the center back (the distribution-aware decoding of
Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, by least squares
in place of their Taylor expansion). It stays exact next to the border, where a mean of pixel positions would not.

Left out: real cameras (`train.cameras` projects 3D data to images) and everything about tokens.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec.kernels import allocating_kernel, kernel

PLANES: dict[int, tuple[tuple[int, int], ...]] = {2: ((0, 1),), 3: ((0, 1), (2, 1), (0, 2))}
"""Axes (horizontal, vertical) of every plane for 2D and 3D points."""

RADIUS = 2  # Pixels on each side of the peak that the parabola is fitted to: two sigma of what is rendered
EMPTY = 1e-3  # A channel whose highest value is below this holds no keypoint
FLATTEST = 0.125
"""Least bend of a parabola, times sigma squared: a quarter of the 0.5 of a rendered Gaussian's logarithm."""
REACH = 4.0  # Pixels from the peak that a vertex may lie away at most
CAMERA_TILT = 0.3  # Radians by which the cameras of `to_cameras` look down
CAMERA_DISTANCE = 4  # Extents that they stand away


def to_pixels(points: Tensor, grid: int, extent: float) -> Tensor:
    """Plane centers in pixel coordinates.

    points: (..., K, D) normalized, D 2 or 3. Returns (..., V, K, 2), V planes (1 or 3), last axis (horizontal, vertical).
    """
    centers = torch.stack([points[..., list(axes)] for axes in PLANES[points.shape[-1]]], dim=-3)
    return centers * (grid / (2 * extent)) + (grid - 1) / 2


def to_cameras(points: Tensor, cameras: int, grid: int, extent: float) -> Tensor:
    """Pixel coordinates (..., V, K, 2) of normalized 3D points (..., K, 3) in V cameras around the body.

    They stand evenly on a circle 4 extents away, a little above, and look at the origin.
    """
    views = []
    for v in range(cameras):
        turn, tilt = 2 * math.pi * v / cameras, CAMERA_TILT
        cos, sin = math.cos(turn), math.sin(turn)
        x, y, z = points.unbind(-1)
        across, depth = cos * x - sin * z, sin * x + cos * z
        up, depth = math.cos(tilt) * y - math.sin(tilt) * depth, math.sin(tilt) * y + math.cos(tilt) * depth
        near = CAMERA_DISTANCE * extent / (CAMERA_DISTANCE * extent - depth)
        views.append(torch.stack([across * near, -up * near], dim=-1))
    return torch.stack(views, dim=-3) * (grid / (2 * extent)) + (grid - 1) / 2


def from_pixels(centers: Tensor, grid: int, extent: float) -> Tensor:
    """The mirror of `to_pixels`; both estimates of an axis are averaged. (..., V, K, 2) -> (..., K, D)."""
    values = (centers - (grid - 1) / 2) * (2 * extent / grid)
    if centers.shape[-3] == 1:
        return values[..., 0, :, :]
    seen = ([values[..., v, :, axes.index(d)] for v, axes in enumerate(PLANES[3]) if d in axes] for d in range(3))
    return torch.stack([(first + second) / 2 for first, second in seen], dim=-1)


def _render_profiles(centers: Tensor, grid: int, sigma: float) -> tuple[Tensor, Tensor]:
    """Log of the Gaussian along each image axis: two tensors (..., grid), horizontal and vertical."""
    pixels = torch.arange(grid, dtype=centers.dtype, device=centers.device)
    logs = (centers.unsqueeze(-1) - pixels).square() * (-0.5 / sigma**2)
    return logs[..., 0, :], logs[..., 1, :]


def render_profiles(centers: Tensor, grid: int, sigma: float = 1.0) -> tuple[Tensor, Tensor]:
    """The Gaussians of `render` as two factors (..., grid), vertical and horizontal; zeros at a NaN center."""
    across, down = (torch.nan_to_num(logs.exp(), nan=0.0) for logs in _render_profiles(centers, grid, sigma))
    return down, across


def render(centers: Tensor, grid: int, sigma: float = 1.0) -> Tensor:
    """Gaussians of height 1 at sub-pixel centers; a NaN center gives an empty channel.

    centers: (..., 2) pixel coordinates. Returns (..., grid, grid) in [0, 1], vertical axis first.
    """
    down, across = render_profiles(centers, grid, sigma)
    return down.unsqueeze(-1) * across.unsqueeze(-2)


def render_log(centers: Tensor, grid: int, sigma: float = 1.0) -> Tensor:
    """Logarithm of `render`: what the decoder adds its correction to. (..., 2) -> (..., grid, grid)."""
    across, down = _render_profiles(centers, grid, sigma)
    return down.unsqueeze(-1) + across.unsqueeze(-2)


def render_limbs(centers: Tensor, edges: Tensor, grid: int, sigma: float = 0.75) -> Tensor:
    """One channel per limb: a Gaussian profile of the distance to the segment between its two keypoints.

    centers: (..., K, 2) pixel coordinates; edges: (E, 2) indices. Returns (..., E, grid, grid); empty where an end is NaN.
    Source: the paper (arXiv 2509.19252), which draws limbs of sigma 0.75 px on a grid of 128.
    """
    start, end = centers[..., edges[:, 0], :], centers[..., edges[:, 1], :]
    axis = torch.arange(grid, dtype=centers.dtype, device=centers.device)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    along = (end - start)[..., None, None, :]
    offset = pixels - start[..., None, None, :]
    share = (offset * along).sum(-1) / along.square().sum(-1).clamp_min(1e-9)
    gap = (offset - share.clamp(0, 1).unsqueeze(-1) * along).square().sum(-1)
    return torch.nan_to_num((gap * (-0.5 / sigma**2)).exp(), nan=0.0)


def fill_gaps(points: Tensor, there: Tensor, rest: Tensor) -> Tensor:
    """Keypoints for a path that cannot see emptiness: gaps bridged by straight lines, ends held.

    points: (B, T, K, D), any value where not `there` (B, T, K); rest: (K, D) for keypoints that are nowhere there.
    """
    if bool(there.all()):
        return points
    frames = points.shape[1]
    time = torch.arange(frames, device=points.device)[None, :, None].expand(there.shape)
    before = torch.where(there, time, -1).cummax(dim=1).values
    after = torch.where(there, time, frames).flip(1).cummin(dim=1).values.flip(1)
    never = (before < 0) & (after >= frames)
    low = torch.where(before < 0, after, before).clamp(0, frames - 1)
    high = torch.where(after >= frames, before, after).clamp(0, frames - 1)
    share = ((time - low) / (high - low).clamp_min(1)).clamp(0, 1).unsqueeze(-1)
    first, last = (points.gather(1, i.unsqueeze(-1).expand(points.shape)) for i in (low, high))
    return torch.where(never.unsqueeze(-1), rest, first + (last - first) * share)


def read_out(logs: NDArray[np.float32], sigma: float = 1.0, empty: float = EMPTY) -> NDArray[np.float32]:
    """Sub-pixel argmax of log-heatmaps: the peak pixel, then the parabola of its 5 x 5 window.

    logs: (N, grid, grid) float32, grid >= 5. Returns pixel coordinates (N, 2) float32, NaN where no value is above
    log(empty); empty = 0 finds a peak in every channel. On rendered Gaussians the error is below 0.01 px, also next to
    the border.
    """
    threshold = float(np.log(empty)) if empty > 0 else -np.inf
    return np.asarray(_read_out(np.ascontiguousarray(logs, dtype=np.float32), threshold, FLATTEST / sigma**2))


def read_corrected(points: Tensor, correction: Tensor, grid: int, extent: float, sigma: float) -> Tensor:
    """Points (..., K, D) read out of their own log-heatmaps and a correction of these, (..., C, grid, grid)."""
    centers = to_pixels(points, grid, extent)
    logs = render_log(centers, grid, sigma)
    logs += correction.reshape(logs.shape)
    found = read_out(logs.flatten(0, -3).cpu().numpy(), sigma, empty=0)
    return from_pixels(torch.from_numpy(found).reshape(centers.shape), grid, extent)


@allocating_kernel
def _read_out(logs: NDArray[np.float32], threshold: float, flattest: float) -> NDArray[np.float32]:
    count, grid, _ = logs.shape
    centers = np.empty((count, 2), np.float32)
    for n in range(count):
        best, row, column = logs[n, 0, 0], 0, 0
        for i in range(grid):
            for j in range(grid):
                if logs[n, i, j] > best:
                    best, row, column = logs[n, i, j], i, j
        if not best > threshold:
            centers[n] = np.nan
            continue
        row = min(max(row, RADIUS), grid - 1 - RADIUS)
        column = min(max(column, RADIUS), grid - 1 - RADIUS)
        slope_x = slope_y = bend_x = bend_y = 0.0
        for i in range(-RADIUS, RADIUS + 1):
            for j in range(-RADIUS, RADIUS + 1):
                value = np.float64(logs[n, row + i, column + j])
                slope_x += j * value
                slope_y += i * value
                bend_x += (j * j - 2) * value
                bend_y += (i * i - 2) * value
        centers[n, 0] = column + _find_vertex(slope_x / 50, bend_x / 70, flattest)
        centers[n, 1] = row + _find_vertex(slope_y / 50, bend_y / 70, flattest)
    return centers


@kernel
def _find_vertex(slope: float, bend: float, flattest: float) -> float:
    vertex = -slope / (2 * min(bend, -flattest))
    return min(max(vertex, -REACH), REACH)
