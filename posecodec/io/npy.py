"""Plain `.npy` arrays of positions: (T, K, D), (T, P, K, D) or flattened (T, K*D).

The file knows neither frame rate nor unit nor confidence: the caller states the rate, and writing keeps positions only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.io.arrays import decode_array, encode_array
from posecodec.io.files import AnyPath, read_bytes, reader, write_atomic
from posecodec.sequence import PoseSequence
from posecodec.skeleton import COCO19, Skeleton

NO_RATE = "the file does not say its frame rate; pass --fps N (fps=N in Python)"


@reader
def read(path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None) -> PoseSequence:
    """Positions from a `.npy`; NaN marks a missing keypoint.

    fps: frames per second, needed. skeleton: needed for flattened arrays other than coco19's 57 or 38 columns.
    Raises InputError if the rate is missing or the array has another shape or type.
    """
    points = unflattened(decode_array(read_bytes(path), "the array"), skeleton)
    if fps is None:
        raise InputError(NO_RATE)
    return PoseSequence.of(points, fps=fps, skeleton=skeleton, exact=True)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """The positions, (T, P, K, D) float32 or float64, NaN where missing; everything else is left behind."""
    write_atomic(path, encode_array(sequence.positions), force)


def unflattened(points: NDArray[Any], skeleton: Skeleton | None) -> NDArray[Any]:
    """(T, K*D) as (T, K, D); other shapes as they are. Raises InputError if the columns fit no skeleton."""
    if points.ndim != 2:
        return points
    columns = points.shape[1]
    count = len(skeleton or COCO19)
    if columns not in (2 * count, 3 * count):
        hint = "" if skeleton else "; pass --skeleton NAME (skeleton= in Python) if it is another"
        raise InputError(f"shape {points.shape}: {count} keypoints need {2 * count} or {3 * count} columns{hint}")
    return np.reshape(points, (len(points), count, columns // count))
