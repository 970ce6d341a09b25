"""Train the network after the tokens, with or without a discriminator.

Pairs of what the codec decodes and what was meant are made once, by the encoder itself, at steps of all sizes; then the
network learns to bring the one nearer to the other, seen as heatmaps in the decoded body's box.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec.coders.windows import stream
from posecodec.coders.windows.weights import WindowTables
from posecodec.kinematics.body_frame import to_body_frame
from posecodec.networks import heatmap
from posecodec.networks.refiner import Refiner, RefinerConfig, build_extras
from posecodec.networks.vqgan import Decoded
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.signal.segmentation import list_spans
from posecodec.train import losses
from posecodec.train.discriminator import PatchDiscriminator
from posecodec.train.schedule import set_rates
from posecodec.typing import Floats

QPS = (108, 184)  # Range of steps that the network is trained at: those of 5 to 10 levels
QP_OF_WEIGHT_1 = 144  # At this step a window counts 1 in the loss
WEIGHT_SLOPE = 0.7
"""Octaves that its weight falls by for each of a coarser step: large errors would outweigh the others."""
CROP = 64  # Frames of a training window
DRAWN = 4  # Windows of a batch whose whole heatmaps are made, for the heatmap and adversarial losses
DROPOUT = 0.1  # Share of the hidden values that a training step leaves out
DIFFERENCES = ((1, 0.5), (2, 1.0))
"""Orders of differences in time beside positions, velocities and accelerations, and their weights in the loss."""
JUDGE_RATE = 2e-4  # Learning rate of the discriminator
WARMUP = 50  # Steps over which the learning rate rises
TELL_EVERY = 100  # Steps between two messages


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """decoded, truth: (N, T, K, D) float32 in the decoded box, mm. extras: (N, T, E). weight: (N,) coarse ones count less."""

    decoded: Tensor
    truth: Tensor
    extras: Tensor
    weight: Tensor


def build_pairs(points: Floats, tables: WindowTables, rng: np.random.Generator) -> Pairs:
    """What the codec makes of windows (N, T, K, D) of usual size, each at a step of its own."""
    made: list[tuple[NDArray[np.float32], ...]] = []
    weights = []
    for window in points:
        qp = int(rng.integers(*QPS))
        motion, side = stream.analyze(window, tables, "y" if tables.body.dims == 3 else "-y")
        latents = stream.quantize(motion, side, qp, tables)
        decoded = stream.reconstruct(latents, tables)
        joins = np.array([start for start, _ in list_spans(latents.lengths)[1:]], np.int64)
        truth = tables.body.synthesize(motion)
        poses = to_body_frame(tables.body.synthesize(decoded), decoded), to_body_frame(truth, decoded)
        made.append((*(p.astype(np.float32) for p in poses), build_extras(decoded.center, decoded.angle, qp, joins)))
        weights.append(2.0 ** (-WEIGHT_SLOPE * (qp - QP_OF_WEIGHT_1) / STEPS_PER_OCTAVE))
    decoded_, truth_, extras = (torch.from_numpy(np.stack(part)) for part in zip(*made, strict=True))
    return Pairs(decoded_, truth_, extras, torch.tensor(weights, dtype=torch.float32))


def train_refiner(
    config: RefinerConfig, pairs: Pairs, steps: int, adversarial: float = 0.0, batch: int = 16, seed: int = 0,
    rate: float = 1e-3, say: Callable[[str], None] = print,
) -> Refiner:  # fmt: skip
    """A network trained on pairs. adversarial: weight of the discriminator, from half of the steps on; 0 leaves it out."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = Refiner(config, dropout=DROPOUT).train()
    judge = PatchDiscriminator(config.channels, config.grid)
    groups = [{"params": model.parameters(), "peak": rate}]
    optimizer = torch.optim.AdamW(groups, rate, betas=(0.9, 0.98), weight_decay=0.05)
    judge_optimizer = torch.optim.Adam(judge.parameters(), JUDGE_RATE, betas=(0.5, 0.9))
    begin, gains = time.time(), []
    for step in range(steps):
        set_rates(optimizer, step, steps, WARMUP)
        rows = torch.randint(len(pairs.decoded), (batch,), generator=rng)
        first = int(torch.randint(pairs.decoded.shape[1] - CROP + 1, (1,), generator=rng))
        part = slice(first, first + CROP)
        seen, truth, extras = (x[rows, part] for x in (pairs.decoded, pairs.truth, pairs.extras))
        decoded, weight = Decoded(seen, model(seen, extras)), pairs.weight[rows]
        made = losses.read_out(decoded, config)
        total = _measure_distance(made, truth, weight, config)
        for order, share in DIFFERENCES:
            total = total + share * _measure_distance(made.diff(order, dim=1), truth.diff(order, dim=1), weight, config)
        with torch.no_grad():
            before, after = (_measure_distance(x, truth, weight, config) for x in (seen, made))
            gains.append(float(after / before))
        judged = bool(adversarial) and step >= steps // 2
        if judged:
            drawn = losses.draw_heatmaps(decoded, config, slice(0, DRAWN))
            fooling = -judge(drawn).mean()
            balance = losses.measure_balance(total, fooling, model.draw.filters.weight)
            total = total + adversarial * balance * fooling
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if judged:
            centers = heatmap.to_pixels(truth[:DRAWN], config.grid, config.extent)
            real = heatmap.render(centers, config.grid, config.sigma).flatten(2, 3)
            judge_optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.measure_hinge(judge(real), judge(drawn.detach())))
            judge_optimizer.step()
        if (step + 1) % TELL_EVERY == 0:
            error, seconds = np.mean(gains[-TELL_EVERY:]), time.time() - begin
            say(f"network, step {step + 1}: error {error:.3f} of the tokens' ({seconds:.0f} s)")
    return model.eval()


def _measure_distance(points: Tensor, truth: Tensor, weight: Tensor, config: RefinerConfig) -> Tensor:
    """Mean distance in pixels, windows weighted."""
    gap = ((points - truth) * (config.grid / (2 * config.extent))).square().sum(-1) + 1e-6
    return (gap.sqrt().mean((1, 2)) * weight).mean()
