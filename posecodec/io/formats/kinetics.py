"""Kinetics-skeleton: a clip's JSON `{"data": [{"frame_index": 1, "skeleton": [{"pose": [...], "score": [...]}]}], ...}`.

Of each person x and y of OpenPose's 18 keypoints in fractions of the image's size, and their scores, which become the
confidences; 0, 0 is missing. The clips were made 30 frames a second, which the files do not say. Others write the same for
other detectors (ST-GCN, MMSkeleton). Leaves out the label of the action, which goes to the metadata, and writing.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change
from posecodec.io import Clue, Format, Source, guard_reader
from posecodec.io.formats.ultralytics import is_normalized
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.json_parts import load_in_parts
from posecodec.io.parsing.per_frame import list_numbers
from posecodec.pose.sequence import PoseSequence

FPS = 30.0  # Frames per second that the clips were made
BUILT_INS = ("coco18", "coco17", "body25", "kinect25")  # Skeletons that a count of keypoints stands for
_MARK = re.compile(rb'"skeleton"\s*:\s*\[\s*\{\s*"(pose|score)"|"frame_index"\s*:\s*\d+\s*,\s*"skeleton"\s*:\s*\[')


class _Frames:
    """Frames as they are taken from the list."""

    def __init__(self) -> None:
        self.bodies, self.left = BodyTable(), Counter[str]()
        self._numbers: set[int] = set()

    def take(self, place: int, value: Any) -> None:
        """The next frame. Raises InputError if it is none."""
        if not isinstance(value, dict) or not isinstance(value.get("skeleton"), list):
            raise InputError(
                f'frame {place} has no list "skeleton"; {{"frame_index": ..., "skeleton": [...]}} was expected'
            )
        number = detections.read_whole(value.get("frame_index", place))
        if number is None or number < 0 or number in self._numbers:
            what = "a number of its own, 0 or more, was expected"
            raise InputError(f"frame {place}: frame_index is {value.get('frame_index', place)!r:.40}; {what}")
        self._numbers.add(number)
        self.bodies.add_empty(number)
        self.left.update(value.keys() - {"frame_index", "skeleton"})
        for i, person in enumerate(value["skeleton"]):
            self._take_person(number, person, f"frame {number}, person {i}")

    def _take_person(self, frame: int, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"{where} is {type(value).__name__}; an object of pose and score was expected")
        pose, score = (list_numbers(value.get(key), f"{where}: {key}") for key in ("pose", "score"))
        if not score or len(pose) != 2 * len(score):
            counts = f"{len(pose)} coordinates and {len(score)} scores"
            raise InputError(f"{where}: {counts}; two for each were expected, export it again")
        flat = [number for point in zip(pose[::2], pose[1::2], score, strict=True) for number in point]
        self.left.update(value.keys() - {"pose", "score"})
        self.bodies.add(frame, None, flat, where)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a clip in their list order, y down, unit unknown (pixels if coordinates are not fractions).

    18 keypoints are coco18 (17 coco17, 25 body25), others numbers. fps: instead of 30. metadata `kinetics`: the label,
    and `first`, the first frame's number if not 1. Raises InputError if the file is of another form.
    """
    frames = _Frames()
    content, size = load_in_parts(path, {"data": frames.take})
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise InputError('this has no list "data" of frames; a file of Kinetics-skeleton was expected')
    table = frames.bodies
    if not table:
        raise InputError(f"{len(content['data'])} frames and nobody in them; this clip holds no skeleton")
    values = table.values(3)
    values[..., :2][(values[..., :2] == 0).all(axis=2)] = np.nan
    table.replace_values(values)
    names = sorted({*frames.left, *content.keys()} - {"data", "label", "label_index"})
    if names:
        report_change(f"not kept: {', '.join(names[:9])}")
    first = int(table.list_frames()[0])
    facts = {key: content[key] for key in ("label", "label_index") if isinstance(content.get(key), (str, int))}
    if isinstance(facts.get("label"), str):
        detections.check_unicode(facts["label"])
    facts |= {"first": first} if first != 1 else {}
    skeleton = detections.assume_skeleton(values.shape[1], *BUILT_INS)
    return detections.build_from_table(
        table, skeleton, 2, fps=FPS if fps is None else fps, size=size, source="kinetics", facts=facts,
        unit="unknown" if is_normalized(values) else "px",
    )  # fmt: skip


def _sniff(file: Source) -> Clue | None:
    found = _MARK.search(file.data) if file.is_json else None
    return None if found is None else Clue('the "skeleton" of frames in it')


FORMAT = Format(
    name="kinetics", title="Kinetics-skeleton", suffixes=(".json",), read=read,
    read_only="Kinetics-skeleton files are only read", sniff=_sniff, priority=41,
)  # fmt: skip
