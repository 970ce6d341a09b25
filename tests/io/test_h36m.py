"""Human3.6M archives, and the unpickler that runs nothing: honest pickles of every protocol, and hostile ones."""

from __future__ import annotations

import io
import pickle
import pickletools
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import DataWarning, InputError, PosecodecError
from posecodec.io.formats import h36m
from posecodec.io.parsing.safe_pickle import unpickle
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
    with pytest.raises(InputError, match="states 838.* bytes in a file of 8"):
        h36m.read(path, item="S1/a")


def test_truncated(tmp_path):
    data = archive(tmp_path / "a.npz").read_bytes()
    for end in range(0, len(data), len(data) // 50):
        (tmp_path / "b.npz").write_bytes(data[:end])
        with pytest.raises(InputError):
            h36m.read(tmp_path / "b.npz", item="S1/Walking")
    whole = pickle.dumps(np.array(CONTENT, object), 4)
    for end in range(0, len(whole), 29):
        with pytest.raises(InputError):
            unpickle(whole[:end], "it")


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_as_pickle_has_them(value, protocol):
    assert unpickle(pickle.dumps(value, protocol), "it") == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_scalars_of_numpy(protocol):
    array = np.arange(6, dtype=">i2").reshape(2, 3)
    value = [
        array,
        array,
        array.T,
        np.array(["ab", "c"]),
        np.float64(1.5),
        np.str_("nose"),
        np.bool_(True),
        np.zeros((0, 3)),
    ]
    got = unpickle(pickle.dumps(value, protocol), "it")
    for ours, theirs in zip(got, value, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert got[0] is got[1] and got[4:7] == [1.5, "nose", True] and not got[0].flags.writeable
    assert unpickle(pickle.dumps(np.array([[1, "a"]], object), protocol), "it") == [1, "a"]


HUGE = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(I1000000000000\ntS'b'\n\x87R"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n(I0\ntS'b'\n\x87R"
DTYPE = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
NESTED = b"(" * 100_000 + b"t" * 100_000 + b"."


@pytest.mark.parametrize("data", [
    b"cos\nsystem\n(S'true'\ntR.", b"cbuiltins\neval\n(S'1'\ntR.", b"cnumpy\nload\n(S'x'\ntR.",
    b"cnumpy\nndarray\n(I1000000000000\ntR.", b"cnumpy\nndarray\n)\x81.", b"(cnumpy\nndarray\no.",
    b"(S'x'\nios\nsystem\n.", b"\x8c\x02os\x8c\x06system\x93.", b"(K\x01K\x02\x93.", b"\x82\x01.", b"Pid\n.", b"Q.",
    HUGE + b".", HUGE + b"(I1\n(I1000000000000\nt" + DTYPE + b"I00\nS''\ntb.",
    ARRAY + b"(I1\n(I-1\nI-1\nt" + DTYPE + b"I00\nS'12345678'\ntb.",
    ARRAY + b"(I1\n(I1\nt" + DTYPE + b"I00\nS'1234567'\ntb.",
    ARRAY + b"(I1\n(I1\nt" + DTYPE.replace(b"f8", b"O8") + b"I00\nS'12345678'\ntb.",
    ARRAY + b"(I1\n(I1\nt" + DTYPE.replace(b"f8", b"V8") + b"I00\nS'12345678'\ntb.",
    ARRAY + b"(I1\n(I1\nt" + DTYPE.replace(b"f8", b"f1") + b"I00\nS'1'\ntb.", ARRAY + b"}b.",
    ARRAY + b"p0\n(h\x00tb.", b"c_codecs\nencode\n(Vx\nS'rot13'\ntR.", b"]}b.", b"](K\x01u.", b"}(K\x01e.",
    b"}(K\x01u.", b"}]K\x01s.", b"}(NNtK\x01s.", b"h\x05.", b"t.", b"R.", b".", b"", b"\x8e" + b"\xff" * 8 + b"x.",
    b"\x95" + b"\xff" * 7 + b"\x7f.", NESTED.replace(b".", b"K\x01\x86\x94}h\x00K\x01s."), b"N" * 600_000 + b".",
    b"X\x40\x42\x0f\x00" + b"x" * 1_000_000 + b"q\x000" + b"c_codecs\nencode\nq\x01(h\x00S'latin1'\ntR" * 9 + b".",
])  # fmt: skip
def test_hostile_pickles_are_refused(data):
    tracemalloc.start()
    with pytest.raises(InputError, match="^it "):
        value = unpickle(data, "it")
        raise AssertionError(f"came out as {type(value)}")
    assert tracemalloc.get_traced_memory()[1] < 10 * len(data) + (100 << 20)
    tracemalloc.stop()


def test_memo_index_takes_no_memory():
    assert unpickle(b"Nr\xff\xff\xff\x7f.", "it") is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_pickles_are_read_or_refused(edits):
    for protocol in (0, 2, 4):
        data = bytearray(pickle.dumps(np.array({"S1": {"a": POINTS[:1, :2]}}, object), protocol))
        for place, value in edits:
            data[int(place * len(data))] = value
        with suppress(InputError):
            unpickle(bytes(data), "it")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([op.code.encode("latin1") for op in pickletools.opcodes]), max_size=30))
def test_opcodes_at_random_are_read_or_refused(codes):
    with suppress(InputError):
        unpickle(b"".join(codes) + b".", "it")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_mutated_archives_are_read_or_refused(tmp_path_factory, edits):
    path = old_archive(tmp_path_factory.getbasetemp() / "a.npz", pickle.dumps(np.array(CONTENT, object), 4))
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[int(place * len(data))] = value
    path.write_bytes(data)
    with suppress(PosecodecError):
        h36m.read(path, item="S1/Walking")
