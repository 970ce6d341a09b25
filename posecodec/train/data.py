"""Motion for training: clips, canonicalized once, then cut into augmented windows.

Every window is drawn from a generator seeded by (seed, step, rank), so a resumed run sees what an unbroken one would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from posecodec import legacy
from posecodec.kinematics.body_track import Bones, split_track
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.skeleton import Skeleton
from posecodec.train.clips import Clip
from posecodec.train.config import Augmentation

if not TYPE_CHECKING:
    __getattr__ = legacy.find_renamed(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class Motion:
    """All clips end to end, canonicalized: body = rotate_about_y(world - root, -heading) / size.

    body: (N, K, D). root: (N, D) mm. heading: (N,) radians, smooth. size: (S,) mm. start, length: (S,).
    Of 2D clips: body = (pixels - root) / exp(heading), so that heading is the log of the size, which in `size` is 1.
    """

    skeleton: Skeleton
    bones: Bones
    body: Tensor
    root: Tensor
    heading: Tensor
    size: Tensor
    start: Tensor
    length: Tensor


def measure_bone_shares(clips: list[Clip], skeleton: Skeleton) -> Bones:
    """(start, end, share): mean share of every edge's length in the sum of all."""
    edges, motions = skeleton.edges, [clip.points for clip in clips]
    lengths = np.array([[np.median(np.linalg.norm(x[:, a] - x[:, b], axis=-1)) for a, b in edges] for x in motions])
    shares = (lengths / lengths.sum(axis=1, keepdims=True)).mean(axis=0)
    return tuple((a, b, round(float(s), 5)) for (a, b), s in zip(edges, shares, strict=True))


def canonicalize(clips: list[Clip], skeleton: Skeleton, bones: Bones) -> Motion:
    """The clips as one `Motion`."""
    tracks = [split_track(clip.points.astype(np.float64), skeleton, bones) for clip in clips]
    roots = np.concatenate([track.path[:, :-1] * track.size for track in tracks])
    bodies, headings = (np.concatenate(x) for x in zip(*((t.body, t.path[:, -1]) for t in tracks), strict=True))
    sizes = np.array([track.size for track in tracks])
    body, root, heading, size = (torch.tensor(x, dtype=torch.float32) for x in (bodies, roots, headings, sizes))
    length = np.array([len(clip.points) for clip in clips])
    start = torch.tensor(np.cumsum(length) - length)
    return Motion(skeleton, bones, body, root, heading, size, start, torch.tensor(length))


@dataclass(frozen=True, eq=False, repr=False)
class Windows:
    """Augmented windows of a `Motion`. body: (B, T, K, D) canonical. root: (B, T, D). heading: (B, T). size: (B,)."""

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
    flat = motion.body.shape[-1] == 2
    sign = torch.tensor([-1.0, 1.0] if flat else [-1.0, 1.0, 1.0])
    body = torch.where(flip[:, None, None, None], body[:, :, list(motion.skeleton.mirror)] * sign, body)
    root = torch.where(flip[:, None, None], root * sign, root)
    if flat:  # where limbs are as long as a camera sees them, and a mirror leaves the size as it is
        return Windows(body, root, heading, motion.size[clip])
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
