"""What the paper's table is measured by agrees with piq and torchmetrics, where these are, and with sums over windows."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from posecodec.networks.image_metrics import measure_l1, measure_psnr, measure_ssim

SIDE = 40
DRAWN = {"noise": 0.3, "slight": 0.01, "equal": 0.0}


def draw_pair(amount: float, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Sparse bright strokes (2, 3, H, W) and the same with noise of that size; columns are fewer than rows."""
    rng = torch.Generator().manual_seed(7)
    picture = torch.rand(2, 3, SIDE, SIDE - 8, generator=rng, dtype=torch.float64)
    picture = torch.where(picture > 0.9, picture, torch.zeros(()))
    noise = torch.randn(picture.shape, generator=rng, dtype=torch.float64)
    return picture.to(dtype), (picture + amount * noise).clamp(0, 1).to(dtype)


@pytest.mark.parametrize("amount", DRAWN.values(), ids=DRAWN)
def test_piq_agrees(amount):
    piq = pytest.importorskip("piq")
    a, b = draw_pair(amount)
    flat_a, flat_b = (x.flatten(0, 1).unsqueeze(1) for x in (a, b))
    torch.testing.assert_close(
        measure_ssim(a, b).flatten(), piq.ssim(flat_a, flat_b, reduction="none"), atol=1e-5, rtol=0
    )
    if amount:
        torch.testing.assert_close(
            measure_psnr(a, b).flatten(), piq.psnr(flat_a, flat_b, reduction="none"), atol=5e-3, rtol=0
        )


@pytest.mark.parametrize("amount", DRAWN.values(), ids=DRAWN)
def test_torchmetrics_agrees(amount):
    theirs = pytest.importorskip("torchmetrics.functional.image")
    a, b = draw_pair(amount)
    flat_a, flat_b = (x.flatten(0, 1).unsqueeze(1) for x in (a, b))
    _, whole = theirs.structural_similarity_index_measure(
        flat_a, flat_b, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True
    )
    inner = whole[..., 5:-5, 5:-5].mean((-1, -2, -3))  # Its own mean takes in borders, where it mirrors the pictures
    torch.testing.assert_close(measure_ssim(a, b).flatten(), inner, atol=1e-5, rtol=0)
    if amount:
        psnr = theirs.peak_signal_noise_ratio(flat_a, flat_b, data_range=1.0, reduction="none", dim=(1, 2, 3))
        torch.testing.assert_close(measure_psnr(a, b).flatten(), psnr, atol=1e-4, rtol=0)


def test_ssim_by_its_definition():
    a, b = draw_pair(0.3, torch.float64)
    taps = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    weights = taps[:, None] * taps / taps.sum() ** 2
    x, y = (picture.unfold(-2, 11, 1).unfold(-2, 11, 1) for picture in (a, b))
    mean_x, mean_y = ((weights * part).sum((-1, -2), keepdim=True) for part in (x, y))
    spread_x, spread_y, shared = (
        (weights * (p - mean_p) * (q - mean_q)).sum((-1, -2))
        for p, mean_p, q, mean_q in ((x, mean_x, x, mean_x), (y, mean_y, y, mean_y), (x, mean_x, y, mean_y))
    )
    mean_x, mean_y = mean_x[..., 0, 0], mean_y[..., 0, 0]
    light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    expected = (light * (2 * shared + 9e-4) / (spread_x + spread_y + 9e-4)).mean((-1, -2))
    found = measure_ssim(a, b)
    assert found.shape == (2, 3) and (found < 0.9).all()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_psnr_and_l1_by_hand():
    black, grey = torch.zeros(2, 12, 12), torch.full((2, 12, 12), 0.1)
    torch.testing.assert_close(measure_psnr(black, grey), torch.tensor([20.0, 20.0]))
    torch.testing.assert_close(measure_l1(black, grey), torch.tensor([0.1, 0.1]))
    half = grey.clone()
    half[0] = 0
    torch.testing.assert_close(measure_psnr(black, half, (0, 1, 2)), torch.tensor(20 + 10 * math.log10(2)))
    torch.testing.assert_close(measure_l1(black, half, (0, 1, 2)), torch.tensor(0.05))


def test_equal_pictures_are_perfect_and_finite():
    a, _ = draw_pair(0)
    torch.testing.assert_close(measure_ssim(a, a), torch.ones(2, 3))
    assert torch.equal(measure_psnr(a, a), torch.full((2, 3), 100.0)) and torch.equal(
        measure_l1(a, a), torch.zeros(2, 3)
    )


def test_ssim_can_be_trained_through_also_where_all_is_black():
    for a, b in (draw_pair(0.1), (torch.zeros(1, 11, 11), torch.zeros(1, 11, 11))):
        guess = b.clone().requires_grad_()
        (1 - measure_ssim(a, guess)).mean().backward()
        assert guess.grad is not None and guess.grad.isfinite().all()
