"""One doubt about a recording, and how counts, places, names and lengths are put into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from posecodec.pose.sequence import PoseSequence
from posecodec.typing import Bools

_LONGEST_NAME = 40  # Characters of a name that are shown
_LONGEST_LIST = 4  # Names that are shown of many


@dataclass(frozen=True)
class Finding:
    """kind: a short slug, such as "jumps". text: one line with counts, the first place and the remedy. count: of what
    the text says, at least 1."""

    kind: str
    text: str
    count: int


def say_count(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def name_place(sequence: PoseSequence, frame: Any, person: Any, keypoint: Any = None) -> str:
    return f"frame {frame}, {name_person(sequence, person, keypoint)}"


def name_first(sequence: PoseSequence, mask: Bools) -> str:
    return name_place(sequence, *np.unravel_index(int(mask.argmax()), mask.shape))


def name_person(sequence: PoseSequence, person: Any, keypoint: Any = None) -> str:
    text = f"person {quote_name(sequence.ids[person])}"
    return text if keypoint is None else f"{text}, {quote_name(sequence.skeleton.keypoints[keypoint])}"


def has_listed_people(sequence: PoseSequence) -> bool:
    """Whether there are several people whose ids are but their place in a list, so that following them takes nothing away."""
    numbered = sequence.ids == tuple(map(str, range(sequence.people)))
    stated = any(isinstance(facts, dict) and facts.get("tracked") is True for facts in sequence.metadata.values())
    return sequence.people > 1 and numbered and not stated


def quote_name(text: str) -> str:
    """A name out of a file, safe to print in one line."""
    short = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."
    return short if short.isprintable() else repr(short)


def list_names(names: list[str]) -> str:
    text = ", ".join(quote_name(name) for name in names[:_LONGEST_LIST])
    return text + (f" and {len(names) - _LONGEST_LIST} more" if len(names) > _LONGEST_LIST else "")


def say_amount(sequence: PoseSequence, value: float) -> str:
    return f"{value:.3g} {'units' if sequence.unit == 'unknown' else sequence.unit}"
