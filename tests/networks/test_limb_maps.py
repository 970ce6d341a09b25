"""Limb maps drawn near their lines only are those that a formula over all pixels gives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from posecodec.networks import limb_maps
from posecodec.networks.grid_config import GridConfig, Volume
from posecodec.networks.limb_maps import draw_volume

GRID = 32
LIMBS = ((0, 1), (1, 2), (3, 3), (4, 0))
CUT = math.exp(-(limb_maps.REACH**2) / 2)  # What is fainter is not drawn
CHANNELS = {"keypoints": 5, "limbs": 4, "merged": 1}  # Of a view


def build_config(volume: Volume, sigma: float = 0.75) -> GridConfig:
    return GridConfig(volume, volume, 16, (4, 4, 4), 8, keypoints=5, limbs=LIMBS, grid=GRID, sigma=sigma)


def draw_fully(centers: np.ndarray, pairs: tuple[tuple[int, int], ...], bright: np.ndarray, sigma: float) -> np.ndarray:
    """(n, H, W) of one image's centers (K, 2), pixel by pixel: a Gaussian of the distance to the segment."""
    maps = np.zeros((len(pairs), GRID, GRID))
    pixels = np.stack(np.meshgrid(np.arange(GRID), np.arange(GRID)), -1).astype(float)
    for channel, (a, b) in enumerate(pairs):
        start, along = centers[a], centers[b] - centers[a]
        length = along @ along
        if np.isfinite(length):
            share = np.clip((pixels - start) @ along / length, 0, 1) if length else np.zeros((GRID, GRID))
            square = ((pixels - start - share[..., None] * along) ** 2).sum(-1)
            maps[channel] = bright[channel] * np.exp(-square / (2 * sigma**2))
    return maps


def draw_centers(views: int, seed: int = 0) -> torch.Tensor:
    """(2, 3, V, 5, 2), some outside, a limb of no length, one that only crosses the image."""
    rng = torch.Generator().manual_seed(seed)
    centers = torch.rand(2, 3, views, 5, 2, generator=rng) * (GRID + 12) - 6
    centers[0, 0, 0, 1] = centers[0, 0, 0, 0]
    centers[1, 1, 0, :2] = torch.tensor([[-400.0, 10.0], [900.0, 17.0]])
    return centers


@pytest.mark.parametrize("sigma", [0.75, 2.0])
@pytest.mark.parametrize("draw", CHANNELS)
@pytest.mark.parametrize(("views", "cameras"), [("image", 0), ("planes", 0), ("cameras", 2)])
def test_it_is_the_formula_over_all_pixels(views, cameras, draw, sigma):
    volume = Volume(views, draw, cameras)
    centers = draw_centers(volume.view_count)
    pairs = tuple((k, k) for k in range(5)) if draw == "keypoints" else LIMBS
    bright = torch.rand(*centers.shape[:3], len(pairs), generator=torch.Generator().manual_seed(1))
    found = draw_volume(centers, build_config(volume, sigma), volume, bright)
    assert found.dtype == torch.float32 and found.shape == (2, 3, volume.view_count * CHANNELS[draw], GRID, GRID)
    for b, t in itertools.product(range(2), range(3)):
        images = (draw_fully(centers[b, t, v].double().numpy(), pairs, bright[b, t, v].numpy(), sigma)
                  for v in range(volume.view_count))  # fmt: skip
        expected = np.concatenate([x.max(0, keepdims=True) if draw == "merged" else x for x in images])
        np.testing.assert_allclose(found[b, t].numpy(), expected, atol=CUT + 1e-6, rtol=0)


def test_keypoints_are_gaussians_by_hand():
    centers = torch.full((1, 1, 1, 5, 2), math.nan)
    centers[0, 0, 0, 2] = torch.tensor([7.0, 12.0])
    volume = Volume("image", "keypoints")
    maps = draw_volume(centers, build_config(volume), volume)[0, 0]
    assert maps[2, 12, 7] == 1 and maps[2].argmax() == 12 * GRID + 7
    torch.testing.assert_close(maps[2, 12, 8], torch.tensor(math.exp(-1 / (2 * 0.75**2))))
    torch.testing.assert_close(maps[2, 14, 6], torch.tensor(math.exp(-5 / (2 * 0.75**2))))
    assert (maps[[0, 1, 3, 4]] == 0).all() and (maps[2] > 0).sum() == 29, "only within 3 pixels"


@pytest.mark.parametrize(("keypoint", "axis"), list(itertools.product((0, 1), (0, 1))))
def test_a_limb_is_not_drawn_where_either_end_is_missing(keypoint, axis):
    centers = (
        torch.tensor([[5.0, 6.0], [20.0, 9.0], [25.0, 25.0], [3.0, 3.0], [9.0, 30.0]]).expand(1, 2, 1, 5, 2).clone()
    )
    centers[0, 1, 0, keypoint, axis] = math.nan
    volume = Volume("image", "limbs")
    maps = draw_volume(centers, build_config(volume), volume)[0]
    gone = [keypoint in limb for limb in LIMBS]
    assert [bool((channel == 0).all()) for channel in maps[1]] == gone
    kept = [e for e, lost in enumerate(gone) if not lost]
    assert (maps[0] > 0).any((-1, -2)).all() and torch.equal(maps[0][kept], maps[1][kept])


def test_merged_is_the_brightest_limb_and_brightness_scales_each():
    centers, merged, apart = draw_centers(1), Volume("image", "merged"), Volume("image", "limbs")
    bright = torch.rand(2, 3, 1, len(LIMBS), generator=torch.Generator().manual_seed(2))
    limbs = draw_volume(centers, build_config(apart), apart, bright)
    torch.testing.assert_close(draw_volume(centers, build_config(merged), merged, bright)[:, :, 0], limbs.amax(2))
    full = draw_volume(centers, build_config(apart), apart)
    torch.testing.assert_close(limbs, full * bright[:, :, 0, :, None, None])
