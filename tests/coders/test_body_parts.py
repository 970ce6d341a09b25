"""A body inside a larger skeleton: split by name, coded in two parts, never larger, within every goal, safe when forged."""

from dataclasses import replace

import numpy as np
import pytest
from coding import add_fingers, as_smpl22, assert_kept, hidden, kinds_of, write_streams
from conftest import CONFORMANCE, flat_walk

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.bench.untrained_skeletons import make_hand_pose
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.presence import write_presence
from posecodec.coders.body_parts import BodyPartsCoder
from posecodec.coders.body_split import BodySplit, anchor_fields, choose_anchors, normalize_name
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.transform.stream import write_motion
from posecodec.entropy.range_coder import RangeEncoder
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.pose.skeletons.builtin import BODY25, BUILT_IN, COCO19, MEDIAPIPE33, SMPL22, build_skeleton
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol.coder_choice import Choice

CODEC = PoseCodec()
FOLDER = CONFORMANCE / "parts"
HAND_EDGES = tuple((0 if j == 0 else 4 * f + j, 1 + 4 * f + j) for f in range(5) for j in range(4))


def with_hands(body, scale=1.0, prefix="", joined=True, seed=0):
    """A recording of a body with two hands by rule, on its wrists."""
    rng, frames = np.random.default_rng(seed), body.frames
    points, names, edges = [body.positions[:, 0].astype(np.float64)], list(body.skeleton.keypoints), []
    for side in ("left", "right"):
        wrist, first = COCO19.keypoints.index(f"{side}_wrist"), len(names)
        fingers = make_hand_pose(rng, frames, body.rate)[..., : body.dims] * scale
        points.append(points[0][:, wrist, None] + fingers - fingers[:, :1])
        names += [f"{side}_hand/{i}" for i in range(21)]
        edges += [(a + first, b + first) for a, b in HAND_EDGES] + [(wrist, first)] * joined
    skeleton = Skeleton("hands", tuple(prefix + n for n in names), (*COCO19.edges, *edges))
    whole = np.concatenate(points, 1)
    return PoseSequence.from_arrays(whole, fps=body.fps, skeleton=skeleton, unit=body.unit, up=body.up)


def kinds(encoded):
    return [chunk.kind for chunk in container.read(encoded.data)[1]]


def whole_only(monkeypatch):
    monkeypatch.setattr(BodyPartsCoder, "supports", lambda coder, chunk: False)


def errors(sequence, back):
    assert (back.valid == sequence.valid).all() and back.skeleton == sequence.skeleton
    apart = back.positions.astype(np.float64) - sequence.positions
    return np.linalg.norm(apart, axis=-1)[sequence.valid]


T = 48
SOLID, FLAT = with_hands(walk(T)), with_hands(flat_walk(T), 0.25)
LOOSE = with_hands(walk(40), prefix="pose/", joined=False)
K = len(SOLID.skeleton)
RNG = np.random.default_rng(5)
GONE = {
    "wrists": np.isin(np.arange(K), [5, 11]) & (np.arange(T) < 30)[:, None],
    "the body, at times": (np.arange(K) < 19) & ((np.arange(T) > 20) & (np.arange(T) < 35))[:, None],
    "arms, always": np.isin(np.arange(K), [4, 5, 10, 11]) & np.ones((T, 1), bool),
    "a hand": (np.arange(K) > 39) & (np.arange(T) < 35)[:, None],
    "somewhere": RNG.random((T, K)) < 0.2,
}
RECORDINGS = {
    "3D": SOLID,
    "2D": FLAT,
    "loose": LOOSE,
    **{name: hidden(SOLID, gone[:, None]) for name, gone in GONE.items()},
}
each = pytest.mark.parametrize("sequence", RECORDINGS.values(), ids=RECORDINGS)


def test_normalize_names():
    found = ["NOSE", "pose/NOSE", "RShoulder", "pose/RightShoulder", "leftEye", "a/b/left_hip", "MidHip", "wrist", ""]
    assert [normalize_name(name) for name in found] == [
        "nose", "nose", "right_shoulder", "right_shoulder", "left_eye", "left_hip", "mid_hip", "wrist", "",
    ]  # fmt: skip


def test_a_skeleton_in_two():
    parts = BodySplit.from_skeleton(SOLID.skeleton)
    assert parts.body == tuple(range(19)) and parts.rest == tuple(range(19, 61)) and not parts.loose
    assert parts.anchors == (5,) * 21 + (11,) * 21
    assert parts.body_skeleton.edges == COCO19.edges and parts.rest_skeleton.edges[0] == (0, 1)
    other = BodySplit.from_skeleton(BODY25)
    toes = {BODY25.keypoints[k]: a for k, a in zip(other.rest, other.anchors, strict=True)}
    assert BODY25.keypoints[toes["left_small_toe"]] == "left_ankle" and len(toes) == 6
    assert len(BodySplit.from_skeleton(SMPL22).body) == 13 and len(BodySplit.from_skeleton(MEDIAPIPE33).rest) == 16


@pytest.mark.parametrize(
    "names", [COCO19.keypoints, ("nose", "tail"), ("a", "b"), ("pose/NOSE", "face/nose", "x"), ("neck", "nose")]
)
def test_no_parts_without_a_body_or_without_more(names):
    assert BodySplit.from_skeleton(Skeleton("any", tuple(names))) is None


@pytest.mark.parametrize(
    ("name", "body", "keypoints"),
    [
        ("smplh52", "smpl22", 22),
        ("openpose137", "body25", 25),
        ("mediapipe75", "mediapipe35", 33),
        ("h36m32", "h36m17", 17),
    ],
)
def test_a_body_inside_a_larger_skeleton_is_the_trained_one(name, body, keypoints):
    parts = CODEC.coders.body_parts
    split = parts.find_split(BUILT_IN[name], 3)
    assert CODEC.coders.transform.tables.bodies[split.number].skeleton.name == body and len(split.body) == keypoints
    assert body not in BUILT_IN or (known := parts.find_split(BUILT_IN[body], 3)) is None or known.number == 0
    assert parts.find_split(SOLID.skeleton, 3).number == 0  # no other has more than coco19


def chunk_size(data):
    """Bytes of the one chunk of a file."""
    (chunk,) = container.read(data)[1]
    return chunk.size


def test_files_that_name_a_trained_body_are_of_version_4():
    body = as_smpl22(walk(90))
    sequence = add_fingers(body)
    encoded = CODEC.encode(sequence, mean_error=10.0)
    assert encoded.data[3] & 15 == 4 and kinds_of(encoded.data) == {ChunkKind.PARTS}
    assert errors(sequence, CODEC.decode(encoded)).mean() <= 10.0
    assert container.write(*container.read(encoded.data)) == encoded.data
    assert CODEC.encode(body, mean_error=10.0).data[3] & 15 == 3


def test_what_hangs_on_a_body_and_is_never_seen_costs_next_to_nothing():
    body = as_smpl22(walk(90))
    fingered = add_fingers(body)
    gone = np.arange(len(fingered.skeleton)) >= len(body.skeleton)
    bare = hidden(fingered, np.broadcast_to(gone, fingered.valid.shape))
    encoded = CODEC.encode(bare, mean_error=10.0)
    assert_kept(bare, CODEC.decode(encoded))
    assert chunk_size(encoded.data) - chunk_size(CODEC.encode(body, mean_error=10.0).data) < 40


@pytest.mark.parametrize(("number", "windows"), [(15, False), (2, True)])
def test_bodies_that_cannot_be_are_refused(number, windows):
    sequence = add_fingers(as_smpl22(walk(20)))
    encoder = split_sequence(sequence)[0].begin(ChunkKind.PARTS, windows=windows)
    encoder.put_bits(number, 4)
    header, _ = container.read(CODEC.encode(sequence, mean_error=10.0).data)
    with pytest.raises(CorruptError, match="a chunk of a body and more"):
        CODEC.coders.body_parts.decode(Chunk(encoder.finish()), ChunkContext.from_header(header, 20))


def test_the_first_of_a_name_is_the_bodys():
    parts = BodySplit.from_skeleton(Skeleton("any", ("face/nose", "NOSE", "neck", "tail")))
    assert parts.body == (0, 2) and parts.rest == (1, 3) and parts.loose == (0, 1)


def test_loose_keypoints_hang_on_what_they_move_with():
    split = BodySplit.from_skeleton(LOOSE.skeleton)
    anchors = choose_anchors(split, LOOSE.positions[:, 0].astype(float))
    assert anchors == (5,) * 21 + (11,) * 21
    assert anchor_fields(split, anchors) == ((5, 5), (20, 6), (11, 5), (20, 6))


GOALS = [{}, {"max_error": 4.0}, {"mean_error": 10.0}, {"mean_error": 60.0}, {"bitrate": 12.0}]


@each
@pytest.mark.parametrize("goal", [{"max_error": 4.0}, {"mean_error": 10.0}], ids=str)
def test_targets_are_kept_and_parts_are_never_larger(sequence, goal, monkeypatch):
    encoded = CODEC.encode(sequence, **goal)
    found = errors(sequence, CODEC.decode(encoded))
    assert found.max() <= goal.get("max_error", np.inf) and found.mean() <= goal.get("mean_error", np.inf) * (1 + 1e-6)
    whole_only(monkeypatch)
    assert len(encoded.data) <= len(CODEC.encode(sequence, **goal).data)


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_parts_pay_where_bones_keep_their_length(goal):
    encoded = CODEC.encode(SOLID, **goal)
    assert [kind.label for kind in kinds(encoded)] == ["parts"]
    back = CODEC.decode(encoded)
    errors(SOLID, back)
    if "bitrate" in goal:
        assert 8e-3 * len(encoded.data) * 30 / T <= 12
    assert CODEC.encode(SOLID, **goal).data == encoded.data
    assert CODEC.decode(encoded).positions.tobytes() == back.positions.tobytes()


def test_the_default_quality_is_no_worse_than_the_whole(monkeypatch):
    ours = CODEC.encode(SOLID)
    near = errors(SOLID, CODEC.decode(ours)).sum()
    whole_only(monkeypatch)
    whole = CODEC.encode(SOLID)
    assert near <= errors(SOLID, CODEC.decode(whole)).sum() * (1 + 1e-6) and len(ours.data) < 0.97 * len(whole.data)


@pytest.mark.parametrize("gone", ["body", "rest"])
def test_without_one_part_the_other_is_coded_as_a_whole(gone):
    places = np.arange(K) < 19
    sequence = hidden(SOLID, np.broadcast_to(places if gone == "body" else ~places, (T, 1, K)))
    encoded = CODEC.encode(sequence, max_error=5.0)
    assert len(encoded.header.tracks) == 1 and ChunkKind.PARTS not in kinds(encoded)
    assert errors(sequence, CODEC.decode(encoded)).max() <= 5


def test_one_frame_and_several_people():
    two, one = np.concatenate([SOLID.positions, SOLID.positions + 700], 1), SOLID.positions[:1]
    for points in (two, one):
        sequence = PoseSequence.from_arrays(points, fps=30, skeleton=SOLID.skeleton, unit="mm", up="y")
        assert errors(sequence, CODEC.decode(CODEC.encode(sequence, max_error=6.0))).max() <= 6


def test_confidences_and_lossless_are_as_ever():
    sure = np.rint(255 * RNG.uniform(0.2, 1, SOLID.valid.shape)) / 255
    sequence = SOLID.with_positions(SOLID.positions, sure.astype(np.float32))
    encoded = CODEC.encode(sequence, max_error=5.0)
    assert kinds(encoded) == [ChunkKind.PARTS]
    np.testing.assert_allclose(CODEC.decode(encoded).confidence, sequence.confidence, atol=1e-6)
    exact = CODEC.decode(CODEC.encode(sequence, lossless=True))
    assert exact.positions.tobytes() == sequence.positions.tobytes()


def test_bodies_alone_are_never_in_parts(monkeypatch):
    made = CODEC.encode(walk(40), max_error=5.0).data
    monkeypatch.setattr(BodyPartsCoder, "encode", None)
    assert CODEC.encode(walk(40), max_error=5.0).data == made


def test_windows_alone_are_refused(tiny_codec):
    with pytest.raises(InputError, match="cannot code 42 of the keypoints"):
        tiny_codec.encode_windows(SOLID, 208)


def by_windows(codec, sequence, qp=120):
    """A file in parts whose body is windows, whatever it costs; and what its encoder says of it."""
    (chunk,) = split_sequence(sequence)
    made = codec.coders.body_parts.encode(chunk, qp, windows_qp=150)
    return codec._pack(sequence, [chunk], Choice([made.chunk])), made


@pytest.mark.parametrize("dims", [2, 3])
def test_a_body_of_windows(dims, tiny_codec, tiny_codec_2d, other_codec):
    codec, sequence = (tiny_codec, SOLID) if dims == 3 else (tiny_codec_2d, FLAT)
    encoded, made = by_windows(codec, sequence)
    assert made.chunk.needs_body_weights and made.chunk.kind == ChunkKind.PARTS
    assert encoded.header.weights == codec.weights.id
    found = errors(sequence, codec.decode(encoded))
    assert (found.sum(), found.max()) == pytest.approx((made.total_error, made.max_error), rel=1e-5)
    with pytest.raises(WeightsError):
        CODEC.decode(encoded)


def test_the_encoder_may_choose_windows_for_the_body(tiny_codec):
    shipped = PoseCodec.from_pretrained("windows3d")
    for codec, error in ((tiny_codec, 40.0), (tiny_codec, 80.0), (shipped, 60.0)):
        ours, plain = codec.encode(SOLID, mean_error=error), CODEC.encode(SOLID, mean_error=error)
        assert len(ours.data) <= len(plain.data)
        assert errors(SOLID, codec.decode(ours)).mean() <= error * (1 + 1e-6)
    assert ours.header.weights == shipped.weights.id, "windows of trained weights are smaller"


def forged(encoded, data, **changes):
    header = replace(encoded.header, guarantee=None, **changes)
    return container.write(header, [Chunk(data)])


def refused(data, codec=CODEC):
    with pytest.raises(CorruptError, match="get the file again|get it again"):
        codec.decode(data)


def chunk_of(sequence, write):
    """A chunk that begins as one in parts and goes on as told."""
    encoder = RangeEncoder()
    write_presence(encoder, ChunkKind.PARTS, split_sequence(sequence)[0].presence)
    write(encoder)
    return encoder.finish()


@pytest.mark.parametrize("runs", [[(31, 0)], [(18, 5), (19, 35)], [(0, 42)], [(5, 20), (11, 21)]], ids=str)
def test_forged_anchors(runs):
    def write(encoder):
        for anchor, more in runs:
            encoder.put_bits(anchor, 5)
            encoder.put_bits(more, 6)

    encoded = CODEC.encode(LOOSE, max_error=20.0)
    refused(forged(encoded, chunk_of(LOOSE, write)))


def test_parts_of_a_skeleton_that_has_none():
    encoded = CODEC.encode(SOLID, max_error=20.0)
    data = container.read(encoded.data)[1][0].base
    for skeleton in (build_skeleton(K), Skeleton("x", tuple(f"x{i}" for i in range(K)))):
        refused(forged(encoded, data, skeleton=skeleton))
    refused(forged(CODEC.encode(walk(T), max_error=20.0), data))


def test_a_rest_in_the_polar_basis():
    plan = CODEC.coders.body_parts.plan(split_sequence(SOLID)[0])

    def write(encoder):
        write_motion(encoder, plan.bodies[0], 100, CODEC.coders.transform.tables.model)
        encoder.put_bits(0, 1)

    refused(forged(CODEC.encode(SOLID, max_error=20.0), chunk_of(SOLID, write)))


def test_windows_that_no_weights_are_named_for(tiny_codec):
    encoded, made = by_windows(tiny_codec, SOLID)
    refused(forged(encoded, made.chunk.base, weights=b""), tiny_codec)
    refused(forged(encoded, made.chunk.base, transform=b""), tiny_codec)


def test_whole_windows_in_a_larger_skeleton(tiny_codec):
    encoded, _ = by_windows(tiny_codec, SOLID)
    data = container.read(tiny_codec.encode_windows(walk(T), 224).data)[1][0].base
    refused(forged(encoded, data), tiny_codec)


@pytest.mark.parametrize("windows", [False, True])
def test_bytes_cut_short_or_changed_are_refused_or_decode(windows, tiny_codec):
    encoded = by_windows(tiny_codec, SOLID)[0] if windows else CODEC.encode(LOOSE, mean_error=30.0)
    data = container.read(encoded.data)[1][0].base
    assert ChunkKind.read_from(data) == ChunkKind.PARTS
    rng = np.random.default_rng(1)
    for trial in range(60):
        bad = bytearray(data[: int(rng.integers(1, len(data)))] if trial % 2 else data)
        bad[int(rng.integers(0, min(len(bad), 60)))] ^= 1 << int(rng.integers(0, 8))
        try:
            tiny_codec.decode(forged(encoded, bytes(bad)))
        except CorruptError:
            pass


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_files_cut_short_are_refused(share):
    data = CODEC.encode(SOLID, max_error=10.0).data
    refused(data[: int(len(data) * share)])


# Streams of tests/conformance. `PYTHONPATH=tests python tests/coders/test_body_parts.py` writes them anew.

MADE = {
    "solid": (lambda: with_hands(walk(60)), {"max_error": 3.0}),
    "flat": (lambda: with_hands(flat_walk(60), 0.25), {"mean_error": 2.0}),
    "loose": (lambda: with_hands(walk(60), prefix="pose/", joined=False), {}),
}


if __name__ == "__main__":
    write_streams(CODEC, FOLDER, MADE)
