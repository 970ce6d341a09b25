"""Lifelike recordings of keypoints that nothing was trained on: a hand, mocap markers, detections in pixels, a signer.

Made by rule from seeded noise, so that tests and benchmarks need no data. Each has what such recordings have: limbs of
constant length, sensor noise, gaps, confidences, other frame rates.
"""

from __future__ import annotations

import numpy as np

from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.synthetic import walk
from posecodec.typing import Floats

FINGERS = 5  # Of a hand


def make_smooth_noise(rng: np.random.Generator, frames: int, channels: int, rate: float, cutoff: float) -> Floats:
    """(T, C) noise of unit variance below about `cutoff` Hz: Gaussian smoothing of white noise."""
    width = rate / (2 * np.pi * cutoff)
    reach = int(4 * width) + 1
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    window /= np.sqrt(np.square(window).sum())
    noise = rng.normal(size=(frames + 2 * reach, channels))
    return np.stack([np.convolve(noise[:, c], window, mode="valid") for c in range(channels)], axis=1)


def make_hand_pose(rng: np.random.Generator, frames: int, rate: float) -> Floats:
    """(T, 21, 3) in mm: a wrist and five fingers of four joints that bend and spread."""
    lengths = np.array([[45, 35, 30, 25], [85, 42, 26, 20], [82, 46, 29, 21], [78, 43, 28, 21], [74, 34, 21, 19]])
    bend = 0.5 + 0.45 * make_smooth_noise(rng, frames, 3 * FINGERS, rate, 1.5).reshape(frames, FINGERS, 3)
    spread = np.linspace(-0.5, 0.4, FINGERS) + 0.06 * make_smooth_noise(rng, frames, FINGERS, rate, 1.0)
    turn = make_smooth_noise(rng, frames, 3, rate, 0.6) * 0.5
    points = np.zeros((frames, 21, 3))
    for finger in range(FINGERS):
        flat, place = np.zeros(frames), np.zeros((frames, 3))
        across, along = np.sin(spread[:, finger]), np.cos(spread[:, finger])
        for joint in range(4):
            flat = flat + (bend[:, finger, joint - 1] if joint else 0.0)
            away = np.stack([np.cos(flat) * across, np.cos(flat) * along, -np.sin(flat)], 1)
            place = place + lengths[finger, joint] * away
            points[:, 1 + 4 * finger + joint] = place
    return _rotate(points, turn) + 60 * make_smooth_noise(rng, frames, 3, rate, 0.5)[:, None]


def _rotate(points: Floats, angles: Floats) -> Floats:
    """Turned about x, y and z by angles (T, 3) in radians."""
    for axis in range(3):
        cos, sin = np.cos(angles[:, axis])[:, None], np.sin(angles[:, axis])[:, None]
        own, a, b = (points[..., (axis + i) % 3] for i in range(3))
        points = np.roll(np.stack([own, cos * a - sin * b, sin * a + cos * b], axis=-1), axis, axis=-1)
    return points


def make_hand(frames: int = 600, seed: int = 0) -> PoseSequence:
    """A tracked hand: 21 keypoints, mm, 30 fps, 0.2 mm of noise."""
    rng = np.random.default_rng(seed)
    points = make_hand_pose(rng, frames, 30.0) + rng.normal(scale=0.2, size=(frames, 21, 3))
    edges = tuple((0 if j == 0 else 4 * f + j, 1 + 4 * f + j) for f in range(FINGERS) for j in range(4))
    skeleton = Skeleton("hand21", tuple(f"hand_{i}" for i in range(21)), edges, (), 0)
    return PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="mm")


def make_markers(frames: int = 2000, seed: int = 0) -> PoseSequence:
    """Optical motion capture: 42 markers on a walking body, mm, 200 Hz, 0.3 mm of noise, gaps of up to 0.3 s."""
    rng = np.random.default_rng(seed)
    body = walk(frames, fps=200.0).positions[:, 0].astype(np.float64)
    edges = [COCO19.edges[i] for i in rng.integers(0, len(COCO19.edges), 42)]
    share, aside = rng.uniform(0.1, 0.9, 42), rng.uniform(20, 60, 42)
    points = np.zeros((frames, 42, 3))
    for m, (a, b) in enumerate(edges):
        bone = body[:, b] - body[:, a]
        across, up = np.cross(bone, body[:, 3] - body[:, 9]), np.cross(bone, np.array([0.0, 400.0, 0.0]))
        out = max((across, up), key=lambda v: np.linalg.norm(v, axis=1).min())
        out = out / np.linalg.norm(out, axis=1, keepdims=True)
        points[:, m] = body[:, a] + share[m] * bone + aside[m] * out
    points += rng.normal(scale=0.3, size=points.shape)
    for _ in range(frames // 40):
        start, marker = int(rng.integers(0, frames)), int(rng.integers(0, 42))
        points[start : start + int(rng.integers(5, 60)), marker] = np.nan
    return PoseSequence.from_arrays(points, fps=200, skeleton=build_skeleton(42), unit="mm", up="y")


def make_confidences(rng: np.random.Generator, frames: int, keypoints: int, rate: float) -> Floats:
    """(T, K) as detectors give them: mostly high, slowly changing."""
    return 1 / (1 + np.exp(-(2.2 + 0.8 * make_smooth_noise(rng, frames, keypoints, rate, 0.4))))


def make_pixels(frames: int = 900, seed: int = 0) -> PoseSequence:
    """A detector's 17 keypoints of a walking person in pixels, with confidences, half a pixel of jitter, 29.97 fps."""
    rng = np.random.default_rng(seed)
    kept = [k for k in range(19) if k not in (0, 2)]
    points = walk(frames).positions[:, 0, kept][..., [2, 1]].astype(np.float64) * [0.25, -0.25] + [300, 700]
    points += rng.normal(scale=0.5, size=points.shape)
    skeleton = Skeleton("seen17", tuple(f"point_{i}" for i in range(17)))
    surely = np.rint(255 * make_confidences(rng, frames, 17, 30.0)) / 255
    return PoseSequence.from_arrays(points, fps=30000 / 1001, confidence=surely, skeleton=skeleton, unit="px", up="-y")


def make_signer(frames: int = 500, seed: int = 0) -> PoseSequence:
    """A signer: 8 body points, two hands of 21 and a face of 128, in pixels at 25 fps, a third of a pixel of jitter."""
    rng = np.random.default_rng(seed)
    body = np.array([[0, -150], [0, -60], [-90, -40], [90, -40], [-120, 60], [120, 60], [-60, 60], [60, 60]], float)
    sway = 6 * make_smooth_noise(rng, frames, 2, 25.0, 0.4)[:, None]
    reach = np.array([0.3, 0.3, 0.5, 0.5, 8, 8, 0, 0])[:, None]
    arms = body + sway + reach * make_smooth_noise(rng, frames, 16, 25.0, 1.2).reshape(frames, 8, 2)
    wrists = body[6:] + 45 * make_smooth_noise(rng, frames, 4, 25.0, 1.5).reshape(frames, 2, 2)
    arms[:, 6:] = wrists
    poses = [make_hand_pose(rng, frames, 25.0) for _ in range(2)]
    hands = [wrists[:, side, None] + 0.45 * (pose - pose[:, :1])[..., :2] for side, pose in enumerate(poses)]
    shape = rng.normal(scale=[32, 42], size=(128, 2))
    modes = rng.normal(size=(6, 128, 2)) * np.exp(-np.abs(rng.normal(size=(6, 128, 1)) * 2))
    face = shape * (1 + 0.05 * make_smooth_noise(rng, frames, 1, 25.0, 0.5))[:, None] + body[0] + sway
    face = face + np.einsum("tm,mkd->tkd", 2.0 * make_smooth_noise(rng, frames, 6, 25.0, 2.0), modes)
    points = np.concatenate([arms, *hands, face], axis=1) + [640, 360]
    points += rng.normal(scale=0.33, size=points.shape)
    return PoseSequence.from_arrays(points, fps=25, skeleton=build_skeleton(178), unit="px", up="-y")


RECORDINGS = {
    "hand": (make_hand, (1.0, 4.0)),
    "markers": (make_markers, (1.0, 5.0)),
    "pixels": (make_pixels, (1.0, 4.0)),
    "signer": (make_signer, (1.0, 4.0)),
}
"""name -> (recording, maximum errors at which codecs are compared, in its unit)."""
