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


def check_cells(sequence: PoseSequence, suffix: str) -> None:
    """Raises UsageError if a name fits in no cell between tabs; reports the id and axis that have no room."""
    wrong = next((n for n in sequence.skeleton.keypoints if not is_cell_text(n)), None)
    if wrong is not None:
        raise UsageError(f"the keypoint name {wrong!r:.60} does not fit in a cell; rename it or save as .npz")
    left = [f"the id {sequence.ids[0]!r}"] if sequence.ids != ("0",) else []
    left += [f"the up axis {sequence.up!r}"] if sequence.up != "unknown" else []
    if left:
        report_change(f"{suffix} has no room for {' and '.join(left)}")


def is_cell_text(text: str) -> bool:
    """Whether a cell between tabs can hold the text and give it back."""
    return text == text.strip() and bool(text) and len(text.splitlines()) == 1 and "\t" not in text
