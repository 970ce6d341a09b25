"""Tracks, by hand."""

from __future__ import annotations

import numpy as np

from posecodec.pose.tracks import LONGEST_GAP, find_tracks


def seen(frames: int, *people: tuple[int, ...]) -> np.ndarray:
    valid = np.zeros((frames, len(people), 2), bool)
    for person, at in enumerate(people):
        valid[list(at), person, 1] = True
    return valid


def test_tracks_begin_and_end_with_something_seen():
    valid = seen(12, (2, 3, 5), (), (0, 11))
    assert find_tracks(valid, longest_gap=2) == [(0, 2, 4), (2, 0, 1), (2, 11, 1)]


def test_a_gap_of_exactly_the_longest_is_masked():
    assert find_tracks(seen(7, (1, 5)), longest_gap=3) == [(0, 1, 5)]
    assert find_tracks(seen(7, (1, 5)), longest_gap=2) == [(0, 1, 1), (0, 5, 1)]
    assert len(find_tracks(seen(50, (0, LONGEST_GAP + 1)))) == 1
    assert len(find_tracks(seen(50, (0, LONGEST_GAP + 2)))) == 2


def test_nobody():
    assert find_tracks(np.zeros((4, 0, 3), bool)) == [] == find_tracks(np.zeros((0, 2, 3), bool))
    assert find_tracks(np.zeros((4, 2, 3), bool)) == []


def test_everything_seen_lies_in_exactly_one_track():
    valid = np.random.default_rng(0).random((200, 3, 2)) < 0.05
    covered = np.zeros((200, 3), int)
    for person, start, length in find_tracks(valid, 10):
        covered[start : start + length, person] += 1
    assert covered.max() == 1 and (covered[valid.any(-1)] == 1).all()
