"""Quantizer steps by their QP: sixteen to the octave, step 1 at 0 (HEVC has six: step = 2 ** (QP / 6))."""

from __future__ import annotations

import numpy as np

STEPS_PER_OCTAVE = 16  # QPs from a step to one twice as large
MAX_QP = 6000  # QPs of a recording's unit are searched from minus this to this: three times what float32 can hold


def step_of_qp(qp: int) -> float:
    """The step of a QP.

    >>> step_of_qp(0), step_of_qp(16), step_of_qp(-8)
    (1.0, 2.0, 0.7071067811865476)
    """
    return float(2.0 ** (qp / STEPS_PER_OCTAVE))


def qp_of_step(step: float) -> int:
    """The QP whose step is nearest, by their ratio: the mirror of `step_of_qp`. Far below -MAX_QP for a step of 0.

    >>> qp_of_step(2.0), qp_of_step(step_of_qp(-70))
    (16, -70)
    """
    return int(np.rint(STEPS_PER_OCTAVE * np.log2(max(step, 1e-300))))
