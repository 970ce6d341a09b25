"""Which code of a step's path is best: what is left of the path after its remainder, and the bits that both cost.

The nearest code may need a remainder that is dear; one a little farther off, or one that is usual here, may be as good
for less. That is a question of the first level alone, whose code decides the remainder; later levels are searched as others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PATH_THRIFT = {3: 0.75, 2: 5.0}
"""By dimensions: squared steps of a remainder, of the whole latent, that a bit is worth (benchmarks/LOG.md)."""


@dataclass(frozen=True, eq=False, repr=False)
class RemainderPrices:
    """Bits of remainders. classes: (N,) of the path's codes. bits: (classes, knots, D + 1, near, 2 M + 1) of -M .. M, by
    the remainder of the knot before, clipped; the outer two stand for all beyond."""

    classes: Tensor
    bits: Tensor

    def measure(self, remainders: Tensor) -> Tensor:
        """(..., N) bits of remainders (..., N, knots, D + 1) beside each code."""
        near, most = self.bits.shape[3] // 2, self.bits.shape[4] // 2
        whole = remainders.long()
        symbols = whole.clamp(-most, most) + most
        before = torch.cat([torch.zeros_like(whole[..., :1, :]), whole[..., :-1, :]], -2).clamp(-near, near) + near
        knots, channels = torch.arange(whole.shape[-2])[:, None], torch.arange(whole.shape[-1])
        found = self.bits[self.classes[:, None, None], knots, channels, before, symbols]
        beyond = 2 * (whole.abs() - most + 1).clamp_min(1).float().log2()
        return (found + beyond).sum((-1, -2))


@dataclass(frozen=True, eq=False, repr=False)
class Prices:
    """What a search may spend. tokens: (B, t, h, L, N) bits that each code of the first L levels costs in each place."""

    tokens: Tensor
    remainders: RemainderPrices

    def choose_path(self, step: int, rest: Tensor, remainders: Tensor, unit: float) -> Tensor:
        """The path's code (B,) of a step.

        rest: (B, N, F) latents that each code and its remainder (B, N, knots, D + 1) leave. unit: of a remainder.
        """
        bits = self.tokens[:, step, -1, 0] + self.remainders.measure(remainders)
        worth = PATH_THRIFT[remainders.shape[-1] - 1] * unit**2
        return (rest.square().sum(-1) + worth * bits).argmin(-1)
