"""What an encode cost and what it lost, in one line or as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import list_pieces, summarize_errors
from posecodec.pose.channels import measure_channels
from posecodec.pose.sequence import PoseSequence


@dataclass(frozen=True)
class Report:
    """bytes_in: of the source file. error: positions in `unit` (mm for lengths), mean, p95 and max over all keypoints,
    and the mean relative to the root; None where there are no keypoints. confidence_error: the largest change of one.
    channel_errors: the largest of the channels beside them, by kind and unit."""

    bytes_in: int
    bytes_out: int
    frames: int
    people: int
    bits_per_frame: float
    kbit_per_s: float
    unit: str
    mean: float | None
    p95: float | None
    max: float | None
    mean_root_relative: float | None
    confidence_error: float
    channel_errors: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return dict(vars(self))

    def describe(self, name: str) -> str:
        """The one honest line."""
        ratio = self.bytes_in / max(self.bytes_out, 1)
        text = (
            f"{name}: {self.bytes_in:,} -> {self.bytes_out:,} bytes ({ratio:.0f}x), {self.bits_per_frame:.2f} bits/frame, "
            f"{self.kbit_per_s:.3f} kbit/s{' a person' if self.people > 1 else ''}"
        )
        if self.mean is None:
            return f"{text}, no keypoints"
        text += f", error {self.mean:.3g} mean / {self.p95:.3g} p95 / {self.max:.3g} max {self.unit}"
        text += f" ({self.mean_root_relative:.3g} root-relative)"
        text += f", confidence within {self.confidence_error:.4f}" if self.confidence_error else ""
        return text + "".join(f", {name} within {error:.2g}" for name, error in self.channel_errors.items())


def report(original: PoseSequence, decoded: PoseSequence, bytes_in: int, bytes_out: int, jobs: int = 1) -> Report:
    """Measured on the decoded sequence, in so many threads. bits per frame: 8 x file bytes / (frames x people)."""
    found = summarize_errors(original, decoded, jobs)
    mean, p95, most, relative = (
        None if math.isnan(value) else value for value in (found.mpjpe, found.p95, found.max, found.mpjpe_root)
    )
    poses = max(original.frames * original.people, 1)
    bits = 8 * bytes_out / poses
    return Report(
        bytes_in, bytes_out, original.frames, original.people, bits, bits * original.rate / 1000, found.unit,
        mean, p95, most, relative, _measure_change(original.confidence, decoded.confidence),
        measure_channels(original.metadata, decoded.metadata),
    )  # fmt: skip


def _measure_change(original: NDArray[np.float32], decoded: NDArray[np.float32]) -> float:
    """The largest difference of two arrays (T, P, ...), some frames after others."""
    changes = (np.abs(original[at] - decoded[at]).max(initial=0.0) for at in list_pieces(original))
    return max(map(float, changes), default=0.0)
