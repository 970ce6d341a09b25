"""Where a body is and how it is turned, frame by frame: a path in body sizes, seen from where a step of tokens begins.

In 3D a path is (x, y, z, heading) with y up; in 2D (x, y, log of the size). Seen from a state, one such row, it says the
same wherever in the world it is. `SWING` weighs the last number against the others: how far a turn moves keypoints.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from posecodec.typing import Floats

SWING = {3: 0.06, 2: 1.0}
"""Body sizes by which keypoints move, in the mean, for one radian of heading (3D) or one unit of log size (2D)."""


def to_local(path: Tensor, state: Tensor) -> Tensor:
    """A path (..., n, D + 1) seen from states (..., D + 1), the last channel times SWING."""
    moved = path - state.unsqueeze(-2)
    if path.shape[-1] == 3:
        scale = (-state[..., 2]).exp()[..., None, None]
        return torch.cat([moved[..., :2] * scale, moved[..., 2:] * SWING[2]], -1)
    return torch.cat([turn(moved[..., :3], -state[..., 3:]), moved[..., 3:] * SWING[3]], -1)


def to_world(local: Tensor, state: Tensor) -> Tensor:
    """The mirror of `to_local`."""
    if local.shape[-1] == 3:
        scale = state[..., 2].exp()[..., None, None]
        moved = torch.cat([local[..., :2] * scale, local[..., 2:] / SWING[2]], -1)
    else:
        moved = torch.cat([turn(local[..., :3], state[..., 3:]), local[..., 3:] / SWING[3]], -1)
    return moved + state.unsqueeze(-2)


def turn(points: Tensor, angle: Tensor) -> Tensor:
    """Points (..., 3) turned about the y axis by angles (...) that broadcast: +x goes to -z at a quarter turn."""
    cos, sin = angle.cos(), angle.sin()
    x, y, z = points.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def place(body: Tensor, path: Tensor) -> Tensor:
    """Bodies (..., T, K, D) of size 1, facing +z, at paths (..., T, D + 1): where their keypoints are, in body sizes."""
    if body.shape[-1] == 3:
        return turn(body, path[..., None, 3]) + path[..., None, :3]
    return body * path[..., None, 2:].exp() + path[..., None, :2]


def take_out(points: Tensor, path: Tensor) -> Tensor:
    """The mirror of `place`."""
    if points.shape[-1] == 3:
        return turn(points - path[..., None, :3], -path[..., None, 3])
    return (points - path[..., None, :2]) * (-path[..., None, 2:]).exp()


def place_array(body: Floats, path: Floats) -> Floats:
    """`place` of arrays."""
    return np.asarray(place(torch.from_numpy(body), torch.from_numpy(path)).numpy())
