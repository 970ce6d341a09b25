"""The built-in skeletons, those that users write down, other spellings of names, and guesses."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.bitstream.header import SPELLED_OUT
from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import (
    BODY25,
    BUILT_IN,
    COCO17,
    COCO19,
    H36M17,
    MEDIAPIPE33,
    SMPL22,
)
from posecodec.pose.skeletons.files import read_skeleton, resolve_skeleton
from posecodec.pose.skeletons.inference import infer_skeleton
from posecodec.pose.skeletons.naming import match_coco19, match_names, match_sides, spell_name
from posecodec.pose.synthetic import walk

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


def test_the_numbers_of_the_bitstream_stay() -> None:
    assert list(BUILT_IN) == list(COUNTS)
    assert {name: len(s) for name, s in BUILT_IN.items()} == COUNTS
    assert len(BUILT_IN) <= SPELLED_OUT


def test_nothing_of_a_skeleton_changes() -> None:
    assert {name: digest(s) for name, s in BUILT_IN.items()} == FROZEN


@pytest.mark.parametrize("skeleton", ALL)
def test_left_and_right(skeleton: Skeleton) -> None:
    """Every sided keypoint has its partner, and mirroring maps edges to edges."""
    names = skeleton.keypoints
    paired = {k for pair in skeleton.pairs for k in pair}
    for left, right in skeleton.pairs:
        assert names[left].startswith("face/") or names[left].replace("left", "right") == names[right]
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
def test_mappings_name_keypoints(skeleton: Skeleton) -> None:
    names = {name for several in skeleton.to_coco19.values() for name in several}
    assert names <= set(skeleton.keypoints) and set(skeleton.to_coco19) <= set(COCO19.keypoints)
    limbs = {f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "wrist", "hip", "ankle")}
    assert limbs | {"neck", "mid_hip"} <= set(skeleton.to_coco19) or skeleton.name in ("hand21", "ap10k17")


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


# -- spellings ----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("skeleton", ALL)
def test_a_skeleton_matches_itself_in_other_spellings(skeleton: Skeleton) -> None:
    assert match_names(skeleton.keypoints) is skeleton
    for spell in (str.upper, lambda n: n.replace("_", "-"), lambda n: n.replace("_", " ").title(), camel):
        assert match_names([spell(name) for name in skeleton.keypoints]) is skeleton
    assert match_names([*skeleton.keypoints[1:], skeleton.keypoints[0]]) is None, "another order is another skeleton"


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


ARM = "Shoulder Elbow Wrist"


def sided(order: str, parts: str) -> list[str]:
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
    legs = sided("RL", "Hip Knee Ankle")
    openpose = ["Nose", "Neck", *sided("RL", ARM), *legs, "REye", "LEye", "REar", "LEar"]
    assert match_names(openpose) is BUILT_IN["coco18"]
    panoptic = ["Neck", "Nose", "BodyCenter", *sided("lr", f"{ARM} Hip Knee Ankle"), *sided("lr", "Eye Ear")]
    assert match_names(panoptic) is COCO19
    fore, hind = sided("LR", "_Shoulder _Elbow _F_Paw"), sided("LR", "_Hip _Knee _B_Paw")
    animal = ["L_Eye", "R_Eye", "Nose", "Neck", "Root of tail", *fore, *hind]
    assert match_names(animal) is BUILT_IN["ap10k17"]
    whole = [f"face-{i}" for i in range(68)]
    for side in ("left", "right"):
        whole.append(f"{side}_hand_root")
        whole += [
            f"{side}_{finger}{i}"
            for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
            for i in (1, 2, 3, 4)
        ]
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


# -- guesses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("skeleton", [COCO19, COCO17, H36M17, BODY25, BUILT_IN["coco18"]], ids=lambda s: s.name)
def test_a_walk_is_recognized(skeleton: Skeleton, dims: int) -> None:
    positions = walk(60, people=2).mapped_to(skeleton).positions[..., :dims]
    assert infer_skeleton(len(skeleton), dims, positions) is skeleton
    assert infer_skeleton(len(skeleton), dims, positions[:, 0]) is skeleton, "(T, K, D)"
    assert infer_skeleton(len(skeleton), dims, positions[:1]) is skeleton, "one frame"


def test_no_guess() -> None:
    shuffled = np.random.default_rng(1).permutation(17)
    positions = walk(60).mapped_to(COCO17).positions
    assert infer_skeleton(17, 3, positions[:, :, shuffled]) is None, "edges everywhere"
    assert infer_skeleton(17, 2, positions[:, :, shuffled, 1:]) is None
    assert infer_skeleton(17, 3) is None, "three have 17"
    assert infer_skeleton(33, 2) is MEDIAPIPE33 and infer_skeleton(23, 2) is None
    assert infer_skeleton(17, 3, np.full((4, 1, 17, 3), np.nan)) is None
    assert infer_skeleton(17, 3, np.full((4, 1, 17, 3), np.inf)) is None
    assert infer_skeleton(17, 3, np.zeros((4, 17, 3))) is None
    assert infer_skeleton(17, 3, np.zeros((0, 17, 3))) is None
    assert infer_skeleton(23, 3, np.ones((4, 23, 3))) is None


def test_a_guess_from_the_side() -> None:
    """Where shoulders and hips of the two sides lie on each other."""
    for skeleton in (COCO17, H36M17, BODY25):
        side = walk(30).mapped_to(skeleton).positions[..., 1:]
        assert infer_skeleton(len(skeleton), 2, side) is skeleton


def test_a_guess_without_legs() -> None:
    positions = np.array(walk(30).mapped_to(BODY25).positions[..., :2])
    positions[:, :, 9:15] = np.nan
    positions[:, :, 19:] = np.nan
    assert infer_skeleton(25, 2, positions) is BODY25


def test_a_guess_bears_gaps_and_leaves_positions_alone() -> None:
    positions = np.array(walk(400).mapped_to(COCO17).positions)
    positions[::3, :, 5] = np.nan
    before = positions.copy()
    assert infer_skeleton(17, 3, positions) is COCO17
    assert np.array_equal(before, positions, equal_nan=True)


# -- files --------------------------------------------------------------------------------------------------------------

RIG: dict[str, Any] = {
    "name": "rig",
    "keypoints": ["hip", "LKnee", "RKnee"],
    "edges": [["hip", "LKnee"], [0, 2]],
    "root": "hip",
}
EXPECTED = Skeleton("rig", ("hip", "LKnee", "RKnee"), ((0, 1), (0, 2)), ((1, 2),), 0)


def as_json(tmp_path: Path, values: Any, name: str = "some.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_a_json_file(tmp_path: Path) -> None:
    found = read_skeleton(as_json(tmp_path, RIG))
    assert found == EXPECTED
    assert found.to_coco19 == {"mid_hip": ("hip",), "left_knee": ("LKnee",), "right_knee": ("RKnee",)}
    assert resolve_skeleton(str(tmp_path / "some.json")) == EXPECTED


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML needs Python 3.11")
def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "rig.TOML"
    path.write_text(
        '# a rig\nkeypoints = ["hip", "a", "b"]\nedges = [["hip", "a"], [0, 2]]\npairs = [["a", "b"]]\nroot = 0\n'
        '[coco19]\nneck = ["a", "b"]\nmid_hip = "hip"\n',
        encoding="utf-8",
    )
    found = read_skeleton(path)
    assert found == Skeleton("rig", ("hip", "a", "b"), ((0, 1), (0, 2)), ((1, 2),), 0)
    assert found.to_coco19 == {"neck": ("a", "b"), "mid_hip": ("hip",)}


def test_toml_where_python_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rig.toml"
    path.write_text('keypoints = ["a"]', encoding="utf-8")
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(UsageError, match=r"rig\.toml.*3\.11.*JSON"):
        read_skeleton(path)


def test_the_least_file(tmp_path: Path) -> None:
    assert read_skeleton(as_json(tmp_path, {"keypoints": ["a"]}, "least.json")) == Skeleton("least", ("a",))
    empty = {**RIG, "pairs": [], "root": None, "coco19": {}}
    found = read_skeleton(as_json(tmp_path, empty))
    assert found.pairs == () and found.root is None and found.to_coco19 == {}


def test_a_built_in_skeleton_written_down(tmp_path: Path) -> None:
    values = {
        "name": "coco17", "keypoints": COCO17.keypoints, "edges": COCO17.edges, "pairs": COCO17.pairs,
    }  # fmt: skip
    assert read_skeleton(as_json(tmp_path, values)) is COCO17


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], "holds a list.*keypoints"),
        ({}, "no keypoints.*list their names"),
        ({"keypoints": "a b"}, "keypoints is not a list of names.*quote"),
        ({"keypoints": ["a", 1]}, "keypoints is not a list of names"),
        ({"keypoints": ["a", ""]}, "keypoints is not a list of names"),
        ({"keypoints": []}, "has no keypoints"),
        ({"keypoints": ["a", "a"]}, r"repeats the keypoint names \['a'\]; rename"),
        ({"keypoints": [str(i) for i in range(3000)]}, "3000 names; at most 2048"),
        ({**RIG, "bones": []}, "key 'bones' is not known; there are name, keypoints, edges"),
        ({**RIG, "name": 3}, "name is 3; text"),
        ({**RIG, "name": "coco17"}, "name 'coco17' is that of a built-in.*choose another"),
        ({**RIG, "edges": "hip-LKnee"}, "edges is 'hip-LKnee'; a list of pairs"),
        ({**RIG, "edges": [["hip"]]}, r"edges\[0\] is \['hip'\]; two keypoints"),
        ({**RIG, "edges": [["hip", "LKnee"], ["hip", "tail"]]}, r"edges\[1\] names 'tail'.*0 to 2"),
        ({**RIG, "edges": [[0, 3]]}, r"edges\[0\] names 3"),
        ({**RIG, "edges": [[0, -1]]}, r"edges\[0\] names -1"),
        ({**RIG, "edges": [[0, True]]}, r"edges\[0\] names True"),
        ({**RIG, "edges": [[0, 0]]}, r"edges\[0\] joins 'hip' with itself"),
        ({**RIG, "pairs": [[0, 1], [1, 2]]}, "in two left-right pairs; give it one partner"),
        ({**RIG, "pairs": {"a": "b"}}, "pairs is .*; a list of pairs"),
        ({**RIG, "root": "tail"}, "root names 'tail'.*use one of its names"),
        ({**RIG, "root": 1.5}, "root names 1.5"),
        ({**RIG, "coco19": ["hip"]}, "coco19 is .*keypoints of coco19"),
        ({**RIG, "coco19": {"tail": "hip"}}, "coco19 has no keypoint 'tail'; it has neck, nose"),
        ({**RIG, "coco19": {"nose": "tail"}}, "coco19.nose names 'tail'"),
        ({**RIG, "coco19": {"nose": []}}, "coco19.nose is empty.*leave it out"),
    ],
)
def test_files_that_describe_no_skeleton(tmp_path: Path, values: Any, message: str) -> None:
    path = as_json(tmp_path, values)
    with pytest.raises(InputError, match=f"(?s)some.json: .*{message}"):
        read_skeleton(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "no JSON.*line 1, column 1"),
        ("a.json", b'{"keypoints": ["a"', "no JSON.*line 1"),
        ("a.json", b"\xff\xfe\x00", "no UTF-8 text.*byte 0"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.json", b'{"keypoints": ["a"], "root": ' + b"9" * 5000 + b"}", "a.json"),
        ("a.json", b" " * (1 << 20) + b"{}", "more than 1048576 bytes"),
        ("a.toml", b"keypoints = [", "no TOML.*at end of document"),
        ("a.toml", b"keypoints = 1979-05-27", "not a list of names"),
        ("a.yaml", b"", "ends in .toml or .json.*rename"),
    ],
)
def test_files_that_cannot_be_parsed(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{message}" if message != name else name):
        read_skeleton(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="check the path|ends in"):
            read_skeleton(path)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match="folder.json: cannot be read"):
        read_skeleton(tmp_path / "folder.json")


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 150), byte=st.integers(0, 255))
def test_damaged_files_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, position: int, byte: int) -> None:
    data = bytearray(json.dumps(RIG).encode())
    data[position % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(bytes(data))
    try:
        read_skeleton(path)
    except PosecodecError as error:
        assert "damaged.json" in str(error)


def test_names_and_paths() -> None:
    assert resolve_skeleton("smpl22") is SMPL22
    with pytest.raises(InputError, match=r"'coco20'.*coco19, coco17.*\.toml or \.json"):
        resolve_skeleton("coco20")
