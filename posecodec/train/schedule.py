"""The learning rate over a training: a linear warm-up, then half a cosine (Loshchilov and Hutter, "SGDR", 2017)."""

from __future__ import annotations

import math

from torch.optim import Optimizer


def set_rates(optimizer: Optimizer, step: int, steps: int, warmup: int, floor: float = 0.0) -> None:
    """Set the rate of every parameter group for one of so many steps, from its "peak" down to a share `floor` of that."""
    rise = min(1.0, (step + 1) / max(warmup, 1))
    wave = (1 + math.cos(math.pi * step / max(steps, 1))) / 2
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rise * (floor + (1 - floor) * wave)
