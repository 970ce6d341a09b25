"""Pose files in and out: `load` and `save`, by what the file is or by name of the format.

One file per format; this one only chooses among them. It changes no values: an override relabels, it never converts, and a
skeleton takes keypoints by their names.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecodec import legacy
from posecodec.errors import InputError, NoRateError, PosecodecError, UsageError, report_change
from posecodec.io.detect import Guess, detect
from posecodec.io.filesystem import AnyPath, check_path, find_suffix, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing.frame_rates import is_same_rate
from posecodec.io.registry import DEFAULT, FORMATS, FRAME_FOLDER, Format, check_name, register_format
from posecodec.io.sniffing import Certainty, Clue, Source
from posecodec.pose.sequence import PoseSequence, read_rate
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.files import resolve_skeleton

__all__ = [
    "FORMATS", "AnyPath", "Certainty", "Clue", "Format", "Guess", "Source", "detect", "find_format", "find_origin",
    "find_target", "guard_reader", "load", "read_bytes", "register_format", "save", "take_skeleton", "write_atomic",
]  # fmt: skip
if not TYPE_CHECKING:
    __getattr__ = legacy.find_renamed(__name__)


def load(
    path: AnyPath, *, format: str | None = None, fps: float | None = None, unit: str | None = None,
    skeleton: Skeleton | str | Sequence[str] | None = None, up: str | None = None, item: str | None = None,
    default_fps: float | None = None, columns: str | None = None, default_unit: str | None = None,
) -> PoseSequence:  # fmt: skip
    """The sequence in a file or folder.

    format: one of FORMATS instead of what the file seems to be. fps, unit, up: what the file does not say or says
    wrongly; values are relabeled, not converted, and fps replaces timestamps. default_fps, default_unit: where the file
    states neither rate nor times, or no unit. skeleton: what keypoints without names are, in their order; those with names
    are mapped by them. Also the name of a built-in one or a .toml or .json file that describes one; "native" for the own
    joints of a rig.
    item: which recording of a file that holds several. columns: "xyc" or "xyz", whether the third column of plain arrays
    is a confidence, where their values tell it wrongly.
    Raises InputError, beginning with the path, if the content cannot be understood or a needed frame rate is missing.
    Warns with DataWarning where something was guessed, changed or left out.
    """
    check_path(path, "the bytes of a .posec file to posecodec.decode")
    fps, default_fps = (None if rate is None else read_rate(rate) for rate in (fps, default_fps))
    known = FORMATS[find_format(path, format)]
    if item is not None and "item" not in known.options:
        several = " and ".join(name for name, other in FORMATS.items() if "item" in other.options)
        raise UsageError(f"{path}: a file of {known.name} holds one recording; --item is for {several}")
    is_own = isinstance(skeleton, str) and skeleton in known.skeletons
    wanted = skeleton if skeleton is None or is_own else resolve_skeleton(skeleton)
    if columns is not None and "columns" not in known.options:
        raise UsageError(f"{path}: a file of {known.name} tells what its columns are; leave out --columns")
    inner = {}
    if Path(path).is_dir() and "" not in known.suffixes:
        known, inner = FORMATS[FRAME_FOLDER], {"inner": known.name}
    overrides = {"fps": fps, "unit": unit or default_unit, "skeleton": wanted, "item": item, "columns": columns}
    chosen = {option: overrides[option] for option in known.options} | inner
    if fps is None and default_fps is not None:
        sequence, fps = _read_with_default(known, path, chosen, default_fps)
    else:
        sequence = known.read(path, **chosen)
        if fps is not None and known.states_rate:
            _report_overruled(known, path, chosen, fps)
    unit = _choose_unit(sequence, default_unit) if unit is None else unit
    _report_relabeled(sequence, unit, up)
    try:
        return _relabel(sequence, known.name, fps, unit, wanted if isinstance(wanted, Skeleton) else None, up)
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def _read_with_default(
    known: Format, path: AnyPath, options: Mapping[str, Any], default: float
) -> tuple[PoseSequence, float | None]:
    """A recording, and its rate where only the default tells."""
    sequence = _try_stated(known, path, options) if known.states_rate else None
    if sequence is None:
        return known.read(path, **_replace_rate(options, default)), default
    if not is_same_rate(sequence.rate, default):
        report_change(
            f"the file says {_describe_rate(sequence)}, which is kept: among several inputs --fps {default:g} is for those "
            "that state none; to overrule it, give the file alone"
        )
    return sequence, None


def _try_stated(known: Format, path: AnyPath, options: Mapping[str, Any]) -> PoseSequence | None:
    """A recording with the rate or times of its file, None where that has none (and what it warns of is told later)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            sequence = known.read(path, **_replace_rate(options, None))
        except NoRateError:
            return None
    for warning in caught:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return sequence


def _report_overruled(known: Format, path: AnyPath, options: Mapping[str, Any], fps: float) -> None:
    """Say so where a file states another rate than the one that is followed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stated = _try_stated(known, path, options)
        except InputError:  # times that make no sense, which is why they are overruled
            return
    if stated is not None and not is_same_rate(stated.rate, fps):
        report_change(f"the file says {_describe_rate(stated)}; --fps {fps:g} is followed")


def _choose_unit(sequence: PoseSequence, default: str | None) -> str | None:
    """The default where the unit of what was read is unknown; None, after saying so, where it is another."""
    if default is None or sequence.unit in ("unknown", default):
        return default
    report_change(
        f"this is in {sequence.unit}, which is kept: among several inputs --unit {default} is for those whose unit is "
        "unknown; to overrule it, give the file alone"
    )
    return None


def _report_relabeled(sequence: PoseSequence, unit: str | None, up: str | None) -> None:
    """Say so where a file is of another unit or axis than what is followed."""
    for option, given, stated in (("unit", unit, sequence.unit), ("up", up, sequence.up)):
        if given not in (None, stated) and stated != "unknown":
            report_change(f"the file's {option} is {stated}; --{option} {given} is followed, which changes no number")


def _replace_rate(options: Mapping[str, Any], fps: float | None) -> dict[str, Any]:
    """A reader's options with another rate, if it takes one."""
    return {name: fps if name == "fps" else value for name, value in options.items()}


def _describe_rate(sequence: PoseSequence) -> str:
    return f"{sequence.rate:.6g} frames per second" + (" on average, by its times" if sequence.fps is None else "")


def save(sequence: PoseSequence, path: AnyPath, *, format: str | None = None, force: bool = False) -> None:
    """Write a file (or folder), aside and then moved into place.

    Formats other than our own leave behind what they have no room for; their `write` says what. Without `format` the suffix
    decides; where several formats have it, the one that the sequence came from, else the first of FORMATS.
    force: replace what exists. Raises UsageError if the target exists or the format cannot hold the sequence, or if
    the suffix names no format.
    """
    check_path(path)
    FORMATS[find_target(sequence, path, format)].save(sequence, path, force)


def find_format(path: AnyPath, format: str | None = None) -> str:
    """The name in FORMATS of a file to be read: `format` if given, else what `detect` finds.

    Raises UsageError for a name that is no format, InputError where nothing tells.

    >>> find_format("take_01.BVH")
    'bvh'
    """
    if format is not None:
        return check_name(format)
    try:
        return detect(path).format
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def find_target(sequence: PoseSequence, path: AnyPath, format: str | None = None) -> str:
    """The name in FORMATS that `save` writes a file in: `format` if given, else by the suffix. Raises as `save` does."""
    return _choose_format(sequence, path) if format is None else check_name(format)


def find_origin(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """(format, suffix) to give a sequence with such metadata back in: what it came from if that is written, else ours."""
    name = _read_source(metadata)
    is_whole = name in FORMATS and not FORMATS[name].read_only and not FORMATS[name].is_export
    known = FORMATS[name if is_whole else DEFAULT]
    return known.name, known.suffix_for(metadata)


def _read_source(metadata: Mapping[str, Any]) -> str:
    """The format a sequence came from, "" where it does not say."""
    name = metadata.get("source_format")
    return name if isinstance(name, str) else ""


def _choose_format(sequence: PoseSequence, path: AnyPath) -> str:
    suffix = find_suffix(path)
    found = [name for name, known in FORMATS.items() if suffix in known.suffixes and not known.read_only]
    if not found:
        unwritable = [name for name, known in FORMATS.items() if suffix and suffix in known.suffixes]
        if unwritable:
            return unwritable[0]
        suffixes = ", ".join(f"{n} ({' '.join(f.suffixes).strip()})" for n, f in FORMATS.items() if not f.read_only)
        raise UsageError(
            f"{path}: the suffix {suffix!r} names no format to write; there are {suffixes}; pass --to NAME"
        )
    named = [name for name in found if FORMATS[name].ending and str(path).lower().endswith(FORMATS[name].ending)]
    if named:
        return named[0]
    source = _read_source(sequence.metadata)
    if suffix == "" and source not in found:
        raise UsageError(f"{path}: a folder may be {' or '.join(found)}; pass --to NAME (format=NAME in Python)")
    return source if source in found else found[0]


def take_skeleton(sequence: PoseSequence, skeleton: Skeleton) -> PoseSequence:
    """The keypoints of a skeleton, by their names; where they have only numbers and are as many, they are in its order.

    Raises InputError where none of them maps. Warns with DataWarning where some are not in both.
    """
    own, wanted = sequence.skeleton, skeleton.keypoints
    if own.keypoints == tuple(str(k) for k in range(len(wanted))):
        return replace(sequence, skeleton=skeleton)
    mapped = sequence.mapped_to(skeleton)
    lost, made = len(missing_for(own, skeleton)), len(missing_for(skeleton, own))
    if lost or made:
        never = int((~mapped.valid.any(axis=(0, 1))).sum())
        report_change(
            f"--skeleton {skeleton.name}: {lost} of {len(own)} keypoints are not in it and left out or joined; "
            f"{never} of its {len(wanted)} are never there"
        )
    return mapped


def _relabel(
    sequence: PoseSequence, name: str, fps: float | None, unit: str | None, skeleton: Skeleton | None, up: str | None
) -> PoseSequence:
    """name: the format that was read, noted as `source_format` unless it is our own."""
    changes: dict[str, Any] = {"unit": unit, "up": up}
    changes = {key: value for key, value in changes.items() if value is not None}
    if fps is not None:
        changes |= {"fps": fps, "timestamps": None}
    metadata = {key: value for key, value in sequence.metadata.items() if key != "source_format"}
    metadata |= {"source_format": name} if name != DEFAULT else {}
    if metadata != sequence.metadata:
        changes["metadata"] = metadata
    changed = replace(sequence, **changes)
    return changed if skeleton is None else take_skeleton(changed, skeleton)
