"""Float arrays without loss: steps of a grid, predicted from earlier frames and other channels, and range coded.

Every value becomes a step of a grid and what rounds off (`float_grids`). The grid is decimal where numbers were written
with so many decimals, and then the rests are mostly 0; else binary, so that a step is about the last bit of typical
values. Where that does not fit (NaN, infinities, zeros that stand for "missing", numbers far beyond the others) the bits
themselves are kept, once for each run. Steps are predicted (`float_prediction`) and coded (`float_coding`) as integers.

Arrays that this does not suit are left to zstd, so that nothing gets much larger than zstd makes it. Neither shape nor
dtype are in the bytes; the caller keeps them.

>>> data = pack_floats(np.float32([[0.1], [0.2], [0.3]]))
>>> unpack_floats(data, (3, 1), np.float32).ravel()
array([0.1, 0.2, 0.3], dtype=float32)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import zstandard
from numpy.typing import DTypeLike

from posecodec.entropy import float_decimals, float_grids
from posecodec.entropy.binarization import get_long_raw, put_long_raw
from posecodec.entropy.float_coding import Options, read_values, write_values
from posecodec.entropy.float_grids import AnyFloats, GridSteps
from posecodec.entropy.float_prediction import choose_predictors, read_predictors, write_predictors
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError

# The first byte: how the rest is written, and whether float64 values are all float32 ones, or the shortest decimals of some,
# and written as these.
RAW, PLANES, MODEL = 0, 1, 2
NARROW, DECIMAL = 4, 8
ZSTD_LEVEL = 19  # The highest short of zstd's "ultra" levels, which need far more memory
RATE_BITS = 64  # A rate is written as the bits of a float64


def pack_floats(array: AnyFloats) -> bytes:
    """The bytes of a float32 or float64 array (T, ...) of any number of axes, b"" if it is empty.

    Lossless to the bit, and made for motion: the first axis is time. Never more than a byte larger than zstd makes it.
    """
    dtype = array.dtype.newbyteorder("=")
    assert dtype in (np.float32, np.float64) and array.ndim, f"array is {array.dtype} {array.shape}"
    if not array.size:
        return b""
    values = np.ascontiguousarray(array, dtype=dtype).reshape(len(array), -1)
    candidates = [bytes([RAW]) + _compress(values)]
    flag, values = _shorten(values) if dtype == np.float64 else (0, values)
    planes = values.astype(values.dtype.newbyteorder("<")).view(np.uint8).reshape(values.size, -1).T
    candidates.append(bytes([PLANES | flag]) + _compress(planes))
    item, stride = values.itemsize, _find_stride(array.shape)
    candidates += [bytes([MODEL | flag]) + _write_model(s, item, stride) for s in float_grids.choose_grids(values)]
    return min(candidates, key=len)


def unpack_floats(data: bytes, shape: tuple[int, ...], dtype: DTypeLike) -> AnyFloats:
    """The array that `pack_floats` wrote, of the shape and dtype (float32 or float64) that it had.

    Needs memory for a few arrays of that shape, whatever the bytes say. Raises CorruptError.
    """
    wanted = np.dtype(dtype)
    assert wanted in (np.float32, np.float64) and shape, f"array is {wanted} {shape}"
    size = math.prod(shape)
    if not size or not data:
        if size or data:
            raise _build_error(f"{len(data)} bytes for {size} values")
        return np.zeros(shape, wanted)
    mode, short = data[0] & ~(NARROW | DECIMAL), data[0] & (NARROW | DECIMAL)
    if mode > MODEL or short == NARROW | DECIMAL or (short and wanted == np.float32):
        raise _build_error(f"an unknown method {data[0]}")
    stored = np.dtype(np.float32) if short else wanted
    table = (shape[0], size // shape[0])
    if mode == MODEL:
        values = _read_model(data[1:], table, stored, _find_stride(shape))
    else:
        values = _read_zstd(data[1:], table, stored, mode)
    with np.errstate(invalid="ignore"):
        values = float_decimals.from_shortest(values) if short == DECIMAL else values.astype(wanted)
    return values.reshape(shape)


def _shorten(values: AnyFloats) -> tuple[int, AnyFloats]:
    """float64 values as what is written, float32 where that is less, and the flag that says so."""
    if float_grids.is_narrow(values):
        return NARROW, values.astype(np.float32)
    short = float_decimals.to_shortest(values)
    if short is not None and float_grids.estimate_bits(short) < float_grids.estimate_bits(values):
        return DECIMAL, short
    return 0, values


def _find_stride(shape: tuple[int, ...]) -> int:
    """How many channels before lies the same axis of the keypoint before."""
    return shape[-1] if len(shape) > 2 else 1


def _build_error(what: str) -> CorruptError:
    return CorruptError(f"packed floats are damaged: {what}; get the file again")


def _compress(array: AnyFloats) -> bytes:
    """What zstd makes of an array's bytes, little-endian."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _read_zstd(data: bytes, table: tuple[int, int], dtype: np.dtype[Any], mode: int) -> AnyFloats:
    size = table[0] * table[1] * dtype.itemsize
    try:
        if zstandard.frame_content_size(data) not in (-1, size):
            raise _build_error("it states another size")
        raw = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise _build_error(str(error)) from error
    if len(raw) != size:
        raise _build_error(f"{len(raw)} bytes, not {size}")
    table_of_bytes = np.frombuffer(raw, np.uint8)
    if mode == PLANES:
        table_of_bytes = table_of_bytes.reshape(dtype.itemsize, -1).T.copy()
    return np.asarray(table_of_bytes.view(dtype.newbyteorder("<")).astype(dtype).reshape(table))


def _write_model(found: GridSteps, item: int, stride: int) -> bytes:
    """Rate, options, predictors and values of (T, C)."""
    encoder = RangeEncoder()
    encoder.run(put_long_raw, RATE_BITS // 8 + 1, int(np.float64(found.rate).view(np.int64)), RATE_BITS)
    options = Options(bool(found.escaped.any()), bool(found.rest[~found.escaped].any()), 8 * item)
    encoder.put_bits(2 * options.has_escapes + options.has_rest, 2)
    predictors = choose_predictors(found.steps, found.escaped, stride)
    write_predictors(encoder, predictors)
    write_values(encoder, found, predictors, options)
    return encoder.finish()


def _read_model(data: bytes, table: tuple[int, int], dtype: np.dtype[Any], stride: int) -> AnyFloats:
    """The mirror of `_write_model`."""
    decoder = RangeDecoder(data)
    rate = float(np.int64(decoder.run(get_long_raw, RATE_BITS)).view(np.float64))
    if not float_grids.LOWEST_RATE <= rate <= float_grids.HIGHEST_RATE:
        raise _build_error(f"{rate} steps per unit")
    flags = decoder.get_bits(2)
    options = Options(bool(flags & 2), bool(flags & 1), 8 * dtype.itemsize)
    predictors = read_predictors(decoder, table[1], stride)
    found = read_values(decoder, table, rate, predictors, options)
    decoder.finish()
    return float_grids.from_steps(found, dtype)
