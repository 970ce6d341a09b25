"""MMPose predictions as JSON: frames of instances, with or without `meta_info`; read only.

`[{"frame_id": 0, "instances": [...]}]` of the inferencer, `{"meta_info": ..., "instance_info": [...]}` of the demo scripts,
or the bare instances of one image. An instance is `keypoints` [[x, y], ...] or [[x, y, z], ...] and `keypoint_scores`,
which become the confidence; there is no frame rate. Leaves out boxes and their scores, and what else `meta_info` holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change
from posecodec.io import Format, guard_reader
from posecodec.io.formats.coco import BUILT_INS
from posecodec.io.parsing import detections, per_frame
from posecodec.io.parsing.json_parts import TOP, load_in_parts
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, pair_sides
from posecodec.pose.skeletons.naming import match_names

_ID_KEYS = ("track_id", "instance_id")
_KNOWN = {"keypoints", "keypoint_scores", *_ID_KEYS}


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class _Instance:
    where: str
    key: str | None
    body: detections.Body


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of an MMPose prediction file: 2D in pixels, 3D in an unknown unit with an unknown axis up.

    Frames are `frame_id`s, else the order of the list; those between others that are not there are missing. People are
    told apart by `track_id` or `instance_id`, else by list order. Keypoints have the names of `meta_info`; without, 17 in
    2D are taken as coco17 (26 halpe26, 133 coco133), which is reported. A missing score is 1, null a missing keypoint.
    fps: frames per second, needed. metadata `mmpose`: the first frame's number if not 0.
    Raises InputError if the file is of another form or keypoints change in number, NoRateError without fps.
    """
    frames = _Frames()
    content, size = load_in_parts(path, {TOP: frames.take, "instance_info": frames.take})
    meta = content.get("meta_info") if isinstance(content, dict) else None
    meta = meta if isinstance(meta, dict) else {}
    listed, left = frames.close(content), frames.left
    if left:
        report_change(f"{', '.join(sorted(left)[:9])} of {max(left.values())} instances are not kept")
    skeleton, dims = _infer_skeleton([one for found in listed.values() for one in found], meta)
    bodies = {number: [(one.key, one.body) for one in found] for number, found in listed.items()}
    unit, up = ("px", "-y") if dims == 2 else ("unknown", "unknown")
    return detections.build_sequence(
        bodies, skeleton, dims, fps=fps, size=size, source="mmpose", unit=unit, up=up,
        facts={"first": min(listed)} if listed and min(listed) else {},
    )  # fmt: skip


class _Frames:
    """Frames, or the instances of one image, as they are taken from the list."""

    def __init__(self) -> None:
        self.listed: dict[int, list[_Instance]] = {}
        self.left: Counter[str] = Counter()
        self._is_image = False

    def take(self, place: int, value: Any) -> None:
        """The next item of the list. Raises InputError if it is neither, or numbered as another."""
        is_instance = isinstance(value, dict) and "keypoints" in value
        self._is_image = is_instance if not place else self._is_image
        if is_instance and self._is_image:
            self.listed.setdefault(0, []).extend(_read_instances([value], "frame 0", self.left, place))
            return
        if self._is_image:
            raise InputError(
                f"item {place} is no instance, and those before it are; keep one image or recording to a file"
            )
        number = _read_number(value, place)
        if number in self.listed:
            raise InputError(f"frame {place}: frame_id {number} is there twice; keep one recording to a file")
        self.listed[number] = _read_instances(value["instances"], f"frame {number}", self.left)

    def close(self, content: Any) -> dict[int, list[_Instance]]:
        """All frames. Raises InputError if the file held none."""
        found = content.get("instance_info") if isinstance(content, dict) else content
        if not isinstance(found, list):
            what = 'neither a list of frames nor an object with a list "instance_info"'
            raise InputError(f"{what}; export it with MMPose again")
        if not found:
            raise InputError("no frames in it; check that the export is whole")
        return self.listed


def _read_number(frame: Any, i: int) -> int:
    if not isinstance(frame, dict) or not isinstance(frame.get("instances"), list):
        raise InputError(f'frame {i} has no list "instances"; expected {{"frame_id": ..., "instances": [...]}}')
    number = detections.read_whole(frame.get("frame_id", i))
    if number is None or number < 0:
        raise InputError(f"frame {i}: frame_id is {frame['frame_id']!r:.60}; a number of 0 or more was expected")
    return number


def _read_instances(found: list[Any], frame: str, left: Counter[str], start: int = 0) -> list[_Instance]:
    instances = []
    for i, value in enumerate(found, start):
        where = f"{frame}, instance {i}"
        if not isinstance(value, dict) or not value.get("keypoints"):
            raise InputError(f"{where} has no keypoints; export it again")
        left.update(value.keys() - _KNOWN)
        key = next((detections.read_id(value[name]) for name in _ID_KEYS if name in value), None)
        instances.append(_Instance(where, key, _read_body(value["keypoints"], value.get("keypoint_scores"), where)))
    return instances


def _read_body(rows: Any, scores: Any, where: str) -> detections.Body:
    """(K, D + 1) of a list of points and one of scores, each perhaps in a list of one."""
    nested = isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], list) and rows[0]
    rows = rows[0] if nested and isinstance(rows[0][0], list) else rows
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise InputError(f"{where}: keypoints are not a list of points [x, y] or [x, y, z]; export it again")
    dims = len(rows[0]) if rows else 0
    if dims not in (2, 3) or any(len(row) != dims for row in rows):
        raise InputError(f"{where}: keypoints do not have 2 or 3 coordinates each; export it again")
    points = per_frame.parse_numbers([value for row in rows for value in row], f"{where}: keypoints").reshape(-1, dims)
    scores = [1] * len(points) if scores is None else scores
    scores = scores[0] if isinstance(scores, list) and len(scores) == 1 and isinstance(scores[0], list) else scores
    weights = per_frame.parse_numbers(scores, f"{where}: keypoint_scores")
    if len(weights) != len(points):
        raise InputError(f"{where}: {len(weights)} scores for {len(points)} keypoints; export it again")
    return np.concatenate([points, weights[:, None]], axis=1)


def _infer_skeleton(instances: Sequence[_Instance], meta: Mapping[str, Any]) -> tuple[Skeleton, int]:
    odd = next((one for one in instances if one.body.shape != instances[0].body.shape), None)
    if odd is not None:
        shape, usual = odd.body[:, 1:].shape, instances[0].body[:, 1:].shape
        raise InputError(f"{odd.where} has keypoints of shape {shape}, {instances[0].where} of {usual}; split the file")
    names = _read_names(meta)
    count = len(instances[0].body) if instances else len(names) or 17
    dims = instances[0].body.shape[1] - 1 if instances else 2
    if names and len(names) != count:
        raise InputError(f"meta_info names {len(names)} keypoints, instances have {count}; export it again")
    if names:
        return match_names(names) or Skeleton("custom", names, _read_links(meta, count), pair_sides(names)), dims
    skeleton = detections.assume_skeleton(count, *(BUILT_INS if dims == 2 else ()))
    if skeleton.name in BUILT_IN:
        report_change(f"the file does not name its keypoints; {count} in 2D are taken as {skeleton.name}")
    return skeleton, dims


def _read_names(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of `keypoint_id2name` {"0": name, ...}, or none."""
    table = meta.get("keypoint_id2name")
    if not isinstance(table, dict):
        return ()
    names = [table.get(str(k)) for k in range(len(table))]
    if not all(isinstance(name, str) for name in names):
        raise InputError('meta_info: keypoint_id2name is not {"0": name, "1": name, ...}; export it again')
    return tuple(detections.check_unicode(str(name)) for name in names)


def _read_links(meta: Mapping[str, Any], count: int) -> tuple[tuple[int, int], ...]:
    """The limbs of `skeleton_links`, which count keypoints from 0; those that are no such pair are left out."""
    links = meta.get("skeleton_links")
    edges: dict[tuple[int, int], None] = {}
    for link in links if isinstance(links, list) else []:
        ends = [detections.read_whole(end) for end in link] if isinstance(link, list) else []
        if len(ends) == 2 and all(end is not None and 0 <= end < count for end in ends):
            edges[ends[0] or 0, ends[1] or 0] = None
    return tuple(edges)


FORMAT = Format(
    name="mmpose", title="MMPose predictions", suffixes=(".json",), read=read, read_only="MMPose files are only read",
    sniff=lambda file: file.find_in_json(b'"keypoint_scores"', b'"instance_info"', b'"instances"'), priority=43,
    states_rate=False,
)  # fmt: skip
