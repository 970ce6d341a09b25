"""Keypoint names in other spellings: `LShoulder`, `shoulder_l`, `LEFT-SHOULDER`, `lShoulder` are left_shoulder.

A name becomes a side and words, whatever its case, separators and order of side and part; names are the same where
these are. Also knows what libraries call the points of a finger and a few skeletons' own words. Nothing here renames a
file's keypoints: a reader that takes the built-in skeleton must be able to give the file's own spelling back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from posecodec.pose.skeleton import Mapping19, Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, map_coco19

Key = tuple[str, tuple[str, ...]]  # side ("left", "right" or "") and words of a name

_SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}
_PARTS = frozenset(
    "shoulder elbow wrist hip knee ankle eye ear heel toe bigtoe smalltoe foot hand thumb index middle ring pinky "
    "collar clavicle".split()
)
_SAME_WORDS = {
    "bigtoe": "big toe", "smalltoe": "small toe", "littletoe": "small toe", "midhip": "mid hip", "headtop": "head top",
    "handtip": "hand tip", "forefinger": "index", "indexfinger": "index", "middlefinger": "middle",
    "ringfinger": "ring", "pinkie": "pinky", "littlefinger": "pinky", "bodycenter": "body center",
}  # fmt: skip
_FINGERS = frozenset(("thumb", "index", "middle", "ring", "pinky"))
_ALONG_THUMB = {"cmc": "1", "mcp": "2", "ip": "3", "tip": "4"}
_ALONG_FINGER = {"mcp": "1", "pip": "2", "dip": "3", "tip": "4"}
_MID_HIP = frozenset((("hip",), ("hips",), ("hip", "center"), ("center", "hip"), ("body", "center")))
_WRIST = frozenset((("hand", "root"), ("hand", "base")))
# Words that one skeleton's users have for a keypoint: skeleton, keypoint, names (spaces between words are underscores).
_ALSO = (
    ("h36m17 h36m32", "mid_hip", "root pelvis"),
    ("h36m17 h36m32", "left_ankle", "left_foot"),
    ("h36m17 h36m32", "right_ankle", "right_foot"),
    ("h36m17", "spine", "torso belly"),
    ("h36m17", "thorax", "neck neck_base"),
    ("h36m17", "head", "nose neck_nose neck_base jaw"),
    ("h36m17", "head_top", "head"),
    ("kinect32", "spine_navel", "spine_naval"),
    ("halpe26", "head", "head_top"),
    *(("ap10k17", f"{side}_{end}_paw", f"{side}_{end[0]}_paw") for side in ("left", "right") for end in ("front", "back")),
)  # fmt: skip
_COMPONENT = re.compile(r"^(?:pose|body)\w*/|(?<=hand)_(?:landmarks|keypoints)\w*(?=/)", re.IGNORECASE)
_MAX_NAME = 200  # characters of a name that may be another spelling: no table has a longer one
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def match_names(names: Sequence[str]) -> Skeleton | None:
    """The built-in skeleton with these keypoints in this order, however they are spelled; None if there is none.

    >>> fingers = ("Thumb", "Index", "Middle", "Ring", "Pinky")
    >>> match_names(["WRIST", *(f"{f}_{i}" for f in fingers for i in (1, 2, 3, 4))]).name
    'hand21'
    """
    of_size = [s for s in BUILT_IN.values() if len(s) == len(names)]
    exact = next((s for s in of_size if s.keypoints == tuple(names)), None)
    if exact is not None or not of_size:
        return exact
    keys = [_list_keys(name) for name in names]
    alike = (all(map(frozenset.intersection, keys, _list_skeleton_keys(s.name))) for s in of_size)
    return next((s for s, same in zip(of_size, alike, strict=True) if same), None)


def spell_name(name: str) -> str | None:
    """A name as built-in skeletons spell it, the first that knows it; None where none does.

    >>> spell_name("LEFT-EYE")
    'left_eye'
    """
    side, words = _parse_name(name)
    found = (_build_vocabulary().get(key) for key in ((side, words), *sorted(_list_keys(name))))
    return next((spelling for spelling in found if spelling is not None), None)


def match_coco19(names: Sequence[str]) -> Mapping19:
    """coco19 keypoint -> which of these keypoints stand for it, by names in any spelling (see `builtin.map_coco19`)."""
    whole = match_names(names)
    if whole is not None:
        own = dict(zip(whole.keypoints, names, strict=True))
        return {target: tuple(own[n] for n in several) for target, several in whole.to_coco19.items()}
    found = {spell_name(name): name for name in reversed(names)}
    spelled = map_coco19([name for name in found if name is not None], {})
    return {target: tuple(found[n] for n in several) for target, several in spelled.items()}


def match_sides(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """(left, right) indices of the names that differ only in their side, in any spelling.

    >>> match_sides(["Nose", "LEye", "REye"])
    ((1, 2),)
    """
    found = {_parse_name(name): k for k, name in reversed(list(enumerate(names)))}
    pairs = ((k, found.get(("right", words))) for (side, words), k in found.items() if side == "left")
    return tuple(sorted((left, right) for left, right in pairs if right is not None))


@lru_cache(maxsize=4096)  # names of a few large skeletons
def _parse_name(name: str) -> Key:
    if len(name) > _MAX_NAME:
        return "", (name,)
    words = [part for word in _WORD.findall(_COMPONENT.sub("", name)) for part in _split_word(word.lower())]
    found = [_SIDES[word] for word in words if word in _SIDES]
    if len(found) != 1:
        return "", tuple(words)
    return found[0], tuple(word for word in words if word not in _SIDES)


def _split_word(word: str) -> list[str]:
    """A word without separators in its parts: lhip is l and hip, bigtoe is big and toe."""
    for side in ("left", "right", "l", "r"):
        if word.startswith(side) and word[len(side) :] in _PARTS:
            return [side, *_split_word(word[len(side) :])]
    return _SAME_WORDS.get(word, word).split()


def _list_keys(name: str) -> frozenset[Key]:
    """All that a name may be the same as: itself, and what other libraries say for it."""
    side, words = _parse_name(name)
    keys = {(side, words)}
    if not side and words in _MID_HIP:
        keys.add(("", ("mid", "hip")))
    if words in _WRIST:
        keys.add((side, ("hand", "wrist")))
    finger = next((word for word in words if word in _FINGERS), None)
    if finger is not None:
        along = _ALONG_THUMB if finger == "thumb" else _ALONG_FINGER
        joint = tuple(along.get(word, word) for word in words if word not in (finger, "finger", "hand"))
        keys.add((side, (finger, *joint)))
    return frozenset(keys)


@lru_cache
def _list_skeleton_keys(name: str) -> tuple[frozenset[Key], ...]:
    also = {point: names.split() for skeletons, point, names in _ALSO if name in skeletons.split()}
    return tuple(
        frozenset().union(_list_keys(point), *(_list_keys(other) for other in also.get(point, ())))
        for point in BUILT_IN[name].keypoints
    )


@lru_cache
def _build_vocabulary() -> dict[Key, str]:
    """Every key to the first built-in spelling that has it; a name's own key before what else it may be."""
    names = [name for skeleton in BUILT_IN.values() for name in skeleton.keypoints]
    others = {key: name for name in reversed(names) for key in _list_keys(name)}
    return others | {_parse_name(name): name for name in reversed(names)}
