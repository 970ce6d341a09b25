"""Shuffled people are put back together: crossing, entering, leaving and out of sight; no body is lost or changed."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.analysis.tracking import assign, follow
from posecodec.errors import DataWarning, InputError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.synthetic import walk


def crossing(frames=300):
    """Three walkers, (T, 3, K, 3), of whom the second comes towards the others and walks through between them."""
    x = walk(frames, people=3).positions.copy()
    x[:, 1] = x[::-1, 1]
    x[:, 0, :, 0] -= np.linspace(400, -400, frames, dtype=np.float32)[:, None]
    x[:, 2, :, 0] -= np.linspace(-400, 400, frames, dtype=np.float32)[:, None]
    return x


def shuffled(x, seed=0, **facts):
    """Each frame's people in an order of its own, those who are there first, as in a list."""
    rank = np.random.default_rng(seed).random(x.shape[:2]) + 2 * np.isnan(x).all(axis=(2, 3))
    order = rank.argsort(axis=1)
    shuffled = np.take_along_axis(x, order[..., None, None], axis=1)
    return PoseSequence.from_arrays(shuffled, skeleton=COCO19, **({"fps": 30.0} | facts))


def followed(sequence):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return follow(sequence)


def same_people(found, expected):
    """Whether each person of `expected` (T, P, K, D) is one of `found`, in whatever order."""
    return found.people == expected.shape[1] and any(
        np.array_equal(found.positions[:, list(order)], expected, equal_nan=True)
        for order in itertools.permutations(range(found.people))
    )


def bodies(sequence):
    """All bodies as bytes, frame by frame, in no order."""
    there = sequence.valid.any(axis=2)
    return [
        sorted(sequence.positions[t, p].tobytes() + sequence.confidence[t, p].tobytes() for p in np.flatnonzero(row))
        for t, row in enumerate(there)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_three_crossing_people(seed):
    assert same_people(followed(shuffled(crossing(), seed)), crossing())


@pytest.mark.parametrize("noise", [0, 5, 15])
def test_three_people_crossing_in_an_image(noise):
    x = crossing()[..., [2, 1]] * np.float32([0.25, -0.25]) + np.float32([640, 600])
    x += np.random.default_rng(1).normal(0, noise / 4, x.shape).astype(np.float32)
    assert same_people(followed(shuffled(x)), x)


def test_noise_and_missing_keypoints():
    random = np.random.default_rng(2)
    x = crossing() + random.normal(0, 20, crossing().shape).astype(np.float32)
    x[random.random(x.shape[:3]) < 0.3] = np.nan
    assert same_people(followed(shuffled(x)), x)


def test_people_who_enter_and_leave():
    x = crossing()
    x[:100, 0] = x[200:, 1] = x[:30, 2] = x[270:, 2] = np.nan
    found = followed(shuffled(x))
    assert same_people(found, x)
    assert np.array_equal(found.positions[0, 0], x[0, 1]), "the first to appear is the first"
    assert np.array_equal(found.positions[30, 1], x[30, 2])


def test_out_of_sight_for_less_than_a_second():
    x = crossing()
    x[40:60, 0] = x[140:165, 2] = np.nan
    x[220:223] = np.nan
    assert same_people(followed(shuffled(x)), x)


def test_back_after_more_than_a_second_by_the_timestamps_or_teleported_is_somebody_new():
    x = walk(200).positions.copy()
    x[50:100] = np.nan
    found = followed(PoseSequence.from_arrays(x, fps=30))
    assert found.people == 2 and found.valid.any(axis=2).sum(axis=0).tolist() == [50, 100]
    x = walk(60).positions.copy()
    times = np.arange(60) / 30 + 5 * (np.arange(60) >= 30)
    assert followed(PoseSequence.from_arrays(x, timestamps=times)).people == 2
    assert followed(PoseSequence.from_arrays(x[::20], fps=1.5)).people == 1
    x[30:, ..., 0] += 5000
    assert followed(PoseSequence.from_arrays(x, fps=30)).people == 2


def test_the_change_is_reported_with_its_count():
    x = walk(100, people=2).positions.copy()
    x[50:] = x[50:, ::-1]
    with pytest.warns(DataWarning) as caught:
        found = follow(PoseSequence.from_arrays(x, fps=30, ids=["anna", "0"]))
    assert found.ids == ("0", "1") and len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("100 of 200 bodies changed their slot") and "instead of the 2 given" in text


@pytest.mark.filterwarnings("error")
def test_people_already_in_order_are_returned_in_silence():
    sequence = walk(100, people=3)
    assert follow(sequence) is sequence


def test_everything_else_is_kept():
    sequence = shuffled(crossing(), unit="mm", up="y", metadata={"a": 1})
    found = followed(sequence)
    assert (found.unit, found.up, found.fps, found.metadata) == ("mm", "y", 30.0, {"a": 1})
    assert found.positions.dtype == np.float32 and bodies(found) == bodies(sequence)


def test_single_keypoints_can_be_followed():
    x = crossing()[:, :, :1]
    sequence = PoseSequence.from_arrays(x[:, ::-1], fps=30, skeleton=build_skeleton(1))
    assert same_people(followed(sequence), x)


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_nobody(frames):
    found = followed(PoseSequence.from_arrays(np.full((frames, 2, 19, 3), np.nan), fps=30))
    assert found.people == 0 and found.frames == frames


def test_bodies_that_never_connect_are_refused():
    x = walk(600).positions + np.arange(600, dtype=np.float32)[:, None, None, None] * 1e5
    with pytest.raises(InputError, match="fall apart into 600; .*no --track"):
        follow(PoseSequence.from_arrays(x, fps=30))


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 4), st.sampled_from([1, 2, 19]), st.sampled_from([2, 3])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-30, 1.0, 1e30]),
)
def test_no_body_is_lost_or_changed(shape, seed, scale):
    random = np.random.default_rng(seed)
    x = random.choice([0.0, 1.0, np.nan, 3.0], shape) * scale * random.choice([1.0, 10.0, 1e6], shape)
    times = np.cumsum(random.choice([1e-300, 1e-3, 1.0, 1e9], shape[0]))
    times = np.maximum.accumulate(np.nextafter(times, np.inf) + np.arange(shape[0]) * 1e-3)
    sequence = PoseSequence.from_arrays(x, timestamps=times, confidence=random.normal(size=shape[:3]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DataWarning)
        found = follow(sequence)
    assert bodies(found) == bodies(sequence)
    assert found.ids == tuple(str(i) for i in range(found.people))


def test_assignment_is_the_best_of_all():
    random = np.random.default_rng(3)
    for _ in range(300):
        rows = int(random.integers(1, 5))
        columns = rows + int(random.integers(0, 3))
        cost = random.integers(0, 5, (rows, columns)) * random.choice([1.0, 1e6, 0.1])
        chosen = assign(cost)
        best = min(cost[range(rows), list(c)].sum() for c in itertools.permutations(range(columns), rows))
        assert len(set(chosen)) == rows and cost[range(rows), chosen].sum() == pytest.approx(best)
