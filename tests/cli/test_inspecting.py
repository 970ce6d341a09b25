"""What the commands that only look print; `test_cli` runs them on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from posecodec.cli.inspecting import skeletons
from posecodec.errors import InputError
from posecodec.pose.skeletons.builtin import BUILT_IN, TABLES


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
    with pytest.raises(InputError, match="coco20"):
        lines("coco20")
