"""idtracker.ai: tables, folders and HDF5 as its writer makes them, idTracker's text, and files that lie."""

import json

import numpy as np
import pytest

from posecodec.errors import InputError, NoRateError
from posecodec.io import detect, load
from posecodec.io.formats import idtracker

SUFFIX = ".csv"
TEXT = "time,x1,y1,x2,y2\n0.000,1.5,2,3,4\n0.017,1.5,2,nan,nan\n0.033,1.25,2,3,4\n"
POINTS = [[[1.5, 2], [3, 4]], [[1.5, 2], [np.nan] * 2], [[1.25, 2], [3, 4]]]


def check(sequence, fps=60, confidence=((1, 1), (1, 0), (1, 1))):
    np.testing.assert_array_equal(sequence.positions[:, :, 0], POINTS)
    np.testing.assert_array_equal(sequence.confidence[:, :, 0], np.float32(confidence))
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (fps, "px", "-y", ("1", "2"))
    assert sequence.skeleton.keypoints == ("centroid",)


def test_a_table_and_a_folder(put, tmp_path):
    path = put(TEXT, "trajectories.csv")
    assert detect(path).format == "idtracker" and detect(tmp_path).format == "idtracker"
    check(load(path))
    put({"frames_per_second": 59.5, "version": "6"}, "attributes.json")
    put("time,id_probabilities1,id_probabilities2\n0,0.5,1\n0,1,0.25\n0,1,1\n", "id_probabilities.csv")
    for given in (path, tmp_path):
        check(load(given), 59.5, ((0.5, 1), (1, 0), (1, 1)))


def test_the_old_programs_text(put):
    text = "X1\tY1\tProbId1\tX2\tY2\tProbId2\n1.5\t2\tNaN\t3\t4\t0.5\n1.5\t2\t1\tNaN\tNaN\tNaN\n1.25\t2\t1\t3\t4\t1\n"
    path = put(text, "t.txt")
    assert detect(path).format == "idtracker"
    with pytest.raises(NoRateError):
        load(path)
    check(load(path, fps=25), 25, ((1, 0.5), (1, 0), (1, 1)))


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 1)])
def test_hdf5(tmp_path, shape):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "trajectories.h5", "w") as file:
        file.create_dataset("trajectories", data=np.array(POINTS), compression="gzip")
        file.create_dataset("id_probabilities", data=np.full(shape, 0.5), compression="gzip")
        file.attrs["frames_per_second"] = 60
        file.attrs["length_unit"] = -1
    assert detect(tmp_path / "trajectories.h5").format == "idtracker"
    check(load(tmp_path / "trajectories.h5"), 60, ((0.5, 0.5), (0.5, 0), (0.5, 0.5)))


@pytest.mark.parametrize(("text", "message"), [
    (TEXT.replace("x2", "z2"), "the columns are"), (TEXT.replace("1.25", "x"), "line 4 holds 'x'"),
    (TEXT.replace(",3,4\n", ",3\n", 1), "line 2 has 4 cells, 5"), ("time,x1,y1\n", "no frames"),
])  # fmt: skip
def test_malformed(put, text, message):
    with pytest.raises(InputError, match=message):
        idtracker.read(put(text), fps=30)


def test_attributes_that_are_no_json(put):
    path = put(TEXT, "trajectories.csv")
    put("{", "attributes.json")
    with pytest.raises(InputError, match="attributes.json beside it is no JSON"):
        load(path)
    put(json.dumps([1]), "attributes.json")
    check(load(path))


def test_tidy_tables_are_tables(put):
    text = "frame,time,individual,x,y,probability\n0,0.0,0,1.5,2,1\n0,0.0,1,3,4,0.5\n1,0.02,0,1.5,2,1\n1,0.02,1,nan,nan,1\n"
    sequence = load(put(text, "trajectories_tidy.csv"))
    assert (sequence.metadata["source_format"], sequence.people, sequence.fps) == ("csv", 2, 50)
