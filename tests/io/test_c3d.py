"""The C3D format: bytes made by hand, ezc3d as the oracle both ways, and files that lie."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from c3d_bytes import dec, made, record
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import PoseSequence, Skeleton, save
from posecodec.errors import DataWarning, InputError, NoRateError, PosecodecError, UsageError
from posecodec.io.formats import c3d
from posecodec.io.formats.c3d_parser import decode_floats
from posecodec.pose.skeletons.builtin import build_skeleton
from posecodec.pose.synthetic import walk

SUFFIX = ".c3d"
POINTS = np.arange(1, 19, dtype=np.float32).reshape(3, 1, 2, 3)
POINTS[1, 0, 1] = np.nan


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("integers", [False, True])
def test_hand_worked_file(processor, integers, put):
    sequence = c3d.read(put(made(processor, integers)))
    np.testing.assert_array_equal(sequence.positions, POINTS)
    assert sequence.skeleton == Skeleton("custom", ("A", "B"))
    assert (sequence.fps, sequence.unit, sequence.up) == (100.0, "mm", "z")
    assert sequence.metadata == {"source_format": "c3d", "c3d": {"first_frame": 7}}


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 3e-30, 123456.79, 1e37])
def test_dec_floats(value):
    np.testing.assert_array_equal(decode_floats(dec(value), 85), np.float32(value))


def test_read_and_write_keeps_all(tmp_path, put):
    before = c3d.read(put(made(86, True)))
    c3d.write(before, tmp_path / "b.c3d")
    after = c3d.read(tmp_path / "b.c3d")
    np.testing.assert_array_equal(after.positions, before.positions)
    for name in ("fps", "unit", "up", "skeleton", "metadata"):
        assert getattr(after, name) == getattr(before, name)


def big(frames: int, keypoints: int, **options: Any) -> PoseSequence:
    points = np.random.default_rng(0).normal(size=(frames, 1, keypoints, 3)).astype(np.float32)
    points[0, 0, 0] = np.nan
    skeleton = Skeleton("custom", tuple(f"marker {i}" for i in range(keypoints)))
    return PoseSequence.from_arrays(points, **{"fps": 29.97, "skeleton": skeleton, "unit": "m", "up": "y"} | options)


@pytest.mark.parametrize("size", [(1, 1), (3, 300), (70000, 1), (65535, 2)])
@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 240.0])
def test_round_trip(tmp_path, size, fps):
    before = big(*size, fps=fps, metadata={"source_format": "c3d", "c3d": {"first_frame": 5}})
    c3d.write(before, tmp_path / "a.c3d")
    after = c3d.read(tmp_path / "a.c3d")
    np.testing.assert_array_equal(after.positions, before.positions)
    assert (after.fps, after.unit, after.up, after.skeleton) == (fps, "m", "y", before.skeleton)
    assert after.metadata == before.metadata


def test_all_missing(tmp_path):
    before = PoseSequence.from_arrays(np.full((4, 19, 3), np.nan), fps=30)
    c3d.write(before, tmp_path / "a.c3d")
    assert not c3d.read(tmp_path / "a.c3d").valid.any()


@pytest.mark.parametrize("metadata", [3, {"first_frame": "x", "units": 4, "x_screen": "++"}, {"first_frame": -3}, []])
def test_metadata_that_does_not_fit(tmp_path, metadata):
    c3d.write(big(2, 2, unit="unknown", metadata={"c3d": metadata}), tmp_path / "a.c3d")
    assert c3d.read(tmp_path / "a.c3d").metadata == {"source_format": "c3d"}


def test_ezc3d_reads_ours(tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    before = big(10, 300)
    c3d.write(before, tmp_path / "a.c3d")
    found = ezc3d.c3d(str(tmp_path / "a.c3d"))
    np.testing.assert_array_equal(
        found["data"]["points"][:3].transpose(2, 1, 0).astype(np.float32), before.positions[:, 0]
    )
    point = found["parameters"]["POINT"]
    assert [*point["LABELS"]["value"], *point["LABELS2"]["value"]] == list(before.skeleton.keypoints)
    assert point["UNITS"]["value"] == ["m"] and np.float32(point["RATE"]["value"][0]) == np.float32(29.97)


def test_reads_what_ezc3d_writes(tmp_path):
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [50]
    file["parameters"]["POINT"]["LABELS"]["value"] = ("nose", "tail")
    file["parameters"]["POINT"]["UNITS"]["value"] = ("cm",)
    file["parameters"]["ANALOG"]["RATE"]["value"] = [100]
    file["parameters"]["ANALOG"]["LABELS"]["value"] = ("force",)
    points = np.random.default_rng(1).normal(size=(4, 2, 6)).astype(np.float32)
    points[3] = 1
    points[:3, 1, 2] = np.nan
    file["data"]["points"], file["data"]["analogs"] = points.astype(float), np.ones((1, 1, 12))
    file.write(str(tmp_path / "a.c3d"))
    with pytest.warns(DataWarning, match="1 analog channels"):
        sequence = c3d.read(tmp_path / "a.c3d")
    np.testing.assert_array_equal(sequence.positions[:, 0], points[:3].transpose(2, 1, 0))
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints) == (50.0, "cm", ("nose", "tail"))


@pytest.mark.parametrize(("data", "message"), [
    (b"x" * 2000, "not C3D"), (made()[:600], "block"),
    (made()[:-1], "3 frames of 2 points and 0 analog values need 96 bytes from block 3, 95 are left"),
    (made(frames=4), "4 frames of 2 points"), (made(start=9), "from block 9"), (made(used=0), "no points in it"),
    (made(scale=float("nan")), "POINT:SCALE is nan"),
    (made()[:515] + b"\x07" + made()[516:], "processor type 7 at byte 515"), (b"\xff" + made()[1:], "block 255"),
    (made(more=[record(1, b"BAD", b"\x09\x00", "<")]), "parameter 'BAD' at byte"),
    (made(more=[record(1, b"BAD", b"\x04\x07" + b"\xff" * 7, "<")]), "are left; damaged"),
])  # fmt: skip
def test_malformed(tmp_path, data, message, put):
    with pytest.raises(InputError, match=message) as caught:
        c3d.read(put(data))
    assert str(tmp_path) in str(caught.value)


def test_no_rate(put):
    path = put(made(rate=0))
    with pytest.raises(NoRateError, match="--fps"):
        c3d.read(path)
    assert c3d.read(path, fps=25).fps == 25


def test_reports(put):
    with pytest.warns(DataWarning, match="1 points without a label"):
        assert c3d.read(put(made(labels=(b"A",)))).skeleton.keypoints == ("A", "*2")
    with pytest.warns(DataWarning, match="twice"):
        assert c3d.read(put(made(labels=(b"A", b"A")))).skeleton.keypoints == ("A", "A_2")
    data = bytearray(made())
    data[1024:1036] = bytes(12)
    with pytest.warns(DataWarning, match="1 points are exactly 0, 0, 0"):
        c3d.read(put(bytes(data)))
    data[1036:1040] = struct.pack("<f", 5)
    with pytest.warns(DataWarning, match="1 residuals"):
        c3d.read(put(bytes(data)))
    data[1024:1028] = struct.pack("<f", np.inf)
    with pytest.warns(DataWarning, match="infinite"):
        assert not c3d.read(put(bytes(data))).valid[0, 0, 0]


@pytest.mark.parametrize(("sequence", "message"), [
    (PoseSequence.from_arrays(np.ones((2, 2, 19, 3)), fps=30, ids=["a:b", "c"]), "the id 'a:b'"),
    (PoseSequence.from_arrays(np.ones((2, 19, 2)), fps=30), "in 2D"),
    (PoseSequence.from_arrays(np.ones((2, 19, 3)), timestamps=[0.0, 1.0]), "timestamps"),
    (PoseSequence.from_arrays(np.ones((2, 0, 19, 3)), fps=30), "0 people"),
    (PoseSequence.from_arrays(np.ones((2, 1, 3)), fps=30, skeleton=Skeleton("custom", ("a ",))), "'a '"),
    (PoseSequence.from_arrays(np.ones((2, 1, 3)), fps=30, skeleton=Skeleton("custom", ("a" * 256,))), "label"),
    (PoseSequence.from_arrays(np.ones((2, 19, 3)), fps=1e300), "beyond float32"),
    (PoseSequence.from_arrays(np.ones((1, 30000, 3)), fps=30, skeleton=build_skeleton(30000)), "more than the 130560"),
])  # fmt: skip
def test_what_cannot_be_written(tmp_path, sequence, message):
    with pytest.raises(UsageError, match=message):
        c3d.write(sequence, tmp_path / "a.c3d")
    assert not list(tmp_path.iterdir())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([84, 85, 86]), st.lists(st.tuples(st.integers(0, 1119), st.integers(0, 255)), max_size=6))
def test_mutated_bytes(tmp_path_factory, processor, changes):
    data = bytearray(made(processor))
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "a.c3d"
    path.write_bytes(data)
    with suppress(PosecodecError):
        c3d.read(path)


def test_rounding_far_from_0_is_said(tmp_path, reports):
    points = np.round(walk(5).positions.astype(float) / 1000 + (530000.123, 0, 180000.456), 3)
    sequence = PoseSequence.from_arrays(points, fps=30, unit="m", up="y")
    with reports("rounded by up to 0.03"):
        save(sequence, tmp_path / "a.c3d")
