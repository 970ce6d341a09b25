"""Arrays of keypoints as a numcodecs codec: the chunks of a zarr array become `.posec` files, and come back.

`compressor=PoseArray(max_error=5)` compresses arrays of `zarr_format=2`; for `zarr_format=3` there is
`posecodec.interop.zarr`, and without zarr `encode` and `decode` stand alone. Only the transform and the lossless mode are
used, so chunks need no weights and no torch; confidences, ids and times have no place in a bare array.

A missing keypoint is NaN in all its coordinates; NaN in some of them, or an infinity, is an InputError in either mode,
because a pose has no room for it and nothing is dropped in silence. zarr fills up the last chunk with the array's fill
value: with `fill_value=nan` these frames are missing keypoints, which cost next to nothing.

An HDF5 dataset of bytes holds an encoded array too, as the bytes of a file that `posecodec decode` reads:

    file.create_dataset("walk", data=np.frombuffer(codec.encode(positions), np.uint8))
    positions = codec.decode(file["walk"][:])

>>> codec = PoseArray(max_error=0.5, unit="mm")
>>> codec.decode(codec.encode(np.zeros((100, 19, 3), np.float32))).shape
(100, 19, 3)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import CorruptError, InputError, UsageError, name_install
from posecodec.pose.sequence import AXES, UNITS, PoseSequence, read_rate
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import build_skeleton, get_builtin
from posecodec.ratecontrol.target import Target

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_bytes, ndarray_copy
    from numcodecs.registry import register_codec
except ImportError as error:
    what = f"numcodecs cannot be imported ({error}); {name_install('zarr')}"
    raise UsageError(what) from error

if TYPE_CHECKING:
    from posecodec.codec import PoseCodec

METADATA_KEY = "array"  # Where a file's metadata keep how the array differs from what the file gives by itself
DTYPES = ("<f4", "<f8", ">f4", ">f8")
MOST_AXES = 32  # of an array in NumPy 1; NumPy 2 takes 64
MOST_NUMBERS = 2**48  # of an array, empty axes left out: more than memory, less than overflows strides


class PoseArray(Codec):  # type: ignore[misc]
    """Codec of float32 or float64 arrays (T, K, D) or (T, P, K, D), D 2 or 3, NaN in all D where a keypoint is missing.

    max_error: no keypoint farther off, in the array's own unit or as "5mm"; the encoder measures it on what it decodes to.
    lossless: every bit instead, that of NaNs included. Exactly one of the two.
    fps: frames per second of the array; helps the transform, and is what the file states.
    skeleton: name of a built-in skeleton or K names; without it coco19 where K is 19, else keypoints without names.
    unit, up: as in PoseSequence; kept in the file.
    shape: such as (-1, 19, 3): how to see chunks that arrive in another shape, flat or (T, K*D).

    Raises UsageError or InputError if an option is impossible.
    """

    codec_id = "posecodec"

    def __init__(
        self, max_error: float | str | None = None, lossless: bool = False, fps: float = 30.0,
        skeleton: str | Sequence[str] | None = None, unit: str = "unknown", up: str = "unknown",
        shape: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        if (max_error is None) != bool(lossless):
            raise UsageError("pass either max_error=NUMBER or lossless=True to PoseArray")
        self.max_error = None if max_error is None else Target.from_options(max_error=max_error).in_unit(unit).value
        self.lossless, self.fps = bool(lossless), read_rate(fps)
        self.skeleton = skeleton if isinstance(skeleton, str) or skeleton is None else [str(name) for name in skeleton]
        self.unit, self.up = unit, up
        self.shape = None if shape is None else [int(n) for n in shape]
        self._check_options()

    def encode(self, buf: Any) -> bytes:
        """The bytes of a `.posec` file that holds the array.

        Raises InputError if the array is none of keypoints, has keypoints that are partly NaN or infinite, or cannot be
        coded as near as `max_error`.
        """
        array = np.asarray(buf)
        if array.dtype.str not in DTYPES:
            raise InputError(f"the array is of type {array.dtype}; PoseArray takes float32 and float64")
        points = self._shape_points(array)
        _reject_partial(points)
        sequence = PoseSequence.from_arrays(
            points.astype(points.dtype.newbyteorder("="), copy=False), fps=self.fps, skeleton=self._get_skeleton(),
            unit=self.unit, up=self.up, exact=True, metadata=_describe_array(array, points),
        )  # fmt: skip
        return _load_codec().encode(sequence, max_error=self.max_error, lossless=self.lossless).data

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The array in the bytes of a `.posec` file, in the shape, type and memory order it had.

        out: a buffer of the right size to be filled instead. Raises CorruptError if the bytes are damaged.
        """
        sequence = _load_codec().decode(ensure_bytes(buf))
        array = _restore_array(sequence.positions, sequence.metadata.get(METADATA_KEY))
        return array if out is None else ndarray_copy(array, out)

    def _check_options(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"fps is {self.fps}; it must be a finite number above 0")
        if self.unit not in UNITS or self.up not in AXES:
            known = f"units are {', '.join(UNITS)}, axes {', '.join(AXES)}"
            raise InputError(f"unit {self.unit!r}, up {self.up!r}; {known}")
        if self.shape is not None and (
            len(self.shape) not in (3, 4) or self.shape[-1] not in (2, 3) or self.shape.count(-1) > 1
        ):
            raise InputError(f"shape {self.shape}; (-1, K, D) or (-1, P, K, D) with D 2 or 3 is needed")
        self._get_skeleton()

    def _get_skeleton(self) -> Skeleton | None:
        if self.skeleton is None:
            return None
        return get_builtin(self.skeleton) if isinstance(self.skeleton, str) else build_skeleton(self.skeleton)

    def _shape_points(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array as (T, K, D) or (T, P, K, D). Raises InputError where it is neither."""
        try:
            points = array if self.shape is None else array.reshape(self.shape)
        except ValueError as error:
            text = f"a chunk {array.shape} does not fit shape {self.shape}; change one of them"
            raise InputError(text) from error
        if points.ndim not in (3, 4) or points.shape[-1] not in (2, 3):
            raise InputError(
                f"a chunk of shape {array.shape}; (T, K, D) or (T, P, K, D) with D 2 or 3 is needed: cut chunks along "
                "time only, and pass shape=(-1, K, D) for flattened ones"
            )
        return points


@cache
def _load_codec() -> PoseCodec:
    from posecodec.codec import PoseCodec

    return PoseCodec.from_pretrained(None)


def _reject_partial(points: NDArray[Any]) -> None:
    """Raises InputError where a keypoint is NaN in some coordinates only."""
    missing = np.isnan(points)
    partly = missing.any(axis=-1) & ~missing.all(axis=-1)
    if partly.any():
        where = tuple(int(i) for i in np.argwhere(partly)[0])
        raise InputError(
            f"{int(partly.sum())} keypoints have only some coordinates NaN, the first at {where} of the chunk; make all "
            "coordinates of a missing keypoint NaN (array[np.isnan(array).any(axis=-1)] = np.nan)"
        )


def _describe_array(array: NDArray[Any], points: NDArray[Any]) -> dict[str, Any]:
    """Metadata of what the file would not give by itself: float32, C order, and (T, K, D) for a single person."""
    facts: dict[str, Any] = {}
    if array.dtype.str != "<f4":
        facts["dtype"] = array.dtype.str
    alone = points.ndim == 3 or points.shape[1] == 1
    if array.shape != ((points.shape[0], *points.shape[-2:]) if alone else points.shape):
        facts["shape"] = list(array.shape)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        facts["order"] = "F"
    return {METADATA_KEY: facts} if facts else {}


def _restore_array(positions: NDArray[Any], facts: Any) -> NDArray[Any]:
    """Positions (T, P, K, D) as the array that the facts, which are any JSON, describe. Raises CorruptError."""
    facts = facts if isinstance(facts, Mapping) else {}
    dtype, shape = facts.get("dtype", "<f4" if positions.dtype == np.float32 else "<f8"), facts.get("shape")
    if shape is None:
        shape = list(positions[:, 0].shape if positions.shape[1] == 1 else positions.shape)
    if dtype not in DTYPES or not _is_shape_of(shape, positions.size):
        raise CorruptError(f"{positions.shape} positions as {dtype!r} {shape!r}; get the bytes again")
    array = positions.reshape(shape).astype(dtype)
    return np.asfortranarray(array) if facts.get("order") == "F" else array


def _is_shape_of(shape: Any, size: int) -> bool:
    """Whether it is the shape of an array of so many numbers that NumPy can make."""
    if not isinstance(shape, list) or len(shape) > MOST_AXES or any(type(n) is not int or n < 0 for n in shape):
        return False
    return math.prod(shape) == size and math.prod(n for n in shape if n) < MOST_NUMBERS


register_codec(PoseArray)
