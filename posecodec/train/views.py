"""From augmented windows to what a model takes: normalized points in 3D, or seen by a camera and normalized in 2D."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec.train.cameras import Cameras, project, random_cameras
from posecodec.train.config import Augmentation
from posecodec.train.data import Windows


def points_3d(windows: Windows, how: Augmentation, rng: torch.Generator) -> Tensor:
    """(B, T, K, 3): the canonical body with an error in its heading."""
    angle = torch.randn(len(windows.body), generator=rng) * how.heading
    return _turned(windows.body, angle[:, None].expand(windows.heading.shape))


def _turned(body: Tensor, angle: Tensor) -> Tensor:
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y, z = body.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def points_2d(windows: Windows, known: Cameras | None, root: int, rng: torch.Generator) -> Tensor:
    """(B, T, K, 2): the body walking about near the origin under a camera, half of them known ones, then normalized.

    Image root and size are taken out as `normalize` does, but that the size is a straight line over the window.
    """
    batch = len(windows.body)
    angle = torch.rand(batch, generator=rng) * 2 * math.pi
    middle = windows.root.mean(1, keepdim=True) * torch.tensor([1.0, 0.0, 1.0])
    path = _turned((windows.root - middle)[:, :, None], angle[:, None].expand(windows.heading.shape))
    away = torch.randn(batch, 1, 1, 3, generator=rng) * torch.tensor([500.0, 50.0, 500.0])
    world = _turned(windows.body, windows.heading + angle[:, None]) * windows.size[:, None, None, None] + path + away
    pixels = project(world, random_cameras(batch, rng))
    pixels = _some_by_known(pixels, world, known, rng)
    return _normalized(pixels, root, torch.randn(batch, generator=rng) * 0.05)


def _some_by_known(pixels: Tensor, world: Tensor, known: Cameras | None, rng: torch.Generator) -> Tensor:
    """Half of the windows seen by known cameras instead, if there are any."""
    batch = len(world)
    if known is not None:
        index = torch.randint(len(known.offset), (batch,), generator=rng)
        use = torch.rand(batch, generator=rng) < 0.5
        pixels = torch.where(use[:, None, None, None], project(world, known.pick(index)), pixels)
    return pixels


def pixels_of(
    points: NDArray[np.float32], known: Cameras | None, root: int, rng: torch.Generator
) -> NDArray[np.float32]:
    """(T, K, 2) pixels of one clip (T, K, 3) in mm, turned at random about the middle of its path, under one camera."""
    world = torch.from_numpy(points)[None]
    middle = world[:, :, root].mean(1) * torch.tensor([1.0, 0.0, 1.0])
    angle = torch.rand(1, generator=rng) * 2 * math.pi
    world = _turned(world - middle[:, None, None], angle[:, None].expand(world.shape[:2]))
    pixels = _some_by_known(project(world, random_cameras(1, rng)), world, known, rng)
    return pixels[0].numpy()


def _normalized(pixels: Tensor, root: int, error: Tensor) -> Tensor:
    body = pixels - pixels[:, :, root : root + 1]
    size = body.square().sum(-1).mean(-1).sqrt().log()
    time = torch.linspace(-1, 1, size.shape[1])
    slope = (size * time).sum(1) / time.square().sum()
    line = size.mean(1, keepdim=True) + slope[:, None] * time + error[:, None]
    return body / line.exp()[..., None, None]
