"""Floats as integers: the nearest steps of a grid, what rounds off, and the bits of what fits no grid. And back.

Every value x becomes an integer k, the nearest step of x * rate, and a rest: the distance from k / rate to x counted in
floats that lie between. Only the choice of the grid uses floats freely, and of it the decoder knows the result; k / rate
is a single division that IEEE 754 rounds the same way everywhere. How integers become bytes is in `float_coding`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyFloats = NDArray[Any]
"""float32 or float64 of either byte order."""

LARGEST_STEP = 2**53  # Largest step, and distance: beyond, a value's own bits are kept
LOWEST_RATE, HIGHEST_RATE = 2.0**-60, 2.0**100
"""No k / rate is too large or denormal in float32 between these."""
MOST_DECIMALS = {np.dtype(np.float32): 9, np.dtype(np.float64): 17}  # That values are written with: they have no more
SAMPLE = 1 << 16  # Values that the grid is chosen by
FEW = 1 << 11  # Values that tell whether there are any decimals


@dataclass(frozen=True, eq=False, repr=False)
class GridSteps:
    """An array (T, C) as integers: steps and rest (T, C) int64, and escaped (T, C) bool where rest holds a float's rank."""

    rate: float
    steps: NDArray[np.int64]
    rest: NDArray[np.int64]
    escaped: NDArray[np.bool_]


def is_narrow(values: AnyFloats) -> bool:
    """Whether float64 values survive as float32, bit by bit, whatever the machine makes of NaNs and denormals."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        back = values.astype(np.float32).astype(np.float64)
    bits = values.view(np.int64)
    plain = (np.abs(values) >= np.finfo(np.float32).tiny) | (values == 0) | (bits == np.float64(np.nan).view(np.int64))
    return bool((plain & (back.view(np.int64) == bits)).all())


def rank_floats(values: AnyFloats) -> NDArray[np.int64]:
    """AnyFloats numbered in their order: -0.0 is -1, 0.0 is 0, the next larger one 1."""
    kind = np.int32 if values.dtype == np.float32 else np.int64
    bits = np.ascontiguousarray(values).view(kind).astype(np.int64)
    return np.where(bits < 0, bits ^ np.iinfo(kind).max, bits)


def unrank_floats(ranks: NDArray[np.int64], dtype: np.dtype[Any]) -> AnyFloats:
    """The mirror of `rank_floats`; ranks that no float32 has wrap around."""
    kind = np.int32 if dtype == np.float32 else np.int64
    bits = ranks.astype(kind).astype(np.int64)
    return np.where(bits < 0, bits ^ np.iinfo(kind).max, bits).astype(kind).view(dtype)


def _rank_grid(steps: NDArray[np.int64], rate: float, dtype: np.dtype[Any]) -> NDArray[np.int64]:
    """The ranks of the floats that steps / rate are, rounded once to float64 and once to float32."""
    with np.errstate(under="ignore"):
        return rank_floats((steps / rate).astype(dtype))


def to_steps(values: AnyFloats, rate: float, escape_zeros: bool) -> GridSteps:
    """Values (T, C) on a grid; `escape_zeros` keeps exact zeros by their bits."""
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        scaled = np.rint(values.astype(np.float64) * rate)
        escaped = ~(np.abs(scaled) <= LARGEST_STEP)
    ranks = rank_floats(values)
    steps = np.where(escaped, 0, scaled).astype(np.int64)
    rest = ranks - _rank_grid(steps, rate, values.dtype)
    escaped |= (rest > LARGEST_STEP) | (rest < -LARGEST_STEP)
    if escape_zeros:
        escaped |= ranks == 0
    return GridSteps(rate, _hold_last(steps, escaped), np.where(escaped, ranks, rest), escaped)


def _hold_last(steps: NDArray[np.int64], escaped: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Steps (T, C), where escaped those of the last frame that is not, 0 if there is none."""
    if not escaped.any():
        return steps
    frame = np.maximum.accumulate(np.where(escaped, -1, np.arange(len(escaped))[:, None]), axis=0)
    return np.where(frame < 0, 0, np.take_along_axis(steps, np.maximum(frame, 0), axis=0))


def choose_grids(values: AnyFloats) -> Iterator[GridSteps]:
    """The most promising grid, and the same with zeros kept by their bits if there are any."""
    sample = _take_sample(values)
    rate = min(_list_rates(sample), key=lambda rate: _estimate_bits(to_steps(sample, rate, False)))
    steps = to_steps(values, rate, False)
    common = int(np.gcd.reduce(steps.steps, axis=None))
    if common > 1 and LOWEST_RATE <= rate / common and not steps.rest.any():
        steps = to_steps(values, rate / common, False)
    yield steps
    if ((values == 0) & ~steps.escaped).any():
        yield to_steps(values, steps.rate, True)


def estimate_bits(values: AnyFloats) -> float:
    """Bits of a value (T, C), about, on the best grid."""
    return min(_estimate_bits(found) for found in choose_grids(_take_sample(values)))


def is_on_grid(values: AnyFloats, step: float) -> bool:
    """Whether values (T, ...) were written with decimals that are no finer than a step, by some of them."""
    if not LOWEST_RATE < step < HIGHEST_RATE:
        return False
    some = values.reshape(-1)[:: max(1, values.size // FEW)].astype(np.float32)
    some = some[np.isfinite(some)]
    decimals = math.floor(-math.log10(step) + 1e-9)
    with np.errstate(over="ignore", invalid="ignore"):
        on = (np.rint(some.astype(np.float64) * 10.0**decimals) / 10.0**decimals).astype(np.float32)
    return bool(some.size) and bool((on == some).all())


def _take_sample(values: AnyFloats) -> AnyFloats:
    return values[: max(8, SAMPLE // values.shape[1])]


def _list_rates(sample: AnyFloats) -> list[float]:
    """Steps per unit that might suit: decimals, the last bits of large and typical values, the first difference."""
    finite = sample[np.isfinite(sample) & (sample != 0)].astype(np.float64)
    if not finite.size:
        return [1.0]
    rates = {10.0**n for n in range(MOST_DECIMALS[sample.dtype] + 1)}
    digits = np.finfo(sample.dtype).nmant
    sizes = np.frexp(np.quantile(np.abs(finite), [0.05, 0.5, 1.0], method="higher"))[1]
    rates |= {math.ldexp(1.0, int(min(max(digits + 1 - size, -60), 100))) for size in sizes}
    rates.add(math.ldexp(1.0, int(min(max(_count_binary_digits(finite), -60), 100))))
    step = (float(finite[-1]) - float(finite[0])) / max(len(finite) - 1, 1)
    if sample.shape[1] == 1 and LOWEST_RATE < abs(step) < HIGHEST_RATE:
        rates |= {abs(1 / step), float(Fraction(abs(1 / step)).limit_denominator(1001))}
    return sorted(rate for rate in rates if LOWEST_RATE <= rate <= HIGHEST_RATE)


def _count_binary_digits(finite: NDArray[np.float64]) -> int:
    """How many binary digits after the point the values have, at most."""
    mantissa, exponent = np.frexp(finite)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    return int((53 - exponent - (np.frexp((whole & -whole).astype(np.float64))[1] - 1)).max())


def _estimate_bits(found: GridSteps) -> float:
    steps = np.diff(found.steps, n=min(2, len(found.steps) - 1), axis=0)
    rest = np.abs(np.where(found.escaped, 2**62, found.rest).astype(np.float64))
    return float(np.log2(1 + np.abs(steps.astype(np.float64))).mean() + (np.log2(1 + rest) + (rest > 0)).mean())


def from_steps(found: GridSteps, dtype: np.dtype[Any]) -> AnyFloats:
    """The mirror of `to_steps`."""
    return unrank_floats(np.where(found.escaped, 0, _rank_grid(found.steps, found.rate, dtype)) + found.rest, dtype)
