"""Which of some names are meant: by name, number, mask or slice. The same wherever keypoints or people are asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

from posecodec.errors import UsageError

Choice = Sequence[str | int] | slice | str | int
"""Names, and numbers as of a list; or a mask of as many booleans as there are names, a slice, a single name or number."""
_NAMED = 8  # Names that are listed where none is like the one that is asked for


def find_places(chosen: Choice, names: Sequence[str], what: str) -> list[int]:
    """The places among names of those that are chosen, in the order given. what: such as "keypoint".

    Raises UsageError for one that is not there, with names like it, and for a mask of another length.

    >>> find_places(["b", -3], "abc", "person"), find_places([False, True, True], "abc", "person")
    ([1, 0], [1, 2])
    """
    if isinstance(chosen, slice):
        return list(range(len(names))[chosen])
    several = list(chosen) if isinstance(chosen, Iterable) and not isinstance(chosen, str) else [chosen]
    marks = [isinstance(each, bool | np.bool_) for each in several]
    if not any(marks):
        return [_find(each, names, what) for each in several]
    if not all(marks) or len(marks) != len(names):
        raise UsageError(
            f"a mask of {len(marks)} where there are {len(names)} (each a {what}); give one boolean for each"
        )
    return [place for place, is_chosen in enumerate(several) if is_chosen]


def _find(wanted: object, names: Sequence[str], what: str) -> int:
    if isinstance(wanted, str) and wanted in names:
        return names.index(wanted)
    if isinstance(wanted, int | np.integer) and -len(names) <= wanted < len(names):
        return int(wanted) % len(names)
    near = difflib.get_close_matches(str(wanted), names) or list(names[:_NAMED])
    raise UsageError(f"no {what} {wanted!r} among {len(names)}; there are {', '.join(near)}")
