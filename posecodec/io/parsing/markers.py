"""What formats of markers share: people in 3D, and units as capture software spells them. Knows no format."""

from __future__ import annotations

from posecodec.errors import UsageError, report_change
from posecodec.pose.sequence import UNIT_MM, PoseSequence

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


def check_unit_and_up(sequence: PoseSequence, what: str, axes: tuple[str, ...]) -> None:
    """Raises UsageError unless the unit is one of lengths and the up axis one of some, naming what is not.

    what: how the format has them, such as "these files are in m with y up".
    """
    wrong = {
        "unit": (sequence.unit, sequence.unit not in UNIT_MM), "up": (sequence.up, sequence.up not in axes),
    }  # fmt: skip
    said = {name: value for name, (value, is_wrong) in wrong.items() if is_wrong}
    if said:
        found = " and ".join(f"{name} is {value!r}" for name, value in said.items())
        options, arguments = (" and ".join(form.format(name) for name in said) for form in ("--{}", "{}="))
        remedy = f"pass {options} ({arguments} in load) if only the label is wrong or missing, or save as .npz"
        raise UsageError(f"{what}, but {found}; {remedy}")


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
