"""Nexus' ASCII exports: files after its documentation, with other blocks, and files that lie."""

import numpy as np
import pytest
from good_files import VICON

from posecodec.errors import InputError, NoRateError
from posecodec.io import detect
from posecodec.io.formats import vicon

SUFFIX = ".csv"
TEXT = VICON.decode()
POINTS = [[[1.5, 2, 3], [4, 5, 6]], [[1.5, 2, 3], [np.nan] * 3], [[1.25, 2, 3], [4, 5, 6]]]
DEVICES = "Devices\n1000\n,,Plate,,\nFrame,Sub Frame,Fx,Fy,Fz\n,,N,N,N\n5,0,1,2,3\n5,1,1,2,3\n\n"


@pytest.mark.parametrize("text", [
    TEXT, "\ufeff" + TEXT, DEVICES + TEXT, TEXT.replace(",", "\t"), TEXT.replace("\r", ""), TEXT.replace("3,,,", "3"),
    TEXT.replace("Z\r\n,,", "Z,X',Y'\r\n,,"), TEXT.replace("Trajectories", "TRAJECTORIES"),
])  # fmt: skip
def test_trajectories(put, text, reports):
    assert detect(put(text)).format == "vicon"
    with reports("not kept: the blocks Devices"):
        sequence = vicon.read(put(text))
    assert sequence.skeleton.keypoints == ("Anna:LASI", "Anna:C7")
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.metadata["vicon"]) == (100, "mm", {"first_frame": 5})


def test_rows_of_every_other_frame_have_half_the_rate(put, reports):
    text = TEXT[: TEXT.index("Devices")].replace("\n7,0", "\n9,0").replace("\n6,0", "\n7,0")
    with reports("there is a row for every 2 frames of 100 a second; the rate is 50"):
        sequence = vicon.read(put(text))
    assert (sequence.fps, sequence.frames, vicon.read(put(text), fps=100).fps) == (50, 3, 100)


def test_several_subjects_are_people(put):
    text = TEXT.replace("Anna:C7", "Ben:LASI")
    sequence = vicon.read(put(text))
    assert (sequence.ids, sequence.skeleton.keypoints) == (("Anna", "Ben"), ("LASI",))
    np.testing.assert_array_equal(sequence.positions[:, :, 0], POINTS)


def test_segments_where_there_are_no_trajectories(put, reports):
    text = "Segments\n50\n,,A:Hip,,,,,\nFrame,Sub Frame,RX,RY,RZ,TX,TY,TZ\n,,deg,deg,deg,m,m,m\n1,0,7,8,9,1,2,3\n"
    with reports("3 columns that are no places"):
        sequence = vicon.read(put(text))
    np.testing.assert_array_equal(sequence.positions[0, 0], [[1, 2, 3]])
    assert (sequence.skeleton.keypoints, sequence.fps, sequence.unit) == (("A:Hip",), 50, "m")


@pytest.mark.parametrize(("text", "message"), [
    (DEVICES, r"no block Trajectories with X, Y, Z \(there are Devices\)"), ("Trajectories\n", "no block Traj|line"),
    (TEXT.replace("1.25", "x"), "line 8 holds 'x'"), (TEXT.replace("6,0,", "6,1,"), "line 7 is sub frame '1'"),
    (TEXT.replace("Frame,", "Fr,"), "line 4 is"), (TEXT[:TEXT.index("5,0")], "no rows follow"),
])  # fmt: skip
def test_malformed(put, text, message):
    with pytest.raises(InputError, match=message):
        vicon.read(put(text))


def test_no_rate(put):
    with pytest.raises(NoRateError):
        vicon.read(put(TEXT.replace("\n100", "\n0")))
    assert vicon.read(put(TEXT.replace("\n100", "\n0")), fps=25).fps == 25
