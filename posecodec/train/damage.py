"""What a network for tokens is trained on: bodies and paths of windows, and what detectors and markers make of them."""

from __future__ import annotations

import torch
from torch import Tensor

from posecodec.networks.path import place, take_out
from posecodec.pose.skeleton import Skeleton
from posecodec.train.token_config import Damage

GROUPS = ("elbow wrist", "knee ankle", "nose eye ear")
"""What is hidden together, by words of the keypoints' names; those of a limb on one side, those of the face on both."""


def list_groups(skeleton: Skeleton) -> list[list[int]]:
    """Keypoints that are hidden together: each forearm, each shin, the face, as far as names tell."""
    found = []
    for words in GROUPS:
        for side in ("left", "right") if "nose" not in words else ("",):
            names = [n for n in skeleton.keypoints if n.startswith(side) and any(w in n for w in words.split())]
            found.append([skeleton.keypoints.index(name) for name in names])
    return [group for group in found if group]


def damage(
    body: Tensor,
    path: Tensor,
    which: Tensor,
    groups: list[list[int]],
    roots: list[int],
    how: Damage,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Bodies (B, T, K, D) and paths (B, T, D + 1) as they are seen, and (B, T, K) whether each keypoint is.

    which: (B,) windows that may be touched. The root's own jitter moves the path and with it all other keypoints.
    """
    batch, frames, keypoints, dims = body.shape
    noisy = which & (torch.rand(batch, generator=rng) < how.noisy)
    spread = torch.rand(batch, generator=rng) * how.jitter * noisy
    noise = torch.randn(body.shape, generator=rng) * spread[:, None, None, None]
    world = place(body + noise, path)
    seen_path = torch.cat([world[:, :, roots].mean(2), path[..., dims:]], -1)
    holed = which & (torch.rand(batch, generator=rng) < how.gaps)
    there = ~(draw_gaps(batch, frames, keypoints, groups, how, rng) & holed[:, None, None])
    there[:, :, roots] = True
    return take_out(world, seen_path), seen_path, there


def draw_gaps(
    batch: int, frames: int, keypoints: int, groups: list[list[int]], how: Damage, rng: torch.Generator
) -> Tensor:
    """(B, T, K) whether keypoints are missing: alone, or a group at a time."""
    alone = torch.rand(batch, 1, keypoints, generator=rng) < how.drop
    gone = alone & _draw_spans(batch, frames, keypoints, how, rng)
    spans = _draw_spans(batch, frames, len(groups), how, rng)
    hidden = torch.rand(batch, 1, len(groups), generator=rng) < how.group
    for number, group in enumerate(groups):
        gone[:, :, group] |= (spans & hidden)[:, :, number : number + 1]
    return gone


def _draw_spans(batch: int, frames: int, count: int, how: Damage, rng: torch.Generator) -> Tensor:
    """(B, T, count) one stretch each."""
    lasts = torch.randint(how.shortest, how.longest + 1, (batch, 1, count), generator=rng)
    begin = torch.randint(-how.shortest, frames - how.shortest, (batch, 1, count), generator=rng)
    time = torch.arange(frames)[None, :, None]
    return (time >= begin) & (time < begin + lasts)


def hold_ends(body: Tensor, path: Tensor, share: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Bodies and paths of which some stand still from a frame on, and (B, T) which frames count: those before."""
    batch, frames = body.shape[:2]
    last = torch.randint(0, frames, (batch,), generator=rng)
    last = torch.where(torch.rand(batch, generator=rng) < share, last, frames - 1)[:, None]
    time = torch.arange(frames).expand(batch, -1)
    place_of = torch.minimum(time, last)
    rows = torch.arange(batch)[:, None]
    return body[rows, place_of], path[rows, place_of], time <= last
