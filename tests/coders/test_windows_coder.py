"""Chunks of tokens, alone and refined: levels, weights, damage."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from coding import GOALS, TOKENS, as_given, layered, read_integers
from conftest import LEVELS, flat_walk, load_shipped

from posecodec import PoseCodec, compare
from posecodec.bitstream import container
from posecodec.coders.tokens.grid import LATENT_STEPS, TokenGrid
from posecodec.coders.windows.bitplanes import levels_of_qp, qp_of_levels
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.pose.synthetic import walk


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


def test_tokens_need_no_network(tiny_codec, no_network):
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


def test_weights_that_do_not_fit_are_refused(tiny_codec):
    settings = {**tiny_codec.weights.settings, "skeleton": "nobody"}
    with pytest.raises(WeightsError, match="tiny3d"):
        PoseCodec(replace(tiny_codec.weights, settings=settings)).tokenizer  # noqa: B018
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


@pytest.mark.parametrize("name, make, least", [("body3d", walk, 80), ("body2d", flat_walk, 0.05 * 425)])
def test_the_built_in_weights_code_a_walk(name, make, least):
    codec, sequence = load_shipped(name), make(300)
    assert codec.tokenizer.default_levels == 8
    encoded = codec.encode(sequence, codec.tokenizer.default_levels)
    assert len(encoded.data) < 500
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < least


def test_more_levels_of_the_built_in_weights_are_nearer():
    codec, sequence = load_shipped("body3d"), walk(200)
    made = [codec.encode(sequence, levels) for levels in (4, 6, 8, 10, 12)]
    errors, sizes = [compare(sequence, codec.decode(m)).mpjpe_root for m in made], [len(m.data) for m in made]
    assert errors == sorted(errors, reverse=True) and sizes == sorted(sizes) and errors[-1] < 10
