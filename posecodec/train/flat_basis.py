"""Fit the basis of bodies in images: motion as random cameras see it, and the channels that it is independent in."""

from __future__ import annotations

import numpy as np
import torch

from posecodec.coders.transform.flat_basis import FlatBasis, FlatTables
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.vectors import measure_lengths
from posecodec.train.cameras import draw_cameras, project
from posecodec.typing import Floats

VIEWS = 2  # Of every clip
WINDOW, STRIDE = (
    16,
    7,
)  # As `bone_basis` has them: frames in which what moves together is made independent; poses looked at
FLOOR = (1.0, 0.0, 1.0)  # What is taken off of where a clip is, so that cameras look at it


def see_clips(clips: list[Floats], tree: BoneTree, size: float) -> list[Floats]:
    """(T, K, 2) of every clip (T, K, 3), mm, as `VIEWS` cameras see it; bones as long as `size` together."""
    rng, seen = torch.Generator().manual_seed(0), []
    for clip in clips:
        near = torch.tensor(clip - clip.mean(axis=(0, 1)) * FLOOR, dtype=torch.float32)
        pixels = project(near.expand(VIEWS, *near.shape), draw_cameras(VIEWS, rng)).numpy().astype(np.float64)
        seen += [view * (size / np.median(measure_lengths(tree.measure_bones(view)), axis=0).sum()) for view in pixels]
    return seen


def fit_flat_tables(clips: list[Floats], tree: BoneTree) -> FlatTables:
    """Basis of clips (T, K, 2) of usual size."""
    count = len(tree.skeleton)
    moved = [clip[a : a + WINDOW] for clip in clips for a in range(0, len(clip) - WINDOW + 1, WINDOW // 2)]
    bent = np.stack([(m - m.mean(axis=1, keepdims=True)).reshape(WINDOW, -1) for m in moved])
    bent -= bent.mean(axis=1, keepdims=True)
    vectors = np.linalg.eigh(np.einsum("bnc,bnd->cd", bent, bent))[1][:, :1:-1]
    matrix = np.concatenate([vectors, np.tile(np.eye(2), (count, 1)) / np.sqrt(count)], axis=1)
    matrix = np.linalg.qr(matrix)[0] * np.sign(np.linalg.qr(matrix)[1].diagonal())
    poses = np.concatenate([clip[::STRIDE] - clip[::STRIDE].mean(axis=1, keepdims=True) for clip in clips])
    lengths = np.mean([np.median(measure_lengths(tree.measure_bones(clip)), axis=0) for clip in clips], axis=0)
    return FlatTables(poses.reshape(len(poses), -1).mean(axis=0) @ matrix, matrix, lengths)


def build_flat_basis(clip: Floats, tables: FlatTables) -> FlatBasis:
    """The basis with the origin of a clip."""
    return FlatBasis(tables, clip[0].mean(axis=0))
