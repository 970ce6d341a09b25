"""Whole numbers by where several logistic distributions expect them: which side, how far out, where in there.

A number is told from a border next to where it is expected: on which side of it, then in which of ever wider steps away from
it, then in which half of that step, and of that half. Each answer's logits follow from the distributions (`logistic`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from posecodec.entropy.binarization import get_long_raw, put_long_raw
from posecodec.entropy.fixed_point import clip
from posecodec.entropy.logistic import MOST_LOGIT, lengthen, soften
from posecodec.entropy.mixing import code_answer
from posecodec.entropy.range_coder import FAULT, MAX_PUT_BYTES
from posecodec.kernels import inlined_kernel, kernel
from posecodec.typing import Ints

SIDE = np.int64(0)  # Questions: the side; steps out, the last of which is for all beyond; halvings
OUT, OUTS = np.int64(1), np.int64(12)
HALF, HALVES = OUT + OUTS, np.int64(4)
QUESTIONS = int(HALF + HALVES)
EVEN_STEPS = 6  # Steps out that are equally wide; each after them is twice as wide as the one before
MOST_STEPS = 40  # Steps out at most: wider than any number
MAX_BYTES = MAX_PUT_BYTES * (1 + MOST_STEPS + 2 * int(HALVES) + 4)
MOST_OFF = 1 << 24  # How far off numbers are looked at: farther ones are as unlikely
SHARP_BITS = 24  # Sharpness is 2**24 over the scale; 16 of these bits are shifted out to have 1/256 nats


REACH = 48  # Numbers from the last one within which movements are counted
KINDS = 9  # Of questions that are counted apart: the side, steps out and halvings by the octave of their width
OCTAVES = 4


class Estimates(NamedTuple):
    """Where a value is expected: centers (E,), and 2**24 over the scales, two of each center: sharpness (2 E,)."""

    centers: Ints
    sharpness: Ints


@inlined_kernel
def _scale(distance, sharpness):  # type: ignore[no-untyped-def]
    """A distance in 1/256 of a scale."""
    return (clip(distance, MOST_OFF) * sharpness) >> 16


@inlined_kernel
def _ask_side(border, estimates, mixer):  # type: ignore[no-untyped-def]
    """Fill the logits of a value above the border."""
    for i in range(estimates.sharpness.size):
        mixer.inputs[i] = clip(_scale(estimates.centers[i >> 1] - border, estimates.sharpness[i]), MOST_LOGIT)


@inlined_kernel
def _ask_out(border, sign, near, width, estimates, mixer):  # type: ignore[no-untyped-def]
    """Fill the logits of a value that is at least `near` away from the border being `width` farther away."""
    for i in range(estimates.sharpness.size):
        sharpness = estimates.sharpness[i]
        inner = _scale(sign * (border - estimates.centers[i >> 1]) + near, sharpness)
        step = _scale(width, sharpness)
        logit = soften(-inner, mixer.tables.softplus) - lengthen(step, mixer.tables.longer)
        mixer.inputs[i] = clip(logit, MOST_LOGIT)


@inlined_kernel
def _ask_half(border, sign, near, width, estimates, mixer):  # type: ignore[no-untyped-def]
    """Fill the logits of a value that is `near` to `near + width` away from the border being in the farther half."""
    for i in range(estimates.sharpness.size):
        sharpness = estimates.sharpness[i]
        inner = sign * (border - estimates.centers[i >> 1]) + near
        first, last = _scale(inner, sharpness), _scale(inner + width, sharpness)
        table = mixer.tables.softplus
        logit = soften(-first, table) + ((first + last) >> 1) - soften(last, table)
        mixer.inputs[i] = clip(logit, MOST_LOGIT)


@inlined_kernel
def _ask_moved(edge, kind, home, sign, mixer):  # type: ignore[no-untyped-def]
    """Choose the cell that counts what came of a question about numbers beyond an edge. home: the last number, and which
    table of movements."""
    move = clip(edge - home[0], REACH) + REACH
    mixer.asked[0] = ((home[1] * KINDS + kind) * 2 + (sign > 0)) * (2 * REACH + 1) + move


@kernel
def code_index(state, buffer, reading, index, pitch, offset, expected, halvings, group, home, estimates, mixer):  # type: ignore[no-untyped-def]  # fmt: skip
    """Read or write a whole number and return it: one that stands for index * pitch + offset.

    expected: about where that is. halvings: the first steps are 2**halvings numbers wide. home: the last number, and
    which table counts movements from it.
    """
    first = (expected - offset + pitch) // pitch  # The lowest number above the border
    border = first * pitch + offset - (pitch >> 1)
    _ask_side(border, estimates, mixer)
    _ask_moved(first, np.int64(0), home, np.int64(1), mixer)
    above = code_answer(state, buffer, reading, np.int64(index >= first), SIDE, group, mixer)
    sign = 2 * above - 1
    distance = index - first if above else first - 1 - index
    near, width = np.int64(0), np.int64(1) << halvings
    for number in range(MOST_STEPS):
        edge = first + near + width if above else first - near - width
        _ask_moved(edge, 1 + min(halvings, np.int64(OCTAVES - 1)), home, sign, mixer)
        _ask_out(border, sign, near * pitch, width * pitch, estimates, mixer)
        question = OUT + min(np.int64(number), OUTS - 1)
        if not code_answer(state, buffer, reading, np.int64(distance >= near + width), question, group, mixer):
            break
        near += width
        width <<= np.int64(number >= EVEN_STEPS - 1)
        if number == MOST_STEPS - 1:
            state[FAULT] = 1
    near = _code_rest(
        state, buffer, reading, distance, border, sign, near, width, pitch, group, first, home, estimates, mixer
    )
    return first + near if above else first - 1 - near


@kernel
def _code_rest(state, buffer, reading, distance, border, sign, near, width, pitch, group, first, home, estimates, mixer):  # type: ignore[no-untyped-def]  # fmt: skip
    """Read or write where a distance lies in near .. near + width - 1, and return it."""
    for number in range(HALVES):
        if width == 1:
            return near
        _ask_half(border, sign, near * pitch, width * pitch, estimates, mixer)
        width >>= 1
        edge = first + near + width if sign > 0 else first - near - width
        _ask_moved(edge, 1 + OCTAVES + min(np.int64(number), np.int64(OCTAVES - 1)), home, sign, mixer)
        if code_answer(state, buffer, reading, np.int64(distance >= near + width), HALF + number, group, mixer):
            near += width
    bits = np.int64(0)
    while width >> bits > 1:
        bits += 1
    if reading:
        return near + get_long_raw(state, buffer, bits)
    put_long_raw(state, buffer, distance - near, bits)
    return distance
