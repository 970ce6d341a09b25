"""What normalization takes out comes back, exactly but for the root's path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecodec.errors import InputError
from posecodec.normalize import (
    Normalization,
    _normal_matrix,
    denormalize,
    fit_spline,
    guess_up,
    headings,
    knot_count,
    normalize,
    quantized_spline,
    spline_basis,
    upright,
)
from posecodec.samples import walk
from posecodec.skeleton import COCO19, Skeleton

UPS = ("x", "y", "z", "-x", "-y", "-z")
WALK = walk(200).positions[:, 0]
LENGTHS = [float(np.linalg.norm(WALK[0, a] - WALK[0, b])) for a, b in COCO19.edges]
BONES = tuple((a, b, n / sum(LENGTHS)) for (a, b), n in zip(COCO19.edges, LENGTHS, strict=True))
HOW = Normalization(3, BONES, 16, 16, 0, (0.016, 0.008), 0.1, 0.03125, 1.0)
HOW_2D = Normalization(2, BONES, 16, 0, 64, (0.1, 0.05), 0.1, 0.03125, 1.0)
ROOT = COCO19.root


def relative(points):
    return points - points[:, ROOT : ROOT + 1]


def seen_along(up: str, points=WALK):
    """The walk in axes where that one is up."""
    return (points @ upright(3, up)).astype(np.float32)


def there_and_back(points, how, up, levels=1):
    body, side = normalize(points, COCO19, how, up, levels)
    return body, side, denormalize(body, side, how, up, levels)


@pytest.mark.parametrize("up", UPS)
def test_round_trip_in_all_axes(up):
    points = seen_along(up)
    _, _, back = there_and_back(points, HOW, up)
    assert back.dtype == np.float32 and back.shape == points.shape
    np.testing.assert_allclose(relative(back), relative(points), atol=1e-3)
    assert np.linalg.norm(back - points, axis=-1).max() < 5 * 0.016 * sum(LENGTHS)


def test_more_levels_place_the_root_better():
    errors = [np.linalg.norm((there_and_back(WALK, HOW, "y", q)[2] - WALK)[:, ROOT], axis=-1).mean() for q in (1, 2, 9)]
    assert errors[1] < errors[0] and errors[2] == errors[1]


@pytest.mark.parametrize("frames", [1, 2, 3, 17])
@pytest.mark.parametrize("how", [HOW, HOW_2D])
def test_short_recordings(frames, how):
    points = np.ascontiguousarray(WALK[:frames, :, : how.dims])
    up = "y" if how.dims == 3 else "-y"
    body, side, back = there_and_back(points, how, up)
    np.testing.assert_allclose(relative(back), relative(points), atol=2e-3)
    assert len(side.root) == knot_count(frames, 16) and np.isfinite(body).all()


@pytest.mark.parametrize("up", ["y", "-y", "x", "-x"])
def test_round_trip_in_2d(up):
    points = np.ascontiguousarray(WALK[..., :2]) * np.float32(0.3)
    body, side, back = there_and_back(points, HOW_2D, up)
    np.testing.assert_allclose(relative(back), relative(points), atol=1e-3)
    assert len(side.heading) == 0
    size = np.sqrt(np.square(relative(body)).sum(-1).mean(-1))
    assert 0.8 < size.min() and size.max() < 1.25


def test_missing_keypoints_stay_missing_and_move_nothing_else():
    points = WALK.copy()
    points[50:60, 3] = np.nan
    points[70:80, ROOT] = np.nan
    points[90:95] = np.nan
    body, _, back = there_and_back(points, HOW, "y")
    gone = np.isnan(points).any(-1)
    np.testing.assert_array_equal(np.isnan(body).all(-1), gone)
    np.testing.assert_array_equal(np.isnan(back).any(-1), gone)
    assert np.linalg.norm((back - points)[~gone], axis=-1).max() < 5 * 0.016 * sum(LENGTHS)


def test_nothing_but_missing_keypoints():
    points = np.full((5, 19, 3), np.nan, np.float32)
    body, side, back = there_and_back(points, HOW, "y")
    assert np.isnan(body).all() and np.isnan(back).all() and (side.root == 0).all()


def test_a_turning_walker_faces_forward():
    world = walk(900).positions[:, 0]
    before, _ = headings(world.astype(np.float64), COCO19)
    assert np.ptp(before) > 1
    body, _ = normalize(world, COCO19, HOW, "y", 1)
    after, _ = headings(body.astype(np.float64), COCO19)
    assert np.abs(after).max() < 0.2
    assert (body[:, COCO19.keypoints.index("left_hip"), 0] > 0).all()


@pytest.mark.parametrize("how", [HOW, HOW_2D])
def test_place_and_power_of_two_sizes_do_not_matter(how):
    up = "y" if how.dims == 3 else "-y"
    points = np.ascontiguousarray(WALK[..., : how.dims])
    body, side = normalize(points, COCO19, how, up, 1)
    moved, _ = normalize(points + np.float32(2048), COCO19, how, up, 1)
    scaled, doubled = normalize(points * np.float32(2), COCO19, how, up, 1)
    np.testing.assert_allclose(relative(moved), relative(body), atol=2e-6)
    np.testing.assert_allclose(scaled, body, atol=1e-6)
    np.testing.assert_array_equal(doubled.scale, side.scale + 32)


def test_a_mirrored_walker_gives_a_mirrored_body():
    flip = np.array([-1, 1, 1], np.float32)
    body, _ = normalize(WALK, COCO19, HOW, "y", 1)
    mirrored, _ = normalize(WALK[:, list(COCO19.mirror)] * flip, COCO19, HOW, "y", 1)
    np.testing.assert_allclose(relative(mirrored), relative(body)[:, list(COCO19.mirror)] * flip, atol=1e-5)


def test_a_body_without_bones_has_a_size_of_its_own():
    how = replace(HOW, bones=())
    body, _, back = there_and_back(WALK, how, "y")
    np.testing.assert_allclose(relative(back), relative(WALK), atol=1e-3)
    assert 0.05 < np.sqrt(np.square(relative(body)).sum(-1).mean()) < 0.3
    lone = np.full_like(WALK, np.nan)
    lone[:, ROOT] = WALK[:, ROOT]
    body, _, back = there_and_back(lone, HOW, "y")
    assert np.isfinite(back[:, ROOT]).all() and np.abs(body[:, ROOT]).max() < 100


@pytest.mark.parametrize("up", UPS)
def test_upright_is_a_rotation_with_up_on_y(up):
    matrix = upright(3, up)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3))
    assert np.linalg.det(matrix) == pytest.approx(1)
    axis = np.eye(3)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    np.testing.assert_allclose(matrix @ axis, [0, 1, 0])


@pytest.mark.parametrize("up", ["x", "y", "-x", "-y"])
def test_upright_in_images_has_y_down(up):
    matrix = upright(2, up)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(2))
    axis = np.eye(2)["xy".index(up[-1])] * (-1 if up[0] == "-" else 1)
    np.testing.assert_allclose(matrix @ axis, [0, -1])


@pytest.mark.parametrize("up", UPS)
def test_up_is_guessed(up):
    assert guess_up(seen_along(up), COCO19) == up


def test_up_is_guessed_in_images_and_where_nothing_tells():
    assert guess_up(WALK[..., :2] * np.float32([1, -1]), COCO19) == "-y"
    assert guess_up(np.full((2, 19, 3), np.nan, np.float32), COCO19) == "y"
    assert guess_up(np.zeros((2, 4, 2), np.float32), Skeleton.custom(4)) == "-y"


@pytest.mark.parametrize("frames, spacing", [(1, 16), (16, 16), (17, 16), (33, 16), (7, 3), (5, 1), (9, 0)])
def test_the_spline_basis_is_a_partition_of_unity(frames, spacing):
    basis = spline_basis(frames, spacing)
    assert basis.shape == (frames, knot_count(frames, spacing))
    np.testing.assert_allclose(basis.sum(axis=1), 1)
    assert (basis >= 0).all()


def test_a_straight_line_is_fitted_exactly_over_gaps():
    line = np.arange(40.0)[:, None] * [1, -2]
    weights = np.ones(40)
    weights[10:25] = 0
    broken = np.where(weights[:, None] > 0, line, np.nan)
    np.testing.assert_allclose(spline_basis(40, 8) @ fit_spline(broken, weights, 8), line, atol=1e-4)


def bits(points):
    step, rest = np.abs(points[1] - points[0]), np.abs(np.diff(points, 2))
    return sum(0.5 if v == 0 else 1.2 + 1.6 * np.log2(1.0 + v) for v in (step, *rest))


def test_thrift_lowers_error_plus_rate():
    rng = np.random.default_rng(0)
    values, weights, thrift = np.cumsum(rng.normal(size=(200, 1)), axis=0), np.ones(200), 3.0
    wish = fit_spline(values, weights, 16) / 1.0
    normal = _normal_matrix(spline_basis(200, 16), weights, 1e-2)

    def cost(points):
        gap = points - wish[:, 0]
        return gap @ normal @ gap + thrift * bits(points)

    plain = quantized_spline(values, weights, 16, 1.0, 0.0)[:, 0]
    thrifty = quantized_spline(values, weights, 16, 1.0, thrift)[:, 0]
    np.testing.assert_array_equal(plain, np.rint(wish[:, 0]))
    assert cost(thrifty) < cost(plain) and bits(thrifty) < bits(plain)


def test_too_far_away_is_an_input_error():
    tiny = WALK / np.float32(1e6)
    tiny[:, ROOT] += np.float32([1e12, 0, 0])
    far = np.full_like(WALK, np.nan)
    far[:, ROOT] = tiny[:, ROOT]
    a, b = COCO19.edges[8]
    far[:, [a, b]] = WALK[:, [a, b]] / np.float32(1e6)
    with pytest.raises(InputError, match="quantizer steps from the origin"):
        normalize(far, COCO19, HOW, "y", 1)
