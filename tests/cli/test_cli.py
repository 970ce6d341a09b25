"""The command line: results on disk, one honest line, and exit codes."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from cli.commands import COMMAND, run

import posecodec
from posecodec import zoo
from posecodec.bitstream import container
from posecodec.bitstream.guarantee import Guarantee
from posecodec.pose.synthetic import walk

pytestmark = pytest.mark.skipif(
    "windows3d" not in zoo.list_weights(), reason="the weights windows3d are not in this checkout"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    posecodec.save(dataclasses.replace(walk(100), metadata={}), path / "walk.npz")
    assert run("encode", path / "walk.npz").returncode == 0
    codec = posecodec.PoseCodec.from_pretrained("windows3d")
    codec.encode_windows(posecodec.load(path / "walk.npz"), 128).save(path / "windows.posec")
    other = walk(100)
    posecodec.save(other.with_positions(other.positions + np.float32(50), other.confidence), path / "other.npz")
    return path


def test_help_is_quick_and_loads_no_torch():
    script = "import sys; import posecodec.cli; assert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    seconds = []
    for _ in range(5):
        began = os.times()
        assert "encode" in run("--help").stdout
        ended = os.times()  # of the processor, which other work on the machine does not lengthen as it does the clock's
        seconds.append(sum(ended[2:4]) - sum(began[2:4]))
    assert min(seconds) <= 0.2


def test_package_runs_as_a_module_and_lists_its_names_before_use():
    script = "import posecodec, sys; print(set(posecodec.__all__) <= set(dir(posecodec)), 'numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["True", "False"]
    out = subprocess.run([sys.executable, "-m", "posecodec", "--version"], check=True, capture_output=True, text=True)
    assert posecodec.__version__ in out.stdout


def test_encode_decode_compare(folder):
    again = run("encode", folder / "walk.npz", "-f")
    assert "bits/frame" in again.stdout and "mean" in again.stdout
    assert run("decode", folder / "walk.posec", "-o", folder / "back.npz", "-f").returncode == 0
    original, back = posecodec.load(folder / "walk.npz"), posecodec.load(folder / "back.npz")
    assert back.frames == original.frames and back.fps == original.fps and back.unit == original.unit
    found = json.loads(run("compare", folder / "walk.npz", folder / "walk.posec", "--json").stdout)
    assert found["mpjpe"] == pytest.approx(posecodec.compare(original, back).mpjpe, abs=0.01)


def test_json_and_levels(folder):
    sizes, errors = [], []
    for levels in (1, 4, 8):
        out = run("encode", folder / "walk.npz", "-f", "--json", "--levels", levels, "-o", folder / "l.posec")
        facts = json.loads(out.stdout)
        sizes.append(facts["bytes_out"])
        errors.append(facts["mean"])
    assert sizes == sorted(sizes) and sizes[0] < 100 and sizes[1] < 200
    assert errors == sorted(errors, reverse=True) and errors[1] < 80 and errors[2] < 50
    for levels, code in ((9, 2), (0, 2), (-1, 2)):
        out = run("encode", folder / "walk.npz", "--levels", levels, "-o", folder / "none.posec")
        assert out.returncode == code and "levels" in out.stderr and "Traceback" not in out.stderr
    assert not (folder / "none.posec").exists()


def test_tokens_of_a_pose_file_and_of_a_posec_file_are_the_same(folder, tmp_path):
    found = []
    assert run("encode", folder / "walk.npz", "--levels", 5, "-o", folder / "tokens.posec").returncode == 0
    for source in ("walk.npz", "tokens.posec"):
        out = run("tokens", folder / source, "-o", tmp_path / f"{source}.npz", "--levels", 3)
        assert out.returncode == 0 and "1 chunk" in out.stdout, out.stderr
        found.append(np.load(tmp_path / f"{source}.npz"))
    assert run("tokens", folder / "walk.npz", "-o", tmp_path / "own.npz").returncode == 0
    own, cut = np.load(tmp_path / "own.npz"), found[1]
    assert (int(own["levels"]), int(cut["levels"]), int(own["codes"])) == (4, 3, 512)
    assert (found[0]["stream"] == cut["stream"]).all() and cut["chunk_0"].shape == (4, 6, 1, 3)


def test_info_needs_no_weights(folder):
    facts = json.loads(run("info", folder / "walk.posec", "--json").stdout)
    assert facts["frames"] == 100 and facts["overhead"] <= 48 and facts["skeleton"] == "coco19"
    assert facts["coded as"] in ("windows", "windows + residual", "transform") and facts["promise"] == "none"
    facts = json.loads(run("info", folder / "windows.posec", "--json").stdout)
    assert facts["coded as"] == "windows" and facts["weights"] == zoo.read_weights("windows3d").id.hex()


def test_exit_codes(folder, tmp_path):
    assert run("encode", folder / "walk.npz").returncode == 2  # exists
    assert run("encode", "--nonsense").returncode == 2
    (tmp_path / "bad.npz").write_bytes(b"not a zip")
    assert run("encode", tmp_path / "bad.npz").returncode == 3
    data = bytearray((folder / "walk.posec").read_bytes())
    data[-1] ^= 1
    (tmp_path / "bad.posec").write_bytes(data)
    broken = run("decode", tmp_path / "bad.posec")
    assert broken.returncode == 4 and "Traceback" not in broken.stderr
    wrong = run("decode", folder / "windows.posec", "-m", "windows2d", "-o", tmp_path / "x.npz")
    assert wrong.returncode == 5
    assert all(zoo.read_weights(name).sha256[:8] in wrong.stderr for name in ("windows3d", "windows2d"))
    assert run("encode", folder / "walk.npz", "-m", "nowhere", "-f").returncode == 5
    assert not list(tmp_path.glob("*.tmp")) and not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize(
    "goals",
    ["--levels 4 --lossless", "--max-error 5mm --mean-error 3mm", "--bitrate 3 --max-error 5",
     "--bitrate 3 --mean-error 5 --lossless"],
)  # fmt: skip
def test_contradicting_goals_are_a_usage_error(folder, tmp_path, goals):
    result = run("encode", folder / "walk.npz", *goals.split(), "-o", tmp_path / "x.posec")
    assert result.returncode == 2 and " and " in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_lengths_have_units(folder, tmp_path):
    files = []
    for i, text in enumerate(("5mm", "0.5cm", "0.005m", "5")):
        files.append(tmp_path / f"{i}.posec")
        assert run("encode", folder / "walk.npz", "--max-error", text, "-o", files[-1]).returncode == 0
    assert len({file.read_bytes() for file in files}) == 1
    assert json.loads(run("info", files[0], "--json").stdout)["promise"] == "max-error 5 mm"


@pytest.mark.parametrize("text", ["5furlong", "mm", "", "-5mm", "0mm", "nan", "5px", "5 m m", "1e400"])
@pytest.mark.parametrize("goal", ["--max-error", "--mean-error"])
def test_lengths_that_are_none_are_a_usage_error(folder, tmp_path, text, goal):
    result = run("encode", folder / "walk.npz", f"{goal}={text}", "-o", tmp_path / "x.posec")
    assert result.returncode == 2 and "Traceback" not in result.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("goal", [("--max-error", "20mm"), ("--mean-error", "1cm")], ids=lambda goal: goal[0])
def test_verify_errors(folder, tmp_path, goal):
    file = tmp_path / "a.posec"
    assert run("encode", folder / "walk.npz", *goal, "-o", file).returncode == 0
    alone = run("verify", file)
    assert alone.returncode == 0 and "as its encoder measured" in alone.stdout
    kept = run("verify", file, folder / "walk.npz", "--json")
    facts = json.loads(kept.stdout)
    assert kept.returncode == 0 and facts["kept"] is True and facts["reached"] <= facts["promised"]
    assert facts["promise"] == goal[0][2:] and facts["unit"] == "mm"
    broken = run("verify", file, folder / "other.npz")
    assert broken.returncode == 4 and "BROKEN" in broken.stdout and "Traceback" not in broken.stderr


def test_verify_lossless(folder, tmp_path):
    file = tmp_path / "a.posec"
    assert run("encode", folder / "walk.npz", "--lossless", "-o", file).returncode == 0
    for original in ((), (folder / "walk.npz",)):
        found = run("verify", file, *original)
        assert found.returncode == 0 and "lossless: kept" in found.stdout
    assert run("verify", file, folder / "other.npz").returncode == 4
    assert run("decode", file, "-o", tmp_path / "b.npz").returncode == 0
    assert (posecodec.load(tmp_path / "b.npz").positions == posecodec.load(folder / "walk.npz").positions).all()


def test_verify_bitrate(folder, tmp_path):
    file = tmp_path / "a.posec"
    assert run("encode", folder / "walk.npz", "--bitrate", 2, "-o", file).returncode == 0
    assert len(file.read_bytes()) * 8e-3 * 30 / 100 <= 2
    facts = json.loads(run("verify", file, "--json").stdout)
    assert facts["promise"] == "bitrate" and facts["kept"] is True and 1 < facts["reached"] <= 2
    refused = run("encode", folder / "walk.npz", "--bitrate", 0.001, "-o", tmp_path / "b.posec")
    assert refused.returncode == 3 and "kbit/s" in refused.stderr


def test_verify_what_promises_nothing_or_is_damaged(folder, tmp_path):
    found = run("verify", folder / "walk.posec")
    assert found.returncode == 0 and "nothing was promised" in found.stdout
    (tmp_path / "bad.posec").write_bytes((folder / "walk.posec").read_bytes()[:-1])
    assert run("verify", tmp_path / "bad.posec").returncode == 4
    assert run("verify", tmp_path / "none.posec").returncode == 3


def test_cut(folder, tmp_path):
    header, parts = container.read((folder / "windows.posec").read_bytes())
    fine = dataclasses.replace(header, guarantee=Guarantee("max-error", 5.0, 1.0))
    layered = container.write(fine, [container.Chunk(part.base, b"a refinement") for part in parts])
    (tmp_path / "fine.posec").write_bytes(layered)
    assert json.loads(run("info", tmp_path / "fine.posec", "--json").stdout)["coded as"] == "windows + residual"
    result = run("cut", tmp_path / "fine.posec", "-o", tmp_path / "coarse.posec")
    assert result.returncode == 0 and f"{len(layered)} -> " in result.stdout
    assert (tmp_path / "coarse.posec").read_bytes() == (folder / "windows.posec").read_bytes()
    assert run("cut", tmp_path / "fine.posec", "-o", tmp_path / "coarse.posec").returncode == 2
    assert run("cut", tmp_path / "fine.posec", "-o", tmp_path / "coarse.posec", "-f").returncode == 0
    (tmp_path / "bad.posec").write_bytes(layered[:-1])
    assert run("cut", tmp_path / "bad.posec", "-o", tmp_path / "x.posec").returncode == 4
    assert not (tmp_path / "x.posec").exists()


def test_several_inputs_go_on_after_a_failure(folder, tmp_path):
    posecodec.save(walk(20), tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"junk")
    assert run("encode", tmp_path).returncode == 2  # a folder needs -o
    result = run("encode", tmp_path, "-o", tmp_path / "out")
    assert result.returncode == 1 and "1 of 2" in result.stderr
    assert [p.name for p in (tmp_path / "out").glob("*.posec")] == ["a.posec"]


def test_stdout(folder):
    out = subprocess.run([*COMMAND, "encode", str(folder / "walk.npz"), "-o", "-"], capture_output=True)
    assert out.stdout == (folder / "walk.posec").read_bytes()


def test_models_states_the_licence():
    cards = json.loads(run("models", "--json").stdout)
    assert {"windows2d", "windows3d"} <= {card["name"] for card in cards}
    assert all("mocap.cs.cmu.edu" in card["attribution"] and card["licence"] for card in cards)


def test_unnamed_keypoints_take_a_skeletons_names_and_errors_name_the_file(tmp_path):
    points = np.random.default_rng(0).uniform(0, 100, (20, 17, 2)).astype(np.float32)
    np.save(tmp_path / "plain.npy", points)
    found = run("encode", tmp_path / "plain.npy", "--fps", "30", "--skeleton", "coco17", "-o", tmp_path / "a.posec")
    assert found.returncode == 0, found.stderr
    assert container.read_header((tmp_path / "a.posec").read_bytes()).skeleton.name == "coco17"
    (tmp_path / "cut.posec").write_bytes((tmp_path / "a.posec").read_bytes()[:-3])
    for command in (["decode", "-o", tmp_path / "b.npz"], ["info"], ["verify"]):
        found = run(command[0], tmp_path / "cut.posec", *command[1:])
        assert found.returncode == 4 and "cut.posec" in found.stderr
