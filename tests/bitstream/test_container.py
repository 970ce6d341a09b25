"""What is written of a header comes back, in as few bytes as the specification says."""

import dataclasses
import gzip
import hashlib
import zlib
from fractions import Fraction

import numpy as np
import pytest
from conftest import ROOT
from headers import CROWD, FILES, PLAIN, assert_same, forged, rich, round_trip, sealed, variant, whole
from hypothesis import example, given, settings
from hypothesis import strategies as st

from posecodec.bitstream.container import Chunk, drop_refinements, read, read_header, write
from posecodec.bitstream.fields import RATES, FieldReader, HeaderError, encode_rate, encode_varint, rate_fraction
from posecodec.bitstream.guarantee import GUARANTEES, LARGEST, SMALLEST, Guarantee, decode_guarantee, encode_guarantee
from posecodec.bitstream.header import CHUNK_FRAMES, MAX_KEYPOINTS, Track, _encode_skeleton, header_bytes
from posecodec.bitstream.known_weights import KNOWN
from posecodec.errors import CorruptError, InputError
from posecodec.io.byte_source import ByteSource
from posecodec.pose.sequence import AXES, UNITS
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19, build_skeleton


def test_more_keypoints_than_fit_are_refused_both_ways():
    many = build_skeleton(MAX_KEYPOINTS + 1)
    with pytest.raises(InputError, match="2049 keypoints"):
        write(variant(skeleton=many), [Chunk(b"")])
    head = _encode_skeleton(many)
    with pytest.raises(CorruptError, match="2049 keypoints"):
        read(forged(0b10010, encode_varint(3) + encode_varint(0) + head, shape=0x5F))


def test_a_header_of_everything_round_trips():
    round_trip(*rich())


@pytest.mark.parametrize(("weights", "size"), [(b"", 0), (KNOWN[0], 1), (b"\x01\x02\x03\x04", 5)])
@pytest.mark.parametrize(("transform", "more"), [(b"", 0), (KNOWN[-1], 1), (b"\xff\xfe\xfd\xfc", 5)])
@pytest.mark.parametrize("refinement", [b"", b"fine"])
def test_a_file_names_the_weights_it_needs(weights, size, transform, more, refinement):
    data = round_trip(variant(weights=weights, transform=transform), [Chunk(b"abc", refinement)])
    plain = round_trip(variant(weights=b""), [Chunk(b"abc", refinement)])
    assert len(data) == len(plain) + size + more


def test_weights_that_come_along_have_numbers_of_their_own():
    """In the order of `known_weights`, to whose end new ones go; numbers never change."""
    assert len(set(KNOWN)) == len(KNOWN) and KNOWN[:2] == (bytes.fromhex("a236f6b9"), bytes.fromhex("8b77768c"))
    paths = [
        path for path in (ROOT / "weights").rglob("*.safetensors") if not path.name.startswith(("motion", "transform-"))
    ]
    assert len(paths) > 6
    assert {path.stem for path in paths if hashlib.sha256(path.read_bytes()).digest()[:4] not in KNOWN} == set()


def test_weights_of_a_later_posecodec_are_told():
    data = bytearray(write(variant(weights=KNOWN[0]), [Chunk(b"abc")]))
    assert data[4] == 0
    for number in (len(KNOWN), 254):
        data[4] = number
        with pytest.raises(CorruptError, match=f"weights number {number}, which a later posecodec knows"):
            read(bytes(data))


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
    assert len(data) == len(base) + 15


@pytest.mark.parametrize("kind", [kind for kind in GUARANTEES if kind != "lossless"])
@pytest.mark.parametrize("value", [2.0**-126, 0.1, 1.0, 12.5, 3e38])
@pytest.mark.parametrize("reached", [0.0, 1e-9, 0.5, 1.0])
def test_promises(kind, value, reached):
    for header, chunks in ((PLAIN, [Chunk(b"abc")]), rich()):
        data = write(dataclasses.replace(header, guarantee=Guarantee(kind, value, reached)), chunks)
        found = read(data)[0].guarantee
        assert found.kind == kind and found.value in (value, np.float32(value))
        assert reached <= found.reached <= reached + 1 / 255
        assert write(read(data)[0], chunks) == data


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (30.0, 1),
        (5e-3, 1),
        (0.5, 1),
        (0.707, 2),
        (127.0, 1),
        (128.0, 2),
        (1638.3, 2),
        (16385.0, 4),
        (1 / 3, 4),
        (1e31, 1),
        (1e32, 4),
        (1e-31, 1),
        (3e-32, 4),
        (3.4e38, 4),
        (1e39, 4),
        (1e-50, 4),
    ],
)
def test_bounds_are_decimals_as_people_say_them(value, size):
    for kind in GUARANTEES[:3]:
        data = encode_guarantee(Guarantee(kind, value, 0.5))
        found = decode_guarantee(FieldReader(ByteSource(data), b"", 0))
        assert len(data) == size + 2 and found.value == (
            np.float32(min(max(value, SMALLEST), LARGEST)) if size == 4 else value
        )


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


@given(st.floats(5e-324, 1.7e308, allow_nan=False))
@example(200.00000000000426)
@example(1 / 0.033)
@example(99.99999999999996)
@settings(max_examples=100, deadline=None)
def test_any_frame_rate_comes_back(fps):
    ratio = rate_fraction(fps)
    assert ratio is None or float(ratio) == fps and ratio.denominator <= 2**32
    assert read_header(write(variant(fps=fps), [Chunk(b"")])).fps == fps


def test_rate_fraction_examples():
    for text in ("30000/1001", "25/2", "30", "2997/100", "1/3"):
        assert rate_fraction(float(Fraction(text))) == Fraction(text)
    assert rate_fraction(1e-12) is rate_fraction(1e20) is None


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf])
def test_a_forged_rate_is_refused(rate):
    head = bytearray(header_bytes(PLAIN, False, True))
    place = head.index(encode_rate(30.0) + encode_varint(300), 8)
    data = sealed(head[:place] + b"\0\0" + np.float64(rate).tobytes() + head[place + 1 :], single=True)
    with pytest.raises(CorruptError, match="frame rate"):
        read_header(data)


def test_an_origin_comes_back():
    plain = round_trip(PLAIN)
    for flat in (PLAIN, CROWD):
        origin = (-530000.125, 180000.5, 2.0**120)[: flat.dims]
        wide = round_trip(dataclasses.replace(flat, origin=origin))
        assert read_header(wide).origin == origin
    assert len(round_trip(variant(origin=(1.0, 2.0, 3.0)))) == len(plain) + 12
    head = header_bytes(variant(origin=(1.0, 2.0, 3.0)), False, True)
    with pytest.raises(CorruptError, match="an origin of"):
        read_header(sealed(head[:-4] + np.float32(np.nan).tobytes(), single=True))


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
        Skeleton("custom", ("a",)), Skeleton("coco19", COCO17.keypoints), dataclasses.replace(COCO19, root=None),
        Skeleton("", tuple(str(i) for i in range(500)), tuple((i, i + 1) for i in range(499)), (), 0),
    ],
    ids=["one", "misnamed", "rootless", "large"],
)  # fmt: skip
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


def test_a_packed_file_is_read_and_a_damaged_one_is_corrupt():
    packed = gzip.compress(whole("many"))
    assert read(packed)[1] == read(whole("many"))[1]
    for damaged in (packed[:-9], packed[:40], packed[:20] + b"\xff\xff" + packed[22:]):
        with pytest.raises(CorruptError):
            read(damaged)


def test_a_source_that_shrinks_is_a_header_error():
    class Shrinking:
        size, block = 100, 10

        def read(self, start, stop):
            return b""

    with pytest.raises(HeaderError, match="became shorter"):
        FieldReader(Shrinking(), b"abc", 0).read_bytes(4)


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
    header = variant(fps=None, timestamps=np.arange(3000) / 30, frames=3000, tracks=(Track(0, 0, 3000),))
    assert len(round_trip(header)) < 3000 * 8 / 2


def test_a_plain_file_costs_15_bytes():
    for size in (0, 110, 200, 5000):
        assert len(write(PLAIN, [Chunk(b"x" * size)])) - size == 15


def test_the_bytes_of_a_header_are_frozen():
    """Of version 2, which is only read, too."""
    crowd = [Chunk(b"abc", b"d"), Chunk(b""), Chunk(b"\0", b"ef")]
    unknown = variant(weights=bytes.fromhex("01020304"))
    assert write(PLAIN, [Chunk(b"abc")]).hex() == FROZEN_PLAIN and write(CROWD, crowd).hex() == FROZEN_CROWD
    for header, chunks, frozen in (
        (PLAIN, [Chunk(b"abc")], FROZEN_PLAIN), (unknown, [Chunk(b"abc")], FROZEN_PLAIN_2), (CROWD, crowd, FROZEN_CROWD),
        (CROWD, crowd, FROZEN_CROWD_2),
    ):  # fmt: skip
        found, others = read(bytes.fromhex(frozen))
        assert_same(header, found)
        assert others == chunks


FROZEN_PLAIN = "505343930102114005ac02616263bbafa0f5"
FROZEN_CROWD = (
    "50534373ffff00807fff05060708452ca100d790abdc03d1b3f20fdc0b0205c3866769720178020000cc0801c801107a0f99"
    "03010000010213a96162634b5b815464bb0a631c13a9020013a9030000faaabc566566ab136733"
)
FROZEN_PLAIN_2 = "505343920102030402114005ac02616263d1297e43"
FROZEN_CROWD_2 = (
    "50534372ff00807f05060708452ca100d790abdc03d1b3f20fdc0b0205c3866769720178020000cc0801c80110020000c03f"
    "99030100000102e90e6162636387940d641e110b41e90e0200e90e0300005fb1d40b6566d72c8695"
)
