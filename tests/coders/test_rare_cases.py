"""What recordings hardly ever bring about: coordinates too far off, bodies without their middles, noise read as a stream.

Those called `forged_integers` run once more with kernels as Python, for coverage (`bin/test`).
"""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from conftest import flat_walk, load_shipped, rng

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.bitstream.container import Chunk
from posecodec.coders.body_split import BodySplit
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.transform import magnitudes, trellis
from posecodec.coders.transform.stream import write_motion
from posecodec.coders.windows import prior
from posecodec.coders.windows.prior import PriorCoder
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17, COCO19, build_skeleton
from posecodec.pose.synthetic import walk

CODERS = PoseCodec().coders
HANDED = Skeleton("handed", (*COCO17.keypoints, "left_hand/0", "left_hand/1"), ((9, 17), (17, 18)))
TAILS = {"nothing": b"", "zeros": b"\0" * 150, "ones": b"\xff" * 150, "noise": rng(3).bytes(150)}


def chunk_of(sequence):
    (chunk,) = split_sequence(sequence, whole=True)
    context = ChunkContext(sequence.frames, sequence.skeleton, sequence.dims, sequence.up, sequence.rate, sequence.unit)
    return chunk, context


def wander(frames, skeleton, size=10.0):
    points = rng().normal(scale=size, size=(frames, len(skeleton), 3)).cumsum(axis=0)
    return PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="mm", up="y")


def decodes_or_is_corrupt(coder, data, context):
    try:
        assert coder.decode(Chunk(data), context).positions.shape[0] == context.frames
    except CorruptError:
        pass


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
@pytest.mark.parametrize("kept", [1, 8, 11, 14])
def test_forged_integers_of_the_transform(kept, tail):
    chunk, context = chunk_of(wander(16, build_skeleton(2)))
    data = CODERS.transform.encode(chunk, 40, max_error=0.5).chunk.base
    decodes_or_is_corrupt(CODERS.transform, data[:kept] + tail, context)


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_forged_integers_of_windows(tail):
    coder = load_shipped("windows2d").coders.windows
    chunk, context = chunk_of(flat_walk(16))
    data = coder.encode_alone(chunk, 200).base
    decodes_or_is_corrupt(coder, data[:9] + tail, context)


def test_forged_integers_larger_than_any():
    data = rng(2).bytes(200)
    rows = np.full_like(CODERS.transform.tables.model.rows, (1 << 16) - 30)  # a one is as good as sure
    with pytest.raises(CorruptError, match="a symbol its model lacks"):
        RangeDecoder(data).run(magnitudes.get_coefficient, rows, 100)
    chances = np.array([30, (1 << 16) - 30, (1 << 16) - 30, (1 << 16) - 30, 1 << 15])
    with pytest.raises(CorruptError, match="a symbol its model lacks"):
        RangeDecoder(data).run(prior._get_value, chances)


def test_forged_integers_are_chosen_by_what_they_cost():
    rows, values = CODERS.transform.tables.model.rows, np.array([1.6, -1.6, 2.6, -2.6])
    chosen = set()
    for place in (0, 40, 100):
        levels, places = np.zeros(4, np.int32), np.full(4, place, np.int16)
        trellis.find_path(values, places, rows, 0.0, trellis.INDEPENDENT, levels)
        assert levels.tolist() == [2, -2, 3, -3]
        trellis.find_path(values, places, rows, 9.0, trellis.DEPENDENT, levels)
        chosen |= set(levels.tolist())
    assert 0 in chosen and max(map(abs, chosen)) <= 4


def test_forged_integers_have_features_within_their_reach():
    tables, values = load_shipped("windows2d").coders.windows.tables, rng().integers(-5000, 5000, (32, 40))
    coder, features = PriorCoder.start(tables.prior, 150), np.zeros((3, 40, prior.FEATURES), np.int32)
    prior.read_features(features, values.astype(np.int32), coder.context(16, False, 3))
    assert 0 < np.abs(features).max() <= 1023


def test_forged_integers_of_a_window_come_back_and_end_where_the_stream_does():
    tables = load_shipped("windows2d").coders.windows.tables
    values = PriorCoder.start(tables.prior, 150).before.copy()
    values[:12] = rng().integers(-3, 4, (12, values.shape[1])) * (rng(1).random((12, values.shape[1])) < 0.2)
    encoder = RangeEncoder()
    told = PriorCoder.start(tables.prior, 150).encode(encoder, values, 64, False)
    data = encoder.finish()
    back, same = PriorCoder.start(tables.prior, 150).decode(RangeDecoder(data), 64, False)
    assert (back == values).all() and (same == told).all() and told.any()
    assert (PriorCoder.start(tables.prior, 150).reconstruct(values, 64, False) == told).all()
    with pytest.raises(CorruptError, match="past its end"):
        PriorCoder.start(tables.prior, 150).decode(RangeDecoder(data[:3]), 64, False)


def test_forged_integers_of_rows_that_do_not_pay_are_left_out():
    prior = load_shipped("windows2d").coders.windows.tables.prior
    targets = np.zeros(prior.expected.shape[1:])
    targets[0], targets[9] = 3.0, 0.8
    values, told = PriorCoder.start(prior, 150).quantize(targets, 64, False, 1.0)
    assert values[0].any() and not values[9].any()
    assert (told == PriorCoder.start(prior, 150).reconstruct(values, 64, False)).all()


def test_weights_that_do_not_say_which_way_is_down_see_images_flipped(token_codec_2d):
    tokenizer = token_codec_2d.tokenizer
    settings = {key: value for key, value in tokenizer.weights.settings.items() if key != "y"}
    old = copy(tokenizer)
    old.weights = replace(tokenizer.weights, settings=settings)
    assert (old.orient("-y") == [[1], [-1]] * tokenizer.orient("-y")).all()


def test_people_without_a_token_are_missing(token_codec):
    grid = token_codec.tokenize(walk(64))[0]
    nobody = replace(grid, indices=grid.indices[:0])
    positions, _, _ = token_codec.tokenizer.detokenize([nobody, grid], None)
    assert np.isnan(positions[:, 0]).all() and not np.isnan(positions[:, 1]).any()


def test_every_coder_says_what_it_supports():
    chunk, _ = chunk_of(walk(10))
    supported = {coder.kind.label for coder in CODERS.by_kind.values() if coder.supports(chunk)}
    assert supported == {"transform", "predictive", "lossless"}


def test_bodies_too_far_off_are_in_no_parts():
    near, far = (wander(20, HANDED), wander(20, HANDED))
    far = far.with_positions(far.positions + np.float32(1e30), far.confidence)
    assert [CODERS.body_parts.supports(chunk_of(sequence)[0]) for sequence in (near, far)] == [True, False]


@pytest.mark.parametrize("skeleton", [HANDED, BUILT_IN["halpe26"], BUILT_IN["mediapipe75"], BUILT_IN["coco133"]])
def test_middles_of_bodies_that_were_not_recorded(skeleton):
    points = rng().normal(size=(4, len(skeleton), 3))
    whole = BodySplit.from_skeleton(skeleton).to_coco19(points, skeleton)
    places = {name: COCO19.keypoints.index(name) for name in COCO19.keypoints}
    assert np.isfinite(whole[:, [places["neck"], places["mid_hip"]]]).all()
    if skeleton is HANDED:
        sides = [places["left_hip"], places["right_hip"]]
        np.testing.assert_allclose(whole[:, places["mid_hip"]], whole[:, sides].mean(axis=1))


def test_middles_of_bodies_whose_keypoints_are_spelled_otherwise():
    skeleton = Skeleton("other", ("LeftShoulder", "RightShoulder", "LeftHip", "RightHip", "Tail"))
    points = rng().normal(size=(4, 5, 3))
    whole = BodySplit.from_skeleton(skeleton).to_coco19(points, skeleton)
    for name, first in (("neck", 0), ("mid_hip", 2)):
        middle = points[:, first : first + 2].mean(axis=1)
        np.testing.assert_allclose(whole[:, COCO19.keypoints.index(name)], middle)


def test_a_refinement_of_keypoints_that_windows_do_not_have():
    chunk, context = chunk_of(wander(16, build_skeleton(4)))
    encoder = RangeEncoder()
    write_motion(encoder, CODERS.transform.basis(chunk), 100, CODERS.transform.tables.model)
    with pytest.raises(CorruptError, match="no windows stand for"):
        CODERS.transform.decode_refinement(Chunk(b"", encoder.finish()), context, np.zeros((16, 19, 3)))


def test_tokens_as_a_candidate(token_codec):
    chunk, _ = chunk_of(walk(40))
    coder = token_codec.coders.tokens
    found = coder.encode(chunk, 2)
    assert coder.supports(chunk) and 0 < found.total_error and found.max_error < 1e5
    assert not coder.supports(chunk_of(wander(10, HANDED))[0])
