"""Which frames of whom are asked for: `@part_options` above a command gives it a `Part`."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from posecodec.errors import UsageError

if TYPE_CHECKING:
    from posecodec.bitstream.header import Header

_TIME = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?)")
_FRAMES = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class Part:
    """start, end: seconds from the first frame. frames: first and the one after last. people: ids, or none for all."""

    start: float = 0.0
    end: float = math.inf
    frames: tuple[int | None, int | None] | None = None
    people: tuple[str, ...] = ()

    def find_frames(self, header: Header) -> slice:
        """The frames in a file. Raises UsageError where both frames and times were given."""
        if self.frames is None:
            return header.find_frames(self.start, self.end)
        if (self.start, self.end) != (0.0, math.inf):
            raise UsageError("give either --frames or --start and --end")
        return slice(*self.frames)


def parse_time(text: str) -> float:
    """Seconds of a time. Raises UsageError.

    >>> parse_time("00:10:05.5"), parse_time("2:00"), parse_time("90")
    (605.5, 120.0, 90.0)
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no time; give one such as 00:10:05, 10:05.5 or 605 (seconds from the beginning)")
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def parse_frames(text: str) -> tuple[int | None, int | None]:
    """First frame and the one after the last, as in Python. Raises UsageError.

    >>> parse_frames("1000:1300"), parse_frames("1000:")
    ((1000, 1300), (1000, None))
    """
    found = _FRAMES.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no range of frames; give the first and the one after the last, as in 1000:1300")
    first, stop = (int(number) if number else None for number in found.groups())
    return first, stop


def _parse_with(parse: Callable[[str], Any], default: Any) -> Callable[..., Any]:
    return lambda context, option, text: default if text is None else parse(text)


_OPTIONS = (
    click.option(
        "--start", metavar="TIME", callback=_parse_with(parse_time, 0.0), help="From there: 00:10:00, 90, ..."
    ),
    click.option("--end", metavar="TIME", callback=_parse_with(parse_time, math.inf), help="Up to there."),
    click.option(
        "--frames", metavar="A:B", callback=_parse_with(parse_frames, None), help="Frames A to B - 1, from 0 on."
    ),
    click.option(
        "--person", "people", metavar="ID", multiple=True, help="Only this person; may be given several times."
    ),
)


def part_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which part of a file is decoded; the command gets them as one `part`."""

    @functools.wraps(command)
    def wrapped(*, start: float, end: float, frames: Any, people: tuple[str, ...], **others: Any) -> None:
        command(part=Part(start, end, frames, people), **others)

    return functools.reduce(lambda inner, option: option(inner), reversed(_OPTIONS), wrapped)
