"""Pose files in and out: `load` and `save`, by suffix or by name of the format.

One file per format; this one only chooses among them. It changes no values: an override relabels, it never converts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.io import bvh, npy, npz, panoptic, pose
from posecodec.io.files import AnyPath, write_atomic
from posecodec.sequence import PoseSequence
from posecodec.skeleton import Skeleton, by_name

__all__ = ["FORMATS", "Format", "format_of", "load", "save", "write_atomic"]


@dataclass(frozen=True)
class Format:
    """How one format is read and written. takes: the overrides its reader itself needs; the rest is applied after."""

    read: Callable[..., PoseSequence]
    write: Callable[[PoseSequence, AnyPath, bool], None]
    suffixes: tuple[str, ...]
    takes: tuple[str, ...] = ()


FORMATS = MappingProxyType(
    {
        "npz": Format(npz.read, npz.write, (".npz",), ("fps", "skeleton")),
        "npy": Format(npy.read, npy.write, (".npy",), ("fps", "skeleton")),
        "panoptic": Format(panoptic.read, panoptic.write, (".tar",), ("fps",)),
        "pose": Format(pose.read, pose.write, (".pose",), ("fps",)),
        "bvh": Format(bvh.read, bvh.write, (".bvh",), ("unit", "rig")),
    }
)
"""Formats by the name that --from and --to take."""


def load(
    path: AnyPath,
    *,
    format: str | None = None,
    fps: float | None = None,
    unit: str | None = None,
    skeleton: Skeleton | str | None = None,
    up: str | None = None,
) -> PoseSequence:
    """The sequence in a file or folder.

    format: one of FORMATS instead of what the suffix says. fps, unit, up: what the file does not say or says wrongly;
    values are relabeled, not converted, and fps replaces timestamps. skeleton: the keypoints in their order, or the
    name of a built-in skeleton; "native" for the own joints of a BVH rig.
    Raises InputError, beginning with the path, if the content cannot be understood or a needed frame rate is missing.
    """
    name = format_of(path, format)
    native = skeleton == "native" and name == "bvh"
    wanted = by_name(skeleton) if isinstance(skeleton, str) and not native else skeleton
    options: dict[str, Any] = {"fps": fps, "unit": unit, "skeleton": wanted, "rig": "native" if native else None}
    sequence = FORMATS[name].read(path, **{key: options[key] for key in FORMATS[name].takes})
    try:
        return _relabeled(sequence, fps, unit, wanted if isinstance(wanted, Skeleton) else None, up)
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def save(sequence: PoseSequence, path: AnyPath, *, format: str | None = None, force: bool = False) -> None:
    """Write a file, aside and then moved into place.

    Formats other than npz leave behind what they have no room for; their `write` says what.
    force: replace what exists. Raises UsageError if the target exists or the format cannot hold the sequence, and
    InputError if the suffix names no format.
    """
    FORMATS[format_of(path, format)].write(sequence, path, force)


def format_of(path: AnyPath, format: str | None = None) -> str:
    """The name in FORMATS: `format` if given, else by suffix, or by content where `path` is a folder.

    Raises UsageError for a name that is no format, InputError for a suffix or folder that tells nothing.

    >>> format_of("take_01.BVH")
    'bvh'
    """
    if format is not None:
        if format not in FORMATS:
            raise UsageError(f"no format {format!r}; there are {', '.join(FORMATS)}")
        return format
    path = Path(path)
    if os.path.isdir(path):
        if panoptic.is_scene(path):
            return "panoptic"
        raise InputError(f"{path}: no body3DScene_*.json in this folder; give a file, or --from NAME (format=NAME)")
    for name, known in FORMATS.items():
        if path.suffix.lower() in known.suffixes:
            return name
    suffixes = ", ".join(f"{name} ({' '.join(known.suffixes)})" for name, known in FORMATS.items())
    raise InputError(
        f"{path}: the suffix {path.suffix!r} names no format; there are {suffixes}; "
        "pass --from NAME (format=NAME in Python)"
    )


def _relabeled(
    sequence: PoseSequence, fps: float | None, unit: str | None, skeleton: Skeleton | None, up: str | None
) -> PoseSequence:
    changes: dict[str, Any] = {"unit": unit, "up": up, "skeleton": skeleton}
    changes = {key: value for key, value in changes.items() if value is not None}
    if fps is not None:
        changes |= {"fps": float(fps), "timestamps": None}
    return replace(sequence, **changes)
