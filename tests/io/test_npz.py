"""Our own .npz: exact round trips, foreign files, and files that lie."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import PoseSequence, Skeleton, load, save
from posecodec.errors import InputError, UsageError
from posecodec.io.parsing import zip_archive
from posecodec.pose.skeletons.builtin import BODY25, COCO19, build_skeleton


def assert_same(a: PoseSequence, b: PoseSequence) -> None:
    assert a.positions.dtype == b.positions.dtype
    np.testing.assert_array_equal(a.positions, b.positions)
    np.testing.assert_array_equal(a.confidence, b.confidence)
    for name in ("skeleton", "fps", "unit", "up", "ids"):
        assert getattr(a, name) == getattr(b, name)
    assert (a.timestamps is None) == (b.timestamps is None)
    if a.timestamps is not None:
        np.testing.assert_array_equal(a.timestamps, b.timestamps)
    assert dict(a.metadata) == dict(b.metadata)


def sample(**changes: Any) -> PoseSequence:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 2, 19, 3)).astype(np.float32)
    points[2, 1, 4] = np.nan
    values: dict[str, Any] = {"fps": 29.97002997, "unit": "mm", "up": "y", "ids": ("a", "Ünïcode")}
    values |= {"confidence": rng.normal(size=(6, 2, 19)), "metadata": {"take": [1, {"x": None}]}}
    return PoseSequence.from_arrays(points, **(values | changes))


@pytest.mark.parametrize("sequence", [
    sample(), sample(fps=None, timestamps=np.cumsum(np.full(6, 1 / 3))),
    sample(skeleton=Skeleton("dog", tuple(f"k{i}" for i in range(19)), ((0, 1), (2, 3)), ((4, 5),), 7)),
    PoseSequence.from_arrays(np.zeros((1, 25, 2)), fps=25, skeleton=BODY25),
    PoseSequence.from_arrays(np.zeros((3, 0, 19, 3)), fps=25),
    PoseSequence.from_arrays(np.random.default_rng(0).normal(size=(3, 19, 3)), fps=25, exact=True),
])  # fmt: skip
def test_round_trip_is_exact(sequence, tmp_path):
    save(sequence, tmp_path / "a.npz")
    assert_same(load(tmp_path / "a.npz"), sequence)


@settings(max_examples=25, deadline=None)
@given(
    fps=st.floats(1e-3, 1e6),
    shape=st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 5), st.integers(2, 3)),
    texts=st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5), min_size=3, unique=True),
    seed=st.integers(0, 99),
)
def test_any_sequence_comes_back(fps, shape, texts, seed, tmp_path_factory):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=shape).astype(np.float32)
    points[rng.random(shape[:3]) < 0.3] = np.nan
    names = [f"{i}{texts[i % 3]}" for i in range(shape[2])]
    sequence = PoseSequence.from_arrays(
        points, fps=fps, skeleton=build_skeleton(names), ids=texts[: shape[1]], metadata={t: t for t in texts}
    )
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    save(sequence, path)
    assert_same(load(path), sequence)


def test_equal_sequences_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        save(sample(), tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_numpys_own_files_are_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", positions=np.zeros((4, 19, 3)), fps=30, foreign=np.zeros(3))
    sequence = load(tmp_path / "a.npz")
    assert sequence.positions.shape == (4, 1, 19, 3) and sequence.skeleton == COCO19 and sequence.fps == 30


def test_rate_is_needed_and_overrides_timestamps(tmp_path):
    np.savez(tmp_path / "a.npz", positions=np.zeros((2, 19, 3)))
    with pytest.raises(InputError, match="--fps N"):
        load(tmp_path / "a.npz")
    assert load(tmp_path / "a.npz", fps=12.5).fps == 12.5
    save(sample(fps=None, timestamps=np.arange(6.0)), tmp_path / "b.npz")
    assert load(tmp_path / "b.npz", fps=10).timestamps is None


def test_metadata_that_is_no_json_is_refused(tmp_path):
    for bad in ({"a": object()}, {"a": {1, 2}}):
        with pytest.raises(UsageError, match="JSON"):
            save(sample(metadata=bad), tmp_path / "a.npz")
    with pytest.raises(UsageError, match="NUL"):
        save(sample(ids=("a", "b\0")), tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


GOOD: dict[str, Any] = {"positions": np.zeros((2, 19, 3)), "fps": 30}


@pytest.mark.parametrize("bad", [
    {"positions": np.zeros((2, 19, 4))}, {"positions": np.zeros(())}, {"positions": np.array([["x"]])},
    {"positions": np.full((2, 19, 3), np.inf)}, {"positions": np.zeros((2, 19, 3), "V3")},
    {"positions": np.zeros((2, 19, 3), [("a", "f4")])}, {"fps": np.nan}, {"fps": 0}, {"fps": np.array([1, 2])},
    {"fps": "thirty"}, {"timestamps": np.array([0.0, 1.0])}, {"timestamps": np.array(["a", "b"])},
    {"confidence": np.full((2, 1, 19), np.nan)}, {"confidence": np.zeros(3)}, {"keypoints": np.array(["a"] * 19)},
    {"keypoints": np.array(["a", "b"])}, {"keypoints": np.zeros((19, 2))},
    {"keypoints": np.array([str(i) for i in range(19)]), "edges": np.array([[0, 99]])},
    {"keypoints": np.array([str(i) for i in range(19)]), "edges": np.array([1.5])}, {"ids": np.array(["a", "b"])},
    {"unit": "furlong"}, {"unit": 3}, {"up": np.array(["y", "z"])}, {"metadata": "[1]"}, {"metadata": "{"},
    {"metadata": "[" * 100_000},
])  # fmt: skip
def test_wrong_arrays_are_input_errors(bad, tmp_path):
    np.savez(tmp_path / "a.npz", **(GOOD | bad))
    with pytest.raises(InputError, match="a.npz"):
        load(tmp_path / "a.npz")


def test_pickles_are_never_read(tmp_path):
    np.savez(tmp_path / "a.npz", positions=np.array([{"a": 1}], dtype=object), fps=30)
    with pytest.raises(InputError, match="pickle"):
        load(tmp_path / "a.npz")


def hostile(header: str, body: bytes = b"") -> bytes:
    text = header.ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + body
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("positions.npy", array)
        archive.writestr("fps.npy", array)
    return stream.getvalue()


@pytest.mark.parametrize("header", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2147483648, 19, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 0, 19, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 19, 3), }",
    "{'descr': '<U0', 'fortran_order': False, 'shape': (5,), }",
    "{'descr': 'nonsense', 'fortran_order': False, 'shape': (), }", "{'descr': '<f4'", "[" * 100,
])  # fmt: skip
def test_stated_sizes_are_not_believed(header, tmp_path):
    (tmp_path / "a.npz").write_bytes(hostile(header, b"\0" * 12))
    with pytest.raises(InputError):
        load(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(hostile(header))
    with pytest.raises(InputError):
        load(tmp_path / "a.npz")


def test_forged_sizes_of_members():
    info = zipfile.ZipInfo("positions.npy")
    info.file_size, info.compress_type = 1 << 40, zipfile.ZIP_DEFLATED
    with pytest.raises(InputError, match="state .* numpy.savez"):
        zip_archive._check_members([info], 1000)
    info.compress_type = zipfile.ZIP_BZIP2
    with pytest.raises(InputError, match="method"):
        zip_archive._check_members([info], 1000)


def test_lengths_are_no_pixels_however_small_the_third_column(tmp_path):
    points = np.random.default_rng(0).uniform(0, 1, (5, 4, 3)) * (500, 400, 1)
    np.savez(tmp_path / "a.npz", positions=points, fps=30.0, unit="mm")
    assert load(tmp_path / "a.npz").dims == 3
