"""Lengths and medians are NumPy's, whatever is missing."""

import warnings

import numpy as np
import pytest

from posecodec.pose.vectors import find_medians, measure_lengths


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_medians_are_those_of_what_is_there(axis, share):
    rng = np.random.default_rng(int(10 * share))
    for shape in ((1, 1, 1), (4, 7, 3), (9, 10, 2)):
        values = np.where(rng.random(shape) < share, np.nan, rng.normal(size=shape))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert np.array_equal(find_medians(values, axis), np.nanmedian(values, axis=axis), equal_nan=True)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_lengths_are_the_norms(dims):
    vectors = np.random.default_rng(0).normal(size=(50, 4, dims))
    vectors[3, 2] = np.nan
    assert np.array_equal(measure_lengths(vectors), np.linalg.norm(vectors, axis=-1), equal_nan=True)
