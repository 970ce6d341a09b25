"""The TRC format: a file as OpenSim documents it, one as Pose2Sim writes it, our own round trips, and files that lie."""

import warnings

import numpy as np
import pytest

from posecodec import PoseSequence, Skeleton
from posecodec.errors import DataWarning, InputError, NoRateError, UsageError
from posecodec.io.formats import trc

SUFFIX = ".trc"
FILE = """PathFileType\t4\t(X/Y/Z)\tsubject01_walk1.trc
DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames
60.00\t60.00\t4\t2\tmm\t120.00\t1\t900
Frame#\tTime\tR.ASIS\t\t\tV.Sacral\t\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2\t

1\t0.000000\t613.4\t1013.2\t-1.5\t500.25\t1000\t1e2\t
2\t0.016667\t614.4\t1013.3\t-1.5\t\t\t\t
3\t0.033333\tNaN\tNaN\tNaN\t0\t0\t0\t
4\t0.050000\t616.4\t1013.5\t-1.5\t501.0\t1000\t-100

"""
NAN = [np.nan] * 3
POINTS = np.array(
    [
        [[613.4, 1013.2, -1.5], [500.25, 1000, 100]],
        [[614.4, 1013.3, -1.5], NAN],
        [NAN, [0, 0, 0]],
        [[616.4, 1013.5, -1.5], [501, 1000, -100]],
    ]
)


def test_hand_worked_file(put):
    with pytest.warns(DataWarning, match="1 points are exactly 0, 0, 0 .*--zeros-missing"):
        sequence = trc.read(put(FILE))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert sequence.skeleton == Skeleton("custom", ("R.ASIS", "V.Sacral"))
    assert (sequence.fps, sequence.unit, sequence.up) == (60.0, "mm", "unknown")
    extra = {"OrigDataRate": "120.00", "OrigNumFrames": "900"}
    assert sequence.metadata == {"source_format": "trc", "trc": {"name": "subject01_walk1.trc", "header": extra}}


def test_the_users_file_comes_back(tmp_path, put):
    trc.write(trc.read(put(FILE)), tmp_path / "b.trc")
    after = (tmp_path / "b.trc").read_text().splitlines()
    before = FILE.splitlines()
    assert after[0] == before[0] and after[1] == before[1] and after[3:5] == before[3:5]
    assert after[2].split("\t") == ["60", "60", "4", "2", "mm", "120.00", "1", "900"]
    assert after[7] == "2\t0.016667\t614.4\t1013.3\t-1.5\t\t\t"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_without_the_blank_line_and_trailing_tabs(end, put):
    text = "\n".join(line.rstrip("\t") for line in FILE.split("\n") if line)
    with pytest.warns(DataWarning, match="1 rows end early"):
        sequence = trc.read(put(text.replace("\n", end) + end))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)


def test_numbering_gaps_and_start_come_back(tmp_path, put):
    rows = [f"{n}\t{n / 60 + 0.5:.3f}\t{n}\t2\t3\t4\t5\t6" for n in (11, 12, 15, 16)]
    text = "\n".join([*FILE.splitlines()[:6], *rows]) + "\n"
    with pytest.warns(DataWarning, match="2 frames between"):
        sequence = trc.read(put(text))
    assert sequence.frames == 6 and not sequence.valid[2:4].any()
    facts = sequence.metadata["trc"]
    assert (facts["first_frame"], facts["gaps"], facts["start"]) == (11, [[13, 14]], 0.683)
    trc.write(sequence, tmp_path / "b.trc")
    again = trc.read(tmp_path / "b.trc")
    assert again.metadata["trc"]["gaps"] == [[13, 14]]
    numbers = [line.split("\t")[0] for line in (tmp_path / "b.trc").read_text().splitlines()[6:]]
    assert numbers == ["11", "12", "15", "16"]
    np.testing.assert_array_equal(again.positions, sequence.positions)


def test_every_second_frame(tmp_path, put):
    rows = [f"{n}\t{i / 60:.4f}\t{n}\t2\t3\t4\t5\t6" for i, n in enumerate((2, 4, 6, 8))]
    sequence = trc.read(put("\n".join([*FILE.splitlines()[:6], *rows])))
    assert sequence.frames == 4 and sequence.metadata["trc"]["step"] == 2
    trc.write(sequence, tmp_path / "b.trc")
    assert trc.read(tmp_path / "b.trc").metadata == sequence.metadata


def test_times_that_are_not_the_rates(put):
    with pytest.warns(DataWarning, match="1 times differ from those of 60 frames per second .*0.02 s, of frame 2"):
        assert trc.read(put(FILE.replace("0.016667", "0.02"))).fps == 60


@pytest.mark.parametrize("fps", [29.97, 30000 / 1001, 30.0, 1e-3, 12345.678])
@pytest.mark.parametrize("size", [(1, 1), (5, 19), (3, 2)])
def test_round_trip(tmp_path, fps, size):
    points = np.random.default_rng(0).normal(size=(*size, 3)).astype(np.float32) * 1000
    points[-1, -1] = np.nan
    before = PoseSequence.from_arrays(points, fps=fps, unit="m", metadata={"source_format": "trc"})
    trc.write(before, tmp_path / "a.trc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = trc.read(tmp_path / "a.trc")
    np.testing.assert_array_equal(after.positions.astype(np.float32), before.positions)
    np.testing.assert_array_equal(after.confidence, before.confidence)
    for name in ("fps", "unit", "up", "skeleton", "metadata", "ids"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize(
    "facts",
    [1, {"first_frame": True, "step": "x", "start": [], "gaps": [[1, 10**30], "x", [0]], "name": 3, "header": [1]}],
)
def test_metadata_that_does_not_fit(tmp_path, facts):
    trc.write(PoseSequence.from_arrays(np.ones((3, 19, 3)), fps=30, metadata={"trc": facts}), tmp_path / "a.trc")
    assert trc.read(tmp_path / "a.trc").metadata == {"source_format": "trc"}


def test_header_facts_cannot_break_the_file(tmp_path):
    facts = {"name": "a\nb", "header": {"NumFrames": "7", "x\ty": "1", "Units": "feet", "Who": "me", "Two\n": "2"}}
    trc.write(PoseSequence.from_arrays(np.ones((3, 19, 3)), fps=30, metadata={"trc": facts}), tmp_path / "a.trc")
    found = trc.read(tmp_path / "a.trc")
    assert found.metadata["trc"] == {"header": {"Who": "me", "Units": "feet"}} and found.frames == 3


@pytest.mark.parametrize(("old", "new", "message"), [
    ("PathFileType", "Path", "line 1 begins with 'Path'"),
    ("\t4\t2\tmm", "\t4\tx\tmm", "line 3 holds 'x' where NumMarkers"), ("Frame#", "Fram", "line 4"),
    ("614.4", "61x", "line 8 holds '61x'"),
    ("-100", "-100\t7", "line 10 has 9 cells, 8 were expected"), ("\n3\t", "\n2\t", "frame 2 follows frame 2"),
    ("\n3\t", "\n\t", "line 9 holds '' where the frame's number"),
    ("\n4\t0.05", "\n900000000000\t0.05", "split the recording"), ("DataRate\t", "", "has 7 keys"),
    ("1000\t-100", "1000", "line 10 has 7 cells, 8 were expected"),
])  # fmt: skip
def test_malformed(tmp_path, old, new, message, put):
    with pytest.raises(InputError, match=message) as caught:
        trc.read(put(FILE.replace(old, new, 1)))
    assert str(tmp_path) in str(caught.value)


def test_no_rate(put):
    text = FILE.replace("60.00\t60.00", "0\t60.00")
    with pytest.warns(DataWarning, match="DataRate states no rate; the times are those of 60 frames per second"):
        assert trc.read(put(text)).fps == 60
    path = put(text.replace("0.016667", "0.02").replace("0.033333", "0.03"))
    with pytest.raises(NoRateError, match="--fps"):
        trc.read(path)
    assert trc.read(path, fps=25).fps == 25


def test_infinite_and_partly_missing(put):
    with pytest.warns(DataWarning, match="1 keypoints with an infinite"):
        assert not trc.read(put(FILE.replace("614.4", "1e999"))).valid[1, 0, 0]
    with pytest.warns(DataWarning, match="1 keypoints with only some"):
        assert not trc.read(put(FILE.replace("614.4", ""))).valid[1, 0, 0]


@pytest.mark.parametrize(("sequence", "message"), [
    (PoseSequence.from_arrays(np.ones((2, 2, 19, 3)), fps=30), "2 people"),
    (PoseSequence.from_arrays(np.ones((2, 19, 2)), fps=30), "in 2D"),
    (PoseSequence.from_arrays(np.ones((2, 0, 19, 3)), fps=30), "0 people"),
    (PoseSequence.from_arrays(np.ones((2, 19, 3)), timestamps=[0.0, 1.0]), "timestamps"),
    (PoseSequence.from_arrays(np.ones((2, 1, 3)), fps=30, skeleton=Skeleton("custom", ("a\tb",))), "does not fit in a cell"),
])  # fmt: skip
def test_what_cannot_be_written(tmp_path, sequence, message):
    with pytest.raises(UsageError, match=message):
        trc.write(sequence, tmp_path / "a.trc")


def read_noted(path, **options):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        sequence = trc.read(path, **options)
    return sequence, " | ".join(str(w.message) for w in found)


@pytest.mark.parametrize(("changes", "note"), [
    ({"PathFileType\t4\t(X/Y/Z)\t": "PathFileType  4\t(X/Y/Z) "}, ""),
    ({"60.00\t60.00\t4\t2\tmm": " 60.00\t\t 60.00 \t\t 4\t\t 2\t\t mm"}, ""),
    ({"\t": ","}, "between ',', not tabs"), ({".": ",", "\t": ";"}, "between ';', not tabs"), ({".": ","}, ""),
    ({"\t4\t2\tmm": "\t900\t2\tmm"}, "NumFrames says 900, 4 rows are there"),
    ({"\t4\t2\tmm": "\t3\t2\tmm"}, "NumFrames says 3, 4 rows are there"),
    ({"\t4\t2\tmm": "\t4\t3\tmm"}, "NumMarkers is 3, line 4 names 2"), ({"V.Sacral": "R.ASIS"}, "they get #2"),
    ({"\nFrame#": '\n"Frame#"'}, ""), ({"\tZ2\t\n\n": "\tZ2\n"}, ""), ({"\n": "\r\n"}, ""),
])  # fmt: skip
def test_as_programs_write_it(put, changes, note):
    text = FILE
    for old, new in changes.items():
        text = text.replace(old, new)
    sequence, found = read_noted(put(text))
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.skeleton.keypoints[0]) == (60, "mm", sequence.skeleton.keypoints[0])
    assert note in found and found.count("|") == bool(note)


def test_rates_with_decimal_commas_are_written_with_points(tmp_path, put):
    text = FILE.replace("60.00\t60.00\t4", "60.00\t119.88\t4").replace(".", ",").replace("\t", ";")
    trc.write(trc.read(put(text)), tmp_path / "b.trc")
    assert (tmp_path / "b.trc").read_text().splitlines()[2].split("\t")[:2] == ["60", "119.88"]


def test_unnamed_trajectories(put):
    text = FILE.replace("1e2\t\n", "1e2\t7\t8\t9\n").replace("-100\n", "-100\t\t\t\t4\t5\t6\t\t\n")
    sequence, found = read_noted(put(text))
    assert sequence.skeleton.keypoints == ("R.ASIS", "V.Sacral", "*3", "*4")
    np.testing.assert_array_equal(sequence.positions[:, 0, :2], POINTS)
    np.testing.assert_array_equal(sequence.positions[:, 0, 2], [[7, 8, 9], NAN, NAN, NAN])
    np.testing.assert_array_equal(sequence.positions[:, 0, 3], [NAN, NAN, NAN, [4, 5, 6]])
    assert "2 trajectories without a name" in found


def test_no_trajectory_has_a_name(put):
    head, _, rows = FILE.partition("Frame#")
    head = head.replace("\t2\tmm", "\t0\tmm")
    rows = "\n".join(rows.split("\n")[3:])
    sequence, found = read_noted(put(f"{head}Frame#\tTime\t\n\t\t\n\n{rows}"))
    assert sequence.skeleton.keypoints == ("*1", "*2") and "2 trajectories without a name; they are called *1" in found
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    with pytest.raises(InputError, match="no marker in it"):
        trc.read(put(f"{head}Frame#\tTime\t\n\t\t\n\n1\t0\t\n2\t0.1\t\n"))


def test_a_file_cut_short_is_refused(put):
    text = FILE.replace("\t4\t2\tmm", "\t5\t2\tmm").rstrip()
    assert trc.read(put(text)).frames == 4
    with pytest.raises(InputError, match="NumFrames is 5, 4 rows follow; the file is cut short"):
        trc.read(put(text.replace("NaN\t0\t0\t0\t", "NaN\t0\t0\t0.000")))


@pytest.mark.parametrize(("rate", "scale", "fps", "note"), [
    ("250", 1 / 25, 25, "DataRate is 250, but all times are those of 25 frames per second, which are taken; pass --fps 250"),
    ("60", 1000 / 60, 60, "the times are in ms"), ("100", 1e4, 100, "the times are in microseconds"), ("60", 1 / 60, 60, ""),
    ("0", 0.01, 100, "DataRate states no rate; the times are those of 100"), ("29.97", 1001 / 30000, 29.97, ""),
])  # fmt: skip
def test_times_and_rate(put, rate, scale, fps, note):
    lines = FILE.splitlines()[:6] + [f"{n}\t{n * scale:.6f}\t1\t2\t3\t4\t5\t6" for n in range(20)]
    text = "\n".join(lines).replace("60.00\t60.00\t4", f"{rate}\t60.00\t20") + "\n"
    sequence, found = read_noted(put(text))
    assert sequence.fps == fps and note in found and bool(found) == bool(note)
    assert trc.read(put(text), fps=11).fps == 11


def test_positions_keep_their_decimals(put):
    assert trc.read(put(FILE.replace("613.4", "530000.123"))).positions[0, 0, 0, 0] == 530000.123


def test_times_of_whole_milliseconds_fit_their_rate(put, reports):
    header = "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n60\t60\t9\t1\tmm\n"
    rows = "".join(f"{i + 1}\t{round(i / 60, 3):.6f}\t1.5\t2\t{i}\n" for i in range(9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trc.read(put(f"{header}Frame#\tTime\tC7\n\t\tX1\tY1\tZ1\n\n{rows}")).fps == 60
    with reports("1 times differ"):
        trc.read(put(f"{header}Frame#\tTime\tC7\n\t\tX1\tY1\tZ1\n\n{rows.replace('0.017000', '0.018000')}", "b.trc"))
