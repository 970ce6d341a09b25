"""Root-relative error of a model on whole validation clips, through tokens and the real read-out."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from posecodec.networks.heatmap_io import decode_points, encode_points
from posecodec.networks.vqgan import VQGAN


@torch.no_grad()
def validate(
    model: VQGAN, clips: Iterable[tuple[Tensor, float]], levels: tuple[int, ...], root: int | None, device: torch.device
) -> dict[int, float]:
    """Mean keypoint error by number of levels.

    clips: normalized points (1, T, K, D), padded here to whole latent steps by repeating the last pose, and what one
    normalized unit is in mm.
    """
    model.eval()
    sums, frames = dict.fromkeys(levels, 0.0), 0
    for points, scale in clips:
        spare = -points.shape[1] % model.config.factor[0]
        padded = torch.cat([points, points[:, -1:].expand(-1, spare, -1, -1)], 1).to(device)
        latents = encode_points(model, padded, torch.ones(padded.shape[:3], dtype=torch.bool, device=device))
        for count in sums:
            made = decode_points(model, model.quantizer.encode(latents, count)).to(device)
            made = made - made[:, :, root : root + 1] if root is not None else made
            sums[count] += float((made - padded).norm(dim=-1).mean(-1).sum()) * scale
        frames += padded.shape[1]
    return {count: total / frames for count, total in sums.items()}
