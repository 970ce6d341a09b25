"""Long recordings: memory is let go, threads change nothing, and a step sought by some chunks is the one that all need."""

import contextlib
import os
import signal
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from coding import GOALS

from posecodec import PoseCodec, PoseSequence
from posecodec.analysis.metrics import compare, summarize_errors
from posecodec.analysis.report import report
from posecodec.coders.chunk import Memo, split_sequence
from posecodec.coders.transform.basis_choice import BasisChoice
from posecodec.parallel.forks import map_in_forks
from posecodec.parallel.threads import map_in_threads
from posecodec.pose.sequence import FLOAT32_MAX
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol import constants

CHUNKS = constants.SAMPLED_CHUNKS + 3
only_forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
WAYS = [map_in_threads, pytest.param(map_in_forks, marks=only_forks)]
any_long_goal = pytest.mark.parametrize("goal", GOALS[1:], ids=lambda goal: next(iter(goal), "quality"))


@pytest.fixture
def many_chunks(monkeypatch):
    """Chunks of 32 frames, so that a short walk is a long recording."""
    monkeypatch.setattr("posecodec.bitstream.header.CHUNK_FRAMES", 32)
    rng = np.random.default_rng(0)
    still = walk(32 * CHUNKS, people=2)
    shaken = still.positions + rng.normal(
        0, np.linspace(0.1, 8, still.frames)[:, None, None, None], still.positions.shape
    )
    return PoseSequence.from_arrays(shaken, fps=30, skeleton=still.skeleton, unit="mm", up="y")


@any_long_goal
def test_bytes_do_not_depend_on_the_number_of_threads(many_chunks, goal):
    alone, together = (PoseCodec(jobs=jobs).encode(many_chunks, **goal) for jobs in (1, 3))
    assert alone.data == together.data
    back = [PoseCodec(jobs=jobs).decode(alone.data) for jobs in (1, 3)]
    assert np.array_equal(back[0].positions, back[1].positions, equal_nan=True)


@any_long_goal
def test_a_step_sought_by_some_chunks_is_the_one_for_all(many_chunks, monkeypatch, goal):
    found = PoseCodec().encode(many_chunks, **goal).data
    monkeypatch.setattr(constants, "SAMPLED_CHUNKS", 10**6)
    searched = PoseCodec().encode(many_chunks, **goal).data
    assert found == searched or "max_error" in goal and len(found) <= 1.03 * len(searched)  # chunks here are tiny


@any_long_goal
def test_what_was_worked_out_about_chunks_is_let_go(many_chunks, monkeypatch, goal):
    alive, most, build = weakref.WeakSet(), [0], BasisChoice.__init__

    def count(self, *args, **options):
        build(self, *args, **options)
        alive.add(self)
        most[0] = max(most[0], len(alive))

    monkeypatch.setattr(BasisChoice, "__init__", count)
    PoseCodec().encode(many_chunks, **goal)
    assert most[0] <= constants.SAMPLED_CHUNKS + 4 < 2 * CHUNKS
    assert not alive


def test_memos_forget_all_but_candidates_and_numbers():
    codec, chunk = PoseCodec(), split_sequence(walk(64))[0]
    coder = codec.coders.transform
    candidate, scale = coder.encode(chunk, 100), coder.find_scale(chunk)
    chunk.memo.forget()
    assert sorted(map(type, chunk.memo.values()), key=str) == [float, type(candidate)]
    assert coder.encode(chunk, 100) is candidate and coder.find_scale(chunk) == scale
    assert isinstance(chunk.memo, Memo)


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("map_pieces", WAYS)
def test_results_come_in_order_and_errors_where_they_belong(map_pieces, jobs):
    assert list(map_pieces(lambda n: n * n, range(50), jobs)) == [n * n for n in range(50)]
    results = map_pieces(lambda n: 1 // (n - 3), range(50), jobs)
    assert [next(results) for _ in range(3)] == [-1, -1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


@only_forks
def test_what_killed_copies_leave_undone_is_done_by_the_first_process():
    first = os.getpid()

    def work(number):
        if os.getpid() != first and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(map_in_forks(work, range(100), jobs=3)) == list(range(100))


def list_children() -> set[int]:
    """Processes whose parent this one is."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.add(int(path.parent.name))
    return found


@only_forks
def test_copies_end_when_nobody_asks_for_more():
    before = list_children()  # of other tests
    results = map_in_forks(lambda n: time.sleep(0.01), range(500), jobs=3)
    next(results)
    assert len(list_children() - before) >= 2
    results.close()
    assert list_children() <= before


@only_forks
@any_long_goal
def test_forks_change_nothing(many_chunks, goal, monkeypatch, tmp_path):
    monkeypatch.setattr("posecodec.parallel.forks.THREADS", str(tmp_path))  # whatever else runs in the tests
    alone, forked = PoseCodec(), PoseCodec(jobs=2, forks=True)
    data = alone.encode(many_chunks, **goal).data
    assert forked.encode(many_chunks, **goal).data == data
    assert forked.decode(data).positions.tobytes() == alone.decode(data).positions.tobytes()


def test_no_more_is_begun_than_is_soon_taken():
    begun = []
    results = map_in_threads(begun.append, range(1000), jobs=2)
    next(results)
    assert len(begun) < 20
    results.close()
    assert len(begun) < 20


@pytest.mark.parametrize("people", [1, 2])
def test_the_summary_of_errors_is_what_compare_finds(people):
    rng = np.random.default_rng(0)
    positions = walk(2500, people=people).positions
    positions = np.where(rng.random((2500, people, 19, 1)) < 0.1, np.nan, positions)
    moved = (positions + rng.normal(size=positions.shape))[:, ::-1]
    one = PoseSequence.from_arrays(positions, fps=30, unit="cm", ids=["b", "a"][:people])
    other = PoseSequence.from_arrays(moved, fps=30, unit="cm", ids=["b", "a"][:people][::-1])
    whole, found = compare(one, other), summarize_errors(one, other)
    assert (found.unit, found.p95, found.max) == (whole.unit, whole.p95, whole.max)
    assert found.mpjpe == pytest.approx(whole.mpjpe, rel=1e-12)
    assert found.mpjpe_root == pytest.approx(whole.mpjpe_root, rel=1e-12)


def test_a_report_without_keypoints_has_no_errors():
    nobody = PoseSequence.from_arrays(np.full((5, 1, 19, 3), np.nan), fps=30)
    found = report(nobody, nobody, 1, 1)
    assert (found.mean, found.p95, found.max, found.mean_root_relative) == (None,) * 4


@pytest.mark.parametrize("value", [np.inf, -np.inf, 2 * FLOAT32_MAX, -2 * FLOAT32_MAX])
def test_coordinates_beyond_float32_are_found_wherever_they_are(value):
    positions = np.zeros((3, 1, 19, 3))
    positions[2, 0, 7, 1], positions[0, 0, 0] = value, np.nan
    with pytest.raises(Exception, match="frame 2, person 0, keypoint 7"):
        PoseSequence.from_arrays(positions, fps=30)
