"""How many frames windows may have."""

from __future__ import annotations

from posecodec.signal.segmentation import Segmentation

SIZES = (16, 32, 64, 96, 128)  # Frames that a window may have, beside the last of a chunk
LONGEST = 159  # Most frames of the last window of a chunk, which takes what is left
WINDOW_LENGTHS = Segmentation(SIZES, LONGEST)
"""Shorter ones lose a fifth at low rates (log of 2026-11-24), longer ones delay a stream."""
