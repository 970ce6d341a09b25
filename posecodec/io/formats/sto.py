"""OpenSim's tables of markers (`.sto`, `.mot`): read and written.

A title, lines KEY=VALUE, `endheader`, a line of names that begins with time, and a row a frame. Markers are cells "x,y,z"
(DataType=Vec3), or three columns each: NAME_tx NAME_ty NAME_tz (marker locations), NAME_X NAME_Y NAME_Z (places of bodies,
whose NAME_Ox ... are left out), NAME_1 NAME_2 NAME_3 (flattened tables), NAME_x NAME_y NAME_z. y is up, as everywhere in
OpenSim, and lengths are meters unless `units` says otherwise. Tables of angles, forces, muscles or rotations hold no places
and are refused. Written are Vec3 tables, as TimeSeriesTableVec3 reads them. Source: "Storage (.sto) Files" in OpenSim's
documentation.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.parsing import frame_rates, markers, missing, text_tables
from posecodec.io.parsing.marker_rows import MarkerRows, find_triples, name_apart, pick_cells
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import build_skeleton

_STYLES = tuple(
    re.compile(rf"(.+?){between}({axes})")
    for between, axes in (("_t", "[xyz]"), ("_", "[XYZ]"), ("_", "[123]"), ("_", "[xyz]"), (r"\.", "[xyz]"))
)
"""How names of columns end where three of them are one marker."""
_AXIS = dict(zip("xyzXYZ123", "XYZXYZXYZ", strict=True))
_NO_PLACES = re.compile(r"ground_|force|_v[xyz]?$|moment|torque|grf|_p[xyz]$", re.IGNORECASE)
_MOST_LEFT = (
    1  # Columns that are no places, for one that is: body kinematics have an angle for each, joint angles 7 and more
)
_RATES_OF_CHANGE = re.compile(r"velocit|accelerat", re.IGNORECASE)  # In titles of body kinematics
_MAX_HEADER = 1000  # lines of a header that are believed
_FILLED = re.compile(r"([^,;\t]+?)([,;])\2*\s*")  # A line of the header, filled up to the width of the table
_REMEDY = "give a table of places: the .trc, or marker locations that OpenSim's tools report"

Lines = Iterator[tuple[int, str]]


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The markers of a table, one person, y up, in meters unless its header names another unit.

    Times at a constant step become a frame rate, others timestamps. fps: instead of the times.
    Raises InputError where the table holds no places, or a cell is no number.
    """
    lines: Lines = enumerate(_undo_spreadsheet(text_tables.decode_lines(read_bytes(path), latin=True)), 1)
    header = _read_header(lines)
    at, text = next(((at, line) for at, line in lines if line.strip()), (0, ""))
    titles = text.split()
    if not titles or titles[0].lower() != "time":
        raise InputError(f"line {at} is {text.strip()!r:.60}; time and the names of the columns were expected")
    kind = header.get("datatype", "double").lower()
    if kind not in ("double", "vec3"):
        raise InputError(f"DataType is {kind!r:.30}, which holds no places; {_REMEDY}")
    names, columns = (titles[1:], [3 * k + axis + 1 for k in range(len(titles) - 1) for axis in range(3)])
    if kind == "double":
        names, columns = _find_markers(titles)
    rows = _read_rows(lines, columns, kind == "vec3")
    rows.check_count(_read_count(header), "nRows")
    points = missing.mask_infinite(rows.place(len(names), 1))
    missing.report_zeros(points)
    times = rows.times
    rate = fps
    if fps is None and np.isfinite(times).all() and len(times) > 1:
        rate = frame_rates.find_regular_rate(times, rows.numbers, rows.decimals)
    stamps = times if rate is None and len(times) > 1 and np.isfinite(times).all() else None
    if rate is None and stamps is None:
        rate = frame_rates.require_rate(None)
    if rate is not None and fps is None and times[0]:
        report_change(f"that the times begin at {times[0]:g} s is not kept")
    unit = markers.UNITS.get(header.get("units", "m").lower(), "unknown")
    return PoseSequence.from_arrays(
        points, fps=rate, timestamps=stamps, skeleton=build_skeleton(name_apart(names)), unit=unit, up="y",
        metadata={"source_format": "sto"},
    )  # fmt: skip


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A Vec3 table; times have as many digits as give the same float back, cells are nan where a marker is missing.

    Confidences and ids are left behind. Raises UsageError unless it is one person in 3D, with names that OpenSim can read.
    """
    if sequence.people != 1 or sequence.dims != 3 or not sequence.frames:
        found = f"{sequence.frames} frames of {sequence.people} people in {sequence.dims}D"
        raise UsageError(f".sto holds one person in 3D, this is {found}; save as .npz or .csv")
    wrong = next((name for name in sequence.skeleton.keypoints if not name or len(name.split()) != 1), None)
    if wrong is not None:
        raise UsageError(
            f"the keypoint name {wrong!r:.60} has blanks, which .sto cannot hold; rename it or save as .trc"
        )
    if (sequence.confidence[sequence.valid] != 1).any():
        report_change(".sto has no room for confidences; they are left behind")
    if sequence.up not in ("y", "unknown"):
        report_change(f"OpenSim's y axis is up, this is {sequence.up}; positions are written as they are")
    unit = [f"units={sequence.unit}"] if sequence.unit != "unknown" else ["units=unknown"]
    rate = [f"DataRate={text_tables.format_plain(sequence.rate)}"]
    lines = ["Markers", *rate, "DataType=Vec3", "version=3", f"nRows={sequence.frames}", *unit, "endheader"]
    lines.append("\t".join(["time", *sequence.skeleton.keypoints]))
    count = sequence.frames
    times = sequence.timestamps if sequence.timestamps is not None else np.arange(count) / sequence.rate
    for t in range(count):
        cells = [cell or "nan" for cell in text_tables.format_floats(sequence.positions[t, 0])]
        lines.append("\t".join([repr(float(times[t])), *(",".join(cells[i : i + 3]) for i in range(0, len(cells), 3))]))
    write_atomic(path, ("\n".join(lines) + "\n").encode(), force)


def _read_header(lines: Lines) -> dict[str, str]:
    """Values by key in small letters, up to endheader."""
    header: dict[str, str] = {}
    for at, line in lines:
        text = line.strip()
        if at == 1 and _RATES_OF_CHANGE.search(text):
            raise InputError(f"a table of {text!r:.40}, not of places; give that of the positions (..._pos_global.sto)")
        if text.lower() == "endheader":
            return header
        key, equals, value = text.partition("=")
        if equals:
            header[key.strip().lower()] = value.strip()
        if at > _MAX_HEADER:
            break
    raise InputError("no line endheader; it is no .sto or .mot of OpenSim's, or cut short")


def _undo_spreadsheet(lines: Iterable[str]) -> Iterator[str]:
    """Lines with tabs between cells where a spreadsheet put commas or semicolons, and after the last word of the header."""
    mark = ""
    for line in lines:
        if not mark and (found := _FILLED.fullmatch(line)):
            mark = found[2]
            report_change(f"cells are between {mark!r}, not tabs; the file went through a spreadsheet")
        if not mark:
            yield line
            continue
        cells = next(csv.reader([line], delimiter=mark), [])
        yield "\t".join(cells).rstrip() + ("\n" if line.endswith("\n") else "")


def _read_count(header: Mapping[str, str]) -> int | None:
    text = header.get("nrows", "")
    return text_tables.parse_whole(text, 1, "nRows, a whole number,") if text else None


def _find_markers(titles: Sequence[str]) -> tuple[list[str], list[int]]:
    """The markers of a table of numbers, and their columns, by the style of names that makes the most of them."""
    best: dict[object, tuple[int, ...]] = {}
    for style in _STYLES:
        matches = [style.fullmatch(title) for title in titles]
        keys = [match[1] if match else None for match in matches]
        found = find_triples(keys, [_AXIS[match[2]] if match else "" for match in matches])
        best = found if len(found) > len(best) else best
    kept = {key: columns for key, columns in best.items() if not _NO_PLACES.search(str(key))}
    if not kept:
        raise InputError(
            f"no three columns are a marker among {len(titles) - 1} ({', '.join(titles[1:6])!r:.80}); {_REMEDY}"
        )
    left = len(titles) - 1 - 3 * len(kept)
    if left > _MOST_LEFT * 3 * len(kept):
        raise InputError(
            f"a table of a model's coordinates: {left} of {len(titles) - 1} columns are no places but angles and the "
            f"like; {_REMEDY}"
        )
    report_count(left, "columns that are no places are left out")
    return [str(key) for key in kept], [column for columns in kept.values() for column in columns]


def _read_rows(lines: Lines, columns: Sequence[int], split: bool) -> MarkerRows:
    """split: whether a cell holds three numbers."""
    rows = MarkerRows()
    width = max(columns) + 1 if columns else 1
    for at, line in lines:
        cells = (line.replace(",", " ") if split else line).split()
        if not cells:
            continue
        if len(cells) < width or (split and len(cells) != width):
            raise InputError(f"line {at} has {len(cells)} numbers, {width} were expected; it is cut short or damaged")
        is_ended = line.endswith("\n")
        rows.add(at, len(rows), cells[0], pick_cells(cells, columns, at, is_ended), is_ended)
    return rows


def _sniff(file: Source) -> Clue | None:
    """endheader on a line of its own, which OpenSim's tables share with SIMM's."""
    found = re.search(rb"^[ \t]*endheader[\s,;]*$", file.head, re.MULTILINE | re.IGNORECASE)
    return Clue("its line endheader") if found and not file.is_json else None


FORMAT = Format(
    name="sto", title="OpenSim table of markers", suffixes=(".sto", ".mot"), own_suffixes=(".sto", ".mot"), read=read,
    write=write, sniff=_sniff,
)  # fmt: skip
