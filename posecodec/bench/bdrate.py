"""Bjontegaard delta rate: how much more or less a method needs than another at equal error, in one number.

Log rate over log error, interpolated by monotone piecewise cubics and averaged over the errors that both curves reach.
It says nothing of where in the range a method gains; that is what the figure is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecodec.errors import InputError
from posecodec.typing import Floats

RANGE_MM = (2.0, 40.0)  # Errors (global MPJPE, mm) that are averaged over unless told otherwise
_FEWEST = 4  # Points of a curve: fewer say little of its course (VCEG-M33 takes four)
_SAMPLES = 2000  # Errors at which the difference is sampled; twice as many change no printed digit


@dataclass(frozen=True)
class Delta:
    """percent: mean difference of rate, negative where the method needs less. low, high: the errors averaged over."""

    percent: float
    low: float
    high: float


def bd_rate(
    reference: tuple[Floats, Floats], other: tuple[Floats, Floats], limits: tuple[float, float] = RANGE_MM
) -> Delta | None:
    """Mean % difference of `other`'s rate from the reference's at equal error, or None where no error is common to both.

    Each curve is (rates, errors), of equal length, in any order and in any unit that both share. limits: the errors to
    stay within. Source: Bjontegaard 2001 (VCEG-M33), with monotone piecewise cubics in place of one cubic and log error in
    place of PSNR. Raises InputError for fewer than 4 points, values that are not above 0, or an error that repeats.

    >>> rate, error = np.array([1.0, 2, 4, 8]), np.array([30.0, 20, 10, 5])
    >>> round(bd_rate((rate, error), (rate / 2, error)).percent, 6)
    -50.0
    """
    first, second = _sort_curve(*reference), _sort_curve(*other)
    low = max(first[0][0], second[0][0], np.log(limits[0]))
    high = min(first[0][-1], second[0][-1], np.log(limits[1]))
    if not low < high:
        return None
    at = low + (high - low) * (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    mean = (interpolate_pchip(*second, at) - interpolate_pchip(*first, at)).mean()
    return Delta(100 * float(np.expm1(mean)), float(np.exp(low)), float(np.exp(high)))


def interpolate_pchip(x: Floats, y: Floats, at: Floats) -> Floats:
    """Monotone piecewise cubic through (x, y), x increasing, at values within x.

    Fritsch & Butland 1984, with their three-point end slopes: what SciPy's PchipInterpolator does.

    >>> x = np.array([0.0, 1, 2, 3])
    >>> interpolate_pchip(x, x, np.array([0.5, 2.25]))
    array([0.5 , 2.25])
    """
    slopes = _find_slopes(x, y)
    i = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    width = x[i + 1] - x[i]
    t = (at - x[i]) / width
    from_left = (1 + 2 * t) * (1 - t) ** 2 * y[i] + t * (1 - t) ** 2 * width * slopes[i]
    return from_left + t**2 * (3 - 2 * t) * y[i + 1] + t**2 * (t - 1) * width * slopes[i + 1]


def _find_slopes(x: Floats, y: Floats) -> Floats:
    """Weighted harmonic mean of the neighboring secants, 0 where they differ in sign."""
    h, secant = np.diff(x), np.diff(y) / np.diff(x)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    same = secant[:-1] * secant[1:] > 0
    a, b = np.where(same, secant[:-1], 1.0), np.where(same, secant[1:], 1.0)
    inner = np.where(same, (w1 + w2) / (w1 / a + w2 / b), 0.0)
    return np.concatenate([[_find_end_slope(h, secant)], inner, [_find_end_slope(h[::-1], secant[::-1])]])


def _find_end_slope(h: Floats, secant: Floats) -> float:
    """Three-point slope at the first point, kept from overshooting."""
    slope = ((2 * h[0] + h[1]) * secant[0] - h[0] * secant[1]) / (h[0] + h[1])
    if slope * secant[0] <= 0:
        return 0.0
    turns = secant[0] * secant[1] <= 0
    return float(3 * secant[0] if turns and abs(slope) > abs(3 * secant[0]) else slope)


def _sort_curve(rates: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Log error, increasing, and log rate."""
    rate, error = np.asarray(rates, np.float64), np.asarray(errors, np.float64)
    if rate.ndim != 1 or rate.shape != error.shape or len(rate) < _FEWEST:
        raise InputError(f"a curve has shapes {rate.shape} and {error.shape}; give at least {_FEWEST} rates and errors")
    if not (np.isfinite(rate) & np.isfinite(error) & (rate > 0) & (error > 0)).all():
        raise InputError("a rate or an error is not a number above 0; leave lossless points out")
    order = np.argsort(error)
    if (np.diff(error[order]) <= 0).any():
        raise InputError("two points have the same error; give settings that differ in effect")
    return np.log(error[order]), np.log(rate[order])
