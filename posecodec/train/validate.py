"""Root-relative error of a model on whole validation clips, through tokens and the real read-out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posecodec.neural import decode_points, encode_points
from posecodec.normalize import RADIUS_SHARE
from posecodec.train import data, views
from posecodec.train.config import Augmentation

if TYPE_CHECKING:
    from posecodec.train.loop import Trainer

STILL = Augmentation(mirror=0, stretch=0, bones=0, heading=0, jitter=0, drop=0, noisy=0)


def clips_of(trainer: Trainer) -> list[tuple[Tensor, Tensor]]:
    """(points (1, T, K, D) normalized, scale to mm) of every validation clip; in 2D, each under one random camera.

    T is padded to whole latent steps by repeating the last pose.
    """
    found = []
    for number, clip in enumerate(trainer.val):
        motion = data.canonicalize([clip], trainer.skeleton, trainer.bones)
        rng = data.generator_for(1, number)
        windows = data.draw(motion, STILL, 1, len(clip.points), rng)
        if trainer.config.model.dims == 3:
            points, scale = windows.body, motion.size[0]
        else:
            points = views.points_2d(windows, trainer.cameras, trainer.skeleton.root or 0, rng)
            scale = motion.size[0] * RADIUS_SHARE
        spare = -points.shape[1] % trainer.config.model.factor[0]
        padded = torch.cat([points, points[:, -1:].expand(-1, spare, -1, -1)], 1)
        found.append((padded, scale))
    return found


@torch.no_grad()
def validate(trainer: Trainer) -> dict[int, float]:
    """Mean keypoint error in mm (2D: about mm) by number of levels."""
    model = trainer.state.model.eval()
    root = trainer.skeleton.root
    sums = dict.fromkeys(trainer.config.evaluate_levels, 0.0)
    frames = 0
    for points, scale in clips_of(trainer):
        points = points.to(trainer.device)
        latents = encode_points(model, points, torch.ones(points.shape[:3], dtype=torch.bool, device=points.device))
        for levels in sums:
            made = decode_points(model, model.quantizer.encode(latents, levels)).to(points.device)
            made = made - made[:, :, root : root + 1] if root is not None else made
            sums[levels] += float((made - points).norm(dim=-1).mean(-1).sum() * scale)
        frames += points.shape[1]
    return {levels: total / frames for levels, total in sums.items()}
