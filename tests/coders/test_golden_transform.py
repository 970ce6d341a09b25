"""Encoding again gives the streams of the transform in tests/conformance, whose decoding test_conformance holds.

`PYTHONPATH=tests python tests/coders/test_golden_transform.py` writes them anew,
which only other weights or another version may ask for.
"""

import pytest
from coding import write_streams
from conftest import CONFORMANCE

from posecodec.bench.untrained_skeletons import make_hand, make_pixels
from posecodec.bitstream import container
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk

FOLDER = CONFORMANCE / "transform"
MADE = {
    "walk": (lambda: walk(150), {}),
    "walk_bounded": (lambda: walk(150, people=2), {"max_error": 3.0}),
    "walk_coarse": (lambda: walk(400), {"bitrate": 0.15}),
    "walk_lossless": (lambda: walk(20), {"lossless": True}),
    "hand": (lambda: make_hand(90), {"max_error": 2.0}),
    "pixels": (lambda: make_pixels(60), {}),
    "pixels_sized": (lambda: make_pixels(60), {}),
}
OLDER = {"pixels"}
"""Of versions whose default quality was another, for skeletons that they did not know: they are decoded only."""


@pytest.mark.parametrize("name", sorted(MADE.keys() - OLDER))
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    again = PoseCodec().encode(make(), **goal).data
    assert container.read(again)[0].guarantee == container.read(data)[0].guarantee
    assert again == data


if __name__ == "__main__":
    write_streams(PoseCodec(), FOLDER, MADE)
