"""Logarithms and powers in sixteenths of an octave, against the exact ones."""

from __future__ import annotations

import math

import numpy as np

from posecodec.entropy.fixed_point import EXP16, LOG16, exp16, log16


def test_tables_are_the_rounded_functions() -> None:
    assert LOG16.tolist() == [math.floor(16 * math.log2(1 + i / 16) + 0.5) for i in range(16)]
    assert EXP16.tolist() == np.rint(2 ** (16 + np.arange(16) / 16)).tolist()


def test_log16_is_a_sixteenth_of_an_octave_off_at_most() -> None:
    values = [*range(1, 5000), *(2**n + d for n in range(13, 61) for d in (-1, 0, 1, 2**n // 3))]
    off = [16 * math.log2(v) - log16(v) for v in values]
    assert -1 < min(off) and max(off) < 2


def test_log16_never_falls() -> None:
    found = [log16(v) for v in range(1, 1 << 14)]
    assert found == sorted(found)


def test_exp16_is_two_to_the_sixteenths() -> None:
    for value in range(-2000, 640):
        true = 2.0 ** (value / 16)
        assert true * (1 - 2e-5) - 1 <= exp16(value) <= true * (1 + 2e-5)
    assert all(0 <= exp16(v) < 2**41 for v in (-(10**9), -2000, 640, 2000, 10**9))
