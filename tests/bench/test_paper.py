"""The bench of the paper's systems: its columns by hand, rows beside models, files and pictures."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_grids import train_small

from posecodec.bench import paper
from posecodec.bench.paper import Row, find_equal_bits
from posecodec.bench.paper_metrics import PictureQuality, measure_jerk_ratio, measure_perplexity, stretch
from posecodec.cli import cli
from posecodec.errors import UsageError, WeightsError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Weights of two systems and the data they were trained on."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "b").mkdir()
    return [train_small("3d-3d-keypoints", folder), train_small("c2d-2d-f8-512", folder / "b")], folder / "data"


def test_columns_of_the_paper():
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(12, 2, 16, 16, generator=rng)
    exact = PictureQuality.measure(real, real)
    assert (exact.ssim, exact.l1, exact.t_std, exact.instability, exact.flicker) == (pytest.approx(1), 0, 0, 0, 0)
    half = PictureQuality.measure(real * 0, real * 0 + 0.5)
    assert half.psnr == pytest.approx(-20 * np.log10(0.5), abs=1e-4) and half.l1 == pytest.approx(0.5)
    assert torch.equal(stretch(torch.tensor([2.0, 4.0, 3.0])), torch.tensor([0.0, 1.0, 0.5]))
    assert torch.equal(stretch(torch.ones(3)), torch.zeros(3))


def test_t_std_scores_any_noise_alike():
    rng = torch.Generator().manual_seed(0)
    scores = []
    for amplitude in (0.001, 0.1):
        found = []
        for _ in range(20):
            real = torch.zeros(48, 1, 16, 16)
            found.append(PictureQuality.measure(real + amplitude * torch.randn(real.shape, generator=rng).abs(), real))
        scores.append(PictureQuality.average(found))
    assert scores[0].t_std == pytest.approx(scores[1].t_std, abs=0.02) == pytest.approx(0.21, abs=0.03)
    assert scores[1].instability > 50 * scores[0].instability and scores[1].flicker > 50 * scores[0].flicker


def test_codes_in_use_and_jerk():
    assert measure_perplexity(torch.tensor([0, 0, 1, 1]), 8) == (pytest.approx(2), 0.25)
    points = torch.cumsum(torch.randn(20, 5, 3, generator=torch.Generator().manual_seed(0)), 0)
    assert measure_jerk_ratio(points * 0.5, points) == pytest.approx(0.5)
    assert measure_jerk_ratio(points[:2], points[:2]) == 1


def test_equal_bits_lie_on_the_curve():
    def row(kind, ssim, bits):
        return Row("s", "x", kind, PictureQuality(ssim, 0, 0, 0, 0, 0), bits)

    rows = [row("scalars", 0.9, 10.0), row("scalars", 0.98, 40.0), row("model", 0.94, 99.0)]
    assert find_equal_bits(rows, rows[2], "scalars", "ssim") == pytest.approx(20)
    assert find_equal_bits(rows, row("model", 0.99, 9.0), "scalars", "ssim") is None
    assert find_equal_bits(rows[2:], rows[2], "scalars", "ssim") is None


@pytest.mark.parametrize("flicker", [False, True])
def test_rows_files_and_pictures(made, flicker, tmp_path):
    pytest.importorskip("PIL")
    (first, second), data = made
    listed = tmp_path / "models.json"
    models = [{"name": "lines", "weights": str(second)}, {"name": "points", "weights": str(first)}]
    listed.write_text(json.dumps({"models": models}))
    arguments = [
        "bench",
        "paper",
        "--models",
        listed,
        "--data",
        data,
        "--out",
        tmp_path / "out",
        "--windows",
        2,
        "--pictures",
    ]
    arguments += ["--flicker"] if flicker else []
    found = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert found.exit_code == 0 and "wrote" in found.output
    rows = json.loads((tmp_path / "out" / "paper.json").read_text())["rows"]
    by_name = {(row["system"], row["name"]): row for row in rows}
    lines, points = by_name["c2d-2d", "lines"], by_name["3d-3d", "points"]
    assert lines["raw"] == pytest.approx(4 * 2 * 4 * 4 / 8) and lines["bits"] > 0 and lines["mpjpe"] is None
    assert points["mpjpe"] > 0 and 0 <= points["pck"] <= 1 and points["jerk"] > 0
    black = by_name["c2d-2d", "black picture"]
    assert black["bits"] == 0 and black["quality"]["l1"] > 0
    assert by_name["c2d-2d", "ceiling of random brightness"]["quality"]["ssim"] < 1
    scalars = [row for row in rows if row["kind"] == "scalars" and row["system"] == "c2d-2d"]
    assert scalars[0]["bits"] > scalars[-1]["bits"] and scalars[0]["quality"]["l1"] < scalars[-1]["quality"]["l1"]
    assert sum(row["kind"] == "tokens" for row in rows) == 2 * len(paper.LEVELS)
    page = (tmp_path / "out" / "paper.md").read_text()
    assert "| lines |" in page and "## 3d-3d" in page
    for name in ("lines.png", "lines.gif", "points.png"):
        assert (tmp_path / "out" / name).stat().st_size > 100


def test_lists_of_models_are_checked(made, tmp_path):
    listed = tmp_path / "models.json"
    for text, error in (
        ("{}", UsageError),
        ('{"models": [{}]}', UsageError),
        ('{"models": [{"weights": "body3d"}]}', WeightsError),
    ):
        listed.write_text(text)
        arguments = ["bench", "paper", "--models", str(listed), "--data", str(made[1]), "--out", str(tmp_path)]
        with pytest.raises(error):
            CliRunner().invoke(cli, arguments, catch_exceptions=False)
