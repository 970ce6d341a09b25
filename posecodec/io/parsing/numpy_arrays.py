"""NumPy's `.npy` byte layout, read without pickle and without trusting the sizes it states.

Shared by `npy` and `npz`. An array is a view of bytes that are already there, so no header can make it larger.
Leaves out object and structured arrays, and layout version 3 (structured names only).
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as layout
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError
from posecodec.io.filesystem import AnyPath, write_atomic

MAX_DEFLATE = 1100
"""Bytes for one of a compressed file: deflate cannot shrink anything further than 1032 times, so more is a forged size."""
IDTRACKER = "of idtracker.ai give trajectories.h5 or trajectories_csv (its command idtrackerai_format makes them)"
_IDTRACKER_MARK = b"frames_per_second"  # a key of the dictionary that idtracker.ai pickles
_MAX_EMPTY = (1 << 24, 1 << 12)
"""Largest first and other dimensions of an array without elements: more frames, people and keypoints than recordings have."""


def decode_array(data: bytes, what: str) -> NDArray[Any]:
    """The array in the bytes of one `.npy`. `what` names it in errors.

    Raises InputError if the bytes are no `.npy`, need pickle, or are fewer or more than the header states.
    """
    stream = io.BytesIO(data)
    try:
        version = layout.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{what}: .npy layout version {version}; 1.0 or 2.0 is needed, save it with numpy again")
        header = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
        shape, fortran, dtype = header(stream)
    except (ValueError, EOFError, SyntaxError, TypeError, TokenError) as error:
        raise InputError(f"{what}: not a NumPy array ({error}); save it with numpy.save") from error
    if dtype.hasobject or dtype.names or dtype.subdtype:
        hint = IDTRACKER if _IDTRACKER_MARK in data else "save plain numbers or text"
        raise InputError(f"{what}: holds {dtype} values, which would need pickle and run code; {hint}")
    body = len(data) - stream.tell()
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != body:
        raise InputError(f"{what}: shape {shape} of {dtype} does not fit the {body} bytes that follow; export it again")
    if not body:  # no byte vouches for the other dimensions
        if 0 not in shape or shape[0] > _MAX_EMPTY[0] or max(shape[1:], default=0) > _MAX_EMPTY[1]:
            raise InputError(f"{what}: shape {shape} of {dtype} is long, yet holds nothing; export it again")
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def encode_array(array: NDArray[Any]) -> bytes:
    """The bytes of one `.npy`: little-endian, C order."""
    stream = io.BytesIO()
    layout.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def write_arrays(path: AnyPath, arrays: Mapping[str, NDArray[np.int32]], facts: Mapping[str, int], force: bool) -> None:
    """Integer arrays and plain numbers as `.npz` or `.safetensors`, by suffix; of the latter facts are metadata.

    Raises UsageError for another suffix, or as `write_atomic` does.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".safetensors":
        from safetensors.numpy import save

        data = save(dict(arrays), metadata={name: str(value) for name, value in facts.items()})
    elif suffix == ".npz":
        stream = io.BytesIO()
        members: dict[str, Any] = {**arrays, **{name: np.int64(value) for name, value in facts.items()}}
        np.savez_compressed(stream, **members)
        data = stream.getvalue()
    else:
        raise UsageError(f"{path}: the suffix {suffix!r} is neither .npz nor .safetensors; name the output so")
    write_atomic(path, data, force)
