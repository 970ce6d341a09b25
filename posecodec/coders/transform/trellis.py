"""Dependent quantization: two quantizers by turns, and the path through them that costs least in error and bits together.

Values stand for k steps with the even quantizer, for k less half a step (towards zero) with the odd one; 0 is in both. Which
of them is in use follows from whether the integers before were odd, by a machine of eight states: so the points lie as
densely as half a step would put them, at the bits of a whole one. Source: Schwarz et al., "Hybrid video coding with trellis-
coded quantization", DCC 2019 (of VVC, which has four states). The encoder finds the cheapest path (Viterbi's algorithm).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecodec.coders.transform.magnitudes import LARGEST, PLACES, estimate_bits
from posecodec.kernels import kernel
from posecodec.typing import Floats, Ints

DEPENDENT: Ints = np.array([[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]], np.int64)
"""The state after each state and an even or an odd integer. Odd states are the odd quantizer's. Part of the bitstream."""
INDEPENDENT: Ints = np.zeros((1, 2), np.int64)
"""The machine of one state: plain rounding, as in files of before."""
TABLED = 16  # Magnitudes that bits are kept of
MOST_TO_ZERO = 3.0  # Steps below which a value may become 0


def find_path(
    values: Floats, places: NDArray[np.int16], rows: NDArray[np.int32], rd_lambda: float, machine: Ints,
    levels: NDArray[np.int32],
) -> None:  # fmt: skip
    """Fill levels (n,) with the integers of values (n,) in steps that cost least: squared error + rd_lambda x bits.

    places: (n,) among the even quantizer's rows, where they are expected. rows: of all quantizers. machine: (S, 2).
    """
    count, states = values.size, len(machine)
    known, costs, prices = np.full((2 * PLACES, TABLED), -1.0), np.empty((2, states)), np.empty((2, 2))
    sizes, steps = np.zeros((count, 2, 2), np.int32), np.zeros((count, states), np.int8)
    _walk(values, places, rows, rd_lambda, machine, levels, known, costs, sizes, steps, prices)


@kernel
def _walk(  # type: ignore[no-untyped-def]
    values, places, rows, rd_lambda, machine, levels, known, costs, sizes, steps, prices
):
    """Viterbi's algorithm, forwards and back. costs (2, S), sizes (n, 2, 2), steps (n, S), prices (2, 2): room for it."""
    states, cost, after = machine.shape[0], costs[0], costs[1]
    cost[:] = np.inf
    cost[0] = 0.0
    for i in range(values.size):
        for odd in range(min(states, 2)):
            _price_sizes(abs(values[i]), odd, np.int64(places[i]), rows, rd_lambda, known, prices[odd], sizes[i, odd])
        after[:] = np.inf
        for state in range(states):
            for parity in range(2):
                total, goal = cost[state] + prices[state & 1, parity], machine[state, parity]
                if total < after[goal]:
                    after[goal] = total
                    steps[i, goal] = 2 * state + parity
        for state in range(states):
            cost[state] = after[state]
    state = np.int64(np.argmin(cost))
    for i in range(values.size - 1, -1, -1):
        step = np.int64(steps[i, state])
        state = step >> 1
        size = sizes[i, state & 1, step & 1]
        levels[i] = -size if values[i] < 0 else size


@kernel
def _price_sizes(size, odd, place, rows, rd_lambda, known, prices, sizes):  # type: ignore[no-untyped-def]
    """Fill prices (2,) and sizes (2,) with the cheapest even and the cheapest odd integer of a quantizer for a magnitude."""
    prices[:] = np.inf
    near = min(np.int64(size + 0.5 * odd), np.int64(LARGEST - 2))
    for number in range(3 if 0 < near and size < MOST_TO_ZERO else 2):
        level = near + number if number < 2 else np.int64(0)
        miss = size - level + 0.5 * odd if level else size
        price = miss * miss + rd_lambda * _recall_bits(known, rows, place + PLACES * odd, level)
        if price < prices[level & 1]:
            prices[level & 1], sizes[level & 1] = price, level


@kernel
def _recall_bits(known, rows, place, level):  # type: ignore[no-untyped-def]
    """What `estimate_bits` says; of small magnitudes once for each place."""
    if level >= TABLED:
        return estimate_bits(rows, place, level)
    if known[place, level] < 0:
        known[place, level] = estimate_bits(rows, place, level)
    return known[place, level]
