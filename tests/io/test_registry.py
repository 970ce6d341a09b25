"""Choosing formats, overrides, writing aside."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.errors import DataWarning, InputError, PosecodecError, UsageError
from posecodec.io import FORMATS, detect, filesystem, find_format, find_origin, load, save, write_atomic
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, H36M17, build_skeleton
from posecodec.pose.synthetic import walk

CLIP = PoseSequence.from_arrays(np.ones((3, 17, 3)), fps=30, unit="mm")


def test_formats_by_suffix_content_and_name(tmp_path: Path) -> None:
    for name, suffix in {
        "npz": ".NPZ",
        "panoptic": ".tar",
        "pose": ".Pose",
        "bvh": ".bvh",
        "trc": ".TRC",
        "c3d": ".c3d",
    }.items():
        assert find_format(f"x{suffix}") == name and name in FORMATS
    assert find_format("x.weird", "pose") == "pose"
    (tmp_path / "body3DScene_00000001.json").write_text("{}")
    assert find_format(tmp_path) == "panoptic"
    (tmp_path / "x.weird").write_bytes(b"\0\1\2")
    with pytest.raises(InputError, match="weird.*--from"):
        find_format(tmp_path / "x.weird")
    with pytest.raises(UsageError, match=r"\.pose.*--to"):
        save(CLIP, tmp_path / "y.weird")
    with pytest.raises(InputError, match="no such file"):
        find_format("x")
    with pytest.raises(UsageError, match="npz, npy"):
        find_format("x.npz", "nope")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="folder"):
        load(tmp_path / "empty")


def test_overrides_relabel_without_converting(tmp_path: Path) -> None:
    save(CLIP, tmp_path / "a.npz")
    sequence = load(tmp_path / "a.npz", fps=59.94, unit="cm", skeleton="h36m17", up="-z")
    assert (sequence.fps, sequence.unit, sequence.up, sequence.skeleton) == (59.94, "cm", "-z", H36M17)
    np.testing.assert_array_equal(sequence.positions, CLIP.positions)
    own = build_skeleton([f"k{i}" for i in range(17)])
    assert load(tmp_path / "a.npz", skeleton=own).skeleton == own
    for wrong in ({"unit": "furlong"}, {"up": "w"}, {"fps": -1}, {"skeleton": "coco19"}, {"skeleton": "nobody"}):
        with pytest.raises(InputError):
            load(tmp_path / "a.npz", **wrong)


@pytest.mark.parametrize("name", ["a.trc", "a.c3d", "a.npz", "a.csv"])
def test_a_skeleton_takes_named_keypoints_by_their_names(name: str, tmp_path: Path) -> None:
    walked = walk(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(walked.mapped_to(H36M17), tmp_path / name)
    with pytest.warns(DataWarning, match="--skeleton coco17: 5 of 17 keypoints are not in it"):
        found = load(tmp_path / name, skeleton="coco17")
    assert not found.valid[:, :, COCO17.keypoints.index("nose")].any()
    knee = [sequence.skeleton.keypoints.index("left_knee") for sequence in (found, walked)]
    np.testing.assert_allclose(found.positions[:, :, knee[0]], walked.positions[:, :, knee[1]], atol=0.01)
    with pytest.raises(
        InputError, match=r"no keypoint .* maps to 'own'; name the keypoints, as in dataclasses.replace"
    ):
        load(tmp_path / name, skeleton=Skeleton("own", tuple(f"k{i}" for i in range(17))))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_failures_leave_nothing_behind(error: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(source: object, target: object) -> None:
        raise error

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(filesystem.os, "replace", failing)
    expected = PosecodecError if isinstance(error, OSError) else error
    with pytest.raises(expected):
        write_atomic(tmp_path / "a", b"new", True)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_a_long_name_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_atomic(tmp_path / ("n" * 300), b"", False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"x", False)
    (tmp_path / "b").write_bytes(b"x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]


def test_importing_io_loads_no_torch() -> None:
    code = "import sys, posecodec.io; sys.exit(any(m in sys.modules for m in ('torch', 'posecodec.codec')))"
    root = Path(filesystem.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


CONTENT = {
    "panoptic": b'{"bodies": [{"id": 0, "joints19": []}]}',
    "openpose": b'{"version": 1.3, "people": [{"pose_keypoints_2d": []}]}',
    "coco": b'[{"image_id": 3, "category_id": 1, "keypoints": []}]',
    "alphapose": b'[{"image_id" : "3.jpg", "category_id": 1, "keypoints": []}]',
    "mmpose": b'[{"frame_id": 0, "instances": [{"keypoints": [], "keypoint_scores": []}]}]',
    "mediapipe": b'[[{"x": 0.1, "y": 0.2, "z": 0, "visibility": 1}]]',
    "bvh": b"HIERARCHY\nROOT Hips\n",
    "trc": b"PathFileType\t4\t(X/Y/Z)\ta.trc\n",
    "dlc": b"scorer,a,a,a\nbodyparts,n,n,n\n",
    "csv": b"frame,nose_x,nose_y\n0,1,2\n",
}


@pytest.mark.parametrize("name", CONTENT)
def test_what_the_suffix_does_not_say_the_content_does(name: str, tmp_path: Path) -> None:
    for suffix in (".json", ".csv", ".dat", ""):
        (tmp_path / f"a{suffix}").write_bytes(CONTENT[name])
        assert detect(tmp_path / f"a{suffix}").format == name
        assert detect(tmp_path / f"a{suffix}").why


def test_arrays_and_folders_by_content(tmp_path: Path) -> None:
    for shape, name in {(4, 22, 3): "humanml3d", (4, 263): "humanml3d", (4, 19, 3): "npy", (4, 57): "npy"}.items():
        np.save(tmp_path / "a.npy", np.zeros(shape))
        assert detect(tmp_path / "a.npy").format == name
    for name, file in {"openpose": "a_000000000000_keypoints.json", "freemocap": "mediapipe_body_3d_xyz.npy"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_bytes(b"")
        assert detect(tmp_path / name).format == name


def test_given_back_in_the_format_it_came_from() -> None:
    assert find_origin({}) == ("npz", ".npz")
    for name, expected in {
        "trc": ("trc", ".trc"),
        "openpose": ("openpose", ""),
        "bvh": ("npz", ".npz"),
        "x": ("npz", ".npz"),
    }.items():
        assert find_origin({"source_format": name}) == expected
    assert find_origin({"source_format": ["trc"]}) == ("npz", ".npz")
    packed = {"source_format": "panoptic", "panoptic": {"tar": True}}
    assert find_origin(packed) == ("panoptic", ".tar")


@pytest.mark.parametrize(("metadata", "note"), [
    ({"source_format": "trc", "trc": {"first_frame": 501, "start": 2.5}}, "numbered from 501 and from 2.5 s on in trc"),
    ({"source_format": "dlc", "dlc": {"first_frame": 50}}, "numbered from 50 in dlc"),
    ({"source_format": "panoptic", "first_frame": 7}, "numbered from 7 in panoptic"),
    ({"source_format": "csv", "csv": {"first_frame": 3}}, ""), ({"trc": {"first_frame": 3}}, ""),
    ({"source_format": "trc", "trc": {"first_frame": "x", "start": "y"}}, ""), ({"source_format": 5}, ""),
])  # fmt: skip
def test_numbers_of_frames_that_are_lost_are_told(metadata: dict[str, Any], note: str, tmp_path: Path) -> None:
    sequence = replace(CLIP, metadata=metadata)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        save(sequence, tmp_path / "a.npz")
        assert not told
        save(sequence, tmp_path / "a.csv")
    said = [f"frames are {note}; csv writes its own numbers and times"] if note else []
    assert [str(each.message) for each in told] == said
