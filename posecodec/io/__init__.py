"""Pose files in and out: `load` and `save`, by what the file is or by name of the format.

One file per format; this one only chooses among them. It changes no values: an override relabels, it never converts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.io.detect import Guess, detect
from posecodec.io.filesystem import AnyPath, write_atomic
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.files import resolve_skeleton

__all__ = ["FORMATS", "Format", "Guess", "detect", "format_of", "load", "origin", "save", "write_atomic"]


@dataclass(frozen=True)
class Format:
    """A format: what it is, where its `read` and `write` are, and which files are called so.

    takes: the overrides its reader itself needs; the rest is applied after. extra: what must be installed with it.
    read_only: why it is not written, "" if it is.
    suffixes: the first is the one that is written; "" stands for a folder.
    """

    title: str
    suffixes: tuple[str, ...]
    takes: tuple[str, ...] = ("fps",)
    read_only: str = ""
    extra: str = ""
    module: str = ""

    def _call(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module(f"posecodec.io.formats.{self.module}"), name)
        return found

    def read(self, path: AnyPath, **options: Any) -> PoseSequence:
        """The sequence in a file; options are those of `takes`."""
        found: PoseSequence = self._call("read")(path, **options)
        return found

    def write(self, sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
        """Write a file. Raises UsageError where the format is only read."""
        if self.read_only:
            raise UsageError(f"{path}: {self.read_only}; save as .npz, .csv or .pose")
        self._call("write")(sequence, path, force)


_ONLY = "{} files are only read"
_ROTATIONS = "BVH stores rotations, and positions do not determine them"
_FORMATS = {
    "npz": Format("posecodec's own NumPy archive", (".npz",), ("fps", "skeleton")),
    "npy": Format("NumPy array", (".npy",), ("fps", "skeleton")),
    "csv": Format("table of text", (".csv", ".tsv", ".txt"), ("fps", "skeleton")),
    "pose": Format("sign-language-processing .pose", (".pose",), module="dotpose"),
    "coco": Format("COCO keypoints", (".json",)),
    "openpose": Format("OpenPose *_keypoints.json", ("", ".json")),
    "panoptic": Format("CMU Panoptic Studio", ("", ".tar", ".json")),
    "alphapose": Format("AlphaPose results", (".json",)),
    "mmpose": Format("MMPose predictions", (".json",), read_only=_ONLY.format("MMPose")),
    "mediapipe": Format("MediaPipe landmarks", (".json",), read_only=_ONLY.format("MediaPipe")),
    "trc": Format("OpenSim marker trajectories", (".trc",)),
    "c3d": Format("C3D motion capture", (".c3d",)),
    "bvh": Format("Biovision hierarchy", (".bvh",), ("unit", "rig"), read_only=_ROTATIONS),
    "dlc": Format("DeepLabCut tracks", (".csv", ".h5"), read_only=_ONLY.format("DeepLabCut"), extra="h5"),
    "sleap": Format("SLEAP analysis", (".h5", ".hdf5"), read_only=_ONLY.format("SLEAP"), extra="h5"),
    "humanml3d": Format("HumanML3D joints", (".npy",)),
    "freemocap": Format("FreeMoCap output_data", ("", ".npy"), read_only=_ONLY.format("FreeMoCap")),
    "h36m": Format("Human3.6M archive of VideoPose3D", (".npz",), ("fps", "item"), read_only=_ONLY.format("h36m")),
}
FORMATS = MappingProxyType({name: replace(f, module=f.module or name) for name, f in _FORMATS.items()})
"""Formats by the name that --from and --to take."""


def load(
    path: AnyPath,
    *,
    format: str | None = None,
    fps: float | None = None,
    unit: str | None = None,
    skeleton: Skeleton | str | None = None,
    up: str | None = None,
    item: str | None = None,
) -> PoseSequence:
    """The sequence in a file or folder.

    format: one of FORMATS instead of what the file seems to be. fps, unit, up: what the file does not say or says
    wrongly; values are relabeled, not converted, and fps replaces timestamps. skeleton: the keypoints in their order,
    the name of a built-in skeleton or a .toml or .json file that describes one; "native" for the own joints of a BVH
    rig. item: which recording of a file that holds several (h36m).
    Raises InputError, beginning with the path, if the content cannot be understood or a needed frame rate is missing.
    Warns with DataWarning where something was guessed, changed or left out.
    """
    name = format_of(path, format)
    native = skeleton == "native" and name == "bvh"
    wanted = resolve_skeleton(skeleton) if isinstance(skeleton, str) and not native else skeleton
    options: dict[str, Any] = {
        "fps": fps, "unit": unit, "skeleton": wanted, "rig": "native" if native else None, "item": item,
    }  # fmt: skip
    if item is not None and "item" not in FORMATS[name].takes:
        raise UsageError(f"{path}: a file of {name} holds one recording; --item is for h36m")
    sequence = FORMATS[name].read(path, **{key: options[key] for key in FORMATS[name].takes})
    try:
        return _relabeled(_from(sequence, name), fps, unit, wanted if isinstance(wanted, Skeleton) else None, up)
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def save(sequence: PoseSequence, path: AnyPath, *, format: str | None = None, force: bool = False) -> None:
    """Write a file (or folder), aside and then moved into place.

    Formats other than npz leave behind what they have no room for; their `write` says what. Without `format` the suffix
    decides; where several formats have it, the one that the sequence came from, else the first of FORMATS.
    force: replace what exists. Raises UsageError if the target exists or the format cannot hold the sequence, and
    InputError if the suffix names no format.
    """
    name = _to_write(sequence, path) if format is None else _checked(format)
    FORMATS[name].write(sequence, path, force)


def format_of(path: AnyPath, format: str | None = None) -> str:
    """The name in FORMATS of a file to be read: `format` if given, else what `detect` finds.

    Raises UsageError for a name that is no format, InputError where nothing tells.

    >>> format_of("take_01.BVH")
    'bvh'
    """
    if format is not None:
        return _checked(format)
    try:
        return detect(path).format
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def origin(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """(format, suffix) to give a sequence with such metadata back in: what it came from if that is written, else npz."""
    name = _source_of(metadata)
    if name not in FORMATS or FORMATS[name].read_only:
        return "npz", ".npz"
    facts = metadata.get(name)
    packed = name == "panoptic" and isinstance(facts, dict) and facts.get("tar") is True
    return name, ".tar" if packed else FORMATS[name].suffixes[0]


def _source_of(metadata: Mapping[str, Any]) -> str:
    """The format a sequence came from, "" where it does not say."""
    name = metadata.get("source_format")
    return name if isinstance(name, str) else ""


def _checked(name: str) -> str:
    if name not in FORMATS:
        raise UsageError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    return name


def _to_write(sequence: PoseSequence, path: AnyPath) -> str:
    suffix = Path(path).suffix.lower()
    found = [name for name, known in FORMATS.items() if suffix in known.suffixes and not known.read_only]
    if not found:
        unwritable = [name for name, known in FORMATS.items() if suffix and suffix in known.suffixes]
        if unwritable:
            return unwritable[0]
        suffixes = ", ".join(f"{n} ({' '.join(f.suffixes).strip()})" for n, f in FORMATS.items() if not f.read_only)
        raise InputError(
            f"{path}: the suffix {suffix!r} names no format to write; there are {suffixes}; pass --to NAME"
        )
    source = _source_of(sequence.metadata)
    if suffix == "" and source not in found:
        raise InputError(f"{path}: a folder may be {' or '.join(found)}; pass --to NAME (format=NAME in Python)")
    return source if source in found else found[0]


def _from(sequence: PoseSequence, name: str) -> PoseSequence:
    """The sequence with the format that was read as `source_format`; .npz, the default, is not noted."""
    metadata = {key: value for key, value in sequence.metadata.items() if key != "source_format"}
    metadata |= {"source_format": name} if name != "npz" else {}
    return sequence if metadata == sequence.metadata else replace(sequence, metadata=metadata)


def _relabeled(
    sequence: PoseSequence, fps: float | None, unit: str | None, skeleton: Skeleton | None, up: str | None
) -> PoseSequence:
    changes: dict[str, Any] = {"unit": unit, "up": up, "skeleton": skeleton}
    changes = {key: value for key, value in changes.items() if value is not None}
    if fps is not None:
        changes |= {"fps": float(fps), "timestamps": None}
    return replace(sequence, **changes)
