"""What rate control chooses keeps what was asked, and is never larger or worse for having more to choose from."""

import numpy as np
import pytest
from coding import GOALS, WINDOWS, any_goal, as_given, assert_kept, coded, encode, hidden, kinds_of, through_files
from conftest import flat_walk, load_shipped

from posecodec import PoseCodec, PoseSequence, compare
from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.errors import InputError, UsageError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.ratecontrol.target import Target


@pytest.mark.parametrize("name", ["levels", "max_error", "mean_error", "bitrate"])
@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf")])
def test_goals_that_cannot_be(tiny_codec, name, value):
    with pytest.raises(UsageError, match=f"{name.replace('_', '-')}.*above 0"):
        tiny_codec.encode(walk(16), **{name: value})


@pytest.mark.parametrize("target", [3, Target("max-error", 5.0)])
@pytest.mark.parametrize("option", [{"levels": 2}, {"max_error": 5}, {"bitrate": 9}, {"lossless": True}])
def test_a_target_and_an_option_at_once_are_a_usage_error(tiny_codec, target, option):
    with pytest.raises(UsageError, match=f"target and {next(iter(option))} at once"):
        tiny_codec.encode(walk(16), target, **option)


@pytest.mark.parametrize("first", GOALS[2:], ids=lambda goal: next(iter(goal)))
@pytest.mark.parametrize("second", [{"levels": 8}, *GOALS[1:]], ids=lambda goal: next(iter(goal), "quality"))
def test_goals_at_once_are_a_usage_error(tiny_codec, first, second):
    if first.keys() == second.keys() or not second:
        return
    with pytest.raises(UsageError, match=" and .* at once"):
        tiny_codec.encode(walk(16), **first, **second)


@any_goal
def test_a_file_names_the_weights_that_it_needs(tiny_codec, goal):
    encoded = encode(tiny_codec, walk(16), goal)
    windows = ChunkKind.WINDOWS in kinds_of(encoded.data)
    assert windows or goal != WINDOWS
    assert encoded.header.weights == (tiny_codec.weights.id if windows else b"")
    needs = any(c.kind == ChunkKind.TRANSFORM or c.refinement for c in container.read(encoded.data)[1])
    assert encoded.header.transform == (tiny_codec.coders.transform.weights.id if needs else b"")


@pytest.mark.parametrize("goal", GOALS[2:], ids=lambda goal: next(iter(goal)))
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("people", [1, 2])
def test_promises_are_kept(goal, dims, people):
    codec = PoseCodec(None)
    sequence = walk(150, people=people) if dims == 3 else flat_walk(150, people=people)
    sequence = hidden(sequence, np.random.default_rng(0).random((150, people, 19)) < 0.05)
    encoded = codec.encode(sequence, **goal)
    header = container.read_header(encoded.data)
    assert header.guarantee.kind.replace("-", "_") in goal and 0 <= header.guarantee.reached <= 1
    back = codec.decode(encoded.data)
    assert_kept(sequence, back)
    assert verify(header, back, len(encoded.data), sequence).kept
    found = compare(sequence, back)
    assert found.max <= goal.get("max_error", np.inf) * (1 + 1e-6)
    assert found.mpjpe <= goal.get("mean_error", np.inf) * (1 + 1e-6)
    assert len(encoded.data) * 8e-3 * 30 / 150 <= goal.get("bitrate", np.inf)
    if "lossless" in goal:
        assert back.positions.tobytes() == sequence.positions.tobytes()


@pytest.mark.parametrize("goal", [{}, {"mean_error": 40.0}, {"bitrate": 2.0}], ids=["quality", "mean", "bitrate"])
@pytest.mark.parametrize("name", ["tiny3d", "tiny2d", "windows3d", "windows2d"])
def test_weights_of_windows_make_no_file_larger_or_worse(tiny_codec, tiny_codec_2d, name, goal):
    """Chunks are windows, windows and what they miss, or the transform's, whichever is smallest; promises hold."""
    codec = {"tiny3d": tiny_codec, "tiny2d": tiny_codec_2d}.get(name) or load_shipped(name)
    sequence = walk(100, people=2) if name.endswith("3d") else flat_walk(100, people=2)
    sequence = hidden(sequence, np.random.default_rng(0).random((100, 2, 19)) < 0.05)
    ours, without = codec.encode(sequence, **goal), PoseCodec(None).encode(sequence, **goal)
    found, plain = (compare(sequence, codec.decode(e)) for e in (ours, without))
    if "bitrate" in goal:
        assert found.mpjpe <= plain.mpjpe * 1.1
    else:
        assert len(ours.data) <= len(without.data) + len(ours.header.weights)
        assert found.mpjpe <= goal.get("mean_error", plain.mpjpe) * 1.0001
    assert_kept(sequence, codec.decode(ours))
    if goal:
        assert verify(ours.header, codec.decode(ours), len(ours.data), sequence).kept


@pytest.mark.parametrize("wanted", [15.0, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("name", ["tiny3d", "windows3d"])
def test_a_mean_error_is_kept_where_people_differ(tiny_codec, name, wanted):
    """One is seen badly and takes more than the mean; windows of another may not take the rest twice."""
    codec, sequence = tiny_codec if name == "tiny3d" else load_shipped(name), walk(150, people=3)
    positions = sequence.positions.copy()
    positions[:, 0] += np.random.default_rng(0).normal(0, 60, positions[:, 0].shape)
    positions[:, 1] = positions[:1, 1]
    sequence = as_given(sequence, positions=positions)
    encoded = codec.encode(sequence, mean_error=wanted)
    found = compare(sequence, codec.decode(encoded)).mpjpe
    assert found <= wanted * (1 + 1e-6)
    assert container.read_header(encoded.data).guarantee.reached == pytest.approx(found / wanted, abs=1 / 255 + 1e-4)
    assert len(encoded.data) <= len(PoseCodec(None).encode(sequence, mean_error=wanted).data) + 4


def test_the_default_quality_is_a_hundredth_of_a_body():
    for sequence, height in ((walk(300), 1700), (flat_walk(300), 425)):
        encoded = PoseCodec(None).encode(sequence)
        assert encoded.header.guarantee is None
        assert 0.003 < compare(sequence, PoseCodec(None).decode(encoded)).mpjpe / height < 0.03


@pytest.mark.parametrize("name", ["max_error", "mean_error", "bitrate"])
def test_less_is_asked_for_fewer_bytes(name):
    values = (16, 8, 4) if name == "bitrate" else (2, 5, 20)
    sizes = [len(PoseCodec(None).encode(walk(200), **{name: value}).data) for value in values]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[2]


def test_a_bit_rate_below_the_least_is_an_input_error():
    with pytest.raises(InputError, match="0.01 kbit/s is less than"):
        PoseCodec(None).encode(walk(30), bitrate=0.01)


@pytest.mark.parametrize("name", ["max_error", "mean_error", "bitrate"])
@pytest.mark.parametrize("value", [1e-300, 1e-44, 1e-20, 1e-9, 1e-5, 30, 1000, 1e9, 3e38, 1e40, 1e300])
def test_extreme_goals_are_kept_or_refused(name, value):
    try:
        encoded = PoseCodec(None).encode(walk(60), **{name: value})
    except (InputError, UsageError):
        assert not 5 <= value <= 1e9
        return
    assert verify(encoded.header, PoseCodec(None).decode(encoded.data), len(encoded.data), walk(60)).kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lossless_keeps_every_bit(tmp_path, dtype):
    rng = np.random.default_rng(0)
    positions = walk(70, people=2).positions.astype(dtype) * (1 + rng.normal(0, 1e-9, (70, 2, 19, 3)).astype(dtype))
    positions[rng.random((70, 2, 19)) < 0.1] = np.nan
    positions[3, 0, 0], positions[4, 0, 0] = -0.0, 1e-40
    sequence = PoseSequence.from_arrays(
        positions, fps=30, confidence=rng.normal(0, 1, (70, 2, 19)), skeleton=COCO19, unit="mm", up="y", exact=True
    )
    assert sequence.positions.dtype == dtype
    back = through_files(PoseCodec(None), sequence, tmp_path, {"lossless": True})
    assert back.positions.dtype == dtype and back.positions.tobytes() == sequence.positions.tobytes()
    assert back.confidence.tobytes() == sequence.confidence.tobytes()


@any_goal
def test_float64_is_coded_as_well(tiny_codec, goal):
    wide = as_given(walk(40), positions=walk(40).positions.astype(np.float64))
    back = coded(tiny_codec, wide, goal)
    assert back.positions.dtype == (np.float64 if "lossless" in goal else np.float32)
    assert compare(wide, back).mpjpe < 500
