"""Least squares that fade, in integers: weights that follow what predicts a channel, one step closer with each value.

Sums of products decay by a power of two, and every weight in turn is moved to where it is best for the others as they are
(Gauss and Seidel): nothing is inverted, so nothing can become unstable. A regression is an array (F, F + 2): sums of
products of features, of features with targets, and the weights in 65536ths.
"""

from __future__ import annotations

import numpy as np

from posecodec.entropy.fixed_point import clip
from posecodec.kernels import kernel

WEIGHT_BITS = 16  # Bits after the point in weights
MOST_WEIGHT = 1 << 19
FEATURE_BITS = 12  # Of features and targets, without their signs


@kernel
def predict(regression, features):  # type: ignore[no-untyped-def]
    """The target that features (F,) let expect, times 2**WEIGHT_BITS."""
    count = features.size
    total = np.int64(0)
    for i in range(count):
        total += features[i] * regression[i, count + 1]
    return total


@kernel
def learn(regression, features, target, fading, ridge):  # type: ignore[no-untyped-def]
    """Take in a target. fading: of sums, a share of 2**-fading is forgotten. ridge: what holds weights near 0."""
    count = features.size
    for i in range(count):
        regression[i, count] += features[i] * target - (regression[i, count] >> fading)
        for j in range(count):
            regression[i, j] += features[i] * features[j] - (regression[i, j] >> fading)
    for i in range(count):
        rest = (regression[i, count] << WEIGHT_BITS) - ridge * regression[i, count + 1]
        for j in range(count):
            rest -= regression[i, j] * regression[j, count + 1]
        moved = regression[i, count + 1] + rest // (regression[i, i] + ridge + 1)
        regression[i, count + 1] = clip(moved, MOST_WEIGHT)
