"""A sample of signing that needs no file: a figure from the hips up, hands and face, as OpenPose sees it in a video.

Drawn from formulas, the same on every machine to within float32 rounding. It signs nothing that means anything.
"""

from __future__ import annotations

import math

import numpy as np

from posecodec.errors import InputError
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.typing import Floats

# Pixels of a 1280 x 720 video, y down, of a figure that sits in the middle and looks at the camera.
_BODY = {
    "nose": (640, 180), "neck": (640, 290), "mid_hip": (640, 640), "right_hip": (580, 642), "left_hip": (700, 642),
    "right_shoulder": (530, 295), "left_shoulder": (750, 295), "right_eye": (620, 160), "left_eye": (660, 160),
    "right_ear": (590, 170), "left_ear": (690, 170),
}  # fmt: skip
_UPPER_ARM, _FOREARM, _HAND = 150.0, 135.0, 70.0
_PERIOD = 1.3  # Seconds from one sign to the next
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_KNUCKLES = ((0.35, -50), (0.9, -18), (0.92, -4), (0.87, 9), (0.8, 23))
"""Of each finger: how far from the wrist its first joint is, in hands, and degrees from the middle of the hand."""
_BONES = (0.34, 0.24, 0.19)  # From joint to joint of a finger, in hands
_BLUR = 0.13  # Speed of a hand, in hands a frame, from which on it is a blur and missed


def sign(frames: int = 300, fps: float = 25.0) -> PoseSequence:
    """One person signing: openpose137, 2D, px, y down, confidences; legs are out of the picture, fast hands are missed.

    Raises InputError if an argument is out of range.

    >>> sign(frames=2).positions.shape
    (2, 1, 137, 2)
    """
    if frames < 1 or not (math.isfinite(fps) and fps > 0):
        raise InputError(f"{frames} frames at {fps} a second cannot be made; at least 1 frame, at a rate above 0")
    time = np.arange(frames) / fps
    skeleton = BUILT_IN["openpose137"]
    points = np.full((frames, len(skeleton), 2), np.nan)
    sway = np.stack([6 * np.sin(2 * np.pi * time / 5.3), 3 * np.sin(2 * np.pi * time / 3.1)], axis=-1)
    places = {name: np.array(place, float) + sway for name, place in _BODY.items()}
    for side, sign_x in (("left", 1.0), ("right", -1.0)):
        shoulder, wrist = places[f"{side}_shoulder"], _move_wrist(time, sign_x) + sway
        elbow = _bend(shoulder, wrist, sign_x)
        places |= {f"{side}_elbow": elbow, f"{side}_wrist": wrist}
        places |= _draw_hand(side, time, wrist, wrist - elbow, sign_x)
    places |= _draw_face(time, places["nose"])
    for name, place in places.items():
        points[:, skeleton.keypoints.index(name)] = place
    scores = 0.8 + 0.15 * np.sin(time[:, None] * 3 + np.arange(len(skeleton)))
    for side in ("left", "right"):
        ours = np.array([name.startswith(f"{side}_hand/") for name in skeleton.keypoints])
        speed = np.linalg.norm(np.gradient(places[f"{side}_wrist"], axis=0), axis=-1) if frames > 1 else np.zeros(1)
        points[(speed > _BLUR * _HAND)[:, None] & ours] = np.nan
    confidence = np.where(np.isnan(points[..., 0]), 0, np.round(scores, 3))
    return PoseSequence.from_arrays(
        points.astype(np.float32), fps=fps, confidence=confidence.astype(np.float32), skeleton=skeleton, unit="px",
        up="-y",
    )  # fmt: skip


def _move_wrist(time: Floats, sign_x: float) -> Floats:
    """(T, 2) from place to place before the chest, at rest between two signs."""
    beat = time / _PERIOD
    number, part = np.floor(beat), beat - np.floor(beat)
    ease = np.clip(part * 2, 0, 1)
    ease = ease * ease * (3 - 2 * ease)

    circle = np.stack([np.cos(4 * np.pi * part), np.sin(4 * np.pi * part)], axis=-1)
    start = _choose_place(number, sign_x)
    swing = start + (_choose_place(number + 1, sign_x) - start) * ease[:, None]
    return np.asarray(swing + 9 * circle * np.where(part > 0.5, np.sin(2 * np.pi * (part - 0.5)), 0)[:, None])


def _choose_place(number: Floats, sign_x: float) -> Floats:
    """Where the wrist is for each sign (T, 2)."""
    across = 640 + sign_x * (70 + 55 * np.sin(2.4 * number + sign_x))
    return np.stack([across, 400 + 70 * np.sin(1.7 * number + 0.6 * sign_x)], axis=-1)


def _bend(shoulder: Floats, wrist: Floats, sign_x: float) -> Floats:
    """The elbow (T, 2) that arms of their lengths have, outside of the line from shoulder to wrist."""
    across = wrist - shoulder
    reach = np.linalg.norm(across, axis=-1, keepdims=True)
    along = (reach**2 + _UPPER_ARM**2 - _FOREARM**2) / (2 * reach)
    off = np.sqrt(np.maximum(_UPPER_ARM**2 - along**2, 0))
    aside = np.stack([-across[:, 1], across[:, 0]], axis=-1) / reach
    aside *= np.where(aside[:, :1] * sign_x < 0, -1.0, 1.0)
    return np.asarray(shoulder + across / reach * along + aside * off)


def _draw_hand(side: str, time: Floats, wrist: Floats, forearm: Floats, sign_x: float) -> dict[str, Floats]:
    """Fingers that open and close, each a little later than the one before."""
    heading = np.arctan2(forearm[:, 1], forearm[:, 0]) + 0.4 * np.sin(2 * np.pi * time / _PERIOD)
    found = {f"{side}_hand/wrist": wrist}
    for number, (finger, (far, degrees)) in enumerate(zip(_FINGERS, _KNUCKLES, strict=True)):
        angle = heading + sign_x * np.radians(degrees)
        place = wrist + _HAND * far * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        found[f"{side}_hand/{finger}1"] = place
        curl = (
            0.55 * (1 + np.sin(2 * np.pi * time / (1.5 * _PERIOD) + 0.7 * number)) * (0.5 if finger == "thumb" else 1)
        )
        for joint, bone in enumerate(_BONES, 2):
            angle = angle + sign_x * curl * 0.6
            place = place + _HAND * bone * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            found[f"{side}_hand/{finger}{joint}"] = place
    return found


def _draw_face(time: Floats, nose: Floats) -> dict[str, Floats]:
    """The 70 points of a face: jaw, brows, nose, eyes, lips, pupils; brows rise and the mouth moves."""
    brows, mouth = 4 * np.sin(2 * np.pi * time / 2.9), 7 * (1 + np.sin(2 * np.pi * time / 0.6)) / 2
    still = np.zeros_like(time)
    arcs = [
        (17, (0, 5), (52, 72), (180, 0), still, 1), (5, (-26, -38), (16, 8), (200, 340), brows, 1),
        (5, (26, -38), (16, 8), (200, 340), brows, 1), (4, (0, -10), (0.1, 16), (-90, 90), still, 1),
        (5, (0, 12), (12, 5), (180, 0), still, 1), (6, (-21, -20), (9, 4), (180, -180), still, 1),
        (6, (21, -20), (9, 4), (180, -180), still, 1), (12, (0, 36), (20, 6), (180, -150), mouth, 2),
        (8, (0, 36), (13, 2), (180, -135), mouth, 2), (2, (0, -20), (21, 0.1), (180, 0), still, 1),
    ]  # fmt: skip
    found = []
    for count, (x, y), (wide, high), (first, last), moves, kind in arcs:
        for angle in np.radians(np.linspace(first, last, count)):
            down = high * math.sin(angle)
            lift = -moves if kind == 1 else moves * math.copysign(1, down) * abs(math.sin(angle))
            found.append(nose + np.stack([still + x + wide * math.cos(angle), y + down + lift], axis=-1))
    return {f"face/{number}": place for number, place in enumerate(found)}
