"""Each kind of dirt, put into a clean walk, is found at its place and counted; clean motion raises no alarm."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec.analysis.diagnostics import diagnose
from posecodec.analysis.repair import mark_zeros_missing
from posecodec.errors import DataWarning
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.synthetic import walk

FACTS = {"fps": 30.0, "unit": "mm", "up": "y"}
WRIST = COCO19.keypoints.index("left_wrist")


def dirty(positions, **facts):
    facts = FACTS | facts
    if "timestamps" in facts:
        del facts["fps"]
    return PoseSequence.from_arrays(positions, skeleton=COCO19, **facts)


def points(frames=120, people=1):
    return walk(frames, people=people).positions.copy()


def image(frames=120, people=1):
    """The walk in pixels, one person from the side (limbs cross), several from the front."""
    seen = points(frames, people)[..., [2 if people == 1 else 0, 1]]
    return seen * np.float32([0.25, -0.25]) + np.float32([640, 600])


def flat_or_solid(flat, people=1):
    return (image(120, people), {"unit": "px", "up": "-y"}) if flat else (points(120, people), {})


def the_only(sequence):
    found = diagnose(sequence)
    assert len(found) == 1, found
    assert "\n" not in found[0].text and found[0].count >= 1
    return found[0]


def assert_finds(sequence, kind, count, *texts):
    found = the_only(sequence)
    assert (found.kind, found.count) == (kind, count)
    assert [text for text in texts if text not in found.text] == [], found.text


def by_kind(sequence):
    return {f.kind: f for f in diagnose(sequence)}


FLY = Skeleton("fly", tuple(f"leg{i}" for i in range(19)))  # whose height says nothing about units
CLEAN = {
    **{f"{p} at {fps} fps": walk(int(10 * fps), fps=fps, people=p) for fps in (12, 29.97, 60, 240) for p in (1, 3)},
    **{f"{p} in an image": dirty(image(300, p), unit="px", up="-y") for p in (1, 3)},
    "relative to the root": dirty(points() - points()[:, :, 2:3]),
    "little noise": dirty(points(600) + np.random.default_rng(0).normal(0, 2, points(600).shape)),
    **{f"ms at {r} fps": dirty(points(), timestamps=np.round(np.arange(120) / r, 3)) for r in (25, 30, 50, 120, 240)},
    **{f"in {unit}": dirty(points() * np.float32(1 / mm), unit=unit) for unit, mm in UNIT_MM.items()},
    "a small fly": PoseSequence.from_arrays(points() * 1e-3, fps=30, unit="mm", skeleton=FLY),
}


@pytest.mark.parametrize("sequence", CLEAN.values(), ids=CLEAN)
def test_what_is_clean_has_no_findings_and_is_left_alone(sequence):
    before = sequence.positions.copy()
    assert diagnose(sequence) == [] and np.array_equal(sequence.positions, before)


def test_nobody():
    assert the_only(dirty(np.full((5, 2, 19, 3), np.nan))).kind == "nobody"
    assert the_only(PoseSequence.from_arrays(np.zeros((5, 0, 19, 3)), fps=30)).kind == "nobody"


def test_gaps_are_counted_and_the_longest_is_placed():
    x = points()
    x[20:26, 0, WRIST] = np.nan
    x[70:85, 0] = np.nan
    x[110:, 0, 0] = np.nan
    kinds, share = "(1 of whole people, 2 of single keypoints)", 100 * (6 + 15 * 19 + 10) / (120 * 19)
    longest = "15 frames (0.5 s) from frame 70, person 0;"
    assert_finds(dirty(x), "gaps", 3, f"3 gaps {kinds}", f"{share:.2g} % missing", longest)
    x = points()
    x[20:50, 0, WRIST] = np.nan
    assert "30 frames (1 s) from frame 20, person 0, left_wrist" in the_only(dirty(x)).text


def test_people_who_come_and_go():
    x = points(people=4)
    x[:30, 1] = x[90:, 2] = x[:, 3] = np.nan
    counts = "1 enter late, 1 leave early, 1 never seen"
    assert_finds(dirty(x), "come-and-go", 3, counts, "person 1 is there in frames 30 to 119")


def test_keypoints_never_seen_are_named():
    x = points(people=2)
    x[:, :, WRIST] = x[:, 1, 0] = np.nan
    assert_finds(dirty(x), "unseen", 3, "1 keypoint never seen in anybody: left_wrist, and 1 more in one person")
    x = points(people=2)
    x[:, 1, 0] = np.nan
    assert "person 1, neck" in the_only(dirty(x)).text


def test_confidences_outside_0_to_1():
    confidence = np.ones((120, 1, 19))
    confidence[40:42, 0, 3], confidence[50, 0, 0] = 6.5, -0.25
    sequence = dirty(points(), confidence=confidence)
    assert_finds(sequence, "confidence", 3, "range -0.25 to 6.5", "frame 40, person 0, left_shoulder")


def test_exact_zeros_are_found_and_can_be_mended():
    x = points()
    x[30:33, 0, WRIST] = x[80, 0] = 0
    sequence = dirty(x)
    assert_finds(sequence, "zeros", 22, "exactly 0,0,0", "frame 30, person 0, left_wrist", "--zeros-missing")
    with pytest.warns(DataWarning, match="^22 keypoints at exactly 0,0,0 made missing, the first at frame 30"):
        repaired = mark_zeros_missing(sequence)
    assert (~repaired.valid).sum() == 22 and repaired.confidence[80].max() == 0
    assert np.array_equal(repaired.positions[:30], sequence.positions[:30])
    assert [f.kind for f in diagnose(repaired)] == ["gaps"]


@pytest.mark.filterwarnings("error")
def test_mending_changes_nothing_else():
    sequence = dirty(points())
    assert mark_zeros_missing(sequence) is sequence
    x = np.array([[[0.1, 0.2, 0.3], [0, 0, 0]]])
    sequence = PoseSequence.from_arrays(x, fps=30, exact=True)
    with pytest.warns(DataWarning, match="1 keypoint at"):
        repaired = mark_zeros_missing(sequence)
    assert repaired.positions.dtype == np.float64 and repaired.positions[0, 0, 0, 0] == 0.1


def test_repeated_frames_their_runs_and_padding_to_a_higher_rate():
    x = points(people=2)
    x[50:55] = x[49]
    x[80, 1] = x[79, 1]
    assert_finds(dirty(x), "repeated", 11, "in 3 runs", "longest is 5 from frame 50, person 0")
    found = by_kind(dirty(points()[np.arange(240) // 2], fps=60.0))["repeated"]
    assert found.count == 120 and "nearer 30 fps" in found.text


@pytest.mark.parametrize("flat", [False, True])
def test_jumps_of_one_frame(flat):
    x, facts = flat_or_solid(flat)
    size = 100 if flat else 400
    x[40, 0, WRIST, 0] += size
    x[90, 0, :, 1] -= size
    assert_finds(dirty(x, **facts), "jumps", 20, "in 2 poses", "frame 40, person 0, left_wrist")


@pytest.mark.parametrize("flat", [False, True])
def test_people_who_change_places(flat):
    x, facts = flat_or_solid(flat, people=3)
    x[40:70, [0, 2]] = x[40:70, [2, 0]]
    x[100:, [0, 1, 2]] = x[100:, [1, 2, 0]]
    assert_finds(dirty(x, **facts), "identity", 3, "3 frames, the first frame 40 (ids 0, 2)", "--track")


def test_somebody_who_moves_up_the_list_changes_places_too():
    x = points(people=2)
    x[60:, 0] = x[60:, 1]
    x[60:, 1] = np.nan
    found = by_kind(dirty(x))
    assert set(found) == {"identity", "come-and-go"} and "first frame 60 (ids 0)" in found["identity"].text


@pytest.mark.parametrize("flat", [False, True])
def test_left_and_right_that_change_places(flat):
    x, facts = flat_or_solid(flat)
    x[50:] = x[50:][:, :, list(COCO19.mirror)]
    assert_finds(dirty(x, **facts), "left-right", 1, "first at frame 50, person 0")


def test_left_and_right_that_change_places_for_a_frame():
    x = points(people=2)
    x[50, 1] = x[50, 1][list(COCO19.mirror)]
    assert_finds(dirty(x), "left-right", 2, "first at frame 50, person 1")


def test_jitter():
    noise = np.random.default_rng(0).normal(0, 10, points().shape)
    found = the_only(dirty(points() + noise))
    assert found.kind == "jitter" and " mm in the median" in found.text and "% of the body's height" in found.text


def test_irregular_timestamps():
    sequence = dirty(points(), timestamps=np.delete(np.arange(123) / 30, [31, 60, 61]))
    assert_finds(sequence, "timestamps", 2, "33.33 to 100 ms", "about 3 frames dropped", "the first after frame 30")


@pytest.mark.parametrize(
    ("scale", "stated", "looks"),
    [(1e-3, "mm", "meters"), (1e-3, "cm", "meters"), (0.1, "m", "centimeters"), (1, "m", "millimeters"),
     (1, "in", "millimeters"), (0.1, "mm", "centimeters"), (1 / 25.4, "mm", "inches")],
)  # fmt: skip
def test_implausible_units(scale, stated, looks):
    found = the_only(dirty(points() * np.float32(scale), unit=stated))
    assert found.kind == "unit" and f"looks like {looks} although the file says {stated}; pass --unit " in found.text


def test_shares_of_the_image_are_not_pixels_and_no_body_is_tiny():
    found = the_only(dirty(image() / np.float32(1920), unit="px", up="-y"))
    assert found.kind == "unit" and "shares of the image" in found.text
    assert the_only(dirty(points() * np.float32(1e-9), unit="unknown")).kind == "tiny"


@pytest.mark.parametrize("factor", [10, 25.4, 100, 1000])
def test_people_in_mixed_units(factor):
    x = points(people=3)
    x[:, 1] *= np.float32(factor)
    found = by_kind(dirty(x))["mixed-units"]
    assert found.count == 1 and f"person 1 is {factor:g} times as large as person" in found.text


def test_frames_in_mixed_units():
    x = points()
    x[50:60] /= 10
    found = by_kind(dirty(x))["mixed-units"]
    assert found.count == 10 and "frame 50, person 0 (0.1 times as large)" in found.text


def test_far_from_the_origin_and_one_wild_coordinate():
    assert_finds(dirty(points() + np.float32([2.5e7, 0, 0])), "far", 120 * 19, "frame 0, person 0, neck")
    x = points()
    x[17, 0, WRIST, 0] = 1e30
    found = by_kind(dirty(x))
    assert found["far"].count == 1 and "frame 17, person 0, left_wrist" in found["far"].text
    assert found["jumps"].count == 1


@pytest.mark.parametrize("stated", ["z", "-y", "x"])
def test_doubtful_up_axis(stated):
    found = the_only(dirty(points(), up=stated))
    assert found.kind == "up" and "pass --up y" in found.text


def test_names_out_of_the_file_stay_in_one_line():
    x = points(people=2)
    x[40, 1, 0] = np.nan
    ids = ["a", "b\n\x1b[31mred" + "x" * 100]
    assert "person 'b\\n\\x1b[31m" in the_only(dirty(x, ids=ids)).text


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("frames", "people", "keypoints"), [(1, 1, 1), (1, 3, 19), (2, 2, 1), (3, 1, 1), (200, 3, 1)])
def test_small_recordings(frames, people, keypoints, dims):
    x = points(frames, people)[:, :, :keypoints, :dims]
    skeleton = COCO19 if keypoints == 19 else build_skeleton(keypoints)
    unit = "mm" if dims == 3 else "px"
    assert diagnose(PoseSequence.from_arrays(x, fps=30, skeleton=skeleton, unit=unit)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.sampled_from([1, 2, 19]), st.sampled_from([2, 3])),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-30, 1.0, 1e30]),
)
def test_anything_is_looked_at_without_warnings(shape, seed, scale):
    random = np.random.default_rng(seed)
    x = random.choice([0.0, 1.0, np.nan, 3.0], shape) * scale * random.choice([1.0, 10.0, 1e6], shape)
    unit, confidence = "m" if shape[3] == 3 else "px", random.normal(size=shape[:3])
    sequence = PoseSequence.from_arrays(x, fps=30, confidence=confidence, unit=unit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(f.count >= 1 and "\n" not in f.text for f in diagnose(sequence))


def test_long_recordings_are_quick():
    tiled = points(2000, 5)[:, :, np.arange(137) % 19]
    for sequence, seconds in ((walk(9000), 0.1), (PoseSequence.from_arrays(tiled, fps=30, unit="mm"), 1.0)):
        diagnose(sequence)
        start = time.process_time()
        diagnose(sequence)
        assert time.process_time() - start < 3 * seconds  # a busy machine is not what is tested


@pytest.mark.parametrize("facts", [{"ids": ("Anna", "Ben")}, {"metadata": {"coco": {"tracked": True}}}])
def test_people_whom_the_file_tells_apart_are_not_to_be_tracked(facts):
    x = points(people=2)
    x[40:70] = x[40:70, [1, 0]]
    x[90:, 1] = np.nan
    for changes, is_asked in (({}, True), (facts, False)):
        found = by_kind(dirty(x, **changes))
        assert all(("--track" in found[kind].text) is is_asked for kind in ("identity", "come-and-go"))
    alone = points()
    alone[90:] = np.nan
    assert the_only(dirty(alone)).text.endswith("kept so")
