"""Human3.6M as VideoPose3D prepares it: `data_3d_h36m.npz`, subjects and actions with 32 points at 50 frames per second.

World coordinates in meters, z up. The file is a pickled dict, so it is read only when the caller names the format, and by
an unpickler that runs nothing. The 17 points that move freely have the names of the skeleton h36m17; the other 15 repeat
one of them or end a limb, and are named after the recording's own rig. Leaves out files of 17 points, 2D data, cameras
and writing.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as layout
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.io import Format, guard_reader
from posecodec.io.filesystem import check_file
from posecodec.io.parsing import missing, safe_pickle, zip_archive
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton

FPS = 50.0  # Frames per second of the cameras; the file does not say
MEMBER = "positions_3d.npy"
PARENTS = (
    -1, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 0, 11, 12, 13, 14, 12, 16, 17, 18, 19, 20, 19, 22, 12, 24, 25, 26, 27, 28, 27, 30,
)  # fmt: skip
KEYPOINTS = (
    "mid_hip", "right_hip", "right_knee", "right_ankle", "right_toe_base", "right_toe_end",
    "left_hip", "left_knee", "left_ankle", "left_toe_base", "left_toe_end",
    "spine_base", "spine", "thorax", "head", "head_top",
    "left_collar", "left_shoulder", "left_elbow", "left_wrist", "left_thumb", "left_thumb_end",
    "left_wrist_end", "left_hand_end",
    "right_collar", "right_shoulder", "right_elbow", "right_wrist", "right_thumb", "right_thumb_end",
    "right_wrist_end", "right_hand_end",
)  # fmt: skip
SKELETON = Skeleton(
    "custom", KEYPOINTS, tuple((parent, i) for i, parent in enumerate(PARENTS) if parent >= 0),
    tuple((KEYPOINTS.index(n), KEYPOINTS.index(n.replace("left", "right"))) for n in KEYPOINTS if n[:4] == "left"),
    root=0,
)  # fmt: skip
_MOST = 10_000  # recordings in a file: subjects may share their actions, so that few bytes could stand for any number


@guard_reader
def read(path: Path, *, item: str | None = None, fps: float | None = None) -> PoseSequence:
    """One recording of the file. metadata `h36m`: which.

    item: SUBJECT/ACTION, such as "S1/Directions 1"; the error without it lists what there is. fps: instead of 50.
    Raises InputError if there is no such item, the file is no `data_3d_h36m.npz`, or asks for more than plain data.
    """
    recordings = _read_recordings(path)
    if item is None or item not in recordings:
        wrong = "" if item is None else f"no item {item!r}; "
        listed = ", ".join(list(recordings)[:5])
        what = f"{wrong}the file holds {len(recordings)} recordings"
        raise InputError(f"{what}: {listed} ...; pass item= (--item) with one")
    points = missing.mask_infinite(_check_points(recordings[item], item))
    return PoseSequence.from_arrays(
        points, fps=FPS if fps is None else fps, skeleton=SKELETON, unit="m", up="z", exact=True,
        metadata={"source_format": "h36m", "h36m": {"item": item}},
    )  # fmt: skip


def _read_recordings(path: Path) -> dict[str, Any]:
    """SUBJECT/ACTION -> what the file holds under it."""
    check_file(path)
    value = safe_pickle.unpickle(_read_pickle(path), MEMBER)
    subjects = value[0] if isinstance(value, list) and len(value) == 1 else None
    if not isinstance(subjects, dict) or not all(isinstance(actions, dict) for actions in subjects.values()):
        raise InputError(f"{MEMBER} is no dict of subjects and actions; is it VideoPose3D's data_3d_h36m.npz?")
    if sum(map(len, subjects.values())) > _MOST:
        raise InputError(f"{MEMBER} holds more than {_MOST} recordings; is it VideoPose3D's data_3d_h36m.npz?")
    found = {f"{subject}/{action}": data for subject, actions in subjects.items() for action, data in actions.items()}
    if not found:
        raise InputError(f"{MEMBER} holds no recordings; prepare the file again")
    return found


def _read_pickle(path: Path) -> bytes:
    """The bytes after the `.npy` header of the file's one member."""
    size = path.stat().st_size
    members, names = zip_archive.read_members(path, [MEMBER], size)
    if MEMBER not in members:
        raise InputError(f"no {MEMBER} in it, only {names[:5]}; is it VideoPose3D's data_3d_h36m.npz?")
    stream = io.BytesIO(members[MEMBER])
    header = layout.read_array_header_1_0 if layout.read_magic(stream) == (1, 0) else layout.read_array_header_2_0
    shape, _, dtype = header(stream)
    if shape != () or dtype != np.dtype(object):
        raise InputError(f"{MEMBER} is {dtype} {shape}, a pickled dict was expected; is it data_3d_h36m.npz?")
    return stream.read()


def _check_points(points: Any, item: str) -> NDArray[Any]:
    """(T, 32, 3) float."""
    if not isinstance(points, np.ndarray) or points.dtype.kind != "f" or points.shape[1:] != (len(KEYPOINTS), 3):
        found = f"{points.dtype} {points.shape}" if isinstance(points, np.ndarray) else type(points).__name__
        raise InputError(f"{item} is {found}, numbers (T, {len(KEYPOINTS)}, 3) were expected; prepare the file again")
    if not len(points):
        raise InputError(f"{item} has no frames; prepare the file again")
    return points


FORMAT = Format(
    name="h36m", title="Human3.6M archive of VideoPose3D", suffixes=(".npz",), read=read,
    read_only="h36m files are only read", options=("fps", "item"),
)  # fmt: skip
