"""Corrections as answers that many contexts guess together: which keypoints are moved, along which axes, and how far.

Moves come in runs: of wrists and ankles more than of hips, in frames where others are moved, in the direction of the frame
before. Each context is a cell that learns, and `entropy.mixing` weighs what they say. All of it is integers that the decoder
has as well; positions are floats, which may differ in their last digit from machine to machine, so no context is of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.binarization import MAX_INT_BYTES, get_int, int_model, put_int
from posecodec.entropy.mixing import ONE, PROBABILITY, SEEN, Mixer, code_answer, start_mixer
from posecodec.entropy.range_coder import MAX_PUT_BYTES, RangeDecoder, RangeEncoder, is_sound
from posecodec.kernels import inlined_kernel, kernel
from posecodec.typing import Ints

MARK, NONZERO, NEGATIVE, FARTHER = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
QUESTIONS = 4  # Is a keypoint moved; of each axis: is it along it, backwards, by more than 1 .. MOST_UNARY steps
CELLS = 4  # Contexts of a question: seven gained nothing (log of 2026-11-28)
MOST_UNARY = 6  # Steps that are said one by one; of more, the rest is an adaptive integer
PLACES = 7 + MOST_UNARY  # Cells of what is asked alone: of moves, of each axis twice, of each number of steps
BIAS = np.int64(256)  # The logit of the guess that is always the same
FIRST_WEIGHTS = (0.2, 1.2)  # Of that guess, and of all cells together
MARKED = 0.06  # Share of the keypoints that are moved, before anything is known
AGO = np.int64(31)  # Frames after which it no longer counts when a keypoint was moved
RECENT = 8  # Frames that the direction of a keypoint's last move counts
MANY = np.int64(7)  # Up to here moved keypoints of a frame are counted
MARK_ROWS, MARK_ROWS_EACH = 256, 36  # Rows of cells for marks: these, and so many for each keypoint
MOVE_ROWS, MOVE_ROWS_EACH = 120, 9  # The same for moves


class Memory(NamedTuple):
    """What was moved before. marks: (T, K) int64. counts: (T,) marks of each frame. ago: (K,) frames since a keypoint was
    last moved; last: (K, D) how."""

    marks: Ints
    counts: Ints
    ago: Ints
    last: Ints


def start_memory(frames: int, keypoints: int, dims: int) -> Memory:
    """Before the first frame."""
    return Memory(
        np.zeros((frames, keypoints), np.int64), np.zeros(frames, np.int64), np.full(keypoints, AGO),
        np.zeros((keypoints, dims), np.int64),
    )  # fmt: skip


def start_cells(keypoints: int) -> Mixer:
    """Cells that have seen nothing."""
    rows = MARK_ROWS + MOVE_ROWS + (MARK_ROWS_EACH + MOVE_ROWS_EACH) * keypoints
    mixer = start_mixer(1, CELLS, rows, PLACES, 1, QUESTIONS, FIRST_WEIGHTS)
    mixer.inputs[0] = BIAS
    mixer.cells[:, MARK, PROBABILITY] = mixer.asked_cells[0, PROBABILITY] = int(MARKED * ONE)
    mixer.cells[:, MARK, SEEN] = 1
    return mixer


@inlined_kernel
def _look(marks, t, k):  # type: ignore[no-untyped-def]
    """Whether a keypoint is moved, 0 where there is none."""
    return marks[t, k] if t >= 0 and 0 <= k < marks.shape[1] else np.int64(0)


@inlined_kernel
def _fill_mark_rows(rows, memory, t, k):  # type: ignore[no-untyped-def]
    """What is known of keypoint k in frame t before it is said whether it is moved."""
    marks, counts, ago = memory.marks, memory.counts, memory.ago[k]
    before, beside = _look(marks, t - 1, k), _look(marks, t, k - 1)
    around = 2 * _look(marks, t - 1, k - 1) + _look(marks, t - 1, k + 1)
    many = min(counts[t - 1], MANY) if t > 0 else np.int64(0)
    rows[0] = 4 * ago + 2 * beside + _look(marks, t, k - 2)
    rows[1] = 128 + 16 * many + 4 * around + 2 * before + beside
    rows[2] = MARK_ROWS + 4 * k + 2 * before + _look(marks, t - 2, k)
    rows[3] = MARK_ROWS + 4 * marks.shape[1] + 32 * k + ago


@inlined_kernel
def _fill_move_rows(rows, memory, moves, t, k, d, others):  # type: ignore[no-untyped-def]
    """What is known of the move of keypoint k along axis d. others: axes before that it is moved along."""
    recent = memory.ago[k] < RECENT
    way = 3 * min(memory.ago[k], np.int64(3)) + (_turn(memory.last[k, d]) if recent else np.int64(0))
    before = _turn(np.int64(moves[t - 1, k, d])) if t > 0 else np.int64(0)
    beside = 1 + _turn(np.int64(moves[t, k - 1, d])) if _look(memory.marks, t, k - 1) else np.int64(0)
    base = MARK_ROWS + MARK_ROWS_EACH * moves.shape[1]
    rows[0] = base + 3 * way + others
    rows[1] = base + 36 + 12 * before + 3 * beside + others
    rows[2] = base + 72 + 12 * beside + way
    rows[3] = base + MOVE_ROWS + 9 * k + 3 * d + others


@kernel
def _turn(move):  # type: ignore[no-untyped-def]
    """0 for no move, 1 for one forwards, 2 for one backwards."""
    return np.int64(0) if move == 0 else np.int64(1) if move > 0 else np.int64(2)


@kernel
def _code_move(state, buffer, reading, move, known, d, mixer, ints):  # type: ignore[no-untyped-def]
    """Read a move along axis d, or write the one that is given. known: whether it is one. Returns it."""
    if not known:
        mixer.asked[0] = 1 + d
        if not code_answer(state, buffer, reading, np.int64(move != 0), NONZERO, 0, mixer):
            return np.int64(0)
    mixer.asked[0] = 4 + d
    backwards = code_answer(state, buffer, reading, np.int64(move < 0), NEGATIVE, 0, mixer)
    size, steps = abs(move), np.int64(1)
    while steps <= MOST_UNARY:
        mixer.asked[0] = 6 + steps
        if not code_answer(state, buffer, reading, np.int64(size > steps), FARTHER, 0, mixer):
            break
        steps += 1
    if steps > MOST_UNARY:
        if reading:
            steps += get_int(state, buffer, ints, np.int64(0))
        else:
            put_int(state, buffer, ints, np.int64(0), size - steps)
            steps = size
    return -steps if backwards else steps


@kernel
def _code(state, buffer, reading, moves, memory, mixer, ints):  # type: ignore[no-untyped-def]
    """Read moves (T, K, D) int32 from the buffer, or write those that are given."""
    keypoints, dims = moves.shape[1:]
    for t in range(moves.shape[0]):
        for k in range(keypoints):
            wanted = np.int64(0)
            for d in range(dims):
                wanted |= np.int64(moves[t, k, d] != 0)
            _fill_mark_rows(mixer.rows, memory, t, k)
            mixer.asked[0] = 0
            if not code_answer(state, buffer, reading, wanted, MARK, 0, mixer):
                memory.ago[k] = min(memory.ago[k] + 1, AGO)
                continue
            others = np.int64(0)
            for d in range(dims):
                _fill_move_rows(mixer.rows, memory, moves, t, k, d, others)
                known = d == dims - 1 and others == 0
                move = _code_move(state, buffer, reading, np.int64(moves[t, k, d]), known, d, mixer, ints)
                moves[t, k, d] = move
                others += move != 0
            memory.marks[t, k], memory.ago[k] = 1, 0
            memory.counts[t] += 1
            for d in range(dims):
                memory.last[k, d] = moves[t, k, d]
        if reading and not is_sound(state, buffer):
            return


def write_corrections(encoder: RangeEncoder, moves: NDArray[np.int32]) -> None:
    """Code whole steps (T, K, D)."""
    frames, keypoints, dims = moves.shape
    marked = int(moves.any(axis=-1).sum())
    max_bytes = MAX_PUT_BYTES * frames * keypoints + marked * dims * (MAX_PUT_BYTES * (2 + MOST_UNARY) + MAX_INT_BYTES)
    memory, mixer = start_memory(*moves.shape), start_cells(keypoints)
    encoder.run(_code, max_bytes, False, moves.copy(), memory, mixer, int_model(1))


def read_corrections(decoder: RangeDecoder, frames: int, keypoints: int, dims: int) -> NDArray[np.int32]:
    """The mirror of `write_corrections`. Raises CorruptError."""
    moves = np.zeros((frames, keypoints, dims), np.int32)
    memory, mixer = start_memory(*moves.shape), start_cells(keypoints)
    decoder.run(_code, True, moves, memory, mixer, int_model(1))
    return moves
