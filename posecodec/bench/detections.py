"""Real detections in pixels to measure on: archives of what pose estimators gave, as the motion data has them in train2d."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from posecodec.coders.body_split import normalize_name
from posecodec.errors import InputError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BODY25, MEDIAPIPE33

COMPONENTS = {
    "sign_openpose": {
        "pose": "pose_keypoints_2d",
        "hand_left": "hand_left_keypoints_2d",
        "hand_right": "hand_right_keypoints_2d",
    },
    "pose2sim": {"pose": "pose_keypoints_2d"},
    "sign_mediapipe": {
        "pose": "POSE_LANDMARKS",
        "left_hand": "LEFT_HAND_LANDMARKS",
        "right_hand": "RIGHT_HAND_LANDMARKS",
    },
}
"""Start of an archive's name -> its components, as the .pose files that it was made of call them."""
FINGERS = tuple((0 if j == 0 else 4 * f + j, 1 + 4 * f + j) for f in range(5) for j in range(4))
"""Edges of a hand of 21 keypoints."""


def load_detections(file: Path) -> list[PoseSequence]:
    """The sequences of an archive, one person each, hands joined to wrists. Raises InputError for what is no such archive."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            z = {name: archive[name] for name in archive.files}
        skeleton = build_skeleton(_name_as_recorded(file.stem, z["keypoints"]))
        spans = zip(z["start"], z["length"], z["fps"], strict=True)
        return [
            PoseSequence.from_arrays(
                np.where(sure[..., None] > 0, points, np.nan), fps=float(fps), confidence=sure, skeleton=skeleton,
                unit="px", up="-y",
            )
            for start, length, fps in spans
            for sure, points in [(z["confidence"][start : start + length], z["xy_px"][start : start + length])]
        ]  # fmt: skip
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{file}: not an archive of detections ({error}); get it again") from error


def _name_as_recorded(stem: str, names: np.ndarray) -> list[str]:
    called = next((known for start, known in COMPONENTS.items() if stem.startswith(start)), {})
    parts = (str(name).partition("/") for name in names)
    return [f"{called.get(component, component)}{slash}{point}" for component, slash, point in parts]


def build_skeleton(keypoints: list[str]) -> Skeleton:
    """Keypoints with the edges that BODY_25 and MediaPipe have between what is called so, and those of hands."""
    place = {normalize_name(name): k for k, name in reversed([*enumerate(keypoints)])}
    named = {(a, b) for s in (BODY25, MEDIAPIPE33) for a, b in ((s.keypoints[i], s.keypoints[j]) for i, j in s.edges)}
    edges = [(place[a], place[b]) for a, b in sorted(named) if a in place and b in place]
    for side in ("left", "right"):
        if (first := find_hand(keypoints, side)) is not None:
            edges += [(first + a, first + b) for a, b in FINGERS]
            edges += [(place[f"{side}_wrist"], first)] if f"{side}_wrist" in place else []
    return Skeleton("detected", tuple(keypoints), tuple(edges))


def find_hand(keypoints: list[str], side: str) -> int | None:
    """The first keypoint of a hand, None where there is none."""
    return next(
        (k for k, name in enumerate(keypoints) if {"hand", side} <= set(name.lower().replace("/", "_").split("_"))),
        None,
    )
