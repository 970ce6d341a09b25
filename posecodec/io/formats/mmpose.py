"""MMPose predictions as JSON: frames of instances, with or without `meta_info`; read only.

`[{"frame_id": 0, "instances": [...]}]` of the inferencer, `{"meta_info": ..., "instance_info": [...]}` of the demo scripts,
or the bare instances of one image. An instance is `keypoints` [[x, y], ...] or [[x, y, z], ...] and `keypoint_scores`,
which become the confidence; there is no frame rate. Leaves out boxes and their scores, and what else `meta_info` holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Format, guard_reader
from posecodec.io.formats.coco import BUILT_INS
from posecodec.io.parsing import detections, per_frame
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.json_parts import TOP, load_in_parts
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, pair_sides
from posecodec.pose.skeletons.naming import match_names

_ID_KEYS = ("track_id", "instance_id")
_KNOWN = {"keypoints", "keypoint_scores", *_ID_KEYS}


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
    frames.check_found(content)
    left, bodies = frames.left, frames.bodies
    if left:
        report_change(f"{', '.join(sorted(left)[:9])} of {max(left.values())} instances are not kept")
    skeleton, dims = _infer_skeleton(frames.shape, meta)
    unit, up = ("px", "-y") if dims == 2 else ("unknown", "unknown")
    first = int(bodies.list_frames()[0])
    return detections.build_from_table(
        bodies, skeleton, dims, fps=fps, size=size, source="mmpose", unit=unit, up=up,
        facts={"first": first} if first else {},
    )  # fmt: skip


class _Frames:
    """Frames, or the instances of one image, as they are taken from the list."""

    def __init__(self) -> None:
        self.bodies = BodyTable()
        self.left: Counter[str] = Counter()
        self.shape: tuple[int, ...] = ()
        """(K, D + 1) of every instance; empty while there is none."""
        self._is_image = False
        self._first = ""

    def take(self, place: int, value: Any) -> None:
        """The next item of the list. Raises InputError if it is neither, or numbered as another."""
        is_instance = isinstance(value, dict) and "keypoints" in value
        self._is_image = is_instance if not place else self._is_image
        if is_instance and self._is_image:
            self.bodies.add_empty(0)
            self._take_instance(0, value, f"frame 0, instance {place}")
            return
        if self._is_image:
            raise InputError(
                f"item {place} is no instance, and those before it are; keep one image or recording to a file"
            )
        number = _read_number(value, place)
        if self.bodies.has_frame(number):
            raise InputError(f"frame {place}: frame_id {number} is there twice; keep one recording to a file")
        self.bodies.add_empty(number)
        for i, one in enumerate(value["instances"]):
            self._take_instance(number, one, f"frame {number}, instance {i}")

    def _take_instance(self, frame: int, value: Any, where: str) -> None:
        if not isinstance(value, dict) or not value.get("keypoints"):
            raise InputError(f"{where} has no keypoints; export it again")
        self.left.update(value.keys() - _KNOWN)
        body = _read_body(value["keypoints"], value.get("keypoint_scores"), where)
        if self.shape and body.shape != self.shape:
            shapes = [(count, width - 1) for count, width in (body.shape, self.shape)]
            raise InputError(
                f"{where} has keypoints of shape {shapes[0]}, {self._first} of {shapes[1]}; split the file"
            )
        if not self.shape:
            self.shape, self._first = body.shape, where
        key = next((detections.read_id(value[name]) for name in _ID_KEYS if name in value), None)
        self.bodies.add(frame, key, body.ravel().tolist(), where)

    def check_found(self, content: Any) -> None:
        """Raises InputError if the file held no frames."""
        found = content.get("instance_info") if isinstance(content, dict) else content
        if not isinstance(found, list):
            what = 'neither a list of frames nor an object with a list "instance_info"'
            raise InputError(f"{what}; export it with MMPose again")
        if not found:
            raise InputError("no frames in it; check that the export is whole")


def _read_number(frame: Any, i: int) -> int:
    if not isinstance(frame, dict) or not isinstance(frame.get("instances"), list):
        raise InputError(f'frame {i} has no list "instances"; expected {{"frame_id": ..., "instances": [...]}}')
    number = detections.read_whole(frame.get("frame_id", i))
    if number is None or number < 0:
        raise InputError(f"frame {i}: frame_id is {frame['frame_id']!r:.60}; a number of 0 or more was expected")
    return number


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


def _infer_skeleton(shape: tuple[int, ...], meta: Mapping[str, Any]) -> tuple[Skeleton, int]:
    """The skeleton and D of instances (K, D + 1); shape is empty where there is none."""
    names = _read_names(meta)
    count, dims = (shape[0], shape[1] - 1) if shape else (len(names) or 17, 2)
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
    left = 0
    for link in links if isinstance(links, list) else []:
        ends = [detections.read_whole(end) for end in link] if isinstance(link, list) else []
        if len(ends) == 2 and all(end is not None and 0 <= end < count for end in ends):
            edges[ends[0] or 0, ends[1] or 0] = None
        else:
            left += 1
    report_count(left, f"limbs name no two of {count} keypoints and are left out")
    return tuple(edges)


FORMAT = Format(
    name="mmpose", title="MMPose predictions", suffixes=(".json",), read=read, read_only="MMPose files are only read",
    sniff=lambda file: file.find_in_json(b'"keypoint_scores"', b'"instance_info"', b'"instances"'), priority=43,
    states_rate=False,
)  # fmt: skip
