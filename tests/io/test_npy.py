"""Plain .npy arrays: shapes, flattened columns, the frame rate that must be given."""

import numpy as np
import pytest

from posecodec.errors import InputError
from posecodec.io import load, save
from posecodec.pose.skeletons.builtin import BODY25, COCO19


@pytest.mark.parametrize(("shape", "skeleton", "expected"), [
    ((4, 19, 3), None, (4, 1, 19, 3)), ((4, 2, 19, 2), None, (4, 2, 19, 2)), ((4, 57), None, (4, 1, 19, 3)),
    ((1, 38), None, (1, 1, 19, 2)), ((4, 75), BODY25, (4, 1, 25, 3)), ((4, 50), "body25", (4, 1, 25, 2)),
    ((4, 7, 3), None, (4, 1, 7, 3)),
])  # fmt: skip
def test_shapes(shape, skeleton, expected, tmp_path):
    values = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    np.save(tmp_path / "a.npy", values)
    sequence = load(tmp_path / "a.npy", fps=30, skeleton=skeleton)
    assert sequence.positions.shape == expected
    np.testing.assert_array_equal(sequence.positions.ravel(), values.ravel())
    assert sequence.skeleton == COCO19 or expected[2] != 19


def test_round_trip_keeps_missing_and_memory_order(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 2, 19, 3)).astype(np.float32)
    values[1, 0, 3] = np.nan
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    sequence = load(tmp_path / "a.npy", fps=29.97, unit="m", up="z")
    assert (sequence.unit, sequence.up, sequence.fps) == ("m", "z", 29.97)
    np.testing.assert_array_equal(sequence.positions, values)
    save(sequence, tmp_path / "b.npy")
    again = np.load(tmp_path / "b.npy", allow_pickle=False)
    np.testing.assert_array_equal(again, values)
    assert again.dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "kept"), [("f8", "f8"), (">f8", "f8"), ("f4", "f4"), ("f2", "f4"), ("i4", "f4"), ("u1", "f4")]
)
def test_float64_is_kept(dtype, kept, tmp_path):
    values = (np.arange(4 * 19 * 3).reshape(4, 19, 3) / 3).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    sequence = load(tmp_path / "a.npy", fps=30)
    assert sequence.positions.dtype == np.dtype(kept)
    save(sequence, tmp_path / "b.npy")
    again = np.load(tmp_path / "b.npy")
    assert again.dtype == np.dtype(kept)
    np.testing.assert_array_equal(again, values)


def test_rate_is_needed(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 19, 3)))
    with pytest.raises(InputError, match=r"a\.npy: .*--fps N"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("values", [
    np.zeros((4, 58)), np.zeros(7), np.zeros(()), np.zeros((2, 2, 2, 2, 2)), np.zeros((4, 19, 3), complex),
    np.zeros((4, 19, 3), bool), np.full((4, 19, 3), "a"), np.full((4, 19, 3), 1e300), np.full((4, 19, 3), np.inf),
])  # fmt: skip
def test_arrays_that_are_no_poses(values, tmp_path):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError):
        load(tmp_path / "a.npy", fps=30)


def test_bytes_that_follow(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((4, 19, 3), np.float32))
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(InputError, match="does not fit"):
        load(path, fps=30)


def test_pickles_are_never_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([print], dtype=object))
    with pytest.raises(InputError, match="pickle"):
        load(tmp_path / "a.npy", fps=30)
