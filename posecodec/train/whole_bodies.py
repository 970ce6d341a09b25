"""Motion of many skeletons from one archive: the joints that its source measured, by the names of built-in skeletons.

Spines, collars, necks, heads and toes are the source's own; fingers, heels, sides of the feet, mouth and crown, which no
source has, hang rigidly on the bones beside them. So one take is the same motion as SMPL, Human3.6M or MediaPipe has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.skeletons.whole import AS_IN
from posecodec.pose.vectors import measure_lengths
from posecodec.typing import Floats

TENTH = 0.1  # mm that archives count in
SIDES = (("left", "l", "Left", "L"), ("right", "r", "Right", "R"))
PELVIS = ("Hips", "hip", "root", "Neo_Hips")
SPINE = (
    "ToSpine", "LowerBack", "lowerback", "abdomen", "Neo_Spine", "Spine", "upperback", "Neo_Spine1", "chest", "Chest",
    "Spine1", "Neo_Spine2", "thorax",
)  # fmt: skip
"""From the pelvis upwards."""
NECK, SKULL = ("lowerneck", "Neck", "neck", "Neo_Neck"), ("upperneck", "Head", "head", "Neo_Head")
COLLAR = ("{Left}Collar", "{l}Collar", "Neo_{Left}Shoulder", "Shoulder_{L}", "{Left}Shoulder")
TOES = ("{Left}ToeBase", "{l}foot", "{l}Foot_end", "Neo_{Left}ToeBase", "Toes_{L}")
HAND = ("{l}wrist",)
FINGERS = {"index": (0.36, 0.1), "pinky": (0.32, -0.12), "thumb": (0.22, 0.17), "hand": (0.38, 0.0)}
"""Share of the forearm that they reach beyond the wrist, and aside."""


def load_native(archive: Any) -> list[tuple[str, dict[str, Floats]]]:
    """Name and points of each sequence of a mocap archive: keypoint -> (T, 3) mm, y up, the floor near 0.

    Points that the source tells nothing of are left out.
    """
    root = archive["root_mm"].astype(np.float64)
    native = root[:, None] + archive["native_dmm"] * TENTH
    body = root[:, None] + archive["rel_dmm"] * TENTH
    points = {name: body[:, k] for k, name in enumerate(COCO19.keypoints)}
    points |= _name_joints({str(name): native[:, j] for j, name in enumerate(archive["native_joints"])}, points)
    found = []
    for name, start, length, floor in zip(
        *(archive[key] for key in ("name", "start", "length", "floor_mm")), strict=True
    ):
        found.append((str(name), {n: p[start : start + length] - [0, floor, 0] for n, p in points.items()}))
    return found


def to_skeleton(points: dict[str, Floats], skeleton: Skeleton) -> Floats | None:
    """Points of one sequence as a skeleton's keypoints (T, K, 3); None where some are unknown."""
    names = [AS_IN.get(skeleton.name, {}).get(name, name) for name in skeleton.keypoints]
    return np.stack([points[name] for name in names], axis=1) if all(name in points for name in names) else None


def load_as(paths: tuple[Path, ...], skeleton: Skeleton, shortest: int) -> list[Floats]:
    """Sequences (T, K, 3) of the archives of some folders that a skeleton's keypoints can be made of, in a fixed order."""
    found = []
    for file in (file for path in paths for file in sorted(path.glob("*.npz"))):
        with np.load(file, allow_pickle=False) as archive:
            if "native_dmm" in archive:
                made = (to_skeleton(points, skeleton) for _, points in load_native(archive))
                found += [motion for motion in made if motion is not None and len(motion) >= shortest]
    return found


def _name_joints(native: dict[str, Floats], body: dict[str, Floats]) -> dict[str, Floats]:
    """What is not in coco19."""

    def find(names: tuple[str, ...], side: tuple[str, ...] = SIDES[0]) -> Floats | None:
        spelled = (name.format(l=side[1], Left=side[2], L=side[3]) for name in names)
        return next((native[name] for name in spelled if name in native), None)

    made: dict[str, Floats] = {}
    pelvis, neck, skull = find(PELVIS), find(NECK), find(SKULL)
    made |= {"pelvis": body["mid_hip"] if pelvis is None else pelvis}
    made |= {"low_neck": body["neck"] if neck is None else neck}
    made |= {"skull": made["low_neck"] if skull is None else skull}
    made |= _spread_spine([native[name] for name in SPINE if name in native], made["pelvis"], made["low_neck"])
    made |= _build_face(body)
    for side in SIDES:
        own = side[0]
        collar, toes, hand = find(COLLAR, side), find(TOES, side), find(HAND, side)
        shoulder = body[f"{own}_shoulder"]
        made[f"{own}_collar"] = 0.75 * made["spine3"] + 0.25 * shoulder if collar is None else collar
        made |= _build_hand(own, body, hand)
        if toes is not None:
            made |= _build_foot(own, body, toes)
    return made


def _spread_spine(joints: list[Floats], pelvis: Floats, neck: Floats) -> dict[str, Floats]:
    """Three points between pelvis and neck, of however many a source has."""
    if len(joints) == 1:
        joints = [(pelvis + joints[0]) / 2, joints[0], (joints[0] + neck) / 2]
    elif len(joints) == 2:
        joints = [joints[0], (joints[0] + joints[1]) / 2, joints[1]]
    elif not joints:
        joints = [pelvis + (neck - pelvis) * share for share in (0.25, 0.5, 0.75)]
    return dict(zip(("spine1", "spine2", "spine3"), joints, strict=False))


def _build_face(body: dict[str, Floats]) -> dict[str, Floats]:
    left, right, nose = body["left_eye"], body["right_eye"], body["nose"]
    ears, eyes = (body["left_ear"] + body["right_ear"]) / 2, (left + right) / 2
    across = left - right
    made = {"head_top": ears + 1.6 * _find_across(across, ears - eyes)}
    for side, own, other in (("left", left, right), ("right", right, left)):
        made[f"{side}_eye_inner"] = own + 0.2 * (other - own)
        made[f"{side}_eye_outer"] = own - 0.2 * (other - own)
        made[f"mouth_{side}"] = nose + 0.9 * (nose - eyes) + 0.4 * (own - eyes)
    return made


def _build_hand(side: str, body: dict[str, Floats], hand: Floats | None) -> dict[str, Floats]:
    """Fingers beyond the wrist; along the hand where the source has one, else along the forearm."""
    shoulder, elbow, wrist = (body[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
    size = np.median(measure_lengths(wrist - elbow))
    along = _normalize(wrist - elbow if hand is None else hand - wrist, wrist - elbow)
    aside = _find_across(along, elbow - shoulder) / 100
    return {f"{side}_{name}": wrist + size * (far * along + out * aside) for name, (far, out) in FINGERS.items()}


def _build_foot(side: str, body: dict[str, Floats], toes: Floats) -> dict[str, Floats]:
    knee, ankle = body[f"{side}_knee"], body[f"{side}_ankle"]
    along, shin = _normalize(toes - ankle, ankle - knee), _normalize(ankle - knee, ankle - knee)
    aside = _find_across(along, shin) * (0.4 if side == "left" else -0.4)
    return {
        f"{side}_toes": toes, f"{side}_heel": ankle + 45 * shin - 50 * along,
        f"{side}_big_toe": toes - aside, f"{side}_small_toe": toes + aside,
    }  # fmt: skip


def _normalize(vectors: Floats, instead: Floats) -> Floats:
    """Of length 1."""
    size = measure_lengths(vectors)[:, None]
    chosen = np.where(size > 1, vectors, instead)
    return np.asarray(chosen / np.maximum(measure_lengths(chosen)[:, None], 1e-9))


def _find_across(a: Floats, b: Floats) -> Floats:
    """100 mm across both."""
    return 100 * _normalize(np.cross(a, b), a)
