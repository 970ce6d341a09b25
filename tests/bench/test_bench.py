"""The benchmark: BD-rate by hand, baselines within their bounds, B0's figures, and the command's three files."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import SHARED

import posecodec
from posecodec.bench import baseline_b0, bdrate, data, rate_distortion, rice
from posecodec.bench.baselines import BASELINES, decode_zigzag, encode_zigzag
from posecodec.bench.command import bench
from posecodec.errors import InputError, UsageError
from posecodec.pose.synthetic import walk

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not (DATA / "val").is_dir(), reason="the motion data is not at ../shared/data")

STEPS = (800, 500, 300, 200, 120, 80, 50, 30, 20, 12, 8, 5)
BITS = (5.04, 7.31, 10.93, 14.82, 20.89, 27.05, 36.01, 48.44, 61.16, 81.83, 102.57, 131.52)
MPJPE = (71.5, 53.6, 38.2, 28.6, 19.6, 14.6, 10.22, 6.98, 5.15, 3.52, 2.58, 1.77)
ROOT_RELATIVE = (64.6, 49.0, 35.3, 26.5, 18.3, 13.7, 9.60, 6.55, 4.84, 3.30, 2.42, 1.67)

RATE, ERROR = np.array([8.0, 16, 40, 90]), np.array([30.0, 20, 9, 3])


class Shifted:
    """A method that promises 1 mm and is off by 3; or that gives back other frames than it got."""

    name, parameter, settings, ours, missing = "shifted", "", (None,), True, ()

    def __init__(self, drop=0):
        self.drop = drop

    def encode(self, sequence, setting):
        return sequence.positions.tobytes()

    def decode(self, file):
        points = np.frombuffer(file, np.float32).reshape(-1, 19, 3) + np.float32([3, 0, 0])
        return posecodec.PoseSequence.from_arrays(points[self.drop :], fps=30, unit="mm")

    def bound(self, setting):
        return 1.0


def takes(*lengths):
    return [data.Take(f"walk {n}", walk(n).positions[:, 0] * 1.0) for n in lengths]


def test_bd_rate_of_equal_curves_is_nothing():
    found = bdrate.bd_rate((RATE, ERROR), (RATE[::-1], ERROR[::-1]))
    assert found.percent == pytest.approx(0)
    assert (found.low, found.high) == pytest.approx((3, 30))


@pytest.mark.parametrize(("factor", "percent"), [(0.5, -50), (2, 100), (1.1, 10)])
def test_bd_rate_of_a_scaled_rate(factor, percent):
    assert bdrate.bd_rate((RATE, ERROR), (factor * RATE, ERROR)).percent == pytest.approx(percent)


def test_bd_rate_of_crossing_power_laws():
    error = np.array([4.0, 8, 16, 32])
    found = bdrate.bd_rate((1 / error, error), (1 / error**2, error), (8, 16))
    assert found.percent == pytest.approx(100 * (1 / (8 * 2**0.5) - 1))  # at the middle of log error
    assert (found.low, found.high) == pytest.approx((8, 16))


def test_bd_rate_without_a_common_error():
    assert bdrate.bd_rate((RATE, ERROR), (RATE, ERROR * 100)) is None
    assert bdrate.bd_rate((RATE, ERROR), (RATE, ERROR), (31, 40)) is None


@pytest.mark.parametrize(
    ("rate", "error", "what"),
    [
        (RATE[:3], ERROR[:3], "at least 4"),
        (RATE, ERROR * 0, "above 0"),
        (RATE, [3, 3, 4, 5], "same error"),
        (RATE, ERROR[:3], "shapes"),
    ],
)
def test_bd_rate_refuses(rate, error, what):
    with pytest.raises(InputError, match=what):
        bdrate.bd_rate((RATE, ERROR), (rate, error))


def test_pchip_is_scipys():
    interpolate = pytest.importorskip("scipy.interpolate")
    draw = np.random.default_rng(1)
    for count in (3, 4, 9):
        x, y = np.cumsum(draw.uniform(0.1, 1, count)), draw.normal(size=count)
        at = np.linspace(x[0], x[-1], 50)
        np.testing.assert_allclose(
            bdrate.interpolate_pchip(x, y, at), interpolate.PchipInterpolator(x, y)(at), atol=1e-12
        )


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
def test_baselines_keep_their_bounds(baseline):
    if baseline.missing:
        pytest.skip(f"not installed: {', '.join(baseline.missing)}")
    draw = np.random.default_rng(2)
    shapes = [(1, 19, 3), (1, 1, 2), (2, 19, 2), (3, 5, 3), (40, 19, 3)]
    for points in [draw.normal(0, 900, shape).astype(np.float32) for shape in shapes] + [walk(90).positions[:, 0]]:
        for setting in (0.1, 3.0, 80.0) if baseline.kind == "bounded" else (None,):
            found = baseline.unpack(baseline.compress(points, setting))
            assert found.shape == points.shape and found.dtype == np.float32
            bound = 4.0 if baseline.kind == "free" else baseline.bound(setting)
            assert np.linalg.norm(found.astype(float) - points, axis=-1).max() <= bound + (0.002 if bound else 0)


@pytest.mark.parametrize(
    "points", [np.zeros((0, 19, 3), np.float32), np.zeros((4, 19)), np.full((2, 1, 3), np.nan, np.float32)]
)
def test_baselines_refuse_what_they_cannot_code(points):
    with pytest.raises(InputError, match="need"):
        BASELINES[0].compress(points)


@pytest.mark.parametrize("setting", [None, 0.0, -1.0, float("nan"), 1e-12])
def test_bounded_baselines_refuse_bad_bounds(setting):
    bounded = next(baseline for baseline in BASELINES if baseline.name == "diff-zstd19")
    with pytest.raises(InputError, match="larger|above 0"):
        bounded.compress(walk(5).positions[:, 0], setting)


def test_zigzag_holds_all_integers():
    ends = np.array([0, -1, 1, -(2**31), 2**31 - 1], np.int32)
    assert decode_zigzag(encode_zigzag(ends)).tolist() == ends.tolist()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr("posecodec.bench.baselines.find_spec", lambda name: None)
    from posecodec.bench.method import list_methods

    result = rate_distortion.run([m for m in list_methods() if m.name in ("zfp", "npz")], takes(40), None)
    assert result.left_out == {"zfp": "not installed: zfpy"}
    assert [row.method for row in result.rows] == ["npz"] and result.rows[0].bound_held
    with pytest.raises(InputError, match=r"\.\[bench\]"):
        next(b for b in BASELINES if b.name == "zfp").compress(walk(5).positions[:, 0], 1.0)


def test_a_row_by_hand():
    row = rate_distortion.measure(Shifted(), None, takes(40, 10))
    assert row.bits_per_frame == 19 * 3 * 32
    assert (row.mpjpe, row.mpjpe_root, row.p99, row.max) == pytest.approx((3, 0, 3, 3), abs=1e-3)
    assert row.bound_held is False


def test_what_does_not_come_back_whole_is_an_error():
    with pytest.raises(posecodec.errors.PosecodecError, match="shifted does not give back"):
        rate_distortion.measure(Shifted(drop=1), None, takes(40))


def test_b0_needs_training_and_whole_bodies():
    with pytest.raises(InputError, match="training"):
        baseline_b0.B0.fit([np.zeros((31, 19, 3), np.float32)])
    with pytest.raises(InputError, match="coco19"):
        baseline_b0.B0.fit([np.zeros((64, 18, 3), np.float32)])


def test_b0_of_a_fine_step_gives_the_poses_back():
    points = [take.points for take in takes(200, 64)]
    bits, found = baseline_b0.B0.fit(points).run([points[0], points[1][:1]], 0.1)
    assert found[0].shape == points[0].shape and found[1].shape == (1, 19, 3)
    assert np.abs(found[0] - points[0]).max() < 1 and bits > 72 + 3 * 30 + 72


@pytest.mark.parametrize("step", [5.0, 800.0])
def test_b0_tables_are_distributions(step):
    tables = baseline_b0.B0.fit([walk(400).positions[:, 0]]).build_tables(step)
    np.testing.assert_allclose((2.0**-tables).sum(axis=-1), 1)


@needs_data
def test_b0_reproduces_its_figures():
    fitted = baseline_b0.B0.fit([take.points for take in data.load_training(DATA)])
    found = data.load_split(DATA)
    assert sum(len(take.points) for take in found) == 6434
    rows = [rate_distortion.measure_b0(fitted, step, found) for step in STEPS]
    for name, known in (("bits_per_frame", BITS), ("mpjpe", MPJPE), ("mpjpe_root", ROOT_RELATIVE)):
        np.testing.assert_allclose([getattr(row, name) for row in rows], known, rtol=0.02, err_msg=name)


@needs_data
def test_rd_writes_its_files(tmp_path):
    pytest.importorskip("matplotlib")
    arguments = ["rd", "--data", DATA, "--out", tmp_path, "--limit", 2, "--methods", "b0,windows,npz,diff-zstd19"]
    done = CliRunner().invoke(bench, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "rate_distortion.json").read_text())
    assert record["takes"] == 2 and {"commit", "machine", "versions"} <= set(record)
    assert {"B0", "npz", "diff-zstd19"} <= {row["method"] for row in record["rows"]}
    assert all(row["bound_held"] is not False for row in record["rows"])
    assert record["bd_rate_percent_against_b0"]["diff-zstd19"]["2-40 mm"]["percent"] > 0
    assert "| B0 | step mm 800 |" in (tmp_path / "rate_distortion.md").read_text()
    assert (tmp_path / "rate_distortion.png").read_bytes()[:4] == b"\x89PNG"


def test_rd_on_pose_files_has_no_b0(tmp_path):
    posecodec.save(walk(50, people=2), tmp_path / "walk.npz")
    arguments = ["rd", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--methods", "B0,npz"]
    done = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert "no B0" in done.output
    record = json.loads((tmp_path / "out" / "rate_distortion.json").read_text())
    assert record["takes"] == 2 and [row["method"] for row in record["rows"]] == ["npz"]
    assert "B0 was not measured" in (tmp_path / "out" / "rate_distortion.md").read_text()


def test_rd_refuses_unknown_methods_and_empty_folders(tmp_path):
    for methods, error in (("b1", UsageError), ("npz", InputError)):
        arguments = ["rd", "--data", str(tmp_path), "--out", str(tmp_path), "--methods", methods]
        with pytest.raises(error):
            CliRunner().invoke(bench, arguments, catch_exceptions=False)
    (tmp_path / "val").mkdir()
    np.savez(tmp_path / "val" / "a.npz", other=np.zeros(3))
    with pytest.raises(InputError, match="not an archive"):
        data.load_split(tmp_path)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (2, 129), (5, 400)])
def test_rice_codes_are_read_again(shape):
    rng = np.random.default_rng(7)
    tracks = np.rint(np.cumsum(np.cumsum(rng.normal(size=shape), axis=1), axis=1) * 10).astype(np.int64)
    tracks[-1, -1] = 1 << 30
    assert np.array_equal(rice.unpack_tracks(rice.pack_tracks(tracks)), tracks)


def test_rice_codes_of_a_line_are_a_bit_each():
    assert len(rice.pack_tracks(np.arange(0, 8000, 8)[None])) < 1000 / 8 + 20
