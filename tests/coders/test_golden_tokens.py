"""Files of tokens written once decode to the same tokens for ever, with one thread and with two, and to the same poses.

`PYTHONPATH=tests python tests/coders/test_golden_tokens.py` writes them anew, which only other weights may ask for.
"""

import numpy as np
import pytest
import torch
from conftest import CONFORMANCE, flat_walk
from test_golden_windows import come_and_go

from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk

FOLDER = CONFORMANCE / "tokens"
MADE = {
    "walk3d": ("body3d", lambda: walk(100, people=2), 4),
    "walk3d_gaps": ("body3d", lambda: come_and_go(walk(70, people=2)), 8),
    "walk2d": ("body2d", lambda: flat_walk(100), 4),
}


@pytest.mark.parametrize("name", MADE)
def test_golden_tokens_are_the_same_and_so_are_poses(name):
    codec, data = PoseCodec.from_pretrained(MADE[name][0]), (FOLDER / f"{name}.posec").read_bytes()
    known, threads = np.load(FOLDER / f"{name}.npz"), torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            np.testing.assert_allclose(codec.decode(data).positions, known["positions"], rtol=0, atol=0.01)
            for number, grid in enumerate(codec.tokens(data)):
                np.testing.assert_array_equal(
                    grid.indices.reshape(known[f"{number} tokens"].shape), known[f"{number} tokens"]
                )
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    for name, (model, make, levels) in MADE.items():
        PoseCodec.from_pretrained(model).encode(make(), levels).save(FOLDER / f"{name}.posec", force=True)
