"""Between keypoints and the pixels of a grid of heatmaps, for each kind of view, and back.

Points are in pixels from the middle of their window's box, (..., K, D); centers are pixel coordinates, (..., V, K, 2). A
"circle" of cameras around the box sees 3D; where the heatmaps of several of them put a keypoint is met by least squares.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from posecodec.networks import heatmap
from posecodec.networks.grid_config import GridConfig, Volume
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.networks.limb_maps import draw_volume

CIRCLE_ROOM = 0.75  # Scale that leaves what is nearer to a camera of the circle, and larger, on the grid
STEADY = 1e-6  # Added to what triangulation solves by, so that one view has a solution
LEAST = 1e-12  # Of a heatmap's values, before the logarithm


def see(points: Tensor, config: GridConfig, volume: Volume) -> Tensor:
    """Centers of points, in views that a box tells all of: "image", "planes", "circle"."""
    half = config.grid / 2
    if volume.views == "circle":
        return heatmap.to_cameras(points * CIRCLE_ROOM, volume.cameras, config.grid, half)
    return heatmap.to_pixels(points, config.grid, half)


def locate(centers: Tensor, config: GridConfig, volume: Volume) -> Tensor:
    """The mirror of `see`."""
    half = config.grid / 2
    if volume.views == "circle":
        return triangulate(centers - (config.grid - 1) / 2, half) / CIRCLE_ROOM
    return heatmap.from_pixels(centers, config.grid, half)


def triangulate(centers: Tensor, extent: float, there: Tensor | None = None) -> Tensor:
    """Points (..., K, 3) of what the cameras of `heatmap.to_cameras` see, (..., V, K, 2) from the middle of the image, in the
    unit of the extent: the linear method of Hartley and Sturm ("Triangulation", 1997).

    there: (..., V, K) which views see a keypoint, all if not told; one that less than two see becomes anything.
    """
    count, away = centers.shape[-3], heatmap.CAMERA_DISTANCE * extent
    sin_tilt, cos_tilt = math.sin(heatmap.CAMERA_TILT), math.cos(heatmap.CAMERA_TILT)
    rows, values = [], []
    for view in range(count):
        turn = 2 * math.pi * view / count
        cos, sin = math.cos(turn), math.sin(turn)
        depth = centers.new_tensor([cos_tilt * sin, sin_tilt, cos_tilt * cos])
        axes = (centers.new_tensor([cos, 0, -sin]), -centers.new_tensor([-sin_tilt * sin, cos_tilt, -sin_tilt * cos]))
        for axis, direction in enumerate(axes):
            seen = centers[..., view, :, axis : axis + 1]
            rows.append(away * direction + seen * depth)
            values.append(seen * away)
    matrix, wanted = torch.stack(rows, -2), torch.stack(values, -2)
    if there is not None:
        known = there.movedim(-2, -1).repeat_interleave(2, -1).unsqueeze(-1)
        matrix, wanted = torch.where(known, matrix, 0.0), torch.where(known, wanted, 0.0)
    normal, right = matrix.mT @ matrix + torch.eye(3).to(matrix) * STEADY, matrix.mT @ wanted
    solved: Tensor = torch.linalg.solve(normal, right)
    return solved[..., 0]


@torch.inference_mode()
def tokenize(network: GridVQGAN, points: Tensor) -> Tensor:
    """Tokens (B, t, h, w) of windows of points (B, T, K, D); what is NaN draws nothing."""
    config = network.config
    volume = draw_volume(see(points, config, config.source), config, config.source)
    return network.tokenize(volume.to(network.codebook.device)).cpu()


@torch.inference_mode()
def detokenize(network: GridVQGAN, tokens: Tensor) -> Tensor:
    """Points (B, T, K, D) of tokens (B, t, h, w), by the sub-pixel argmax of each heatmap."""
    config = network.config
    return locate(
        read_centers(network.detokenize(tokens.to(network.codebook.device)).cpu(), config), config, config.target
    )


def read_centers(volume: Tensor, config: GridConfig) -> Tensor:
    """(B, T, V, K, 2) where the heatmaps (B, T, V K, H, W) of keypoints have their peaks."""
    logs = volume.clamp_min(LEAST).log().flatten(0, 2).numpy()
    centers = torch.from_numpy(heatmap.read_out(logs, config.sigma, empty=0))
    return centers.reshape(*volume.shape[:2], config.target.view_count, config.keypoints, 2)
