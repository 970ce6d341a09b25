"""Windows as the paper's systems take them: a stretch of motion, one random frame of each of its equal parts, seen by
cameras or on axis planes, and its box scaled to a share of the grid.

So a window spans half a second to ten, and time within it is irregular, as in the paper's code (its source is PoseC3D).
Every window is drawn from a generator that is handed in, so that a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from posecodec.networks import grid_io, heatmap
from posecodec.networks.grid_config import GridConfig, Volume
from posecodec.networks.limb_maps import draw_volume
from posecodec.train.cameras import Cameras, project
from posecodec.train.data import Motion, Windows, scale_bones
from posecodec.train.grid_config import Sampling
from posecodec.train.views import place_in_world

IMAGE = (1920, 1080)  # Pixels that a camera sees
SPREAD = (500.0, 0.0, 500.0)  # mm, standard deviation of where a stretch is moved to on the floor
TRIES = 6  # Places that are tried until the cameras see the body
BRIGHTNESS = (
    0.65,
    0.16,
)  # Mean and standard deviation of what the paper's random brightness is the lesser of two draws of
STEADY = 0.56  # Its mean: brightness where it is not random
LEFT_SHOULDER, RIGHT_SHOULDER = 3, 9  # Of coco19


@dataclass(frozen=True, eq=False, repr=False)
class GridWindows:
    """A batch. points: (B, T, K, 3) mm, y up. source, target: (B, T, V, K, 2) pixels of the grid.
    source_box, target_box: (B, V, 3), pixels of the grid per unit of what was seen, and its middle (x, y), in that unit: mm
    on planes, pixels of the camera's image otherwise. seen: the cameras, (B, V) of them by number, empty on planes."""

    points: Tensor
    source: Tensor
    target: Tensor
    source_box: Tensor
    target_box: Tensor
    seen: Tensor


def cut_windows(
    motion: Motion, batch: int, config: GridConfig, how: Sampling, cameras: Cameras | None, rng: torch.Generator
) -> GridWindows:
    """Draw a batch of windows. cameras: that exist, for views "image" and "cameras"."""
    index = _pick_frames(motion, batch, config.window, how, rng)
    flip = torch.rand(batch, generator=rng) < how.mirror
    body, root, heading = motion.body[index], motion.root[index], motion.heading[index]
    sign = torch.tensor([-1.0, 1.0, 1.0])
    body = torch.where(flip[:, None, None, None], body[:, :, list(motion.skeleton.mirror)] * sign, body)
    root = torch.where(flip[:, None, None], root * sign, root)
    heading = torch.where(flip[:, None], -heading, heading)
    size = motion.size[torch.searchsorted(motion.start, index[:, 0].contiguous(), right=True) - 1]
    world = place_in_world(Windows(scale_bones(motion, body, how.bones, rng), root, heading, size))
    world = _turn(
        world - world[:, :, 2:3].mean(1, keepdim=True) * torch.tensor([1.0, 0.0, 1.0]), _draw_turns(batch, rng)
    )
    views = max(v.view_count if v.views in ("image", "cameras") else 0 for v in (config.source, config.target))
    world, seen = (
        _place_before(world, cameras, views, how.visible, rng)
        if views and cameras
        else (world, torch.zeros(batch, 0).long())
    )
    faced = _turn(world, _face(world)) if how.facing else world
    source, source_box = _see(world, config.source, config, cameras, seen)
    target, target_box = _see(faced, config.target, config, cameras, seen)
    return GridWindows(faced, _damage(source, how, rng), target, source_box, target_box, seen)


def _damage(source: Tensor, how: Sampling, rng: torch.Generator) -> Tensor:
    """What is seen, in every other window with noise and gaps."""
    if not (how.jitter or how.missing):
        return source
    batch = len(source)
    hurt = torch.rand(batch, generator=rng) < 0.5
    noise, share = (hurt * torch.rand(batch, generator=rng) * most for most in (how.jitter, how.missing))
    moved = source + torch.randn(source.shape, generator=rng) * noise[:, None, None, None, None]
    lost = torch.rand(source.shape[:-1], generator=rng) < share[:, None, None, None]
    return torch.where(lost.unsqueeze(-1), torch.nan, moved)


def _pick_frames(motion: Motion, batch: int, window: int, how: Sampling, rng: torch.Generator) -> Tensor:
    """(B, T) rows of `motion`."""
    clip = torch.multinomial(motion.length.double(), batch, replacement=True, generator=rng)
    long = motion.length[clip]
    span = torch.randint(how.shortest, how.longest + 1, (batch,), generator=rng).minimum(long)
    start = (torch.rand(batch, generator=rng) * (long - span + 1)).floor().long()
    parts = torch.arange(window) + torch.rand(batch, window, generator=rng)
    within = (parts * span[:, None] / window).floor().long().minimum(span[:, None] - 1)
    return motion.start[clip][:, None] + start[:, None] + within


def _draw_turns(batch: int, rng: torch.Generator) -> Tensor:
    return torch.rand(batch, generator=rng) * 2 * math.pi


def _turn(points: Tensor, angle: Tensor) -> Tensor:
    """(B, T, K, 3) turned about the vertical by angles (B,)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y, z = points.unbind(-1)
    return torch.stack([cos * x + sin * z, y, cos * z - sin * x], dim=-1)


def _face(points: Tensor) -> Tensor:
    """Angles (B,) by which the shoulders of the first frame come to lie along x."""
    across = points[:, 0, LEFT_SHOULDER] - points[:, 0, RIGHT_SHOULDER]
    return torch.atan2(across[:, 2], across[:, 0])


def _place_before(
    world: Tensor, cameras: Cameras, views: int, visible: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """World moved to where different cameras (B, V) see enough of it; the place with most in view, if none is good."""
    batch, spread = len(world), torch.tensor(SPREAD)
    best, chosen = torch.full((batch,), -1.0), torch.zeros(batch, views, dtype=torch.long)
    moved = world
    for _ in range(TRIES):
        shift = torch.randn(batch, 1, 1, 3, generator=rng) * spread
        order = torch.rand(batch, len(cameras.offset), generator=rng).argsort(1)[:, :views]
        pixels = torch.stack([project(world + shift, cameras.pick(order[:, v])) for v in range(views)], 2)
        inside = ((pixels >= 0) & (pixels < torch.tensor(IMAGE))).all(-1).float().mean(-1).amin((1, 2))
        better = inside.clamp_max(visible) > best
        best = torch.where(better, inside, best)
        chosen = torch.where(better[:, None], order, chosen)
        moved = torch.where(better[:, None, None, None], world + shift, moved)
    return moved, chosen


def _see(
    world: Tensor, volume: Volume, config: GridConfig, cameras: Cameras | None, seen: Tensor
) -> tuple[Tensor, Tensor]:
    """Pixels of the grid (B, T, V, K, 2) in which a volume shows points, and the boxes (B, V, 3)."""
    if volume.views in ("planes", "circle"):
        low, high = world.amin((1, 2)), world.amax((1, 2))
        side = (high - low).amax(-1, keepdim=True).clamp_min(1e-3)
        scale, middle = config.grid * (1 - config.margin) / side, (low + high) / 2
        points = (world - middle[:, None, None]) * scale[:, None, None]
        box = torch.stack([torch.cat([scale, middle[:, list(axes)]], 1) for axes in heatmap.PLANES[3]], 1)
        return grid_io.see(points, config, volume), box
    assert cameras is not None
    pixels = torch.stack([project(world, cameras.pick(seen[:, v])) for v in range(volume.view_count)], 2)
    return fit_boxes(pixels, config)


def fit_boxes(pixels: Tensor, config: GridConfig) -> tuple[Tensor, Tensor]:
    """What cameras see (B, T, V, K, 2) in pixels of the grid, each view's box over the window in its middle."""
    low, high = pixels.amin((1, 3)), pixels.amax((1, 3))
    scale = config.grid * (1 - config.margin) / (high - low).amax(-1, keepdim=True).clamp_min(1e-3)
    middle = (low + high) / 2
    centers = (pixels - middle[:, None, :, None]) * scale[:, None, :, None] + (config.grid - 1) / 2
    return centers, torch.cat([scale, middle], -1)


def draw_pair(windows: GridWindows, config: GridConfig, how: Sampling, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Source and target volumes (B, T, C, H, W) of windows."""
    shape = (*windows.points.shape[:2], 1, len(config.limbs))
    bright = torch.full(shape, STEADY)
    if how.flicker:
        bright = (torch.randn(2, *shape, generator=rng).amin(0) * BRIGHTNESS[1] + BRIGHTNESS[0]).clamp(0, 1)
    pair = ((config.source, windows.source), (config.target, windows.target))
    source, target = (
        draw_volume(
            centers, config, volume, None if volume.draw == "keypoints" else bright.expand(-1, -1, centers.shape[2], -1)
        )
        for volume, centers in pair
    )
    return source, target
