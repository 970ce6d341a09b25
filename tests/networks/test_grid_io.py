"""Keypoints to the pixels of a grid and back: what each kind of view tells."""

import pytest
import torch

from posecodec.networks import grid_io
from posecodec.networks.grid_config import GridConfig, Volume
from posecodec.networks.limb_maps import draw_volume


def build(views, grid=64):
    volume = Volume(views, "keypoints", 3 if views == "circle" else 0)
    return GridConfig(volume, volume, window=8, factor=(8, 8, 8), codes=16, grid=grid, sigma=1.5)


@pytest.mark.parametrize("views", ["image", "planes", "circle"])
def test_points_are_where_they_are_seen(views):
    config = build(views)
    points = (torch.rand(2, 8, 19, config.dims, generator=torch.Generator().manual_seed(0)) - 0.5) * 50
    centers = grid_io.see(points, config, config.source)
    assert centers.shape == (2, 8, config.source.view_count, 19, 2)
    assert torch.allclose(grid_io.locate(centers, config, config.target), points, atol=1e-3)


@pytest.mark.parametrize("views", ["image", "planes", "circle"])
def test_heatmaps_are_read_out(views):
    config = build(views)
    points = (torch.rand(1, 8, 19, config.dims, generator=torch.Generator().manual_seed(1)) - 0.5) * 40
    volume = draw_volume(grid_io.see(points, config, config.target), config, config.target)
    found = grid_io.locate(grid_io.read_centers(volume, config), config, config.target)
    assert (found - points).norm(dim=-1).max() < 0.1


def test_triangulation_meets_views_that_disagree():
    config = build("circle")
    points = (torch.rand(1, 1, 500, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 40
    centers = grid_io.see(points, config, config.source)
    noisy = centers + torch.randn(centers.shape, generator=torch.Generator().manual_seed(2))
    error = (grid_io.locate(noisy, config, config.source) - points).norm(dim=-1).mean()
    assert 0.5 < error < 2.5  # pixels, of noise of 1 in each coordinate of each view


def test_triangulation_leaves_out_views_that_see_nothing():
    config = build("circle")
    points = (torch.rand(1, 1, 30, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 40
    centers = grid_io.see(points, config, config.source) - (config.grid - 1) / 2
    there = torch.ones(centers.shape[:-1], dtype=torch.bool)
    there[:, :, 1, ::2] = False
    centers[~there] = torch.nan
    found = grid_io.triangulate(centers, config.grid / 2, there) / grid_io.CIRCLE_ROOM
    assert torch.allclose(found, points, atol=1e-2)
