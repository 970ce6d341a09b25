"""Bodies as channels seen from a state, and back; the body's own frame."""

import math

import numpy as np
import pytest
from conftest import any_dims, assert_close, sample, small_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.kinematics.body_model import Motion, State
from posecodec.pose.orientation import rotate_about_y

DIMS = (2, 3)
BODIES = {dims: small_tables(dims).body for dims in DIMS}
TURN = 2 * np.pi


def wild(dims, frames, seed=0):
    """Keypoints (T, 19, D) that are no body."""
    return np.random.default_rng(seed).normal(0, 500.0, (frames, 19, dims))


@any_dims
@pytest.mark.parametrize("lead", [(7,), (1,), (2, 5), (2, 3, 4)])
def test_a_body_is_its_motion(dims, lead):
    body = BODIES[dims]
    for points in (wild(dims, math.prod(lead), 1), sample(dims, math.prod(lead))):
        points = points.reshape(*lead, 19, dims)
        motion = body.analyze(points)
        assert motion.shape.shape == (*lead, len(body.rest_shape)) and motion.center.shape == (*lead, dims)
        assert motion.angle.shape == lead
        np.testing.assert_allclose(body.synthesize(motion), points, rtol=0, atol=1e-6)
        parts = [motion.cut(i, 1) for i in range(lead[-1])]
        assert_close(
            motion, Motion(*(np.concatenate([getattr(p, n) for p in parts], axis=len(lead) - 1) for n in vars(motion)))
        )


@any_dims
@given(seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 40), turns=st.floats(-50, 50), far=st.floats(0, 1e5))
@settings(max_examples=60, deadline=None)
def test_channels_come_back_from_any_state(dims, seed, frames, turns, far):
    body, rng = BODIES[dims], np.random.default_rng(seed)
    motion = body.analyze(wild(dims, frames, seed))
    state = State(rng.normal(0, 100, len(body.rest_shape)), np.float64(turns), rng.normal(0, 1, dims) * far)
    channels = body.to_local(motion, state)
    assert channels.shape == (frames, body.channels)
    back = body.to_world(channels, state)
    off = back.angle - motion.angle
    if dims == 3:
        np.testing.assert_allclose(off - TURN * np.rint(off / TURN), 0, atol=1e-8)
        assert np.abs(off - off[0]).max() < 1e-8
    np.testing.assert_allclose(body.synthesize(back), body.synthesize(motion), rtol=0, atol=1e-5)
    np.testing.assert_allclose(body.to_local(back, state), channels, rtol=0, atol=1e-5)


@any_dims
@given(angle=st.floats(-9, 9), x=st.floats(-1e5, 1e5), z=st.floats(-1e5, 1e5), start=st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_channels_do_not_depend_on_heading_and_place(dims, angle, x, z, start):
    body, points = BODIES[dims], sample(dims, 40)
    moved = rotate_about_y(points, np.full(40, angle)) + [x, 0, z] if dims == 3 else points + [x, z]
    here, there = (
        body.to_local(motion.cut(start, 20), motion.state_at(start)) for motion in map(body.analyze, (points, moved))
    )
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-5)


def test_channels_do_not_depend_on_whole_turns():
    body, motion = BODIES[3], BODIES[3].analyze(sample(3, 20))
    state = motion.state_at(0)
    turned = Motion(motion.shape, motion.angle + 6 * np.pi, motion.center)
    np.testing.assert_allclose(body.to_local(turned, state), body.to_local(motion, state), rtol=0, atol=1e-6)


def test_a_body_that_keeps_turning_never_jumps():
    body = BODIES[3]
    spinning = rotate_about_y(sample(3, 1).repeat(200, axis=0), np.linspace(0, -30, 200))
    motion = body.analyze(spinning)
    np.testing.assert_allclose(np.abs(np.diff(motion.angle)), 30 / 199, atol=1e-9)
    np.testing.assert_allclose(body.synthesize(motion), spinning, rtol=0, atol=1e-6)


@any_dims
def test_an_error_of_channels_is_that_of_keypoints(dims):
    body, rng = BODIES[dims], np.random.default_rng(0)
    motion = body.analyze(sample(dims, 200) * (1 if dims == 3 else 4))
    state = motion.state_at(0)
    errors = rng.normal(0, 1, (200, body.channels))
    points = (body.synthesize(body.to_world(body.to_local(motion, state) + e, state)) for e in (0, errors))
    moved = np.square(next(points) - next(points)).sum(axis=(1, 2))
    assert moved.mean() == pytest.approx(np.square(errors).sum(axis=1).mean(), rel=0.1)


@any_dims
def test_a_recording_starts_from_a_usual_body(dims):
    body = BODIES[dims]
    state = body.start_at(0.5, np.array([3.0, 4.0, 5.0][:dims]))
    assert state.center.tolist() == ([3.0, body.height, 5.0] if dims == 3 else [3.0, 4.0])
    assert state.angle == 0.5 and (state.shape == body.rest_shape).all()
    many = body.start_at(np.zeros(4), np.zeros((4, dims)))
    assert many.shape.shape == (4, len(body.rest_shape)) and many.center.shape == (4, dims)
    assert body.is_translation.sum() == 2 and len(body.is_translation) == body.channels == {2: 40, 3: 58}[dims]
