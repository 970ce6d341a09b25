"""Rigs: which joints of a BVH skeleton stand for which coco19 keypoints, and how large its unit is.

Tables of joint names by convention, compared without namespace, case and separators; the first table whose joints are
all there is taken. Leaves out toes, fingers and spines, which coco19 lacks; knows nothing of files or motion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
CMU_UNIT_MM = 25.4 / 0.45
"""One length unit of the cgspeed conversion of the CMU database (its ASF files scale inches by 0.45)."""
STATURE_MM = 1700.0  # Of an adult, between the means of women and men in most countries
LEG_TO_STATURE = 0.491
"""Thigh plus shin over stature: 0.245 + 0.246, Winter, Biomechanics and Motor Control of Human Movement, table 4.1."""

# Per rig the six joints of the left side in the order of LIMBS, then the head, alternatives separated by "|".
# `@` stands for the side: left and right, or l and r.
_FULL, _SHORT = ("left", "right"), ("l", "r")
_TABLES: Sequence[tuple[str, tuple[str, str], str]] = (
    ("mixamo", _FULL, "@arm @forearm @hand @upleg @leg @foot head"),
    ("xsens", _FULL, "@upperarm @forearm|@lowerarm @hand|@wrist @upperleg|@thigh @lowerleg|@shin|@calf @foot head"),
    ("biovision", _FULL, "@shoulder @elbow @wrist|@hand @hip|@upleg @knee @ankle|@foot head"),
    ("smpl", _SHORT, "@shoulder @elbow @wrist|@hand @hip @knee @ankle|@foot head"),
    ("bandai", _SHORT, "upperarm@ lowerarm@ hand@ upperleg@ lowerleg@ foot@ head"),
    ("poser", _SHORT, "@shldr @forearm @hand @thigh @shin @foot head"),
    ("biped", _SHORT, "@upperarm @forearm @hand @thigh @calf @foot head"),
)
_CMU_ONLY = ("lhipjoint", "rhipjoint", "lowerback")
_PREFIX = re.compile(r"^(mixamorig\d*|character\d+|bip\d+)")
_MAX_OFF = 2  # times that a stature may differ from it: 0.85 to 3.4 m are people, anything else is another unit
_UNITS_MM = MappingProxyType({"mm": 1.0, "cm": 10.0, "in": 25.4, "m": 1000.0})


@dataclass(frozen=True)
class Rig:
    """name: the convention. joints: index of the joint that is left_shoulder, ..., right_ankle, head."""

    name: str
    joints: Mapping[str, int]


def find_rig(names: Sequence[str]) -> Rig | None:
    """The rig whose joints are all among `names`, or None. Of joints that look alike the first counts.

    "LeftShoulder" is the collar bone where "LeftArm" or "LeftUpperArm" exists, and the shoulder otherwise.

    >>> find_rig(["Hips", "Chest"]) is None
    True
    """
    index: dict[str, int] = {}
    for i, name in enumerate(names):
        index.setdefault(_normalize_name(name), i)
    for rig, sides, table in _TABLES:
        joints = _find_joints(index, sides, table.split())
        if joints:
            return Rig("cmu" if rig == "mixamo" and any(n in index for n in _CMU_ONLY) else rig, joints)
    return None


def guess_unit(leg: float, rig: str) -> tuple[str, float]:
    """(unit, factor): the unit in which a thigh plus shin of length `leg`, times the factor, is that of an adult.

    The nearest of mm, cm, in, m, by ratio; the CMU rig may also be in its own unit, which comes back as mm and the
    factor 25.4 / 0.45. ("unknown", 1) where the stature would be off by more than a factor of 2.
    """
    stature = leg / LEG_TO_STATURE
    choices = {unit: (unit, 1.0, size) for unit, size in _UNITS_MM.items()}
    if rig == "cmu":
        choices["cmu"] = ("mm", CMU_UNIT_MM, CMU_UNIT_MM)
    if not 0 < stature < math.inf:
        return "unknown", 1.0
    unit, factor, size = min(choices.values(), key=lambda c: abs(math.log(stature * c[2] / STATURE_MM)))
    return (unit, factor) if 1 / _MAX_OFF < stature * size / STATURE_MM < _MAX_OFF else ("unknown", 1.0)


def _normalize_name(name: str) -> str:
    """`mixamorig:LeftUpLeg`, `Left_Up_Leg` and `left upleg` are all leftupleg."""
    plain = re.sub(r"[^0-9a-z]", "", name.rpartition(":")[2].lower())
    return _PREFIX.sub("", plain) or plain


def _find_joints(index: Mapping[str, int], sides: tuple[str, str], table: Sequence[str]) -> dict[str, int] | None:
    found: dict[str, int] = {}
    for side, word in zip(("left", "right"), sides, strict=True):
        for part, names in zip((*LIMBS, "head"), table, strict=True):
            options = [name.replace("@", word) for name in names.split("|")]
            joint = next((index[name] for name in options if name in index), None)
            if joint is None:
                return None
            found["head" if part == "head" else f"{side}_{part}"] = joint
    return found
