"""The keypoints of all common bodies as one skeleton: what is learned of it serves each of them.

It is nobody's format. `AS_IN` says what keypoints of built-in skeletons are called here, where that is not their own name.
"""

from __future__ import annotations

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19

_SIDES = ("left", "right")
_MIDDLE = ("pelvis", "low_neck", "skull", "spine1", "spine2", "spine3", "head_top")
_OF_A_SIDE = (
    "collar", "eye_inner", "eye_outer", "index", "pinky", "thumb", "hand", "toes", "heel", "big_toe", "small_toe",
)  # fmt: skip
_MOUTH = ("mouth_left", "mouth_right")
_NAMES = (*COCO19.keypoints, *_MIDDLE, *_MOUTH, *(f"{side}_{part}" for part in _OF_A_SIDE for side in _SIDES))
_TREE = {
    "mid_hip": "spine1 left_hip right_hip", "spine1": "pelvis spine2", "spine2": "spine3",
    "spine3": "low_neck left_collar right_collar", "low_neck": "skull neck", "skull": "head_top", "neck": "nose",
    "nose": "left_eye right_eye mouth_left mouth_right",
}  # fmt: skip
_TREE_OF_A_SIDE = {
    "collar": "shoulder", "shoulder": "elbow", "elbow": "wrist", "wrist": "index pinky thumb hand", "hip": "knee",
    "knee": "ankle", "ankle": "heel toes", "toes": "big_toe small_toe", "eye": "ear eye_inner eye_outer",
}  # fmt: skip


def _list_edges() -> tuple[tuple[int, int], ...]:
    named = [(start, end) for start, ends in _TREE.items() for end in ends.split()]
    for side in _SIDES:
        named += [(f"{side}_{a}", f"{side}_{b}") for a, ends in _TREE_OF_A_SIDE.items() for b in ends.split()]
    return tuple((_NAMES.index(start), _NAMES.index(end)) for start, end in named)


def _list_pairs() -> tuple[tuple[int, int], ...]:
    mirrored = [(n, n.replace("left", "right")) for n in _NAMES if "left" in n]
    return tuple((_NAMES.index(left), _NAMES.index(right)) for left, right in mirrored)


WHOLE = Skeleton("whole", _NAMES, _list_edges(), _list_pairs(), _NAMES.index("mid_hip"))
AS_IN = {
    "smpl22": {"neck": "low_neck", "head": "skull", "left_foot": "left_toes", "right_foot": "right_toes"},
    "h36m17": {"spine": "spine2", "thorax": "neck", "head": "nose"},
    "kinect25": {"spine_base": "pelvis", "spine_mid": "spine2", "spine_shoulder": "neck", "neck": "low_neck",
                 "head": "skull", "left_foot": "left_toes", "right_foot": "right_toes",
                 "left_hand_tip": "left_index", "right_hand_tip": "right_index"},
    "kinect32": {"spine_navel": "spine1", "spine_chest": "spine2", "neck": "low_neck", "head": "skull",
                 "left_clavicle": "left_collar", "right_clavicle": "right_collar", "left_foot": "left_toes",
                 "right_foot": "right_toes", "left_hand_tip": "left_index", "right_hand_tip": "right_index"},
    "mpii16": {"thorax": "neck", "upper_neck": "skull"},
    "halpe26": {"head": "head_top"},
    "mediapipe33": {"left_foot_index": "left_toes", "right_foot_index": "right_toes"},
}  # fmt: skip
AS_IN |= {"smpl24": AS_IN["smpl22"], "mediapipe35": AS_IN["mediapipe33"]}


def find_places(skeleton: Skeleton, known: Skeleton) -> dict[int, int]:
    """Which keypoint of `known` each of a skeleton's is, by name: of those that it has, its number there."""
    called = AS_IN.get(skeleton.name, {}) if known == WHOLE else {}
    names = {name: k for k, name in enumerate(known.keypoints)}
    found = ((k, called.get(name, name)) for k, name in enumerate(skeleton.keypoints))
    return {k: names[name] for k, name in found if name in names}
