"""Whether a file keeps what its encoder promised."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

from posecodec.analysis.metrics import compare
from posecodec.bitstream.header import Header
from posecodec.pose.sequence import UNIT_MM, PoseSequence

ROUNDING = 1 + 1e-6  # Times that a promise may be exceeded by: files keep it as float32


@dataclass(frozen=True)
class Verdict:
    """promise: its kind, or "none". promised, reached: in `unit`, None where there is no number. kept: None if only the
    original could tell."""

    promise: str
    promised: float | None
    reached: float | None
    unit: str
    kept: bool | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return dict(vars(self))

    def describe(self) -> str:
        """The verdict in a line."""
        if self.promise == "none":
            return "whole, decodes; nothing was promised"
        number = f" {self.promised:g} {self.unit}".rstrip() if self.promised is not None else ""
        reached = f", {self.reached:.6g} reached" if self.reached is not None else ""
        kept = {True: "kept", False: "BROKEN", None: "as its encoder measured (give the original to check)"}[self.kept]
        return f"whole, decodes; {self.promise}{number}{reached}: {kept}"


def checksum(sequence: PoseSequence) -> int:
    """CRC-32 of every bit of positions and confidences, little-endian."""
    arrays = (sequence.positions, sequence.confidence)
    parts = [array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays]
    return zlib.crc32(parts[1], zlib.crc32(parts[0]))


def verify(header: Header, decoded: PoseSequence, size: int, original: PoseSequence | None = None) -> Verdict:
    """The verdict on a file of `size` bytes, from what it decodes to and, if there, the original.

    Raises InputError where the original is another recording.
    """
    guarantee = header.guarantee
    found = None if original is None else compare(original, decoded)
    if guarantee is None:
        return Verdict("none", None, None, "", True)
    if guarantee.kind == "lossless":
        sums = {checksum(sequence) for sequence in (decoded, original) if sequence is not None}
        return Verdict("lossless", None, None, "", sums == {int(guarantee.value)})
    if guarantee.kind == "bitrate":
        reached = 8e-3 * size * decoded.rate / max(decoded.frames, 1)
        return Verdict("bitrate", guarantee.value, reached, "kbit/s", reached <= guarantee.value * ROUNDING)
    unit = header.unit if header.unit != "unknown" else ""
    if found is None:
        return Verdict(guarantee.kind, guarantee.value, guarantee.value * guarantee.reached, unit, None)
    error = found.max if guarantee.kind == "max-error" else found.mpjpe
    reached = 0.0 if math.isnan(error) else error / UNIT_MM.get(header.unit, 1.0)
    kept = not reached > guarantee.value * ROUNDING
    return Verdict(guarantee.kind, guarantee.value, reached, unit, kept)
