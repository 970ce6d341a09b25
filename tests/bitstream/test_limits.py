"""What a few bytes ask for at length is refused before memory is taken; what the encoder writes never is."""

from __future__ import annotations

import base64
import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from headers import forged, variant
from numpy.testing import assert_array_equal

from posecodec import PoseCodec, PoseSequence
from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk, PosecFile, read, write
from posecodec.bitstream.fields import encode_varint
from posecodec.bitstream.header import MAX_EDGES, MAX_PEOPLE, Track
from posecodec.coders.lossless import cover_missing
from posecodec.entropy import floats
from posecodec.entropy.floats import pack_floats
from posecodec.errors import CorruptError, InputError
from posecodec.memory import FREE, set_memory_limit
from posecodec.pose.channels import KEY, Channel, read_channels, store_channels
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton
from posecodec.pose.synthetic import walk

CODEC = PoseCodec()
SIMPLE, TIMED, SPELLED, NOTED = 2, 8, 16, 32
HOLISTIC = BUILT_IN["holistic543"]


@pytest.fixture(autouse=True)
def usual_limit():
    yield
    set_memory_limit(None)


def numbers(*values: int) -> bytes:
    return b"".join(map(encode_varint, values))


def packed(text: bytes) -> bytes:
    frame = zstandard.ZstdCompressor(level=19).compress(text)
    return numbers(len(frame), len(text)) + frame


def assert_refused(data: bytes, match: str = "") -> None:
    """That no more than what any file may take is taken for a few bytes."""
    assert len(data) < 40_000
    for use in (read, CODEC.decode):
        tracemalloc.start()
        try:
            with pytest.raises(CorruptError, match=match):
                use(data)
            assert tracemalloc.get_traced_memory()[1] < 1.5 * FREE
        finally:
            tracemalloc.stop()


EMPTY = {
    "3 GB": (300_000, 1, 16), "102 GB": (1 << 24, 1, 16), "many people": (1024, 1 << 14, 0), "just too many": (7800, 1, 16)
}  # fmt: skip


@pytest.mark.parametrize("name", EMPTY)
def test_frames_of_nobody_are_refused(name):
    frames, people, skeleton = EMPTY[name]
    data = forged(0, numbers(5, frames, people, 0), 0x40 | skeleton, layout=0)
    assert len(data) < 20 and read(data)[0].frames == frames
    tracemalloc.start()
    with pytest.raises(
        CorruptError, match="hardly ever there, would need .* bytes justify .* pass --max-memory|more than"
    ):
        CODEC.decode(data)
    assert tracemalloc.get_traced_memory()[1] < FREE
    tracemalloc.stop()
    few = CODEC.decode(data, frames=slice(10, 20), people=["0"])  # a part is little
    assert few.frames == 10 and not few.valid.any()


def test_frames_of_nobody_are_refused_before_room_is_made_for_doubles():
    """Floats of so many frames would be justified."""
    still = PoseSequence.from_arrays(np.full((16, 1, 19, 3), 0.1), fps=30.0, unit="mm", up="y", exact=True)
    header, chunks = read(CODEC.encode(still, lossless=True).data)
    data = write(replace(header, frames=150_000, guarantee=None), chunks)
    tracemalloc.start()
    with pytest.raises(CorruptError, match="150000 frames .* hardly ever there, would need 76"):
        CODEC.decode(data)
    assert tracemalloc.get_traced_memory()[1] < FREE / 4
    tracemalloc.stop()


def test_a_limit_that_is_set_says_otherwise():
    data = forged(0, numbers(5, 7800, 1, 0), 0x50, layout=0)
    set_memory_limit("1GiB")
    assert CODEC.decode(data).frames == 7800
    set_memory_limit("60MB")
    with pytest.raises(
        CorruptError, match="7800 frames .* would need 64.6 MiB, more than the 57.2 MiB .* --max-memory"
    ):
        CODEC.decode(data)


def test_chunks_that_do_not_decode_take_nothing():
    frames = 1 << 20
    header = variant(weights=b"", frames=frames, tracks=(Track(0, 0, frames),), skeleton=HOLISTIC)
    data = write(header, [Chunk(b"\x80")] * header.chunk_count)
    tracemalloc.start()
    with pytest.raises(CorruptError, match="exact chunk"):
        CODEC.decode(data)
    assert tracemalloc.get_traced_memory()[1] < FREE
    tracemalloc.stop()


JSON = {
    "dicts": b"{},", "lists": b"[],", "nested": b"[[[[[[[[]]]]]]]],", "numbers": b"1,", "floats": b"1.5,",
    "texts": b'"a",', "pairs": b'{"a":1},',
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_metadata_that_unpack_to_much(name):
    text = b'{"a":[' + JSON[name] * (4_000_000 // len(JSON[name])) + b"0]}"
    assert_refused(forged(SIMPLE | NOTED, numbers(5, 0) + packed(text)), "the metadata would need")
    text = b'{"channels":{"data":"a"},"a":[' + JSON[name] * (4_000_000 // len(JSON[name])) + b"0]}"
    assert_refused(forged(SIMPLE | NOTED, numbers(5, 0) + packed(text)), "the metadata would need")


@pytest.mark.parametrize("name", JSON)
def test_a_mebibyte_of_metadata_is_read_within_what_is_free(name):
    text = b'{"a":[' + JSON[name] * (((1 << 20) - 64) // len(JSON[name])) + b"0]}"
    data = forged(SIMPLE | NOTED, numbers(5, 0) + packed(text))
    tracemalloc.start()
    assert len(read(data)[0].metadata["a"]) > 50_000
    assert tracemalloc.get_traced_memory()[1] < FREE
    tracemalloc.stop()


def spelled(**fields) -> bytes:
    values = {"name": "x", "keypoints": ["a", "b"], "edges": [], "pairs": [], "root": None, **fields}
    return forged(SIMPLE | SPELLED, numbers(5, 0) + packed(json.dumps(values, separators=(",", ":")).encode()), 0x5F)


def test_skeletons_of_much():
    assert len(read(spelled(edges=[[0, 1]] * MAX_EDGES))[0].skeleton.edges) == MAX_EDGES
    assert_refused(spelled(edges=[[0, 1]] * (MAX_EDGES + 1)), "4097 edges")
    for key in ("edges", "keypoints", "pairs"):
        assert_refused(spelled(**{key: [{}] * 500_000}), "the skeleton would need")
    with pytest.raises(InputError, match="4097 edges"):
        write(variant(skeleton=Skeleton("x", ("a", "b"), ((0, 1),) * (MAX_EDGES + 1))), [Chunk(b"")])
    with pytest.raises(InputError, match="a skeleton of 2,000,.* bytes"):
        write(variant(skeleton=Skeleton("x", ("a" * 2_000_000,))), [Chunk(b"")])


def test_times_that_follow_a_rule(monkeypatch):
    count = 1 << 21
    data = pack_floats(np.arange(1 << 12) / 32.0)
    for frames in (count, 1 << 24):
        assert_refused(forged(SIMPLE | TIMED, numbers(frames, len(data)) + data), f"timestamps of {frames} frames")
    times = np.arange(count) / 32.0
    monkeypatch.setattr(floats, "pack_floats", lambda values: data)  # which takes 15 s for so many
    with pytest.raises(InputError, match="give fps instead"):
        write(variant(fps=None, timestamps=times, frames=count, tracks=()), [])


def test_tracks_of_one_person_do_not_overlap():
    for tracks in ([(0, 0, 300)] * 20, [(0, 0, 100), (0, 99, 1)], [(0, 50, 10), (0, 0, 51)]):
        listed = [number for track in tracks for number in track]
        rest = numbers(5, 300, 2, len(tracks), *listed, *[0] * len(tracks))
        assert_refused(forged(0, rest, layout=0), "overlapping")
    apart = [(0, 50, 10), (1, 0, 300), (0, 0, 50)]
    rest = numbers(5, 300, 2, 3, *(number for track in apart for number in track), 0, 0, 0)
    assert len(PosecFile(forged(0, rest, layout=0)).header.tracks) == 3


def test_people():
    assert_refused(forged(0, numbers(5, 10, MAX_PEOPLE + 1, 0), layout=0), "people")
    with pytest.raises(InputError, match="65537 people; at most 65536"):
        write(variant(frames=1, ids=tuple(map(str, range(MAX_PEOPLE + 1))), tracks=()), [])


def test_metadata_beyond_a_mebibyte_are_not_written_and_channels_are():
    with pytest.raises(InputError, match="metadata of 1,100,.* bytes; at most 1,048,576"):
        write(variant(metadata={"a": "x" * 1_100_000}), [Chunk(b"")])
    noise = np.random.default_rng(0).normal(size=(20_000, 60)).astype(np.float32)
    metadata = {"a": "x" * 1_000_000, **store_channels([Channel("many", "angles", "deg", noise)])}
    found = read(write(variant(metadata=metadata), [Chunk(b"")]))[0].metadata
    assert len(metadata[KEY]["data"]) > 4_000_000 and found == metadata
    assert_array_equal(read_channels(found)[0].values, noise)


def test_channels_that_unpack_to_much():
    count = 1 << 22
    data = zstandard.ZstdCompressor(level=19).compress(bytes(count // 8 + 5 * 16 * count))
    bomb = {"frames": count, "list": [["a", "b", "", 16, 0.0, 0]], "data": base64.b85encode(data).decode()}
    assert len(bomb["data"]) < 20_000
    tracemalloc.start()
    with pytest.raises(InputError, match="channels of 67108864 numbers would need"):
        read_channels({KEY: bomb})
    assert tracemalloc.get_traced_memory()[1] < FREE
    tracemalloc.stop()
    with pytest.raises(InputError, match="hardly ever change"):
        store_channels([Channel("a", "b", "", np.zeros((1 << 18, 20), np.float32))])
    wide = store_channels([Channel("a", "b", "", np.zeros((1 << 14, 250), np.float32))])  # just what is free
    tracemalloc.start()
    assert read_channels(wide)[0].values.shape == (1 << 14, 250)
    assert tracemalloc.get_traced_memory()[1] < 1.1 * FREE
    tracemalloc.stop()


GOALS = ({}, {"mean_error": 10}, {"bitrate": 5.0}, {"max_error": 5})


@pytest.mark.parametrize("goal", [{}, {"max_error": 50}], ids=["quality", "bound"])
def test_hours_of_hardly_anybody_are_written_so_that_they_are_read(goal):
    sequence = walk(40)
    positions = np.full((300_000, 1, 19, 3), np.nan, np.float32)
    positions[7_000:7_040], positions[100_000:100_040] = sequence.positions, sequence.positions
    sequence = PoseSequence.from_arrays(positions, fps=30, skeleton=sequence.skeleton, unit="mm", up="y")
    encoded = CODEC.encode(sequence, **goal)
    kinds = [chunk.kind for chunk in container.read(encoded.data)[1]]
    assert kinds.count(ChunkKind.LOSSLESS) > 200 and len(encoded.data) < 20_000
    found = CODEC.decode(encoded.data)
    assert verify(encoded.header, found, len(encoded.data), sequence).kept
    assert found.valid.sum() == 80 * 19


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: next(iter(goal), "quality"))
def test_what_is_promised_of_nobody(goal):
    nobody = PoseSequence.from_arrays(np.full((300, 1, 19, 3), np.nan), fps=30)
    encoded = CODEC.encode(nobody, **goal)
    assert (encoded.header.guarantee is None) == (goal == {})
    assert verify(encoded.header, CODEC.decode(encoded), len(encoded.data), nobody).kept
    with pytest.raises(InputError, match="less than the least"):
        CODEC.encode(nobody, bitrate=0.01)


def test_wide_files_of_hardly_anybody():
    points = build_skeleton(543)
    tracks, origin = (Track(1, 100, 5),), (1.0, 2.0, 3.0)
    header = variant(weights=b"", frames=3000, ids=("a", "b"), tracks=tracks, skeleton=points, origin=origin)
    covered, chunks = cover_missing(header, [Chunk(b"x")], 100)
    assert covered.tracks == (Track(0, 0, 3000), Track(1, 0, 100), Track(1, 100, 5), Track(1, 105, 2895))
    assert chunks[4].base == b"x" and covered.chunk_count == len(chunks)
    found = CODEC.decode(write(covered, chunks), people=["a"])
    assert found.positions.dtype == np.float64 and not found.valid.any()
