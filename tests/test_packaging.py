"""What wheels hold: all weights but those that are not free, which are a package of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from posecodec import zoo
from posecodec.errors import WeightsError

NC = ROOT / "weights" / "nc" / zoo.NC_PACKAGE


def licence(card: Path) -> str:
    return str(json.loads(card.read_text()).get("licence"))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_the_wheel_holds_every_free_weight_and_no_other():
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    free = {path.relative_to(ROOT).as_posix() for path in (ROOT / "weights").rglob("*.*") if "nc" not in path.parts}
    assert set(build["force-include"]) == free
    assert build["force-include"] == {name: f"posecodec/{name}" for name in free}


def test_each_weight_is_where_its_licence_belongs():
    for card in (ROOT / "weights").rglob("*.json"):
        assert ("NC" in licence(card)) == (NC in card.parents), card


def test_without_the_package_its_weights_are_said_to_be_elsewhere(monkeypatch):
    assert "body3d-nc" in zoo.list_weights()
    monkeypatch.setattr(zoo, "NC_PACKAGE", "posecodec_weights_that_are_not_there")
    with pytest.raises(WeightsError, match="a package of their own"):
        zoo.find_weights("body3d-nc")
