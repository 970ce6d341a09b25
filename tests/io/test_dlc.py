"""DeepLabCut: a csv worked by hand, files that pandas wrote as DeepLabCut does, and files that lie."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError, NoRateError
from posecodec.io import detect
from posecodec.io.formats import dlc

SUFFIX = ".csv"
CSV = """\
scorer,net,net,net,net,net,net
bodyparts,nose,nose,nose,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
0,1.5,2.25,0.9,10,20,0.125
1,,,,1e3,-4.5,1.0
2,0,0,0,7,8,0.5
"""
MULTI = """\
scorer,s,s,s,s,s,s
individuals,m1,m1,m2,m2,single,single
bodyparts,nose,nose,nose,nose,corner,corner
coords,x,y,x,y,x,y
5,1,2,3,4,5,6
7,7,8,,,9,10
"""
LABELS = """\
scorer,,,me,me
bodyparts,,,nose,nose
coords,,,x,y
labeled-data,clip,img0011.png,1,2
labeled-data,clip,img0010.png,3,4
"""


def test_hand_worked_csv(put):
    sequence = dlc.read(put(CSV), fps=29.97)
    nan = np.nan
    expected = [[[1.5, 2.25], [10, 20]], [[nan, nan], [1000, -4.5]], [[0, 0], [7, 8]]]
    np.testing.assert_array_equal(sequence.positions[:, 0], expected)
    np.testing.assert_array_equal(sequence.confidence[:, 0], np.float32([[0.9, 0.125], [0, 1], [0, 0.5]]))
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "px", "-y", ("0",))
    assert sequence.skeleton.keypoints == ("nose", "tail") and sequence.positions.dtype == np.float32
    assert sequence.metadata == {"source_format": "dlc", "dlc": {"scorer": "net"}}
    np.testing.assert_array_equal(sequence.valid[:, 0], [[1, 1], [0, 1], [1, 1]])


def test_individuals_are_people_with_all_keypoints(put):
    with pytest.warns(DataWarning, match="1 frames between"):
        sequence = dlc.read(put(MULTI), fps=25)
    assert sequence.ids == ("m1", "m2", "single") and sequence.skeleton.keypoints == ("nose", "corner")
    np.testing.assert_array_equal(sequence.valid[0], [[1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(sequence.valid[1], np.zeros((3, 2)))
    np.testing.assert_array_equal(sequence.positions[2, 2, 1], [9, 10])
    assert sequence.confidence.max() == 1 and sequence.metadata["dlc"] == {"scorer": "s", "first_frame": 5}


def test_labeled_images_in_three_cells_and_in_one(put):
    sequence = dlc.read(put(LABELS), fps=1)
    np.testing.assert_array_equal(sequence.positions[:, 0, 0], [[3, 4], [1, 2]])
    assert sequence.metadata["dlc"] == {"scorer": "me", "first_frame": 10}
    one = LABELS.replace(",,,", ",").replace("labeled-data,clip,", "labeled-data\\clip\\")
    np.testing.assert_array_equal(dlc.read(put(one), fps=1).positions, sequence.positions)
    bare = one.replace("labeled-data\\clip\\", "")
    np.testing.assert_array_equal(dlc.read(put(bare), fps=1).positions, sequence.positions)


def test_3d_and_no_rate_last(put):
    text = "scorer,s,s,s\nbodyparts,a,a,a\ncoords,x,y,z\n0,1,2,3\n"
    sequence = dlc.read(put(text), fps=1)
    assert sequence.positions.tolist() == [[[[1, 2, 3]]]] and (sequence.unit, sequence.up) == ("unknown", "unknown")
    with pytest.raises(NoRateError, match="a.csv: .*--fps"):
        dlc.read(put(text))
    with pytest.raises(InputError, match="line 4"):
        dlc.read(put(text.replace("2,3", "?,3")))


def test_changes_are_reported(put, reports):
    text = CSV.replace("1.5,2.25", "inf,2.25").replace("10,20,0.125", "10,20,") + "3,1,,0.5,1,2,1.5\n4,1e39,1,1,,,\n"
    parts = "2 keypoints with an infinite", "1 keypoints with only", "1 keypoints without a likelihood", "1 values"
    with reports(*parts):
        sequence = dlc.read(put(text), fps=1)
    assert not sequence.valid[[0, 3, 4], 0, 0].any() and sequence.confidence[3, 0, 1] == 1.5


@pytest.mark.parametrize(("text", "message"), [
    ("\n\n", "first lines"), ("a,b\n1,2\n", "first lines are"), (CSV.split("0,1.5")[0], "no rows"),
    (CSV.replace("7,8,0.5", "7,8"), "line 6 has 6 cells, the header 7"),
    (CSV.replace("1e3", "left"), "line 5 holds 'left'"), (CSV.replace("1e3", "1_0"), "line 5 holds '1_0'"),
    (CSV.replace("\n2,", "\n1,"), "row 2 is frame 1, which is there twice"),
    (CSV.replace("\n2,", "\n2.5,"), "row 2 is named '2.5'"), (CSV.replace("\n2,", "\n-2,"), "row 2 is named '-2'"),
    (CSV.replace("\n2,", "\n200000000000,"), "split the file"),
    (CSV.replace("tail", "nose"), "net/nose/x is there twice"),
    (CSV.replace("net,net,net\n", "net,net,other\n"), "2 scorers"),
    (CSV.replace("likelihood\n", "score\n"), "net/tail/score is none of x, y"),
    (CSV.replace("coords,x,y", "coords,x,likelihood", 1), "net/nose/likelihood is there twice"),
    (CSV.replace("x,y,likelihood\n", "x,z,likelihood\n"), "no column z"),
    (LABELS.replace("clip,img0010", "other,img0010"), "2 folders"),
    (LABELS.replace("img0010.png", "img.png"), "row 1 is named"), (b"\xff\xfe" + CSV.encode(), "UTF-8"),
    (b"", "0 bytes"), (CSV.replace("nose", "n" * 200_000, 1), "CSV"),
])  # fmt: skip
def test_malformed_csv(text, message, put):
    path = put(text)
    with pytest.raises(InputError, match=message) as caught:
        dlc.read(path, fps=1)
    assert str(caught.value).startswith(str(path))


def frame(multi: bool = False, rows: str = "", count: int = 6) -> Any:
    """A data frame as DeepLabCut makes it."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    kinds = ("x", "y", "likelihood")
    if multi:
        parts = [("m1", "nose"), ("m1", "tail"), ("m2", "nose"), ("m2", "tail"), ("single", "corner")]
        columns = [("net", i, b, c) for i, b in parts for c in kinds]
    else:
        columns = [("net", b, c) for b in ("nose", "tail", "ear") for c in kinds]
    index = pandas.MultiIndex.from_tuples(columns, names=dlc.LEVELS_MULTI if multi else dlc.LEVELS)
    values = np.random.default_rng(0).random((count, len(columns)))
    values[1, :3] = np.nan
    names = [f"img{i:03}.png" for i in range(count)]
    given: Any = None
    if rows == "path":
        given = [f"labeled-data/clip/{name}" for name in names]
    elif rows == "parts":
        given = pandas.MultiIndex.from_tuples([("labeled-data", "clip", name) for name in names])
    return pandas.DataFrame(values, columns=index, index=given)


def expected(table: Any, multi: bool) -> np.ndarray:
    values = table.to_numpy()
    if not multi:
        return values.reshape(len(values), 1, 3, 3)
    full = np.full((len(values), 3, 3, 3), np.nan)
    full[:, :2, :2] = values[:, :12].reshape(len(values), 2, 2, 3)
    full[:, 2, 2] = values[:, 12:]
    return full


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize(("kind", "rows"), [("table", ""), ("table", "path"), ("fixed", ""), ("fixed", "path"),
                                            ("fixed", "parts"), ("csv", ""), ("csv", "path"), ("csv", "parts")])  # fmt: skip
def test_files_that_pandas_wrote(multi, kind, rows, tmp_path):
    table, path = frame(multi, rows), tmp_path / "a.h5"
    if kind == "csv":
        table.to_csv(path)
    else:
        table.to_hdf(path, key="df_with_missing", format=kind, mode="w")
    sequence = dlc.read(path, fps=30)
    values = expected(table, multi)
    np.testing.assert_array_equal(sequence.positions, values[..., :2])
    np.testing.assert_array_equal(sequence.confidence, np.nan_to_num(values[..., 2]).astype(np.float32))
    assert sequence.ids == (("m1", "m2", "single") if multi else ("0",))
    assert sequence.skeleton.keypoints == (("nose", "tail", "corner") if multi else ("nose", "tail", "ear"))
    assert sequence.metadata == {"source_format": "dlc", "dlc": {"scorer": "net"}}


def test_movement_reads_the_same(tmp_path):
    load_poses = pytest.importorskip("movement.io.load_poses")
    frame().to_hdf(tmp_path / "a.h5", key="df_with_missing", format="table", mode="w")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = load_poses.from_dlc_file(tmp_path / "a.h5", fps=30).position
    ours = dlc.read(tmp_path / "a.h5", fps=30).positions
    assert [dim.rstrip("s") for dim in other.dims] == ["time", "space", "keypoint", "individual"]
    np.testing.assert_array_equal(ours, other.to_numpy().transpose(0, 3, 2, 1))


def test_several_blocks_and_other_keys(tmp_path):
    table = frame()
    whole = table.copy()
    whole[("net", "tail", "x")] = np.arange(6)
    for kind in ("fixed", "table"):
        whole.to_hdf(tmp_path / "a.h5", key="tracks", format=kind, mode="w")
        sequence = dlc.read(tmp_path / "a.h5", fps=30)
        np.testing.assert_array_equal(sequence.positions[:, 0, 1, 0], np.arange(6))
        np.testing.assert_array_equal(sequence.positions[:, 0, 2], table.to_numpy()[:, 6:8])


def test_h5_that_is_something_else(tmp_path, put):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    frame().to_hdf(path, key="df_with_missing", format="table", mode="w")

    def state(name, value):
        return lambda file: file["df_with_missing"].attrs.__setitem__(name, np.bytes_(value))

    elsewhere = h5py.ExternalLink("/etc/hostname", "/")
    for change, message in (
        (lambda file: file.move("df_with_missing", "b") or file.create_group("c"), "no group 'df_with_missing', only"),
        (state("pandas_type", b"series"), "a pandas frame was expected"),
        (lambda file: file["df_with_missing"].attrs.__delitem__("non_index_axes"), "'non_index_axes' is missing"),
        (state("non_index_axes", b"cos\nsystem\n(S'ls'\ntR."), "asks for 'os.system'"),
        (state("non_index_axes", b"(lp0\n(I1\n(lp1\n"), "no whole pickle|ends early"),
        (state("non_index_axes", b"(lp0\n(I1\n(lI5\natp1\na."), "not named in the levels"),
        (lambda file: file["df_with_missing"].__delitem__("table"), "no data set /df_with_missing/table"),
        (lambda file: file["df_with_missing"].move("table", "t") or link(file, elsewhere), "is no"),
    ):
        copy = put(path.read_bytes(), "b.h5")
        with h5py.File(copy, "r+") as file:
            change(file)
        with pytest.raises(InputError, match=message):
            dlc.read(copy, fps=1)


def link(file: Any, target: Any) -> None:
    file["df_with_missing"]["table"] = target


@pytest.mark.parametrize("kind", ["table", "fixed"])
def test_no_rows_and_one_row(kind, tmp_path):
    path = tmp_path / "a.h5"
    frame(count=2).iloc[:1].to_hdf(path, key="df_with_missing", format=kind, mode="w")
    assert dlc.read(path, fps=1).frames == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns that the table format writes nothing then
        frame(count=2).iloc[:0].to_hdf(path, key="df_with_missing", format=kind, mode="w")
    with pytest.raises(InputError):
        dlc.read(path, fps=1)


@pytest.mark.parametrize(("changes", "note"), [
    ({",": ";", ".": ","}, "between ';', not commas"), ({",": "\t"}, "not commas"), ({"\n": ",,,\n"}, ""),
    ({"\n": "\r\n"}, ""),
    ({"scorer,": "sep=;\nscorer,", ",": ";"}, "between ';'"), ({"scorer": "Scorer", "coords": "Coords"}, ""),
])  # fmt: skip
def test_through_a_spreadsheet(put, changes, note):
    from good_files import DLC

    text = DLC.decode()
    plain = dlc.read(put(text, "a.csv"), fps=30)
    for old, new in changes.items():
        text = text.replace(old, new)
    path = put(text, "b.csv")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        sequence = dlc.read(path, fps=30)
    np.testing.assert_array_equal(sequence.positions, plain.positions)
    assert sequence.skeleton == plain.skeleton and note in " | ".join(str(w.message) for w in found)
    assert detect(path).format == "dlc"
