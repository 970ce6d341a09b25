"""Training on generated walks: token weights that encode and decode, and VQ-GANs that resume exactly, on two processes too.

Also builds the systems of the paper from configs alone.
"""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import ROOT, flat_walk
from safetensors.torch import load_file

import posecodec
from posecodec.analysis.metrics import compare
from posecodec.cli import cli
from posecodec.errors import InputError
from posecodec.networks.config import ModelConfig, Volume, from_dict
from posecodec.networks.heatmap_io import decode_points, encode_points, render_volume
from posecodec.networks.refiner import RefinerConfig
from posecodec.networks.vector_quantizer import ResidualQuantizer
from posecodec.networks.vqgan import VQGAN
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train import checkpoint
from posecodec.train.config import STILL, Augmentation, Data, Losses, TrainConfig
from posecodec.train.data import load_clips
from posecodec.train.loop import Trainer
from posecodec.train.weights import TokenTraining, WindowSource, train
from posecodec.train.window_tables import LENGTH


def shape(dims=3, **changes):
    view = Volume("planes" if dims == 3 else "image", "keypoints")
    values = dict(
        dims=dims, keypoints=19, limbs=18, inputs=view, outputs=view, grid=16, extent=0.26 if dims == 3 else 2.6, sigma=1.0,
        window=32, factor=(16, 16, 16), patch=(4, 16, 16), features=2, width=16, depth=1, latent=8, codes=16, levels=3,
        linear=True,
    )  # fmt: skip
    return ModelConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("walks")
    for i in range(3):
        posecodec.save(walk(120 + 40 * i, people=i + 1), path / f"{i}.npz")
    return path


def config(folder, out, dims=3, steps=6, **changes):
    values = dict(
        name="tiny", model=shape(dims), data=Data((str(folder),), (str(folder / "0.npz"),)), out=str(out), steps=steps,
        licence="none", attribution="none", batch=4, warmup=2, evaluate_every=3, evaluate_levels=(1, 3),
        augmentation=Augmentation(noisy=0.5, drop=0.3), losses=Losses(adversarial_from=2),
    )  # fmt: skip
    return TrainConfig(**{**values, **changes})


def state_of(trainer):
    return {**trainer.state.model.state_dict(), "sums": trainer.state.model.quantizer.sums}


def test_resume_is_exact(folder, tmp_path):
    straight = Trainer(config(folder, tmp_path / "a"))
    straight.run()
    half = Trainer(config(folder, tmp_path / "b"))
    half._start()
    for _ in range(3):
        half.step()
    checkpoint.save(half.state, half.checkpoint_path)
    resumed = Trainer(config(folder, tmp_path / "b"))
    resumed.run()
    assert resumed.state.step == straight.state.step == 6
    for name, value in state_of(straight).items():
        assert torch.equal(value, state_of(resumed)[name]), name
    records = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert any("val_mm" in r for r in records) and straight.best_path.exists()


def test_a_checkpoint_holds_everything_and_no_pickle(folder, tmp_path):
    trainer = Trainer(config(folder, tmp_path, augmentation=STILL))
    trainer._start()
    for _ in range(4):  # the discriminator from the third on
        trainer.step()
    path, saved = trainer.checkpoint_path, trainer.state
    checkpoint.save(saved, path)
    drawn = torch.rand(3)
    other = Trainer(config(folder, tmp_path, augmentation=STILL, seed=1)).state
    checkpoint.load(other, path)
    assert torch.equal(torch.rand(3), drawn), "the generator goes on from where it was"
    assert (other.step, other.best) == (4, float("inf"))
    assert torch.equal(other.model.quantizer.uses, saved.model.quantizer.uses)
    for name, optimizer in saved.optimizers.items():
        given, found = optimizer.state_dict(), other.optimizers[name].state_dict()
        assert given["state"].keys() == found["state"].keys() and given["state"]
        for index, moments in given["state"].items():
            assert all(torch.equal(value, found["state"][index][key]) for key, value in moments.items())
        assert json.dumps(given["param_groups"]) == json.dumps(found["param_groups"])
    header = int.from_bytes(path.read_bytes()[:8], "little")
    assert json.loads(json.loads(path.read_bytes()[8 : 8 + header])["__metadata__"]["posecodec"])["step"] == 4
    torch.save({"model": {}}, tmp_path / "pickle.safetensors")
    path.with_name("half").write_bytes(path.read_bytes()[:-100])
    larger = Trainer(config(folder, tmp_path, model=shape(codes=32))).state
    for state, name in ((saved, "pickle.safetensors"), (saved, "half"), (saved, "none"), (larger, path.name)):
        with pytest.raises(InputError, match="not a checkpoint of this model"):
            checkpoint.load(state, tmp_path / name)


@pytest.mark.parametrize("dims", [2, 3])
def test_training_lowers_the_loss(folder, tmp_path, dims):
    trainer = Trainer(config(folder, tmp_path, dims, steps=40, learning_rate=2e-3, evaluate_every=40))
    losses = []
    trainer.run(lambda step, values: losses.append(values["position"]))
    assert sum(losses[-8:]) < sum(losses[:8])
    points, model = trainer.view_whole_clip(0, trainer.val[0])[0][:, :32], trainer.state.model.eval()
    with torch.no_grad():
        tokens = model.quantizer.encode(encode_points(model, points, torch.ones(1, 32, 19, dtype=torch.bool)), 3)
        found = decode_points(model, tokens)
    assert tokens.shape == (1, 2, 1, 1, 3) and found.shape == points.shape
    assert float((found - points).norm(dim=-1).mean()) < 0.5 * float(points.norm(dim=-1).mean())


def test_two_processes_end_alike(folder, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(config(folder, tmp_path / "ddp", steps=2, evaluate_every=2))))
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\nfrom safetensors.torch import save_file\n"
        "from posecodec.train.config import TrainConfig\nfrom posecodec.train.loop import Trainer\n"
        "torch.set_num_threads(1)\nt = Trainer(TrainConfig.load(sys.argv[1]))\nt.run()\n"
        "save_file(t.state.model.state_dict(), f'{sys.argv[2]}/rank{t.rank}.safetensors')\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29611", str(script)]
    subprocess.run(
        [*command, str(path), str(tmp_path)], check=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    first, second = (load_file(tmp_path / f"rank{r}.safetensors") for r in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


PAPER = {
    "single": (Volume("image", "limbs"), Volume("image", "merged"), 2),
    "multi": (Volume("cameras", "merged", 3), Volume("cameras", "merged", 3), 3),
    "projection": (Volume("planes", "merged"), Volume("planes", "merged"), 3),
    "views to projections": (Volume("cameras", "merged", 3), Volume("planes", "merged"), 3),
}


@pytest.mark.parametrize("factor", [8, 16, 32])
@pytest.mark.parametrize("system", PAPER)
def test_systems_of_the_paper_are_configs(system, factor):
    inputs, outputs, dims = PAPER[system]
    grid = 64
    made = shape(
        dims, inputs=inputs, outputs=outputs, grid=grid, sigma=0.75, extent=2.6, window=32, factor=(factor,) * 3,
        patch=(2, 4, 4), linear=False,
    )  # fmt: skip
    assert from_dict(ModelConfig, json.loads(json.dumps(dataclasses.asdict(made)))) == made
    model = VQGAN(made)
    points = torch.rand(1, 32, 19, dims) - 0.5
    volume = render_volume(points, torch.ones(1, 32, 19, dtype=torch.bool), made, inputs)
    latents = model.encode(volume, points)
    assert latents.shape[1:4] == made.latent_grid == (32 // factor, grid // factor, grid // factor)
    quantized, _ = model.quantizer(latents, torch.tensor([2]))
    views = outputs.view_count
    assert model.decode(quantized, torch.tensor([2])).logits.shape == (1, 32, views, grid, grid)


# --- Token weights ---


def token_training(folder, dims, **changes):
    refiner = RefinerConfig(dims, 19, features=2, width=8, depth=1)
    values = dict(
        name=f"tiny{dims}d", dims=dims, data=Data((str(folder),), (str(folder / "0.npz"),)), licence="none",
        attribution="nobody", refiner=refiner, levels=10, prior_windows=16, prior_steps=5, pairs=4, refiner_steps=4,
        adversarial=0.1, augmentation=Augmentation(noisy=0, jitter=0, drop=0, heading=0),
    )  # fmt: skip
    return TokenTraining(**{**values, **changes})


def trained(config, target):
    """Weights of a training, as a codec, and what was said."""
    said = []
    card = train(config, target, said.append)
    codec = posecodec.PoseCodec.from_pretrained(target.with_suffix(".safetensors"))
    assert codec.weights.sha256 == card["sha256"] and json.loads(target.with_suffix(".json").read_text()) == card
    return codec, card, said


@pytest.mark.parametrize("dims", [2, 3])
def test_training_writes_weights_that_encode_and_decode(folder, tmp_path, monkeypatch, dims):
    monkeypatch.chdir(tmp_path)
    codec, card, said = trained(token_training(folder, dims), tmp_path / "made")
    assert (card["dims"], card["default_levels"], card["licence"], card["attribution"]) == (dims, 10, "none", "nobody")
    assert sum("prior" in text for text in said) == 3
    sequence = walk(200, people=2) if dims == 3 else flat_walk(200, people=2)
    encoded = codec.encode(sequence, 12)
    back = codec.decode(encoded.data)
    assert back.positions.shape == sequence.positions.shape
    assert compare(sequence, back).mpjpe < (30 if dims == 3 else 8)
    assert [grid.levels for grid in codec.tokenize(sequence)] == [10, 10]
    gone = np.random.default_rng(0).random((200, 2, 19)) < 0.2
    gaps = sequence.with_positions(
        np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32),
        np.where(gone, 0, sequence.confidence).astype(np.float32),
    )
    assert (codec.decode(codec.encode(gaps, 9)).valid == gaps.valid).all()


def test_training_again_gives_the_same_weights(folder, tmp_path, monkeypatch):
    made = []
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        made.append(trained(token_training(folder, 2, adversarial=0.0), tmp_path / place / "made")[0].weights.sha256)
    again = trained(token_training(folder, 2, adversarial=0.0), tmp_path / "b" / "again")
    assert made == [again[0].weights.sha256] * 2
    other = trained(token_training(folder, 2, adversarial=0.0, name="other", seed=1), tmp_path / "b" / "other")
    assert other[0].weights.sha256 != made[0]


def test_weights_may_do_without_a_network(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codec, card, _ = trained(token_training(folder, 3, refiner_steps=0), tmp_path / "made")
    assert "refiner" not in card and not any(name.startswith("refiner.") for name in codec.weights.tensors)
    assert compare(walk(60), codec.decode(codec.encode(walk(60), 12))).mpjpe < 20


def test_the_command_trains_from_a_config(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dataclasses.asdict(token_training(folder, 3, refiner_steps=0))))
    arguments = ["train-tokens", "--config", str(config), "--export", str(tmp_path / "made"), "--threads", "1"]
    found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    codec = posecodec.PoseCodec.from_pretrained(tmp_path / "made.safetensors")
    assert found.exit_code == 0 and f"made.safetensors  {codec.weights.sha256[:8]}" in found.output
    assert codec.tokenizer.dims == 3


def test_configs_of_token_training(folder, tmp_path):
    wanted, path = token_training(folder, 2), tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(wanted)))
    assert dataclasses.asdict(TokenTraining.load(path)) == dataclasses.asdict(wanted)
    for text in ("{", "[]", "{}", json.dumps({**dataclasses.asdict(wanted), "colour": 1})):
        path.write_text(text)
        with pytest.raises(InputError):
            TokenTraining.load(path)
    with pytest.raises(InputError):
        TokenTraining.load(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["body3d", "body2d", "body3d-nc"])
def test_the_configs_that_made_the_weights_are_read(name):
    config = TokenTraining.load(ROOT / "benchmarks" / "train" / f"{name}.json")
    assert config.dims == config.refiner.dims == int(name[4]) and config.name.startswith(name[:6])


@pytest.mark.parametrize("dims", [2, 3])
def test_windows_for_training_have_the_usual_size(folder, dims):
    source = WindowSource(token_training(folder, dims))
    points = source(8)
    assert points.shape == (8, LENGTH, 19, dims) and points.dtype == np.float64 and np.isfinite(points).all()
    if dims == 3:
        bones = np.linalg.norm(source.tree.measure_bones(points), axis=-1)
        size = np.median(bones, axis=1).sum(axis=1) / source.usual
    else:
        spread = np.square(points - points.mean(axis=2, keepdims=True)).sum(axis=3).mean(axis=2)
        size = np.sqrt(np.median(spread, axis=1)) / 530
    np.testing.assert_allclose(size, 1, atol=0.012)  # 1/32 octaves
    still = WindowSource(token_training(folder, dims, augmentation=STILL))(2)
    assert not np.array_equal(still[0], still[1])


def test_training_data_are_turned_upright(tmp_path):
    upright = walk(60)
    tilted = upright.positions[..., [0, 2, 1]] * [1, -1, 1]
    posecodec.save(posecodec.PoseSequence.from_arrays(tilted, fps=30, unit="mm", up="z"), tmp_path / "z.npz")
    clip = load_clips((str(tmp_path / "z.npz"),), COCO19)[0]
    assert clip.points == pytest.approx(upright.positions[:, 0], abs=1e-2)


@pytest.mark.parametrize(
    "wrong", [{"factor": (0, 16, 16)}, {"factor": (16, 16)}, {"features": 0}, {"dims": 2}, {"grid": 24}]
)
def test_impossible_configs_are_refused(wrong):
    with pytest.raises(InputError):
        shape(**{"dims": 3, **wrong}) if "dims" not in wrong else ModelConfig(**{**vars(shape(3)), "dims": 2})


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
