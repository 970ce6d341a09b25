"""What an encode is asked for: levels of tokens, an error, a bit rate, or every bit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from posecodec.errors import UsageError
from posecodec.pose.sequence import UNIT_MM

KINDS = ("quality", "levels", "max-error", "mean-error", "bitrate", "lossless")


@dataclass(frozen=True)
class Goal:
    """kind: one of KINDS. value: levels; an error in the recording's unit; kbit/s; nothing for quality and lossless.

    Raises UsageError for an impossible value.
    """

    kind: str = "quality"
    value: float = 0.0

    def __post_init__(self) -> None:
        assert self.kind in KINDS
        if self.kind == "levels" and self.value < 1:
            raise UsageError(f"levels is {self.value:g}; it must be a whole number above 0")
        needs = self.kind not in ("quality", "lossless")
        with np.errstate(over="ignore", under="ignore"):
            single = float(np.float32(self.value))
        if needs and not (math.isfinite(single) and single > 0):
            raise UsageError(f"{self.kind} is {self.value:g}; it must be above 0 and no more than a float32 can be")

    @staticmethod
    def of(
        levels: int | None = None,
        max_error: float | None = None,
        mean_error: float | None = None,
        bitrate: float | None = None,
        lossless: bool = False,
    ) -> Goal:
        """The one goal that is given; the default quality if none is. Raises UsageError if several are."""
        given = {"levels": levels, "max-error": max_error, "mean-error": mean_error, "bitrate": bitrate}
        chosen = [Goal(kind, float(value)) for kind, value in given.items() if value is not None]
        chosen += [Goal("lossless")] if lossless else []
        if len(chosen) > 1:
            raise UsageError(f"{' and '.join(goal.kind for goal in chosen)} at once; ask for one of them")
        return chosen[0] if chosen else Goal()


def length(text: str, unit: str) -> float:
    """A length such as "5", "5mm" or "0.2in" in a unit; without one it is in that unit already. Raises UsageError.

    >>> length("5mm", "m"), length("3", "px")
    (0.005, 3.0)
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-z]*)\s*", text)
    try:
        value = float(found.group(1)) if found else math.nan
    except ValueError:
        value = math.nan
    stated = found.group(2) if found else ""
    if math.isnan(value) or (stated and stated != "px" and stated not in UNIT_MM):
        raise UsageError(f"{text!r} is no length; give a number and mm, cm, m, in or px, such as 5mm")
    if not stated or stated == unit:
        return value
    if stated not in UNIT_MM or unit not in UNIT_MM:
        raise UsageError(f"{text!r} where positions are in {unit!r}; give a number in that unit, or state --unit")
    return value * UNIT_MM[stated] / UNIT_MM[unit]
