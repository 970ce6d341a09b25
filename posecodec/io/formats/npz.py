"""posecodec's own `.npz`: a PoseSequence as plain NumPy arrays, returned exactly.

Keys: positions, confidence, fps or timestamps, unit, up, keypoints, skeleton, ids, metadata (JSON text), and for a
custom skeleton edges, pairs, root. Text is unicode arrays; nothing needs pickle. Only `positions` must be there.
The order of keypoints is a skeleton's identity: names equal to a built-in skeleton's give the built-in one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, NoRateError, UsageError
from posecodec.io import AnyPath, Clue, Format, guard_reader, read_bytes, write_atomic
from posecodec.io.formats.npy import guess_skeleton, unflatten
from posecodec.io.parsing import frame_rates, numpy_arrays, pixel_columns, zip_archive
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton

Arrays = Mapping[str, NDArray[Any]]

ROTATIONS = frozenset(
    "poses pose_body pose_hand root_orient body_pose global_orient smpl_poses smpl_pose thetas fullpose betas dmpls".split()
)
"""Arrays that AMASS and others give their rotations and shapes in."""
KEYS = "positions confidence fps timestamps unit up keypoints skeleton edges pairs root ids metadata".split()


@guard_reader
def read(
    path: Path, *, fps: float | None = None, skeleton: Skeleton | None = None, columns: str | None = None
) -> PoseSequence:
    """A sequence from an `.npz` of ours, or one with at least `positions` (T, P, K, D) or (T, K, D).

    fps: instead of the file's rate or timestamps, or where it has none. skeleton: where the file has none.
    columns: "xyc" or "xyz", whether the third column is a confidence; without it and an array of confidences the values tell.
    Raises InputError if an array is missing, of the wrong type, or larger than the file can hold.
    """
    arrays = _read_members(read_bytes(path))
    if "positions" not in arrays:
        raise InputError(f"no array 'positions', only {sorted(arrays)}; rename the one that holds them")
    if fps is None and not {"fps", "timestamps"} & arrays.keys():
        raise NoRateError(frame_rates.NO_RATE)
    skeleton = _read_skeleton(arrays) or skeleton
    points, confidence = unflatten(arrays["positions"], skeleton), arrays.get("confidence")
    unit, up = (_read_text(arrays, key, "unknown") for key in ("unit", "up"))
    if confidence is None:
        solid = columns is None and unit in UNIT_MM  # what states a length has no pixels
        points, confidence = pixel_columns.split_confidence(points, "xyz" if solid else columns)
        unit, up = (
            (unit, up) if confidence is None else ("px" if unit == "unknown" else unit, "-y" if up == "unknown" else up)
        )
    elif columns == "xyc":
        raise UsageError("the file has an array of confidences; leave out --columns xyc")
    stated = float(_read_numbers(arrays, "fps", "fiu").item()) if "fps" in arrays and fps is None else None
    ids = _read_texts(arrays, "ids") if "ids" in arrays else None
    metadata = json.loads(_read_text(arrays, "metadata", "{}"))
    if not isinstance(metadata, dict):
        raise InputError(f"array 'metadata' holds a JSON {type(metadata).__name__}; an object {{...}} is needed")
    return PoseSequence.from_arrays(
        points, fps=stated if fps is None else fps, timestamps=arrays.get("timestamps") if fps is None else None,
        confidence=confidence, skeleton=skeleton or guess_skeleton(points), unit=unit, up=up, ids=ids,
        metadata=metadata, exact=True,
    )  # fmt: skip


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """Everything the sequence holds; equal sequences give equal bytes.

    Raises UsageError if the metadata are not JSON or a text ends in NUL (NumPy would drop it).
    """
    try:
        metadata = json.dumps(dict(sequence.metadata))
    except (TypeError, ValueError) as error:
        raise UsageError(f"the metadata are not JSON values ({error}); .npz cannot hold them") from error
    arrays: dict[str, Any] = {"positions": sequence.positions, "confidence": sequence.confidence.astype("<f4")}
    arrays |= {"unit": _encode_text(sequence.unit), "up": _encode_text(sequence.up)}
    arrays |= _encode_skeleton(sequence.skeleton)
    arrays |= {"ids": _encode_text(sequence.ids), "metadata": _encode_text(metadata)}
    if sequence.fps is not None:
        arrays["fps"] = np.float64(sequence.fps)
    if sequence.timestamps is not None:
        arrays["timestamps"] = sequence.timestamps.astype("<f8")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            entry = zipfile.ZipInfo(f"{key}.npy")  # without a date, so that the bytes depend on the arrays alone
            archive.writestr(entry, numpy_arrays.encode_array(np.asarray(array)))
    write_atomic(path, stream.getvalue(), force)


def _read_members(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that we know, by key; others are not read."""
    wanted = {f"{key}{ending}" for key in KEYS for ending in ("", ".npy")}
    members, names = zip_archive.read_members(io.BytesIO(data), wanted, len(data))
    if "positions.npy" not in members and "positions" not in members:
        _refuse_rotations({name.removesuffix(".npy") for name in names})
    if not members:
        raise InputError(f"no array 'positions', only {names[:20]}; rename the one that holds them")
    keys = {name.removesuffix(".npy"): content for name, content in members.items()}
    return {key: numpy_arrays.decode_array(content, f"array {key!r}") for key, content in keys.items()}


def _refuse_rotations(names: Set[str]) -> None:
    """Raises InputError where the arrays are parameters of a body model: rotations, which are no positions."""
    held = sorted(names & ROTATIONS)
    if held:
        what = f"pose parameters of a body model such as SMPL-H ({', '.join(held)}), as AMASS has them, not positions"
        remedy = "run the body model on them and save its joints as positions (T, K, 3), with fps"
        raise InputError(f"the archive holds {what}; {remedy}")


def _read_skeleton(arrays: Arrays) -> Skeleton | None:
    """The skeleton the arrays describe, None where they name no keypoints (then the count decides)."""
    name = _read_text(arrays, "skeleton", "")
    if "keypoints" not in arrays:
        return BUILT_IN.get(name)
    known = build_skeleton(_read_texts(arrays, "keypoints"))
    if known.name in BUILT_IN:
        return known
    root = int(_read_numbers(arrays, "root").item()) if "root" in arrays else -1
    edges, pairs = _read_pairs(arrays, "edges"), _read_pairs(arrays, "pairs")
    return Skeleton(name or "custom", known.keypoints, edges, pairs, None if root < 0 else root)


def _encode_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    arrays: dict[str, Any] = {"keypoints": _encode_text(skeleton.keypoints), "skeleton": _encode_text(skeleton.name)}
    if skeleton.keypoints == getattr(BUILT_IN.get(skeleton.name), "keypoints", None):
        return arrays
    arrays["edges"] = np.array(skeleton.edges, "<i8").reshape(-1, 2)
    arrays["pairs"] = np.array(skeleton.pairs, "<i8").reshape(-1, 2)
    arrays["root"] = np.int64(-1 if skeleton.root is None else skeleton.root)
    return arrays


def _read_pairs(arrays: Arrays, key: str) -> tuple[tuple[int, int], ...]:
    if key not in arrays:
        return ()
    rows = _read_numbers(arrays, key)
    if rows.ndim != 2 or rows.shape[1] != 2:
        raise InputError(f"array {key!r} has shape {rows.shape}; (n, 2) keypoint indices are needed")
    return tuple((int(a), int(b)) for a, b in rows)


def _read_numbers(arrays: Arrays, key: str, kinds: str = "iu") -> NDArray[Any]:
    array = arrays[key]
    if array.dtype.kind not in kinds:
        raise InputError(f"array {key!r} is of type {array.dtype}; numbers are needed")
    return array


def _read_text(arrays: Arrays, key: str, default: str) -> str:
    if key not in arrays:
        return default
    if arrays[key].dtype.kind != "U" or arrays[key].size != 1:
        raise InputError(f"array {key!r} is {arrays[key].dtype} {arrays[key].shape}; one unicode text is needed")
    return str(arrays[key].item())


def _read_texts(arrays: Arrays, key: str) -> list[str]:
    if arrays[key].dtype.kind not in "Uiu" or arrays[key].ndim != 1:
        raise InputError(f"array {key!r} is {arrays[key].dtype} {arrays[key].shape}; a list of unicode texts is needed")
    return [str(value) for value in arrays[key].tolist()]


def _encode_text(value: str | Sequence[str]) -> NDArray[Any]:
    plain = value if isinstance(value, str) else list(value)
    array = np.array(plain, np.str_)
    if array.tolist() != plain:
        raise UsageError(f"the text {plain!r} ends in a NUL character, which .npz cannot hold; rename it")
    return array


FORMAT = Format(
    name="npz", title="posecodec's own NumPy archive", suffixes=(".npz",), own_suffixes=(".npz",), read=read,
    write=write, options=("fps", "skeleton", "columns"), channels=True,
    sniff=lambda file: Clue("being a zip archive") if file.is_zip else None, priority=90,
)  # fmt: skip
