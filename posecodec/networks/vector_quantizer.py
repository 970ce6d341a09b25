"""Residual vector quantization with moving-average codebooks (Zeghidour et al., "SoundStream", 2021; van den Oord et
al., "Neural Discrete Representation Learning", 2017, appendix A.1).

Level q codes what levels 1 to q - 1 left over, so a prefix of the levels is itself a coarser code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

START_USES = 128  # Uses that the codes of a level have together at the start, from where the moving averages go on


class ResidualQuantizer(nn.Module):
    """Q codebooks of N vectors of size F.

    decay: of the moving averages. revive: a code used less than this share of its level's mean use is replaced by a
    random residual of the batch. A sample trains every level, also those that level dropout leaves out of its sum.
    """

    codebooks: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, levels: int, codes: int, size: int, decay: float = 0.998, revive: float = 0.002) -> None:
        super().__init__()
        self.decay, self.revive = decay, revive
        self.register_buffer("codebooks", torch.zeros(levels, codes, size))
        self.register_buffer("uses", torch.ones(levels, codes))
        self.register_buffer("sums", torch.zeros(levels, codes, size))

    @property
    def levels(self) -> int:
        """Q."""
        return len(self.codebooks)

    def encode(self, latents: Tensor, levels: int | None = None) -> Tensor:
        """Nearest codes, level by level. (..., F) -> (..., Q) int64, for the first `levels` levels."""
        return nearest_codes(latents, self.codebooks[:levels])

    def decode(self, tokens: Tensor) -> Tensor:
        """Sum of the codes of as many levels as there are. (..., Q) -> (..., F)."""
        return sum_codes(tokens, self.codebooks)

    def forward(
        self, latents: Tensor, used: Tensor, generator: torch.Generator | None = None, taught: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Quantize for training, each sample with its own number of levels, and follow the batch with the codebooks.

        latents: (B, ..., F); used: (B,) levels in 0..Q; taught: (B,) which samples the codebooks follow, all if None.
        Returns the
        quantized latents, whose gradient passes straight through, and the commitment loss: mean squared distance of the
        taught latents from what they became.
        """
        taught = torch.ones_like(used, dtype=torch.bool) if taught is None else taught
        rest = latents.detach().flatten(1, -2)
        total = torch.zeros_like(rest)
        for level in range(self.levels):
            token = find_nearest(rest, self.codebooks[level])
            step = self.codebooks[level][token]
            if self.training:
                self._follow(level, rest[taught].flatten(0, 1), token[taught].flatten(), generator)
            rest, total = rest - step, total + step * (used > level)[:, None, None]
        total = total.reshape(latents.shape)
        commitment = (latents - total)[taught].square().mean() if taught.any() else latents.new_zeros(())
        return latents + (total - latents).detach(), commitment

    @torch.no_grad()
    def _follow(self, level: int, rest: Tensor, token: Tensor, generator: torch.Generator | None) -> None:
        uses = torch.bincount(token, minlength=self.uses.shape[1]).to(rest.dtype)
        sums = torch.zeros_like(self.sums[level]).index_add_(0, token, rest)
        self.uses[level].lerp_(uses, 1 - self.decay)
        self.sums[level].lerp_(sums, 1 - self.decay)
        dead = self.uses[level] < self.revive * self.uses[level].mean()
        if dead.any() and len(rest):
            self._revive(level, dead, rest, generator)
        self.codebooks[level] = self.sums[level] / self.uses[level].clamp_min(1e-6).unsqueeze(-1)

    def _revive(self, level: int, dead: Tensor, rest: Tensor, generator: torch.Generator | None) -> None:
        picks = torch.randint(len(rest), (int(dead.sum()),), generator=generator).to(rest.device)
        fresh = rest[picks]
        start = float(self.uses[level].mean()) / 2
        self.uses[level, dead] = start
        self.sums[level, dead] = fresh * start

    @torch.no_grad()
    def fit(self, latents: Tensor, generator: torch.Generator, rounds: int = 10) -> None:
        """Start the codebooks: k-means (Lloyd 1982) of the residuals of each level. latents: (M, F), M >= N."""
        rest = latents
        for level in range(self.levels):
            book = rest[torch.randperm(len(rest), generator=generator)[: self.codebooks.shape[1]]].clone()
            for _ in range(rounds):
                token = find_nearest(rest, book)
                count = torch.bincount(token, minlength=len(book)).to(rest.dtype)
                total = torch.zeros_like(book).index_add_(0, token, rest)
                book = torch.where(count[:, None] > 0, total / count.clamp_min(1)[:, None], book)
            self.codebooks[level] = book
            self.uses[level] = torch.bincount(find_nearest(rest, book), minlength=len(book)).to(rest.dtype)
            self.uses[level] *= START_USES / len(rest)
            self.sums[level] = book * self.uses[level].unsqueeze(-1)
            rest = rest - book[find_nearest(rest, book)]


def find_nearest(points: Tensor, book: Tensor) -> Tensor:
    """Index of the nearest row of book (N, F) for each of points (..., F)."""
    return (points @ book.T - book.square().sum(-1) / 2).argmax(dim=-1)


def nearest_codes(latents: Tensor, books: Tensor) -> Tensor:
    """(..., F) latents to (..., Q) codes of books (Q, N, F): the nearest of what is left, level by level."""
    rest, tokens = latents, []
    for book in books:
        tokens.append(find_nearest(rest, book))
        rest = rest - book[tokens[-1]]
    return torch.stack(tokens, dim=-1) if tokens else latents.new_zeros(*latents.shape[:-1], 0, dtype=torch.long)


def sum_codes(tokens: Tensor, books: Tensor) -> Tensor:
    """The mirror of `nearest_codes`, of as many levels as there are: (..., Q) -> (..., F)."""
    total = books.new_zeros(*tokens.shape[:-1], books.shape[-1])
    for token, book in zip(tokens.unbind(-1), books, strict=False):
        total = total + book[token]
    return total
