"""Arrays as chunks: the codec alone, inside zarr arrays of both formats, and in HDF5."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

pytest.importorskip("numcodecs")

import numcodecs  # noqa: E402

from posecodec import PoseCodec, PoseSequence  # noqa: E402
from posecodec.analysis.verification import verify  # noqa: E402
from posecodec.errors import CorruptError, InputError, PosecodecError, UsageError  # noqa: E402
from posecodec.interop.numcodecs import PoseArray  # noqa: E402
from posecodec.pose.skeletons.builtin import COCO19  # noqa: E402
from posecodec.pose.synthetic import walk  # noqa: E402

EXACT, PLAIN = PoseArray(lossless=True), PoseCodec.from_pretrained(None)
WALK = walk(120, people=2).positions
ALONE = WALK[:, 0].copy()
HOLES = np.array(WALK)
HOLES[10:40, 0] = np.nan
HOLES[50:55, 1, 3] = np.nan


def farthest(a: np.ndarray, b: np.ndarray) -> float:
    assert np.array_equal(np.isnan(a), np.isnan(b))
    return float(np.nanmax(np.linalg.norm(a.astype(np.float64) - b.astype(np.float64), axis=-1), initial=0.0))


def same(a: Any, b: np.ndarray) -> None:
    """To the last bit, with shape, type and memory order."""
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    assert a.flags.c_contiguous == b.flags.c_contiguous
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("people", ["all", "one", "bare"])
def test_shape_type_and_order_come_back(dtype: str, order: Any, people: str) -> None:
    array = {"all": HOLES, "one": HOLES[:, :1], "bare": HOLES[:, 0]}[people]
    array = np.array(array, dtype, order=order)
    same(EXACT.decode(EXACT.encode(array)), array)
    near = PoseArray(max_error=2.0)
    found = near.decode(near.encode(array))
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    assert farthest(found, array) <= 2.0


def test_two_dimensions_and_unusual_sizes() -> None:
    generator = np.random.default_rng(0)
    for shape in [(1, 1, 2), (0, 4, 3), (3, 0, 5, 2), (7, 2, 1, 3), (2, 300, 2)]:
        array = generator.normal(size=shape)
        same(EXACT.decode(EXACT.encode(array)), array)
        codec = PoseArray(max_error=0.01)
        assert farthest(codec.decode(codec.encode(array)), array) <= 0.01


def test_lossless_keeps_signs_and_the_bits_of_nans() -> None:
    array = np.zeros((4, 3, 2), np.float32)
    array[0] = -0.0
    array[1, 0] = np.array([0x7FC00001, 0xFFC12345], np.uint32).view(np.float32)
    array[2, 1] = np.finfo(np.float32).max
    same(EXACT.decode(EXACT.encode(array)), array)


@pytest.mark.parametrize("options", [{"lossless": True}, {"max_error": 1.0}])
def test_partly_missing_keypoints_are_refused_in_both_modes(options: dict[str, Any]) -> None:
    array = np.zeros((9, 4, 3), np.float32)
    array[5, 2, 1] = np.nan
    wanted = r"1 keypoints have only some coordinates NaN, the first at \(5, 2\).*make all"
    with pytest.raises(InputError, match=wanted):
        PoseArray(**options).encode(array)
    array[5, 2] = np.inf
    with pytest.raises(InputError, match="infinite coordinate.*frame 5, person 0, keypoint 2"):
        PoseArray(**options).encode(array)


def test_flat_chunks_with_a_shape() -> None:
    flat = np.ascontiguousarray(WALK[:, 0].reshape(120, 57))
    codec = PoseArray(lossless=True, shape=(-1, 19, 3))
    same(codec.decode(codec.encode(flat)), flat)
    same(codec.decode(codec.encode(flat.ravel())), flat.ravel())
    several = PoseArray(lossless=True, shape=(-1, 2, 19, 3))
    same(several.decode(several.encode(WALK.ravel())), WALK.ravel())
    with pytest.raises(InputError, match=r"chunk \(100,\) does not fit shape"):
        codec.encode(flat.ravel()[:100])


def test_arrays_that_are_none_of_keypoints() -> None:
    codec = PoseArray(lossless=True)
    for array in (np.zeros((5, 57), np.float32), np.zeros((5, 19, 4), np.float32), np.zeros(5), np.float32(1)):
        with pytest.raises(InputError, match="cut chunks along time only, and pass shape"):
            codec.encode(array)
    for array in (np.zeros((5, 4, 3), np.int32), np.zeros((5, 4, 3), np.float16), b"abc", np.zeros((1, 1, 2), object)):
        with pytest.raises(InputError, match="takes float32 and float64"):
            codec.encode(array)
    with pytest.raises(InputError, match="4 keypoints but skeleton 'coco19' has 19"):
        PoseArray(lossless=True, skeleton="coco19").encode(np.zeros((5, 4, 3)))


def test_a_bound_that_cannot_be_kept() -> None:
    with pytest.raises(InputError, match="too fine an error|own precision"):
        PoseArray(max_error=1e-11).encode(np.full((5, 4, 3), 1234.5678) + np.arange(5)[:, None, None] / 3)


def test_out_is_filled() -> None:
    codec = PoseArray(lossless=True)
    out = np.empty(WALK.shape, WALK.dtype)
    codec.decode(codec.encode(WALK), out=out)
    assert out.tobytes() == WALK.tobytes()
    codec.decode(np.frombuffer(codec.encode(WALK), np.uint8), out=out)
    codec.decode(memoryview(codec.encode(WALK)), out=out)


@pytest.mark.parametrize(
    "options",
    [
        {"lossless": True},
        {"max_error": 0.5, "fps": 29.97, "skeleton": "coco19", "unit": "mm", "up": "y", "shape": (-1, 19, 3)},
        {"max_error": np.float32(2), "skeleton": ("nose", "tail")},
    ],
)
def test_configuration_round_trips_through_json(options: dict[str, Any]) -> None:
    codec = PoseArray(**options)
    config = json.loads(json.dumps(codec.get_config()))
    assert config["id"] == "posecodec"
    again = numcodecs.get_codec(config)
    assert isinstance(again, PoseArray) and again == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    assert eval(repr(codec), {"PoseArray": PoseArray}) == codec


def test_impossible_options() -> None:
    for options in ({}, {"max_error": 1, "lossless": True}):
        with pytest.raises(UsageError, match="either max_error=NUMBER or lossless=True"):
            PoseArray(**options)
    for options, text in (
        ({"max_error": 0.0}, "must be above 0"),
        ({"max_error": np.nan}, "must be above 0"),
        ({"fps": 0}, "fps is 0"),
        ({"unit": "ell"}, "unit 'ell'"),
        ({"up": "w"}, "up 'w'"),
        ({"skeleton": "octopus"}, "octopus"),
        ({"skeleton": ["a", "a"]}, "repeats"),
        ({"shape": (19, 4)}, r"shape \[19, 4\]"),
        ({"shape": (-1, -1, 3)}, "shape"),
    ):
        with pytest.raises(PosecodecError, match=text):
            PoseArray(**{"lossless": "max_error" not in options, **options})


def test_the_bytes_are_a_posec_file() -> None:
    codec = PoseArray(max_error=1.0, fps=25, skeleton="coco19", unit="mm", up="y")
    encoded = codec.encode(WALK)
    sequence = PLAIN.decode(encoded)
    assert (sequence.fps, sequence.unit, sequence.up, sequence.skeleton) == (25, "mm", "y", COCO19)
    assert sequence.metadata == {}
    assert verify(PLAIN.encode(sequence, lossless=True).header, sequence, len(encoded)).kept
    assert np.array_equal(codec.decode(encoded), sequence.positions)
    assert len(encoded) < WALK.nbytes / 15


def test_any_posec_file_is_an_array() -> None:
    data = PLAIN.encode(PoseSequence.from_arrays(WALK, fps=30), lossless=True).data
    assert EXACT.decode(data).shape == WALK.shape


def decode_as(array: np.ndarray, facts: Any) -> Any:
    """The array in a file whose metadata say such things of it."""
    sequence = PoseSequence.from_arrays(array, fps=30, metadata={"array": facts})
    return EXACT.decode(PLAIN.encode(sequence, lossless=True).data)


@pytest.mark.parametrize(
    "facts",
    [
        {"dtype": "|O"}, {"dtype": 3}, {"dtype": ["<f4"]}, {"shape": [-1]}, {"shape": [2, 2]}, {"shape": "abc"},
        {"shape": [True, 57, 120]}, {"shape": [1] * 80 + [57 * 120]}, {"shape": {}},
    ],
)  # fmt: skip
def test_metadata_that_lie(facts: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match="get the bytes again"):
        decode_as(ALONE, facts)


def test_empty_shapes_that_numpy_cannot_make() -> None:
    with pytest.raises(CorruptError):
        decode_as(ALONE[:0], {"shape": [0, 2**62, 2**62]})
    for facts in ([], "x", 5, None, {"order": 7}):
        same(decode_as(ALONE, facts), ALONE)


def test_damaged_bytes() -> None:
    codec = PoseArray(max_error=1.0)
    data = codec.encode(WALK[:20, 0])
    for end in range(0, len(data), 7):
        with pytest.raises(CorruptError):
            codec.decode(data[:end])
    for place in range(0, len(data), 5):
        broken = bytearray(data)
        broken[place] ^= 16
        with pytest.raises(PosecodecError):
            codec.decode(bytes(broken))


@pytest.mark.parametrize("module", ["numcodecs", "zarr", "xarray"])
def test_importing_loads_neither_torch_nor_numba(module: str) -> None:
    code = f"""
import sys
try:
    import posecodec.interop.{module}
except Exception as error:
    assert 'pip install' in str(error), error
assert not {{'torch', 'numba', 'xarray', 'movement'}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("missing", ["numcodecs", "zarr"])
def test_missing_packages_say_what_to_install(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = sys.modules[{missing + ".abc"!r}] = None
from posecodec.errors import UsageError
try:
    import posecodec.interop.{missing}
except UsageError as error:
    assert "pip install" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def stored(path: Path, format: int, array: np.ndarray, codec: Any, **options: Any) -> Any:
    """An array on disk with chunks of 50 frames, written and opened again."""
    zarr = pytest.importorskip("zarr", minversion="3")
    options = {"dtype": array.dtype, "chunks": (50, *array.shape[1:]), **codec, **options}
    found = zarr.create_array(path, shape=array.shape, zarr_format=format, **options)
    found[:] = array
    return zarr.open_array(path, mode="r")


def version_2(**options: Any) -> dict[str, Any]:
    return {"compressors": PoseArray(**options)}


def version_3(**options: Any) -> dict[str, Any]:
    pytest.importorskip("zarr", minversion="3")
    from posecodec.interop.zarr import PoseSerializer

    return {"serializer": PoseSerializer(**options), "compressors": None}


@pytest.mark.parametrize("format, codec", [(2, version_2), (3, version_3)])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize("fill", [0, np.nan])
def test_zarr_arrays(tmp_path: Path, format: int, codec: Any, dtype: str, fill: float) -> None:
    array = HOLES.astype(dtype)
    exact = stored(tmp_path / "a", format, array, codec(lossless=True), fill_value=fill)
    assert exact[:].dtype == array.dtype and exact[:].tobytes() == array.tobytes()
    near = stored(tmp_path / "b", format, array, codec(max_error=2.0, unit="mm"), fill_value=fill)
    assert farthest(near[:], array) <= 2.0 and near[:].dtype == array.dtype
    assert near[70:110:7, 1, 4].shape == (6, 3)
    assert near.nbytes_stored() < exact.nbytes_stored()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">f8"])
def test_zarr_2_in_fortran_order_and_big_endian(tmp_path: Path, dtype: str) -> None:
    array = HOLES.astype(dtype)
    found = stored(tmp_path / "a", 2, array, version_2(lossless=True), order="F", fill_value=np.nan)
    assert np.array_equal(found[:], array, equal_nan=True) and found.dtype == array.dtype


def test_zarr_2_as_a_filter_with_a_compressor_after(tmp_path: Path) -> None:
    codec = {"filters": [EXACT], "compressors": numcodecs.Zstd()}
    found = stored(tmp_path / "a", 2, WALK, codec)
    assert np.array_equal(found[:], WALK)
    assert json.loads((tmp_path / "a/.zarray").read_text())["filters"][0]["id"] == "posecodec"


def test_zarr_2_chunks_are_posec_files(tmp_path: Path) -> None:
    stored(tmp_path / "a", 2, WALK, version_2(max_error=1.0, unit="mm"), fill_value=np.nan)
    sequence = PLAIN.decode((tmp_path / "a/2.0.0.0").read_bytes())
    assert sequence.unit == "mm" and sequence.frames == 50
    assert sequence.valid[:20].all() and not sequence.valid[20:].any()


def test_zarr_3_configuration_names_only_what_was_chosen(tmp_path: Path) -> None:
    stored(tmp_path / "a", 3, WALK, version_3(max_error=1.0, skeleton="coco19"))
    codecs = json.loads((tmp_path / "a/zarr.json").read_text())["codecs"]
    assert codecs == [{"name": "posecodec", "configuration": {"max_error": 1.0, "skeleton": "coco19"}}]


def test_zarr_3_takes_shards_and_big_endian_arrays_but_no_other_types(tmp_path: Path) -> None:
    shards = stored(tmp_path / "a", 3, WALK, version_3(max_error=1.0), shards=(100, *WALK.shape[1:]))
    assert farthest(shards[:], WALK) <= 1.0
    assert np.array_equal(stored(tmp_path / "b", 3, WALK.astype(">f8"), version_3(lossless=True))[:], WALK)
    with pytest.raises(InputError, match="takes float32 and float64"):
        stored(tmp_path / "c", 3, WALK.astype(np.int32), version_3(lossless=True))


def test_zarr_reports_chunks_cut_through_keypoints(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", minversion="3")
    options = {"dtype": "f4", "chunks": (10, 5, 1), **version_2(lossless=True)}
    found = zarr.create_array(tmp_path / "a", shape=(10, 5, 3), zarr_format=2, **options)
    with pytest.raises(InputError, match="cut chunks along time only"):
        found[:] = 1


def test_hdf5_recipe(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    codec = PoseArray(max_error=1.0, unit="mm")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("walk", data=np.frombuffer(codec.encode(WALK), np.uint8))
        file["opaque"] = np.void(codec.encode(WALK))
    with h5py.File(tmp_path / "a.h5") as file:
        assert farthest(codec.decode(file["walk"][:]), WALK) <= 1.0
        assert farthest(codec.decode(file["opaque"][()].tobytes()), WALK) <= 1.0


def test_entry_points_lead_to_the_codecs() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["numcodecs.codecs"] == {"posecodec": "posecodec.interop.numcodecs:PoseArray"}
    assert project["entry-points"]["zarr.codecs"] == {"posecodec": "posecodec.interop.zarr:PoseSerializer"}
