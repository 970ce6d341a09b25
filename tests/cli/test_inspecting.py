"""What the commands that only look print; `test_cli` runs them on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import posecodec
from posecodec import PoseSequence, io
from posecodec.cli.inspecting import info, skeletons
from posecodec.errors import UsageError
from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES
from posecodec.pose.synthetic import walk


def lines(*args: str) -> list[str]:
    return CliRunner().invoke(skeletons, args, catch_exceptions=False).stdout.splitlines()


def test_the_list_of_skeletons() -> None:
    rows = lines()
    assert [row.split()[0] for row in rows] == list(BUILT_IN) == [table.name for table in TABLES]
    assert rows[1].split()[1] == "17" and "COCO" in rows[1] and all(len(row) < 110 for row in rows)


def test_one_skeleton(tmp_path: Path) -> None:
    rows = lines("coco19")
    assert rows[0].startswith("coco19: 19 keypoints") and len(rows) == 20
    assert rows[3].split() == "2 mid_hip root; joined to 0, 6, 12".split()
    assert "mirrors 9" in rows[4]
    rig = {"name": "rig", "keypoints": ["hip", "LKnee", "RKnee"], "edges": [["hip", "LKnee"], [0, 2]], "root": "hip"}
    (tmp_path / "some.json").write_text(json.dumps(rig), encoding="utf-8")
    own = lines(str(tmp_path / "some.json"))
    assert own[0].startswith("rig: 3 keypoints") and "mirrors 2" in own[2]
    with pytest.raises(UsageError, match="coco20"):
        lines("coco20")


def test_gaps_are_counted_once(tmp_path: Path) -> None:
    positions = walk(120).positions.copy()
    positions[20:26, 0, 3] = positions[40:79, 0] = positions[100:, 0, 5] = np.nan
    io.save(PoseSequence.from_arrays(positions, fps=30, unit="mm"), tmp_path / "a.npz")
    told = CliRunner().invoke(info, [str(tmp_path / "a.npz")], catch_exceptions=False).stdout
    assert "gaps         3, the longest 39 frames" in told and "finding    3 gaps (1 of whole people, 2 of" in told


def test_times_are_told_of_both_files(tmp_path: Path) -> None:
    sequence = PoseSequence.from_arrays(walk(3).positions, timestamps=[0.0, 0.1, 0.4], unit="mm")
    for name in ("a.npz", "a.posec"):
        posecodec.save(sequence, tmp_path / name)
        told = CliRunner().invoke(info, [str(tmp_path / name)], catch_exceptions=False).stdout
        assert "timestamps   5 frames a second on average" in told and "duration     0.4" in told
    assert "(positions as float32, against the file)" in told
