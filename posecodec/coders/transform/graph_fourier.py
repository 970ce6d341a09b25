"""Any keypoints as the modes of a tree: the basis where nothing was trained.

Keypoints that move together are joined by a tree, the skeleton's own edges or one learned from the recording and sent
with it, and the eigenvectors of the tree's Laplacian turn them into channels: the first is the centroid, the last ones
say how neighbors differ. It is orthonormal, so an error of 1 in a channel is an error of 1 in the pose (Shuman et al.
2013, graph Fourier transform).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from posecodec.bitstream.exp_golomb import Field, get_raw, sign_extend
from posecodec.coders.transform.coefficient_model import BINS, frequency_bins
from posecodec.entropy.fixed_point import log16
from posecodec.entropy.range_coder import RangeDecoder
from posecodec.pose.skeleton import Skeleton
from posecodec.signal.dct import dst
from posecodec.typing import Bools, Floats, Ints

Edge = tuple[int, int, int]
WEIGHT_STEPS = 15  # Edge weights are powers of two, from 1 down to 2 to the minus this
WEIGHT_SPREAD = 0.3  # Share that the last edge is heavier than its weight says, others less: no eigenvalues are equal
SEEN_FRAMES = 128  # Frames that a tree is learned from, evenly spread
STILL = 1e-9  # Share of the largest movement that the difference of two keypoints is taken to vary by at least
WEIGHT_BITS = 4  # Bits of an edge's weight
PEAK_BITS = 14  # Of a signed number: 512 octaves either way, as much as the unit's own exponent
SLOPE_BITS = 6  # Up to 4 octaves a bin of half an octave
DROP_BITS = 6  # Up to 4 octaves an octave of modes
FITTED_FRAMES = 64  # Frames of the blocks that a prior is fitted to
FITTED_BLOCKS = 16  # Blocks that a prior is fitted to, about, evenly spread
FITTED_RANGE = 400  # Sixteenths of an octave below the largest magnitude where a plane has to fit: less is rounding


def build_tree(skeleton: Skeleton) -> tuple[Edge, ...]:
    """The skeleton's edges, of equal weight, without those that close a circle; what hangs loose is tied to keypoint 0."""
    group = list(range(len(skeleton)))
    edges = []
    for a, b in (*skeleton.edges, *((0, k) for k in range(1, len(skeleton)))):
        if group[a] != group[b]:
            edges.append((a, b, 0))
            group = [group[a] if g == group[b] else g for g in group]
    return tuple(edges)


def learn_tree(points: Floats) -> tuple[Edge, ...]:
    """The tree over keypoints whose differences vary least (Prim 1957), edges in order of their end, start before end.

    points: (T, K, D) without gaps. Each edge is (start, end, weight): how many octaves its weight is below the largest.
    """
    few = points[np.linspace(0, len(points) - 1, min(len(points), SEEN_FRAMES)).astype(int)]
    few, count = few - few.mean(axis=0), few.shape[1]
    moved = np.square(few).sum(axis=(0, 2))
    spread = moved[:, None] + moved[None] - 2 * np.einsum("tkd,tjd->kj", few, few)
    spread = np.maximum(spread, 0) + STILL * (moved.max(initial=0.0) + 1e-30)
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


@lru_cache(
    maxsize=2
)  # A chunk's body and rest: chunks of one file mostly hang on one tree, and K^3 steps take 2 s of 2048
def compute_modes(count: int, edges: tuple[Edge, ...]) -> Floats:
    """(K, K) eigenvectors of the tree's Laplacian, as columns, slowest first; the same on every machine but for rounding.

    No two eigenvalues are equal, and signs are fixed.
    """
    laplacian = np.zeros((count, count))
    for number, (a, b, weight) in enumerate(edges):
        value = 2.0**-weight * (1 + WEIGHT_SPREAD * (number + 1) / count)
        laplacian[[a, b], [a, b]] += value
        laplacian[[a, b], [b, a]] -= value
    vectors: Floats = np.linalg.eigh(laplacian)[1]
    probe = np.cos(np.arange(1, count + 1) ** 2.0)
    vectors *= np.where(probe @ vectors < 0, -1.0, 1.0)
    vectors.setflags(write=False)
    return vectors


@dataclass(frozen=True, eq=False, repr=False)
class GraphBasis:
    """The basis of one stretch of one person. vectors: (K, K) of `compute_modes`. origin: (D,) where the centroid starts."""

    vectors: Floats
    origin: Floats

    @property
    def pinned(self) -> Bools:
        """(K * D,) channels that begin at zero: the centroid's."""
        return np.arange(len(self.vectors) * len(self.origin)) < len(self.origin)

    def forward(self, points: Floats) -> Floats:
        """(T, K, D) without gaps to channels (T, K * D), by mode and then axis."""
        return _multiply(points - self.origin, self.vectors).reshape(len(points), -1)

    def inverse(self, channels: Floats) -> Floats:
        """The mirror of `forward`."""
        return _multiply(channels.reshape(len(channels), len(self.vectors), -1), self.vectors.T) + self.origin


def _multiply(values: Floats, matrix: Floats) -> Floats:
    """(T, M, D) of values (T, K, D) times a matrix (K, M), as one product of matrices."""
    frames, count, dims = values.shape
    rows = np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(frames * dims, count)
    return np.asarray((rows @ matrix).reshape(frames, dims, -1).transpose(0, 2, 1))


@dataclass(frozen=True)
class GraphPrior:
    """What channels hold, roughly: 16 x log2 of their magnitude as a plane over frequency bins and log2 of the mode.

    peak: in bin 0 of the first mode. slope: what each bin is below the one before; drop: and each octave of modes.
    """

    peak: int
    slope: int
    drop: int

    @staticmethod
    def fit(channels: Floats, dims: int) -> GraphPrior:
        """The plane nearest to channels (T, K * D), least squares."""
        size = min(len(channels), FITTED_FRAMES)
        starts = range(0, len(channels) - size + 1, max(size, len(channels) // FITTED_BLOCKS))
        moved = [np.abs(dst(size) @ (channels[s : s + size] - channels[max(s - 1, 0)])) for s in starts]
        logs = 16 * np.log2(np.maximum(np.mean(moved, axis=0), 1e-300)).ravel()
        octave = _measure_octaves(channels.shape[1], dims) / 16
        slope, drop = np.repeat(frequency_bins(size), len(octave)), np.tile(octave, size)
        known = logs > logs.max() - FITTED_RANGE
        plane = np.stack([np.ones(known.sum()), -slope[known], -drop[known]], axis=1)
        found = np.rint(np.linalg.lstsq(plane, logs[known], rcond=None)[0])
        most = (1 << PEAK_BITS - 1) - 1
        lows, highs = (-most, 0, 0), (most, (1 << SLOPE_BITS) - 1, (1 << DROP_BITS) - 1)
        return GraphPrior(*(int(number) for number in np.clip(found, lows, highs)))

    @property
    def fields(self) -> tuple[Field, ...]:
        """As it is written."""
        return (self.peak % (1 << PEAK_BITS), PEAK_BITS), (self.slope, SLOPE_BITS), (self.drop, DROP_BITS)

    @staticmethod
    def read(decoder: RangeDecoder) -> GraphPrior:
        """The mirror of `fields`."""
        peak = sign_extend(get_raw(decoder, PEAK_BITS), PEAK_BITS)
        return GraphPrior(peak, get_raw(decoder, SLOPE_BITS), get_raw(decoder, DROP_BITS))

    def expand(self, count: int, dims: int) -> Ints:
        """(2, K * D, BINS) as `BlockCoder` takes it."""
        octave = _measure_octaves(count * dims, dims)
        return np.stack([self.peak - self.slope * np.arange(BINS)[None] - ((self.drop * octave) >> 4)[:, None]] * 2)


def _measure_octaves(channels: int, dims: int) -> Ints:
    """(C,) 16 x log2 of the number of each channel's mode, from 1 on."""
    return np.array([log16(1 + c // dims) for c in range(channels)], np.int64)
