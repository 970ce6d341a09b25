"""Arrays of x, y and a confidence, as most detectors give them: told from x, y, z by what the third column holds.

Knows no format.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change, report_count

COLUMNS = ("xyc", "xyz")
"""What the columns of a keypoint can be called: x, y and a confidence, or a place in 3D."""
_MOST = 1.1  # confidence that detectors reach: some go a little beyond 1
_FLAGS = (0, 1, 2)  # COCO's visibility
_PIXELS = 20.0  # coordinates that go so far, beside a third within 1, are those of an image


def check_columns(columns: str | None) -> None:
    """Raises UsageError for what is none of COLUMNS."""
    if columns is not None and columns not in COLUMNS:
        raise UsageError(f"columns {columns!r} are not known; {' or '.join(COLUMNS)} was expected")


def split_confidence(points: NDArray[Any], columns: str | None) -> tuple[NDArray[Any], NDArray[np.float32] | None]:
    """Points (..., 2) and confidences (...) of (..., 3) that are or look like x, y, confidence; else the points and None.

    columns: what they are, one of COLUMNS; None lets the values tell, which is reported. Three zeros are a missing keypoint.
    Raises InputError if they are to hold a confidence and have no third column.
    """
    check_columns(columns)
    if points.ndim < 3 or points.shape[-1] != 3 or points.dtype.kind not in "fiu":
        if columns == "xyc":
            raise InputError(f"shape {points.shape} has no third column for a confidence; leave out --columns xyc")
        return points, None
    if columns == "xyz" or columns is None and not _looks_like_confidence(points):
        return points, None
    places, weights = points[..., :2], points[..., 2]
    if columns is None:
        most = float(np.nanmax(weights))
        report_change(
            f"the third column is 0 to {most:.3g} beside pixels: read as confidence, in 2D; pass --columns xyz if it is z"
        )
    zero = (points == 0).all(axis=-1)
    report_count(int(zero.sum()), "keypoints at 0, 0 with confidence 0 are taken as missing")
    if zero.any():
        places = np.where(
            zero[..., None], np.nan, places.astype(np.float64 if places.dtype.itemsize > 4 else np.float32)
        )
    missing = np.isnan(places).any(axis=-1)
    unknown = ~missing & ~np.isfinite(weights)
    report_count(int(unknown.sum()), "keypoints without a finite confidence get 0")
    return places, np.where(missing | unknown, 0, weights).astype(np.float32)


def join_confidence(points: NDArray[Any], confidence: NDArray[np.float32]) -> NDArray[Any]:
    """(..., 3) of what `split_confidence` took apart, three zeros where a keypoint is missing."""
    weights = (
        np.array(confidence, np.float64).astype(points.dtype) if points.dtype == np.float32 else _widen(confidence)
    )
    joined = np.concatenate([points, weights[..., None]], axis=-1)
    joined[np.isnan(points[..., 0])] = 0
    return joined


def _widen(confidence: NDArray[np.float32]) -> NDArray[np.float64]:
    """float32 as the float64 of its shortest decimal, which is what it was rounded from."""
    flat = [float(str(value)) for value in confidence.ravel()]
    return np.array(flat, np.float64).reshape(confidence.shape)


def _looks_like_confidence(points: NDArray[Any]) -> bool:
    """Whether the third column stays within 0 to 1, or is COCO's visibility, beside coordinates that go much farther."""
    there = np.isfinite(points[..., :2]).all(axis=-1)
    places, weights = points[..., :2][there], points[..., 2][there]
    if not len(weights) or not np.isfinite(weights).all() or not weights.any():
        return False
    within = weights.min() >= 0 and (weights.max() <= _MOST or bool(np.isin(weights, _FLAGS).all()))
    return bool(within and np.abs(places).max() >= _PIXELS)
