"""The built-in skeletons: tables of plain text, the values made of them, and their mappings to `coco19`.

Orders are those of who defined them (OpenPose, COCO, MPII, SMPL, MediaPipe, MMPose's dataset files, Kinect SDKs);
Human3.6M numbers its points, so that their names are ours. Keypoints of a face or a hand are named PART/POINT. Leaves out
the checks, which are `Skeleton`'s, and other spellings (`naming`).

The tables are part of the bitstream: their order is the skeleton's number, and edges are the tree that coordinates are
coded along. Append new ones, at most MOST_BUILT_IN in all, and never change one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from posecodec.errors import InputError
from posecodec.pose.skeleton import Mapping19, Skeleton


@dataclass(frozen=True)
class Table:
    """One skeleton in words.

    keypoints: names separated by spaces. edges: `a-b`, likewise. root: a name, or None. pairs: `left-right` where names
    do not tell. stands_for: coco19 keypoint -> the keypoints whose mean nearly coincides with it. human: whether coco19
    means anything to it.
    """

    name: str
    title: str
    keypoints: str
    edges: str
    root: str | None
    stands_for: Mapping[str, str] = field(default_factory=dict)
    pairs: str = ""
    human: bool = True


def _add_sides(*parts: str) -> str:
    return " ".join(f"{side}_{part}" for part in parts for side in ("left", "right"))


def _mirror(left: str) -> str:
    """Edges of the left side and the same of the right."""
    return f"{left} {left.replace('left', 'right')} "


def _prefix_edges(prefix: str, edges: str) -> str:
    return " ".join("-".join(prefix + end for end in edge.split("-")) for edge in edges.split()) + " "


def _link(chains: str) -> str:
    """Edges along `a-b-c`."""
    return " ".join(f"{a}-{b}" for chain in chains.split() for a, b in pairwise(chain.split("-"))) + " "


_LIMBS = (
    "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist "
    "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle "
)
_FACE = "nose-left_eye left_eye-left_ear nose-right_eye right_eye-right_ear "
_NECKED = "neck-left_shoulder neck-right_shoulder mid_hip-left_hip mid_hip-right_hip neck-mid_hip neck-nose "
_FEET = _mirror("left_ankle-left_heel left_ankle-left_big_toe left_big_toe-left_small_toe")
_TRUNK = "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "
_BODY17 = f"nose {_add_sides('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')}"
_BODY25 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip "
    "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe "
    "left_small_toe left_heel right_big_toe right_small_toe right_heel"
)

# Hands: the wrist and four points a finger, from its root to its tip.
_SIDES = ("left_", "right_")
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_HAND = " ".join(("wrist", *(f"{finger}{i}" for finger in _FINGERS for i in (1, 2, 3, 4))))
_HAND_EDGES = _link(" ".join(f"wrist-{f}1-{f}2-{f}3-{f}4" for f in _FINGERS))


def _prefix(prefix: str, names: str) -> str:
    return " ".join(prefix + name for name in names.split())


_HANDS = " ".join(_prefix(f"{side}hand/", _HAND) for side in _SIDES)
_HANDS_EDGES = (
    "left_wrist-left_hand/wrist right_wrist-right_hand/wrist "
    + _prefix_edges("left_hand/", _HAND_EDGES)
    + _prefix_edges("right_hand/", _HAND_EDGES)
)


# Faces of 68 points (the 300-W markup), and of 70 with the pupils. Point 0 is beside the right ear.
def _name_face(count: int) -> str:
    return " ".join(f"face/{i}" for i in range(count))


def _chain_range(first: int, last: int, closed: bool = False) -> str:
    return "-".join(map(str, (*range(first, last + 1), *([first] if closed else []))))


_CONTOURS = (
    *(_chain_range(a, b) for a, b in ((0, 16), (17, 21), (22, 26), (27, 30), (31, 35))),
    *(_chain_range(a, b, closed=True) for a, b in ((36, 41), (42, 47), (48, 59), (60, 67))),
)
_FACE68_EDGES = "nose-face/30 " + _prefix_edges("face/", _link(" ".join(_CONTOURS)))
_FACE68_PAIRS = _prefix_edges(
    "face/",
    "16-0 15-1 14-2 13-3 12-4 11-5 10-6 9-7 26-17 25-18 24-19 23-20 22-21 35-31 34-32 45-36 44-37 43-38 42-39 47-40 "
    "46-41 54-48 53-49 52-50 55-59 56-58 64-60 63-61 65-67",
)

# MediaPipe's face mesh of 468 points. The points of the right half come first, and in the order of those of the left.
_MIDLINE = {*range(20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200} - {3, 7}
_RIGHT_HALF = [i for i in range(248) if i not in _MIDLINE]
_OTHER_SIDE = {right: 248 + i for i, right in enumerate(_RIGHT_HALF)}
_MESH_PAIRS = " ".join(f"face/{left}-face/{right}" for right, left in _OTHER_SIDE.items())
# Its contours (eye, eyebrows, outline, lips; the right half), and edges of the mesh that hang every other point on them.
_MESH_CONTOURS = (
    "33-7-163-144-145-153-154-155-133-173-157-158-159-160-161-246-33 46-53-52-65-55 70-63-105-66-107 "
    "10-109-67-103-54-21-162-127-234-93-132-58-172-136-150-149-176-148-152 0-37-39-40-185-61-146-91-181-84-17 "
    "13-82-81-80-191-78-95-88-178-87-14"
)
_MESH_HANGING = (
    "0-11,164 1-4 2-94,141 3-51 4-5 5-6 6-197 7-25,110 8-168 9-107,108 10-151 11-12 12-13 13-38 14-15,86 17-16,18,83,85 "
    "18-200,201 19-1,44 20-79,166 21-68,71 22-231 23-229,230 25-31,226,228 27-222 31-111,117 33-130,247 36-100,101 "
    "37-72,167 39-73,92,165 40-74,186 43-202,204 44-45,220 46-113,124,156,225 48-115,131,219 52-222,223 53-224 54-104 "
    "55-8,9,189,193,221 58-177,215 61-43,57,76,184 64-48,49,102,235 66-69 67-108 70-139 78-62,96 80-42,183 81-41 "
    "84-180 88-89,179 91-77,90,106,182 92-206,216 93-137,227 94-19 97-99,242 98-64,129,240 99-20,60 106-194 "
    "112-232,233 113-35 122-188,196 123-50,187 124-143 125-237 126-217 127-34 128-47 129-126,209 133-112,190,243 "
    "135-192,214 136-135,138 137-116 140-32,211 141-125,241 144-23,24 145-22 148-140,171,175 149-170 150-169 154-26 "
    "157-28,56 159-27 160-29,30 164-2 165-98,203 167-97 168-6 169-210 171-199,208 177-123,147 186-212 188-114,174 "
    "189-244 193-122,245 195-5 196-3,236 197-195 203-142 206-36,205 209-198 215-213 216-207 229-118 230-119 "
    "232-120,121 235-59 236-134 237-218 240-75 241-239 242-238 245-128"
)


def _build_mesh_edges() -> str:
    """The edges of the right half and the middle, each followed by its mirror image where that is another."""
    hanging = [(a, b) for a, ends in (entry.split("-") for entry in _MESH_HANGING.split()) for b in ends.split(",")]
    along = [tuple(edge.split("-")) for edge in _link(_MESH_CONTOURS).split()]
    right = [(int(a), int(b)) for a, b in (*along, *hanging)]
    mirrored = [(_OTHER_SIDE.get(a, a), _OTHER_SIDE.get(b, b)) for a, b in right]
    edges = dict.fromkeys(edge for both in zip(right, mirrored, strict=True) for edge in both)
    return " ".join(f"face/{a}-face/{b}" for a, b in edges)


_MEDIAPIPE33 = (
    "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear "
    "mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky "
    "right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle "
    "right_ankle left_heel right_heel left_foot_index right_foot_index"
)
_MEDIAPIPE_EDGES = (
    _LIMBS + _FACE + _TRUNK + "mouth_left-mouth_right left_wrist-left_pinky left_wrist-left_index "
    "left_wrist-left_thumb right_wrist-right_pinky right_wrist-right_index right_wrist-right_thumb "
    "left_ankle-left_heel left_heel-left_foot_index right_ankle-right_heel right_heel-right_foot_index "
)
# What the 33 points leave loose or apart.
_MEDIAPIPE_MORE = (
    "nose-mouth_left nose-mouth_right left_eye-left_eye_inner left_eye-left_eye_outer right_eye-right_eye_inner "
    "right_eye-right_eye_outer left_ear-left_shoulder right_ear-right_shoulder "
)

_SMPL22 = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist"
)
_SMPL22_EDGES = (
    _LIMBS + "pelvis-left_hip pelvis-right_hip pelvis-spine1 spine1-spine2 spine2-spine3 spine3-neck neck-head "
    "spine3-left_collar spine3-right_collar left_collar-left_shoulder right_collar-right_shoulder "
    "left_ankle-left_foot right_ankle-right_foot "
)
# SMPL's neck is at the base of the skull, its pelvis above the hips.
_SMPL_NECK = {"neck": "left_shoulder right_shoulder"}
_SMPL_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_SMPL_HANDS = " ".join(f"{side}{finger}{i}" for side in _SIDES for finger in _SMPL_FINGERS for i in (1, 2, 3))

_H36M_LEG = "mid_hip-left_hip-left_knee-left_ankle-left_toe-left_toe_end"
_H36M_ARM = (
    "thorax-left_collar left_collar-left_shoulder left_shoulder-left_elbow left_elbow-left_wrist "
    "left_wrist-left_hand left_hand-left_thumb left_wrist-left_palm left_palm-left_palm_end"
)
_H36M_ARMS = " ".join(_prefix(side, "collar shoulder elbow wrist hand thumb palm palm_end") for side in _SIDES)
_KINECT_ARM = "left_elbow-left_wrist left_wrist-left_hand left_hand-left_hand_tip"

TABLES: tuple[Table, ...] = (
    Table(
        "coco19", "CMU Panoptic body; what the weights are trained for",
        "neck nose mid_hip left_shoulder left_elbow left_wrist left_hip left_knee left_ankle right_shoulder right_elbow "
        "right_wrist right_hip right_knee right_ankle left_eye left_ear right_eye right_ear",
        _NECKED + _LIMBS + _FACE, "mid_hip",
    ),
    Table("coco17", "COCO body (YOLO-pose, MMPose, AlphaPose, ViTPose)", _BODY17, _LIMBS + _FACE + _TRUNK, None),
    Table("body25", "OpenPose BODY_25", _BODY25, _NECKED + _LIMBS + _FACE + _FEET, "mid_hip"),
    Table(
        "h36m17", "Human3.6M as in VideoPose3D",
        "mid_hip right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax head head_top "
        "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist",
        _LIMBS + "mid_hip-left_hip mid_hip-right_hip mid_hip-spine spine-thorax thorax-head head-head_top "
        "thorax-left_shoulder thorax-right_shoulder",
        "mid_hip", {"neck": "thorax", "nose": "head"},
    ),
    Table("smpl22", "SMPL body without hands (HumanML3D, AMASS)", _SMPL22, _SMPL22_EDGES, "pelvis", _SMPL_NECK),
    Table("mediapipe33", "MediaPipe Pose (BlazePose)", _MEDIAPIPE33, _MEDIAPIPE_EDGES, None),
    Table(
        "coco18", "OpenPose COCO",
        "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee "
        "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear",
        _LIMBS + _FACE + _mirror("neck-left_shoulder neck-left_hip") + "neck-nose", "neck",
    ),
    Table(
        "mpii16", "MPII Human Pose",
        "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top right_wrist "
        "right_elbow right_shoulder left_shoulder left_elbow left_wrist",
        _LIMBS + _mirror("pelvis-left_hip thorax-left_shoulder") + "pelvis-thorax thorax-upper_neck upper_neck-head_top",
        "pelvis", {"neck": "thorax"},
    ),
    Table("hand21", "One hand (MediaPipe Hands, OpenPose hand)", _HAND, _HAND_EDGES, "wrist", human=False),
    Table(
        "h36m32", "Human3.6M in full (data_3d_h36m.npz); some points are there twice",
        "mid_hip right_hip right_knee right_ankle right_toe right_toe_end left_hip left_knee left_ankle left_toe "
        f"left_toe_end lower_spine spine thorax head head_top {_H36M_ARMS}",
        _mirror(_link(_H36M_LEG)) + "mid_hip-lower_spine mid_hip-spine spine-thorax thorax-head head-head_top "
        + _mirror(_H36M_ARM),
        "mid_hip", {"neck": "thorax", "nose": "head"},
    ),
    Table(
        "smpl24", "SMPL body", f"{_SMPL22} left_hand right_hand", _SMPL22_EDGES + _mirror("left_wrist-left_hand"),
        "pelvis", _SMPL_NECK,
    ),
    Table(
        "smplh52", "SMPL-H, body and fingers (AMASS)", f"{_SMPL22} {_SMPL_HANDS}",
        _SMPL22_EDGES + _mirror(_link(" ".join(f"left_wrist-left_{f}1-left_{f}2-left_{f}3" for f in _SMPL_FINGERS))),
        "pelvis", _SMPL_NECK,
    ),
    Table(
        "openpose137", "OpenPose BODY_25 with face (70 points) and hands", f"{_BODY25} {_name_face(70)} {_HANDS}",
        _NECKED + _LIMBS + _FACE + _FEET + _HANDS_EDGES + _FACE68_EDGES, "mid_hip",
        pairs=_FACE68_PAIRS + "face/69-face/68",
    ),
    Table(
        "coco133", "COCO-WholeBody: body, feet, face (68 points), hands",
        f"{_BODY17} left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel "
        f"{_name_face(68)} {_HANDS}",
        _LIMBS + _FACE + _TRUNK + _mirror("left_ear-left_shoulder") + _FEET + _HANDS_EDGES + _FACE68_EDGES, None,
        pairs=_FACE68_PAIRS,
    ),
    Table(
        "halpe26", "Halpe body with feet (AlphaPose, RTMPose)",
        f"{_BODY17} head neck mid_hip {_add_sides('big_toe', 'small_toe', 'heel')}",
        _NECKED + _LIMBS + _FACE + "neck-head " + _FEET, "mid_hip",
    ),
    Table(
        "mediapipe75", "MediaPipe Pose and both hands", f"{_MEDIAPIPE33} {_HANDS}",
        _MEDIAPIPE_EDGES + _MEDIAPIPE_MORE + _HANDS_EDGES, None,
    ),
    Table(
        "holistic543", "MediaPipe Holistic: pose, left hand, right hand, face (468 points)",
        f"{_MEDIAPIPE33} {_HANDS} {_name_face(468)}",
        _MEDIAPIPE_EDGES + _MEDIAPIPE_MORE + _HANDS_EDGES + "nose-face/1 " + _build_mesh_edges(), None,
        pairs=_MESH_PAIRS,
    ),
    Table(
        "kinect32", "Azure Kinect body tracking",
        "pelvis spine_navel spine_chest neck left_clavicle left_shoulder left_elbow left_wrist left_hand left_hand_tip "
        "left_thumb right_clavicle right_shoulder right_elbow right_wrist right_hand right_hand_tip right_thumb left_hip "
        "left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot head nose left_eye left_ear "
        "right_eye right_ear",
        "pelvis-spine_navel spine_navel-spine_chest spine_chest-neck neck-head head-nose "
        + _mirror("spine_chest-left_clavicle left_clavicle-left_shoulder left_shoulder-left_elbow " + _KINECT_ARM)
        + _mirror("left_wrist-left_thumb pelvis-left_hip left_hip-left_knee left_knee-left_ankle left_ankle-left_foot")
        + _FACE,
        "pelvis", _SMPL_NECK,
    ),
    Table(
        "kinect25", "Kinect v2 (Kinect for Windows 2.0, NTU RGB+D)",
        "spine_base spine_mid neck head left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow "
        "right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot "
        "spine_shoulder left_hand_tip left_thumb right_hand_tip right_thumb",
        "spine_base-spine_mid spine_mid-spine_shoulder spine_shoulder-neck neck-head "
        + _mirror("spine_shoulder-left_shoulder left_shoulder-left_elbow " + _KINECT_ARM)
        + _mirror("left_hand-left_thumb spine_base-left_hip left_hip-left_knee left_knee-left_ankle "
                  "left_ankle-left_foot"),
        "spine_base", {"neck": "spine_shoulder"},
    ),
    Table(
        "ap10k17", "AP-10K, four-legged animals",
        "left_eye right_eye nose neck root_of_tail left_shoulder left_elbow left_front_paw right_shoulder right_elbow "
        "right_front_paw left_hip left_knee left_back_paw right_hip right_knee right_back_paw",
        "left_eye-right_eye nose-left_eye nose-right_eye nose-neck neck-root_of_tail "
        + _mirror("neck-left_shoulder left_shoulder-left_elbow left_elbow-left_front_paw")
        + _mirror("root_of_tail-left_hip left_hip-left_knee left_knee-left_back_paw"),
        "root_of_tail", human=False,
    ),
)  # fmt: skip


# -- from tables to skeletons -------------------------------------------------------------------------------------------


def _build(table: Table) -> Skeleton:
    names = tuple(table.keypoints.split())
    index = {n: i for i, n in enumerate(names)}
    links = _parse_pairs(table.edges, index)
    pairs = (*pair_sides(names), *_parse_pairs(table.pairs, index))
    mapping = map_coco19(names, table.stands_for) if table.human else {}
    return Skeleton(table.name, names, links, pairs, None if table.root is None else index[table.root], mapping)


def _parse_pairs(pairs: str, index: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """Of names as `a-b`, separated by spaces."""
    return tuple((index[a], index[b]) for a, b in (pair.split("-") for pair in pairs.split()))


def pair_sides(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) indices of the names that differ by one word between underscores, left and right.

    >>> pair_sides(["nose", "right_eye", "left_eye"])
    ((2, 1),)
    """
    index = {n: i for i, n in enumerate(names)}
    partners = {n: n.replace("left", "right") for n in names if "left" in n.split("_")}
    return tuple((index[n], index[other]) for n, other in partners.items() if other in index)


_COCO19 = TABLES[0].keypoints.split()
_MIDPOINTS = {"neck": "left_shoulder right_shoulder", "mid_hip": "left_hip right_hip"}


def map_coco19(names: Sequence[str], stands_for: Mapping[str, str]) -> Mapping19:
    """coco19 keypoint -> the source keypoints whose mean stands for it.

    A name both have maps to itself; neck and mid-hip may be midpoints; `stands_for` names what only nearly coincides
    (names separated by spaces). A keypoint that nothing stands for is left out and comes out missing.
    """
    mapping: dict[str, tuple[str, ...]] = {}
    for target in _COCO19:
        midpoint = tuple(_MIDPOINTS.get(target, "?").split())
        if target in stands_for:
            mapping[target] = tuple(stands_for[target].split())
        elif target in names:
            mapping[target] = (target,)
        elif all(n in names for n in midpoint):
            mapping[target] = midpoint
    return mapping


BUILT_IN: Mapping[str, Skeleton] = {table.name: _build(table) for table in TABLES}
"""Built-in skeletons by name. The order is part of the bitstream (docs/bitstream.md): append, never reorder."""
MOST_BUILT_IN = (
    30  # Skeletons that can be built in: a file has 5 bits for them, and the last two numbers mean any other
)
assert len(BUILT_IN) == len(TABLES) <= MOST_BUILT_IN

COCO19 = BUILT_IN["coco19"]
COCO17 = BUILT_IN["coco17"]
BODY25 = BUILT_IN["body25"]
H36M17 = BUILT_IN["h36m17"]
SMPL22 = BUILT_IN["smpl22"]
MEDIAPIPE33 = BUILT_IN["mediapipe33"]


def get_builtin(name: str) -> Skeleton:
    """The built-in skeleton of that name. Raises InputError naming those that exist."""
    if name not in BUILT_IN:
        raise InputError(f"no built-in skeleton {name!r}; there are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def build_skeleton(keypoints: Sequence[str] | int) -> Skeleton:
    """The built-in skeleton of exactly these K names, else one without edges; a count stands for the names "0", "1", ..."""
    names = tuple(map(str, range(keypoints) if isinstance(keypoints, int) else keypoints))
    known = next((s for s in BUILT_IN.values() if s.keypoints == names), None)
    return known or Skeleton("custom", names)
