"""The codec, whole, with small untrained weights: what must come back exactly does, at whatever accuracy."""

import dataclasses

import numpy as np
import pytest
from conftest import LEVELS, flat_walk

import posecodec
from posecodec import container, payload
from posecodec.codec import PoseCodec
from posecodec.errors import CorruptError, InputError, WeightsError
from posecodec.metrics import compare
from posecodec.model import weights
from posecodec.samples import walk
from posecodec.sequence import PoseSequence
from posecodec.skeleton import BODY25, COCO17, COCO19
from posecodec.tokens import TokenGrid
from posecodec.windowing import LONGEST_GAP, find_tracks


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


def through_files(codec, sequence, folder, **options):
    """.npz -> .posec -> .npz, with all checks; what comes back."""
    posecodec.save(sequence, folder / "in.npz")
    loaded = posecodec.load(folder / "in.npz")
    encoded = codec.encode(loaded, **options)
    encoded.save(folder / "coded.posec")
    assert (folder / "coded.posec").read_bytes() == encoded.to_bytes()
    posecodec.save(codec.decode(folder / "coded.posec"), folder / "out.npz")
    back = posecodec.load(folder / "out.npz")
    assert_kept(sequence, back)
    for a, b in zip(codec.tokens(folder / "coded.posec"), encoded.tokens, strict=True):
        assert (a.indices == b.indices).all() and (a.codes, a.frames, a.levels) == (b.codes, b.frames, b.levels)
    return back


@pytest.mark.parametrize("frames", [1, 2, 63, 64, 65, 1000, 1025])
@pytest.mark.parametrize("people", [0, 1, 3])
def test_everything_but_positions_comes_back_exactly(tiny_codec, tmp_path, frames, people):
    rng = np.random.default_rng(frames)
    sequence = walk(frames, people=max(people, 1))
    ids = ("Ægir", "1", "")[:people]
    sequence = PoseSequence.of(
        sequence.positions[:, :people], fps=29.97002997, confidence=rng.random((frames, people, 19)),
        skeleton=COCO19, unit="cm", up="y", ids=ids, metadata={"note": "naïve", "n": [1, None, {"a": 0.1}]},
    )  # fmt: skip
    back = through_files(tiny_codec, hidden(sequence, rng.random((frames, people, 19)) < 0.2), tmp_path)
    assert back.fps == 29.97002997


def test_timestamps_come_back_exactly(tiny_codec, tmp_path):
    times = np.cumsum(np.random.default_rng(0).exponential(0.03, 100))
    through_files(tiny_codec, as_given(walk(100), fps=None, timestamps=times), tmp_path)


def test_people_who_enter_and_leave(tiny_codec, tmp_path):
    sequence, gone = walk(300, people=3), np.zeros((300, 3, 19), bool)
    gone[:40, 0] = gone[250:, 0] = True
    gone[100 : 100 + LONGEST_GAP, 1] = True
    gone[200 : 200 + LONGEST_GAP + 1, 1] = True
    gone[:, 2] = True
    gone[[7, 150, 299], 2, 3] = False
    sequence = hidden(sequence, gone)
    back = through_files(tiny_codec, sequence, tmp_path)
    header = container.read((tmp_path / "coded.posec").read_bytes())[0]
    found = [(t.person, t.start, t.length) for t in header.tracks]
    assert found == [(0, 40, 210), (1, 0, 200), (1, 233, 67), (2, 7, 1), (2, 150, 1), (2, 299, 1)]
    assert found == find_tracks(sequence.valid)
    assert not back.valid[:, 2].all()


def test_positions_are_about_right_even_with_untrained_weights(tiny_codec, tiny_codec_2d):
    sequence = walk(320)
    errors = [compare(sequence, tiny_codec.decode(tiny_codec.encode(sequence, n))).mpjpe_root for n in (1, LEVELS)]
    assert errors[1] < errors[0] < 200
    flat = flat_walk(320)
    assert compare(flat, tiny_codec_2d.decode(tiny_codec_2d.encode(flat))).mpjpe < 50  # of 425 pixels of height


def test_units_do_not_matter_to_the_tokens(tiny_codec):
    sequence = walk(64)
    meters = as_given(sequence, positions=sequence.positions / np.float32(1024), unit="m")
    a, b = (tiny_codec.encode(s).tokens[0].indices for s in (sequence, meters))
    assert (a == b).mean() > 0.9


@pytest.mark.parametrize("up", ["x", "-x", "-y", "z", "-z"])
def test_another_axis_may_point_up(tiny_codec, up):
    axis, sign = "xyz".index(up[-1]), -1 if up[0] == "-" else 1
    sequence, turned = walk(64), np.empty((64, 1, 19, 3), np.float32)
    turned[..., axis] = sign * sequence.positions[..., 1]
    turned[..., (axis + 1) % 3] = sequence.positions[..., 2]
    turned[..., (axis + 2) % 3] = sign * sequence.positions[..., 0]
    plain = compare(sequence, tiny_codec.decode(tiny_codec.encode(sequence))).mpjpe_root
    for stated in (up, "unknown"):
        other = as_given(sequence, positions=turned, up=stated)
        back = tiny_codec.decode(tiny_codec.encode(other))
        assert back.up == stated
        assert compare(other, back).mpjpe_root < plain * 1.5 + 20


def test_coco17_comes_back_as_coco17(tiny_codec, tmp_path):
    sequence = walk(70)
    chosen = [COCO19.keypoints.index(name) for name in COCO17.keypoints]
    sequence = PoseSequence.of(sequence.positions[:, :, chosen], fps=30, skeleton=COCO17, unit="mm", up="y")
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
    assert_kept(sequence, tiny_codec.decode(tiny_codec.encode(sequence)))


def test_confidences_of_one_cost_nothing(tiny_codec):
    sequence = walk(64)
    nearly = sequence.confidence.copy()
    nearly[5, 0, 3] = 0.5
    a, b = (tiny_codec.encode(sequence.with_positions(sequence.positions, c)) for c in (sequence.confidence, nearly))
    assert len(a.data) < len(b.data)
    back = tiny_codec.decode(b).confidence
    assert (back == 1).sum() == back.size - 1 and back[5, 0, 3] == pytest.approx(0.5, abs=1 / 510 + 1e-6)


def test_encoding_and_decoding_are_deterministic(tiny_codec):
    sequence = walk(200, people=2)
    first, again = tiny_codec.encode(sequence), tiny_codec.encode(sequence)
    assert first.data == again.data
    a, b, c = (tiny_codec.decode(source).positions for source in (first.data, first.data, first))
    assert a.tobytes() == b.tobytes() == c.tobytes()


def test_decoding_again_what_was_decoded_changes_little(tiny_codec):
    once = tiny_codec.decode(tiny_codec.encode(walk(100)))
    twice = tiny_codec.decode(tiny_codec.encode(once))
    assert compare(once, twice).mpjpe_root < 200


def test_other_weights_are_an_error_that_names_both(tiny_codec, other_codec):
    data = tiny_codec.encode(walk(20)).data
    for use in (other_codec.decode, other_codec.tokens):
        with pytest.raises(WeightsError) as found:
            use(data)
        assert tiny_codec.weights.sha256[:8] in str(found.value)
        assert other_codec.weights.sha256[:8] in str(found.value)


def test_damage_is_reported_before_wrong_weights(tiny_codec, other_codec):
    data = bytearray(tiny_codec.encode(walk(20)).data)
    data[5] ^= 1
    for codec in (tiny_codec, other_codec):
        with pytest.raises(CorruptError):
            codec.decode(bytes(data))


def test_tokens_need_no_network(tiny_codec, monkeypatch):
    encoded = tiny_codec.encode(walk(1100, people=2), levels=2)
    monkeypatch.setattr(tiny_codec, "model", None)
    grids = tiny_codec.tokens(encoded.data)
    assert [(g.frames, g.levels, g.indices.shape) for g in grids] == [
        (1024, 2, (64, 1, 1, 2)),
        (76, 2, (5, 1, 1, 2)),
    ] * 2
    for a, b in zip(grids, encoded.tokens, strict=True):
        assert isinstance(a, TokenGrid) and (a.indices == b.indices).all()


@pytest.mark.parametrize("levels", range(1, LEVELS + 1))
def test_levels(tiny_codec, levels):
    encoded = tiny_codec.encode(walk(64), levels)
    assert encoded.tokens[0].levels == levels
    most = tiny_codec.encode(walk(64), LEVELS).tokens[0]
    close = (most.coarser(levels).indices == encoded.tokens[0].indices).mean()
    assert close > 0.5  # but for the rounding of heading and size, levels are prefixes
    assert tiny_codec.decode(encoded).frames == 64


def test_the_default_levels_are_those_of_the_weights(tiny_codec):
    assert tiny_codec.encode(walk(16)).tokens[0].levels == tiny_codec.default_levels == 3


@pytest.mark.parametrize("levels", [0, -1, LEVELS + 1, 100])
def test_levels_out_of_range(tiny_codec, levels):
    with pytest.raises(InputError, match=f"{levels} levels.*1 to {LEVELS}"):
        tiny_codec.encode(walk(16), levels)


def test_an_unsupported_skeleton_says_what_to_pass(tiny_codec):
    sequence = PoseSequence.of(np.ones((10, 25, 3)), fps=30, skeleton=BODY25)
    with pytest.raises(InputError, match="body25.*--skeleton coco19"):
        tiny_codec.encode(sequence)


def test_wrong_dimensions(tiny_codec, tiny_codec_2d):
    with pytest.raises(InputError, match="tiny3d codes 3D, this is 2D"):
        tiny_codec.encode(flat_walk(10))
    with pytest.raises(InputError, match="tiny2d codes 2D, this is 3D"):
        tiny_codec_2d.encode(walk(10))


def test_a_person_who_is_never_there(tiny_codec, tmp_path):
    gone = np.zeros((50, 2, 19), bool)
    gone[:, 1] = True
    back = through_files(tiny_codec, hidden(walk(50, people=2), gone), tmp_path)
    assert not back.valid[:, 1].any() and back.valid[:, 0].all()


def test_nobody_is_ever_there(tiny_codec, tmp_path):
    back = through_files(tiny_codec, hidden(walk(50), np.ones((50, 1, 19), bool)), tmp_path)
    assert not back.valid.any() and back.frames == 50


@pytest.mark.parametrize("keypoint", [COCO19.root, 5])
def test_a_single_keypoint(tiny_codec, tmp_path, keypoint):
    gone = np.ones((40, 1, 19), bool)
    gone[12, 0, keypoint] = False
    through_files(tiny_codec, hidden(walk(40), gone), tmp_path)
    gone[:, 0, keypoint] = False
    sequence = hidden(walk(40), gone)
    through = tiny_codec.decode(tiny_codec.encode(sequence))
    assert_kept(sequence, through)


@pytest.mark.parametrize("offset", [1e4, 1e6, -1e6, 3e7, 1e30])
def test_far_away(tiny_codec, offset):
    sequence = walk(64)
    sequence = as_given(sequence, positions=sequence.positions + np.float32(offset))
    try:
        encoded = tiny_codec.encode(sequence)
    except InputError as error:
        assert abs(offset) > 1e6 and "steps from the origin" in str(error)
        return
    back = tiny_codec.decode(encoded)
    assert_kept(sequence, back)
    near = compare(walk(64), tiny_codec.decode(tiny_codec.encode(walk(64)))).mpjpe_root
    assert compare(sequence, back).mpjpe < near + 100 + abs(offset) * 1e-4


@pytest.mark.parametrize("value", [0.0, 1e-30, -5.0, 3e38])
@pytest.mark.parametrize("dims", [2, 3])
def test_all_keypoints_in_one_place(tiny_codec, tiny_codec_2d, dims, value):
    codec = tiny_codec if dims == 3 else tiny_codec_2d
    sequence = PoseSequence.of(np.full((33, 19, dims), value), fps=30, skeleton=COCO19)
    try:
        back = codec.decode(codec.encode(sequence))
    except InputError as error:
        assert value == 3e38 and "steps from the origin" in str(error)
        return
    assert_kept(sequence, back)
    assert np.abs(back.positions - np.float32(value)).max() < 3  # a body without extent is coded as one of size 1


@pytest.mark.parametrize("people", [0, 1, 3])
def test_no_frames_at_all(tiny_codec, tmp_path, people):
    sequence = PoseSequence.of(np.zeros((0, people, 19, 3)), fps=30, skeleton=COCO19)
    back = tiny_codec.decode(tiny_codec.encode(sequence).data)
    assert_kept(sequence, back)
    timed = PoseSequence.of(np.zeros((0, people, 19, 3)), timestamps=np.zeros(0), skeleton=COCO19)
    assert_kept(timed, tiny_codec.decode(tiny_codec.encode(timed).data))


def test_metadata_that_cannot_be_kept_are_refused(tiny_codec):
    with pytest.raises(InputError, match="metadata"):
        tiny_codec.encode(as_given(walk(4), metadata={"a": {1}}))


def forged(codec, **fields):
    """A file whose checksums are right and whose header is not."""
    header, chunks = container.read(codec.encode(walk(20, people=2)).data)
    return container.write(dataclasses.replace(header, **fields), chunks)


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
def test_forged_headers_are_corrupt(tiny_codec, fields):
    with pytest.raises(CorruptError):
        tiny_codec.decode(forged(tiny_codec, **fields))


def rewritten(codec, change):
    """A file whose checksums are right and whose payload `change` made."""
    header, chunks = container.read(codec.encode(walk(20)).data)
    chunk = payload.read(chunks[0], 20, 19, codec._grid(20), codec.normalization, codec.tables)
    return container.write(header, [payload.write(change(chunk), codec.tables)])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("power", [2**20, 2**14, -(2**20)])
def test_forged_sizes_are_corrupt_or_finite(tiny_codec, power):
    def change(chunk):
        return dataclasses.replace(chunk, side=dataclasses.replace(chunk.side, scale=np.int32([power])))

    try:
        assert np.isfinite(tiny_codec.decode(rewritten(tiny_codec, change)).positions).all()
    except CorruptError:
        assert power > 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_forged_confidences_are_corrupt(tiny_codec):
    def change(chunk):
        return dataclasses.replace(chunk, confidence=np.full((20, 19), 10**6, np.int32), confidence_scale=3e38)

    with pytest.raises(CorruptError):
        tiny_codec.decode(rewritten(tiny_codec, change))


def test_weights_that_do_not_fit_are_refused(tiny_codec):
    settings = {**tiny_codec.weights.settings, "skeleton": "nobody"}
    with pytest.raises(WeightsError, match="tiny3d"):
        PoseCodec(dataclasses.replace(tiny_codec.weights, settings=settings))
    tensors = {n: t for n, t in tiny_codec.weights.tensors.items() if n != "entropy.root"}
    with pytest.raises(WeightsError, match="entropy.root|root"):
        PoseCodec(dataclasses.replace(tiny_codec.weights, tensors=tensors))


@pytest.mark.skipif("body3d" not in weights.names(), reason="the weights body3d are not in this checkout")
def test_the_built_in_weights_code_a_walk():
    codec, sequence = PoseCodec.from_pretrained("body3d"), walk(300)
    encoded = codec.encode(sequence)
    assert len(encoded.data) < 400
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < 120


@pytest.mark.skipif("body2d" not in weights.names(), reason="the weights body2d are not in this checkout")
def test_the_built_in_weights_code_a_walk_in_2d():
    codec, sequence = PoseCodec.from_pretrained("body2d"), flat_walk(300)
    encoded = codec.encode(sequence)
    assert len(encoded.data) < 500
    assert compare(sequence, codec.decode(encoded.data)).mpjpe_root < 0.1 * 425
