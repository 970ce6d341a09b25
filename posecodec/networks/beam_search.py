"""Codes of a residual quantizer that are good together, and good for every prefix: a beam search.

Greedy search takes the nearest code of each level; another one may leave a rest that later levels say better. Paths are
compared by the errors of all their prefixes so far, each in units of what greedy search leaves there, so that what is cut off
after any level is about as good as a search for that level alone. Where it is known what codes cost in bits, that counts too.
"""

from __future__ import annotations

import torch
from torch import Tensor

BEAM = 12  # Paths that are kept: 32 gain less than half a percent more (benchmarks/LOG.md)
THRIFT = (
    0.02  # Of a level's error that a bit is worth: 0.04 saves bits but no longer at equal error (benchmarks/LOG.md)
)
TINY = 1e-12  # Added to squared errors that are divided by


def search_codes(latents: Tensor, codebooks: Tensor, bits: Tensor | None = None, beam: int = BEAM) -> Tensor:
    """(n, F) latents and (Q, N, F) codebooks to (n, Q) codes. bits: (n, L, N) that the codes of the first levels cost."""
    if not len(codebooks) or not len(latents):
        return latents.new_zeros(len(latents), len(codebooks), dtype=torch.long)
    units = _measure_greedy(latents, codebooks)
    rests, costs = latents[:, None], latents.new_zeros(len(latents), 1)
    paths = latents.new_zeros(len(latents), 1, 0, dtype=torch.long)
    for level, book in enumerate(codebooks):
        errors = rests.square().sum(-1, keepdim=True) - 2 * rests @ book.T + book.square().sum(-1)
        total = costs[..., None] + errors / units[:, level, None, None]
        if bits is not None and level < bits.shape[1]:
            total = total + THRIFT * (len(codebooks) - level) * bits[:, None, level]
        costs, places = total.flatten(1).topk(min(beam, total[0].numel()), dim=1, largest=False)
        parents, codes = places // len(book), places % len(book)
        rests = rests.gather(1, parents[..., None].expand(-1, -1, rests.shape[2])) - book[codes]
        paths = torch.cat([paths.gather(1, parents[..., None].expand(-1, -1, level)), codes[..., None]], 2)
    return paths[:, 0]


def _measure_greedy(latents: Tensor, codebooks: Tensor) -> Tensor:
    """(n, Q) squared errors that greedy search leaves after each level."""
    rest, left = latents, []
    for book in codebooks:
        rest = rest - book[(rest @ book.T - book.square().sum(-1) / 2).argmax(-1)]
        left.append(rest.square().sum(-1) + TINY)
    return torch.stack(left, 1)
