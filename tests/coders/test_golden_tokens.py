"""Files of tokens written once decode to the same tokens for ever, with one thread and with two, and to the same poses.

`PYTHONPATH=tests python tests/coders/test_golden_tokens.py` writes them anew, which only other weights may ask for.
"""

import hashlib
import json

import numpy as np
import pytest
import torch
from conftest import GOLDEN, flat_walk
from test_golden_windows import come_and_go

import posecodec
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk

FOLDER = GOLDEN / "tokens"
MADE = {
    "walk3d": ("body3d", lambda: walk(100, people=2), 4),
    "walk3d_gaps": ("body3d", lambda: come_and_go(walk(70, people=2)), 8),
    "walk2d": ("body2d", lambda: flat_walk(100), 4),
}


def digest(grids):
    return hashlib.sha256(b"".join(grid.indices.astype("<i4").tobytes() for grid in grids)).hexdigest()


@pytest.mark.parametrize("name", MADE)
def test_golden_tokens_are_the_same_and_so_are_poses(name):
    known = json.loads((FOLDER / "golden.json").read_text())[name]
    codec, data = PoseCodec.from_pretrained(MADE[name][0]), (FOLDER / f"{name}.posec").read_bytes()
    assert codec.weights.sha256 == known["weights"] and digest(codec.tokens(data)) == known["tokens"]
    drawn = posecodec.load(FOLDER / f"{name}.decoded.npz")
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            decoded = codec.decode(data)
            np.testing.assert_allclose(decoded.positions, drawn.positions, rtol=0, atol=0.01)
            assert digest(codec.tokens(data)) == known["tokens"]
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    facts = {}
    for name, (model, make, levels) in MADE.items():
        codec = PoseCodec.from_pretrained(model)
        file = codec.encode(make(), levels)
        file.save(FOLDER / f"{name}.posec", force=True)
        posecodec.save(codec.decode(file), FOLDER / f"{name}.decoded.npz", force=True)
        facts[name] = {"weights": codec.weights.sha256, "tokens": digest(file.tokens)}
    (FOLDER / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
