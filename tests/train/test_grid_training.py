"""Training of the paper's systems: every config from nothing, exact resuming, what varies, what is drawn."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_grids import CONFIGS, train_small, write_config, write_data

from posecodec import zoo
from posecodec.cli import cli
from posecodec.errors import InputError, UsageError
from posecodec.networks import heatmap
from posecodec.networks.grid_config import GridConfig, Volume
from posecodec.networks.grid_vqgan import GridVQGAN
from posecodec.train import checkpoint, data, grid_windows, losses
from posecodec.train.grid_config import GridTraining, Sampling
from posecodec.train.grid_loop import GridTrainer
from posecodec.train.grid_runs import is_grid_config, list_runs
from posecodec.train.steps import run_steps

BASES = ("base", "keypoints")
NAMES = sorted(path.stem for path in CONFIGS.glob("*.toml") if path.stem not in BASES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("paper") / "data")


def build(name, folder, tmp_path, **changes):
    (run,) = list_runs(write_config(name, tmp_path), folder=str(folder))
    return GridTrainer(dataclasses.replace(run, **changes))


@pytest.mark.parametrize("name", NAMES)
def test_configs_are_systems_of_the_paper(name):
    (run,) = list_runs(CONFIGS / f"{name}.toml")
    assert run.name == name and is_grid_config(CONFIGS / f"{name}.toml") and name.startswith(run.system)
    with torch.device("meta"):
        model = GridVQGAN(run.model)
        volume = torch.zeros(1, run.model.window, run.model.channels[0], run.model.grid, run.model.grid)
        tokens = model.encode(volume).shape[1:4]
        assert tuple(tokens) == run.model.token_grid
        made = model.decode(torch.zeros(1, *tokens, run.model.latent))
    assert made.shape == (1, run.model.window, run.model.channels[1], run.model.grid, run.model.grid)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "c2d-2d-dense"])
def test_each_trains_from_nothing_by_one_command(name, folder, tmp_path):
    config = write_config(name, tmp_path, **({"factor": [8, 4, 4]} if name == "c2d-2d-shipped" else {}))
    arguments = ["train", "--config", config, "--data", folder, "--export", tmp_path / "made", "--threads", 1]
    found = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    card = json.loads((tmp_path / "made.json").read_text())
    assert found.exit_code == 0 and f"made.safetensors  {card['sha256'][:8]}" in found.output
    assert card["steps"] == 4 and card["kind"] == "grids" and set(card["validation"]) == {"ssim", "psnr", "l1", "codes"}
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in log if "val" in record] == [2, 4]


@pytest.mark.parametrize("changes", [{}, {"judged": True}, {"quantizer": "gradient"}])
def test_a_run_that_is_resumed_ends_as_one_that_was_not(changes, folder, tmp_path):
    (run,) = list_runs(write_config("3d-3d-f8-1024", tmp_path), folder=str(folder))
    model = dataclasses.replace(run.model, quantizer=changes.get("quantizer", "moving-average"))
    weights = dataclasses.replace(run.losses, adversarial_from=1 if changes.get("judged") else 0)
    run = dataclasses.replace(run, model=model, losses=weights)
    whole = GridTrainer(dataclasses.replace(run, out=str(tmp_path / "whole")))
    run_steps(whole)
    half = GridTrainer(dataclasses.replace(run, out=str(tmp_path / "half")))
    half.start()
    half.step()
    half.step()
    checkpoint.save(half.state, tmp_path / "half.safetensors")
    rest = GridTrainer(dataclasses.replace(run, out=str(tmp_path / "rest")))
    run_steps(rest, resume=tmp_path / "half.safetensors")
    for module, twin in zip(whole.state.modules.values(), rest.state.modules.values(), strict=True):
        for name, tensor in module.state_dict().items():
            assert torch.equal(tensor, twin.state_dict()[name]), name
    assert whole.state.step == rest.state.step == 4


def test_a_run_begins_with_the_network_of_weights(folder, tmp_path):
    (tmp_path / "first").mkdir()
    path, config = train_small("3d-3d-keypoints", tmp_path / "first"), write_config("3d-3d-keypoints", tmp_path)
    (run,) = list_runs(config, folder=str(folder))
    trainer = GridTrainer(dataclasses.replace(run, out=str(tmp_path / "more")))
    trainer.begin_with(zoo.read_weights(path))
    held = zoo.read_weights(path).tensors["network.quantizer.codebooks"].astype(np.float32)
    trainer.start()
    assert np.array_equal(trainer.state.model.codebook.numpy(), held[0])
    trainer.step()
    assert np.abs(trainer.state.model.codebook.numpy() - held[0]).max() < 1
    arguments = [
        "train",
        "--config",
        config,
        "--data",
        folder,
        "--export",
        tmp_path / "again",
        "--begin",
        path,
        "--steps",
        1,
    ]
    assert CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False).exit_code == 0
    assert json.loads((tmp_path / "again.json").read_text())["steps"] == 1


def test_the_papers_own_network_takes_a_step_with_its_discriminator(folder, tmp_path):
    (run,) = list_runs(write_config("c2d-2d-dense", tmp_path, grid=24, window=24, factor=[8, 8, 8]), folder=str(folder))
    trainer = GridTrainer(dataclasses.replace(run, losses=dataclasses.replace(run.losses, adversarial_from=1)))
    assert sum(p.numel() for p in trainer.state.judge.parameters()) == pytest.approx(11.05e6, rel=0.02)
    trainer.start()
    trainer.state.step = 1
    assert set(trainer.step()) >= {"fooling", "judge"}


def test_training_lowers_the_loss(folder, tmp_path):
    trainer = build("2d-2d-f8-1024", folder, tmp_path, steps=80, batch=2, warmup=5, learning_rate=5e-3)
    trainer.start()
    found = [trainer.step()["ssim"] for _ in range(80)]
    assert np.mean(found[-20:]) < 0.95 * np.mean(found[:5])


def test_a_config_names_the_checkpoint_to_go_on_from(folder, tmp_path, monkeypatch):
    config = write_config("3d-3d-keypoints", tmp_path)
    (run,) = list_runs(config, folder=str(folder))
    trainer = GridTrainer(run)
    trainer.start()
    trainer.step()
    checkpoint.save(trainer.state, tmp_path / "one.safetensors")
    config.write_text(json.dumps({**json.loads(config.read_text()), "resume": str(tmp_path / "one.safetensors")}))
    arguments = ["train", "--config", config, "--data", folder, "--export", tmp_path / "made"]
    taken, step = [], GridTrainer.step
    monkeypatch.setattr(GridTrainer, "step", lambda self: taken.append(self.state.step) or step(self))
    found = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert found.exit_code == 0 and "step 4 of 4" in found.stderr and taken == [1, 2, 3]


def test_one_command_trains_what_varies(folder, tmp_path):
    config = write_config("3d-3d-f8-1024", tmp_path)
    arguments = ["train", "--config", config, "--data", folder, "--steps", 1, "--export", tmp_path / "sweep", "--vary"]
    arguments += ["model.codes=8,16", "--vary", "model.factor=4,8"]
    assert CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False).exit_code == 0
    made = {
        path.stem: zoo.read_weights(path).settings["network"] for path in (tmp_path / "sweep").glob("*.safetensors")
    }
    assert len(made) == 4
    for codes in (8, 16):
        for factor in (4, 8):
            network = made[f"3d-3d-f8-1024-codes-{codes}-factor-{factor}"]
            assert (network["codes"], network["factor"]) == (codes, [factor] * 3)


@pytest.mark.parametrize("text", ["model.codes", "colour=1", "model.codes=x", "model.codes=0"])
def test_what_cannot_vary_is_refused(text, tmp_path):
    with pytest.raises(InputError):
        list(list_runs(write_config("3d-3d-f8-1024", tmp_path), (text,)))


def test_options_of_the_papers_systems_are_refused_for_tokens(tmp_path):
    arguments = [
        "train",
        "--config",
        str(CONFIGS.parent / "body3d.json"),
        "--export",
        str(tmp_path / "x"),
        "--vary",
        "seed=1,2",
    ]
    with pytest.raises(UsageError, match="--vary"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"factor": (3, 4, 4)}, {"factor": (4, 4)}, {"codes": 0}, {"network": "deep"}, {"quantizer": "none"}, {"sigma": 0.0},
        {"limbs": ((0, 19),)}, {"width": 10**9}, {"margin": 1.0}, {"target": Volume("planes", "merged")}, {"grid": 24},
        {"grid": 2048},
        {"network": "dense", "factor": (32, 32, 32), "grid": 64},
    ],
)  # fmt: skip
def test_impossible_models_are_refused(wrong):
    view = Volume("image", "merged")
    values = {"source": view, "target": view, "window": 64, "factor": (16, 16, 16), "codes": 8, "grid": 128}
    GridConfig(**values)
    with pytest.raises(InputError):
        GridConfig(**{**values, **wrong})


@pytest.mark.parametrize(("views", "cameras"), [("cameras", 0), ("image", 2), ("circle", 0), ("sky", 0)])
def test_impossible_volumes_are_refused(views, cameras):
    with pytest.raises(InputError):
        Volume(views, "merged", cameras)


def test_bodies_of_one_view_cannot_be_turned(tmp_path):
    config = write_config("c2d-2d-f8-512", tmp_path)
    config.write_text(json.dumps({**json.loads(config.read_text()), "sampling": {"facing": True}}))
    with pytest.raises(InputError, match="facing"):
        list(list_runs(config))


def test_the_cross_entropy_of_pixels_moves_channels_that_are_black():
    """Where the squared error has next to no gradient any more; and it is least at the target."""
    target = torch.zeros(1, 1, 8, 8)
    target[..., 3, :] = 0.56
    logits = torch.full_like(target, -12.0, requires_grad=True)
    for measure, least, most in ((losses.measure_binary, 0.05, 1.0), (torch.nn.functional.mse_loss, 0.0, 1e-5)):
        (gradient,) = torch.autograd.grad(measure(logits.sigmoid(), target) * 8, logits)
        assert least <= float(-gradient[..., 3, :].sum()) <= most
    here = losses.measure_binary(target, target)
    assert all(losses.measure_binary((target + off).clamp(0, 1), target) > here for off in (-0.1, 0.1))


def test_cross_entropy_is_least_where_a_keypoint_is():
    chances = torch.rand(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    chances[0, 0, 0] = 0  # nobody is there: not counted
    best = losses.measure_cross_entropy(chances + 1e-6, chances)
    even = losses.measure_cross_entropy(torch.full_like(chances, 0.5), chances)
    assert best < even == pytest.approx(np.log(64), rel=1e-4)


# --- Windows ---


def test_windows_lie_in_their_boxes(folder, tmp_path):
    trainer = build("m2d-3d-1024", folder, tmp_path)
    config, rng = trainer.config.model, data.build_generator(3)
    found = grid_windows.cut_windows(trainer.motion, 3, config, trainer.config.sampling, trainer.cameras, rng)
    assert found.source.shape == (3, 8, 3, 19, 2) == found.target.shape and found.seen.shape == (3, 3)
    for centers in (found.source, found.target):
        low, high = centers.amin((1, 3)), centers.amax((1, 3))
        middle = (config.grid - 1) / 2
        assert (low + high) / 2 == pytest.approx(middle, abs=1e-2)
        assert (high - low).amax() == pytest.approx(config.grid * (1 - config.margin), abs=1e-2)
    across = found.points[:, 0, 3] - found.points[:, 0, 9]
    assert across[:, 2].abs().max() < 1e-2 and (across[:, 0] > 0).all()
    back = (found.target[:, :, 0] - middle) / found.target_box[:, None, :1, :1] + found.target_box[:, None, :1, 1:]
    assert torch.allclose(back, found.points[..., list(heatmap.PLANES[3][0])], atol=0.05)


def test_frames_in_a_row_where_the_stretch_is_the_window(folder, tmp_path):
    trainer = build("3d-3d-keypoints", folder, tmp_path)
    how = Sampling(shortest=8, longest=8, mirror=0, bones=0)
    found = grid_windows._pick_frames(trainer.motion, 5, 8, how, data.build_generator(1))
    assert (found.diff(dim=1) == 1).all()
    wide = grid_windows._pick_frames(trainer.motion, 50, 8, Sampling(), data.build_generator(1))
    assert (wide.diff(dim=1) >= 0).all() and (wide[:, -1] - wide[:, 0]).max() > 40


def test_half_of_the_windows_are_damaged_where_asked(folder, tmp_path):
    trainer = build("m2d-3d-keypoints", folder, tmp_path)
    how = dataclasses.replace(trainer.config.sampling, shortest=8, longest=8)
    assert how.jitter and how.missing
    found = grid_windows.cut_windows(trainer.motion, 40, trainer.config.model, how, None, data.build_generator(3))
    lost = found.source.isnan().flatten(1).float().mean(1)
    assert 8 <= int((lost > 0).sum()) <= 32 and lost.max() <= 0.3 and not found.target.isnan().any()


def test_brightness_flickers_only_where_asked(folder, tmp_path):
    trainer = build("c2d-2d-f8-512", folder, tmp_path)
    config, rng = trainer.config.model, data.build_generator(3)
    cut = grid_windows.cut_windows(trainer.motion, 1, config, trainer.config.sampling, trainer.cameras, rng)
    steady, _ = grid_windows.draw_pair(cut, config, Sampling(), rng)
    random, _ = grid_windows.draw_pair(cut, config, Sampling(flicker=True), rng)
    peaks = [volume.amax((-1, -2)) for volume in (steady, random)]
    assert peaks[0].max() <= grid_windows.STEADY + 1e-6 and peaks[1].std() > 2 * peaks[0].std()


def test_a_system_that_sees_through_cameras_needs_some(folder, tmp_path):
    (run,) = list_runs(write_config("c2d-2d-f8-512", tmp_path), folder=str(folder))
    blind = dataclasses.replace(run, data=dataclasses.replace(run.data, cameras=None))
    with pytest.raises(InputError, match="calibration"):
        GridTrainer(blind)
    assert isinstance(run, GridTraining)
