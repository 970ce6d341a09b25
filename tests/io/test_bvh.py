"""BVH: kinematics worked by hand, rigs, units, rates, and files that lie."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from good_files import BVH

from posecodec.errors import InputError
from posecodec.io import load
from posecodec.io.formats import bvh, bvh_rigs
from posecodec.io.formats.bvh_parser import infer_frame_rate, parse
from posecodec.pose.skeletons.builtin import COCO19

ARM = """HIERARCHY
ROOT Upper {{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {root}
  JOINT Lower
  {{
    OFFSET 2 0 0
    CHANNELS {lower}
    End Site
    {{
      OFFSET 1 0 0
    }}
  }}
}}
MOTION
Frames: 1
Frame Time: 0.04
{values}
"""


def arm(
    tmp_path: Path, values: str, root: str = "Zrotation Xrotation Yrotation", lower: str = "1 Zrotation"
) -> np.ndarray:
    path = tmp_path / "arm.bvh"
    path.write_text(ARM.format(root=root, lower=lower, values=values))
    sequence = load(path)
    assert sequence.skeleton.keypoints == ("Upper", "Lower", "Lower_end") and sequence.fps == 25
    assert sequence.skeleton.edges == ((0, 1), (1, 2))
    return sequence.positions[0, 0]


def test_two_joint_arm(tmp_path: Path) -> None:
    """Upper turns 90 degrees about z: Lower is at +y 2. Lower turns back 90: the end points to +x again."""
    points = arm(tmp_path, "10 20 30 90 0 0 -90")
    np.testing.assert_allclose(points, [[10, 20, 30], [10, 22, 30], [11, 22, 30]], atol=1e-5)


def test_rotations_apply_in_the_order_listed(tmp_path: Path) -> None:
    """z then y, in the turned frame: x -> -z by y, and z stays under z. y then z: x -> y by z, and y stays under y."""
    z_first = arm(tmp_path, "0 0 0 90 0 90 0", "Zrotation Xrotation Yrotation")
    np.testing.assert_allclose(z_first[1], [0, 0, -2], atol=1e-6)
    y_first = arm(tmp_path, "0 0 0 90 0 90 0", "Yrotation Xrotation Zrotation")
    np.testing.assert_allclose(y_first[1], [0, 2, 0], atol=1e-6)


def test_position_channels_replace_their_part_of_the_offset(tmp_path: Path) -> None:
    points = arm(tmp_path, "0 0 0 90 0 0 5 7 0", lower="3 Xposition Zposition Yrotation")
    np.testing.assert_allclose(points, [[0, 0, 0], [0, 5, 7], [0, 6, 7]], atol=1e-5)


@pytest.mark.parametrize(("text", "fps"), [
    ("0.0083333", 120), ("0.008333", 120), ("0.0333333333333333", 30), ("0.033333", 30), ("0.033", 30),
    ("0.0333667", 30000 / 1001), ("0.0334", 30000 / 1001), ("0.016667", 60), ("0.016666", 60), ("0.0167", 60),
    ("0.0166833", 60000 / 1001), ("0.0417", 24), ("0.0417083", 24000 / 1001), ("0.00834167", 120000 / 1001),
    ("0.01", 100), ("1e-2", 100), ("0.0125", 80), ("0.1", 10), ("1", 1),
    ("0.004", 250), ("0.008", 125), ("0.05", 20), (repr(1 / 250), 250), (repr(1 / 144), 144),
])  # fmt: skip
def test_rates(text: str, fps: float) -> None:
    assert infer_frame_rate(text) == pytest.approx(fps, rel=1e-12)


def test_a_time_that_was_cut_off_is_told(reports: Callable[..., Any]) -> None:
    with reports("the frame time 0.016666 is taken for that of 60 frames per second, cut off"):
        infer_frame_rate("0.016666")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e-999999999", "1e999", "x", "1e-320"])
def test_frame_times_that_are_none(text: str) -> None:
    with pytest.raises(InputError):
        infer_frame_rate(text)


PARTS = {
    "mixamo": "Hips UpLeg Leg Foot Shoulder Arm ForeArm Hand Head",
    "biovision": "Hips Hip Knee Ankle Collar Shoulder Elbow Wrist Head",
    "bandai": "Hips UpperLeg_@ LowerLeg_@ Foot_@ Shoulder_@ UpperArm_@ LowerArm_@ Hand_@ Head",
}
# Offsets of an adult in mm, x to the left, y up, z forward; the arms hang.
OFFSETS = ["0 0 0", "{s}90 0 0", "0 -420 0", "0 -415 0", "{s}20 500 0", "{s}150 0 0", "0 -300 0", "0 -250 0"]
OFFSETS += ["0 600 10"]


def person(kind: str = "mixamo", prefix: str = "", scale: float = 1, swap: bool = False, turn: str = "0 0 0") -> str:
    """A BVH file of one frame; `swap` makes z up (x left, y backward)."""
    names = PARTS[kind].split()

    def offset(i: int, sign: int = 1) -> str:
        x, y, z = (float(v) * scale for v in OFFSETS[i].format(s="-" if sign < 0 else "").split())
        return "OFFSET " + " ".join(map(repr, (x, -z, y) if swap else (x, y, z)))

    def joint(name: str, i: int, sign: int, inside: str) -> str:
        return f"JOINT {prefix}{name}\n{{ {offset(i, sign)}\nCHANNELS 3 Zrotation Xrotation Yrotation\n{inside} }}\n"

    def side(i: int, last: int, word: str, sign: int) -> str:
        name = names[i].replace("@", word[0]) if "@" in names[i] else word + names[i]
        end = f"End Site\n{{ {offset(0)} }}\n"
        return joint(name, i, sign, side(i + 1, last, word, sign) if i < last else end)

    sides = "".join(side(i, j, word, s) for word, s in (("Left", 1), ("Right", -1)) for i, j in ((1, 3), (4, 7)))
    inside = sides + joint(names[8], 8, 1, "")
    channels = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    hierarchy = f"HIERARCHY\nROOT {prefix}{names[0]}\n{{ {offset(0)}\nCHANNELS 6 {channels}\n{inside} }}\n"
    joints = hierarchy.count("JOINT")
    return hierarchy + f"MOTION\nFrames: 1\nFrame Time: 0.01\n1 2 3 {turn} " + "0 0 0 " * joints + "\n"


def at(points: np.ndarray, name: str) -> np.ndarray:
    return points[0, 0, COCO19.keypoints.index(name)]


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("mixamo", ""), ("mixamo", "mixamorig:"), ("biovision", ""), ("biovision", "ns:"), ("bandai", "")],
)
def test_rigs_become_coco19(kind: str, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(person(kind, prefix))
    sequence = load(tmp_path / "a.bvh")
    assert sequence.skeleton == COCO19 and (sequence.unit, sequence.up) == ("mm", "y")
    assert dict(sequence.metadata) == {"source_format": "bvh", "rig": kind, "unit_guessed": True}
    points = sequence.positions
    np.testing.assert_allclose(at(points, "mid_hip"), [1, 2, 3], atol=1e-3)
    np.testing.assert_allclose(at(points, "neck"), [1, 502, 3], atol=1e-3)
    np.testing.assert_allclose(at(points, "left_wrist"), [171, -48, 3], atol=1e-3)
    np.testing.assert_allclose(at(points, "right_ankle"), [-89, -833, 3], atol=1e-3)
    np.testing.assert_allclose(at(points, "nose"), [1, 647, 118], atol=1e-3)
    np.testing.assert_allclose(at(points, "left_ear"), [74, 664, 15], atol=1e-3)


def test_face_turns_with_the_body_and_follows_the_rest_pose(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(person(turn="0 0 90"))
    points = load(tmp_path / "a.bvh").positions
    np.testing.assert_allclose(at(points, "nose") - [1, 2, 3], [115, 645, 0], atol=1e-3)
    (tmp_path / "b.bvh").write_text(person(swap=True))
    sequence = load(tmp_path / "b.bvh")
    assert sequence.up == "z"
    np.testing.assert_allclose(at(sequence.positions, "nose") - [1, 2, 3], [0, -115, 645], atol=1e-3)
    np.testing.assert_allclose(at(sequence.positions, "left_eye") - [1, 2, 3], [32, -95, 680], atol=1e-3)


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1), ("cm", 10), ("m", 1000), ("in", 25.4), ("unknown", 1e-3)])
def test_units_are_guessed_by_stature(unit: str, mm: float, tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(person(scale=1 / mm))
    sequence = load(tmp_path / "a.bvh")
    assert sequence.unit == unit
    thigh = np.linalg.norm(at(sequence.positions, "left_hip") - at(sequence.positions, "left_knee"))
    assert thigh == pytest.approx(420 / mm, rel=1e-4)
    if unit != "unknown":
        nose = np.linalg.norm(at(sequence.positions, "left_ear") - at(sequence.positions, "right_ear"))
        assert nose == pytest.approx(146 / mm, rel=1e-3)


def test_cmu_units_become_millimeters_unless_told(tmp_path: Path) -> None:
    text = person(scale=0.45 / 25.4).replace("JOINT Head", "JOINT LHipJoint { OFFSET 0 0 0 }\nJOINT Head")
    (tmp_path / "a.bvh").write_text(text)
    sequence = load(tmp_path / "a.bvh")
    assert (sequence.unit, sequence.metadata["rig"]) == ("mm", "cmu")
    thigh = np.linalg.norm(at(sequence.positions, "left_hip") - at(sequence.positions, "left_knee"))
    assert thigh == pytest.approx(420, rel=1e-4)
    told = load(tmp_path / "a.bvh", unit="in")
    assert told.unit == "in" and not told.metadata["unit_guessed"]
    limbs = (0, 0, slice(2, 15))
    np.testing.assert_allclose(told.positions[limbs] * bvh_rigs.CMU_UNIT_MM, sequence.positions[limbs], rtol=1e-4)


def test_native_keeps_the_rig(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(person())
    sequence = load(tmp_path / "a.bvh", skeleton="native")
    assert sequence.skeleton.keypoints[:5] == ("Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftFoot_end")
    assert sequence.skeleton.edges[:2] == ((0, 1), (1, 2))
    assert bvh.read(tmp_path / "a.bvh", skeleton="native").skeleton == sequence.skeleton


@pytest.mark.parametrize(("names", "rig"), [
    ("LeftShoulder LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot", "mixamo"),
    ("lShldr lForeArm lHand lThigh lShin lFoot", "poser"),
    ("L_Shoulder L_Elbow L_Wrist L_Hip L_Knee L_Ankle", "smpl"),
    ("left_shoulder left_elbow left_wrist left_hip left_knee left_ankle", "biovision"),
    ("LeftShoulder LeftUpperArm LeftForeArm LeftHand LeftUpperLeg LeftLowerLeg LeftFoot", "xsens"),
])  # fmt: skip
def test_rig_names(names: str, rig: str) -> None:
    left = names.split()
    swapped = {"l": "r", "L": "R", "left": "right", "Left": "Right"}
    right = [re.sub("^(left|Left|l|L)", lambda m: swapped[m[1]], n) for n in left]
    found = bvh_rigs.find_rig(["Head", *left, *right])
    assert found is not None and found.name == rig
    assert found.joints["left_shoulder"] == 1 + (len(left) - 6)
    assert bvh_rigs.find_rig(["Head", *left]) is None


GOOD = person()


@pytest.mark.parametrize(("old", "new", "match"), [
    ("HIERARCHY", "HIERARCHIE", "line 1:"), ("ROOT Hips", "JOINT Hips", "line 2:"), ("ROOT Hips", "ROOT", "line 2:"),
    ("OFFSET 0.0", "OFFSET nan", "line 3:"), ("OFFSET 0.0", "OFFSET x", "line 3:"),
    ("OFFSET 0.0 0.0", "OFFSET 0.0", "line 3:"), ("CHANNELS 6", "CHANNELS 5", "line 4:"),
    ("CHANNELS 6", "CHANNELS 99999999999", "line 4:"), ("Xposition", "Wposition", "line 4:"),
    ("Frames: 1", "Frames: 2147483648", "are stated"), ("Frames: 1", "Frames: -1", "line"),
    ("Frames: 1", "Frames: 0", "are stated"), ("Frames: 1", "Frames:", "line"),
    ("Frame Time: 0.01", "Frame Time: 0", "line"), ("1 2 3", "1 2 x", "line"), ("1 2 3", "1 2 inf", "line"),
    ("1 2 3", "1 2", "channels"), ("MOTION", "MOTIN", "MOTION"), ("MOTION", "}\nMOTION", "line"),
    ("JOINT LeftUpLeg\n{", "JOINT LeftUpLeg\n", "line"), ("MOTION", "ROOT Second { OFFSET 0 0 0 }\nMOTION", "ROOT"),
])  # fmt: skip
def test_bad_files_name_the_line(old: str, new: str, match: str, tmp_path: Path) -> None:
    assert old in GOOD
    (tmp_path / "a.bvh").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"a\.bvh: .*{match}"):
        load(tmp_path / "a.bvh")


def test_more_joints_than_the_rows_can_move(tmp_path: Path) -> None:
    ends = "End Site { OFFSET 0 0 0 }\n" * 2000
    text = f"HIERARCHY\nROOT a {{\nOFFSET 0 0 0\nCHANNELS 1 Xrotation\n{ends}}}\nMOTION\nFrames: 5000\nFrame Time: 1\n"
    (tmp_path / "a.bvh").write_text(text + "1\n" * 5000)
    with pytest.raises(InputError, match="so few"):
        load(tmp_path / "a.bvh")


def test_kinematics_keep_every_bone_rigid() -> None:
    rng = np.random.default_rng(0)
    text = person().splitlines()
    row = " ".join(map(repr, rng.uniform(-180, 180, len(text[-1].split())).tolist()))
    motion = parse("\n".join([*text[:-1], row]))
    points, rotations = bvh.forward_kinematics(motion)
    for j, parent in enumerate(motion.parents[1:], 1):
        assert np.linalg.norm(points[0, j] - points[0, parent]) == pytest.approx(np.linalg.norm(motion.offsets[j]))
    products = rotations[0] @ rotations[0].swapaxes(-1, -2)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-12)


def test_a_real_recording() -> None:
    path = os.environ.get("POSECODEC_BVH_SAMPLE")
    if not path or not Path(path).is_file():
        pytest.skip("POSECODEC_BVH_SAMPLE does not name tests/example_files/test_mocapbank.bvh of bvhtoolbox 0.1.3")
    sequence = load(path)
    assert sequence.positions.shape == (455, 1, 19, 3) and sequence.fps == 30
    assert (sequence.unit, sequence.up, sequence.metadata["rig"]) == ("cm", "y", "biovision")
    points = sequence.positions[:, 0]
    thigh = np.linalg.norm(points[:, 6] - points[:, 7], axis=1)
    assert np.ptp(thigh) < 1e-3 and 40 < thigh[0] < 55
    assert points[:, [8, 14], 1].min() > 0 and 150 < points[:, 15, 1].max() < 175


def test_kinematics_are_those_of_pybvh(tmp_path: Path) -> None:
    pybvh = pytest.importorskip("pybvh")
    (tmp_path / "a.bvh").write_text(BVH.decode().replace("1 2 3 4 5 6 7 8 9", "1 2 3 40 -50 60 70 8 -90", 2))
    theirs = pybvh.read_bvh_file(str(tmp_path / "a.bvh"))
    ours = load(tmp_path / "a.bvh", skeleton="native")
    joints = [ours.skeleton.keypoints.index(name) for name in theirs.joint_names]
    np.testing.assert_allclose(ours.positions[:, 0, joints], theirs.joint_positions(), atol=1e-3)
