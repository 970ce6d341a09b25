"""Token streams: what is flattened comes back, what is no stream is refused, files are read without the network."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import LEVELS
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

import posecodec
from posecodec.cli import cli
from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.metrics import compare
from posecodec.model import weights
from posecodec.samples import walk
from posecodec.streams import END, PAD, PERSON, SPECIAL, START, Vocabulary, padded
from posecodec.tokens import TokenGrid
from posecodec.train.tokens import TokenFolder, collate

EXAMPLE = Path(__file__).parent.parent / "docs" / "next_token.py"
NEEDS_BODY3D = pytest.mark.skipif("body3d" not in weights.names(), reason="weights body3d are not here")


def grid(steps, levels, codes=5, cells=(1, 2), seed=0):
    rng = np.random.default_rng(seed)
    return TokenGrid(rng.integers(0, codes, (steps, *cells, levels)).astype(np.int32), codes, 4 * steps, 4)


def test_a_stream_by_hand():
    vocabulary = Vocabulary(2, 10, (1, 1), 16)
    tokens = TokenGrid(np.int32([[[[3, 7]]], [[[0, 9]]]]), 10, 20, 16)
    assert vocabulary.flatten([tokens]).tolist() == [START, PERSON, 4 + 3, 14 + 7, 4 + 0, 14 + 9, END]
    assert vocabulary.size == SPECIAL + 20
    assert vocabulary.allowed(3) == slice(14, 24)


@given(st.lists(st.integers(1, 6), max_size=4), st.integers(1, 3), st.integers(1, 3))
def test_streams_come_back(steps, levels, kept):
    kept = min(kept, levels)
    vocabulary = Vocabulary(kept, 5, (1, 2), 4)
    grids = [grid(n, levels, seed=n) for n in steps]
    back = vocabulary.unflatten(vocabulary.flatten(grids))
    assert len(back) == len(grids)
    for a, b in zip(grids, back, strict=True):
        assert (a.indices[..., :kept] == b.indices).all() and b.frames == a.frames


def test_what_a_model_left_unfinished_is_dropped():
    vocabulary = Vocabulary(2, 5, (1, 1), 4)
    stream = [START, PERSON, 4, 9, 5, PERSON, 4, END, 4]
    assert [g.indices.ravel().tolist() for g in vocabulary.unflatten(np.array(stream))] == [[0, 0]]
    assert vocabulary.unflatten(np.array([START, PERSON, END])) == ()


@pytest.mark.parametrize("stream", [[START, 4, 9], [PERSON, 9, 4], [PERSON, 4, 99], [PERSON, 4, -1]])
def test_tokens_out_of_place_are_refused(stream):
    with pytest.raises(InputError):
        Vocabulary(2, 5, (1, 1), 4).unflatten(np.array(stream))


def test_other_grids_are_refused():
    for wrong in (grid(2, 1), grid(2, 3, codes=6), grid(2, 3, cells=(1, 1))):
        with pytest.raises(InputError, match="vocabulary"):
            Vocabulary(2, 5, (1, 2), 4).flatten([wrong])


def test_batches_are_padded():
    batch = padded([np.int32([1, 5]), np.int32([1, 5, 6, 2])])
    assert batch.tolist() == [[1, 5, PAD, PAD], [1, 5, 6, 2]]
    assert padded([]).shape == (0, 0)


def test_tokenize_and_detokenize(tiny_codec):
    sequence = walk(100, people=2)
    grids = tiny_codec.tokenize(sequence)
    assert [g.levels for g in grids] == [tiny_codec.tokenizer.default_levels] * 2
    motion = tiny_codec.detokenize(grids, fps=30)
    assert (motion.frames, motion.people, motion.fps) == (100, 2, 30.0)
    height = motion.positions[..., 1].max(axis=2) - motion.positions[..., 1].min(axis=2)
    assert 1000 < np.median(height) < 2200
    assert np.abs(motion.positions[:, :, 2]).max() < 300
    body = tiny_codec.decode(tiny_codec.encode(sequence, tiny_codec.tokenizer.default_levels))
    centered = [p - p[:, :, 2:3] for p in (body.positions, motion.positions)]
    spread = [np.linalg.norm(c, axis=-1).mean() for c in centered]
    assert spread[1] == pytest.approx(spread[0], rel=0.3)
    assert tiny_codec.detokenize([]).frames == 0


def test_tokens_of_2d(tiny_codec_2d):
    from conftest import flat_walk

    motion = tiny_codec_2d.detokenize(tiny_codec_2d.tokenize(flat_walk(40), 1))
    assert motion.dims == 2 and motion.unit == "px" and np.isfinite(motion.positions).all()


def test_a_folder_is_a_dataset_and_runs_no_network(tiny_codec, tmp_path, monkeypatch):
    for number, frames in enumerate((40, 70)):
        tiny_codec.encode(walk(frames), LEVELS).save(tmp_path / f"{number}.posec")
    tiny_codec.encode(walk(30)).save(tmp_path / "plain.posec")
    monkeypatch.setattr(tiny_codec.tokenizer, "model", None)
    data = TokenFolder(tmp_path, tiny_codec, 2)
    assert len(data) == 2 and data[0].dtype == torch.int64
    batch, there = collate([data[0], data[1]])
    assert batch.shape == (2, len(data[1])) and there.sum() == len(data[0]) + len(data[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no .posec file with tokens"):
        TokenFolder(tmp_path / "empty", tiny_codec, 2)


@NEEDS_BODY3D
def test_the_command_writes_both_formats(tmp_path):
    codec = posecodec.PoseCodec.from_pretrained("body3d")
    posecodec.save(walk(60), tmp_path / "walk.npz")
    codec.encode(walk(60), 4).save(tmp_path / "walk.posec")
    runner = CliRunner()
    for source, name in (("walk.npz", "a.npz"), ("walk.posec", "b.safetensors")):
        arguments = ["tokens", str(tmp_path / source), "-o", str(tmp_path / name), "--levels", "4"]
        found = runner.invoke(cli, arguments, catch_exceptions=False)
        assert found.exit_code == 0 and "tokens of 2052" in found.output
    a, b = np.load(tmp_path / "a.npz"), load_file(tmp_path / "b.safetensors")
    assert (a["stream"] == b["stream"]).all() and a["chunk_0"].shape == (4, 1, 1, 4) and int(a["codes"]) == 512
    for arguments, error in (
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "c.txt")], UsageError),
        (["tokens", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "a.npz")], UsageError),
        (["tokens", str(tmp_path / "walk.posec"), "-o", str(tmp_path / "d.npz"), "--levels", "8"], PosecodecError),
    ):
        assert isinstance(runner.invoke(cli, arguments).exception, error)


@NEEDS_BODY3D
def test_the_example_trains_and_samples(tmp_path):
    codec = posecodec.PoseCodec.from_pretrained("body3d")
    (tmp_path / "clips").mkdir()
    for number in range(3):
        codec.encode(walk(64 + 16 * number), 2).save(tmp_path / "clips" / f"{number}.posec")
    main = runpy.run_path(str(EXAMPLE))["main"]
    arguments = [str(tmp_path / "clips"), str(tmp_path / "out.npz"), "--levels", "2", "--steps", "3", "--seconds", "1"]
    found = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert found.exit_code == 0 and "bits a token" in found.output
    motion = posecodec.load(tmp_path / "out.npz")
    assert motion.frames == 32 and np.isfinite(motion.positions).all()
    assert compare(motion, motion).mpjpe == 0
