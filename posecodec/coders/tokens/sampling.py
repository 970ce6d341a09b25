"""Motion drawn from the integer prior: token by token, each by the chances that the ones before leave it."""

from __future__ import annotations

import numpy as np

from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.prior import Prior
from posecodec.errors import InputError


def sample(prior: Prior, steps: int, levels: int, seed: int = 0, warmth: float = 1.0) -> TokenGrid:
    """A grid of so many steps and levels. warmth: below 1 the likely becomes likelier, above 1 all more even.

    Raises InputError if the weights have fewer levels, or a number is not positive.
    """
    rows, most, codes, _ = prior.values.shape
    if not 1 <= levels <= most or steps < 1 or not warmth > 0:
        raise InputError(
            f"{steps} steps of {levels} levels at warmth {warmth:g}: 1 to {most} levels, and more than 0, are needed"
        )
    rng, tokens = np.random.default_rng(seed), np.zeros((steps, rows, levels), np.int32)
    for step in range(steps):
        for level in range(levels):
            for row in range(rows):
                chances = prior.list_frequencies(tokens, step, row, level).astype(np.float64) ** (1 / warmth)
                tokens[step, row, level] = rng.choice(codes, p=chances / chances.sum())
    return TokenGrid(np.ascontiguousarray(tokens[:, :, None]), codes)
