"""Encoding again gives the streams of the frame-by-frame coder in tests/conformance, whose decoding test_conformance holds.

`PYTHONPATH=tests python tests/coders/test_golden_predictive.py` writes them anew, which only another version may ask for.
"""

import numpy as np
import pytest
from coding import assert_golden, write_streams
from conftest import CONFORMANCE, rng

from posecodec import PoseCodec, PoseSequence, Skeleton
from posecodec.bitstream import container
from posecodec.bitstream.chunk_kind import ChunkKind

FOLDER = CONFORMANCE / "predictive"


def shake(dims, people=1):
    """Six points that jitter, with gaps and an outlier."""
    points = (
        100 + rng(dims).normal(size=(60, people, 6, dims)).cumsum(axis=0) + rng(9).normal(size=(60, people, 6, dims))
    )
    points[rng(4).random(points.shape[:3]) < 0.1] = np.nan
    points[30, 0, 2] = 1e5
    skeleton = Skeleton("six", tuple("abcdef"), ((0, 3), (3, 5)))
    return PoseSequence.from_arrays(points.astype(np.float32), fps=50, skeleton=skeleton, unit="px", up="-y")


MADE = {
    "solid": (lambda: shake(3), {"max_error": 0.5}),
    "flat": (lambda: shake(2, people=2), {"max_error": 0.25}),
}


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    assert {chunk.kind for chunk in container.read(data)[1]} == {ChunkKind.PREDICTIVE}
    assert_golden(PoseCodec().encode(make(), **goal).data, data)


if __name__ == "__main__":
    write_streams(PoseCodec(), FOLDER, MADE)
