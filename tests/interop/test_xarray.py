"""Datasets of movement: those by hand, those that movement makes, and back value by value."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posecodec import PoseSequence, Skeleton
from posecodec.errors import DataWarning, InputError, NoRateError, UsageError
from posecodec.interop.xarray import from_dataset, to_dataset
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.synthetic import walk

POINTS = np.arange(4 * 2 * 3 * 2, dtype=np.float64).reshape(4, 2, 3, 2)  # T, P, K, D
NAMES, IDS = ["snout", "centre", "tail"], ["Alice", "Bob"]


@pytest.fixture(autouse=True)
def strict() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        yield


def plain(dims: tuple[str, ...], values: Any, **coords: Any) -> Any:
    """A variable that is no xarray: only what is documented to be looked at."""
    return SimpleNamespace(
        dims=dims,
        shape=np.shape(values),
        values=np.asarray(values),
        coords={k: np.asarray(v) for k, v in coords.items()},
    )


class Plain(dict):
    """A dataset that is no xarray either."""

    def __init__(self, variables: dict[str, Any], **attrs: Any) -> None:
        super().__init__(variables)
        self.attrs = attrs
        self.data_vars = list(variables)


def mice(time: Any = (0, 1, 2, 3), order: str = "tskI", names: str = "plural", **attrs: Any) -> Plain:
    """POINTS in some order of dimensions."""
    end = "s" if names == "plural" else ""
    letters = {"t": "time", "s": "space", "k": f"keypoint{end}", "I": f"individual{end}"}
    dims = tuple(letters[c] for c in order)
    values = np.array(POINTS.transpose(["tIks".index(c) for c in order]))
    coords = {"time": time, "space": ["x", "y"], letters["k"]: NAMES, letters["I"]: IDS}
    confidence = plain(
        tuple(d for d in dims if d != "space"),
        np.full([values.shape[dims.index(d)] for d in dims if d != "space"], 0.5),
    )
    return Plain({"position": plain(dims, values, **coords), "confidence": confidence}, **attrs)


@pytest.mark.parametrize("order", ["tskI", "tIks", "skIt", "Ikst"])
@pytest.mark.parametrize("names", ["plural", "singular"])
def test_by_hand_in_any_order_and_naming(order: str, names: str) -> None:
    sequence = from_dataset(mice(order=order, names=names, fps=25, time_unit="frames"))
    np.testing.assert_array_equal(sequence.positions, POINTS)
    assert sequence.positions.dtype == np.float64
    assert (sequence.confidence == 0.5).all()
    assert (sequence.fps, sequence.ids) == (25.0, ("Alice", "Bob"))
    assert sequence.skeleton == Skeleton("custom", tuple(NAMES))
    assert sequence.metadata == {}


@pytest.mark.parametrize(
    "time, attrs, fps, timestamps, first",
    [
        ([0, 1, 2, 3], {"fps": 25}, 25, None, None),
        ([7, 8, 9, 10], {"fps": 25, "time_unit": "frames"}, 25, None, 7),
        ([0, 1, 5, 6], {"fps": 4, "time_unit": "frames"}, None, [0, 0.25, 1.25, 1.5], None),
        (np.arange(4) / 29.97, {"fps": 29.97, "time_unit": "seconds"}, 29.97, None, None),
        (np.arange(100, 104) / 29.97, {"fps": 29.97, "time_unit": "seconds"}, 29.97, None, 100),
        (np.arange(4) / 30, {"time_unit": "seconds"}, 30, None, None),
        (np.arange(4) / 12.5, {}, 12.5, None, None),
        (np.arange(4) * 1001 / 30000, {}, 30000 / 1001, None, None),
        ((np.arange(4) / 30).astype(np.float32), {"fps": 30}, 30, None, None),
        ([0.0, 0.1, 0.25, 0.3], {"time_unit": "seconds"}, None, [0.0, 0.1, 0.25, 0.3], None),
        (np.array([0, 40, 80, 120], "timedelta64[ms]"), {}, 25, None, None),
    ],
)
def test_times(time: Any, attrs: dict[str, Any], fps: Any, timestamps: Any, first: Any) -> None:
    sequence = from_dataset(mice(time, **attrs))
    if fps is None:
        assert sequence.fps is None and sequence.timestamps is not None
        np.testing.assert_array_equal(sequence.timestamps, timestamps)
    else:
        assert sequence.fps == pytest.approx(fps, rel=1e-15)
    assert sequence.metadata == ({} if first is None else {"movement": {"first": first}})


def test_rate_from_the_caller() -> None:
    for ds in (mice(time_unit="frames"), mice([0, 1, 5, 6], time_unit="frames")):
        with pytest.raises(NoRateError, match="pass fps=N"):
            from_dataset(ds)
    assert from_dataset(mice(time_unit="frames"), fps=50).fps == 50
    assert from_dataset(mice([0.0, 0.1, 0.25, 0.3]), fps=10).fps == 10
    assert from_dataset(mice(fps="fast"), fps=10).fps == 10
    for bad in (0, -1, np.nan):
        with pytest.raises(InputError, match="finite number above 0"):
            from_dataset(mice(), fps=bad)


def test_a_rate_that_times_contradict_is_reported() -> None:
    with pytest.warns(DataWarning, match="fps is 25 but the times say otherwise.*timestamps"):
        assert from_dataset(mice([0.0, 0.1, 0.25, 0.3], fps=25)).timestamps is not None
    with pytest.warns(DataWarning, match="kept as 10 frames per second"):
        assert from_dataset(mice([0.0, 0.1, 0.2, 0.3], fps=25)).fps == 10


@pytest.mark.parametrize("time", [[0.0, 0.1, 0.1, 0.3], [0.0, np.nan, 0.2, 0.3], [3, 2, 1, 0], [0, 1, 1, 2]])
def test_times_that_are_none(time: Any) -> None:
    with pytest.raises(InputError, match="strictly increasing"):
        from_dataset(mice(time, fps=25)) if isinstance(time[0], int) else from_dataset(mice(time))


def test_attributes_become_metadata() -> None:
    attrs = {"source_software": "SLEAP", "n": np.int64(3), "log": ["a", 1], "box": np.arange(2), "none": None}
    sequence = from_dataset(mice(fps=25, ds_type="poses", **attrs))
    kept = {"source_software": "SLEAP", "n": 3, "log": ["a", 1], "box": [0, 1], "none": None}
    assert sequence.metadata == {"movement": {"attrs": kept}}
    json.dumps(sequence.metadata)
    with pytest.warns(DataWarning, match="1 attributes that JSON cannot hold are left behind: path"):
        assert from_dataset(mice(fps=25, path=Path("a"))).metadata == {}


def test_confidences_that_cannot_be_kept_are_reported() -> None:
    ds = mice(fps=25)
    ds["confidence"].values[:] = np.nan
    with pytest.warns(DataWarning, match="all NaN; they are 1"):
        assert (from_dataset(ds).confidence == 1).all()
    ds["confidence"].values[1:] = 0.25
    with pytest.warns(DataWarning, match="6 confidences that are not finite are 0"):
        found = from_dataset(ds).confidence
    assert (found[0] == 0).all() and (found[1:] == 0.25).all()
    ds = mice(fps=25)
    ds["position"].values[2, :, 1, 0] = np.nan
    with pytest.warns(DataWarning, match="1 confidences of keypoints without a position"):
        assert from_dataset(ds).confidence[2, 0, 1] == 0
    ds["confidence"].values[:] = 1e300
    with pytest.raises(InputError, match="beyond float32"), pytest.warns(DataWarning):
        from_dataset(ds)
    del ds["confidence"]
    assert set(from_dataset(ds).confidence.ravel()) == {0, 1}


def test_incomplete_keypoints_are_reported() -> None:
    ds = mice(fps=25)
    ds["confidence"].values[1, 0, 0] = ds["confidence"].values[2, 0, 0] = 0
    ds["position"].values[1, 0, 0, 0] = np.nan
    ds["position"].values[2, 1, 0, 0] = np.inf
    with pytest.warns(DataWarning, match="2 keypoints with only some coordinates, or infinite"):
        sequence = from_dataset(ds)
    assert np.isnan(sequence.positions[1:3, 0, 0]).all() and sequence.valid.sum() == 22


def test_other_variables_are_reported() -> None:
    ds = mice(fps=25)
    ds.data_vars.append("velocity")
    with pytest.warns(DataWarning, match="1 variables are left behind: velocity"):
        from_dataset(ds)


def test_space_in_another_order() -> None:
    ds = mice(fps=25)
    ds["position"].coords["space"] = np.array(["y", "x"])
    np.testing.assert_array_equal(from_dataset(ds).positions, POINTS[..., ::-1])
    ds["position"].coords["space"] = np.array(["rho", "phi"])
    with pytest.raises(InputError, match="x, y or x, y, z is needed"):
        from_dataset(ds)


def test_datasets_that_are_none_of_poses() -> None:
    with pytest.raises(InputError, match="no variable 'position' in the dataset.*pass a movement dataset"):
        from_dataset(Plain({"speed": plain(("time",), [1.0])}))
    for wrong in (None, 5, [], "abc", {}):
        with pytest.raises(InputError, match="no variable 'position'"):
            from_dataset(wrong)
    for dims, values, wanted in (
        (("time", "space", "individuals"), np.zeros((4, 2, 1)), "no 'keypoints'; boxes have no keypoints"),
        (("time", "space", "keypoints", "view"), np.zeros((4, 2, 3, 2)), r"dimension 'view'.*ds.isel\(view=0\)"),
        (("time", "space", "keypoints"), np.full((4, 2, 3), "a"), "numbers are needed"),
    ):
        with pytest.raises(InputError, match=wanted):
            from_dataset(Plain({"position": plain(dims, values)}, ds_type="bboxes"))
    ds = mice(fps=25)
    ds["confidence"] = plain(("time", "keypoints"), np.zeros((4, 3)))
    with pytest.raises(InputError, match="confidence is"):
        from_dataset(ds)


def round_trip(sequence: PoseSequence, **options: Any) -> PoseSequence:
    again = from_dataset(to_dataset(sequence, **options))
    assert again.positions.dtype == sequence.positions.dtype
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    for name in ("skeleton", "fps", "unit", "up", "ids", "metadata"):
        assert getattr(again, name) == getattr(sequence, name), name
    assert (again.timestamps is None) == (sequence.timestamps is None)
    if sequence.timestamps is not None:
        np.testing.assert_array_equal(again.timestamps, sequence.timestamps)
    return again


@pytest.fixture
def sample() -> PoseSequence:
    points = np.array(walk(40, people=2).positions)
    points[3:9, 1] = np.nan
    points[20, 0, 4] = np.nan
    confidence = np.linspace(-1, 2, points[..., 0].size).astype(np.float32).reshape(points.shape[:3])
    confidence[np.isnan(points[..., 0])] = 0
    return PoseSequence.from_arrays(
        points, fps=29.97, confidence=confidence, skeleton=COCO19, unit="mm", up="y", ids=("Ann", "Åke"),
        metadata={"take": 3, "nested": {"a": [None, "ö"]}, "movement": {"first": 12, "attrs": {"source_software": "DLC"}}},
    )  # fmt: skip


@pytest.mark.parametrize("singular", [False, True])
def test_round_trip(sample: PoseSequence, singular: bool) -> None:
    pytest.importorskip("xarray")
    round_trip(sample, singular=singular)
    dims = ("time", "space", "keypoint", "individual") if singular else ("time", "space", "keypoints", "individuals")
    assert to_dataset(sample, singular=singular)["position"].dims == dims


def test_round_trip_of_edges() -> None:
    pytest.importorskip("xarray")
    tailed = Skeleton("mouse", ("snout", "left_ear", "right_ear"), ((0, 1), (0, 2)), ((1, 2),), 0)
    points = np.random.default_rng(0).normal(size=(5, 1, 3, 2))
    round_trip(PoseSequence.from_arrays(points, fps=1000 / 3, skeleton=tailed, exact=True, up="-y"))
    round_trip(PoseSequence.from_arrays(points, timestamps=[0.1, 0.2, 0.5, 7, 8], exact=True))
    round_trip(PoseSequence.from_arrays(points, timestamps=np.arange(5) / 30))
    round_trip(PoseSequence.from_arrays(points[:1], timestamps=[0.1]))
    round_trip(PoseSequence.from_arrays(points * 1e30, fps=29.97))
    for cut in (points[:1], points[:0], points[:, :0], points[:, :, :1] * np.nan):
        round_trip(PoseSequence.from_arrays(cut, fps=30))


@pytest.mark.parametrize("junk", [3, [], {"attrs": 5, "first": "x"}, {"first": 1e9}, {"attrs": {"fps": 3}}])
def test_metadata_are_not_trusted(junk: Any) -> None:
    pytest.importorskip("xarray")
    sequence = PoseSequence.from_arrays(POINTS, fps=25, metadata={"movement": junk})
    assert from_dataset(to_dataset(sequence)).fps == 25
    ds = to_dataset(PoseSequence.from_arrays(POINTS, fps=25, unit="px"))
    ds.attrs["posecodec"] = json.dumps({"unit": junk, "up": junk, "skeleton": junk, "metadata": junk})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        from_dataset(ds)
        ds.attrs["posecodec"] = json.dumps({"skeleton": {"name": 1, "edges": [[0, 99]], "pairs": [], "root": None}})
        assert from_dataset(ds).skeleton == build_skeleton(3)
        ds.attrs["posecodec"] = "{"
        assert from_dataset(ds).unit == "unknown"


def test_chosen_parts_of_a_dataset(sample: PoseSequence) -> None:
    pytest.importorskip("xarray")
    ds = to_dataset(sample)
    cut = from_dataset(ds.isel(time=slice(10, 30)))
    assert cut.fps == 29.97 and cut.metadata["movement"]["first"] == 22
    np.testing.assert_array_equal(cut.positions, sample.positions[10:30])
    one = from_dataset(ds.sel(individuals="Åke"))
    assert one.ids == ("Åke",)
    np.testing.assert_array_equal(one.positions, sample.positions[:, 1:])
    some = from_dataset(ds.sel(keypoints=["nose", "neck"]))
    assert some.skeleton == Skeleton("custom", ("nose", "neck"))
    np.testing.assert_array_equal(some.positions, sample.positions[:, :, [1, 0]])
    gappy = from_dataset(ds.isel(time=[0, 1, 5]).assign_attrs(fps=None))
    np.testing.assert_array_equal(gappy.timestamps, ds.time.values[[0, 1, 5]])


def test_netcdf(sample: PoseSequence, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    to_dataset(sample).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    again = from_dataset(xarray.load_dataset(tmp_path / "a.nc", engine="h5netcdf"))
    np.testing.assert_array_equal(again.positions, sample.positions)
    assert (again.metadata, again.ids, again.fps) == (sample.metadata, sample.ids, sample.fps)


def test_without_xarray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[xarray\]'"):
        to_dataset(PoseSequence.from_arrays(POINTS, fps=25))


def test_metadata_that_are_no_json() -> None:
    pytest.importorskip("xarray")
    with pytest.raises(InputError, match="metadata cannot be written as JSON"):
        to_dataset(PoseSequence.from_arrays(POINTS, fps=25, metadata={"a": {1}}))


def test_what_movement_makes() -> None:
    load_poses = pytest.importorskip("movement.io.load_poses")
    points = np.random.default_rng(0).normal(size=(50, 2, 3, 2))
    ds = load_poses.from_numpy(points, np.ones((50, 3, 2)), IDS, NAMES, fps=29.97, source_software="DeepLabCut")
    sequence = from_dataset(ds)
    np.testing.assert_array_equal(sequence.positions, points.transpose(0, 3, 2, 1))
    assert (sequence.fps, sequence.ids, sequence.skeleton.keypoints) == (29.97, tuple(IDS), tuple(NAMES))
    assert sequence.metadata == {"movement": {"attrs": {"source_software": "DeepLabCut"}}}
    dims = ds["position"].dims
    again = to_dataset(sequence, singular="keypoint" in dims)
    np.testing.assert_array_equal(again["position"].values, ds["position"].values)
    np.testing.assert_array_equal(again["confidence"].values, ds["confidence"].values)
    assert again["position"].dims == dims
    for name in dims:
        np.testing.assert_array_equal(again[name].values, ds[name].values)
    assert {k: again.attrs[k] for k in ds.attrs} == ds.attrs


def test_movement_without_a_rate() -> None:
    load_poses = pytest.importorskip("movement.io.load_poses")
    ds = load_poses.from_numpy(np.zeros((5, 2, 3, 1)))
    with pytest.raises(NoRateError), pytest.warns(DataWarning, match="all NaN"):
        from_dataset(ds)
    with pytest.warns(DataWarning, match="all NaN"):
        assert from_dataset(ds, fps=30).ids == ("id_0",)


def test_movement_takes_ours(sample: PoseSequence, tmp_path: Path) -> None:
    datasets = pytest.importorskip("movement.validators.datasets")
    kinematics = pytest.importorskip("movement.kinematics")
    save_poses = pytest.importorskip("movement.io.save_poses")
    ds = to_dataset(sample, singular="keypoint" in datasets.ValidPosesInputs.DIM_NAMES)
    datasets.ValidPosesInputs.validate(ds)
    assert kinematics.compute_velocity(ds["position"]).shape == ds["position"].shape
    flat = PoseSequence.from_arrays(sample.positions[..., :2], fps=30, skeleton=COCO19)
    ds = to_dataset(flat, singular="keypoint" in datasets.ValidPosesInputs.DIM_NAMES)
    save_poses.to_dlc_file(ds, tmp_path / "a.h5", split_individuals=False)
    save_poses.to_sleap_analysis_file(ds, tmp_path / "b.h5")
