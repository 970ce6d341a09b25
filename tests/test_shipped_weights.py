"""What users are promised, on the shipped weights: whole sequences come back, damage is noticed."""

import dataclasses

import numpy as np
import pytest
from coding import both_ways, encode

import posecodec
from posecodec import zoo
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.pose.skeletons.builtin import BODY25, COCO17
from posecodec.pose.synthetic import walk

BOTH = {"windows2d", "windows3d"} <= set(zoo.list_weights())
needs_weights = pytest.mark.skipif(not BOTH, reason="the weights windows2d and windows3d are not in this checkout")


@pytest.fixture(scope="module")
def codec():
    return posecodec.PoseCodec.from_pretrained("windows3d")


@needs_weights
@pytest.mark.parametrize("people", [0, 1, 3])
@pytest.mark.parametrize("frames", [1, 2, 63, 64, 65, 1000])
@both_ways
def test_a_sequence_comes_back_whole(codec, tmp_path, frames, people, goal):
    points = walk(frames, people=max(people, 1)).positions[:, :people].copy()
    rng = np.random.default_rng(frames + people)
    points[rng.random(points.shape[:3]) < 0.02] = np.nan
    if people == 3 and frames > 60:
        points[: frames // 3, 1] = np.nan  # enters late
        points[frames // 4 : frames // 2, 2] = np.nan  # leaves and comes back
    ids = [f"Ä{i}" for i in range(people)]
    options = {"fps": 29.97002997, "unit": "cm", "up": "y", "ids": ids, "metadata": {"take": [1, "ü"]}}
    sequence = posecodec.PoseSequence.from_arrays(points, **options)
    posecodec.save(sequence, tmp_path / "a.npz")
    encode(codec, posecodec.load(tmp_path / "a.npz"), goal).save(tmp_path / "a.posec")
    posecodec.save(codec.decode(tmp_path / "a.posec"), tmp_path / "b.npz")
    back = posecodec.load(tmp_path / "b.npz")
    assert {name: getattr(back, name) for name in options} == {**options, "ids": tuple(ids)}
    assert back.skeleton == sequence.skeleton and back.positions.shape == sequence.positions.shape
    assert (back.valid == sequence.valid).all() and (back.confidence == sequence.confidence).all()
    if people:
        assert posecodec.compare(sequence, back).mpjpe < 2000


@needs_weights
def test_ten_seconds_are_a_few_hundred_bytes(codec):
    sequence = dataclasses.replace(walk(300), metadata={})
    encoded = encode(codec, sequence)
    payload = sum(len(chunk.base) for chunk in posecodec.codec.container.read(encoded.data)[1])
    assert len(encoded.data) < 500 and len(encoded.data) - payload <= 48
    assert posecodec.compare(sequence, codec.decode(encoded)).mpjpe_root < 80


@needs_weights
@both_ways
def test_every_flipped_byte_and_every_truncation_is_noticed(codec, goal):
    data = encode(codec, walk(40), goal).data
    for place in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= mask
            with pytest.raises(CorruptError):
                codec.decode(bytes(damaged))
        with pytest.raises(CorruptError):
            codec.decode(data[:place])
    with pytest.raises(CorruptError):
        codec.decode(data + b"\0")


@needs_weights
def test_other_weights_are_named(codec):
    other = posecodec.PoseCodec.from_pretrained("windows2d")
    with pytest.raises(WeightsError) as caught:
        other.decode(encode(codec, walk(20)).data)
    assert codec.weights.sha256[:8] in str(caught.value) and other.weights.sha256[:8] in str(caught.value)


@needs_weights
@both_ways
def test_confidences_and_timestamps(codec, goal):
    sequence = walk(50)
    rng = np.random.default_rng(0)
    confidence = np.clip(rng.normal(0.8, 0.5, sequence.confidence.shape), -0.5, 3).astype(np.float32)
    times = np.cumsum(rng.uniform(0.02, 0.05, 50))
    given = dataclasses.replace(sequence, fps=None, timestamps=times, confidence=confidence)
    back = codec.decode(encode(codec, given, goal))
    assert (back.timestamps == times).all() and back.fps is None
    assert np.abs(back.confidence - confidence).max() <= np.abs(confidence).max() / 510 + 1e-6


@needs_weights
@both_ways
def test_coco17_comes_back_as_coco17(codec, goal):
    seventeen = walk(40).mapped_to(COCO17)
    back = codec.decode(encode(codec, seventeen, goal))
    assert back.skeleton == COCO17 and posecodec.compare(seventeen, back).mpjpe_root < 150


@needs_weights
def test_windows_of_unknown_skeletons(codec):
    with pytest.raises(InputError, match="keep only those of coco19"):
        encode(codec, posecodec.PoseSequence.from_arrays(np.zeros((3, 25, 3)), fps=30, skeleton=BODY25))
    with pytest.raises(InputError, match="2D"):
        encode(codec, posecodec.PoseSequence.from_arrays(np.zeros((3, 19, 2)), fps=30))


@needs_weights
@pytest.mark.parametrize("value", [0.0, 1e-12, 1e6, 1e20])
@both_ways
def test_strange_coordinates_encode_or_are_refused(codec, value, goal):
    points = walk(20).positions + np.float32(value) if value > 1 else np.full((20, 1, 19, 3), value, np.float32)
    sequence = posecodec.PoseSequence.from_arrays(points, fps=30)
    try:
        assert codec.decode(encode(codec, sequence, goal)).valid.all()
    except InputError as error:
        assert ("nearer to 0" if goal else "use --lossless") in str(error)


@needs_weights
@both_ways
def test_all_axes_give_the_same_error(codec, goal):
    upright = walk(60)
    tilted = np.stack([upright.positions[..., 0], -upright.positions[..., 2], upright.positions[..., 1]], -1)
    zed = posecodec.PoseSequence.from_arrays(tilted, fps=30, unit="mm")
    first = posecodec.compare(upright, codec.decode(encode(codec, upright, goal))).mpjpe_root
    assert posecodec.compare(zed, codec.decode(encode(codec, zed, goal))).mpjpe_root == pytest.approx(first, rel=0.05)
