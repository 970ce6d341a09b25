"""The formats: what one is (`Format`), those there are (`FORMATS`), and how others join (`register_format`, plug-ins).

Our own are imported when they are first asked for. Those of other packages are found by entry points of the group
"posecodec.formats", such as `qtm = "mypkg.qtm:FORMAT"`; one that is broken is left out with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from posecodec.errors import UsageError, report_change
from posecodec.io.filesystem import AnyPath
from posecodec.io.parsing.format_metadata import read_facts, read_integer
from posecodec.io.sniffing import Clue, Source
from posecodec.pose.channels import describe_channels, read_channels
from posecodec.pose.sequence import PoseSequence

PLUG_INS = "posecodec.formats"  # The group of entry points by which packages add formats
USUAL_PRIORITY = 50  # Between the marks of JSON files, which are asked about first, and what could be anything (90)
_NAMES = (
    "npz npy csv pose coco openpose panoptic alphapose mmpose mediapipe trc c3d bvh dlc sleap humanml3d freemocap "
    "h36m motive vicon qualisys ultralytics yolo slp ntu kinetics azure_kinect frames"
    " sto idtracker mat gltf motion_bids"
)
_BUILT_IN = {name: f"posecodec.io.formats.{name}" for name in _NAMES.split()} | {"pose": "posecodec.io.formats.dotpose"}
FRAME_FOLDER = "frames"  # The format of folders of files, of any other format, that hold one frame each
DEFAULT = next(iter(_BUILT_IN))  # Our own format: what holds a sequence whole
_NUMBERS = range(1 - (1 << 40), 1 << 40)  # First frames that are told: beyond any recording
OPTIONS = ("fps", "unit", "skeleton", "item", "columns")  # Overrides that a reader can take itself


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format: what it is called, which files are its own, and how they are read and written.

    name: what --from and --to take. title: what it is, in a few words.
    suffixes: of its files, in small letters; the first is the one that is written, "" stands for a folder.
    own_suffixes: those of them that tell the format alone, so that nobody looks into the file.
    folder_mark: what is in a folder of it, such as "*_keypoints.json".
    read: `read(path, **options)`; decorate it with `guard_reader`. options: those of OPTIONS that it takes; whatever it
    takes is set on the sequence afterwards too. skeletons: names of skeletons that only it knows, such as "native".
    write: `write(sequence, path, force)`, by way of `write_atomic`; None where read_only says why.
    is_export: what it writes is less than what was there, so that only those who ask for it by name or suffix get it.
    is_write_only: `read` does nothing but say so.
    sniff: the clue that a file or folder is its own, or None; without it only the name tells, or own_suffixes.
    priority: formats are asked from the lowest to the highest, and the first that is sure has the file; what many files
    could be (tables, arrays) belongs at the end.
    choose_suffix: the suffix for a sequence with such metadata, where it is not always the first.
    channels: whether what it writes keeps a sequence's channels (`pose.channels`).
    holds_frames: whether a folder's files, of a format whose name is given, hold one frame each; for FRAME_FOLDER.
    extra: the extra of posecodec that it needs.
    ending: what names of its files end in, where others write that suffix too: whoever gives it, means it.
    states_rate: whether its files may say their frame rate; where they never do, they are not read for it.
    Raises UsageError if these contradict each other.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[..., PoseSequence]
    write: Callable[[PoseSequence, AnyPath, bool], None] | None = None
    read_only: str = ""
    is_export: bool = False
    is_write_only: bool = False
    sniff: Callable[[Source], Clue | None] | None = None
    own_suffixes: tuple[str, ...] = ()
    folder_mark: str = ""
    priority: int = USUAL_PRIORITY
    options: tuple[str, ...] = ("fps",)
    skeletons: tuple[str, ...] = ()
    choose_suffix: Callable[[Mapping[str, Any]], str] | None = None
    channels: bool = False
    holds_frames: Callable[[Path, str | None], bool] | None = None
    extra: str = ""
    states_rate: bool = True
    ending: str = ""

    def __post_init__(self) -> None:
        wrong = [suffix for suffix in self.suffixes if suffix != suffix.lower() or suffix[:1] not in ("", ".")]
        faults = {
            "a name is small letters and digits": not re.fullmatch(r"[a-z][a-z0-9_]*", self.name),
            f"no suffix: {wrong}": bool(wrong) or not self.suffixes,
            "own_suffixes are some of the suffixes": not set(self.own_suffixes) <= set(self.suffixes),
            f"options are some of {', '.join(OPTIONS)}": not set(self.options) <= set(OPTIONS),
            "give either write, or read_only with the reason": (self.write is None) != bool(self.read_only),
        }
        for fault, is_there in faults.items():
            if is_there:
                raise UsageError(f"format {self.name!r}: {fault}")

    def save(self, sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
        """Write a file. Raises UsageError where the format is only read."""
        if self.write is None:
            raise UsageError(f"{path}: {self.read_only}; save as .npz, .csv or .pose")
        if not self.channels and (held := read_channels(sequence.metadata)):
            report_change(
                f"{describe_channels(held)} are no places and are NOT KEPT by {self.name}; .c3d, .csv and .npz keep them"
            )
        if self.name != DEFAULT:
            _report_numbering(sequence, self.name)
        self.write(sequence, path, force)

    def suffix_for(self, metadata: Mapping[str, Any]) -> str:
        """The suffix to write a sequence with such metadata under, "" for a folder."""
        return self.choose_suffix(metadata) if self.choose_suffix is not None else self.suffixes[0]


def _report_numbering(sequence: PoseSequence, name: str) -> None:
    """Say so where the file that a sequence came from, of another format, began at another frame number or time."""
    source = sequence.metadata.get("source_format")
    if source == name or not isinstance(source, str):
        return
    facts = {"first_frame": sequence.metadata.get("first_frame"), **read_facts(sequence, source)}
    first, start = read_integer(facts, "first_frame", 0, _NUMBERS), facts.get("start")
    told = [f"numbered from {first}"] if first else []
    told += [f"from {start:g} s on"] if type(start) is float else []
    if told:
        report_change(f"frames are {' and '.join(told)} in {source}; {name} writes its own numbers and times")


class Formats(Mapping[str, Format]):
    """Formats by name, ours first: a mapping that imports on first use, and grows by `register_format`."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)
        self._loaded: dict[str, Format] = {}
        self._plug_ins_loaded = False
        self.broken: dict[str, str] = {}
        """Plug-ins that could not be loaded, with what was wrong."""

    def __getitem__(self, name: str) -> Format:
        if name not in self._loaded and name in self._modules:
            self._loaded[name] = import_module(self._modules[name]).FORMAT
        if name not in self._loaded:
            self._load_plug_ins()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        self._load_plug_ins()
        return iter(list(dict.fromkeys([*self._modules, *self._loaded])))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def sort_by_priority(self) -> list[Format]:
        """In the order in which they are asked."""
        return sorted(self.values(), key=lambda known: known.priority)

    def add(self, known: Format) -> None:
        """Raises UsageError if another format has the name."""
        if not isinstance(known, Format):
            raise UsageError(f"a Format was expected, not {type(known).__name__}")
        if known.name in self._modules or self._loaded.get(known.name, known) is not known:
            raise UsageError(f"there is a format {known.name!r} already; choose another name")
        self._loaded[known.name] = known

    def _load_plug_ins(self) -> None:
        if self._plug_ins_loaded:
            return
        self._plug_ins_loaded = True
        from importlib.metadata import entry_points  # takes a tenth of what importing posecodec.io does

        for entry in entry_points(group=PLUG_INS):
            try:
                self.add(entry.load())
            except (Exception, SystemExit) as error:  # whatever another package does, ours go on
                package = entry.dist.name if entry.dist is not None else entry.value
                fault = f"the format {entry.name!r} of the package {package} cannot be loaded ({error!r})"
                self.broken[entry.name] = fault
                report_change(f"{fault}; it is left out: update or uninstall the package")


FORMATS = Formats(_BUILT_IN)  # Formats by the name that --from and --to take


def register_format(known: Format) -> None:
    """Add a format for this process: `load`, `save`, `detect` and the commands know it from now on.

    A package adds its format for good by an entry point of the group PLUG_INS instead. Raises UsageError if its name is
    taken.
    """
    FORMATS.add(known)


def list_suffixes() -> set[str]:
    """Suffixes of files of pose formats."""
    return {suffix for known in FORMATS.values() for suffix in known.suffixes if suffix}


def refuse_pose_suffix(path: Path) -> None:
    """Raises UsageError where a .posec file would be called as one of a pose format."""
    if path.suffix and path.suffix.lower() in list_suffixes():
        raise UsageError(f"{path}: {path.suffix} is the suffix of another format; call the output .posec")


def check_name(name: str) -> str:
    """The name, if it is one of FORMATS'. Raises UsageError if it is not."""
    if name not in FORMATS:
        broken = f"; {FORMATS.broken[name]}" if name in FORMATS.broken else ""
        raise UsageError(f"no format {name!r}; there are {', '.join(FORMATS)}{broken}")
    return name
