"""Files whose checksums are right and whose content is not: corrupt, or finite."""

import resource
import time
from dataclasses import replace

import numpy as np
import pytest
from coding import WINDOWS, any_goal, encode, layered, read_integers
from conftest import flat_walk, rng
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import CODEC, IN_17, POINTS, WALK, coded, gappy, of

from posecodec import PoseCodec, compare
from posecodec.bench import untrained_skeletons
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.presence import Presence, write_presence
from posecodec.coders.windows import stream
from posecodec.entropy.range_coder import RangeEncoder
from posecodec.errors import CorruptError
from posecodec.pose.skeletons.builtin import BODY25, COCO17
from posecodec.pose.synthetic import walk


def forged(codec, goal, **fields):
    """A file whose checksums are right and whose header is not."""
    header, parts = container.read(encode(codec, walk(20, people=2), goal).data)
    return container.write(replace(header, **fields), parts)


@pytest.mark.parametrize(
    "fields",
    [
        {"ids": ("a", "a")}, {"fps": None, "timestamps": np.zeros(20)}, {"dims": 2}, {"skeleton": BODY25},
        {"fps": None, "timestamps": np.full(20, np.nan)},
    ],
    ids=["ids", "times", "dims", "skeleton", "nan"],
)  # fmt: skip
@any_goal
def test_forged_headers_are_corrupt(tiny_codec, fields, goal):
    with pytest.raises(CorruptError):
        tiny_codec.decode(forged(tiny_codec, goal, **fields))


@pytest.mark.parametrize("goal, needed", [(WINDOWS, "weights"), ({}, "transform")], ids=["windows", "quality"])
def test_a_file_that_names_no_weights_is_corrupt(tiny_codec, goal, needed):
    with pytest.raises(CorruptError, match="does not name"):
        tiny_codec.decode(forged(tiny_codec, goal, **{needed: b""}))


@pytest.mark.parametrize("first", [b"", b"\x40", b"\x80", b"\xa0", b"\xc0", b"\xff" * 50])
def test_forged_chunks_are_corrupt(tiny_codec, first):
    for goal in (WINDOWS, {}, {"lossless": True}):
        header, parts = container.read(encode(tiny_codec, walk(20, people=2), goal).data)
        data = container.write(header, [Chunk(first), *parts[1:]])
        try:
            assert tiny_codec.decode(data).frames == 20
        except CorruptError:
            pass


def rewritten(codec, sequence, change):
    """A file whose checksums are right and whose presence and latents `change` made."""
    header, parts = container.read(encode(codec, sequence).data)
    presence, latents = change(*read_integers(codec, header, parts[0]))
    encoder = RangeEncoder()
    write_presence(encoder, ChunkKind.WINDOWS, presence)
    stream.write(encoder, latents, codec.coders.windows.tables, header.unit)
    return container.write(header, [Chunk(encoder.finish())])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("scale", [2**20, 2**14, -(2**20), 2047, -2047, -1200])
@pytest.mark.parametrize("index", [0, 144, 511])
@pytest.mark.parametrize("dims", [2, 3])
def test_forged_sizes_are_corrupt_or_finite(tiny_codec, tiny_codec_2d, dims, scale, index):
    codec, sequence = (tiny_codec, walk(20)) if dims == 3 else (tiny_codec_2d, flat_walk(20))

    def change(presence, latents):
        return presence, replace(latents, side_info=replace(latents.side_info, scale=scale), qp=index)

    data = rewritten(codec, sequence, change)
    try:
        assert np.isfinite(codec.decode(data).positions).all()
    except CorruptError:
        assert scale < 0 or scale > 2047


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [2**10, 2**20])
@pytest.mark.parametrize("index", [144, 511])
@pytest.mark.parametrize("dims", [2, 3])
def test_forged_values_are_corrupt_or_finite(tiny_codec, tiny_codec_2d, dims, size, index):
    codec, sequence = (tiny_codec, walk(20)) if dims == 3 else (tiny_codec_2d, flat_walk(20))

    def change(presence, latents):
        wild = np.random.default_rng(0).integers(-size, size + 1, latents.values.shape).astype(np.int32)
        return presence, replace(latents, values=wild, qp=index)

    data = rewritten(codec, sequence, change)
    try:
        assert np.isfinite(codec.decode(data).positions).all()
    except CorruptError:
        pass


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_forged_confidences_are_corrupt(tiny_codec):
    def change(presence, latents):
        return Presence(presence.mask, np.full((20, 19), 10**6, np.int32), 3e38), latents

    with pytest.raises(CorruptError):
        tiny_codec.decode(rewritten(tiny_codec, walk(20), change))


@pytest.fixture(scope="module")
def victims():
    """(codec, header, chunks) of valid files of every kind."""
    windows = PoseCodec.from_pretrained("windows3d")
    surely = of(gappy(POINTS[:40], 0.1), confidence=rng().random((40, 1, 19)))
    files = [
        (CODEC, CODEC.encode(WALK).data),
        (CODEC, CODEC.encode(surely, max_error=2).data),
        (CODEC, CODEC.encode(untrained_skeletons.make_hand(30), max_error=1).data),
        (CODEC, CODEC.encode(of(POINTS[:30, :, :7, :2])).data),
        (CODEC, CODEC.encode(surely, lossless=True).data),
        (CODEC, CODEC.encode(walk(20, people=3), lossless=True).data),
        (windows, layered(windows, walk(40), 80, 5.0)),
        (windows, layered(windows, of(POINTS[:40, :, IN_17], skeleton=COCO17), 80, 5.0)),
    ]
    for codec, data in files:
        assert np.isfinite(codec.decode(data).positions[codec.decode(data).valid]).all()
    return [(codec, *container.read(data)) for codec, data in files]


def test_layered_files_keep_the_bound_of_their_refinement():
    windows, sequence = PoseCodec.from_pretrained("windows3d"), walk(40)
    assert compare(sequence, windows.decode(layered(windows, sequence, 80, 5.0))).max <= 5


def decodes_or_is_corrupt(codec, data):
    begun = time.monotonic()
    try:
        decoded = codec.decode(data)
        assert np.isfinite(decoded.positions[decoded.valid]).all()
    except CorruptError:
        pass
    assert time.monotonic() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


CHANGE = st.tuples(st.one_of(st.integers(0, 12), st.integers(0, 1 << 16)), st.integers(1, 255))


@given(st.integers(0, 6), st.lists(CHANGE, min_size=1, max_size=4), st.one_of(st.none(), st.integers(0, 1 << 12)))
@settings(max_examples=200, deadline=None)
def test_forged_files_are_corrupt_or_decode(victims, number, changes, cut):
    forge(victims[number], changes, cut)


@given(st.lists(CHANGE, min_size=1, max_size=4), st.one_of(st.none(), st.integers(0, 1 << 12)))
@settings(max_examples=60, deadline=None)
def test_forged_layered_files_of_coco17_are_corrupt_or_decode(victims, changes, cut):
    forge(victims[7], changes, cut)


@given(st.integers(0, 7), st.binary(max_size=200), st.sampled_from([0x00, 0x40, 0x80, 0x81, 0x82, 0x83, 0xC0, 0xE0]))
@settings(max_examples=100, deadline=None)
def test_files_of_any_bytes_are_corrupt_or_decode(victims, number, payload, kind):
    codec, header, parts = victims[number]
    made = [Chunk(bytes([kind]) + payload, part.refinement and payload) for part in parts]
    decodes_or_is_corrupt(codec, container.write(header, made))


def test_files_of_empty_chunks_are_corrupt(victims):
    for codec, header, parts in victims:
        with pytest.raises(CorruptError):
            codec.decode(container.write(header, [Chunk(b"") for _ in parts]))


def test_a_file_whose_first_chunk_is_empty_and_whose_second_is_exact_is_corrupt(victims):
    codec, header, parts = victims[5]
    with pytest.raises(CorruptError):
        codec.decode(container.write(header, [Chunk(b""), *parts[1:]]))


def forge(victim, changes, cut):
    codec, header, parts = victim
    made = []
    for number, part in enumerate(parts):
        pieces = [bytearray(part.base), bytearray(part.refinement)]
        for place, (at, bits) in enumerate(changes):
            piece = pieces[place % 2] or pieces[0]
            if number == at % len(parts) and piece:
                piece[at % len(piece)] ^= bits
        if cut is not None and len(pieces[cut % 2]) > 1:
            pieces[cut % 2] = pieces[cut % 2][: 1 + cut % (len(pieces[cut % 2]) - 1)]
        made.append(Chunk(*(bytes(piece) for piece in pieces)))
    decodes_or_is_corrupt(codec, container.write(header, made))


def test_chunks_in_another_order_are_corrupt_or_decode(victims):
    codec, header, parts = victims[5]
    decodes_or_is_corrupt(codec, container.write(header, parts[::-1]))


def test_chunks_of_other_files_are_corrupt_or_decode(victims):
    for codec, header, parts in victims:
        for _, _, others in victims:
            if len(others) >= len(parts):
                decodes_or_is_corrupt(codec, container.write(header, others[: len(parts)]))


@pytest.mark.parametrize(("goal", "size"), [({}, 1e20), ({"bitrate": 0.3}, 1.0)])
def test_a_body_that_the_trained_basis_refuses_can_be_encoded_with_weights_of_windows(goal, size):
    windows = PoseCodec.from_pretrained("windows3d")
    coded(of(POINTS[:, :, IN_17] * size + 3e7, skeleton=COCO17), windows, **goal)
