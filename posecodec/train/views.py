"""From augmented windows to what a model takes: normalized points in 3D, or seen by a camera and normalized in 2D."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from posecodec.train.cameras import Cameras, draw_cameras, project
from posecodec.train.config import Augmentation
from posecodec.train.data import Windows


def normalize_3d(windows: Windows, how: Augmentation, rng: torch.Generator) -> Tensor:
    """(B, T, K, 3): the canonical body with an error in its heading."""
    angle = torch.randn(len(windows.body), generator=rng) * how.heading
    return _rotate(windows.body, angle[:, None].expand(windows.heading.shape))


def _rotate(body: Tensor, angle: Tensor) -> Tensor:
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y, z = body.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def place_in_world(windows: Windows) -> Tensor:
    """(B, T, K, 3) mm, y up, where the clip was."""
    return _rotate(windows.body, windows.heading) * windows.size[:, None, None, None] + windows.root[:, :, None]


def normalize_2d(windows: Windows, known: Cameras | None, root: int, rng: torch.Generator) -> Tensor:
    """(B, T, K, 2): the body under a camera, root and size taken out, the size as a straight line over the window."""
    pixels = project_to_pixels(windows, known, rng)
    error = torch.randn(len(pixels), generator=rng) * 0.05
    body = pixels - pixels[:, :, root : root + 1]
    size = body.square().sum(-1).mean(-1).sqrt().log()
    time = torch.linspace(-1, 1, size.shape[1])
    slope = (size * time).sum(1) / time.square().sum()
    line = size.mean(1, keepdim=True) + slope[:, None] * time + error[:, None]
    return body / line.exp()[..., None, None]


def project_to_pixels(windows: Windows, known: Cameras | None, rng: torch.Generator) -> Tensor:
    """(B, T, K, 2) pixels: the body walking about near the origin under a camera, half of them known ones."""
    batch = len(windows.body)
    angle = torch.rand(batch, generator=rng) * 2 * math.pi
    middle = windows.root.mean(1, keepdim=True) * torch.tensor([1.0, 0.0, 1.0])
    path = _rotate((windows.root - middle)[:, :, None], angle[:, None].expand(windows.heading.shape))
    away = torch.randn(batch, 1, 1, 3, generator=rng) * torch.tensor([500.0, 50.0, 500.0])
    world = _rotate(windows.body, windows.heading + angle[:, None]) * windows.size[:, None, None, None] + path + away
    pixels = project(world, draw_cameras(batch, rng))
    if known is None:
        return pixels
    index = torch.randint(len(known.offset), (batch,), generator=rng)
    is_known = torch.rand(batch, generator=rng) < 0.5
    return torch.where(is_known[:, None, None, None], project(world, known.pick(index)), pixels)
