"""OpenSim's tables: Vec3 and columns after its documentation, our own round trips, and tables that hold no places."""

import numpy as np
import pytest

from posecodec import PoseSequence, Skeleton
from posecodec.errors import InputError, NoRateError, UsageError
from posecodec.io import detect, load
from posecodec.io.formats import sto

SUFFIX = ".sto"
VEC3 = """Markers
DataRate=100.000000
DataType=Vec3
version=3
OpenSimVersion=4.4
endheader
time\tR.ASIS\tC7
0\t1.5,2,3\t4,5,6
0.01\t1.5,2,3\tnan,nan,nan
0.02\t1.25,2,3\t4,5,6
"""
POINTS = [[[1.5, 2, 3], [4, 5, 6]], [[1.5, 2, 3], [np.nan] * 3], [[1.25, 2, 3], [4, 5, 6]]]


def flatten(ends, between=""):
    names = "\t".join(f"{name}{between}{end}" for name in ("R.ASIS", "C7") for end in ends)
    rows = VEC3.split("C7\n")[1].replace(",", "\t")
    return f"locations\nversion=1\nnRows=3\nnColumns=7\ninDegrees=no\nendheader\ntime\t{names}\n{rows}"


@pytest.mark.parametrize("text", [
    VEC3, flatten(["_tx", "_ty", "_tz"]), flatten("XYZ", "_"), flatten("123", "_"), flatten("xyz", "_"),
    flatten("xyz", "_").replace("\t", "   "), VEC3.replace("\n", "\r\n"), VEC3.replace("nan", "NaN"),
])  # fmt: skip
def test_styles_of_columns(put, text):
    assert detect(put(text, "a.txt")).format == "sto"
    sequence = load(put(text))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.up) == (100, "m", "y")
    assert sequence.skeleton.keypoints == ("R.ASIS", "C7")


def test_places_of_bodies_without_their_rotations(put, reports):
    text = "a\nendheader\ntime hip_X hip_Y hip_Z hip_Ox hip_Oy hip_Oz\n0 1 2 3 90 0 0\n0.5 1 2 3 90 0 0\n"
    with reports("3 columns that are no places are left out"):
        sequence = sto.read(put(text))
    assert sequence.skeleton.keypoints == ("hip",) and sequence.fps == 2


@pytest.mark.parametrize(("text", "message"), [
    (VEC3.replace("Vec3", "Quaternion"), "DataType is 'quaternion', which holds no places; give a table of places"),
    ("a\nendheader\ntime knee_angle_r hip_flexion_r\n0 1 2\n", "no three columns are a marker among 2"),
    ("a\nendheader\ntime ground_force_vx ground_force_vy ground_force_vz\n0 1 2 3\n", "no three columns"),
    ("time a_tx a_ty a_tz\n0 1 2 3\n", "no line endheader"), (VEC3.replace("4,5,6\n", "4,5\n", 1), "line 8 has 6 numbers, 7"),
    (VEC3.replace("1.25", "x"), "line 10 holds 'x'"), (VEC3.replace("time\t", "x\t"), "line 7 is"),
])  # fmt: skip
def test_what_holds_no_places(put, text, message):
    with pytest.raises(InputError, match=message):
        sto.read(put(text))


def test_times(put, tmp_path):
    with pytest.raises(NoRateError):
        sto.read(put("a\nendheader\ntime a_tx a_ty a_tz\n0 1 2 3\n"))
    uneven = sto.read(put(VEC3.replace("0.01\t", "0.013\t")))
    np.testing.assert_array_equal(uneven.timestamps, [0, 0.013, 0.02])
    sto.write(uneven, tmp_path / "b.sto")
    np.testing.assert_array_equal(sto.read(tmp_path / "b.sto").timestamps, uneven.timestamps)


@pytest.mark.parametrize("fps", [29.97, 60, 1000 / 3])
def test_round_trip(tmp_path, fps):
    points = np.random.default_rng(0).normal(size=(50, 4, 3)) + 530000.123
    points[3, 1] = np.nan
    before = PoseSequence.from_arrays(points, fps=fps, unit="m", up="y")
    sto.write(before, tmp_path / "a.sto")
    after = sto.read(tmp_path / "a.sto")
    np.testing.assert_array_equal(after.positions, before.positions)
    assert after.rate == pytest.approx(fps, rel=1e-9) and (after.unit, after.up) == ("m", "y")


@pytest.mark.parametrize(
    ("shape", "name", "message"), [((3, 1, 3), "a b", "has blanks"), ((3, 2, 1, 3), "a", "2 people")]
)
def test_what_cannot_be_written(tmp_path, shape, name, message):
    sequence = PoseSequence.from_arrays(np.ones(shape), fps=30, skeleton=Skeleton("custom", (name,)))
    with pytest.raises(UsageError, match=message):
        sto.write(sequence, tmp_path / "a.sto")


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("is_vec3", [True, False])
def test_tables_that_went_through_a_spreadsheet(put, reports, mark, is_vec3):
    lines = (VEC3 if is_vec3 else flatten("XYZ", "_")).splitlines()
    table = next(i for i, line in enumerate(lines) if line.startswith("time"))
    width = lines[table].count("\t")
    quoted = [mark.join(f'"{c}"' if mark in c else c for c in line.split("\t")) for line in lines[table:]]
    text = "\n".join([line + mark * width for line in lines[:table]] + quoted) + "\n"
    with reports("went through a spreadsheet"):
        sequence = load(put(text))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    angles = f"Coordinates{mark * 2}\nendheader{mark * 2}\ntime{mark}hip{mark}knee\n0{mark}1{mark}2\n"
    with reports("went through"), pytest.raises(InputError, match="no three columns are a marker among 2"):
        load(put(angles))


def test_joint_angles_with_one_place_are_no_markers(put):
    names = "\t".join(
        ["pelvis_tilt", "pelvis_tx", "pelvis_ty", "pelvis_tz", "hip_flexion_r", "knee_angle_r", "ankle_angle_r"]
    )
    text = f"Coordinates\nversion=1\nnRows=1\nnColumns=8\ninDegrees=yes\nendheader\ntime\t{names}\n0\t1\t2\t3\t4\t5\t6\t7\n"
    with pytest.raises(InputError, match="a model's coordinates: 4 of 7 columns are no places"):
        load(put(text))


@pytest.mark.parametrize("title", ["Accelerations", "Velocities"])
def test_velocities_and_accelerations_are_no_places(put, title):
    text = flatten("XYZ", "_").split("\n", 1)[1]
    with pytest.raises(InputError, match=f"a table of '{title}', not of places"):
        load(put(f"{title}\n{text}"))
    assert load(put(f"Positions\n{text}", "b.sto")).frames == 3


def test_names_end_before_what_tells_the_axis(put):
    """Where two styles are in one table, the more frequent has it, and what is left is not part of a name."""
    names = (
        "\t".join(f"{name}_t{axis}" for name in ("pelvis", "R.ASIS", "C7") for axis in "xyz") + "\tpelvis_rx\tpelvis_ry"
    )
    text = f"first trial\nnRows=1\nnColumns=12\nendheader\ntime\t{names}\n" + "\t".join(map(str, range(12))) + "\n"
    assert load(put(text), fps=60).skeleton.keypoints == ("pelvis", "R.ASIS", "C7")
