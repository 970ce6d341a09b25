"""The paper's dense network has the parameters that the paper's has, and the shapes that a config asks for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from posecodec.networks import dense_vqgan
from posecodec.networks.dense_vqgan import Attention, DenseDecoder, DenseEncoder, PaperDiscriminator, list_strides
from posecodec.networks.grid_config import GridConfig, Volume

MERGED = Volume("image", "merged")
PUBLISHED = {"encoder": 20.9e6, "decoder": 29.0e6, "discriminator": 11.05e6}


def build_config(
    factor: tuple[int, int, int], window: int = 64, grid: int = 128, source: Volume = MERGED
) -> GridConfig:
    target = MERGED if source.views == "image" else Volume("planes", "merged")
    model = {"source": source, "target": target, "window": window, "factor": factor, "codes": 512, "grid": grid}
    return GridConfig(**model, keypoints=3, limbs=((0, 1), (1, 2)), network="dense", latent=256)


def count_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_parameters_are_as_many_as_published():
    config = build_config((8, 8, 8))
    with torch.device("meta"):
        parts = {
            "encoder": DenseEncoder(config),
            "decoder": DenseDecoder(config),
            "discriminator": PaperDiscriminator(1),
        }
    for name, count in PUBLISHED.items():
        assert count_parameters(parts[name]) == pytest.approx(count, rel=0.01), name


@pytest.mark.parametrize(
    ("factor", "rows"), [((8, 8, 8), (8, 16, 16)), ((16, 16, 16), (4, 8, 8)), ((4, 8, 8), (16, 16, 16))]
)
def test_presets_have_the_published_token_grids(factor, rows):
    config = build_config(factor)
    with torch.device("meta"):
        latents = DenseEncoder(config)(torch.empty(1, 1, 64, 128, 128))
        assert latents.shape == (1, 256, *rows) == (1, 256, *config.token_grid)
        assert DenseDecoder(config)(latents).shape == (1, 1, 64, 128, 128)
        assert PaperDiscriminator(1)(torch.empty(1, 64, 1, 128, 128)).shape == (1, 6, 14, 14)


@pytest.mark.parametrize(
    ("factor", "window", "grid"), [((2, 8, 8), 4, 16), ((8, 8, 8), 8, 24), ((2, 16, 16), 2, 16), ((1, 4, 2), 3, 16)]
)
def test_small_volumes_go_through_and_gradients_come_back(monkeypatch, factor, window, grid):
    monkeypatch.setattr(dense_vqgan, "WIDTHS", (32, 32, 32, 32, 32))
    config = build_config(factor, window, grid, Volume("cameras", "limbs", 2))
    encoder, decoder = DenseEncoder(config), DenseDecoder(config)
    volume = torch.rand(2, 4, window, grid, grid, generator=torch.Generator().manual_seed(0)).requires_grad_()
    latents = encoder(volume)
    assert latents.shape == (2, 256, *config.token_grid)
    drawn = decoder(latents)
    assert drawn.shape == (2, 3, window, grid, grid)
    assert (drawn.sigmoid() < 0.5).float().mean() > 0.9, "empty at the start"
    drawn.square().mean().backward()
    assert decoder.last.weight.grad is not None and volume.grad is not None and volume.grad.abs().sum() > 0


def test_the_encoder_attends_where_there_are_sixteen_rows_and_the_decoder_in_two_stages():
    with torch.device("meta"):
        wide = {f: (DenseEncoder(build_config((f, f, f))), DenseDecoder(build_config((f, f, f)))) for f in (8, 16)}
    counts = {
        f: tuple(sum(isinstance(m, Attention) for m in part.modules()) for part in parts) for f, parts in wide.items()
    }
    assert counts == {8: (2 + 2 + 1, 1 + 3 + 3), 16: (2 + 1, 1 + 3 + 3)}


def test_attention_by_hand():
    attention = Attention(4)
    grid = torch.randn(2, 4, 2, 3, 2, generator=torch.Generator().manual_seed(1))
    normed = nn.functional.group_norm(grid, 1)
    cells = normed.flatten(2).transpose(1, 2)

    def apply(part: nn.Conv3d, values: torch.Tensor) -> torch.Tensor:
        return values @ part.weight.flatten(1).T + part.bias

    weights = (apply(attention.ask, cells) @ apply(attention.offer, cells).transpose(1, 2) / 2).softmax(-1)
    expected = (
        apply(attention.out, weights @ apply(attention.value, cells)).transpose(1, 2).reshape(grid.shape) + normed
    )
    torch.testing.assert_close(attention(grid), expected)


def test_zeros_stand_at_the_far_ends_only():
    shrink = dense_vqgan.Shrink(1, (2, 2, 2))
    with torch.no_grad():
        shrink.fold.weight.zero_()[0, 0, 0, 0, 0] = 1
        shrink.fold.bias.zero_()
    volume = torch.arange(64.0).reshape(1, 1, 4, 4, 4)
    assert torch.equal(shrink(volume), volume[..., ::2, ::2, ::2])


@pytest.mark.parametrize(
    ("factor", "strides"),
    [
        ((8, 8, 8), [(2, 2, 2)] * 3),
        ((4, 8, 8), [(2, 2, 2), (2, 2, 2), (1, 2, 2)]),
        ((48, 8, 8), [(4, 2, 2), (4, 2, 2), (3, 2, 2)]),
        ((64, 4, 2), [(8, 2, 2), (8, 2, 1)]),
        ((3, 1, 1), [(3, 1, 1)]),
        ((1, 1, 1), []),
    ],
)
def test_strides_share_the_factor(factor, strides):
    assert list_strides(factor) == strides


def test_a_whole_window_folds_to_one_step():
    grid = torch.rand(1, 2, 48, 8, 8)
    for strides in list_strides((48, 8, 8)):
        grid = dense_vqgan.Shrink(2, strides)(grid)
    assert grid.shape == (1, 2, 1, 1, 1)
    for strides in reversed(list_strides((48, 8, 8))):
        grid = dense_vqgan.Grow(2, strides)(grid)
    assert grid.shape == (1, 2, 48, 8, 8)
