"""Every measure worked by hand, its invariances, and scipy as the oracle of Procrustes."""

import json
import math
import time
import warnings

import numpy as np
import pytest

from posecodec import PoseSequence, Skeleton
from posecodec.analysis import metrics
from posecodec.analysis.metrics import compare, error_per_keypoint
from posecodec.errors import DataWarning, InputError
from posecodec.pose.skeletons.builtin import COCO17, COCO19

LINE = Skeleton("line", ("a", "b", "c"), edges=((0, 1), (1, 2)), root=0)


def sequence(positions, unit="mm", **options):
    """A sequence at 10 frames/s; 3-keypoint ones have the skeleton LINE."""
    array = np.asarray(positions, np.float64)
    if array.shape[-2] == 3:
        options.setdefault("skeleton", LINE)
    return PoseSequence.from_arrays(array, **{"fps": 10.0, "unit": unit, **options})


def bodies(rng, frames=6, people=2, dims=3, offset=0.0):
    return (rng.normal(size=(frames, people, 19, dims)) * 400 + offset).astype(np.float32)


def cubic(frames):
    """x = t^3 in mm."""
    moving = np.zeros((frames, 3, 3))
    moving[..., 0] = (np.arange(frames) ** 3.0)[:, None]
    return moving


def rotation(rng, dims):
    matrix = np.linalg.qr(rng.normal(size=(dims, dims)))[0]
    matrix[:, 0] *= np.sign(np.linalg.det(matrix))
    return matrix


POSE = [[0, 0, 0], [0, 100, 0], [0, 200, 0]]
BENT = [[3, 4, 0], [0, 100, 0], [0, 200, 60]]


def test_errors_of_one_pose_by_hand_and_how_they_are_shown():
    """Errors are 5, 0 and 60 mm; relative to keypoint a they are 0, 5 and |(-3, -4, 60)| = sqrt(3625)."""
    a, b = sequence([POSE]), sequence([BENT])
    assert error_per_keypoint(a, b).tolist() == [[[5, 0, 60]]]
    result = compare(a, b)
    assert (result.compared, result.only_reference, result.only_other) == (3, 0, 0)
    assert result.mpjpe == pytest.approx(65 / 3)
    assert result.mpjpe_root == pytest.approx((0 + 5 + math.sqrt(3625)) / 3)
    assert (result.p50, result.max) == (5, 60)
    assert result.p95 == pytest.approx(5 + 0.9 * 55)
    assert result.p99 == pytest.approx(5 + 0.98 * 55)
    assert result.rmse == pytest.approx(math.sqrt((25 + 3600) / 3))
    assert result.pck == pytest.approx({"50 mm": 2 / 3, "100 mm": 1, "150 mm": 1})
    bones = [abs(100 - math.hypot(3, 96)), abs(100 - math.hypot(100, 60))]
    assert result.bone_length_error == pytest.approx(sum(bones) / 2)
    assert result.height == 200
    assert result.percent_of_height == pytest.approx(100 * 65 / 3 / 200)
    assert result.percent_of_height_root == pytest.approx(result.mpjpe_root / 2)
    assert all(math.isnan(v) for v in (result.velocity_error, result.jerk_reference, result.jerk_other))
    assert compare(a, sequence([np.array(POSE) + [50, 0, 0]])).pck["50 mm"] == 1, "a threshold counts as within it"
    values = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert values["mpjpe"] == result.mpjpe and values["pck"]["50 mm"] == pytest.approx(2 / 3)
    table = "\n".join(result.describe())
    assert "MPJPE" in table and "21.67 mm" in table and "10.83 % of height" in table and "PCK@50 mm" in table


def test_velocity_and_jerk_by_hand():
    """At 10 frames/s it has the third difference 6, so 6000 mm/s^3; x = 0 has none. The rate of timestamps is used."""
    result = compare(sequence(cubic(5)), sequence(np.zeros((5, 3, 3))))
    assert result.jerk_reference == pytest.approx(6000)
    assert result.jerk_other == 0
    assert result.velocity_error == pytest.approx(64 / 4 * 10)  # steps 1, 7, 19, 37
    timed = sequence(cubic(5), fps=None, timestamps=np.arange(5) / 20)
    assert compare(timed, timed).jerk_reference == pytest.approx(6 * 20**3)


def test_jerk_needs_four_valid_frames_in_a_row():
    holed = cubic(8)
    holed[[1, 3], 0] = np.nan  # leaves frames 4 to 7: one run of four
    holed[[3, 4], 1] = np.nan
    holed[:, 2] = np.nan
    jerk = metrics.jerk(sequence(holed).positions.astype(np.float64), 10.0)
    assert np.isfinite(jerk).sum(axis=(0, 1)).tolist() == [1, 0, 0]
    assert compare(sequence(cubic(8)), sequence(holed)).jerk_reference == pytest.approx(6000)


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1), ("cm", 10), ("m", 1000), ("in", 25.4)])
def test_lengths_come_out_in_mm(unit, mm):
    result = compare(sequence([POSE], unit), sequence([BENT], unit))
    assert result.unit == "mm"
    assert result.mpjpe == pytest.approx(mm * 65 / 3)
    assert result.height == pytest.approx(200 * mm)
    assert result.percent_of_height == pytest.approx(100 * 65 / 3 / 200)
    other = compare(sequence([POSE], unit), sequence([mm * np.array(POSE)], "mm"))
    assert other.max == pytest.approx(0, abs=0 if unit in ("mm", "cm") else 1e-3), "units of length may differ"


@pytest.mark.parametrize("unit", ["px", "unknown"])
def test_pck_without_lengths_is_relative_to_the_person(unit):
    """Heights 200 and 100: errors of 10 are 5 % of the first and 10 % of the second."""
    tall = np.array(POSE, float)[:, :2]
    both = np.stack([tall, tall / 2])[None]
    result = compare(sequence(both, unit), sequence(both + [10, 0], unit))
    assert result.unit == unit
    assert result.mpjpe == 10
    assert result.pck == pytest.approx({"0.05 height": 0.5, "0.1 height": 1})
    assert result.height == 150


def test_height_is_measured_along_the_up_axis():
    pose = np.array([[0, 0, 0], [300, 10, 20], [0, 0, 0]], float)[None]
    for up, expected in {"x": 300, "-x": 300, "y": 10, "-y": 10, "z": 20, "unknown": 300}.items():
        assert compare(sequence(pose, up=up), sequence(pose, up=up)).height == expected


def test_people_are_matched_by_id():
    positions = bodies(np.random.default_rng(1))
    a, b = sequence(positions, ids="xy"), sequence(positions[:, ::-1], ids="yx")
    assert compare(a, b).max == 0 and not error_per_keypoint(a, b).any()


def test_missing_keypoints_are_counted_and_left_out():
    a, b = np.array([POSE, POSE], float), np.array([BENT, BENT], float)
    a[0, 2] = np.nan
    b[1, 0] = np.nan
    errors = error_per_keypoint(sequence(a), sequence(b))
    np.testing.assert_array_equal(errors, [[[5, 0, np.nan]], [[np.nan, 0, 60]]])
    result = compare(sequence(a), sequence(b))
    assert (result.compared, result.only_reference, result.only_other) == (4, 1, 1)
    assert result.mpjpe == 65 / 4


def test_the_mean_stands_in_for_a_missing_root():
    """Without keypoint a, b and c err by (0, 0, -30) and (0, 0, 30) around their mean."""
    a, b = np.array([POSE], float), np.array([BENT], float)
    b[0, 0] = np.nan
    assert compare(sequence(a), sequence(b)).mpjpe_root == pytest.approx(30)
    rootless = Skeleton("rootless", LINE.keypoints)
    result = compare(sequence(a, skeleton=rootless), sequence(b, skeleton=rootless))
    assert result.mpjpe_root == pytest.approx(30)
    assert math.isnan(result.bone_length_error)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("root", [COCO19, Skeleton("rootless", COCO19.keypoints)])
def test_a_translation_is_global_error_only(dims, root):
    positions = np.round(bodies(np.random.default_rng(dims), dims=dims))
    a = sequence(positions, skeleton=root)
    result = compare(a, sequence(positions + np.array([30, 40, 0])[:dims], skeleton=root))
    assert result.mpjpe == pytest.approx(50, abs=1e-9)
    assert (result.mpjpe_root, result.mpjpe_procrustes, result.velocity_error) == pytest.approx((0, 0, 0), abs=1e-9)
    assert result.bone_length_error == pytest.approx(0, abs=1e-9) or math.isnan(result.bone_length_error)


@pytest.mark.parametrize("dims", [2, 3])
def test_procrustes_forgives_a_similarity_but_no_reflection(dims):
    rng = np.random.default_rng(3)
    x = bodies(rng, frames=1, people=1, dims=dims).astype(np.float64)
    similar = 1.7 * x @ rotation(rng, dims) + 900
    assert np.max(metrics.procrustes_errors(x, similar)) < 1e-9
    assert np.mean(metrics.procrustes_errors(x, similar * [-1, *[1] * (dims - 1)])) > 100


@pytest.mark.parametrize("dims", [2, 3])
def test_procrustes_agrees_with_scipy(dims):
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(4)
    x = bodies(rng, frames=20, people=2, dims=dims).astype(np.float64)
    y = 0.6 * x @ rotation(rng, dims) + rng.normal(size=x.shape) * 60 + 500
    missing = rng.random(x.shape[:3]) < 0.3
    x[missing] = y[missing] = np.nan
    errors = metrics.procrustes_errors(x, y)
    for frame, person in np.ndindex(20, 2):
        seen = ~missing[frame, person]
        a, b = x[frame, person, seen], y[frame, person, seen]
        a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
        turn, trace = linalg.orthogonal_procrustes(b0, a0)
        assert np.linalg.det(turn) > 0  # else scipy's answer is a reflection and no oracle
        expected = np.linalg.norm(b0 @ turn * trace / (b0**2).sum() - a0, axis=-1)
        np.testing.assert_allclose(errors[frame, person, seen], expected, atol=1e-9)
    assert (np.isnan(errors) == missing).all()


def test_procrustes_agrees_with_scipy_spatial():
    spatial = pytest.importorskip("scipy.spatial")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1, 1, 19, 3))
    y = x + rng.normal(size=x.shape) * 0.1
    disparity = spatial.procrustes(x[0, 0], y[0, 0])[2]
    spread = ((x - x.mean(axis=2)) ** 2).sum()
    assert (metrics.procrustes_errors(x, y) ** 2).sum() == pytest.approx(disparity * spread)


def test_procrustes_needs_enough_keypoints():
    """Three in 3D, two in 2D; a reference at one point says nothing, another pose at one point maps to the centroid."""
    x = np.array([[[[0, 0, 0], [2, 0, 0], [np.nan] * 3]]], float)
    assert np.isnan(metrics.procrustes_errors(x, x)).all()
    flat = x[..., :2]
    assert metrics.procrustes_errors(flat, flat)[..., :2] == pytest.approx(0, abs=1e-12)
    at_point = np.where(np.isnan(flat), np.nan, 0.1)
    assert np.isnan(metrics.procrustes_errors(at_point, flat)).all()
    assert metrics.procrustes_errors(flat, at_point)[..., :2].ravel().tolist() == [1, 1]


def test_huge_coordinates_keep_their_accuracy():
    x = np.round(bodies(np.random.default_rng(6))) + np.float32(1e6)
    result = compare(sequence(x), sequence(x + np.float32(1)))
    assert result.mpjpe == pytest.approx(math.sqrt(3), rel=1e-12)
    assert result.mpjpe_root == pytest.approx(0, abs=1e-9)
    assert result.mpjpe_procrustes == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("shape", [(0, 2, 19, 3), (4, 0, 19, 3), (4, 2, 19, 3), (1, 1, 19, 2)])
@pytest.mark.filterwarnings("error")
def test_nothing_valid_is_nan_in_python_and_null_in_json(shape):
    empty = sequence(np.full(shape, np.nan), "px")
    result = compare(empty, empty)
    assert result.compared == 0
    values = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    kept = {"unit", "compared", "only_reference", "only_other", "pck"}
    assert all(values[name] is None for name in values.keys() - kept)
    assert values["pck"] == {"0.05 height": None, "0.1 height": None}
    assert any("n/a" in line for line in result.describe())


def test_identical_sequences_have_no_error():
    a = sequence(bodies(np.random.default_rng(7)))
    result = compare(a, a)
    assert result.max == result.mpjpe_root == result.velocity_error == result.bone_length_error == 0
    assert result.jerk_reference == result.jerk_other > 0
    assert set(result.pck.values()) == {1}


GOOD = {"positions": np.zeros((4, 2, 17, 3)), "skeleton": COCO17, "unit": "mm", "up": "y", "ids": "ab"}


@pytest.mark.parametrize(
    ("change", "found", "remedy"),
    [
        ({"positions": np.zeros((4, 2, 19, 3)), "skeleton": COCO19}, "'coco19'", "mapped_to"),
        ({"skeleton": Skeleton("other", COCO17.keypoints[::-1])}, "'other'", "mapped_to"),
        ({"positions": np.zeros((4, 2, 17, 2))}, "2D", "same kind"),
        ({"positions": np.zeros((5, 2, 17, 3))}, "the other 5", "cut both"),
        ({"ids": "ac"}, r"\['b'\]", "the same ids"),
        ({"positions": np.zeros((4, 1, 17, 3)), "ids": "a"}, r"\['b'\]", "the same ids"),
        ({"unit": "px"}, "'px'", "state the unit"),
        ({"up": "z"}, "'z'", "turn one"),
    ],
)
@pytest.mark.parametrize("function", [compare, error_per_keypoint])
def test_sequences_that_do_not_correspond(function, change, found, remedy):
    with pytest.raises(InputError, match=f"{found}.*{remedy}"):
        function(sequence(**GOOD), sequence(**{**GOOD, **change}))


def test_up_may_be_known_on_one_side_only_and_a_skeleton_named_otherwise():
    renamed = {"up": "unknown", "skeleton": Skeleton("renamed", COCO17.keypoints)}
    assert compare(sequence(**GOOD), sequence(**{**GOOD, **renamed})).max == 0


@pytest.mark.parametrize("other", [{"fps": 60}, {"fps": None, "timestamps": np.arange(4) / 60}])
def test_other_frame_rates_are_told(other):
    with pytest.warns(DataWarning, match="the reference has 10 frames a second, the other 60"):
        assert compare(sequence(**GOOD), sequence(**{**GOOD, **other})).max == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compare(sequence(**GOOD), sequence(**{**GOOD, "fps": None, "timestamps": np.arange(4) / 10}))


def test_ten_thousand_frames_take_well_under_a_second():
    x = bodies(np.random.default_rng(8), frames=10_000, people=1)
    a, b = sequence(x), sequence(x + np.float32(1))
    start = time.process_time()
    compare(a, b)
    assert time.process_time() - start < 2  # 0.2 s on an idle core
