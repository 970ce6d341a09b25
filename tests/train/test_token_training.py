"""Training of tokens on generated walks: it learns, resumes exactly, and what it exports encodes and decodes."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from small_tokens import config, shape, write_walks

from posecodec import zoo
from posecodec.coders.tokens.tokenizer import Tokenizer
from posecodec.errors import InputError
from posecodec.networks import heatmap, part_io
from posecodec.networks.part_vqgan import PartVQGAN
from posecodec.networks.path import place, take_out, to_local, to_world
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train import checkpoint
from posecodec.train.damage import damage, draw_gaps, hold_ends, list_groups
from posecodec.train.steps import find_checkpoint, run_steps
from posecodec.train.strokes import read_strokes
from posecodec.train.token_config import Damage, Weighting
from posecodec.train.token_export import export
from posecodec.train.token_loop import TokenTrainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_walks(tmp_path_factory.mktemp("walks"))


def test_resume_is_exact(folder, tmp_path):
    straight = TokenTrainer(config(folder, tmp_path / "a"))
    run_steps(straight)
    half = TokenTrainer(config(folder, tmp_path / "b"))
    half.start()
    for _ in range(3):
        half.step()
    checkpoint.save(half.state, find_checkpoint(half.config.out))
    resumed = TokenTrainer(config(folder, tmp_path / "b"))
    run_steps(resumed)
    assert resumed.state.step == straight.state.step == 6
    for name, value in straight.state.model.state_dict().items():
        assert torch.equal(value, resumed.state.model.state_dict()[name]), name
    records = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert any("val" in r for r in records)


@pytest.mark.parametrize("dims", [2, 3])
def test_training_lowers_the_loss_and_its_weights_code(folder, tmp_path, dims):
    still = dict(whole=0.0, losses=Weighting(), damage=Damage(noisy=0.0, gaps=0.0, held=0.0), batch=12)
    trainer = TokenTrainer(config(folder, tmp_path, dims, steps=60, learning_rate=5e-3, evaluate_every=60, **still))
    trainer.start()
    with torch.no_grad():
        trainer.state.model.guide_linear.zero_()  # what it is to learn
    checkpoint.save(trainer.state, find_checkpoint(trainer.config.out))
    losses = []
    run_steps(trainer, lambda step, values: losses.append(values["guess"]))
    assert sum(losses[-8:]) < sum(losses[:8])
    card = export(trainer, tmp_path / "tiny", lambda text: None)
    known = Tokenizer(zoo.read_weights(tmp_path / "tiny.safetensors"))
    assert card["codes_in_use"][1] <= 16 and known.default_levels == 2
    clip = walk(70).positions[:, 0].astype(np.float64)
    points = clip if dims == 3 else clip[..., [2, 1]] * [0.25, -0.25] + [640, 600]
    chunk = known.encode(points, "y" if dims == 3 else "-y", 30.0)
    assert chunk.tokens.shape == (3, 6, 3) and chunk.tokens.dtype == np.int32 and chunk.tokens.max() < 16
    made = known.decode(chunk, 70, "y" if dims == 3 else "-y", 30.0)
    height = np.ptp(points[..., 1])
    assert np.linalg.norm(made - points, axis=-1).mean() < 0.1 * height


def test_the_readout_without_heatmaps_is_that_of_heatmaps():
    torch.manual_seed(0)
    model = PartVQGAN(shape())
    points = (torch.rand(2, 32, 19, 3) - 0.5) * 0.4
    strokes = torch.randn(2, 32, 57, 2) * 0.03
    with torch.no_grad():
        quick = read_strokes(model, points, strokes)
        whole = heatmap.read_corrected(points, model.draw(strokes), 16, 0.26, 1.0)
        volume = part_io.render_volume(points, model)
        down, across = heatmap.render_profiles(heatmap.to_pixels(points, 16, 0.26), 16, 1.0)
        profiles = model.see_profiles(down.flatten(2, 3), across.flatten(2, 3))
    assert (quick - whole).abs().max() < 1e-3 and (quick - points).abs().max() > 1e-5
    torch.testing.assert_close(model.see(volume), profiles, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_paths_and_places_come_back(dims):
    torch.manual_seed(0)
    path, state = torch.randn(4, 9, dims + 1), torch.randn(4, dims + 1)
    torch.testing.assert_close(to_world(to_local(path, state), state), path, atol=1e-5, rtol=1e-4)
    body = torch.randn(4, 9, 19, dims)
    torch.testing.assert_close(take_out(place(body, path), path), body, atol=1e-5, rtol=1e-4)


def test_damage_hides_groups_and_touches_only_what_it_may():
    rng = torch.Generator().manual_seed(0)
    groups = list_groups(COCO19)
    assert [len(group) for group in groups] == [2, 2, 2, 2, 5]
    body, path = torch.randn(8, 64, 19, 3), torch.randn(8, 64, 4)
    body[:, :, 2] = 0
    which = torch.arange(8) % 2 == 0
    seen, way, there = damage(body, path, which, groups, [2], Damage(noisy=1.0, gaps=1.0, drop=0.5, group=1.0), rng)
    assert there[~which].all() and not there[which].all() and there[:, :, 2].all()
    torch.testing.assert_close(seen[~which], body[~which], atol=1e-4, rtol=1e-3)
    assert (seen[which] - body[which]).abs().max() > 1e-3 and (way - path)[which, :, :3].abs().max() > 1e-4
    gone = draw_gaps(64, 64, 19, groups, Damage(drop=0.0, group=1.0), rng)
    assert all((gone[:, :, group] == gone[:, :, group[:1]]).all() for group in groups)
    held, _, counted = hold_ends(body, path, 1.0, rng)
    last = counted.sum(1) - 1
    assert all((held[b, last[b] :] == body[b, last[b]]).all() for b in range(8))


def test_a_shape_that_cannot_be_is_told():
    for wrong in (dict(step=33), dict(levels=0), dict(grid=4), dict(parts=((0, 1), (3,)))):
        with pytest.raises(InputError):
            dataclasses.replace(shape(), **wrong)
