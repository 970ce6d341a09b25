"""What a window of heatmaps is judged by: the columns of arXiv 2509.19252 as its code computes them, and sound ones beside.

Volumes are (T, C, H, W) in 0 .. 1, errors per frame are (T,).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from posecodec.networks.image_metrics import measure_l1, measure_psnr, measure_ssim

CELL = (-1, -2, -3)  # Axes of a frame with all its channels


@dataclass(frozen=True)
class PictureQuality:
    """Of one window, or the mean of several.

    ssim, psnr (dB), l1: means over frames. t_std: the paper's, which any noise of any amplitude scores .2 on: the mean over
    these three of the standard deviation over frames after each is stretched to 0 .. 1. instability: standard deviation over
    frames of the root mean square error, in 1/1000 of full scale. flicker: mean absolute error of what changes from frame to
    frame, in the same unit.
    """

    ssim: float
    psnr: float
    l1: float
    t_std: float
    instability: float
    flicker: float

    @staticmethod
    def measure(made: Tensor, real: Tensor) -> PictureQuality:
        """Of what was made of a window, and the window."""
        ssim, psnr, l1 = measure_ssim(made, real).mean(-1), measure_psnr(made, real, CELL), measure_l1(made, real, CELL)
        error = (made - real).square().mean(CELL).sqrt()
        change = (made - real).diff(dim=0).abs().mean() if len(made) > 1 else torch.zeros(())
        spread = torch.stack([stretch(series).std(unbiased=False) for series in (ssim, psnr, l1)]).mean()
        values = (ssim.mean(), psnr.mean(), l1.mean(), spread, 1e3 * error.std(unbiased=False), 1e3 * change)
        return PictureQuality(*(float(value) for value in values))

    @staticmethod
    def average(found: list[PictureQuality]) -> PictureQuality:
        """The mean of each."""
        columns = zip(*(vars(quality).values() for quality in found), strict=True)
        return PictureQuality(*(sum(column) / len(found) for column in columns))


def stretch(series: Tensor) -> Tensor:
    """A series brought to 0 .. 1 by its least and largest value; zeros where it is level."""
    low, high = series.min(), series.max()
    return (series - low) / (high - low) if high > low else torch.zeros_like(series)


def measure_perplexity(tokens: Tensor, codes: int) -> tuple[float, float]:
    """2 to the entropy of the codes' shares, and the share of codes that occur at all."""
    counts = torch.bincount(tokens.flatten().long(), minlength=codes).double()
    shares = counts[counts > 0] / counts.sum()
    return float(torch.exp2(-(shares * shares.log2()).sum())), float((counts > 0).double().mean())


def measure_jerk_ratio(made: Tensor, real: Tensor) -> float:
    """Mean third difference of points (T, K, D) over that of the original: 1 is as lively, 0 stands still."""
    jerk = [points.diff(n=3, dim=0).norm(dim=-1).mean() for points in (made, real)]
    return float(jerk[0] / jerk[1].clamp_min(1e-9)) if len(made) > 3 else 1.0
