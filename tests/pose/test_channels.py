"""Channels: exact where nothing else is asked, within bounds of their own unit, and never a fault where metadata are odd."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import PoseCodec, PoseSequence, io
from posecodec.errors import DataWarning, UsageError
from posecodec.pose.channels import (
    Channel,
    ChannelBound,
    describe_channels,
    limit_channels,
    measure_channels,
    read_channels,
    store_channels,
)  # fmt: skip
from posecodec.pose.synthetic import walk


def make(frames: int = 60, seed: int = 0) -> list[Channel]:
    """Knee angles that swing by 60 degrees, ankle powers of 0, 0, 4 W, and moments with a gap."""
    time = np.arange(frames)[:, None] / 9
    knee = np.float32(30 + 30 * np.sin(time + [0.0, 1.0, 2.0]))
    power = np.float32(4 * np.maximum(np.sin(time), 0) * [0.0, 0.0, 1.0])
    moment = np.float32(np.random.default_rng(seed).normal(scale=900, size=(frames, 3)).cumsum(axis=0))
    moment[5:9] = np.nan
    return [
        Channel("LKneeAngles", "angles", "deg", knee), Channel("LAnklePower", "powers", "W", power),
        Channel("LHipMoment", "moments", "Nmm", moment),
    ]  # fmt: skip


values32 = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0, np.inf, 1e-45, 3e38])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(values32, min_size=2, max_size=2), min_size=1, max_size=20), st.integers(0, 5))
def test_exact(rows, gap):
    values = np.array(rows, np.float32)
    values[:gap] = np.nan
    stored = json.loads(json.dumps(store_channels([Channel("a", "angles", "", values)])))
    (found,) = read_channels(stored, len(rows))
    assert found.bound == 0
    np.testing.assert_array_equal(found.values.view(np.int32)[gap:], values.view(np.int32)[gap:])
    assert np.isnan(found.values[:gap]).all()


@pytest.mark.parametrize("text", ["0.2%", "1%", "0.1deg,0.01W,20Nmm", "0.5", "0", "1e-3deg", "0.1DEG"])
def test_bounds(text):
    bound, before = ChannelBound.parse(text), make()
    after = read_channels(limit_channels(store_channels(before), bound))
    for a, b in zip(before, after, strict=True):
        assert (a.name, a.kind, a.unit) == (b.name, b.kind, b.unit)
        off = np.abs(a.values.astype(float) - b.values.astype(float))
        assert np.nanmax(off) <= bound.of(a) and (np.isnan(a.values) == np.isnan(b.values)).all()


@settings(max_examples=80, deadline=None)
@given(st.lists(values32, min_size=2, max_size=30), st.floats(1e-12, 1e12))
def test_bounds_hold_for_any_values(column, size):
    before = Channel("a", "scalars", "N", np.array(column, np.float32)[:, None])
    (after,) = read_channels(limit_channels(store_channels([before]), ChannelBound(0, {"n": size})))
    finite = np.isfinite(before.values)
    assert (np.abs(before.values[finite].astype(float) - after.values[finite].astype(float)) <= size).all()
    np.testing.assert_array_equal(before.values[~finite], after.values[~finite])


def test_rows_that_are_partly_missing_are_told():
    values = np.ones((4, 3), np.float32)
    values[1, 2] = values[3] = np.nan
    with pytest.warns(DataWarning, match="^1 rows of channels have some of their values missing"):
        (after,) = read_channels(store_channels([Channel("a", "forces", "N", values)]))
    assert np.isnan(after.values).all(axis=1).tolist() == [False, True, False, True]


def test_coarse_ones_are_small_and_stay_as_they_are():
    exact = store_channels(make())
    coarse = limit_channels(exact, ChannelBound.parse("0.2%"))
    assert len(coarse["channels"]["data"]) < len(exact["channels"]["data"]) / 2
    assert limit_channels(coarse, ChannelBound.parse("0.2%")) == coarse
    assert limit_channels(coarse, ChannelBound.parse("0")) == coarse


@pytest.mark.parametrize("text", ["", "%", "-1", "1,,2", "deg", "nan", "1e40"])
def test_what_is_no_bound(text):
    with pytest.raises(UsageError, match="no error of channels"):
        ChannelBound.parse(text)


GOOD = store_channels(make(4))["channels"]


@pytest.mark.parametrize("stored", [
    None, 3, [], {}, {**GOOD, "frames": 0}, {**GOOD, "frames": 1 << 60}, {**GOOD, "frames": "4"}, {**GOOD, "data": "\0"},
    {**GOOD, "data": 3}, {**GOOD, "data": "00000"}, {**GOOD, "list": 3}, {**GOOD, "list": [[1, 2, 3, 4, 5, 6]]},
    {**GOOD, "list": GOOD["list"][:2]}, {**GOOD, "list": []}, {**GOOD, "list": [["a", "b", "c", 9, -1, 0]]},
    {**GOOD, "list": [["a", "b", "c", 9, 0, 7]]}, {**GOOD, "data": GOOD["data"][:40]},
])  # fmt: skip
def test_odd_metadata_are_no_channels(stored):
    metadata = {"channels": stored, "more": 1}
    assert read_channels(metadata) == []
    assert limit_channels(metadata, ChannelBound(0.1)) == metadata


def test_a_unit_that_no_channel_has_is_said():
    with pytest.warns(DataWarning, match="no channel is in 'rad'; their units are Nmm, W, deg"):
        limit_channels(store_channels(make()), ChannelBound.parse("0.1rad"))


def test_measured():
    before = store_channels(make())
    assert set(measure_channels(before, before).values()) == {0.0}
    after = limit_channels(before, ChannelBound.parse("0.2%"))
    found = measure_channels(before, after)
    assert list(found) == ["angles (deg)", "powers (W)", "moments (Nmm)"] and 0 < found["angles (deg)"] < 0.13
    assert measure_channels(before, {})["powers (W)"] == np.inf
    assert describe_channels(make() * 2) == "2 angles, 2 powers, 2 moments"


def with_channels(frames: int = 60) -> PoseSequence:
    still = walk(frames)
    return PoseSequence.from_arrays(
        still.positions, fps=30, skeleton=still.skeleton, unit="mm", up="y", metadata=store_channels(make(frames))
    )


@pytest.mark.parametrize(("options", "largest"), [
    ({}, 0.13), ({"max_error": 5}, 0.13), ({"lossless": True}, 0), ({"channel_error": 0}, 0),
    ({"channel_error": "0.5deg"}, 0.5),
    ({"lossless": True, "channel_error": "1%"}, 0.61),
])  # fmt: skip
def test_through_the_codec(options, largest):
    before = with_channels()
    after = PoseCodec().decode(PoseCodec().encode(before, **options))
    found = measure_channels(before.metadata, after.metadata)
    assert found["angles (deg)"] <= largest and found["powers (W)"] <= 0.05
    assert (found["angles (deg)"] == 0) == (largest == 0)


def test_formats_without_room_say_so(tmp_path):
    with pytest.warns(DataWarning, match="1 angles, 1 powers, 1 moments are no places and are NOT KEPT by trc"):
        io.save(with_channels(), tmp_path / "a.trc")
    for name in ("a.npz", "a.csv", "a.c3d"):
        io.save(with_channels(), tmp_path / name)
        assert set(measure_channels(with_channels().metadata, io.load(tmp_path / name).metadata).values()) == {0.0}
