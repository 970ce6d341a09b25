"""Compiled functions: inner loops over numbers, which run without Python's global lock, so that threads share the cores.

What is in them knows no objects of Python: numbers, arrays, named tuples of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from posecodec.kernel_cache import attach_cache


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays with numba, on first use, and keep it on disk (`kernel_cache`).

    It makes no arrays of its own, so that numba need not count who refers to which: in loops over symbols that takes longer
    than all else. To type checkers the compiled function takes anything: numba knows the types better than annotations can
    say them.
    """
    return _compile(function, _nrt=False)


def allocating_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that makes arrays; what it does for every number is better left to a plain one."""
    return _compile(function, _nrt=True)


def short_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of a symbol or a row, which keeps Python's lock: between threads, to give it away costs more than to run."""
    return _compile(function, nogil=False, _nrt=False)


def inlined_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that is compiled into each that calls it: for those that share the inner loops of several models."""
    return _compile(function, inline="always")


def _compile(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    compiled: Callable[..., Any] = njit(error_model="numpy", **{"nogil": True, **options})(function)
    if compiled is not function:  # as it is with NUMBA_DISABLE_JIT=1
        attach_cache(compiled)
    return compiled
