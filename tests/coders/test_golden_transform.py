"""Encoding again gives the streams of the transform in tests/conformance/dependent, whose decoding test_conformance holds.

Those in tests/conformance/transform and bodies are of earlier weights, and decoded only; so is walk_coarse, whose shorter
header leaves room for more.

`PYTHONPATH=tests python tests/coders/test_golden_transform.py` writes them anew,
which only other weights or another version may ask for.
"""

import pytest
from coding import as_pixels, as_smpl22, assert_golden, rename, write_streams
from conftest import CONFORMANCE

from posecodec.bench.untrained_skeletons import make_hand, make_pixels
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk
from posecodec.pose.synthetic_signer import sign

FOLDER = CONFORMANCE / "dependent"
MADE = {
    "walk": (lambda: walk(150), {}),
    "walk_bounded": (lambda: walk(150, people=2), {"max_error": 3.0}),
    "walk_lossless": (lambda: walk(20), {"lossless": True}),
    "hand": (lambda: make_hand(90), {"max_error": 2.0}),
    "pixels": (lambda: make_pixels(60), {}),
    "smpl22_bounded": (lambda: as_smpl22(walk(120)), {"max_error": 4.0}),
    "smpl22_renamed": (lambda: rename(as_smpl22(walk(120)), tuple(range(21, -1, -1)), spell=True), {}),
    "signer_bounded": (lambda: sign(24), {"max_error": 5.0}),
    "coco17_flat": (lambda: as_pixels(walk(120)), {}),
    "coco17_flat_renamed_bounded": (lambda: rename(as_pixels(walk(120))), {"max_error": 2.0}),
}


@pytest.mark.parametrize("name", sorted(MADE))
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    assert_golden(PoseCodec().encode(make(), **goal).data, data)


if __name__ == "__main__":
    write_streams(PoseCodec(), FOLDER, MADE)
