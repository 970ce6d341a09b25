"""QTM's TSV: files after its manual, with and without columns, rigid bodies, our own round trips, and files that lie."""

import numpy as np
import pytest
from good_files import QUALISYS

from posecodec import PoseSequence, Skeleton
from posecodec.errors import InputError, NoRateError, UsageError
from posecodec.io import detect
from posecodec.io.formats import qualisys

SUFFIX = ".tsv"
TEXT = QUALISYS.decode()
POINTS = [[[1.5, 2, 3], [4, 5, 6]], [[1.5, 2, 3], [np.nan] * 3], [[1.25, 2, 3], [4, 5, 6]]]
TITLES = "L_ASI X\tL_ASI Y\tL_ASI Z\tC7 X\tC7 Y\tC7 Z\r\n"


def add_counts(text, titles=""):
    head, rows = text[: text.index("1.5\t")], text[text.index("1.5\t") :].splitlines()
    numbered = [f"{10 + i}\t{i / 200:.5f}\t{row}" for i, row in enumerate(rows)]
    return head + titles + "\r\n".join(numbered) + "\r\n"


@pytest.mark.parametrize(("text", "facts"), [
    (TEXT, {"columns": False, "counted": False}), (TEXT.replace("1.5\t", TITLES + "1.5\t", 1), {"counted": False}),
    (add_counts(TEXT), {"first_frame": 10, "columns": False}),
    (add_counts(TEXT, "Frame\tTime\t" + TITLES), {"first_frame": 10}),
    (add_counts(TEXT, "Frame\tTime\t" + TITLES).replace(".", ","), {"first_frame": 10}),
])  # fmt: skip
def test_with_and_without_columns(put, tmp_path, reports, text, facts):
    assert detect(put(text)).format == "qualisys"
    with reports("1 points are 0, 0, 0", "1 events are left out"):
        sequence = qualisys.read(put(text))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints) == (200, "mm", ("L_ASI", "C7"))
    assert sequence.metadata["qualisys"] == {"header": {"NO_OF_CAMERAS": "8"}} | facts
    qualisys.write(sequence, tmp_path / "b.tsv")
    again = qualisys.read(tmp_path / "b.tsv")
    np.testing.assert_array_equal(again.positions, sequence.positions)
    assert again.metadata == sequence.metadata


def test_rigid_bodies_keep_their_places(put, reports):
    row = "\t".join(["1", "2", "3", *["0"] * 13, "4", "5", "6", *["0"] * 13])
    text = f"NO_OF_FRAMES\t1\nNO_OF_BODIES\t2\nFREQUENCY\t100\nDATA_INCLUDED\t6D\nBODY_NAMES\thip\thead\n{row}\n"
    with reports("rotations of 2 rigid bodies are left out; their positions are kept"):
        sequence = qualisys.read(put(text))
    np.testing.assert_array_equal(sequence.positions[0, 0], [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(("old", "new", "message"), [
    ("\t3D", "\t2D", "DATA_INCLUDED is '2D'"), ("1.250", "x", "line 10 holds 'x'"),
    ("MARKER_NAMES\tL_ASI\tC7\r\n", "", "0 names"),
    ("NO_OF_FRAMES", "NO_FRAMES", "line 1 begins"), ("1.250\t", "1\t2\t3\t1.250\t", "line 10 has 9 cells, 6 were"),
])  # fmt: skip
def test_malformed(put, old, new, message):
    with pytest.raises(InputError, match=message):
        qualisys.read(put(TEXT.replace(old, new)))


def test_counts_and_rate(put, reports):
    with reports("NO_OF_FRAMES says 9, 3 rows are there"):
        qualisys.read(put(TEXT.replace("FRAMES\t3", "FRAMES\t9")))
    with pytest.raises(NoRateError):
        qualisys.read(put(TEXT.replace("FREQUENCY\t200", "FREQUENCY\t0")))


@pytest.mark.parametrize(("options", "message"), [
    ({"unit": "px"}, "is in mm, this is in px"), ({"skeleton": Skeleton("custom", ("a\tb",))}, "does not fit in a cell"),
])  # fmt: skip
def test_what_cannot_be_written(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        qualisys.write(PoseSequence.from_arrays(np.ones((3, 1, 3)), fps=30, **options), tmp_path / "a.tsv")


def test_lengths_become_millimeters(tmp_path, reports):
    with reports("QTM's .tsv is in mm; what is in m is converted"):
        qualisys.write(PoseSequence.from_arrays(np.full((3, 1, 3), 1.5), fps=30, unit="m"), tmp_path / "a.tsv")
    again = qualisys.read(tmp_path / "a.tsv")
    assert again.unit == "mm" and (again.positions == 1500).all()


def test_metadata_that_does_not_fit(tmp_path):
    facts = {
        "header": {"EVENT": "1", "a": "2", "X\n": "3", "DESCRIPTION": "a\nb", "OK": "4", "FREQUENCY": 7},
        "first_frame": "x",
    }
    sequence = PoseSequence.from_arrays(np.ones((3, 2, 3)), fps=30, metadata={"qualisys": facts})
    qualisys.write(sequence, tmp_path / "a.tsv")
    assert qualisys.read(tmp_path / "a.tsv").metadata["qualisys"] == {"header": {"OK": "4"}}
