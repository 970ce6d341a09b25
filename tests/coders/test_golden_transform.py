"""Encoding again gives the streams of the transform in tests/conformance/dependent, whose decoding test_conformance holds.

Those in tests/conformance/transform and bodies are of earlier weights, and decoded only; so are the others in there, of
bounds and rates, for which the encoder finds other steps now: test_golden_short has such.

`PYTHONPATH=tests python tests/coders/test_golden_transform.py` writes them anew,
which only other weights or another version may ask for.
"""

import pytest
from coding import as_pixels, as_smpl22, assert_golden, rename, write_streams
from conftest import CONFORMANCE

from posecodec.bench.untrained_skeletons import make_pixels
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk

FOLDER = CONFORMANCE / "dependent"
MADE = {
    "walk": (lambda: walk(150), {}),
    "walk_lossless": (lambda: walk(20), {"lossless": True}),
    "pixels": (lambda: make_pixels(60), {}),
    "smpl22_renamed": (lambda: rename(as_smpl22(walk(120)), tuple(range(21, -1, -1)), spell=True), {}),
    "coco17_flat": (lambda: as_pixels(walk(120)), {}),
}


@pytest.mark.parametrize("name", sorted(MADE))
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    assert_golden(PoseCodec().encode(make(), **goal).data, data)


if __name__ == "__main__":
    write_streams(PoseCodec(), FOLDER, MADE)
