"""Whatever is asked of an encode is kept, as measured on the decoded bytes, or refused with a reason; forged files fail."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from conftest import ROOT, SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import compare
from posecodec.analysis.verification import verify
from posecodec.bench import untrained_skeletons
from posecodec.bitstream import container
from posecodec.bitstream.container import Chunk
from posecodec.codec import PoseCodec
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.errors import CorruptError, InputError, UsageError
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, COCO19
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol.target import Target, parse_length

CODEC = PoseCodec(None)
WALK = walk(80)
POINTS = WALK.positions.astype(np.float64)
IN_17 = [COCO19.keypoints.index(name) for name in COCO17.keypoints]
DATA = SHARED / "data"
SLACK = 1 + 1e-6


def of(points, **options):
    options = {"fps": 30, "unit": "mm", "up": "y", **options}
    return PoseSequence.from_arrays(points, **{k: v for k, v in options.items() if v is not None})


def rng(seed=0):
    return np.random.default_rng(seed)


def coded(sequence, codec=CODEC, **goal):
    """What a file with a goal decodes to, its bytes, and the comparison; its promise holds and what is there is kept."""
    data = codec.encode(sequence, **goal).data
    decoded = codec.decode(data)
    assert np.array_equal(decoded.valid, sequence.valid)
    assert (decoded.unit, decoded.up, decoded.ids, decoded.fps) == (
        sequence.unit, sequence.up, sequence.ids, sequence.fps,
    )  # fmt: skip
    assert verify(container.read_header(data), decoded, len(data), sequence).kept is True
    return decoded, data, compare(sequence, decoded)


def held(sequence, bound, codec=CODEC):
    """The comparison after an encode with a maximum error in the recording's unit, which is kept."""
    _, _, found = coded(sequence, codec, max_error=bound)
    assert not found.max > bound * UNIT_MM.get(sequence.unit, 1.0) * SLACK
    return found


def held_or_refused(sequence, bound):
    try:
        held(sequence, bound)
    except InputError as error:
        assert "--lossless" in str(error)
        return False
    return True


def with_gaps(points, share=0.3):
    points = np.array(points, np.float64)
    points[rng().random(points.shape[:3]) < share] = np.nan
    return points


def people_who_come_and_go():
    points = walk(200, people=4).positions.copy()
    points[:50, 0] = points[60:120, 1] = np.nan
    points[:, 2] = np.nan
    points[7, 2], points[199, 3] = 1.0, np.nan
    return points


# --- Maximum error ---


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
    "gaps": of(with_gaps(POINTS)),
    "away for long": of(np.where((np.arange(80) // 35 == 1)[:, None, None, None], np.nan, POINTS)),
    "come and go": of(people_who_come_and_go()),
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
    "coco17 with gaps": of(with_gaps(POINTS[:, :, IN_17]), skeleton=COCO17),
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
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120,
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


# --- Mean error, bit rate, default ---


@pytest.mark.parametrize("wanted", [0.1, 1, 5, 30])
@pytest.mark.parametrize("name", ["walk", "hand", "pixels"])
def test_mean_error_is_kept_and_used_up(name, wanted):
    sequence = WALK if name == "walk" else untrained_skeletons.RECORDINGS[name][0](48)
    _, _, found = coded(sequence, mean_error=wanted)
    assert 0.5 * wanted < found.mpjpe <= wanted * SLACK


@pytest.mark.parametrize("wanted", [0.5, 2, 10])
def test_bitrate_is_kept_and_used_up(wanted):
    for sequence in (
        WALK,
        untrained_skeletons.make_hand(80),
        walk(80, people=2),
        PoseSequence.from_arrays(POINTS, timestamps=np.arange(80) / 29),
    ):
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
    sequence = of(with_gaps(POINTS), confidence=surely)
    decoded, _, _ = coded(sequence, **goal)
    scale = max(1.0, np.abs(sequence.confidence).max())
    off = np.abs(decoded.confidence.astype(float) - sequence.confidence).max()
    assert off <= scale / 510 * (1 + 1e-5)
    assert kind != "ones" or off == 0


# --- Lossless ---


def exact(sequence):
    decoded, data, _ = coded(sequence, lossless=True)
    assert decoded.positions.dtype == sequence.positions.dtype or not sequence.positions.size
    assert decoded.positions.tobytes() == sequence.positions.tobytes()
    assert decoded.confidence.tobytes() == sequence.confidence.tobytes()
    return data


def strange(kind, frames=50, people=2):
    """Positions with NaN payloads, both zeros, denormals and the largest floats, and confidences of any value."""
    info, bits = np.finfo(kind), np.uint32 if kind == np.float32 else np.uint64
    points = walk(frames, people=people).positions.astype(kind)
    points = points + rng().random(points.shape).astype(kind) * kind(1e-9 if kind == np.float64 else 0)
    points[3, 0, 4] = [-0.0, 0.0, info.smallest_subnormal]
    points[4, 0, 4] = [-info.smallest_subnormal, info.tiny, -np.finfo(np.float32).max]
    gone = rng(1).random(points.shape[:3]) < 0.2
    payloads = (rng(2).integers(1, 1000, points.shape).astype(bits) | np.array(np.nan, kind).view(bits)).view(kind)
    points = np.where(gone[..., None], np.where(rng(3).random(points.shape) < 0.5, payloads, -payloads), points)
    points[10:48, 1] = np.nan
    surely = rng(4).normal(size=points.shape[:3]).astype(np.float32) * 10.0 ** rng(5).integers(
        -40, 38, points.shape[:3]
    )
    surely = np.where(np.isnan(points[..., 0]), np.float32(0), surely).astype(np.float32)
    ids = tuple(str(p) for p in range(people))
    return PoseSequence(points, surely, COCO19, 30.0, None, "mm", "y", ids, {})


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_lossless_keeps_every_bit(kind):
    sequence = strange(kind)
    assert np.isnan(sequence.positions).any() and sequence.positions.dtype == kind
    exact(sequence)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [3.4e38, 1e30, 1e-40, 0.0])
def test_lossless_keeps_every_bit_of_any_size(kind, value):
    exact(of(np.sign(POINTS).astype(kind) * kind(value), exact=True))


def test_lossless_keeps_every_bit_of_several_chunks():
    exact(strange(np.float32, frames=1030))


@pytest.mark.parametrize("name", untrained_skeletons.RECORDINGS)
def test_lossless_keeps_every_bit_of_unseen_recordings(name):
    exact(untrained_skeletons.RECORDINGS[name][0](40))


def test_lossless_keeps_negative_zeros_among_confidences():
    surely = np.ones((80, 1, 19), np.float32)
    surely[5, 0, 3] = -0.0
    points = WALK.positions.copy()
    points[5, 0, 3] = np.nan
    exact(PoseSequence(points, surely, COCO19, 30.0, None, "mm", "y", ("0",)))


def test_lossless_files_that_were_changed_are_not_verified():
    data = CODEC.encode(WALK, lossless=True).data
    decoded = CODEC.decode(data)
    other = decoded.with_positions(decoded.positions + np.float32(0.01), decoded.confidence)
    assert verify(container.read_header(data), other, len(data)).kept is False
    assert verify(container.read_header(data), decoded, len(data), other).kept is False


def test_a_broken_promise_is_told():
    data = CODEC.encode(WALK, max_error=5).data
    decoded = CODEC.decode(data)
    far = decoded.with_positions(decoded.positions + np.float32(6), decoded.confidence)
    header = container.read_header(data)
    assert verify(header, far, len(data), WALK).kept is False
    assert verify(header, decoded, len(data)).kept is None
    assert header.guarantee.reached == pytest.approx(compare(WALK, decoded).max / 5, abs=1 / 255)


# --- Goals themselves ---


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


# --- Forged files ---


def layered(codec, sequence):
    """A file of tokens and what they miss, refined to a bound."""
    (chunk,), transform = split_sequence(sequence), codec.coders.transform
    header, (coded,) = container.read(codec.encode(sequence, levels=8).data)
    _, quantized = codec.coders.windows.read_integers(coded, ChunkContext.from_header(header, sequence.frames))
    guide = codec.tokenizer.decode(quantized, "y").astype(float)
    made = transform.encode_refinement(chunk, 80, guide, coded.base, max_error=5.0).chunk
    return container.write(replace(header, transform=transform.weights.id), [made])


@pytest.fixture(scope="module")
def victims():
    """(codec, header, chunks) of valid files of every kind."""
    tokens = PoseCodec.from_pretrained("body3d")
    surely = of(with_gaps(POINTS[:40], 0.1), confidence=rng().random((40, 1, 19)))
    files = [
        (CODEC, CODEC.encode(WALK).data),
        (CODEC, CODEC.encode(surely, max_error=2).data),
        (CODEC, CODEC.encode(untrained_skeletons.make_hand(30), max_error=1).data),
        (CODEC, CODEC.encode(of(POINTS[:30, :, :7, :2])).data),
        (CODEC, CODEC.encode(surely, lossless=True).data),
        (CODEC, CODEC.encode(walk(20, people=3), lossless=True).data),
        (tokens, layered(tokens, walk(40))),
        (tokens, layered(tokens, of(POINTS[:40, :, IN_17], skeleton=COCO17))),
    ]
    for codec, data in files:
        assert np.isfinite(codec.decode(data).positions[codec.decode(data).valid]).all()
    return [(codec, *container.read(data)) for codec, data in files]


def test_layered_files_keep_the_bound_of_their_refinement():
    tokens, sequence = PoseCodec.from_pretrained("body3d"), walk(40)
    assert compare(sequence, tokens.decode(layered(tokens, sequence))).max <= 5


def decodes_or_is_corrupt(codec, data):
    begun = time.monotonic()
    try:
        decoded = codec.decode(data)
        assert np.isfinite(decoded.positions[decoded.valid]).all()
    except CorruptError:
        pass
    assert time.monotonic() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20


CHANGE = st.tuples(st.one_of(st.integers(0, 12), st.integers(0, 1 << 16)), st.integers(1, 255))


@given(st.integers(0, 6), st.lists(CHANGE, min_size=1, max_size=4), st.one_of(st.none(), st.integers(0, 1 << 12)))
@settings(max_examples=200, deadline=None)
def test_forged_files_are_corrupt_or_decode(victims, number, changes, cut):
    forge(victims[number], changes, cut)


@given(st.lists(CHANGE, min_size=1, max_size=4), st.one_of(st.none(), st.integers(0, 1 << 12)))
@settings(max_examples=60, deadline=None)
def test_forged_layered_files_of_coco17_are_corrupt_or_decode(victims, changes, cut):
    forge(victims[7], changes, cut)


@given(st.integers(0, 7), st.binary(max_size=200), st.sampled_from([0x00, 0x40, 0x80, 0x81, 0x82, 0x83, 0xC0]))
@settings(max_examples=100, deadline=None)
def test_files_of_any_bytes_are_corrupt_or_decode(victims, number, payload, kind):
    codec, header, parts = victims[number]
    made = [Chunk(bytes([kind]) + payload, part.refinement and payload) for part in parts]
    decodes_or_is_corrupt(codec, container.write(header, made))


def test_files_of_empty_chunks_are_corrupt(victims):
    for codec, header, parts in victims:
        with pytest.raises(CorruptError):
            codec.decode(container.write(header, [Chunk(b"") for _ in parts]))


@given(st.sampled_from([6, 7]), st.lists(CHANGE, max_size=3), st.integers(0, 1 << 12))
@settings(max_examples=60, deadline=None)
def test_tokens_of_forged_files_are_corrupt_or_digits(victims, number, changes, cut):
    """Reading tokens without the network."""
    codec, header, parts = victims[number]
    base = bytearray(parts[0].base)
    for at, bits in changes:
        base[1 + at % (len(base) - 1)] ^= bits  # the first holds the kind
    data = container.write(header, [Chunk(bytes(base[: 1 + cut % len(base)]), parts[0].refinement)])
    try:
        (grid,) = codec.tokens(data)
    except CorruptError:
        return
    assert grid.frames == header.frames and 0 <= grid.indices.min() <= grid.indices.max() <= 2


def test_a_file_whose_first_chunk_is_empty_and_whose_second_is_exact_is_corrupt(victims):
    codec, header, parts = victims[5]
    with pytest.raises(CorruptError):
        codec.decode(container.write(header, [Chunk(b""), *parts[1:]]))


def forge(victim, changes, cut):
    codec, header, parts = victim
    made = []
    for number, part in enumerate(parts):
        pieces = [bytearray(part.base), bytearray(part.refinement)]
        for place, (at, bits) in enumerate(changes):
            piece = pieces[place % 2] or pieces[0]
            if number == at % len(parts) and piece:
                piece[at % len(piece)] ^= bits
        if cut is not None and len(pieces[cut % 2]) > 1:
            pieces[cut % 2] = pieces[cut % 2][: 1 + cut % (len(pieces[cut % 2]) - 1)]
        made.append(Chunk(*(bytes(piece) for piece in pieces)))
    decodes_or_is_corrupt(codec, container.write(header, made))


def test_chunks_in_another_order_are_corrupt_or_decode(victims):
    codec, header, parts = victims[5]
    decodes_or_is_corrupt(codec, container.write(header, parts[::-1]))


def test_chunks_of_other_files_are_corrupt_or_decode(victims):
    for codec, header, parts in victims:
        for _, _, others in victims:
            if len(others) >= len(parts):
                decodes_or_is_corrupt(codec, container.write(header, others[: len(parts)]))


@pytest.mark.parametrize(("goal", "size"), [({}, 1e20), ({"bitrate": 0.3}, 1.0)])
def test_a_body_that_the_trained_basis_refuses_can_be_encoded_with_token_weights(goal, size):
    tokens = PoseCodec.from_pretrained("body3d")
    coded(of(POINTS[:, :, IN_17] * size + 3e7, skeleton=COCO17), tokens, **goal)


# --- The same everywhere ---


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
    assert CODEC.encode(WALK, max_error=2).data == CODEC.encode(WALK, max_error=2).data == PoseCodec().encode(
        WALK, max_error=2
    ).data  # fmt: skip


# --- Real recordings ---


def real(name, count):
    if not DATA.exists():
        pytest.skip(f"no recordings at {DATA}")
    found = np.load(DATA / f"{name}.npz")
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
