"""What formats of detections share: people listed frame by frame to a PoseSequence, and its values back to short text.

A body is (K, D + 1) float64: positions and a confidence, NaN positions where a keypoint is missing. Also file names that
number frames. Knows no format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io.filesystem import read_bytes
from posecodec.io.parsing import missing
from posecodec.io.parsing.body_table import BodyTable, Ints
from posecodec.io.parsing.format_metadata import NUMBERS
from posecodec.io.parsing.frame_rates import require_rate
from posecodec.io.parsing.per_frame import check_proportion, list_numbers, parse_json, parse_numbers
from posecodec.memory import check_memory
from posecodec.pose.sequence import FLOAT32_MAX, PoseSequence, narrow_floats
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Bools, Floats

Body = Floats
Listed = Mapping[int, Sequence[tuple[str | None, Body]]]
"""Frame number -> bodies in the file's order, each with its id if it has one."""

_TYPE = np.dtype(np.float64)  # of positions, as numbers of text are
_BYTES_PER_BYTE = 10  # memory of the arrays for a byte of the file: no file that lists bodies needs more
_BYTES_FREE = 20 << 20  # memory that even a small file may ask for
_NUMBERED = re.compile(r"(.*?)(\d{1,15})(\.\w+)?", re.DOTALL)


def build_sequence(
    listed: Listed, skeleton: Skeleton, dims: int, *, fps: float | None, size: int, source: str,
    facts: Mapping[str, Any], unit: str = "px", up: str = "-y", most: float = 1,
) -> PoseSequence:  # fmt: skip
    """As `build_from_table`, of bodies by the number of their frame."""
    table = BodyTable()
    for number, bodies in listed.items():
        table.add_empty(number)
        for key, body in bodies:
            table.add(number, key, body.ravel().tolist())
    return build_from_table(
        table, skeleton, dims, fps=fps, size=size, source=source, facts=facts, unit=unit, up=up, most=most
    )


def build_from_table(
    table: BodyTable, skeleton: Skeleton, dims: int, *, fps: float | None, size: int, source: str,
    facts: Mapping[str, Any], unit: str = "px", up: str = "-y", most: float = 1, times: Floats | None = None,
) -> PoseSequence:  # fmt: skip
    """The bodies of every frame number from the first to the last, under their ids or, without, their list order.

    fps: None raises NoRateError once all else is well, unless there are times, (T,) in seconds. size: bytes of the
    file, which bound the memory taken. source, facts: the format's name, and what its writer needs. most: the largest
    usual confidence.
    Raises InputError if frame numbers and ids are out of all proportion to what there is.
    """
    people, ids, tracked = _identify_bodies(table)
    values = _stack_bodies(table, people, len(ids), (len(skeleton), dims + 1), size)
    positions, confidence = _clean_values(values, most)
    if tracked and not _has_telling_ids(~np.isnan(positions[..., 0]), ids):
        facts = {**facts, "tracked": True}
    metadata = {"source_format": source} | ({source: dict(facts)} if facts else {})
    rate = None if times is not None else 1.0 if fps is None else float(fps)
    sequence = PoseSequence(positions, confidence, skeleton, rate, times, unit, up, ids, metadata)
    if times is None:
        require_rate(fps)
    return sequence


def load_json(path: Path) -> tuple[Any, int]:
    """The JSON value in a file, and the file's size in bytes. Raises InputError as `read_bytes` and `parse_json` do."""
    data = read_bytes(path)
    return parse_json(data), len(data)


def read_id(value: Any) -> str | None:
    """The id that a JSON value states: a number of 0 or more, a text, or one of these in a list; None if it does not.

    >>> read_id([3]), read_id(2.0), read_id(-1), read_id(None)
    ('3', '2', None, None)
    """
    if isinstance(value, list):
        return read_id(value[0]) if len(value) == 1 and not isinstance(value[0], list) else None
    if isinstance(value, str):
        return check_unicode(value) or None
    number = read_whole(value)
    return None if number is None or number < 0 else str(number)


def check_unicode(text: str) -> str:
    """The text itself. Raises InputError if it holds half a surrogate pair, which JSON can say and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the name {text!r} is no Unicode text; rename it") from error
    return text


def read_whole(value: Any) -> int | None:
    """The integer that a JSON number is (3 or 3.0, within 15 digits), else None."""
    if type(value) not in (int, float) or not abs(value) < NUMBERS.stop or value != int(value):
        return None
    return int(value)


def encode_id(key: str, digits: int = 14) -> int | str:
    """An id as JSON: a number where it is one of at most so many digits, else text."""
    number = int(key) if key.isascii() and key.isdecimal() and len(key) <= digits else -1
    return number if str(number) == key else key


def has_ids(sequence: PoseSequence, facts: Mapping[str, Any]) -> bool:
    """Whether to write ids: where they say more than list order does, or the file had them."""
    return facts.get("tracked") is True or _has_telling_ids(sequence.valid, sequence.ids)


def _has_telling_ids(valid: Bools, ids: Sequence[str]) -> bool:
    """Whether ids say more than the list order of those seen in each frame."""
    seen = np.asarray(valid.any(axis=2))
    gaps = bool((~seen[:, :-1] & seen[:, 1:]).any())
    return gaps or tuple(ids) != tuple(str(p) for p in range(len(ids)))


def shorten_floats(values: NDArray[np.floating[Any]]) -> list[float]:
    """Numbers, each the shortest that is the same float32 (or float64)."""
    return [float(str(value)) for value in values.ravel()]


def encode_rows(sequence: PoseSequence, frame: int) -> Iterator[tuple[int, list[float]]]:
    """(person, K * (D + 1) numbers) of those seen in a frame; zeros for missing keypoints."""
    for person in np.flatnonzero(sequence.valid[frame].any(axis=1)):
        points, weights = sequence.positions[frame, person], sequence.confidence[frame, person]
        values = join_confidence(points, weights)
        values[np.isnan(values[:, 0])] = 0
        yield int(person), shorten_floats(values)


def join_confidence(points: NDArray[np.floating[Any]], weights: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """(K, D + 1) of positions and float32 confidences, to be shortened: the latter keep their own few digits."""
    values = np.concatenate([points, weights[:, None].astype(points.dtype)], axis=1)
    if points.dtype == np.float64:
        values[:, -1] = [float(str(weight)) for weight in weights]
    return values


def mask_zeros(body: Body) -> Body:
    """The body with NaN positions where all numbers of a keypoint are 0, by which many formats say missing. In place."""
    body[~body.any(axis=1), :-1] = np.nan
    return body


def parse_body(flat: Any, what: str, width: int = 3) -> Body:
    """A flat list of numbers as (K, width). Raises InputError if it is none, or their count no multiple."""
    return parse_numbers(check_flat_body(flat, what, width), what).reshape(-1, width)


def check_flat_body(flat: Any, what: str, width: int = 3) -> list[float]:
    """Numbers in a row, null as NaN, as many for each keypoint, of such a list or of one for each. Raises InputError."""
    if isinstance(flat, list) and all(isinstance(point, list) and len(point) == width for point in flat):
        flat = [number for point in flat for number in point]
    numbers = list_numbers(flat, what)
    if not numbers or len(numbers) % width:
        raise InputError(f"{what} has {len(numbers)} numbers; {width} for each keypoint were expected, export it again")
    return numbers


def check_size(shape: tuple[int, ...], size: int, what: str = "whole bodies") -> None:
    """Raises InputError if an array that is made on the way is out of proportion to a file of so many bytes."""
    needed = 8 * math.prod(shape)
    if needed > _BYTES_PER_BYTE // 2 * size + _BYTES_FREE:
        raise InputError(f"{what} need {needed >> 20} MB for a file of {size >> 20} MB; split the recording")


def check_flat(sequence: PoseSequence, title: str, dims: tuple[int, ...] = (2,)) -> PoseSequence:
    """The sequence as a format of images can hold it; reports what is left behind. Raises UsageError if it cannot."""
    if sequence.dims not in dims:
        raise UsageError(f"{title} files hold {dims[0]}D keypoints, this is {sequence.dims}D; save as .npz")
    if sequence.fps is None:
        raise UsageError(f"{title} files hold no timestamps; pass --fps N (fps=N in load) or save as .npz")
    if sequence.up not in ("-y", "unknown"):
        fault = f"y pointing down, up is {sequence.up!r} here"
        raise UsageError(f"{title} files have {fault}; pass --up -y or save as .npz")
    usual = ("px", "unknown") if sequence.dims == 2 else ("unknown",)
    left = [f"the unit {sequence.unit}"] if sequence.unit not in usual else []
    left += ["the up axis"] if sequence.dims == 3 and sequence.up != "unknown" else []
    left.append(f"the rate (reading needs --fps {sequence.fps:.10g})")
    report_change(f"{title} files have no room for {' and '.join(left)}")
    return missing.keep_unsure(sequence, title, anywhere=False)


@dataclass(frozen=True)
class Naming:
    """File names that number frames: prefix, number of at least so many digits, suffix.

    >>> Naming("cam1_", 4, ".jpg").name(12)
    'cam1_0012.jpg'
    """

    prefix: str = ""
    digits: int = 1
    suffix: str = ""

    def name(self, number: int) -> str:
        return f"{self.prefix}{number:0{self.digits}d}{self.suffix}"

    def to_facts(self, usual: Naming) -> dict[str, Any]:
        """What differs from the usual naming."""
        return {key: value for key, value in asdict(self).items() if value != getattr(usual, key)}

    @staticmethod
    def from_facts(facts: Mapping[str, Any], usual: Naming) -> Naming:
        """The naming of facts, the usual one where they do not say or make no sense."""
        prefix, digits, suffix = (facts.get(key, getattr(usual, key)) for key in ("prefix", "digits", "suffix"))
        sound = isinstance(prefix, str) and isinstance(suffix, str) and type(digits) is int and 1 <= digits <= 15
        return Naming(prefix, digits, suffix) if sound else usual


def parse_names(names: Sequence[str], pattern: re.Pattern[str] = _NUMBERED) -> tuple[Naming, list[int]]:
    """How file names number frames, and the numbers in their order.

    pattern: groups prefix, digits, suffix. Raises InputError if a name has no number or they are named differently.

    >>> parse_names(["a_08.jpg", "a_10.jpg"])
    (Naming(prefix='a_', digits=2, suffix='.jpg'), [8, 10])
    """
    parts: list[tuple[str, str, str]] = []
    for name in names:
        match = pattern.fullmatch(check_unicode(name))
        if match is None:
            raise InputError(f"{name!r} does not number a frame; names such as frame_0012 were expected, rename it")
        parts.append((match[1], match[2], match[3] or ""))
        if (parts[0][0], parts[0][2]) != (parts[-1][0], parts[-1][2]):
            raise InputError(f"{names[0]!r} and {name!r} are of different recordings; keep one to a file or folder")
    padded = [len(digits) for _, digits, _ in parts if digits[0] == "0"]
    naming = Naming(parts[0][0], min(padded, default=1), parts[0][2])
    numbers = [int(digits) for _, digits, _ in parts]
    odd = next((name for name, number in zip(names, numbers, strict=True) if naming.name(number) != name), None)
    if odd is not None:
        raise InputError(f"{odd!r} is not numbered like {naming.name(numbers[0])!r}; keep one recording to a folder")
    return naming, numbers


def assume_skeleton(count: int, *names: str) -> Skeleton:
    """The built-in skeleton among `names` that has so many keypoints, else keypoints without names."""
    known = (BUILT_IN[name] for name in names)
    return next((s for s in known if len(s) == count), None) or Skeleton("custom", tuple(str(k) for k in range(count)))


def check_names(sequence: PoseSequence, title: str, *known: str) -> None:
    """Report that a file has no room for the keypoints' names, if its reader will not have them.

    known: skeletons that the reader assumes. Raises UsageError if it would take the keypoints for others.
    """
    taken = assume_skeleton(len(sequence.skeleton), *known)
    if taken.keypoints == sequence.skeleton.keypoints:
        return
    if taken.name in BUILT_IN:
        what = f"{title} has no keypoint names, and {len(taken)} would be read as {taken.name}"
        raise UsageError(f"{what}, not as {sequence.skeleton.name!r}; save as .npz")
    report_change(f"{title} has no room for the names of the keypoints")


def _identify_bodies(table: BodyTable) -> tuple[Ints, tuple[str, ...], bool]:
    """(N,) who each body is, the people's ids, and whether these are the file's own: else they are the list order, which
    is reported."""
    known, total = table.count_known(), len(table)
    repeated = known == total and table.repeats_ids()
    if known and known == total and not repeated:
        return *table.number_by_id(), True
    if known:
        lack = "the same id is there twice in a frame" if repeated else f"{total - known} of {total} have none"
        report_change(f"ids are not kept, because {lack}")
    people, ids = table.number_by_order()
    if len(ids) > 1:
        report_change("the list order was kept as identity; pass --track to follow people")
    return people, ids, False


def _stack_bodies(table: BodyTable, people: Ints, count: int, width: tuple[int, int], size: int) -> NDArray[Any]:
    """(T, P, K, C), NaN where nobody is. width: K and C.

    Raises InputError if there is no frame, or the array of all ids in all frames, and as much again to check it, is out of
    proportion to the file.
    """
    frames = table.list_frames()
    if not len(frames):
        raise InputError("no frames in it; check that the export is whole")
    first, last = int(frames[0]), int(frames[-1])
    needed = 2 * _TYPE.itemsize * (last - first + 1) * count * width[0] * width[1]
    if needed > _BYTES_PER_BYTE * size + _BYTES_FREE:
        what = f"{count} ids in frames {first} to {last} need {needed >> 20} MB"
        raise InputError(f"{what} for a file of {size >> 20} MB; split the recording")
    check_proportion(first, last, count, width[0], len(table), len(frames))
    check_memory(2 * needed, f"{count} people in {last - first + 1} frames")
    values = np.full((last - first + 1, count, *width), np.nan, _TYPE)
    if len(table):
        values[table.frames - first, people] = table.values(width[1])
    return values


def _clean_values(values: Floats, most: float) -> tuple[NDArray[np.floating[Any]], NDArray[np.float32]]:
    """Positions and confidence of (..., D + 1), never to be written again; reports what no pose can have."""
    positions = narrow_floats(np.ascontiguousarray(values[..., :-1]))
    infinite = (np.abs(positions) > FLOAT32_MAX).any(axis=-1)
    report_count(infinite.sum(), "keypoints with an infinite coordinate are taken as missing")
    missing = np.isnan(positions).any(axis=-1) | infinite
    positions[missing] = np.nan
    with np.errstate(over="ignore", under="ignore"):
        confidence = np.where(missing, 0, values[..., -1]).astype(np.float32)
    odd = ~np.isfinite(confidence)
    report_count(odd.sum(), "confidences that are not finite are taken as 0")
    confidence[odd] = 0
    outside = int(((confidence < 0) | (confidence > most)).sum())
    if outside:
        report_change(
            f"{outside} confidences are outside 0 to {most:g} ({confidence.max():.3g} at most); they are kept"
        )
    for array in (positions, confidence):
        array.setflags(write=False)
    return positions, confidence
