"""The API reference builds without a warning and holds what is public, nothing that is not, and nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import posecodec


def test_the_reference_builds_without_warnings(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="pdoc is not installed: bin/setup docs")
    command = [sys.executable, "docs/build_api.py", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    pages = {path.relative_to(tmp_path).as_posix(): path.read_text("utf-8") for path in tmp_path.rglob("*.html")}
    shown = re.findall(r'id="(\w+)"', pages["posecodec.html"])
    assert {*posecodec.__all__} <= {*shown}
    assert {"posecodec/codec.html", "posecodec/coders/lossless.html", "posecodec/io/formats/trc.html"} <= {*pages}
    assert not any("/_" in page or page.startswith("posecodec/cli") for page in pages)
    for page, text in pages.items():
        assert not re.search(r'id="(\w+\.)*_[^_]\w*"', text), f"{page} shows a private name"
        assert not re.search(r'<(script|link|img)[^>]*(src|href)="http', text), f"{page} loads from the network"
