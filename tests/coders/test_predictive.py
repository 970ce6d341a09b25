"""The frame-by-frame coder: what it decodes is within the bound, whatever was recorded; integers alone decide its bytes."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from coding import kinds_of
from conftest import ROOT, flat_walk, rng
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.predictive.coder import PredictiveCoder, read_steps, write_steps
from posecodec.coders.predictive.frames import code_frame
from posecodec.coders.predictive.lattice import FARTHEST, PITCHES, find_nearest, find_within, locate
from posecodec.coders.predictive.model import copy_model, find_parents, start_model
from posecodec.coders.predictive.price import estimate_size
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.pose.synthetic import walk

CODER = PredictiveCoder()


def record(points, dims, seed=0, share=0.0):
    """A recording of (T, K, D) with a share of keypoints missing."""
    points = np.array(points, np.float32)
    gone = rng(seed).random(points.shape[:2]) < share
    gone[:, 0] = False
    points[gone] = np.nan
    names = tuple(f"M{k}" for k in range(points.shape[1]))
    return PoseSequence.from_arrays(points, fps=50, skeleton=Skeleton("some", names, ((0, 2), (2, 1))), unit="mm")


def assert_within(sequence, bound):
    """Each chunk decodes to what is within the bound; the bytes of all."""
    size = 0
    for chunk in split_sequence(sequence):
        made = CODER.encode(chunk, max_error=bound)
        assert made.chunk.kind == ChunkKind.PREDICTIVE
        context = ChunkContext(len(chunk.points), chunk.skeleton, sequence.dims, chunk.up, chunk.rate, chunk.unit)
        back = CODER.decode(made.chunk, context).positions
        mask = chunk.presence.mask
        assert (np.isnan(back).any(axis=2) == ~mask).all()
        off = np.linalg.norm(back[mask].astype(float) - chunk.points[mask].astype(float), axis=-1)
        assert off.max(initial=0) == pytest.approx(made.max_error, rel=1e-9) and made.max_error <= bound
        size += made.size
    return size


@pytest.mark.parametrize("dims", PITCHES)
def test_the_lattice_covers_with_its_radius_and_no_less(dims):
    points = rng().uniform(-50, 50, (200_000, dims))
    off = np.linalg.norm(locate(find_nearest(points, 2.0), 2.0) - points, axis=1)
    assert 1.9 < off.max() <= 2 and (find_nearest(points, 2.0) & 1).std(axis=1).max() == 0
    density = np.pi * 4 if dims == 2 else np.pi * 4 / 3 * 8
    volume = np.prod(2 * np.array(PITCHES[dims]) * 2.0) / 2
    assert density / volume == pytest.approx({2: 1.2092, 3: 1.4635}[dims], abs=1e-4)  # the thinnest coverings


@pytest.mark.parametrize("dims", PITCHES)
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("bound", [0.1, 1.0, 40.0])
def test_walks_come_back_within_the_bound(dims, share, bound):
    points = (walk(90) if dims == 3 else flat_walk(90)).positions[:, 0]
    assert_within(record(points, dims, 1, share), bound)


def test_long_recordings_of_several_people():
    points = rng().normal(size=(1300, 2, 5, 3)).cumsum(axis=0)
    sequence = PoseSequence.from_arrays(points, fps=50, unit="mm", skeleton=Skeleton("five", tuple("abcde")))
    assert_within(sequence, 0.5)


def test_nothing_is_there_but_one_keypoint():
    points = np.full((20, 4, 3), np.nan)
    points[7, 2] = 1.0, 2.0, 3.0
    assert_within(PoseSequence.from_arrays(points, fps=9, skeleton=Skeleton("four", tuple("abcd"))), 0.01)


SHAPES = {
    "steps": lambda t, r: np.where(t < 9, 0.0, 1e6),
    "outliers": lambda t, r: np.where(r.random(t.shape) < 0.05, 1e6, t),
    "constant": lambda t, r: 0 * t + 3.25,
    "zero": lambda t, r: 0 * t,
    "alternating": lambda t, r: 1000.0 * (t % 2),
    "denormal": lambda t, r: 1e-42 * r.integers(0, 9, t.shape),
    "noise": lambda t, r: r.normal(size=t.shape) * 10.0 ** r.integers(-3, 5),
    "far": lambda t, r: 5e8 + 32 * t,  # half a million meters away in mm, where float32 has steps of 32
    "growing": lambda t, r: 1.5 ** (t % 47),
}


@pytest.mark.parametrize("dims", PITCHES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bound", [1.0, 0.001, 1e-42])
def test_adversarial_recordings_are_within_the_bound_or_an_error(dims, shape, bound):
    frames = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 3, dims))
    sequence = record(SHAPES[shape](frames, rng(3)), dims, 2, 0.1)
    (chunk,) = split_sequence(sequence)
    try:
        assert_within(sequence, bound)
    except InputError as error:
        assert "too fine a bound" in str(error)
        assert np.nanmax(np.abs(chunk.points)) / bound > FARTHEST / 4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_recordings_are_within_the_bound(seed):
    draw = rng(seed)
    shape = (int(draw.integers(1, 12)), int(draw.integers(3, 6)), int(draw.integers(2, 4)))
    points = draw.normal(size=shape) * 10.0 ** draw.integers(-2, 6) + draw.normal() * 1000
    points = points.cumsum(axis=0) if draw.random() < 0.5 else points
    bound = float(10.0 ** draw.uniform(-2, 2))
    assume(
        bound > 2 * np.spacing(np.float32(np.abs(points).max()))
    )  # of finer ones rate control sees that they are missed
    assert_within(record(points, shape[2], seed, 0.2), bound)


@pytest.mark.parametrize("dims", PITCHES)
def test_all_lattice_points_within_the_radius_are_offered(dims):
    points = rng(3).uniform(-50, 50, (2000, dims))
    offered = find_within(points, 2.0)
    np.testing.assert_array_equal(offered[:, 0], find_nearest(points, 2.0))
    assert (np.linalg.norm(locate(offered, 2.0) - points[:, None], axis=-1) <= 2.0).all()
    assert ((offered & 1).std(axis=-1) == 0).all()
    density = math.pi * 4 if dims == 2 else math.pi * 4 / 3 * 8
    volume = 4 * math.sqrt(3) / 2 * 1.5 * 2 if dims == 2 else (2 * 2 * 2 / math.sqrt(5)) ** 3 / 2
    number = np.mean([len(np.unique(one, axis=0)) for one in offered])
    assert number == pytest.approx(density / volume, rel=0.03)  # as many as there are on average in such a ball


def test_a_step_hides_in_the_bound_where_that_is_cheaper():
    points = np.zeros((60, 4, 2))
    points[30:, :, 0] = 0.9  # within 1 of where they were, though nearer to other lattice points
    (chunk,) = split_sequence(record(points, 2))
    context = ChunkContext(60, chunk.skeleton, 2, chunk.up, chunk.rate, chunk.unit)
    assert (CODER.decode(CODER.encode(chunk, max_error=1.0).chunk, context).positions == 0).all()


def test_confidences_come_along():
    points, sure = walk(12).positions, rng().random((12, 1, 19))
    sequence = PoseSequence.from_arrays(points, fps=30, skeleton=walk(1).skeleton, confidence=sure, unit="mm")
    (chunk,) = split_sequence(sequence)
    context = ChunkContext(12, sequence.skeleton, 3, "y", 30.0, "mm")
    back = CODER.decode(CODER.encode(chunk, max_error=1.0).chunk, context)
    np.testing.assert_allclose(back.confidence, sure[:, 0], atol=1 / 500)


NOTHING = np.zeros((19, 0, 3), np.int64)  # No lattice points to choose from: who reads


def test_a_frame_is_decoded_when_its_bytes_are_there_and_from_a_copy_of_the_state():
    steps = find_nearest(walk(30).positions[:, 0].astype(float), 2.0)
    mask = np.ones(steps.shape[:2], bool)
    encoder = RangeEncoder()
    assert np.array_equal(write_steps(encoder, steps[:, :, None], mask, walk(1).skeleton), steps)
    data = encoder.finish()
    model, known = start_model(19, 3, walk(1).skeleton.edges), np.zeros_like(steps)
    decoder = RangeDecoder(data)
    for t in range(15):
        decoder.run(code_frame, True, known[t], mask[t], NOTHING, model)
    used = int(decoder._state[2])
    early = read_steps(RangeDecoder(data[:used]), mask[:15], 3, walk(1).skeleton)
    np.testing.assert_array_equal(early, steps[:15])
    copied, state = copy_model(model), decoder._state.copy()
    for _ in range(2):  # from the same state twice
        decoder._state[:] = state
        own, again = copy_model(copied), np.zeros_like(steps)
        for t in range(15, 30):
            decoder.run(code_frame, True, again[t], mask[t], NOTHING, own)
        np.testing.assert_array_equal(again[15:], steps[15:])


def test_parents_stand_before_their_keypoints():
    assert find_parents(4, ((0, 2), (2, 1), (3, 3))).tolist() == [-1, 0, 1, 2]
    assert find_parents(4, ((3, 0), (1, 3), (0, 2))).tolist() == [-1, 0, 0, 1]


@pytest.mark.parametrize("dims", PITCHES)
def test_cut_and_damaged_chunks_are_corrupt_or_something_else(dims):
    (chunk,) = split_sequence(record((walk(25) if dims == 3 else flat_walk(25)).positions[:, 0], dims, 4, 0.1))
    data = CODER.encode(chunk, max_error=5.0).chunk.base
    context = ChunkContext(25, chunk.skeleton, dims, chunk.up, chunk.rate, chunk.unit)
    damaged = [data[:size] for size in range(0, len(data), 7)] + [data + b"\0", data[:60] + rng(1).bytes(400)]
    damaged += [data[:20] + bytes([fill]) * 300 for fill in (0, 85, 255)]
    for one in damaged:
        try:
            assert CODER.decode(Chunk(one), context).positions.shape == (25, 19, dims)
        except CorruptError:
            pass


@pytest.mark.parametrize("fill", [0, 255])
def test_forged_integers_end_as_faults(fill):
    mask = np.ones((3, 2), bool)
    try:
        found = read_steps(RangeDecoder(bytes([fill]) * 40), mask, 3, Skeleton("two", ("a", "b")))
        assert np.abs(found).max() <= FARTHEST
    except CorruptError:
        pass


@pytest.mark.parametrize("radius", [0.0, -1.0, np.inf, np.nan])
def test_bounds_that_cannot_be_are_corrupt(radius, monkeypatch):
    monkeypatch.setattr("posecodec.coders.predictive.coder.find_radius", lambda chunk, bound: radius)
    monkeypatch.setattr(
        "posecodec.coders.predictive.coder.find_within", lambda points, _: np.zeros((*points.shape[:2], 1, 3), int)
    )
    (chunk,) = split_sequence(walk(2))
    made = CODER.encode(chunk, max_error=3.0)
    with pytest.raises(CorruptError, match="a lattice for a bound"):
        CODER.decode(made.chunk, ChunkContext(2, chunk.skeleton, 3, "y", 30.0, "mm"))


SCRIPT = """
import hashlib
from posecodec.coders.chunk import split_sequence
from posecodec.coders.predictive.coder import PredictiveCoder
from posecodec.pose.synthetic import walk
chunk = split_sequence(walk(6))[0]
print(hashlib.sha256(PredictiveCoder().encode(chunk, max_error=2.0).chunk.base).hexdigest())
"""


@pytest.mark.compiled
def test_bytes_are_the_same_without_a_compiler():
    found = set()
    for disabled in "01":
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disabled, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True)
        found.add(done.stdout)
    assert len(found) == 1


def test_bytes_are_the_same_for_one_job_and_two():
    points = rng().normal(size=(1500, 2, 9, 3)).cumsum(axis=0)
    sequence = PoseSequence.from_arrays(points, fps=50, unit="mm", skeleton=Skeleton("nine", tuple("abcdefghi")))
    first, second = (PoseCodec(jobs=jobs).encode(sequence, max_error=0.1).data for jobs in (1, 2))
    assert first == second


def test_noise_at_a_fine_bound_is_coded_so_and_the_price_is_about_right():
    steps = rng().normal(size=(200, 6, 3)) * 5
    sequence = record(steps + steps.cumsum(axis=0), 3)
    encoded = PoseCodec().encode(sequence, max_error=0.5)
    assert kinds_of(encoded.data) == {ChunkKind.PREDICTIVE}
    (chunk,) = split_sequence(sequence)
    size = CODER.encode(chunk, max_error=0.5).size
    assert 0.6 < estimate_size(chunk.points, 0.5) / size < 1.6
    assert len(encoded.data) < 1.1 * size + 100
