"""Points at exactly 0, 0, 0, by which some capture software means a missing marker. They are reported, never changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import report_change


def report_zeros(points: NDArray[Any]) -> None:
    """Report how many of the points (..., D) have only zeros."""
    count = int(np.count_nonzero((points == 0).all(axis=-1)))
    if count:
        report_change(f"{count} points are exactly 0, 0, 0 and may be missing: pass --zeros-missing if they are")
