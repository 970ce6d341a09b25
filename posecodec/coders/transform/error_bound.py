"""A hard bound: keypoints that came out farther off than promised are moved by whole steps until they are not.

The step is so fine that rounding to it in every axis keeps any error within the bound; the fewest axes that do are moved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.adaptive_models import bit_model, get_bit, put_bit
from posecodec.entropy.binarization import MAX_INT_BYTES, get_int, int_model, put_int
from posecodec.entropy.range_coder import MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound
from posecodec.errors import InputError
from posecodec.kernels import allocating_kernel, kernel
from posecodec.typing import Floats

SAFETY = 0.999  # The share of the bound that is aimed at: decoders differ by less than the rest
MAX_STEPS = 2**31 - 1  # Whole steps that int32 holds
CONTEXTS = 8  # Of whether a keypoint is moved: whether it was in the two frames before, and the keypoint before it


def bound_step(bound: float, dims: int) -> float:
    """The step of corrections for a bound: rounding to it is off by at most half of it in every axis."""
    return float(2 * bound * SAFETY / np.sqrt(dims))


def outlier_steps(errors: Floats, bound: float) -> NDArray[np.int32]:
    """Whole steps (T, K, D) that bring errors (T, K, D), NaN where missing, within the bound; 0 where they are.

    Raises InputError where 32 bits do not hold them.
    """
    moves = np.zeros(errors.shape, np.int32)
    if not _find_moves(errors, bound_step(bound, errors.shape[-1]), (bound * SAFETY) ** 2, moves):
        raise InputError("too fine a bound for coordinates that reach so far; allow more, or use --lossless")
    return moves


@allocating_kernel
def _find_moves(errors, step, square, moves):  # type: ignore[no-untyped-def]
    """Fill moves (T, K, D), of which there are none yet. Whether 32 bits hold all of them."""
    known, wanted = np.zeros(errors.shape[2]), np.zeros(errors.shape[2])
    for t in range(errors.shape[0]):
        for k in range(errors.shape[1]):
            for d in range(known.size):
                known[d] = 0.0 if np.isnan(errors[t, k, d]) else errors[t, k, d]
                wanted[d] = 0.0
            if _measure_rest(known, wanted, step) <= square:
                continue
            for d in range(known.size):
                wanted[d] = np.rint(known[d] / step)
                if not abs(wanted[d]) <= MAX_STEPS:
                    return False
            for d in np.argsort(np.abs(known), kind="mergesort"):
                before = wanted[d]
                wanted[d] = 0.0
                if not _measure_rest(known, wanted, step) <= square:
                    wanted[d] = before
            for d in range(known.size):
                moves[t, k, d] = np.int32(wanted[d])
    return True


@kernel
def _measure_rest(known, wanted, step):  # type: ignore[no-untyped-def]
    """The square of how far off a keypoint is with whole steps."""
    total = 0.0
    for d in range(known.size):
        total += (known[d] - wanted[d] * step) ** 2
    return total


@kernel
def _find_context(marks, t, k):  # type: ignore[no-untyped-def]
    before = marks[t - 1, k] if t else 0
    earlier = marks[t - 2, k] if t > 1 else 0
    beside = marks[t, k - 1] if k else 0
    return 4 * before + 2 * earlier + beside


@kernel
def _put(state, out, moves, marks, probs, ints):  # type: ignore[no-untyped-def]
    for t in range(moves.shape[0]):
        for k in range(moves.shape[1]):
            put_bit(state, out, probs, _find_context(marks, t, k), np.int64(marks[t, k]))
            if marks[t, k]:
                for d in range(moves.shape[2]):
                    put_int(state, out, ints, np.int64(d), np.int64(moves[t, k, d]))


@kernel
def _get(state, data, moves, marks, probs, ints):  # type: ignore[no-untyped-def]
    for t in range(moves.shape[0]):
        for k in range(moves.shape[1]):
            marks[t, k] = get_bit(state, data, probs, _find_context(marks, t, k))
            if marks[t, k]:
                for d in range(moves.shape[2]):
                    moves[t, k, d] = get_int(state, data, ints, np.int64(d))
        if not is_sound(state, data):
            return


def write_corrections(encoder: RangeEncoder, moves: NDArray[np.int32]) -> None:
    """Code whole steps (T, K, D)."""
    marks = moves.any(axis=-1).astype(np.int64)
    max_bytes = marks.size * MAX_PUT_BYTES + int(marks.sum()) * moves.shape[2] * MAX_INT_BYTES
    encoder.run(_put, max_bytes, moves, marks, bit_model(CONTEXTS), int_model(moves.shape[2]))


def read_corrections(decoder: RangeDecoder, frames: int, keypoints: int, dims: int) -> NDArray[np.int32]:
    """The mirror of `write_corrections`. Raises CorruptError."""
    moves = np.zeros((frames, keypoints, dims), np.int32)
    decoder.run(_get, moves, np.zeros((frames, keypoints), np.int64), bit_model(CONTEXTS), int_model(dims))
    return moves
