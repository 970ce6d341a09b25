"""Cameras that look at 3D motion: those of a calibration file, and random ones, for 2D models.

A camera maps X (mm, y up, floor at 0) to x_cam = R @ X + t, then to pixels by K and the OpenCV distortion k1, k2, p1, p2,
k3 (Zhang, "A Flexible New Technique for Camera Calibration", 2000; Brown 1966).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from posecodec.errors import InputError

AZIMUTHS = (0.0, 2 * math.pi)  # Radians; where random cameras look from
TILTS = (-0.1, 0.6)  # Radians downwards: from knee height to steeply above
ROLL = 0.06  # Radians, standard deviation
DISTANCES = (2500, 8000)  # mm from what they look at
FOCAL_LENGTHS = (900, 2500)  # Pixels, at 1920 x 1080: 94 to 42 degrees across
MIDDLE = (960, 540)  # Pixels, of a 1920 x 1080 image
WAIST = (0.0, 900.0, 0.0)  # mm, what they look at
NEAREST = 300.0  # mm from a camera; what is nearer is drawn as if there


@dataclass(frozen=True, eq=False, repr=False)
class Cameras:
    """B cameras. rotation (B, 3, 3); offset (B, 3) mm; intrinsics (B, 3, 3) pixels; distortion (B, 5)."""

    rotation: Tensor
    offset: Tensor
    intrinsics: Tensor
    distortion: Tensor

    def pick(self, index: Tensor) -> Cameras:
        """The cameras at those indices."""
        return Cameras(self.rotation[index], self.offset[index], self.intrinsics[index], self.distortion[index])


def load_cameras(path: str | Path) -> Cameras:
    """Cameras of a calibration JSON: `cameras[]` with K, distCoef, R, t. Raises InputError."""
    try:
        entries = json.loads(Path(path).read_text())["cameras"]
        fields = [torch.tensor([c[key] for c in entries], dtype=torch.float32) for key in ("R", "t", "K", "distCoef")]
        return Cameras(fields[0], fields[1].reshape(-1, 3), fields[2], fields[3])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a camera calibration (cameras[] with K, distCoef, R, t): {error}") from error


def draw_cameras(count: int, rng: torch.Generator) -> Cameras:
    """Random cameras 2.5 to 8 m away, from knee height to steeply above, slightly rolled, of many focal lengths."""

    def draw_uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=rng) * (high - low) + low

    azimuth, tilt, roll = (draw_uniform(*AZIMUTHS), draw_uniform(*TILTS), torch.randn(count, generator=rng) * ROLL)
    distance, focal = draw_uniform(*DISTANCES), draw_uniform(*FOCAL_LENGTHS)
    zero, one = torch.zeros(count), torch.ones(count)
    # Rows are the camera's right, down and forward in the world; forward looks at a waist.
    forward = torch.stack([-azimuth.sin() * tilt.cos(), -tilt.sin(), -azimuth.cos() * tilt.cos()], -1)
    right = torch.stack([azimuth.cos(), zero, -azimuth.sin()], -1)
    down = torch.linalg.cross(forward, right)
    cos, sin = roll.cos()[:, None], roll.sin()[:, None]
    rotation = torch.stack([cos * right + sin * down, cos * down - sin * right, forward], 1)
    position = torch.tensor(WAIST) - forward * distance[:, None]
    offset = -(rotation @ position[..., None])[..., 0]
    rows = [focal, zero, one * MIDDLE[0], zero, focal, one * MIDDLE[1], zero, zero, one]
    return Cameras(rotation, offset, torch.stack(rows, -1).reshape(-1, 3, 3), torch.zeros(count, 5))


def project(points: Tensor, cameras: Cameras) -> Tensor:
    """Pixels (B, T, K, 2) of points (B, T, K, 3), camera b for window b. Points nearer than 0.3 m count as at 0.3 m."""
    seen = torch.einsum("bij,btkj->btki", cameras.rotation, points) + cameras.offset[:, None, None]
    k1, k2, p1, p2, k3 = (c[:, None, None] for c in cameras.distortion.unbind(-1))
    x, y = (seen[..., :2] / seen[..., 2:].clamp_min(NEAREST)).unbind(-1)
    r2 = (x * x + y * y).clamp_max(1.0)
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    scale = torch.diagonal(cameras.intrinsics, dim1=-2, dim2=-1)[..., :2]
    return torch.stack([bent_x, bent_y], -1) * scale[:, None, None] + cameras.intrinsics[:, None, None, :2, 2]
