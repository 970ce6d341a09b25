"""CMU Panoptic Studio recordings: `body3DScene_%08d.json`, one file a frame, in a folder or in the `.tar` they ship as.

19 keypoints in coco19 order, centimeters, the world's y pointing down. A tar is streamed, never extracted to disk.
A keypoint is missing where its confidence is 0 or below (negative marks undetected). Others drop c <= 0.1 as well; here
everything above 0 is kept with its confidence, because nothing may be lost. A body's `id` is the person, although the
Studio can give one person several. Leaves out hands, faces, calibration and the older `joints15`.
"""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, NoRateError, UsageError, report_change
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.filesystem import check_file, find_suffix, write_folder
from posecodec.io.parsing import detections, markers, per_frame
from posecodec.io.unpacking import Unpacked, find_packer
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

FPS = {"hd_29_97": 30000 / 1001, "vga_25": 25.0}  # Frames per second of the `fpsType`s that the Studio writes
INNER_FOLDER = "hdPose3d_stage1_coco19"
_FOLDER_MARK = "body3DScene_*.json"
_NAME = re.compile(r"body3DScene_(\d{1,12})\.json")
_MARK = 8  # bytes that tell what packed a tar
_MAX_COORDINATE = 1e30  # centimeters: beyond any studio, and well within float32
_VERSION = 0.7  # of the files that the Studio publishes
_ID_DIGITS = 18  # ids of so many digits are numbers, as they fit int64; longer ones are text


@dataclass
class _Scene:
    """What the files held: per frame number the bodies as id -> (19, 4), and the frames nobody could read."""

    bodies: dict[int, dict[str, Floats]] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)
    fps_types: set[str] = field(default_factory=set)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """A folder of `body3DScene_*.json`, one that holds the folder `hdPose3d_stage1_coco19`, a `.tar` of them, or one of them.

    Frames run from the first file's number to the last's; those without a file, and those whose JSON is malformed, are
    all missing. metadata: `first_frame`, and the numbers of malformed files as `unreadable_frames`.
    fps: instead of the rate that the files' fpsType means.
    Raises InputError if there are no such files, all are malformed, they hold `joints15`, or the rate is unknown.
    """
    scene = _Scene()
    for number, data in _read_frames(path):
        _add_frame(scene, number, data)
    if not scene.bodies:
        raise InputError("no body3DScene_*.json in it; give the folder or tar that holds them")
    if len(scene.unreadable) == len(scene.bodies):
        raise InputError(f"all {len(scene.bodies)} files are malformed; check that they are Panoptic body3DScene JSON")
    is_tar = not path.is_dir() and find_suffix(path) != ".json"
    return _build_sequence(scene, _find_rate(scene.fps_types) if fps is None else fps, is_tar)


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A folder of `body3DScene_*.json`, or a tar of them if `path` ends in .tar; lengths become centimeters.

    The first file is numbered metadata `first_frame`, else 0. A rate that no fpsType names is not written: such files
    need fps= to be read. People who are missing throughout leave no trace. Raises UsageError if the sequence is not
    3D coco19 with a known unit, y up or down, and a constant rate.
    """
    points, frames = _convert_positions(sequence), range(sequence.frames)
    first = sequence.metadata.get("first_frame", 0)
    first = first if isinstance(first, int) and first >= 0 else 0
    files = {f"body3DScene_{first + t:08d}.json": _encode_frame(sequence, points, t, first) for t in frames}
    if Path(path).suffix.lower() == ".tar":
        write_atomic(path, _encode_tar(files), force)
    else:
        write_folder(path, files, force, lambda name: _NAME.fullmatch(name) is not None)


def is_scene(folder: Path, deep: bool = True) -> bool:
    """Whether the folder, or the Studio's folder in it, or with `deep` any folder in it, holds `body3DScene_*.json`."""
    try:
        found = _find_scene(folder)
        return found is not None and (deep or found in (folder, folder / INNER_FOLDER))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _find_scene(folder: Path) -> Path | None:
    first = [folder, folder / INNER_FOLDER, *sorted(p for p in folder.iterdir() if p.is_dir())]
    return next((f for f in first if f.is_dir() and any(_NAME.fullmatch(p.name) for p in f.iterdir())), None)


def _read_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number, JSON) of each frame; the JSON is empty where it is longer than any."""
    if path.is_dir():
        return _read_folder(path)
    if find_suffix(path) != ".json":
        return _read_tar(path)
    match = _NAME.fullmatch(path.name)
    return iter([(int(match[1]) if match else 0, read_bytes(path))])


def _read_folder(path: Path) -> Iterator[tuple[int, bytes]]:
    folder = _find_scene(path)
    if folder is None:
        raise InputError("no file body3DScene_*.json in this folder; give the one that holds them")
    for file in sorted(folder.iterdir()):
        match = _NAME.fullmatch(file.name)
        if match:
            yield int(match[1]), file.read_bytes() if file.stat().st_size <= per_frame.MAX_FRAME_JSON else b""


def _read_tar(path: Path) -> Iterator[tuple[int, bytes]]:
    check_file(path)
    with path.open("rb") as stream:
        packer = find_packer(stream.read(_MARK))
        stream.seek(0)
        content = Unpacked(stream, path.stat().st_size) if packer else stream
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for member in archive:
                match = _NAME.fullmatch(member.name.rpartition("/")[2])
                if match and member.isfile():
                    inner = archive.extractfile(member) if member.size <= per_frame.MAX_FRAME_JSON else None
                    yield int(match[1]), inner.read() if inner else b""


def _add_frame(scene: _Scene, number: int, data: bytes) -> None:
    if number in scene.bodies:
        raise InputError(f"frame {number} is there twice; keep one recording to a folder or tar")
    scene.bodies[number] = {}
    try:
        content = json.loads(data, parse_constant=_reject_constant)
        bodies = content["bodies"]
        if any("joints15" in body for body in bodies):
            raise InputError(f"frame {number} holds joints15 (the older format); only joints19 is read")
        scene.bodies[number] = _read_bodies(bodies)
        if "fpsType" in content:
            scene.fps_types.add(str(content["fpsType"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError):
        scene.unreadable.append(number)


def _read_bodies(bodies: list[dict[str, Any]]) -> dict[str, Floats]:
    """id -> (19, 4). Raises ValueError, KeyError or TypeError if they are not what the format says."""
    found: dict[str, Floats] = {}
    for body in bodies:
        values, key = np.asarray(body["joints19"]), str(body["id"])
        finite = values.dtype.kind in "fiu" and values.shape == (76,) and (np.abs(values) < _MAX_COORDINATE).all()
        if not finite or key in found:
            raise ValueError("joints19 is not 19 times x, y, z, confidence, or an id repeats")
        found[key] = values.astype(np.float64).reshape(19, 4)
    return found


def _reject_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _find_rate(fps_types: set[str]) -> float:
    if len(fps_types) != 1 or not fps_types <= FPS.keys():
        what = f"the fpsType is {sorted(fps_types) or 'absent'}, expected one of {list(FPS)}"
        raise NoRateError(f"{what}; pass --fps N (fps=N in Python)")
    return FPS[fps_types.pop()]


def _build_sequence(scene: _Scene, fps: float, is_tar: bool) -> PoseSequence:
    people = per_frame.stack_people(scene.bodies, (19, 4))
    values = people.values
    values[~(values[..., 3] > 0)] = np.nan
    metadata: dict[str, Any] = {"source_format": "panoptic", "first_frame": people.first}
    if is_tar:
        metadata["panoptic"] = {"tar": True}
    if scene.unreadable:
        metadata["unreadable_frames"] = sorted(scene.unreadable)
        first = metadata["unreadable_frames"][0]
        report_change(f"{len(scene.unreadable)} files are malformed; their frames are missing (the first is {first})")
    return PoseSequence.from_arrays(
        values[..., :3], fps=fps, confidence=values[..., 3], skeleton=COCO19, unit="cm", up="-y", ids=people.ids,
        metadata=metadata,
    )  # fmt: skip


def _convert_positions(sequence: PoseSequence) -> NDArray[np.floating[Any]]:
    """(T, P, 19, 3) in centimeters, y down."""
    if sequence.skeleton.keypoints != COCO19.keypoints or sequence.dims != 3:
        found = f"{sequence.dims}D {sequence.skeleton.name!r}"
        raise UsageError(f"Panoptic files hold 3D coco19, this is {found}; save as .npz")
    markers.check_unit_and_up(sequence, "Panoptic files are in cm with y down", ("y", "-y"))
    if sequence.fps is None:
        raise UsageError("Panoptic files hold no timestamps; pass --fps N (fps=N in load) or save as .npz")
    points = sequence.positions
    if sequence.unit != "cm":
        points = (points.astype(np.float64) * (UNIT_MM[sequence.unit] / 10)).astype(points.dtype)
    return points if sequence.up == "-y" else points * np.array([1, -1, -1], points.dtype)


def _encode_frame(sequence: PoseSequence, points: NDArray[np.floating[Any]], t: int, first: int) -> bytes:
    rate = sequence.rate
    kind = next((k for k, fps in FPS.items() if math.isclose(rate, fps, rel_tol=1e-9)), None)
    bodies = [
        {"id": detections.encode_id(key, _ID_DIGITS), "joints19": _encode_joints(points[t, p], weights)}
        for p, (key, weights) in enumerate(zip(sequence.ids, sequence.confidence[t], strict=True))
        if sequence.valid[t, p].any()
    ]
    content: dict[str, Any] = {"version": _VERSION, "univTime": round(1000 * (first + t) / rate, 3), "bodies": bodies}
    if kind:
        content["fpsType"] = kind
    return json.dumps(content).encode()


def _encode_joints(points: NDArray[np.floating[Any]], confidence: NDArray[np.float32]) -> list[float]:
    """76 numbers, as short as their floats allow; 0, 0, 0, -1 where missing."""
    if (confidence[~np.isnan(points[:, 0])] <= 0).any():
        raise UsageError("a keypoint has a position but confidence <= 0, which means missing here; save as .npz")
    rows = detections.join_confidence(points, confidence)
    rows[np.isnan(points[:, 0])] = (0, 0, 0, -1)
    return detections.shorten_floats(rows)


def _encode_tar(files: dict[str, bytes]) -> bytes:
    """The files in a folder as the Studio names it, without dates or owners."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{INNER_FOLDER}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def _sniff(file: Source) -> Clue | None:
    if file.is_folder and is_scene(file.path):
        return Clue(f"the {_FOLDER_MARK} in it", is_whole=is_scene(file.path, deep=False))
    return Clue("being a tar archive") if file.is_tar else file.find_in_json(b'"joints19"', b'"joints15"')


def _choose_suffix(metadata: Mapping[str, Any]) -> str:
    """What was a tar becomes one again."""
    facts = metadata.get("panoptic")
    return ".tar" if isinstance(facts, dict) and facts.get("tar") is True else ""


FORMAT = Format(
    name="panoptic", title="CMU Panoptic Studio", suffixes=("", ".tar", ".json"), own_suffixes=(".tar",),
    folder_mark=_FOLDER_MARK, read=read, write=write, sniff=_sniff, priority=41, choose_suffix=_choose_suffix,
)  # fmt: skip
