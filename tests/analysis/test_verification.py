"""Verdicts on files: everything that a file holds against the original, part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tamper import run

from posecodec.analysis.verification import KEPT, verify
from posecodec.bitstream import container
from posecodec.codec import PoseCodec
from posecodec.pose.channels import Channel, store_channels
from posecodec.pose.synthetic import walk

CODEC, WALK = PoseCodec(), walk(30)


def judge(data, original):
    return verify(container.read_header(data), CODEC.decode(data), len(data), original)


def test_files_that_were_tampered_with_are_found_out():
    found, wrong = run(150, seed=1)
    assert not wrong and found["tampered: found out"] > 80 and found["untouched: kept"] > 15


def test_the_parts_that_failed_are_named():
    hidden = WALK.positions.copy()
    hidden[:, :, 10:] = np.nan
    dim = np.where(np.isnan(hidden[..., 0]), np.float32(0), np.float32(0.01))
    changed = replace(WALK, positions=hidden, confidence=dim, fps=1.0, ids=("x",), unit="cm", metadata={"a": 1})
    verdict = judge(CODEC.encode(changed, max_error=1.0).data, WALK)
    assert verdict.kept is False and verdict.reached <= 1
    wrong = {name for name, text in verdict.parts.items() if text != KEPT}
    assert wrong == {"people", "unit", "times", "metadata", "keypoints", "confidences"}
    assert verdict.parts["keypoints"] == "270 of 570 are missing, 0 are there that the original has not"
    assert "1.0 frames per second where the original has 30.0" in verdict.describe()


@pytest.mark.parametrize("goal", [{}, {"max_error": 5.0}, {"bitrate": 50.0}, {"lossless": True}], ids=str)
def test_another_recording_is_a_verdict_and_no_error(goal):
    data = CODEC.encode(WALK, **goal).data
    assert judge(data, WALK).kept is True
    for other in (walk(31), walk(30, people=2), replace(WALK, positions=WALK.positions + np.float32(9000))):
        verdict = judge(data, other)
        assert verdict.kept is False and verdict.as_dict()["parts"], verdict


def test_channels_keep_their_own_bounds():
    angles = np.sin(np.arange(90, dtype=np.float32)).reshape(30, 3) * 60
    original = replace(WALK, metadata=store_channels([Channel("knee", "angles", "deg", angles)]))
    for bound, off, kept in ((0.0, 0.0, True), (0.5, 0.0, True), (0.5, 2.0, False), (0.0, 0.01, False)):
        shown = store_channels([Channel("knee", "angles", "deg", angles + np.float32(off), bound)])
        verdict = judge(CODEC.encode(replace(original, metadata=shown), lossless=not bound).data, original)
        assert verdict.kept is kept and (verdict.parts["channels"] == KEPT) is kept, (bound, off)
    for other in ({}, store_channels([Channel("hip", "angles", "deg", angles)])):
        assert "channels" in "".join(judge(CODEC.encode(replace(WALK, metadata=other)).data, original).broken)


def test_nearly_the_same_rate_is_the_same():
    data = CODEC.encode(replace(WALK, fps=30000 / 1001)).data
    assert judge(data, replace(WALK, fps=30000 / 1001 * (1 + 1e-14))).kept
    assert not judge(data, replace(WALK, fps=29.97)).kept
