"""Every format through all that holds of formats, conversions between them, and what the fuzzer found."""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conformance import CHECKS, Sample
from good_files import ITEMS, MAKERS, name_file

import posecodec
from posecodec.cli import cli
from posecodec.errors import InputError, PosecodecError
from posecodec.io import FORMATS, detect
from posecodec.io.filesystem import expose_bugs
from posecodec.pose.skeletons.builtin import get_builtin
from posecodec.pose.synthetic import film, walk

CUT_ANYWHERE = ("csv", "panoptic", "trc", "motive", "vicon", "qualisys", "sto", "idtracker", "yolo")
"""Tables of text end after any line, and recordings after any file of a tar."""
NEEDS = {"mat": "scipy", "sleap": "h5py", "slp": "h5py", "dlc": "tables"}


def list_cases(*names: str) -> list[Any]:
    """(name, number of its good file) of formats, skipped where a package is lacking."""
    lacking = {name for name, package in NEEDS.items() if importlib.util.find_spec(package) is None}
    return [
        pytest.param(
            name, number, marks=pytest.mark.skipif(name in lacking, reason=f"{NEEDS.get(name)} is not installed")
        )
        for name in names
        for number in range(len(MAKERS.get(name, ())))
    ]


pytestmark = pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")


def run(*args: Any) -> Any:
    return CliRunner().invoke(cli, list(map(str, args)))


def make_sample(name: str, number: int = 0) -> Sample:
    """A good file of a format."""
    data = MAKERS[name][number]()
    item = ITEMS.get(name)
    return Sample(name_file(name, data), data, item, refuses_cuts=name not in CUT_ANYWHERE and data[:6] != b"scorer")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(("name", "number"), list_cases(*FORMATS))
def test_conformance(name: str, number: int, check: Any, tmp_path: Path) -> None:
    check(FORMATS[name], make_sample(name, number), tmp_path)


WRITTEN = ["npz", "csv", "pose", "openpose", "panoptic", "coco", "trc", "c3d"]


@pytest.mark.parametrize("name", WRITTEN)
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
    for target in ("b.posec",):
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
    ("npz", 0, lambda data: data.replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\x20"), "zip archive"),
    ("npz", 0, lambda data: data[:9] + data[11:], "zip archive"),
    ("pose", 0, lambda data: data.replace(b"nose", b"\xd6ose"), "no UTF-8"),
    ("sleap", 0, lambda data: data.replace(b"SNOD", b"XNOD"), "cut short or damaged"),
    ("sleap", 0, lambda data: data.replace(b"node_names", b"node_\xffames"), "no data set /node_names"),
    ("sleap", 0, lambda data: data.replace(b"point_scores", b"point_s\xffores"), None),
    ("dlc", 2, lambda data: data.replace(b"block0_values", b"block0_va\xffues"), "for 0 columns, but 6"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "number", "damage", "message"), FOUND_BY_FUZZING)
def test_what_the_fuzzer_found(name: str, number: int, damage: Any, message: str | None, tmp_path: Path) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    path = make_sample(name, number).put(tmp_path)
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    with expose_bugs(), pytest.raises(InputError, match=message) if message else contextlib.nullcontext():
        posecodec.load(path, format=name, fps=30)
