"""Arrays of x, y and confidence: told from x, y, z, in npy, npz and tables, read by the commands, and given back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from posecodec import load, save
from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError, UsageError

RNG = np.random.default_rng(0)
SCORED = np.concatenate([RNG.uniform(0, 640, (9, 17, 2)), RNG.uniform(0, 1, (9, 17, 1))], axis=-1)
SOLID = RNG.normal(0, 600, (9, 17, 3))


def put(tmp_path, array, name="a.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


@pytest.mark.parametrize("shape", [(9, 17, 3), (9, 1, 17, 3), (3, 3, 17, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_npy(shape, dtype, tmp_path):
    array = SCORED.astype(dtype).reshape(shape)
    array[1, ..., 3, :] = 0
    with pytest.warns(DataWarning, match="third column is 0 to .* read as confidence"):
        sequence = load(put(tmp_path, array), fps=30)
    assert sequence.dims == 2 and (sequence.unit, sequence.up) == ("px", "-y") and sequence.positions.dtype == dtype
    scores = np.where((array == 0).all(axis=-1), 0, array[..., 2]).reshape(sequence.confidence.shape)
    np.testing.assert_array_equal(sequence.confidence, scores.astype(np.float32))
    assert not sequence.valid[1, ..., 3].any()
    save(sequence, tmp_path / "b.npy")
    again = np.load(tmp_path / "b.npy")
    assert again.shape == shape
    np.testing.assert_array_equal(again[..., :2], array[..., :2])
    np.testing.assert_array_equal(again[..., 2].astype(np.float32), array[..., 2].astype(np.float32))


def test_npz_and_tables(tmp_path):
    np.savez(tmp_path / "a.npz", positions=SCORED, fps=30)
    sequence = load(tmp_path / "a.npz")
    assert sequence.dims == 2 and sequence.unit == "px" and sequence.confidence[2, 0, 3] == np.float32(SCORED[2, 3, 2])
    save(sequence, tmp_path / "b.npz")
    assert load(tmp_path / "b.npz").dims == 2
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, row.ravel())) for row in SCORED[:, :, :]))
    sequence = load(tmp_path / "a.csv", fps=30, skeleton="coco17")
    assert sequence.dims == 2 and sequence.up == "-y" and sequence.confidence[2, 0, 3] == np.float32(SCORED[2, 3, 2])
    assert load(tmp_path / "a.csv", fps=30, skeleton="coco17", columns="xyz").dims == 3


@pytest.mark.parametrize("array", [
    SOLID, SOLID / 1000, SCORED / 640, np.concatenate([SCORED[..., :2], np.zeros((9, 17, 1))], axis=-1),
    np.concatenate([SCORED[..., :2], SOLID[..., 2:]], axis=-1), SCORED * [1, 1, -1],
])  # fmt: skip
def test_places_in_3d_stay(array, tmp_path, recwarn):
    assert load(put(tmp_path, array), fps=30).dims == 3
    assert not [w for w in recwarn if "confidence" in str(w.message)]


def test_visibility_of_coco(tmp_path):
    array = SCORED.copy()
    array[..., 2] = RNG.integers(0, 3, (9, 17))
    assert load(put(tmp_path, array), fps=30).confidence.max() == 2


def test_columns_say_it(tmp_path):
    small = put(tmp_path, SCORED / 640)
    assert load(small, fps=30, columns="xyc").dims == 2 and load(put(tmp_path, SCORED), fps=30, columns="xyz").dims == 3
    for columns, path, error, match in (
        ("abc", small, UsageError, "xyc or xyz"),
        ("xyc", put(tmp_path, SCORED[..., :2], "b.npy"), InputError, "no third column"),
    ):  # fmt: skip
        with pytest.raises(error, match=match):
            load(path, fps=30, columns=columns)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UsageError, match="leave out --columns"):
        load(tmp_path / "a.json", format="coco", columns="xyc")


def test_commands(tmp_path):
    path = put(tmp_path, SCORED)

    def run(*arguments):
        done = CliRunner().invoke(cli, [*map(str, arguments)])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    facts = run("info", path, "--json")
    assert (facts["dims"], facts["unit"]) == (2, "px") and "--columns xyz" in facts["notes"][0]
    assert run("info", path, "--columns", "xyz", "--json")["dims"] == 3
    found = run("info", path, "--columns", "xyz", "--unit", "px", "--json")["findings"]
    assert any("three dimensions in pixels" in text for text in found)
    encoded = run("encode", path, "-o", tmp_path / "a.posec", "--fps", "30", "--lossless", "--json")
    assert "confidence" in encoded["notes"][0]
    run("decode", tmp_path / "a.posec", "-o", tmp_path / "b.npy", "--json")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy")[..., :2], SCORED[..., :2])
