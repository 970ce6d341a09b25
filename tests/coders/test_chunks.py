"""Chunks of transform coefficients and exact ones: they decode to what their encoder says, and damage is CorruptError."""

import numpy as np
import pytest
from conftest import BODY, rng
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import PoseSequence, Skeleton
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.lossless import LosslessCoder
from posecodec.coders.transform import basis_choice, stream
from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.coder import TransformCoder
from posecodec.coders.transform.weights import load_built_in
from posecodec.entropy.range_coder import RangeEncoder
from posecodec.errors import CorruptError
from posecodec.kinematics.gap_filling import interpolate_gaps
from posecodec.pose.skeletons.builtin import COCO17, COCO19, build_skeleton

CODER = TransformCoder(*load_built_in())
PERMUTED = Skeleton("mine", tuple(reversed(COCO19.keypoints)))
LOOSE = Skeleton("loose", tuple("abcdefg"), ((5, 6), (3, 4), (2, 6)))


def wander(frames, count, size=30.0):
    return rng(frames).normal(scale=size, size=(frames, count)).cumsum(axis=0)


def cut(sequence):
    """All frames of a sequence's only person as one chunk, and what a decoder knows of it."""
    (chunk,) = split_sequence(sequence, whole=True)
    context = ChunkContext(sequence.frames, sequence.skeleton, sequence.dims, sequence.up, sequence.rate, sequence.unit)
    return chunk, context


def sequence_of(points, skeleton=COCO19, up="y"):
    return PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="mm", up=up)


def with_gaps(points, share=0.3):
    points = np.array(points, np.float64)
    points[rng().random(points.shape[:2]) < share] = np.nan
    points[0, 0] = 1.0
    return points


RECORDINGS = {
    "body": sequence_of(BODY),
    "body with gaps": sequence_of(with_gaps(BODY)),
    "z up": sequence_of(BODY[..., [2, 0, 1]], up="z"),
    "2D": sequence_of(BODY[..., :2]),
    "coco17": sequence_of(BODY[:, [COCO19.keypoints.index(n) for n in COCO17.keypoints]], COCO17),
    "any": sequence_of(wander(60, 21).reshape(60, 7, 3), LOOSE),
    "any with gaps": sequence_of(with_gaps(wander(60, 21).reshape(60, 7, 3)), LOOSE),
    "one frame": sequence_of(BODY[:1]),
    "one keypoint": sequence_of(BODY[:, :1], build_skeleton(1)),
}


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("bound", [None, 2.0])
@pytest.mark.parametrize("qp", [-20, 60, 160])
def test_a_chunk_decodes_to_the_errors_its_encoder_says(name, bound, qp):
    chunk, context = cut(RECORDINGS[name])
    made = CODER.encode(chunk, qp, max_error=bound)
    found = CODER.decode(made.chunk, context)
    errors = np.linalg.norm(chunk.points.astype(float) - found.positions, axis=2)[chunk.presence.mask]
    assert np.array_equal(~np.isnan(found.positions[..., 0]), chunk.presence.mask)
    assert errors.max() == pytest.approx(made.max_error, rel=1e-9, abs=1e-12)
    assert errors.sum() == pytest.approx(made.total_error, rel=1e-9, abs=1e-12)
    assert bound is None or made.max_error <= bound


@pytest.mark.parametrize("name", ["body", "body with gaps", "2D"])
def test_a_guided_chunk_decodes_to_what_its_encoder_says(name):
    chunk, context = cut(RECORDINGS[name])
    whole = interpolate_gaps(chunk.points.astype(float))
    guide = np.nan_to_num(whole + rng().normal(scale=20, size=whole.shape))
    made = CODER.encode_refinement(chunk, 60, guide, b"", max_error=3.0)
    pose = CODER.decode_refinement(made.chunk, context, guide)
    errors = np.linalg.norm(chunk.points.astype(float) - pose.astype(np.float32), axis=2)[chunk.presence.mask]
    assert errors.max() <= 3.0 and errors.max() == pytest.approx(made.max_error, rel=1e-9)


def test_a_body_is_coded_by_the_trained_basis():
    for name in ("body", "z up", "coco17", "one frame"):
        assert isinstance(CODER.basis(cut(RECORDINGS[name])[0]).basis, BoneBasis), name


def test_the_order_of_keypoints_does_not_matter():
    chunk, context = cut(sequence_of(BODY[:, ::-1], PERMUTED))
    usual, _ = cut(sequence_of(BODY))
    assert CODER.encode(chunk, 60).max_error == pytest.approx(CODER.encode(usual, 60).max_error)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_changed_chunks_are_corrupt_or_decode(data):
    name = data.draw(st.sampled_from(["body with gaps", "any with gaps", "2D", "coco17"]))
    chunk, context = cut(RECORDINGS[name])
    stream = bytearray(CODER.encode(chunk, 60, max_error=20.0).chunk.base)
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = CODER.decode(Chunk(bytes(stream)), context)
        assert found.positions.shape == chunk.points.shape
    except CorruptError:
        pass


@given(st.binary(max_size=400), st.sampled_from(["body", "any", "2D", "coco17"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_as_a_chunk_are_corrupt_or_decode(data, name):
    chunk, context = cut(RECORDINGS[name])
    try:
        CODER.decode(Chunk(data), context)
    except CorruptError:
        pass


def test_a_guide_of_coco19_where_17_were_recorded_is_corrupt_or_decodes():
    chunk, context = cut(RECORDINGS["coco17"])
    encoder = RangeEncoder()
    chosen = basis_choice.choose_graph(chunk.points.astype(float), chunk.skeleton)
    stream.write_motion(encoder, chosen, 60, CODER.tables.model, np.zeros((60, 19, 3)))
    encoder.put_bits(0, 1)
    try:
        CODER.decode_refinement(Chunk(b"", encoder.finish()), context, BODY)
    except CorruptError:
        pass


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_as_an_exact_chunk_are_corrupt_or_read(data):
    _, context = cut(RECORDINGS["body"])
    try:
        found = LosslessCoder().decode(Chunk(bytes([ChunkKind.LOSSLESS << 6]) + data), context)
        assert found.positions.shape == (60, 19, 3) and found.confidence.shape == (60, 19)
    except CorruptError:
        pass
