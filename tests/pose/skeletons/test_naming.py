"""Keypoint names in the spellings of libraries and people."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19, H36M17, MEDIAPIPE33
from posecodec.pose.skeletons.naming import match_coco19, match_names, match_sides, spell_name


@pytest.mark.parametrize(
    "spelling",
    ["LShoulder", "l_shoulder", "leftShoulder", "Left Shoulder", "shoulder_l", "LEFT_SHOULDER", "lshoulder", "lShoulder",
     "left-shoulder", "L.Shoulder", "SHOULDER_LEFT", "ShoulderLeft", "left_shoulder", "pose/LEFT_SHOULDER",
     "POSE_LANDMARKS/LEFT_SHOULDER", "pose_keypoints_2d/LShoulder"],
)  # fmt: skip
def test_spellings_of_one_name(spelling: str) -> None:
    assert spell_name(spelling) == "left_shoulder"
    assert match_coco19(["lhip", spelling]) == {"left_shoulder": (spelling,), "left_hip": ("lhip",)}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("MidHip", "mid_hip"), ("hip", "mid_hip"), ("BodyCenter", "mid_hip"), ("LBigToe", "left_big_toe"),
     ("r_bigtoe", "right_big_toe"), ("left eye (inner)", "left_eye_inner"), ("MOUTH_LEFT", "mouth_left"),
     ("HEAD TOP", "head_top"), ("Spine1", "spine1"), ("RKnee", "right_knee"), ("face-3", "face/3"),
     ("LEFT_HAND_LANDMARKS/INDEX_FINGER_TIP", "left_hand/index4"), ("hand_right/WRIST", "right_hand/wrist")],
)  # fmt: skip
def test_other_spellings(spelling: str, name: str) -> None:
    assert spell_name(spelling) == name


def test_what_is_not_known_stays() -> None:
    assert spell_name("tentacle") is spell_name("") is spell_name("左肩") is None
    assert match_names(["0", "1"]) is None and match_names([str(i) for i in range(17)]) is None


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


@pytest.mark.parametrize("skeleton", BUILT_IN.values(), ids=list(BUILT_IN))
def test_a_skeleton_matches_itself_in_other_spellings(skeleton: Skeleton) -> None:
    assert match_names(skeleton.keypoints) is skeleton
    for spell in (str.upper, lambda n: n.replace("_", "-"), lambda n: n.replace("_", " ").title(), camel):
        assert match_names([spell(name) for name in skeleton.keypoints]) is skeleton
    assert match_names([*skeleton.keypoints[1:], skeleton.keypoints[0]]) is None, "another order is another skeleton"


ARM = "Shoulder Elbow Wrist"


def sided(order: Iterable[str], parts: str) -> list[str]:
    return [side + part for side in order for part in parts.split()]


def test_libraries_own_names() -> None:
    fingers = [
        f"{finger}_{joint}"
        for finger in ("THUMB", "INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for joint in (("CMC", "MCP", "IP", "TIP") if finger == "THUMB" else ("MCP", "PIP", "DIP", "TIP"))
    ]
    assert match_names(["WRIST", *fingers]) is BUILT_IN["hand21"]
    hands = [f"{side}_HAND/{name}" for side in ("LEFT", "RIGHT") for name in ["WRIST", *fingers]]
    assert match_names([name.upper() for name in MEDIAPIPE33.keypoints] + hands) is BUILT_IN["mediapipe75"]
    h36m = ["Hip", *sided("RL", "Hip Knee Foot"), "Spine", "Thorax", "Neck/Nose", "Head", *sided("LR", ARM)]
    assert match_names(h36m) is H36M17
    openpose = ["Nose", "Neck", *sided("RL", ARM), *sided("RL", "Hip Knee Ankle"), "REye", "LEye", "REar", "LEar"]
    assert match_names(openpose) is BUILT_IN["coco18"]
    panoptic = ["Neck", "Nose", "BodyCenter", *sided("lr", f"{ARM} Hip Knee Ankle"), *sided("lr", "Eye Ear")]
    assert match_names(panoptic) is COCO19
    legs = sided("LR", "_Shoulder _Elbow _F_Paw") + sided("LR", "_Hip _Knee _B_Paw")
    assert match_names(["L_Eye", "R_Eye", "Nose", "Neck", "Root of tail", *legs]) is BUILT_IN["ap10k17"]
    five = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    hand = " ".join(["_hand_root", *(f"_{finger}{i}" for finger in five for i in (1, 2, 3, 4))])
    whole = [*(f"face-{i}" for i in range(68)), *sided(["left", "right"], hand)]
    assert match_names([*BUILT_IN["coco133"].keypoints[:23], *whole]) is BUILT_IN["coco133"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_names_are_taken(names: list[str]) -> None:
    assert all(left != right for left, right in match_sides(names))
    assert {name for several in match_coco19(names).values() for name in several} <= set(names)


def test_coco19_by_names() -> None:
    assert match_coco19(COCO17.keypoints) == COCO17.to_coco19 and match_coco19(BUILT_IN["hand21"].keypoints) == {}
    found = match_coco19(["tail", "RKnee", "LKnee", "Nose", "LHip", "RHip"])
    assert found["right_knee"] == ("RKnee",) and found["nose"] == ("Nose",) and "neck" not in found
    assert found["mid_hip"] == ("LHip", "RHip"), "the mean of several"
