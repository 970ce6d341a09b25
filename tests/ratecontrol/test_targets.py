"""Whatever is asked of an encode is kept, as measured on the decoded bytes, or refused with a reason."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zstandard
from conftest import ROOT, SHARED, rng
from targets import CODEC, IN_17, POINTS, SLACK, WALK, coded, come_and_go, exact, gappy, held, held_or_refused, of

from posecodec import PoseCodec, Skeleton
from posecodec.bench import untrained_skeletons
from posecodec.errors import InputError, UsageError
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import COCO17, COCO19
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol.target import Target, parse_length


@pytest.mark.parametrize("bound", [0.05, 0.3, 1, 5, 20, 100])
def test_max_error_is_held_on_a_walk(bound):
    found = held(WALK, bound)
    assert found.max > bound / 4 and found.compared == POINTS[..., 0].size


@pytest.mark.parametrize("bound", [0.05, 1, 20, 100])
@pytest.mark.parametrize("name", untrained_skeletons.RECORDINGS)
def test_max_error_is_held_on_unseen_recordings(name, bound):
    held(untrained_skeletons.RECORDINGS[name][0](24), bound)


@pytest.mark.parametrize("bound", [0.05, 5, 100])
@pytest.mark.parametrize("unit", ["m", "cm", "in", "px", "unknown"])
def test_max_error_is_held_in_every_unit(unit, bound):
    size = UNIT_MM.get(unit, 3.0)
    held(of(POINTS / size, unit=unit), bound / size)


BACKWARDS = of(POINTS[:, :, ::-1], skeleton=Skeleton("mine", COCO19.keypoints[::-1]))
SHAPES = {
    "gaps": of(gappy(POINTS)),
    "away for long": of(np.where((np.arange(80) // 35 == 1)[:, None, None, None], np.nan, POINTS)),
    "come and go": of(come_and_go()),
    "limbs never seen": of(np.where(np.isin(np.arange(19), (2, 5, 13))[:, None], np.nan, POINTS)),
    "hips and shoulders never seen": of(np.where(np.isin(np.arange(19), (3, 6, 9, 12))[:, None], np.nan, POINTS)),
    "one limb": of(np.where(np.isin(np.arange(19), (7, 8))[:, None], POINTS, np.nan)),
    "timestamps": PoseSequence.from_arrays(POINTS, timestamps=np.cumsum(0.01 + rng().random(80)), unit="mm", up="y"),
    "1 frame": walk(1),
    "2 frames": walk(2),
    "17 frames": walk(17),
    "two chunks": walk(1030, fps=120),
    "1 keypoint": of(POINTS[:, :, :1]),
    "2 keypoints": of(POINTS[:, :, :2]),
    "1 keypoint once in 2D": of(POINTS[:1, :, :1, :2]),
    "2D": of(POINTS[..., :2]),
    "2D of coco17": of(POINTS[:, :, IN_17, :2], skeleton=COCO17),
    "coco17": of(POINTS[:, :, IN_17], skeleton=COCO17),
    "coco17 with gaps": of(gappy(POINTS[:, :, IN_17]), skeleton=COCO17),
    "in one place": of(POINTS * 0 + 1234),
    "at the origin": of(POINTS[:3] * 0),
    "moving as one": of(POINTS * 0 + 20 * np.arange(80)[:, None, None, None]),
    "all missing": of(POINTS * np.nan),
    "no frames": of(POINTS[:0]),
    "nobody": of(POINTS[:, :0]),
    "noise": of(rng().normal(scale=1000, size=POINTS.shape)),
    "noise of any keypoints": of(rng().normal(scale=1000, size=(80, 1, 7, 3))),
    "a leap": of(POINTS + 1e5 * (np.arange(80) > 40)[:, None, None, None]),
    "mirrored": of(POINTS * [-1, 1, 1]),
    "upside down": of(POINTS * [1, -1, 1]),
    "a double": of(POINTS * (1 + 1e-12), exact=True),
    "slow": of(POINTS, fps=1e-6),
    "fast": of(POINTS, fps=1e6),
}


@pytest.mark.parametrize("name", SHAPES)
def test_max_error_is_held_on_any_shape(name):
    held(SHAPES[name], 2.0)


@pytest.mark.parametrize("name", SHAPES)
def test_the_default_decodes_and_promises_nothing(name):
    coded(SHAPES[name])


@pytest.mark.parametrize("name", SHAPES)
def test_mean_error_is_kept_on_any_shape(name):
    _, _, found = coded(SHAPES[name], mean_error=2.0)
    assert not found.mpjpe > 2.0 * SLACK


@pytest.mark.parametrize("name", SHAPES)
def test_lossless_is_exact_on_any_shape(name):
    exact(SHAPES[name])


def test_the_order_of_keypoints_hardly_matters():
    _, usual, found = coded(WALK)
    _, backwards, found_backwards = coded(BACKWARDS)
    assert found_backwards.mpjpe == pytest.approx(found.mpjpe, rel=0.2)
    assert held(BACKWARDS, 2.0) and len(backwards) < 3 * len(usual)


@pytest.mark.parametrize("up", ["unknown", "x", "y", "z", "-x", "-y", "-z"])
def test_max_error_is_held_whatever_is_up(up):
    axis = "xyz".find(up[-1]) if up != "unknown" else 1
    turned = np.roll(POINTS, axis - 1, axis=-1) * (-1 if up[0] == "-" else 1)
    held(of(turned, up=up), 5)
    held(of(POINTS, up=up), 5)
    if "z" not in up:
        held(of(POINTS[..., :2], up=up), 5)


@pytest.mark.parametrize("offset", [1e4, 1e6, 3e7, 1e9, 1e30])
@pytest.mark.parametrize("bound", [1, 20])
def test_far_away_the_max_error_is_held_or_refused(offset, bound):
    held_or_refused(of(POINTS + offset), bound)
    held_or_refused(of(POINTS[:, :, :7, :2] + offset, skeleton=None), bound)


@pytest.mark.parametrize(("offset", "bound"), [(1e4, 0.1), (1e5, 0.5), (1e6, 1), (1e6, 2), (4e6, 5)])
def test_far_away_the_max_error_is_held_where_float32_is_fine_enough(offset, bound):
    held(of(POINTS + offset), bound)


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-20, 1e-10, 1e10, 1e20])
def test_at_any_scale_the_max_error_is_held_or_refused(scale):
    for points in (POINTS, POINTS[:, :, :7, :2]):
        held_or_refused(of(points * scale), 5 * scale)


@pytest.mark.parametrize("scale", [1e-30, 1e20])
def test_the_default_is_as_good_at_any_scale(scale):
    points = POINTS[:, :, :7]
    _, usual, found = coded(of(points))
    _, scaled, found_scaled = coded(of(points * scale))
    assert found_scaled.mpjpe / scale == pytest.approx(found.mpjpe, rel=0.2)
    assert len(scaled) < 1.2 * len(usual)


# --- Beyond what coefficients hold ---

BEYOND = {
    "coco19 in another order": ("BACKWARDS", {"mean_error": 2.0}),
    "mean error of 1e-12": ("WALK", {"mean_error": 1e-12}),
    "mean error of 1e-6": ("WALK", {"mean_error": 1e-6}),
    "mean error of 1e-50": ("WALK", {"mean_error": 1e-50}),
    "mean error of 1e39": ("WALK", {"mean_error": 1e39}),
    "max error of 1e-12": ("WALK", {"max_error": 1e-12}),
    "max error of 1e-30": ("WALK", {"max_error": 1e-30}),
    "max error of 1e-50": ("WALK", {"max_error": 1e-50}),
    "max error of 1e39": ("WALK", {"max_error": 1e39}),
    "10 kbit/s at 7 fps": ("of(POINTS, fps=7)", {"bitrate": 10.0}),
    "100 kbit/s": ("WALK", {"bitrate": 100.0}),
    "1e6 kbit/s": ("WALK", {"bitrate": 1e6}),
    "1e39 kbit/s": ("WALK", {"bitrate": 1e39}),
    "scale 1e30": ("of(POINTS * 1e30)", {}),
    "scale 1e30, bounded": ("of(POINTS * 1e30)", {"max_error": 5e30}),
    "scale 1e34": ("of(POINTS * 1e34)", {}),
    "scale 1e34, bounded": ("of(POINTS * 1e34)", {"max_error": 5e34}),
    "outlier at 1e9": ("outlier(1e9)", {"max_error": 0.05}),
    "outlier at 1e10": ("outlier(1e10)", {"max_error": 1.0}),
    "outlier at 1e12": ("outlier(1e12)", {}),
    "outlier at 1e30": ("outlier(1e30)", {}),
    "outlier at 1e30, bounded": ("outlier(1e30)", {"max_error": 1.0}),
    "largest floats": ("of(np.sign(POINTS) * 3.4e38)", {}),
    "largest floats, bounded": ("of(np.sign(POINTS) * 3.4e38)", {"max_error": 1e36}),
}


def outlier(value):
    points = POINTS.copy()
    points[40, 0, 5] = value
    return of(points)


def outcome(recording, goal):
    """How an encode and decode end: "kept" or the exception."""
    sequence = eval(recording)
    try:
        coded(sequence, **goal)
        return "kept"
    except (InputError, UsageError) as error:
        return f"refused: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def report():
    """Run every case of BEYOND in a process of its own, since some take the interpreter down."""
    for name, (recording, goal) in BEYOND.items():
        child = os.fork()
        if not child:
            print(json.dumps([name, outcome(recording, goal)]), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            print(json.dumps([name, "the process died"]), flush=True)


def run(code, **environment):
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parent, env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **environment},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout


@pytest.fixture(scope="module")
def beyond():
    return dict(json.loads(line) for line in run("import test_targets; test_targets.report()").splitlines())


@pytest.mark.parametrize("name", BEYOND)
def test_what_cannot_be_coded_is_refused_and_never_crashes(name, beyond):
    assert beyond[name] == "kept" or beyond[name].startswith("refused: ")


@pytest.mark.parametrize("wanted", [0.1, 1, 5, 30])
@pytest.mark.parametrize("name", ["walk", "hand", "pixels"])
def test_mean_error_is_kept_and_used_up(name, wanted):
    sequence = WALK if name == "walk" else untrained_skeletons.RECORDINGS[name][0](48)
    _, _, found = coded(sequence, mean_error=wanted)
    assert 0.5 * wanted < found.mpjpe <= wanted * SLACK


@pytest.mark.parametrize("wanted", [0.5, 2, 10])
def test_bitrate_is_kept_and_used_up(wanted):
    timed = PoseSequence.from_arrays(POINTS, timestamps=np.arange(80) / 29)
    for sequence in (WALK, untrained_skeletons.make_hand(80), walk(80, people=2), timed):
        try:
            _, data, _ = coded(sequence, bitrate=wanted)
        except InputError as error:
            assert "less than the least" in str(error)
            continue
        rate = 8e-3 * len(data) * sequence.rate / sequence.frames
        assert 0.6 * wanted < rate <= wanted


def test_a_higher_bitrate_is_more_accurate():
    errors = [coded(WALK, bitrate=rate)[2].mpjpe for rate in (0.5, 1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("name", ["walk", *untrained_skeletons.RECORDINGS])
def test_the_default_is_off_by_about_a_hundredth_of_the_size(name):
    sequence = WALK if name == "walk" else untrained_skeletons.RECORDINGS[name][0](48)
    _, _, found = coded(sequence)
    points = sequence.positions.astype(float)[:, 0]
    size = np.sqrt(np.nanmean(np.square(points - np.nanmean(points, axis=1, keepdims=True)).sum(axis=2)))
    assert 0.002 < found.mpjpe / (3.2 * size) < 0.02


def test_the_default_of_a_body_of_noise_is_off_by_about_a_hundredth_of_the_size():
    _, _, found = coded(SHAPES["noise"])
    assert found.mpjpe < 0.03 * 3.2 * 1700


@pytest.mark.parametrize("goal", [{}, {"max_error": 5}, {"mean_error": 5}])
@pytest.mark.parametrize("kind", ["usual", "large", "negative", "tiny", "ones", "zeros"])
def test_confidences_are_kept_within_half_a_step(goal, kind):
    surely = {
        "usual": rng().random((80, 1, 19)), "large": 1e30 * rng().random((80, 1, 19)),
        "negative": -7 * rng().random((80, 1, 19)), "tiny": 1e-30 * rng().random((80, 1, 19)),
        "ones": np.ones((80, 1, 19)), "zeros": np.zeros((80, 1, 19)),
    }[kind]  # fmt: skip
    sequence = of(gappy(POINTS), confidence=surely)
    decoded, _, _ = coded(sequence, **goal)
    scale = max(1.0, np.abs(sequence.confidence).max())
    off = np.abs(decoded.confidence.astype(float) - sequence.confidence).max()
    assert off <= scale / 510 * (1 + 1e-5)
    assert kind != "ones" or off == 0


@pytest.mark.parametrize(
    "goal",
    [
        {"max_error": 1, "mean_error": 1}, {"max_error": 1, "lossless": True}, {"bitrate": 1, "mean_error": 1},
        {"levels": 1, "lossless": True}, {"levels": 2, "max_error": 3}, {"levels": 1, "bitrate": 1},
        {"max_error": 1, "mean_error": 1, "bitrate": 1, "lossless": True},
        *({kind: value} for kind in ("max_error", "mean_error", "bitrate") for value in (0, -1, np.nan, np.inf)),
        {"levels": 0},
    ],
)  # fmt: skip
def test_contradicting_and_impossible_goals_are_refused(goal):
    with pytest.raises(UsageError):
        CODEC.encode(WALK, **goal)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("5", "px", 5), ("5mm", "m", 0.005), (" 2 cm ", "mm", 20), ("1in", "mm", 25.4), ("1e-3m", "mm", 1), ("3px", "px", 3)],
)  # fmt: skip
def test_lengths_are_read_in_the_recordings_unit(text, unit, value):
    assert Target("max-error", *parse_length(text)).in_unit(unit).value == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "mm", "5 miles", "-5mm", "1.2.3", "5mm", "3px", "nan", "inf"])
def test_what_is_no_length_in_that_unit_is_refused(text):
    with pytest.raises(UsageError):
        Target("max-error", *parse_length(text)).in_unit("px" if text == "5mm" else "mm")


@pytest.mark.parametrize(
    "option", [{"bitrate": "5mm"}, {"levels": "3mm"}, {"levels": 2.5}, {"levels": np.nan}, {"max_error": [5]}]
)
def test_levels_and_bit_rates_are_numbers_without_a_unit(option):
    with pytest.raises(UsageError, match=r"give|whole number"):
        Target.from_options(**option)
    with pytest.raises(UsageError, match="no unit"):
        Target("bitrate", 5, "mm")


def digests():
    """The hashes of some files, as JSON."""
    goals = ({}, {"max_error": 2.0}, {"lossless": True})
    made = [CODEC.encode(s, **goal).data for s in (walk(120), untrained_skeletons.make_hand(60)) for goal in goals]
    print(json.dumps([hashlib.sha256(data).hexdigest() for data in made]))


def test_files_are_the_same_with_more_threads_and_fresh_kernels(tmp_path):
    code = "import test_targets; test_targets.digests()"
    usual = run(code, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2", MKL_NUM_THREADS="2")
    assert len(set(json.loads(usual))) == 6
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == usual


def test_the_same_codec_gives_the_same_file_again():
    first, again, fresh = (codec.encode(WALK, max_error=2).data for codec in (CODEC, CODEC, PoseCodec()))
    assert first == again == fresh


def real(name, count):
    if not (SHARED / "data").exists():
        pytest.skip(f"no recordings at {SHARED / 'data'}")
    found = np.load(SHARED / "data" / f"{name}.npz")
    points = found["root_mm"][:, None] + found["rel_dmm"].astype(np.float32) * np.float32(0.1)
    spans = list(zip(found["start"], found["length"], strict=True))[:count]
    return [of(points[start : start + size]) for start, size in spans]


@pytest.mark.parametrize("name", ["val/cmu_bvh", "nc/val/bandai"])
def test_max_error_is_held_on_real_recordings(name):
    for sequence in real(name, 5):
        assert held(sequence, 5).max > 4


def test_real_recordings_take_few_bits_at_a_bound_of_20_mm():
    recordings = real("val/cmu_bvh", 8)
    bits = sum(8 * len(CODEC.encode(sequence, max_error=20).data) for sequence in recordings)
    assert bits / sum(sequence.frames for sequence in recordings) < 33 + 5


@pytest.mark.parametrize("name", ["val/cmu_bvh", "nc/val/bandai"])
def test_lossless_real_recordings_are_smaller_than_zstd(name):
    for sequence in real(name, 4):
        packed = zstandard.ZstdCompressor(level=19).compress(sequence.positions.tobytes())
        assert len(exact(sequence)) < 0.9 * len(packed)
