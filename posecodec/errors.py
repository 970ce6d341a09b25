"""Errors that posecodec raises on purpose, each with the exit code the command line turns it into.

A message says what was found, what was expected, where, and what to do about it.
Programming mistakes are `assert`ions instead and never end up here.
"""

from __future__ import annotations


class PosecodecError(Exception):
    """Base of every error a user can cause or meet."""

    exit_code = 1


class UsageError(PosecodecError):
    """The call itself is wrong: an option, an output that exists, a combination that cannot be."""

    exit_code = 2


class InputError(PosecodecError):
    """A pose file or array cannot be understood, or holds values no pose can have."""

    exit_code = 3


class CorruptError(PosecodecError):
    """A `.posec` file is damaged, cut short, or not a `.posec` file at all."""

    exit_code = 4


class WeightsError(PosecodecError):
    """Weights are missing, damaged, or not the ones that a file was encoded with."""

    exit_code = 5
