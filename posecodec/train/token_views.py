"""Windows as the network for tokens takes them: bodies of size 1 that face one way, and paths, in 3D or under a camera."""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.kinematics.body_track import SIZE_SPACING
from posecodec.kinematics.headings import fit_spline, spline_basis
from posecodec.networks.path import take_out
from posecodec.train.cameras import Cameras
from posecodec.train.data import Windows
from posecodec.train.views import project_to_pixels


def split_3d(windows: Windows) -> tuple[Tensor, Tensor]:
    """(B, T, K, 3) bodies and (B, T, 4) paths, in body sizes."""
    root = windows.root / windows.size[:, None, None]
    return windows.body, torch.cat([root, windows.heading.unsqueeze(-1)], -1)


def split_2d(windows: Windows, known: Cameras | None, roots: list[int], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, T, K, 2) bodies and (B, T, 3) paths, in pixels of an image: windows in 2D as they are, those in 3D through
    cameras."""
    if windows.body.shape[-1] == 2:
        return windows.body, torch.cat([windows.root, windows.heading.unsqueeze(-1)], -1)
    pixels = project_to_pixels(windows, known, rng)
    root = pixels[:, :, roots].mean(2)
    spread = (pixels - root.unsqueeze(2)).square().sum(-1).mean(-1).sqrt().clamp_min(1e-3).log()
    path = torch.cat([root, (spread @ smoothing(spread.shape[1]).T)[..., None]], -1)
    return take_out(pixels, path), path


def smoothing(frames: int) -> Tensor:
    """(T, T) that makes a smooth curve of T values."""
    eye = torch.eye(frames, dtype=torch.float64).numpy()
    curves = spline_basis(frames, SIZE_SPACING) @ fit_spline(eye, eye.sum(0), SIZE_SPACING)
    return torch.tensor(curves, dtype=torch.float32)
