"""Random valid files decode to what was drawn, and damaged ones are refused or decode, at no more than they justify."""

from __future__ import annotations

import mutations
import valid_files


def test_a_thousand_valid_files():
    found, wrong = valid_files.run(1000, seed=1)
    assert not wrong
    assert found["files"] == 1000
    assert all(found[kind] > 50 for kind in ("windows", "transform", "lossless", "parts", "tokens"))


def test_mutated_files():
    found, wrong = mutations.run(600, seed=1)
    assert not wrong
    assert found["decoded"] > 20 and found["refused"] > 300


def test_forged_headers():
    found, wrong = mutations.run(600, seed=1, kinds=mutations.HEADERS)
    assert not wrong
    assert found["decoded"] > 20 and found["refused"] > 200
