"""Token streams: what is flattened comes back, what is no stream is refused, files are read without the network."""

import runpy

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT, flat_walk
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import posecodec
from posecodec.analysis.metrics import compare
from posecodec.cli import cli
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.vocabulary import END, PAD, PERSON, SPECIAL, START, Vocabulary, pad_batch
from posecodec.coders.windows.lengths import LONGEST, SIZES, WINDOW_LENGTHS
from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.pose.synthetic import walk
from posecodec.train.tokens import TokenFolder, collate

EXAMPLE = ROOT / "docs" / "next_token.py"
CELLS, MAX_LEVELS = (3, 2), 12
needs_network = pytest.mark.skip(reason="tokens land with the network")


def grid(frames, levels, codes=3, cells=CELLS, seed=0, sparse=0.7):
    """A random chunk of so many frames, most of its digits 0."""
    rng = np.random.default_rng(seed)
    lengths, left = [], frames
    while left:
        lengths.append(int(rng.choice(WINDOW_LENGTHS.list_options(left))))
        left -= lengths[-1]
    shape = (len(lengths), *cells, levels)
    digits = np.where(rng.random(shape) < sparse, 0, rng.integers(0, codes, shape)).astype(np.int32)
    return TokenGrid(digits, codes, tuple(lengths))


def test_a_stream_by_hand():
    vocabulary = Vocabulary(2, (1, 2))
    first = vocabulary.first_cell
    tokens = TokenGrid(np.int32([[[[0, 1], [2, 1]]], [[[0, 0], [0, 2]]]]), 3, (16, 4))
    step = [vocabulary.token_of_length(16), SPECIAL, first + 3, SPECIAL + 1, first, first + 2]
    last = [vocabulary.token_of_length(4), SPECIAL, SPECIAL + 1, first + 3]
    assert vocabulary.flatten([tokens]).tolist() == [START, PERSON, *step, *last, END]
    assert (vocabulary.token_of_length(1), vocabulary.token_of_length(LONGEST)) == (PERSON + 1, SPECIAL - 1)
    assert [vocabulary.token_of_level(level) for level in (1, 2)] == [SPECIAL, SPECIAL + 1]
    assert first == SPECIAL + 2 and vocabulary.size == first + 4


@given(st.lists(st.integers(1, 400), max_size=4), st.integers(1, 4), st.integers(1, 4))
def test_streams_come_back(frames, levels, kept):
    kept = min(kept, levels)
    vocabulary = Vocabulary(kept, CELLS)
    grids = [grid(n, levels, seed=n) for n in frames]
    stream = vocabulary.flatten(grids)
    assert stream.dtype == np.int32 and 0 <= stream.min() and stream.max() < vocabulary.size
    back = vocabulary.unflatten(stream)
    assert len(back) == len(grids)
    for a, b in zip(grids, back, strict=True):
        assert (a.truncate(kept).indices == b.indices).all() and (b.lengths, b.frames) == (a.lengths, a.frames)
    same = vocabulary.flatten([a.truncate(kept) for a in grids])
    assert (same == stream).all() and (vocabulary.flatten(back) == stream).all()


def test_a_stream_is_as_long_as_digits_are_not_zero():
    vocabulary, still = Vocabulary(3, CELLS), grid(64, 3, sparse=1.0)
    assert len(vocabulary.flatten([still])) == 3 + len(still.lengths) * 4
    busy = grid(64, 3, sparse=0.0)
    assert len(vocabulary.flatten([busy])) == 3 + len(busy.lengths) * 4 + np.count_nonzero(busy.indices)


def test_what_a_model_left_unfinished_is_as_its_levels_say():
    vocabulary = Vocabulary(3, (1, 1))
    cell, length = vocabulary.first_cell, vocabulary.token_of_length(16)
    steps = [length, SPECIAL, cell + 1, SPECIAL + 1, length, SPECIAL]
    stream = [START, PERSON, *steps, PERSON, PERSON, length, PAD, END, 4]
    found = vocabulary.unflatten(np.array(stream))
    assert [g.indices.tolist() for g in found] == [[[[[2, 0, 0]]], [[[0, 0, 0]]]], [[[[0, 0, 0]]]]]
    assert [g.lengths for g in found] == [(16, 16), (16,)]
    assert vocabulary.unflatten(np.array([START, PERSON, END])) == () == vocabulary.unflatten(np.array([], int))


V = Vocabulary(2, (1, 2))
L1, L2, CELL, LENGTH = V.token_of_level(1), V.token_of_level(2), V.first_cell, V.token_of_length(16)


@pytest.mark.parametrize(
    "stream",
    [
        [START, LENGTH], [PERSON, L1], [PERSON, CELL], [PERSON, LENGTH, CELL], [PERSON, LENGTH, L2],
        [PERSON, LENGTH, L1, L1], [PERSON, LENGTH, L1, L2, L2], [PERSON, LENGTH, L1, V.size], [PERSON, LENGTH, L1, -1],
        [PERSON, V.token_of_length(4), L1, L2, LENGTH, L1, L2],
        [PERSON, V.token_of_length(17), L1, L2, V.token_of_length(17)],
    ],
)  # fmt: skip
def test_tokens_out_of_place_are_refused(stream):
    with pytest.raises(InputError):
        V.unflatten(np.array(stream))


def test_other_grids_are_refused():
    for wrong in (grid(40, 1), grid(40, 3, codes=4), grid(40, 3, cells=(2, 3))):
        with pytest.raises(InputError, match="vocabulary"):
            Vocabulary(2, CELLS).flatten([wrong])


@pytest.mark.parametrize("lengths", [(), (16,), (16, 17, 4), (160, 16), (16, 16, 0), (4, 16, 16)])
def test_grids_of_other_lengths_are_refused(lengths):
    with pytest.raises(InputError, match="latent steps"):
        TokenGrid(np.zeros((3, 1, 1, 2), np.int32), 3, lengths)


def test_grids_are_checked_and_cut():
    good = grid(100, 4)
    assert repr(good).startswith("TokenGrid(100 frames, ") and len(repr(good)) < 80
    assert good.truncate(4).levels == 4 and good.truncate(2).indices.shape == (*good.indices.shape[:3], 2)
    for levels in (0, 5):
        with pytest.raises(InputError, match="levels"):
            good.truncate(levels)
    for wrong in (np.full((1, 1, 1, 1), 3), np.full((1, 1, 1, 1), -1), np.zeros((1, 1, 1))):
        with pytest.raises(InputError):
            TokenGrid(wrong.astype(np.int32), 3, (16,))
    with pytest.raises(InputError, match="float32"):
        TokenGrid(np.zeros((1, 1, 1, 1), np.float32), 3, (16,))


def test_batches_are_padded():
    batch = pad_batch([np.int32([1, 5]), np.int32([1, 5, 6, 2])])
    assert batch.tolist() == [[1, 5, PAD, PAD], [1, 5, 6, 2]]
    assert pad_batch([]).shape == (0, 0)


@needs_network
def test_tokenize_and_detokenize(tiny_codec):
    sequence = walk(100, people=2)
    grids = tiny_codec.tokenize(sequence)
    assert [g.levels for g in grids] == [tiny_codec.tokenizer.default_levels] * 2
    motion = tiny_codec.detokenize(grids, fps=30)
    assert (motion.frames, motion.people, motion.fps) == (100, 2, 30.0)
    height = motion.positions[..., 1].max(axis=2) - motion.positions[..., 1].min(axis=2)
    assert 1000 < np.median(height) < 2200
    assert np.abs(motion.positions[0, :, :, [0, 2]]).max() < 1000
    body = tiny_codec.decode(tiny_codec.encode(sequence, tiny_codec.tokenizer.default_levels))
    centered = [p - p[:, :, 2:3] for p in (body.positions, motion.positions)]
    spread = [np.linalg.norm(c, axis=-1).mean() for c in centered]
    assert spread[1] == pytest.approx(spread[0], rel=0.1)
    assert tiny_codec.detokenize([]).frames == 0


@needs_network
def test_detokenized_bodies_walk_ahead_from_the_origin_and_have_a_size(tiny_codec):
    grids = tiny_codec.tokenize(walk(100), MAX_LEVELS)
    usual = tiny_codec.detokenize(grids)
    small = tiny_codec.detokenize(grids, size=tiny_codec.tokenizer.typical_size / 2)
    hip = usual.positions[:, 0, 2]
    assert hip[-1, 2] > 1500 and np.abs(hip[0, [0, 2]]).max() < 100  # walks towards +z
    np.testing.assert_allclose(small.positions, usual.positions / 2, atol=5)
    assert compare(walk(100), usual).mpjpe_root < 30  # most of it is the small network


@needs_network
def test_coarser_streams_are_coarser_motions(tiny_codec):
    sequence, grids = walk(100), tiny_codec.tokenize(walk(100), MAX_LEVELS)
    errors = []
    for levels in (6, 8, 10, 12):
        vocabulary = tiny_codec.tokenizer.vocabulary(levels)
        back = vocabulary.unflatten(vocabulary.flatten(grids))
        assert (back[0].indices == grids[0].truncate(levels).indices).all()
        errors.append(compare(sequence, tiny_codec.detokenize(back)).mpjpe_root)
    assert errors == sorted(errors, reverse=True) and errors[-1] < 30


@needs_network
def test_tokens_of_2d(tiny_codec_2d):
    motion = tiny_codec_2d.detokenize(tiny_codec_2d.tokenize(flat_walk(40), 1))
    assert motion.dims == 2 and motion.unit == "px" and np.isfinite(motion.positions).all()
    grids = tiny_codec_2d.tokenize(flat_walk(40), 12)
    assert grids[0].indices.shape[1:] == (32, 40, 12)
    motion = tiny_codec_2d.detokenize(grids, size=2 * 100)
    spread = motion.positions - motion.positions.mean(axis=2, keepdims=True)
    assert np.sqrt(np.square(spread).sum(axis=-1).mean()) == pytest.approx(100, rel=0.1)


@needs_network
def test_grids_of_other_weights_are_refused(tiny_codec, tiny_codec_2d):
    flat = tiny_codec_2d.tokenize(flat_walk(20), 4)
    with pytest.raises(InputError, match="tiny3d has"):
        tiny_codec.detokenize(flat)
    deep = TokenGrid(np.zeros((1, 32, 58, MAX_LEVELS + 1), np.int32), 3, (16,))
    with pytest.raises(InputError, match=f"up to {MAX_LEVELS}"):
        tiny_codec.detokenize([deep])


@needs_network
def test_any_digits_are_a_motion(tiny_codec, tiny_codec_2d):
    for codec in (tiny_codec, tiny_codec_2d):
        vocabulary = codec.tokenizer.vocabulary(MAX_LEVELS)
        for sparse in (0.0, 0.9, 1.0):
            wild = grid(100, MAX_LEVELS, cells=vocabulary.cells, sparse=sparse)
            assert np.isfinite(codec.detokenize([wild]).positions).all()


@needs_network
def test_a_folder_is_a_dataset_and_runs_no_network(tiny_codec, tmp_path):
    for number, frames in enumerate((40, 70)):
        tiny_codec.encode(walk(frames), MAX_LEVELS).save(tmp_path / f"{number}.posec")
    posecodec.PoseCodec(None).encode(walk(30)).save(tmp_path / "plain.posec")
    data = TokenFolder(tmp_path, tiny_codec, 9)
    assert len(data) == 2 and data[0].dtype == torch.int64
    assert [file.name for file in data.files] == ["0.posec", "1.posec"]
    back = data.vocabulary.unflatten(data[1].numpy())[0]
    wanted = tiny_codec.tokenize(walk(70), MAX_LEVELS)[0].truncate(9)
    assert back.frames == 70 and (back.indices == wanted.indices).all()
    batch, there = collate([data[0], data[1]])
    assert batch.shape == (2, max(map(len, data.streams))) and there.sum() == len(data[0]) + len(data[1])
    with pytest.raises(InputError, match="fewer"):
        tiny_codec.encode(walk(40), 3).save(tmp_path / "coarse.posec")
        TokenFolder(tmp_path, tiny_codec, 9)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no .posec file with tokens"):
        TokenFolder(tmp_path / "empty", tiny_codec, 9)


@needs_network
def test_the_command_writes_both_formats(tiny_codec, weights_folder, tmp_path):
    model = ["-m", str(weights_folder / "tiny3d.safetensors")]
    posecodec.save(walk(60), tmp_path / "walk.npz")
    tiny_codec.encode(walk(60), 8).save(tmp_path / "walk.posec")
    size = tiny_codec.tokenizer.vocabulary(8).size
    runner = CliRunner()
    for source, name in (("walk.npz", "a.npz"), ("walk.posec", "b.safetensors")):
        arguments = ["tokens", str(tmp_path / source), "-o", str(tmp_path / name), "--levels", "8", *model]
        found = runner.invoke(cli, arguments, catch_exceptions=False)
        assert found.exit_code == 0 and f"tokens of {size}" in found.output
    a, b = np.load(tmp_path / "a.npz"), load_file(tmp_path / "b.safetensors")
    assert (a["stream"] == b["stream"]).all() and (a["lengths_0"] == b["lengths_0"]).all()
    assert a["chunk_0"].shape == (len(a["lengths_0"]), 32, 58, 8) and a["lengths_0"].sum() == 60
    assert (int(a["codes"]), int(a["levels"]), int(a["vocabulary"])) == (3, 8, size)
    made = TokenGrid(a["chunk_0"], int(a["codes"]), tuple(a["lengths_0"].tolist()))
    assert (Vocabulary(8, (32, 58)).flatten([made]) == a["stream"]).all()
    for arguments, error in (
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "c.txt")], UsageError),
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "a.npz")], UsageError),
        (["tokens", str(tmp_path / "walk.posec"), "-o", str(tmp_path / "d.npz"), "--levels", "9"], PosecodecError),
    ):
        assert isinstance(runner.invoke(cli, [*arguments, *model]).exception, error)


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(EXAMPLE))


@needs_network
def test_the_example_trains_and_samples(tiny_codec, weights_folder, tmp_path, example):
    (tmp_path / "clips").mkdir()
    for number in range(3):
        tiny_codec.encode(walk(64 + 16 * number), 8).save(tmp_path / "clips" / f"{number}.posec")
    model = ["--model", str(weights_folder / "tiny3d.safetensors")]
    options = ["--levels", "8", "--steps", "3", "--seconds", "1"]
    arguments = [str(tmp_path / "clips"), str(tmp_path / "out.npz"), *options, *model]
    found = CliRunner().invoke(example["main"], arguments, catch_exceptions=False)
    assert found.exit_code == 0 and "bits a token" in found.output
    motion = posecodec.load(tmp_path / "out.npz")
    assert motion.frames >= 16 and motion.people == 1 and np.isfinite(motion.positions).all()
    assert compare(motion, motion).mpjpe == 0


def levels_of(vocabulary, stream):
    """The level that is open after each token."""
    level, found = 0, []
    for token in stream.tolist():
        level = 0 if token < SPECIAL else level + (token < vocabulary.first_cell)
        found.append(level)
    return found


@given(st.lists(st.sampled_from(SIZES), min_size=1, max_size=3), st.integers(1, 3), st.sampled_from([0.0, 0.8, 1.0]))
def test_the_example_allows_what_streams_are(example, lengths, levels, sparse):
    vocabulary, may_follow = Vocabulary(levels, CELLS), example["may_follow"]
    digits = grid(16, levels, sparse=sparse).indices.repeat(len(lengths), axis=0)
    stream = vocabulary.flatten([TokenGrid(digits, 3, tuple(lengths))])
    for last, token, level in zip(stream, stream[1:], levels_of(vocabulary, stream), strict=False):
        assert may_follow(vocabulary, int(last), level)[token]


@pytest.mark.parametrize("frames", [1, 30, 200])
def test_the_example_samples_only_streams(example, frames):
    vocabulary, model = Vocabulary(2, CELLS), example["NextToken"]
    for seed in range(5):
        torch.manual_seed(seed)
        stream = example["sample"](model(vocabulary.size, 8), vocabulary, frames)
        (found,) = vocabulary.unflatten(stream)
        assert found.frames >= frames and found.frames - found.lengths[-1] < frames
        assert set(found.lengths) <= set(SIZES) and (vocabulary.flatten([found]) == stream).all()


def test_the_example_stops_sampling(example):
    vocabulary = Vocabulary(2, CELLS)
    stream = example["sample"](example["NextToken"](vocabulary.size, 8), vocabulary, 10**6, most=50)
    assert len(stream) == 51 and vocabulary.unflatten(stream)[0].frames >= 16
