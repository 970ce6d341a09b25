"""Vicon Nexus' ASCII exports (`.csv`, `.txt`): read.

Blocks, each of a title, its rate, a line of names, one of axes, one of units, and a row a frame; blank lines between them.
Keypoints are the markers of the block Trajectories; where there is none, the places (TX, TY, TZ) of Segments or Objects,
whose rotations are left out. Other blocks (Devices, Model Outputs, Joints, Events), velocities and accelerations are left
out; a note names them. Leaves out writing. Source: "Export to ASCII" in the documentation of Nexus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Clue, Format, Source, guard_reader, read_bytes
from posecodec.io.parsing import frame_rates, missing, text_tables
from posecodec.io.parsing.marker_rows import MarkerRows, find_mark, find_triples, name_apart, pick_cells, split_cells
from posecodec.io.parsing.markers import UNITS
from posecodec.io.parsing.subjects import place_subjects, split_subjects
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

PLACES = ("trajectories", "segments", "objects")
"""Blocks that hold places, the best first."""
_BLOCKS = (*PLACES, "devices", "model outputs", "joints", "events", "analog", "forces", "force plates", "gait cycle")
_TITLE = re.compile(rf"({'|'.join(_BLOCKS)})(?: *\(.*\))?", re.IGNORECASE)
_SECOND = re.compile(rb"[^\n]*\n\s*\d+(\.\d+)?\s*([,;\t][^\n]*)?\r?\n")

Lines = Iterator[tuple[int, str]]


@dataclass
class _Block:
    """title: in small letters. columns: three for each of the names. lacks: coordinates that are no place."""

    title: str
    rate: float = 0.0
    names: list[str] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    unit: str = "unknown"
    others: int = 0
    rows: MarkerRows = field(default_factory=MarkerRows)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The markers of a Nexus export, in the unit of their columns; which axis is up the file does not say.

    Several subjects are people, as in C3D; of one alone names keep the subject (Anna:LASI). metadata `vicon`:
    `first_frame` where that is not 1.
    fps: instead of the block's, which counts frames that have no row too. Raises InputError where a cell is no number,
    or no block holds places.
    """
    blocks, left = _read_blocks(enumerate(text_tables.decode_lines(read_bytes(path), latin=True), 1))
    found = [block for title in PLACES for block in blocks if block.title == title and block.names]
    if not found:
        held = ", ".join(dict.fromkeys([*(block.title for block in blocks), *left])) or "none"
        raise InputError(f"no block Trajectories with X, Y, Z (there are {held}); export the trajectories in ASCII")
    block = found[0]
    left += [other.title for other in blocks if other is not block]
    if left:
        report_change(f"not kept: the blocks {', '.join(dict.fromkeys(left))}"[:300])
    report_count(block.others, "columns that are no places (rotations, velocities and the like) are left out")
    block.rows.check_count(None, "")
    step, _ = block.rows.find_steps()
    points = missing.mask_infinite(block.rows.place(len(block.names), step))
    missing.report_zeros(points)
    rate = frame_rates.require_rate(block.rate / step if block.rate > 0 else None) if fps is None else fps
    if step > 1 and fps is None:
        report_change(f"there is a row for every {step} frames of {block.rate:g} a second; the rate is {rate:g}")
    first = int(block.rows.numbers[0])
    metadata = {"source_format": "vicon"} | ({"vicon": {"first_frame": first}} if first != 1 else {})
    subjects = split_subjects(block.names)
    return PoseSequence.from_arrays(
        place_subjects(points[:, 0], subjects), fps=rate, skeleton=build_skeleton(subjects.keypoints), unit=block.unit,
        ids=subjects.ids, metadata=metadata,
    )  # fmt: skip


def _read_blocks(lines: Lines) -> tuple[list[_Block], list[str]]:
    """The blocks that may hold places, and the titles of the others."""
    blocks, left = list[_Block](), list[str]()
    for _, line in lines:
        title = _TITLE.fullmatch(line.strip().strip(",;\t").strip('" '))
        if title is None:
            continue
        name = title[1].lower()
        if name not in PLACES:
            left.append(title[1])
            continue
        block = _Block(name)
        _read_header(block, lines)
        blocks.append(block)
    return blocks, left


def _read_header(block: _Block, lines: Lines) -> None:
    """The rate, the names and the axes of a block, and all its rows."""
    at, text = next(lines, (0, ""))
    block.rate = text_tables.parse_number(re.split(r"[,;\t]", text.strip())[0], at, "the block's rate")
    _, text = next(lines, (at, ""))
    at, axes = next(lines, (at, ""))
    mark = find_mark(axes)
    names, cells = split_cells(text, mark), [cell.upper() for cell in split_cells(axes, mark)]
    if cells[0] != "FRAME":
        raise InputError(f"line {at} is {axes.strip()!r:.60}; Frame, Sub Frame and the axes were expected")
    at, units = next(lines, (at, ""))
    first = split_cells(units, mark)
    begins = first[0] == ""
    keys = _spread_names(names, len(cells))
    places = [cell[1:] if cell in ("TX", "TY", "TZ") else cell for cell in cells]
    found = find_triples(keys, places)
    block.names = name_apart([str(name) for name in found])
    block.columns = [column for columns in found.values() for column in columns]
    block.others = len([cell for cell in cells[2:] if cell]) - len(block.columns)
    spelled = {first[column].lower() for column in block.columns if begins and column < len(first)}
    block.unit = UNITS.get(spelled.pop(), "unknown") if len(spelled) == 1 else "unknown"
    block.rows = MarkerRows(comma=mark != ",")
    if not begins:
        _add_row(block, mark, at, units)
    for at, line in lines:
        if not _add_row(block, mark, at, line):
            return


def _add_row(block: _Block, mark: str, at: int, line: str) -> bool:
    """Whether a line is a row, and no blank line that ends the block."""
    cells = split_cells(line, mark)
    if not any(cells):
        return False
    if len(cells) > 1 and cells[1] not in ("", "0"):
        raise InputError(f"line {at} is sub frame {cells[1]!r:.20}; places have one row a frame, export them alone")
    is_ended = line.endswith("\n")
    block.rows.add(at, cells[0], None, pick_cells(cells, block.columns, at, is_ended), is_ended)
    return True


def _spread_names(names: list[str], width: int) -> list[tuple[int, str] | str]:
    """A key for each column: the name at it, or at the last one before that has one."""
    keys: list[tuple[int, str] | str] = []
    name = ""
    for column in range(width):
        name = names[column] if column < len(names) and names[column] else name
        keys.append(name)
    return keys


def _sniff(file: Source) -> Clue | None:
    """A title, and a rate below it."""
    line = file.first_line.decode("latin-1").strip(",;\t").strip('" ')
    if _TITLE.fullmatch(line) and _SECOND.match(file.head.lstrip(b"\xef\xbb\xbf \r\n")):
        return Clue(f"the block {line} it begins with")
    return None


FORMAT = Format(
    name="vicon", title="Vicon Nexus ASCII export", suffixes=(".csv", ".txt", ".tsv"), read=read,
    read_only="Nexus' ASCII exports are only read", sniff=_sniff,
)  # fmt: skip
