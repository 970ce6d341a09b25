"""Chunks of windows, alone and refined: steps, weights, damage."""

from dataclasses import replace

import numpy as np
import pytest
from coding import GOALS, as_given, coded, encode, kinds_of, layered, read_integers
from conftest import flat_walk, load_shipped

from posecodec import PoseCodec, compare
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind
from posecodec.coders.windows.lengths import WINDOW_LENGTHS
from posecodec.errors import CorruptError, WeightsError
from posecodec.pose.synthetic import walk


def test_other_weights_are_an_error_that_names_both(tiny_codec, other_codec):
    data = encode(tiny_codec, walk(20)).data
    with pytest.raises(WeightsError) as found:
        other_codec.decode(data)
    assert tiny_codec.weights.sha256[:8] in str(found.value)
    assert other_codec.weights.sha256[:8] in str(found.value)


def test_damage_is_reported_before_wrong_weights(tiny_codec, other_codec):
    data = bytearray(encode(tiny_codec, walk(20)).data)
    data[5] ^= 1
    for codec in (tiny_codec, other_codec):
        with pytest.raises(CorruptError):
            codec.decode(bytes(data))


@pytest.mark.parametrize("index", [0, 100, 145, 300, 511])
def test_steps(tiny_codec, tiny_codec_2d, index):
    for codec, sequence in ((tiny_codec, walk(50)), (tiny_codec_2d, flat_walk(50))):
        encoded = codec.encode_windows(sequence, index)
        header, (chunk,) = container.read(encoded.data)
        presence, quantized = read_integers(codec, header, chunk)
        assert presence.mask.all() and quantized.qp == index and WINDOW_LENGTHS.is_valid(quantized.lengths)
        assert np.isfinite(codec.decode(encoded).positions).all()


@pytest.mark.parametrize("longest", [31, 64, 159])
def test_windows_may_be_short(tiny_codec, longest):
    header, chunks = container.read(tiny_codec.encode_windows(walk(1100), 208, longest).data)
    found = [read_integers(tiny_codec, header, *pair)[1] for pair in zip(chunks, (1024, 76), strict=True)]
    assert max(length for quantized in found for length in quantized.lengths) <= longest


def test_without_weights_there_are_no_windows(tiny_codec):
    for codec in (PoseCodec(None), PoseCodec.from_pretrained(None)):
        assert kinds_of(codec.encode(walk(20)).data) == {ChunkKind.TRANSFORM}
        with pytest.raises(WeightsError, match="-m windows3d"):
            codec.encode_windows(walk(20), 208)
        with pytest.raises(WeightsError, match=f"{tiny_codec.weights.id.hex()}.*-m"):
            codec.decode(encode(tiny_codec, walk(20)))


def test_other_weights_do_not_matter_without_windows(tiny_codec, other_codec):
    for goal in GOALS[1:]:
        encoded = encode(tiny_codec, walk(40), goal)
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
    alone = encode(tiny_codec, sequence)
    assert len(coarse) < len(fine)
    assert tiny_codec.decode(coarse).positions.tobytes() == tiny_codec.decode(alone).positions.tobytes()
    assert compare(sequence, tiny_codec.decode(fine)).mpjpe < 0.2 * compare(sequence, tiny_codec.decode(coarse)).mpjpe


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
        coded(PoseCodec(replace(tiny_codec.weights, settings=settings)), walk(10))
    for name in ("body.metric", "bands.turns", "prior.w1"):
        tensors = {n: t for n, t in tiny_codec.weights.tensors.items() if n != name}
        with pytest.raises(WeightsError, match=name):
            coded(PoseCodec(replace(tiny_codec.weights, tensors=tensors)), walk(10))


@pytest.mark.parametrize("name, make, least", [("windows3d", walk, 80), ("windows2d", flat_walk, 0.05 * 425)])
def test_the_built_in_weights_code_a_walk(name, make, least):
    codec, sequence = load_shipped(name), make(300)
    encoded = encode(codec, sequence)
    assert len(encoded.data) < 500
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < least


def test_finer_steps_of_the_built_in_weights_are_nearer():
    codec, sequence = load_shipped("windows3d"), walk(200)
    made = [codec.encode_windows(sequence, qp) for qp in (208, 176, 144, 112, 80)]
    errors, sizes = [compare(sequence, codec.decode(m)).mpjpe_root for m in made], [len(m.data) for m in made]
    assert errors == sorted(errors, reverse=True) and sizes == sorted(sizes) and errors[-1] < 10
