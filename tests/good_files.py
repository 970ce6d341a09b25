"""Small good files of every format, each made when it is needed: what the fuzzer damages, and all formats are tried on."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from slp_files import make_slp

from posecodec.io import FORMATS
from posecodec.pose.channels import Channel, store_channels
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BODY25
from posecodec.pose.synthetic import walk


def flatten(sequence: PoseSequence, **metadata: Any) -> PoseSequence:
    """The same seen from the side, in pixels."""
    flat = PoseSequence.from_arrays(
        sequence.positions[..., :2], fps=30, skeleton=sequence.skeleton, unit="px", up="-y", ids=sequence.ids
    )
    return replace(flat, metadata=metadata)


def write(name: str, sequence: PoseSequence, suffix: str) -> Callable[[], bytes]:
    """A good file by our own writer; of a folder one file."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / f"a{suffix}"
            FORMATS[name].save(sequence, path)
            return (sorted(path.iterdir())[1] if path.is_dir() else path).read_bytes()

    return make


def write_json(content: Any) -> Callable[[], bytes]:
    return lambda: json.dumps(content).encode()


def write_npy(array: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()

    return make


def write_dlc_h5(kind: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import pandas

        columns = pandas.MultiIndex.from_product(
            [["net"], ["nose", "tail"], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.h5"
            pandas.DataFrame(np.ones((4, 6)), columns=columns).to_hdf(
                path, key="df_with_missing", format=kind, mode="w"
            )
            return path.read_bytes()

    return make


def make_sleap() -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["tracks"] = np.ones((2, 2, 3, 5))
        file["point_scores"] = np.ones((2, 3, 5))
        file["node_names"] = np.array([b"a", b"b", b"c"])
        file["track_names"] = np.array([b"t0", b"t1"])
    return stream.getvalue()


def make_idtracker_h5() -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["trajectories"], file["id_probabilities"] = np.ones((4, 2, 2)), np.ones((4, 2, 1))
        file.attrs["frames_per_second"] = 25.0
    return stream.getvalue()


def make_mat_73() -> bytes:
    """As MATLAB writes it: HDF5 after a header of 512 bytes, the axes in reverse."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w", userblock_size=512) as file:
        file["xyz"], file["fps"] = np.arange(30.0).reshape(3, 2, 5) / 7, np.array([[30.0]])
        file["struct/inner"] = np.ones((2, 2))
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\x02IM"
    return head.ljust(512, b"\0") + stream.getvalue()[512:]


def make_ntu() -> bytes:
    body = "72057594037931101 0 1 1 1 1 0 0.1 0.2 2\n25\n" + "0.1 0.2 3.5 1 2 3 4 0.1 0.2 0.3 0.9 2\n" * 25
    return f"3\n1\n{body}0\n2\n{body}{body.replace('101', '102')}".encode()


def make_mat() -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    values = {"fps": 30.0, "labels": np.array(["a", "b"], dtype=object), "xyz": np.arange(30.0).reshape(5, 2, 3) / 7}
    savemat(stream, values)
    return stream.getvalue()


def make_h36m() -> bytes:
    stream = io.BytesIO()
    subjects = {"S1": {"Walking": np.ones((4, 32, 3), np.float32)}}
    np.savez_compressed(stream, positions_3d=np.array(subjects, dtype=object))
    return stream.getvalue()


BVH = b"""HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0 10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 2 3 4 5 6 7 8 9
1 2 3 4 5 6 7 8 9
1 2 3 4 5 6 7 8 9
"""
DLC = b"""scorer,net,net,net,net,net,net
bodyparts,nose,nose,nose,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
0,1.5,2.5,0.9,,,0.1
1,1.5,2.5,0.9,,,0.1
3,1.5,2.5,0.9,3,4,0.1
"""
DLC_MULTI = b"""scorer,s,s,s,s,s,s
individuals,m1,m1,m2,m2,single,single
bodyparts,nose,nose,nose,nose,corner,corner
coords,x,y,x,y,x,y
5,1,2,3,4,5,6
7,7,8,,,9,10
"""
MOTIVE = b"""Format Version,1.25,Take Name,T 1,Export Frame Rate,120,Total Exported Frames,3,Length Units,Meters

,Type,Bone,Bone,Bone,Bone,Bone,Bone,Bone,Marker,Marker,Marker
,Name,Hip,Hip,Hip,Hip,Hip,Hip,Hip,C7,C7,C7
,ID,1,1,1,1,1,1,1,2,2,2
,Parent,,,,,,,,,,
,,Rotation,Rotation,Rotation,Rotation,Position,Position,Position,Position,Position,Position
Frame,Time (Seconds),X,Y,Z,W,X,Y,Z,X,Y,Z
0,0.000000,0,0,0,1,0.125,1.5,2,3,4,5
1,0.008333,0,0,0,1,0.25,1.5,2,,,
2,0.016667,0,0,0,1,0.5,1.5,2,3.5,4,5
"""
VICON = b"""Trajectories
100
,,Anna:LASI,,,Anna:C7,,
Frame,Sub Frame,X,Y,Z,X,Y,Z
,,mm,mm,mm,mm,mm,mm
5,0,1.5,2,3,4,5,6
6,0,1.5,2,3,,,
7,0,1.25,2,3,4,5,6

Devices
1000
,,Plate
Frame,Sub Frame,Fx
,,N
5,0,9
""".replace(b"\n", b"\r\n")
QUALISYS = b"""NO_OF_FRAMES\t3
NO_OF_CAMERAS\t8
NO_OF_MARKERS\t2
FREQUENCY\t200
DATA_INCLUDED\t3D
EVENT\tstep\t2\t0.01
MARKER_NAMES\tL_ASI\tC7
1.5\t2.000\t3.000\t4.000\t5.000\t6.000
1.500\t2.000\t3.000\t0.000\t0.000\t0.000
1.250\t2.000\t3.000\t4.000\t5.000\t6.000
""".replace(b"\n", b"\r\n")
IDTRACKER = b"time,x1,y1,x2,y2\n0.000,1.5,2,3,4\n0.033,1.5,2,nan,nan\n0.067,1.25,2,3,4\n"
_SOLID, _PEOPLE = walk(6), walk(5, people=2)
_GAP = _SOLID.positions.copy()
_GAP[2, 0, 3] = np.nan
_ANGLES = Channel("Anna:LKneeAngles", "angles", "deg", np.linspace(0, 60, 96, dtype=np.float32).reshape(32, 3))
_EVENTS = {"USED": [2, [], [1]], "LABELS": [-1, [11, 1], ["Foot Strike"]], "TIMES": [4, [2, 1], [0.0, 0.25]]}
_SUBJECTS = replace(
    walk(32, people=2), ids=("Anna", "Ben"), unit="mm",
    metadata={"source_format": "c3d", "c3d": {"events": _EVENTS, "order": [[38, 38], [0, 37]]}, **store_channels([_ANGLES])},
)  # fmt: skip
_GAPPY = PoseSequence.from_arrays(_GAP, fps=29.97, skeleton=_SOLID.skeleton, unit="mm", up="y")
_INSTANCE = {"keypoints": [[1.5, 2.5]] * 17, "keypoint_scores": [0.5] * 17, "bbox": [[1, 2, 3, 4]], "bbox_score": 0.9}
_META = {"keypoint_id2name": {str(i): f"k{i}" for i in range(17)}}
_POSE = {"pose": [0.25, 0.5] * 18, "score": [0.75] * 18}
_JOINTS = {"body_id": 1, "joint_positions": [[1.5, 2.5, 3000.5]] * 32}
_DETECTION = {
    "name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}, "track_id": 1,
    "keypoints": {"x": [1.5] * 17, "y": [2.5] * 17, "visible": [0.5] * 17},
}  # fmt: skip
_MARKS = [{"x": 0.1, "y": 0.2, "z": 0.3, "visibility": 0.9}] * 33
MAKERS: dict[str, list[Callable[[], bytes]]] = {
    "npz": [write("npz", _GAPPY, ".npz")],
    "npy": [write("npy", _GAPPY, ".npy")],
    "csv": [
        write("csv", _GAPPY, ".csv"),
        write("csv", _PEOPLE, ".csv"),
        lambda: b"frame;x_nose;y_nose\n0;1,5;2\n1;;\n",
        lambda: b"frame,type,landmark_index,x,y,z\n0,pose,0,1,2,3\n0,pose,1,1,2,3\n2,pose,0,1,2,\n",
    ],
    "pose": [write("pose", flatten(_PEOPLE), ".pose")],
    "openpose": [write("openpose", flatten(_PEOPLE).mapped_to(BODY25), "")],
    "panoptic": [write("panoptic", _PEOPLE, ".tar")],
    "coco": [
        write("coco", flatten(_PEOPLE), ".json"),
        write("coco", flatten(_PEOPLE, coco={"results": True}), ".json"),
    ],
    "alphapose": [write("alphapose", flatten(_PEOPLE, source_format="alphapose"), ".json")],
    "mmpose": [
        write_json([{"frame_id": i, "instances": [_INSTANCE] * (i % 3)} for i in range(4)]),
        write_json(
            {"meta_info": _META, "instance_info": [{"frame_id": i, "instances": [_INSTANCE]} for i in range(3)]}
        ),
    ],
    "mediapipe": [
        write_json({"fps": 30, "frames": [{"pose_landmarks": _MARKS}, None, {"pose_landmarks": _MARKS}]}),
        write_json([_MARKS, _MARKS]),
    ],
    "slp": [make_slp],
    "ntu": [make_ntu],
    "kinetics": [
        write_json({"data": [{"frame_index": i, "skeleton": [_POSE] * (i % 3)} for i in range(1, 5)], "label": "a"})
    ],
    "azure_kinect": [
        write_json(
            {"frames": [{"frame_id": i, "timestamp_usec": i * 33333, "bodies": [_JOINTS] * (i % 2)} for i in range(5)]}
        )
    ],
    "ultralytics": [
        write_json([[_DETECTION], [], [_DETECTION, _DETECTION | {"track_id": 2}]]),
        write_json([_DETECTION]),
    ],
    "yolo": [
        lambda: (
            b"0 0.5 0.5 0.1 0.2" + b" 0.25 0.5 0.9" * 17 + b" 3\n0 0.5 0.5 0.1 0.2" + b" 0.5 0.75 0.9" * 17 + b" 1\n"
        )
    ],
    "trc": [write("trc", _GAPPY, ".trc")],
    "c3d": [write("c3d", walk(32), ".c3d"), write("c3d", _SUBJECTS, ".c3d")],  # whole blocks, so that every cut shows
    "bvh": [lambda: BVH],
    "dlc": [lambda: DLC, write_dlc_h5("table"), write_dlc_h5("fixed"), lambda: DLC_MULTI],
    "sleap": [make_sleap],
    "humanml3d": [write_npy(np.ones((5, 22, 3), np.float32))],
    "freemocap": [write_npy(np.ones((5, 33, 3)))],
    "h36m": [make_h36m],
    "motive": [lambda: MOTIVE],
    "vicon": [lambda: VICON],
    "sto": [write("sto", _GAPPY, ".sto")],
    "mat": [make_mat, make_mat_73],
    "idtracker": [lambda: IDTRACKER, make_idtracker_h5],
    "qualisys": [write("qualisys", _GAPPY, ".tsv"), lambda: QUALISYS],
}
ITEMS = {"h36m": "S1/Walking", "mat": "xyz"}  # The recording in files of formats that may hold several
NAMES = {
    "openpose": "take.json",
    "yolo": "take.txt",
    "panoptic": "take.tar",
    "freemocap": "mediapipe_body_3d_xyz.npy",
    "idtracker": "trajectories.csv",
}
"""What their users call such files, where that is not take.SUFFIX."""

FUZZED = MAKERS | {"frames": [lambda: b"frame,nose_x,nose_y\n0,1,2\n", write_json([_MARKS])]}
"""What the fuzzers damage: a folder of frames too, by one of its files."""


def name_file(name: str, data: bytes) -> str:
    """What users call a file of a format that begins with such bytes."""
    if name in ("dlc", "idtracker") and data[:4] == b"\x89HDF":
        return "take.h5"
    if name == "frames":
        return "take_2.json" if data[:1] == b"[" else "take_2.csv"
    return NAMES.get(name, f"take{FORMATS[name].suffixes[0]}")
