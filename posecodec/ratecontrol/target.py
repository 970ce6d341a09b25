"""What an encode is asked for: levels of tokens, an error, a bit rate, or every bit. What a file keeps is a `Guarantee`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from posecodec.errors import UsageError
from posecodec.pose.sequence import UNIT_MM

KINDS = ("quality", "levels", "max-error", "mean-error", "bitrate", "lossless")
"""quality: a mean error of about 1 % of a body's height."""
ERRORS = ("quality", "max-error", "mean-error")  # Those that ask for an error and not for a size or for bits


@dataclass(frozen=True)
class Target:
    """kind: one of KINDS. value: levels; an error; kbit/s; nothing for quality and lossless. unit: of an error, "" for
    that of the recording.

    Raises UsageError for an impossible value.

    >>> Target("max-error", 5, "mm").in_unit("m").value
    0.005
    """

    kind: str = "quality"
    value: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        assert self.kind in KINDS
        if self.unit and self.kind not in ERRORS:
            raise UsageError(f"{self.kind} is {self.value:g}{self.unit}; it has no unit, give a number")
        if self.kind == "levels" and not (self.value >= 1 and float(self.value).is_integer()):
            raise UsageError(f"levels is {self.value:g}; it must be a whole number above 0")
        needs = self.kind not in ("quality", "lossless")
        with np.errstate(over="ignore", under="ignore"):
            single = float(np.float32(self.value))
        if needs and not (math.isfinite(single) and single > 0):
            raise UsageError(f"{self.kind} is {self.value:g}; it must be above 0 and no more than a float32 can be")

    @staticmethod
    def from_options(
        levels: int | None = None, max_error: float | str | None = None, mean_error: float | str | None = None,
        bitrate: float | None = None, lossless: bool = False,
    ) -> Target:  # fmt: skip
        """The one that is given; the default quality if none is. Errors may be lengths such as "5mm".

        Raises UsageError if several are given, a text is no length, or levels or a bit rate are no numbers.
        """
        given = {"levels": levels, "max-error": max_error, "mean-error": mean_error, "bitrate": bitrate}
        if texts := [f"{kind} is {given[kind]!r}" for kind in ("levels", "bitrate") if isinstance(given[kind], str)]:
            raise UsageError(f"{texts[0]}; give a number")
        found = [Target(kind, *parse_length(value)) for kind, value in given.items() if value is not None]
        found += [Target("lossless")] if lossless else []
        if len(found) > 1:
            raise UsageError(f"{' and '.join(target.kind for target in found)} at once; ask for one of them")
        return found[0] if found else Target()

    def in_unit(self, unit: str) -> Target:
        """The same for a recording in this unit. Raises UsageError where a length cannot be had in it."""
        if self.unit in ("", unit):
            return replace(self, unit="")
        if self.unit not in UNIT_MM or unit not in UNIT_MM:
            text = f"{self.value:g}{self.unit}"
            raise UsageError(f"{text!r} where positions are in {unit!r}; give a number in that unit, or state --unit")
        return Target(self.kind, self.value * UNIT_MM[self.unit] / UNIT_MM[unit])


def parse_noise(text: float | str, target: Target, unit: str) -> float | None:
    """A standard deviation in a recording's unit, of a number or a text; None for "auto".

    Raises UsageError where it is no length, or where the target is an error, which would be one against the noisy input.
    """
    if target.kind not in ("quality", "bitrate"):
        raise UsageError(f"denoise and {target.kind} at once: what is taken off is an error too; leave one of them out")
    if text == "auto":
        return None
    noise, said = parse_length(text)
    if not 0 < noise < math.inf:
        raise UsageError(f"denoise is {noise:g}; give the jitter to take off, above 0, such as 2px, or auto")
    return Target("mean-error", noise, said).in_unit(unit).value


def parse_length(text: float | str) -> tuple[float, str]:
    """A length such as "5", "5mm" or "0.2in" as a number and its unit, "" without one. Raises UsageError.

    >>> parse_length("5mm"), parse_length(" 3 "), parse_length(0.5)
    ((5.0, 'mm'), (3.0, ''), (0.5, ''))
    """
    if not isinstance(text, str):
        try:
            return float(text), ""
        except (TypeError, ValueError) as error:
            raise UsageError(f"{text!r} is no number; give one, or a length such as 5mm") from error
    found = re.fullmatch(r"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([a-zA-Z]*)\s*", text)
    if not found or found[2].lower() not in ("", "px", *UNIT_MM):
        raise UsageError(f"{text!r} is no length; give a number and mm, cm, m, in or px, such as 5mm")
    return float(found[1]), found[2].lower()
