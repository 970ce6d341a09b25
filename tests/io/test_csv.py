"""Tables of text: our own, those that others write, pandas as the oracle, and files that lie."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import PoseSequence, Skeleton
from posecodec.errors import DataWarning, InputError, NoRateError, UsageError
from posecodec.io import load
from posecodec.io.formats import csv
from posecodec.pose.skeletons.builtin import COCO17, COCO19, build_skeleton
from posecodec.pose.synthetic import walk

SUFFIX = ".csv"
PLAIN = {"source_format": "csv"}


def again(sequence: PoseSequence, folder: Path, name: str = "a.csv") -> str:
    """Write, read in silence, compare everything; the text."""
    csv.write(sequence, folder / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = csv.read(folder / name)
    np.testing.assert_array_equal(after.positions.astype(sequence.positions.dtype), sequence.positions)
    np.testing.assert_array_equal(after.confidence, sequence.confidence)
    np.testing.assert_array_equal(after.timestamps, sequence.timestamps)
    for field in ("fps", "unit", "up", "ids", "skeleton", "metadata"):
        assert getattr(after, field) == getattr(sequence, field), field
    return (folder / name).read_text()


def test_what_is_written(tmp_path):
    points = np.array([[[1, 2.5], [0.1, -3]], [[np.nan, np.nan], [1e-7, 1e20]]], np.float32)
    before = PoseSequence.from_arrays(points, fps=29.97, skeleton=Skeleton("custom", ("nose", "tail")), metadata=PLAIN)
    assert (
        again(before, tmp_path)
        == "# fps: 29.97\nframe,nose_x,nose_y,tail_x,tail_y\n0,1.0,2.5,0.1,-3.0\n1,,,1e-07,1e+20\n"
    )


def strange() -> PoseSequence:
    """Everything at once: three people who come and go, timestamps at a regular step, names that would need quotes."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 3, 2, 2)).astype(np.float32)
    points[1:3, 1] = points[2] = points[:, 2] = np.nan
    confidence = np.where(np.isnan(points[..., 0]), 0, rng.random((5, 3, 2)))
    return PoseSequence.from_arrays(
        points,
        timestamps=[0, 0.1, 0.2, 0.3, 0.4],
        confidence=confidence,
        skeleton=Skeleton("mine", ("a#", 'b;"'), ((0, 1),), ((0, 1),), 1),
        ids=["x", "", "#z\n"],
        unit="px",
        up="-y",
        metadata={"source_format": "pose", "list": [1, None]},
    )


def test_everything_at_once_comes_back(tmp_path):
    assert "frame,time,person,0_x,0_y,0_c,1_x" in again(strange(), tmp_path)
    assert "frame\ttime\tperson\t0_x" in again(strange(), tmp_path, "b.tsv")


@pytest.mark.parametrize("sequence", [
    walk(7, people=3), walk(1), PoseSequence.from_arrays(np.ones((1, 1, 1, 2)), fps=1000 / 3, metadata={}),
    PoseSequence.from_arrays(np.full((3, 2, 4, 3), np.nan), fps=30),
    PoseSequence.from_arrays(np.ones((3, 0, 4, 3)), fps=30),
    PoseSequence.from_arrays(np.ones((2, 1, 17, 2)), timestamps=[5.0, 7.25], skeleton=COCO17, ids=["Anna"]),
    PoseSequence.from_arrays(np.ones((2, 1, 2, 2)), timestamps=[0, 1], confidence=np.zeros((2, 1, 2))),
    PoseSequence.from_arrays(np.ones((2, 2, 2, 2)), fps=30, confidence=np.full((2, 2, 2), 0.1), ids=["1", "0"]),
    PoseSequence.from_arrays(np.ones((2, 2, 2)), fps=30, metadata={"source_format": "csv", "csv": {"first_frame": -7}}),
    PoseSequence.from_arrays(np.ones((2, 3, 2)), fps=30, skeleton=Skeleton("custom", ("x_a", "y_a", "x_a_c"))),
    PoseSequence.from_arrays(np.ones((2, 2, 2)), fps=30, skeleton=Skeleton("custom", ("frame", "a."))),
    PoseSequence.from_arrays(np.full((2, 19, 3), 3.4e38, np.float32), fps=30, metadata={"csv": 4}),
])  # fmt: skip
def test_round_trip(tmp_path, sequence):
    again(sequence, tmp_path)


def test_pandas_reads_ours(tmp_path):
    pandas = pytest.importorskip("pandas")
    before = walk(4, people=2)
    again(before, tmp_path)
    frame = pandas.read_csv(tmp_path / "a.csv", comment="#")
    assert list(frame.columns[:5]) == ["frame", "person", "neck_x", "neck_y", "neck_z"]
    values = frame.to_numpy()[:, 2:].reshape(4, 2, 19, 3).astype(np.float32)
    np.testing.assert_array_equal(values, before.positions)
    assert len(pandas.read_csv(table_path(strange(), tmp_path), comment="#")) == 8


def table_path(sequence: PoseSequence, folder: Path) -> Path:
    csv.write(sequence, folder / "p.csv")
    return folder / "p.csv"


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_reads_what_pandas_writes(tmp_path, index, sep):
    pandas = pytest.importorskip("pandas")
    values = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    values[1, 2:4] = np.nan
    frame = pandas.DataFrame(values, columns=[f"{n}{a}" for n in ("nose", "left ear", "tail") for a in (".x", ".y")])
    frame.to_csv(tmp_path / "a.csv", index=index, sep=sep, decimal="," if sep == ";" else ".")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = csv.read(tmp_path / "a.csv", fps=25)
    np.testing.assert_array_equal(found.positions.astype(np.float32), values.reshape(4, 1, 3, 2))
    assert found.skeleton.keypoints == ("nose", "left ear", "tail") and found.metadata == PLAIN


STYLES = ("nose_x,nose_y,a_x,a_y", "nose.x,nose.y,a.x,a.y", "nose x,nose y,a x,a y", "nose_X,nose_Y,a_X,a_Y",
          "x_nose,y_nose,x_a,y_a", "noseX,noseY,aX,aY", "nose_y,nose_x,a_y,a_x")  # fmt: skip


@pytest.mark.parametrize("header", STYLES)
@pytest.mark.parametrize("frame", ["frame", "frame_id", "Frame_Number", "frame_idx", "Frame#", ""])
def test_styles_of_wide_headers(header, frame, put):
    row = "2,1,4,3" if header.startswith("nose_y") else "1,2,3,4"
    found = csv.read(put(f"{frame},{header}\n5,{row}\n6,{row}\n"), fps=30)
    assert found.skeleton.keypoints == ("nose", "a")
    np.testing.assert_array_equal(found.positions[:, 0], [[[1, 2], [3, 4]]] * 2)
    assert found.metadata == PLAIN | {"csv": {"first_frame": 5}}


@pytest.mark.parametrize("end", ["c", "conf", "confidence", "likelihood", "visibility", "score", "v", "p"])
def test_confidences(end, put):
    text = f"frame,nose_x,nose_y,nose_{end},x\n0,1,2,0.25,9\n1,,,0.1,9\n2,1,2,,9\n3,1,2,-3,9\n"
    with pytest.warns(DataWarning, match="1 columns are not kept: x") as found:
        sequence = csv.read(put(text), fps=30)
    notes = " | ".join(str(w.message) for w in found)
    assert "1 keypoints without a confidence get" in notes and "1 values of confidence are outside" in notes
    np.testing.assert_array_equal(sequence.confidence[:, 0, 0], np.float32([0.25, 0, 1, -3]))


def test_mediapipe_columns(put):
    found = csv.read(put("x0,y0,z0,v0,x1,y1,z1,v1\n1,2,3,.5,4,5,6,.25\n"), fps=30)
    np.testing.assert_array_equal(found.positions[0, 0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(found.confidence[0, 0], [0.5, 0.25])


@pytest.mark.parametrize("person", ["id", "track", "track_id", "person_id", "individual", "object_id", "instance"])
def test_people_come_and_go(tmp_path, person, put):
    text = f"frame,{person},a_x,a_y\n3,b,1,2\n3,a,3,4\n4,a,5,6\n7,b,7,8\n"
    with pytest.warns(DataWarning, match="2 frames between"):
        found = csv.read(put(text), fps=30)
    assert found.ids == ("b", "a") and found.frames == 5
    np.testing.assert_array_equal(found.valid[..., 0], [[1, 1], [0, 1], [0, 0], [0, 0], [1, 0]])
    again(found, tmp_path, "b.csv")


def test_rows_of_nobody(put):
    with pytest.warns(DataWarning, match="1 rows name no person"):
        found = csv.read(put("frame,id,a_x,a_y\n0,1,1,2\n1,,3,4\n2,,,\n"), fps=30)
    assert found.ids == ("1", "") and found.frames == 3


def test_id_alone_counts_frames(put):
    with pytest.warns(DataWarning, match="'id' is taken as the frame number"):
        assert csv.read(put("id,a_x,a_y\n1,1,2\n2,3,4\n"), fps=30).positions.shape == (2, 1, 1, 2)


def test_long_table_of_landmarks(put):
    text = (
        "frame,row_id,type,landmark_index,x,y,z\n20,20-face-0,face,0,1,2,3\n20,20-pose-1,pose,1,4,5,6\n"
        "20,20-pose-0,pose,0,7,8,9\n22,22-face-0,face,0,,,\n22,22-pose-0,pose,0,1,1,1\n"
    )
    found = csv.read(put(text), fps=30)
    assert found.skeleton.keypoints == ("face/0", "pose/0", "pose/1") and found.frames == 3
    np.testing.assert_array_equal(found.positions[0, 0], [[1, 2, 3], [7, 8, 9], [4, 5, 6]])
    np.testing.assert_array_equal(found.valid[:, 0], [[1, 1, 1], [0, 0, 0], [0, 1, 0]])


def test_long_table_of_people(put):
    text = "frame,person,name,x,y,score\n0,A,tail,1,2,.5\n0,A,nose,3,4,.25\n0,B,nose,5,6,1\n"
    found = csv.read(put(text), fps=30)
    assert (found.ids, found.skeleton.keypoints) == (("A", "B"), ("tail", "nose"))
    np.testing.assert_array_equal(found.confidence[0], [[0.5, 0.25], [0, 1]])


def test_a_single_trajectory(put):
    with pytest.warns(DataWarning, match="no named keypoint"):
        assert csv.read(put("frame,x,y\n0,1,2\n"), fps=30).skeleton.keypoints == ("0",)


@pytest.mark.parametrize("between", [",", ";", "\t", " "])
def test_numbers_without_a_header(between, put):
    values = np.arange(2 * 38, dtype=np.float32).reshape(2, 38) + 0.5
    values[1, :2] = np.nan
    text = io.StringIO()
    np.savetxt(text, values, delimiter=between, header="made by me")
    with pytest.warns(DataWarning, match="no header; the 38 columns"):
        found = csv.read(put(text.getvalue()), fps=30)
    np.testing.assert_array_equal(found.positions, values.reshape(2, 1, 19, 2))
    assert found.skeleton == COCO19


@pytest.mark.parametrize("between", [",", " ", "\t"])
def test_a_header_that_numpy_wrote_as_a_comment(tmp_path, between):
    rows = np.arange(15.0).reshape(3, 5)
    head = between.join(["frame", "a_x", "a_y", "b_x", "b_y"])
    np.savetxt(tmp_path / "a.csv", rows, delimiter=between, header=f"of a walk\n{head}")
    sequence = csv.read(tmp_path / "a.csv", fps=30)
    assert sequence.skeleton.keypoints == ("a", "b") and sequence.positions[0, 0].tolist() == [[1, 2], [3, 4]]
    np.savetxt(tmp_path / "b.csv", rows[:, :4], delimiter=between, header="no names, of any column")
    with pytest.raises(InputError, match="skeleton"):
        csv.read(tmp_path / "b.csv", fps=30)


def test_numbers_with_a_skeleton_and_pandas_header(tmp_path):
    pandas = pytest.importorskip("pandas")
    values = np.ones((2, 6), np.float32)
    for index in (True, False):
        pandas.DataFrame(values).to_csv(tmp_path / "a.csv", index=index)
        found = csv.read(tmp_path / "a.csv", fps=30, skeleton=build_skeleton(2))
        np.testing.assert_array_equal(found.positions, values.reshape(2, 1, 2, 3))
    with pytest.raises(InputError, match="pass --skeleton"):
        csv.read(tmp_path / "a.csv", fps=30)


def test_the_skeleton_asked_for_decides_the_order(tmp_path, put):
    text = "frame,a_x,a_y,b_x,b_y\n0,1,2,3,4\n"
    found = load(put(text), fps=30, skeleton=Skeleton("mine", ("b", "a"), ((0, 1),)))
    assert found.skeleton.name == "mine"
    np.testing.assert_array_equal(found.positions[0, 0], [[3, 4], [1, 2]])
    with pytest.raises(InputError, match="no keypoint of 'custom' maps to 'coco17'"):
        load(tmp_path / "a.csv", fps=30, skeleton=COCO17)


def timed(times: list[str], name: str = "time") -> str:
    return f"{name},a_x,a_y\n" + "".join(f"{t},{i},2\n" for i, t in enumerate(times))


@pytest.mark.parametrize("fps", [30, 29.97, 30000 / 1001, 60, 120, 12.5, 7, 1000 / 3])
@pytest.mark.parametrize("places", [4, 6, 17])
def test_regular_times_give_the_rate(fps, places, put):
    text = timed([f"{i / fps:.{places}f}" for i in range(2000)])
    with pytest.warns(DataWarning, match="frames per second"):
        found = csv.read(put(text))
    usual = 30000 / 1001 if round(fps, 2) == 29.97 and places == 4 else fps
    assert found.fps == pytest.approx(usual, rel=1e-6 if places > 4 else 3e-5)
    assert fps != int(fps) or found.fps == fps


def test_times(tmp_path, put):
    assert csv.read(put(timed(["0", "0.033", "0.067", "0.1"]))).fps == 30
    assert csv.read(put(timed(["0", "40", "80"], "time_ms"))).fps == 25
    assert csv.read(put(timed(["0", "0.04", "0.08"]).replace(",", ";").replace(".", ","))).fps == 25
    found = csv.read(put(timed(["0", "40", "100"], "timestamp_ms")))
    assert found.fps is None
    np.testing.assert_allclose(found.timestamps, [0, 0.04, 0.1], rtol=1e-15)
    again(found, tmp_path, "b.csv")
    assert csv.read(tmp_path / "a.csv", fps=30).fps == 30
    with pytest.warns(DataWarning, match="begin at 5 s"):
        csv.read(put(timed(["5", "6", "7"])))
    with pytest.warns(DataWarning, match="1 frames without a row get times"):
        found = csv.read(put("frame,t,a_x,a_y\n0,0,1,2\n1,0.1,1,2\n3,0.6,1,2\n"))
    np.testing.assert_allclose(found.timestamps, [0, 0.1, 0.35, 0.6])


def test_times_of_a_clock_are_as_exact_as_others(put):
    times = 1.7e9 + np.arange(200) / 29.97
    assert csv.read(put(timed([f"{time:.6f}" for time in times]))).fps == pytest.approx(29.97, rel=1e-9)
    late = times + np.where(np.arange(200) % 2, 0.004, 0)
    assert csv.read(put(timed([f"{time:.6f}" for time in late]))).fps is None


def test_no_rate_comes_last(put):
    with pytest.raises(NoRateError, match="--fps"):
        csv.read(put("frame,a_x,a_y\n0,1,2\n"))
    with pytest.raises(InputError, match="line 2 holds 'q'"):
        csv.read(put("frame,a_x,a_y\n0,1,q\n"))
    assert csv.read(put("# fps: 12.5\nframe,a_x,a_y\n0,1,2\n")).fps == 12.5


def test_excel_habits(put):
    text = "\ufeffsep=;\r\nframe;a_x;a_y;;\r\n0;1,5;2;;\r\n1;;n/a;;\r\n;;;;\r\n"
    found = csv.read(put(text), fps=30)
    np.testing.assert_array_equal(found.positions[:, 0, 0], [[1.5, 2], [np.nan, np.nan]])
    assert csv.read(put(text[1:].encode("utf-16")), fps=30).frames == 2


def test_infinite_and_partly_missing(put):
    with pytest.warns(DataWarning, match="2 keypoints with an infinite"):
        assert not csv.read(put("frame,a_x,a_y\n0,inf,1\n1,1e39,1\n"), fps=30).valid.any()
    with pytest.warns(DataWarning, match="1 keypoints with only some"):
        csv.read(put("frame,a_x,a_y\n0,,1\n"), fps=30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scorer,a,a\nbodyparts,b,b\n", "--from dlc"),
        ("frame,a_x,a_y\n0,1,2\n0,1,2\n", "lines 2 and 3 are of the same frame and person"),
        ("frame,keypoint,x,y\n0,a,1,2\n0,b,1,2\n0,a,1,2\n", "lines 2 and 4 are of the same frame, person and keypoint"),
        ("frame,a_x,a_y\n0,1\n", "line 2 has 2 cells, the first line 3"),
        ("frame,a_x,a_y\n0,1,2,3\n", "line 2 has 4 cells"),
        ("frame,a_x,a_y\n\n# x\n0,1,two\n", "line 4 holds 'two'"),
        ("frame,a_x,a_y\n0.5,1,2\n", "line 2 holds '0.5' where a frame number"),
        ("frame,a_x,a_y\n,1,2\n", "line 2 holds '' where a frame number"),
        ("frame,a_x,a_y\n1,1,2\n99999999999,1,2\n", "correct the frame numbers"),
        ("frame,a_x,a_y\n", "a header but no rows"),
        ("frame,a,b\n0,1,2\n", "no column for x and y"),
        ("frame,a_x,a_y,a_x\n0,1,2,3\n", "'a_x' is in the header twice"),
        ("a_x,a_y,a_z,b_x,b_y\n1,2,3,4,5\n", "'b' has no column for z"),
        ("track_id,a_x,a_y\n1,1,2\n", "add the frame numbers"),
        ("time,a_x,a_y\n12:30,1,2\n", "line 2 holds '12:30' where a time"),
        ("time,a_x,a_y\n,1,2\n1,1,2\n", "line 2 has no time"),
        ("frame,time,id,a_x,a_y\n0,0,a,1,2\n0,1,b,1,2\n", "line 3 gives its frame another time"),
        ("frame,time,a_x,a_y\n0,5,1,2\n1,4,1,2\n", "strictly increasing"),
        ("# fps: x\nframe,a_x,a_y\n0,1,2\n", "line 1: fps is 'x'"),
        ("# fps: -3\nframe,a_x,a_y\n0,1,2\n", "comment fps is -3"),
        ("# unit: 3\nframe,a_x,a_y\n0,1,2\n", "comment unit is 3"),
        ("# unit: \"mile\"\nframe,a_x,a_y\n0,1,2\n", "unit 'mile'"),
        ('# ids: ["a", "b"]\nframe,a_x,a_y\n0,1,2\n', "no column person"),
        ('# ids: ["a"]\nframe,person,a_x,a_y\n0,b,1,2\n', "'b' is not in the comment ids"),
        ("# ids: 3\nframe,a_x,a_y\n0,1,2\n", "no list of texts"),
        ("# skeleton: [1]\nframe,a_x,a_y\n0,1,2\n", "comment skeleton"),
        ('# skeleton: {"name": "m", "edges": [[0, 9]]}\nframe,a_x,a_y\n0,1,2\n', "outside its 1 keypoints"),
        ("# metadata: 3\nframe,a_x,a_y\n0,1,2\n", "comment metadata"),
        ("# only\n\n", "no line but comments"),
        (b"frame,a_x,a_y\n0,\xff,2\n", "no UTF-8 text"),
        ("", "0 bytes"),
    ],
)  # fmt: skip
def test_malformed(tmp_path, text, message, put):
    with pytest.raises(InputError, match=message) as caught:
        csv.read(put(text), fps=None if "fps" in message or "increasing" in message or "time" in message else 30)
    assert str(tmp_path) in str(caught.value)


def test_what_cannot_be_written(tmp_path, put):
    with pytest.raises(UsageError, match="no frames"):
        csv.write(PoseSequence.from_arrays(np.ones((0, 1, 2, 2)), fps=30), tmp_path / "a.csv")
    with pytest.raises(UsageError, match="not JSON"):
        csv.write(PoseSequence.from_arrays(np.ones((1, 1, 2, 2)), fps=30, metadata={"a": b"x"}), tmp_path / "a.csv")
    put("mine")
    with pytest.raises(UsageError, match="exists already"):
        csv.write(walk(1), tmp_path / "a.csv")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True), st.booleans())
def test_any_names_come_back(tmp_path_factory, names, weighted):
    folder = tmp_path_factory.mktemp("names")
    confidence = np.full((2, len(names)), 0.5 if weighted else 1.0)
    made = Skeleton("custom", tuple(names))
    before = PoseSequence.from_arrays(np.ones((2, len(names), 2)), fps=30, skeleton=made, confidence=confidence)
    again(before, folder)
    again(PoseSequence.from_arrays(np.ones((2, len(names), 2, 3)), fps=30, ids=names), folder, "p.csv")


BY_FRAME = "frame,timestamp,timestamp_by_camera,model,keypoint,x,y,z,reprojection_error"


@pytest.mark.parametrize(("header", "rows"), [
    (BY_FRAME, ["0,,{},m_body,nose,1,2,3,", "0,,{},m_hand,nose,4,5,6,", "1,,{},m_body,nose,7,8,9,", "1,,{},m_hand,nose,,,,"]),
    ("frame,keypoint,x,y,z,model,trajectory,reprojection_error",
     ["0,nose,1,2,3,m_body,,0", "0,nose,4,5,6,m_hand,,", "1,nose,7,8,9,m_body,,", "1,nose,,,,m_hand,,"]),
])  # fmt: skip
def test_freemocap_by_frame(put, reports, header, rows):
    path = put("\n".join([header, *rows]) + "\n")
    with reports("millimeters are taken"):
        sequence = csv.read(path, fps=30)
    assert sequence.skeleton.keypoints == ("m_body/nose", "m_hand/nose") and sequence.unit == "mm"
    np.testing.assert_array_equal(sequence.positions[:, 0], [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [np.nan] * 3]])
    with pytest.raises(NoRateError):
        csv.read(path)


def test_freemocap_tells_trajectories_apart(put):
    text = "frame,keypoint,x,y,z,model,trajectory\n0,nose,1,2,3,r.body,3d_xyz\n0,nose,4,5,6,r.body,rigid_3d_xyz\n"
    found = csv.read(put(text), fps=30).skeleton.keypoints
    assert found == ("r.body/3d_xyz/nose", "r.body/rigid_3d_xyz/nose")


def test_caliscope(put):
    text = "sync_index,point_id,x_coord,y_coord,z_coord,frame_time\n"
    text += "".join(f"{t},{k},{t + k / 8},2,3,{t / 50}\n" for t in range(4, 9) for k in (0, 11))
    sequence = csv.read(put(text))
    assert (sequence.fps, sequence.skeleton.keypoints, sequence.frames) == (50, ("0", "11"), 5)
    assert sequence.positions[0, 0, 1, 0] == 4 + 11 / 8
    wide = "sync_index,nose_x,nose_y,nose_z\n3,1,2,3\n4,1,2,3\n"
    assert csv.read(put(wide), fps=20).metadata["csv"] == {"first_frame": 3}


@pytest.mark.parametrize(("name", "step", "fps", "note"), [
    ("time", 20, 50, "taken as milliseconds"), ("timestamp", 33333, 30, "taken as microseconds"),
    ("t", 16666667, 60, "nanoseconds"),
    ("time_us", 20000, 50, ""), ("Time (ms)", 20, 50, ""), ("timestamp [us]", 20000, 50, ""), ("timestamp_ns", 2e7, 50, ""),
    ("time", 0.02, 50, ""), ("time", 1, 1, ""), ("time_s", 20, 0.05, ""), ("seconds", 20, 0.05, ""), ("ms", 20, 50, ""),
    ("\u00b5s", 20000, 50, ""), ("t.ms", 20, 50, ""),
])  # fmt: skip
def test_units_of_times(put, name, step, fps, note):
    rows = [f"{t},{t * step:.10g},1,2" for t in range(20)]
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        sequence = csv.read(put("\n".join([f"frame,{name},a_x,a_y", *rows])))
    said = " | ".join(str(w.message) for w in found)
    assert sequence.rate == pytest.approx(fps, rel=2e-5) and note in said and ("taken as" in said) == bool(note), said


def test_our_own_times_are_seconds(tmp_path):
    before = PoseSequence.from_arrays(np.ones((3, 2, 3)), timestamps=[0.0, 20.0, 50.0])
    csv.write(before, tmp_path / "a.csv")
    np.testing.assert_array_equal(csv.read(tmp_path / "a.csv").timestamps, before.timestamps)


def test_some_times_are_missing(put, reports):
    path = put("frame,time,a_x,a_y\n0,0,1,2\n1,,1,2\n2,0.2,1,2\n")
    with pytest.raises(InputError, match="line 3 has no time"):
        csv.read(path)
    with reports("1 rows have no time; the column is not used"):
        assert csv.read(path, fps=10).frames == 3
    with pytest.raises(InputError, match="line 2 has no time"):
        csv.read(put("time,joint,x,y\n,a,1,2\n,b,1,2\n"), fps=10)
