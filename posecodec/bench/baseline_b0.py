"""B0, the baseline: a linear transform (KLT of the body, DCT-II in time), one step and static tables.

Rates are code lengths under its tables: there is no range coder and no header, so a real file would be larger. Windows
of 64 frames, each with its root's origin (30 bits, 72 for the first). The tables hold -15..15; what lies beyond takes
an order-0 Exp-Golomb suffix (Teuhola 1978). That alphabet reproduces the figures B0 is known by; unbounded tables would
need about 5 % fewer bits at step 5, 3 % at step 20, and as many at step 200 and above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.bench.data import Points
from posecodec.errors import InputError
from posecodec.signal.dct import dct
from posecodec.typing import Floats, Ints

STEPS = (800.0, 500.0, 300.0, 200.0, 120.0, 80.0, 50.0, 30.0, 20.0, 12.0, 8.0, 5.0)
"""mm; the quantizer steps that B0's figures are given for."""
KEYPOINTS = 19  # Of coco19
WINDOW = 64  # Frames
ROOT = 2  # Index of the mid-hip
ROOT_WEIGHT = float(np.sqrt(KEYPOINTS))  # An error of the root moves all keypoints
ORIGIN_BITS = 30  # What a window's origin is counted as, raw
FIRST_ORIGIN_BITS = 72  # The same of the first window, which nothing comes before
SHORTEST = 32  # Training sequences of fewer frames are left out
STRIDE = 7  # Every so many poses are used for the KLT: neighbors are nearly the same
ROUNDING = 0.4  # Added before rounding down, so that the dead zone is 1.2 steps wide
LARGEST = 15  # Largest magnitude in a table
HISTOGRAM = 0.7  # Weight of a table's histogram, beside its Laplace part
FLOOR = 0.05  # Smallest scale of a Laplace part, in steps
_OTHERS = [k for k in range(KEYPOINTS) if k != ROOT]  # Keypoints of the body beside its root


@dataclass(frozen=True, eq=False)
class B0:
    """Fitted to a training split by `B0.fit`.

    mean: (54,) mm. basis: (54, 54), a component a column. training: (windows, 64, 57) coefficients for the tables.
    """

    mean: Floats
    basis: Floats
    training: Floats

    @staticmethod
    def fit(sequences: list[Points]) -> B0:
        """B0 of training sequences (T, 19, 3) in mm at 30 fps, of which those under 32 frames are left out.

        Raises InputError where none is left or a shape is another.
        """
        used = [x for x in sequences if len(_check(x)) >= SHORTEST]
        if not used:
            raise InputError(
                f"B0 needs training sequences of at least {SHORTEST} frames; give a folder with train/*.npz"
            )
        poses = np.concatenate([_subtract_root(x)[::STRIDE] for x in used])
        mean = poses.mean(axis=0)
        basis = np.linalg.eigh((poses - mean).T @ (poses - mean))[1][:, ::-1]
        return B0(mean, basis, np.concatenate([_transform(x, mean, basis) for x in used]))

    def build_tables(self, step: float) -> Floats:
        """(64, 57, 31) bits of the integers -15..15 at a step in mm, both ends with what is beyond them.

        Each is 0.7 x histogram of the training split + 0.3 x Laplace of its mean magnitude, over the quantizer's bins.
        """
        values = quantize(self.training, step)
        shape = values.shape[1:]
        scale = np.maximum(np.abs(values).mean(axis=0), FLOOR)
        size = 2 * LARGEST + 1
        cells = np.clip(values, -LARGEST, LARGEST) + LARGEST + size * np.arange(scale.size).reshape(shape)
        counts = np.bincount(cells.ravel(), minlength=size * scale.size).reshape(*shape, size)
        return np.asarray(-np.log2(HISTOGRAM * counts / len(values) + (1 - HISTOGRAM) * _bin_laplace(scale)))

    def run(self, sequences: list[Points], step: float) -> tuple[float, list[Points]]:
        """Bits of all sequences (T, 19, 3) in mm, and what they decode to. Raises InputError for another shape."""
        tables, bits, decoded = self.build_tables(step), 0.0, []
        for points in sequences:
            values = quantize(_transform(_check(points), self.mean, self.basis), step)
            bits += FIRST_ORIGIN_BITS + ORIGIN_BITS * (len(values) - 1) + _count_bits(values, tables)
            decoded.append(self._reconstruct(values.astype(np.float64) * step, points))
        return bits, decoded

    def _reconstruct(self, coefficients: Floats, original: Points) -> Points:
        """(T, 19, 3) of coefficients (windows, 64, 57); of the original only the windows' origins are used."""
        series = np.einsum("fn,wfc->wnc", dct(WINDOW), coefficients)
        origins = original[::WINDOW, ROOT].astype(np.float64)
        root = (series[..., :3] / ROOT_WEIGHT + origins[:, None]).reshape(-1, 1, 3)
        points = np.empty((len(root), KEYPOINTS, 3))
        points[:, [ROOT]] = root
        points[:, _OTHERS] = root + (series[..., 3:] @ self.basis.T + self.mean).reshape(-1, len(_OTHERS), 3)
        return points[: len(original)].astype(np.float32)


def quantize(values: Floats, step: float) -> Ints:
    """sign(c) floor(|c| / step + 0.4).

    >>> quantize(np.array([-1.6, 0.59, 0.6]), 1.0)
    array([-2,  0,  1])
    """
    return (np.sign(values) * np.floor(np.abs(values) / step + ROUNDING)).astype(np.int64)


def _check(points: Points) -> Points:
    if points.ndim != 3 or points.shape[1:] != (KEYPOINTS, 3) or not len(points):
        raise InputError(f"B0 codes (T, 19, 3) of at least one frame, not {points.shape}; map to coco19 first")
    return points


def _subtract_root(points: Points) -> Floats:
    """(T, 54) keypoints other than the root, relative to it."""
    x = points.astype(np.float64)
    return (x[:, _OTHERS] - x[:, [ROOT]]).reshape(len(x), -1)


def _transform(points: Points, mean: Floats, basis: Floats) -> Floats:
    """(windows, 64, 57): DCT of the root's path from the window's first frame, weighted, and of the body's components."""
    index = np.arange(-(-len(points) // WINDOW) * WINDOW)
    frames = np.minimum(index, len(points) - 1)
    root = points[:, ROOT].astype(np.float64)
    path = (root[frames] - root[index // WINDOW * WINDOW]) * ROOT_WEIGHT
    body = ((_subtract_root(points) - mean) @ basis)[frames]
    return np.asarray(dct(WINDOW) @ np.concatenate([path, body], axis=1).reshape(-1, WINDOW, 3 * KEYPOINTS))


def _bin_laplace(scale: Floats) -> Floats:
    """(..., 31) probabilities of -15..15 over the bins of `quantize`, for a Laplace of mean magnitude `scale` in steps."""
    edges = np.append(np.arange(1, LARGEST + 1) - ROUNDING, np.inf)
    above = np.exp(-edges / scale[..., None])
    side = -np.diff(above) / 2
    return np.concatenate([side[..., ::-1], 1 - above[..., :1], side], axis=-1)


def _count_bits(values: Ints, tables: Floats) -> float:
    cells = np.clip(values, -LARGEST, LARGEST) + LARGEST
    bits = np.take_along_axis(tables[None], cells[..., None], axis=-1).sum()
    beyond = np.abs(values[np.abs(values) >= LARGEST]) - LARGEST + 1
    return float(bits + (2 * np.floor(np.log2(beyond)) + 1).sum())
