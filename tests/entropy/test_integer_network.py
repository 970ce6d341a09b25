"""The integer network against the same in numpy, and the neighbors that it reads."""

from __future__ import annotations

import numpy as np
import pytest

from posecodec.entropy.fixed_point import exp16, exp16_of
from posecodec.entropy.integer_network import (
    NEIGHBORS,
    PAD,
    UNCAPPED,
    Network,
    fill_neighbors,
    run_hidden,
    run_layer,
    sum_layer,
)
from posecodec.kernels import allocating_kernel, kernel


@allocating_kernel
def run(x, bias, network, cap, h1, h2, out):  # type: ignore[no-untyped-def]
    run_hidden(x, bias, network, cap, h1, h2)
    run_layer(h2, cap, network.w3, network.b3, out)
    return sum_layer(h2, network.w3[:, 0].copy(), network.b3)


@kernel
def fill(x, logs, k, c):  # type: ignore[no-untyped-def]
    fill_neighbors(x, logs, k, c)


@pytest.mark.parametrize("cap", [UNCAPPED, np.int64(300)])
def test_network_is_two_rectified_layers(cap: np.int64) -> None:
    rng = np.random.default_rng(0)
    w1, w2, w3 = (rng.integers(-900, 900, shape).astype(np.int32) for shape in ((6, 5), (5, 4), (4, 3)))
    bias, b2, b3 = (rng.integers(-9000, 9000, n).astype(np.int32) for n in (5, 4, 3))
    for x in rng.integers(-1000, 1000, (20, 6)).astype(np.int32) * (rng.random((20, 6)) < 0.8):
        x = x.astype(np.int32)
        h1, h2, out = np.zeros(5, np.int32), np.zeros(4, np.int32), np.zeros(3, np.int32)
        total = run(x, bias, Network(w1, w2, b2, w3, b3), cap, h1, h2, out)
        first = bias + x.astype(np.int64) @ w1
        second = b2 + np.clip(first >> 8, 0, cap) @ w2
        assert (h1 == first).all() and (h2 == second).all() and (out == b3 + np.clip(second >> 8, 0, cap) @ w3).all()
        assert total == b3[0] + np.maximum(second >> 8, 0) @ w3[:, 0]


def test_neighbors_are_those_coded_before() -> None:
    """Nothing of the value itself, of later channels in its row, or of later rows is read."""
    logs = np.zeros((9 + PAD, 7 + 2 * PAD), np.int32)
    logs[3 + PAD, 2 + PAD :] = logs[4 + PAD :] = 10**6
    logs[PAD : 3 + PAD, PAD:-PAD] = np.arange(1, 22).reshape(3, 7)
    x = np.zeros(NEIGHBORS, np.int32)
    fill(x, logs, 3, 2)
    assert x.tolist() == [17, 10, 3, 0, 0, 0, 18, 16, 19 + 15, 11 + 9]


def test_exp16_of_arrays() -> None:
    values = np.arange(-40, 700).reshape(2, 370)
    assert exp16_of(values).ravel().tolist() == [exp16(v) for v in values.ravel()]
