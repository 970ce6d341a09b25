"""Bodies of detections as columns: frame numbers, ids and coordinates in arrays, a few bytes for each number of the file.

Shared by formats that list bodies one after the other. Knows no format.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError
from posecodec.typing import Floats

_NO_ID = -1
Ints = NDArray[np.int64]


class BodyTable:
    """Bodies in the order of the file, each with its frame's number, its id if it has one, and as many numbers as the others.

    >>> table = BodyTable()
    >>> table.add(7, "a", [1, 2, 0.5])
    >>> table.frames, table.values(3)
    (array([7]), array([[[1. , 2. , 0.5]]]))
    """

    def __init__(self) -> None:
        self.width = 0
        """Numbers of a body; 0 while there is none."""
        self._frames, self._keys, self._values = array("q"), array("q"), array("d")
        self._codes: dict[str, int] = {}
        self._empty: set[int] = set()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: int, key: str | None, numbers: Iterable[float], where: str = "a body") -> None:
        """One body more. Raises InputError, with `where` in front, if it has another count of numbers than the first."""
        before = len(self._values)
        try:
            self._values.extend(numbers)
        except OverflowError as error:
            raise InputError(f"{where} holds a number beyond any float; export it again") from error
        width = len(self._values) - before
        self.width = self.width or width
        if width != self.width:
            raise InputError(f"{where} has {width} numbers, the first has {self.width}; split the file")
        self._frames.append(frame)
        self._keys.append(_NO_ID if key is None else self._codes.setdefault(key, len(self._codes)))

    def add_empty(self, frame: int) -> None:
        """A frame that is there, whether or not it has bodies."""
        self._empty.add(frame)

    def has_frame(self, frame: int) -> bool:
        """Whether `add_empty` has noted a frame."""
        return frame in self._empty

    def renumber(self, frames: Iterable[int]) -> None:
        """Other frame numbers for the bodies, one for each in their order."""
        self._frames = array("q", frames)

    def replace_values(self, values: Floats) -> None:
        """(N, K, C) other numbers for the bodies."""
        self.width = values.shape[1] * values.shape[2]
        self._values = array("d")
        if values.size:
            self._values.frombytes(np.ascontiguousarray(values, np.float64).data.cast("B"))

    @property
    def frames(self) -> Ints:
        """(N,) frame numbers of the bodies."""
        return np.array(self._frames, np.int64)

    def list_frames(self) -> Ints:
        """The numbers of all frames that there are, with or without bodies, in order."""
        return np.unique(np.concatenate([self.frames, np.fromiter(self._empty, np.int64)]))

    def values(self, columns: int) -> Floats:
        """(N, K, columns) the numbers of all bodies; a copy."""
        shape = (len(self), self.width // columns, columns)
        return np.array(self._values, np.float64).reshape(shape)

    def count_known(self) -> int:
        """How many bodies have an id."""
        return int((self._coded() != _NO_ID).sum())

    def repeats_ids(self) -> bool:
        """Whether some frame has an id twice."""
        frames, keys = self.frames, self._coded()
        order = np.lexsort((keys, frames))
        return bool(((np.diff(frames[order]) == 0) & (np.diff(keys[order]) == 0)).any())

    def number_by_id(self) -> tuple[Ints, tuple[str, ...]]:
        """(N,) the person that each body is, and the ids of the people in order of appearance; all bodies have ids."""
        order = np.argsort(self.frames, kind="stable")
        keys = self._coded()
        found, first = np.unique(keys[order], return_index=True)
        people = np.empty(len(self._codes), np.int64)
        people[found[np.argsort(first)]] = np.arange(len(found))
        names = list(self._codes)
        return people[keys], tuple(names[code] for code in found[np.argsort(first)])

    def number_by_order(self) -> tuple[Ints, tuple[str, ...]]:
        """(N,) the place of each body among those of its frame, and names of the places: 0, 1, ..."""
        order = np.argsort(self.frames, kind="stable")
        starts = np.flatnonzero(np.diff(self.frames[order], prepend=-1))
        sizes = np.diff(starts, append=len(order))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order)) - np.repeat(starts, sizes)
        return places, tuple(map(str, range(int(sizes.max(initial=0)))))

    def _coded(self) -> Ints:
        return np.array(self._keys, np.int64)
