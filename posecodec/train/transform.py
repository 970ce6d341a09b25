"""Fit the tables of the transform coder: the bone basis, what channels usually hold, and the context model's network.

One straight narrative: read motion, fit the basis, count magnitudes, collect coefficients as the encoder would code them,
train the network in float, round it to integers, count the rows, and twice more with the encoder that now knows it.
`fit` is that narrative, `export` writes it down. Leaves out the tables of tokens (`train.window_tables`).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec import zoo
from posecodec.coders.transform import coefficient_model as kernels
from posecodec.coders.transform.basis_choice import choose_graph
from posecodec.coders.transform.block_coder import BlockCoder, encode_channels
from posecodec.coders.transform.bodies import TRAINED, TrainedBody
from posecodec.coders.transform.coefficient_model import BINS, FEATURES, CoefficientModel, frequency_bins
from posecodec.coders.transform.magnitudes import LAST_MIXED, PLACES, ROWS, SLOTS, UNARY
from posecodec.coders.transform.weights import TransformTables, load_built_in, pack_tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import DataWarning, InputError
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.signal.dct import dct, dst
from posecodec.signal.quantization import STEPS_PER_OCTAVE
from posecodec.train.bone_basis import build_basis, fit_bone_tables
from posecodec.train.clips import load_clips
from posecodec.train.flat_basis import build_flat_basis, fit_flat_tables, see_clips
from posecodec.train.git_commit import find_commit
from posecodec.train.whole_bodies import load_as
from posecodec.typing import Bools, Floats, Ints

HIDDEN = (48, 24)  # Widths of the network's two hidden layers
SHORTEST = 24  # Clips of fewer frames are left out
RESIDUAL_EVERY = 8  # One in so many samples of bodies is a residual
QPS = (-30, 160)  # Range of steps of bodies: 0.3 to 1,000 mm
RESIDUAL_QPS = (-30, 130)  # Of residuals, which are smaller
COARSE_BLOCK = 64  # Frames of a block whose coarse code leaves a residual
LONGEST_SAMPLE = 512  # Frames
SHARES = (0.25, 0.5, 1.0)  # Of samples and steps, of the rounds: each codes samples as the round before has learned to
BATCH = 32768  # Coefficients of a training step
RATE = 6e-3  # Peak learning rate
SHOW_EVERY = 200  # Steps between two messages
CHUNK = 1 << 18  # Coefficients that the integer network is run on at once, to spare memory
SPREADS = (0.35, 1.0, 2.8)  # Scales of the three exponential distributions that a row mixes, over the row's own


def fit_prior(channels: list[Floats], pinned: Bools) -> Ints:
    """(2, C, BINS) 16 x log2 of the mean magnitude of first and later blocks, smoothed over bins without data."""
    total, number = np.full((2, channels[0].shape[1], BINS), 1e-3), np.full((2, 1, BINS), 1e-3)
    for size in (16, 32, 64, 128, 256):
        one_hot = np.eye(BINS)[frequency_bins(size)]
        for clip in channels:
            for start in range(0, len(clip) - size + 1, max(size // 2, 32)):
                block = clip[start : start + size]
                first = dct(size) @ block
                first[:, pinned] = dst(size) @ (block - block[:1])[:, pinned]
                total[0] += (one_hot.T @ np.abs(first)).T
                number[0] += one_hot.sum(axis=0)
                if start:
                    total[1] += (one_hot.T @ np.abs(dst(size) @ (block - clip[start - 1]))).T
                    number[1] += one_hot.sum(axis=0)
    return np.asarray(np.rint(16 * np.log2(np.maximum(total / number, 1e-3))), np.int64)


class Collector(BlockCoder):
    """A coder that keeps what the network would see and what it should have said."""

    found: list[tuple[NDArray[np.int16], NDArray[np.int32]]]

    def run(
        self, stream: RangeEncoder | RangeDecoder, kind: int, last_significant: int, values: Floats
    ) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
        """Code a block as the encoder does, and keep what it would learn from."""
        limit, (frames, count) = last_significant, values.shape
        context = self._build_context(frames, count, kind)
        context = context._replace(expected=context.expected.copy())
        quantized, places = super().run(stream, kind, limit, values)
        features = np.zeros((limit * count, FEATURES), np.int32)
        kernels.read_features(features, quantized, context, limit)
        fine = np.rint(values[:limit].ravel() * 256).clip(-(2**30), 2**30).astype(np.int32)
        odd = (places[:limit].ravel() >= PLACES).astype(np.int32)
        self.found.append((features.astype(np.int16), np.stack([quantized[:limit].ravel(), fine, odd], 1)))
        return quantized, places


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """Channels (T, C) to be coded at a QP, and with what."""

    channels: Floats
    prior: Ints
    pinned: Bools
    qp: int
    residual: bool
    generic: bool


@dataclass(frozen=True, eq=False, repr=False)
class Learned:
    """What is learned of a body, and the channels (T, C) of every clip that it is learned from."""

    body: TrainedBody
    channels: list[NDArray[np.float32]]


def collect(samples: list[Sample], model: CoefficientModel) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """(n, FEATURES) features and (n, 3) integers, values in 256ths, and by which quantizer."""
    features, targets = [], []
    for sample in samples:
        coder = Collector(model, sample.prior, sample.pinned, sample.qp, sample.residual, sample.generic)
        coder.found = []
        encode_channels(RangeEncoder(), sample.channels, coder)
        features += [f for f, _ in coder.found]
        targets += [t for _, t in coder.found]
    return np.concatenate(features), np.concatenate(targets)


def sample_bodies(
    channels: list[NDArray[np.float32]], prior: Ints, pinned: Bools, count: int, rng: np.random.Generator
) -> list[Sample]:
    """Channels of bone bases at random steps; every eighth as a residual of its own coarse version."""
    samples = []
    for number, which in enumerate(rng.integers(0, len(channels), count)):
        values, residual = channels[which].astype(np.float64), number % RESIDUAL_EVERY == RESIDUAL_EVERY - 1
        qp = int(rng.integers(*QPS))
        if residual:
            starts = range(0, len(values), COARSE_BLOCK)
            values = values - np.concatenate([make_coarse(values[a : a + COARSE_BLOCK], rng) for a in starts])
            qp = int(rng.integers(*RESIDUAL_QPS))
        samples.append(Sample(values, prior, pinned, qp, residual, False))
    return samples


def make_coarse(block: Floats, rng: np.random.Generator) -> Floats:
    """What a coarse code of a block might look like: its low frequencies, rounded."""
    step = float(2 ** rng.uniform(7, 10))
    return np.asarray(dct(len(block)).T @ (np.rint(dct(len(block)) @ block / step) * step))


def sample_others(clips: list[Floats], count: int, rng: np.random.Generator) -> list[Sample]:
    """Keypoints as no model knows them: some of a body's, in 2D or 3D, at other rates, with noise, in a graph's modes."""
    samples = []
    for which in rng.integers(0, len(clips), count):
        points = clips[which][:: int(rng.choice([1, 1, 1, 2]))][:LONGEST_SAMPLE]
        if rng.random() < 0.4 and len(points) > 8:
            points = upsample(points, int(rng.integers(2, 7)))[:LONGEST_SAMPLE]
        kept = rng.choice(points.shape[1], int(rng.integers(1, points.shape[1] + 1)), replace=False)
        if rng.random() < 0.5:
            points = points[:, kept]
        if rng.random() < 0.4:
            points = points @ np.linalg.qr(rng.normal(size=(3, 3)))[0][:, :2]
        if rng.random() < 0.5:
            points = points + rng.normal(size=points.shape) * 10 ** rng.uniform(-1, 1)
        choice = choose_graph(points, build_skeleton(points.shape[1]))
        size = choice.scale * float(np.abs(points - points.mean(axis=(0, 1))).mean())
        qp = int(STEPS_PER_OCTAVE * np.log2(size * 10 ** rng.uniform(-3.3, -0.6)))
        samples.append(Sample(choice.channels, choice.prior, choice.pinned, qp, False, True))
    return samples


def upsample(points: Floats, times: int) -> Floats:
    """The motion at a multiple of its frame rate, by its cosines."""
    frames = len(points)
    values = dct(frames) @ points.reshape(frames, -1)
    n, k = np.arange(frames * times), np.arange(frames)[:, None]
    matrix = np.sqrt(2 / frames) * np.cos(np.pi * (2 * (n + 0.5) / times) * k / (2 * frames))
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix.T @ values).reshape(-1, *points.shape[1:])


class ScaleNetwork(torch.nn.Module):
    """Where among the rows, from the features; and how magnitudes are distributed there."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = torch.nn.Linear(FEATURES, HIDDEN[0]), torch.nn.Linear(*HIDDEN)
        self.c = torch.nn.Linear(HIDDEN[1], 1)
        torch.nn.init.zeros_(self.c.weight)
        torch.nn.init.constant_(self.c.bias, 2.5)
        self.mix = torch.nn.Parameter(torch.zeros(2 * ROWS, 3))
        self.edge = torch.nn.Parameter(torch.zeros(2 * ROWS))

    def place(self, x: torch.Tensor) -> torch.Tensor:
        """(n,) places among the rows, from features (n, FEATURES)."""
        place: torch.Tensor = 4 * self.c(torch.relu(self.b(torch.relu(self.a(x / 64)))))[:, 0]
        return place

    def measure_bits(self, x: torch.Tensor, size: torch.Tensor, odd: torch.Tensor) -> torch.Tensor:
        """(n,) code lengths of magnitudes (n,), and a little for places beyond the rows."""
        place = self.place(x)
        place = place + 0.01 * (place.clamp(0, ROWS - 1.001) - place).detach()
        inside = place.clamp(0, ROWS - 1.001)
        low = inside.detach().floor().long()
        part = (inside - low)[:, None]
        low = low + ROWS * odd
        mix = torch.softmax(self.mix[low] * (1 - part) + self.mix[low + 1] * part, dim=1)
        edge = (
            0.5
            - 0.3 * odd
            + (0.3 + 0.3 * odd) * torch.sigmoid(self.edge[low] * (1 - part[:, 0]) + self.edge[low + 1] * part[:, 0])
        )
        spread = torch.exp2((inside - 10) / 2)[:, None] * torch.tensor(SPREADS)
        lower = torch.where(size > 0, size - 1 + edge, torch.zeros_like(edge))[:, None]
        upper = (size + edge)[:, None]
        tail = torch.exp(-lower / spread) * -torch.expm1(-(upper - lower) / spread)
        return -torch.log2((mix * tail).sum(dim=1).clamp_min(1e-9)) + (size > 0) + 0.001 * (place - inside) ** 2


def fit_network(
    features: NDArray[np.int16], targets: NDArray[np.int32], steps: int, start: ScaleNetwork | None,
    show: Callable[[str], None],
) -> ScaleNetwork:  # fmt: skip
    """Train on collected coefficients."""
    net = start or ScaleNetwork()
    x, size = torch.from_numpy(features), torch.from_numpy(np.abs(targets[:, 0]).astype(np.float32))
    odd = torch.from_numpy(targets[:, 2].astype(np.int64))
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    mean = 0.0
    for step in range(steps):
        chosen = torch.randint(len(x), (BATCH,))
        loss = net.measure_bits(x[chosen].float(), size[chosen], odd[chosen]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        mean = loss.item() if not step else 0.99 * mean + 0.01 * loss.item()
        if step % SHOW_EVERY == 0:
            show(f"step {step} of {steps}: {mean:.4f} bits")
    return net


def round_network(net: ScaleNetwork) -> CoefficientModel:
    """The network in integers; rows as yet unknown."""

    def to_int(t: torch.Tensor, unit: float) -> NDArray[np.int32]:
        return np.asarray(np.rint(t.detach().numpy().T * unit).clip(-(2**23), 2**23), np.int32)

    half = np.full((2 * ROWS, SLOTS), 32768, np.int32)
    return CoefficientModel(
        np.ascontiguousarray(to_int(net.a.weight, 256)), to_int(net.a.bias, 64 * 256),
        np.ascontiguousarray(to_int(net.b.weight, 256)), to_int(net.b.bias, 64 * 256),
        to_int(net.c.weight, 256)[:, 0].copy(), to_int(net.c.bias, 64 * 256), half, np.zeros((2 * ROWS, 3), np.int32),
    )  # fmt: skip


def run_integer_network(model: CoefficientModel, features: NDArray[np.int16]) -> Ints:
    """What the integer network says, as `code_block` computes it."""
    out = np.zeros(len(features), np.int64)
    for at in range(0, len(features), CHUNK):
        x = features[at : at + CHUNK].astype(np.int64)
        h = np.maximum((x @ model.w1 + model.b1) >> 8, 0)
        h = np.maximum((h @ model.w2 + model.b2) >> 8, 0)
        out[at : at + len(x)] = ((h @ model.w3 + model.b3[0]) >> 8).clip(0, (ROWS - 1) * 16)
    return out


def count_rows(model: CoefficientModel, features: NDArray[np.int16], targets: NDArray[np.int32]) -> CoefficientModel:
    """Probabilities of every row's bits, and where between its ends a magnitude is reconstructed."""
    place = run_integer_network(model, features)
    base, odd = place >> 4, targets[:, 2].astype(np.int64)
    weight = np.where(base > LAST_MIXED, 0, place & 15)
    row = base + ROWS * odd
    size = np.abs(targets[:, 0].astype(np.int64))
    ones, seen = np.full((2 * ROWS + 1, SLOTS), 0.3), np.full((2 * ROWS + 1, SLOTS), 0.6)
    for at, part in ((row, 16 - weight), (row + 1, weight)):
        high = size >> np.maximum(0, (base - 14) >> 1)
        far = high >= UNARY
        length = np.floor(np.log2(np.maximum(high - UNARY + 1, 1))).astype(np.int64)
        for slot in range(SLOTS):
            bit = slot - UNARY
            here, more = (high >= slot, high > slot) if bit < 0 else (far & (length >= bit), length > bit)
            seen[:, slot] += np.bincount(at[here], part[here] / 16, 2 * ROWS + 1)
            ones[:, slot] += np.bincount(at[here], (part * more)[here] / 16, 2 * ROWS + 1)
    rows = np.rint(65536 * ones / seen).clip(32, 65536 - 32).astype(np.int32)[: 2 * ROWS]
    offsets = np.zeros((2 * ROWS, 3), np.int32)
    inside = np.abs(targets[:, 1]) / 256.0
    for which in range(3):
        here = (size == which + 1) if which < 2 else size > 2
        gap = np.bincount(row[here], (size - 0.5 * odd - inside)[here], 2 * ROWS)
        number = np.bincount(row[here], minlength=2 * ROWS)
        offsets[:, which] = np.rint(256 * gap / (number + 20)).clip(-80, 80)
    return replace(model, rows=rows, reconstruction_offsets=offsets)


def scale_to(points: Floats, lengths: Floats, tree: BoneTree) -> Floats:
    """Points at the usual size."""
    size = np.median(np.linalg.norm(tree.measure_bones(points), axis=-1), axis=0).sum()
    return np.asarray(points * (lengths.sum() / size))


def mirror(points: Floats, skeleton: Skeleton) -> Floats:
    """Left for right."""
    return np.asarray(points[:, skeleton.mirror] * np.array([-1.0, 1.0, 1.0]))


def to_usual_size(clips: list[Floats], tree: BoneTree) -> list[Floats]:
    """Clips (T, K, 3), all of the size that they have in the mean."""
    lengths = [np.median(np.linalg.norm(tree.measure_bones(c), axis=-1), axis=0) for c in clips]
    return [scale_to(clip, np.mean(lengths, axis=0), tree) for clip in clips]


def load_usual_clips(folders: tuple[Path, ...], skeleton: Skeleton) -> list[Floats]:
    """Clips (T, K, 3) of folders of motion, at least 24 frames, scaled to the usual size; none where there is no such body.

    Recordings in 3D that have all of its keypoints, and archives that these can be made of.
    """
    clips = [] if skeleton == COCO19 else load_as(folders, skeleton, SHORTEST)
    with contextlib.suppress(InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of recordings of other bodies
        named = load_clips(tuple(map(str, folders)), skeleton, archives=skeleton == COCO19)
        clips += [c.points.astype(np.float64) for c in named if len(c.points) >= SHORTEST and c.points.shape[2] == 3]
    return to_usual_size(clips, BoneTree.from_skeleton(skeleton)) if clips else []


def fit_body(plain: list[Floats], skeleton: Skeleton) -> Learned:
    """What is learned of clips (T, K, 3) of usual size, and of their mirror images."""
    tree, clips = BoneTree.from_skeleton(skeleton), plain + [mirror(clip, skeleton) for clip in plain]
    tables = fit_bone_tables(clips, skeleton)
    channels = [build_basis(clip, tables, tree).forward(clip) for clip in clips]
    prior = fit_prior(channels[: len(plain)], tables.pinned)
    return Learned(TrainedBody(skeleton, tables, prior), [values.astype(np.float32) for values in channels])


def fit_flat_body(clips: list[Floats], body: TrainedBody) -> Learned:
    """The same of how clips (T, K, 3) are seen by cameras."""
    seen = see_clips(clips, body.tree, float(body.lengths.sum()))
    tables = fit_flat_tables(seen, body.tree)
    channels = [build_flat_basis(clip, tables).forward(clip) for clip in seen]
    prior = fit_prior(channels, tables.pinned)
    return Learned(TrainedBody(body.skeleton, tables, prior), [values.astype(np.float32) for values in channels])


def fit(folders: tuple[Path, ...], samples: int, steps: int, show: Callable[[str], None]) -> TransformTables:
    """All tables from folders of motion. samples: bodies whose coefficients are collected; steps: of the optimizer.

    Bodies of which there is no motion keep the tables that come with posecodec. Deterministic for a given machine and number
    of threads. Raises InputError where there is no motion of any body.
    """
    solid, flat, clips = list[Learned](), list[Learned](), list[Floats]()
    for skeleton in TRAINED.values():
        plain = load_usual_clips(folders, skeleton)
        if plain:
            solid.append(fit_body(plain, skeleton))
            flat.append(fit_flat_body(plain, solid[-1].body))
            clips = clips or plain + [mirror(clip, skeleton) for clip in plain]  # of coco19, if there are any
        show(f"{skeleton.name}: {f'bases and priors of {len(plain)} clips' if plain else 'no clips, kept as it is'}")
    if not clips:
        raise InputError(f"no motion in 3D of {', '.join(TRAINED)} in {', '.join(map(str, folders))}")
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    net, model = None, round_network(ScaleNetwork())
    for share in SHARES:
        chosen = draw_samples(solid, flat, clips, int(samples * share), rng)
        features, targets = collect(chosen, model)
        net = fit_network(features, targets, int(steps * share), net, show)
        model = count_rows(round_network(net), features, targets)
    _, known = load_built_in()
    return TransformTables(_replace(known.bodies, solid), _replace(known.flat_bodies, flat), model)


def _replace(known: tuple[TrainedBody, ...], learned: list[Learned]) -> tuple[TrainedBody, ...]:
    """Bodies in the order of TRAINED, those that were learned in the place of known ones."""
    found = {body.skeleton.name: body for body in known} | {each.body.skeleton.name: each.body for each in learned}
    return tuple(found[skeleton.name] for skeleton in TRAINED.values() if skeleton.name in found)


def draw_samples(
    solid: list[Learned], flat: list[Learned], clips: list[Floats], count: int, rng: np.random.Generator
) -> list[Sample]:
    """So many of bodies, half of them the first in 3D (coco19), and half as many of others."""
    chosen = sample_others(clips, count // 2, rng)
    others = (*solid[1:], *flat)
    for learned, part in ((solid[0], count // 2), *((each, count // 2 // len(others)) for each in others)):
        chosen += sample_bodies(learned.channels, learned.body.prior, learned.body.tables.pinned, part, rng)
    return chosen


def export(
    folders: tuple[Path, ...],
    target: Path,
    samples: int,
    steps: int,
    rights: dict[str, str],
    show: Callable[[str], None],
) -> dict[str, Any]:
    """Fit, and write TARGET.safetensors and TARGET.json. rights: "licence" and "attribution". Returns the card."""
    tables = fit(folders, samples, steps, show)
    about = {
        **rights,
        "data": [folder.name for folder in folders],
        "commit": find_commit(),
        "steps": int(sum(SHARES) * steps),
    }
    return zoo.write_weights(target, pack_tables(tables), {"skeleton": COCO19.name}, about)
