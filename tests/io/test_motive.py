"""Motive's CSV: files after its documentation, of several versions, and files that lie."""

import numpy as np
import pytest
from good_files import MOTIVE

from posecodec.errors import InputError, NoRateError
from posecodec.io import detect
from posecodec.io.formats import motive

SUFFIX = ".csv"
TEXT = MOTIVE.decode()
NAN = [np.nan] * 3


def test_positions_of_bones_and_markers(put, reports):
    with reports("1 rotations of bones and rigid bodies are left out; their positions are kept"):
        sequence = motive.read(put(TEXT))
    assert detect(put(TEXT)).format == "motive"
    assert sequence.skeleton.keypoints == ("Hip", "C7")
    expected = [[[0.125, 1.5, 2], [3, 4, 5]], [[0.25, 1.5, 2], NAN], [[0.5, 1.5, 2], [3.5, 4, 5]]]
    np.testing.assert_array_equal(sequence.positions[:, 0], expected)
    assert (sequence.fps, sequence.unit, sequence.up) == (120, "m", "y")
    assert sequence.metadata == {"source_format": "motive", "motive": {"Take Name": "T 1"}}


def test_solved_and_measured_markers_errors_and_a_timecode(put, reports):
    text = """Format Version,1.22,Capture Frame Rate,100.0,Length Units,Millimeters,Coordinate Space,Local
,,,Rigid Body,Rigid Body Marker,Rigid Body Marker,Rigid Body Marker,Rigid Body Marker,Marker,Marker,Marker
,,,"A, b","A, b:1","A, b:1","A, b:1","A, b:1","A, b:1","A, b:1","A, b:1"
,,,"1","2","2","2","2","2","2","2"
,,,Mean Marker Error,Position,Position,Position,Marker Quality,Position,Position,Position
Frame,Time (Seconds),TimeCode,,X,Y,Z,,X,Y,Z
7,1.5,10:00:00:01.00,0.1,1,2,3,1,4,5,6
9,1.52,10:00:00:03.00,0.1,1,2,3,1,4,5
"""
    with reports("Coordinate Space is Local", "1 frames between"):
        sequence = motive.read(put(text.replace("4,5\n", "4,5,6\n8").replace("\n8", "\n")))
    assert sequence.skeleton.keypoints == ("A, b:1", "A, b:1 (Marker)")
    np.testing.assert_array_equal(sequence.positions[2, 0], [[1, 2, 3], [4, 5, 6]])
    assert (sequence.fps, sequence.frames, sequence.metadata["motive"]["first_frame"]) == (100, 3, 7)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("Frame,Time", "Fram,Time", "no line begins with Frame"), ("Position", "Rotation", "no column holds a position"),
    ("0.25", "x", "line 10 holds 'x'"), ("\n1,0.00", "\n0,0.00", "frame 0 follows frame 0"),
])  # fmt: skip
def test_malformed(put, old, new, message):
    with pytest.raises(InputError, match=message):
        motive.read(put(TEXT.replace(old, new)))


def test_count_and_rate(put, reports):
    with reports("Total Exported Frames says 30, 3 rows are there"):
        motive.read(put(TEXT.replace("Frames,3", "Frames,30")))
    with reports("Export Frame Rate is 240, but all times are those of 120 frames per second"):
        assert motive.read(put(TEXT.replace("Rate,120", "Rate,240"))).fps == 120
    bare = TEXT.replace("Export Frame Rate,120,", "").replace("0.008333", "").replace("0.016667", "")
    with pytest.raises(NoRateError):
        motive.read(put(bare))
    assert motive.read(put(bare), fps=50).fps == 50
