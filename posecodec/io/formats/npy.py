"""Plain `.npy` arrays of positions: (T, K, D), (T, P, K, D) or flattened (T, K*D), written in the shape they had.

The file knows neither frame rate nor unit nor confidence: the caller states the rate, and writing keeps positions only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change
from posecodec.io import AnyPath, Clue, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import format_metadata, frame_rates, numpy_arrays
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.skeletons.inference import infer_skeleton


@guard_reader
def read(path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None) -> PoseSequence:
    """Positions from a `.npy`; NaN marks a missing keypoint.

    fps: frames per second, needed. skeleton: needed for flattened arrays other than coco19's 57 or 38 columns.
    Raises InputError if the rate is missing or the array has another shape or type.
    """
    array = numpy_arrays.decode_array(read_bytes(path), "the array")
    points = unflatten(array, skeleton)
    skeleton = skeleton or guess_skeleton(points)
    rate, shape = 1 if fps is None else fps, {2: "flat", 3: "TKD"}.get(array.ndim)
    metadata = {"source_format": "npy"} | ({"npy": {"shape": shape}} if shape else {})
    sequence = PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, exact=True, metadata=metadata)
    frame_rates.require_rate(fps)
    return sequence


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """The positions, float32 or float64, NaN where missing; everything else is left behind.

    (T, P, K, D), or the shape of the file they were read from: (T, K, D) or (T, K*D).
    """
    shape = format_metadata.read_facts(sequence, "npy").get("shape") if sequence.people == 1 else None
    points = sequence.positions
    if shape == "TKD":
        points = points[:, 0]
    elif shape == "flat":
        points = points.reshape(sequence.frames, -1)
    write_atomic(path, numpy_arrays.encode_array(points), force)


def guess_skeleton(points: NDArray[Any]) -> Skeleton | None:
    """The skeleton that unnamed keypoints (T, K, D) or (T, P, K, D) are taken for, with a report; None if none fits.

    19 keypoints are coco19's, as everywhere here.
    """
    if points.ndim not in (3, 4) or points.dtype.kind not in "fiu" or points.shape[-2] == len(COCO19):
        return None
    found = infer_skeleton(points.shape[-2], points.shape[-1], points) if points.shape[-1] in (2, 3) else None
    if found is not None:
        report_change(
            f"{len(found)} keypoints without names are taken for {found.name}, which they look like; pass --skeleton"
        )
    return found


def unflatten(points: NDArray[Any], skeleton: Skeleton | None) -> NDArray[Any]:
    """(T, K*D) as (T, K, D); other shapes as they are. Raises InputError if the columns fit no skeleton."""
    if points.ndim != 2:
        return points
    columns = points.shape[1]
    count = len(skeleton or COCO19)
    if columns not in (2 * count, 3 * count):
        hint = "" if skeleton else "; pass --skeleton NAME (skeleton= in Python) if it is another"
        raise InputError(f"shape {points.shape}: {count} keypoints need {2 * count} or {3 * count} columns{hint}")
    return np.reshape(points, (len(points), count, columns // count))


FORMAT = Format(
    name="npy", title="NumPy array", suffixes=(".npy",), read=read, write=write, options=("fps", "skeleton"),
    sniff=lambda file: Clue("being a NumPy array") if file.is_npy else None, priority=90, states_rate=False,
)  # fmt: skip
