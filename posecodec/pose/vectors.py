"""Lengths of many short vectors, and medians of many numbers: what frame after frame asks for, done fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.typing import Floats


def measure_lengths(vectors: NDArray[np.floating]) -> Floats:
    """(...) Euclidean lengths of vectors (..., D).

    Axis by axis, which takes a tenth of the time of sums along a last axis that is so short.

    >>> measure_lengths(np.array([[3.0, 4.0], [0.0, 1.0]]))
    array([5., 1.])
    """
    total = np.square(vectors[..., 0])
    for axis in range(1, vectors.shape[-1]):
        total = total + np.square(vectors[..., axis])
    return np.asarray(np.sqrt(total))


def find_medians(values: NDArray[np.floating], axis: int) -> Floats:
    """Medians along an axis of what is not NaN; NaN where nothing is. By sorting, which takes a fraction of NumPy's time.

    >>> find_medians(np.array([[3.0, np.nan, 1.0, 8.0], [2.0, 0.0, 1.0, 3.0]]), 1)
    array([3. , 1.5])
    """
    ordered = np.sort(np.moveaxis(values, axis, -1), axis=-1)
    count = ordered.shape[-1] - np.isnan(ordered).sum(axis=-1, keepdims=True)
    low, high = (np.take_along_axis(ordered, np.maximum(at, 0) // 2, axis=-1)[..., 0] for at in (count - 1, count))
    return np.asarray((low + high) / 2)
