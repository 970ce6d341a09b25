"""Between a `PoseSequence` and pose-format's `Pose`, by way of the bytes of a .pose file.

from posecodec.interop.pose_format import from_pose, to_pose
sequence = from_pose(Pose.read(...)); pose = to_pose(sequence)
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from posecodec.errors import DependencyError
from posecodec.files import load, save
from posecodec.pose.sequence import PoseSequence


def from_pose(pose: Any) -> PoseSequence:
    """What a `pose_format.Pose` holds, as reading its file gives it."""
    stream = io.BytesIO()
    pose.write(stream)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pose"
        path.write_bytes(stream.getvalue())
        return load(path)


def to_pose(sequence: PoseSequence) -> Any:
    """A `pose_format.Pose`, with the header that a .pose file had whose sequence it is. Raises DependencyError without it."""
    try:
        from pose_format import Pose
    except ImportError as error:
        raise DependencyError("this needs pose-format; pip install pose-format") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pose"
        save(sequence, path)
        return Pose.read(path.read_bytes())
