"""Motion for training: clips from archives or pose files, canonicalized once, then cut into augmented windows.

Every window is drawn from a generator seeded by (seed, step, rank), so a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posecodec import io
from posecodec.errors import InputError
from posecodec.kinematics.body_track import Bones, split_track
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM
from posecodec.pose.skeleton import Skeleton
from posecodec.train.config import Augmentation

SHORTEST = 16  # Clips of fewer frames are left out


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """One person's gapless motion. points: (T, K, 3) mm, y up, floor near 0."""

    name: str
    points: NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """All clips end to end, canonicalized: body = rotate_about_y(world - root, -heading) / size.

    body: (N, K, 3). root: (N, 3) mm. heading: (N,) radians, smooth. size: (S,) mm. start, length: (S,).
    """

    skeleton: Skeleton
    bones: Bones
    body: Tensor
    root: Tensor
    heading: Tensor
    size: Tensor
    start: Tensor
    length: Tensor


def load_clips(paths: tuple[str, ...], skeleton: Skeleton) -> list[Clip]:
    """Clips of all archives and pose files in `paths`, in a fixed order. Raises InputError where there are none."""
    clips = [clip for path in paths for file in _list_files(Path(path)) for clip in _read(file, skeleton)]
    if not clips:
        raise InputError(f"no motion of at least {SHORTEST} frames in {', '.join(paths)}")
    return clips


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix in (".npz", ".pose", ".bvh", ".tar"))
    if not path.exists():
        raise InputError(f"no training data at {path}; the paths of a training config start at the working directory")
    return [path]


def _read(file: Path, skeleton: Skeleton) -> list[Clip]:
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as archive:
            if "rel_dmm" in archive:
                return _read_archive(file.stem, archive)
    sequence = io.load(file).mapped_to(skeleton)
    if sequence.dims != 3:
        raise InputError(f"{file} is 2D; train on 3D motion, which 2D models see through cameras")
    up = sequence.up if sequence.up != "unknown" else "y"
    points = (sequence.positions @ upright(3, up).T * UNIT_MM.get(sequence.unit, 1.0)).astype(np.float32)
    whole = [points[:, p] for p in range(sequence.people) if not np.isnan(points[:, p]).any()]
    return [Clip(f"{file.stem}/{i}", x) for i, x in enumerate(whole) if len(x) >= SHORTEST]


def _read_archive(stem: str, archive: Any) -> list[Clip]:
    """A mocap archive: sequences end to end, mid-hip in mm and the rest relative to it in tenths of a mm."""
    points = archive["root_mm"][:, None] + archive["rel_dmm"].astype(np.float32) * np.float32(0.1)
    spans = zip(*(archive[key] for key in ("start", "length", "name", "floor_mm")), strict=True)
    return [
        Clip(f"{stem}/{name}", points[start : start + length] - np.array([0, floor, 0], np.float32))
        for start, length, name, floor in spans
        if length >= SHORTEST
    ]


def measure_bone_shares(clips: list[Clip], skeleton: Skeleton) -> Bones:
    """(start, end, share): mean share of every edge's length in the sum of all."""
    edges, motions = skeleton.edges, [clip.points for clip in clips]
    lengths = np.array([[np.median(np.linalg.norm(x[:, a] - x[:, b], axis=-1)) for a, b in edges] for x in motions])
    shares = (lengths / lengths.sum(axis=1, keepdims=True)).mean(axis=0)
    return tuple((a, b, round(float(s), 5)) for (a, b), s in zip(edges, shares, strict=True))


def canonicalize(clips: list[Clip], skeleton: Skeleton, bones: Bones) -> Motion:
    """The clips as one `Motion`."""
    tracks = [split_track(clip.points.astype(np.float64), skeleton, bones) for clip in clips]
    roots = np.concatenate([track.path[:, :3] * track.size for track in tracks])
    bodies, headings = (np.concatenate(x) for x in zip(*((t.body, t.path[:, 3]) for t in tracks), strict=True))
    sizes = np.array([track.size for track in tracks])
    body, root, heading, size = (torch.tensor(x, dtype=torch.float32) for x in (bodies, roots, headings, sizes))
    length = np.array([len(clip.points) for clip in clips])
    start = torch.tensor(np.cumsum(length) - length)
    return Motion(skeleton, bones, body, root, heading, size, start, torch.tensor(length))


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """Augmented windows. body: (B, T, K, 3) canonical. root: (B, T, 3) mm. heading: (B, T). size: (B,) mm."""

    body: Tensor
    root: Tensor
    heading: Tensor
    size: Tensor


def build_generator(*key: int) -> torch.Generator:
    """A generator seeded by several integers."""
    seed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed) >> 1)


def draw_windows(motion: Motion, how: Augmentation, batch: int, frames: int, rng: torch.Generator) -> Windows:
    """A batch of windows: clips by length, any start, tempo stretched, sides mirrored, bones rescaled."""
    clip = torch.multinomial(motion.length.double(), batch, replacement=True, generator=rng)
    tempo = torch.exp((torch.rand(batch, generator=rng) * 2 - 1) * how.stretch)
    spare = (motion.length[clip] - 1 - (frames - 1) * tempo).clamp_min(0)
    place = torch.rand(batch, generator=rng)[:, None] * spare[:, None] + tempo[:, None] * torch.arange(frames)
    place = torch.minimum(place, (motion.length[clip] - 1)[:, None])
    low = place.floor().long()
    high = torch.minimum(low + 1, (motion.length[clip] - 1)[:, None])
    share = place - low
    low, high = low + motion.start[clip][:, None], high + motion.start[clip][:, None]
    body = torch.lerp(motion.body[low], motion.body[high], share[..., None, None])
    root = torch.lerp(motion.root[low], motion.root[high], share[..., None])
    heading = torch.lerp(motion.heading[low], motion.heading[high], share)
    flip = torch.rand(batch, generator=rng) < how.mirror
    sign = torch.tensor([-1.0, 1.0, 1.0])
    body = torch.where(flip[:, None, None, None], body[:, :, list(motion.skeleton.mirror)] * sign, body)
    root = torch.where(flip[:, None, None], root * sign, root)
    heading = torch.where(flip[:, None], -heading, heading)
    return Windows(scale_bones(motion, body, how.bones, rng), root, heading, motion.size[clip])


def scale_bones(motion: Motion, body: Tensor, spread: float, rng: torch.Generator) -> Tensor:
    """Every bone scaled by a factor of its own, the same left and right, and the body brought back to size 1."""
    factors = torch.exp(torch.randn(len(body), len(motion.skeleton), generator=rng) * spread)
    factors = factors[:, [min(k, m) for k, m in enumerate(motion.skeleton.mirror)]]
    moved = list(body.unbind(dim=2))
    for start, end in BoneTree.from_skeleton(motion.skeleton).bones:
        moved[end] = moved[start] + (body[:, :, end] - body[:, :, start]) * factors[:, end, None, None]
    body = torch.stack(moved, dim=2)
    lengths = ((body[:, :, a] - body[:, :, b]).norm(dim=-1).mean(dim=1) for a, b, _ in motion.bones)
    return body / sum(lengths, torch.zeros(len(body)))[:, None, None, None]
