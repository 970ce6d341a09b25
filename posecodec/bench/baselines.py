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

from posecodec.bench.data import Points
from posecodec.bench.rice import pack_tracks, unpack_tracks
from posecodec.errors import InputError, name_install
from posecodec.pose.sequence import PoseSequence

Shape = tuple[int, int, int]
Compress = Callable[[NDArray[np.float32], float], bytes]
"""Float32 end to end (n,), and how far each may be off, to bytes."""
Decompress = Callable[[bytes, int], NDArray[Any]]
"""The mirror: bytes, and how many numbers there are in them, to numbers (n,)."""

BOUNDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""mm; largest errors of a keypoint that the bounded baselines are run at."""
_SHAPE = struct.Struct("<IHB")
_ZSTD_LEVEL = 19  # The densest below zstd's "ultra" levels, which are known for the memory they take
_LARGEST_FLOAT16 = 65504  # The largest finite float16


@dataclass(frozen=True)
class Baseline:
    """One compressor, a `Method` of sequences of one person; frame rate, unit and names are not in its file.

    name: as the tables show it. pack: positions and setting -> file; unpack: file -> positions.
    kind: "lossless", "bounded" (the setting is the largest error of a keypoint in the unit of the positions) or "free".
    packages: what has to be installed.
    """

    name: str
    pack: Callable[[Points, float], bytes]
    unpack: Callable[[bytes], Points]
    kind: str = "lossless"
    packages: tuple[str, ...] = ()
    ours: bool = False

    @property
    def parameter(self) -> str:
        """The largest error, where there is one to set."""
        return "max error mm" if self.kind == "bounded" else ""

    @property
    def settings(self) -> tuple[float | None, ...]:
        """BOUNDS, or None for those that have nothing to set."""
        return BOUNDS if self.kind == "bounded" else (None,)

    def compress(self, positions: Points, setting: float | None = None) -> bytes:
        """The file. positions: (T, K, D) float32, T > 0, finite. Raises InputError for others and for a bound that is not
        above 0 (or too fine for 32-bit integers), and where a package is missing."""
        _check(positions)
        if self.kind == "bounded" and not (setting is not None and math.isfinite(setting) and setting > 0):
            raise InputError(f"{self.name}: the setting is {setting}; give the largest error, above 0")
        if self.missing:
            raise InputError(f"{self.name} needs {', '.join(self.missing)}; {name_install('bench')}")
        return self.pack(positions, setting or 0.0)

    def encode(self, sequence: PoseSequence, setting: float | None) -> bytes:
        """The file of one person. Raises InputError for several people and missing keypoints, and as `compress` does."""
        if sequence.people != 1:
            raise InputError(f"{self.name} codes one person, not {sequence.people}; give one sequence a person")
        return self.compress(sequence.positions[:, 0], setting)

    def decode(self, data: bytes) -> PoseSequence:
        """The positions in a file, at 30 fps and in mm for want of a header."""
        return PoseSequence.from_arrays(self.unpack(data), fps=30.0, unit="mm")

    def bound(self, setting: float | None) -> float | None:
        """Largest error of a keypoint, 0 for lossless; None where nothing is promised."""
        return {"lossless": 0.0, "bounded": setting}.get(self.kind)

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if find_spec(name) is None)


def quantize(positions: Points, bound: float) -> tuple[NDArray[np.int32], float]:
    """Integers (T, K, D) and the step 2 x bound / sqrt(D), at which no keypoint is further off than `bound`.

    Raises InputError where 32 bits do not hold the integers or their differences.

    >>> quantize(np.zeros((1, 1, 3), np.float32), 3**0.5)[1]
    2.0
    """
    step = float(np.float32(2 * bound / math.sqrt(positions.shape[2])))
    values = np.round(positions.astype(np.float64) / step) if step else np.full(positions.shape, np.inf)
    if np.abs(values).max() >= 1 << 29:
        raise InputError(f"a largest error of {bound:g} is too fine for coordinates this far out; give a larger one")
    return values.astype(np.int32), step


def encode_zigzag(values: NDArray[np.int32]) -> NDArray[np.uint32]:
    """0, -1, 1, -2, ... to 0, 1, 2, 3, ...

    >>> encode_zigzag(np.array([0, -1, 1, -2], np.int32)).tolist()
    [0, 1, 2, 3]
    """
    return ((values << 1) ^ (values >> 31)).view(np.uint32)


def decode_zigzag(values: NDArray[np.uint32]) -> NDArray[np.int32]:
    """The mirror of `encode_zigzag`."""
    return ((values >> 1) ^ (0 - (values & 1))).astype(np.uint32).view(np.int32)


def _check(positions: Points) -> None:
    if positions.ndim != 3 or positions.dtype != np.float32 or not positions.size:
        raise InputError(f"positions are {positions.dtype} {positions.shape}; float32 (T, K, D), not empty, is needed")
    if positions.shape[1] > 65535 or positions.shape[2] > 255:
        raise InputError(f"positions {positions.shape} are wider than 65,535 keypoints of 255 coordinates; split them")
    if not np.isfinite(positions).all():
        raise InputError("positions are missing or infinite somewhere; baselines need all of them, fill the gaps first")


def _join_tracks(values: NDArray[Any]) -> NDArray[Any]:
    """(K D T,) of (T, K, D): every coordinate's track, end to end."""
    return np.ascontiguousarray(values.reshape(len(values), values.shape[1] * values.shape[2]).T).ravel()


def _split_tracks(flat: NDArray[Any], shape: Shape) -> NDArray[Any]:
    return np.ascontiguousarray(flat.reshape(shape[1] * shape[2], shape[0]).T).reshape(shape)


def _prepend_shape(positions: Points, body: bytes) -> bytes:
    return _SHAPE.pack(*positions.shape) + body


def _split(data: bytes) -> tuple[Shape, bytes]:
    return _SHAPE.unpack_from(data), data[_SHAPE.size :]


def _wrap_tracks(
    compress: Compress, decompress: Decompress
) -> tuple[Callable[[Points, float], bytes], Callable[[bytes], Points]]:
    """pack and unpack of a compressor of bare numbers. Its tolerance is of a coordinate: a keypoint's by sqrt(D)."""

    def pack(positions: Points, bound: float) -> bytes:
        return _prepend_shape(positions, compress(_join_tracks(positions), bound / math.sqrt(positions.shape[2])))

    def unpack(data: bytes) -> Points:
        shape, body = _split(data)
        return _split_tracks(decompress(body, math.prod(shape)), shape).astype(np.float32, copy=False)

    return pack, unpack


def _compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)


def _decompress(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _decompress_as(kind: type[np.floating[Any]]) -> Decompress:
    return lambda body, _: np.frombuffer(_decompress(body), kind)


def _pack_npz(positions: Points, _: float) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, positions=positions)
    return file.getvalue()


def _unpack_npz(data: bytes) -> Points:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return np.asarray(archive["positions"], np.float32)


def _compress_float16(flat: NDArray[np.float32], _: float) -> bytes:
    if np.abs(flat).max() >= _LARGEST_FLOAT16:
        raise InputError("a coordinate is beyond float16 (65,504); move the positions nearer to the origin")
    return _compress(flat.astype(np.float16).tobytes())


def _take_differences(positions: Points, bound: float) -> tuple[NDArray[np.int32], NDArray[np.int32], float]:
    """First frame (K D,), differences in time by track ((T - 1) K D,), and the step."""
    values, step = quantize(positions, bound)
    return values[0].ravel(), _join_tracks(np.diff(values, axis=0)), step


def _sum_differences(first: NDArray[np.int32], steps: NDArray[np.int32], step: float, shape: Shape) -> Points:
    rest = _split_tracks(steps, (shape[0] - 1, shape[1], shape[2]))
    values = np.concatenate([first.reshape(1, *shape[1:]), rest]).cumsum(axis=0)
    return (values * step).astype(np.float32)


def _pack_diff_zstd(positions: Points, bound: float) -> bytes:
    """Step, form, and zstd of the first frame with the zigzag differences: 2 or 4 byte integers or byte planes."""
    first, steps, step = _take_differences(positions, bound)
    codes = encode_zigzag(steps)
    width = 2 if codes.max(initial=0) < 1 << 16 else 4
    plain = codes.astype(f"<u{width}")
    planes = np.ascontiguousarray(plain.view(np.uint8).reshape(-1, width).T)
    bodies = [_compress(first.tobytes() + form.tobytes()) for form in (plain, planes)]
    form = int(len(bodies[1]) < len(bodies[0]))
    return _prepend_shape(positions, struct.pack("<fB", step, width + form) + bodies[form])


def _unpack_diff_zstd(data: bytes) -> Points:
    shape, body = _split(data)
    step, form = struct.unpack_from("<fB", body)
    width = form & 6
    content = np.frombuffer(_decompress(body[5:]), np.uint8)
    head = 4 * shape[1] * shape[2]
    rest = content[head:].reshape(width, -1).T if form & 1 else content[head:]
    codes = np.ascontiguousarray(rest).view(f"<u{width}").ravel().astype(np.uint32)
    return _sum_differences(content[:head].view(np.int32), decode_zigzag(codes), step, shape)


def _compress_blosc2(flat: NDArray[np.float32], _: float) -> bytes:
    import blosc2

    blosc2.set_nthreads(1)
    shuffle, codec = blosc2.Filter.SHUFFLE, blosc2.Codec.ZSTD
    return bytes(blosc2.compress(flat.tobytes(), typesize=4, clevel=9, filter=shuffle, codec=codec))


def _decompress_blosc2(body: bytes, _: int) -> NDArray[np.float32]:
    import blosc2

    return np.frombuffer(blosc2.decompress(body), np.float32)


def _compress_pcodec(flat: NDArray[Any], _: float = 0.0) -> bytes:
    from pcodec import ChunkConfig, standalone

    return standalone.simple_compress(flat, ChunkConfig()) if flat.size else b""


def _decompress_pcodec(body: bytes, _: int = 0) -> NDArray[Any]:
    from pcodec import standalone

    return np.asarray(standalone.simple_decompress(body)) if body else np.zeros(0, np.int32)


def _pack_diff_pcodec(positions: Points, bound: float) -> bytes:
    first, steps, step = _take_differences(positions, bound)
    return _prepend_shape(positions, struct.pack("<f", step) + first.tobytes() + _compress_pcodec(steps))


def _unpack_diff_pcodec(data: bytes) -> Points:
    shape, body = _split(data)
    end = 4 + 4 * shape[1] * shape[2]
    first = np.frombuffer(body[4:end], np.int32)
    return _sum_differences(first, _decompress_pcodec(body[end:]), struct.unpack_from("<f", body)[0], shape)


def _pack_rice(positions: Points, bound: float) -> bytes:
    values, step = quantize(positions, bound)
    tracks = np.ascontiguousarray(values.reshape(len(values), -1).T.astype(np.int64))
    return _prepend_shape(positions, struct.pack("<f", step) + pack_tracks(tracks))


def _unpack_rice(data: bytes) -> Points:
    shape, body = _split(data)
    step = struct.unpack_from("<f", body)[0]
    return np.asarray(unpack_tracks(body[4:]).T.reshape(shape) * step, np.float32)


def _compress_zfp(flat: NDArray[np.float32], tolerance: float) -> bytes:
    """Fixed accuracy on one-dimensional blocks."""
    import zfpy

    return bytes(zfpy.compress_numpy(flat, tolerance=tolerance))


def _decompress_zfp(body: bytes, _: int) -> NDArray[np.float32]:
    import zfpy

    return np.asarray(zfpy.decompress_numpy(body))


def _compress_sz3(flat: NDArray[np.float32], tolerance: float) -> bytes:
    """Absolute bound on one-dimensional data."""
    from pysz import sz, szConfig, szErrorBoundMode

    config = szConfig()
    config.errorBoundMode, config.absErrorBound = szErrorBoundMode.ABS, tolerance
    return bytes(sz.compress(flat, config)[0].tobytes())


def _decompress_sz3(body: bytes, count: int) -> NDArray[np.float32]:
    from pysz import sz

    return np.asarray(sz.decompress(np.frombuffer(body, np.uint8), np.float32, (count,))[0])


def _pack_bodycompress(positions: Points, bound: float) -> bytes:
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


def _unpack_bodycompress(data: bytes) -> Points:
    from bodycompress import BodyDecompressor

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "joints"
        path.write_bytes(data)
        return np.stack([frame["joints"] for frame in BodyDecompressor(str(path))]).astype(np.float32)


BASELINES = (
    Baseline("float32", *_wrap_tracks(lambda flat, _: flat.tobytes(), lambda body, _: np.frombuffer(body, np.float32))),
    Baseline("npz", _pack_npz, _unpack_npz),
    Baseline("float32-zstd19", *_wrap_tracks(lambda flat, _: _compress(flat.tobytes()), _decompress_as(np.float32))),
    Baseline("float32-blosc2", *_wrap_tracks(_compress_blosc2, _decompress_blosc2), packages=("blosc2",)),
    Baseline("float32-pcodec", *_wrap_tracks(_compress_pcodec, _decompress_pcodec), packages=("pcodec",)),
    Baseline("float16-zstd19", *_wrap_tracks(_compress_float16, _decompress_as(np.float16)), "free"),
    Baseline("diff-zstd19", _pack_diff_zstd, _unpack_diff_zstd, "bounded"),
    Baseline("diff-pcodec", _pack_diff_pcodec, _unpack_diff_pcodec, "bounded", ("pcodec",)),
    Baseline("linear-rice", _pack_rice, _unpack_rice, "bounded"),
    Baseline("zfp", *_wrap_tracks(_compress_zfp, _decompress_zfp), "bounded", ("zfpy",)),
    Baseline("sz3", *_wrap_tracks(_compress_sz3, _decompress_sz3), "bounded", ("pysz",)),
    Baseline("bodycompress", _pack_bodycompress, _unpack_bodycompress, "bounded", ("bodycompress",)),
)
"""All of them, the lossless first. "diff": integers quantized to the bound, differences in time. "linear-rice": as FLAC."""
