"""People found frame by frame, put together: from rows of keypoints by frame number and id to arrays.

Shared by the formats that list who is seen in each frame. Knows no format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.io.parsing.json_parts import decode_utf8, parse_in_parts
from posecodec.memory import check_memory
from posecodec.typing import Floats

MAX_FRAME_JSON = 1 << 24  # Bytes of JSON for one frame: a thousand people need less
POSES_PER_BODY = 100  # poses of the array for a body in the file: people may be away for 99 of 100 frames
KEYPOINTS_FREE = 250_000  # keypoints that even a short recording may ask for

Frames = Mapping[int, Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, eq=False, repr=False)
class People:
    """values: (T, P, K, C), NaN where nobody is; frame 0 is number `first`. ids: P, in order of appearance."""

    values: Floats
    ids: tuple[str, ...]
    first: int


def stack_people(frames: Frames, width: tuple[int, int]) -> People:
    """The bodies of all frames, from the first number to the last; numbers that are not there are all missing.

    frames: number -> id -> (K, C); an id without bodies in a frame is missing there. width: K and C.
    Raises InputError if there is no frame, or numbers and ids are out of all proportion to what there is.
    """
    if not frames:
        raise InputError("no frames in it; check that the export is whole")
    first, last = min(frames), max(frames)
    ids = list(dict.fromkeys(key for number in sorted(frames) for key in frames[number]))
    bodies = sum(len(found) for found in frames.values())
    check_proportion(first, last, len(ids), width[0], bodies, len(frames))
    shape = (last - first + 1, len(ids), *width)
    check_memory(32 * math.prod(shape), f"{len(ids)} people in {shape[0]} frames")
    values = np.full(shape, np.nan)
    index = {key: p for p, key in enumerate(ids)}
    for number, found in frames.items():
        for key, body in found.items():
            values[number - first, index[key]] = body
    return People(values, tuple(ids), first)


def check_proportion(first: int, last: int, ids: int, keypoints: int, bodies: int, frames: int) -> None:
    """Raises InputError if frame numbers and ids are out of all proportion to the bodies and frames that there are."""
    poses = (last - first + 1) * max(ids, 1)
    if poses * keypoints > POSES_PER_BODY * max(bodies, frames) * keypoints + KEYPOINTS_FREE:
        raise InputError(f"frames {first} to {last} and {ids} ids, but only {bodies} bodies; split the recording")


def parse_json(data: bytes, what: str = "the file") -> Any:
    """The JSON value in bytes of UTF-8 (a BOM is allowed). Raises InputError with line and column."""
    return parse_in_parts(decode_utf8(data, what), {}, what)


def list_numbers(value: Any, what: str) -> list[float]:
    """A list of numbers, null as NaN. Raises InputError where it is something else."""
    if not isinstance(value, list):
        raise InputError(f"{what} is {type(value).__name__}, a list of numbers was expected; export it again")
    kinds = set(map(type, value)) - {int, float}
    if kinds - {type(None)}:
        raise InputError(f"{what} holds something else than numbers; export it again")
    return [np.nan if v is None else v for v in value] if kinds else value


def parse_numbers(value: Any, what: str) -> Floats:
    """A list of numbers (null: NaN) as a flat array. Raises InputError where it is something else."""
    flat = list_numbers(value, what)
    try:
        return np.array(flat, np.float64)
    except OverflowError as error:
        raise InputError(f"{what} holds a number beyond any float; export it again") from error
