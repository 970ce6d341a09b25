"""README and docs tell the figures of the committed JSON."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import renew_tables


def test_every_figure_is_the_json() -> None:
    result = CliRunner().invoke(renew_tables.main, ["--check"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("cell", "value", "new"),
    [(" **1,234** ", 99852, " **99,852** "), (" 4.2 mm ", 3.14, " 3.1 mm "), (" 42 of 42 ", (41, 42), " 41 of 42 "),
     (" -50 % ", -49.6, " -50 % "), (" ", 3.0, " ")],
)  # fmt: skip
def test_figures_keep_their_decimals(cell: str, value: object, new: str) -> None:
    assert renew_tables.replace_figures(cell, value) == new
