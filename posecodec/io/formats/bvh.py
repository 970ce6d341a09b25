"""Biovision hierarchies (`.bvh`): rotations of a rig, turned into positions by forward kinematics.

The result is coco19 where a rig's names are known (`bvh_rigs`), else the rig's own joints. In coco19, neck and mid-hip
are the midpoints of shoulders and hips. Nose, eyes and ears are measured by no rig: they are placed rigidly on the head
joint at the distances of `FACE_MM`. Writing is `bvh_writer`'s. Resamples nothing.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from posecodec.errors import report_change
from posecodec.io import Format, guard_reader, read_bytes
from posecodec.io.formats import bvh_rigs
from posecodec.io.formats.bvh_parser import Motion, parse
from posecodec.io.formats.bvh_writer import write
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

FACE_MM = {
    "nose": (0, 45, 105), "left_eye": (32, 80, 85), "right_eye": (-32, 80, 85), "left_ear": (73, 62, 2),
    "right_ear": (-73, 62, 2),
}  # fmt: skip
"""Keypoints of the face from the head joint, which sits at the base of the skull: mm to the left, up, forward."""
_FLAT = 1e-6  # hips that are closer than this part of the rest pose's size give no direction


@guard_reader
def read(path: Path, *, unit: str | None = None, skeleton: Skeleton | Literal["native"] | None = None) -> PoseSequence:
    """One person, positions (T, 1, K, 3) in the file's unit.

    skeleton: "native" keeps the rig's own joints and End Sites (named PARENT_end) even where coco19 could be made of
    them; any other changes nothing here.
    unit: what the file's numbers are in; guessed from the length of the legs if None (metadata `unit_guessed`), and
    for rigs without known legs from the extent of the rest pose. CMU files as converted by cgspeed are in units of
    25.4 / 0.45 mm, and are scaled to mm unless `unit` is given. The up axis is that of the rest pose.
    Frame rate: 1 / frame time, or the usual rate that the frame time's printed digits allow (0.0083333 is 120).
    Raises InputError, with the line, where the file is not BVH or ends early.
    """
    motion = parse(read_bytes(path).decode("utf-8-sig", errors="replace"))
    joints, rotations = forward_kinematics(motion)
    rest, known = compute_rest_pose(motion), bvh_rigs.find_rig(motion.names)
    leg = _measure_leg(rest, known)
    name, scale = (unit, 1.0) if unit is not None else bvh_rigs.guess_unit(leg, known.name if known else "")
    if known is None or skeleton == "native":
        points, own = joints, _build_native_skeleton(motion)
    else:
        usual = bvh_rigs.STATURE_MM * bvh_rigs.LEG_TO_STATURE / leg if leg > 0 else 1.0
        mm_per_unit = UNIT_MM[name] * scale if name in UNIT_MM else usual
        frame = _orient_rest_pose(rest, known) / mm_per_unit
        points, own = _map_to_coco19(joints, rotations, known, frame), COCO19
    if unit is None:
        report_change(f"BVH states no unit; {name} is guessed from the body's size: pass --unit if it is another")
    if own is COCO19:
        report_change(f"the {joints.shape[1]} points of the rig are mapped to coco19; --skeleton native keeps them")
    metadata = {"source_format": "bvh", "rig": known.name if known else None, "unit_guessed": unit is None}
    up = _name_up_axis(rest, known)
    return PoseSequence.from_arrays(points * scale, fps=motion.fps, skeleton=own, unit=name, up=up, metadata=metadata)


def forward_kinematics(motion: Motion) -> tuple[Floats, Floats]:
    """World positions (T, J, 3) and world rotations (T, J, 3, 3) of all joints and End Sites.

    A joint's channels apply in the order listed, each in the frame that the ones before it turned (intrinsic).
    A position channel replaces its coordinate of the joint's offset.
    """
    frames, count = len(motion.rows), len(motion.names)
    positions, rotations = np.empty((frames, count, 3)), np.empty((frames, count, 3, 3))
    for j, parent in enumerate(motion.parents):
        offset = np.repeat(motion.offsets[j][None], frames, axis=0)
        turn = np.repeat(np.eye(3)[None], frames, axis=0)
        for kind, axis, column in motion.channels[j]:
            if kind == "position":
                offset[:, axis] = motion.rows[:, column]
            else:
                turn = turn @ build_rotation(axis, motion.rows[:, column])
        if parent < 0:
            positions[:, j], rotations[:, j] = offset, turn
        else:
            positions[:, j] = positions[:, parent] + np.einsum("tij,tj->ti", rotations[:, parent], offset)
            rotations[:, j] = rotations[:, parent] @ turn
    return positions, rotations


def build_rotation(axis: int, degrees: Floats) -> Floats:
    """(T, 3, 3): turns about x, y or z (axis 0, 1, 2), right-handed."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((len(degrees), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, a, a] = matrix[:, b, b] = cos
    matrix[:, b, a], matrix[:, a, b] = sin, -sin
    return matrix


def compute_rest_pose(motion: Motion) -> Floats:
    """(J, 3): the joints where all rotations are zero, in the file's unit."""
    rest = np.zeros((len(motion.names), 3))
    for j, parent in enumerate(motion.parents):
        rest[j] = motion.offsets[j] + (rest[parent] if parent >= 0 else 0)
    return rest


def _build_native_skeleton(motion: Motion) -> Skeleton:
    edges = tuple((parent, j) for j, parent in enumerate(motion.parents) if parent >= 0)
    names, taken = list[str](), Counter[str]()
    for name in motion.names:
        taken[name] += 1
        names.append(name if taken[name] == 1 else f"{name}#{taken[name]}")
    return Skeleton("custom", tuple(names), edges, root=0)


def _map_to_coco19(joints: Floats, rotations: Floats, rig: bvh_rigs.Rig, frame: Floats) -> Floats:
    """(T, 19, 3) with FACE_MM on the turning head. frame: columns left, up, forward of the rest pose, file units per mm."""
    points, head = {name: joints[:, j] for name, j in rig.joints.items()}, rig.joints["head"]
    points |= {name: joints[:, head] + rotations[:, head] @ (frame @ np.array(mm)) for name, mm in FACE_MM.items()}
    points["neck"] = (points["left_shoulder"] + points["right_shoulder"]) / 2
    points["mid_hip"] = (points["left_hip"] + points["right_hip"]) / 2
    return np.stack([points[name] for name in COCO19.keypoints], axis=1)


def _orient_rest_pose(rest: Floats, rig: bvh_rigs.Rig) -> Floats:
    """(3, 3): orthonormal columns left, up, forward of the person in the rest pose. Facing z, y up if it is flat."""
    up = np.zeros(3)
    axis, sign = _find_up_axis(rest, rig)
    up[axis] = sign
    across = rest[rig.joints["left_hip"]] - rest[rig.joints["right_hip"]]
    left = across - up * (across @ up)
    length = float(np.linalg.norm(left))
    if not length > _FLAT * float(np.abs(rest).max()):
        return np.eye(3)
    left = left / length
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _find_up_axis(rest: Floats, rig: bvh_rigs.Rig | None) -> tuple[int, float]:
    """(axis, sign) nearest to the way from hips to shoulders in the rest pose; without a rig the longest extent."""
    if rig is None:
        return int(np.ptp(rest, axis=0).argmax()), 1.0
    shoulders, hips = ([rig.joints[f"{side}_{part}"] for side in ("left", "right")] for part in ("shoulder", "hip"))
    way = (rest[shoulders] - rest[hips]).mean(axis=0)
    axis = int(np.abs(way).argmax())
    return axis, 1.0 if way[axis] >= 0 else -1.0


def _name_up_axis(rest: Floats, rig: bvh_rigs.Rig | None) -> str:
    """The up axis; "unknown" where the rest pose gives no good reason for one."""
    axis, sign = _find_up_axis(rest, rig)
    if rig is None and (axis == 0 or not np.ptp(rest, axis=0)[axis] > 0):
        return "unknown"
    return ("" if sign > 0 else "-") + "xyz"[axis]


def _measure_leg(rest: Floats, rig: bvh_rigs.Rig | None) -> float:
    """Thigh plus shin, mean of both sides; without a rig what they would be if the longest extent were the stature."""
    if rig is None:
        return float(np.ptp(rest, axis=0).max()) * bvh_rigs.LEG_TO_STATURE
    spots = [[rest[rig.joints[f"{side}_{part}"]] for part in ("hip", "knee", "ankle")] for side in ("left", "right")]
    return float(np.linalg.norm(np.diff(np.array(spots), axis=1), axis=-1).sum() / 2)


FORMAT = Format(
    name="bvh", title="Biovision hierarchy", suffixes=(".bvh",), own_suffixes=(".bvh",), read=read,
    write=write, is_export=True, options=("unit", "skeleton"),
    skeletons=("native",), sniff=lambda file: file.find_start(b"HIERARCHY"),
)  # fmt: skip
