"""What every training says of its data, as typed values read from JSON (see benchmarks/train/*.json and configs/*.json)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Data:
    """train, val: archives or pose files, or folders of them. cameras: calibration JSON, for 2D models.

    skeleton: name of the built-in skeleton all of it is in.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    cameras: str | None = None
    skeleton: str = "coco19"


@dataclass(frozen=True)
class Augmentation:
    """mirror: probability. stretch: log-range of the tempo. bones: standard deviation of log bone lengths.

    heading: standard deviation, radians, of an error in the heading (3D; 2D sees every heading). jitter: standard
    deviation in body sizes, drop: probability of a missing keypoint run; both in a share `noisy` of the windows.
    """

    mirror: float = 0.5
    stretch: float = 0.25
    bones: float = 0.06
    heading: float = 0.1
    jitter: float = 0.004
    drop: float = 0.05
    noisy: float = 0.2


STILL = Augmentation(mirror=0, stretch=0, bones=0, heading=0, jitter=0, drop=0, noisy=0)
"""Windows as they were recorded, for validation."""
