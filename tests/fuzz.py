"""Fuzz the readers: `python tests/fuzz.py --seconds 300 [FORMAT ...]`; not run by pytest.

Small good files of every format are damaged at random (bytes, numbers, words, lines, structure, lengths) and read. Anything
but a PosecodecError is a failure, an exception that is a mistake of a reader's too (`expose_bugs`), and so is memory beyond
10 times the file + 200 MB (peak resident set of this process, reset before every read). Failing files are kept in a folder
that is named at the end, the first of each kind; all are counted. Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecodec import load
from posecodec.errors import PosecodecError
from posecodec.io import FORMATS
from posecodec.io.filesystem import expose_bugs
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk

SPARE, TIMES = 200 << 20, 10
NUMBERS = (
    b"-1",
    b"0",
    b"1e308",
    b"1e999",
    b"nan",
    b"99999999999999999999",
    b"4294967295",
    b"65536",
    b"",
    b"null",
    b'"x"',
    b"[]",
)


def flat(sequence: PoseSequence) -> PoseSequence:
    """The same seen from the side, in pixels."""
    return PoseSequence.from_arrays(
        sequence.positions[..., :2], fps=30, skeleton=sequence.skeleton, unit="px", up="-y", ids=sequence.ids
    )


def written(name: str, sequence: PoseSequence, suffix: str) -> bytes:
    """A good file by our own writer; of a folder its first file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            FORMATS[name].write(sequence, path)
        return (sorted(path.iterdir())[1] if path.is_dir() else path).read_bytes()


def numpy_bytes(array: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


BVH = """HIERARCHY
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


def mmpose() -> bytes:
    person = {"keypoints": [[1.5, 2.5]] * 17, "keypoint_scores": [0.5] * 17, "bbox": [[1, 2, 3, 4]], "bbox_score": 0.9}
    return json.dumps([{"frame_id": i, "instances": [person] * (i % 3)} for i in range(4)]).encode()


def mediapipe() -> bytes:
    marks = [{"x": 0.1, "y": 0.2, "z": 0.3, "visibility": 0.9}] * 33
    return json.dumps({"fps": 30, "frames": [{"pose_landmarks": marks}, None, {"pose_landmarks": marks}]}).encode()


def dlc_csv() -> bytes:
    rows = [
        "scorer,net,net,net,net,net,net",
        "bodyparts,nose,nose,nose,tail,tail,tail",
        "coords,x,y,likelihood,x,y,likelihood",
    ]
    return "\n".join([*rows, *(f"{t},1.5,2.5,0.9,,,0.1" for t in range(4))]).encode()


def dlc_h5() -> bytes:
    import pandas

    columns = pandas.MultiIndex.from_product(
        [["net"], ["nose", "tail"], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.h5"
        pandas.DataFrame(np.ones((4, 6)), columns=columns).to_hdf(path, key="df_with_missing", format="table", mode="w")
        return path.read_bytes()


def sleap() -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["tracks"] = np.ones((2, 2, 3, 5))
        file["point_scores"] = np.ones((2, 3, 5))
        file["node_names"] = np.array([b"a", b"b", b"c"])
        file["track_names"] = np.array([b"t0", b"t1"])
    return stream.getvalue()


def h36m() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(
        stream, positions_3d=np.array({"S1": {"Walking": np.ones((4, 32, 3), np.float32)}}, dtype=object)
    )
    return stream.getvalue()


def seeds() -> dict[str, list[Callable[[], bytes]]]:
    """Makers of good files by format."""
    solid, people = walk(6), walk(5, people=2)
    gap = solid.positions.copy()
    gap[2, 0, 3] = np.nan
    broken = PoseSequence.from_arrays(gap, fps=29.97, skeleton=solid.skeleton, unit="mm", up="y")
    named = replace(flat(people), metadata={"source_format": "alphapose"})
    return {
        "npz": [lambda: written("npz", broken, ".npz")],
        "npy": [lambda: written("npy", broken, ".npy")],
        "csv": [
            lambda: written("csv", broken, ".csv"), lambda: written("csv", people, ".csv"),
            lambda: b"frame;x_nose;y_nose\n0;1,5;2\n1;;\n",
            lambda: b"frame,type,landmark_index,x,y,z\n0,pose,0,1,2,3\n0,pose,1,1,2,3\n2,pose,0,1,2,\n",
        ],
        "pose": [lambda: written("pose", flat(people), ".pose")],
        "openpose": [lambda: written("openpose", flat(people).mapped_to(body25()), "")],
        "panoptic": [lambda: written("panoptic", people, ".tar")],
        "coco": [lambda: written("coco", flat(people), ".json")],
        "alphapose": [lambda: written("alphapose", named, ".json")],
        "mmpose": [mmpose],
        "mediapipe": [mediapipe],
        "trc": [lambda: written("trc", broken, ".trc")],
        "c3d": [lambda: written("c3d", broken, ".c3d")],
        "bvh": [BVH.encode],
        "dlc": [dlc_csv, dlc_h5],
        "sleap": [sleap],
        "humanml3d": [lambda: numpy_bytes(np.ones((5, 22, 3), np.float32))],
        "freemocap": [lambda: numpy_bytes(np.ones((5, 33, 3)))],
        "h36m": [h36m],
    }  # fmt: skip


def body25():  # noqa: ANN201
    from posecodec.pose.skeletons.builtin import BODY25

    return BODY25


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The file with one to five faults."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        data = rng.choice((flip, cut, splice, number, word, line, grow))(data, rng)
    return data


def flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice((1, 2, 8))):
        changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    start, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, len(data)))
    return data[:start] + data[start + size :]


def splice(data: bytes, rng: random.Random) -> bytes:
    a, b, size = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1), rng.choice((1, 4, 16, 64))
    return data[:a] + data[b : b + size] + data[a:]


def number(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+\.?\d*", data[: 1 << 16]))
    if not found:
        return flip(data, rng)
    place = rng.choice(found)
    return data[: place.start()] + rng.choice(NUMBERS) + data[place.end() :]


def word(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(rb"[A-Za-z_]{2,}|[\[\]{}:,;\t]", data[: 1 << 16]))
    if not found:
        return cut(data, rng)
    place = rng.choice(found)
    other = rng.choice((b"", b"x", b"[", b"]", b"{", b"}", b'"', b",", b"\xff", rng.choice(found).group()))
    return data[: place.start()] + other + data[place.end() :]


def line(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    place = rng.randrange(len(lines))
    lines[place : place + 1] = rng.choice(([], [lines[place]] * 2, [lines[rng.randrange(len(lines))]]))
    return b"\n".join(lines)


def grow(data: bytes, rng: random.Random) -> bytes:
    """A little-endian count made large."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.choice((b"\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x40", b"\xff" * 8)) + data[place + 4 :]


def peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) << 10  # type: ignore[index]


def fuzz(name: str, seconds: float, kept: Path, rng: random.Random) -> tuple[int, int, int]:
    """(reads, reads that succeeded, failures) of one format in so many seconds."""
    suffix = {"openpose": ".json", "dlc": "", "freemocap": ".npy"}.get(name, FORMATS[name].suffixes[0] or ".tar")
    good = [maker() for maker in seeds()[name]]
    reads = fine = failures = 0
    seen: set[tuple[type, str]] = set()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            seed = rng.choice(good)
            data = damaged(seed, rng)
            kind = (".h5" if data[:4] == b"\x89HDF" or seed[:4] == b"\x89HDF" else ".csv") if name == "dlc" else suffix
            path = Path(folder) / f"mediapipe_body_3d_xyz{kind}"
            path.write_bytes(data)
            Path("/proc/self/clear_refs").write_text("5")
            before = peak()
            reads += 1
            try:
                with expose_bugs():
                    load(path, format=name, fps=rng.choice((None, 30.0)), item="S1/Walking" if name == "h36m" else None)
                fine += 1
            except PosecodecError:
                pass
            except BaseException as error:  # noqa: BLE001
                if isinstance(error, KeyboardInterrupt):
                    raise
                failures += 1
                where = (type(error), str(traceback.extract_tb(error.__traceback__)[-1]))
                if where not in seen:
                    seen.add(where)
                    traceback.print_exc()
                    (kept / f"{name}-{reads}{kind}").write_bytes(data)
            if peak() - before > TIMES * len(data) + SPARE:
                failures += 1
                print(f"{name}: {peak() - before >> 20} MB for a file of {len(data)} bytes")
                (kept / f"{name}-{reads}-memory{kind}").write_bytes(data)
    return reads, fine, failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kept = Path(tempfile.mkdtemp(prefix="posecodec-fuzz-"))
    failed = 0
    for name in options.formats or FORMATS:
        reads, fine, failures = fuzz(name, options.seconds, kept, random.Random(options.seed))
        failed += failures
        print(f"{name:10} {reads:8} reads, {fine:8} of them good, {failures} failures", flush=True)
    print(f"failing files are in {kept}" if failed else "no failures")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
