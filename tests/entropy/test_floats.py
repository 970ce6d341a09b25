"""Packed floats: every bit comes back, motion gets small, damage is noticed or harmless."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from posecodec.entropy.adaptive_models import bit_model
from posecodec.entropy.float_coding import SLOTS, Options, _get_number, read_values, write_values
from posecodec.entropy.float_grids import GridSteps
from posecodec.entropy.float_prediction import choose_predictors
from posecodec.entropy.floats import DECIMAL, MODEL, NARROW, PLANES, RAW, pack_floats, unpack_floats
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.pose.synthetic import walk

DATA = SHARED / "data"
KINDS = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}

Floats = NDArray[Any]

dtypes = st.sampled_from([np.dtype(np.float32), np.dtype(np.float64)])
shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=7) | st.tuples(st.integers(0, 60))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3, 1e9])
def test_shortest_decimals_of_float32_take_no_more_than_it(size: float) -> None:
    short = (np.random.default_rng(0).normal(size=(200, 6)).cumsum(axis=0) * size).astype(np.float32)
    short[3, 2], short[5, 1], short[6, 1] = np.nan, 0.0, -0.0
    wide = np.array([float(str(value)) for value in short.ravel()]).reshape(short.shape)
    data = checked(wide)
    assert data[0] & DECIMAL and len(data) == len(pack_floats(short))


@pytest.mark.parametrize("decimals", [0, 3, 6, 9])
def test_decimals_far_from_0_are_whole_steps(decimals: int) -> None:
    moved = np.random.default_rng(0).normal(size=(300, 6)).cumsum(axis=0)
    values = np.round(moved + 530000, decimals)
    near = pack_floats(np.round(moved, decimals))
    assert len(checked(values)) < len(near) * 1.1 + 40


def zstd_size(array: Floats) -> int:
    return len(zstandard.ZstdCompressor(level=19).compress(np.ascontiguousarray(array).tobytes()))


def checked(array: Floats) -> bytes:
    """The packed bytes, once they have given the same array back, bit by bit."""
    data = pack_floats(array)
    back = unpack_floats(data, array.shape, array.dtype)
    assert back.shape == array.shape and back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()
    assert len(data) <= zstd_size(array) + 1
    return data


def moving(frames: int = 120) -> NDArray[np.float32]:
    """A walk (T, 19, 3) in millimeters."""
    return walk(frames).positions[:, 0].astype(np.float32)


def stretches(path: Path) -> Iterator[Floats]:
    """The sequences of a data file, (T, K, D) float32."""
    with np.load(path) as arrays:
        if "xy_px" in arrays:
            positions = arrays["xy_px"]
        else:
            positions = arrays["root_mm"][:, None] + arrays["rel_dmm"].astype(np.float32) * 0.1
        for start, length in zip(arrays["start"], arrays["length"], strict=True):
            yield np.ascontiguousarray(positions[start : start + length])


def files(folder: str) -> list[Path]:
    """Archives of sequences; others hold single shapes."""
    found = [path for path in sorted((DATA / folder).glob("*.npz")) if "start" in np.load(path)]
    if not found:
        pytest.skip("../shared/data is absent")
    return found


@pytest.mark.compiled
@settings(max_examples=200, deadline=None)
@given(st.data(), dtypes, shapes)
def test_any_bits(data: st.DataObject, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    checked(data.draw(hnp.arrays(KINDS[dtype], shape)).view(dtype))


@settings(max_examples=200, deadline=None)
@given(st.data(), dtypes, shapes)
def test_any_floats(data: st.DataObject, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Values that hypothesis likes: few of them, special ones, denormals."""
    few = data.draw(hnp.arrays(dtype, 4, elements=hnp.from_dtype(dtype)))
    checked(few[data.draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 3)))])


@pytest.mark.compiled
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), dtypes, st.integers(0, 9), st.integers(1, 80), st.booleans())
def test_decimals(seed: int, dtype: np.dtype[Any], digits: int, frames: int, gaps: bool) -> None:
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.integers(-50, 51, (frames, 5, 2)), axis=0) + rng.integers(-(10**6), 10**6, (5, 2))
    values = (steps / 10.0**digits).astype(dtype)
    if gaps:
        values[rng.random((frames, 5)) < 0.1] = rng.choice([np.nan, 0.0, -0.0, np.inf, 1e-40])
    checked(values)


@pytest.mark.compiled
@pytest.mark.parametrize("dtype", KINDS)
def test_special_values_in_motion(dtype: np.dtype[Any]) -> None:
    tiny, largest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    values = moving().astype(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, tiny, -tiny, largest, -largest, 1e-30, 1e30]
    for place, value in enumerate(special):
        values[5 + 9 * place : 9 + 9 * place, place] = value
    values[50].view(KINDS[dtype])[:] |= KINDS[dtype](1)
    nans = np.arange(18, dtype=KINDS[dtype]) + np.array(np.inf, dtype).view(KINDS[dtype])
    values[100:106, 3] = nans.view(dtype).reshape(6, 3)
    checked(values)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (4, 0), (1,), (1, 1), (2,), (9,), (1, 500), (700, 1), (3, 2, 2, 2)])
def test_shapes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    values = np.sqrt(np.arange(np.prod(shape, dtype=int), dtype=np.float64)).reshape(shape).astype(dtype)
    data = checked(values)
    assert bool(data) == bool(values.size)


@pytest.mark.compiled
def test_any_layout() -> None:
    values = moving(40)
    assert pack_floats(np.asfortranarray(values)) == pack_floats(values)
    assert pack_floats(values.astype(">f4")) == pack_floats(values)
    assert pack_floats(values[::-1]) == pack_floats(values[::-1].copy())


def test_channels_that_follow_others() -> None:
    steps = np.cumsum(np.random.default_rng(0).integers(-99, 99, (60, 1)), axis=0) * [1, -1, 2]
    assert len(checked(steps.astype(np.float32))) < 1.6 * len(checked(steps[:, :1].astype(np.float32)))


@pytest.mark.compiled
def test_more_channels_than_sources() -> None:
    """Beyond 1024 channels none follows another, and what the first axis is makes no difference to correctness."""
    checked(np.random.default_rng(0).normal(size=(12, 1100)).astype(np.float32))
    checked(np.cumsum(np.random.default_rng(0).normal(size=(40, 900)), axis=0).astype(np.float32))


@pytest.mark.compiled
def test_same_bytes_twice() -> None:
    assert pack_floats(moving()) == pack_floats(moving().copy())


@pytest.mark.compiled
@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, 0.1, np.nan, np.inf, 1e-40, 1e300])
def test_constants_are_almost_free(value: float) -> None:
    assert len(checked(np.full((200, 19, 3), value))) < 80


@pytest.mark.compiled
def test_float64_that_was_float32() -> None:
    data, same = checked(moving().astype(np.float64)), checked(moving())
    assert data[0] == same[0] | NARROW and data[1:] == same[1:]


@pytest.mark.compiled
def test_decimal_steps_are_found() -> None:
    """Tenths of a millimeter cost no more as float64, in meters, or as whole numbers."""
    steps = np.rint(10 * moving(200).astype(np.float64))
    sizes = [len(checked(steps)), len(checked(steps / 10)), len(checked(steps / 1e4))]
    sizes += [len(checked((steps / scale).astype(np.float32))) for scale in (1, 10, 1e4)]
    assert max(sizes) < 1.02 * min(sizes)
    assert max(sizes) < 0.4 * zstd_size((steps / 10).astype(np.float32))


@pytest.mark.compiled
@pytest.mark.parametrize(("blank", "more"), [(np.nan, 0.3), (0.0, 0.3)])
def test_missing_keypoints_cost_little(blank: float, more: float) -> None:
    values = np.rint(moving(300))
    whole = len(checked(values))
    values[100:180, 4:7] = blank
    values[30:60, 12] = blank
    assert len(checked(values)) < (1 + more) * whole


TIMES = np.arange(600) / 29.97
JITTER = np.random.default_rng(0).normal(0, 0.002, 600)


@pytest.mark.parametrize(
    ("times", "most"),
    [
        (np.arange(600) / 30, 0.5),
        (TIMES, 1.6),
        (TIMES + JITTER, 46),
        (np.rint(TIMES * 1000) / 1000, 1.6),
        (np.rint((TIMES + JITTER) * 1000) / 1000, 5.5),
        (np.rint((1.7e9 + TIMES + JITTER) * 1000) / 1000, 6.5),
    ],
)
def test_timestamps(times: NDArray[np.float64], most: float) -> None:
    """Bits per timestamp; jitter of 2 ms is worth 45 bits as float64, 4 in milliseconds."""
    assert 8 * len(checked(times)) / len(times) < most


@pytest.mark.compiled
@pytest.mark.parametrize(("folder", "most"), [("val", 0.45), ("train2d", 0.85)])
def test_motion_is_smaller_than_zstd_makes_it(folder: str, most: float) -> None:
    """Each file by itself, and all together."""
    ours, theirs = 0, 0
    for path in files(folder):
        for values in stretches(path):
            data, rival = checked(values), zstd_size(values)
            assert len(data) < 0.9 * rival
            ours, theirs = ours + len(data), theirs + rival
    assert ours < most * theirs


def written(mode: int) -> tuple[bytes, Floats]:
    """Packed values of which a given way to write makes the least."""
    rng = np.random.default_rng(0)
    if mode == RAW:
        values = np.tile(rng.integers(0, 2**32, (9, 5), dtype=np.uint32), (30, 1)).view(np.float32)
    elif mode == PLANES:
        values = (rng.uniform(1, 2, (300, 5)) * 2.0 ** rng.choice([-100, 0, 110], (300, 5))).astype(np.float32)
    else:
        values = moving(30).reshape(30, -1).copy()
        values[4:9, 3] = np.nan
    data = checked(values)
    assert data[0] == mode
    return data, values


@pytest.mark.compiled
@pytest.mark.parametrize("mode", [RAW, PLANES, MODEL])
def test_cut_short(mode: int) -> None:
    data, values = written(mode)
    for length in range(0, len(data), max(1, len(data) // 150)):
        try:
            assert unpack_floats(data[:length], values.shape, values.dtype).shape == values.shape
        except CorruptError:
            continue


@pytest.mark.compiled
@pytest.mark.parametrize("mode", [RAW, PLANES, MODEL])
def test_flipped_bits(mode: int) -> None:
    data, values = written(mode)
    rng = np.random.default_rng(1)
    for place in [*range(min(len(data), 40)), *rng.integers(0, len(data), 150).tolist()]:
        broken = bytearray(data)
        broken[place] ^= 1 << int(rng.integers(8))
        try:
            assert unpack_floats(bytes(broken), values.shape, values.dtype).shape == values.shape
        except CorruptError:
            continue


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([RAW, PLANES, MODEL, MODEL, MODEL, RAW | NARROW, MODEL | NARROW]), st.binary(max_size=80), dtypes,
       st.sampled_from([(1,), (40,), (20, 3), (9, 4, 2), (2, 600)]), st.booleans())  # fmt: skip
def test_any_bytes_decode_or_are_corrupt(
    mode: int, data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], sane: bool
) -> None:
    head = np.float64(10).view(np.uint64).astype(">u8").tobytes() if sane else b""
    try:
        assert unpack_floats(bytes([mode]) + head + data, shape, dtype).shape == shape
    except CorruptError:
        pass


@pytest.mark.parametrize("data", [b"", b"\3abc", b"\xff", b"\x06abc"])
def test_unknown_methods_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptError):
        unpack_floats(data, (3,), np.float32)


def test_bytes_for_nothing_are_corrupt() -> None:
    with pytest.raises(CorruptError):
        unpack_floats(b"\0", (0, 3), np.float32)


def test_a_frame_that_unpacks_to_more_is_corrupt() -> None:
    """A frame says that it holds a gigabyte, or does not say so and holds more than was asked for."""
    for stated in (True, False):
        bomb = zstandard.ZstdCompressor(level=19, write_content_size=stated).compress(bytes(10**7))
        with pytest.raises(CorruptError):
            unpack_floats(bytes([RAW]) + bomb, (10, 3), np.float32)


def test_a_frame_that_unpacks_to_less_is_corrupt() -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(7))
    with pytest.raises(CorruptError, match="7 bytes, not 8"):
        unpack_floats(bytes([RAW]) + frame, (2, 1), np.float32)


def test_nothing_but_odd_values() -> None:
    for value in (np.nan, np.inf):
        array = np.full((5, 2, 3), value, np.float32)
        assert unpack_floats(pack_floats(array), array.shape, np.float32).tobytes() == array.tobytes()


@pytest.mark.parametrize("kept", range(9, 30, 3))
@pytest.mark.parametrize("tail", [b"\0" * 300, b"\xff" * 300, bytes(range(1, 255))], ids=["zeros", "ones", "all"])
def test_numbers_that_no_model_writes_are_corrupt(kept: int, tail: bytes) -> None:
    few = np.ascontiguousarray(moving(16).reshape(16, -1)[:, :3])
    for values in (few, few / np.float32(3), np.where(few == few[5], np.float32(np.nan), few)):
        data = pack_floats(values)
        try:
            assert unpack_floats(data[:kept] + tail, values.shape, np.float32).shape == values.shape
        except CorruptError:
            pass


def test_steps_as_large_as_they_may_be_and_larger() -> None:
    for step, most in ((2**53, 2**53), (-(2**53), 2**53), (2**53 + 1, 2**53), (-(2**54), 2**53)):
        steps, encoder, options = np.array([[7, step]]), RangeEncoder(), Options(False, False, 64)
        found = GridSteps(1.0, steps, np.zeros_like(steps), np.zeros(steps.shape, bool))
        predictors = choose_predictors(steps, found.escaped, 1)
        write_values(encoder, found, predictors, options)
        if abs(step) <= most:
            back = read_values(RangeDecoder(encoder.finish()), steps.shape, 1.0, predictors, options)
            assert (back.steps == steps).all()
        else:
            with pytest.raises(CorruptError, match="a symbol its model lacks"):
                read_values(RangeDecoder(encoder.finish()), steps.shape, 1.0, predictors, options)


def test_numbers_of_more_bits_than_any_and_values_after_the_end() -> None:
    models = bit_model(SLOTS).reshape(1, SLOTS, -1)
    with pytest.raises(CorruptError, match="a symbol its model lacks"):
        for tail in (b"\0", b"\xff"):  # one of them says that there are more and more bits
            RangeDecoder(tail * 99).run(_get_number, models.copy(), 0, np.int64(9))
    nothing = choose_predictors(np.zeros((400, 3), np.int64), np.zeros((400, 3), bool), 1)
    with pytest.raises(CorruptError, match="past its end"):
        read_values(RangeDecoder(bytes(range(1, 9))), (400, 3), 1.0, nothing, Options(True, True, 32))


def test_other_arrays_are_mistakes() -> None:
    for array in (np.zeros(3, np.float16), np.zeros(3, int), np.float32(1)):
        with pytest.raises(AssertionError):
            pack_floats(np.asarray(array))
    with pytest.raises(AssertionError):
        unpack_floats(b"", (0,), np.int32)
