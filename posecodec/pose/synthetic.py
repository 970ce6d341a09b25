"""A sample that needs no file: people walking, drawn from formulas.

It stands in where a real recording cannot be shipped or fetched, and is the same on every machine to within float32
rounding (no random generator). It is not a model of gait: everybody has the same body and nobody stumbles.
"""

from __future__ import annotations

import math

import numpy as np

from posecodec.errors import InputError
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

# The figure in mm: 1.7 m tall, segments in proportion to stature after Winter 2009, figure 4.1.
_THIGH = 416.0
_SHANK = 418.0
_TRUNK = 490.0
_UPPER_ARM = 300.0
_FOREARM = 250.0
_HIP_HALF = 90.0
_SHOULDER_HALF = 180.0
_FOOT_HALF = 50.0  # Half of what lies between the feet of somebody who walks (about 10 cm)
_SKULL_BASE = (0.0, 120.0, 20.0)
_HEAD = {
    "nose": (0.0, 45.0, 105.0),
    "left_eye": (32.0, 80.0, 85.0),
    "right_eye": (-32.0, 80.0, 85.0),
    "left_ear": (73.0, 62.0, 2.0),
    "right_ear": (-73.0, 62.0, 2.0),
}
# Fourier series over the stride (mean, then cosine and sine of each harmonic), from the leg's own heel strike on:
# degrees from the vertical and of knee flexion. Typical level-ground curves (as in Perry 1992), fitted by least squares
# so that the ankle stands still from 10 to 40 % of the stride. Heel rise is in them, as coco19 has no toes.
_THIGH_ANGLE = (6.56, 20.8, -2.58, -2.93, -1.93, -0.2, 0.52, -0.6, -0.2, -0.31, 0.32)
_KNEE_ANGLE = (22.38, -1.52, -18.24, -14.86, 5.68, 0.1, 5.54, 0.28, 0.26, -0.38, 0.4)
# Height of the mid-hip in mm; its harmonics are those of the step, two to a stride.
_HIP_HEIGHT = (887.47, -15.43, -0.75, -1.38, 0.62)
_STRIDE = 1278.1  # mm from a left heel strike to the next: what the angles above make of an ankle that stands still
_PERIOD = 1.1  # Seconds a stride takes: with its length 1.16 m/s, a comfortable pace
_RADIUS = 6000.0  # mm from the origin to the first person's path: wide enough that the gait is that of a straight walk
_BESIDE = 800.0  # mm between neighbors' paths: shoulders do not touch
_SWAY = 20.0  # mm that the mid-hip goes to each side


def walk(frames: int = 300, fps: float = 30.0, people: int = 1) -> PoseSequence:
    """People walking side by side along circles about the origin, turning left: coco19, 3D, mm, y up, floor at y = 0.

    frames, people: at least 1. fps: above 0. Person i walks 800 mm further out than person i - 1, with a phase and a
    tempo of their own (about 1.1 to 1.25 m/s), and starts out facing +z with the left side at +x. Limbs are rigid.
    Raises InputError if an argument is out of range.

    >>> walk(frames=2).positions.shape
    (2, 1, 19, 3)
    """
    if frames < 1 or people < 1:
        raise InputError(f"a walk of {frames} frames and {people} people cannot be made; both must be at least 1")
    if not (math.isfinite(fps) and fps > 0):
        raise InputError(f"fps is {fps}; it must be a finite number above 0")
    seconds = np.arange(frames) / fps
    walkers = [_place_walker(seconds, person) for person in range(people)]
    positions = np.stack(walkers, axis=1).astype(np.float32)
    return PoseSequence.from_arrays(
        positions, fps=fps, skeleton=COCO19, unit="mm", up="y", metadata={"source": "posecodec.samples.walk"}
    )


def film(sequence: PoseSequence) -> PoseSequence:
    """A walk as a pose estimator sees it in a 1280 x 720 video: (T, P, 19, 2) px, y down, confidences, some wrists missed.

    sequence: of `walk`. The camera stands far off on the x axis and follows the first person.
    """
    shift = sequence.positions[:, :1, COCO19.root or 0, 2][:, :, None]
    across, height = sequence.positions[..., 2] - shift, sequence.positions[..., 1]
    points = np.stack([640 + 0.3 * across, 640 - 0.3 * height], axis=-1).astype(np.float32)
    time, which = np.arange(sequence.frames)[:, None, None], np.arange(len(COCO19))
    scores = np.round(0.85 + 0.1 * np.sin(time / 9 + which), 3).astype(np.float32)
    confidence = np.broadcast_to(scores, points.shape[:3])
    wrists = np.isin(which, [COCO19.keypoints.index(f"{side}_wrist") for side in ("left", "right")])
    missed = np.broadcast_to(wrists & (time % 40 > 34), confidence.shape)
    points[missed] = np.nan
    return PoseSequence.from_arrays(
        points, fps=sequence.fps, confidence=confidence, skeleton=COCO19, unit="px", up="-y", ids=sequence.ids
    )


def _place_walker(seconds: Floats, person: int) -> Floats:
    """(T, K, 3) of one person: the figure in its own axes, then turned and put on its circle."""
    shift = person * 0.618034 % 1.0
    tempo = 1 + 0.1 * (shift - 0.5) if person else 1.0
    strides = tempo / _PERIOD * seconds + 0.02 * np.sin(2 * np.pi * seconds / 7.3) + shift
    radius = _RADIUS + _BESIDE * person
    heading = _STRIDE * (strides - shift) / radius
    glance = np.radians(8) * np.sin(2 * np.pi * seconds / 5.9 + person)
    world = rotate_about_y(_draw_figure(2 * np.pi * strides, glance, radius), heading)
    world[..., 0] -= radius * np.cos(heading)[:, None]
    world[..., 2] += radius * np.sin(heading)[:, None]
    return world


def _draw_figure(phase: Floats, glance: Floats, radius: float) -> Floats:
    """(T, K, 3) about the point of the floor below the path, x left, y up, z forward.

    phase: (T,) radians since the left heel strike. glance: (T,) yaw of the head. radius: of the path.
    """
    pelvis_yaw, trunk_yaw = np.radians(-5) * np.cos(phase), np.radians(6) * np.cos(phase)
    pelvis_roll, trunk_roll = np.radians(2.5) * np.sin(phase), np.radians(-1.5) * np.sin(phase)
    trunk_pitch = np.radians(3 + 1.0 * np.cos(2 * phase + 0.6))
    zero = np.zeros_like(phase)
    mid_hip = np.stack([_SWAY * np.sin(phase - 0.2), _sum_series(_HIP_HEIGHT, 2 * phase), zero], axis=-1)
    neck = mid_hip + _rotate_offset((0.0, _TRUNK, 0.0), zero, trunk_pitch, trunk_roll)
    skull = neck + _rotate_offset(_SKULL_BASE, glance / 3, trunk_pitch, zero)
    points = {"mid_hip": mid_hip, "neck": neck}
    for name, offset in _HEAD.items():
        points[name] = skull + _rotate_offset(offset, glance, np.radians(4 - 1.5 * np.cos(2 * phase)), zero)
    for side, sign, own in (("left", 1.0, phase), ("right", -1.0, phase + np.pi)):
        hip = mid_hip + _rotate_offset((sign * _HIP_HALF, 0.0, 0.0), pelvis_yaw, zero, pelvis_roll)
        shoulder = neck + _rotate_offset((sign * _SHOULDER_HALF, 0.0, 0.0), trunk_yaw, zero, trunk_roll)
        limbs = (*_draw_leg(hip, own, sign, radius), *_draw_arm(shoulder, own, sign))
        for part, point in zip(("hip", "knee", "ankle", "shoulder", "elbow", "wrist"), limbs, strict=True):
            points[f"{side}_{part}"] = point
    return np.stack([points[name] for name in COCO19.keypoints], axis=1)


def _draw_leg(hip: Floats, phase: Floats, sign: float, radius: float) -> tuple[Floats, Floats, Floats]:
    """Hip, knee and ankle; the leg's plane leans sideways by what puts the ankle on its own line of the curved path."""
    thigh = np.radians(_sum_series(_THIGH_ANGLE, phase))
    shank = thigh - np.radians(_sum_series(_KNEE_ANGLE, phase))
    down = _THIGH * np.cos(thigh) + _SHANK * np.cos(shank)
    ahead = hip[:, 2] + _THIGH * np.sin(thigh) + _SHANK * np.sin(shank)
    lean = np.arcsin((sign * _FOOT_HALF + ahead**2 / (2 * radius) - hip[:, 0]) / down)
    knee = hip + _hang(_THIGH, thigh, lean)
    return hip, knee, knee + _hang(_SHANK, shank, lean)


def _draw_arm(shoulder: Floats, phase: Floats, sign: float) -> tuple[Floats, Floats, Floats]:
    """Shoulder, elbow and wrist; the arm swings against the leg of its side and bends most when it is in front."""
    swing = np.radians(-2 - 18 * np.cos(phase - 0.25) + 2 * np.cos(2 * phase))
    bend = np.radians(26 - 11 * np.cos(phase - 0.55))
    aside = np.full_like(phase, sign * np.radians(8))
    elbow = shoulder + _hang(_UPPER_ARM, swing, aside)
    return shoulder, elbow, elbow + _hang(_FOREARM, swing + bend, aside / 4)


def _sum_series(coefficients: tuple[float, ...], phase: Floats) -> Floats:
    """A Fourier series: mean, then cosine and sine of each harmonic."""
    total = np.full_like(phase, coefficients[0])
    for k in range(1, len(coefficients) // 2 + 1):
        total += coefficients[2 * k - 1] * np.cos(k * phase) + coefficients[2 * k] * np.sin(k * phase)
    return total


def _hang(length: float, forward: Floats, aside: Floats) -> Floats:
    """(T, 3) of a segment that hangs down, turned `forward` in its plane, the plane leaning `aside` to +x (radians)."""
    down = np.cos(forward)
    return length * np.stack([down * np.sin(aside), -down * np.cos(aside), np.sin(forward)], axis=-1)


def _rotate_offset(offset: tuple[float, float, float], yaw: Floats, pitch: Floats, roll: Floats) -> Floats:
    """(T, 3) of a fixed offset after a roll about z (left up), a pitch about x (nose down), a yaw (to the left)."""
    x, y, z = offset
    left = x * np.cos(roll) - y * np.sin(roll)
    high = x * np.sin(roll) + y * np.cos(roll)
    up, ahead = high * np.cos(pitch) - z * np.sin(pitch), high * np.sin(pitch) + z * np.cos(pitch)
    return rotate_about_y(np.stack([left, up, ahead], axis=-1)[:, None], yaw)[:, 0]
