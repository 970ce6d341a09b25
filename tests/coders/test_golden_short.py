"""Encoding again gives the streams in tests/conformance/short, byte by byte: version 3, and 4 where chunks name a body.

`PYTHONPATH=tests python tests/coders/test_golden_short.py` writes them, which only other weights or another
version may ask for.
"""

import dataclasses

import pytest
from coding import add_fingers, as_pixels, as_smpl22, rename, write_streams
from conftest import CONFORMANCE, flat_walk

from posecodec.bench.untrained_skeletons import make_hand
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk
from posecodec.pose.synthetic_signer import sign

FOLDER = CONFORMANCE / "short"
MADE = {
    "default": (lambda: walk(60), {}),
    "coarse": (lambda: walk(120), {"mean_error": 70.0}),
    "bounded": (lambda: dataclasses.replace(walk(60), unit="cm"), {"max_error": 0.25}),
    "people": (lambda: walk(60, people=2), {"max_error": 3.0}),
    "hand": (lambda: make_hand(60), {"max_error": 2.0}),
    "smpl22": (lambda: as_smpl22(walk(60)), {"max_error": 4.0}),
    "renamed": (lambda: rename(as_pixels(walk(60))), {"max_error": 2.0}),
    "third": (lambda: walk(30), {"max_error": 10 / 3}),
    "pixels": (lambda: flat_walk(60), {"max_error": 0.707}),
    "rate": (lambda: walk(400), {"bitrate": 0.15}),
    "lossless": (lambda: walk(20), {"lossless": True}),
    "fingers": (lambda: add_fingers(as_smpl22(walk(60))), {"mean_error": 10.0}),
    "signing": (lambda: sign(40), {"mean_error": 12.0}),
}
NAMING = ("fingers", "signing")


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    assert data[3] & 15 == (4 if name in NAMING else 3)
    assert PoseCodec.from_pretrained("windows3d").encode(make(), **goal).data == data


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_streams(PoseCodec.from_pretrained("windows3d"), FOLDER, MADE)
