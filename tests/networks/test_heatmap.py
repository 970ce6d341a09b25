"""Keypoints drawn as heatmaps come back without any network, to a hundredth of a pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from posecodec.networks import heatmap


def read_back(centers: torch.Tensor, grid: int, empty: float = heatmap.EMPTY) -> np.ndarray:
    maps = heatmap.render(centers, grid).numpy()
    return heatmap.read_out(np.log(np.maximum(maps, np.float32(1e-37))), empty=empty)


@pytest.mark.parametrize("grid", [16, 32, 64])
def test_rendered_centers_come_back_also_at_the_border(grid):
    rng = torch.Generator().manual_seed(grid)
    inside = torch.rand(4000, 2, generator=rng) * (grid - 1)
    side = torch.rand(200, 1, generator=rng)
    border = torch.cat([torch.where(side[:100] < 0.5, side[:100] * 2, grid - 3 + 2 * side[:100]), inside[:100, 1:]], 1)
    swapped = border.flip(-1)
    corners = torch.tensor([[0.0, 0.0], [0.0, grid - 1], [grid - 1, 0.0], [grid - 1, grid - 1], [0.4, grid - 1.3]])
    centers = torch.cat([inside, border, swapped, corners])
    error = np.linalg.norm(read_back(centers, grid) - centers.numpy(), axis=-1)
    assert error.mean() < 0.01 and error[4000:].mean() < 0.01
    assert error.max() < 0.05


def test_a_missing_keypoint_is_an_empty_channel_and_stays_missing():
    centers = torch.tensor([[5.25, 7.5], [math.nan, math.nan]])
    maps = heatmap.render(centers, 16)
    assert (maps[1] == 0).all() and maps[0].max() > 0.8
    back = read_back(centers, 16)
    np.testing.assert_allclose(back[0], [5.25, 7.5], atol=0.01)
    assert np.isnan(back[1]).all()
    assert not np.isnan(read_back(centers, 16, empty=0)).any()


def test_a_rendered_gaussian_by_hand():
    image = heatmap.render(torch.tensor([2.0, 4.0]), 8)
    assert image.shape == (8, 8) and image[4, 2] == 1
    torch.testing.assert_close(image[4, 3], torch.tensor(math.exp(-0.5)))
    torch.testing.assert_close(image[6, 3], torch.tensor(math.exp(-2.5)))
    torch.testing.assert_close(heatmap.render_log(torch.tensor([2.0, 4.0]), 8).exp(), image)


@pytest.mark.parametrize("dims", [2, 3])
def test_pixels_are_an_exact_mirror(dims):
    points = torch.rand(4, 5, 7, dims, generator=torch.Generator().manual_seed(3)) - 0.5
    pixels = heatmap.to_pixels(points, 16, 0.6)
    assert pixels.shape == (4, 5, 1 if dims == 2 else 3, 7, 2)
    torch.testing.assert_close(heatmap.from_pixels(pixels, 16, 0.6), points, atol=1e-6, rtol=0)


def test_zero_is_the_middle_and_extent_the_border():
    pixels = heatmap.to_pixels(torch.tensor([[0.0, 0.0], [-2.0, 2.0]]), 16, 2.0)
    assert pixels.tolist() == [[[7.5, 7.5], [-0.5, 15.5]]]


@pytest.mark.parametrize("plane", range(3))
@pytest.mark.parametrize("side", range(2))
def test_each_axis_is_the_mean_of_its_two_estimates(plane, side):
    pixels = heatmap.to_pixels(torch.zeros(1, 3), 16, 0.8)
    pixels[plane, 0, side] += 1
    moved = heatmap.from_pixels(pixels, 16, 0.8)[0]
    expected = torch.zeros(3)
    expected[heatmap.PLANES[3][plane][side]] = 0.1 / 2
    torch.testing.assert_close(moved, expected, atol=1e-6, rtol=0)


def test_gaps_are_bridged_and_ends_held():
    nan = math.nan
    rows = [[nan, 2.0, nan, nan, 8.0, nan], [nan] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
    points = torch.tensor(rows).T[None, :, :, None].expand(1, 6, 3, 2)
    there = ~points.isnan().any(-1)
    filled = heatmap.fill_gaps(points, there, torch.tensor([[9.0, 9.0], [7.0, -7.0], [9.0, 9.0]]))
    torch.testing.assert_close(filled[0, :, 0, 0], torch.tensor([2.0, 2, 4, 6, 8, 8]))
    assert filled[0, :, 1].tolist() == [[7.0, -7.0]] * 6
    assert torch.equal(filled[0, :, 2], points[0, :, 2])
    whole = torch.rand(1, 3, 2, 2)
    assert torch.equal(heatmap.fill_gaps(whole, torch.ones(1, 3, 2, dtype=torch.bool), torch.zeros(2, 2)), whole)


def test_a_limb_by_hand():
    centers = torch.tensor([[2.0, 3.0], [6.0, 3.0], [math.nan, math.nan], [4.0, 4.0], [4.0, 4.0]])
    limbs = heatmap.render_limbs(centers, torch.tensor([[0, 1], [1, 2], [3, 4]]), 9, sigma=1.0)
    assert limbs.shape == (3, 9, 9)
    torch.testing.assert_close(limbs[0, 3, 2:7], torch.ones(5))
    torch.testing.assert_close(limbs[0, 5, 4], torch.tensor(math.exp(-2.0)))
    torch.testing.assert_close(limbs[0, 4, 7], torch.tensor(math.exp(-1.0)))
    assert (limbs[1] == 0).all()
    torch.testing.assert_close(limbs[2], heatmap.render(torch.tensor([4.0, 4.0]), 9))


def test_cameras_stand_around_the_body():
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.1, 0.0, 0.0]])
    views = heatmap.to_cameras(points, 4, 64, 0.5)
    assert views.shape == (4, 3, 2)
    torch.testing.assert_close(views[:, 0], torch.full((4, 2), 31.5))
    assert (views[:, 1, 1] < 31.5 - 5).all(), "up is up in every image"
    assert views[0, 2, 0] > 31.5 + 5 and views[2, 2, 0] < 31.5 - 5, "front and back see left and right swapped"
    near, far = heatmap.to_cameras(torch.tensor([[[0.1, 0, 0.2]], [[0.1, 0, -0.2]]]), 1, 64, 0.5)[:, 0, 0, 0]
    assert near > far > 31.5, "what is nearer looks larger"
