"""A few of the kills that tests/kills.py makes by the hundred."""

from __future__ import annotations

import sys

import pytest
from kills import main


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_kills_leave_whole_outputs_and_nothing_else() -> None:
    assert "all outputs whole" in main(4, files=2)
