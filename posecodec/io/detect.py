"""Which format a file or folder is in, and what says so: by suffix where that is enough, by content where it is not.

`.json`, `.npy`, `.csv` and `.h5` say little, and standard input nothing; then the first marks found in the content decide.
It reads names and marks only: whether the content makes sense is for the format's reader to find.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

from posecodec.errors import InputError
from posecodec.io.filesystem import AnyPath, read_bytes
from posecodec.io.formats import panoptic

BY_SUFFIX = {
    ".npz": "npz", ".tar": "panoptic", ".pose": "pose", ".bvh": "bvh", ".trc": "trc", ".c3d": "c3d", ".tsv": "csv",
}  # fmt: skip
JSON_MARKS = (
    ("panoptic", b'"joints19"'), ("panoptic", b'"joints15"'), ("openpose", b'"pose_keypoints_2d"'),
    ("openpose", b'"pose_keypoints_3d"'), ("mmpose", b'"keypoint_scores"'), ("mmpose", b'"instance_info"'),
    ("mmpose", b'"instances"'), ("coco", b'"annotations"'), ("mediapipe", b'"visibility"'),
    ("mediapipe", b'andmarks"'), ("coco", b'"image_id"'), ("openpose", b'"people"'), ("mediapipe", b'"x"'),
)  # fmt: skip
HDF5_MARKS = (("dlc", b"df_with_missing"), ("sleap", b"node_names"), ("sleap", b"tracks"))
_FREEMOCAP = re.compile(r"mediapipe_(body|face|left_hand|right_hand)_3d_xyz\.npy|mediapipe.*_3d_xyz\.npy")
_OPENPOSE = re.compile(r".*_keypoints\.json")
HEAD = 1 << 16


@dataclass(frozen=True)
class Guess:
    """format: a name in FORMATS. why: what it was taken for that by."""

    format: str
    why: str


def detect(path: AnyPath) -> Guess:
    """The format of a file or folder. Raises InputError where nothing tells, or the file cannot be read."""
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    suffix = path.suffix.lower()
    if suffix in BY_SUFFIX:
        return Guess(BY_SUFFIX[suffix], f"its suffix {path.suffix}")
    guess = _content(path.name, read_bytes(path))
    if guess is None and suffix == ".csv":
        guess = Guess("csv", f"its suffix {path.suffix}")
    if guess is None:
        raise InputError(f"neither the suffix {path.suffix!r} nor the content names a format; pass --from NAME")
    return guess


def is_recording(folder: Path) -> bool:
    """Whether a folder as a whole is one recording, rather than one that has recordings in it."""
    try:
        found = _folder(folder).format
    except InputError:
        return False
    return found != "panoptic" or panoptic.is_scene(folder, deep=False)


def _folder(folder: Path) -> Guess:
    if panoptic.is_scene(folder):
        return Guess("panoptic", "the body3DScene_*.json in it")
    places = [p for p in (folder, folder / "output_data") if p.is_dir()]
    names = [p.name for place in places for p in place.iterdir()]
    if any(_OPENPOSE.fullmatch(name) for name in names):
        return Guess("openpose", "the *_keypoints.json in it")
    if any(_FREEMOCAP.fullmatch(name) for name in names):
        return Guess("freemocap", "the mediapipe_*_3d_xyz.npy in it")
    raise InputError(
        "no recording in this folder (body3DScene_*.json, *_keypoints.json or mediapipe_*_3d_xyz.npy); "
        "give a file, or --from NAME (format=NAME)"
    )


def _content(name: str, data: bytes) -> Guess | None:
    head = data[:HEAD]
    for found in (_binary(name, head, data), _text(head, data)):
        if found:
            return found
    return None


def _binary(name: str, head: bytes, data: bytes) -> Guess | None:
    if head.startswith(b"\x93NUMPY"):
        return _npy(name, head)
    if head.startswith(b"\x89HDF\r\n"):
        return next(
            (Guess(format, f"the name {mark.decode()} in it") for format, mark in HDF5_MARKS if mark in data), None
        )
    if head.startswith(b"PK\x03\x04"):
        return Guess("npz", "being a zip archive")
    if head[257:262] == b"ustar":
        return Guess("panoptic", "being a tar archive")
    if len(head) >= 4 and abs(struct.unpack("<f", head[:4])[0] - 0.15) < 0.06 and b"\0" in head[:64]:
        return Guess("pose", "beginning with a .pose version")
    if len(head) >= 512 and head[0] < 64 and head[1] == 0x50 and b"\0" in head[:512]:
        return Guess("c3d", "its second byte, 50 hex")
    return None


def _npy(name: str, head: bytes) -> Guess:
    shape = re.search(rb"'shape': \(([0-9, ]*)\)", head)
    sizes = [int(n) for n in shape[1].decode().split(",") if n.strip()] if shape else []
    if _FREEMOCAP.fullmatch(name):
        return Guess("freemocap", "its name")
    if len(sizes) == 3 and sizes[1:] == [22, 3]:
        return Guess("humanml3d", "its shape (T, 22, 3)")
    if len(sizes) == 2 and sizes[1] == 263:
        return Guess("humanml3d", "its 263 columns")
    return Guess("npy", "being a NumPy array")


def _text(head: bytes, data: bytes) -> Guess | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"["):
        return _json(data)
    first = start.split(b"\n", 1)[0].strip()
    if first.startswith(b"HIERARCHY"):
        return Guess("bvh", "beginning with HIERARCHY")
    if first.startswith(b"PathFileType"):
        return Guess("trc", "beginning with PathFileType")
    if first.lower().startswith((b"scorer,", b'"scorer",')):
        return Guess("dlc", "beginning with scorer")
    if first and b"\0" not in head and re.search(rb"[,;\t]|^[-+0-9.]|^# \w+: ", first):
        return Guess("csv", "being a table of text")
    return None


def _json(data: bytes) -> Guess | None:
    if b'"image_id"' in data and re.search(rb'"image_id"\s*:\s*"', data):
        return Guess("alphapose", 'the "image_id" that is a text in it')
    return next((Guess(format, f"the {mark.decode()} in it") for format, mark in JSON_MARKS if mark in data), None)


def shown(guess: Guess) -> str:
    """A guess in words.

    >>> shown(Guess("npz", "its suffix .npz"))
    'npz (by its suffix .npz)'
    """
    return f"{guess.format} (by {guess.why})"
