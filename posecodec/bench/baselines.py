"""General-purpose compressors on bare positions: what a pipeline could use today without a codec for poses.

Each turns (T, K, D) float32 into a whole file and back. All but .npz and bodycompress get every coordinate's track end to
end, the order that serves them best, after 7 bytes of shape. Frame rate, unit, names, people and missing keypoints are
left out, which favors them. One thread. Packages beyond the base dependencies are imported when they are used.
"""

from __future__ import annotations

import io
import math
import struct
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from posecodec.errors import InputError

Points = NDArray[np.float32]
Shape = tuple[int, int, int]

BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""mm; largest errors of a keypoint that the bounded baselines are run at."""
_SHAPE = struct.Struct("<IHB")
_ZSTD_LEVEL = 19


@dataclass(frozen=True)
class Baseline:
    """One compressor.

    name: as the tables show it. pack: positions and setting -> file; unpack: file -> positions.
    kind: "lossless", "bounded" (the setting is the largest error of a keypoint in the unit of the positions) or "free".
    packages: what has to be installed.
    """

    name: str
    pack: Callable[[Points, float], bytes]
    unpack: Callable[[bytes], Points]
    kind: str = "lossless"
    packages: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[float | None, ...]:
        """BOUNDS, or None for those that have nothing to set."""
        return BOUNDS if self.kind == "bounded" else (None,)

    def encode(self, positions: Points, setting: float | None = None) -> bytes:
        """The file. positions: (T, K, D) float32, T > 0, finite. Raises InputError for others and for a bound that is not
        above 0 (or too fine for 32-bit integers), and where a package is missing."""
        _check(positions)
        if self.kind == "bounded" and not (setting is not None and math.isfinite(setting) and setting > 0):
            raise InputError(f"{self.name}: the setting is {setting}; give the largest error, above 0")
        if self.missing():
            raise InputError(f"{self.name} needs {', '.join(self.missing())}: pip install posecodec[bench]")
        return self.pack(positions, setting or 0.0)

    def decode(self, data: bytes) -> Points:
        """(T, K, D) float32 of a file that `encode` made."""
        return self.unpack(data)

    def bound(self, setting: float | None) -> float | None:
        """Largest error of a keypoint, 0 for lossless; None where nothing is promised."""
        return {"lossless": 0.0, "bounded": setting}.get(self.kind)

    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if find_spec(name) is None)


def quantized(positions: Points, bound: float) -> tuple[NDArray[np.int32], float]:
    """Integers (T, K, D) and the step 2 x bound / sqrt(D), at which no keypoint is further off than `bound`.

    Raises InputError where 32 bits do not hold the integers or their differences.

    >>> quantized(np.zeros((1, 1, 3), np.float32), 3**0.5)[1]
    2.0
    """
    step = float(np.float32(2 * bound / math.sqrt(positions.shape[2])))
    values = np.round(positions.astype(np.float64) / step) if step else np.full(positions.shape, np.inf)
    if np.abs(values).max() >= 1 << 29:
        raise InputError(f"a largest error of {bound:g} is too fine for coordinates this far out; give a larger one")
    return values.astype(np.int32), step


def zigzag(values: NDArray[np.int32]) -> NDArray[np.uint32]:
    """0, -1, 1, -2, ... to 0, 1, 2, 3, ...

    >>> zigzag(np.array([0, -1, 1, -2], np.int32)).tolist()
    [0, 1, 2, 3]
    """
    return ((values << 1) ^ (values >> 31)).view(np.uint32)


def unzigzag(values: NDArray[np.uint32]) -> NDArray[np.int32]:
    """The inverse of `zigzag`."""
    return ((values >> 1) ^ (0 - (values & 1))).astype(np.uint32).view(np.int32)


def _check(positions: Points) -> None:
    if positions.ndim != 3 or positions.dtype != np.float32 or not positions.size:
        raise InputError(f"positions are {positions.dtype} {positions.shape}; float32 (T, K, D), not empty, is needed")
    if positions.shape[1] > 65535 or positions.shape[2] > 255:
        raise InputError(f"positions {positions.shape} are wider than 65,535 keypoints of 255 coordinates; split them")
    if not np.isfinite(positions).all():
        raise InputError("positions are missing or infinite somewhere; baselines need all of them, fill the gaps first")


def _tracks(values: NDArray[Any]) -> NDArray[Any]:
    """(K D T,) of (T, K, D): every coordinate's track, end to end."""
    return np.ascontiguousarray(values.reshape(len(values), values.shape[1] * values.shape[2]).T).ravel()


def _untracked(flat: NDArray[Any], shape: Shape) -> NDArray[Any]:
    return np.ascontiguousarray(flat.reshape(shape[1] * shape[2], shape[0]).T).reshape(shape)


def _with_shape(positions: Points, body: bytes) -> bytes:
    return _SHAPE.pack(*positions.shape) + body


def _split(data: bytes) -> tuple[Shape, bytes]:
    return _SHAPE.unpack_from(data), data[_SHAPE.size :]


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _raw(positions: Points, _: float) -> bytes:
    return _with_shape(positions, _tracks(positions).tobytes())


def _from_raw(data: bytes) -> Points:
    shape, body = _split(data)
    return _untracked(np.frombuffer(body, np.float32), shape)


def _npz(positions: Points, _: float) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, positions=positions)
    return file.getvalue()


def _from_npz(data: bytes) -> Points:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return archive["positions"]


def _float32(positions: Points, _: float) -> bytes:
    return _with_shape(positions, _zstd(_tracks(positions).tobytes()))


def _from_float32(data: bytes) -> Points:
    shape, body = _split(data)
    return _untracked(np.frombuffer(_unzstd(body), np.float32), shape)


def _float16(positions: Points, _: float) -> bytes:
    if np.abs(positions).max() >= 65504:
        raise InputError("a coordinate is beyond float16 (65,504); move the positions nearer to the origin")
    return _with_shape(positions, _zstd(_tracks(positions).astype(np.float16).tobytes()))


def _from_float16(data: bytes) -> Points:
    shape, body = _split(data)
    return _untracked(np.frombuffer(_unzstd(body), np.float16), shape).astype(np.float32)


def _differences(positions: Points, bound: float) -> tuple[NDArray[np.int32], NDArray[np.int32], float]:
    """First frame (K D,), differences in time by track ((T - 1) K D,), and the step."""
    values, step = quantized(positions, bound)
    return values[0].ravel(), _tracks(np.diff(values, axis=0)), step


def _summed(first: NDArray[np.int32], steps: NDArray[np.int32], step: float, shape: Shape) -> Points:
    rest = _untracked(steps, (shape[0] - 1, shape[1], shape[2]))
    values = np.concatenate([first.reshape(1, *shape[1:]), rest]).cumsum(axis=0)
    return (values * step).astype(np.float32)


def _diff_zstd(positions: Points, bound: float) -> bytes:
    """Step, form, and zstd of the first frame with the zigzag differences: 2 or 4 byte integers or byte planes."""
    first, steps, step = _differences(positions, bound)
    codes = zigzag(steps)
    width = 2 if codes.max(initial=0) < 1 << 16 else 4
    plain = codes.astype(f"<u{width}")
    planes = np.ascontiguousarray(plain.view(np.uint8).reshape(-1, width).T)
    bodies = [_zstd(first.tobytes() + form.tobytes()) for form in (plain, planes)]
    form = int(len(bodies[1]) < len(bodies[0]))
    return _with_shape(positions, struct.pack("<fB", step, width + form) + bodies[form])


def _from_diff_zstd(data: bytes) -> Points:
    shape, body = _split(data)
    step, form = struct.unpack_from("<fB", body)
    width = form & 6
    content = np.frombuffer(_unzstd(body[5:]), np.uint8)
    head = 4 * shape[1] * shape[2]
    rest = content[head:].reshape(width, -1).T if form & 1 else content[head:]
    codes = np.ascontiguousarray(rest).view(f"<u{width}").ravel().astype(np.uint32)
    return _summed(content[:head].view(np.int32), unzigzag(codes), step, shape)


def _blosc2(positions: Points, _: float) -> bytes:
    import blosc2

    blosc2.set_nthreads(1)
    shuffle, codec = blosc2.Filter.SHUFFLE, blosc2.Codec.ZSTD
    body = blosc2.compress(_tracks(positions).tobytes(), typesize=4, clevel=9, filter=shuffle, codec=codec)
    return _with_shape(positions, body)


def _from_blosc2(data: bytes) -> Points:
    import blosc2

    shape, body = _split(data)
    return _untracked(np.frombuffer(blosc2.decompress(body), np.float32), shape)


def _pcodec(positions: Points, _: float) -> bytes:
    from pcodec import ChunkConfig, standalone

    return _with_shape(positions, standalone.simple_compress(_tracks(positions), ChunkConfig()))


def _from_pcodec(data: bytes) -> Points:
    from pcodec import standalone

    shape, body = _split(data)
    return _untracked(standalone.simple_decompress(body), shape)


def _diff_pcodec(positions: Points, bound: float) -> bytes:
    from pcodec import ChunkConfig, standalone

    first, steps, step = _differences(positions, bound)
    body = standalone.simple_compress(steps, ChunkConfig()) if steps.size else b""
    return _with_shape(positions, struct.pack("<f", step) + first.tobytes() + body)


def _from_diff_pcodec(data: bytes) -> Points:
    from pcodec import standalone

    shape, body = _split(data)
    end = 4 + 4 * shape[1] * shape[2]
    first = np.frombuffer(body[4:end], np.int32)
    steps = standalone.simple_decompress(body[end:]) if body[end:] else np.zeros(0, np.int32)
    return _summed(first, steps, struct.unpack_from("<f", body)[0], shape)


def _zfp(positions: Points, bound: float) -> bytes:
    """Fixed accuracy on one-dimensional blocks; the tolerance holds for a coordinate, hence sqrt(D)."""
    import zfpy

    body = zfpy.compress_numpy(_tracks(positions), tolerance=bound / math.sqrt(positions.shape[2]))
    return _with_shape(positions, body)


def _from_zfp(data: bytes) -> Points:
    import zfpy

    shape, body = _split(data)
    return _untracked(zfpy.decompress_numpy(body), shape)


def _sz3(positions: Points, bound: float) -> bytes:
    """Absolute bound on one-dimensional data; it holds for a coordinate, hence sqrt(D)."""
    from pysz import sz, szConfig, szErrorBoundMode

    config = szConfig()
    config.errorBoundMode, config.absErrorBound = szErrorBoundMode.ABS, bound / math.sqrt(positions.shape[2])
    return _with_shape(positions, sz.compress(_tracks(positions), config)[0].tobytes())


def _from_sz3(data: bytes) -> Points:
    from pysz import sz

    shape, body = _split(data)
    flat, _ = sz.decompress(np.frombuffer(body, np.uint8), np.float32, (math.prod(shape),))
    return _untracked(flat, shape)


def _bodycompress(positions: Points, bound: float) -> bytes:
    """Its own file, a frame at a time, with its defaults otherwise; it warns of still poses, which is of no concern."""
    from bodycompress import BodyCompressor

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "joints"
        step = 2 * bound / math.sqrt(positions.shape[2])
        with BodyCompressor(str(path), quantization_mm=step, n_threads=1) as file:
            for frame in positions:
                file.append(joints=frame)
        return path.read_bytes()


def _from_bodycompress(data: bytes) -> Points:
    from bodycompress import BodyDecompressor

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joints"
        path.write_bytes(data)
        return np.stack([frame["joints"] for frame in BodyDecompressor(str(path))]).astype(np.float32)


BASELINES = (
    Baseline("float32", _raw, _from_raw),
    Baseline("npz", _npz, _from_npz),
    Baseline("float32-zstd19", _float32, _from_float32),
    Baseline("float32-blosc2", _blosc2, _from_blosc2, packages=("blosc2",)),
    Baseline("float32-pcodec", _pcodec, _from_pcodec, packages=("pcodec",)),
    Baseline("float16-zstd19", _float16, _from_float16, "free"),
    Baseline("diff-zstd19", _diff_zstd, _from_diff_zstd, "bounded"),
    Baseline("diff-pcodec", _diff_pcodec, _from_diff_pcodec, "bounded", ("pcodec",)),
    Baseline("zfp", _zfp, _from_zfp, "bounded", ("zfpy",)),
    Baseline("sz3", _sz3, _from_sz3, "bounded", ("pysz",)),
    Baseline("bodycompress", _bodycompress, _from_bodycompress, "bounded", ("bodycompress",)),
)
"""All of them, the lossless first. "diff": integers quantized to the bound, differences in time."""
