"""What new users stumbled over: names that are none, outputs that are folders, several files of which one is bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec import io
from posecodec.cli import cli
from posecodec.errors import (
    CorruptError,
    DataWarning,
    InputError,
    NoRateError,
    PosecodecError,
    UsageError,
    WeightsError,
)
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.synthetic import walk


def call(*words: object) -> tuple[str, BaseException | None]:
    """What a command prints, and what it raises."""
    result = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
    return result.output, result.exception


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    posecodec.save(walk(20), tmp_path / "walk.npz")
    posecodec.save(walk(20), tmp_path / "walk.posec")
    posecodec.save(walk(12), tmp_path / "short.npz")
    (tmp_path / "bad.npz").write_text("bad")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    ["encode IN/walk.npz --unit furlong", "encode IN/walk.npz --skeleton foo", "convert IN/walk.npz IN/a.csv --up w",
     "encode IN/walk.npz IN/short.npz -o IN/one.posec", "decode IN/walk.posec IN/walk.posec -o IN/one.csv",
      "decode IN/walk.posec -o IN/walk.posec --to npz -f", "decode IN/walk.posec -o IN/a.trc --to csv",
      "convert IN/walk.npz IN/walk.npz -f", "convert IN/walk.npz IN/a.trc --to csv", "sample IN/a.trc --to csv",
      "convert IN/walk.npz IN -f --to npz", "cut IN/walk.posec -o IN/a.npz",
      "view IN/walk.npz IN/deep/walk.npz -o IN/pages",
      "convert IN/walk.npz IN/short.npz IN/one.csv --to csv", "tokens IN/walk.posec -o IN/d.txt", "encode IN/walk.posec",
      "compare IN/walk.npz IN/walk.npz -m body3d", "encode IN/walk.posec -o IN/w2.posec",
      "skeletons foo", "sample IN/s.npz --skeleton foo", "decode IN/walk.posec -o IN/x.foo"],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_mistake_of_usage(folder: Path, command: str) -> None:
    (folder / "deep").mkdir()
    (folder / "deep/walk.npz").write_bytes((folder / "walk.npz").read_bytes())
    before = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
    output, error = call(*(word.replace("IN", str(folder)) for word in command.split()))
    assert isinstance(error, UsageError) and str(error), output
    assert {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")} == before


@pytest.mark.parametrize("command", ["info", "view -o", "convert --to csv"])
def test_one_bad_file_of_two_is_exit_code_1(folder: Path, command: str) -> None:
    name, *words = command.split()
    target = [] if name == "info" else [folder / "out"]
    files = [folder / "walk.npz", folder / "bad.npz"]
    if name == "view":
        (folder / "out").mkdir()
        files, words = [*files, "-o"], []
    _, error = call(name, *files, *target, *words)
    assert type(error) is PosecodecError and "1 of 2 files failed" in str(error)


def test_a_corrupt_one_is_exit_code_4(folder: Path) -> None:
    (folder / "cut.posec").write_bytes((folder / "walk.posec").read_bytes()[:-1])
    assert isinstance(call("verify", folder / "walk.posec", folder / "cut.posec")[1], CorruptError)


def test_a_corrupt_one_of_two_is_one_that_failed(folder: Path) -> None:
    (folder / "cut.posec").write_bytes(b"bad")
    assert type(call("info", folder / "walk.posec", folder / "cut.posec")[1]) is PosecodecError


def test_cut_of_another_format_is_exit_code_3(folder: Path) -> None:
    assert type(call("cut", folder / "walk.npz", "-o", folder / "a.posec")[1]) is InputError


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_no_space_is_exit_code_1_and_devices_need_no_force(folder: Path) -> None:
    assert type(call("encode", folder / "walk.npz", "-o", "/dev/full")[1]) is PosecodecError
    assert call("encode", folder / "walk.npz", "-o", "/dev/null")[1] is None


def test_verify_of_another_format_is_exit_code_3(folder: Path) -> None:
    _, error = call("verify", folder / "walk.npz")
    assert isinstance(error, InputError) and "is no .posec file" in str(error)


def test_a_slash_at_the_end_makes_a_folder(folder: Path) -> None:
    assert call("encode", folder / "walk.npz", "-o", f"{folder}/a/b/")[1] is None
    assert (folder / "a" / "b" / "walk.posec").is_file()
    assert call("decode", folder / "walk.posec", "-o", f"{folder}/c/")[1] is None
    assert io.load(folder / "c" / "walk.npz").frames == 20


def test_a_folder_is_converted(folder: Path) -> None:
    _, error = call("convert", folder, f"{folder}/many/", "--to", "csv")
    assert isinstance(error, UsageError) and "several recordings would become walk.csv" in str(error)
    (folder / "walk.posec").unlink()
    assert type(call("convert", folder, f"{folder}/many/", "--to", "csv")[1]) is PosecodecError  # of the bad one
    assert sorted(path.name for path in (folder / "many").iterdir()) == ["short.csv", "walk.csv"]


@pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")
def test_no_rate_is_made_up_where_the_target_states_one(folder: Path) -> None:
    io.save(walk(4), folder / "walk.npy")
    for target in ("a.npz", "a.trc", "a.pose"):
        _, error = call("convert", folder / "walk.npy", folder / target)
        assert isinstance(error, NoRateError) and "walk.npy: " in str(error) and "pass --fps N" in str(error)
        assert not (folder / target).exists()
    assert isinstance(call("convert", folder / "walk.npy", "-", "--to", "csv")[1], NoRateError)
    assert call("convert", folder / "walk.npy", folder / "a.npz", "--fps", "25")[1] is None
    assert io.load(folder / "a.npz").fps == 25
    output, error = call("convert", folder / "walk.npy", folder / "b.npy")
    assert error is None and "30 assumed" in output


def test_frames_beyond_the_last_are_told(folder: Path) -> None:
    output, error = call("decode", folder / "walk.posec", "-o", folder / "a.csv", "--frames", "15:30")
    assert error is None and "there are 20 frames, none from there to 30" in output
    assert io.load(folder / "a.csv").frames == 5


def test_the_least_bit_rate_is_told(folder: Path) -> None:
    _, error = call("encode", folder / "walk.npz", "--bitrate", 0.01, "-f")
    least = float(str(error).split()[-1])
    assert isinstance(error, InputError) and 0.05 < least < 5
    assert call("encode", folder / "walk.npz", "--bitrate", round(1.1 * least, 2), "-f")[1] is None


def test_no_weights_are_no_weights(folder: Path) -> None:
    assert isinstance(call("models", folder / "walk.npz")[1], WeightsError)
    assert call("models", "motion3d")[1] is None


def test_what_is_compared_may_need_its_unit_said(folder: Path) -> None:
    with pytest.warns(DataWarning, match=r"no room for the rate \(reading needs --fps 30\), the names"):
        io.save(walk(20), folder / "walk.npy")
    output, error = call("compare", folder / "walk.npz", folder / "walk.npy")
    assert isinstance(error, InputError) and "--unit" in str(error) and "30 assumed" in output
    assert call("compare", folder / "walk.npz", folder / "walk.npy", "--unit", "mm", "--up", "y")[1] is None
    _, error = call("compare", folder / "walk.npz", folder / "short.npz")
    assert "decode --frames" in str(error)


def test_pose_tells_what_it_has_no_room_for(tmp_path: Path) -> None:
    with pytest.warns(DataWarning, match="no room for the unit mm and the up axis"):
        io.save(walk(4), tmp_path / "a.pose")


def test_bones_that_end_in_a_bvh_get_no_more_ends_in_the_next(tmp_path: Path) -> None:
    with pytest.warns(DataWarning):
        io.save(walk(10), tmp_path / "a.bvh")
        found: list[PoseSequence] = []
        for name, after in (("a", "b"), ("b", "c"), ("c", "d")):
            found.append(io.load(tmp_path / f"{name}.bvh", skeleton="native"))
            io.save(found[-1], tmp_path / f"{after}.bvh")
    assert {sequence.skeleton.keypoints for sequence in found} == {found[0].skeleton.keypoints}
    np.testing.assert_allclose(found[2].positions, found[0].positions, atol=0.01)


def test_encode_in_python_takes_a_path(folder: Path) -> None:
    assert posecodec.encode(folder / "walk.npz").data == posecodec.encode(walk(20)).data
    assert posecodec.decode(posecodec.encode(str(folder / "walk.npz"), max_error="5mm")).frames == 20


def test_models_in_json_are_those_that_were_asked_for() -> None:
    output, error = call("models", "motion2d", "--json")
    assert error is None and json.loads(output)[0]["name"] == "motion2d"


@pytest.mark.parametrize(
    ("command", "option"),
    [("info IN/walk.posec", "--fps 60"), ("convert IN/walk.posec IN/b.npz", "--unit m"),
     ("tokens IN/walk.posec -o IN/c.npz", "--up z"), ("verify IN/walk.posec", "--track"),
     ("compare IN/walk.posec IN/walk.posec", "--skeleton coco17"), ("convert IN/walk.posec IN/b.npz", "--zeros-missing"),
     ("info IN/walk.posec", "--from npz")],
)  # fmt: skip
def test_how_to_read_is_nothing_to_tell_of_posec_files(folder: Path, command: str, option: str) -> None:
    before = sorted(folder.rglob("*"))
    _, error = call(*(word.replace("IN", str(folder)) for word in command.split()), *option.split())
    assert isinstance(error, UsageError) and f"leave out {option.split()[0]}" in str(error)
    assert sorted(folder.rglob("*")) == before


def test_how_to_read_is_for_the_files_that_are_no_posec_files(folder: Path) -> None:
    for command in ("info", "compare"):
        assert call(command, folder / "walk.posec", folder / "walk.npz", "--unit", "mm")[1] is None
    assert call("verify", folder / "walk.posec", folder / "walk.npz", "--fps", 30)[1] is None
    assert call("convert", folder / "walk.posec", folder / "b.csv", "--max-memory", "1GiB")[1] is None
    data = (folder / "walk.posec").read_bytes()
    for words in (["info", "-"], ["convert", "-", str(folder / "c.csv")]):
        result = CliRunner().invoke(cli, [*words, "--fps", "60"], input=data, standalone_mode=False)
        assert isinstance(result.exception, UsageError)


def test_a_comparison_at_other_rates_says_so(folder: Path) -> None:
    posecodec.save(posecodec.load(folder / "walk.npz", fps=60), folder / "fast.npz")
    output, error = call("compare", folder / "walk.npz", folder / "fast.npz")
    assert error is None and "fast.npz: the reference has 30 frames a second, the other 60" in output


def test_the_summary_of_one_file_tells_that_it_failed(folder: Path) -> None:
    summary, data = folder / "s.json", bytearray((folder / "walk.posec").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "damaged.posec").write_bytes(data)
    for words, told in (
        (["decode", folder / "damaged.posec", "--recover", "-o", folder / "d.csv"], "is damaged"),
        (["decode", folder / "damaged.posec", "-o", folder / "e.csv"], "damaged.posec"),
        (["decode", folder / "walk.posec", "-o", folder / "walk.npz"], "exists"),
        (["encode", folder / "bad.npz"], "bad.npz"),
        (["encode", folder / "walk.npz"], "exists"),
    ):
        assert isinstance(call(*words, "--summary", summary)[1], PosecodecError)
        facts = json.loads(summary.read_text())
        assert (facts["done"], facts["failed"], facts["files"]) == (0, 1, []) and told in facts["errors"][0]
        summary.unlink()


def test_suffixes_in_capital_letters_are_the_same(folder: Path) -> None:
    shouted = (folder / "walk.posec").rename(folder / "WALK.POSEC")
    for words in (["info", shouted], ["convert", shouted, folder / "a.csv"], ["verify", shouted, shouted]):
        assert call(*words)[1] is None
    assert call("compare", folder / "walk.npz", shouted)[1] is None
    assert isinstance(call("tokens", shouted, "-o", folder / "tokens.npz")[1], InputError)  # it has none
    assert call("decode", folder, "-o", folder / "out")[1] is None and (folder / "out" / "WALK.npz").is_file()
    _, error = call("encode", folder / "short.npz", folder / "walk.npz", "-o", folder / "NEW.POSEC")
    assert isinstance(error, UsageError) and "called as one" in str(error)


@pytest.mark.parametrize("command", ["encode IN/none.npz -n", "encode IN/walk.npz IN/none.npz -o IN/out -n"])
def test_a_plan_is_of_what_is_there(folder: Path, command: str) -> None:
    _, error = call(*(word.replace("IN", str(folder)) for word in command.split()))
    assert isinstance(error, InputError) and "no such file" in str(error)


def test_a_part_past_the_end_says_how_long_the_recording_is(folder: Path) -> None:
    _, error = call("decode", folder / "walk.posec", "--start", 200, "-o", folder / "part.npz")
    assert isinstance(error, UsageError) and "in a recording of 20, 0.6667 s" in str(error)
