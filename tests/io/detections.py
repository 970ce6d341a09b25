"""Content of the JSON formats of detections, as their programs write it."""

from __future__ import annotations

from typing import Any

from posecodec.pose.skeletons.builtin import COCO17

SECTIONS = [f"{s}_keypoints_{d}d" for d in (2, 3) for s in ("pose", "face", "hand_left", "hand_right")]


def keypoints(start: float = 1.0, count: int = 17, v: float = 0.5) -> list[float]:
    """x, y, v of each in turn."""
    return [n for k in range(count) for n in (start + k, start + k + 0.25, v)]


def result(image: Any = 0, start: float = 1.0, count: int = 17, **extra: Any) -> dict[str, Any]:
    """An entry of COCO's results; AlphaPose's where the image has a name."""
    boxed = {"box": [1, 2, 3, 4]} if isinstance(image, str) else {}
    entry = {"image_id": image, "category_id": 1, "keypoints": keypoints(start, count), "score": 0.9}
    return entry | boxed | extra


def annotations(count: int = 3, **changes: Any) -> dict[str, Any]:
    """One person in each image, as a labeling tool for COCO exports it."""
    return {
        "images": [
            {"id": i + 1, "file_name": f"{i:06d}.png", "width": 640, "height": 480} for i in range(count)
        ],
        "annotations": [
            {
                "id": i + 1, "image_id": i + 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 17,
                "keypoints": keypoints(i + 0.5, v=2), "bbox": [i + 0.5, i + 0.75, 16, 16], "area": 256,
            }
            for i in range(count)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints), "skeleton": [[1, 2]]}],
    } | changes  # fmt: skip


def marks(start: float = 0.5, count: int = 33, **extra: Any) -> list[dict[str, Any]]:
    """Landmarks of MediaPipe."""
    return [{"x": start + k, "y": start - k, "z": -0.25 * k, "visibility": 0.75} | extra for k in range(count)]


def instance(start: float = 1.0, count: int = 17, dims: int = 2, **extra: Any) -> dict[str, Any]:
    """A person of MMPose."""
    points = [[start + k, start + k + 0.25, -k][:dims] for k in range(count)]
    return {"keypoints": points, "keypoint_scores": [0.5] * count} | extra


def frame(*instances: Any, **extra: Any) -> list[Any]:
    """MMPose's only frame."""
    return [{"frame_id": 0, "instances": list(instances)} | extra]


def meta(names: Any, **extra: Any) -> dict[str, Any]:
    """MMPose's meta_info."""
    return {"dataset_name": "x", "keypoint_id2name": {str(k): n for k, n in enumerate(names)}} | extra


def body(start: float = 1.0, count: int = 25) -> list[float]:
    """A section of OpenPose."""
    return keypoints(start, count)


def person(pose: Any = (), key: int | None = -1, **sections: list[float]) -> dict[str, Any]:
    """A person as version 1.3 of OpenPose writes it; other sections than the 2D pose by key."""
    filled = {"pose_keypoints_2d": list(pose)} | sections
    return ({} if key is None else {"person_id": [key]}) | {name: filled.get(name, []) for name in SECTIONS}
