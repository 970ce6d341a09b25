"""Motion-BIDS: tables after the specification, with what lies beside and above them, our round trips, and files that lie."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec import PoseSequence, Skeleton
from posecodec.cli import cli
from posecodec.errors import InputError, NoRateError, UsageError
from posecodec.io import detect
from posecodec.io.formats import motion_bids
from posecodec.pose.synthetic import film, walk

STEM = "sub-01_task-walking_tracksys-omc"
CHANNELS = """name\tcomponent\ttype\ttracked_point\tunits\tplacement\treference_frame
time\tn/a\tLATENCY\tn/a\ts\tn/a\tn/a
lhand_x\tx\tPOS\tLeftHand\tm\tleft hand\tglobal
lhand_y\ty\tPOS\tLeftHand\tm\tleft hand\tglobal
lhand_z\tz\tPOS\tLeftHand\tm\tleft hand\tglobal
head_qw\tquat_w\tORNT\tHead\tn/a\thead\tglobal
head_y\ty\tPOS\tHead\tm\thead\tglobal
head_x\tx\tPOS\tHead\tm\thead\tglobal
head_z\tz\tPOS\tHead\tm\thead\tglobal
"""
TABLE = "0.00\t1\t2\t3\t.5\t20\t10\t30\n0.01\tn/a\tn/a\tn/a\t.5\t21\t11\t31\n0.02\t1.5\t2\t3\t.5\t22\t12\t32\n"
ABOUT = {"SamplingFrequency": 100, "TaskName": "walking", "Manufacturer": "Qualisys"}
AXES = {"reference_frame": {"Levels": {"global": {"SpatialAxes": "ALS", "RotationOrder": "XYZ"}}}}


@pytest.fixture
def recording(tmp_path):
    """A data set: the recording, its channels beside it, settings at the root."""
    folder = tmp_path / "sub-01" / "motion"
    folder.mkdir(parents=True)
    (folder / f"{STEM}_motion.tsv").write_text(TABLE)
    (folder / f"{STEM}_channels.tsv").write_text(CHANNELS)
    (folder / f"{STEM}_channels.json").write_text(json.dumps(AXES))
    (tmp_path / "task-walking_motion.json").write_text(json.dumps(ABOUT))
    (tmp_path / "task-resting_motion.json").write_text(json.dumps({"SamplingFrequency": 7}))
    return folder / f"{STEM}_motion.tsv"


def test_a_recording_with_what_lies_beside_and_above_it(recording, reports):
    assert detect(recording).format == "motion_bids"
    with reports("1 channels that are no places are left out (1 ORNT)"):
        sequence = posecodec.load(recording)
    assert sequence.skeleton.keypoints == ("LeftHand", "Head")
    np.testing.assert_array_equal(
        sequence.positions[:, 0],
        [[[1, 2, 3], [10, 20, 30]], [[np.nan] * 3, [11, 21, 31]], [[1.5, 2, 3], [12, 22, 32]]],
    )
    assert (sequence.fps, sequence.timestamps, sequence.unit, sequence.up) == (100, None, "m", "z")
    assert sequence.metadata == {"source_format": "motion_bids", "motion_bids": {"Manufacturer": "Qualisys"}}


def test_nearer_settings_win_and_irregular_times_are_kept(recording):
    recording.with_name(f"{STEM}_motion.json").write_text(json.dumps({"SamplingFrequency": 50}))
    assert posecodec.load(recording).timestamps.tolist() == [0, 0.01, 0.02]
    assert posecodec.load(recording, fps=25).fps == 25
    recording.with_name(f"{STEM}_motion.json").write_text(json.dumps({"SamplingFrequencyEffective": "n/a"}))
    assert posecodec.load(recording).fps == 100


def test_jitter_and_the_beginning_of_times_are_kept_or_told(recording, reports):
    recording.write_text(TABLE.replace("0.01\t", "0.012\t"))
    assert posecodec.load(recording).timestamps.tolist() == [0, 0.012, 0.02]
    lines = zip(("5.00", "5.01", "5.02"), TABLE.splitlines(), strict=True)
    recording.write_text("".join(f"{time}{line[4:]}\n" for time, line in lines))
    with reports("channels that are no places", "the times are those of the rate; that they begin at 5 s is not kept"):
        assert posecodec.load(recording).fps == 100


def test_what_is_no_entity_is_not_inherited(tmp_path):
    posecodec.save(walk(3), tmp_path / "walk_motion.tsv")
    posecodec.save(walk(3), tmp_path / "left_walk_motion.tsv")
    (tmp_path / "left_walk_channels.tsv").unlink()
    with pytest.raises(InputError, match=r"left_walk_channels.tsv, which says .* is not beside it"):
        posecodec.load(tmp_path / "left_walk_motion.tsv")
    assert posecodec.load(tmp_path / "walk_motion.tsv").fps == walk(3).fps


@pytest.mark.parametrize("made", [
    lambda: walk(20), lambda: film(walk(20)),
    lambda: PoseSequence.from_arrays(
        np.arange(18.0).reshape(3, 2, 3), timestamps=[0.0, 0.5, 2.0], skeleton=Skeleton("custom", ("a b", "c")), up="-y",
        confidence=[[0.25, 1], [1, 0.5], [1, 1]], unit="mm",
    ),
    lambda: PoseSequence.from_arrays(np.ones((1, 1, 3)), fps=29.97, skeleton=Skeleton("custom", ("p",))),
])  # fmt: skip
def test_round_trip(tmp_path, made):
    sequence, path = made(), tmp_path / "sub-02_task-x_motion.tsv"
    posecodec.save(sequence, path, format="motion_bids")
    again = posecodec.load(path)
    np.testing.assert_array_equal(again.positions.astype(np.float32), sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    assert (again.fps, again.unit, again.up) == (sequence.fps, sequence.unit, sequence.up)
    assert again.skeleton.keypoints == sequence.skeleton.keypoints
    if sequence.timestamps is not None:
        np.testing.assert_array_equal(again.timestamps, sequence.timestamps)
    about = json.loads((tmp_path / "sub-02_task-x_motion.json").read_text())
    assert about["TaskName"] == "x" and about["TrackedPointsCount"] == len(sequence.skeleton)


def test_encode_and_decode_give_the_data_set_back(recording, tmp_path):
    for arguments in (
        ["encode", recording, "-o", tmp_path / f"{STEM}_motion.posec", "--lossless"],
        ["decode", tmp_path / f"{STEM}_motion.posec"],
    ):
        assert CliRunner().invoke(cli, [str(a) for a in arguments]).exit_code == 0
    assert np.array_equal(
        posecodec.load(tmp_path / f"{STEM}_motion.tsv").positions, posecodec.load(recording).positions, equal_nan=True
    )
    assert json.loads((tmp_path / f"{STEM}_motion.json").read_text())["Manufacturer"] == "Qualisys"
    with pytest.raises(UsageError, match="exists"):
        posecodec.save(walk(3), tmp_path / f"{STEM}_motion.tsv", format="motion_bids")
    (tmp_path / f"{STEM}_motion.tsv").unlink()
    with pytest.raises(UsageError, match=r"exists already"):  # what lies beside is replaced no more than the table
        posecodec.save(walk(3), tmp_path / f"{STEM}_motion.tsv", format="motion_bids")
    assert not (tmp_path / f"{STEM}_motion.tsv").exists()


@pytest.mark.parametrize(("old", "new", "message"), [
    ("tracked_point", "tracked", "no column 'tracked_point'"), ("head_z\tz\tPOS", "head_z\tz\tVEL", "'Head' has y, x"),
    ("head_z\tz", "head_z\tx", "two POS channels for x"), ("LeftHand\tm\t", "LeftHand\tcm\t", "one unit"),
    ("POS", "VEL", "no channel of type POS"),
    ("time\tn/a\tLATENCY\tn/a\ts\tn/a\tn/a\n", "", "line 1 has 8 cells for 7 channels"),
])  # fmt: skip
def test_lists_that_are_wrong(recording, old, new, message):
    recording.with_name(f"{STEM}_channels.tsv").write_text(CHANNELS.replace(old, new))
    with pytest.raises(InputError, match=message):
        posecodec.load(recording)


def test_tables_and_settings_that_are_wrong(recording, tmp_path):
    recording.write_text(TABLE.replace("1.5", "x"))
    with pytest.raises(InputError, match="line 3 holds 'x'"):
        posecodec.load(recording)
    recording.write_text("\n")
    with pytest.raises(InputError, match="no row"):
        posecodec.load(recording)
    recording.write_text(TABLE.replace("0.01", "9"))
    assert posecodec.load(recording).fps == 100  # a time that does not rise is no time
    for text, error in (('{"SamplingFrequency": true}', NoRateError), ("{", InputError)):
        (tmp_path / "task-walking_motion.json").write_text(text)
        with pytest.raises(error):
            posecodec.load(recording)
    recording.with_name(f"{STEM}_channels.tsv").write_text("x" * (1 << 21))
    with pytest.raises(InputError, match="far more than a list"):
        posecodec.load(recording)
    recording.with_name(f"{STEM}_channels.tsv").unlink()
    with pytest.raises(InputError, match="is not beside it"):
        posecodec.load(recording)
    with pytest.raises(InputError, match="are called"):
        motion_bids.read(tmp_path / "task-walking_motion.json")


@pytest.mark.parametrize(("sequence", "name", "message"), [
    (walk(3), "walk.tsv", "end in _motion.tsv"), (walk(3, people=2), "a_motion.tsv", "holds one person"),
    (PoseSequence.from_arrays(np.ones((1, 1, 3)), fps=1, skeleton=Skeleton("c", ("a\tb",))), "a_motion.tsv", "does not fit"),
])  # fmt: skip
def test_what_it_cannot_hold_is_refused(tmp_path, sequence, name, message):
    with pytest.raises(UsageError, match=message):
        posecodec.save(sequence, tmp_path / name, format="motion_bids")
    assert not list(tmp_path.iterdir())
