"""Files made to cost more than their bytes justify, in time or memory, of every format that unpacks or counts."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from good_files import ITEMS
from limits import measure_read
from numpy.lib import format as layout
from slp_files import encode_project, start_tables

from posecodec import PoseSequence
from posecodec.errors import InputError

h5py = pytest.importorskip("h5py")
pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells peaks of memory"),
    pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning"),
]


def pack_npy(shape: tuple[int, ...], descr: object = "<f4", body: bytes = b"") -> bytes:
    stream = io.BytesIO()
    head = {"descr": descr, "fortran_order": False, "shape": shape}
    layout.write_array_header_2_0(stream, head)
    return stream.getvalue() + body


def pack_zip(members: dict[str, bytes], states: int | None = None) -> bytes:
    """states: instead of the size of the first member, in the directory."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        if states is not None:
            archive.filelist[0].file_size = states
    return stream.getvalue()


def pack_tar(pack: Callable[[bytes], bytes]) -> bytes:
    scene = {"version": 0.7, "fpsType": "hd_29_97", "bodies": [{"id": 0, "joints19": [1.0] * 76}]}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in (("other.bin", bytes(30 << 20)), ("body3DScene_00000001.json", json.dumps(scene).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return pack(stream.getvalue())


def write_bvh(joints: int, rows: int = 1, nested: bool = True) -> bytes:
    start, end = ("JOINT a\n{\nOFFSET 0 1 0\nCHANNELS 1 Zrotation\n", "}\n")
    inner = start * joints + end * joints if nested else (start + end) * joints
    head = f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\nCHANNELS 1 Zrotation\n{inner}}}\nMOTION\nFrames: {rows}\n"
    return (head + "Frame Time: 0.1\n" + (" ".join(["0"] * (joints + 1)) + "\n") * rows).encode()


def write_still_bvh(joints: int, rows: int) -> bytes:
    """One channel, and joints that none moves."""
    inner = "JOINT a\n{\nOFFSET 0 1 0\n}\n" * joints
    head = f"HIERARCHY\nROOT r\n{{\nOFFSET 0 0 0\nCHANNELS 1 Zrotation\n{inner}}}\nMOTION\nFrames: {rows}\n"
    return (head + "Frame Time: 0.1\n" + "0\n" * rows).encode()


def write_csv(count: int, axes: str = "xy", marks: str = "_") -> bytes:
    names = ["frame", *(f"k{i}{marks[i % len(marks)]}{axis}" for i in range(count) for axis in axes)]
    return (",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n").encode()


def write_rows(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def write_trc(names: list[str], *rows: str) -> bytes:
    head = [
        "PathFileType\t4\t(X/Y/Z)\ta",
        "DataRate\tNumFrames\tNumMarkers\tUnits",
        f"30\t{len(rows)}\t{len(names)}\tmm",
    ]
    return write_rows(*head, "Frame#\tTime\t" + "\t\t\t".join(names), "", *rows)


def write_pose(names: list[tuple[str, int]], frames: int = 1, people: int = 1) -> bytes:
    """names: of components, and how many points without a name each has."""
    head = struct.pack("<f4H", 0.2, 1, 1, 1, len(names))
    for name, count in names:
        head += struct.pack("<H", len(name)) + name.encode() + b"\x03\0XYC" + struct.pack("<3H", count, 0, 0)
        head += b"".join(struct.pack("<H", 4) + f"{i:04x}".encode() for i in range(count))
    points = sum(count for _, count in names)
    return head + struct.pack("<fIH", 30, frames, people) + bytes(12 * frames * people * points)


def pack_matrix(name: bytes, kind: int, shape: tuple[int, ...], body: bytes) -> bytes:
    def element(code: int, data: bytes) -> bytes:
        return struct.pack("<II", code, len(data)) + data + bytes(-len(data) % 8)

    inner = (
        element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
    )
    return element(14, inner + body)


def pack_empty(code: int, size: int = 0) -> bytes:
    return struct.pack("<II", code, size)


def pack_mat(*matrices: bytes) -> bytes:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\x01IM"
    packed = [zlib.compress(matrix, 9) for matrix in matrices]
    return head + b"".join(struct.pack("<II", 15, len(data)) + data for data in packed)


def pickle_subjects(subjects: int, actions: int) -> bytes:
    """Each subject has the same actions, which are in the file once."""
    inner = b"}(" + b"".join(b"I%d\nN" % i for i in range(actions)) + b"uq\x01"
    value = b"(}(I-1\n" + inner + b"".join(b"I%d\nh\x01" % i for i in range(subjects)) + b"ul"
    object_array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n)cnumpy\ndtype\n(U\x02O8I0\nI1\ntR"
    )
    object_array += b"(I3\nU\x01|NNNI-1\nI-1\nI0\ntbI00\n" + value + b"tb."
    return pack_zip({"positions_3d.npy": pack_npy((), "|O", object_array)})


def write_kinetics(*frames: int) -> bytes:
    skeleton = [{"pose": [0.5] * 36, "score": [0.5] * 18}]
    return json.dumps({"data": [{"frame_index": frame, "skeleton": skeleton} for frame in frames]}).encode()


def write_coco(*frames: int) -> bytes:
    return json.dumps([detect_pose(frame) for frame in frames]).encode()


def write_dlc(bodyparts: int) -> bytes:
    """Of as many individuals, each with a bodypart that no other has."""
    names = [str(i) for i in range(bodyparts) for _ in "xy"]
    rows = (
        ["scorer", *["s"] * len(names)],
        ["individuals", *names],
        ["bodyparts", *names],
        ["coords", *"xy" * bodyparts],
    )
    return write_rows(*map(",".join, rows), ",".join(["0", *["1"] * len(names)]))


def write_c3d(parameters: int) -> bytes:
    """A section of parameters of which each holds the rest of the file."""
    record = struct.pack("<bb", 1, 1) + b"A" + struct.pack("<HbBBBB", 7, -1, 3, 60, 60, 20)
    section = b"\x01\x50\x00\x54" + record * parameters
    blocks = -(-len(section) // 512) + 2
    return (
        b"\x02\x50"
        + struct.pack("<4H", 1, 0, 1, 1)
        + struct.pack("<HfH", 0, 1, blocks).ljust(502, b"\0")
        + section
        + bytes(-len(section) % 512 + 100_000)
    )


def write_slp() -> bytes:
    """Frames of which each has all instances."""
    tables = start_tables()
    tables["frames"] = [(i, 0, i, 0, 20_000) for i in range(20_000)]
    tables["instances"] = [(i, 2, 0, 0, -1, -1, 0.5, 0, 0, 0.0) for i in range(20_000)]
    return encode_project(tables)


def write_packed_slp() -> bytes:
    """A table of 8 MB, as many as are read of any file, in a few kB."""
    tables = start_tables()
    tables["frames"] = [(i, 0, i, 0, 0) for i in range(200_000)]
    return encode_project(tables, compression="gzip")


def write_packed_sleap() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("tracks", data=np.zeros((1, 2, 3, 1_000_000)), compression="gzip")
        file["node_names"], file["track_names"] = np.array([b"a", b"b", b"c"]), np.array([b"t"])
    return stream.getvalue()


def detect_pose(frame: int) -> object:
    return {"image_id": frame, "category_id": 1, "keypoints": [1.0, 2.0, 0.5] * 17, "score": 0.5}


ANNOTATED = b'{"images":[%s],"annotations":[],"categories":[]}'
EVERYBODY_ONCE = write_rows("frame,person,a_x,a_y", *(f"{i},{i},1,2" for i in range(2500)))
NAMES_ONCE = write_rows("frame,keypoint,x,y", *(f"{i},k{i},1,2" for i in range(1200)))
PARTS_ONCE = write_rows("frame,type,landmark_index,x,y", *(f"0,p{i},{i},1,2" for i in range(50_000)))
KEYS = ("positions", "confidence", "ids", "edges", "pairs")
WHOLE = b'{"pose_keypoints_2d":%s,"face_keypoints_2d":%s}' % (str([1.0] * 75).encode(), str([1.0] * 210).encode())
LONG = bytes(30 << 20)
MARKERS, ROW = [f"m{i}" for i in range(50_000)], "1\t0\t1\t2\t3"
LANDMARKS = json.dumps([{"x": 1, "y": 2}] * 2000).encode() + b",null" * 100_000
ATTACKS: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "arrays of zeros": ("npz", "a.npz", lambda: pack_zip({"positions.npy": pack_npy((131_072, 20, 3), "<f4", LONG)})),
    "a size that lies": ("npz", "a.npz", lambda: pack_zip({"positions.npy": bytes(200 << 20)}, 1000)),
    "many members": ("npz", "a.npz", lambda: pack_zip({f"{key}.npy": LONG[: 4 << 20] for key in KEYS})),
    "npz that states a TB": ("npz", "a.npz", lambda: pack_zip({"positions.npy": pack_npy((1 << 36, 19, 3))})),
    "npy that states a TB": ("npy", "a.npy", lambda: pack_npy((1 << 36, 19, 3))),
    "16 million people": ("npy", "a.npy", lambda: pack_npy((0, 1 << 24, 19, 3))),
    "texts without a letter": ("npy", "a.npy", lambda: pack_npy((1 << 24,), "|S0")),
    "arrays in an array": ("npy", "a.npy", lambda: pack_npy((2,), ("<f4", (1,)), bytes(8))),
    "tar.gz": ("panoptic", "a.tar", lambda: pack_tar(gzip.compress)),
    "tar.bz2": ("panoptic", "a.tar", lambda: pack_tar(bz2.compress)),
    "tar.xz": ("panoptic", "a.tar", lambda: pack_tar(lzma.compress)),
    "xz with a large dictionary": ("panoptic", "a.tar", lambda: pack_tar(lambda data: lzma.compress(data, preset=9))),
    "gzip of text": ("csv", "a.csv.gz", lambda: gzip.compress(b"a_x,a_y\n" + b"1,2\n" * (8 << 20))),
    "gzip in gzip": ("csv", "a.csv.gz", lambda: gzip.compress(gzip.compress(LONG))),
    "gzip of 50,000 parts": ("csv", "a.csv.gz", lambda: gzip.compress(b"") * 50_000),
    "8,000 joints": ("bvh", "a.bvh", lambda: write_bvh(8000)),
    "8,000 joints in a row": ("bvh", "a.bvh", lambda: write_bvh(8000, nested=False)),
    "joints that nothing moves": ("bvh", "a.bvh", lambda: write_still_bvh(1000, 900)),
    "200,000 columns": ("csv", "a.csv", lambda: write_csv(100_000)),
    "200,000 columns of numbers": ("csv", "a.csv", lambda: write_rows(",".join(["1"] * 200_000))),
    "columns in many styles": ("csv", "a.csv", lambda: write_csv(2000, "xyzXYZ", "_. :/-")),
    "a gap in a table": ("csv", "a.csv", lambda: b"frame,a_x,a_y\n0,1,2\n1660000,1,2\n"),
    "people who are there once": ("csv", "a.csv", lambda: EVERYBODY_ONCE),
    "names that are there once": ("csv", "a.csv", lambda: NAMES_ONCE),
    "parts of one name each": ("csv", "a.csv", lambda: PARTS_ONCE),
    "a gap in rows": ("trc", "a.trc", lambda: write_trc(["a"], ROW, ROW.replace("1", "1660000", 1))),
    "50,000 markers": ("trc", "a.trc", lambda: write_trc(MARKERS, *[ROW] * 10)),
    "individuals of one bodypart each": ("dlc", "a.csv", lambda: write_dlc(3000)),
    "a gap in detections": ("coco", "a.json", lambda: write_coco(0, 58_000)),
    "images without anybody": ("coco", "a.json", lambda: ANNOTATED % b",".join(b'{"id":%d}' % i for i in range(100_000))),
    "images that are empty": ("coco", "a.json", lambda: ANNOTATED % b",".join([b"{}"] * 500_000)),
    "a gap in frames": ("kinetics", "a.json", lambda: write_kinetics(0, 10**9)),
    "lists in lists": ("mediapipe", "a.json", lambda: b"[" * 1_000_000 + b"]" * 1_000_000),
    "a long number": ("ultralytics", "a.json", lambda: b'[{"keypoints":' + b"9" * 1_000_000 + b"}]"),
    "people without landmarks": ("mediapipe", "a.json", lambda: b'[{"pose_landmarks":[%s]}]' % LANDMARKS),
    "people without sections": ("openpose", "a_1_keypoints.json", lambda: b'{"people":[%s%s]}' % (WHOLE, b",{}" * 100_000)),
    "a long name": ("pose", "a.pose", lambda: write_pose([("n" * 60_000, 2000)])),
    "30,000 points": ("pose", "a.pose", lambda: write_pose([("n" * 900, 30_000)])),
    "4 billion frames of nobody": ("pose", "a.pose", lambda: write_pose([("n", 1)], 2**32 - 1, 0)),
    "empty cells": ("mat", "a.mat", lambda: pack_mat(pack_matrix(b"a", 1, (1, 1 << 19), pack_empty(14) * (1 << 19)))),
    "elements without bytes": ("mat", "a.mat", lambda: pack_mat(pack_empty(9) * (3 << 17))),
    "a matrix of zeros": ("mat", "a.mat", lambda: pack_mat(pack_matrix(b"a", 6, (1, 1), pack_empty(9, 30 << 20) + LONG))),
    "subjects that share actions": ("h36m", "a.npz", lambda: pickle_subjects(20_000, 5000)),
    "a pickle of zeros": ("h36m", "a.npz", lambda: pack_zip({"positions_3d.npy": LONG})),
    "parameters that share their data": ("c3d", "a.c3d", lambda: write_c3d(20_000)),
    "frames that share instances": ("slp", "a.slp", write_slp),
    "a table that packs well": ("slp", "a.slp", write_packed_slp),
    "tracks that pack well": ("sleap", "a.h5", write_packed_sleap),
}  # fmt: skip
SNIFFED = {
    "blank lines": lambda: b"\n" * 65_536,
    "blank lines after a number": lambda: b"1" + b"\n" * 65_536,
    "blank lines after two": lambda: b"1\n1" + b"\n" * 65_536,
    "digits in an object": lambda: b'{"' + b"1" * 65_536,
    "a long name of a column": lambda: b"frame,hand" + b"hand_landmarks" * 9000 + b"_x,b_y\n1,2,3\n",
}


SOUND = ("columns in many styles", "images without anybody", "a table that packs well")  # are read


def check(path: Path, result: type = InputError, **options: object) -> None:
    cost = measure_read(path, Exception, **options)
    if cost.excess:  # once more, with everything loaded
        cost = measure_read(path, Exception, **options)
    assert not cost.excess, f"{cost.excess} for {path.stat().st_size} bytes: {cost.result!r:.200}"
    assert isinstance(cost.result, result), cost.result


@pytest.mark.parametrize("name", ATTACKS)
def test_files_cost_what_they_justify(name: str, tmp_path: Path) -> None:
    known, file, make = ATTACKS[name]
    (tmp_path / file).write_bytes(make())
    result = PoseSequence if name in SOUND else InputError
    check(tmp_path / file, result, format=known, fps=30, item=ITEMS.get(known))


@pytest.mark.parametrize("name", SNIFFED)
def test_looking_at_files_costs_what_they_justify(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(SNIFFED[name]())
    check(tmp_path / "a.csv", fps=30)
