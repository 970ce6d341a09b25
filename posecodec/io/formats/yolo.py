"""YOLO-pose labels: `save_txt` folders of Ultralytics, `NAME_12.txt` for each frame with somebody in it, or one such file.

A line is a detection: class, box (center, width, height), x, y and perhaps a confidence of each keypoint, then perhaps the
box's confidence and a track id; all but class and id in fractions of the image's size, which the files do not know. Leaves
out boxes and their confidences. Labels that a model is trained on are the same, with visibility 0, 1 or 2 as the confidence.
Reference: docs.ultralytics.com/datasets/pose.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.filesystem import write_folder
from posecodec.io.formats.coco import BUILT_INS
from posecodec.io.formats.ultralytics import mask_origin
from posecodec.io.parsing import detections, format_metadata
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.sniffing import read_head
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.typing import Floats

BOX = 5  # numbers before the keypoints: class, center, size
_LIKELY = (17, 133, 26, 21)  # counts of keypoints that are tried first: the body, and what else has a skeleton
_EXTRAS = 2  # numbers that may come after them
_MOST = 1000  # keypoints that a line may have
_NAME = re.compile(r"(.*?)(\d{1,15})(\.txt)", re.DOTALL)
_USUAL = detections.Naming("", 1, ".txt")
_EDGE = 0.5  # how far beyond the image a keypoint may be: half its size


@dataclass(frozen=True)
class _Layout:
    """keypoints: K. width: numbers of each, 2 or 3. After them come a box's confidence or a track id, or both."""

    keypoints: int
    width: int

    @property
    def end(self) -> int:
        return BOX + self.keypoints * self.width


class _Lines:
    """Lines of all files: rows of numbers of any length, with their frames."""

    def __init__(self) -> None:
        self.frames, self._numbers, self._ends = array("q"), array("d"), array("q", [0])
        self.present: list[int] = []

    def take(self, frame: int, text: str, where: str) -> None:
        """The lines of a file. Raises InputError, with the line, for one that is no detection."""
        self.present.append(frame)
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = [float(word) for word in line.split()]
            except ValueError as error:
                raise InputError(f"{where}line {number} holds something else than numbers ({error})") from error
            if not _is_detection(row):
                what = "class, center, size and keypoints in fractions of the image's size were expected"
                raise InputError(f"{where}line {number} has {len(row)} numbers; {what}")
            self.frames.append(frame)
            self._numbers.extend(row)
            self._ends.append(len(self._numbers))

    def by_length(self) -> dict[int, tuple[Any, Floats]]:
        """Numbers of a line -> (which lines have so many, (n, numbers))."""
        ends = np.array(self._ends)
        lengths, numbers = np.diff(ends), np.array(self._numbers)
        found = {int(n): np.flatnonzero(lengths == n) for n in np.unique(lengths)}
        return {n: (at, numbers[ends[at][:, None] + np.arange(n)]) for n, at in found.items()}


@guard_reader
def read(path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None) -> PoseSequence:
    """The people of a folder of labels, or of one file, in fractions of the image's width and height (unit unknown, y down).

    Frames are the numbers in the names; those without a file are missing. 17 keypoints are coco17 (26 halpe26, 133 coco133),
    others numbers; `skeleton` says how many there are where a line can be read in several ways. A keypoint at 0, 0 is
    missing. fps: frames per second, needed. Raises InputError, with the file and the line, for what is no label.
    """
    lines, size, naming = _Lines(), 0, _USUAL
    files, naming = _find_files(path)
    for number, file in files.items():
        size += file.stat().st_size if file.exists() else 0
        is_empty = path.is_dir() and not file.stat().st_size
        where = f"{file.name}: " if path.is_dir() else ""
        lines.take(number, "" if is_empty else _read_text(file, where), where)
    rows = lines.by_length()
    if not rows:
        raise InputError("no detections in it; give the folder that save_txt=True wrote with a pose model")
    layout = _find_layout(rows, None if skeleton is None else len(skeleton))
    table = _build_table(lines, rows, layout)
    facts = naming.to_facts(_USUAL) | ({"first": min(files)} if min(files) else {})
    facts |= {"width": 2} if layout.width == 2 else {}
    report_change(
        "boxes are not kept; coordinates are fractions of the image's width and height, whose size is not known"
    )
    skeleton = skeleton or detections.assume_skeleton(layout.keypoints, *BUILT_INS)
    return detections.build_from_table(
        table, skeleton, 2, fps=fps, size=size, source="yolo", facts=facts, unit="unknown", most=2
    )


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A folder of labels as `save_txt` writes it, without files for frames where nobody is (but the first and the last); one
    file if `path` ends in .txt and there is one frame.

    New are the boxes, which are around the keypoints. A track id is there where list order does not tell people apart. The
    rate is left behind. Raises UsageError if the sequence is 3D, has timestamps, is not in fractions of an image's size, or
    has keypoints that would be taken for others.
    """
    sequence = detections.check_flat(sequence, "YOLO")
    points = sequence.positions[sequence.valid]
    if len(points) and (points.min() < -_EDGE or points.max() > 1 + _EDGE):
        raise UsageError("YOLO labels are fractions of the image's size, and this is not; save as COCO (.json) or .npz")
    detections.check_names(sequence, "a YOLO label", *BUILT_INS)
    facts = format_metadata.read_facts(sequence, "yolo")
    naming, first = detections.Naming.from_facts(facts, _USUAL), format_metadata.read_integer(facts, "first", 0)
    naming = naming if _NAME.fullmatch(naming.name(12)) and "/" not in naming.prefix else _USUAL
    if Path(path).suffix.lower() == ".txt":
        if sequence.frames != 1:
            raise UsageError(f"{path}: {sequence.frames} frames, and YOLO has one to a file; name a folder")
        return write_atomic(path, _encode_frame(sequence, 0, facts), force)
    ends = {0, sequence.frames - 1}
    kept = [t for t in range(sequence.frames) if t in ends or sequence.valid[t].any()]
    files = {naming.name(first + t): _encode_frame(sequence, t, facts) for t in kept}
    write_folder(path, files, force, lambda name: _NAME.fullmatch(name) is not None)


def _find_files(path: Path) -> tuple[dict[int, Path], detections.Naming]:
    """Files by the number of their frame, and how they are named."""
    if not path.is_dir():
        return {0: path}, _USUAL
    there = sorted(p for p in path.iterdir() if p.suffix == ".txt" and p.is_file())
    files = [p for p in there if _NAME.fullmatch(p.name)]
    report_count(len(there) - len(files), "other .txt files in the folder are left out")
    if not files:
        raise InputError("no NAME_12.txt in this folder; give the folder labels that save_txt=True wrote")
    naming, numbers = detections.parse_names([file.name for file in files], _NAME)
    return dict(zip(numbers, files, strict=True)), naming


def _read_text(file: Path, where: str) -> str:
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{where}is no text (byte {error.start}); export it again") from error


def _is_detection(row: list[float]) -> bool:
    """Class, box and at least one keypoint."""
    if not BOX + 2 <= len(row) <= BOX + 3 * _MOST:
        return False
    return row[0] >= 0 and row[0] == np.floor(row[0]) and all(0 <= n <= 1 for n in row[1:BOX])


def _find_layout(rows: Mapping[int, tuple[Any, Floats]], wanted: int | None) -> _Layout:
    """How all lines can be read. wanted: K, if it is known. Raises InputError if there is no way."""
    shortest = min(rows)
    others = [_Layout(count, width) for width in (3, 2) for count in range(1, (shortest - BOX) // width + 1)]
    # Of counts that are not likely ones: those that leave the fewest numbers over, and confidences before none
    others.sort(key=lambda one: (shortest - one.end, -one.width))
    counts = _LIKELY if wanted is None else (wanted,)
    likely = [_Layout(count, width) for count in counts for width in (3, 2)]
    fitting: list[_Layout] = [
        one for one in (*likely, *(others if wanted is None else ()))
        if 0 <= shortest - one.end <= _EXTRAS and all(_fits(one, numbers) for _, numbers in rows.values())
    ]  # fmt: skip
    if not fitting:
        expected = (
            "2 or 3 for each keypoint" if wanted is None else f"{2 * wanted} or {3 * wanted} of {wanted} keypoints"
        )
        raise InputError(
            f"lines have {shortest} to {max(rows)} numbers; 5 and {expected} were expected, pass --skeleton"
        )
    best = fitting[0]
    if wanted is None and best.keypoints not in _LIKELY and len(fitting) > 1:
        report_change(
            f"lines are read as {best.keypoints} keypoints of {best.width} numbers; pass --skeleton if it is another"
        )
    return best


def _fits(layout: _Layout, numbers: Floats) -> bool:
    """Whether lines of one length can be of a layout: by their number, and by what confidences and ids may be."""
    extra = numbers.shape[1] - layout.end
    if not 0 <= extra <= _EXTRAS:
        return False
    points = numbers[:, BOX : layout.end].reshape(len(numbers), layout.keypoints, layout.width)
    if not ((points[..., :2] >= -_EDGE) & (points[..., :2] <= 1 + _EDGE)).all():
        return False
    weights = points[..., 2:]
    if not (((weights >= 0) & (weights <= 1)) | (weights == 2)).all():
        return False
    rest = numbers[:, layout.end :]
    if extra == 2:
        return _are_shares(rest[:, 0]) and _are_ids(rest[:, 1])
    return extra == 0 or _are_ids(rest[:, 0]) or _are_shares(rest[:, 0])


def _are_shares(column: Floats) -> bool:
    return bool(((column >= 0) & (column <= 1)).all())


def _are_ids(column: Floats) -> bool:
    return bool(((column >= 0) & (column == np.floor(column)) & (column < format_metadata.NUMBERS.stop)).all())


def _build_table(lines: _Lines, rows: Mapping[int, tuple[Any, Floats]], layout: _Layout) -> BodyTable:
    values = np.ones((len(lines.frames), layout.keypoints, 3))
    ids: list[str | None] = [None] * len(values)
    scored = 0
    for at, numbers in rows.values():
        values[at, :, : layout.width] = numbers[:, BOX : layout.end].reshape(len(at), layout.keypoints, layout.width)
        rest = numbers[:, layout.end :]
        if rest.shape[1] and _are_ids(rest[:, -1]):
            for line, key in zip(at.tolist(), rest[:, -1].tolist(), strict=True):
                ids[line] = str(int(key))
            rest = rest[:, :-1]
        scored += rest.shape[1] * len(rest)
    report_count(scored, "confidences of boxes are not kept")
    table = BodyTable()
    for frame in lines.present:
        table.add_empty(frame)
    for frame, key, body in zip(lines.frames, ids, mask_origin(values), strict=True):
        table.add(frame, key, body.ravel().tolist())
    return table


def _encode_frame(sequence: PoseSequence, frame: int, facts: Mapping[str, Any]) -> bytes:
    width = 2 if facts.get("width") == 2 and (sequence.confidence[sequence.valid] == 1).all() else 3
    named = detections.has_ids(sequence, facts)
    ids = [detections.encode_id(key) for key in sequence.ids]
    if named and not all(isinstance(key, int) for key in ids):
        report_change("track ids are numbers; people are numbered instead")
        ids = list(range(sequence.people))
    lines = []
    for p, row in detections.encode_rows(sequence, frame):
        points = np.array(row).reshape(-1, 3)[:, :width]
        there = sequence.positions[frame, p][sequence.valid[frame, p]].astype(float)
        low, high = there.min(axis=0).clip(0, 1), there.max(axis=0).clip(0, 1)
        box = detections.shorten_floats(np.concatenate([(low + high) / 2, high - low]).astype(np.float32))
        numbers = [0, *box, *points.ravel().tolist(), *([ids[p]] if named else [])]
        lines.append(" ".join(f"{number:.17g}" if isinstance(number, int) else repr(number) for number in numbers))
    return "".join(f"{line}\n" for line in lines).encode()


def _sniff(file: Source) -> Clue | None:
    """By the first line of the first file: numbers from 0 to 1 after a whole one, as many as keypoints can have."""
    if file.is_folder:
        name = min((name for name in file.names if _NAME.fullmatch(name)), default=None)
        if name is None or not (file.path / name).is_file():
            return None
        head, mark = read_head(file.path / name), f"the labels in {name}"
    elif file.suffix == ".txt":
        head, mark = file.head, "being labels of YOLO"
    else:
        return None
    try:
        row = [float(word) for word in head.lstrip().split(b"\n", 1)[0].split()]
        _find_layout({len(row): (np.array([0]), np.array([row]))}, None)
    except (ValueError, InputError):
        return None
    return Clue(mark) if _is_detection(row) else None


FORMAT = Format(
    name="yolo", title="YOLO-pose labels (save_txt)", suffixes=("", ".txt"), folder_mark="NAME_12.txt", read=read,
    write=write, sniff=_sniff, priority=60, options=("fps", "skeleton"),
    states_rate=False,
)  # fmt: skip
