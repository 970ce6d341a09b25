"""Training on generated walks: it resumes exactly, runs on two processes, and exports weights that encode.

Also builds the systems of the paper from configs alone.
"""

import dataclasses
import json
import os
import subprocess
import sys

import pytest
import torch

import posecodec
from posecodec.errors import InputError
from posecodec.model.config import ModelConfig, Volume
from posecodec.model.quantizer import ResidualQuantizer
from posecodec.model.vqgan import VQGAN
from posecodec.neural import volume_of
from posecodec.samples import walk
from posecodec.skeleton import COCO19
from posecodec.train import checkpoint
from posecodec.train.config import Augmentation, Data, Losses, SideSteps, TrainConfig
from posecodec.train.data import load_clips
from posecodec.train.export import export
from posecodec.train.loop import Trainer


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
        side=SideSteps(heading_knots=16 if dims == 3 else 0, scale_knots=0 if dims == 3 else 64),
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


@pytest.mark.parametrize("dims", [2, 3])
def test_training_lowers_the_loss_and_exports(folder, tmp_path, dims):
    trainer = Trainer(config(folder, tmp_path, dims, steps=40, learning_rate=2e-3, evaluate_every=40))
    losses = []
    trainer.run(lambda step, values: losses.append(values["position"]))
    assert sum(losses[-8:]) < sum(losses[:8])
    import posecodec.train.export as exporting

    exporting.COUNTED = 64
    export(trainer, trainer.best_path, tmp_path / "tiny", 0.0, 2)
    codec = posecodec.PoseCodec.from_pretrained(tmp_path / "tiny.safetensors")
    sequence = walk(50)
    if dims == 2:
        sequence = posecodec.PoseSequence.of(sequence.positions[..., :2] * [1, -1], fps=30, up="-y", unit="px")
    assert codec.decode(codec.encode(sequence, 2)).positions.shape == sequence.positions.shape


def test_two_processes_end_alike(folder, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(config(folder, tmp_path / "ddp", steps=2, evaluate_every=2))))
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\nfrom posecodec.train.config import TrainConfig\nfrom posecodec.train.loop import Trainer\n"
        "torch.set_num_threads(1)\nt = Trainer(TrainConfig.load(sys.argv[1]))\nt.run()\n"
        "torch.save(t.state.model.state_dict(), f'{sys.argv[2]}/rank{t.rank}.pt')\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29611", str(script)]
    subprocess.run(
        [*command, str(path), str(tmp_path)], check=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    first, second = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
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
    assert ModelConfig.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    model = VQGAN(made)
    points = torch.rand(1, 32, 19, dims) - 0.5
    volume = volume_of(points, torch.ones(1, 32, 19, dtype=torch.bool), made, inputs)
    latents = model.encode(volume, points)
    assert latents.shape[1:4] == made.latent_grid == (32 // factor, grid // factor, grid // factor)
    quantized, _ = model.quantizer(latents, torch.tensor([2]))
    views = outputs.view_count
    assert model.decode(quantized, torch.tensor([2])).logits.shape == (1, 32, views, grid, grid)


def test_training_data_are_turned_upright(tmp_path):
    upright = walk(60)
    tilted = upright.positions[..., [0, 2, 1]] * [1, -1, 1]
    posecodec.save(posecodec.PoseSequence.of(tilted, fps=30, unit="mm", up="z"), tmp_path / "z.npz")
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
