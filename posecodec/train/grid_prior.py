"""What chances the codes of token grids have, learned from grids of training windows in floats that are rounded at the end.

`coders.tokens.grid_prior` says what the prior reads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from posecodec.coders.tokens.grid_prior import NEIGHBORS, GridLayers, pad
from posecodec.coders.tokens.prior import TABLE
from posecodec.train.schedule import set_rates
from posecodec.train.token_prior import BIAS_UNIT, CODE_UNIT, MOST_CODE, W2_UNIT, round_to

HIDDEN, NARROW = 48, 24  # Widths of the two layers
BATCH = 4096  # Cells that are learned from at once
RATE = 4e-3  # Peak learning rate
DECAY = 0.05  # Of weights, by step and rate: most neighborhoods are rare
LARGEST = 15.99  # Of hidden values


class FloatGridPrior(nn.Module):
    """The prior of N codes in floats."""

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.tables = nn.Parameter(torch.randn(len(NEIGHBORS), codes + 1, HIDDEN) * 0.1)
        self.b1 = nn.Parameter(torch.zeros(HIDDEN))
        self.w2 = nn.Parameter(torch.randn(HIDDEN, NARROW) / HIDDEN**0.5)
        self.b2 = nn.Parameter(torch.zeros(NARROW))
        self.codes = nn.Parameter(torch.randn(codes, NARROW) * 0.1)
        self.bias = nn.Parameter(torch.zeros(codes))

    def forward(self, around: Tensor, tokens: Tensor) -> Tensor:
        """Mean nats that tokens (n,) cost, with neighbors (n, 9)."""
        hidden = self.tables[torch.arange(len(NEIGHBORS)), around].sum(1) + self.b1
        narrow = (hidden.relu().clamp_max(LARGEST) @ self.w2 + self.b2).relu().clamp_max(LARGEST)
        return nn.functional.cross_entropy(narrow @ self.codes.clamp(-MOST_CODE, MOST_CODE).T + self.bias, tokens)

    @torch.no_grad()
    def to_layers(self) -> GridLayers:
        """The network in whole numbers."""
        table = np.rint(2.0**20 * np.exp(-np.arange(TABLE) / 64)).astype(np.int32)
        return GridLayers(
            round_to(self.tables * 256, np.int16), round_to(self.b1 * 256, np.int32),
            round_to(self.w2 * W2_UNIT, np.int16), round_to(self.b2 * W2_UNIT * 256, np.int32),
            round_to(self.codes.clamp(-MOST_CODE, MOST_CODE) * CODE_UNIT, np.int8),
            round_to(self.bias * BIAS_UNIT, np.int16), table,
        )  # fmt: skip


def train_grid_prior(tokens: Tensor, codes: int, steps: int, seed: int, say: Callable[[str], None]) -> GridLayers:
    """The prior of N codes by tokens (B, t, h, w) of training windows."""
    torch.manual_seed(seed)
    rng, model = torch.Generator().manual_seed(seed), FloatGridPrior(codes)
    counts = torch.bincount(tokens.flatten(), minlength=codes).float() + 0.1
    with torch.no_grad():
        model.bias.copy_((counts / counts.sum()).log())
    padded = torch.from_numpy(pad(tokens.numpy(), codes))
    optimizer = torch.optim.AdamW([{"params": list(model.parameters()), "peak": RATE}], weight_decay=DECAY)
    offsets, mean = torch.from_numpy(NEIGHBORS), 0.0
    for step in range(steps):
        set_rates(optimizer, step, steps, 50)
        place = [torch.randint(size, (BATCH, 1), generator=rng) for size in tokens.shape]
        t, y, x = (place[axis + 1] + 1 + offsets[:, axis] for axis in range(3))
        around = padded[place[0], t, y, x]
        loss = model(around, tokens[tuple(p[:, 0] for p in place)].long())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        mean = 0.98 * mean + 0.02 * loss.item() if step else loss.item()
        if step % 500 == 499:
            say(f"prior: step {step + 1} of {steps}, {mean / np.log(2):.3f} bits a cell")
    return model.to_layers()
