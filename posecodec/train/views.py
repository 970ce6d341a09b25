"""Augmented windows as recordings have them: in the world, or as cameras see them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from posecodec.train.cameras import Cameras, draw_cameras, project
from posecodec.train.data import Windows


def _rotate(body: Tensor, angle: Tensor) -> Tensor:
    cos, sin = angle.cos()[..., None], angle.sin()[..., None]
    x, y, z = body.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def place_in_world(windows: Windows) -> Tensor:
    """(B, T, K, 3) mm, y up, where the clip was."""
    return _rotate(windows.body, windows.heading) * windows.size[:, None, None, None] + windows.root[:, :, None]


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
