"""Usual names of keypoints, which those of a skeleton that is spelled out are compressed against (see `spelling`).

Marker sets of motion capture (Plug-in Gait, Helen Hayes, Rizzoli, CAREN's Human Body Model, OptiTrack Baseline), rigs
(Mixamo, CMU in BVH and ASF, Unreal), animals and flies of tracking tutorials, names that are only counted, and the components
of .pose files. The text is part of the bitstream and never changes, not even at its end: files point into it from there.
More may come before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from posecodec.bitstream.fields import encode_varint, take_steps
from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES

ANIMALS = (
    "snout nose leftear rightear left_ear right_ear neck shoulder centroid tailbase tail_base tail_mid tail_tip "
    "spine_mid leftpaw rightpaw left_forepaw right_forepaw left_hindpaw right_hindpaw hip knee ankle toe "
    "head thorax abdomen wingL wingR forelegL4 forelegR4 midlegL4 midlegR4 hindlegL4 hindlegR4 eyeL eyeR "
    "withers throat l_eye r_eye l_ear r_ear f_l_paw f_r_paw b_l_paw b_r_paw "
)
UNREAL = (
    "root pelvis spine_01 spine_02 spine_03 clavicle_l upperarm_l lowerarm_l hand_l clavicle_r upperarm_r lowerarm_r "
    "hand_r neck_01 head thigh_l calf_l foot_l ball_l thigh_r calf_r foot_r ball_r "
)
ASF = (
    "root lhipjoint lfemur ltibia lfoot ltoes rhipjoint rfemur rtibia rfoot rtoes lowerback upperback thorax lowerneck "
    "upperneck head lclavicle lhumerus lradius lwrist lhand lfingers lthumb rclavicle rhumerus rradius rwrist rhand "
    "rfingers rthumb "
)
CMU_BVH = (
    "Hips LHipJoint LeftUpLeg LeftLeg LeftFoot LeftToeBase RHipJoint RightUpLeg RightLeg RightFoot RightToeBase LowerBack "
    "Spine Spine1 Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand LeftFingerBase LeftHandIndex1 LThumb "
    "RightShoulder RightArm RightForeArm RightHand RightFingerBase RightHandIndex1 RThumb "
    "hip abdomen chest neck head leftEye rightEye rCollar rShldr rForeArm rHand lCollar lShldr lForeArm lHand rButtock "
    "rThigh rShin rFoot lButtock lThigh lShin lFoot Chest LeftCollar LeftElbow LeftWrist RightCollar RightElbow "
    "RightWrist LeftHip LeftKnee LeftAnkle RightHip RightKnee RightAnkle LeftToe RightToe ToSpine Chest2 Chest3 Chest4 "
)
_MIXAMO_FINGERS = "Thumb Index Middle Ring Pinky"
MIXAMO = (
    "Hips Spine Spine1 Spine2 Neck Head HeadTop_End LeftEye RightEye "
    + "".join(f"{s}Shoulder {s}Arm {s}ForeArm {s}Hand " for s in ("Left", "Right"))
    + "".join(f"{s}Hand{f}{i} " for s in ("Left", "Right") for f in _MIXAMO_FINGERS.split() for i in (1, 2, 3, 4))
    + "".join(f"{s}UpLeg {s}Leg {s}Foot {s}ToeBase {s}Toe_End " for s in ("Left", "Right"))
    + "mixamorig:Hips mixamorig:Spine mixamorig:LeftArm mixamorig:RightArm "
)
OPTITRACK = (
    "WaistLFront WaistRFront WaistLBack WaistRBack BackTop Chest BackLeft BackRight HeadTop HeadFront HeadSide "
    + "".join(
        f"{s}ShoulderBack {s}ShoulderTop {s}ElbowOut {s}UArmHigh {s}HandOut {s}WristOut {s}WristIn " for s in "LR"
    )
    + "".join(f"{s}KneeOut {s}Thigh {s}AnkleOut {s}Shin {s}ToeOut {s}ToeIn {s}Heel " for s in "LR")
    + "".join(f"{s}ASIS {s}PSIS {s}ThighSide {s}KneeIn {s}ToeTip {s}AnkleIn " for s in "LR")
)
CAREN = (
    "T10 SACR NAVE XYPH STRN LASIS RASIS LPSIS RPSIS LPSI RPSI JN XIPH HEAD LHEAD RHEAD FHEAD C7 "
    "LGTRO FLTHI LLEK LATI LLM LHEE LTOE LMT5 RGTRO FRTHI RLEK RATI RLM RHEE RTOE RMT5 LMEK RMEK LMM RMM "
    "LSHO LDELT LLEE LMEE LFRM LMW LLW LFIN RSHO RDELT RLEE RMEE RFRM RMW RLW RFIN LILCREST RILCREST "
)
RIZZOLI = "".join(
    f"{s}IAS {s}IPS {s}FTC {s}FLE {s}FME {s}FAX {s}TTC {s}TAM {s}FAL {s}FCC {s}FM1 {s}FM2 {s}FM5 {s}CAJ {s}HLE {s}HME "
    f"{s}RSP {s}USP {s}HM2 {s}HM5 "
    for s in "LR"
) + "".join(
    f"{s}.ASIS {s}.PSIS {s}_IAS {s}_IPS {s}_FTC {s}_FLE {s}_FME {s}_FAX {s}_TTC {s}_TAM {s}_FAL {s}_FCC {s}_FM1 {s}_FM2 "
    f"{s}_FM5 "
    for s in "LR"
)
_HAYES = " ".join(
    [
        f"R.{n} R{n} r_{n.lower()}"
        for n in ("Thigh", "Shank", "Toe", "Heel", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist")
    ]
)
HELEN_HAYES = (
    f"{_HAYES} {_HAYES.replace('R', 'L').replace('r_', 'l_')} "
    "Top.Head Front.Head Rear.Head R.Shoulder R.Offset R.Elbow R.Wrist L.Shoulder L.Elbow L.Wrist R.ASIS L.ASIS V.Sacral "
    "R.Thigh R.Knee R.Shank R.Ankle R.Heel R.Toe L.Thigh L.Knee L.Shank L.Ankle L.Heel L.Toe "
    "R.Knee.Medial R.Ankle.Medial L.Knee.Medial L.Ankle.Medial "
)
PLUG_IN_GAIT = (
    "SACR LTHAP LTIAP RTHAP RTIAP LMED RMED LKNM RKNM LMMA RMMA LMT1 LMT2 LMT5 RMT1 RMT2 RMT5 LD1M LD5M RD1M RD5M "
    "LMKNE RMKNE LMANK RMANK LGTR RGTR LSCA RSCA NECK HEDO HEDA HEDL HEDP LCLO RCLO LFEO RFEO LTIO RTIO LFOO RFOO "
    "ARIEL LFWT MFWT RFWT LBWT RBWT LTHORAX LFHD RFHD LBHD RBHD C7 T10 CLAV STRN RBAK LSHO LUPA LELB LFRM LWRA LWRB "
    "LFIN RSHO RUPA RELB RFRM RWRA RWRB RFIN LASI RASI LPSI RPSI LTHI LKNE LTIB LANK LHEE LTOE RTHI RKNE RTIB RANK RHEE RTOE "
)
COUNTED = (
    "",
    "joint",
    "joint_",
    "joint ",
    "point",
    "point_",
    "marker",
    "Marker",
    "M",
    "m",
    "kp",
    "kpt_",
    "keypoint_",
    "*",
)
"""What stands before numbers."""


_FINGERS = ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
MEDIAPIPE_BODY = next(table.keypoints.upper() for table in TABLES if table.name == "mediapipe33")
MEDIAPIPE_HAND = "WRIST THUMB_CMC THUMB_MCP THUMB_IP THUMB_TIP " + " ".join(
    f"{finger}_{joint}" for finger in _FINGERS for joint in ("MCP", "PIP", "DIP", "TIP")
)
OPENPOSE_HAND = "BASE T_STT T_BCMC T_MCP T_IP " + " ".join(
    f"{finger}_{joint}" for finger in "IMRP" for joint in ("CMC", "MCP", "PIP", "DIP")
)
OPENPOSE_BODY = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar "
    "LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
)
BODY_25B = (
    "Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle RAnkle UpperNeck "
    "HeadTop LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
)
OPENPOSE_FACE = " ".join(
    f"{part}_{i}"
    for part, first, end in (("FB", 0, 17), ("FEB", 17, 27), ("FN", 27, 36), ("FE", 36, 48), ("FLO", 48, 60), ("FLI", 60, 68))
    for i in range(first, end)
)  # fmt: skip
COMPONENTS = (
    ("pose_keypoints_2d", BODY_25B),
    ("pose_keypoints_2d", OPENPOSE_BODY),
    ("face_keypoints_2d", f"{OPENPOSE_FACE} FP_68 FP_69"),
    ("hand_left_keypoints_2d", OPENPOSE_HAND),
    ("hand_right_keypoints_2d", OPENPOSE_HAND),
    ("POSE_LANDMARKS", MEDIAPIPE_BODY),
    ("LEFT_HAND_LANDMARKS", MEDIAPIPE_HAND),
    ("RIGHT_HAND_LANDMARKS", MEDIAPIPE_HAND),
)
"""What .pose files hold of OpenPose and of MediaPipe Holistic, by component."""


OPENPOSE_LIMBS = (
    "1-2 2-3 3-4 1-5 5-6 6-7 1-8 0-16 0-15 0-18 0-17 1-0 8-9 9-10 10-11 8-12 12-13 13-14 11-24 11-22 22-23 14-21 14-19 19-20"
)  # fmt: skip
HAND_LIMBS = "0-1 0-5 0-9 0-13 0-17 1-2 2-3 3-4 5-6 6-7 7-8 9-10 10-11 11-12 13-14 14-15 15-16 17-18 18-19 19-20"


FACE_MESH = Path(__file__).with_name("face_mesh.txt")
"""Edges of MediaPipe's face mesh with irises (478 points), those and the numbers of the 128 points of its contours, each in
the order in which .pose files have them."""


def build_words() -> bytes:
    """The text, one name a line, the likeliest last; before it usual edges, as skeletons have them."""
    mesh, contours, kept = FACE_MESH.read_text("ascii").split("\n\n")
    usual = [BUILT_IN[name].edges for name in ("mediapipe33", "hand21")]
    pairs = [[limb.split("-") for limb in text.split()] for text in (OPENPOSE_LIMBS, HAND_LIMBS)]
    limbs = [[(int(a), int(b)) for a, b in some] for some in pairs]
    edges = b"".join(encode_varint(number) for some in (*usual, *limbs) for number in take_steps(some))
    faces = [[(int(a), int(b)) for a, b in (limb.split("-") for limb in text.split())] for text in (contours, mesh)]
    before = b"".join(encode_varint(number) for some in faces for number in take_steps(some))
    numbers = (*kept.split(), *map(str, range(len({k for edge in faces[1] for k in edge}))))
    names = [f"FACE_LANDMARKS/{number}" for number in numbers]
    names += [f"POSE_WORLD_LANDMARKS/{point}" for point in MEDIAPIPE_BODY.split()]
    return before + ("\n".join(names) + "\n").encode() + edges + ("\n".join(_list_words()) + "\n").encode()


def _list_words() -> Iterator[str]:
    for component, points in COMPONENTS:
        yield from (f"{component}/{point}" for point in points.split())
    for text in (ANIMALS, UNREAL, ASF, CMU_BVH, MIXAMO, OPTITRACK, CAREN, RIZZOLI, HELEN_HAYES, PLUG_IN_GAIT):
        yield from text.split()
    for prefix in COUNTED:
        yield from (f"{prefix}{i}" for i in range(40))
    for table in reversed(TABLES[:9]):
        yield from table.keypoints.split()
    yield "custom"
