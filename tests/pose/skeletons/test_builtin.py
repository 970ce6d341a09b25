"""The built-in skeletons: what files depend on never changes, sides and edges are those of bodies."""

from __future__ import annotations

import hashlib

import pytest

from posecodec.bitstream.header import SPELLED_OUT
from posecodec.errors import InputError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO19, H36M17, build_skeleton, get_builtin

COUNTS = {
    "coco19": 19, "coco17": 17, "body25": 25, "h36m17": 17, "smpl22": 22, "mediapipe33": 33, "coco18": 18,
    "mpii16": 16, "hand21": 21, "h36m32": 32, "smpl24": 24, "smplh52": 52, "openpose137": 137, "coco133": 133,
    "halpe26": 26, "mediapipe75": 75, "holistic543": 543, "kinect32": 32, "kinect25": 25, "ap10k17": 17,
}  # fmt: skip
# Of keypoints, edges, pairs and root: files are coded with them, so that none may ever change.
FROZEN = {
    "coco19": "c01a8ee45830", "coco17": "f7e679a3ce81", "body25": "23319837c991", "h36m17": "3a9742132170",
    "smpl22": "ef1249579669", "mediapipe33": "381ebef38ce1", "coco18": "7fd7a135d02c", "mpii16": "bfc8f04ce1a6",
    "hand21": "c3fd64c429e0", "h36m32": "f1f71ac71aec", "smpl24": "00e6a5fc0c17", "smplh52": "d6006bf98a26",
    "openpose137": "5bcc223eb750", "coco133": "4069ea78014d", "halpe26": "c88c9e6ef8ea",
    "mediapipe75": "bf83bf0c2588", "holistic543": "6479e4a38531", "kinect32": "1f3631bfaa24",
    "kinect25": "3a34dddf9062", "ap10k17": "a6dbe958b812",
}  # fmt: skip
ALL = [pytest.param(s, id=s.name) for s in BUILT_IN.values()]
LOOSE = {"coco17": 2, "mediapipe33": 7, "openpose137": 11, "coco133": 9}
"""Skeletons in several pieces, and in how many: faces whose contours hang on nothing."""


def digest(skeleton: Skeleton) -> str:
    facts = (skeleton.keypoints, skeleton.edges, skeleton.pairs, skeleton.root)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def test_the_numbers_of_the_bitstream_and_all_of_a_skeleton_stay() -> None:
    assert list(BUILT_IN) == list(COUNTS) and len(BUILT_IN) <= SPELLED_OUT
    assert {name: len(s) for name, s in BUILT_IN.items()} == COUNTS
    assert {name: digest(s) for name, s in BUILT_IN.items()} == FROZEN


@pytest.mark.parametrize("skeleton", ALL)
def test_left_and_right(skeleton: Skeleton) -> None:
    """Every sided keypoint has its partner, and mirroring maps edges to edges."""
    names = skeleton.keypoints
    paired = {k for pair in skeleton.pairs for k in pair}
    for left, right in skeleton.pairs:
        assert names[left].startswith("face/") or names[left].replace("left", "right") == names[right]
    assert [skeleton.mirror[k] for k in skeleton.mirror] == list(range(len(skeleton)))
    for k, name in enumerate(names):
        assert k in paired or not {"left", "right"} & set(name.replace("/", "_").split("_")), name
    edges = {frozenset(edge) for edge in skeleton.edges}
    assert {frozenset(skeleton.mirror[k] for k in edge) for edge in edges} == edges
    assert len(edges) == len(skeleton.edges) and all(len(edge) == 2 for edge in edges)


@pytest.mark.parametrize("skeleton", ALL)
def test_edges_join_the_body(skeleton: Skeleton) -> None:
    group = list(range(len(skeleton)))
    for a, b in skeleton.edges:
        group = [group[a] if g == group[b] else g for g in group]
    assert len(set(group)) == LOOSE.get(skeleton.name, 1)


@pytest.mark.parametrize("skeleton", ALL)
def test_mappings_name_keypoints_and_commute_with_the_mirror(skeleton: Skeleton) -> None:
    names = {name for several in skeleton.to_coco19.values() for name in several}
    assert names <= set(skeleton.keypoints) and set(skeleton.to_coco19) <= set(COCO19.keypoints)
    limbs = {f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "wrist", "hip", "ankle")}
    assert limbs | {"neck", "mid_hip"} <= set(skeleton.to_coco19) or skeleton.name in ("hand21", "ap10k17")
    for target, sources in skeleton.to_coco19.items():
        opposite = COCO19.keypoints[COCO19.mirror[COCO19.keypoints.index(target)]]
        mirrored = {skeleton.keypoints[skeleton.mirror[skeleton.keypoints.index(n)]] for n in sources}
        assert mirrored == set(skeleton.to_coco19[opposite])


def test_a_skeleton_is_found_by_its_name_and_by_its_keypoints() -> None:
    assert all(build_skeleton(s.keypoints) is s and get_builtin(s.name) is s for s in BUILT_IN.values())
    with pytest.raises(InputError, match="'coco20'.*coco19, coco17, body25"):
        get_builtin("coco20")


def test_known_places() -> None:
    """Spot checks against the documentation of each definition."""
    places = {
        "coco18": {1: "neck", 2: "right_shoulder", 5: "left_shoulder", 14: "right_eye", 17: "left_ear"},
        "mpii16": {0: "right_ankle", 6: "pelvis", 7: "thorax", 9: "head_top", 10: "right_wrist", 15: "left_wrist"},
        "hand21": {0: "wrist", 4: "thumb4", 5: "index1", 8: "index4", 17: "pinky1", 20: "pinky4"},
        "h36m32": {3: "right_ankle", 8: "left_ankle", 12: "spine", 13: "thorax", 15: "head_top", 17: "left_shoulder",
                   19: "left_wrist", 25: "right_shoulder", 27: "right_wrist"},
        "smpl24": {15: "head", 21: "right_wrist", 22: "left_hand", 23: "right_hand"},
        "smplh52": {22: "left_index1", 28: "left_pinky1", 31: "left_ring1", 36: "left_thumb3", 51: "right_thumb3"},
        "openpose137": {24: "right_heel", 25: "face/0", 95: "left_hand/wrist", 116: "right_hand/wrist"},
        "coco133": {17: "left_big_toe", 22: "right_heel", 23: "face/0", 91: "left_hand/wrist", 112: "right_hand/wrist"},
        "halpe26": {17: "head", 18: "neck", 19: "mid_hip", 20: "left_big_toe", 25: "right_heel"},
        "mediapipe75": {32: "right_foot_index", 33: "left_hand/wrist", 54: "right_hand/wrist"},
        "holistic543": {33: "left_hand/wrist", 54: "right_hand/wrist", 75: "face/0", 542: "face/467"},
        "kinect32": {0: "pelvis", 3: "neck", 9: "left_hand_tip", 18: "left_hip", 26: "head", 31: "right_ear"},
        "kinect25": {0: "spine_base", 3: "head", 12: "left_hip", 20: "spine_shoulder", 24: "right_thumb"},
        "ap10k17": {0: "left_eye", 4: "root_of_tail", 7: "left_front_paw", 16: "right_back_paw"},
    }  # fmt: skip
    for name, some in places.items():
        assert {k: BUILT_IN[name].keypoints[k] for k in some} == some


def test_h36m_keeps_its_17() -> None:
    """The 15 points that VideoPose3D leaves out of the 32."""
    gone = {4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31}
    kept = tuple(name for k, name in enumerate(BUILT_IN["h36m32"].keypoints) if k not in gone)
    assert kept == H36M17.keypoints


def test_faces_are_mirrored() -> None:
    mesh = BUILT_IN["holistic543"]
    for right, left in ((33, 263), (133, 362), (61, 291), (46, 276), (234, 454), (98, 327), (205, 425), (50, 280)):
        assert mesh.mirror[75 + right] == 75 + left
    for middle in (1, 6, 10, 152, 168, 199):
        assert mesh.mirror[75 + middle] == 75 + middle
    face = BUILT_IN["openpose137"]
    for right, left in ((0, 16), (36, 45), (48, 54), (65, 67), (68, 69)):
        assert face.mirror[25 + right] == 25 + left
