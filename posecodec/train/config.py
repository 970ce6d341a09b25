"""What every training says of its data, as typed values read from JSON (see benchmarks/train/*.json and configs/*.json)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Data:
    """train, val: archives or pose files, or folders of them. cameras: calibration JSON, for 2D models.

    skeleton: what all of it is in, a built-in one's name; for tokens also the path of a skeleton file.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    cameras: str | None = None
    skeleton: str = "coco19"


@dataclass(frozen=True)
class Augmentation:
    """mirror: probability. stretch: log-range of the tempo. bones: standard deviation of log bone lengths."""

    mirror: float = 0.5
    stretch: float = 0.25
    bones: float = 0.06


STILL = Augmentation(mirror=0, stretch=0, bones=0)
"""Windows as they were recorded, for validation."""
