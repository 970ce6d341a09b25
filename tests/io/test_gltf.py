"""glTF against its specification, by a reader of our own after it: header, chunks, accessors, what nodes are animated to."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli import commands

from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.io import load, save
from posecodec.io.formats.gltf import FACES, _turn_from_y
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import film, walk

WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
TYPES = {5126: np.float32, 5123: np.uint16}


def parse(path: Path) -> tuple[dict[str, Any], bytes]:
    """The document and its bytes; asserts what the specification asks of a container."""
    content = path.read_bytes()
    if path.suffix == ".gltf":
        document = json.loads(content)
        kind, _, text = document["buffers"][0]["uri"].partition(",")
        assert kind == "data:application/octet-stream;base64"
        return document, base64.b64decode(text, validate=True)
    assert struct.unpack_from("<4sII", content) == (b"glTF", 2, len(content))
    chunks, start = [], 12
    while start < len(content):
        length, kind = struct.unpack_from("<I4s", content, start)
        assert length % 4 == 0
        chunks.append((kind, content[start + 8 : start + 8 + length]))
        start += 8 + length
    assert start == len(content) and [kind for kind, _ in chunks] == [b"JSON", b"BIN\0"]
    return json.loads(chunks[0][1]), chunks[1][1]


def read_accessors(document: dict[str, Any], data: bytes) -> list[np.ndarray]:
    """Every accessor as an array; asserts bounds, alignment, smallest and largest."""
    assert document["buffers"][0]["byteLength"] == len(data)
    found = []
    for accessor in document["accessors"]:
        view, kind = document["bufferViews"][accessor["bufferView"]], np.dtype(TYPES[accessor["componentType"]])
        width, start = WIDTHS[accessor["type"]], view["byteOffset"]
        assert start % 4 == 0 and view["byteLength"] == accessor["count"] * width * kind.itemsize
        assert start + view["byteLength"] <= len(data)
        values = np.frombuffer(data, kind, accessor["count"] * width, start).reshape(-1, width)
        assert accessor["min"] == values.min(axis=0).tolist() and accessor["max"] == values.max(axis=0).tolist()
        found.append(values)
    return found


def check(path: Path) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any], np.ndarray]:
    """What nodes are animated to by name and path, the document, and the times (T,)."""
    document, data = parse(path)
    accessors = read_accessors(document, data)
    nodes = document["nodes"]
    assert document["asset"]["version"] == "2.0"
    below = [child for node in nodes for child in node.get("children", ())]
    assert sorted(below + document["scenes"][0]["nodes"]) == list(range(len(nodes)))
    assert all(node.get("children", True) for node in nodes)
    animation = document["animations"][0]
    moves: dict[str, dict[str, np.ndarray]] = {}
    targets = [(channel["target"]["node"], channel["target"]["path"]) for channel in animation["channels"]]
    assert len(set(targets)) == len(targets)
    for channel in animation["channels"]:
        sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
        times, values = accessors[sampler["input"]][:, 0], accessors[sampler["output"]]
        assert times[0] >= 0 and (np.diff(times) > 0).all() and len(times) == len(values)
        assert values.shape[1] == (4 if target["path"] == "rotation" else 3)
        if target["path"] == "rotation":
            np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
        moves.setdefault(nodes[target["node"]]["name"], {})[target["path"]] = values
    for mesh in document["meshes"]:
        primitive = mesh["primitives"][0]
        assert accessors[primitive["indices"]].max() < len(accessors[primitive["attributes"]["POSITION"]])
    return moves, document, times


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
def test_points_and_sticks_move_as_recorded(suffix: str, tmp_path: Path) -> None:
    sequence = walk(30, fps=50.0)
    save(sequence, tmp_path / f"a{suffix}")
    moves, document, times = check(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(times, np.arange(30) / 50, atol=1e-6)
    root = document["nodes"][document["scenes"][0]["nodes"][0]]
    assert root["translation"] == [0, 0, 0]
    points = sequence.positions[:, 0] / 1000
    for k, name in enumerate(COCO19.keypoints):
        np.testing.assert_allclose(moves[name]["translation"], points[:, k], atol=1e-6)
    for a, b in COCO19.edges:
        stick = moves[f"{COCO19.keypoints[a]}-{COCO19.keypoints[b]}"]
        x, y, z, w = stick["rotation"].astype(np.float64).T
        tip = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
        np.testing.assert_allclose(stick["translation"] + stick["scale"] * tip, points[:, b], atol=1e-5)


def test_up_unit_origin_and_timestamps(tmp_path: Path) -> None:
    """z up in cm, 5 km away, at uneven times."""
    points = walk(5).positions[..., [2, 0, 1]].astype(np.float64) / 10 + np.array([5e5, 0, 0])
    times = np.array([3.0, 3.1, 3.25, 3.3, 4.0])
    sequence = PoseSequence.from_arrays(points, timestamps=times, skeleton=COCO19, unit="cm", up="z", exact=True)
    save(sequence, tmp_path / "a.glb")
    moves, document, found = check(tmp_path / "a.glb")
    np.testing.assert_allclose(found, times - 3, atol=1e-6)
    origin = np.array(document["nodes"][-1]["translation"])
    assert abs(np.abs(origin).max() - 5000) < 20 and (origin == np.rint(origin)).all()
    nose = moves["nose"]["translation"] + origin
    own = points[:, 0, COCO19.keypoints.index("nose")]
    np.testing.assert_allclose(nose[:, 1], own[:, 2] / 100, atol=1e-5)
    apart = np.linalg.norm(np.diff(nose, axis=0), axis=1)
    np.testing.assert_allclose(apart, np.linalg.norm(np.diff(own, axis=0), axis=1) / 100, atol=1e-5)


def test_pixels_gaps_and_confidences_are_said(tmp_path: Path) -> None:
    with pytest.warns(DataWarning) as said:
        save(film(walk(80, people=2)), tmp_path / "a.glb")
    text = " ".join(str(warning.message) for warning in said)
    assert "glTF has no room for gaps" in text and "px is no length: 1000 are written as 1 m" in text
    assert "confidences" in text
    document, data = parse(tmp_path / "a.glb")
    values = read_accessors(document, data)
    assert all(np.isfinite(each).all() for each in values)
    assert len(document["nodes"][-1]["children"]) == 2


def test_turns_are_units_and_near_each_other() -> None:
    bones = np.array([[0, 1, 0], [0, -1, 0], [1e-9, -1, 0], [-1e-3, -1, 0], [0, 0, 0], [1, 0, 0]], float)
    turns = _turn_from_y(bones)
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1)
    assert ((turns[1:] * turns[:-1]).sum(axis=1) >= 0).all()


def test_faces_look_outward() -> None:
    corners = np.array([(0, -1, 0), (1, 0, 0), (0, 0, 1), (-1, 0, 0), (0, 0, -1), (0, 1, 0)])
    for a, b, c in corners[np.array(FACES)]:
        assert np.dot(np.cross(b - a, c - a), a + b + c) > 0


def test_refusals(tmp_path: Path) -> None:
    nobody = PoseSequence.from_arrays(np.full((3, 1, 19, 3), np.nan), fps=30, skeleton=COCO19)
    with pytest.raises(UsageError, match="nobody is seen in any frame"):
        save(nobody, tmp_path / "a.glb")
    near = np.array([0, 1e6, 1e6 + 1e-3])
    with pytest.raises(UsageError, match="too near to each other"):
        save(PoseSequence.from_arrays(walk(3).positions, timestamps=near, skeleton=COCO19), tmp_path / "a.glb")
    save(walk(3), tmp_path / "a.glb")
    with pytest.raises(InputError, match=r"a.glb: glTF is only written"):
        load(tmp_path / "a.glb")


def test_commands_write_it(tmp_path: Path) -> None:
    save(walk(8), tmp_path / "a.npz")
    assert commands.run("convert", tmp_path / "a.npz", tmp_path / "a.gltf").returncode == 0
    assert commands.run("encode", tmp_path / "a.npz", "-o", tmp_path / "a.posec").returncode == 0
    assert commands.run("decode", tmp_path / "a.posec", "--to", "gltf", "-o", tmp_path / "b.glb").returncode == 0
    check(tmp_path / "a.gltf")
    check(tmp_path / "b.glb")
