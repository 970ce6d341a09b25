"""SLEAP analysis files: made by h5py as SLEAP makes them, by sleap-io, and files that lie."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError, NoRateError, UsageError
from posecodec.io.formats import sleap
from posecodec.pose.skeletons.builtin import COCO17

h5py = pytest.importorskip("h5py")

NODES = ["nose", "neck", "tail"]
T, P = 4, 2
POINTS = np.random.default_rng(0).normal(100, 20, (T, P, 3, 2))
POINTS[1, 0] = POINTS[3, 1, 2] = np.nan
SCORES = np.where(np.isnan(POINTS[..., 0]), np.nan, np.linspace(0, 1, T * P * 3).reshape(T, P, 3))


def make(path: Path, **changes: Any) -> Path:
    """A file in SLEAP's own order of axes, without dims; a change of None leaves the data set out."""
    content = {
        "tracks": POINTS.transpose(1, 3, 2, 0),
        "point_scores": SCORES.transpose(1, 2, 0),
        "node_names": np.array([name.encode() for name in NODES]),
        "track_names": np.array([b"left mouse", b"right"]),
        "edge_inds": np.array([[0, 1], [1, 2]]),
        "track_occupancy": np.ones((T, P), np.uint8),
    } | changes
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if value is not None:
                file.create_dataset(name, data=value)
    return path


def test_file_in_sleaps_own_order(tmp_path):
    sequence = sleap.read(make(tmp_path / "a.h5"), fps=29.97)
    np.testing.assert_array_equal(sequence.positions, POINTS)
    np.testing.assert_array_equal(sequence.confidence, np.nan_to_num(SCORES).astype(np.float32))
    assert sequence.ids == ("left mouse", "right") and sequence.skeleton.keypoints == tuple(NODES)
    assert sequence.skeleton.edges == ((0, 1), (1, 2))
    assert (sequence.fps, sequence.unit, sequence.up) == (29.97, "px", "-y")
    assert sequence.metadata == {"source_format": "sleap"}
    with pytest.raises(NoRateError, match="a.h5: .*--fps"):
        sleap.read(tmp_path / "a.h5")


@pytest.mark.parametrize("order", sleap.ORDERS)
@pytest.mark.parametrize("stated", [True, False])
def test_orders_of_axes(order, stated, tmp_path):
    axes = [sleap.AXES.index(axis) for axis in order]
    three = [a for a in axes if a != 3]
    path = make(tmp_path / "a.h5", tracks=POINTS.transpose(axes), point_scores=SCORES.transpose(three))
    if stated:
        with h5py.File(path, "r+") as file:
            file["tracks"].attrs["dims"] = json.dumps(order)
    np.testing.assert_array_equal(sleap.read(path, fps=1).positions, POINTS)


def test_no_names_no_scores_no_edges_and_names_of_variable_length(tmp_path):
    path = make(
        tmp_path / "a.h5",
        track_names=np.zeros(0),
        point_scores=None,
        edge_inds=np.zeros((0, 2)),
        node_names=np.array(["nose", "Schwänzchen", "tail"], h5py.string_dtype()),
    )
    with pytest.warns(DataWarning, match="no point_scores"):
        sequence = sleap.read(path, fps=1)
    assert sequence.ids == ("0", "1") and sequence.skeleton.edges == ()
    assert sequence.skeleton.keypoints[1] == "Schwänzchen"
    np.testing.assert_array_equal(sequence.confidence, ~np.isnan(POINTS[..., 0]))


def test_changes_are_reported(tmp_path, reports):
    points, scores = POINTS.copy(), SCORES.copy()
    points[0, 0, 0, 0], points[0, 0, 1, 1], scores[0, 0, 2], scores[2, 0, 0] = np.inf, np.nan, np.nan, 1.5
    path = make(
        tmp_path / "a.h5",
        tracks=points.transpose(1, 3, 2, 0),
        point_scores=scores.transpose(1, 2, 0),
        track_names=np.array([b"", b""]),
        instance_scores=np.ones((2, 4)),
    )
    parts = "infinite", "only some", "without a score", "outside [0, 1]", "not kept: instance_scores", "numbered"
    with reports(*parts):
        sequence = sleap.read(path, fps=1)
    assert sequence.ids == ("0", "1") and sequence.confidence[0, 0, 2] == 1 and not sequence.valid[0, 0, :2].any()


def test_known_names_give_the_built_in_skeleton_and_one_of_each_works(tmp_path):
    names = np.array([name.encode() for name in COCO17.keypoints])
    path = make(tmp_path / "a.h5", node_names=names, tracks=np.ones((2, 2, 17, 1)), point_scores=np.ones((2, 17, 1)))
    assert sleap.read(path, fps=1).skeleton == COCO17
    one = make(
        tmp_path / "b.h5",
        tracks=np.full((1, 2, 1, 1), np.nan),
        point_scores=np.ones((1, 1, 1)),
        node_names=np.array([b"a"]),
        track_names=None,
        edge_inds=None,
    )
    sequence = sleap.read(one, fps=1)
    assert not sequence.valid.any() and not sequence.confidence.any() and sequence.ids == ("0",)


@pytest.mark.parametrize(("changes", "message"), [
    ({"tracks": None}, "no data set /tracks, only"), ({"node_names": None}, "no data set /node_names"),
    ({"node_names": np.array([b"a", b"b"])}, r"/tracks is \(2, 2, 3, 4\), with 2 node_names"),
    ({"node_names": np.array([b"a", b"a", b"b"])}, "repeats"),
    ({"node_names": np.array([b"\xff", b"a", b"b"])}, "no UTF-8"),
    ({"node_names": np.array([1, 2, 3])}, "a list of names was expected"),
    ({"node_names": "nose"}, "a list of names was expected"),
    ({"track_names": np.array([b"a"] * 3)}, "3 track_names"), ({"tracks": np.zeros((2, 2, 3))}, "4 dimensions"),
    ({"tracks": np.zeros((2, 2, 3, 0)), "point_scores": np.zeros((2, 3, 0))}, "no frames"),
    ({"tracks": np.array([[[[b"x"]]]])}, "numbers in 4 dimensions"),
    ({"point_scores": np.zeros((2, 3, 5))}, "does not fit tracks"),
    ({"edge_inds": np.array([[0, 7]])}, "outside its 3 keypoints"),
    ({"edge_inds": np.zeros((3, 3), int)}, "pairs of node numbers"),
    ({"edge_inds": np.full((1, 2), np.nan)}, "makes no sense|pairs"),
])  # fmt: skip
def test_malformed(changes, message, tmp_path):
    path = make(tmp_path / "a.h5", **changes)
    with pytest.raises(InputError, match=message) as caught:
        sleap.read(path, fps=1)
    assert str(caught.value).startswith(str(path))


def test_sizes_that_the_file_cannot_hold(tmp_path):
    for name, options in (
        ("wide", {"shape": (2, 2, 3, 1 << 40), "chunks": (1, 1, 1, 1024)}),
        ("chunk", {"shape": (2, 2, 3, 4), "chunks": (2, 2, 3, 1 << 24), "maxshape": (2, 2, 3, None)}),
    ):
        path = make(tmp_path / f"{name}.h5", tracks=None)
        with h5py.File(path, "r+") as file:
            file.create_dataset("tracks", dtype="f8", compression="gzip", **options)
        with pytest.raises(InputError, match="/tracks states .* bytes"):
            sleap.read(path, fps=1)


def test_data_of_other_files_is_not_read(tmp_path):
    other, path = make(tmp_path / "b.h5"), make(tmp_path / "a.h5", tracks=None)
    virtual = h5py.VirtualLayout((2, 2, 3, 4), "f8")
    virtual[:] = h5py.VirtualSource(str(other), "tracks", (2, 2, 3, 4))
    (tmp_path / "raw").write_bytes(bytes(8 * 48))
    for change, message in (
        (lambda f: f.__setitem__("tracks", h5py.ExternalLink(str(other), "tracks")), "is no data set of this file"),
        (lambda f: f.__setitem__("tracks", h5py.SoftLink("/nowhere")), "is no data set of this file"),
        (lambda f: f.create_virtual_dataset("tracks", virtual), "other files"),
        (
            lambda f: f.create_dataset("tracks", (2, 2, 3, 4), "f8", external=[(str(tmp_path / "raw"), 0, 384)]),
            "other files",
        ),
        (lambda f: f.create_group("tracks"), "is no data set"),
        (lambda f: f.__setitem__("tracks", h5py.Empty("f8")), "is empty"),
    ):
        with h5py.File(path, "r+") as file:
            if "tracks" in file or file.get("tracks", getlink=True, default=None) is not None:
                del file["tracks"]
            change(file)
        with pytest.raises(InputError, match=message):
            sleap.read(path, fps=1)


def test_no_hdf5_and_no_h5py(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    for content, message in ((b"", "0 bytes"), (b"not hdf5", "signature"), (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            sleap.read(path, fps=1)
    make(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"\.\[h5\]"):
        sleap.read(path, fps=1)


def test_names_of_variable_length_that_lie(tmp_path):
    path = make(tmp_path / "a.h5", node_names=np.array(["nose", "neck", "tail"], h5py.string_dtype()))
    good = path.read_bytes()
    with h5py.File(path) as file:
        place = file["node_names"].id.get_offset()
    heap = good.index(b"GCOL")
    for at, value in ((place, b"\xff" * 4), (place + 4, bytes(8)), (place + 4, b"\xff" * 8), (place + 12, b"\x09"),
                      (heap, b"XCOL"), (heap + 8, b"\xff" * 8), (heap + 24, b"\xff" * 8), (heap + 16, bytes(2))):  # fmt: skip
        path.write_bytes(good[:at] + value + good[at + len(value) :])
        with pytest.raises(InputError, match="/node_names points at text that is not there"):
            sleap.read(path, fps=1)
    names = np.array(["nose", "neck", "tail"], object)
    with h5py.File(make(path, node_names=None), "r+") as file:
        file.create_dataset("node_names", data=names, dtype=h5py.string_dtype(), chunks=(3,), compression=1)
    with pytest.raises(InputError, match="in another way"):
        sleap.read(path, fps=1)
    with h5py.File(make(path, node_names=None), "r+") as file:
        file.create_dataset("node_names", data=names, dtype=h5py.string_dtype(), chunks=(2,))
    assert sleap.read(path, fps=1).skeleton.keypoints == tuple(NODES)


def test_movement_wrote_it(tmp_path):
    pytest.importorskip("movement")
    from movement.io import load_poses, save_poses

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = load_poses.from_numpy(
            POINTS.transpose(0, 3, 2, 1), SCORES.transpose(0, 2, 1), ["a", "b"], NODES, fps=30
        )
        save_poses.to_sleap_analysis_file(dataset, tmp_path / "a.h5")
        sequence = sleap.read(tmp_path / "a.h5", fps=30)
    np.testing.assert_array_equal(sequence.positions, POINTS)
    np.testing.assert_array_equal(sequence.confidence, np.nan_to_num(SCORES).astype(np.float32))
    assert sequence.ids == ("a", "b") and sequence.skeleton.keypoints == tuple(NODES)


@pytest.mark.parametrize("dims", ["5", "[", '["frame"]', '["a", "track", "node", "xy"]', b"\xff", np.arange(3)])
def test_dims_that_make_no_sense(dims, tmp_path):
    path = make(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["tracks"].attrs["dims"] = dims
    with pytest.raises(InputError):
        sleap.read(path, fps=1)


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_sleap_io_wrote_it(preset, tmp_path):
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton(nodes=list(NODES), edges=[("nose", "neck"), ("neck", "tail")])
    tracks = [sio.Track(name) for name in ("a", "b")]
    video = sio.Video("clip.mp4", open_backend=False)
    frames = []
    for t in range(T):
        seen = [p for p in range(P) if not np.isnan(POINTS[t, p]).all()]
        instances = [
            sio.PredictedInstance.from_numpy(
                points_data=POINTS[t, p], skeleton=skeleton, point_scores=np.nan_to_num(SCORES[t, p], nan=0.0),
                score=0.5, track=tracks[p],
            )
            for p in seen
        ]  # fmt: skip
        frames.append(sio.LabeledFrame(video=video, frame_idx=t, instances=instances))
    labels = sio.Labels(labeled_frames=frames, videos=[video], skeletons=[skeleton], tracks=tracks)
    path = tmp_path / "a.analysis.h5"
    sio.save_analysis_h5(labels, path, preset=preset)
    with pytest.warns(DataWarning, match="not kept: instance_scores"):
        sequence = sleap.read(path, fps=25)
    np.testing.assert_array_equal(sequence.positions, POINTS)
    np.testing.assert_array_equal(sequence.confidence, np.nan_to_num(SCORES).astype(np.float32))
    assert sequence.ids == ("a", "b") and sequence.skeleton.edges == ((0, 1), (1, 2))
