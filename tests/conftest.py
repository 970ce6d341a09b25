"""A codec with small weights: bases of the walking sample, a prior that knows little."""

from pathlib import Path

import numpy as np
import pytest

from posecodec import PoseCodec, PoseSequence, zoo
from posecodec.coders.transform.weights import load_built_in
from posecodec.coders.windows.weights import WindowTables, pack_tables
from posecodec.kinematics.bones import BoneTree
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train.window_tables import build_empty_prior, fit_bands, fit_body, measure_expected

ROOT = Path(__file__).resolve().parents[1]
SHARED, CONFORMANCE = ROOT.parent / "shared", ROOT / "tests" / "conformance"
TREE, REST = BoneTree.from_skeleton(COCO19), load_built_in()[1].coco19.tables.rest
BODY = walk(60).positions[:, 0].astype(np.float64)
any_dims = pytest.mark.parametrize("dims", (2, 3))


def rng(seed=0):
    return np.random.default_rng(seed)


def sample(dims, frames):
    """Keypoints (T, 19, D) of a walk as recorded: mm or pixels."""
    return (walk(frames) if dims == 3 else flat_walk(frames)).positions[:, 0].astype(np.float64)


def assert_close(motion, other, atol=1e-6):
    for name in ("shape", "angle", "center"):
        np.testing.assert_allclose(getattr(motion, name), getattr(other, name), rtol=0, atol=atol, err_msg=name)


def flat_walk(frames, people=1, **options):
    """The walking sample seen from the side by an image whose y points down, in pixels."""
    sequence = walk(frames, people=people)
    positions = sequence.positions[..., [2, 1]] * np.float32([0.25, -0.25]) + np.float32([640, 600])
    return PoseSequence.from_arrays(positions, skeleton=COCO19, unit="px", up="-y", **{"fps": 30.0, **options})


def small_tables(dims):
    """Tables of the walking sample; the prior's network answers the same for everything."""
    source = walk(512, people=2) if dims == 3 else flat_walk(512, people=2)
    points = source.positions.astype(np.float64).transpose(1, 0, 2, 3).reshape(-1, 128, 19, dims)
    points = points * (1.0 if dims == 3 else 4.0)
    body = fit_body(points, COCO19, dims)
    motion = body.analyze(points)
    bands = fit_bands(motion, body)
    return WindowTables(body, bands, build_empty_prior(measure_expected(motion, body, bands)))


def write_weights(path, dims, seed):
    """Small weights at PATH.safetensors; another seed gives other bytes."""
    tensors = pack_tables(small_tables(dims))
    tensors["bands.means"] = tensors["bands.means"] + seed
    settings = {"dims": dims, "skeleton": "coco19", "licence": "none"}
    zoo.write_weights(path, tensors, settings, {})
    return path.with_suffix(".safetensors")


def load_shipped(name):
    """The codec of weights that come with posecodec; skips the test where they are not in this checkout."""
    if name not in zoo.list_weights():
        pytest.skip(f"the weights {name} are not in this checkout")
    return PoseCodec.from_pretrained(name)


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="session")
def tiny_codec(weights_folder):
    """Of windows in 3D."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "tiny3d", 3, 0))


@pytest.fixture(scope="session")
def tiny_codec_2d(weights_folder):
    """The same in 2D."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "tiny2d", 2, 0))


@pytest.fixture(scope="session")
def other_codec(weights_folder):
    """As `tiny_codec`, but other weights."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "other3d", 3, 1))


@pytest.fixture(scope="session")
def token_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture(scope="session")
def token_codec(token_folder):
    from small_tokens import train_codec

    return train_codec(token_folder, 3)


@pytest.fixture(scope="session")
def token_codec_2d(token_folder):
    from small_tokens import train_codec

    return train_codec(token_folder, 2)
