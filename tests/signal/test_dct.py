"""Transforms are orthonormal, and each is the one that its name says."""

import numpy as np
import pytest
from scipy import fft

from posecodec.signal.dct import dct, dst


@pytest.mark.parametrize("transform", [dct, dst])
def test_transforms_are_orthonormal(transform):
    for size in range(1, 272):
        matrix = transform(size)
        assert np.allclose(matrix @ matrix.T, np.eye(size), atol=1e-11), size


def test_cosines_are_those_of_scipy():
    for size in (1, 2, 7, 64):
        assert np.allclose(dct(size), fft.dct(np.eye(size), axis=0, norm="ortho"), atol=1e-12)


def test_sines_are_zero_before_the_first_frame_and_flat_at_the_end():
    for size in (2, 16, 100):
        n, k = np.arange(-1, size + 1), np.arange(size)[:, None]
        waves = 2 / np.sqrt(2 * size + 1) * np.sin(np.pi * (2 * k + 1) * (n + 1) / (2 * size + 1))
        assert np.allclose(waves[:, 1:-1], dst(size), atol=1e-12)
        assert np.allclose(waves[:, 0], 0) and np.allclose(waves[:, -1], waves[:, -2])
