"""Some of the faults that tests/faults.py has in each call to the system and in each allocation."""

from __future__ import annotations

import sys

import pytest
from faults import SCENARIOS, attack


@pytest.mark.skipif(sys.platform != "linux", reason="which file a call is about is asked of /proc")
@pytest.mark.parametrize("name", SCENARIOS)
def test_calls_that_fail_leave_whole_outputs(name: str) -> None:
    attack(name, 1)
