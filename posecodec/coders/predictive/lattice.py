"""The lattice that keypoints are moved to: as sparse as can be while nothing is farther from it than a bound.

Hexagonal in 2D, body-centered cubic in 3D, the best coverings there are of all lattices. Both are two grids of boxes, one in
the middles of the other's: a point is D whole numbers of pitches that are all even or all odd in one grid.

>>> steps = find_nearest(np.array([[0.2, 0.9]]), 1.0)
>>> steps.tolist(), locate(steps, 1.0).round(2).tolist()
([[1, 1]], [[0.87, 1.5]])
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from posecodec.errors import InputError
from posecodec.typing import Floats, Ints

PITCHES = {2: (math.sqrt(3) / 2, 1.5), 3: (2 / math.sqrt(5),) * 3}
"""Of a covering radius of 1, by dimensions: what one whole number is worth along each axis."""
FARTHEST = 2**31 - 1  # Whole numbers are no larger, nor smaller than -FARTHEST


def find_nearest(points: Floats, radius: float) -> Ints:
    """Whole numbers (..., D) of the lattice points nearest to points (..., D), none of them NaN.

    Raises InputError where they are larger than can be said.
    """
    pitch = np.array(PITCHES[points.shape[-1]]) * radius
    with np.errstate(all="ignore"):
        scaled = points / pitch
    if not (np.abs(scaled) < FARTHEST - 2).all():
        raise InputError("too fine a bound for coordinates that reach so far; allow more, or use --lossless")
    even, odd = 2 * np.rint(scaled / 2), 2 * np.rint((scaled - 1) / 2) + 1
    misses = [np.square((grid - scaled) * pitch / radius).sum(axis=-1, keepdims=True) for grid in (even, odd)]
    return np.where(misses[0] <= misses[1], even, odd).astype(np.int64)


AROUND = {
    2: np.array([(0, 0), (2, 0), (1, 1), (1, -1), (-2, 0), (-1, 1), (-1, -1)]),
    3: np.array(
        [(0, 0, 0), *itertools.product((1, -1), repeat=3)]
        + [s * row for s in (2, -2) for row in np.eye(3, dtype=np.int64)]
    ),
}
"""A lattice point and those around it, by dimensions."""
MOST_OFFERED = 3
NEAR_ENOUGH = 1 - 2.0**-20  # Squared radii


def find_within(points: Floats, radius: float) -> Ints:
    """Whole numbers (..., A, D) of lattice points within the radius of points (..., D): the nearest first, which stands in
    for those that are not there.

    Raises InputError as `find_nearest` does.
    """
    dims = points.shape[-1]
    nearest = find_nearest(points, radius)
    around = AROUND[dims]
    off = (nearest - points / (np.array(PITCHES[dims]) * radius)) * PITCHES[dims]
    squares = np.stack([np.square(off + step * np.array(PITCHES[dims])).sum(axis=-1) for step in around], axis=-1)
    order = np.argsort(squares, axis=-1, kind="stable")[..., :MOST_OFFERED]
    steps = np.where(np.take_along_axis(squares, order, axis=-1)[..., None] <= NEAR_ENOUGH, around[order], 0)
    return np.asarray(nearest[..., None, :] + steps)


def locate(steps: Ints, radius: float) -> Floats:
    """Where lattice points (..., D) are. The mirror of `find_nearest`."""
    return np.asarray(steps * (np.array(PITCHES[steps.shape[-1]]) * radius))
