"""A folder of files that hold one frame each, `NAME_000012.json`, in any format that knows such files: one recording.

The last number in a name is the frame's. What the files are is asked of the first two; all are read alike. Read only.
Leaves out formats that have folders of their own, which are asked before.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posecodec.errors import DataWarning, InputError, PosecodecError, report_change, report_count
from posecodec.io import Clue, Format, Source, guard_reader
from posecodec.io.detect import detect
from posecodec.io.filesystem import is_posec
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.per_frame import MAX_FRAME_JSON
from posecodec.io.registry import FORMATS
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton

_NAME = re.compile(r"(.*?)(\d{1,15})(\D{0,60}\.\w+)", re.DOTALL)
_SAMPLES = 2  # files that are read to tell whether each holds one frame
_RATE = 1.0  # frames per second to read a frame with: it has no duration
_SHOWN = 3  # notes and malformed files that are told


@guard_reader
def read(path: Path, *, fps: float | None = None, inner: str | None = None) -> PoseSequence:
    """The frames from the first number to the last; those without a file, or whose file cannot be read, are missing.

    People are told apart by the ids of the files, else by list order. fps: frames per second, needed. inner: the format of
    the files, instead of what the first is. Raises InputError if the files are not of one recording, or all malformed.
    """
    files = _find_files(path)
    if not files:
        raise InputError("no numbered files in this folder; give the one that holds a file for each frame")
    known = inner or _find_inner(files)
    naming, numbers = detections.parse_names([file.name for file in files], _NAME)
    table, first, notes, malformed = BodyTable(), None, dict[str, None](), dict[str, str]()
    sequences = _read_files(files, known, notes, malformed)
    named: list[tuple[int, PoseSequence]] = []
    for number, sequence in zip(numbers, sequences, strict=True):
        table.add_empty(number)
        if sequence is not None and sequence.valid.any():
            first = first or sequence
            _check_alike(first, sequence, files[0], naming.name(number))
            named.append((number, sequence))
    if first is None:
        problem = next(iter(malformed.items()), (files[0].name, "nobody is in it"))
        raise InputError(f"none of {len(files)} files holds anybody; {problem[0]}: {problem[1]}")
    tracked = any(sequence.ids != tuple(map(str, range(sequence.people))) for _, sequence in named)
    for number, sequence in named:
        _add_frame(table, number, sequence, tracked)
    _report(notes, malformed, known, len(files))
    size = sum(file.stat().st_size for file in files)
    facts = {"format": known} | naming.to_facts(detections.Naming()) | ({"first": min(numbers)} if min(numbers) else {})
    return detections.build_from_table(
        table, first.skeleton, first.dims, fps=fps, size=size, source="frames", facts=facts, unit=first.unit, up=first.up,
        most=max(float(sequence.confidence.max(initial=1)) for _, sequence in named),
    )  # fmt: skip


def holds_frames(folder: Path, inner: str | None = None) -> bool:
    """Whether numbered files in a folder hold one frame each, going by the first two. inner: their format, if it is known."""
    files = _find_files(folder)[:_SAMPLES]
    if len(files) < _SAMPLES or any(file.stat().st_size > MAX_FRAME_JSON for file in files):
        return False
    try:
        known = inner or _find_inner(files)
        sequences = list(_read_files(files, known, {}, {}))
    except PosecodecError:
        return False
    return all(sequence is not None and sequence.frames == 1 for sequence in sequences)


def _find_files(folder: Path) -> list[Path]:
    """The numbered files of a folder with the suffix that most have, by name; hidden ones and .posec are no frames."""
    found = [p for p in folder.iterdir() if _NAME.fullmatch(p.name) and p.name[0] != "." and p.is_file()]
    suffixes = [p.suffix for p in found if not is_posec(p)]
    most = max(sorted(set(suffixes)), key=suffixes.count, default="")
    return sorted(p for p in found if p.suffix == most)


def _find_inner(files: list[Path]) -> str:
    return detect(files[0]).format


def _read_files(
    files: list[Path], known: str, notes: dict[str, None], malformed: dict[str, str]
) -> Iterator[PoseSequence | None]:
    """Each file's frame, None where it cannot be read; collects what is said of them."""
    options = FORMATS[known].options
    for file in files:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                sequence = FORMATS[known].read(file, **({"fps": _RATE} if "fps" in options else {}))
                yield sequence
            except PosecodecError as error:
                malformed[file.name] = str(error).removeprefix(f"{file}: ")
                yield None
        notes.update(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, DataWarning)))


def _check_alike(first: PoseSequence, sequence: PoseSequence, start: Path, name: str) -> None:
    """Raises InputError if a file holds several frames, or other keypoints than the first."""
    if sequence.frames != 1:
        raise InputError(
            f"{name} holds {sequence.frames} frames and {start.name} one; put recordings into other folders"
        )
    if (sequence.skeleton.keypoints, sequence.dims) != (first.skeleton.keypoints, first.dims):
        found = f"{_describe(sequence.skeleton)} in {sequence.dims}D"
        raise InputError(f"{name} holds {found}, {start.name} {_describe(first.skeleton)} in {first.dims}D; part them")


def _describe(skeleton: Skeleton) -> str:
    return f"{len(skeleton)} keypoints ({skeleton.name})"


def _add_frame(table: BodyTable, number: int, sequence: PoseSequence, tracked: bool) -> None:
    values = np.concatenate([sequence.positions[0], sequence.confidence[0][..., None]], axis=-1, dtype=np.float64)
    for key, body in zip(sequence.ids, values, strict=True):
        if not np.isnan(body[:, 0]).all():
            table.add(number, key if tracked else None, body.ravel().tolist())


def _report(notes: dict[str, None], malformed: dict[str, str], known: str, count: int) -> None:
    report_change(f"{count} files of {known}, one frame each, are read as one recording")
    texts = [text for text in notes if "kept as identity" not in text]
    for text in texts[:_SHOWN]:
        report_change(f"in its files: {text}")
    report_count(max(len(texts) - _SHOWN, 0), "other notes on single files are not shown")
    if malformed:
        name, what = next(iter(malformed.items()))
        report_change(f"{len(malformed)} files cannot be read; their frames are missing ({name}: {what})")


def _sniff(file: Source) -> Clue | None:
    return Clue("numbered files of one frame each") if file.is_folder and holds_frames(file.path) else None


FORMAT = Format(
    name="frames", title="folder of files of one frame each", suffixes=("",), folder_mark="NAME_000012.json", read=read,
    read_only="a folder of one frame to a file is only read", sniff=_sniff, priority=95,
    holds_frames=holds_frames, states_rate=False,
)  # fmt: skip
