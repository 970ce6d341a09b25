"""Recordings far from 0, whose coordinates float32 rounds: files are wide where that matters, and only there.

`PYTHONPATH=tests python tests/coders/test_wide.py` writes the streams of tests/conformance anew, which only another version
may ask for.
"""

import numpy as np
import pytest
from coding import assert_golden
from conftest import CONFORMANCE
from promises import run

from posecodec import PoseCodec, PoseSequence, load, save
from posecodec.bitstream import container
from posecodec.errors import CorruptError, InputError
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.synthetic import walk

FOLDER = CONFORMANCE / "dependent"
CODEC = PoseCodec()
PLACES = {
    "near": (0, 0, 0),
    "national": (530000.123, 12.5, 180000.456),
    "utm": (500000, 100, 5429000),
    "far": (1e7,) * 3,
}
GOALS = {"bounded": {"max_error": "5mm"}, "lossless": {"lossless": True}}


def surveyed(place="national", frames=40, **options):
    """A walk in meters, with three decimals, somewhere on a grid."""
    points = np.round(walk(frames).positions.astype(float) / 1000 + PLACES[place], 3)
    return PoseSequence.from_arrays(points, fps=30, unit="m", up="y", **options)


def errors(sequence, data):
    return np.linalg.norm(CODEC.decode(data).positions.astype(float) - sequence.positions, axis=-1)


def test_chunks_of_one_file_decode_to_one_type():
    header, chunks = container.read(CODEC.encode(walk(2000), lossless=True).data)
    doubled = walk(2000).with_positions(walk(2000).positions.astype(float), walk(2000).confidence)
    mixed = chunks[:1] + container.read(CODEC.encode(doubled, lossless=True).data)[1][1:]
    assert mixed[1].base[0] != chunks[1].base[0]
    with pytest.raises(CorruptError, match="both float32 and float64"):
        CODEC.decode(container.write(header, mixed))


@pytest.mark.parametrize("place", PLACES)
def test_bounds_hold_wherever_it_is(place):
    sequence = surveyed(place)
    encoded = CODEC.encode(sequence, max_error="5mm")
    assert errors(sequence, encoded).max() <= 0.005
    assert (encoded.header.origin is None) == (place == "near")
    encoded = CODEC.encode(sequence, mean_error=0.005)
    assert 0.004 < errors(sequence, encoded).mean() <= 0.005
    assert errors(sequence, CODEC.encode(sequence)).mean() < 0.03
    assert errors(sequence, CODEC.encode(sequence, bitrate=3)).mean() < 0.003
    sizes = [len(CODEC.encode(one, max_error="5mm").data) for one in (surveyed("near"), sequence)]
    assert sizes[1] <= sizes[0] + 12 + 12


def test_a_bound_finer_than_float32_is_kept_in_float64():
    sequence = surveyed("near")
    encoded = CODEC.encode(sequence, max_error=1e-8)
    assert encoded.header.origin is not None and errors(sequence, encoded).max() <= 1e-8
    with pytest.raises(InputError, match="--lossless"):
        CODEC.encode(surveyed("far"), max_error=1e-10)


def test_float32_recordings_are_wide_only_where_nothing_else_codes_them():
    for shift, wide in ((0, False), (5000, False), (530000, True)):
        points = (surveyed("near").positions + shift).astype(np.float32)
        sequence = PoseSequence.from_arrays(points, fps=30, unit="m", up="y")
        for goal in ({}, {"max_error": 0.005}):
            encoded = CODEC.encode(sequence, **goal)
            assert (encoded.header.origin is not None) == wide
            assert CODEC.decode(encoded).positions.dtype == (np.float64 if wide else np.float32)
        assert errors(sequence, encoded).max() <= 0.005


def test_several_people_with_gaps_far_off():
    base = surveyed("utm", 60).positions
    points = np.concatenate([base, base + (40, 0, -25), base[::-1] + 0.5], axis=1)
    points[:20, 0] = points[30:, 1] = np.nan
    points[10:30, 2, 3:9] = np.nan
    sequence = PoseSequence.from_arrays(points, fps=30, unit="m", up="y")
    encoded = CODEC.encode(sequence, max_error="2mm")
    decoded = CODEC.decode(encoded)
    assert (decoded.valid == sequence.valid).all() and np.nanmax(errors(sequence, encoded)) <= 0.002


def test_any_keypoints_far_off():
    points = np.round(np.random.default_rng(0).normal(size=(30, 1, 4, 2)).cumsum(axis=0) * 0.01 + (3.5e5, 5.4e6), 4)
    sequence = PoseSequence.from_arrays(points, fps=25, unit="m", skeleton=Skeleton("custom", tuple("abcd")))
    assert errors(sequence, CODEC.encode(sequence, max_error=0.001)).max() <= 0.001


def test_decimals_come_back_and_are_smaller_than_floats(tmp_path):
    sequence = surveyed("national", 100)
    save(sequence, tmp_path / "a.csv")
    encoded = CODEC.encode(load(tmp_path / "a.csv"), lossless=True)
    save(CODEC.decode(encoded), tmp_path / "b.csv")
    first, last = ((tmp_path / name).read_text().splitlines()[-100:] for name in ("a.csv", "b.csv"))
    assert first == last and len(first[0].split(",")[1].partition(".")[2]) <= 3
    assert len(encoded.data) < sequence.positions.nbytes / 15


@pytest.mark.parametrize("goal", GOALS)
def test_encoding_again_gives_the_golden_file(goal):
    data = (FOLDER / f"wide_{goal}.posec").read_bytes()
    assert_golden(CODEC.encode(surveyed(), **GOALS[goal]).data, data)


def test_random_recordings_keep_their_promises():
    found = run(range(60))
    assert sum(found.values()) == 60 and not any("BROKEN" in name for name in found)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for goal, options in GOALS.items():
        CODEC.encode(surveyed(), **options).save(FOLDER / f"wide_{goal}.posec", force=True)
