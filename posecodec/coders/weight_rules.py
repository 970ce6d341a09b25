"""What the rules for weights of all kinds have in common: how large numbers are, and what matrices and tables have to be.

A rule stands beside what unpacks its tensor; `zoo.check_tensors` looks at all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 65504.0  # What float16, in which weights are stored, can hold
MOST_WEIGHT = 32767 * 16  # Of integer networks, as training clips them
MOST_BIAS = 1 << 23  # The same of what is added in layers whose sums are 32 bits
MOST_CONDITION = 1e6  # Of matrices, by Frobenius' norm; trained ones have up to 400
SHORTEST = 0.05  # Of the mean of directions; trained ones have 0.49


def can_be_inverted(matrix: NDArray[Any]) -> bool:
    """Whether a matrix is far enough from a singular one."""
    values = matrix.astype(np.float64)
    try:
        inverse = np.linalg.inv(values)  # a tenth of the time that singular values take
    except np.linalg.LinAlgError:
        return False
    return bool(np.linalg.norm(values) * np.linalg.norm(inverse) < MOST_CONDITION)


def have_directions(vectors: NDArray[Any]) -> bool:
    """Whether vectors (..., 3), means of directions, are long enough to have one."""
    return bool((np.linalg.norm(vectors.astype(np.float64), axis=-1) > SHORTEST).all())


def turn_and_no_more(matrices: NDArray[Any]) -> bool:
    """Whether matrices (..., C, C) are about orthogonal."""
    values = matrices.astype(np.float64)
    return bool(np.abs(values @ values.swapaxes(-1, -2) - np.eye(values.shape[-1])).max(initial=0.0) < 0.05)
