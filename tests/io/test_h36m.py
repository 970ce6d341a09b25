"""Human3.6M archives: recordings by name, pickles of every protocol, and files that lie."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError
from posecodec.io.formats import h36m
from posecodec.pose.skeletons.builtin import H36M17

POINTS = np.random.default_rng(0).normal(size=(5, 32, 3)).astype(np.float32)
CONTENT = {
    "S1": {"Directions 1": POINTS, "Walking": POINTS[:1]},
    "S11": {"Directions 1": np.asfortranarray(POINTS.astype(np.float64) * 2)},
}


def archive(path: Path, content: Any = CONTENT) -> Path:
    np.savez_compressed(path, positions_3d=content)
    return path


def old_archive(path: Path, data: bytes, member: str = "positions_3d.npy") -> Path:
    """An archive around a pickle of another protocol."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, stream.getvalue() + data)
    return path


def test_items_of_an_archive(tmp_path):
    path = archive(tmp_path / "data_3d_h36m.npz")
    sequence = h36m.read(path, item="S1/Directions 1")
    np.testing.assert_array_equal(sequence.positions[:, 0], POINTS)
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (50, "m", "z", ("0",))
    assert sequence.metadata == {"source_format": "h36m", "h36m": {"item": "S1/Directions 1"}}
    assert h36m.read(path, item="S1/Walking", fps=29.97).frames == 1
    other = h36m.read(path, item="S11/Directions 1")
    np.testing.assert_array_equal(other.positions[:, 0], CONTENT["S11"]["Directions 1"])
    assert other.positions.dtype == np.float64


def test_skeleton_of_32_points():
    moving = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
    assert tuple(h36m.KEYPOINTS[i] for i in moving) == H36M17.keypoints
    assert len(h36m.PARENTS) == len(h36m.SKELETON) == 32 and len(h36m.SKELETON.edges) == 31
    left = sorted(a for a, _ in h36m.SKELETON.pairs)
    assert left == [6, 7, 8, 9, 10, *range(16, 24)]


@pytest.mark.parametrize("item", [None, "S1", "S1/Directions", "Directions 1"])
def test_what_there_is_is_listed(item, tmp_path):
    with pytest.raises(InputError, match="3 recordings: S1/Directions 1, S1/Walking, S11/Directions 1 ...; pass item="):
        h36m.read(archive(tmp_path / "a.npz"), item=item)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_protocols_of_pickle(protocol, tmp_path):
    data = pickle.dumps(np.array(CONTENT, object), protocol)
    sequence = h36m.read(old_archive(tmp_path / "a.npz", data), item="S11/Directions 1")
    np.testing.assert_array_equal(sequence.positions[:, 0], CONTENT["S11"]["Directions 1"])


def test_missing_and_infinite_are_reported(tmp_path):
    points = POINTS.copy()
    points[0, 0], points[0, 1, 0] = np.nan, np.inf
    with pytest.warns(DataWarning, match="1 keypoints with an infinite"):
        sequence = h36m.read(archive(tmp_path / "a.npz", {"S1": {"a": points}}), item="S1/a")
    assert (~sequence.valid).sum() == 2


@pytest.mark.parametrize(("content", "message"), [
    ({}, "no recordings"), ({"S1": {}}, "no recordings"), ({"S1": POINTS}, "no dict of subjects"),
    (np.zeros(3), "float64 .*a pickled dict was expected"), ([1, 2, {}], "pickled dict was expected"),
    ({"S1": {"a": POINTS[:, :17]}}, r"S1/a is float32 \(5, 17, 3\)"),
    ({"S1": {"a": POINTS[:0]}}, "S1/a has no frames"), ({"S1": {"a": "x"}}, "S1/a is str"),
    ({"S1": {"a": POINTS.astype(int)}}, "S1/a is int64"), ({"S1": {"a": np.zeros((2, 32, 3), "O")}}, "S1/a is list"),
    ({"S1": {"a": Path()}}, "asks for 'pathlib"),
])  # fmt: skip
def test_malformed(content, message, tmp_path):
    path = archive(tmp_path / "a.npz", content)
    with pytest.raises(InputError, match=message) as caught:
        h36m.read(path, item="S1/a")
    assert str(caught.value).startswith(str(path))


def test_no_archive(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, positions=POINTS)
    with pytest.raises(InputError, match=r"no positions_3d.npy in it, only \['positions.npy'\]"):
        h36m.read(path, item="S1/a")
    for data in (b"", b"PK", b"nothing"):
        path.write_bytes(data)
        with pytest.raises(InputError):
            h36m.read(path, item="S1/a")
    with pytest.raises(InputError, match="no such file"):
        h36m.read(tmp_path / "none.npz", item="S1/a")


def test_bomb_of_a_zip(tmp_path):
    path = old_archive(tmp_path / "a.npz", bytes(80 << 20))
    with pytest.raises(InputError, match="state 838.* bytes in a file of 8"):
        h36m.read(path, item="S1/a")
