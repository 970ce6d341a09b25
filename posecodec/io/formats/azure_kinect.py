"""Azure Kinect bodies as JSON, as Microsoft's sample offline_processor writes them; read only.

`frames` of `bodies` with `joint_positions` in millimeters from the depth camera, y down, under `body_id`; times are
`timestamp_usec`. Joints have the order of `joint_names`, else of the SDK. Leaves out orientations, bones and the name of
the source file, which are reported. Reference: github.com/microsoft/Azure-Kinect-Samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import InputError, report_change, report_count
from posecodec.io import Format, guard_reader
from posecodec.io.parsing import detections
from posecodec.io.parsing.body_table import BodyTable
from posecodec.io.parsing.frame_rates import find_regular_rate
from posecodec.io.parsing.json_parts import load_in_parts
from posecodec.io.parsing.per_frame import list_numbers
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, build_skeleton
from posecodec.pose.skeletons.naming import match_names
from posecodec.typing import Floats

_LEVELS = 3  # that the SDK's confidence of a joint may reach: none, low, medium, high
_USED = {"frame_id", "timestamp_usec", "num_bodies", "bodies", "body_id", "joint_positions", "confidence_levels"}


class _Frames:
    """Frames as they are taken from the list: bodies by place in it, and their times."""

    def __init__(self) -> None:
        self.bodies, self.left = BodyTable(), Counter[str]()
        self.times: list[float] = []

    def take(self, place: int, value: Any) -> None:
        """The next frame. Raises InputError if it is none."""
        if not isinstance(value, dict) or not isinstance(value.get("bodies", []), list):
            raise InputError(f'frame {place} is no object with a list "bodies"; export it with offline_processor again')
        self.left.update(value.keys() - _USED)
        time = detections.read_whole(value.get("timestamp_usec"))
        self.times.append(np.nan if time is None else float(time))
        self.bodies.add_empty(place)
        for i, body in enumerate(value.get("bodies", [])):
            self._take_body(place, body, f"frame {place}, body {i}")

    def _take_body(self, frame: int, value: Any, where: str) -> None:
        rows = value.get("joint_positions") if isinstance(value, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == 3 for row in rows) or not rows:
            raise InputError(f"{where}: joint_positions are no list of [x, y, z]; export it again")
        levels = value.get("confidence_levels")
        weights = [1.0] * len(rows) if levels is None else list_numbers(levels, f"{where}: confidence_levels")
        if len(weights) != len(rows):
            raise InputError(f"{where}: {len(weights)} confidence_levels for {len(rows)} joints; export it again")
        shares = weights if levels is None else [weight / _LEVELS for weight in weights]
        self.left.update(value.keys() - _USED)
        flat = [n for row, share in zip(rows, shares, strict=True) for n in (*list_numbers(row, where), share)]
        self.bodies.add(frame, detections.read_id(value.get("body_id")), flat, where)


@guard_reader
def read(path: Path, *, fps: float | None = None) -> PoseSequence:
    """The people of a recording. fps: frames per second, instead of the file's times.

    Raises InputError if the file is of another form, NoRateError if it has no times and fps is not given.
    """
    frames = _Frames()
    content, size = load_in_parts(path, {"frames": frames.take})
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
        raise InputError('this has no list "frames"; export it with offline_processor again')
    if not frames.bodies:
        raise InputError(f"{len(content['frames'])} frames and nobody in them; check the recording")
    left = sorted({*frames.left, *content.keys()} - {"frames", "joint_names", "bone_list"})
    if left:
        report_change(f"not kept: {', '.join(left[:9])}")
    rate, times = _find_times(np.array(frames.times), fps)
    skeleton = _find_skeleton(content, frames.bodies.width // 4)
    return detections.build_from_table(
        frames.bodies,
        skeleton,
        3,
        fps=rate,
        size=size,
        source="azure_kinect",
        facts={},
        unit="mm",
        up="-y",
        times=times,
    )


def _find_times(stamps: Floats, fps: float | None) -> tuple[float | None, Floats | None]:
    """Frames per second, or times in seconds where these are not regular."""
    unknown = np.isnan(stamps)
    if fps is not None or unknown.all():
        return fps, None
    if unknown.any() or (np.diff(stamps) <= 0).any():
        at = int(np.argmax(unknown)) if unknown.any() else int(np.argmax(np.diff(stamps) <= 0)) + 1
        raise InputError(f"frame {at}: timestamp_usec is not later than the one before; mend it, or pass --fps N")
    seconds = stamps / 1e6
    rate = find_regular_rate(seconds, np.arange(len(seconds)), 6) if len(seconds) > 1 else None
    if rate is not None:
        report_count(int(stamps[0] != 0), "start of the times is not kept, which are those of a constant rate")
    return (rate, None) if rate is not None else (None, seconds)


def _find_skeleton(content: Mapping[str, Any], count: int) -> Skeleton:
    """kinect32 where the names are its, or there are none; the file's names and bones otherwise."""
    names = content.get("joint_names")
    known = BUILT_IN["kinect32"]
    if names is None:
        return known if count == len(known) else build_skeleton(count)
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise InputError(f"joint_names are not the names of {count} joints; export it again")
    plain = [detections.check_unicode(name).lower() for name in names]
    # "SHOULDER_LEFT" is left_shoulder, and an eye or ear is alike
    turned = [_turn_side(name) for name in plain]
    if turned == list(known.keypoints):
        return known
    return match_names(turned) or build_skeleton(turned)


def _turn_side(name: str) -> str:
    """A name with its side in front and words apart, as ours are.

    >>> _turn_side("handtip_left")
    'left_hand_tip'
    """
    stem, _, side = name.rpartition("_")
    stem, side = (stem, f"{side}_") if side in ("left", "right") and stem else (name, "")
    return side + stem.replace("handtip", "hand_tip").replace("naval", "navel")


FORMAT = Format(
    name="azure_kinect", title="Azure Kinect bodies as JSON", suffixes=(".json",), read=read,
    read_only="Azure Kinect files are only read", priority=41,
    sniff=lambda file: file.find_in_json(b'"k4abt_sdk_version"')
    or (file.find_in_json(b'"joint_positions"') if file.find_in_json(b'"body_id"') else None),
)  # fmt: skip
