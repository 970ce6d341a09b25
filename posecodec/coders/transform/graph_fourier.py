"""Any keypoints as the modes of a tree: the basis where nothing was trained.

Keypoints that move together are joined by a tree, the skeleton's own edges or one learned from the recording and sent
with it, and the eigenvectors of the tree's Laplacian turn them into channels: the first is the centroid, the last ones
say how neighbors differ. It is orthonormal, so an error of 1 in a channel is an error of 1 in the pose (Shuman et al.
2013, graph Fourier transform).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

Edge = tuple[int, int, int]
WEIGHT_STEPS = 15
"""Edge weights are powers of two, from 1 down to 2 to the minus this."""
SEEN_FRAMES = 128
"""Frames that a tree is learned from, evenly spread."""


def own_tree(skeleton: Skeleton) -> tuple[Edge, ...]:
    """The skeleton's edges, of equal weight, without those that close a circle; what hangs loose is tied to keypoint 0."""
    group = list(range(len(skeleton)))
    edges = []
    for a, b in (*skeleton.edges, *((0, k) for k in range(1, len(skeleton)))):
        if group[a] != group[b]:
            edges.append((a, b, 0))
            old, new = group[b], group[a]
            group = [new if g == old else g for g in group]
    return tuple(edges)


def learned_tree(points: Floats) -> tuple[Edge, ...]:
    """The tree over keypoints whose differences vary least (Prim 1957), edges in order of their end, start before end.

    points: (T, K, D) without gaps. Each edge is (start, end, weight): how many octaves its weight is below the largest.
    """
    few = points[np.linspace(0, len(points) - 1, min(len(points), SEEN_FRAMES)).astype(int)]
    few = few - few.mean(axis=0)
    count = few.shape[1]
    moved = np.square(few).sum(axis=(0, 2))
    spread = moved[:, None] + moved[None] - 2 * np.einsum("tkd,tjd->kj", few, few)
    spread = np.maximum(spread, 0) + 1e-9 * (moved.max(initial=0.0) + 1e-30)
    inside, near, cost = {0}, np.zeros(count, int), spread[0].copy()
    cost[0] = np.inf
    edges = []
    while len(inside) < count:
        end = int(np.argmin(cost))
        edges.append((int(near[end]), end, float(cost[end])))
        inside.add(end)
        closer = spread[end] < cost
        closer[list(inside)] = False
        near[closer], cost[closer] = end, spread[end][closer]
        cost[end] = np.inf
    least = min((e[2] for e in edges), default=1.0)
    weighed = [(a, b, int(np.clip(np.rint(np.log2(v / least)), 0, WEIGHT_STEPS))) for a, b, v in edges]
    return tuple(sorted(weighed, key=lambda edge: edge[1]))


def modes(count: int, edges: tuple[Edge, ...]) -> Floats:
    """(K, K) eigenvectors of the tree's Laplacian, as columns, slowest first; the same on every machine but for rounding.

    Weights differ by a thousandth and more, so that no two eigenvalues are equal, and signs are fixed.
    """
    laplacian = np.zeros((count, count))
    for number, (a, b, weight) in enumerate(edges):
        value = 2.0**-weight * (1 + 0.3 * (number + 1) / count)
        laplacian[[a, b], [a, b]] += value
        laplacian[[a, b], [b, a]] -= value
    vectors: Floats = np.linalg.eigh(laplacian)[1]
    probe = np.cos(np.arange(1, count + 1) ** 2.0)
    signs = np.where(probe @ vectors < 0, -1.0, 1.0)
    return vectors * signs


@dataclass(frozen=True, eq=False)
class Graph:
    """The basis of one stretch of one person. vectors: (K, K) from `modes`; origin: (D,) where the centroid starts."""

    vectors: Floats
    origin: Floats

    def forward(self, points: Floats) -> Floats:
        """(T, K, D) without gaps to channels (T, K * D), by mode and then axis."""
        return _turned(points - self.origin, self.vectors).reshape(len(points), -1)

    def inverse(self, channels: Floats) -> Floats:
        """The mirror of `forward`."""
        values = channels.reshape(len(channels), len(self.vectors), -1)
        return _turned(values, self.vectors.T) + self.origin


def _turned(values: Floats, matrix: Floats) -> Floats:
    """(T, M, D) of values (T, K, D) times a matrix (K, M), as one product of matrices."""
    frames, count, dims = values.shape
    rows = np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(frames * dims, count)
    return (rows @ matrix).reshape(frames, dims, -1).transpose(0, 2, 1)
