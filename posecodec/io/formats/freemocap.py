"""FreeMoCap recordings: `output_data/mediapipe_{body,left_hand,right_hand,face}_3d_xyz.npy` of one person.

Each file is an array (T, 33 | 21 | 21 | 478, 3), NaN where missing; those that are there make one skeleton. The files
state neither unit nor rate: FreeMoCap's own export to Blender takes them as millimeters. Which axis is up depends on the
calibration. Leaves out mediapipe_skeleton_3d.npy (the same points once more), other trackers, reprojection errors, center
of mass, and writing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change
from posecodec.io import Clue, Format, Source, guard_reader, read_bytes
from posecodec.io.parsing import missing, numpy_arrays
from posecodec.io.parsing.frame_rates import require_rate
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, MEDIAPIPE33, build_skeleton

PARTS = {"body": (33,), "left_hand": (21,), "right_hand": (21,), "face": (478, 468)}
"""Parts in the order of the keypoints, and how many points each can have (a face without irises has 468)."""
HAND = BUILT_IN["hand21"]
FOLDER = "output_data"
_FOLDER_MARK = "mediapipe_*_3d_xyz.npy"
_NAME = re.compile(r"mediapipe_(body|face|left_hand|right_hand)_3d_xyz\.npy")


@guard_reader
def read(path: Path, *, fps: float | None = None, unit: str | None = None) -> PoseSequence:
    """The person of a recording: its folder, the folder `output_data` in it, or one of the files.

    Keypoints of the body have MediaPipe's names, others PART/NAME, such as left_hand/thumb1 or face/0.
    fps: frames per second, needed. unit: millimeters if None, as FreeMoCap writes, with a report.
    Raises InputError if there is no such file or the files do not fit each other, NoRateError without fps.
    """
    parts = {part: _read_part(file, part) for part, file in _find_files(path).items()}
    (first, sample), *others = parts.items()
    for part, array in others:
        if len(array) != len(sample):
            counts = f"mediapipe_{first}_3d_xyz.npy has {len(sample)} frames, mediapipe_{part}_3d_xyz.npy {len(array)}"
            raise InputError(f"{counts}; they are of different recordings, process it again")
    points = missing.mask_infinite(np.concatenate(list(parts.values()), axis=1))
    skeleton = _build_skeleton({part: array.shape[1] for part, array in parts.items()})
    if unit is None:
        report_change(
            "the files state no unit; millimeters are taken, as FreeMoCap writes (pass --unit if it is another)"
        )
    return PoseSequence.from_arrays(
        points, fps=require_rate(fps), skeleton=skeleton, unit=unit or "mm", metadata={"source_format": "freemocap"},
        exact=True,
    )  # fmt: skip


def _find_files(path: Path) -> dict[str, Path]:
    """part -> file, in the order of PARTS."""
    if not path.is_dir():
        match = _NAME.fullmatch(path.name)
        if match is None and path.exists():
            raise InputError("the name is not mediapipe_PART_3d_xyz.npy; give it FreeMoCap's name, or --from npy")
        return {match[1] if match else "body": path}
    for folder in (path, path / FOLDER):
        found = {part: folder / f"mediapipe_{part}_3d_xyz.npy" for part in PARTS}
        found = {part: file for part, file in found.items() if file.exists()}
        if found:
            return found
    raise InputError("no mediapipe_*_3d_xyz.npy in this folder; give the folder output_data of a processed recording")


def _read_part(file: Path, part: str) -> NDArray[Any]:
    """(T, K, 3) of one file."""
    try:
        points = numpy_arrays.decode_array(read_bytes(file), "the array")
    except InputError as error:
        raise InputError(f"{file.name}: {error}") from error
    counts = PARTS[part]
    if points.dtype.kind not in "fiu" or points.ndim != 3 or points.shape[1] not in counts or points.shape[2] != 3:
        expected = f"numbers (T, {counts[0]}, 3) were expected; process the recording again"
        raise InputError(f"{file.name}: {points.dtype} {points.shape}, {expected}")
    if not len(points):
        raise InputError(f"{file.name}: no frames in it; process the recording again")
    return points


def _build_skeleton(counts: dict[str, int]) -> Skeleton:
    """The keypoints of the parts that are there, with the edges of body and hands."""
    if list(counts) == ["body"]:
        return MEDIAPIPE33
    names: list[str] = []
    edges: list[tuple[int, int]] = []
    for part, count in counts.items():
        known = MEDIAPIPE33 if part == "body" else HAND if part.endswith("hand") else build_skeleton(count)
        edges += [(len(names) + a, len(names) + b) for a, b in known.edges]
        names += known.keypoints if part == "body" else [f"{part}/{name}" for name in known.keypoints]
    sides = {name: name.replace("left", "right", 1) for name in names if "left" in re.split(r"[_/]", name)}
    pairs = tuple((names.index(a), names.index(b)) for a, b in sides.items() if b in names)
    return Skeleton("custom", tuple(names), tuple(edges), pairs)


def _sniff(file: Source) -> Clue | None:
    """Of other names too that FreeMoCap gave or gives its arrays."""
    pattern = re.compile(r"mediapipe.*_3d_xyz\.npy")
    if file.is_folder:
        return file.find_name(pattern, _FOLDER_MARK) or Source(file.path / FOLDER).find_name(pattern, _FOLDER_MARK)
    return Clue("its name") if file.is_npy and pattern.fullmatch(file.name) else None


FORMAT = Format(
    name="freemocap", title="FreeMoCap output_data", suffixes=("", ".npy"), folder_mark=_FOLDER_MARK, read=read,
    read_only="FreeMoCap files are only read", sniff=_sniff, priority=48,
    options=("fps", "unit"),
)  # fmt: skip
