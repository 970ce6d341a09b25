"""A Panoptic tree, drawn here, comes back as clips and cameras; what the paper leaves out is left out."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_grids import write_config

import posecodec
from posecodec import PoseSequence
from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError
from posecodec.io.formats.panoptic import INNER_FOLDER
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk
from posecodec.train import panoptic
from posecodec.train.cameras import project
from posecodec.train.clips import find_runs
from posecodec.train.panoptic import EGO, EXO, TRAIN, VALIDATION, VISIBLE, load_panoptic, load_panoptic_cameras

NOSE, WRIST = COCO19.keypoints.index("nose"), COCO19.keypoints.index("left_wrist")
FRAMES = 60


def write_sequence(root: Path, name: str, sequence: PoseSequence, tar: bool = False) -> None:
    folder = root / name / INNER_FOLDER
    folder.parent.mkdir(parents=True, exist_ok=True)
    posecodec.save(sequence, folder.with_suffix(".tar") if tar else folder, format="panoptic")


def write_calibration(root: Path, name: str, nodes: tuple[int, ...]) -> list[dict]:
    """HD cameras, a VGA camera of another panel before each, all with a rotation and lens of their own."""
    rng = np.random.default_rng(len(nodes))
    cameras = []
    for panel, node in ((panel, node) for node in nodes for panel in (7, 0)):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        cameras.append(
            {
                "name": f"{panel:02d}_{node:02d}", "type": "hd" if panel == 0 else "vga", "panel": panel, "node": node,
                "resolution": [1920, 1080], "K": [[1400 + node, 0, 960], [0, 1390, 540], [0, 0, 1]],
                "distCoef": [-0.28, 0.17, -2e-4, 2e-5, -0.04], "R": rotation.tolist(), "t": [[-14], [117], [900 + node]],
            }
        )  # fmt: skip
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / name / f"calibration_{name}.json").write_text(json.dumps({"cameras": cameras}))
    return [camera for camera in cameras if camera["panel"] == 0]


def test_the_lists_are_the_papers():
    assert (len(set(TRAIN)), len(set(VALIDATION))) == (len(TRAIN), len(VALIDATION)) == (47, 13)
    assert not set(TRAIN) & set(VALIDATION) and not set(EXO) & set(EGO) and len(set(EXO)) == len(set(EGO)) == 10
    assert sum("haggling" in name for name in TRAIN) == 26


@pytest.mark.parametrize("tar", [False, True])
def test_people_come_back_in_millimeters_with_y_up(tmp_path, tar):
    drawn = walk(FRAMES, people=2)
    write_sequence(tmp_path, TRAIN[3], drawn, tar)
    write_sequence(tmp_path, VALIDATION[0], walk(20))
    with pytest.warns(DataWarning, match="46 of the paper's 47 train sequences"):
        clips = load_panoptic(tmp_path, "train")
    assert [clip.name for clip in clips] == [f"{TRAIN[3]}/0/0", f"{TRAIN[3]}/1/0"]
    for p, clip in enumerate(clips):
        assert clip.points.dtype == np.float32
        np.testing.assert_allclose(clip.points, drawn.positions[:, p], atol=0.01)
    with pytest.warns(DataWarning, match="12 of the paper's 13 val"):
        assert [len(clip.points) for clip in load_panoptic(tmp_path, "val")] == [20]


@pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")
def test_clips_end_where_too_little_is_seen_and_short_gaps_are_bridged(tmp_path):
    drawn = walk(FRAMES)
    confidence = np.full((FRAMES, 1, 19), 0.5, np.float32)
    confidence[5:9, 0, NOSE] = 0.05
    confidence[30:32, 0, [NOSE, WRIST]] = 0.1
    confidence[36, 0] = 0.11
    positions = drawn.positions.copy()
    positions[20:23, 0, WRIST] = np.nan
    confidence[20:23, 0, WRIST] = 0
    changed = PoseSequence.from_arrays(
        positions,
        confidence=confidence,
        fps=30000 / 1001,
        skeleton=COCO19,
        unit="mm",
        up="y",
        metadata={"first_frame": 100},
    )
    write_sequence(tmp_path, TRAIN[0], changed)
    first, second = load_panoptic(tmp_path, "train")
    assert (first.name, second.name) == (f"{TRAIN[0]}/0/100", f"{TRAIN[0]}/0/132")
    assert (len(first.points), len(second.points)) == (30, 28)
    np.testing.assert_allclose(second.points, drawn.positions[32:, 0], atol=0.01)
    assert np.abs(first.points - drawn.positions[:30, 0]).max() < 15, "bridged from before and after"
    known = np.ones((30, 19), bool)
    known[5:9, NOSE] = known[20:23, WRIST] = False
    np.testing.assert_allclose(first.points[known], drawn.positions[:30, 0][known], atol=0.01)


def test_runs_by_hand():
    points = np.zeros((100, 19, 3))
    assert find_runs(points, VISIBLE) == [(0, 100)]
    points[10:25, 4] = np.nan
    assert find_runs(points, VISIBLE) == [(0, 100)], "a gap of 15 frames is bridged"
    points[25, 4] = np.nan
    assert find_runs(points, VISIBLE) == [(26, 100)], "one of 16 is not, and what is left before it is too short"
    points[60, :2] = np.nan
    assert find_runs(points, VISIBLE) == [(26, 60), (61, 100)]
    points[:, 7] = np.nan
    assert find_runs(points, VISIBLE) == []


@pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")
def test_cameras_see_clips_where_the_calibration_puts_them(tmp_path):
    write_sequence(tmp_path, TRAIN[1], walk(16))
    write_calibration(tmp_path, TRAIN[0], (1, 2))
    entries = write_calibration(tmp_path, TRAIN[1], EXO)
    cameras = load_panoptic_cameras(tmp_path, EXO[::-1])
    clip = load_panoptic(tmp_path, "train")[0]
    seen = project(torch.tensor(clip.points).expand(10, -1, -1, -1), cameras).numpy()
    native = posecodec.load(tmp_path / TRAIN[1], fps=30).positions[:, 0].astype(float)
    for pixels, camera in zip(seen, entries[::-1], strict=True):
        x, y, depth = np.moveaxis(native @ np.array(camera["R"]).T + np.array(camera["t"])[:, 0], -1, 0)
        assert (depth > 30).all()
        x, y, (k1, k2, p1, p2, k3) = x / depth, y / depth, camera["distCoef"]
        r2 = x * x + y * y
        radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
        bent = [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ]
        inside = r2 < 1
        expected = np.stack([bent[0] * camera["K"][0][0] + 960, bent[1] * camera["K"][1][1] + 540], -1)
        assert inside.mean() > 0.9
        np.testing.assert_allclose(pixels[inside], expected[inside], atol=0.02)


def test_what_is_lacking_is_named(tmp_path):
    with pytest.raises(InputError, match=f"none of the 47 train sequences, such as {TRAIN[0]}.*getData"):
        load_panoptic(tmp_path, "train")
    with pytest.raises(InputError, match="use one of train, val"):
        load_panoptic(tmp_path, "test")
    with pytest.raises(InputError, match="no SEQUENCE/calibration_SEQUENCE.json.*getData"):
        load_panoptic_cameras(tmp_path, EXO)
    write_calibration(tmp_path, TRAIN[1], EXO)
    with pytest.raises(InputError, match=r"lacks \[0\]"):
        load_panoptic_cameras(tmp_path, (0, 1))
    (tmp_path / TRAIN[1] / f"calibration_{TRAIN[1]}.json").write_text('{"cameras": [3]}')
    with pytest.raises(InputError, match="not a Panoptic calibration"):
        load_panoptic_cameras(tmp_path, EXO)
    write_sequence(tmp_path, TRAIN[2], walk(15))
    with pytest.warns(DataWarning), pytest.raises(InputError, match="nobody is seen for 16 frames in the 1 train"):
        load_panoptic(tmp_path, "train")
    (tmp_path / VALIDATION[0] / INNER_FOLDER).mkdir(parents=True)
    with pytest.raises(InputError, match="none of the 13 val sequences"):
        load_panoptic(tmp_path, "val")


def test_a_tar_of_the_studio_has_a_folder_in_it(tmp_path):
    write_sequence(tmp_path, TRAIN[0], walk(16), tar=True)
    with tarfile.open(tmp_path / TRAIN[0] / f"{INNER_FOLDER}.tar") as archive:
        assert all(name.startswith(f"{INNER_FOLDER}/") for name in archive.getnames())
    assert panoptic.SPLITS == {"train": TRAIN, "val": VALIDATION}


def test_a_system_of_the_paper_trains_on_a_tree(tmp_path):
    for name in (TRAIN[3], VALIDATION[1]):
        write_sequence(tmp_path / "tree", name, walk(FRAMES))
        write_calibration(tmp_path / "tree", name, EXO)
    config = write_config("m2d-m2d-f8-1024", tmp_path)
    arguments = ["train", "--config", config, "--data", f"panoptic:{tmp_path / 'tree'}", "--export", tmp_path / "made"]
    with pytest.warns(DataWarning, match="sequences"):
        found = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=False)
    assert found.exit_code == 0 and json.loads((tmp_path / "made.json").read_text())["steps"] == 4
