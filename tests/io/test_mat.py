"""MATLAB's files: by SciPy and h5py, in several orders of axes, QTM's and idTracker's, and files that lie."""

import numpy as np
import pytest

from posecodec.errors import InputError, NoRateError
from posecodec.io import detect, load
from posecodec.io.formats import mat

scipy_io = pytest.importorskip("scipy.io")
POINTS = np.random.default_rng(0).normal(size=(9, 4, 3)) + 530000.123
POINTS[2, 1] = np.nan


@pytest.fixture
def put(tmp_path):
    def write(values, name="a.mat", **options):
        scipy_io.savemat(tmp_path / name, values, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0), (2, 1, 0), (2, 0, 1), (0, 2, 1)])
def test_orders_of_axes(put, packed, axes, reports):
    names = np.array(["nose", "a", "b", "c"], dtype=object)
    path = put(
        {"xyz": POINTS.transpose(axes), "fps": 50.0, "labels": names, "unit": "cm", "other": np.ones(5)},
        do_compression=packed,
    )
    with reports("xyz (", "is taken as ("):
        sequence = load(path)
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints) == (50, "cm", ("nose", "a", "b", "c"))
    assert detect(path.rename(path.with_name("unnamed"))).format == "mat"


def test_which_array(put):
    several = put({"first": POINTS, "second": {"inner": POINTS + 1}, "rate": 100})
    with pytest.raises(InputError, match=r"arrays: first \(9, 4, 3\), second.inner \(9, 4, 3\)\); pass --item NAME"):
        load(several)
    np.testing.assert_array_equal(load(several, item="second.inner").positions[:, 0], POINTS + 1)
    with pytest.raises(InputError, match="no array 'third', only first"):
        load(several, item="third")
    with pytest.raises(NoRateError):
        load(put({"points": POINTS}, "b.mat"))
    assert load(put({"points": POINTS[:, None].repeat(2, axis=1)}, "c.mat"), fps=30).people == 2
    with pytest.raises(InputError, match=r"a is \(9, 12\); \(frame, keypoint, 2 or 3\) was expected"):
        load(put({"a": POINTS.reshape(9, 12)}, "d.mat"), item="a", fps=30)


def test_what_is_chosen_among_several_is_told(put, reports):
    several = put({"pos": POINTS, "data": POINTS + 1, "fs": 1000.0, "fps": 100.0, "rate": 100.0})
    with reports(
        "is taken as (", "pos is taken for the positions, not data;", "fps is taken for the frame rate, not fs (1000);"
    ):
        assert load(several).fps == 100
    twins = put({"a": {"pos": POINTS}, "b": {"pos": POINTS}, "fps": 50.0}, "b.mat")
    with pytest.raises(InputError, match=r"no array is plainly the positions \(arrays: a.pos \(9, 4, 3\), b.pos"):
        load(twins)
    take = {"Trajectories": {"Labeled": {"Data": POINTS.transpose(1, 2, 0)}}}
    takes = put({"one": take | {"FrameRate": 200.0}, "two": take | {"FrameRate": 100.0}}, "c.mat")
    with pytest.raises(InputError, match=r"several recordings of QTM \(one, two\)"):
        load(takes)
    assert load(takes, item="two").fps == 100


def test_qtm(put, reports):
    data = np.concatenate([POINTS, np.ones((9, 4, 1))], axis=2).transpose(1, 2, 0)
    labels = np.array(["LASI", "RASI", "C7", "SACR"], dtype=object)
    take = {"FrameRate": 200, "Trajectories": {"Labeled": {"Data": data, "Labels": labels}}}
    with reports("residuals of the markers are left out"):
        sequence = load(put({"take_1": take}))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints[3]) == (200, "mm", "SACR")


def test_idtracker(put):
    sequence = load(put({"trajectories": POINTS[..., :2], "probtrajectories": np.ones((9, 4))}), fps=25)
    assert (sequence.people, len(sequence.skeleton)) == (4, 1)
    np.testing.assert_array_equal(sequence.positions[:, :, 0], POINTS[..., :2])


def test_version_73(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["markers"] = POINTS.T
        file["info/fps"] = np.array([[60.0]])
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3 MAT-file, by hand".ljust(124) + b"\0\2IM"
    path.write_bytes(data)
    sequence = load(path)
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert sequence.fps == 60 and detect(path).format == "mat"


@pytest.mark.parametrize(("damage", "message"), [
    (lambda data: data[:400], "bytes are stated where"), (lambda data: b"x" * 200, "no MATLAB file of version 5"),
    (lambda data: data[:128], "no array is plainly"),
])  # fmt: skip
def test_malformed(put, damage, message):
    path = put({"points": POINTS, "fps": 3})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        mat.read(path)


def test_structs_of_the_mocap_toolbox(put):
    def take(points, rate):
        names = np.array(["Head_F", "Head_B", "L_Hand", "R_Hand"], dtype=object)[:, None]
        return {"type": "MoCap data", "nMarkers": 4, "freq": rate, "markerName": names, "data": points.reshape(9, 12)}

    sequence = load(put({"dance": take(POINTS, 60)}))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints[2]) == (60, "mm", "L_Hand")
    several = put({"dance1": take(POINTS, 60), "dance2": take(POINTS + 1, 120)}, "b.mat")
    with pytest.raises(InputError, match=r"several recordings of the MoCap Toolbox \(dance1, dance2\)"):
        load(several)
    for item in ("dance2", "dance2.data"):
        sequence = load(several, item=item)
        assert sequence.fps == 120 and (sequence.positions[0, 0] == POINTS[0] + 1).all()
    wrong = {"a": {"nMarkers": 4, "freq": 60, "data": np.zeros((9, 11))}}
    with pytest.raises(InputError, match="11 columns, three for each marker"):
        load(put(wrong, "c.mat"))
