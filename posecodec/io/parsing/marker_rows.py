"""Rows of marker tables: a frame number, a time, and three coordinates of every marker. Knows no format.

Numbers are kept as float64. Rows may end early (the markers not reached are missing there) or go on (unnamed trajectories).
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, report_change, report_count
from posecodec.io.parsing import frame_rates, missing
from posecodec.io.parsing.text_tables import count_decimals, format_plain, parse_number, parse_whole
from posecodec.typing import Floats, Ints

MILLISECONDS = 3  # Decimals that times are rounded to, at the coarsest, by programs that fill them up: "0.017000"
FEWEST = 3  # times that say a rate against the one stated
PARTS_OF_SECOND = (1e-3, 1e-6)  # of times that are not in seconds: ms, microseconds
_MAX_OFF = 1e-6  # seconds that a time may be off beside its last digit: float arithmetic


class MarkerRows:
    """Rows as they are added. comma: whether numbers may have decimal commas.

    numbers (N,): of the frames. times (N,): in seconds, NaN where there is none. decimals: of the times.
    """

    def __init__(self, comma: bool = False) -> None:
        self.comma = comma
        self.decimals = 0
        self._used = MILLISECONDS  # Decimals of the times but for zeros that fill a column
        self._numbers, self._times, self._values = array("q"), array("d"), array("d")
        self._widths = array("q")
        self._last: Sequence[str] = ()
        self._before: Sequence[str] = ()
        self._is_ended = True

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def numbers(self) -> Ints:
        """(N,)."""
        return np.array(self._numbers, np.int64)

    @property
    def times(self) -> Floats:
        """(N,)."""
        return np.array(self._times, np.float64)

    def add(self, at: int, number: str | int, time: str | None, cells: Sequence[str], is_ended: bool = True) -> None:
        """A row of line `at`: the cells of its frame number, its time and its coordinates. is_ended: by a line end."""
        number = number if isinstance(number, int) else parse_whole(self._point(number), at, "the frame's number")
        self._numbers.append(number)
        time = self._point(time or "")
        self._times.append(parse_number(time, at, "the time"))
        self.decimals = max(self.decimals, count_decimals(time))
        self._used = max(self._used, count_decimals(time.rstrip("0")))
        self._values.extend([parse_number(self._point(cell), at) for cell in cells])
        self._widths.append(len(cells))
        self._before, self._last, self._is_ended = self._last, cells, is_ended

    def check_count(self, stated: int | None, key: str) -> None:
        """Report where the file states another number of rows; raises InputError where it has none, or was cut short."""
        if not len(self) or (stated is not None and len(self) < stated and self._looks_cut()):
            what = f"{key} is {stated}, {len(self)} rows follow" if stated is not None else "no rows follow the header"
            raise InputError(f"{what}; the file is cut short or damaged")
        if stated not in (None, len(self)):
            report_change(f"{key} says {stated}, {len(self)} rows are there")

    def _looks_cut(self) -> bool:
        """Whether the last line has no end, and fewer digits in its last cell than the line before it."""
        if self._is_ended or not self._last or not self._before:
            return False
        same = self._before[min(len(self._last), len(self._before)) - 1]
        return len(self._last[-1].partition(".")[2]) < len(same.partition(".")[2])

    def _point(self, cell: str) -> str:
        return cell.replace(",", ".") if self.comma and "." not in cell else cell

    @property
    def width(self) -> int:
        """Cells of the longest row."""
        return max(self._widths, default=0)

    def place(self, keypoints: int, step: int) -> NDArray[np.float64]:
        """(T, 1, K, 3) from the first number to the last, NaN where nothing was given.

        keypoints: K. step: from number to number. Raises InputError where the numbers are out of all proportion.
        """
        numbers, width = self.numbers, 3 * keypoints
        index = (numbers - numbers[0]) // step
        rows, count = len(index), int(index[-1]) + 1
        if missing.is_mostly_missing(count * width, len(self._values)):
            what = f"frames {numbers[0]} to {numbers[-1]}, but only {rows} rows of up to {self.width} coordinates"
            raise InputError(f"{what}; split the recording")
        report_count(count - rows, "frames between the first and the last are not in it; all is missing there")
        values = np.frombuffer(self._values, np.float64)
        if count == rows and len(values) == rows * width:
            return values.reshape(rows, 1, keypoints, 3)
        points = np.full((count, width), np.nan)
        starts = np.concatenate([[0], np.cumsum(self._widths)])
        for row, start, end in zip(index.tolist(), starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            points[row, : end - start] = values[start:end][:width]
        return points.reshape(count, 1, keypoints, 3)

    def find_steps(self) -> tuple[int, list[list[int]]]:
        """The difference of frame numbers, and the runs [first, last] of those without a row."""
        numbers = self.numbers
        steps = np.diff(numbers)
        if (steps <= 0).any():
            at = int(np.argmax(steps <= 0))
            raise InputError(f"frame {numbers[at + 1]} follows frame {numbers[at]}; number the rows upwards")
        step = int(steps[0]) if len(steps) > 1 and (steps == steps[0]).all() else 1
        return step, [[int(numbers[i]) + 1, int(numbers[i + 1]) - 1] for i in np.flatnonzero(steps != step)]

    def choose_rate(self, stated: float | None, step: int, key: str) -> float | None:
        """Frames per second: those stated, unless all times say others. None where nothing tells.

        key: what the statement is called, in reports.
        """
        times, index = self.times, (self.numbers - self.numbers[0]) / step
        if not np.isfinite(times).all() or not len(times):
            return stated
        if stated is not None:
            for second in (1.0, *PARTS_OF_SECOND):
                off = self._measure_off(times * second, index, stated, second)
                if not (off > 0).any():
                    if second != 1 and len(times) > 1:
                        report_change(f"the times are in {'ms' if second == PARTS_OF_SECOND[0] else 'microseconds'}")
                    return stated
        said = frame_rates.find_regular_rate(times, index, self.decimals) if len(times) >= FEWEST else None
        if said is None and stated is not None:
            self._report_off(times, index, stated)
        elif said is not None:
            plain = format_plain(said)
            if stated is None:
                report_change(f"{key} states no rate; the times are those of {plain} frames per second")
            else:
                remedy = f"pass --fps {format_plain(stated)} if the times are wrong"
                what = f"{key} is {format_plain(stated)}, but all times are those of {plain} frames per second"
                report_change(f"{what}, which are taken; {remedy}")
        return stated if said is None else said

    def _measure_off(self, times: Floats, index: Floats, rate: float, second: float = 1.0) -> Floats:
        """(N,) seconds by which times are further from those of a rate than their digits leave open."""
        with np.errstate(all="ignore"):
            off: Floats = np.abs(times - times[0] - index / rate)
        allowed = frame_rates.LAST_DIGIT * second * 10.0 ** -min(self.decimals, self._used) + _MAX_OFF * second
        return np.where(off <= allowed, 0.0, np.maximum(np.nan_to_num(off, nan=math.inf), allowed))

    def _report_off(self, times: Floats, index: Floats, rate: float) -> None:
        wrong = np.flatnonzero(self._measure_off(times, index, rate))
        rule = f"those of {format_plain(rate)} frames per second"
        first = f"the first is {times[wrong[0]]:g} s, of frame {self.numbers[wrong[0]]}"
        report_change(f"{len(wrong)} times differ from {rule} ({first}); the rate is followed")


def name_apart(names: Sequence[str]) -> list[str]:
    """The names, with #2, #3, ... after those that were there before; reports how many."""
    taken: dict[str, int] = {}
    found: list[str] = []
    everything = set(names)
    for name in names:
        number = taken.get(name, 0) + 1
        other = name
        while number > 1 and (other := f"{name}#{number}") in everything:
            number += 1
        taken[name] = number
        everything.add(other)
        found.append(other)
    report_count(sum(a != b for a, b in zip(names, found, strict=True)), "names are there before; they get #2, #3, ...")
    return found


def find_mark(text: str) -> str:
    """What is between the cells of a line: a tab, semicolon or comma; empty where only blanks are."""
    return next((mark for mark in "\t;," if mark in text), "")


def split_cells(text: str, mark: str) -> list[str]:
    """The cells of a line, between blanks if there is no mark. Quotes of a spreadsheet are taken off."""
    text = text.rstrip("\r\n")
    if '"' in text and mark:
        try:
            return [cell.strip() for cell in next(csv.reader([text], delimiter=mark), [])]
        except csv.Error as error:
            raise InputError(f"{text!r:.60} is no line of a table ({error}); export it again") from error
    return [cell.strip() for cell in (text.split(mark) if mark else text.split() or [""])]


def find_triples(keys: Sequence[Hashable], axes: Sequence[str]) -> dict[Hashable, tuple[int, ...]]:
    """Columns of x, y, z of each key, in order of appearance. axes: per column "X", "Y", "Z"; others are no coordinates.

    Keys without all three are left out.
    """
    found: dict[Hashable, dict[str, int]] = {}
    for column, (key, axis) in enumerate(zip(keys, axes, strict=False)):
        if axis in ("X", "Y", "Z"):
            found.setdefault(key, {}).setdefault(axis, column)
    return {key: tuple(of[axis] for axis in "XYZ") for key, of in found.items() if len(of) == 3}


def pick_cells(cells: Sequence[str], columns: Sequence[int], at: int, is_ended: bool) -> list[str]:
    """The cells of some columns, empty where a row ends early. Raises InputError where it ends within a line cut short."""
    if not is_ended and columns and len(cells) <= max(columns):
        raise InputError(
            f"line {at} has {len(cells)} cells, {max(columns) + 1} were expected; it is cut short or damaged"
        )
    return [cells[column] if column < len(cells) else "" for column in columns]
