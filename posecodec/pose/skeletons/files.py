"""Skeletons that users write down: a small TOML or JSON file.

    name = "rig"                              # else the file's name
    keypoints = ["hip", "left_knee", "right_knee"]
    edges = [["hip", "left_knee"], [0, 2]]    # names or indices
    pairs = [["left_knee", "right_knee"]]     # left, right; else what the names tell
    root = "hip"                              # else the mean of all
    coco19 = { mid_hip = "hip" }              # else what the names tell; a list means their mean

Only keypoints must be there. Python before 3.11 cannot read TOML; JSON holds the same keys.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posecodec.errors import InputError, PosecodecError, UsageError
from posecodec.pose.skeleton import MAX_KEYPOINTS, Mapping19, Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO19, build_skeleton
from posecodec.pose.skeletons.naming import match_coco19, match_sides

KEYS = ("name", "keypoints", "edges", "pairs", "root", "coco19")
SUFFIXES = (".toml", ".json")
_MOST_BYTES = 1 << 20  # Of a file: far more than what so many names and their edges take
Pairs = tuple[tuple[int, int], ...]


def resolve_skeleton(name_or_path: Skeleton | str | os.PathLike[str] | Sequence[str]) -> Skeleton:
    """The built-in skeleton of that name, the one in the `.toml` or `.json` file of that path, or one of such keypoints.

    Raises InputError if it is none of these, or the file does not describe a skeleton.

    >>> resolve_skeleton("coco17").root is None
    True
    """
    if isinstance(name_or_path, Skeleton):
        return name_or_path
    if not isinstance(name_or_path, str | os.PathLike):
        return build_skeleton(name_or_path)
    name_or_path = os.fspath(name_or_path)
    if name_or_path in BUILT_IN:
        return BUILT_IN[name_or_path]
    if Path(name_or_path).suffix.lower() in SUFFIXES:
        return read_skeleton(name_or_path)
    known = ", ".join(BUILT_IN)
    raise InputError(f"no built-in skeleton {name_or_path!r}; there are {known}, or give a .toml or .json file of one")


def read_skeleton(path: str | os.PathLike[str]) -> Skeleton:
    """The skeleton that a `.toml` or `.json` file describes.

    Raises InputError that names the file, the key and what to do; UsageError for TOML before Python 3.11.
    """
    path = Path(path)
    try:
        return _build(_read_values(path), path.stem)
    except PosecodecError as error:
        raise type(error)(f"{path}: {error}") from error


def write_skeleton(skeleton: Skeleton) -> str | dict[str, Any]:
    """A skeleton as JSON: its name if it is built in, else the values of a skeleton file."""
    return skeleton.name if BUILT_IN.get(skeleton.name) == skeleton else describe_skeleton(skeleton)


def describe_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """The values of a skeleton file, as JSON."""
    return {
        "name": skeleton.name, "keypoints": list(skeleton.keypoints), "edges": [list(edge) for edge in skeleton.edges],
        "pairs": [list(pair) for pair in skeleton.pairs], "root": skeleton.root,
        "coco19": {target: list(names) for target, names in skeleton.to_coco19.items()},
    }  # fmt: skip


def read_written(value: Any) -> Skeleton:
    """The mirror of `write_skeleton`. Raises InputError for what it never wrote."""
    if isinstance(value, str) and value in BUILT_IN:
        return BUILT_IN[value]
    if not isinstance(value, dict):
        raise InputError(f"{value!r:.60} is no built-in skeleton and describes none")
    return _build(value, "custom")


def _read_values(path: Path) -> Mapping[str, Any]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"a skeleton file ends in .toml or .json, not in {path.suffix!r}; rename it")
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}); check the path") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"more than {_MOST_BYTES} bytes; a skeleton file lists names, check that this is one")
    values = _parse(data, toml=suffix == ".toml")
    if not isinstance(values, dict):
        raise InputError(f"holds a {type(values).__name__}; keys are needed, of which only keypoints must be there")
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise InputError(f"key {unknown[0]!r} is not known; there are {', '.join(KEYS)}")
    return values


def _parse(data: bytes, toml: bool) -> Any:
    try:
        text = data.decode("utf-8-sig")
        return _parse_toml(text) if toml else json.loads(text)
    except UnicodeDecodeError as error:
        raise InputError(f"no UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(f"no JSON ({error.msg} at line {error.lineno}, column {error.colno}); correct it") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"no {'TOML' if toml else 'JSON'} ({error}); correct it") from error


def _parse_toml(text: str) -> Any:
    if sys.version_info < (3, 11):
        raise UsageError("TOML needs Python 3.11 or newer; write the same keys as JSON (.json)")
    import tomllib

    return tomllib.loads(text)


def _build(values: Mapping[str, Any], stem: str) -> Skeleton:
    names = _check_names(values.get("keypoints"))
    name = values.get("name", stem)
    if not isinstance(name, str) or not name:
        raise InputError(f"name is {name!r}; text is needed")
    edges = _parse_pairs(values.get("edges", []), "edges", names)
    pairs = _parse_pairs(values["pairs"], "pairs", names) if "pairs" in values else match_sides(names)
    root = None if values.get("root") is None else _find_index(values["root"], "root", names)
    mapping = _parse_mapping(values["coco19"], names) if "coco19" in values else match_coco19(names)
    skeleton = Skeleton(name, names, edges, pairs, root, mapping)
    if name in BUILT_IN and skeleton != BUILT_IN[name]:
        raise InputError(f"name {name!r} is that of a built-in skeleton, which differs; choose another name")
    return BUILT_IN.get(name, skeleton)


def _check_names(value: Any) -> tuple[str, ...]:
    if value is None:
        raise InputError('no keypoints; list their names, such as keypoints = ["hip", "left_knee", "right_knee"]')
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise InputError("keypoints is not a list of names; quote every name")
    if len(value) > MAX_KEYPOINTS:
        raise InputError(
            f"keypoints lists {len(value)} names; at most {MAX_KEYPOINTS} can be coded, split the skeleton"
        )
    return tuple(value)


def _parse_pairs(value: Any, key: str, names: tuple[str, ...]) -> Pairs:
    if not isinstance(value, list):
        raise InputError(f"{key} is {value!r:.60}; a list of pairs of keypoints is needed")
    found = []
    for i, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(f"{key}[{i}] is {pair!r:.60}; two keypoints are needed")
        first, second = (_find_index(end, f"{key}[{i}]", names) for end in pair)
        if first == second:
            raise InputError(f"{key}[{i}] joins {names[first]!r} with itself; give two keypoints")
        found.append((first, second))
    return tuple(found)


def _find_index(value: Any, where: str, names: tuple[str, ...]) -> int:
    """Index of a keypoint given by its name or index."""
    if isinstance(value, str) and value in names:
        return names.index(value)
    if type(value) is int and 0 <= value < len(names):
        return value
    last = len(names) - 1
    raise InputError(f"{where} names {value!r:.60}, which is no keypoint; use one of its names or 0 to {last}")


def _parse_mapping(value: Any, names: tuple[str, ...]) -> Mapping19:
    if not isinstance(value, dict):
        raise InputError(f"coco19 is {value!r:.60}; keypoints of coco19 and what stands for them are needed")
    unknown = sorted(set(value) - set(COCO19.keypoints))
    if unknown:
        raise InputError(f"coco19 has no keypoint {unknown[0]!r}; it has {', '.join(COCO19.keypoints)}")
    return {target: _parse_sources(several, f"coco19.{target}", names) for target, several in value.items()}


def _parse_sources(value: Any, where: str, names: tuple[str, ...]) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    if not several:
        raise InputError(f"{where} is empty; give a keypoint, or leave it out")
    return tuple(names[_find_index(source, where, names)] for source in several)
