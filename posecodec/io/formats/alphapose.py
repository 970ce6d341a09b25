"""AlphaPose results (`alphapose-results.json`): a list of bodies, each with the name of its image.

As a COCO results list, but `image_id` is a text that ends in the frame's number ("0.jpg", "frame_12.png"), confidences
go up to about 6, `score` is AlphaPose's own, and `idx` may be a person's number. Leaves out boxes and scores, which are
reported and made anew on writing. Older layouts are read too: an object that has for each image a list of bodies
(PoseFlow's), or an object with `bodies` of `joints` (--format cmu) or `people` of `pose_keypoints_2d` (--format open).
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from posecodec.errors import InputError
from posecodec.io import AnyPath, Clue, Format, Source, guard_reader, write_atomic
from posecodec.io.formats import coco
from posecodec.io.formats.coco_entries import Entries
from posecodec.io.parsing import detections, format_metadata
from posecodec.io.parsing.json_parts import TOP, load_in_parts
from posecodec.pose.sequence import PoseSequence

BUILT_INS = (*coco.BUILT_INS, "coco18")  # Skeletons that a count of keypoints stands for
_LISTS, _BODIES = ("bodies", "people"), ("joints", "pose_keypoints_2d")
_BY_IMAGE = re.compile(rb'\s*\{\s*"(?=[^"]*\d)[^"]*\.(jpg|jpeg|png|bmp)"\s*:', re.IGNORECASE)
_USUAL = detections.Naming("", 1, ".jpg")


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of an AlphaPose results list, in pixels.

    Frames are the numbers in the names of the images. `idx` is who somebody is, if all have one and no frame has it twice;
    else list order is. 17 keypoints are coco17, 26 halpe26, 133 coco133, others numbers. Confidences are kept as they are.
    fps: frames per second, needed. metadata `alphapose`: how images are named, if not "0.jpg", "1.jpg", ...
    Raises InputError if the file is no such list, NoRateError without fps.
    """
    images: dict[str, int] = {}
    entries = Entries("result", functools.partial(_number_image, images))
    content, size = load_in_parts(path, {TOP: entries.take})
    if isinstance(content, dict):
        _take_images(content, images, entries)
    elif not isinstance(content, list):
        expected = "a list was expected; export it with --format coco (the default)"
        raise InputError(f"this is {type(content).__name__}, {expected}")
    entries.report()
    if not entries:
        raise InputError("the list holds no keypoints; check that AlphaPose found anybody")
    naming, numbers = detections.parse_names(list(images))
    table = entries.build_table(size)
    table.renumber(numbers[i] for i in table.frames.tolist())
    for number in numbers:
        table.add_empty(number)
    facts = naming.to_facts(_USUAL) | ({"first": min(numbers)} if min(numbers) else {}) | entries.find_facts()
    skeleton = detections.assume_skeleton(table.width // 3, *BUILT_INS)
    return detections.build_from_table(table, skeleton, 2, fps=fps, size=size, source="alphapose", facts=facts)


def _take_images(content: dict[str, Any], images: dict[str, int], entries: Entries) -> None:
    """The bodies of the older layouts: image -> list of bodies, or an object with such a list."""
    count = 0
    for image, value in content.items():
        found = value if not isinstance(value, dict) else next((value[key] for key in _LISTS if key in value), None)
        if not isinstance(found, list):
            raise InputError(f"{image!r:.60} has no list of bodies; export it with --format coco (the default)")
        _number_image(images, image, "")
        for body in found:
            entry = dict(body) if isinstance(body, dict) else body
            if isinstance(entry, dict):
                flat = next((entry.pop(key) for key in _BODIES if key in entry), None)
                entry |= {"image_id": image} | ({} if flat is None else {"keypoints": flat})
            entries.take(count, entry)
            count += 1


def _number_image(images: dict[str, int], image: Any, where: str) -> int:
    """The place of an image among those that were named so far."""
    if not isinstance(image, str):
        raise InputError(f"{where}: image_id is {image!r:.60}, a file name was expected; pass --from coco")
    return images.setdefault(image, len(images))


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """A results list; images are named as in the file it came from, else "0.jpg", "1.jpg", ...

    `box` is around the keypoints, `score` the mean confidence, `idx` is there where list order does not tell people
    apart. The rate is left behind. Raises UsageError if the sequence is 3D, has timestamps, nobody in it, or keypoints
    that would be taken for others.
    """
    sequence = detections.check_flat(sequence, "AlphaPose")
    coco.check_list(sequence, "an AlphaPose results list", *BUILT_INS)
    facts = format_metadata.read_facts(sequence, "alphapose")
    naming, first = detections.Naming.from_facts(facts, _USUAL), format_metadata.read_integer(facts, "first", 0)
    content = [
        {"image_id": naming.name(first + t)} | entry | {"score": score, "box": box}
        for t, entry, score, box in coco.list_detections(sequence, facts, "idx")
    ]
    write_atomic(path, json.dumps(content, separators=(",", ":")).encode(), force)


def _sniff(file: Source) -> Clue | None:
    """COCO numbers its images, AlphaPose names them; long ago it had an object of them."""
    if file.is_json and _BY_IMAGE.match(file.head):
        return Clue("the images that it has bodies for")
    named = file.find_in_json(b'"image_id"') and re.search(rb'"image_id"\s*:\s*"', file.data)
    return Clue('the "image_id" that is a text in it') if named else None


FORMAT = Format(
    name="alphapose", title="AlphaPose results", suffixes=(".json",), read=read, write=write, sniff=_sniff,
    priority=40, states_rate=False,
)  # fmt: skip
