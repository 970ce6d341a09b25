"""Steps that were decoded one by one, joined: where they meet, each bends towards the other by half of what lies
between them."""

from __future__ import annotations

import numpy as np

from posecodec.typing import Floats

REACH = 5  # Frames on each side of a join that bend: 4 to 8 are as good, less leaves it rough (benchmarks/LOG.md)


def smooth_joins(values: Floats, step: int) -> Floats:
    """(T, ...) whose frames step, 2 step, ... begin anew, without jumps there: as (T, ...).

    A jump is what the movement across a join differs by from the mean of the movements before and after it.
    """
    joins = np.arange(step, len(values) - 1, step)
    moved = np.diff(values, axis=0)
    jumps = moved[joins - 1] - (moved[joins - 2] + moved[joins]) / 2
    smooth: Floats = values.copy()
    for frame, share in enumerate((1 + np.cos(np.pi * (np.arange(REACH) + 0.5) / REACH)) / 4):
        smooth[joins + frame] -= share * jumps
        smooth[joins - 1 - frame] += share * jumps
    return smooth
