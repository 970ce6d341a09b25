"""Fit what tokens are made of, but for the network that sees heatmaps: bodies, bands, and the integer prior.

One straight narrative (`fit`): augmented windows, the basis of bodies, the frequencies of windows and their matrices, then
the prior, first on values that were simply rounded and then on those that the encoder with the first prior would choose.
It is trained in float on the very features that the integer kernel sees, and rounded to integers at the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from posecodec.coders.windows import prior as kernels
from posecodec.coders.windows.frequency_bands import OWN_ROWS, ROWS, WINDOW, FrequencyBands
from posecodec.coders.windows.lengths import SIZES, WINDOW_LENGTHS
from posecodec.coders.windows.prior import BINS, FEATURES, LOGITS, ROW_COUNT_BITS, TABLE, TABLE_REACH, Prior, PriorCoder
from posecodec.coders.windows.stream import HEADING_BITS, ORIGIN_STEP, RD_LAMBDA
from posecodec.coders.windows.weights import WindowTables
from posecodec.kinematics.body_model import Body, Motion
from posecodec.kinematics.bones import BoneTree, RestBones, follow_heading
from posecodec.pose.orientation import rotate_about_y
from posecodec.signal.quantization import step_of_qp
from posecodec.signal.segmentation import list_spans
from posecodec.train.bone_basis import POSE_STRIDE, measure_metric, take_square_root
from posecodec.train.schedule import set_rates
from posecodec.typing import Floats, Ints

LENGTH = 160  # Frames of a training window: two windows of the codec, or three
QPS = (72, 188)  # Range of steps that the prior is trained at
HIDDEN = (64, 32)  # Widths of the prior's two hidden layers
CLASSES = 20  # Octaves of steps that have a table of limits of their own
DEAD_ZONE = 0.36  # Added before rounding down where there is no prior yet to choose by: a dead zone of 1.28 steps
SHRINK = 0.06  # Steps that values are reconstructed nearer to zero by, until it is known better
BATCH = 48  # Windows of a training step of the prior
WARMUP = 50  # Steps over which the learning rate rises
RATES = (4e-3, 1e-3, 1e-3)  # Peak learning rates of the three rounds
CHUNK = 512  # Windows that are drawn at once
DrawWindows = Callable[[int], Floats]


def round_to_float16(values: Any) -> Floats:
    """As weights keep it: float16."""
    return np.asarray(values, np.float64).astype(np.float16).astype(np.float64)


def fit_body(points: Floats, skeleton: Any, dims: int) -> Body:
    """The basis of windows (B, T, K, D) of usual size."""
    if dims == 2:
        shape = (points - points.mean(axis=2, keepdims=True)).reshape(-1, 2 * points.shape[2])
        none = RestBones(np.zeros((0, 3)), np.zeros(0))
        return Body(skeleton, 2, none, round_to_float16(shape.mean(axis=0)), 0.0, np.eye(shape.shape[1]))
    tree = BoneTree.from_skeleton(skeleton)
    poses = points.reshape(-1, *points.shape[2:])[::POSE_STRIDE]
    bones = tree.to_local(rotate_about_y(tree.measure_bones(poses), follow_heading(poses, skeleton)))
    size = np.linalg.norm(bones, axis=-1)
    along = (bones / np.maximum(size, 1e-9)[..., None]).mean(axis=0)
    rest = RestBones(round_to_float16(along), round_to_float16(size.mean(axis=0)))
    values = rest.log_map(bones)
    metric = take_square_root(measure_metric(values, rest, tree))
    height = float(round_to_float16(poses.mean(axis=1)[:, 1].mean()))
    return Body(skeleton, 3, rest, round_to_float16(values.mean(axis=0)), height, round_to_float16(metric))


def find_start_states(motion: Motion, body: Body) -> Any:
    """The states before windows (B, T, ...), as coded side information would give them."""
    turns = 2 * np.pi / (1 << HEADING_BITS)
    angle = np.rint(motion.angle[:, 0] / turns) * turns
    return body.start_at(angle, np.rint(motion.center[:, 0] / ORIGIN_STEP) * ORIGIN_STEP)


def fit_bands(motion: Motion, body: Body) -> FrequencyBands:
    """Means and matrices of first and later windows, from motion (B, T >= 2 WINDOW, ...)."""
    size, is_translation = body.channels, body.is_translation
    shape = (2, OWN_ROWS, size, size)
    plain = FrequencyBands(np.broadcast_to(np.eye(size), shape), np.zeros((2, size)), is_translation)
    turns, means = np.zeros(shape), np.zeros((2, size))
    for later, state in enumerate((find_start_states(motion, body), motion.state_at(WINDOW - 1))):
        rows = plain.forward(body.to_local(motion.cut(later * WINDOW, WINDOW), state), bool(later))
        means[later] = round_to_float16(rows[:, 0].mean(axis=0))
        rows[:, 0] -= means[later]
        for k in range(OWN_ROWS):
            part = rows[:, k:] if k == OWN_ROWS - 1 else rows[:, k : k + 1]
            part = part / np.sqrt(np.square(part).mean(axis=(0, 2), keepdims=True) + 1e-6)
            covariance = np.einsum("bkc,bkd->cd", part, part)
            turns[later, k] = round_to_float16(np.linalg.eigh(covariance)[1][:, ::-1])
    return FrequencyBands(turns, means, is_translation)


def measure_expected(motion: Motion, body: Body, bands: FrequencyBands) -> NDArray[np.int32]:
    """(2, ROWS, C) 16 x log2 of root mean square values."""
    found = []
    for later, state in enumerate((find_start_states(motion, body), motion.state_at(WINDOW - 1))):
        rows = bands.forward(body.to_local(motion.cut(later * WINDOW, WINDOW), state), bool(later))
        found.append(np.rint(16 * np.log2(np.maximum(np.sqrt(np.square(rows).mean(axis=0)), 0.5))))
    return np.stack(found).astype(np.int32)


def draw_spans(rng: np.random.Generator) -> list[tuple[int, int]]:
    """(start, length) of the windows that LENGTH frames are cut into: allowed ones, of which the first is of any length."""
    lengths = [int(rng.choice(SIZES)) if rng.random() < 0.5 else int(rng.integers(8, LENGTH + 1))]
    while sum(lengths) < LENGTH:
        lengths.append(int(rng.choice(WINDOW_LENGTHS.list_options(LENGTH - sum(lengths))[-3:])))
    return list_spans(lengths)


@dataclass(frozen=True, eq=False, repr=False)
class WindowSample:
    """What the prior sees of one window. features: (limit, C, FEATURES) int16. values, targets: (limit, C)."""

    features: NDArray[np.int16]
    values: NDArray[np.int32]
    targets: NDArray[np.float32]
    later: bool
    qp: int
    limit: int


def collect(points: Floats, tables: WindowTables, rng: np.random.Generator, chosen: bool) -> list[WindowSample]:
    """Windows of a batch (B, LENGTH, K, D), coded in a closed loop, each at a step of its own.

    chosen: by the encoder with the prior there is; otherwise rounded.
    """
    motion = tables.body.analyze(points)
    state, found = find_start_states(motion, tables.body), []
    coders = [PriorCoder.start(tables.prior, int(i)) for i in rng.integers(*QPS, len(points))]
    step = np.array([step_of_qp(coder.qp) for coder in coders])[:, None, None]
    for start, length in draw_spans(rng):
        later = start > 0
        targets = tables.bands.forward(tables.body.to_local(motion.cut(start, length), state), later) / step
        targets = np.clip(targets, -kernels.LARGEST, kernels.LARGEST)
        places = np.zeros_like(targets)
        for i, coder in enumerate(coders):
            if chosen:
                before = coder.before
                values, places[i] = coder.quantize(targets[i], length, later, RD_LAMBDA)
                coder.before = before
            else:
                values = (np.sign(targets[i]) * np.floor(np.abs(targets[i]) + DEAD_ZONE)).astype(np.int32)
                places[i] = values - SHRINK * np.sign(values)
            busy = np.flatnonzero(values.any(axis=1))
            limit = int(busy[-1]) + 1 if len(busy) else 0
            features = np.zeros((limit, values.shape[1], FEATURES), np.int32)
            kernels.read_features(features, values, coder.context(length, later, limit))
            fine = targets[i, :limit].astype(np.float32)
            found.append(WindowSample(features.astype(np.int16), values[:limit], fine, later, coder.qp, limit))
            coder.before = values
        state = tables.body.to_world(tables.bands.inverse(places * step, length, later), state).state_at(-1)
    return found


class PriorNetwork(nn.Module):
    """The prior in float; `to_integers` rounds it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.by_channel = nn.Parameter(torch.zeros(2, channels, HIDDEN[0]))
        self.by_row = nn.Parameter(torch.zeros(2, ROWS, HIDDEN[0]))
        self.first = nn.Linear(FEATURES, HIDDEN[0])
        self.second = nn.Linear(HIDDEN[0], HIDDEN[1])
        self.third = nn.Linear(HIDDEN[1], LOGITS)

    def forward(self, features: Tensor, place: Tensor) -> Tensor:
        """features (n, FEATURES) in octaves; place (n, 3): later, row, channel. Returns logits (n, LOGITS)."""
        later, row, channel = place.unbind(1)
        hidden = self.first(features) + self.by_channel[later, channel] + self.by_row[later, row]
        logits: Tensor = self.third(self.second(hidden.relu()).relu())
        return logits

    def to_integers(self, prior: Prior) -> Prior:
        """The prior with this network."""

        def to_int(values: Tensor, unit: int) -> NDArray[np.int32]:
            found = np.rint(values.detach().double().numpy() * unit)
            return np.asarray(found.clip(-32767 * 16, 32767 * 16), np.int32)

        return replace(
            prior,
            by_channel=to_int(self.by_channel + self.first.bias, 4096), by_row=to_int(self.by_row, 4096),
            w1=to_int(self.first.weight.T, 256), w2=to_int(self.second.weight.T, 256), b2=to_int(self.second.bias, 4096),
            w3=to_int(self.third.weight.T, 256), b3=to_int(self.third.bias, 4096),
        )  # fmt: skip


def compute_nats(logits: Tensor, values: Tensor) -> Tensor:
    """(n,) code length of values (n,) as `code_window` codes them, without raw bits."""
    yes, no = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    size = values.abs()
    total = torch.where(size == 0, yes[:, 0], no[:, 0])
    total = total + torch.where(size > 0, torch.where(values > 0, yes[:, 4], no[:, 4]), 0.0)
    total = total + torch.where(size > 0, torch.where(size > 1, yes[:, 1], no[:, 1]), 0.0)
    total = total + torch.where(size > 1, torch.where(size > 2, yes[:, 2], no[:, 2]), 0.0)
    length = (size - 2).clamp_min(1).float().log2().floor()
    return -(total + torch.where(size > 2, length * yes[:, 3] + no[:, 3], 0.0))


def build_batch(seen: list[WindowSample]) -> tuple[Tensor, Tensor, Tensor]:
    """Features (n, FEATURES) in octaves, places (n, 3) and values (n,) of some windows."""
    features = np.concatenate([s.features.reshape(-1, FEATURES) for s in seen])
    values = np.concatenate([s.values.ravel() for s in seen])
    places = np.concatenate([_list_places(s) for s in seen])
    return torch.from_numpy(features.astype(np.float32) / 16), torch.from_numpy(places), torch.from_numpy(values)


def _list_places(seen: WindowSample) -> Ints:
    rows, channels = np.indices(seen.values.shape)
    return np.stack([np.full(rows.size, int(seen.later)), rows.ravel(), channels.ravel()], axis=1)


def train_net(net: PriorNetwork, pool: list[WindowSample], steps: int, rate: float, rng: np.random.Generator) -> float:
    """Minimize the code length of a pool of windows; returns the mean bits a window of the last tenth."""
    optimizer = torch.optim.AdamW([{"params": net.parameters(), "peak": rate}], rate, weight_decay=1e-3)
    pool, last = [s for s in pool if s.limit], []
    for step in range(steps):
        set_rates(optimizer, step, steps, WARMUP)
        features, places, values = build_batch([pool[i] for i in rng.integers(0, len(pool), BATCH)])
        loss = compute_nats(net(features, places), values).sum() / BATCH
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        last.append(loss.item() / math.log(2))
    return float(np.mean(last[-max(steps // 10, 1) :]))


@torch.no_grad()
def fit_offsets(net: PriorNetwork, pool: list[WindowSample]) -> NDArray[np.int32]:
    """(3, BINS) in 1/256: how far towards zero of a value its targets lie on average."""
    total, count = np.full((3, BINS), SHRINK * 256 * 50), np.full((3, BINS), 50.0)
    for first in range(0, min(len(pool), 2000), 50):
        part = [s for s in pool[first : first + 50] if s.limit]
        features, places, values = build_batch(part)
        logit = net(features, places)[:, 0].numpy()
        size, fine = np.abs(values.numpy()), np.concatenate([s.targets.ravel() for s in part])
        off = (size - fine * np.sign(values.numpy())) * 256
        there = (size > 0) & (np.abs(off) < 256)
        place = (np.minimum(size, 3)[there] - 1, np.clip(np.floor(logit[there]) + BINS // 2, 0, BINS - 1).astype(int))
        np.add.at(total, place, off[there])
        np.add.at(count, place, 1)
    return np.asarray(np.rint(np.clip(total / count, -64, 100)), np.int32)


def fit_limits(pool: list[WindowSample]) -> NDArray[np.uint16]:
    """(2, CLASSES, ROWS + 1) frequencies of how many rows are coded, smoothed over steps."""
    counts = np.zeros((2, CLASSES, ROWS + 1))
    for seen in pool:
        at = min(seen.qp // 16, CLASSES - 1)
        for near in (-1, 0, 1):
            counts[int(seen.later), np.clip(at + near, 0, CLASSES - 1), seen.limit] += 1 if near == 0 else 0.15
    counts += 0.3 + 0.02 * counts.sum(axis=2, keepdims=True) / (ROWS + 1)
    shares = counts / counts.sum(axis=2, keepdims=True)
    table = np.maximum(np.floor(shares * ((1 << ROW_COUNT_BITS) - ROWS - 1)), 0).astype(np.int64) + 1
    table[..., -1] += (1 << ROW_COUNT_BITS) - table.sum(axis=2)
    return np.asarray(table, np.uint16)


def tabulate_logistic() -> NDArray[np.int32]:
    """The logistic function in 65536ths, at logits in 1/64 nats from -TABLE_REACH on."""
    logits = np.arange(TABLE) / 64 - TABLE_REACH
    least = kernels.LEAST
    return np.rint(65536 / (1 + np.exp(-logits))).clip(least, 65536 - least).astype(np.int32)


def build_empty_prior(usual: NDArray[np.int32]) -> Prior:
    """A prior that knows what is usual and nothing else."""
    h, g = HIDDEN
    zeros = np.zeros
    limits = np.full((2, CLASSES, ROWS + 1), (1 << ROW_COUNT_BITS) // (ROWS + 1), np.uint16)
    limits[..., -1] += (1 << ROW_COUNT_BITS) - int(limits[0, 0].sum())
    shape = usual.shape
    return Prior(
        usual, zeros((2, shape[2], h), np.int32), zeros((2, ROWS, h), np.int32), zeros((FEATURES, h), np.int32),
        zeros((h, g), np.int32), zeros(g, np.int32), zeros((g, LOGITS), np.int32), zeros(LOGITS, np.int32),
        tabulate_logistic(), np.full((3, BINS), 15, np.int32), limits,
    )  # fmt: skip


def fit(
    source: DrawWindows, skeleton: Any, dims: int, seed: int = 0, windows: int = 4096, steps: int = 2000,
    say: Callable[[str], None] = print,
) -> WindowTables:  # fmt: skip
    """Everything but the network. source: draws that many augmented windows (B, LENGTH, K, D) of usual size."""
    torch.manual_seed(seed)
    rng, begin = np.random.default_rng(seed), time.time()
    points = np.concatenate([source(CHUNK) for _ in range(windows // CHUNK)]) if windows >= CHUNK else source(windows)
    body = fit_body(points, skeleton, dims)
    motion = body.analyze(points)
    bands = fit_bands(motion, body)
    tables = WindowTables(body, bands, build_empty_prior(measure_expected(motion, body, bands)))
    net = PriorNetwork(body.channels)
    for number, rate in enumerate(RATES):
        pool: list[WindowSample] = []
        while len(pool) < windows:
            pool += collect(source(min(256, windows)), tables, rng, chosen=number > 0)
        bits = train_net(net, pool, steps // 2 if number else steps, rate, rng)
        offsets, limits = fit_offsets(net, pool), fit_limits(pool)
        prior = replace(net.to_integers(tables.prior), reconstruction_offsets=offsets, last_significant=limits)
        tables = replace(tables, prior=prior)
        say(f"prior, round {number + 1}: {bits:.1f} bits a window ({time.time() - begin:.0f} s)")
    return tables
