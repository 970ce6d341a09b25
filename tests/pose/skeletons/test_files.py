"""Skeletons that users write down; every error names the file and the remedy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, SMPL22
from posecodec.pose.skeletons.files import read_skeleton, resolve_skeleton

RIG: dict[str, Any] = {
    "name": "rig", "keypoints": ["hip", "LKnee", "RKnee"], "edges": [["hip", "LKnee"], [0, 2]], "root": "hip",
}  # fmt: skip
EXPECTED = Skeleton("rig", ("hip", "LKnee", "RKnee"), ((0, 1), (0, 2)), ((1, 2),), 0)


def as_json(tmp_path: Path, values: Any, name: str = "some.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def test_a_json_file(tmp_path: Path) -> None:
    found = read_skeleton(as_json(tmp_path, RIG))
    assert found == EXPECTED
    assert found.to_coco19 == {"mid_hip": ("hip",), "left_knee": ("LKnee",), "right_knee": ("RKnee",)}
    assert resolve_skeleton(str(tmp_path / "some.json")) == EXPECTED


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML needs Python 3.11")
def test_a_toml_file(tmp_path: Path) -> None:
    path = tmp_path / "rig.TOML"
    path.write_text(
        '# a rig\nkeypoints = ["hip", "a", "b"]\nedges = [["hip", "a"], [0, 2]]\npairs = [["a", "b"]]\nroot = 0\n'
        '[coco19]\nneck = ["a", "b"]\nmid_hip = "hip"\n',
        encoding="utf-8",
    )
    found = read_skeleton(path)
    assert found == Skeleton("rig", ("hip", "a", "b"), ((0, 1), (0, 2)), ((1, 2),), 0)
    assert found.to_coco19 == {"neck": ("a", "b"), "mid_hip": ("hip",)}


def test_toml_where_python_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rig.toml"
    path.write_text('keypoints = ["a"]', encoding="utf-8")
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(UsageError, match=r"rig\.toml.*3\.11.*JSON"):
        read_skeleton(path)


def test_the_least_file(tmp_path: Path) -> None:
    assert read_skeleton(as_json(tmp_path, {"keypoints": ["a"]}, "least.json")) == Skeleton("least", ("a",))
    found = read_skeleton(as_json(tmp_path, {**RIG, "pairs": [], "root": None, "coco19": {}}))
    assert found.pairs == () and found.root is None and found.to_coco19 == {}


def test_a_built_in_skeleton_written_down(tmp_path: Path) -> None:
    values = {key: getattr(COCO17, key) for key in ("name", "keypoints", "edges", "pairs")}
    assert read_skeleton(as_json(tmp_path, values)) is COCO17


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1], "holds a list.*keypoints"),
        ({}, "no keypoints.*list their names"),
        ({"keypoints": "a b"}, "keypoints is not a list of names.*quote"),
        ({"keypoints": ["a", 1]}, "keypoints is not a list of names"),
        ({"keypoints": ["a", ""]}, "keypoints is not a list of names"),
        ({"keypoints": []}, "has no keypoints"),
        ({"keypoints": ["a", "a"]}, r"repeats the keypoint names \['a'\]; rename"),
        ({"keypoints": [str(i) for i in range(3000)]}, "3000 names; at most 2048"),
        ({**RIG, "bones": []}, "key 'bones' is not known; there are name, keypoints, edges"),
        ({**RIG, "name": 3}, "name is 3; text"),
        ({**RIG, "name": "coco17"}, "name 'coco17' is that of a built-in.*choose another"),
        ({**RIG, "edges": "hip-LKnee"}, "edges is 'hip-LKnee'; a list of pairs"),
        ({**RIG, "edges": [["hip"]]}, r"edges\[0\] is \['hip'\]; two keypoints"),
        ({**RIG, "edges": [["hip", "LKnee"], ["hip", "tail"]]}, r"edges\[1\] names 'tail'.*0 to 2"),
        ({**RIG, "edges": [[0, 3]]}, r"edges\[0\] names 3"),
        ({**RIG, "edges": [[0, -1]]}, r"edges\[0\] names -1"),
        ({**RIG, "edges": [[0, True]]}, r"edges\[0\] names True"),
        ({**RIG, "edges": [[0, 0]]}, r"edges\[0\] joins 'hip' with itself"),
        ({**RIG, "pairs": [[0, 1], [1, 2]]}, "in two left-right pairs; give it one partner"),
        ({**RIG, "pairs": {"a": "b"}}, "pairs is .*; a list of pairs"),
        ({**RIG, "root": "tail"}, "root names 'tail'.*use one of its names"),
        ({**RIG, "root": 1.5}, "root names 1.5"),
        ({**RIG, "coco19": ["hip"]}, "coco19 is .*keypoints of coco19"),
        ({**RIG, "coco19": {"tail": "hip"}}, "coco19 has no keypoint 'tail'; it has neck, nose"),
        ({**RIG, "coco19": {"nose": "tail"}}, "coco19.nose names 'tail'"),
        ({**RIG, "coco19": {"nose": []}}, "coco19.nose is empty.*leave it out"),
    ],
)
def test_files_that_describe_no_skeleton(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)some.json: .*{message}"):
        read_skeleton(as_json(tmp_path, values))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"", "no JSON.*line 1, column 1"),
        ("a.json", b'{"keypoints": ["a"', "no JSON.*line 1"),
        ("a.json", b"\xff\xfe\x00", "no UTF-8 text.*byte 0"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.json", b'{"keypoints": ["a"], "root": ' + b"9" * 5000 + b"}", "a.json"),
        ("a.json", b" " * (1 << 20) + b"{}", "more than 1048576 bytes"),
        ("a.toml", b"keypoints = [", "no TOML.*at end of document"),
        ("a.toml", b"keypoints = 1979-05-27", "not a list of names"),
        ("a.yaml", b"", "ends in .toml or .json.*rename"),
    ],
)
def test_files_that_cannot_be_parsed(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{message}" if message != name else name):
        read_skeleton(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="check the path|ends in"):
            read_skeleton(path)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match="folder.json: cannot be read"):
        read_skeleton(tmp_path / "folder.json")


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 150), byte=st.integers(0, 255))
def test_damaged_files_raise_nothing_else(tmp_path_factory: pytest.TempPathFactory, position: int, byte: int) -> None:
    data = bytearray(json.dumps(RIG).encode())
    data[position % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(bytes(data))
    try:
        read_skeleton(path)
    except PosecodecError as error:
        assert "damaged.json" in str(error)


def test_names_and_paths() -> None:
    assert resolve_skeleton("smpl22") is SMPL22
    with pytest.raises(InputError, match=r"'coco20'.*coco19, coco17.*\.toml or \.json"):
        resolve_skeleton("coco20")
