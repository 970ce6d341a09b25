"""Logarithms and powers of two in sixteenths of an octave, all in integers: they agree with themselves on every machine.

>>> int(log16(1024)), int(exp16(160))
(160, 1024)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.range_coder import Int
from posecodec.kernels import allocating_kernel, kernel
from posecodec.typing import Ints

LOG16 = np.array([0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15], np.int64)
"""16 x log2(1 + i / 16), rounded; written out, since a machine's own logarithm might round otherwise."""
EXP16 = np.array([
    65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752, 92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515,
], np.int64)  # fmt: skip
"""2**(16 + i / 16), rounded; written out as well."""
MAX_OCTAVE = 40  # Larger powers of two count as this one, so that products of what `exp16` returns stay in 64 bits


@kernel
def log16(value: Int) -> Int:
    """16 x log2 of an integer >= 1, rounded down to about a sixteenth of an octave."""
    size = np.int64(0)
    rest = np.int64(value)
    while rest > 65535:
        rest >>= 16
        size += 16
    while rest > 1:
        rest >>= 1
        size += 1
    frac = ((np.int64(value) << 4) >> size) & 15
    log: Int = 16 * size + LOG16[frac]
    return log


@kernel
def exp16(value: Int) -> Int:
    """2**(value / 16) as an integer, rounded down; 0 for very negative values, below 2**41."""
    whole = min(np.int64(value) >> 4, np.int64(MAX_OCTAVE))
    mantissa = EXP16[np.int64(value) & 15]
    power: Int = mantissa << (whole - 16) if whole >= 16 else mantissa >> min(16 - whole, np.int64(62))
    return power


@allocating_kernel
def exp16_of(values: Ints) -> Ints:
    """`exp16` of every value of an array."""
    found = np.empty(values.shape, np.int64)
    for i in range(values.size):
        found.flat[i] = exp16(values.flat[i])
    return found


@kernel
def clip(value: Int, most: Int) -> Int:
    """A value, moved to within -most .. most."""
    clipped: Int = min(max(value, np.int64(-most)), np.int64(most))
    return clipped


_LOGS = np.array([log16(1 + v) for v in range(4096)], np.int32)


def measure_logs(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """`log16` of 1 and the magnitude of every value of an array; larger ones count as 4095."""
    return np.asarray(_LOGS[np.minimum(np.abs(values), len(_LOGS) - 1)])
