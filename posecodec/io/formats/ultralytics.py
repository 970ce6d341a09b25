"""Ultralytics' results as JSON (`results.to_json()`, `summary()`), of one image or a list of frames; read only.

A frame is a list of detections, or that list as text; a detection has `keypoints` of lists `x`, `y` and perhaps `visible`,
which becomes the confidence, and `track_id`. A keypoint at 0, 0 is missing. The file knows neither rate nor size. Leaves
out boxes, classes and their confidences, and segments. Reference: docs.ultralytics.com/modes/predict.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Clue, Format, Source, guard_reader
from posecodec.io.formats.coco import BUILT_INS
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.json_parts import TOP, load_in_parts, parse_in_parts
from posecodec.io.parsing.per_frame import list_numbers
from posecodec.pose.sequence import PoseSequence

_KNOWN = {"keypoints", "track_id"}
_MARK = re.compile(rb'\\?"keypoints\\?"\s*:\s*\{\s*\\?"(x|y|visible)\\?"|\\?"box\\?"\s*:\s*\{\s*\\?"x1\\?"')
_SEEN = 0.5  # confidence from which Ultralytics gives a keypoint its place


class _Frames:
    """Detections as they are taken from the list, and what is not kept of them."""

    def __init__(self) -> None:
        self.bodies = BodyTable()
        self.left: Counter[str] = Counter()
        self.names: set[str] = set()
        self.bare = self.count = 0
        self.is_single = False

    def take(self, number: int, value: Any) -> None:
        """The next item of the list: a detection of the only frame, or a frame."""
        is_detection = isinstance(value, dict)
        if number and is_detection != self.is_single:
            raise InputError(
                f"item {number} is {type(value).__name__}; a list for each frame was expected, or one frame's"
            )
        self.is_single = is_detection
        if is_detection:
            self.bodies.add_empty(0)
            self._take_detection(0, value, f"detection {number}")
        else:
            self.take_frame(number, value)

    def take_frame(self, number: int, value: Any) -> None:
        """A list of detections, also as text; null where there is nobody."""
        where = f"frame {number}"
        found = parse_in_parts(value, {}, where) if isinstance(value, str) else value
        if found is not None and not isinstance(found, list):
            raise InputError(f"{where} is {type(found).__name__}; a list of detections was expected")
        self.bodies.add_empty(number)
        for i, one in enumerate(found or []):
            self._take_detection(number, one, f"{where}, detection {i}")

    def _take_detection(self, frame: int, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"{where} is {type(value).__name__}; an object with keypoints was expected")
        self.count += 1
        self.left.update(value.keys() - _KNOWN)
        self.names |= {value["name"]} if isinstance(value.get("name"), str) else set()
        points = value.get("keypoints")
        if not points:
            self.bare += 1
            return
        if not isinstance(points, dict) or not {"x", "y"} <= points.keys():
            raise InputError(f'{where}: keypoints are no object of lists "x" and "y"; export it again')
        columns = [list_numbers(points[axis], f"{where}: {axis} of keypoints") for axis in ("x", "y")]
        visible = points.get("visible")
        columns.append([1.0] * len(columns[0]) if visible is None else list_numbers(visible, f"{where}: visible"))
        if not columns[0] or len({len(column) for column in columns}) > 1:
            counts = ", ".join(str(len(column)) for column in columns)
            raise InputError(f"{where}: x, y and visible of keypoints have {counts} numbers; export it again")
        flat = [number for point in zip(*columns, strict=True) for number in point]
        self.bodies.add(frame, detections.read_id(value.get("track_id")), flat, f"{where}: keypoints")


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a results file, in pixels; where it was made with normalize=True in fractions of the image's size,
    unit unknown, which is reported.

    17 keypoints are coco17 (26 halpe26, 133 coco133), others numbers. People are told apart by `track_id`, else by list
    order. fps: frames per second, needed. Raises InputError if the file is of another form or has no keypoints, NoRateError
    without fps.
    """
    found = _Frames()
    content, size = load_in_parts(path, {TOP: found.take, "frames": found.take_frame})
    if (
        isinstance(content, dict)
        and not isinstance(content.get("frames"), list)
        or not isinstance(content, (dict, list))
    ):
        what = f"an object of {sorted(content)[:5]}" if isinstance(content, dict) else type(content).__name__
        raise InputError(f"this is {what}; a list of detections, or of a list for each frame, was expected")
    table = found.bodies
    if not table:
        raise InputError(f"{found.count} detections and no keypoints; use a pose model, such as yolo11n-pose.pt")
    report_count(found.bare, "detections have no keypoints and are left out")
    if found.left:
        report_change(f"{', '.join(sorted(found.left)[:9])} of {found.count} detections are not kept")
    if len(found.names) > 1:
        report_change(f"detections of {len(found.names)} classes are taken alike: {', '.join(sorted(found.names)[:5])}")
    values = mask_origin(table.values(3))
    table.replace_values(values)
    unit = "px"
    if is_normalized(values):
        unit = "unknown"
        report_change(
            "coordinates are fractions of the image's width and height (normalize=True); its size is not known"
        )
    skeleton = detections.assume_skeleton(values.shape[1], *BUILT_INS)
    return detections.build_from_table(
        table, skeleton, 2, fps=fps, size=size, source="ultralytics", facts={}, unit=unit
    )  # fmt: skip


def mask_origin(values: Any) -> Any:
    """(N, K, 3) with NaN for keypoints at 0, 0, which is where Ultralytics puts those that it is not sure of. In place."""
    origin = (values[..., :2] == 0).all(axis=2)
    sure = int((origin & (values[..., 2] >= _SEEN)).sum())
    report_count(
        sure, f"keypoints at 0, 0 have a confidence of {_SEEN:g} or more; they are taken as missing all the same"
    )
    values[..., :2][origin] = np.nan
    return values


def is_normalized(values: Any) -> bool:
    """Whether no coordinate of (N, K, 3) is far beyond an image of size 1, and some is there."""
    points = values[..., :2]
    return not bool((np.abs(points - 0.5) > 1).any() or np.isnan(points).all())


def _sniff(file: Source) -> Clue | None:
    found = _MARK.search(file.data) if file.is_json else None
    return None if found is None else Clue("the keypoints or boxes of Ultralytics in it")


FORMAT = Format(
    name="ultralytics", title="Ultralytics results as JSON", suffixes=(".json",), read=read,
    read_only="Ultralytics' JSON is only read", sniff=_sniff, priority=41, states_rate=False,
)  # fmt: skip
