"""The codec, whole, with small untrained weights: what must come back exactly does, at whatever accuracy."""

import dataclasses
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from conftest import LEVELS, flat_walk

import posecodec
from posecodec import zoo
from posecodec.analysis.metrics import compare
from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.bitstream.container import Chunk
from posecodec.bitstream.presence import Presence, write_presence
from posecodec.codec import PoseCodec
from posecodec.coders.chunk import ChunkContext, split_sequence
from posecodec.coders.tokens.grid import LATENT_STEPS, TokenGrid
from posecodec.coders.windows import stream
from posecodec.coders.windows.bitplanes import levels_of_qp, qp_of_levels
from posecodec.coders.windows.tokenizer import Tokenizer
from posecodec.entropy.range_coder import RangeEncoder
from posecodec.errors import CorruptError, InputError, UsageError, WeightsError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BODY25, COCO17, COCO19, build_skeleton
from posecodec.pose.synthetic import walk
from posecodec.pose.tracks import LONGEST_GAP, find_tracks


def as_given(sequence, **fields):
    return dataclasses.replace(sequence, **fields)


def hidden(sequence, gone):
    """The sequence without the keypoints that `gone` (T, P, K) names."""
    positions = np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32)
    confidence = np.where(gone, 0, sequence.confidence).astype(np.float32)
    return sequence.with_positions(positions, confidence)


def assert_kept(sequence, back):
    """All that must come back exactly, and confidences to half a step."""
    for name in ("ids", "fps", "unit", "up", "skeleton", "frames", "people", "dims", "metadata"):
        assert getattr(back, name) == getattr(sequence, name), name
    assert (back.timestamps is None) == (sequence.timestamps is None)
    if sequence.timestamps is not None:
        assert back.timestamps.tobytes() == sequence.timestamps.tobytes()
    assert back.valid.shape == sequence.valid.shape and (back.valid == sequence.valid).all()
    scale = max(1.0, float(np.abs(sequence.confidence).max(initial=0)))
    np.testing.assert_allclose(back.confidence, sequence.confidence, rtol=0, atol=scale / 510 * 1.0001)
    if scale == 1.0:
        assert (back.confidence[sequence.confidence == 1] == 1).all()


TOKENS = {"levels": 8}
GOALS = [TOKENS, {}, {"max_error": 8.0}, {"mean_error": 12.0}, {"bitrate": 24.0}, {"lossless": True}]
any_goal = pytest.mark.parametrize("goal", GOALS, ids=lambda goal: next(iter(goal), "quality"))


def coded(codec, sequence, goal=TOKENS):
    """What comes back."""
    return codec.decode(codec.encode(sequence, **goal))


def through_files(codec, sequence, folder, goal=TOKENS):
    """.npz -> .posec -> .npz, with all checks; what comes back."""
    posecodec.save(sequence, folder / "in.npz")
    loaded = posecodec.load(folder / "in.npz")
    encoded = codec.encode(loaded, **goal)
    encoded.save(folder / "coded.posec")
    assert (folder / "coded.posec").read_bytes() == encoded.to_bytes()
    posecodec.save(codec.decode(folder / "coded.posec"), folder / "out.npz")
    back = posecodec.load(folder / "out.npz")
    assert_kept(sequence, back)
    if "levels" in goal or goal.keys() & {"lossless", "max_error"}:  # others may be coded either way
        assert len(encoded.tokens) == ("levels" in goal) * encoded.header.chunk_count
    for a, b in zip(codec.tokens(folder / "coded.posec"), encoded.tokens, strict=True):
        assert (a.indices == b.indices).all() and (a.codes, a.frames, a.levels) == (b.codes, b.frames, b.levels)
    return back


@pytest.mark.parametrize("frames", [1, 2, 63, 64, 65, 1000, 1025])
@pytest.mark.parametrize("people", [0, 1, 3])
@pytest.mark.parametrize("goal", [TOKENS, {}], ids=["tokens", "quality"])
def test_everything_but_positions_comes_back_exactly(tiny_codec, tmp_path, frames, people, goal):
    rng = np.random.default_rng(frames)
    sequence = walk(frames, people=max(people, 1))
    ids = ("Ægir", "1", "")[:people]
    sequence = PoseSequence.from_arrays(
        sequence.positions[:, :people], fps=29.97002997, confidence=rng.random((frames, people, 19)),
        skeleton=COCO19, unit="cm", up="y", ids=ids, metadata={"note": "naïve", "n": [1, None, {"a": 0.1}]},
    )  # fmt: skip
    back = through_files(tiny_codec, hidden(sequence, rng.random((frames, people, 19)) < 0.2), tmp_path, goal)
    assert back.fps == 29.97002997


@any_goal
def test_timestamps_come_back_exactly(tiny_codec, tmp_path, goal):
    times = np.cumsum(np.random.default_rng(0).exponential(0.03, 100))
    through_files(tiny_codec, as_given(walk(100), fps=None, timestamps=times), tmp_path, goal)


@any_goal
def test_people_who_enter_and_leave(tiny_codec, tmp_path, goal):
    sequence, gone = walk(300, people=3), np.zeros((300, 3, 19), bool)
    gone[:40, 0] = gone[250:, 0] = True
    gone[100 : 100 + LONGEST_GAP, 1] = True
    gone[200 : 200 + LONGEST_GAP + 1, 1] = True
    gone[:, 2] = True
    gone[[7, 150, 299], 2, 3] = False
    sequence = hidden(sequence, gone)
    back = through_files(tiny_codec, sequence, tmp_path, goal)
    header = container.read((tmp_path / "coded.posec").read_bytes())[0]
    found = [(t.person, t.start, t.length) for t in header.tracks]
    if "lossless" in goal:
        assert found == [(0, 0, 300), (1, 0, 300), (2, 0, 300)]
        return
    assert found == [(0, 40, 210), (1, 0, 200), (1, 233, 67), (2, 7, 1), (2, 150, 1), (2, 299, 1)]
    assert found == find_tracks(sequence.valid)
    assert not back.valid[:, 2].all()


def test_positions_are_about_right_even_with_untrained_weights(tiny_codec, tiny_codec_2d):
    sequence = walk(320)
    errors = [
        compare(sequence, tiny_codec.decode(tiny_codec.encode(sequence, n))).mpjpe_root for n in (1, 6, 9, LEVELS)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] < 400 and errors[-1] < 30
    flat = flat_walk(320)
    assert compare(flat, coded(tiny_codec_2d, flat)).mpjpe < 20  # of 425 pixels of height


def test_units_do_not_matter_to_the_tokens(tiny_codec):
    sequence = walk(64)
    meters = as_given(sequence, positions=sequence.positions / np.float32(1024), unit="m")
    a, b = (tiny_codec.encode(s, **TOKENS).tokens[0].indices for s in (sequence, meters))
    assert (a == b).mean() > 0.9


@pytest.mark.parametrize("up", ["x", "-x", "-y", "z", "-z"])
@pytest.mark.parametrize("goal", [TOKENS, {}], ids=["tokens", "quality"])
def test_another_axis_may_point_up(tiny_codec, up, goal):
    axis, sign = "xyz".index(up[-1]), -1 if up[0] == "-" else 1
    sequence, turned = walk(64), np.empty((64, 1, 19, 3), np.float32)
    turned[..., axis] = sign * sequence.positions[..., 1]
    turned[..., (axis + 1) % 3] = sequence.positions[..., 2]
    turned[..., (axis + 2) % 3] = sign * sequence.positions[..., 0]
    plain = compare(sequence, coded(tiny_codec, sequence, goal)).mpjpe_root
    for stated in (up, "unknown"):
        other = as_given(sequence, positions=turned, up=stated)
        back = coded(tiny_codec, other, goal)
        assert back.up == stated
        assert compare(other, back).mpjpe_root < plain * 1.5 + 20


def test_coco17_comes_back_as_coco17(tiny_codec, tmp_path):
    sequence = walk(70)
    chosen = [COCO19.keypoints.index(name) for name in COCO17.keypoints]
    sequence = PoseSequence.from_arrays(sequence.positions[:, :, chosen], fps=30, skeleton=COCO17, unit="mm", up="y")
    back = through_files(tiny_codec, sequence, tmp_path)
    assert compare(sequence, back).mpjpe_root < 250


def test_2d(tiny_codec_2d, tmp_path):
    rng = np.random.default_rng(2)
    sequence = flat_walk(130, people=3, confidence=rng.random((130, 3, 19)), ids=("a", "b", "c"), fps=12.5)
    through_files(tiny_codec_2d, hidden(sequence, rng.random((130, 3, 19)) < 0.3), tmp_path)


@pytest.mark.parametrize("low, high", [(0, 1), (0, 30), (-2, 2), (0, 1e-3), (0, 1e30)])
def test_confidences_of_any_range(tiny_codec, low, high):
    values = np.random.default_rng(0).uniform(low, high, (80, 1, 19)).astype(np.float32)
    sequence = walk(80)
    sequence = sequence.with_positions(sequence.positions, values)
    assert_kept(sequence, coded(tiny_codec, sequence))


def test_confidences_of_one_cost_nothing(tiny_codec):
    sequence = walk(64)
    nearly = sequence.confidence.copy()
    nearly[5, 0, 3] = 0.5
    a, b = (
        tiny_codec.encode(sequence.with_positions(sequence.positions, c), **TOKENS)
        for c in (sequence.confidence, nearly)
    )
    assert len(a.data) < len(b.data)
    back = tiny_codec.decode(b).confidence
    assert (back == 1).sum() == back.size - 1 and back[5, 0, 3] == pytest.approx(0.5, abs=1 / 510 + 1e-6)


@any_goal
def test_encoding_and_decoding_are_deterministic(tiny_codec, goal):
    sequence = walk(200, people=2)
    first, again = tiny_codec.encode(sequence, **goal), tiny_codec.encode(sequence, **goal)
    assert first.data == again.data
    a, b, c = (tiny_codec.decode(source).positions for source in (first.data, first.data, first))
    assert a.tobytes() == b.tobytes() == c.tobytes()


def test_decoding_again_what_was_decoded_changes_little(tiny_codec):
    once = coded(tiny_codec, walk(100))
    twice = coded(tiny_codec, once)
    assert compare(once, twice).mpjpe_root < 200


def test_other_weights_are_an_error_that_names_both(tiny_codec, other_codec):
    data = tiny_codec.encode(walk(20), **TOKENS).data
    for use in (other_codec.decode, other_codec.tokens):
        with pytest.raises(WeightsError) as found:
            use(data)
        assert tiny_codec.weights.sha256[:8] in str(found.value)
        assert other_codec.weights.sha256[:8] in str(found.value)


def test_damage_is_reported_before_wrong_weights(tiny_codec, other_codec):
    data = bytearray(tiny_codec.encode(walk(20), **TOKENS).data)
    data[5] ^= 1
    for codec in (tiny_codec, other_codec):
        with pytest.raises(CorruptError):
            codec.decode(bytes(data))


def test_tokens_need_no_network(tiny_codec, monkeypatch):
    def refuse(tokenizer):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(Tokenizer, "refiner", property(refuse))
    encoded = tiny_codec.encode(walk(1100, people=2), levels=2)
    grids = tiny_codec.tokens(encoded.data)
    assert [(g.frames, g.levels, g.codes) for g in grids] == [(1024, 2, 3), (76, 2, 3)] * 2
    for a, b in zip(grids, encoded.tokens, strict=True):
        assert isinstance(a, TokenGrid) and (a.indices == b.indices).all() and a.lengths == b.lengths
        assert a.indices.shape == (len(a.lengths), 32, 58, 2) and LATENT_STEPS.is_valid(a.lengths)
    with pytest.raises(AssertionError, match="asked for"):
        tiny_codec.decode(encoded)


def test_tokens_load_no_torch(tiny_codec, weights_folder, tmp_path):
    tiny_codec.encode(walk(40), 9).save(tmp_path / "a.posec")
    script = (
        "import sys\nfrom posecodec.codec import PoseCodec\ncodec = PoseCodec.from_pretrained(sys.argv[1])\n"
        "print(codec.tokens(sys.argv[2])[0].indices.sum())\nassert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-c", script, weights_folder / "tiny3d.safetensors", tmp_path / "a.posec"]
    found = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) == tiny_codec.tokens(tmp_path / "a.posec")[0].indices.sum()


def read_integers(codec, header, chunk, frames=None):
    """Presence and quantized motion of a chunk of tokens, by default the file's only one."""
    return codec.coders.windows.read_integers(chunk, ChunkContext.from_header(header, frames or header.frames))


@pytest.mark.parametrize("levels", range(1, LEVELS + 1))
def test_levels(tiny_codec, levels):
    encoded = tiny_codec.encode(walk(64), levels)
    (found,) = encoded.tokens
    assert found.levels == levels and found.indices.min() == 0 and found.indices.max() <= 2
    assert tiny_codec.decode(encoded).frames == 64
    presence, latents = read_integers(tiny_codec, encoded.header, container.read(encoded.data)[1][0])
    assert presence.mask.all() and latents.qp == qp_of_levels(levels)
    for kept in range(1, levels + 1):
        coarser = tiny_codec.tokenizer.keep_levels(latents, kept)
        assert (tiny_codec.tokenizer.to_grid(coarser).indices == found.truncate(kept).indices).all()
        assert coarser.lengths == found.lengths and coarser.qp == qp_of_levels(kept)
        assert np.isfinite(tiny_codec.tokenizer.decode(coarser, "y")).all()
    assert (tiny_codec.tokenizer.keep_levels(latents, levels).centroids == latents.centroids).all()
    for wrong in (0, levels + 1):
        with pytest.raises(InputError, match="levels"):
            tiny_codec.tokenizer.keep_levels(latents, wrong)


@pytest.mark.parametrize("levels", [7, 9, 12])
def test_a_prefix_of_the_levels_is_a_coarser_motion(tiny_codec, levels):
    """Cut tokens are worse than those that were chosen for the coarser step, but not by much."""
    sequence = walk(64)
    own = compare(sequence, tiny_codec.decode(tiny_codec.encode(sequence, levels))).mpjpe_root
    header, (chunk,) = container.read(tiny_codec.encode(sequence, LEVELS).data)
    latents = tiny_codec.tokenizer.keep_levels(read_integers(tiny_codec, header, chunk)[1], levels)
    cut = sequence.with_positions(tiny_codec.tokenizer.decode(latents, "y")[:, None], sequence.confidence)
    assert compare(sequence, cut).mpjpe_root < 3 * own + 20


@pytest.mark.parametrize("index", [0, 100, 145, 300, 511])
def test_steps_between_levels(tiny_codec, tiny_codec_2d, index):
    for codec, sequence in ((tiny_codec, walk(50)), (tiny_codec_2d, flat_walk(50))):
        encoded = codec.encode_tokens(sequence, index)
        assert encoded.tokens[0].levels == levels_of_qp(index)
        assert np.isfinite(codec.decode(encoded).positions).all()


def test_the_default_levels_are_those_of_the_weights(tiny_codec):
    assert tiny_codec.tokenizer.default_levels == tiny_codec.tokenizer.check_levels(None) == 8
    assert tiny_codec.tokenize(walk(20))[0].levels == 8 and tiny_codec.tokenize(walk(20), 4)[0].levels == 4


@pytest.mark.parametrize("levels", [LEVELS + 1, 100])
def test_levels_out_of_range(tiny_codec, levels):
    with pytest.raises(InputError, match=f"{levels} levels.*1 to {LEVELS}"):
        tiny_codec.encode(walk(16), levels)


@pytest.mark.parametrize("name", ["levels", "max_error", "mean_error", "bitrate"])
@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf")])
def test_goals_that_cannot_be(tiny_codec, name, value):
    with pytest.raises(UsageError, match=f"{name.replace('_', '-')}.*above 0"):
        tiny_codec.encode(walk(16), **{name: value})


@pytest.mark.parametrize("first", GOALS[2:], ids=lambda goal: next(iter(goal)))
@pytest.mark.parametrize("second", GOALS, ids=lambda goal: next(iter(goal), "quality"))
def test_goals_at_once_are_a_usage_error(tiny_codec, first, second):
    if first.keys() == second.keys() or not second:
        return
    with pytest.raises(UsageError, match=" and .* at once"):
        tiny_codec.encode(walk(16), **first, **second)


@any_goal
def test_a_file_names_the_weights_that_it_needs(tiny_codec, goal):
    encoded = tiny_codec.encode(walk(16), **goal)
    assert encoded.tokens or goal != TOKENS
    assert encoded.header.weights == (tiny_codec.weights.id if encoded.tokens else b"")
    needs = any(c.kind == ChunkKind.TRANSFORM or c.refinement for c in container.read(encoded.data)[1])
    assert encoded.header.transform == (tiny_codec.coders.transform.weights.id if needs else b"")


@pytest.mark.parametrize("goal", GOALS[2:], ids=lambda goal: next(iter(goal)))
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("people", [1, 2])
def test_promises_are_kept(goal, dims, people):
    codec = PoseCodec(None)
    sequence = walk(150, people=people) if dims == 3 else flat_walk(150, people=people)
    gone = np.random.default_rng(0).random((150, people, 19)) < 0.05
    sequence = hidden(sequence, gone)
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
@pytest.mark.parametrize("name", ["tiny3d", "tiny2d", "body3d", "body2d"])
def test_token_weights_make_no_file_larger_or_worse(tiny_codec, tiny_codec_2d, name, goal):
    """Chunks are tokens, tokens and what they miss, or the transform's, whichever is smallest; promises hold."""
    if name.startswith("body") and name not in zoo.list_weights():
        pytest.skip(f"the weights {name} are not in this checkout")
    codec = {"tiny3d": tiny_codec, "tiny2d": tiny_codec_2d}.get(name) or PoseCodec.from_pretrained(name)
    sequence = walk(100, people=2) if name.endswith("3d") else flat_walk(100, people=2)
    sequence = hidden(sequence, np.random.default_rng(0).random((100, 2, 19)) < 0.05)
    with_tokens, without = codec.encode(sequence, **goal), PoseCodec(None).encode(sequence, **goal)
    found, plain = (compare(sequence, codec.decode(e)) for e in (with_tokens, without))
    if "bitrate" in goal:
        assert found.mpjpe <= plain.mpjpe * 1.1
    else:
        named = 4 * bool(with_tokens.tokens)
        assert len(with_tokens.data) <= len(without.data) + named
        assert found.mpjpe <= goal.get("mean_error", plain.mpjpe) * 1.0001
    assert_kept(sequence, codec.decode(with_tokens))
    if goal:
        header = with_tokens.header
        assert verify(header, codec.decode(with_tokens), len(with_tokens.data), sequence).kept


@pytest.mark.parametrize("wanted", [15.0, 30.0, 60.0, 120.0])
@pytest.mark.parametrize("name", ["tiny3d", "body3d"])
def test_a_mean_error_is_kept_where_people_differ(tiny_codec, name, wanted):
    """One is seen badly and takes more than the mean; tokens of another may not take the rest twice."""
    if name.startswith("body") and name not in zoo.list_weights():
        pytest.skip(f"the weights {name} are not in this checkout")
    codec, sequence = tiny_codec if name == "tiny3d" else PoseCodec.from_pretrained(name), walk(150, people=3)
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
        assert encoded.header.guarantee is None and encoded.tokens == ()
        assert 0.003 < compare(sequence, PoseCodec(None).decode(encoded)).mpjpe / height < 0.03


@pytest.mark.parametrize(
    "name, values", [("max_error", (2, 5, 20)), ("mean_error", (2, 5, 20)), ("bitrate", (16, 8, 4))]
)
def test_less_is_asked_for_fewer_bytes(name, values):
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


def test_without_token_weights_there_are_no_tokens(tiny_codec):
    for codec in (PoseCodec(None), PoseCodec.from_pretrained(None)):
        assert codec.tokens(codec.encode(walk(20)).data) == ()
        with pytest.raises(WeightsError, match="-m body3d"):
            codec.encode(walk(20), levels=2)
        with pytest.raises(WeightsError, match=f"{tiny_codec.weights.id.hex()}.*-m"):
            codec.decode(tiny_codec.encode(walk(20), **TOKENS))


def test_other_weights_do_not_matter_without_tokens(tiny_codec, other_codec):
    for goal in GOALS[1:]:
        encoded = tiny_codec.encode(walk(40), **goal)
        assert encoded.data == PoseCodec(None).encode(walk(40), **goal).data
        assert other_codec.decode(encoded).positions.tobytes() == tiny_codec.decode(encoded).positions.tobytes()


def test_other_transform_weights_are_an_error_that_names_both(tiny_codec):
    encoded = tiny_codec.encode(walk(20))
    header, chunks = container.read(encoded.data)
    with pytest.raises(WeightsError, match=f"00010203.*{tiny_codec.coders.transform.weights.sha256[:8]}"):
        tiny_codec.decode(container.write(as_given(header, transform=b"\0\1\2\3"), chunks))


def layered(codec, sequence, index=0):
    """A file of tokens, each chunk refined by the transform at a step."""
    header, parts = container.read(codec.encode(sequence, **TOKENS).data)
    inputs = split_sequence(sequence)
    made = []
    for chunk, part in zip(inputs, parts, strict=True):
        guide = codec.tokenizer.decode(read_integers(codec, header, part, len(chunk.points))[1], header.coded_up)
        made.append(codec.coders.transform.encode_refinement(chunk, index, guide, part.base).chunk)
    return container.write(as_given(header, transform=codec.coders.transform.weights.id), made)


@pytest.mark.parametrize("frames, people", [(40, 1), (1100, 1), (70, 2)])
def test_a_layered_file_is_refined_and_may_be_cut(tiny_codec, frames, people):
    sequence = walk(frames, people=people)
    fine = layered(tiny_codec, sequence)
    coarse = container.drop_refinements(fine)
    tokens = tiny_codec.encode(sequence, **TOKENS)
    assert len(coarse) < len(fine)
    assert tiny_codec.decode(coarse).positions.tobytes() == tiny_codec.decode(tokens).positions.tobytes()
    assert compare(sequence, tiny_codec.decode(fine)).mpjpe < 0.2 * compare(sequence, tiny_codec.decode(coarse)).mpjpe
    for source in (fine, coarse):
        for a, b in zip(tiny_codec.tokens(source), tokens.tokens, strict=True):
            assert (a.indices == b.indices).all()


@pytest.mark.parametrize("name", ["single", "layered", "several"])
def test_damage_anywhere_is_noticed(tiny_codec, name):
    data = {
        "single": lambda: tiny_codec.encode(walk(20)).data,
        "layered": lambda: layered(tiny_codec, walk(20), 40),
        "several": lambda: tiny_codec.encode(walk(20, people=2)).data,
    }[name]()
    assert tiny_codec.decode(data).frames == 20
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 + place % 255
        for wrong in (bytes(damaged), data[:place]):
            with pytest.raises(CorruptError):
                tiny_codec.decode(wrong)
    with pytest.raises(CorruptError):
        tiny_codec.decode(data + b"\0")


def test_an_unsupported_skeleton_says_what_to_pass(tiny_codec):
    sequence = PoseSequence.from_arrays(np.ones((10, 25, 3)), fps=30, skeleton=BODY25)
    with pytest.raises(InputError, match="body25.*--skeleton coco19"):
        tiny_codec.encode(sequence, **TOKENS)


@pytest.mark.parametrize("goal", GOALS[1:], ids=lambda goal: next(iter(goal), "quality"))
@pytest.mark.parametrize("skeleton", [BODY25, COCO17, build_skeleton(1), build_skeleton(40)], ids=lambda s: s.name)
@pytest.mark.parametrize("dims", [2, 3])
def test_without_tokens_any_skeleton_is_coded(goal, skeleton, dims):
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(0, 5, (50, 1, dims)), axis=0) + rng.normal(0, 300, (1, len(skeleton), dims))
    path[rng.random(path.shape[:2]) < 0.1] = np.nan
    sequence = PoseSequence.from_arrays(path, fps=30, skeleton=skeleton)
    encoded = PoseCodec(None).encode(sequence, **goal)
    back = PoseCodec(None).decode(encoded)
    assert_kept(sequence, back)
    assert verify(encoded.header, back, len(encoded.data), sequence).kept


def test_wrong_dimensions(tiny_codec, tiny_codec_2d):
    with pytest.raises(InputError, match="tiny3d codes 3D, this is 2D"):
        tiny_codec.encode(flat_walk(10), **TOKENS)
    with pytest.raises(InputError, match="tiny2d codes 2D, this is 3D"):
        tiny_codec_2d.encode(walk(10), **TOKENS)
    for codec in (tiny_codec, tiny_codec_2d):
        assert coded(codec, walk(10), {}).dims == 3 and coded(codec, flat_walk(10), {}).dims == 2


@any_goal
def test_a_person_who_is_never_there(tiny_codec, tmp_path, goal):
    gone = np.zeros((50, 2, 19), bool)
    gone[:, 1] = True
    back = through_files(tiny_codec, hidden(walk(50, people=2), gone), tmp_path, goal)
    assert not back.valid[:, 1].any() and back.valid[:, 0].all()


@any_goal
def test_nobody_is_ever_there(tiny_codec, tmp_path, goal):
    back = through_files(tiny_codec, hidden(walk(50), np.ones((50, 1, 19), bool)), tmp_path, goal)
    assert not back.valid.any() and back.frames == 50


@any_goal
@pytest.mark.parametrize("keypoint", [COCO19.root, 5])
def test_a_single_keypoint(tiny_codec, tmp_path, keypoint, goal):
    gone = np.ones((40, 1, 19), bool)
    gone[12, 0, keypoint] = False
    through_files(tiny_codec, hidden(walk(40), gone), tmp_path, goal)
    gone[:, 0, keypoint] = False
    sequence = hidden(walk(40), gone)
    through = coded(tiny_codec, sequence, goal)
    assert_kept(sequence, through)


@pytest.mark.parametrize(
    "goal, refusal", [(TOKENS, "from the origin"), ({}, "use --lossless")], ids=["tokens", "quality"]
)
@pytest.mark.parametrize("offset", [1e4, 1e6, -1e6, 3e7, 1e30])
def test_far_away(tiny_codec, offset, goal, refusal):
    sequence = walk(64)
    far = np.float32([offset, offset if not goal else 0, offset])
    sequence = as_given(sequence, positions=sequence.positions + far)
    try:
        encoded = tiny_codec.encode(sequence, **goal)
    except InputError as error:
        assert abs(offset) > 1e6 and refusal in str(error)
        return
    back = tiny_codec.decode(encoded)
    assert_kept(sequence, back)
    near = compare(walk(64), coded(tiny_codec, walk(64), goal)).mpjpe_root
    assert compare(sequence, back).mpjpe < near + 100 + abs(offset) * 1e-4


@pytest.mark.parametrize("offset", [1e4, -1e5])
def test_high_up(tiny_codec, offset):
    """The height is no side information: windows tell it, however high."""
    sequence = as_given(walk(64), positions=walk(64).positions + np.float32([0, offset, 0]))
    assert compare(sequence, coded(tiny_codec, sequence)).mpjpe < 300
    assert np.isfinite(tiny_codec.detokenize(tiny_codec.tokenize(sequence)).positions).all()


@pytest.mark.parametrize(
    "goal, refusal", [(TOKENS, "from the origin"), ({}, "use --lossless")], ids=["tokens", "quality"]
)
@pytest.mark.parametrize("value", [0.0, 1e-30, -5.0, 3e38])
@pytest.mark.parametrize("dims", [2, 3])
def test_all_keypoints_in_one_place(tiny_codec, tiny_codec_2d, dims, value, goal, refusal):
    codec = tiny_codec if dims == 3 else tiny_codec_2d
    sequence = PoseSequence.from_arrays(np.full((33, 19, dims), value), fps=30, skeleton=COCO19)
    try:
        back = coded(codec, sequence, goal)
    except InputError as error:
        assert value == 3e38 and refusal in str(error)
        return
    assert_kept(sequence, back)
    # A body without extent is coded as one of usual size: in mm, or of 530 pixels.
    assert np.abs(back.positions - np.float32(value)).max() < (150 if goal else 3)


@pytest.mark.parametrize("value", [0.0, 1e-30, 3e38])
@pytest.mark.parametrize("dims", [2, 3])
def test_lossless_takes_any_coordinates(dims, value):
    sequence = PoseSequence.from_arrays(np.full((33, 19, dims), value), fps=30, skeleton=COCO19)
    assert (coded(PoseCodec(None), sequence, {"lossless": True}).positions == sequence.positions).all()


@any_goal
@pytest.mark.parametrize("people", [0, 1, 3])
def test_no_frames_at_all(tiny_codec, people, goal):
    sequence = PoseSequence.from_arrays(np.zeros((0, people, 19, 3)), fps=30, skeleton=COCO19)
    back = coded(tiny_codec, sequence, goal)
    assert_kept(sequence, back)
    timed = PoseSequence.from_arrays(np.zeros((0, people, 19, 3)), timestamps=np.zeros(0), skeleton=COCO19)
    assert_kept(timed, coded(tiny_codec, timed, goal))


def test_metadata_that_cannot_be_kept_are_refused(tiny_codec):
    with pytest.raises(InputError, match="metadata"):
        tiny_codec.encode(as_given(walk(4), metadata={"a": {1}}))


def forged(codec, goal, **fields):
    """A file whose checksums are right and whose header is not."""
    header, parts = container.read(codec.encode(walk(20, people=2), **goal).data)
    return container.write(dataclasses.replace(header, **fields), parts)


@pytest.mark.parametrize(
    "fields",
    [
        {"ids": ("a", "a")},
        {"fps": None, "timestamps": np.zeros(20)},
        {"fps": None, "timestamps": np.full(20, np.nan)},
        {"dims": 2},
        {"skeleton": BODY25},
    ],
    ids=["ids", "times", "nan", "dims", "skeleton"],
)
@any_goal
def test_forged_headers_are_corrupt(tiny_codec, fields, goal):
    data = forged(tiny_codec, goal, **fields)
    with pytest.raises(CorruptError):
        tiny_codec.decode(data)


@pytest.mark.parametrize("goal, needed", [(TOKENS, "weights"), ({}, "transform")], ids=["tokens", "quality"])
def test_a_file_that_names_no_weights_is_corrupt(tiny_codec, goal, needed):
    with pytest.raises(CorruptError, match="does not name"):
        tiny_codec.decode(forged(tiny_codec, goal, **{needed: b""}))


@pytest.mark.parametrize("first", [b"", b"\x40", b"\x80", b"\xc0", b"\xff" * 50])
def test_forged_chunks_are_corrupt(tiny_codec, first):
    for goal in (TOKENS, {}, {"lossless": True}):
        header, parts = container.read(tiny_codec.encode(walk(20, people=2), **goal).data)
        data = container.write(header, [Chunk(first), *parts[1:]])
        try:
            assert tiny_codec.decode(data).frames == 20
        except CorruptError:
            pass


def rewritten(codec, sequence, change):
    """A file whose checksums are right and whose presence and latents `change` made."""
    header, parts = container.read(codec.encode(sequence, **TOKENS).data)
    presence, latents = change(*read_integers(codec, header, parts[0]))
    encoder = RangeEncoder()
    write_presence(encoder, ChunkKind.TOKENS, presence)
    stream.write(encoder, latents, codec.tokenizer.tables, header.unit)
    return container.write(header, [Chunk(encoder.finish())])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("scale", [2**20, 2**14, -(2**20), 2047, -2047, -1200])
@pytest.mark.parametrize("index", [0, 144, 511])
@pytest.mark.parametrize("dims", [2, 3])
def test_forged_sizes_are_corrupt_or_finite(tiny_codec, tiny_codec_2d, dims, scale, index):
    codec, sequence = (tiny_codec, walk(20)) if dims == 3 else (tiny_codec_2d, flat_walk(20))

    def change(presence, latents):
        return presence, replace(latents, side_info=replace(latents.side_info, scale=scale), qp=index)

    data = rewritten(codec, sequence, change)
    try:
        assert np.isfinite(codec.decode(data).positions).all()
    except CorruptError:
        assert scale < 0 or scale > 2047


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [2**10, 2**20])
@pytest.mark.parametrize("index", [144, 511])
@pytest.mark.parametrize("dims", [2, 3])
def test_forged_values_are_corrupt_or_finite(tiny_codec, tiny_codec_2d, dims, size, index):
    codec, sequence = (tiny_codec, walk(20)) if dims == 3 else (tiny_codec_2d, flat_walk(20))

    def change(presence, latents):
        wild = np.random.default_rng(0).integers(-size, size + 1, latents.values.shape).astype(np.int32)
        return presence, replace(latents, values=wild, qp=index)

    data = rewritten(codec, sequence, change)
    try:
        assert np.isfinite(codec.decode(data).positions).all()
        assert codec.tokens(data)[0].indices.max() <= 2
    except CorruptError:
        pass


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_forged_confidences_are_corrupt(tiny_codec):
    def change(presence, latents):
        return Presence(presence.mask, np.full((20, 19), 10**6, np.int32), 3e38), latents

    with pytest.raises(CorruptError):
        tiny_codec.decode(rewritten(tiny_codec, walk(20), change))


def test_weights_that_do_not_fit_are_refused(tiny_codec):
    settings = {**tiny_codec.weights.settings, "skeleton": "nobody"}
    with pytest.raises(WeightsError, match="tiny3d"):
        PoseCodec(dataclasses.replace(tiny_codec.weights, settings=settings)).tokenizer  # noqa: B018
    for name in ("body.metric", "bands.turns", "prior.w1"):
        tensors = {n: t for n, t in tiny_codec.weights.tensors.items() if n != name}
        with pytest.raises(WeightsError, match=name):
            PoseCodec(replace(tiny_codec.weights, tensors=tensors)).tokenizer  # noqa: B018
    tensors = {n: t for n, t in tiny_codec.weights.tensors.items() if n != "refiner.beside.weight"}
    codec = PoseCodec(replace(tiny_codec.weights, tensors=tensors))
    with pytest.raises(WeightsError, match="refiner|network"):
        codec.decode(codec.encode(walk(10), **TOKENS))


def test_weights_without_a_network_decode_what_tokens_say(tiny_codec):
    settings = {name: value for name, value in tiny_codec.weights.settings.items() if name != "refiner"}
    codec = PoseCodec(replace(tiny_codec.weights, settings=settings))
    encoded = codec.encode(walk(100), 12)
    assert encoded.data == tiny_codec.encode(walk(100), 12).data
    assert compare(walk(100), codec.decode(encoded)).mpjpe < 20


needs_body3d = pytest.mark.skipif(
    "body3d" not in zoo.list_weights(), reason="the weights body3d are not in this checkout"
)
needs_body2d = pytest.mark.skipif(
    "body2d" not in zoo.list_weights(), reason="the weights body2d are not in this checkout"
)


@needs_body3d
def test_the_built_in_weights_code_a_walk():
    codec, sequence = PoseCodec.from_pretrained("body3d"), walk(300)
    assert codec.tokenizer.default_levels == 8
    encoded = codec.encode(sequence, codec.tokenizer.default_levels)
    assert len(encoded.data) < 500
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < 80


@needs_body2d
def test_the_built_in_weights_code_a_walk_in_2d():
    codec, sequence = PoseCodec.from_pretrained("body2d"), flat_walk(300)
    encoded = codec.encode(sequence, codec.tokenizer.default_levels)
    assert len(encoded.data) < 500
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < 0.05 * 425


@needs_body3d
def test_more_levels_of_the_built_in_weights_are_nearer():
    codec, sequence = PoseCodec.from_pretrained("body3d"), walk(200)
    made = [codec.encode(sequence, levels) for levels in (4, 6, 8, 10, 12)]
    errors, sizes = [compare(sequence, codec.decode(m)).mpjpe_root for m in made], [len(m.data) for m in made]
    assert errors == sorted(errors, reverse=True) and sizes == sorted(sizes) and errors[-1] < 10
