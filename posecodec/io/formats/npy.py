"""Plain `.npy` arrays of positions: (T, K, D), (T, P, K, D) or flattened (T, K*D), written in the shape they had.

The third column may be a confidence beside pixels, as detectors give it, which the values or the caller tell. The file knows
neither frame rate nor unit: the caller states the rate, and writing keeps positions, and confidences in such a column.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change
from posecodec.io import AnyPath, Clue, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import format_metadata, frame_rates, numpy_arrays, pixel_columns
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.skeletons.inference import infer_skeleton


@guard_reader
def read(
    path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None, columns: str | None = None
) -> PoseSequence:
    """Positions from a `.npy`; NaN marks a missing keypoint.

    fps: frames per second, needed. skeleton: needed for flattened arrays other than coco19's 57 or 38 columns.
    columns: "xyc" or "xyz", whether the third column is a confidence; the values tell if it is not given.
    Raises InputError if the rate is missing or the array has another shape or type.
    """
    array = numpy_arrays.decode_array(read_bytes(path), "the array")
    points, confidence = pixel_columns.split_confidence(unflatten(array, skeleton), columns)
    skeleton = skeleton or guess_skeleton(points)
    rate, shape = 1 if fps is None else fps, {2: "flat", 3: "TKD"}.get(array.ndim)
    facts = ({"shape": shape} if shape else {}) | ({} if confidence is None else {"columns": "xyc"})
    labels = {} if confidence is None else {"unit": "px", "up": "-y"}
    metadata = {"source_format": "npy"} | ({"npy": facts} if facts else {})
    sequence = PoseSequence.from_arrays(
        points, fps=rate, confidence=confidence, skeleton=skeleton, exact=True, metadata=metadata, **labels
    )
    frame_rates.require_rate(fps)
    return sequence


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """The positions, float32 or float64, NaN where missing; everything else is left behind.

    (T, P, K, D), or the shape of the file they were read from: (T, K, D) or (T, K*D); with confidences as third column if
    that had them, zeros where missing.
    """
    facts = format_metadata.read_facts(sequence, "npy")
    shape = facts.get("shape") if sequence.people == 1 else None
    points = sequence.positions
    if facts.get("columns") == "xyc" and sequence.dims == 2:
        points = pixel_columns.join_confidence(points, sequence.confidence)
    if shape == "TKD":
        points = points[:, 0]
    elif shape == "flat":
        points = points.reshape(sequence.frames, -1)
    if sequence.metadata.get("source_format") != "npy":  # which had no more
        _report_left(sequence)
    write_atomic(path, numpy_arrays.encode_array(points), force)


def _report_left(sequence: PoseSequence) -> None:
    """Say what a bare array leaves behind of a recording."""
    rate = "the times" if sequence.fps is None else f"the rate (reading needs --fps {sequence.fps:.10g})"
    plain = sequence.ids == tuple(map(str, range(sequence.people)))
    left = [rate, "the names of the keypoints", *([] if plain else ["ids"])]
    left += ["confidences"] if (sequence.confidence[sequence.valid] != 1).any() else []
    left += [f"the unit {sequence.unit}"] if sequence.unit != "unknown" else []
    left += ["the up axis"] if sequence.up != "unknown" else []
    report_change(f".npy has no room for {', '.join(left[:-1])} and {left[-1]}")


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
    name="npy", title="NumPy array", suffixes=(".npy",), read=read, write=write,
    options=("fps", "skeleton", "columns"),
    sniff=lambda file: Clue("being a NumPy array") if file.is_npy else None, priority=90, states_rate=False,
)  # fmt: skip
