"""A small network of integers that reads what is known of a value's neighbors and says what to expect of the value.

Two hidden layers with rectifiers, int32 weights in 1/256, activations shifted back by 8 bits after each layer; what its
outputs mean is the caller's business. Encoder and decoder run the same integers and so agree on every machine, which
float networks do not. Training is elsewhere (`posecodec.train`), in floats that are rounded at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.kernels import inlined_kernel, kernel

WEIGHT_BITS = 8  # Bits after the point of weights
UNCAPPED = np.int64(1 << 31)  # More than any activation: they are int32
PAD = 4  # Rows before the first, and columns around, that a table of logs has so that every neighbor exists
NEIGHBORS = 10  # Features that `fill_neighbors` fills


class Network(NamedTuple):
    """w1 (F, H), w2 (H, G), b2 (G,), w3 (G, O) or (G,), b3 (O,), all int32; the first layer's bias comes with each call."""

    w1: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]


@inlined_kernel
def run_hidden(x, bias, network, cap, h1, h2):  # type: ignore[no-untyped-def]
    """Fill h1 (H,) and h2 (G,) int32, the hidden layers, from features x (F,) int32 and the first bias (H,)."""
    w1 = network.w1
    for i in range(h1.size):
        h1[i] = bias[i]
    fours = x.size & ~3
    for f in range(0, fours, 4):
        a, b, c, d = x[f], x[f + 1], x[f + 2], x[f + 3]
        for i in range(h1.size):
            h1[i] += a * w1[f, i] + b * w1[f + 1, i] + c * w1[f + 2, i] + d * w1[f + 3, i]
    for f in range(fours, x.size):
        a = x[f]
        for i in range(h1.size):
            h1[i] += a * w1[f, i]
    run_layer(h1, cap, network.w2, network.b2, h2)


@inlined_kernel
def run_layer(hidden, cap, weights, bias, out):  # type: ignore[no-untyped-def]
    """Fill `out` (O,) from a hidden layer (G,), whose activations are none above `cap`."""
    for i in range(out.size):
        out[i] = bias[i]
    fours = hidden.size & ~3
    for f in range(0, fours, 4):
        a, b = _activate(hidden[f], cap), _activate(hidden[f + 1], cap)
        c, d = _activate(hidden[f + 2], cap), _activate(hidden[f + 3], cap)
        for i in range(out.size):
            out[i] += a * weights[f, i] + b * weights[f + 1, i] + c * weights[f + 2, i] + d * weights[f + 3, i]
    for f in range(fours, hidden.size):
        a = _activate(hidden[f], cap)
        for i in range(out.size):
            out[i] += a * weights[f, i]


@kernel
def _activate(value, cap):  # type: ignore[no-untyped-def]
    """The activation of a unit; in 32 bits, since products need no more, and are faster."""
    return np.int32(max(min(value >> WEIGHT_BITS, cap), np.int64(0)))


@inlined_kernel
def sum_layer(hidden, weights, bias):  # type: ignore[no-untyped-def]
    """As `run_layer`, of weights (G,), one output, in 64 bits."""
    total = np.int64(bias[0])
    for f in range(hidden.size):
        v = hidden[f] >> WEIGHT_BITS
        if v > 0:
            total += np.int64(v) * weights[f]
    return total


@inlined_kernel
def fill_neighbors(x, logs, k, c):  # type: ignore[no-untyped-def]
    """Fill x[:NEIGHBORS] with log magnitudes around value (k, c) that are coded before it; logs (N + 4, C + 8), padded."""
    r, j = k + PAD, c + PAD
    x[0] = logs[r - 1, j]
    x[1] = logs[r - 2, j]
    x[2] = logs[r - 3, j] + logs[r - 4, j]
    x[3] = logs[r, j - 1]
    x[4] = logs[r, j - 2]
    x[5] = logs[r, j - 3] + logs[r, j - 4]
    x[6] = logs[r - 1, j + 1]
    x[7] = logs[r - 1, j - 1]
    x[8] = logs[r - 1, j + 2] + logs[r - 1, j - 2]
    x[9] = logs[r - 2, j + 1] + logs[r - 2, j - 1]
