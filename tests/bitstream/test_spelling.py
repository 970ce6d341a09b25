"""Skeletons that are not built in: back as they were, in few bytes, and nothing that bytes do not justify."""

from __future__ import annotations

import hashlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from zstandard import ZstdError

from posecodec import PoseCodec, PoseSequence
from posecodec.bitstream import container, spelling
from posecodec.bitstream.fields import FieldReader, HeaderError, encode_varint
from posecodec.bitstream.header import MAX_EDGES
from posecodec.bitstream.spelling import read_spelled, spell
from posecodec.bitstream.words import FACE_MESH, MEDIAPIPE_BODY, MEDIAPIPE_HAND, build_words
from posecodec.errors import CorruptError, PosecodecError
from posecodec.io.byte_source import ByteSource
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.pose.synthetic import walk

PLUG_IN_GAIT = (
    "LFHD RFHD LBHD RBHD C7 T10 CLAV STRN RBAK LSHO LUPA LELB LFRM LWRA LWRB LFIN RSHO RUPA RELB RFRM RWRA RWRB RFIN LASI "
    "RASI LPSI RPSI LTHI LKNE LTIB LANK LHEE LTOE RTHI RKNE RTIB RANK RHEE RTOE"
)
HELEN_HAYES = (
    "Top.Head Front.Head Rear.Head R.Shoulder R.Elbow R.Wrist L.Shoulder L.Elbow L.Wrist R.ASIS L.ASIS V.Sacral R.Thigh "
    "R.Knee R.Shank R.Ankle R.Heel R.Toe L.Thigh L.Knee L.Shank L.Ankle L.Heel L.Toe"
)
BASELINE = (
    "WaistLFront WaistRFront WaistLBack WaistRBack BackTop Chest BackLeft BackRight HeadTop HeadFront HeadSide "
    "LShoulderBack LShoulderTop LElbowOut LUArmHigh LHandOut LWristOut LWristIn RShoulderBack RShoulderTop RElbowOut "
    "RUArmHigh RHandOut RWristOut RWristIn"
)
WORDS = {17139: "41da0a7e7158b437", 38261: "06e6fbe73c321082"}
"""Bytes from the end, which is where files point into from, and their digest: earlier texts are the end of later ones."""
CAREN = "T10 SACR NAVE XYPH STRN LASIS RASIS LPSIS RPSIS HEAD LHEAD RHEAD C7 LGTRO FLTHI LLEK LATI LLM LHEE LTOE LMT5"


class Source(ByteSource):
    """Bytes at hand."""

    def __init__(self, data: bytes) -> None:
        self.size, self.block = len(data), 0


def read_back(data: bytes) -> Skeleton:
    return read_spelled(FieldReader(Source(data), data, 0), MAX_EDGES)


@pytest.mark.parametrize("before", [b"", b"\x28\xb5\x2f\xfd"])
def test_no_memory_is_taken_for_what_a_frame_states(before):
    stated = before + bytes([0xE0]) + (1 << 45).to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises((HeaderError, ZstdError)):
        read_back(encode_varint(len(stated)) + encode_varint(100) + stated)


def test_a_frame_that_is_shorter_than_said_is_refused():
    packer = zstandard.ZstdCompressor(
        dict_data=spelling._load_words(),
        compression_params=zstandard.ZstdCompressionParameters.from_level(
            19, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_dict_id=False
        ),
    )
    frame = packer.compress(b"\x01\x00\x00\x00a\n\nb")
    with pytest.raises(HeaderError, match="a skeleton of 8 bytes, not 9"):
        read_back(encode_varint(len(frame)) + encode_varint(9) + frame)
    assert read_back(encode_varint(len(frame)) + encode_varint(8) + frame).keypoints == ("b",)


def test_numbers_have_at_most_21_bits():
    assert spelling._Numbers(b"\xff\xff\x7f").take() == 2**21 - 1
    with pytest.raises(HeaderError, match="more than 21 bits"):
        spelling._Numbers(b"\xff\xff\xff\x01").take()


def test_words_are_what_files_were_compressed_against():
    text = build_words()
    assert {size: hashlib.sha256(text[-size:]).hexdigest()[:16] for size in WORDS} == WORDS and len(text) == max(WORDS)


@pytest.mark.parametrize(("points", "most"), [(468, 160), (478, 170)])
def test_the_face_mesh_of_holistic_files_costs_next_to_nothing(points, most):
    mesh = FACE_MESH.read_text("ascii").split("\n\n")[0].split()
    edges = [tuple(map(int, edge.split("-"))) for edge in mesh]
    body, hand = MEDIAPIPE_BODY.split(), MEDIAPIPE_HAND.split()
    parts = (
        ("POSE_LANDMARKS", body), ("FACE_LANDMARKS", range(points)), ("LEFT_HAND_LANDMARKS", hand),
        ("RIGHT_HAND_LANDMARKS", hand), ("POSE_WORLD_LANDMARKS", body),
    )  # fmt: skip
    names = tuple(f"{part}/{point}" for part, several in parts for point in several)
    face = tuple((a + 33, b + 33) for a, b in edges if max(a, b) < points)
    assert len(face) == {468: 2556, 478: 2564}[points]
    skeleton = Skeleton("custom", names, (*BUILT_IN["mediapipe33"].edges, *face))
    data = spell(skeleton)
    assert read_back(data) == skeleton and len(data) <= most, len(data)


@pytest.mark.parametrize("names", [PLUG_IN_GAIT, HELEN_HAYES, CAREN, BASELINE])
@pytest.mark.parametrize("prefix", ["", "Subject 01:"])
def test_common_marker_sets_take_at_most_40_bytes(names, prefix):
    skeleton = Skeleton("custom", tuple(prefix + name for name in names.split()))
    data = spell(skeleton)
    assert read_back(data) == skeleton and len(data) <= 40 + 10 * bool(prefix), len(data)


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=30, unique=True),
    st.text(max_size=9),
    st.randoms(),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_skeleton_comes_back(names, name, random, is_rooted):
    count = len(names)
    edges = tuple((random.randrange(count), random.randrange(count)) for _ in range(random.randrange(2 * count)))
    order = random.sample(range(count), count)
    pairs = tuple(zip(order[: count // 2 : 2], order[1 : count // 2 : 2], strict=False))
    skeleton = Skeleton(name, tuple(names), edges, pairs, random.randrange(count) if is_rooted else None)
    data = spell(skeleton)
    assert data is None if any("\n" in text for text in (name, *names)) else read_back(data) == skeleton


@pytest.mark.parametrize("skeleton", BUILT_IN.values(), ids=str)
def test_built_in_ones_renamed_come_back(skeleton):
    other = Skeleton("mine", skeleton.keypoints, skeleton.edges, skeleton.pairs, skeleton.root)
    assert read_back(spell(other)) == other


def test_names_that_are_no_lines_are_kept_as_json():
    clip = walk(20)
    odd = Skeleton("two\nlines", clip.skeleton.keypoints)
    sequence = PoseSequence.from_arrays(clip.positions, fps=30, skeleton=odd, unit="mm")
    data = PoseCodec().encode(sequence).data
    assert PoseCodec().decode(data).skeleton == odd
    plain = PoseSequence.from_arrays(clip.positions, fps=30, skeleton=Skeleton("two", odd.keypoints), unit="mm")
    assert len(PoseCodec().encode(plain).data) < len(data) - 60
    assert container.read(data)[0].skeleton == odd


@pytest.mark.parametrize("name", ["\ud800", "a\nb"])
def test_what_cannot_be_spelled_is_told(name):
    assert spell(Skeleton("custom", (name,))) is None


def test_bytes_that_ask_for_much_are_refused_before_it_is_there():
    with pytest.raises(CorruptError, match="the skeleton"):
        read_back(encode_varint(5) + encode_varint(2**30) + bytes(5))
    long = spell(Skeleton("custom", tuple("x" * 400 + str(i) for i in range(2000))))
    assert read_back(long).keypoints[1999].endswith("x1999")


@pytest.mark.parametrize("place", range(1, 40))
def test_damage_is_an_error_or_another_skeleton(place):
    data = bytearray(spell(BUILT_IN["smpl22"]))
    data[place % len(data)] ^= 1 << place % 8
    try:
        read_back(bytes(data))
    except (HeaderError, PosecodecError, ValueError, TypeError, LookupError, ArithmeticError, ZstdError):
        pass  # what `container` makes a CorruptError of
