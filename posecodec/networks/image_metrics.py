"""How alike two pictures are: SSIM (Wang et al., 2004, as piq computes it), PSNR and L1, picture by picture.

Values are in 0 .. 1. All can be trained through.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOW, SIGMA = 11, 1.5  # Pixels of SSIM's Gaussian window
C1, C2 = 0.01**2, 0.03**2  # That steady its two ratios
LEAST_ERROR = 1e-10  # Of a mean square, so that equal pictures have a finite PSNR: 100 dB


def measure_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (...) of pictures (..., H, W), both at least 11 pixels high and wide; no padding."""
    rows, columns = (_build_blur(size, a) for size in a.shape[-2:])
    blurred = rows @ torch.stack([a, b, a * a, b * b, a * b]) @ columns.T
    mean_a, mean_b, square_a, square_b, product = blurred
    spread = square_a - mean_a**2 + square_b - mean_b**2
    shared = product - mean_a * mean_b
    ratio: Tensor = (2 * mean_a * mean_b + C1) * (2 * shared + C2) / ((mean_a**2 + mean_b**2 + C1) * (spread + C2))
    return ratio.mean((-1, -2))


def _build_blur(size: int, like: Tensor) -> Tensor:
    """(size - 10, size) that blurs where the window is whole: products are far quicker than convolutions of one channel."""
    offset = torch.arange(size) - torch.arange(size - WINDOW + 1)[:, None]
    taps = torch.exp(-((offset - WINDOW // 2) ** 2) / (2 * SIGMA**2)) * ((offset >= 0) & (offset < WINDOW))
    return (taps / taps.sum(1, keepdim=True)).to(like)


def measure_psnr(a: Tensor, b: Tensor, axes: tuple[int, ...] = (-1, -2)) -> Tensor:
    """Peak signal to noise ratio in dB, over the axes."""
    return -10 * (a - b).square().mean(axes).clamp_min(LEAST_ERROR).log10()


def measure_l1(a: Tensor, b: Tensor, axes: tuple[int, ...] = (-1, -2)) -> Tensor:
    """Mean absolute difference, over the axes."""
    return (a - b).abs().mean(axes)
