"""A codec with small, untrained but sane weights: principal components and k-means of the walking sample."""

import dataclasses

import numpy as np
import pytest
import torch

from posecodec import neural
from posecodec.codec import PoseCodec
from posecodec.entropy.adaptive import int_model
from posecodec.entropy.curves import CONTEXTS
from posecodec.model import weights
from posecodec.model.config import ModelConfig, Volume
from posecodec.model.vqgan import VQGAN
from posecodec.normalize import Normalization, normalize
from posecodec.samples import walk
from posecodec.sequence import PoseSequence
from posecodec.skeleton import COCO19
from posecodec.train.data import Clip, bone_shares
from posecodec.train.export import count_tables

LEVELS = 4


def flat_walk(frames, people=1, **options):
    """The walking sample seen from the side by an image whose y points down, in pixels."""
    sequence = walk(frames, people=people)
    positions = sequence.positions[..., [2, 1]] * np.float32([0.25, -0.25]) + np.float32([640, 600])
    return PoseSequence.of(positions, skeleton=COCO19, unit="px", up="-y", **{"fps": 30.0, **options})


def _config(dims):
    volume = Volume("planes" if dims == 3 else "image", "keypoints")
    return ModelConfig(
        dims=dims, keypoints=19, limbs=18, inputs=volume, outputs=volume, grid=16, extent=0.4 if dims == 3 else 2.6,
        sigma=1.0, window=64, factor=(16, 16, 16), patch=(4, 16, 16), features=2, width=8, depth=1, latent=8,
        codes=16, levels=LEVELS, linear=True,
    )  # fmt: skip


def _normalization(dims):
    bones = bone_shares([Clip("walk", walk(64).positions[:, 0])], COCO19)
    steps = (0.02, 0.015, 0.01, 0.005)
    return Normalization(dims, bones, 16, 32 if dims == 3 else 0, 0 if dims == 3 else 64, steps, 0.25, 0.03125, 3.0)


def write_weights(path, dims, seed):
    """Untrained weights at PATH.safetensors; another seed gives other bytes."""
    torch.manual_seed(seed)
    config, how = _config(dims), _normalization(dims)
    source = walk(512, people=2) if dims == 3 else flat_walk(512, people=2)
    bodies = [normalize(source.positions[:, p], COCO19, how, source.up, LEVELS)[0] for p in range(2)]
    groups = np.concatenate(bodies).reshape(-1, config.factor[0] * 19 * dims)
    mean = groups.mean(axis=0)
    components = np.linalg.svd(groups - mean, full_matrices=False)[2][: config.latent]
    model = VQGAN(config).eval()
    model.start_linear(torch.from_numpy(mean), torch.from_numpy(components))
    points = torch.from_numpy(np.stack(bodies))
    with torch.no_grad():
        latents = neural.encode_points(model, points, torch.ones(points.shape[:3], dtype=torch.bool))
    model.quantizer.fit(latents.reshape(-1, config.latent), torch.Generator().manual_seed(seed))
    tokens = model.quantizer.encode(latents).numpy().astype(np.int32).reshape(2, -1, 1, LEVELS)
    tables = count_tables(tokens, config.codes, model.quantizer.codebooks.numpy())
    tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    tensors |= {
        "entropy.tokens": tables.counts,
        "entropy.before": tables.before,
        "entropy.below": tables.below,
        "entropy.classes": tables.classes,
        "entropy.root": int_model(dims * CONTEXTS).astype(np.uint16),
        "entropy.heading": int_model(CONTEXTS).astype(np.uint16),
        "entropy.scale": int_model(CONTEXTS).astype(np.uint16),
    }
    settings = {
        "config": config.to_dict(),
        "normalization": dataclasses.asdict(how),
        "skeleton": "coco19",
        "default_levels": 3,
        "rate_weight": 0.0,
    }
    weights.write(path, tensors, settings, {})
    return path.with_suffix(".safetensors")


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="session")
def tiny_codec(weights_folder):
    """3D, 4 levels of 16 codes, 3 by default."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "tiny3d", 3, 0))


@pytest.fixture(scope="session")
def tiny_codec_2d(weights_folder):
    """The same in 2D."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "tiny2d", 2, 0))


@pytest.fixture(scope="session")
def other_codec(weights_folder):
    """As `tiny_codec`, but other weights."""
    return PoseCodec.from_pretrained(write_weights(weights_folder / "other3d", 3, 1))
