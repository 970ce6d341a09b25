"""COCO keypoints: a list of results, or an annotation file with images, annotations and categories.

An entry is one body in one image: x, y, v of K keypoints in pixels. In results v is a score, in annotations 0 (missing),
1 or 2; both become the confidence, and 0, 0, 0 is missing. Frames are the image ids of results, and the order of
`images` in an annotation file. Leaves out boxes, areas, scores and segmentations, which are reported and made anew where
the format needs them. Reference: cocodataset.org, data and results format.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, UsageError, report_change, report_count
from posecodec.io import AnyPath, Certainty, Format, guard_reader, write_atomic
from posecodec.io.parsing import detections, format_metadata
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton, pair_sides

ID_KEYS = ("track_id", "instance_id", "idx")
BUILT_INS = ("coco17", "halpe26", "coco133")  # Skeletons that a count of keypoints stands for where nothing names them
_KNOWN = {"image_id", "category_id", "keypoints", "id", "num_keypoints", *ID_KEYS}
_USUAL = detections.Naming("", 12, ".jpg")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Entry:
    """One body: `image` as the file says it, `key` its id if it has one, `body` (K, 3) with v as confidence."""

    what: str
    number: int
    image: Any
    key: str | None
    category: Any
    body: detections.Body

    @property
    def where(self) -> str:
        return f"{self.what} {self.number}"


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a COCO results list or annotation file, in pixels.

    Frames without entries between others are missing. Several people in an image are told apart by `track_id`, else by
    list order. Keypoints are named by the category, else 17 are coco17 (26 halpe26, 133 coco133), others numbers.
    fps: frames per second, needed. metadata `coco`: image and category numbers, file names and size if they are regular.
    Raises InputError if entries are not of that form or differ in their number of keypoints, NoRateError without fps.
    """
    content, size = detections.load_json(path)
    if isinstance(content, list):
        return _read_results(content, fps, size)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        return _read_annotations(content, fps, size)
    found = f"an object of {sorted(content)[:5]}" if isinstance(content, dict) else type(content).__name__
    raise InputError(f'this is {found}; a list of results or an object with a list "annotations" was expected')


def write(sequence: PoseSequence, path: AnyPath, force: bool = False) -> None:
    """An annotation file, or a results list if the sequence came from one.

    v is the confidence. New are boxes and areas around the keypoints, and scores (the mean confidence). People have
    a `track_id` where list order does not tell them apart. The rate is left behind. Raises UsageError if the sequence is
    3D, has timestamps, or a position with confidence 0, which annotations read as missing.
    """
    detections.check_flat(sequence, "COCO")
    facts = format_metadata.read_facts(sequence, "coco")
    content = _build_results(sequence, facts) if facts.get("results") is True else _build_annotations(sequence, facts)
    write_atomic(path, json.dumps(content, separators=(",", ":")).encode(), force)


def read_entries(content: list[Any], what: str) -> list[Entry]:
    """The bodies of a list of results or annotations, which is emptied on the way to save memory.

    what: names one in errors. Reports what is left out. Raises InputError for one that is none, or if the number of
    keypoints changes.
    """
    found: list[Entry] = []
    left: Counter[str] = Counter()
    bare = 0
    for i, value in enumerate(content):
        content[i], where = None, f"{what} {i}"
        if not isinstance(value, dict):
            raise InputError(f"{where} is {type(value).__name__}; an object with keypoints was expected")
        left.update(key for key in value.keys() - _KNOWN if key != "iscrowd" or value[key])
        if not value.get("keypoints"):
            bare += 1
            continue
        body = detections.parse_body(value["keypoints"], f"{where}: keypoints")
        if found and len(body) != len(found[0].body):
            first = f"{found[0].where} {len(found[0].body)}"
            raise InputError(f"{where} has {len(body)} keypoints, {first}; split the file")
        key = next((detections.read_id(value[name]) for name in ID_KEYS if name in value), None)
        found.append(Entry(what, i, value.get("image_id"), key, value.get("category_id"), detections.mask_zeros(body)))
    report_count(bare, f"of {len(content)} {what}s have no keypoints and are left out")
    report_left(left, f"{len(content)} {what}s")
    return found


def report_left(left: Mapping[str, int], of: str) -> None:
    """Report keys that are not kept."""
    if left:
        names = ", ".join(sorted(left)[:9])
        report_change(f"{names} of {of} are not kept; writing makes new boxes, areas and scores around the keypoints")


def list_detections(
    sequence: PoseSequence, facts: Mapping[str, Any], id_key: str
) -> Iterator[tuple[int, dict[str, Any], float, list[float]]]:
    """(frame, entry without its image, score, box) of everybody seen in every frame. Box: left, top, width, height."""
    category, ids = format_metadata.read_integer(facts, "category_id", 1), detections.has_ids(sequence, facts)
    for t in range(sequence.frames):
        for p, row in detections.encode_rows(sequence, t):
            entry: dict[str, Any] = {"category_id": category, "keypoints": row}
            if ids:
                entry[id_key] = detections.encode_id(sequence.ids[p])
            valid = sequence.valid[t, p]
            points = sequence.positions[t, p][valid].astype(np.float64)
            low, high = points.min(axis=0), points.max(axis=0)
            score = np.float32(sequence.confidence[t, p][valid].mean(dtype=np.float64))
            box = detections.shorten_floats(np.concatenate([low, high - low]).astype(np.float32))
            yield t, entry, float(str(score)), box


def check_list(sequence: PoseSequence, title: str) -> None:
    """A list of bodies names no keypoints, and knows no frames without bodies: reports what is left behind.

    Raises UsageError if readers would take the keypoints for others, or nobody is ever seen.
    """
    taken = detections.assume_skeleton(len(sequence.skeleton), *BUILT_INS)
    if taken.keypoints != sequence.skeleton.keypoints:
        if taken.name in BUILT_IN:
            what = f"{title} has no keypoint names, and {len(taken)} would be read as {taken.name}"
            raise UsageError(f"{what}, not as {sequence.skeleton.name!r}; save as .npz")
        report_change(f"{title} has no room for the names of the keypoints")
    seen = np.flatnonzero(sequence.valid.any(axis=(1, 2)))
    if not len(seen):
        raise UsageError(f"nobody is seen in any frame, and {title} cannot say so; save as .npz")
    start, end = seen[0], sequence.frames - 1 - seen[-1]
    if start or end:
        report_change(f"{title} cannot say that nobody is in the first {start} and last {end} frames")


def find_category(entries: Sequence[Entry]) -> dict[str, Any]:
    """The facts of the category: nothing if it is 1 throughout."""
    found = {detections.read_whole(entry.category) for entry in entries}
    if len(found) > 1:
        report_change(f"{len(found)} categories are taken alike; writing gives all of them category 1")
    only = found.pop() if len(found) == 1 else 1
    return {} if only in (None, 1) else {"category_id": only}


def _read_results(content: list[Any], fps: float | None, size: int) -> PoseSequence:
    entries = read_entries(content, "result")
    if not entries:
        raise InputError("the list holds no keypoints; check that these are results of keypoint detection")
    listed: dict[int, list[tuple[str | None, detections.Body]]] = {}
    for entry in entries:
        listed.setdefault(_read_image_number(entry), []).append((entry.key, entry.body))
    facts = {"results": True} | ({"first": min(listed)} if min(listed) else {}) | find_category(entries)
    skeleton = detections.assume_skeleton(len(entries[0].body), *BUILT_INS)
    return detections.build_sequence(listed, skeleton, 2, fps=fps, size=size, source="coco", facts=facts)


def _read_image_number(entry: Entry) -> int:
    number = detections.read_whole(entry.image)
    if number is None or number < 0:
        hint = "pass --from alphapose" if isinstance(entry.image, str) else "export it again"
        raise InputError(f"{entry.where}: image_id is {entry.image!r:.60}, a frame number was expected; {hint}")
    return number


def _read_annotations(content: dict[str, Any], fps: float | None, size: int) -> PoseSequence:
    entries = _drop_unlabeled(read_entries(content["annotations"], "annotation"))
    frames, facts = _read_images(content, entries)
    listed: dict[int, list[tuple[str | None, detections.Body]]] = {frame: [] for frame in frames.values()}
    for entry in entries:
        number = _read_image_number(entry)
        if number not in frames:
            raise InputError(f'{entry.where}: image_id {number} is not in "images"; export it again')
        listed[frames[number]].append((entry.key, entry.body))
    if not listed:
        raise InputError("neither images nor annotations with keypoints; check that the export is whole")
    facts |= find_category(entries)
    skeleton, name = _read_category(content, entries)
    facts |= {"category": name} if name != "person" else {}
    return detections.build_sequence(listed, skeleton, 2, fps=fps, size=size, source="coco", facts=facts, most=2)


def _drop_unlabeled(entries: list[Entry]) -> list[Entry]:
    """Annotations with those keypoints missing that v = 0 says are not labeled."""
    count = 0
    for entry in entries:
        hidden = (entry.body[:, 2] == 0) & ~np.isnan(entry.body[:, 0])
        entry.body[hidden, :2] = np.nan
        count += int(hidden.sum())
    report_count(count, "keypoints with v = 0 have a position; v = 0 says missing, and they are")
    return entries


def _read_images(content: Mapping[str, Any], entries: Sequence[Entry]) -> tuple[dict[int, int], dict[str, Any]]:
    """Image id -> frame by the order of `images` (without them the ids are the frames), and facts for the writer."""
    images = content.get("images")
    if not isinstance(images, list) or not images:
        used = sorted({_read_image_number(entry) for entry in entries})
        return {number: number for number in used}, {"first": used[0]} if used and used[0] else {}
    frames: dict[int, int] = {}
    for i, image in enumerate(images):
        number = detections.read_whole(image.get("id")) if isinstance(image, dict) else None
        if number is None or number < 0 or number in frames:
            raise InputError(f"images: number {i} has no id of its own (a whole number); export it again")
        frames[number] = i
    videos = {str(image[key]) for image in images for key in ("video_id", "vid_id") if key in image}
    if len(videos) > 1:
        report_change(f"images of {len(videos)} videos are taken as one recording; split the file to part them")
    first = next(iter(frames))
    regular = list(frames) == list(range(first, first + len(frames)))
    if not regular:
        report_change("image ids are not consecutive and are not kept; writing numbers them anew")
    facts = ({"first": first} if regular and first else {}) | _read_file_names(images)
    sizes = {tuple(detections.read_whole(image.get(side)) for side in ("width", "height")) for image in images}
    if len(sizes) > 1:
        report_change("images have several sizes, which are not kept")
    width, height = sizes.pop()
    return frames, facts | ({"size": [width, height]} if not sizes and width and height else {})


def _read_file_names(images: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Facts of file names, if they number the frames one by one."""
    names = [image.get("file_name") for image in images]
    if names == [None] * len(names):
        return {}
    try:
        naming, found = detections.parse_names([name if isinstance(name, str) else "" for name in names])
        if found == list(range(found[0], found[0] + len(found))):
            return {"names": naming.to_facts(_USUAL) | ({"first": found[0]} if found[0] else {})}
    except InputError:
        pass
    report_change("file names do not number the frames one by one and are not kept")
    return {}


def _read_category(content: Mapping[str, Any], entries: Sequence[Entry]) -> tuple[Skeleton, str]:
    """The skeleton of the first entry's category (or the first that has keypoints), and the category's name."""
    categories = content.get("categories")
    known = [c for c in categories if isinstance(c, dict)] if isinstance(categories, list) else []
    wanted = [c for c in known if entries and c.get("id") == entries[0].category] or known
    found = next((c for c in wanted if isinstance(c.get("keypoints"), list)), {})
    names = found.get("keypoints") or []
    count = len(entries[0].body) if entries else len(names) or 17
    name = found.get("name")
    title = detections.check_unicode(name) if isinstance(name, str) else "person"
    if not names:
        return detections.assume_skeleton(count, *BUILT_INS), title
    if len(names) != count or not all(isinstance(n, str) for n in names):
        raise InputError(f"category {title!r} names {len(names)} keypoints, annotations have {count}; export it again")
    plain = tuple(detections.check_unicode(n) for n in names)
    skeleton = build_skeleton(plain)
    return skeleton if skeleton.name in BUILT_IN else _build_custom(plain, found.get("skeleton")), title


def _build_custom(names: tuple[str, ...], links: Any) -> Skeleton:
    """A skeleton with the category's limbs, which count keypoints from 1."""
    edges: dict[tuple[int, int], None] = {}
    for link in links if isinstance(links, list) else []:
        ends = [detections.read_whole(end) for end in link] if isinstance(link, list) else []
        if len(ends) != 2 or not all(end is not None and 1 <= end <= len(names) for end in ends):
            raise InputError(f"categories: the limb {link!r:.60} is no pair of 1 to {len(names)}; export it again")
        edges[(ends[0] or 0) - 1, (ends[1] or 0) - 1] = None
    return Skeleton("custom", names, tuple(edges), pair_sides(names))


def _build_results(sequence: PoseSequence, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    check_list(sequence, "a COCO results list")
    first = format_metadata.read_integer(facts, "first", 0)
    found = list_detections(sequence, facts, "track_id")
    return [{"image_id": first + t} | entry | {"score": score} for t, entry, score, _ in found]


def _build_annotations(sequence: PoseSequence, facts: Mapping[str, Any]) -> dict[str, Any]:
    if (sequence.valid & (sequence.confidence == 0)).any():
        what = "a keypoint has a position but confidence 0"
        raise UsageError(f"{what}, which COCO annotations read as missing; save as .npz")
    if not np.isin(sequence.confidence, (0, 1, 2)).all():
        report_change("v of the annotations holds the confidences, not 1 or 2 for hidden and visible")
    first = format_metadata.read_integer(facts, "first", 0)
    annotations: list[dict[str, Any]] = []
    for t, entry, _, box in list_detections(sequence, facts, "track_id"):
        visible = entry["keypoints"][2::3]
        entry["keypoints"][2::3] = [int(v) if v in (0, 1, 2) else v for v in visible]
        made = {"num_keypoints": sum(v != 0 for v in visible), "bbox": box, "iscrowd": 0}
        made["area"] = float(str(np.float32(box[2] * box[3])))
        annotations.append({"id": len(annotations) + 1, "image_id": first + t} | entry | made)
    name = facts.get("category")
    category: dict[str, Any] = {"id": format_metadata.read_integer(facts, "category_id", 1)}
    category["name"] = name if isinstance(name, str) else "person"
    category["keypoints"] = list(sequence.skeleton.keypoints)
    category["skeleton"] = [[a + 1, b + 1] for a, b in sequence.skeleton.edges]
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
    name="coco", title="COCO keypoints", suffixes=(".json",), read=read, write=write, priority=44,
    sniff=lambda file: file.find_in_json(b'"annotations"')
    or file.find_in_json(b'"image_id"', certainty=Certainty.LIKELY),  # others have image ids too
)  # fmt: skip
