"""HumanML3D joints: `new_joints/*.npy`, an array (T, 22, 3) of one body at 20 frames per second.

The 22 joints of SMPL, meters, y up. The file says none of this; the data set's documentation does. A NaN is a missing
keypoint, although the data set has none. Leaves out the 263 features of `new_joint_vecs` and the texts.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import markers
from posecodec.io.parsing.missing import mask_infinite
from posecodec.io.parsing.numpy_arrays import decode_array, encode_array
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import SMPL22

FPS = 20.0  # Frames per second that the data set was resampled to; the file does not say
FEATURES = 263  # Columns of `new_joint_vecs`, which people give by mistake


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The body in a `new_joints` file, in the precision of the file.

    fps: instead of 20. Raises InputError if the array is not (T, 22, 3) numbers.
    """
    points = decode_array(read_bytes(path), "the array")
    shape, expected = points.shape, "(T, 22, 3) was expected"
    if points.dtype.kind not in "fiu":
        raise InputError(f"the array holds {points.dtype}; numbers {expected}")
    if len(shape) == 2 and shape[1] == FEATURES:
        raise InputError(f"shape {shape}: these are HumanML3D's features; give the file of that name in new_joints")
    if len(shape) == 4 and shape[0] == 1 and shape[2:] == (22, 3):
        raise InputError(f"shape {shape}, {expected}; save it without its first axis: array[0]")
    if len(shape) != 3 or shape[1:] != (22, 3) or not shape[0]:
        raise InputError(f"shape {shape}, {expected}; give a file of HumanML3D's new_joints")
    return PoseSequence.from_arrays(
        mask_infinite(points), fps=FPS if fps is None else fps, skeleton=SMPL22, unit="m", up="y", exact=True,
        metadata={"source_format": "humanml3d"},
    )  # fmt: skip


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """One body as (T, 22, 3), in the precision of the sequence; lengths become meters.

    Confidences, ids and metadata are left behind. Raises UsageError unless the sequence is one person in 3D smpl22 at 20
    frames per second, in a known unit and with y up.
    """
    _check_fits(sequence)
    points = sequence.positions[:, 0]
    if sequence.unit != "m":
        points = (points.astype(np.float64) * (UNIT_MM[sequence.unit] / 1000)).astype(points.dtype)
    missing = int((~sequence.valid).sum())
    report_count(missing, "missing keypoints are written as NaN, which HumanML3D's own tools do not expect")
    if (sequence.confidence[sequence.valid] != 1).any():
        report_change("confidences are not kept; HumanML3D files have none")
    if sequence.ids != ("0",):
        report_change(f"the id {sequence.ids[0]!r} is not kept; HumanML3D files have none")
    write_atomic(path, encode_array(points), force)


def _check_fits(sequence: PoseSequence) -> None:
    if sequence.skeleton.keypoints != SMPL22.keypoints or sequence.dims != 3 or sequence.people != 1:
        found = f"{sequence.people} people in {sequence.dims}D {sequence.skeleton.name!r}"
        raise UsageError(f"HumanML3D files hold one person in 3D smpl22, this is {found}; save as .npz")
    if sequence.fps is None or sequence.fps != FPS:
        rate = "timestamps" if sequence.fps is None else f"{sequence.fps:.6g} fps"
        raise UsageError(f"HumanML3D files are at 20 fps, this has {rate}; resample it, or save as .npz")
    markers.check_unit_and_up(sequence, "HumanML3D files are in m with y up", ("y",))
    if not sequence.frames:
        raise UsageError("no frames to write; HumanML3D files hold at least one")


def _sniff(file: Source) -> Clue | None:
    shape = re.search(rb"'shape': \(([0-9, ]*)\)", file.head) if file.is_npy else None
    sizes = [int(n) for n in re.findall(rb"\d+", shape[1])] if shape else []
    if len(sizes) == 3 and sizes[1:] == [22, 3]:
        return Clue("its shape (T, 22, 3)")
    return Clue(f"its {FEATURES} columns") if len(sizes) == 2 and sizes[1] == FEATURES else None


FORMAT = Format(
    name="humanml3d", title="HumanML3D joints", suffixes=(".npy",), read=read, write=write, sniff=_sniff, priority=49,
)  # fmt: skip
