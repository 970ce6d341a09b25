"""Token streams: what is flattened comes back, what is no stream is refused, files are read without the network."""

import runpy

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import posecodec
from posecodec.cli import cli
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.vocabulary import END, PAD, PERSON, SPECIAL, START, Vocabulary, pad_batch
from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.pose.synthetic import walk
from posecodec.train.tokens import TokenFolder, collate

EXAMPLE = ROOT / "docs" / "next_token.py"


def grid(steps, levels, rows=3, codes=5, seed=0):
    shape = (steps, rows, 1, levels)
    return TokenGrid(np.random.default_rng(seed).integers(0, codes, shape).astype(np.int32), codes)


def test_a_stream_by_hand():
    vocabulary = Vocabulary(2, 2, 5)
    tokens = TokenGrid(np.int32([[[[0, 1]], [[2, 3]]], [[[4, 0]], [[1, 2]]]]), 5)
    first, second = [SPECIAL + c for c in (0, 2, 1, 3)], [SPECIAL + c for c in (4, 1, 0, 2)]
    assert vocabulary.flatten([tokens]).tolist() == [START, PERSON, *first, *second, END]
    assert (vocabulary.size, vocabulary.tokens_per_step) == (9, 4)


@given(st.lists(st.integers(1, 9), max_size=4), st.integers(1, 4), st.integers(1, 4))
def test_streams_come_back(steps, levels, kept):
    kept = min(kept, levels)
    vocabulary = Vocabulary(kept, 3, 5)
    grids = [grid(n, levels, seed=n) for n in steps]
    stream = vocabulary.flatten(grids)
    assert stream.dtype == np.int32 and 0 <= stream.min() and stream.max() < vocabulary.size
    back = vocabulary.unflatten(stream)
    assert [(a.truncate(kept).indices == b.indices).all() for a, b in zip(grids, back, strict=True)] == [True] * len(
        grids
    )
    assert (vocabulary.flatten(back) == stream).all()


def test_what_a_model_left_unfinished_is_dropped():
    vocabulary = Vocabulary(1, 2, 5)
    stream = [START, PERSON, SPECIAL, SPECIAL + 1, SPECIAL + 2, PERSON, PERSON, SPECIAL, SPECIAL, PAD, END, 4]
    assert [g.indices.ravel().tolist() for g in vocabulary.unflatten(np.array(stream))] == [[0, 1], [0, 0]]
    assert vocabulary.unflatten(np.array([START, PERSON, END])) == () == vocabulary.unflatten(np.array([], int))


@pytest.mark.parametrize("stream", [[START, SPECIAL], [PERSON, 9], [PERSON, -1]])
def test_tokens_out_of_place_are_refused(stream):
    with pytest.raises(InputError):
        Vocabulary(1, 2, 5).unflatten(np.array(stream))


def test_grids_are_checked_and_cut():
    for wrong in (grid(4, 1), grid(4, 3, codes=4), grid(4, 3, rows=2)):
        with pytest.raises(InputError, match="vocabulary"):
            Vocabulary(2, 3, 5).flatten([wrong])
    good = grid(3, 4)
    assert repr(good) == "TokenGrid(3 steps of 3 x 1 x 4, 5 codes)" and good.truncate(2).indices.shape == (3, 3, 1, 2)
    for levels in (0, 5):
        with pytest.raises(InputError, match="levels"):
            good.truncate(levels)
    for values in (np.full((1, 1, 1, 1), 3), np.full((1, 1, 1, 1), -1), np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 0))):
        with pytest.raises(InputError):
            TokenGrid(values.astype(np.int32), 3)
    with pytest.raises(InputError, match="float32"):
        TokenGrid(np.zeros((1, 1, 1, 1), np.float32), 3)


def test_batches_are_padded():
    batch = pad_batch([np.int32([1, 5]), np.int32([1, 5, 6, 2])])
    assert batch.tolist() == [[1, 5, PAD, PAD], [1, 5, 6, 2]]
    assert pad_batch([]).shape == (0, 0)


def test_a_folder_is_a_dataset_and_runs_no_network(token_codec, tmp_path):
    for number, frames in enumerate((40, 70)):
        token_codec.encode(walk(frames), 3).save(tmp_path / f"{number}.posec")
    posecodec.PoseCodec(None).encode(walk(30)).save(tmp_path / "plain.posec")
    data = TokenFolder(tmp_path, token_codec, 2)
    assert [file.name for file in data.files] == ["0.posec", "1.posec"] and data[0].dtype == torch.int64
    wanted = token_codec.tokenize(walk(70), 3)[0].truncate(2)
    assert (data.vocabulary.unflatten(data[1].numpy())[0].indices == wanted.indices).all()
    batch, there = collate([data[0], data[1]])
    assert batch.shape == (2, 3 + 3 * 12) and there.sum() == len(data[0]) + len(data[1])
    with pytest.raises(InputError, match="fewer"):
        TokenFolder(tmp_path, token_codec, 3)
        token_codec.encode(walk(40), 1).save(tmp_path / "coarse.posec")
        TokenFolder(tmp_path, token_codec, 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no .posec file with tokens"):
        TokenFolder(tmp_path / "empty", token_codec, 2)


def test_the_command_writes_both_formats(token_codec, token_folder, tmp_path):
    model = ["-m", str(token_folder / "tokens3d.safetensors")]
    posecodec.save(walk(60), tmp_path / "walk.npz")
    token_codec.encode(walk(60), 2).save(tmp_path / "walk.posec")
    runner = CliRunner()
    for source, name in (("walk.npz", "a.npz"), ("walk.posec", "b.safetensors")):
        arguments = ["tokens", str(tmp_path / source), "-o", str(tmp_path / name), "--levels", "2", *model]
        found = runner.invoke(cli, arguments, catch_exceptions=False)
        assert found.exit_code == 0 and "tokens of 20" in found.output
    a, b = np.load(tmp_path / "a.npz"), load_file(tmp_path / "b.safetensors")
    assert (a["stream"] == b["stream"]).all() and a["chunk_0"].shape == (2, 6, 1, 2)
    assert (int(a["codes"]), int(a["levels"]), int(a["vocabulary"])) == (16, 2, 20)
    for arguments, error in (
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "c.txt")], UsageError),
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "a.npz")], UsageError),
        (["tokens", str(tmp_path / "walk.posec"), "-o", str(tmp_path / "d.npz"), "--levels", "3"], PosecodecError),
    ):
        assert isinstance(runner.invoke(cli, [*arguments, *model]).exception, error)


def test_the_example_trains_and_samples(token_codec, token_folder, tmp_path):
    example = runpy.run_path(str(EXAMPLE))
    (tmp_path / "clips").mkdir()
    for number in range(3):
        token_codec.encode(walk(64 + 16 * number), 2).save(tmp_path / "clips" / f"{number}.posec")
    options = ["--levels", "2", "--steps", "3", "--seconds", "2", "--model", str(token_folder / "tokens3d.safetensors")]
    arguments = [str(tmp_path / "clips"), str(tmp_path / "out.npz"), *options]
    found = CliRunner().invoke(example["main"], arguments, catch_exceptions=False)
    assert found.exit_code == 0 and "bits a token" in found.output
    motion = posecodec.load(tmp_path / "out.npz")
    assert motion.frames == 64 and motion.people == 1 and np.isfinite(motion.positions).all()
