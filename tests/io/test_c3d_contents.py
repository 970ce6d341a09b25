"""What a C3D holds beside one subject's places: model outputs, events, rotations, several subjects; and sections that do not
keep to what they state. Made by ezc3d, or byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from c3d_bytes import made, record
from click.testing import CliRunner

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io.formats import c3d
from posecodec.pose.channels import read_channels

SUFFIX = ".c3d"


def listed(name: bytes, *values: bytes) -> bytes:
    """A parameter of POINT that lists texts."""
    width = max(map(len, values))
    body = b"".join(value.ljust(width) for value in values)
    return record(1, name, struct.pack("bBBB", -1, 2, width, len(values)) + body, "<")


def write_ezc3d(path: Path, labels: Sequence[str], points: np.ndarray, **parameters: object) -> Path:
    """(T, K, 3) points in mm at 100 Hz, NaN where missing, and parameters GROUP__NAME."""
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(labels)
    data = np.ones((4, len(labels), len(points)))
    data[:3] = points.transpose(2, 1, 0)
    file["data"]["points"] = data
    for key, value in parameters.items():
        file.add_parameter(*key.split("__"), value)
    file.write(str(path))
    return path


def walkers(count: int, frames: int = 40) -> np.ndarray:
    """(T, K, 3): points of a body that moves, in mm."""
    rng = np.random.default_rng(3)
    body = rng.normal(size=(count, 3)) * (150, 150, 500)
    return (body + 20 * np.sin(np.arange(frames) / 6)[:, None, None]).astype(np.float32)


def test_angles_are_no_places(put):
    data = made(more=[listed(b"ANGLES", b"B"), listed(b"ANGLE_UNITS", b"deg")])
    with pytest.warns(DataWarning, match="1 points are no places but 1 angles of a model; they are kept apart"):
        sequence = c3d.read(put(data))
    assert sequence.skeleton.keypoints == ("A",)
    (channel,) = read_channels(sequence.metadata, 3)
    assert (channel.name, channel.kind, channel.unit, channel.bound) == ("B", "angles", "deg", 0.0)
    np.testing.assert_array_equal(channel.values, [[4, 5, 6], [np.nan] * 3, [16, 17, 18]])


def test_all_kinds_and_their_order_come_back(tmp_path):
    labels = ["LKneeAngles", "LASI", "RASI", "Load", "LAnklePower", "CentreOfMass", "Step", "Odd", "PELO"]
    points = walkers(9)
    points[3, 0] = np.nan
    path = write_ezc3d(
        tmp_path / "a.c3d", labels, points,
        POINT__ANGLES=["LKneeAngles"], POINT__ANGLE_UNITS=["deg"], POINT__POWERS=["LAnklePower"], POINT__FORCES=["Load"],
        POINT__SCALARS=["Step"], POINT__SCALAR_UNITS=["mm"], POINT__REACTIONS=["Odd"], POINT__REACTION_UNITS=["N"],
        POINT__BONES=["PELO"], POINT__BONE_UNITS=["mm"],
        POINT__TYPE_GROUPS=["ANGLES", "ANGLE", "REACTIONS", "REACTION", "BONES", "BONE"],
    )  # fmt: skip
    before = c3d.read(path)
    assert before.skeleton.keypoints == ("LASI", "RASI", "CentreOfMass", "PELO")
    kinds = {channel.name: (channel.kind, channel.unit) for channel in read_channels(before.metadata)}
    assert kinds == {
        "LKneeAngles": ("angles", "deg"), "Load": ("forces", ""), "LAnklePower": ("powers", ""), "Step": ("scalars", "mm"),
        "Odd": ("reactions", "N"),
    }  # fmt: skip
    c3d.write(before, tmp_path / "b.c3d")
    found = pytest.importorskip("ezc3d").c3d(str(tmp_path / "b.c3d"))
    point = found["parameters"]["POINT"]
    assert point["LABELS"]["value"] == labels and point["ANGLES"]["value"] == ["LKneeAngles"]
    assert point["ANGLE_UNITS"]["value"] == ["deg"] and point["SCALARS"]["value"] == ["Step"]
    np.testing.assert_array_equal(found["data"]["points"][:3].transpose(2, 1, 0).astype(np.float32), points)
    after = c3d.read(tmp_path / "b.c3d")
    assert after.metadata == before.metadata
    np.testing.assert_array_equal(after.positions, before.positions)


def test_names_of_plug_in_gait_tell_where_no_list_does(put):
    with pytest.warns(DataWarning, match=r"1 points are taken for a model's by their names \(LKneeAngles\)"):
        sequence = c3d.read(put(made(labels=(b"LKNE", b"LKneeAngles"))))
    assert sequence.skeleton.keypoints == ("LKNE",) and len(read_channels(sequence.metadata)) == 1
    assert len(c3d.read(put(made(labels=(b"PowerPack", b"Forceps")))).skeleton) == 2


def test_only_channels(put):
    with pytest.raises(InputError, match="no places in it, only 2 powers of a model"):
        c3d.read(put(made(more=[listed(b"POWERS", b"A", b"B")])))


def test_subjects_are_people(tmp_path):
    labels = ["Anna:LASI", "Anna:RASI", "Ben:LASI", "Ben:RASI", "Anna:SACR", "*4"]
    points = walkers(6)
    before = c3d.read(write_ezc3d(tmp_path / "a.c3d", labels, points))
    assert (before.ids, before.skeleton.keypoints) == (("Anna", "Ben", "0"), ("LASI", "RASI", "SACR", "*4"))
    np.testing.assert_array_equal(before.positions[:, 1, :2], points[:, 2:4])
    assert before.valid[0].tolist() == [
        [True, True, True, False],
        [True, True, False, False],
        [False, False, False, True],
    ]
    c3d.write(before, tmp_path / "b.c3d")
    found = pytest.importorskip("ezc3d").c3d(str(tmp_path / "b.c3d"))
    assert found["parameters"]["POINT"]["LABELS"]["value"] == labels
    np.testing.assert_array_equal(found["data"]["points"][:3].transpose(2, 1, 0).astype(np.float32), points)
    assert c3d.read(tmp_path / "b.c3d").metadata == before.metadata


def test_one_subject_and_many_objects_stay_one_person(tmp_path):
    one = c3d.read(write_ezc3d(tmp_path / "a.c3d", ["Anna:LASI", "Anna:RASI", "*3"], walkers(3)))
    assert (one.ids, one.skeleton.keypoints) == (("0",), ("Anna:LASI", "Anna:RASI", "*3"))
    labels = [f"object{i}:{i}" for i in range(20)]  # each of one name: people would be 20 x 20
    many = c3d.read(write_ezc3d(tmp_path / "b.c3d", labels, walkers(20)))
    assert (many.ids, many.skeleton.keypoints) == (("0",), tuple(labels))


def test_people_of_other_formats_are_subjects(tmp_path):
    points = np.random.default_rng(0).normal(size=(5, 2, 2, 3)).astype(np.float32)
    skeleton = Skeleton("custom", ("a", "b"))
    before = PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, ids=["x", "y"])
    c3d.write(before, tmp_path / "a.c3d")
    after = c3d.read(tmp_path / "a.c3d")
    assert (after.ids, after.skeleton) == (("x", "y"), skeleton)
    np.testing.assert_array_equal(after.positions, points)
    moved = PoseSequence.from_arrays(
        points, fps=30, skeleton=skeleton, metadata={"c3d": {"order": [[3, 3], [0, 1]], "plain": "0"}}
    )
    c3d.write(moved, tmp_path / "b.c3d")
    assert c3d.read(tmp_path / "b.c3d").valid.all()  # an order that leaves something out is none


def test_events_come_back(tmp_path):
    path = write_ezc3d(
        tmp_path / "a.c3d", ["A", "B"], walkers(2),
        EVENT__USED=[2], EVENT__CONTEXTS=["Left", "Right"], EVENT__LABELS=["Foot Strike", "Foot Off"],
        EVENT__TIMES=np.array([[0.0, 0.0], [0.25, 1.5]]),
    )  # fmt: skip
    before = c3d.read(path)
    assert before.metadata["c3d"]["events"]["LABELS"][2] == ["Foot Strike", "Foot Off"]
    c3d.write(before, tmp_path / "b.c3d")
    event = pytest.importorskip("ezc3d").c3d(str(tmp_path / "b.c3d"))["parameters"]["EVENT"]
    assert event["CONTEXTS"]["value"] == ["Left", "Right"] and event["TIMES"]["value"].tolist() == [[0, 0], [0.25, 1.5]]
    assert c3d.read(tmp_path / "b.c3d").metadata == before.metadata


def test_events_of_the_header_come_back(tmp_path, put):
    data = bytearray(made())
    data[298:304] = struct.pack("<3H", 12345, 2, 0)
    data[304:312] = struct.pack("<2f", 0.5, 1.25)
    data[376:378], data[396:404] = b"\1\0", b"RHS LTO "
    before = c3d.read(put(bytes(data)))
    assert before.metadata["c3d"]["header_events"] == [["RHS", 0.5, 1], ["LTO", 1.25, 0]]
    c3d.write(before, tmp_path / "b.c3d")
    assert c3d.read(tmp_path / "b.c3d").metadata == before.metadata


@pytest.mark.parametrize("facts", [
    {"events": 3}, {"events": {"LABELS": [-1, [4, 1], ["too long"]], "X": 4}}, {"events": {"TIMES": [9, [], [1]]}},
    {"header_events": [[1]]},
    {"header_events": [["a", "b", 3]]}, {"header_events": [["a", 1.0, 400]]}, {"order": [[0]]}, {"order": [[0, 1 << 60]]},
    {"order": [[0, 1], [0, 1]]}, {"plain": 3},
])  # fmt: skip
def test_facts_that_do_not_fit(tmp_path, facts):
    sequence = PoseSequence.from_arrays(np.ones((2, 2, 19, 3)), fps=30, metadata={"c3d": facts, "channels": facts})
    c3d.write(sequence, tmp_path / "a.c3d")
    assert c3d.read(tmp_path / "a.c3d").metadata == {"source_format": "c3d"}


def rotate(path: Path, with_points: bool) -> Path:
    """A file of ezc3d with two segments in five frames, whose places are 1, 2, 3 and so on."""
    ezc3d = pytest.importorskip("ezc3d")
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["data"]["points"] = np.ones((4, int(with_points), 5))
    if with_points:
        file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
        file["parameters"]["POINT"]["LABELS"]["value"] = ["A"]
    for name, value in (("USED", [2]), ("RATE", [100.0]), ("RATIO", [1]), ("LABELS", ["pelvis_4X4", "thigh_4X4"])):
        file.add_parameter("ROTATION", name, value)
    rotations = np.tile(np.eye(4)[:, :, None, None], (1, 1, 2, 5))
    rotations[:3, 3] = np.arange(1, 31).reshape(5, 2, 3).T
    file["data"]["rotations"] = rotations
    file.write(str(path))
    return path


def test_rotations_are_counted(tmp_path):
    with pytest.warns(DataWarning, match="^2 rotations of 4x4 are not kept"):
        assert len(c3d.read(rotate(tmp_path / "a.c3d", True)).skeleton) == 1


def test_origins_where_there_are_only_rotations(tmp_path):
    with pytest.warns(DataWarning, match="no points, only 2 rotations of 4x4: their origins are the keypoints"):
        sequence = c3d.read(rotate(tmp_path / "a.c3d", False))
    assert (sequence.skeleton.keypoints, sequence.unit) == (("pelvis", "thigh"), "mm")
    np.testing.assert_array_equal(sequence.positions, np.arange(1, 31).reshape(5, 1, 2, 3))


def test_parameters_past_the_stated_section(put):
    long = record(2, b"LONG", struct.pack("bBB", -1, 1, 200) + b"x" * 200, "<")
    filler = [record(2, b"FILL%d" % i, struct.pack("bBB", -1, 1, 200) + b"x" * 200, "<") for i in range(2)]
    data = made(start=4)
    point = data[512:1024].rstrip(b"\0") + b"\0\0"
    section = point + b"".join(filler) + long + b"\0\0"
    assert len(section) > 512
    file = data[:512] + section.ljust(1024, b"\0") + data[1024:]
    with pytest.warns(DataWarning, match="parameters run past the 1 blocks"):
        assert c3d.read(put(file)).frames == 3


def test_garbage_after_the_last_parameter(put):
    data = made()
    end = len(data[512:1024].rstrip(b"\0"))
    garbage = b"\3\7ABC\xff\xff" + bytes(range(1, 60))
    file = data[: 512 + end + 1] + garbage + data[512 + end + 1 + len(garbage) :]
    with pytest.warns(DataWarning, match="those before it are whole and are followed"):
        assert c3d.read(put(file)).skeleton.keypoints == ("A", "B")
    with pytest.raises(InputError, match="damaged"):
        c3d.read(put(data[:524] + b"\xff\xff" + data[526:]))  # where labels would be


@pytest.mark.parametrize(("labels", "names"), [
    ((b"*7", b"*9"), ("*7", "*9")), ((b" ",), ("*1", "*2")), ((b"*1", b" "), ("*1", "*2")), ((b" ", b"*1"), ("*1", "*1_2")),
])  # fmt: skip
def test_no_labels_and_stars(tmp_path, put, labels, names):
    before = c3d.read(put(made(labels=labels)))
    assert before.skeleton.keypoints == names
    c3d.write(before, tmp_path / "b.c3d")
    assert c3d.read(tmp_path / "b.c3d").skeleton.keypoints == names


def test_a_frame_less_than_the_parameters_count(put):
    data = bytearray(made(frames=4))
    data[8:10] = struct.pack("<H", 9)  # the header: frames 7 to 9
    with pytest.warns(DataWarning, match="POINT:FRAMES is 4, the header counts 3"):
        assert c3d.read(put(bytes(data))).frames == 3


def test_default_error_of_angles_and_of_subjects(tmp_path):
    points = walkers(8, 100)
    labels = [f"{who}:{k}" for who in ("Anna", "Ben") for k in range(4)]
    labels[7] = "Ben:LKneeAngles"
    points[:, 4:7] += 50000
    points[:, 7] = 30 + 30 * np.sin(np.arange(100)[:, None] / 9 + np.arange(3))
    path = write_ezc3d(
        tmp_path / "a.c3d", labels, points, POINT__ANGLES=["Ben:LKneeAngles"], POINT__ANGLE_UNITS=["deg"]
    )
    c3d.write(PoseCodec().decode(PoseCodec().encode(c3d.read(path))), tmp_path / "b.c3d")
    found = pytest.importorskip("ezc3d").c3d(str(tmp_path / "b.c3d"))
    assert found["parameters"]["POINT"]["LABELS"]["value"] == labels
    off = np.abs(found["data"]["points"][:3].transpose(2, 1, 0) - points)
    assert off[:, 7].max() < 0.13 and np.linalg.norm(off[:, :7], axis=2).mean() < 20


def test_commands_tell_of_channels(tmp_path, put):
    data = made(
        labels=(b"LASI", b"LKneeAngles"), more=[listed(b"ANGLES", b"LKneeAngles"), listed(b"ANGLE_UNITS", b"deg")]
    )
    path, out = put(data), tmp_path / "a.posec"
    said = [CliRunner().invoke(cli, ["encode", str(path), "-f", *more]) for more in ((), ("--channel-error", "0.3deg"))]
    assert "1 points are no places but 1 angles" in said[0].stderr and "angles (deg) within 0.0" in said[0].stdout
    assert "angles (deg) within 0.2" in said[1].stdout
    assert "1 angles (beside the places)" in CliRunner().invoke(cli, ["info", str(out)]).stdout
    verdict = CliRunner().invoke(cli, ["verify", str(out), str(path)])
    assert verdict.exit_code == 0, verdict.output
    wrong = CliRunner().invoke(cli, ["encode", str(path), "-f", "--channel-error", "much"])
    assert isinstance(wrong.exception, UsageError) and "no error of channels" in str(wrong.exception)
