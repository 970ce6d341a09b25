"""Every wrong byte of a container is noticed, and hostile headers are refused quickly, as CorruptError."""

import dataclasses
import time
import tracemalloc

import numpy as np
import pytest
import zstandard
from headers import FILES, PLAIN, forged, variant, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.bitstream.container import Chunk, read, write
from posecodec.bitstream.fields import encode_varint
from posecodec.bitstream.header import CHUNK_FRAMES, MAX_POSES, Track
from posecodec.errors import CorruptError, InputError
from posecodec.pose.skeletons.builtin import BUILT_IN


@pytest.mark.parametrize("mask", [1, 0x10, 0x80, 0xFF])
@pytest.mark.parametrize("name", FILES)
def test_every_wrong_byte_is_noticed(mask, name):
    data = whole(name)
    for place in range(len(data)):
        wrong = bytearray(data)
        wrong[place] ^= mask
        with pytest.raises(CorruptError):
            read(bytes(wrong))


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_and_every_addition_is_noticed(name):
    data = whole(name)
    for length in range(len(data)):
        with pytest.raises(CorruptError):
            read(data[:length])
    for more in (b"\0", b"\xff", data[-4:], data):
        with pytest.raises(CorruptError, match="too long" if name == "single" else "longer than"):
            read(data + more)


def test_every_bit_of_the_layout_matters():
    for name in FILES:
        data = whole(name)
        for layout in range(16):
            if layout != data[3] >> 4:
                with pytest.raises(CorruptError):
                    read(data[:3] + bytes([data[3] & 15 | layout << 4]) + data[4:])


def test_messages_tell_what_is_wrong():
    data = whole("single")
    with pytest.raises(CorruptError, match="no .posec file"):
        read(b"PK\x03\x04" + data)
    with pytest.raises(CorruptError, match="version 1; this posecodec reads 2 and 3"):
        read(data[:3] + b"\x01" + data[4:])
    with pytest.raises(CorruptError, match="fails its checksum: it is damaged, cut short or too long"):
        read(data[:-1])
    data = whole("many")
    size = len(data)
    with pytest.raises(CorruptError, match=f"cut short: {size - 1} bytes, its index says {size}"):
        read(data[:-1])
    with pytest.raises(CorruptError, match="part 2 of 3"):
        read(data[:-1] + bytes([data[-1] ^ 1]))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_raise_only_corrupt_errors(data):
    for candidate in (data, b"PSC\x12" + data, b"PSC\xc2" + data):
        with pytest.raises(CorruptError):
            read(candidate)


@given(st.integers(0, 127), st.integers(0, 63), st.integers(0, 255), st.integers(0, 15), st.binary(max_size=60))
@settings(max_examples=250, deadline=None)
def test_random_headers_with_a_right_checksum_raise_only_corrupt_errors(flags, labels, shape, layout, rest):
    try:
        read(forged(flags, rest, shape, labels, layout))
    except CorruptError:
        pass


def test_swapped_parts_are_noticed():
    long = variant(frames=2048, tracks=(Track(0, 0, 2048),))
    for header, chunks in ((long, [Chunk(b"abcd"), Chunk(b"efgh")]), (PLAIN, [Chunk(b"abcd", b"efgh")])):
        data = write(header, chunks)
        first, second = data[-16:-8], data[-8:]
        with pytest.raises(CorruptError, match="part 0"):
            read(data[:-16] + second + first)
        other = write(dataclasses.replace(header, fps=25.0), chunks)
        with pytest.raises(CorruptError, match="part 0"):
            read(data[:-16] + other[-16:])


def refused(data):
    """That data are refused, soon and without much memory."""
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(CorruptError):
        read(data)
    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 3 and peak < 200 << 20


BIG = 2**31
SIMPLE, NAMED, TIMED, SPELLED, NOTED, PROMISED = 2, 4, 8, 16, 32, 64


@pytest.mark.parametrize(
    ("flags", "numbers"),
    [
        (SIMPLE, (5, BIG)), (SIMPLE, (5, 2**35 - 1)), (0, (5, BIG, 1, 0)), (0, (5, BIG, 0, 0)),
        (0, (5, BIG, 1, 1, 0, 0, BIG)), (0, (5, 300, BIG, 0)), (0, (5, BIG, 1 << 20, 0)), (0, (5, 2**16, 2**16, 0)),
        (NAMED, (5, 300, BIG)), (0, (5, 300, 1, BIG)), (0, (5, 300, 1, 1, 0, 299, 2)), (0, (5, 300, 1, 1, 1, 0, 300)),
        (0, (5, 300, 1, 1, 0, 0, 0)), (SIMPLE, (99, 300, 0)), (SIMPLE, (0, 30, 0, 300, 0)), (SIMPLE, (0, 0, 1, 300, 0)),
        (SIMPLE | TIMED, (BIG, 10, BIG)), (SIMPLE | SPELLED, (5, 300, BIG, BIG)),
        (SIMPLE | NOTED, (5, 300, 4, 2**26 + 1)),
    ],
)  # fmt: skip
def test_hostile_numbers_are_refused_quickly(flags, numbers):
    shape = 0x5F if flags & SPELLED else 0x40
    refused(forged(flags, b"".join(map(encode_varint, numbers)), shape))


def noted(frame, raw):
    return forged(SIMPLE | NOTED, b"".join(map(encode_varint, (5, 0, len(frame), raw))) + frame)


def test_packed_fields_that_lie_are_refused_quickly():
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(256 << 20))
    sized = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    small = zstandard.ZstdCompressor().compress(b"{}")
    for frame, raw in ((bomb, 100), (sized, 100), (sized, 256 << 20), (small, 3), (small, 1), (b"", 0), (b"", 2)):
        refused(noted(frame, raw))
    # A frame that states 2**40 bytes: descriptor with an 8-byte content size, then an empty last raw block.
    refused(noted(b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\x00\x00", 2))


@pytest.mark.parametrize("text", [b"[]", b"1", b"{", b"\xff", b"[" * 100000, b"NaN", b"9" * 10000])
def test_metadata_that_are_no_object_are_refused(text):
    refused(noted(zstandard.ZstdCompressor().compress(text), len(text)))


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"name":"a","keypoints":[],"edges":[],"pairs":[],"root":null}',
        b'{"name":"a","keypoints":["a","a"],"edges":[],"pairs":[],"root":null}',
        b'{"name":"a","keypoints":["a","b"],"edges":[[0,2]],"pairs":[],"root":null}',
        b'{"name":"a","keypoints":["a","b"],"edges":[[0,1e999]],"pairs":[],"root":null}',
        b'{"name":"a","keypoints":["a","b"],"edges":[[0]],"pairs":[],"root":null}',
        b'{"name":"a","keypoints":["a","b"],"edges":[],"pairs":[],"root":"a"}',
        b'{"name":"a","keypoints":["a","b"],"edges":[],"pairs":[],"root":"1.5"}',
        b'{"name":"a","keypoints":["a","b"],"edges":[],"pairs":[],"root":-1}',
    ],
)
def test_skeletons_that_make_no_sense_are_refused(text):
    frame = zstandard.ZstdCompressor().compress(text)
    rest = encode_varint(5) + encode_varint(0) + encode_varint(len(frame)) + encode_varint(len(text)) + frame
    refused(forged(SIMPLE | SPELLED, rest, 0x5F))


def test_reserved_bits_and_impossible_labels_are_refused():
    sound = encode_varint(5) + encode_varint(0)
    assert read(forged(SIMPLE, sound))[0].frames == 0
    refused(forged(SIMPLE | PROMISED, sound))
    refused(forged(SIMPLE | 128, sound))
    refused(forged(SIMPLE, sound, labels=0x40))
    refused(forged(SIMPLE, sound, labels=0x06))  # there are six units
    refused(forged(SIMPLE, sound, labels=0x38))  # and seven axes
    refused(forged(SIMPLE, sound, shape=0x00))  # coded with an unknown axis
    refused(forged(SIMPLE, sound, shape=0x40 | len(BUILT_IN)))  # no such skeleton
    refused(forged(SIMPLE, sound + b"\0"))


@pytest.mark.parametrize("layout", range(16))
def test_layouts_of_no_chunks(layout):
    sound = encode_varint(5) + encode_varint(0)
    if layout & 8:
        refused(forged(SIMPLE, sound, layout=layout))
    else:
        found, chunks = read(forged(SIMPLE, sound, layout=layout))
        assert chunks == [] and (len(found.weights), len(found.transform)) == (4 * (layout & 1), 2 * (layout & 2))


@pytest.mark.parametrize("frames", [1, 1024, 1025, 2048])
def test_a_single_file_is_of_one_chunk(frames):
    data = forged(SIMPLE, encode_varint(5) + encode_varint(frames), layout=9)
    if frames > CHUNK_FRAMES:
        refused(data)
    else:
        assert read(data)[1] == [Chunk(b"")]
    refused(forged(SIMPLE, encode_varint(5) + encode_varint(frames), layout=13))


NO_BOUNDS = [np.float32(value).tobytes() for value in (0, -0.0, -1, np.inf, -np.inf, np.nan)]


@pytest.mark.parametrize(
    ("version", "promise"),
    [
        (3, bytes.fromhex(promise))
        for promise in ("", "04", "7c00ff", "7c0aff", "7c64ff", "7c05", "07deadbeef", "03010203", "f8ffffffff7fff")
    ]
    + [(3, bytes([63 << 2 | kind]) + value + b"\xff") for kind in range(3) for value in NO_BOUNDS]
    + [(2, bytes([kind]) + value + b"\xff") for kind in range(3) for value in NO_BOUNDS]
    + [(2, promise) for promise in (b"", b"\x04\0\0\x80\x3f\xff", b"\xff", b"\0\0\0\x80\x3f", b"\3\1\2\3")],
    ids=lambda value: value.hex() if isinstance(value, bytes) else f"version {value}",
)
def test_promises_that_make_no_sense_are_refused(version, promise):
    """Zero, ten and a hundred as decimals among them: numbers have one form."""
    sound = encode_varint(5) + encode_varint(0)
    five = {2: b"\x01" + np.float32(5).tobytes() + b"\x80", 3: b"\x7d\x05\x80"}[version]
    assert read(forged(SIMPLE | PROMISED, sound + five, version=version))[0].guarantee.value == 5
    refused(forged(SIMPLE | PROMISED, sound + promise, version=version))


def test_numbers_have_one_form_only():
    refused(forged(SIMPLE, b"\x85\x00" + encode_varint(0)))
    refused(forged(SIMPLE, encode_varint(5) + b"\x80\x80\x80\x80\x80\x00"))


def test_more_frames_than_a_reader_takes_are_not_written():
    most = MAX_POSES
    assert read(write(variant(frames=most, tracks=()), []))[0].frames == most
    for ids, frames in ((("0",), most + 1), (("a", "b"), most // 2 + 1), ((), most + 1)):
        with pytest.raises(InputError, match="cut the recording"):
            write(variant(frames=frames, ids=ids, tracks=()), [])
