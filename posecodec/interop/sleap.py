"""Between a `PoseSequence` and the `Labels` of sleap-io.

from posecodec.interop.sleap import from_labels, to_labels
sequence = from_labels(sleap_io.load_file("clip.slp"), fps=30); labels = to_labels(sequence)
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from posecodec.errors import DependencyError, UsageError
from posecodec.files import load
from posecodec.pose.sequence import PoseSequence


def from_labels(labels: Any, fps: float | None = None, item: str | None = None) -> PoseSequence:
    """The tracks of one video of `sleap_io.Labels`, as reading its project file gives them.

    fps: labels know no rate. item: which video, where there are several. Raises as `posecodec.load` does.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.slp"
        labels.save(str(path), embed=False)
        return load(path, fps=fps, item=item)


def to_labels(sequence: PoseSequence, video: str = "video.mp4") -> Any:
    """`sleap_io.Labels` of a sequence in 2D: predicted instances with its confidences, a track a person.

    video: the file that they are of. Raises UsageError in 3D, DependencyError without sleap-io.
    """
    try:
        import sleap_io
    except ImportError as error:
        raise DependencyError("this needs sleap-io; pip install sleap-io") from error
    if sequence.dims != 2:
        raise UsageError("sleap-io's labels are 2D, this is 3D; save as .csv or .npz")
    names = sequence.skeleton.keypoints
    edges = [(names[a], names[b]) for a, b in sequence.skeleton.edges]
    skeleton = sleap_io.Skeleton(list(names), edges=edges, name=sequence.skeleton.name)
    scored = np.concatenate([sequence.positions, sequence.confidence[..., None]], axis=-1)
    tracks = [sleap_io.Track(name) for name in sequence.ids]
    return sleap_io.Labels.from_numpy(
        scored, videos=[sleap_io.Video(video, open_backend=False)], skeletons=[skeleton], tracks=tracks,
        return_confidence=True,
    )  # fmt: skip
