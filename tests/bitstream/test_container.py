"""The file around the chunks: what goes in comes out, and whatever is damaged or forged is refused."""

import binascii
import dataclasses
import time
import tracemalloc
import zlib
from fractions import Fraction

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.bitstream.container import Chunk, drop_refinements, read, read_header, write
from posecodec.bitstream.fields import RATES, encode_packed, encode_varint, rate_fraction
from posecodec.bitstream.header import (
    CHUNK_FRAMES,
    GUARANTEES,
    MAX_KEYPOINTS,
    MAX_POSES,
    Guarantee,
    Header,
    Track,
    _encode_skeleton,
)
from posecodec.errors import CorruptError, InputError
from posecodec.pose.sequence import AXES, UNITS
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19, build_skeleton

PLAIN = Header(
    b"\x01\x02\x03\x04", b"", 3, "mm", "y", "y", COCO19, 30.0, None, 300, ("0",), (Track(0, 0, 300),)
)  # fmt: skip
CROWD = Header(
    b"\xff\x00\x80\x7f", b"\x05\x06\x07\x08", 2, "px", "-y", "-y", COCO17, 29.97002997, None, 1500, ("Ægir", "x"),
    (Track(0, 0, 1100), Track(1, 200, 16)), guarantee=Guarantee("bitrate", 1.5, 0.6),
)  # fmt: skip
"""Everything that a header may have but packed fields, whose bytes are zstandard's affair."""


def variant(**fields):
    return dataclasses.replace(PLAIN, **fields)


def rich():
    """A header with everything in it that a header can have, and its chunks."""
    skeleton = Skeleton("fünf", ("a", "b", "c", "d", "é"), ((0, 1), (1, 2)), ((3, 4),), 2)
    header = Header(
        b"\xff\x00\x80\x7f", b"\x05\x06\x07\x08", 2, "px", "-y", "-x", skeleton, None,
        np.array([0.0, 0.1, 0.25, 7.5e3, 1e9]), 5, ("Ægir", "", "三"), (Track(0, 0, 5), Track(2, 1, 2), Track(2, 4, 1)),
        {"note": "naïve", "list": [1, 2.5, None, True], "nested": {"a": {}}}, Guarantee("max-error", 0.5, 0.2),
    )  # fmt: skip
    return header, [Chunk(b"\x00\x01"), Chunk(b"", b"fine"), Chunk(b"payload", b"more")]


def whole(name):
    """A file of each layout: single, layered, or of several chunks without refinement."""
    if name == "single":
        return write(PLAIN, [Chunk(b"payload")])
    if name == "layered":
        return write(variant(transform=b"abcd"), [Chunk(b"payload", b"refinement")])
    if name == "many":
        return write(variant(frames=3000, tracks=(Track(0, 0, 3000),)), [Chunk(b"abc"), Chunk(b""), Chunk(b"de")])
    return write(*rich())


FILES = ("single", "layered", "many", "rich")


def assert_same(header, other):
    for field in dataclasses.fields(Header):
        a, b = getattr(header, field.name), getattr(other, field.name)
        if field.name == "timestamps" and a is not None:
            assert b is not None and b.dtype == np.float64 and a.tobytes() == b.tobytes()
        else:
            assert a == b, field.name


def round_trip(header, chunks=None):
    if chunks is None:
        chunks = [Chunk(bytes([i % 251]) * (i % 7)) for i in range(header.chunk_count)]
    data = write(header, chunks)
    found, others = read(data)
    assert_same(header, found)
    assert_same(header, read_header(data))
    assert others == chunks
    return data


def sealed(head, single=False):
    """A file of no or of an empty chunk from header bytes, with the checksum they need to be believed."""
    return head + (
        zlib.crc32(head).to_bytes(4, "little") if single else binascii.crc_hqx(head, 0xFFFF).to_bytes(2, "little")
    )


def forged(flags, rest, shape=0x40, labels=0x11, layout=1):
    ids = b"\x01\x02\x03\x04" * (layout & 3).bit_count()
    return sealed(b"PSC" + bytes([2 | layout << 4]) + ids + bytes([flags, labels, shape]) + rest, bool(layout & 8))


def test_more_keypoints_than_fit_are_refused_both_ways():
    many = build_skeleton(MAX_KEYPOINTS + 1)
    with pytest.raises(InputError, match="2049 keypoints"):
        write(variant(skeleton=many), [Chunk(b"")])
    head = encode_packed(_encode_skeleton(many))
    with pytest.raises(CorruptError, match="2049 keypoints"):
        read(forged(0b10010, encode_varint(3) + encode_varint(0) + head, shape=0x5F))


def test_a_header_of_everything_round_trips():
    round_trip(*rich())


@pytest.mark.parametrize("weights", [b"", b"\x01\x02\x03\x04"])
@pytest.mark.parametrize("transform", [b"", b"\xff\xfe\xfd\xfc"])
@pytest.mark.parametrize("refinement", [b"", b"fine"])
def test_a_file_names_the_weights_it_needs(weights, transform, refinement):
    data = round_trip(variant(weights=weights, transform=transform), [Chunk(b"abc", refinement)])
    plain = round_trip(variant(weights=b""), [Chunk(b"abc", refinement)])
    assert len(data) == len(plain) + len(weights) + len(transform)


@pytest.mark.parametrize(
    "refinements", [(b"", b"", b""), (b"a", b"", b""), (b"", b"", b"abc"), (b"a", b"bc", b"d" * 300)], ids=repr
)
def test_layers(refinements):
    header = variant(frames=3000, tracks=(Track(0, 0, 3000),))
    chunks = [Chunk(base, fine) for base, fine in zip((b"abc", b"", b"de"), refinements, strict=True)]
    round_trip(header, chunks)


@pytest.mark.parametrize("base", [b"", b"\0", b"abc", bytes(100_000)], ids=len)
def test_a_single_chunk_has_one_checksum_and_no_index(base):
    data = round_trip(PLAIN, [Chunk(base)])
    assert data.endswith(base + zlib.crc32(data[:-4]).to_bytes(4, "little"))
    assert len(data) == len(base) + 18


@pytest.mark.parametrize("kind", [kind for kind in GUARANTEES if kind != "lossless"])
@pytest.mark.parametrize("value", [2.0**-126, 0.1, 1.0, 12.5, 3e38])
@pytest.mark.parametrize("reached", [0.0, 1e-9, 0.5, 1.0])
def test_promises(kind, value, reached):
    for header, chunks in ((PLAIN, [Chunk(b"abc")]), rich()):
        data = write(dataclasses.replace(header, guarantee=Guarantee(kind, value, reached)), chunks)
        found = read(data)[0].guarantee
        assert found.kind == kind and found.value == np.float32(value)
        assert reached <= found.reached <= reached + 1 / 255
        assert write(read(data)[0], chunks) == data


@pytest.mark.parametrize("checksum", [0, 1, 0xDEADBEEF, 2**32 - 1])
def test_the_promise_of_a_lossless_file_is_a_checksum(checksum):
    round_trip(variant(guarantee=Guarantee("lossless", checksum, 0.0)))


@pytest.mark.parametrize("name", FILES)
def test_drop_refinements_is_the_file_as_if_it_had_never_had_one(name):
    data = whole(name)
    header, chunks = read(data)
    coarse = drop_refinements(data)
    assert coarse == write(dataclasses.replace(header, guarantee=None), [Chunk(chunk.base) for chunk in chunks])
    found, bare = read(coarse)
    assert_same(dataclasses.replace(header, guarantee=None), found)
    assert [c.base for c in bare] == [c.base for c in chunks] and not any(c.refinement for c in bare)
    assert drop_refinements(coarse) == coarse
    assert (len(coarse) < len(data)) == (name in ("layered", "rich"))
    for damaged in (data[:-1], data + b"\0", data[:-1] + bytes([data[-1] ^ 1])):
        with pytest.raises(CorruptError):
            drop_refinements(damaged)


@pytest.mark.parametrize(
    "fps",
    [29.97002997, 30000 / 1001, 24000 / 1001, 60000 / 1001, 12.5, 30.0, 240.0, 59.94, 1 / 3, 7.0, 119.88011988, 1e6,
     0.001, 23.976, 29.123456789012345],
)  # fmt: skip
def test_frame_rates_come_back_as_the_same_float(fps):
    assert read(round_trip(variant(fps=fps)))[0].fps == fps


@given(st.floats(0.01, 1e5, allow_nan=False))
@settings(max_examples=100, deadline=None)
def test_any_sensible_frame_rate_comes_back_or_is_refused(fps):
    try:
        ratio = rate_fraction(fps)
    except InputError:
        return
    assert float(ratio) == fps and ratio.denominator <= 2**32
    assert read_header(write(variant(fps=fps), [Chunk(b"")])).fps == fps


def test_rate_fraction_examples():
    assert rate_fraction(30000 / 1001) == Fraction(30000, 1001)
    assert rate_fraction(12.5) == Fraction(25, 2)
    assert rate_fraction(30.0) == 30
    assert rate_fraction(29.97) == Fraction(2997, 100)
    assert rate_fraction(1 / 3) == Fraction(1, 3)
    with pytest.raises(InputError, match="--fps"):
        rate_fraction(1e-12)
    with pytest.raises(InputError, match="1e\\+20"):
        rate_fraction(1e20)


def test_a_rate_of_the_table_takes_one_byte():
    lengths = {len(write(variant(fps=float(rate)), [Chunk(b"")])) for rate in RATES}
    assert len(lengths) == 1
    assert len(write(variant(fps=29.97002997), [Chunk(b"")])) > lengths.pop()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("up", AXES)
def test_units_and_axes(unit, up):
    for coded in AXES[1:]:
        round_trip(variant(unit=unit, up=up, coded_up=coded))


@pytest.mark.parametrize("skeleton", BUILT_IN.values(), ids=lambda s: s.name)
def test_built_in_skeletons_cost_nothing(skeleton):
    assert len(round_trip(variant(skeleton=skeleton))) == len(round_trip(PLAIN))


@pytest.mark.parametrize(
    "skeleton",
    [
        Skeleton("custom", ("a",)),
        Skeleton("coco19", COCO17.keypoints),
        dataclasses.replace(COCO19, root=None),
        Skeleton("", tuple(str(i) for i in range(500)), tuple((i, i + 1) for i in range(499)), (), 0),
    ],
    ids=["one", "misnamed", "rootless", "large"],
)
def test_other_skeletons_are_spelled_out(skeleton):
    found = read(round_trip(variant(skeleton=skeleton)))[0].skeleton
    assert found == skeleton and isinstance(found.root, int | None)


@pytest.mark.parametrize(
    "ids",
    [(), ("0",), ("7",), ("",), ("0", "1", "2"), ("1", "0", "2"), ("Ünal", "名前", "🙂"), ("x" * 1000,)],
    ids=repr,
)
def test_ids_and_people(ids):
    tracks = tuple(Track(person, 0, 300) for person in range(len(ids)))
    round_trip(variant(ids=ids, tracks=tracks))
    round_trip(variant(ids=ids, tracks=()))


def test_usual_ids_take_no_bytes():
    few, many = (variant(ids=tuple(map(str, range(n))), tracks=(Track(0, 0, 9),)) for n in (2, 100))
    assert len(round_trip(few)) == len(round_trip(many))


def test_an_id_that_is_no_unicode_is_an_input_error():
    with pytest.raises(InputError, match="id"):
        write(variant(ids=("\ud800",)), [Chunk(b"")])


def test_metadata_that_is_not_json_is_an_input_error():
    for bad in ({"a": {1, 2}}, {"a": b"x"}, {"a": "\ud800"}):
        with pytest.raises(InputError, match="metadata"):
            write(variant(metadata=bad), [Chunk(b"")])


@pytest.mark.parametrize("frames", [1, 1023, 1024, 1025, 5000])
def test_tracks_are_cut_into_chunks(frames):
    header = variant(frames=frames, tracks=(Track(0, 0, frames),))
    assert header.simple and header.chunk_count == -(-frames // CHUNK_FRAMES)
    assert sum(length for _, length in Track(0, 0, frames).chunks) == frames
    round_trip(header)


def test_chunks_of_a_late_track():
    assert Track(0, 10, 2500).chunks == [(10, 1024), (1034, 1024), (2058, 452)]


def test_timestamps_including_none_at_all():
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 1000):
        times = np.cumsum(rng.exponential(0.03, count)) - 5
        tracks = (Track(0, 0, count),) if count else ()
        round_trip(variant(fps=None, timestamps=times, frames=count, tracks=tracks))


def test_regular_timestamps_are_cheap():
    times = np.arange(3000) / 30
    header = variant(fps=None, timestamps=times, frames=3000, tracks=(Track(0, 0, 3000),))
    assert len(round_trip(header)) < 3000 * 8 / 2


def test_a_plain_file_costs_18_bytes():
    for size in (0, 110, 200, 5000):
        assert len(write(PLAIN, [Chunk(b"x" * size)])) - size == 18


def test_the_bytes_of_a_header_are_frozen():
    crowd = [Chunk(b"abc", b"d"), Chunk(b""), Chunk(b"\0", b"ef")]
    for header, chunks, frozen in ((PLAIN, [Chunk(b"abc")], FROZEN_PLAIN), (CROWD, crowd, FROZEN_CROWD)):
        assert write(header, chunks).hex() == frozen
        found, others = read(bytes.fromhex(frozen))
        assert_same(header, found)
        assert others == chunks


FROZEN_PLAIN = "505343920102030402114005ac02616263d1297e43"
FROZEN_CROWD = (
    "50534372ff00807f05060708452ca100d790abdc03d1b3f20fdc0b0205c3866769720178020000cc0801c80110020000c03f"
    "99030100000102e90e6162636387940d641e110b41e90e0200e90e0300005fb1d40b6566d72c8695"
)


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
                    read(data[:3] + bytes([2 | layout << 4]) + data[4:])


def test_messages_tell_what_is_wrong():
    data = whole("single")
    with pytest.raises(CorruptError, match="no .posec file"):
        read(b"PK\x03\x04" + data)
    with pytest.raises(CorruptError, match="version 1; this posecodec reads version 2"):
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
    for header, chunks in (
        (long, [Chunk(b"abcd"), Chunk(b"efgh")]),
        (PLAIN, [Chunk(b"abcd", b"efgh")]),
    ):
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
        (SIMPLE, (5, BIG)),
        (SIMPLE, (5, 2**35 - 1)),
        (0, (5, BIG, 1, 0)),
        (0, (5, BIG, 0, 0)),
        (0, (5, BIG, 1, 1, 0, 0, BIG)),
        (0, (5, 300, BIG, 0)),
        (0, (5, BIG, 1 << 20, 0)),
        (0, (5, 2**16, 2**16, 0)),
        (NAMED, (5, 300, BIG)),
        (0, (5, 300, 1, BIG)),
        (0, (5, 300, 1, 1, 0, 299, 2)),
        (0, (5, 300, 1, 1, 1, 0, 300)),
        (0, (5, 300, 1, 1, 0, 0, 0)),
        (SIMPLE, (99, 300, 0)),
        (SIMPLE, (0, 30, 0, 300, 0)),
        (SIMPLE, (0, 0, 1, 300, 0)),
        (SIMPLE | TIMED, (BIG, 10, BIG)),
        (SIMPLE | SPELLED, (5, 300, BIG, BIG)),
        (SIMPLE | NOTED, (5, 300, 4, 2**26 + 1)),
    ],
)
def test_hostile_numbers_are_refused_quickly(flags, numbers):
    shape = 0x5F if flags & SPELLED else 0x40
    refused(forged(flags, b"".join(map(encode_varint, numbers)), shape))


def noted(frame, raw):
    return forged(
        SIMPLE | NOTED, encode_varint(5) + encode_varint(0) + encode_varint(len(frame)) + encode_varint(raw) + frame
    )


def test_packed_fields_that_lie_are_refused_quickly():
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(bytes(256 << 20))
    sized = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    small = zstandard.ZstdCompressor().compress(b"{}")
    refused(noted(bomb, 100))
    refused(noted(sized, 100))
    refused(noted(sized, 256 << 20))
    refused(noted(small, 3))
    refused(noted(small, 1))
    refused(noted(b"", 0))
    refused(noted(b"", 2))
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


@pytest.mark.parametrize(
    "promise",
    [b"", b"\x04" + np.float32(1).tobytes() + b"\xff", b"\xff", b"\x00" + np.float32(1).tobytes(), b"\x03\x01\x02\x03"]
    + [
        bytes([kind]) + np.float32(value).tobytes() + b"\xff"
        for kind in range(3)
        for value in (0, -0.0, -1, np.inf, -np.inf, np.nan)
    ],
    ids=bytes.hex,
)
def test_promises_that_make_no_sense_are_refused(promise):
    sound = encode_varint(5) + encode_varint(0)
    assert read(forged(SIMPLE | PROMISED, sound + b"\x01" + np.float32(5).tobytes() + b"\x80"))[0].guarantee.value == 5
    refused(forged(SIMPLE | PROMISED, sound + promise))


def test_numbers_have_one_form_only():
    refused(forged(SIMPLE, b"\x85\x00" + encode_varint(0)))
    refused(forged(SIMPLE, encode_varint(5) + b"\x80\x80\x80\x80\x80\x00"))


def test_more_frames_than_a_reader_takes_are_not_written():
    most = MAX_POSES
    assert read(write(variant(frames=most, tracks=()), []))[0].frames == most
    for ids, frames in ((("0",), most + 1), (("a", "b"), most // 2 + 1), ((), most + 1)):
        with pytest.raises(InputError, match="cut the recording"):
            write(variant(frames=frames, ids=ids, tracks=()), [])
