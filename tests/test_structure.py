"""The house stays a house: limits on what a reader meets, counted by structure.py, which also prints what exceeds them."""

from __future__ import annotations

import statistics

import pytest
from structure import functions, is_bare, loose_modules, passages, sources

LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 450, 50, 9
"""Lines. The longest of posecodec 0.4 had 638, 49 and 7."""
LOOSE_MODULES = 9  # The ninth is files.py, the short way in; 8 before
BARE_NAMES = 60
"""Functions called by one word that is no verb; 680 in posecodec 0.4."""
LINES = {"posecodec": 45_500, "tests": 30_000}
"""Of Python: what comes makes room for itself, or shows what for. 0.4 had 23,970 and 14,884; since then came the VQ-GAN that
makes tokens, with its training, prior, sampling and filled gaps (2,400 lines, of which 700 were made room for),
and fourteen formats, writers of BVH and glTF, channels, wide files and what verifies and resumes (5,500). Limits on what
files may ask for, recovery, random access, outputs that outlast kills, and the attacks that test them are the last 2,800;
and 1,000 of tests random valid files, mutations of them, and streams for other decoders. The last 6,000 are for
corpora and shards, the manners of the command line and of Python, and the page. 500 are for what the API takes or refuses by
name, frame numbers that follow cuts, subjects and hands, and notes where files and options disagree."""

FUNCTIONS = [function for path in sources("posecodec") if path.suffix == ".py" for function in functions(path)]


def count_lines(path) -> int:
    return len(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("folder", LINES)
def test_files_are_short_and_together_not_longer_than_they_were(folder: str) -> None:
    paths = sources(folder)
    assert {path.name: count_lines(path) for path in paths if count_lines(path) > LONGEST_FILE} == {}
    assert sum(count_lines(path) for path in paths if path.suffix == ".py") <= LINES[folder]


def test_functions_are_short() -> None:
    assert statistics.median(function.lines for function in FUNCTIONS) <= MEDIAN_FUNCTION
    assert {function.name: function.lines for function in FUNCTIONS if function.lines > LONGEST_FUNCTION} == {}


def test_functions_are_called_by_what_they_do() -> None:
    bare = [f"{function.path.stem}.{function.name}" for function in FUNCTIONS if is_bare(function)]
    assert len(bare) <= BARE_NAMES, bare


def test_rooms_hold_all_modules_but_a_few() -> None:
    assert len(loose_modules()) <= LOOSE_MODULES


def test_nothing_is_written_twice() -> None:
    assert passages(sources("posecodec")) == []
