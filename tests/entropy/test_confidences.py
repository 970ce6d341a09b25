"""Confidences: round trips, what they cost on lifelike data, and damaged streams."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from posecodec.entropy.confidences import decode_confidences, encode_confidences
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError

DETECTIONS = SHARED / "data" / "train2d"
FPS = 30

Values = NDArray[np.int32]
Mask = NDArray[np.bool_]


def coded(values: Values, mask: Mask | None = None) -> bytes:
    encoder = RangeEncoder()
    encode_confidences(encoder, values, np.ones(values.shape, bool) if mask is None else mask)
    return encoder.finish()


def decoded(data: bytes, mask: Mask) -> Values:
    decoder = RangeDecoder(data)
    values = decode_confidences(decoder, mask)
    decoder.finish()
    return values


def checked_bits(values: Values, mask: Mask | None = None) -> float:
    """Bits per keypoint and frame, once the values have come back."""
    mask = np.ones(values.shape, bool) if mask is None else mask
    data = coded(values, mask)
    assert np.array_equal(decoded(data, mask), np.where(mask, values, 0))
    return 8 * len(data) / mask.sum()


def smooth(frames: int, hertz: float, spread: float, seed: int, dips: int = 0) -> Values:
    """19 keypoints between 0.6 and 0.98: logistic functions of noise below `hertz`, and some short occlusions."""
    rng = np.random.default_rng(seed)
    low_pass = butter(2, 2 * hertz / FPS, output="sos")
    noise = sosfiltfilt(low_pass, rng.normal(size=(frames + 600, 19)), axis=0)[300:-300]
    logit = rng.uniform(-0.5, 1.5, 19) + spread * noise / noise.std()
    confidence = 0.6 + 0.38 / (1 + np.exp(-logit))
    for _ in range(dips):
        start, keypoint, length = rng.integers(frames - 40), rng.integers(19), rng.integers(10, 40)
        confidence[start : start + length, keypoint] *= 1 - 0.6 * np.hanning(length)
    return np.rint(255 * confidence).astype(np.int32)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12))
    numbers = data.draw(st.sampled_from([(0, 255), (250, 255), (-(2**31), 2**31 - 1), (-300, 70000)]))
    values = data.draw(hnp.arrays(np.int32, shape, elements=st.integers(*numbers)))
    mask = data.draw(hnp.arrays(np.bool_, shape))
    assert np.array_equal(decoded(coded(values, mask), mask), np.where(mask, values, 0))


@pytest.mark.compiled
def test_extremes_in_turn() -> None:
    """The largest changes there are, as often as it takes to upset a filter."""
    values = np.where(np.arange(600).reshape(300, 2) % 3 == 0, -(2**31), 2**31 - 1).astype(np.int32)
    checked_bits(values)
    checked_bits(np.cumsum(np.full((300, 2), 2**22), axis=0).astype(np.int32))


@pytest.mark.compiled
def test_same_bytes_twice() -> None:
    values = smooth(100, 0.6, 0.5, 1)
    assert coded(values) == coded(values.copy())


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("hertz", "spread", "most"), [(0.3, 0.15, 0.5), (0.3, 0.5, 0.75), (0.6, 0.25, 0.95), (1.0, 0.5, 1.5)]
)
def test_smooth_confidences_cost_little(hertz: float, spread: float, most: float) -> None:
    """Within reach of what the best linear prediction leaves, and under half a bit where changes are rare."""
    bits = [checked_bits(smooth(600, hertz, spread, seed)) for seed in range(3)]
    assert np.mean(bits) < most, bits


@pytest.mark.compiled
def test_occlusions_do_not_upset_the_rest() -> None:
    values = smooth(600, 0.3, 0.15, 0, dips=8)
    assert checked_bits(values) < checked_bits(smooth(600, 0.3, 0.15, 0)) + 0.15


@pytest.mark.compiled
@pytest.mark.parametrize("level", [0, 128, 255])
def test_constants_are_almost_free(level: int) -> None:
    assert checked_bits(np.full((300, 19), level, np.int32)) < 0.01


@pytest.mark.compiled
def test_constants_of_each_keypoint_are_almost_free() -> None:
    assert checked_bits(np.tile(np.arange(19, dtype=np.int32) * 10 + 50, (1000, 1))) < 0.02


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("name", "most"), [("sign_mediapipe33", 0.9), ("sign_mediapipe8", 0.6), ("sign_openpose", 5.15)]
)
def test_real_detectors(name: str, most: float) -> None:
    """Below the 1.09, 0.81 and 5.25 bits that coding changes by the size of the last one takes."""
    path = DETECTIONS / f"{name}.npz"
    if not path.exists():
        pytest.skip("../shared/data is absent")
    with np.load(path) as arrays:
        pieces = [arrays["confidence"][a : a + n] for a, n in zip(arrays["start"], arrays["length"], strict=True)]
    counts = np.array([(c > 0).sum() for c in pieces])
    bits = np.array([checked_bits(np.rint(255 * c).astype(np.int32), c > 0) for c in pieces])
    assert (bits * counts).sum() / counts.sum() < most


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.integers(1, 30), st.integers(1, 5))
def test_any_bytes_decode_or_are_corrupt(data: bytes, frames: int, keypoints: int) -> None:
    try:
        assert decoded(data, np.ones((frames, keypoints), bool)).shape == (frames, keypoints)
    except CorruptError:
        pass


@pytest.mark.compiled
@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
def test_damage_is_survived(place: int, bit: int, cut: bool) -> None:
    values = smooth(60, 1.0, 1.0, 3)
    data = bytearray(coded(values))
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    try:
        assert decoded(bytes(data), np.ones(values.shape, bool)).shape == values.shape
    except CorruptError:
        pass


@pytest.mark.parametrize("values", [[2**31], [-(2**31) - 1], [-(2**31), 2**31 + 5]])
def test_beyond_int32_is_corrupt(values: list[int]) -> None:
    """A stream that sums up to what no int32 is gets refused, not wrapped around."""
    encoder, mask = RangeEncoder(), np.ones((len(values), 1), bool)
    encode_confidences(encoder, np.array([values]).T, mask)  # type: ignore[arg-type]
    with pytest.raises(CorruptError, match="symbol"):
        decoded(encoder.finish(), mask)
