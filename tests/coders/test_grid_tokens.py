"""Files of the paper's systems with a channel for each keypoint: encoded, decoded, damaged, by tiny weights."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import flat_walk
from small_grids import train_small

import posecodec
from posecodec import PoseCodec, zoo
from posecodec.cli import cli
from posecodec.coders.tokens.grid import TokenGrid
from posecodec.coders.tokens.grid_prior import GridPrior
from posecodec.coders.tokens.grid_tokenizer import FARTHEST, GridTokenizer
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError, PosecodecError, WeightsError
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train.grid_prior import train_grid_prior

FAMILIES = ("c2d-2d", "2d-2d", "m2d-m2d", "3d-3d", "m2d-3d")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Path of each family's weights, trained when first asked for."""
    folder, made = tmp_path_factory.mktemp("grids"), {}

    def get(family):
        if family not in made:
            (folder / family).mkdir()
            made[family] = train_small(f"{family}-keypoints", folder / family)
        return made[family]

    return get


def record(family, frames=50):
    return flat_walk(frames) if family.endswith("2d-2d") and family != "m2d-m2d" else walk(frames)


def hide(sequence, positions):
    """A sequence with other positions, NaN where missing."""
    return sequence.with_positions(positions, np.where(np.isnan(positions[..., 0]), np.float32(0), sequence.confidence))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_encodes_a_recording_and_decodes_it(family, weights, tmp_path):
    posecodec.save(record(family), tmp_path / "walk.npz")
    common = ["-m", str(weights(family))]
    encode = ["encode", str(tmp_path / "walk.npz"), "-o", str(tmp_path / "walk.posec"), "--levels", "1", *common]
    decode = ["decode", str(tmp_path / "walk.posec"), "-o", str(tmp_path / "back.npz"), *common]
    for arguments in (encode, decode):
        found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert found.exit_code == 0, found.output
    original, back = record(family), posecodec.load(tmp_path / "back.npz")
    assert back.positions.shape == original.positions.shape and np.isfinite(back.positions).all()
    size = np.ptp(original.positions, axis=(0, 1, 2)).max()
    error = np.linalg.norm(back.positions - original.positions, axis=-1)
    assert error.max() < 2 * size  # a network of a few steps knows where the box is, and no more


def test_the_same_file_gives_the_same_tokens(weights):
    codec = PoseCodec.from_pretrained(weights("3d-3d"))
    encoded = codec.encode(walk(50), levels=1)
    grids = codec.tokens(encoded.data)
    assert [grid.indices.shape for grid in grids] == [(7 * 2, 4, 4, 1)] and grids[0].codes == 16
    assert np.array_equal(grids[0].indices, encoded.tokens[0].indices)
    stream = codec.tokenizer.vocabulary().flatten(grids)
    back = codec.tokenizer.vocabulary().unflatten(stream)
    assert np.array_equal(back[0].indices, grids[0].indices)
    made = codec.detokenize(back)
    assert made.positions.shape == (56, 1, 19, 3) and np.isfinite(made.positions).all()
    assert codec.cut(encoded.data, 1) == encoded.data


def test_people_gaps_and_rates(weights):
    sequence = posecodec.PoseSequence.from_arrays(
        walk(70, people=2).positions, fps=59.94, skeleton=COCO19, unit="mm", up="y"
    )
    positions = sequence.positions.copy()
    positions[:30, 1] = np.nan
    positions[40:50, 0, 4] = np.nan
    sequence = hide(sequence, positions)
    codec = PoseCodec.from_pretrained(weights("m2d-m2d"))
    back = codec.decode(codec.encode(sequence, levels=1))
    assert np.array_equal(np.isnan(back.positions), np.isnan(positions)) and back.rate == sequence.rate


def test_a_window_in_which_nobody_is(weights):
    codec, positions = PoseCodec.from_pretrained(weights("3d-3d")), walk(48).positions.copy()
    positions[14:36] = np.nan
    back = codec.decode(codec.encode(hide(walk(48), positions), levels=1))
    assert np.array_equal(np.isnan(back.positions), np.isnan(positions))


@pytest.mark.parametrize("frames", [1, 2, 8, 9])
def test_short_recordings(frames, weights):
    codec = PoseCodec.from_pretrained(weights("2d-2d"))
    assert codec.decode(codec.encode(flat_walk(frames), levels=1)).frames == frames


def test_nothing_seen_and_too_far_away(weights):
    codec = PoseCodec.from_pretrained(weights("3d-3d"))
    far = walk(20)
    with pytest.raises(InputError, match="farther|more than can be coded"):
        codec.encode(hide(far, far.positions + 1e13 * (np.arange(20) > 9)[:, None, None, None]), levels=1)
    empty = hide(far, np.full_like(far.positions, np.nan))
    assert np.isnan(codec.decode(codec.encode(empty, levels=1)).positions).all()
    with pytest.raises(InputError, match="2 levels"):
        codec.encode(far, levels=2)
    with pytest.raises(InputError, match="windows"):
        codec.tokenizer.count_windows(100_000, 30.0)
    with pytest.raises(InputError, match="codes 2D|codes 3D"):
        codec.encode(flat_walk(20), levels=1)
    assert FARTHEST > 1e6


def test_limb_maps_cannot_be_read_back(tmp_path):
    path = train_small("3d-3d-f8-1024", tmp_path)
    with pytest.raises(WeightsError, match="-keypoints"):
        PoseCodec.from_pretrained(path).encode(walk(20), levels=1)


def test_gaps_are_not_filled_by_networks_of_the_paper(weights):
    name, sequence = weights("3d-3d"), walk(64)
    codec, positions = PoseCodec.from_pretrained(name), sequence.positions.copy()
    positions[20:30, 0, 4] = np.nan
    assert np.isfinite(codec.fill_gaps(hide(sequence, positions)).positions).all()
    with pytest.raises(WeightsError, match="cannot fill gaps in 3D; motion3d and body3d can"):
        codec.fill_gaps(hide(sequence, positions), name)


def test_damaged_streams_are_refused_or_read(weights):
    codec = PoseCodec.from_pretrained(weights("3d-3d"))
    tokenizer = codec.tokenizer
    encoder = RangeEncoder()
    tokenizer.write(encoder, tokenizer.encode(walk(40).positions[:, 0], "y", 30.0), "mm")
    data, rng = encoder.finish(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = tokenizer.read(
                    RangeDecoder(bytes(damaged[: int(rng.integers(1, len(data) + 1))])), 40, 30.0, "mm"
                )
            except CorruptError:
                continue
        assert found.tokens.min() >= 0 and found.tokens.max() < 16
        made = tokenizer.decode(found, 40, "y", 30.0)
        assert made.shape == (40, 19, 3)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("prior.tables", lambda t: t[:, :-1]), ("prior.codes", lambda t: t.astype(np.int16)), ("prior.bias", lambda t: t[:3]),
        ("prior.exponential", lambda t: t[::-1].copy()), ("prior.w2", lambda t: t[:5]),
        ("network.encoder.see.weight", lambda t: t[:1]),
        ("network.encoder.see.weight", lambda t: t * np.nan), ("network.decoder.last.bias", None), ("prior.b1", None),
    ],
)  # fmt: skip
def test_weights_are_checked(name, change, weights):
    found = zoo.read_weights(weights("3d-3d"))
    tensors = dict(found.tensors)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name])
    with pytest.raises(WeightsError):
        GridTokenizer(dataclasses.replace(found, tensors=tensors)).encode(walk(8).positions[:, 0], "y", 30.0)


def test_what_no_encoder_makes_is_refused(weights):
    tokenizer = PoseCodec.from_pretrained(weights("3d-3d")).tokenizer
    with pytest.raises(CorruptError, match="no encoder makes"):
        tokenizer.read(RangeDecoder(bytes(9)), 100_000, 30.0, "mm")
    with pytest.raises(CorruptError, match="no body can have"):
        encoder = RangeEncoder()
        chunk = tokenizer.encode(walk(8).positions[:, 0], "y", 30.0)
        tokenizer.write(encoder, dataclasses.replace(chunk, boxes=chunk.boxes + 5000), "mm")
        tokenizer.read(RangeDecoder(encoder.finish()), 8, 30.0, "mm")
    with pytest.raises(CorruptError):
        tokenizer.prior.decode(RangeDecoder(bytes([255] * 6)), (64, 64, 64))
    for indices in (np.zeros((2, 3, 4, 1), np.int32), np.zeros((3, 4, 4, 1), np.int32)):
        with pytest.raises(InputError, match="a grid of"):
            tokenizer.from_grid(TokenGrid(indices, 16))
    made = tokenizer.detokenize([TokenGrid(np.zeros((n, 4, 4, 1), np.int32), 16) for n in (0, 2)], 500.0)[0]
    assert made.shape == (8, 2, 19, 3) and np.isnan(made[:, 0]).all() and np.ptp(made[:, 1]) < 1000
    for name, what in (("more", "no part of its network"), ("quantizer.uses", "quantizer.uses")):
        extra = {**tokenizer.weights.tensors, f"network.{name}": np.zeros(3, np.float16)}
        with pytest.raises(WeightsError, match=what):
            _ = GridTokenizer(dataclasses.replace(tokenizer.weights, tensors=extra)).network


@pytest.mark.parametrize("key", ["network", "skeleton", "usual_side"])
def test_settings_are_checked(key, weights):
    found = zoo.read_weights(weights("3d-3d"))
    for value in (None, -1, "x", {}):
        with pytest.raises(PosecodecError):
            GridTokenizer(dataclasses.replace(found, settings={**found.settings, key: value}))


# --- The prior ---


def test_prior_codes_what_it_measures_and_knows_its_neighbors():
    rng = np.random.default_rng(0)
    tokens = np.zeros((402, 2, 6, 6), np.int32)
    for grid in tokens:
        y, x = rng.integers(0, 3, 2)
        grid[:, y : y + 4, x : x + 4] = rng.integers(1, 16)
    prior = GridPrior(train_grid_prior(torch.from_numpy(tokens[:400]), 16, 300, 0, lambda text: None))
    for grid in tokens[400:]:
        encoder = RangeEncoder()
        prior.encode(encoder, grid)
        data, bits = encoder.finish(), prior.measure(grid).sum()
        assert bits - 8 <= 8 * len(data) <= bits + 40  # a byte of zeros at the end is left out
        assert np.array_equal(prior.decode(RangeDecoder(data), grid.shape), grid)
        counts = np.bincount(tokens.ravel()) / tokens.size
        assert bits < -0.6 * np.log2(counts[grid]).sum()
    even = GridPrior(prior.layers._replace(codes=prior.layers.codes * 0, bias=prior.layers.bias * 0))
    with pytest.raises(CorruptError):
        even.decode(RangeDecoder(bytes(4)), (1, 8, 8))


def test_weights_in_a_folder_are_found_by_its_name(weights, monkeypatch, tmp_path):
    folder = weights("2d-2d").parents[1]
    monkeypatch.setattr("posecodec.zoo.FOLDERS", (folder, tmp_path / "none"))
    assert "2d-2d/2d-2d-keypoints" in zoo.list_weights()
    codec = PoseCodec.from_pretrained("2d-2d/2d-2d-keypoints")
    encoded = codec.encode(flat_walk(20), levels=1)
    assert zoo.find_named(encoded.header.weights) == "2d-2d/2d-2d-keypoints"
