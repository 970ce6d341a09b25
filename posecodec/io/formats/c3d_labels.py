"""What the labels of a C3D file say: which points are places, whose they are, and what the others are. Both ways.

Whose a place is, its prefix tells (`parsing.subjects`). POINT:ANGLES, FORCES, MOMENTS, POWERS and SCALARS, and the
other groups of POINT:TYPE_GROUPS that are no lengths, list points that are no places but a model's; where no list says so,
names of Plug-in Gait do. Knows neither bytes nor sequences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posecodec.errors import report_change, report_count
from posecodec.io.formats.c3d_parser import Parameters
from posecodec.io.parsing import markers

MODELED = {"ANGLES": "ANGLE", "FORCES": "FORCE", "MOMENTS": "MOMENT", "POWERS": "POWER", "SCALARS": "SCALAR"}
"""Groups of points that are no places, and what their unit's parameter begins with."""
PLACES = "MARKER"  # In the name of a group whose points are places, whatever its unit
_PLUG_IN_GAIT = re.compile(r"(?:.*:)?[A-Z]\w*?(Angle|Force|GRF|Moment|Power)s?")
_GUESSED = {"Angle": "ANGLES", "Force": "FORCES", "GRF": "FORCES", "Moment": "MOMENTS", "Power": "POWERS"}


@dataclass(frozen=True)
class Kind:
    """Of a point that is no place: the group that lists it, in capitals, and its unit, "" if none is stated."""

    group: str
    unit: str


def read_labels(parameters: Parameters, group: str, count: int) -> list[str]:
    """A label for each point. Those without are called *N, as capture software does, N counting from 1."""
    found = list(_read_list(parameters, f"{group}:LABELS"))
    labels = (found + [""] * count)[:count]
    report_count(labels.count(""), "points without a label are called *N, N counting from 1")
    return _make_unique([label or f"*{i}" for i, label in enumerate(labels, 1)])


def find_modeled(parameters: Parameters, labels: Sequence[str]) -> dict[int, Kind]:
    """The points that are no places, by their number."""
    listed: dict[str, Kind] = {}
    for group, unit in _find_groups(parameters).items():
        kind = Kind(group, _read_unit(parameters, unit))
        if group in MODELED or not (PLACES in group or kind.unit.lower() in markers.UNITS):
            listed |= dict.fromkeys(_read_list(parameters, f"POINT:{group}"), kind)
    listed.pop("", None)
    found = {i: listed[label] for i, label in enumerate(labels) if label in listed}
    units = {group: _read_unit(parameters, unit) for group, unit in MODELED.items()}
    guessed = {}
    for i, label in enumerate(labels):
        name = label.partition(":")[2]
        if i not in found and name in listed:
            found[i] = listed[name]
        elif i not in found and (like := _PLUG_IN_GAIT.fullmatch(label)):
            guessed[i] = Kind(_GUESSED[like[1]], units[_GUESSED[like[1]]])
    if guessed:
        names = ", ".join(labels[i] for i in list(guessed)[:5])
        report_change(f"{len(guessed)} points are taken for a model's by their names ({names}); they are no places")
    return found | guessed


def expand_order(runs: Any, count: int) -> list[int]:
    """The mirror of `find_runs`; nothing of what is no list of different numbers below a count."""
    order: list[int] = []
    for run in runs if isinstance(runs, list) else []:
        if not (isinstance(run, list) and len(run) == 2 and all(type(n) is int and 0 <= n < count for n in run)):
            return []
        order.extend(range(run[0], run[1] + 1))
        if len(order) > count:
            return []
    return order if len(set(order)) == len(order) else []


def _read_list(parameters: Parameters, key: str) -> Iterator[str]:
    """A list of texts that goes on in KEY2, KEY3 and so on: one may have 255 entries."""
    number = 1
    while (name := key if number == 1 else f"{key}{number}") in parameters:
        yield from parameters[name].texts
        number += 1


def _read_unit(parameters: Parameters, name: str) -> str:
    units = parameters[f"POINT:{name}_UNITS"].texts if f"POINT:{name}_UNITS" in parameters else []
    return units[0] if units else ""


def _find_groups(parameters: Parameters) -> Mapping[str, str]:
    """Groups of points and what their unit's parameter begins with: MODELED, and those that POINT:TYPE_GROUPS pairs."""
    pairs = parameters["POINT:TYPE_GROUPS"].texts if "POINT:TYPE_GROUPS" in parameters else []
    stated = dict(zip((name.upper() for name in pairs[::2]), (unit.upper() for unit in pairs[1::2]), strict=False))
    return {**stated, **MODELED}


def _make_unique(names: Sequence[str]) -> list[str]:
    """The names, with _2, _3 behind those that were there before."""
    taken, counts, result = set(names), Counter[str](), []
    for name in names:
        counts[name] += 1
        new = name
        while counts[name] > 1 and new in taken:
            new = f"{name}_{counts[name]}"
            counts[name] += new in taken
        taken.add(new)
        result.append(new)
    changed = [new for old, new in zip(names, result, strict=True) if new != old]
    if changed:
        report_change(f"{len(changed)} labels are there twice; the later ones get a number ({changed[0]})")
    return result
