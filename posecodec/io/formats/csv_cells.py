"""The text of a table as rows of cells with their line numbers, and its comments. Knows not what a column means.

A comment right above numbers that has as many cells as they is their header, as NumPy's `savetxt(header=...)` writes it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from posecodec.errors import InputError
from posecodec.io.formats.csv_comments import KEYS, decode_comment
from posecodec.io.parsing.text_tables import EMPTY, decode_lines, parse_number

Row = tuple[int, list[str]]
"""Line number and cells."""


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """comments: by key of KEYS. first: the header, or a row of numbers. comma: whether numbers may have decimal commas."""

    comments: dict[str, Any]
    first: Row
    rows: Iterator[Row]
    comma: bool


class _Lines:
    """The lines of a table without comments, and the number of the one given last."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.at = lines, 0
        self.comments: dict[str, tuple[int, str]] = {}
        self.before = True
        self.above: tuple[int, str] = (0, "")
        """The comment right above the first line, without its mark."""

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.at += 1
            if line.startswith("#"):
                self.above = (self.at, line.lstrip("#").strip()) if self.before else self.above
                key, colon, value = line[1:].partition(":")
                if colon and self.before and key.strip() in KEYS:
                    self.comments[key.strip()], self.above = (self.at, value.strip()), (0, "")
            elif line.strip():
                self.before = False
                yield line


def read_table(data: bytes) -> Table:
    """The table in the bytes of a file; its rows are read as they are asked for."""
    lines = _Lines(decode_lines(data))
    content = iter(lines)
    start = next(content, "")
    delimiter = ""
    if start.lower().startswith("sep=") and len(start.strip()) == 5:  # a hint to Excel
        delimiter, start = start[4], next(content, "")
    if not start.strip():
        raise InputError(f"no line but comments among {lines.at}; export the table again")
    bare = "".join(start.split('"')[::2])  # what is outside quotes
    delimiter = delimiter or next((mark for mark in "\t;," if mark in bare), " " if len(bare.split()) > 1 else ",")
    cells = csv.reader(chain([start], content), delimiter=delimiter, skipinitialspace=delimiter == " ")
    rows = _number_rows(cells, lines)
    first = next(rows, (lines.at, [""]))
    if header := _find_header(lines.above, first[1], delimiter):
        first, rows = header, chain([first], rows)
    comments = {key: decode_comment(key, *found) for key, found in lines.comments.items()}
    return Table(comments, first, rows, delimiter != ",")


def _find_header(above: tuple[int, str], cells: list[str], delimiter: str) -> Row | None:
    """The comment above a first line of numbers as a row, where it names its columns."""
    at, text = above
    named = [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])]
    fits = len(named) == len(cells) > 1 and len({*named} - {""}) == len(named)
    return (at, named) if fits and is_numbers(cells) and not is_numbers(named) else None


def _number_rows(cells: Iterator[list[str]], lines: _Lines) -> Iterator[Row]:
    try:
        for row in cells:
            yield lines.at, row
    except csv.Error as error:
        raise InputError(f"line {lines.at} is no CSV ({error}); export it again") from error


def is_numbers(cells: Sequence[str]) -> bool:
    """Whether a first line is a row of numbers rather than a header."""
    filled = [cell.strip().replace(",", ".") for cell in cells if cell.strip().lower() not in EMPTY]
    try:
        return bool([float(cell) for cell in filled])
    except ValueError:
        return False


def fit_cells(cells: list[str], width: int, line: int) -> list[str]:
    """The cells of a row without empty ones beyond the header's. Raises InputError if they are too few or too many."""
    if len(cells) >= width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width]
    raise InputError(f"line {line} has {len(cells)} cells, the first line {width}; the file is cut short or damaged")


def parse_cell(cell: str, line: int, comma: bool) -> float:
    """The number in a cell, NaN where it is empty."""
    return parse_number(cell.replace(",", ".") if comma and "." not in cell else cell, line)
