"""Which frames of which person are coded together: tracks, from entering to leaving.

Cutting tracks into chunks is part of the bitstream (`bitstream.container`).
"""

from __future__ import annotations

import numpy as np

from posecodec.typing import Bools

LONGEST_GAP = 32  # A person away for more frames than this comes back as a new track; shorter gaps are masked


def find_tracks(valid: Bools, longest_gap: int = LONGEST_GAP) -> list[tuple[int, int, int]]:
    """(person, start, length) of every stretch in which a person has keypoints, in order of person and time.

    valid: (T, P, K). Frames of no track have nothing valid, and every track begins and ends with something valid.
    """
    tracks = []
    for person in range(valid.shape[1]):
        seen = np.flatnonzero(valid[:, person].any(axis=-1))
        breaks = np.flatnonzero(np.diff(seen) > longest_gap + 1)
        for run in np.split(seen, breaks + 1) if len(seen) else []:
            tracks.append((person, int(run[0]), int(run[-1] - run[0] + 1)))
    return tracks
