"""Entries of COCO's lists, taken one by one: bodies of results or annotations, whole bodies too, and images.

COCO-WholeBody keeps feet, face and hands of an entry in fields of their own, beside the 17 keypoints of the body; with them
an entry has the 133 of coco133. Shared with AlphaPose, whose results are such a list.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change, report_count
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.per_frame import list_numbers
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Floats

ID_KEYS = ("track_id", "instance_id", "idx")
BODY = 17  # keypoints of an entry that may have PARTS
PARTS = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
"""Fields of a whole body after its `keypoints`, in coco133's order, with their numbers of keypoints."""
FLAGS = tuple(part.replace("_kpts", "_valid") for part in PARTS)
_KNOWN = {"image_id", "category_id", "keypoints", "id", "num_keypoints", *ID_KEYS, *PARTS, *FLAGS}
_ALL = sum(PARTS.values())
assert BODY + _ALL == len(BUILT_IN["coco133"])


class Entries:
    """The bodies of a list, of which `take` gets one entry at a time.

    what: names an entry in messages. read_image: what `image_id` means as a number, given its value and the entry's place.
    """

    def __init__(self, what: str, read_image: Callable[[Any, str], int]) -> None:
        self.what, self._read_image = what, read_image
        self.bodies = BodyTable()
        self.places = array("q")
        """Of each body the number of its entry."""
        self.categories: set[int | None] = set()
        self.category: Any = None
        """The first body's, as the file says it."""
        self._count = self._bare = 0
        self._left: Counter[str] = Counter()
        self._parts, self._owners = array("d"), array("q")

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def is_whole(self) -> bool:
        """Whether some body has PARTS."""
        return bool(self._owners)

    def take(self, place: int, value: Any) -> None:
        """The next entry of the list. Raises InputError if it is none, or has another number of keypoints than the first."""
        self._count += 1
        where = f"{self.what} {place}"
        if not isinstance(value, dict):
            raise InputError(f"{where} is {type(value).__name__}; an object with keypoints was expected")
        self._left.update(key for key in value.keys() - _KNOWN if key != "iscrowd" or value[key])
        if not value.get("keypoints"):
            self._bare += 1
            return
        flat = detections.check_flat_body(value["keypoints"], f"{where}: keypoints")
        if self.bodies and len(flat) != self.bodies.width:
            first = f"{self.what} {self.places[0]} {self.bodies.width // 3}"
            raise InputError(f"{where} has {len(flat) // 3} keypoints, {first}; split the file")
        if any(value.get(part) for part in PARTS):
            self._take_parts(value, len(flat), where)
        if not self.bodies:
            self.category = value.get("category_id")
        self.categories.add(detections.read_whole(value.get("category_id")))
        key = next((detections.read_id(value[name]) for name in ID_KEYS if name in value), None)
        self.bodies.add(self._read_image(value.get("image_id"), where), key, flat, f"{where}: keypoints")
        self.places.append(place)

    def report(self) -> None:
        """Report what is left out."""
        report_count(self._bare, f"of {self._count} {self.what}s have no keypoints and are left out")
        report_left(self._left, f"{self._count} {self.what}s")

    def find_category(self) -> dict[str, Any]:
        """The facts of the category: nothing if it is 1 throughout."""
        if len(self.categories) > 1:
            report_change(f"{len(self.categories)} categories are taken alike; writing gives all of them category 1")
        only = next(iter(self.categories)) if len(self.categories) == 1 else 1
        return {} if only in (None, 1) else {"category_id": only}

    def find_facts(self) -> dict[str, Any]:
        """The facts of the category, and whether entries have PARTS."""
        return self.find_category() | ({"wholebody": True} if self.is_whole else {})

    def build_table(self, size: int, *, labeled: bool = False) -> BodyTable:
        """All bodies with their PARTS, a keypoint of three zeros missing. size: bytes of the file, which bound the memory.

        labeled: whether v = 0 says that a keypoint is missing, as in annotations.
        """
        values = self._join_parts(self.bodies.values(3), size)
        zero = ~values.any(axis=2)
        if labeled:
            hidden = (values[..., 2] == 0) & ~zero & ~np.isnan(values[..., 0])
            report_count(int(hidden.sum()), "keypoints with v = 0 have a position; v = 0 says missing, and they are")
            zero |= hidden
        values[..., :2][zero] = np.nan
        self.bodies.replace_values(values)
        return self.bodies

    def _take_parts(self, value: dict[str, Any], width: int, where: str) -> None:
        if width != 3 * BODY:
            raise InputError(
                f"{where} has {width // 3} keypoints beside those of feet, face and hands; {BODY} were expected"
            )
        numbers: list[float] = []
        for part, count in PARTS.items():
            flat = list_numbers(value.get(part) or [0.0] * (3 * count), f"{where}: {part}")
            if len(flat) != 3 * count:
                raise InputError(f"{where}: {part} has {len(flat)} numbers; {3 * count} were expected, export it again")
            numbers += flat
        try:
            self._parts.extend(numbers)
        except OverflowError as error:
            raise InputError(f"{where} holds a number beyond any float; export it again") from error
        self._owners.append(len(self.bodies))

    def _join_parts(self, bodies: Floats, size: int) -> Floats:
        if not self.is_whole:
            return bodies
        detections.check_size((len(bodies), BODY + _ALL, 3), size)
        values = np.zeros((len(bodies), BODY + _ALL, 3))
        values[:, :BODY] = bodies
        values[np.array(self._owners), BODY:] = np.array(self._parts).reshape(-1, _ALL, 3)
        return values


class Images:
    """The images of an annotation file, of which `take` gets one at a time: numbers, names, sizes."""

    def __init__(self) -> None:
        self.frames: dict[int, int] = {}
        """Image id -> frame, by the order of the list."""
        self._names: list[str | None] = []
        self._videos: set[str] = set()
        self._sizes: set[tuple[int | None, ...]] = set()

    def take(self, place: int, image: Any) -> None:
        """The next image of the list. Raises InputError if it has no id of its own."""
        number = detections.read_whole(image.get("id")) if isinstance(image, dict) else None
        if number is None or number < 0 or number in self.frames:
            raise InputError(f"images: number {place} has no id of its own (a whole number); export it again")
        self.frames[number] = place
        name = image.get("file_name")
        self._names.append(name if isinstance(name, str) else None if name is None else "")
        self._videos |= {str(image[key]) for key in ("video_id", "vid_id") if key in image}
        self._sizes.add(tuple(detections.read_whole(image.get(side)) for side in ("width", "height")))

    def find_facts(self, usual: detections.Naming) -> dict[str, Any]:
        """Facts for the writer: the first id, how files are named, their size. Reports what is not kept."""
        if len(self._videos) > 1:
            report_change(
                f"images of {len(self._videos)} videos are taken as one recording; split the file to part them"
            )
        first = next(iter(self.frames))
        regular = all(number == first + place for number, place in self.frames.items())
        if not regular:
            report_change("image ids are not consecutive and are not kept; writing numbers them anew")
        facts = ({"first": first} if regular and first else {}) | self._find_names(usual)
        if len(self._sizes) > 1:
            report_change("images have several sizes, which are not kept")
            return facts
        width, height = next(iter(self._sizes))
        return facts | ({"size": [width, height]} if width and height else {})

    def _find_names(self, usual: detections.Naming) -> dict[str, Any]:
        """Facts of file names, if they number the frames one by one."""
        if not any(name is not None for name in self._names):
            return {}
        try:
            naming, found = detections.parse_names([name or "" for name in self._names])
            if found == list(range(found[0], found[0] + len(found))):
                return {"names": naming.to_facts(usual) | ({"first": found[0]} if found[0] else {})}
        except InputError:
            pass
        report_change("file names do not number the frames one by one and are not kept")
        return {}


def report_left(left: Counter[str], of: str) -> None:
    """Report keys that are not kept."""
    if left:
        names = ", ".join(sorted(left)[:9])
        report_change(f"{names} of {of} are not kept; writing makes new boxes, areas and scores around the keypoints")


def split_parts(row: list[float]) -> Iterator[tuple[str, list[float]]]:
    """(field, numbers) of a whole body's numbers: `keypoints`, then PARTS."""
    yield "keypoints", row[: 3 * BODY]
    start = 3 * BODY
    for part, count in PARTS.items():
        yield part, row[start : start + 3 * count]
        start += 3 * count
