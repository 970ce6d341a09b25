"""Fit the basis that bodies are coded in: bones at rest, and the channels that their motion is independent in.

Leaves out what is coded of them (`train.transform`); the bodies of tokens use the metric alone (`train.window_tables`).
"""

from __future__ import annotations

import numpy as np

from posecodec.coders.transform.bone_basis import BoneBasis, BoneTables, measure_heading_steps
from posecodec.kinematics.bones import HEADING_UNIT, SHORTEST, BoneTree, RestBones, follow_heading
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

POSE_STRIDE = 7  # Every so many poses are looked at: neighbors are nearly the same
METRIC_POSES = 800  # Poses that the metric is averaged over
CHANGE = 0.01  # mm, of a bone's coordinates in a difference quotient
TURN = 1e-3  # Radians, of the heading in one
LEAST_VARIANCE = 1e-3  # Eigenvalues of a metric count at least as this, so that its root can be inverted
WINDOW = 16  # Frames, half a second, in which what moves together is made independent


def fit_bone_tables(clips: list[Floats], skeleton: Skeleton) -> BoneTables:
    """Basis of clips (T, K, 3), upright, mm, of usual size."""
    tree = BoneTree.from_skeleton(skeleton)
    poses = np.concatenate([clip[::POSE_STRIDE] for clip in clips])
    angle = np.concatenate([follow_heading(clip, skeleton)[::POSE_STRIDE] for clip in clips])
    bones = tree.to_local(rotate_about_y(tree.measure_bones(poses), angle))
    size = np.linalg.norm(bones, axis=-1)
    rest = RestBones((bones / np.maximum(size, SHORTEST)[..., None]).mean(axis=0), size.mean(axis=0))
    root = take_square_root(measure_metric(rest.log_map(bones), rest, tree))
    metric = np.eye(len(root) + 3)
    metric[:-3, :-3] = root
    plain = BoneTables(np.zeros(len(metric)), metric, rest)
    values = [build_basis(clip, plain, tree).forward(clip) for clip in clips]
    turn = _fit_rotation(values)
    mean = np.concatenate([v[::POSE_STRIDE] @ turn for v in values]).mean(axis=0)
    mean *= np.abs(turn[-3:]).max(axis=0) < 0.99  # The centroid starts anywhere: the mean of its channels means nothing
    return BoneTables(mean, metric @ turn, rest)


def build_basis(clip: Floats, tables: BoneTables, tree: BoneTree) -> BoneBasis:
    """The basis with the heading and origin of a clip."""
    return BoneBasis(tables, tree, measure_heading_steps(clip[0], tree), clip[0].mean(axis=0))


def measure_metric(values: Floats, rest: RestBones, tree: BoneTree, poses: int = METRIC_POSES) -> Floats:
    """(C, C) mean of J^T J: what bone logs and heading do to the keypoints about their centroid, squared."""
    poses = min(poses, len(values))
    chosen = np.random.default_rng(0).choice(len(values), poses, replace=False)
    total = 0.0
    for value in values[chosen]:
        change = np.eye(len(value)) * CHANGE
        body = tree.to_world(rest.exp_map(value[None]))
        moved = tree.to_world(rest.exp_map(value + change)) - body
        spun = (rotate_about_y(body, np.array([-TURN])) - body) / TURN / HEADING_UNIT
        columns = np.concatenate([moved / CHANGE, spun])
        jacobian = np.einsum("kb,cbd->ckd", tree.centered, columns).reshape(len(columns), -1)
        total = total + jacobian @ jacobian.T
    return np.asarray(total) / poses


def take_square_root(metric: Floats) -> Floats:
    """The symmetric root of a symmetric matrix, kept from being singular."""
    values, vectors = np.linalg.eigh(metric)
    return np.asarray((vectors * np.sqrt(np.maximum(values, LEAST_VARIANCE))) @ vectors.T)


def _fit_rotation(values: list[Floats], window: int = WINDOW) -> Floats:
    """Decorrelates what moves within half a second; the centroid's x and z stay apart, and come last."""
    moved = [v[a : a + window] for v in values for a in range(0, len(v) - window + 1, window // 2)]
    centered = np.stack([m - m.mean(axis=0) for m in moved])
    covariance = np.einsum("bnc,bnd->cd", centered, centered) / centered[..., 0].size
    count = len(covariance)
    apart = [count - 3, count - 1]
    kept = [i for i in range(count) if i not in apart]
    _, vectors = np.linalg.eigh(covariance[np.ix_(kept, kept)])
    turn = np.zeros((count, count))
    turn[np.ix_(kept, range(count - 2))] = vectors[:, ::-1]
    turn[apart, [count - 2, count - 1]] = 1.0
    return turn
