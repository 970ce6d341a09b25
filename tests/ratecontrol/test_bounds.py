"""A few of the sequences that are made to break bounds; ten thousand by hand: `python tests/bounds.py --count 10000`."""

import pytest
from bounds import SHAPES, find_fault


@pytest.mark.parametrize("number", range(2 * len(SHAPES)))
def test_a_bound_is_kept_or_refused(number):
    assert find_fault(number) in ("kept", "refused")
