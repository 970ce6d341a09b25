"""OpenPose output: a folder of `PREFIX_000000000012_keypoints.json`, one file a frame, or one such file.

Other programs name such files `cam01.0030.json` or `cam01_000030.json` (Pose2Sim, rtmlib, AlphaPose's sep-json, where
people are `bodies` and their keypoints `joints`): the last number in a name is the frame's.

A person has up to four sections (body, face, left and right hand) of x, y, confidence, in pixels; 0, 0, 0 is missing.
Where no 2D section is filled, the 3D ones (x, y, z, confidence) are read. The file does not know its frame rate. Leaves
out `part_candidates`, and 3D sections beside 2D ones. Reference: doc/02_output.md of OpenPose.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Certainty, Clue, Format, Source, guard_reader, read_bytes, write_atomic
from posecodec.io.filesystem import write_folder
from posecodec.io.parsing import detections, format_metadata
from posecodec.io.parsing.per_frame import KEYPOINTS_FREE, MAX_FRAME_JSON, POSES_PER_BODY, parse_json
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton, pair_sides

SECTIONS = {"pose": "", "face": "face/", "hand_left": "left_hand/", "hand_right": "right_hand/"}
"""Sections in the order of the keypoints, with the prefix of their keypoints' names."""
FULL = {"pose": 25, "face": 70, "hand_left": 21, "hand_right": 21}
_BODIES = {25: "body25", 18: "coco18"}
_KEYS = ("person_id", *(f"{section}_keypoints_{d}d" for d in (2, 3) for section in SECTIONS))
_OLD_KEYS = {f"{section}_keypoints": f"{section}_keypoints_2d" for section in SECTIONS} | {
    "joints": "pose_keypoints_2d"
}
_ALL_KEYS = (*_KEYS, *_OLD_KEYS)
_VERSION = 1.3  # of the files that are written where metadata know no other
_MAX_VERSION = 1000  # what is larger is no version
_MAX_FILE_NAME = 250  # bytes: most file systems allow 255
_USUAL = detections.Naming("", 12, "_keypoints.json")
_NAME = re.compile(r"(.*?)(\d{1,15})(\D{0,60}\.json)", re.DOTALL)
_ENDING = "_keypoints.json"
_MOST_RUNS = 64  # runs of frames without a file that metadata keep; more are not worth their bytes

_Bodies = list[tuple[str | None, detections.Body]]
Writer = Callable[[int], bytes]
_Person = dict[str, Any]
"""Key of a section in `_KEYS` -> its flat numbers, of those that are not empty; "person_id" -> its id or None."""


@dataclass
class _Recording:
    """What the files held: people by frame number, and the files nobody could read, with what was wrong."""

    people: dict[int, list[_Person]] = field(default_factory=dict)
    malformed: dict[int, str] = field(default_factory=dict)
    style: dict[str, Any] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a folder of `*_keypoints.json`, or of one such file.

    Frames run from the first file's number to the last's. Those without a file, and those whose JSON is malformed (which
    is reported), are all missing. The sections that any file has make the skeleton: body25, coco18, openpose137 or
    another, face and hands as `face/0`, `left_hand/thumb1`. Ids are `person_id` where those are set, else list order.
    fps: frames per second, needed. metadata `openpose`: file names, and what else differs from OpenPose's defaults.
    Raises InputError if there is no such file or all are malformed, NoRateError without fps.
    """
    files, naming = _find_files(path)
    recording, size = _Recording(), 0
    for number, file in files.items():
        size += min(file.stat().st_size, MAX_FRAME_JSON) if file.exists() else 0
        _add_frame(recording, number, file)
    sizes, dims = _choose_sections(recording)
    people = sum(map(len, recording.people.values()))
    detections.check_size((people, sum(sizes.values()), dims + 1), size)
    listed = {number: _build_bodies(recording, number, sizes, dims) for number in sorted(files)}
    _report(recording, files, dims)
    facts = _collect_facts(naming, sorted(files), recording.style)
    return detections.build_sequence(
        listed, combine_sections(sizes), dims, fps=fps, size=size, source="openpose", facts=facts,
        unit="px" if dims == 2 else "unknown",
    )  # fmt: skip


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A folder of `*_keypoints.json`; one file if `path` ends in .json and there is one frame.

    Named and numbered as the files they were read from, else 000000000000_keypoints.json and so on. The rate is left
    behind, and so are ids that are no numbers. Raises UsageError if the keypoints are not OpenPose's sections or the
    sequence has timestamps.
    """
    sizes = _count_sections(sequence)
    sequence = detections.check_flat(sequence, "OpenPose", (2, 3))
    facts = format_metadata.read_facts(sequence, "openpose")
    naming, first = _choose_naming(facts), format_metadata.read_integer(facts, "first", 0)
    encode_frame = _make_frame_writer(sequence, facts, sizes)
    if Path(path).suffix.lower() == ".json":
        if sequence.frames != 1:
            raise UsageError(f"{path}: {sequence.frames} frames, and OpenPose has one to a file; name a folder")
        return write_atomic(path, encode_frame(0), force)
    absent = format_metadata.expand_runs(facts.get("missing"), range(1, sequence.frames - 1))
    kept = [t for t in range(sequence.frames) if t not in absent or sequence.valid[t].any()]
    files = {naming.name(first + t): encode_frame(t) for t in kept}
    write_folder(path, files, force, lambda name: name.endswith(_ENDING) or _is_named(name, naming))


def combine_sections(sections: Mapping[str, int]) -> Skeleton:
    """The skeleton of sections of so many keypoints, in the order body, face, left hand, right hand.

    Built-in where there is one. Otherwise edges and pairs are those of openpose137 among the same keypoints.

    >>> combine_sections({"pose": 25, "face": 70, "hand_left": 21, "hand_right": 21}).name
    'openpose137'
    """
    names = name_keypoints(sections)
    known = build_skeleton(names)
    if known.name in BUILT_IN:
        return known
    index = {name: k for k, name in enumerate(names)}
    whole = BUILT_IN["openpose137"]
    body = BUILT_IN[_BODIES.get(sections.get("pose", 0), "coco18")]
    edges = dict.fromkeys([*_name_pairs(whole, whole.edges), *_name_pairs(body, body.edges)])
    pairs = dict.fromkeys([*_name_pairs(whole, whole.pairs), *((names[a], names[b]) for a, b in pair_sides(names))])
    known_edges, known_pairs = (
        tuple((index[a], index[b]) for a, b in found if a in index and b in index) for found in (edges, pairs)
    )
    root, mapping = index.get(body.keypoints[body.root or 0]), set(body.keypoints) <= index.keys()
    return Skeleton("custom", names, known_edges, known_pairs, root, body.to_coco19 if mapping else {})


def name_keypoints(sections: Mapping[str, int]) -> tuple[str, ...]:
    """The keypoint names of sections; plain numbers within a section of an unusual count."""
    names: list[str] = []
    for section, prefix in SECTIONS.items():
        count = sections.get(section, 0)
        table = _BODIES.get(count) if section == "pose" else "hand21" if count == 21 and section != "face" else None
        points = BUILT_IN[table].keypoints if table else tuple(str(k) for k in range(count))
        names += [prefix + point for point in points]
    return tuple(names)


def _name_pairs(skeleton: Skeleton, pairs: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    return [(skeleton.keypoints[a], skeleton.keypoints[b]) for a, b in pairs]


def _find_files(path: Path) -> tuple[dict[int, Path], detections.Naming]:
    """The files of a folder, or the one, by the number of their frame, and how they are named."""
    if not path.is_dir():
        usual = path.name.endswith(_ENDING) and _NAME.fullmatch(path.name)
        files = [path]
        if not usual:
            return {0: path}, _USUAL
    else:
        there = sorted(p for p in path.iterdir() if p.suffix == ".json" and not p.name.startswith(".") and p.is_file())
        numbered = [p for p in there if _NAME.fullmatch(p.name)]
        files = [p for p in there if p.name.endswith(_ENDING)] or numbered
        report_count(len(there) - len(files), "other .json files in the folder are left out")
    if not files:
        raise InputError("no *_keypoints.json in this folder; give the one that OpenPose wrote (--write_json)")
    naming, frames = detections.parse_names([file.name for file in files], _NAME)
    return dict(zip(frames, files, strict=True)), naming


def _add_frame(recording: _Recording, number: int, file: Path) -> None:
    recording.people[number] = []
    try:
        data = read_bytes(file)
        if len(data) > MAX_FRAME_JSON:
            raise InputError(f"has {len(data) >> 20} MB, too much for one frame; export it again")
        recording.people[number] = _read_people(parse_json(data), recording)
    except (InputError, ValueError) as error:
        recording.malformed[number] = str(error)


def _read_people(content: Any, recording: _Recording) -> list[_Person]:
    if isinstance(content, dict) and "people" not in content and "bodies" in content:
        content = {"people" if key == "bodies" else key: value for key, value in content.items()}
        recording.style.setdefault("keys", [])  # which are written as OpenPose's
    if not isinstance(content, dict) or not isinstance(content.get("people"), list):
        raise InputError(
            'holds no list "people"; expected an object {"version": ..., "people": [...]}, export it again'
        )
    found = [_read_person(person, i, recording) for i, person in enumerate(content["people"])]
    recording.style.setdefault("version", content.get("version"))
    recording.left.update(content.keys() - {"version", "people"})
    return found


def _read_person(person: Any, i: int, recording: _Recording) -> _Person:
    if not isinstance(person, dict):
        raise InputError(f"person {i} is {type(person).__name__}, an object of sections was expected; export it again")
    recording.style.setdefault("keys", [_ALL_KEYS.index(key) for key in person if key in _ALL_KEYS])
    found: _Person = {"person_id": detections.read_id(person.get("person_id"))}
    for key, value in person.items():
        section = _OLD_KEYS.get(key, key)
        if section not in _KEYS:
            recording.left[key] += 1
        elif section != "person_id" and value:
            found[section] = detections.parse_body(value, f"person {i}: {key}", 4 if section.endswith("3d") else 3)
    return found


def _choose_sections(recording: _Recording) -> tuple[dict[str, int], int]:
    """How many keypoints each section has (what most people have), and in how many dimensions."""
    counts: dict[str, Counter[int]] = {key: Counter() for key in _KEYS}
    for people in recording.people.values():
        for person in people:
            for key in person.keys() - {"person_id"}:
                counts[key][len(person[key])] += 1
    flat, solid = (any(counts[_spell_key(s, d)] for s in SECTIONS) for d in (2, 3))
    dims = 3 if solid and not flat else 2
    found = {s: counts[_spell_key(s, dims)].most_common(1)[0][0] for s in SECTIONS if counts[_spell_key(s, dims)]}
    return found or {"pose": 25}, dims


def _spell_key(section: str, dims: int) -> str:
    return f"{section}_keypoints_{dims}d"


def _build_bodies(recording: _Recording, number: int, sizes: Mapping[str, int], dims: int) -> _Bodies:
    """A frame's people with their ids; none if one of them has another number of keypoints than most."""
    found: _Bodies = []
    for person in recording.people.get(number, []):
        parts: list[NDArray[Any]] = []
        for section, size in sizes.items():
            key = _spell_key(section, dims)
            part = person.get(key)
            if part is not None and len(part) != size:
                recording.malformed[number] = f"{key} has {len(part)} keypoints where most have {size}; export it again"
                return []
            parts.append(np.zeros((size, dims + 1)) if part is None else part)
        found.append((person["person_id"], detections.mask_zeros(np.concatenate(parts))))
        recording.left["3D sections beside 2D ones"] += dims == 2 and any(key.endswith("3d") for key in person)
    return found


def _report(recording: _Recording, files: Mapping[int, Path], dims: int) -> None:
    bad = recording.malformed
    if bad:
        number = min(bad)
        first = f"{files[number].name}: {bad[number]}" if len(files) > 1 else bad[number]
        if len(bad) == len(files):
            raise InputError(first if len(files) == 1 else f"all {len(bad)} files are malformed; {first}")
        others = ", ".join(files[n].name for n in sorted(bad)[1:4]) + (" ..." if len(bad) > 4 else "")
        more = f"; also {others}" if len(bad) > 1 else ""
        report_change(f"{len(bad)} files are malformed; their frames are missing ({first}{more})")
    left = [f"{name} ({count} times)" for name, count in sorted(recording.left.items()) if count]
    if left:
        report_change(f"not kept: {', '.join(left[:9])}")


def _collect_facts(naming: detections.Naming, frames: Sequence[int], style: Mapping[str, Any]) -> dict[str, Any]:
    facts = naming.to_facts(_USUAL)
    if frames[0]:
        facts["first"] = frames[0]
    present = set(frames)
    size = frames[-1] - frames[0] + 1
    if size != len(present) and size < POSES_PER_BODY * len(present) + KEYPOINTS_FREE:  # larger ones are refused
        missing = format_metadata.find_runs(t for t in range(size) if frames[0] + t not in present)
        if len(missing) <= _MOST_RUNS:
            facts["missing"] = missing
        else:
            report_change(f"{size - len(present)} frames have no file; writing gives them files without people")
    if _is_version(style.get("version")) and style["version"] != _VERSION:
        facts["version"] = style["version"]
    if style.get("keys") and style["keys"] != list(range(len(_KEYS))):
        facts["keys"] = style["keys"]
    return facts


def _is_version(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < _MAX_VERSION


def _count_sections(sequence: PoseSequence) -> dict[str, int]:
    """How many keypoints each section of a sequence has. Raises UsageError if they are not named as OpenPose's."""
    sizes = dict.fromkeys(SECTIONS, 0)
    for name in sequence.skeleton.keypoints:
        sizes[next((s for s, prefix in SECTIONS.items() if prefix and name.startswith(prefix)), "pose")] += 1
    if name_keypoints(sizes) != sequence.skeleton.keypoints:
        what = f"OpenPose files hold body25 or coco18, with face and hands, and this is {sequence.skeleton.name!r}"
        raise UsageError(f"{what}; map it to body25 first, or save as .npz")
    return sizes


def _choose_naming(facts: Mapping[str, Any]) -> detections.Naming:
    """As the files were named, if that makes file names that number frames."""
    naming = detections.Naming.from_facts(facts, _USUAL)
    name = naming.name(12)
    try:
        fits = len(os.fsencode(name)) < _MAX_FILE_NAME and not set(name) & set('/\\\0<>:"|?*') and name.isprintable()
    except UnicodeEncodeError:
        return _USUAL
    return naming if fits and not name.startswith(".") and _is_named(name, naming) else _USUAL


def _is_named(name: str, naming: detections.Naming) -> bool:
    match = _NAME.fullmatch(name)
    return match is not None and (match[1], match[3]) == (naming.prefix, naming.suffix)


def _make_frame_writer(sequence: PoseSequence, facts: Mapping[str, Any], sizes: Mapping[str, int]) -> Writer:
    keys, version, width = _choose_keys(facts, sizes, sequence.dims), facts.get("version"), sequence.dims + 1
    named = detections.has_ids(sequence, facts)
    people = [detections.encode_id(key) for key in sequence.ids]
    if named and not all(isinstance(key, int) for key in people):
        report_change("OpenPose ids are numbers; people are numbered instead")
        people = list(range(sequence.people))
    if named and "person_id" not in keys:
        keys = ["person_id", *keys]

    def encode_frame(t: int) -> bytes:
        listed = []
        for p, row in detections.encode_rows(sequence, t):
            filled: dict[str, list[Any]] = {}
            start = 0
            for section, size in sizes.items():
                filled[_spell_key(section, sequence.dims)] = row[start : start + size * width]
                start += size * width
            filled["person_id"] = [people[p] if named else -1]
            listed.append({key: filled.get(_OLD_KEYS.get(key, key), []) for key in keys})
        number = version if _is_version(version) else _VERSION
        return json.dumps({"version": number, "people": listed}, separators=(",", ":")).encode()

    return encode_frame


def _choose_keys(facts: Mapping[str, Any], sizes: Mapping[str, int], dims: int) -> list[str]:
    """The keys of a person: those of the file if they have room for every section, else those of version 1.3."""
    try:
        keys = [_ALL_KEYS[i] for i in facts["keys"] if i >= 0]
    except (KeyError, IndexError, TypeError):
        return list(_KEYS)
    needed = {_spell_key(section, dims) for section, size in sizes.items() if size}
    meant = {_OLD_KEYS.get(key, key) for key in keys}
    return keys if needed <= meant and len(meant) == len(keys) else list(_KEYS)


def _sniff(file: Source) -> Clue | None:
    return (
        file.find_name(re.compile(f".*{re.escape(_ENDING)}"), f"*{_ENDING}")
        or file.find_in_files(_NAME, b'"people"', b'"joints"')
        or file.find_in_json(b'"pose_keypoints_2d"', b'"pose_keypoints_3d"')
        or file.find_in_json(b'"joints"', certainty=Certainty.LIKELY)
        or file.find_in_json(b'"people"', certainty=Certainty.HINT)  # says little, but without people there is no other
    )


FORMAT = Format(
    name="openpose", title="OpenPose *_keypoints.json", suffixes=("", ".json"), folder_mark=f"*{_ENDING}", read=read,
    write=write, priority=42, sniff=_sniff, states_rate=False,
)  # fmt: skip
