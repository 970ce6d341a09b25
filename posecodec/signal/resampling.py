"""Motion at another frame rate: cubic curves through the frames (Catmull and Rom, "A class of local interpolating splines",
1974), and nothing done where the rates are the same."""

from __future__ import annotations

import numpy as np

from posecodec.typing import Floats, Ints

MOST_FRAMES = 1 << 53  # More than any recording has
SAME_RATE = 0.005  # Relative difference below which rates count as one: 29.97 and 30


def count_frames(frames: int, rate: float, target: float) -> int:
    """Frames at the target rate that last as long as so many at a rate, at most MOST_FRAMES."""
    if abs(rate / target - 1) < SAME_RATE:
        return frames
    return max(
        1, round(min((frames - 1) * target / rate, MOST_FRAMES - 1)) + 1
    )  # a file may say 1e-308 frames a second


def resample(values: Floats, frames: int) -> Floats:
    """(T, ...) at `frames` moments from the first to the last; NaN where a frame on either side is NaN."""
    if len(values) == frames:
        return values
    place = np.linspace(0, len(values) - 1, frames)
    low = np.minimum(place.astype(np.int64), max(len(values) - 2, 0))
    share = (place - low).reshape(-1, *[1] * (values.ndim - 1))
    last = len(values) - 1
    first, second = values[low], values[np.minimum(low + 1, last)]
    rise = [_slope(values, np.minimum(low + i, last)) for i in (0, 1)]
    square, cube = share**2, share**3
    curve = (2 * cube - 3 * square + 1) * first + (cube - 2 * square + share) * rise[0]
    curve = curve + (3 * square - 2 * cube) * second + (cube - square) * rise[1]
    straight = first + (second - first) * np.where(share > 0, share, 0)
    whole = np.where(np.isnan(curve), straight, curve)
    return np.asarray(np.where(share == 0, first, np.where(share == 1, second, whole)))


def _slope(values: Floats, at: Ints) -> Floats:
    last = len(values) - 1
    before, after = np.maximum(at - 1, 0), np.minimum(at + 1, last)
    span = np.maximum(after - before, 1).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((values[after] - values[before]) / span)
