"""Repairs of what a recording means, each asked for by the user and reported; `diagnostics` says what may need them.

Leaves out everything that would invent positions: no gap is filled and nothing is smoothed.
"""

from __future__ import annotations

import numpy as np

from posecodec.errors import report_change
from posecodec.pose.sequence import PoseSequence


def mark_zeros_missing(sequence: PoseSequence) -> PoseSequence:
    """The sequence with every keypoint at exactly 0,0(,0) made missing; reported with the count.

    For files whose program writes zeros where it found nothing. The sequence itself is returned if there are none.

    >>> mark_zeros_missing(PoseSequence.from_arrays([[[3.0, 4.0], [0.0, 5.0]]], fps=30)).valid.all()
    np.True_
    """
    zeros = (sequence.positions == 0).all(axis=-1)
    count = int(zeros.sum())
    if not count:
        return sequence
    positions = np.where(zeros[..., None], np.nan, sequence.positions).astype(sequence.positions.dtype)
    confidence = np.where(zeros, np.float32(0), sequence.confidence)
    t, p, k = np.argwhere(zeros)[0]
    report_change(
        f"{count:,} keypoint{'' if count == 1 else 's'} at exactly {','.join('0' * sequence.dims)} made missing, the "
        f"first at frame {t}, person {p}, keypoint {k}"
    )
    return sequence.with_positions(positions, confidence)
