"""Bodies that something is learned of: found by name, by edges, by other spellings; said in the chunk where need be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from coding import as_pixels, as_smpl22, assert_kept, hidden, rename
from conftest import rng

from posecodec import PoseCodec, PoseSequence
from posecodec.bitstream import container
from posecodec.bitstream.exp_golomb import put_raw
from posecodec.coders.chunk import split_sequence
from posecodec.coders.transform.basis_choice import choose_body
from posecodec.coders.transform.bodies import BODY_BITS, TRAINED, match_by_name, offer_matches, read_match
from posecodec.coders.transform.body_guess import guess_places
from posecodec.coders.transform.graph_fourier import GraphBasis
from posecodec.coders.transform.weights import EARLIER, find_other, load_built_in
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, MEDIAPIPE33, SMPL22, build_skeleton
from posecodec.pose.synthetic import walk

CODEC = PoseCodec()
TABLES = load_built_in()[1]


def basis_of(sequence: PoseSequence):
    return CODEC.coders.transform.basis(split_sequence(sequence)[0])


def test_there_are_tables_for_every_body_in_3d_and_2d():
    assert [body.skeleton for body in TABLES.bodies] == [body.skeleton for body in TABLES.flat_bodies]
    assert tuple(body.skeleton for body in TABLES.bodies) == tuple(TRAINED.values())
    assert len(TABLES.bodies) <= 1 << BODY_BITS


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("coco17", "coco19"),
        ("coco18", "coco19"),
        ("smpl22", "smpl22"),
        ("mediapipe33", "mediapipe35"),
        ("body25", "body25"),
    ],
)
def test_a_skeleton_is_the_smallest_body_that_has_its_names(name, body):
    match = match_by_name(BUILT_IN[name], TABLES.bodies)
    assert match.body.skeleton.name == body and not match.fields
    assert [match.body.skeleton.keypoints[k] for k in match.places] == list(BUILT_IN[name].keypoints)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("dims", [2, 3])
def test_bases_undo_themselves(name, dims):
    body = next(body for body in TABLES.list_bodies(dims) if body.skeleton.name == name)
    points = rng(3).normal(scale=300, size=(40, len(body.skeleton), dims))
    match = offer_matches(body.skeleton, TABLES.list_bodies(dims))[0]
    choice = choose_body(points, match, body.skeleton, "y" if dims == 3 else "-y", 30.0)
    np.testing.assert_allclose(choice.reconstruct(choice.channels), points, atol=1e-6)


GOALS = [{}, {"max_error": 4.0}, {"mean_error": 20.0}]


@pytest.mark.parametrize("goal", GOALS, ids=str)
@pytest.mark.parametrize(
    "make", [lambda: as_smpl22(walk(150, people=2)), lambda: as_pixels(walk(150)), lambda: rename(as_smpl22(walk(150)))]
)
def test_files_of_bodies_keep_everything(make, goal):
    sequence = make()
    gone = rng(1).random(sequence.valid.shape) < 0.1
    for clip in (sequence, hidden(sequence, gone)):
        back = CODEC.decode(CODEC.encode(clip, **goal))
        assert_kept(clip, back)
        apart = np.linalg.norm(back.positions - clip.positions, axis=-1)[clip.valid]
        assert apart.max() <= goal.get("max_error", np.inf) and apart.mean() <= goal.get("mean_error", 20.0)


def test_a_trained_body_takes_fewer_bytes_than_a_graph(monkeypatch):
    clip = as_smpl22(walk(300))
    trained = len(CODEC.encode(clip, mean_error=10.0).data)
    assert not basis_of(clip).is_generic
    monkeypatch.setattr("posecodec.coders.transform.basis_choice.offer_matches", lambda *given: [])
    assert trained < 0.8 * len(PoseCodec().encode(clip, mean_error=10.0).data)


@pytest.mark.parametrize(
    ("clip", "fields"),
    [(as_smpl22(walk(200)), 0), (rename(as_smpl22(walk(200))), 2), (as_pixels(walk(200)), 0), (rename(walk(200)), 2)],
)
def test_what_a_chunk_says_of_its_body(clip, fields):
    choice = basis_of(clip)
    assert not isinstance(choice.basis, GraphBasis)
    found = offer_matches(clip.skeleton, TABLES.list_bodies(clip.dims))
    assert len(found[0].fields) == fields
    encoder = RangeEncoder()
    for value, bits in found[0].fields:
        put_raw(encoder, value, bits)
    again = read_match(RangeDecoder(encoder.finish()), clip.skeleton, TABLES.list_bodies(clip.dims))
    assert again.body is found[0].body and again.places == found[0].places


def test_other_spellings_are_known_and_said():
    names = tuple(name.replace("left_", "L").replace("right_", "R").title() for name in SMPL22.keypoints)
    clip = as_smpl22(walk(120))
    spelled = replace(clip, skeleton=Skeleton("rig", names))
    match = offer_matches(spelled.skeleton, TABLES.bodies)[0]
    assert match.body.skeleton == SMPL22 and match.places == tuple(range(22))
    back = CODEC.decode(CODEC.encode(spelled, max_error=5.0))
    assert_kept(spelled, back)
    some = tuple(range(20, -1, -1))
    fewer = Skeleton("rig", tuple(names[k] for k in some))
    match = offer_matches(fewer, TABLES.bodies)[0]
    assert match.places == some and len(match.fields) == 2 + len(some)


def test_nothing_is_guessed_of_what_is_no_body():
    for skeleton in (BUILT_IN["hand21"], build_skeleton(19), build_skeleton(300), BUILT_IN["holistic543"]):
        assert not any(guess_places(skeleton, body) for body in TRAINED.values())
    assert guess_places(MEDIAPIPE33, TRAINED["mediapipe35"])


def test_edges_of_a_body_under_what_is_none_are_coded_by_a_graph():
    points = np.cumsum(rng(2).normal(size=(100, 22, 3)), axis=0)
    clip = PoseSequence.from_arrays(points, fps=30, skeleton=rename(as_smpl22(walk(5))).skeleton, unit="mm", up="y")
    back = CODEC.decode(CODEC.encode(clip, max_error=0.5))
    assert np.linalg.norm(back.positions - clip.positions, axis=-1).max() <= 0.5


@pytest.mark.parametrize("fields", [((15, 4),), ((0, 4),), ((1, 4), (0, 1)), ((2, 4), (0, 1), *((3, 5),) * 19)])
def test_what_cannot_be_a_match_is_none(fields):
    encoder = RangeEncoder()
    for value, bits in fields:
        put_raw(encoder, value, bits)
    names = build_skeleton(19 if fields[0][0] else 20)
    assert read_match(RangeDecoder(encoder.finish()), names, TABLES.bodies) is None


def test_files_of_earlier_weights_are_read_with_them():
    sequence = walk(60)
    codec = PoseCodec()
    for name in EARLIER:
        weights, tables = load_built_in(name)
        bodies = (1, 0) if name == "transform-0.5" else (10, 10)
        assert find_other(weights.id) == name and (len(tables.bodies), len(tables.flat_bodies)) == bodies
        assert not tables.model.is_dependent and codec.coders.transform.tables.model.is_dependent
        header, chunks = container.read(CODEC.encode(as_pixels(sequence)).data)
        assert codec.coders.suit(header) is codec.coders
        other = codec.coders.suit(replace(header, transform=weights.id))
        assert other.transform.weights.sha256 == weights.sha256
        old = PoseCodec()
        old.coders = other
        old.rate_control.coders = other
        for clip in (sequence, as_smpl22(sequence), as_pixels(sequence), rename(sequence)):
            data = old.encode(clip, max_error=3.0).data
            assert container.read(data)[0].transform == weights.id
            back = codec.decode(data)
            assert np.linalg.norm(back.positions - clip.positions, axis=-1).max() <= 3.0
