"""Training on generated walks: weights of windows that encode and decode."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT, flat_walk

import posecodec
from posecodec.analysis.metrics import compare
from posecodec.cli import cli
from posecodec.errors import InputError
from posecodec.networks.vector_quantizer import ResidualQuantizer
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train.cameras import draw_cameras, project
from posecodec.train.clips import load_clips
from posecodec.train.config import STILL, Augmentation, Data
from posecodec.train.motion import MotionSource, MotionTraining, measure_covariances, mend_covariances
from posecodec.train.window_tables import LENGTH
from posecodec.train.windows import WindowSource, WindowTraining, train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("walks")
    for i in range(3):
        posecodec.save(walk(120 + 40 * i, people=i + 1), path / f"{i}.npz")
    return path


# --- Weights of windows ---


def training(folder, dims, **changes):
    values = dict(
        name=f"tiny{dims}d", dims=dims, data=Data((str(folder),), (str(folder / "0.npz"),)), licence="none",
        attribution="nobody", prior_windows=16, prior_steps=5,
        augmentation=Augmentation(),
    )  # fmt: skip
    return WindowTraining(**{**values, **changes})


def trained(config, target):
    """Weights of a training, as a codec, and what was said."""
    said = []
    card = train(config, target, said.append)
    codec = posecodec.PoseCodec.from_pretrained(target.with_suffix(".safetensors"))
    assert codec.weights.sha256 == card["sha256"] and json.loads(target.with_suffix(".json").read_text()) == card
    return codec, card, said


@pytest.mark.parametrize("dims", [2, 3])
def test_training_writes_weights_that_encode_and_decode(folder, tmp_path, dims):
    codec, card, said = trained(training(folder, dims), tmp_path / "made")
    assert (card["dims"], card["licence"], card["attribution"]) == (dims, "none", "nobody")
    assert sum("prior" in text for text in said) == 3
    sequence = walk(200, people=2) if dims == 3 else flat_walk(200, people=2)
    back = codec.decode(codec.encode_windows(sequence, 80).data)
    assert back.positions.shape == sequence.positions.shape
    assert compare(sequence, back).mpjpe < (30 if dims == 3 else 8)
    gone = np.random.default_rng(0).random((200, 2, 19)) < 0.2
    gaps = sequence.with_positions(
        np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32),
        np.where(gone, 0, sequence.confidence).astype(np.float32),
    )
    assert (codec.decode(codec.encode_windows(gaps, 128)).valid == gaps.valid).all()


def test_training_again_gives_the_same_weights(folder, tmp_path):
    made = [trained(training(folder, 2, seed=seed), tmp_path / "made")[0].weights.sha256 for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_the_command_trains_from_a_config(folder, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dataclasses.asdict(training(folder, 3))))
    arguments = ["train-windows", "--config", str(config), "--export", str(tmp_path / "made"), "--threads", "1"]
    found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    codec = posecodec.PoseCodec.from_pretrained(tmp_path / "made.safetensors")
    assert found.exit_code == 0 and f"made.safetensors  {codec.weights.sha256[:8]}" in found.output
    assert codec.coders.windows.tables.body.dims == 3


def test_configs_of_training(folder, tmp_path):
    wanted, path = training(folder, 2), tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(wanted)))
    assert dataclasses.asdict(WindowTraining.load(path)) == dataclasses.asdict(wanted)
    for text in ("{", "[]", "{}", json.dumps({**dataclasses.asdict(wanted), "colour": 1})):
        path.write_text(text)
        with pytest.raises(InputError):
            WindowTraining.load(path)
    with pytest.raises(InputError):
        WindowTraining.load(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["windows3d", "windows2d", "windows3d-nc"])
def test_the_configs_that_made_the_weights_are_read(name):
    config = WindowTraining.load(ROOT / "benchmarks" / "train" / f"{name}.json")
    assert config.dims == int(name[7]) and config.name == name


@pytest.mark.parametrize("dims", [2, 3])
def test_windows_for_training_have_the_usual_size(folder, dims):
    source = WindowSource(training(folder, dims))
    points = source(8)
    assert points.shape == (8, LENGTH, 19, dims) and points.dtype == np.float64 and np.isfinite(points).all()
    if dims == 3:
        bones = np.linalg.norm(source.tree.measure_bones(points), axis=-1)
        size = np.median(bones, axis=1).sum(axis=1) / source.usual
    else:
        spread = np.square(points - points.mean(axis=2, keepdims=True)).sum(axis=3).mean(axis=2)
        size = np.sqrt(np.median(spread, axis=1)) / 530
    np.testing.assert_allclose(size, 1, atol=0.012)  # 1/32 octaves
    still = WindowSource(training(folder, dims, augmentation=STILL))(2)
    assert not np.array_equal(still[0], still[1])


def test_training_data_are_turned_upright(tmp_path):
    upright = walk(60)
    tilted = upright.positions[..., [0, 2, 1]] * [1, -1, 1]
    posecodec.save(posecodec.PoseSequence.from_arrays(tilted, fps=30, unit="mm", up="z"), tmp_path / "z.npz")
    clip = load_clips((str(tmp_path / "z.npz"),), COCO19)[0]
    assert clip.points == pytest.approx(upright.positions[:, 0], abs=1e-2)


def test_quantizer_levels_nest_and_revive():
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(600, 6, generator=rng)
    quantizer = ResidualQuantizer(4, 16, 6)
    quantizer.fit(points, rng)
    tokens = quantizer.encode(points)
    errors = [float((points - quantizer.decode(tokens[:, :q])).square().mean()) for q in range(1, 5)]
    assert errors == sorted(errors, reverse=True) and errors[3] < 0.5 * errors[0]
    quantizer.codebooks[0, 3] = quantizer.sums[0, 3] = 1e3
    quantizer.uses[0, 3] = 0
    given = points[:64].reshape(4, 16, 6).requires_grad_()
    out, _ = quantizer.train()(given, torch.full((4,), 4), rng)
    out.sum().backward()
    assert (
        torch.equal(given.grad, torch.ones_like(given)) and float(quantizer.codebooks[0, 3].detach().abs().max()) < 10
    )


def test_random_cameras_see_people_upright_and_from_all_sides():
    cameras = draw_cameras(64, torch.Generator().manual_seed(0))
    person = walk(1).positions[:, 0]
    points = torch.tensor(person - person.mean(axis=(0, 1)) * [1, 0, 1], dtype=torch.float32)
    pixels = project(points.expand(64, *points.shape), cameras)[:, 0]
    nose, ankle = (pixels[:, COCO19.keypoints.index(name), 1] for name in ("nose", "left_ankle"))
    assert (nose < ankle).all()  # y is down
    left, right = (pixels[:, COCO19.keypoints.index(f"{side}_shoulder"), 0] for side in ("left", "right"))
    assert 0.3 < (left > right).float().mean() < 0.7
    front = dataclasses.replace(
        cameras.pick(torch.tensor([0])), rotation=torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None],
        offset=torch.tensor([[0.0, 900.0, 4000.0]]),
    )  # fmt: skip
    seen = project(points[None], front)[0, 0, :, 0]  # by one that they walk towards: their left is at the right
    assert seen[COCO19.keypoints.index("left_shoulder")] > seen[COCO19.keypoints.index("right_shoulder")]


# --- Weights of motion ---


def motion(folder, dims, **changes):
    values = dict(
        name=f"moves{dims}d", dims=dims, data=Data((str(folder),), (str(folder / "0.npz"),)), licence="none",
        attribution="nobody", steps=8, windows=256,
    )  # fmt: skip
    return MotionTraining(**{**values, **changes})


@pytest.mark.parametrize("dims", [2, 3])
def test_the_command_learns_how_bodies_move(folder, tmp_path, dims):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dataclasses.asdict(motion(folder, dims))))
    arguments = ["train-motion", "--config", str(config), "--export", str(tmp_path / "made"), "--threads", "1"]
    found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    card = json.loads((tmp_path / "made.json").read_text())
    assert found.exit_code == 0 and f"made.safetensors  {card['sha256'][:8]}" in found.output
    sequence = walk(100) if dims == 3 else flat_walk(100)
    positions = sequence.positions.copy()
    positions[40:50, 0, 4] = np.nan
    holed = sequence.with_positions(positions, np.where(np.isnan(positions[..., 0]), 0, 1).astype(np.float32))
    filled = posecodec.PoseCodec().fill_gaps(holed, tmp_path / "made.safetensors")
    off = np.linalg.norm(filled.positions - sequence.positions, axis=-1)[40:50, 0, 4]
    assert off.mean() < 0.03 * np.ptp(sequence.positions[..., 1])


def test_covariances_are_those_of_what_is_drawn(folder):
    source = MotionSource(motion(folder, 3))
    mean, lags = measure_covariances(source, lambda text: None)
    drawn = np.concatenate([source.draw(number) for number in range(4)])
    values = drawn.reshape(len(drawn), 8, 2, -1).mean(axis=2) - mean
    np.testing.assert_allclose(lags[0], np.einsum("nti,ntj->ij", values, values) / values[..., 0].size, atol=1e-6)
    whole = dataclasses.replace(motion(folder, 3), seed=1)
    assert (source.draw(0) == MotionSource(motion(folder, 3)).draw(0)).all()
    assert (source.draw(0) != MotionSource(whole).draw(0)).any()


def test_lags_whose_sums_vary_less_than_not_at_all_are_mended():
    lags = np.stack([np.eye(2), 0.9 * np.eye(2), -0.9 * np.eye(2)])
    mended = mend_covariances(lags)
    assert (mended[1:] == lags[1:]).all() and mended[0, 0, 0] > 1
    assert (mend_covariances(mended) == mended).all()


def test_motion_that_cannot_be_learned_is_told(folder, tmp_path):
    with pytest.raises(InputError, match="no motion of all keypoints"):
        MotionSource(motion(folder, 3, data=Data((str(folder),), (), None, "whole")))
    flat = tmp_path / "flat"
    flat.mkdir()
    posecodec.save(flat_walk(100), flat / "a.npz")
    with pytest.raises(InputError, match="set dims to 2"):
        MotionSource(motion(flat, 3))


def test_all_keypoints_of_archives_are_learned(tmp_path):
    points = walk(80).positions[:, 0]
    rest = points - points[:, 2:3]
    toes = rest[:, [8, 14]] + np.float32([0, -60, 120])
    np.savez(
        tmp_path / "archive.npz", root_mm=points[:, 2], rel_dmm=np.round(rest * 10).astype(np.int16),
        native_dmm=np.round(np.concatenate([toes, rest[:, :1] * 0.5], axis=1) * 10).astype(np.int16),
        native_joints=["LeftToeBase", "RightToeBase", "Spine"], start=[0], length=[80], name=["a"], floor_mm=[0.0],
    )  # fmt: skip
    source = MotionSource(motion(tmp_path, 3, data=Data((str(tmp_path),), (), None, "whole"), windows=64))
    assert source.draw(0).shape == (64, 16, 50, 3) and np.isfinite(source.draw(0)).all()


@pytest.mark.parametrize("name", ["motion3d", "motion2d"])
def test_the_configs_that_made_the_weights_of_motion_are_read(name):
    config = MotionTraining.load(ROOT / "configs" / f"{name}.json")
    assert config.dims == int(name[6]) and config.name == name
