"""Plain vector quantization, trained by gradients as the paper's code does (van den Oord et al., 2017, eq. 3).

No moving averages, no revival. The weight beside the commitment loss stands on the codebook's loss instead, as in the
paper's code, which follows an old version of taming-transformers there: kept, because this is to compare with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posecodec.networks.vector_quantizer import find_nearest

CODEBOOK_WEIGHT = 0.25  # Of the codebook's loss; the commitment's is 1


class GradientQuantizer(nn.Module):
    """One level of N codes of size F, uniform in +-1 / N at first."""

    def __init__(self, codes: int, size: int) -> None:
        super().__init__()
        self.codebook = nn.Parameter(torch.empty(codes, size).uniform_(-1 / codes, 1 / codes))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Quantized latents (..., F), whose gradient passes straight through, and the loss of both sides."""
        chosen = self.codebook[find_nearest(latents.detach(), self.codebook.detach())]
        loss = (chosen.detach() - latents).square().mean()
        loss = loss + CODEBOOK_WEIGHT * (chosen - latents.detach()).square().mean()
        return latents + (chosen - latents).detach(), loss
