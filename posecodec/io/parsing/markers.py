"""What formats of markers share: people in 3D, and units as capture software spells them. Knows no format."""

from __future__ import annotations

from posecodec.errors import UsageError, report_change
from posecodec.pose.sequence import PoseSequence

UNITS = {
    "mm": "mm", "millimeters": "mm", "cm": "cm", "centimeters": "cm", "m": "m", "meters": "m", "in": "in", "inches": "in",
    "px": "px",
}  # fmt: skip


def check_one_person(sequence: PoseSequence, suffix: str) -> None:
    """Raises UsageError unless it is one person in 3D at a constant rate; reports that confidences are left behind."""
    if sequence.people != 1 or sequence.dims != 3 or not sequence.frames:
        found = f"{sequence.frames} frames of {sequence.people} people in {sequence.dims}D"
        raise UsageError(f"{suffix} holds one person in 3D, this is {found}; save as .npz or .csv")
    check_rate(sequence, suffix)


def check_rate(sequence: PoseSequence, suffix: str) -> None:
    """Raises UsageError unless the rate is constant; reports that confidences are left behind."""
    if sequence.fps is None:
        raise UsageError(f"{suffix} holds no timestamps; pass --fps N (fps=N in load) or save as .npz")
    if (sequence.confidence[sequence.valid] != 1).any():
        report_change(f"{suffix} has no room for confidences; they are left behind")
