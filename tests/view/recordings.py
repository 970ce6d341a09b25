"""Recordings to be shown, as the tests of pages, pictures and browsers share them."""

from __future__ import annotations

import numpy as np

from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO17
from posecodec.pose.synthetic import walk

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", '"\u2028\u2029\\u003c{{scene}}&amp;')


def noisy(sequence: PoseSequence, spread: float = 9.0) -> PoseSequence:
    noise = np.random.default_rng(5).normal(0, spread, sequence.positions.shape).astype(np.float32)
    return sequence.with_positions(sequence.positions + noise, sequence.confidence)


def coming_and_going(frames: int = 90) -> PoseSequence:
    """Three people, of whom one comes late and one leaves early, with confidences and a gap."""
    sequence = walk(frames, people=3)
    points = sequence.positions.copy()
    points[: frames // 3, 1] = np.nan
    points[frames // 2 :, 2] = np.nan
    points[5:9, 0, 3:7] = np.nan
    confidence = np.random.default_rng(2).uniform(0.1, 1, points.shape[:3]).astype(np.float32)
    confidence[np.isnan(points[..., 0])] = 0
    return PoseSequence.from_arrays(points, fps=29.97, confidence=confidence, unit="mm", up="y", ids=HOSTILE)


def flat(frames: int = 60) -> PoseSequence:
    points = walk(frames).mapped_to(COCO17).positions
    image = np.stack([900 + 0.2 * points[..., 0], 700 - 0.3 * points[..., 1]], axis=-1)
    return PoseSequence.from_arrays(image, fps=29.97, skeleton=COCO17, unit="px", up="-y", ids=["7"])


def empty(frames: int, people: int) -> PoseSequence:
    return PoseSequence.from_arrays(np.full((frames, people, 19, 3), np.nan, np.float32), fps=30)
