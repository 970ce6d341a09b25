"""The command line: results on disk, one honest line, and exit codes."""

import dataclasses
import json
import subprocess
import sys
import time

import numpy as np
import pytest

import posecodec
from posecodec.model import weights
from posecodec.samples import walk

pytestmark = pytest.mark.skipif("body3d" not in weights.names(), reason="the weights body3d are not in this checkout")


def run(*args, **options):
    return subprocess.run([sys.executable, "-c", "from posecodec.cli import main; main()", *map(str, args)],
                          capture_output=True, text=True, **options)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli")
    posecodec.save(dataclasses.replace(walk(100), metadata={}), path / "walk.npz")
    assert run("encode", path / "walk.npz").returncode == 0
    return path


def test_help_is_quick_and_loads_no_torch():
    script = "import sys; import posecodec.cli; assert not {'torch', 'numba', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert "encode" in run("--help").stdout
        times.append(time.perf_counter() - began)
    empty = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import click"], check=True)
    assert min(times) < 0.3 or min(times) < 2 * (time.perf_counter() - empty)


def test_encode_decode_compare(folder):
    again = run("encode", folder / "walk.npz", "-f")
    assert "bits/frame" in again.stdout and "mean" in again.stdout
    assert run("decode", folder / "walk.posec", "-o", folder / "back.npz", "-f").returncode == 0
    original, back = posecodec.load(folder / "walk.npz"), posecodec.load(folder / "back.npz")
    assert back.frames == original.frames and back.fps == original.fps and back.unit == original.unit
    found = json.loads(run("compare", folder / "walk.npz", folder / "walk.posec", "--json").stdout)
    assert found["mpjpe"] == pytest.approx(posecodec.compare(original, back).mpjpe, abs=0.01)


def test_json_and_levels(folder):
    sizes = []
    for levels in (1, 8):
        out = run("encode", folder / "walk.npz", "-f", "--json", "--levels", levels, "-o", folder / "l.posec")
        sizes.append(json.loads(out.stdout)["bytes_out"])
    assert sizes[0] < sizes[1] < 200


def test_info_needs_no_weights(folder):
    facts = json.loads(run("info", folder / "walk.posec", "--json").stdout)
    assert facts["frames"] == 100 and facts["overhead"] <= 48 and facts["skeleton"] == "coco19"


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
    wrong = run("decode", folder / "walk.posec", "-m", "body2d", "-o", tmp_path / "x.npz")
    assert wrong.returncode == 5
    assert weights.read("body3d").sha256[:8] in wrong.stderr and weights.read("body2d").sha256[:8] in wrong.stderr
    assert run("encode", folder / "walk.npz", "-m", "nowhere", "-f").returncode == 5
    assert not list(tmp_path.glob("*.tmp")) and not (tmp_path / "x.npz").exists()


def test_several_inputs_go_on_after_a_failure(folder, tmp_path):
    posecodec.save(walk(20), tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"junk")
    assert run("encode", tmp_path).returncode == 2  # a folder needs -o
    result = run("encode", tmp_path, "-o", tmp_path / "out")
    assert result.returncode == 1 and "1 of 2" in result.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.posec"]


def test_stdout(folder):
    out = subprocess.run([sys.executable, "-c", "from posecodec.cli import main; main()", "encode",
                          str(folder / "walk.npz"), "-o", "-"], capture_output=True)  # fmt: skip
    assert out.stdout == (folder / "walk.posec").read_bytes()


def test_models_states_the_licence():
    cards = json.loads(run("models", "--json").stdout)
    assert {"body2d", "body3d"} <= {card["name"] for card in cards}
    assert all("mocap.cs.cmu.edu" in card["attribution"] and card["licence"] for card in cards)


def test_golden_file_decodes_to_the_same_tokens():
    from pathlib import Path

    golden = Path(__file__).parent / "golden"
    codec = posecodec.PoseCodec.from_pretrained("body3d")
    tokens = np.load(golden / "walk100.tokens.npy")
    found = codec.tokens((golden / "walk100.posec").read_bytes())
    assert len(found) == 1 and (found[0].indices == tokens).all()
    drawn = posecodec.load(golden / "walk100.decoded.npz")
    decoded = codec.decode(golden / "walk100.posec")
    assert np.abs(decoded.positions - drawn.positions).max() < 0.01
