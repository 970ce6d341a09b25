"""Between keypoints and bytes of windows: every step has a mirror, the prior is the same everywhere, damage is noticed."""

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, any_dims, flat_walk, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from posecodec import zoo
from posecodec.coders.windows import stream
from posecodec.coders.windows.frequency_bands import ROWS
from posecodec.coders.windows.lengths import WINDOW_LENGTHS
from posecodec.coders.windows.prior import FEATURES, LEAST, ROW_COUNT_BITS, TABLE, PriorCoder, read_features
from posecodec.coders.windows.weights import pack_tables, unpack_tables
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.errors import CorruptError, InputError
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.signal.segmentation import list_spans
from posecodec.train import window_tables
from posecodec.train.window_tables import LENGTH, PriorNetwork, WindowSample

DIMS = (2, 3)
UP = {2: "-y", 3: "y"}
UNIT = {2: "px", 3: "mm"}


def walks(dims):
    """Draws windows (B, LENGTH, K, D) of usual size from walks: at any heading, with some jitter."""
    long = walk(2000, people=3) if dims == 3 else flat_walk(2000, people=3)
    points, rng = long.positions.astype(np.float64) * (1 if dims == 3 else 4), np.random.default_rng(0)

    def draw(count):
        drawn = []
        for begin, person in zip(rng.integers(0, 2000 - LENGTH, count), rng.integers(0, 3, count), strict=True):
            window = points[begin : begin + LENGTH, person]
            if dims == 3:
                window = rotate_about_y(window, np.full(LENGTH, rng.uniform(-np.pi, np.pi)))
            drawn.append(window + rng.normal(0, 5, window.shape))
        return np.stack(drawn)

    return draw


def as_weights(tables, path):
    """Tables as a weights file and back, with all that storing them rounds."""
    zoo.write_weights(path, pack_tables(tables), {}, {})
    return unpack_tables(zoo.read_weights(path.with_suffix(".safetensors")).tensors, COCO19, tables.body.dims)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Tables by dimensions, with a prior that learned a little."""
    folder, before = tmp_path_factory.mktemp("trained"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        made = {d: window_tables.fit(walks(d), COCO19, d, windows=64, steps=30, say=lambda text: None) for d in DIMS}
    finally:
        torch.set_num_threads(before)
    return {d: as_weights(tables, folder / f"{d}") for d, tables in made.items()}


@pytest.fixture(scope="module")
def tiny(tiny_codec, tiny_codec_2d):
    """Tables by dimensions, whose prior answers the same for everything."""
    return {2: tiny_codec_2d.coders.windows.tables, 3: tiny_codec.coders.windows.tables}


def wild(dims, frames, seed=0, spread=500.0):
    """Keypoints (T, 19, D) that are no body."""
    return np.random.default_rng(seed).normal(0, spread, (frames, 19, dims))


def chunk(points, tables, index, up=None, unit=None):
    """What is written of a chunk and what is read of it, after everything was compared."""
    dims = tables.body.dims
    motion, side = stream.analyze(points, tables, up or UP[dims])
    latents = stream.quantize(motion, side, index, tables)
    encoder = RangeEncoder()
    stream.write(encoder, latents, tables, unit or UNIT[dims])
    data = encoder.finish()
    decoder = RangeDecoder(data)
    found = stream.read(decoder, len(points), tables, unit or UNIT[dims])
    decoder.finish()
    assert same(found, latents)
    assert WINDOW_LENGTHS.is_valid(found.lengths) and sum(found.lengths) == len(points)
    return data, found


def same(a, b):
    return (
        (a.side_info.scale, a.side_info.heading, a.qp, a.lengths)
        == (b.side_info.scale, b.side_info.heading, b.qp, b.lengths)
        and (a.side_info.origin == b.side_info.origin).all()
        and (a.values == b.values).all()
        and a.values.dtype == b.values.dtype == np.int32
        and (a.centroids == b.centroids).all()
    )


def placed(latents, tables, up=None):
    dims = tables.body.dims
    points = tables.body.synthesize(stream.reconstruct(latents, tables))
    return stream.to_world(points, latents.side_info, dims, up or UP[dims])


@pytest.fixture(scope="module", params=["tiny", "trained"])
def some_tables(request, tiny, trained):
    return {"tiny": tiny, "trained": trained}[request.param]


@any_dims
@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 64, 160, 1024])
def test_chunks_of_any_length_come_back(some_tables, dims, frames):
    for points, index in ((sample(dims, frames), 144), (wild(dims, frames, frames), 130)):
        _, latents = chunk(points, some_tables[dims], index)
        assert np.isfinite(placed(latents, some_tables[dims])).all()


@any_dims
@given(
    seed=st.integers(0, 2**32 - 1), frames=st.integers(1, 70), index=st.integers(0, 320),
    missing=st.sampled_from([0.0, 0.1, 0.7, 0.97]), spread=st.sampled_from([1e-3, 5.0, 500.0, 1e6]),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_chunks_of_any_motion_come_back(trained, dims, seed, frames, index, missing, spread):
    points = wild(dims, frames, seed, spread)
    points[np.random.default_rng(seed).random(points.shape[:2]) < missing] = np.nan
    _, latents = chunk(points, trained[dims], index)
    assert np.isfinite(placed(latents, trained[dims])).all()


GONE = {
    "gaps": lambda rng, frames: rng.random((frames, 19)) < 0.3,
    "a frame": lambda rng, frames: np.arange(frames)[:, None] == np.full(19, 20),
    "the first half": lambda rng, frames: np.arange(frames)[:, None] < np.full(19, frames // 2),
    "all but the root": lambda rng, frames: np.broadcast_to(np.arange(19) != COCO19.root, (frames, 19)),
    "all but a wrist": lambda rng, frames: np.broadcast_to(np.arange(19) != 5, (frames, 19)),
    "all but one once": lambda rng, frames: np.arange(frames * 19).reshape(frames, 19) != 100,
    "both hips": lambda rng, frames: np.broadcast_to(np.isin(np.arange(19), (6, 12)), (frames, 19)),
    "everything": lambda rng, frames: np.ones((frames, 19), bool),
}


@any_dims
@pytest.mark.parametrize("gone", GONE)
def test_chunks_with_gaps_come_back(some_tables, dims, gone):
    tables, points = some_tables[dims], sample(dims, 50)
    mask = GONE[gone](np.random.default_rng(0), 50)
    _, latents = chunk(np.where(mask[..., None], np.nan, points), tables, 112)
    found = placed(latents, tables)
    assert np.isfinite(found).all()
    if not mask.all():
        off = np.linalg.norm(found - points, axis=-1)[~mask]
        lone = dims == 2 and (~mask).any(axis=0).sum() < 2  # has no size: the step is 128 pixels
        assert off.mean() < (60 if dims == 3 or lone else 10)


@any_dims
def test_finer_steps_are_nearer(trained, dims):
    points, tables = sample(dims, 200), trained[dims]
    errors, sizes = [], []
    for index in range(16, 240, 32):
        data, latents = chunk(points, tables, index)
        errors.append(np.linalg.norm(placed(latents, tables) - points, axis=-1).mean())
        sizes.append(len(data))
    assert errors == sorted(errors) and sizes == sorted(sizes, reverse=True)
    assert errors[0] < (2 if dims == 3 else 0.5) and sizes[-1] < sizes[0] / 20


@pytest.mark.parametrize("unit, factor", [("mm", 1), ("cm", 10), ("m", 1000), ("in", 25.4), ("unknown", 3.7)])
def test_units_do_not_matter(trained, unit, factor):
    data, latents = chunk(sample(3, 60), trained[3], 144)
    other, others = chunk(sample(3, 60) / factor, trained[3], 144, unit=unit)
    assert abs(len(other) - len(data)) <= 3
    assert (others.values == latents.values).mean() > 0.98
    off = placed(others, trained[3]) * factor - placed(latents, trained[3])
    assert np.linalg.norm(off, axis=-1).mean() < 30


@any_dims
@pytest.mark.parametrize("scale", [1e-25, 1e-18, 1e-12, 1e12, 1e18])
def test_bodies_of_any_size_come_back(tiny, dims, scale):
    points = (sample(dims, 20) - sample(dims, 20)[:1].mean(axis=1)) * scale
    _, latents = chunk(points, tiny[dims], 144)
    assert np.isfinite(placed(latents, tiny[dims])).all()


def test_what_is_too_far_away_is_refused(tiny):
    for dims in DIMS:
        points = sample(dims, 5)
        stream.analyze(points + 1e9, tiny[dims], UP[dims])
        with pytest.raises(InputError, match="from the origin"):
            stream.analyze(points + 1e12, tiny[dims], UP[dims])


@any_dims
@pytest.mark.parametrize("later", [False, True])
def test_values_of_any_size_are_coded(trained, dims, later):
    rng, prior = np.random.default_rng(0), trained[dims].prior
    for index in (0, 100, 300, 511):
        for most in (0, 1, 2, 3, 10, 1000, 2**20):
            values = np.floor(most ** rng.uniform(0, 1, (2, ROWS, trained[dims].body.channels))) * (most > 0)
            values = (values * rng.choice([-1, 1], values.shape)).astype(np.int32)
            values[:, rng.integers(0, ROWS) :] = 0
            encoder, coder, places = RangeEncoder(), PriorCoder.start(prior, index), []
            places = [coder.encode(encoder, v, 64, later) for v in values]
            decoder, coder = RangeDecoder(encoder.finish()), PriorCoder.start(prior, index)
            for wanted, place in zip(values, places, strict=True):
                found, means = coder.decode(decoder, 64, later)
                assert (found == wanted).all() and (means == place).all()
                assert (np.abs(means - wanted) < 1).all() and (means[wanted == 0] == 0).all()
            decoder.finish()


def test_chances_are_logistic(tiny):
    chances = tiny[3].prior.sigmoid.astype(np.int64)
    assert len(chances) == TABLE and chances[TABLE // 2] == 2**15
    assert (np.diff(chances) >= 0).all() and chances.min() == LEAST and chances.max() == 2**16 - LEAST
    assert np.abs(chances + chances[::-1] - 2**16).max() <= 1
    logit = (np.arange(TABLE) - TABLE // 2) / 64
    known = np.abs(logit) < 8
    np.testing.assert_allclose(chances[known] / 2**16, 1 / (1 + np.exp(-logit[known])), atol=1e-5)


@any_dims
def test_all_numbers_of_rows_may_be_coded(tiny, trained, dims):
    for tables in (tiny[dims], trained[dims]):
        limits = tables.prior.last_significant.astype(np.int64)
        assert limits.shape[0] == 2 and limits.shape[2] == ROWS + 1
        assert (limits.sum(axis=2) == 1 << ROW_COUNT_BITS).all() and limits.min() >= 1


def in_float(net, latents, prior):
    """Bits of windows by the float network, with those that say how many rows are coded."""
    coder, bits = PriorCoder.start(prior, latents.qp), 0.0
    for (start, length), values in zip(list_spans(latents.lengths), latents.values, strict=True):
        later, busy = start > 0, np.flatnonzero(values.any(axis=1))
        limit = int(busy[-1]) + 1 if len(busy) else 0
        features = np.zeros((limit, values.shape[1], FEATURES), np.int32)
        read_features(features, values, coder.context(length, later, limit))
        seen = WindowSample(features.astype(np.int16), values[:limit], values[:limit] * 1.0, later, latents.qp, limit)
        given, places, found = window_tables.build_batch([seen])
        with torch.no_grad():
            bits += float(window_tables.compute_nats(net(given, places), found).sum()) / math.log(2)
        rest = np.abs(values)[np.abs(values) > 2] - 2
        row = prior.last_significant[int(later), min(latents.qp // 16, prior.last_significant.shape[1] - 1)]
        bits += float(np.floor(np.log2(rest)).sum()) - math.log2(row[limit] / 2**ROW_COUNT_BITS)
        coder.before = values
    return bits


def in_bytes(latents, prior):
    encoder, coder = RangeEncoder(), PriorCoder.start(prior, latents.qp)
    for (start, length), values in zip(list_spans(latents.lengths), latents.values, strict=True):
        coder.encode(encoder, values, length, start > 0)
    return encoder.finish()


@any_dims
def test_bytes_are_as_many_as_training_counts(trained, dims):
    """The float network that is trained and the integers that code give the same lengths."""
    tables, net = trained[dims], PriorNetwork(trained[dims].body.channels)
    torch.manual_seed(0)
    pool = window_tables.collect(walks(dims)(32), tables, np.random.default_rng(5), True)
    window_tables.train_net(net, pool, 30, 4e-3, np.random.default_rng(0))
    prior = net.to_integers(tables.prior)
    for index in (90, 120, 150):
        found = [stream.analyze(points, tables, UP[dims]) for points in walks(dims)(4)]
        latents = [stream.quantize(*pair, index, replace(tables, prior=prior)) for pair in found]
        wanted, coded = (np.array([way(x) for x in latents]) for way in (
            lambda x: in_float(net, x, prior), lambda x: 8 * len(in_bytes(x, prior))
        ))  # fmt: skip
        np.testing.assert_allclose(coded, wanted, rtol=0.05, atol=12)
        assert coded.sum() < 0.9 * sum(8 * len(in_bytes(x, without_network(prior))) for x in latents)


def without_network(prior):
    names = ("by_channel", "by_row", "w1", "w2", "b2", "w3", "b3")
    return replace(prior, **{name: np.zeros_like(getattr(prior, name)) for name in names})


@any_dims
def test_training_makes_chunks_smaller(tiny, trained, dims):
    points = walks(dims)(4)
    for index in (100, 140):
        few, many = ([len(chunk(p, tables[dims], index)[0]) for p in points] for tables in (trained, tiny))
        assert sum(few) < 0.8 * sum(many)


# --- The same everywhere, and damage ---

SCRIPT = """
import hashlib, json, sys
import numpy as np
from posecodec.entropy.range_coder import RangeDecoder, RangeEncoder
from posecodec.coders.windows import stream
from posecodec import zoo
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.coders.windows.weights import unpack_tables
folder, found = sys.argv[1], []
for dims, unit in ((2, "px"), (3, "mm")):
    tables = unpack_tables(zoo.read_weights(f"{folder}/{dims}.safetensors").tensors, COCO19, dims)
    for number, frames in enumerate(json.loads(sys.argv[2])):
        data = open(f"{folder}/{dims}.{number}", "rb").read()
        latents = stream.read(RangeDecoder(data), frames, tables, unit)
        encoder = RangeEncoder()
        stream.write(encoder, latents, tables, unit)
        assert encoder.finish() == data
        parts = latents.values.astype("<i4"), latents.centroids.astype("<f8"), np.array(latents.lengths, "<i8")
        found.append(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
assert "torch" not in sys.modules
print(json.dumps(found))
"""


def digest(latents):
    parts = latents.values.astype("<i4"), latents.centroids.astype("<f8"), np.array(latents.lengths, "<i8")
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def decoded_elsewhere(folder, frames, **environment):
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), json.dumps(frames)], capture_output=True, text=True,
        timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-2000:]
    return json.loads(found.stdout)


def files_of(folder, trained, cases):
    """Chunks written to a folder, and the digests of what is in them."""
    digests = []
    for dims in DIMS:
        zoo.write_weights(folder / str(dims), pack_tables(trained[dims]), {}, {})
        for number, (frames, index) in enumerate(cases):
            data, latents = chunk(sample(dims, frames), trained[dims], index)
            (folder / f"{dims}.{number}").write_bytes(data)
            digests.append(digest(latents))
    return digests


def test_integers_are_the_same_in_another_process_with_other_threads(trained, tmp_path):
    cases = [(100, 144), (300, 100), (20, 60)]
    digests = files_of(tmp_path, trained, cases)
    threads = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "NUMBA", "OPENBLAS", "MKL")}
    fresh = {"NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for environment in ({**threads, **fresh}, {"OMP_NUM_THREADS": "1"}):
        assert decoded_elsewhere(tmp_path, [frames for frames, _ in cases], **environment) == digests


def test_integers_are_the_same_without_a_compiler(trained, tmp_path):
    digests = files_of(tmp_path, trained, [(24, 176)])
    assert decoded_elsewhere(tmp_path, [24], NUMBA_DISABLE_JIT="1") == digests


def harmless(data, frames, tables):
    """What data mean, or None where they are corrupt; anything else fails the test."""
    dims = tables.body.dims
    try:
        decoder = RangeDecoder(data)
        latents = stream.read(decoder, frames, tables, UNIT[dims])
        decoder.finish()
    except CorruptError:
        return None
    assert WINDOW_LENGTHS.is_valid(latents.lengths) and sum(latents.lengths) == frames
    with np.errstate(over="ignore", invalid="ignore"):
        motion = stream.reconstruct(latents, tables)
        assert all(np.isfinite(getattr(motion, name)).all() for name in ("shape", "angle", "center"))
        points = stream.to_world(tables.body.synthesize(motion), latents.side_info, dims, UP[dims])
    assert points.shape == (frames, 19, dims)
    return latents


@any_dims
@given(st.binary(max_size=200), st.sampled_from([1, 2, 16, 17, 64, 200, 1024]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_chunk_or_corrupt(trained, dims, data, frames):
    harmless(data, frames, trained[dims])


@any_dims
@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_chunks_are_a_chunk_or_corrupt(trained, dims, data):
    good, latents = chunk(sample(dims, 40), trained[dims], 120)
    bad = bytearray(good)
    for place, bits in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)), max_size=3)):
        bad[place] ^= bits
    cut = bytes(bad)[: data.draw(st.integers(0, len(good)))]
    found = harmless(cut, 40, trained[dims])
    assert cut != good or same(found, latents)


@any_dims
def test_cut_chunks_are_noticed_or_harmless(trained, dims):
    good, _ = chunk(sample(dims, 100), trained[dims], 112)
    found = [harmless(good[:length], 100, trained[dims]) for length in range(len(good))]
    assert sum(latents is not None for latents in found) < len(good) / 4
    assert harmless(good + b"\x01" * 20, 100, trained[dims]) is None
