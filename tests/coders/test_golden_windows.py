"""Encoding again gives the streams of windows in tests/conformance, whose decoding test_conformance holds.

`PYTHONPATH=tests python tests/coders/test_golden_windows.py` writes them anew,
which only other weights or another version may ask for.
"""

import numpy as np
import pytest
from coding import assert_golden
from conftest import CONFORMANCE, flat_walk

from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk

FOLDER = CONFORMANCE / "windows"


def come_and_go(sequence):
    """Gaps of every kind: people who enter late and leave, and keypoints that are missing now and then."""
    gone = np.random.default_rng(0).random(sequence.valid.shape) < 0.05
    gone[: sequence.frames // 3, 1] = gone[sequence.frames // 2 : sequence.frames // 2 + 40, 0] = True
    positions = np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32)
    return sequence.with_positions(positions, np.where(gone, 0, sequence.confidence).astype(np.float32))


MADE = {
    "walk3d": ("windows3d", lambda: walk(150), 144),
    "walk3d_coarse": ("windows3d", lambda: walk(300), 192),
    "walk3d_gaps": ("windows3d", lambda: come_and_go(walk(100, people=2)), 96),
    "walk2d": ("windows2d", lambda: flat_walk(150), 144),
    "walk2d_gaps": ("windows2d", lambda: come_and_go(flat_walk(100, people=2)), 96),
}


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    model, make, qp = MADE[name]
    encoded = PoseCodec.from_pretrained(model).encode_windows(make(), qp)
    assert_golden(encoded.data, (FOLDER / f"{name}.posec").read_bytes())


if __name__ == "__main__":
    for name, (model, make, qp) in MADE.items():
        PoseCodec.from_pretrained(model).encode_windows(make(), qp).save(FOLDER / f"{name}.posec", force=True)
