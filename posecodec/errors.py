"""Errors that posecodec raises on purpose, each with the exit code the command line turns it into.

A message says what was found, what was expected, where, and what to do about it.
Programming mistakes are `assert`ions instead and never end up here.
"""

from __future__ import annotations

import re
import sys
import warnings

_UNPRINTABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164"
    "\\ud800-\\udfff\\ufeff\\uffa0\\ufff9-\\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, marks of direction, line separators, half surrogates, and what is invisible and belongs to no word."""


class PosecodecError(Exception):
    """Base of every error a user can cause or meet."""

    exit_code = 1


class UsageError(PosecodecError):
    """The call itself is wrong: an option, an output that exists, a combination that cannot be."""

    exit_code = 2


class InputError(PosecodecError):
    """A pose file or array cannot be understood, or holds values no pose can have."""

    exit_code = 3


class MissingFileError(InputError, FileNotFoundError):
    """There is no file or folder of that name."""


class NoRateError(InputError):
    """A pose file that does not say its frame rate, where one is needed."""


class CorruptError(PosecodecError):
    """A `.posec` file is damaged, cut short, or not a `.posec` file at all."""

    exit_code = 4


class WeightsError(PosecodecError):
    """Weights are missing, damaged, or not the ones that a file was encoded with."""

    exit_code = 5


class DependencyError(PosecodecError):
    """A package is needed that is not installed with posecodec itself."""

    exit_code = 5


class DataWarning(UserWarning):
    """Something in a pose file was changed, left out or guessed while it was read or written: nothing is in silence."""


def name_install(extra: str) -> str:
    """How packages of an extra are installed. The one place that changes once posecodec is in an index.

    >>> name_install("h5")
    "pip install '.[h5]' in a checkout of posecodec"
    """
    return f"pip install '.[{extra}]' in a checkout of posecodec"


def describe_failure(error: Exception) -> str:
    """What went wrong, in a line, whoever raised it.

    >>> describe_failure(OSError(28, "No space left on device", "a.posec"))
    'a.posec: No space left on device; check permissions and space'
    """
    if isinstance(error, PosecodecError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; split the recording, or close other programs"
    if isinstance(error, OSError):
        return f"{error.filename or 'output'}: {error.strerror or error}; check permissions and space"
    return f"{type(error).__name__}: {error}; this is a mistake of posecodec's, please report it"


def make_printable(text: object) -> str:
    r"""A text from a file as one line that does nothing to a terminal and hides nothing on a page.

    Control characters (escapes, line ends), what turns the direction of writing, and half surrogates become escapes.

    >>> print(make_printable("a\x1b[2J\nb"))
    a\x1b[2J\nb
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def report_change(text: str) -> None:
    """Warn with a DataWarning, where posecodec was called from; the command line prints it as a note."""
    warnings.warn(text, DataWarning, stacklevel=_measure_depth())


def report_count(count: int, what: str) -> None:
    """`report_change` of so many of something, unless there are none."""
    if count:
        warnings.warn(f"{count} {what}", DataWarning, stacklevel=_measure_depth())


def _measure_depth() -> int:
    """How many frames above who asks the first one is that is not posecodec's."""
    frame, depth = sys._getframe(2), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "posecodec":
        frame, depth = frame.f_back, depth + 1
    return depth
