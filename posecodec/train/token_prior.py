"""What chances the codes of tokens have: the integer prior and the tables of remainders, learned from tokens of
training motion.

The prior is trained in floats that are rounded at the end; `coders.tokens.prior` says what it reads. The vectors of
codes start as what the codes stand for and its square, so that a few numbers say which codes are near.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posecodec.coders.tokens.prior import REACH, TABLE, UNIT, Layers
from posecodec.coders.tokens.stream import MOST_REMAINDER, NEAR, RemainderModel, find_near
from posecodec.coders.tokens.weights import FULL_LEVELS, LATE_WIDTH
from posecodec.entropy.range_coder import MAX_TOTAL
from posecodec.train.schedule import set_rates

HIDDEN, NARROW = 64, 48  # Widths of the two layers
BATCH = 256  # Steps of tokens that are learned from at once
RATE = 2e-3  # Peak learning rate
DROPOUT = 0.15  # Of what is known and of hidden values: people never seen are not like those seen
CLASSES = 4  # Of remainders, by the path's code
START_SCALE = 0.1  # Of codes' vectors at the start: nearly even chances
MOST_CODE = 127 / 32  # Largest number in a code's vector
W1_UNIT, W2_UNIT, CODE_UNIT, BIAS_UNIT = 2048, 256, 32, 1024
"""What the layers' weights are multiplied by: features come in 1/32, hidden values in 1/256."""


class FloatPrior(nn.Module):
    """The prior in floats. values: (h, Q, N, F) whole steps that codes stand for."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = values.float()
        rows, most, codes, size = values.shape
        known = 2 * rows * size
        self.w1 = nn.Parameter(torch.randn(rows, known, HIDDEN) / known**0.5)
        self.b1 = nn.Parameter(torch.zeros(rows, most, HIDDEN))
        self.w2 = nn.Parameter(torch.randn(rows, HIDDEN, NARROW) / HIDDEN**0.5)
        self.b2 = nn.Parameter(torch.zeros(rows, most, NARROW))
        vectors = self.values / UNIT
        vectors = vectors / vectors.std(2, keepdim=True).clamp_min(1e-6)
        start = torch.cat([vectors, vectors.square() - 1], -1)[..., :NARROW] * START_SCALE
        self.codes = nn.Parameter(nn.functional.pad(start, (0, NARROW - start.shape[-1])))
        self.bias = nn.Parameter(torch.zeros(rows, most, codes))
        self.told = (torch.arange(NARROW) < LATE_WIDTH) | (torch.arange(most) < FULL_LEVELS)[:, None]
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, before: Tensor, tokens: Tensor) -> Tensor:
        """Nats (B, h, Q) that tokens (B, h, Q) cost, after tokens `before` (B, h, Q), or -1 where there are none."""
        levels, rows = tokens.shape[2], torch.arange(tokens.shape[1])
        there = (before[:, 0, 0] >= 0).float()[:, None, None]
        past = self._look_up(before.clamp_min(0)).sum(2) * there
        steps = self._look_up(tokens)
        now = steps.cumsum(2) - steps
        known = now[:, None] + steps[:, None] * (rows[:, None] > rows)[:, :, None, None]
        known = torch.cat([past[:, None, :, None].expand_as(known), known], 2).transpose(2, 3).flatten(3)
        hidden = torch.einsum("brlk,rkh->brlh", self.drop(known.clamp(-REACH, REACH) / UNIT), self.w1)
        hidden = self.drop((hidden + self.b1[:, :levels]).relu().clamp_max(15.99))
        narrow = torch.einsum("brlh,rhg->brlg", hidden, self.w2) + self.b2[:, :levels]
        vectors = self.codes[:, :levels].clamp(-MOST_CODE, MOST_CODE) * self.told[:levels, None]
        logits = torch.einsum("brlg,rlng->brln", narrow.relu().clamp_max(15.99), vectors) + self.bias[:, :levels]
        return nn.functional.cross_entropy(logits.permute(0, 3, 1, 2), tokens, reduction="none")

    def _look_up(self, tokens: Tensor) -> Tensor:
        """What tokens (B, h, Q) stand for, (B, h, Q, F)."""
        rows, levels = (torch.arange(count) for count in tokens.shape[1:])
        return self.values[rows[:, None], levels, tokens]

    @torch.no_grad()
    def to_layers(self) -> Layers:
        """The network in whole numbers."""
        w1, w2 = round_to(self.w1 * W1_UNIT, np.int16), round_to(self.w2 * W2_UNIT, np.int16)
        b1, b2 = round_to(self.b1 * W1_UNIT * UNIT, np.int32), round_to(self.b2 * W2_UNIT * 256, np.int32)
        codes = round_to(self.codes.clamp(-MOST_CODE, MOST_CODE) * self.told[:, None] * CODE_UNIT, np.int8)
        table = np.rint(2.0**20 * np.exp(-np.arange(TABLE) / 64)).astype(np.int32)
        return Layers(w1, b1, w2, b2, codes, round_to(self.bias * BIAS_UNIT, np.int16), table)


def round_to(values: Tensor, kind: type) -> NDArray[Any]:
    """Whole numbers of a kind, the nearest that it has."""
    info = np.iinfo(kind)
    return np.ascontiguousarray(values.numpy().round().clip(info.min, info.max).astype(kind))


def train_prior(values: NDArray[np.int32], tokens: Tensor, steps: int, seed: int, say: Callable[[str], None]) -> Layers:
    """The prior of values (h, Q, N, F) by tokens (B, t, h, Q) of training windows; each sample has its own number of
    levels."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = FloatPrior(torch.from_numpy(values))
    optimizer = torch.optim.AdamW([{"params": list(model.parameters()), "peak": RATE}], weight_decay=0.02)
    before = torch.cat([torch.full_like(tokens[:, :1], -1), tokens[:, :-1]], 1).flatten(0, 1)
    now, mean = tokens.flatten(0, 1), 0.0
    for step in range(steps):
        set_rates(optimizer, step, steps, 100)
        picks = torch.randint(len(now), (BATCH,), generator=rng)
        levels = int(torch.randint(1, tokens.shape[3] + 1, (1,), generator=rng))
        loss = model(before[picks][..., :levels], now[picks]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        mean = 0.98 * mean + 0.02 * loss.item() if step else loss.item()
        if step % 100 == 99:
            say(f"prior: step {step + 1} of {steps}, {mean / np.log(2):.3f} bits a token")
    return model.to_layers()


def count_remainders(tokens: NDArray[np.int32], remainders: NDArray[np.int32], codes: int) -> RemainderModel:
    """Tables by tokens (n, h, Q) and remainders (n, knots, D + 1) of training steps: codes in classes by how large
    theirs are."""
    first, size = tokens[:, -1, 0], np.abs(remainders).mean(axis=(1, 2))
    uses = np.bincount(first, minlength=codes) + 4.0
    mean = (np.bincount(first, size, codes) + 4 * size.mean()) / uses
    edges = np.quantile(mean[first], np.arange(1, CLASSES) / CLASSES)
    classes = np.searchsorted(edges, mean).astype(np.uint8)
    symbols = remainders.clip(-MOST_REMAINDER, MOST_REMAINDER) + MOST_REMAINDER
    tables = np.full((CLASSES, *remainders.shape[1:], NEAR, 2 * MOST_REMAINDER + 1), 0.5)
    for knot in range(remainders.shape[1]):
        before = remainders[:, knot - 1] if knot else np.zeros_like(remainders[:, 0])
        near = find_near(before.astype(np.int64))
        for channel in range(remainders.shape[2]):
            np.add.at(tables[:, knot, channel], (classes[first], near[:, channel], symbols[:, knot, channel]), 1)
    smooth = tables + tables[..., ::-1, ::-1]  # a mirrored body has mirrored remainders
    shares = smooth / smooth.sum(axis=-1, keepdims=True)
    return RemainderModel(classes, np.maximum(1, shares * (MAX_TOTAL - 1024)).astype(np.int32))
