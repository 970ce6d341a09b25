"""What is doubtful about a recording: gaps, swaps, jumps, units and the like, each in one line with the remedy.

It only looks: nothing is changed (`repair` and `tracking` do that), and a clean recording has no findings. Thresholds are
set so that motion capture of dancing and jumping raises no alarm; an alarm is a reason to look, not a proof. It leaves
out what needs a model of the body (wrong limb lengths, feet through the floor) and spikes in the first or last frame.
Frames and people are counted from 0; people are named by their ids.
"""

from __future__ import annotations

import numpy as np

from posecodec.analysis.checks import movement, presence, scales
from posecodec.analysis.checks.finding import Finding
from posecodec.analysis.checks.measures import measure_motion
from posecodec.pose.sequence import PoseSequence

__all__ = ["CHECKS", "Finding", "diagnose"]

CHECKS = (
    presence.check_come_and_go, presence.check_gaps, presence.check_unseen, presence.check_confidence,
    presence.check_zeros, movement.check_repeated, movement.check_identity, movement.check_left_right,
    movement.check_jumps, movement.check_jitter, scales.check_timestamps, scales.check_unit, scales.check_mixed_units,
    scales.check_far, scales.check_tiny, scales.check_up,
)  # fmt: skip
"""In the order that findings are listed in. Each takes the recording and its motion, and finds at most one thing."""


def diagnose(sequence: PoseSequence) -> list[Finding]:
    """Everything doubtful about a recording, at most one of a kind, empty where there is nothing.

    kinds: nobody, come-and-go, gaps, unseen, confidence, zeros, repeated, identity, left-right, jumps, jitter,
    timestamps, unit, mixed-units, far, tiny, up.

    >>> diagnose(PoseSequence.from_arrays(np.full((2, 1, 19, 3), np.nan), fps=30))[0].kind
    'nobody'
    """
    if not sequence.valid.any():
        return [Finding("nobody", "no keypoint is there in any frame; check that the export is whole", 1)]
    with np.errstate(all="ignore"):
        motion = measure_motion(sequence)
        found = [check(sequence, motion) for check in CHECKS]
    return [finding for finding in found if finding is not None]
