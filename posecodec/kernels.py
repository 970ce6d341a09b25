"""Compiled functions: inner loops over numbers, which run without Python's global lock, so that threads share the cores.

What is in them knows no objects of Python: numbers, arrays, named tuples of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays with numba, on first use, cached on disk.

    To type checkers the compiled function takes anything: numba knows the types better than annotations can say them.
    """
    compiled: Callable[..., Any] = njit(cache=True, error_model="numpy", nogil=True)(function)
    return compiled


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is compiled into each that calls it: for those that share the inner loops of several models."""
    compiled: Callable[..., Any] = njit(cache=True, error_model="numpy", nogil=True, inline="always")(function)
    return compiled
