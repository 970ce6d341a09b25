"""Yes/no questions answered by many guesses at once: logits weighed by how well their sum did, and corrected once more.

Two sums, of weights for all channels and of weights for a class of them, are averaged; a table of what really came of such
averages has a say in the end. All weights are of this chunk alone: every answer teaches them. (The mixing of Mahoney's PAQ,
in integers; `entropy.confidences` mixes so too, other guesses.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posecodec.entropy.fixed_point import clip
from posecodec.entropy.logistic import (
    MOST_LOGIT,
    PROBABILITY_BITS,
    STRETCH_BITS,
    Tables,
    build_tables,
    squash,
)
from posecodec.entropy.range_coder import get_binary, put
from posecodec.kernels import inlined_kernel, kernel
from posecodec.typing import Ints

ONE = 1 << PROBABILITY_BITS
LEAST = 16  # Of 65536: no answer is thought rarer
ROUND_WEIGHT = 16  # Bits after the point in weights
MOST_WEIGHT = 1 << 20
RATE, FIRST_RATE, RATE_DELAY = 4, 100, 8  # How fast weights learn: RATE + FIRST_RATE / (answers + RATE_DELAY)
RATE_BITS = 18
CLASS_RATE = 2  # Times as fast learn those of classes, which see fewer answers
WINDOW = 60  # Answers that a cell's probability is the mean of, at most
NODE_BITS = 7  # Of logits between two entries of the correction
NODES = 33
NODE_RATE = 6  # Entries move by 2**-NODE_RATE
PROBABILITY, SEEN = 0, 1  # Fields of a cell


class Mixer(NamedTuple):
    """What answers are mixed by. N guesses are from G given ones, from cells, whose rows a channel's state picks, and from
    the cell of what is asked.

    inputs: (N,) logits of the guesses; the first G are filled by who asks. rows: (N - G - 1,) of cells. cells: (rows, S, 2)
    probability and answers seen, for S questions. asked: (1,) which of asked_cells (places, 2) is that of the question.
    weights: (1 + classes, S, N). corrections: (S, NODES). answers: (S,).
    """

    inputs: Ints
    rows: Ints
    cells: NDArray[np.int32]
    asked: Ints
    asked_cells: NDArray[np.int32]
    weights: Ints
    corrections: Ints
    answers: Ints
    tables: Tables


def start_mixer(
    given: int, cells: int, rows: int, places: int, classes: int, questions: int, first: tuple[float, float]
) -> Mixer:
    """A mixer that has seen nothing. first: what the weights of given guesses and of cells sum up to."""
    tables = build_tables()
    fresh, asked = np.zeros((rows, questions, 2), np.int32), np.zeros((places, 2), np.int32)
    fresh[..., PROBABILITY] = asked[..., PROBABILITY] = ONE >> 1
    cells += 1
    share = [int(ONE * first[0]) // given] * given + [int(ONE * first[1]) // cells] * cells
    nodes = [squash(np.int64((i - NODES // 2) << NODE_BITS), tables.squash) for i in range(NODES)]
    return Mixer(
        np.zeros(given + cells, np.int64), np.zeros(cells - 1, np.int64), fresh, np.zeros(1, np.int64), asked,
        np.tile(np.array(share, np.int64), (1 + classes, questions, 1)),
        np.tile(np.array(nodes, np.int64), (questions, 1)), np.zeros(questions, np.int64), tables,
    )  # fmt: skip


@inlined_kernel
def _read_cells(mixer, question):  # type: ignore[no-untyped-def]
    """Fill the inputs that are cells'."""
    given = mixer.inputs.size - mixer.rows.size - 1
    for i in range(mixer.rows.size):
        probability = np.int64(mixer.cells[mixer.rows[i], question, PROBABILITY])
        mixer.inputs[given + i] = mixer.tables.stretch[probability >> (PROBABILITY_BITS - STRETCH_BITS)]
    probability = np.int64(mixer.asked_cells[mixer.asked[0], PROBABILITY])
    mixer.inputs[given + mixer.rows.size] = mixer.tables.stretch[probability >> (PROBABILITY_BITS - STRETCH_BITS)]


@inlined_kernel
def _add_up(mixer, chosen, question):  # type: ignore[no-untyped-def]
    """The weighted sum of the inputs by a set of weights."""
    total = np.int64(0)
    for i in range(mixer.inputs.size):
        total += mixer.inputs[i] * mixer.weights[chosen, question, i]
    return clip(total >> ROUND_WEIGHT, MOST_LOGIT)


@inlined_kernel
def _move_weights(mixer, chosen, question, error):  # type: ignore[no-untyped-def]
    for i in range(mixer.inputs.size):
        weight = mixer.weights[chosen, question, i] + ((mixer.inputs[i] * error) >> RATE_BITS)
        mixer.weights[chosen, question, i] = clip(weight, MOST_WEIGHT)


@inlined_kernel
def _teach_cells(mixer, question, answer):  # type: ignore[no-untyped-def]
    goal = answer * (ONE - 1)
    cells, asked_cells = mixer.cells, mixer.asked_cells
    for i in range(mixer.rows.size):
        row = mixer.rows[i]
        old, seen = np.int64(cells[row, question, PROBABILITY]), np.int64(cells[row, question, SEEN])
        cells[row, question, PROBABILITY] = old + (goal - old) * 2 // (2 * seen + 3)
        cells[row, question, SEEN] = min(seen + 1, np.int64(WINDOW))
    row = mixer.asked[0]
    old, seen = np.int64(asked_cells[row, PROBABILITY]), np.int64(asked_cells[row, SEEN])
    asked_cells[row, PROBABILITY] = old + (goal - old) * 2 // (2 * seen + 3)
    asked_cells[row, SEEN] = min(seen + 1, np.int64(WINDOW))


@kernel
def code_answer(state, buffer, reading, answer, question, group, mixer):  # type: ignore[no-untyped-def]
    """Read an answer from the buffer, or write the one that is given; learn from it and return it.

    question: which of S. group: the class of the channel. The given inputs must be filled, and the rows of cells.
    """
    _read_cells(mixer, question)
    common, special = _add_up(mixer, 0, question), _add_up(mixer, 1 + group, question)
    logit = (common + special) >> 1
    place, part = (logit + 2048) >> NODE_BITS, (logit + 2048) & ((1 << NODE_BITS) - 1)
    low, high = mixer.corrections[question, place], mixer.corrections[question, place + 1]
    corrected = (low * ((1 << NODE_BITS) - part) + high * part) >> NODE_BITS
    yes = (squash(logit, mixer.tables.squash) + corrected) >> 1
    no = ONE - min(max(yes, np.int64(LEAST)), np.int64(ONE - LEAST))
    if reading:
        answer = np.int64(get_binary(state, buffer, no))
    else:
        put(state, buffer, no if answer else np.int64(0), ONE - no if answer else no, PROBABILITY_BITS)
    truth = answer << PROBABILITY_BITS
    rate = RATE + FIRST_RATE // (mixer.answers[question] + RATE_DELAY)
    _move_weights(mixer, 0, question, (truth - squash(common, mixer.tables.squash)) * rate)
    _move_weights(mixer, 1 + group, question, (truth - squash(special, mixer.tables.squash)) * rate * CLASS_RATE)
    _teach_cells(mixer, question, answer)
    mixer.corrections[question, place] = low + ((truth - low) >> NODE_RATE)
    mixer.corrections[question, place + 1] = high + ((truth - high) >> NODE_RATE)
    mixer.answers[question] += 1
    return answer
