"""The systems of arXiv 2509.19252, measured as it measured them and in a way that is sound; beside them a black picture,
the ceiling that random brightness sets, and our own codecs drawn as the same limb maps.

Every row of one system sees the same windows of the validation split, drawn by a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posecodec import zoo
from posecodec.bench.paper_metrics import PictureQuality, measure_jerk_ratio, measure_perplexity
from posecodec.bitstream import container
from posecodec.codec import PoseCodec
from posecodec.coders.tokens.grid_network import load_network
from posecodec.coders.tokens.grid_prior import GridPrior
from posecodec.coders.tokens.grid_weights import KIND, unpack_prior
from posecodec.errors import WeightsError
from posecodec.networks import grid_io, heatmap
from posecodec.networks.config import from_dict
from posecodec.networks.grid_config import GridConfig
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.networks.limb_maps import draw_volume
from posecodec.networks.vector_quantizer import find_nearest
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.train import data
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.clips import load_clips
from posecodec.train.grid_config import Sampling
from posecodec.train.grid_windows import STEADY, GridWindows, cut_windows, draw_pair

SEED = 15  # Of the windows
ERRORS = (
    0.12,
    0.2,
    0.35,
    0.6,
    1.0,
    1.6,
    2.5,
    4.0,
)  # Pixels of the grid, mean errors that the scalar codecs are asked for
BOUNDS = (0.3, 0.6, 1.2, 2.5, 5.0)  # Pixels of the grid, maximum errors of the frame-by-frame coder
LEVELS = (1, 2, 3, 4, 6, 8)  # Of tokens by part of the body
NEAR = 0.05  # Share of the window's box within which a keypoint counts as found
COMMITMENT = 1.25  # The paper's Q-loss in squared distances of latents: 1 + .25, since both sides are the same numbers


@dataclass(frozen=True, eq=False)
class System:
    """A trained model. name: of its row."""

    name: str
    config: GridConfig
    sampling: Sampling
    network: GridVQGAN = field(repr=False)
    prior: GridPrior = field(repr=False)
    card: dict[str, Any] = field(repr=False)

    @staticmethod
    def load(path: str | Path, name: str | None = None) -> System:
        """Of a weights file. Raises WeightsError if it is none of such a system."""
        weights = zoo.read_weights(path)
        if weights.settings.get("kind") != KIND:
            raise WeightsError(f"{path} holds no system of the paper; train one with a config of configs/paper")
        with zoo.name_weights(weights.name):
            config = from_dict(GridConfig, weights.settings["network"])
            sampling = from_dict(Sampling, weights.settings["sampling"])
            prior = unpack_prior(weights.tensors, config)
        card = {"sha256": weights.sha256[:8], **{k: weights.settings[k] for k in ("system", "skeleton")}}
        return System(name or weights.name, config, sampling, load_network(weights, config, "cpu"), prior, card)

    @property
    def task(self) -> tuple[Any, ...]:
        """What systems have in common that see the same windows."""
        shape = self.config
        return (
            shape.source,
            shape.target,
            shape.window,
            shape.grid,
            shape.sigma,
            shape.margin,
            shape.limbs,
            self.sampling,
        )


@dataclass(frozen=True)
class Row:
    """One line of the table. bits: a frame, entropy-coded (None of what is no code); raw: without. used: share of codes.
    q_loss, perplexity: of models. jerk, mpjpe (mm, or pixels of the camera's image), pck: of models with keypoints."""

    system: str
    name: str
    kind: str
    quality: PictureQuality
    bits: float | None = None
    raw: float | None = None
    q_loss: float | None = None
    perplexity: float | None = None
    used: float | None = None
    jerk: float | None = None
    mpjpe: float | None = None
    pck: float | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """A window (a batch of one) and what is drawn of it."""

    cut: GridWindows
    source: Tensor
    target: Tensor


def run(
    systems: list[System], folder: Path, windows: int, flicker: bool, say: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """All rows: by task, its models, black, ceiling, our codecs."""
    rows: list[Row] = []
    for task in dict.fromkeys(system.task for system in systems):
        same = [system for system in systems if system.task == task]
        shown = list(cut(same[0], folder, windows, flicker))
        for row in (
            *(measure_system(s, shown) for s in same),
            *measure_marks(same[0], shown),
            *measure_own(same[0], shown),
        ):
            say(row)
            rows.append(row)
    return rows


def cut(system: System, folder: Path, windows: int, flicker: bool) -> Iterator[Window]:
    """Windows of the validation split as a system takes them."""
    motion, cameras = _load_motion(folder, system.card["skeleton"]), _load_cameras(folder)
    how = replace(system.sampling, mirror=0.0, bones=0.0, jitter=0.0, missing=0.0, flicker=flicker)
    rng = data.build_generator(SEED)
    for _ in range(windows):
        drawn = cut_windows(motion, 1, system.config, how, cameras, rng)
        yield Window(drawn, *draw_pair(drawn, system.config, how, rng))


@cache
def _load_motion(folder: Path, skeleton: str) -> data.Motion:
    assert skeleton == COCO19.name
    clips = load_clips((str(folder / "val"),), COCO19)
    return data.canonicalize(clips, COCO19, data.measure_bone_shares(clips, COCO19))


@cache
def _load_cameras(folder: Path) -> Cameras | None:
    found = sorted((folder / "cameras").glob("*.json"))
    return load_cameras(found[0]) if found else None


@torch.inference_mode()
def measure_system(system: System, windows: list[Window]) -> Row:
    """A model on windows."""
    config, found, tokens, losses, points = system.config, [], [], [], []
    bits = 0.0
    for window in windows:
        latents = system.network.encode(window.source)
        tokens.append(find_nearest(latents, system.network.codebook))
        chosen = system.network.codebook[tokens[-1]]
        losses.append(float((latents - chosen).square().mean()))
        made = system.network.decode(chosen)
        found.append(PictureQuality.measure(made[0], window.target[0]))
        bits += float(system.prior.measure(tokens[-1][0].numpy().astype(np.int32)).sum())
        if config.target.draw == "keypoints":
            points.append(judge_points(made, window, config))
    frames = config.window * len(windows)
    raw = float(np.log2(config.codes) * np.prod(config.token_grid) / config.window)
    perplexity, used = measure_perplexity(torch.cat(tokens), config.codes)
    mpjpe, pck, jerk = np.mean(points, axis=0).tolist() if points else (None, None, None)
    return Row(
        system.card["system"], system.name, "model", PictureQuality.average(found), bits / frames, raw,
        COMMITMENT * sum(losses) / len(losses), perplexity, used, jerk, mpjpe, pck,
    )  # fmt: skip


def judge_points(made: Tensor, window: Window, config: GridConfig) -> tuple[float, float, float]:
    """MPJPE in the unit of what was seen, the share of keypoints found, and the jerk ratio."""
    real = window.cut.target
    centers = grid_io.read_centers(made, config)
    gap = (centers - real).norm(dim=-1)
    scale = window.cut.target_box[:, None, :, None, 0]
    pck = float((gap <= NEAR * config.grid * (1 - config.margin)).float().mean())
    if config.target.views != "planes":
        return float((gap / scale).mean()), pck, measure_jerk_ratio(centers.flatten(2, 3)[0], real.flatten(2, 3)[0])
    both = [heatmap.from_pixels(c, config.grid, config.grid / 2) for c in (centers, real)]
    error = (both[0] - both[1]).norm(dim=-1) / scale[:, :, 0]
    return float(error.mean()), pck, measure_jerk_ratio(both[0][0], both[1][0])


def measure_marks(system: System, windows: list[Window]) -> Iterator[Row]:
    """What a black picture scores, and perfect geometry of steady brightness where brightness is random."""
    name, config = system.card["system"], system.config
    black = [PictureQuality.measure(torch.zeros_like(w.target[0]), w.target[0]) for w in windows]
    yield Row(name, "black picture", "mark", PictureQuality.average(black), 0.0, 0.0)
    if config.target.draw == "keypoints":
        return
    flickering = replace(system.sampling, flicker=True)
    found = []
    for number, window in enumerate(windows):
        rng = data.build_generator(SEED, number)
        _, random = draw_pair(window.cut, config, flickering, rng)
        found.append(PictureQuality.measure(draw_steady(window.cut.target, config)[0], random[0]))
    yield Row(name, "ceiling of random brightness", "mark", PictureQuality.average(found))


def draw_steady(centers: Tensor, config: GridConfig) -> Tensor:
    """The target volume of centers (B, T, V, K, 2), as bright as limbs are in the mean."""
    if config.target.draw == "keypoints":
        return draw_volume(centers, config, config.target)
    bright = torch.full((*centers.shape[:3], len(config.limbs)), STEADY)
    return draw_volume(centers, config, config.target, bright)


def measure_own(system: System, windows: list[Window]) -> Iterator[Row]:
    """Our codecs at several settings, decoded and drawn as the target is.

    Each window is coded as a recording of its own at 30 frames a second, views as people; bits are those of its chunks.
    """
    dims = 3 if system.config.target.views == "planes" else 2
    scalars = _load_codec(f"windows{dims}d")
    for error in ERRORS:
        made = [
            scalars.encode(
                _to_sequence(w, dims), mean_error=error / float(w.cut.target_box[0, 0, 0]) if dims == 3 else error
            )
            for w in windows
        ]
        yield _judge_own(
            system, windows, f"scalars, {error:g} px", "scalars", scalars, [encoded.data for encoded in made]
        )
    for bound in BOUNDS:
        within = [bound / float(w.cut.target_box[0, 0, 0]) if dims == 3 else bound for w in windows]
        pairs = zip(windows, within, strict=True)
        files = [scalars.encode_frame_by_frame(_to_sequence(window, dims), each).data for window, each in pairs]
        yield _judge_own(system, windows, f"frame by frame, within {bound:g} px", "bounded", scalars, files)
    tokens = _load_codec(f"body{dims}d")
    whole = [tokens.encode(_to_sequence(window, dims), levels=max(LEVELS)).data for window in windows]
    for levels in LEVELS:
        parts = [tokens.cut(encoded, levels) for encoded in whole]
        yield _judge_own(system, windows, f"tokens by part, {levels} levels", "tokens", tokens, parts)


def _to_sequence(window: Window, dims: int) -> PoseSequence:
    if dims == 3:
        points = window.cut.points[0, :, None].numpy()
        return PoseSequence.from_arrays(points, fps=30, skeleton=COCO19, unit="mm", up="y")
    return PoseSequence.from_arrays(window.cut.target[0].numpy(), fps=30, skeleton=COCO19, unit="px", up="-y")


def _judge_own(
    system: System, windows: list[Window], name: str, kind: str, codec: PoseCodec, files: list[bytes]
) -> Row:
    """A row of what a codec made of each window."""
    config, found, bits, jerks = system.config, [], 0, []
    dims = 3 if config.target.views == "planes" else 2
    for window, data_bytes in zip(windows, files, strict=True):
        box = window.cut.target_box[0]
        points = window.cut.points[0, :, None] if dims == 3 else window.cut.target[0]
        bits += 8 * sum(chunk.size for chunk in container.read(data_bytes)[1])
        back = torch.from_numpy(np.array(codec.decode(data_bytes).positions, np.float32))
        jerks.append(measure_jerk_ratio(back.flatten(1, 2), points.flatten(1, 2)))
        centers = project_planes(back[:, 0], box, config) if dims == 3 else back
        found.append(PictureQuality.measure(draw_steady(centers[None], config)[0], window.target[0]))
    quality = PictureQuality.average(found)
    return Row(
        system.card["system"], name, kind, quality, bits / (config.window * len(windows)), jerk=float(np.mean(jerks))
    )


def project_planes(points: Tensor, box: Tensor, config: GridConfig) -> Tensor:
    """Pixels (T, 3, K, 2) of the grid of points (T, K, 3) on the axis planes, in a window's box (3, 3)."""
    planes = torch.stack([points[..., list(axes)] for axes in heatmap.PLANES[3]], 1)
    return (planes - box[None, :, None, 1:]) * box[None, :, None, :1] + (config.grid - 1) / 2


@cache
def _load_codec(weights: str) -> PoseCodec:
    return PoseCodec.from_pretrained(weights)


def find_equal_bits(rows: list[Row], row: Row, kind: str, what: str) -> float | None:
    """Bits a frame at which our codec of a kind makes as good a picture as a row, by "ssim" or "psnr"; None outside its
    curve. Between settings the logarithm of the bits is a straight line."""
    curve = sorted(
        (getattr(r.quality, what), r.bits) for r in rows if r.kind == kind and r.system == row.system and r.bits
    )
    values, bits = np.array(curve).T if curve else (np.zeros(0), np.zeros(0))
    wanted = getattr(row.quality, what)
    if not len(values) or not values[0] <= wanted <= values[-1]:
        return None
    return float(np.exp(np.interp(wanted, values, np.log(bits))))
