"""Probabilities as logits in 1/256 nats, and what a logistic distribution answers about intervals: tables, no fractions.

Its logits have closed forms: of a distribution around 0 with scale 1, a value is above a with the logit -a; if it is above
a, it is above a + h with the logit s(-a) - ln(e^h - 1); if it is in a .. b, it is in the upper half with the logit
s(-a) - s(b) + (a + b) / 2, where s(x) = ln(1 + e^x).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import numpy as np

from posecodec.entropy.fixed_point import clip
from posecodec.kernels import inlined_kernel
from posecodec.typing import Ints

NAT = 256  # Of logits
MOST_LOGIT = 2047  # Of what is mixed
SURE_LOGIT = 3071  # Of what comes of it
PROBABILITY_BITS = 16
STRETCH_BITS = 12  # Of probabilities whose logits are in a table
CLIP_SOFTPLUS, CLIP_LONGER = 4096, 2048  # From there on ln(1 + e^x) is x or 0, and ln(e^x - 1) is x
DIGITS = 25  # With which tables are computed, before they are rounded


class Tables(NamedTuple):
    """softplus: ln(1 + e^x) at x of -16 .. 16 nats in steps of 4. longer: ln(e^x - 1) at 0 .. 8 nats in steps of 1, at 0
    as at 1. squash: 65536 / (1 + e^-x) at -12 .. 12 nats in steps of 4. stretch: logits of (2 i + 1) / 8192.
    """

    softplus: Ints
    longer: Ints
    squash: Ints
    stretch: Ints


@cache
def build_tables() -> Tables:
    """The tables, rounded from decimals: the same everywhere."""
    with decimal.localcontext() as context:
        context.prec, context.rounding = DIGITS, decimal.ROUND_HALF_EVEN
        return Tables(
            _tabulate(lambda i: (1 + (Decimal(i) / 64).exp()).ln() * NAT, -1024, 1024),
            _tabulate(lambda i: ((Decimal(max(i, 1)) / NAT).exp() - 1).ln() * NAT, 0, CLIP_LONGER),
            _tabulate(lambda i: (1 << PROBABILITY_BITS) / (1 + (-Decimal(i) / 64).exp()), -768, 768),
            _tabulate(lambda i: (Decimal(2 * i + 1) / (8191 - 2 * i)).ln() * NAT, 0, (1 << STRETCH_BITS) - 1),
        )


def _tabulate(compute: Callable[[int], Decimal], first: int, last: int) -> Ints:
    return np.array([int(compute(i).to_integral_value()) for i in range(first, last + 1)], np.int64)


@inlined_kernel
def squash(logit, table):  # type: ignore[no-untyped-def]
    """The probability of a logit, of 65536: straight lines between the entries of the table."""
    logit = clip(logit, SURE_LOGIT)
    place, part = (logit >> 2) + 768, logit & 3
    return (table[place] * (4 - part) + table[place + 1] * part) >> 2


@inlined_kernel
def soften(x, table):  # type: ignore[no-untyped-def]
    """ln(1 + e^x) in 1/256 nats."""
    if x >= CLIP_SOFTPLUS:
        return x
    if x <= -CLIP_SOFTPLUS:
        return np.int64(0)
    return table[(x >> 2) + 1024]


@inlined_kernel
def lengthen(x, table):  # type: ignore[no-untyped-def]
    """ln(e^x - 1) in 1/256 nats, for x >= 0."""
    return x if x >= CLIP_LONGER else table[max(x, np.int64(1))]
