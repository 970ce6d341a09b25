"""A body in an image: the trained basis for keypoints in pixels, of whatever view.

Coordinates are turned by a learned orthonormal matrix that decorrelates them, so that an error of 1 in one channel is one of
1 in the pose; the centroid stays apart and comes last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.coders.transform.bone_basis import ChannelTables
from posecodec.typing import Floats


@dataclass(frozen=True, eq=False, repr=False)
class FlatTables(ChannelTables):
    """What is learned of a body in 2D: the values are coordinates, C = 2K. lengths: (K-1,) of bones as they are seen.

    The matrix is orthonormal but for the half precision that it is kept in.
    """

    lengths: Floats


@dataclass(frozen=True, eq=False, repr=False)
class FlatBasis:
    """The basis for one stretch of one person, y down, at the usual size. origin: (2,) where the centroid starts."""

    tables: FlatTables
    origin: Floats

    def forward(self, points: Floats) -> Floats:
        """(T, K, 2) without gaps to channels (T, 2K)."""
        return (points - self.origin).reshape(len(points), -1) @ self.tables.matrix - self.tables.mean

    def inverse(self, channels: Floats) -> Floats:
        """The mirror of `forward`."""
        points = (channels + self.tables.mean) @ self.tables.inverse
        return np.asarray(points.reshape(len(points), -1, 2) + self.origin)
