"""Files that nobody here reads, each with the way round: by their first bytes, or by their suffix where those say nothing.

Asked after all formats, so that one that somebody adds goes first.
"""

from __future__ import annotations

import zipfile
from io import BytesIO

from posecodec.io.sniffing import Source

_ESTIMATE = "run a pose estimator on it (MediaPipe, MMPose, DeepLabCut, ...) and give the keypoints"
PICKLE = (
    "a pickle, which runs code when it is loaded, and is not read: load it where you trust it, and save the positions "
    "(positions = (T, K, D), fps) as .npz or .csv"
)
_VIDEO, _IMAGE = f"a video: {_ESTIMATE}", f"an image: {_ESTIMATE}"
_SHEET = "a spreadsheet: save the sheet as .csv"
_SCENE = "a scene of a 3D program: export the motion as BVH or C3D"
_ARCHIVE = "an archive: unpack it and give what is in it"
_PACKED = "compressed: unpack it (only gzip is unpacked here)"
_COLUMNS = "a table of columns: save it as .csv (pandas: read it, then to_csv)"
_MODEL = "a model, no recording: give the motion (.trc, .c3d, .sto)"
_TEXT = "a document: export the data as .csv"
_PAGE = "a web page, perhaps what a server says instead of the file: fetch the file again"

_BY_SUFFIX = {
    PICKLE: "pkl pickle p joblib pt pth ckpt",
    _VIDEO: "mp4 avi mov mkv webm wmv m4v mts m2ts mpg mpeg flv ts",
    _IMAGE: "jpg jpeg png bmp tif tiff gif webp heic",
    _SHEET: "xlsx xlsm xls ods numbers",
    _SCENE: "fbx blend usd usda usdc usdz abc ma mb max dae c4d",
    _ARCHIVE: "zip 7z rar",
    _PACKED: "xz bz2 zst lz4 lzma z",
    _COLUMNS: "parquet feather arrow rds rda rdata sav dta",
    _MODEL: "osim urdf xcp vsk cal mcal",
    _TEXT: "pdf doc docx",
    "a take of Motive's: export tracking data (.csv) or C3D": "tak",
    "a measurement of QTM's: export .tsv or C3D": "qtm",
    "a trial of Vicon's before labeling: export C3D or ASCII from Nexus": "x1d x2d enf system",
    "Cortex' own: export .trc or .c3d": "trb anb anc cap",
    "Xsens' own: export C3D or BVH": "mvn mvnx",
    "rotations of Acclaim's skeletons: convert it to BVH": "amc asf",
    "rotations of a character: export BVH": "vmd anim",
    "a recording of ROS: extract the positions as .csv": "bag mcap db3",
    "a cmo of Visual3D's: export .c3d or an ASCII table": "cmo cmz",
}
_SUFFIXES = {f".{suffix}": what for what, suffixes in _BY_SUFFIX.items() for suffix in suffixes.split()}
_AT = (
    (0, b"\xd0\xcf\x11\xe0", _SHEET), (0, b"Kaydara FBX", _SCENE), (0, b"; FBX", _SCENE), (0, b"BLENDER", _SCENE),
    (4, b"ftyp", _VIDEO), (8, b"AVI ", _VIDEO), (0, b"\x1a\x45\xdf\xa3", _VIDEO), (0, b"\x89PNG", _IMAGE),
    (0, b"\xff\xd8\xff", _IMAGE), (0, b"GIF8", _IMAGE), (0, b"\xfd7zXZ", _PACKED), (0, b"BZh", _PACKED),
    (0, b"\x28\xb5\x2f\xfd", _PACKED), (0, b"PAR1", _COLUMNS), (0, b"ARROW1", _COLUMNS), (0, b"7z\xbc\xaf", _ARCHIVE),
    (0, b"Rar!", _ARCHIVE), (0, b"%PDF", _TEXT), (0, b"<!DOCTYPE html", _PAGE), (0, b"<html", _PAGE),
    (0, b"<!doctype html", _PAGE),
    (0, b"version https://git-lfs", "a pointer of Git LFS to the file: fetch the file itself (git lfs pull)"),
)  # fmt: skip
"""Marks: where they stand, what they are, what they tell."""
_BESIDE = {
    "participants.tsv": b"participant_id", "_scans.tsv": b"filename", "_sessions.tsv": b"session_id",
    "_events.tsv": b"onset", "_channels.tsv": b"tracked_point",
}  # fmt: skip
"""Ends of names of a BIDS data set's tables that are beside recordings, each with a column that it has."""
_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
_IN_ZIP = (("xl/", _SHEET), ("content.xml", _SHEET), ("word/", _TEXT), ("/data.pkl", PICKLE))


def explain(source: Source) -> str | None:
    """What a file is that no format has, and what to do instead; None where that is not known either."""
    head = source.head
    by_name = _SUFFIXES.get(source.suffix)
    if head.startswith(_PICKLE_STARTS):
        return PICKLE
    found = next((what for at, mark, what in _AT if head[at : at + len(mark)] == mark), None)
    if found is None and _stands_beside(source):
        found = "a table beside recordings of Motion-BIDS: give ..._motion.tsv"
    if found is None and source.is_zip:
        found = _look_into_zip(source.data)
    if found is None and by_name is not None and (by_name is PICKLE or source.is_zip or b"\0" in head):
        found = by_name
    return found


def explain_name(source: Source) -> str | None:
    """What a file is by its suffix, whatever is in it."""
    return _SUFFIXES.get(source.suffix)


def _stands_beside(source: Source) -> bool:
    name, columns = source.name.lower().removesuffix(".gz"), source.first_line.lower().split(b"\t")
    return any(name.endswith(end) and column in columns for end, column in _BESIDE.items())


def _look_into_zip(data: bytes) -> str | None:
    """What a zip archive is that holds no arrays of NumPy's."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
    except (OSError, ValueError, RuntimeError, LookupError, zipfile.BadZipFile):
        return None
    if any(name.endswith(".npy") for name in names):
        return None
    return next((what for mark, what in _IN_ZIP if any(mark in name for name in names)), _ARCHIVE)
