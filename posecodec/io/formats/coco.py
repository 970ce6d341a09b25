"""COCO keypoints: a list of results, or an annotation file with images, annotations and categories.

An entry is one body in one image: x, y, v of K keypoints in pixels. In results v is a score, in annotations 0 (missing),
1 or 2; both become the confidence, and 0, 0, 0 is missing. Frames are the image ids of results, and the order of
`images` in an annotation file. COCO-WholeBody's fields of feet, face and hands are read, and written again, as
keypoints 17 to 132. Leaves out boxes, areas, scores and segmentations, which are reported and made anew where the
format needs them. Reference: cocodataset.org, data and results format; github.com/jin-s13/COCO-WholeBody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change
from posecodec.io import AnyPath, Certainty, Format, guard_reader, write_atomic
from posecodec.io.formats.coco_entries import BODY, PARTS, Entries, Images, split_parts
from posecodec.io.parsing import detections, format_metadata, missing
from posecodec.io.parsing.json_parts import TOP, load_in_parts
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton, pair_sides

BUILT_INS = ("coco17", "halpe26", "coco133")  # Skeletons that a count of keypoints stands for where nothing names them
_USUAL = detections.Naming("", 12, ".jpg")


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a COCO results list or annotation file, in pixels.

    Frames without entries between others are missing. Several people in an image are told apart by `track_id`, else by
    list order. Keypoints are named by the category, else 17 are coco17 (26 halpe26, 133 coco133), others numbers.
    fps: frames per second, needed. metadata `coco`: image and category numbers, file names and size if they are regular.
    Raises InputError if entries are not of that form or differ in their number of keypoints, NoRateError without fps.
    """
    results = Entries("result", _read_image_number)
    annotations, images = Entries("annotation", _read_image_number), Images()
    takers = {TOP: results.take, "annotations": annotations.take, "images": images.take}
    content, size = load_in_parts(path, takers)
    if isinstance(content, list):
        return _read_results(results, fps, size)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return _read_annotations(content, annotations, images, fps, size)
    found = f"an object of {sorted(content)[:5]}" if isinstance(content, dict) else type(content).__name__
    raise InputError(f'this is {found}; a list of results or an object with a list "annotations" was expected')


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """An annotation file, or a results list if the sequence came from one.

    v is the confidence. New are boxes and areas around the keypoints, and scores (the mean confidence). People have
    a `track_id` where list order does not tell them apart. The rate is left behind. Raises UsageError if the sequence is
    3D or has timestamps.
    """
    sequence = detections.check_flat(sequence, "COCO")
    facts = format_metadata.read_facts(sequence, "coco")
    content = _build_results(sequence, facts) if facts.get("results") is True else _build_annotations(sequence, facts)
    write_atomic(path, json.dumps(content, separators=(",", ":")).encode(), force)


def list_detections(
    sequence: PoseSequence, facts: Mapping[str, Any], id_key: str
) -> Iterator[tuple[int, dict[str, Any], float, list[float]]]:
    """(frame, entry without its image, score, box) of everybody seen in every frame. Box: left, top, width, height."""
    category, ids = format_metadata.read_integer(facts, "category_id", 1), detections.has_ids(sequence, facts)
    whole = is_whole(sequence, facts)
    for t in range(sequence.frames):
        for p, row in detections.encode_rows(sequence, t):
            entry: dict[str, Any] = {"category_id": category}
            entry |= dict(split_parts(row)) if whole else {"keypoints": row}
            if ids:
                entry[id_key] = detections.encode_id(sequence.ids[p])
            valid = sequence.valid[t, p]
            points = sequence.positions[t, p][valid].astype(np.float64)
            low, high = points.min(axis=0), points.max(axis=0)
            score = np.float32(sequence.confidence[t, p][valid].mean(dtype=np.float64))
            box = detections.shorten_floats(np.concatenate([low, high - low]).astype(np.float32))
            yield t, entry, float(str(score)), box


def is_whole(sequence: PoseSequence, facts: Mapping[str, Any]) -> bool:
    """Whether feet, face and hands are written in fields of their own: where the file had them so."""
    names = BUILT_IN["coco133"].keypoints
    return facts.get("wholebody") is True and sequence.skeleton.keypoints[BODY:] == names[BODY:]


def check_list(sequence: PoseSequence, title: str, *known: str) -> None:
    """A list of bodies names no keypoints, and knows no frames without bodies: reports what is left behind.

    known: skeletons that its reader knows by their counts. Raises UsageError if it would take the keypoints for others, or
    nobody is ever seen.
    """
    detections.check_names(sequence, title, *known)
    seen = np.flatnonzero(sequence.valid.any(axis=(1, 2)))
    if not len(seen):
        raise UsageError(f"nobody is seen in any frame, and {title} cannot say so; save as .npz")
    start, end = seen[0], sequence.frames - 1 - seen[-1]
    if start or end:
        report_change(f"{title} cannot say that nobody is in the first {start} and last {end} frames")


def _read_results(entries: Entries, fps: float | None, size: int) -> PoseSequence:
    if not entries:
        raise InputError("the list holds no keypoints; check that these are results of keypoint detection")
    entries.report()
    first = int(entries.bodies.frames.min())
    facts = {"results": True} | ({"first": first} if first else {}) | entries.find_facts()
    table = entries.build_table(size)
    skeleton = detections.assume_skeleton(table.width // 3, *BUILT_INS)
    return detections.build_from_table(table, skeleton, 2, fps=fps, size=size, source="coco", facts=facts)


def _read_image_number(image: Any, where: str) -> int:
    number = detections.read_whole(image)
    if number is None or number < 0:
        hint = "pass --from alphapose" if isinstance(image, str) else "export it again"
        raise InputError(f"{where}: image_id is {image!r:.60}, a frame number was expected; {hint}")
    return number


def _read_annotations(
    content: dict[str, Any], entries: Entries, images: Images, fps: float | None, size: int
) -> PoseSequence:
    entries.report()
    facts = _number_frames(entries, images) | entries.find_facts()
    table = entries.build_table(size, labeled=True)
    if not len(table.list_frames()):
        raise InputError("neither images nor annotations with keypoints; check that the export is whole")
    skeleton, name = _read_category(content, entries)
    facts |= {"category": name} if name != "person" else {}
    return detections.build_from_table(table, skeleton, 2, fps=fps, size=size, source="coco", facts=facts, most=2)


def _number_frames(entries: Entries, images: Images) -> dict[str, Any]:
    """Frames by the order of `images` (without them the ids are the frames); facts for the writer."""
    numbers = entries.bodies.frames
    if not images.frames:
        first = int(numbers.min()) if len(numbers) else 0
        return {"first": first} if first else {}
    found = [images.frames.get(number) for number in numbers.tolist()]
    if None in found:
        i = found.index(None)
        where = f"annotation {entries.places[i]}"
        raise InputError(f'{where}: image_id {numbers[i]} is not in "images"; export it again')
    entries.bodies.renumber(frame for frame in found if frame is not None)
    for frame in images.frames.values():
        entries.bodies.add_empty(frame)
    return images.find_facts(_USUAL)


def _read_category(content: Mapping[str, Any], entries: Entries) -> tuple[Skeleton, str]:
    """The skeleton of the first entry's category (or the first that has keypoints), and the category's name."""
    categories = content.get("categories")
    known = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    wanted = [c for c in known if entries and c.get("id") == entries.category] or known
    found = next((c for c in wanted if isinstance(c.get("keypoints"), list)), {})
    names = found.get("keypoints") or []
    count = entries.bodies.width // 3 if entries else len(names) or 17
    name = found.get("name")
    title = detections.check_unicode(name) if isinstance(name, str) else "person"
    if not names:
        return detections.assume_skeleton(count, *BUILT_INS), title
    if not all(isinstance(n, str) for n in names):
        raise InputError(f"category {title!r} names keypoints by something else than text; export it again")
    plain = tuple(detections.check_unicode(n) for n in names)
    if entries.is_whole and len(plain) == BODY:
        plain += BUILT_IN["coco133"].keypoints[BODY:]
    if len(plain) != count:
        report_change(
            f"category {title!r} names {len(names)} keypoints, annotations have {count}; the names are left out"
        )
        return detections.assume_skeleton(count, *BUILT_INS), title
    skeleton = build_skeleton(plain)
    return skeleton if skeleton.name in BUILT_IN else _build_custom(plain, found.get("skeleton")), title


def _build_custom(names: tuple[str, ...], links: Any) -> Skeleton:
    """A skeleton with the category's limbs, which count keypoints from 1, or from 0 where that fits all of them and 1 does
    not; those that name no two keypoints are left out."""
    listed = links if isinstance(links, list) else []
    pairs = [tuple(map(detections.read_whole, link)) if isinstance(link, list) else () for link in listed]
    ends = [end for pair in pairs for end in pair]
    start = 0 if 0 in ends and all(end is not None and 0 <= end < len(names) for end in ends) else 1
    if start == 0:
        report_change("the limbs of the category count keypoints from 0, where COCO counts from 1; they are read so")
    edges: dict[tuple[int, int], None] = {}
    left = []
    for link, pair in zip(listed, pairs, strict=True):
        a, b = (end - start if end is not None else -1 for end in pair) if len(pair) == 2 else (-1, -1)
        if a != b and min(a, b) >= 0 and max(a, b) < len(names):
            edges[a, b] = None
        else:
            left.append(link)
    if left:
        what = f"{len(left)} of {len(listed)} limbs name no two of {len(names)} keypoints and are left out"
        report_change(f"{what} ({left[0]!r:.60} the first)")
    return Skeleton("custom", names, tuple(edges), pair_sides(names))


def _build_results(sequence: PoseSequence, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    check_list(sequence, "a COCO results list", *BUILT_INS)
    first = format_metadata.read_integer(facts, "first", 0)
    found = list_detections(sequence, facts, "track_id")
    return [{"image_id": first + t} | entry | {"score": score} for t, entry, score, _ in found]


def _build_annotations(sequence: PoseSequence, facts: Mapping[str, Any]) -> dict[str, Any]:
    sequence = missing.keep_unsure(sequence, "a COCO annotation")
    if not np.isin(sequence.confidence, (0, 1, 2)).all():
        report_change("v of the annotations holds the confidences, not 1 or 2 for hidden and visible")
    first, whole = format_metadata.read_integer(facts, "first", 0), is_whole(sequence, facts)
    annotations: list[dict[str, Any]] = []
    for t, entry, _, box in list_detections(sequence, facts, "track_id"):
        for part in ("keypoints", *(PARTS if whole else ())):
            visible = entry[part][2::3]
            entry[part][2::3] = [int(v) if v in (0, 1, 2) else v for v in visible]
            entry |= {part.replace("_kpts", "_valid"): any(visible)} if part in PARTS else {}
        made = {"num_keypoints": sum(v != 0 for v in entry["keypoints"][2::3]), "bbox": box, "iscrowd": 0}
        made["area"] = float(str(np.float32(box[2] * box[3])))
        annotations.append({"id": len(annotations) + 1, "image_id": first + t} | entry | made)
    name = facts.get("category")
    category: dict[str, Any] = {"id": format_metadata.read_integer(facts, "category_id", 1)}
    category["name"] = name if isinstance(name, str) else "person"
    names = sequence.skeleton.keypoints[: BODY if whole else None]
    category["keypoints"] = list(names)
    category["skeleton"] = [[a + 1, b + 1] for a, b in sequence.skeleton.edges if max(a, b) < len(names)]
    images = [{"id": first + t} | made for t, made in enumerate(_describe_images(sequence, facts))]
    return {"images": images, "annotations": annotations, "categories": [category]}


def _describe_images(sequence: PoseSequence, facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """File name and size of each frame's image, as far as they are known."""
    size, names = facts.get("size"), facts.get("names")
    known: dict[str, Any] = {}
    if isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size):
        known = {"width": size[0], "height": size[1]}
    naming = detections.Naming.from_facts(names, _USUAL) if isinstance(names, dict) else None
    start = format_metadata.read_integer(names, "first", 0)
    for t in range(sequence.frames):
        yield ({"file_name": naming.name(start + t)} if naming else {}) | known


FORMAT = Format(
    name="coco", title="COCO keypoints", suffixes=(".json",), read=read, write=write, priority=44, states_rate=False,
    sniff=lambda file: file.find_in_json(b'"annotations"')
    or file.find_in_json(b'"image_id"', certainty=Certainty.LIKELY),  # others have image ids too
)  # fmt: skip
