"""Whether float32 is good enough for what a decoder gives back: if not, a file is wide, with an origin taken off."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from posecodec.coders.chunk import ChunkInput
from posecodec.pose.sequence import PoseSequence
from posecodec.ratecontrol.target import Target

MAX_ROUNDING = 1 / 64  # Share of the error asked for that rounding to float32 may be: it costs 0.02 bits a number
FINEST_BITRATE = 1 / 16  # Share of the default quality's error that a bit rate is taken to ask for


def needs_wide(sequence: PoseSequence, chunks: Sequence[ChunkInput], target: Target) -> bool:
    """Whether rounding to float32 is too much for a target in the recording's unit.

    What was recorded as float32 is never more precise than what float32 gives back.
    """
    if sequence.positions.dtype == np.float32 or target.kind == "lossless" or not chunks:
        return False
    error = target.value
    if target.kind not in ("max-error", "mean-error"):
        share = FINEST_BITRATE if target.kind == "bitrate" else 1.0
        error = share * min(chunk.default_error for chunk in chunks)
    farthest = np.float32(max(chunk.farthest for chunk in chunks))
    rounding = math.sqrt(sequence.dims) / 2 * float(np.spacing(farthest))
    return rounding > MAX_ROUNDING * error
