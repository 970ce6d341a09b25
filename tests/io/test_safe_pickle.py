"""The unpickler that runs nothing: honest pickles of every protocol, and hostile ones."""

from __future__ import annotations

import pickle
import pickletools
import tracemalloc
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.errors import InputError
from posecodec.io.parsing.safe_pickle import unpickle

POINTS = np.random.default_rng(0).normal(size=(5, 32, 3)).astype(np.float32)


def test_truncated():
    whole = pickle.dumps(np.array({"S1": {"a": POINTS, "b": POINTS[:1]}}, object), 4)
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
