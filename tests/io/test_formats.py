"""Every format through the whole: info, encode, decode to the format it was, and damaged files."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec.cli import cli
from posecodec.errors import InputError, PosecodecError
from posecodec.io import FORMATS, detect
from posecodec.io.filesystem import expose_bugs
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.pose.synthetic import film, walk

NEEDS = {"sleap": "h5py", "dlc": "tables"}
NAMES = [
    pytest.param(name, marks=pytest.mark.skipif(
        name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None, reason=f"{NEEDS.get(name)} is not installed"
    ))
    for name in FORMATS
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")


def run(*args: Any) -> Any:
    return CliRunner().invoke(cli, list(map(str, args)))


def good(name: str, folder: Path) -> Path:
    """A good file of a format, under a name that its users give it."""
    suffix = {"openpose": ".json", "panoptic": ".tar"}.get(name, FORMATS[name].suffixes[0])
    path = (
        folder
        / f"{'mediapipe_body_3d_xyz.npy' if name == 'freemocap' else f'take{suffix or FORMATS[name].suffixes[1]}'}"
    )
    path.write_bytes(fuzz.seeds()[name][0]())
    return path


def options(name: str) -> list[str]:
    return ["--from", "h36m", "--item", "S1/Walking"] if name == "h36m" else []


@pytest.mark.parametrize("name", NAMES)
def test_info_names_what_there_is(name: str, tmp_path: Path) -> None:
    path = good(name, tmp_path)
    if name != "h36m":
        assert detect(path).format == name
    found = run("info", path, "--json", *options(name))
    assert found.exit_code == 0, found.exception
    facts = json.loads(found.stdout)
    assert f"{name}, by " in facts["format"]
    assert {"people", "frames", "fps", "unit", "skeleton", "gaps", "notes", "findings"} <= facts.keys()


@pytest.mark.parametrize("name", NAMES)
def test_given_back_in_its_own_format(name: str, tmp_path: Path) -> None:
    path = good(name, tmp_path)
    arguments = options(name)
    fps = 29.97 if "fps" in FORMATS[name].options and name != "humanml3d" else None
    original = posecodec.load(path, format=name, fps=fps, item="S1/Walking" if name == "h36m" else None)
    rate = ["--fps", "29.97"] if fps else []
    for goal, bound in ((["--lossless"], 0.0), (["--max-error", "0.5"], 0.5)):
        made = run("encode", path, "-o", tmp_path / "x.posec", "-f", *goal, *rate, *arguments)
        assert made.exit_code == 0, made.exception
        (tmp_path / "out").mkdir(exist_ok=True)
        back = run("decode", tmp_path / "x.posec", "-o", tmp_path / "out", "-f", "--json")
        assert back.exit_code == 0, back.exception
        output = Path(json.loads(back.stdout)["output"])
        came_back = "npz" if FORMATS[name].read_only else name
        again = posecodec.load(output, format=came_back, fps=None if came_back == "npz" else fps)
        assert again.ids == original.ids or name in ("coco", "openpose", "alphapose")
        assert again.skeleton.keypoints == original.skeleton.keypoints
        assert again.positions.shape == original.positions.shape
        assert (again.valid == original.valid).all()
        both = original.valid
        error = np.linalg.norm(again.positions[both].astype(float) - original.positions[both].astype(float), axis=-1)
        assert error.max(initial=0) <= bound * (1 + 1e-5) + (1e-4 if name == "panoptic" else 0)
        assert np.abs(again.confidence - original.confidence).max() <= (0.01 if bound else 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_exit_with_a_message(name: str, tmp_path: Path) -> None:
    path = good(name, tmp_path)
    data = path.read_bytes()
    rng = random.Random(name)
    variants = [b"", b"\0" * 600, b"{}", b"[]", b"[[[]]]", b"null", data[: len(data) // 3], data[:-7]]
    variants += [fuzz.damaged(data, rng) for _ in range(40)]
    failed = 0
    for variant in variants:
        path.write_bytes(variant)
        found = run("info", path, *(options(name) or ["--from", name]))
        assert found.exception is None or isinstance(found.exception, PosecodecError), (name, variant[:200])
        if found.exception is not None:
            failed += 1
            assert found.exception.exit_code == 3, found.exception
            assert path.name in str(found.exception)
    assert failed >= 4


WRITTEN = ["npz", "csv", "pose", "openpose", "panoptic", "coco", "trc", "c3d"]


@pytest.mark.parametrize("name", [p for p in NAMES if p.values[0] in WRITTEN])
def test_convert_between_any_two(name: str, tmp_path: Path) -> None:
    flat = name in ("openpose", "coco")
    sequence = film(walk(5)) if flat else walk(5)
    sequence = sequence.mapped_to(get_builtin("body25")) if name == "openpose" else sequence
    source = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    posecodec.save(sequence, source, format=name)
    labels = [] if flat else ["--unit", "cm", "--up", "-y"]
    for other in WRITTEN:
        if other != name and (other in (("trc", "c3d", "panoptic", "openpose") if flat else ("coco", "openpose"))):
            continue
        target = tmp_path / f"b-{other}{FORMATS[other].suffixes[0]}"
        done = run("convert", source, target, "--to", other, "--fps", 30, "-f", *labels)
        assert done.exit_code == 0, (other, done.exception)
        back = posecodec.load(target, format=other, fps=30)
        np.testing.assert_allclose(back.positions, posecodec.load(source, format=name, fps=30).positions, rtol=1e-6)


def test_convert_refuses_posec_and_what_is_only_read(tmp_path: Path) -> None:
    posecodec.save(walk(3), tmp_path / "a.npz")
    for target in ("b.posec", "b.bvh"):
        found = run("convert", tmp_path / "a.npz", tmp_path / target)
        assert isinstance(found.exception, PosecodecError) and found.exception.exit_code == 2
    found = run("convert", tmp_path / "a.npz", tmp_path / "b", "--to", "sleap")
    assert isinstance(found.exception, PosecodecError) and "only read" in str(found.exception)


def test_messages_name_the_file_and_json_is_coco(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text('{"colour": 1}')
    for command in (["info"], ["encode"], ["view", "-o", tmp_path / "x.html"]):
        found = run(*command, tmp_path / "q.json")
        assert found.exception.exit_code == 3 and "q.json: neither" in str(found.exception)
    posecodec.save(film(walk(3)), tmp_path / "a.json")
    assert detect(tmp_path / "a.json").format == "coco"


FOUND_BY_FUZZING = [
    ("npz", lambda data: data.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x20"), "zip archive"),
    ("npz", lambda data: data[:9] + data[11:], "zip archive"),
    ("pose", lambda data: data.replace(b"nose", b"\xd6ose"), "no UTF-8"),
    ("sleap", lambda data: data.replace(b"SNOD", b"XNOD"), "cut short or damaged"),
    ("sleap", lambda data: data.replace(b"node_names", b"node_\xffames"), "no data set /node_names"),
    ("sleap", lambda data: data.replace(b"point_scores", b"point_s\xffores"), None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "damage", "message"), FOUND_BY_FUZZING)
def test_what_the_fuzzer_found(name: str, damage: Any, message: str | None, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    path = good(name, tmp_path)
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    with expose_bugs(), pytest.raises(InputError, match=message) if message else contextlib.nullcontext():
        posecodec.load(path, format=name, fps=30)
