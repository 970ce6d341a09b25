"""MediaPipe landmarks as JSON dumps, for which there is no canonical form: frames of landmarks; read only.

A frame is null (nobody), a list of landmarks {x, y, z, visibility, presence, name}, or an object of such lists under the
names of MediaPipe's results: pose_landmarks, pose_world_landmarks, left_hand_landmarks, right_hand_landmarks,
face_landmarks, landmarks, world_landmarks, also in camelCase. Lists within a list are several people. Hands of the Hand
Landmarker (hand_landmarks, or landmarks beside handedness, also the older multi_hand_landmarks) are left and right hands by
their handedness, the first of each side the first person's; without it each is a person's only hand. The file is a list of
frames, an object {"frames": [...], "fps": ...}, or one such frame. Leaves out presence beside visibility, scores of
handedness, blendshapes and world landmarks of hands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change
from posecodec.io import Certainty, Format, guard_reader
from posecodec.io.parsing import detections, per_frame
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, MEDIAPIPE33, build_skeleton, pair_sides
from posecodec.pose.skeletons.naming import match_names
from posecodec.typing import Floats

PARTS = {"pose": "", "hand": "", "left_hand": "left_hand/", "right_hand": "right_hand/", "face": "face/"}
"""Parts in the order of the keypoints, with the prefix of their keypoints' names."""
_WORLD = "world"
_KEYS = {
    "landmarks": "pose", "pose_landmarks": "pose", "world_landmarks": _WORLD, "pose_world_landmarks": _WORLD,
    "left_hand_landmarks": "left_hand", "right_hand_landmarks": "right_hand", "face_landmarks": "face",
}  # fmt: skip
_HANDS = ("hand_landmarks", "multi_hand_landmarks")
_SIDES = ("handedness", "handednesses", "multi_handedness")  # of each hand: [{"category_name": "Left"}], or older forms
_NUMBERS = ("x", "y", "z", "visibility", "presence")
_KNOWN = {*_NUMBERS, "name"}
_Values = Floats


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class _Landmarks:
    """values: (K, 5) x, y, z, visibility, presence; NaN where not given. names: K, or none."""

    where: str
    values: _Values
    names: tuple[str, ...]


_Frame = dict[str, list[_Landmarks | None]]  # part -> the landmarks of each person


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a dump of landmarks, y down.

    World landmarks are read where the file has them, in meters; image landmarks otherwise, or where hands or a face come
    with them, whose unit is unknown (fractions of the image's size, or pixels). D is 3 if every landmark has z. The
    confidence is visibility, or presence, or 1; it may be a probability or its logit and is kept as it is. 33 landmarks
    are mediapipe33; hands and face follow as left_hand/wrist, face/0. People keep their list order.
    fps: frames per second, instead of the file's, or where it has none. Raises InputError if the file is of another form
    or the number of landmarks changes, NoRateError if no rate is known.
    """
    content, size = detections.load_json(path)
    values, rate = _split_content(content)
    left: Counter[str] = Counter()
    frames: list[_Frame] = []
    for i, value in enumerate(values):
        values[i] = None
        frames.append(_read_frame(value, f"frame {i}", left))
    parts = _choose_parts(frames)
    samples = {part: _find_sample(frames, part) for part in parts}
    seen = [one.values for frame in frames for part in parts for one in frame.get(part, []) if one is not None]
    if seen and all(np.isnan(values[:, :2]).any(axis=1).all() for values in seen):
        raise InputError("no landmark in it has x and y; lists of {x, y, z, visibility} were expected")
    solid = all(not (np.isnan(values[:, 2]) & ~np.isnan(values[:, :2]).any(axis=1)).any() for values in seen)
    people = sum(max((len(frame.get(part, [])) for part in parts), default=0) for frame in frames)
    detections.check_size((people, sum(len(one.values) for one in samples.values() if one), len(_NUMBERS)), size)
    listed = {i: [(None, body) for body in _build_bodies(frame, samples, solid)] for i, frame in enumerate(frames)}
    _report(frames, parts, seen, left, solid)
    return detections.build_sequence(
        listed, _build_skeleton(samples), 3 if solid else 2, fps=rate if fps is None else fps, size=size,
        source="mediapipe", facts={}, unit="m" if _WORLD in parts else "unknown",
    )  # fmt: skip


def _split_content(content: Any) -> tuple[list[Any], float | None]:
    if isinstance(content, dict) and isinstance(content.get("frames"), list):
        others = sorted(content.keys() - {"frames", "fps"})
        if others:
            report_change(f"{', '.join(others[:9])} of the file are not kept")
        frames, rate = content["frames"], content.get("fps")
        if rate is not None and type(rate) not in (int, float):
            raise InputError(f"fps is {rate!r:.60}, a number was expected; correct it or pass --fps N")
    else:
        listed = content if isinstance(content, list) else []
        landmarks = any(isinstance(one, dict) and {"x", "y"} <= one.keys() for one in listed)  # not frames or people
        frames, rate = [content] if isinstance(content, dict) or landmarks else content, None
    if not isinstance(frames, list):
        raise InputError(f'this is {type(frames).__name__}; a list of frames or {{"frames": [...]}} was expected')
    if not frames:
        raise InputError("no frames in it; check that the export is whole")
    return frames, rate


def _read_frame(value: Any, where: str, left: Counter[str]) -> _Frame:
    if value is None:
        return {}
    if not isinstance(value, (dict, list)):
        raise InputError(f"{where} is {type(value).__name__}; landmarks, an object of them or null were expected")
    if isinstance(value, list) or isinstance(value.get("landmark"), list):
        return {"pose": _read_people(value, where, left)}
    found: _Frame = {}
    named = {re.sub("(?<=[a-z])([A-Z])", r"_\1", name).lower(): name for name in value}
    sides = next((value[named[key]] for key in _SIDES if key in named), None)
    for key, name in named.items():
        people = _read_people(value[name], f"{where}: {name}", left) if value[name] and key in {*_KEYS, *_HANDS} else []
        if key in _HANDS or (key == "landmarks" and sides is not None):
            found |= _place_hands(people, sides)
        elif key in _KEYS and not (_KEYS[key] == _WORLD and sides is not None):
            found[_KEYS[key]] = people
        elif key not in _SIDES:
            left[name] += 1
    return found


def _place_hands(hands: list[_Landmarks | None], sides: Any) -> _Frame:
    """Hands as those of people, the first left and the first right one the first person's; as they are listed if no side
    is given of one of them."""
    told = [_read_side(side) for side in sides] if isinstance(sides, list) else []
    if len(told) != len(hands) or None in told:
        return {"hand": hands}
    return {
        f"{side}_hand": [hand for hand, own in zip(hands, told, strict=True) if own == side]
        for side in ("left", "right")
    }


def _read_side(value: Any) -> str | None:
    """Left or right, of a Category, of a list of them or of protobuf's Classification; None where it is neither."""
    if isinstance(value, dict) and "classification" in value:
        value = value["classification"]
    if isinstance(value, list):
        value = value[0] if value else None
    names = (
        [value.get(key) for key in ("category_name", "categoryName", "label")] if isinstance(value, dict) else [value]
    )
    return next((name.lower() for name in names if isinstance(name, str) and name.lower() in ("left", "right")), None)


def _read_people(value: Any, where: str, left: Counter[str]) -> list[_Landmarks | None]:
    """One person's landmarks, or those of several."""
    if isinstance(value, dict):  # protobuf's own JSON wraps the list
        value = value.get("landmark")
    if not isinstance(value, list):
        raise InputError(f"{where} is {type(value).__name__}; a list of landmarks was expected")
    if any(isinstance(one, list) or (isinstance(one, dict) and "landmark" in one) for one in value):
        inner = [one.get("landmark") if isinstance(one, dict) else one for one in value]
        return [_read_landmarks(one, f"{where}, person {p}", left) if one else None for p, one in enumerate(inner)]
    return [_read_landmarks(value, where, left)] if value else []


def _read_landmarks(value: Any, where: str, left: Counter[str]) -> _Landmarks:
    """(K, 5) of a list of landmarks; null, or one without x or y, is missing."""
    if not isinstance(value, list) or not all(one is None or isinstance(one, dict) for one in value):
        raise InputError(f"{where} is no list of landmarks {{x, y, z, visibility}}; export it again")
    for one in value:
        left.update(() if one is None else one.keys() - _KNOWN)
    flat = [None if one is None else one.get(name) for one in value for name in _NUMBERS]
    values = per_frame.parse_numbers(flat, where).reshape(-1, len(_NUMBERS))
    names = tuple(one.get("name") for one in value if one is not None)
    named = len(names) == len(value) and all(isinstance(name, str) and name for name in names)
    return _Landmarks(where, values, tuple(detections.check_unicode(str(name)) for name in names) if named else ())


def _choose_parts(frames: Sequence[_Frame]) -> list[str]:
    """Which parts are read: world landmarks alone, unless hands or a face are there as well."""
    there = {part for frame in frames for part, people in frame.items() if any(p is not None for p in people)}
    if _WORLD in there and not there & {"hand", "left_hand", "right_hand", "face"}:
        return [_WORLD]
    return [part for part in PARTS if part in there] or (["pose"] if _WORLD not in there else [_WORLD])


def _find_sample(frames: Sequence[_Frame], part: str) -> _Landmarks | None:
    """The first landmarks of a part. Raises InputError if others are of another number; None if there are none."""
    first: _Landmarks | None = None
    for frame in frames:
        for one in frame.get(part, []):
            first = first or one
            if one is not None and first is not None and len(one.values) != len(first.values):
                other = f"{first.where} {len(first.values)}"
                raise InputError(f"{one.where} has {len(one.values)} landmarks, {other}; split the file")
    return first


def _build_bodies(frame: _Frame, samples: Mapping[str, _Landmarks | None], solid: bool) -> list[detections.Body]:
    people = max((len(frame.get(part, [])) for part in samples), default=0)
    found = []
    for p in range(people):
        parts = []
        for part, sample in samples.items():
            listed = frame.get(part, [])
            one = listed[p] if p < len(listed) else None
            count = len(sample.values) if sample is not None else len(MEDIAPIPE33)
            parts.append(np.full((count, len(_NUMBERS)), np.nan) if one is None else one.values)
        values = np.concatenate(parts)
        weights = np.where(np.isnan(values[:, 3]), values[:, 4], values[:, 3])
        weights = np.where(np.isnan(weights), 1, weights)
        found.append(np.concatenate([values[:, : 3 if solid else 2], weights[:, None]], axis=1))
    return found


def _build_skeleton(samples: Mapping[str, _Landmarks | None]) -> Skeleton:
    if set(samples) in ({"pose"}, {_WORLD}):
        sample = next(iter(samples.values()))
        if sample is None or (not sample.names and len(sample.values) == len(MEDIAPIPE33)):
            return MEDIAPIPE33
        if sample.names:
            return match_names(sample.names) or Skeleton("custom", sample.names, (), pair_sides(sample.names))
        return Skeleton("custom", tuple(str(k) for k in range(len(sample.values))))
    names = [PARTS[part] + name for part, one in samples.items() if one is not None for name in _name_points(part, one)]
    known = build_skeleton(names)
    return known if known.name in BUILT_IN else _cut_holistic(tuple(names))


def _name_points(part: str, sample: _Landmarks) -> tuple[str, ...]:
    """The names within a part: MediaPipe's where the number is, else numbers."""
    count = len(sample.values)
    if part == "pose" and count == len(MEDIAPIPE33):
        return MEDIAPIPE33.keypoints
    if part.endswith("hand") and count == 21:
        return BUILT_IN["hand21"].keypoints
    return tuple(str(k) for k in range(count))


def _cut_holistic(names: tuple[str, ...]) -> Skeleton:
    """A skeleton of some of holistic543's keypoints (and perhaps others), with its edges and pairs among them."""
    whole, index = BUILT_IN["holistic543"], {name: k for k, name in enumerate(names)}

    def keep_known(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        named = ((whole.keypoints[a], whole.keypoints[b]) for a, b in pairs)
        return tuple((index[a], index[b]) for a, b in named if a in index and b in index)

    mapping = MEDIAPIPE33.to_coco19 if set(MEDIAPIPE33.keypoints) <= index.keys() else {}
    return Skeleton("custom", names, keep_known(whole.edges), keep_known(whole.pairs), None, mapping)


def _report(
    frames: Sequence[_Frame], parts: Sequence[str], seen: Sequence[_Values], left: Counter[str], solid: bool
) -> None:
    there = {part for frame in frames for part in frame}
    if _WORLD in parts and "pose" in there:
        report_change("world landmarks are read; the image landmarks beside them are left out")
    elif _WORLD in there and _WORLD not in parts:
        report_change("image landmarks are read, which hands and face have as well; world landmarks are left out")
    if not solid and any(not np.isnan(values[:, 2]).all() for values in seen):
        report_change("some landmarks have no z; the z of the others is left out")
    both = sum(int((~np.isnan(values[:, 3]) & ~np.isnan(values[:, 4])).sum()) for values in seen)
    if both:
        report_change(f"the presence of {both} landmarks is left out; their visibility is the confidence")
    if left:
        names = sorted(left)[:9]
        if not any(frames):
            raise InputError(f"no landmarks, only {', '.join(names)}; name them pose_landmarks or the like")
        report_change(f"not kept: {', '.join(names)}")


FORMAT = Format(
    name="mediapipe", title="MediaPipe landmarks", suffixes=(".json",), read=read,
    read_only="MediaPipe files are only read", priority=45,
    sniff=lambda file: file.find_in_json(b'"visibility"', b'andmarks"')
    or file.find_in_json(b'"x"', certainty=Certainty.HINT),  # coordinates alone say little
)  # fmt: skip
