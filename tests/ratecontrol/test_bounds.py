"""A few of the sequences that are made to break bounds; ten thousand by hand: `python tests/bounds.py --count 10000`."""

import numpy as np
import pytest
from bounds import CODEC, SHAPES, find_fault

from posecodec.pose.synthetic import walk


@pytest.mark.parametrize("number", range(2 * len(SHAPES)))
def test_a_bound_is_kept_or_refused(number):
    assert find_fault(number) in ("kept", "refused")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("decimals", "bound"), [(0, 0.1), (2, 0.0005)])
def test_what_was_written_with_few_decimals_is_kept_whole_where_a_bound_is_finer(decimals, bound, dtype):
    sequence = walk(60)
    noise = np.random.default_rng(0).normal(size=sequence.positions.shape)
    points = np.round(sequence.positions.astype(np.float64) + noise, decimals).astype(dtype)
    rounded = sequence.with_positions(points, sequence.confidence)
    bounded, whole = CODEC.encode(rounded, max_error=bound), CODEC.encode(rounded, lossless=True)
    assert len(bounded.data) <= len(whole.data) + 16
    off = np.linalg.norm(CODEC.decode(bounded).positions - rounded.positions, axis=-1)
    assert off[rounded.valid].max() <= bound
    assert len(CODEC.encode(rounded, max_error=20 * 10**-decimals).data) < 0.6 * len(whole.data)
