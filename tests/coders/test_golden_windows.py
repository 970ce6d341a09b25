"""Files of tokens written once decode to the same integers for ever, and to the same poses within 0.01 mm or pixels.

`PYTHONPATH=tests python tests/coders/test_golden_windows.py` writes them anew,
which only other weights or another version may ask for.
"""

import json

import numpy as np
import pytest
from conftest import GOLDEN, flat_walk

import posecodec
from posecodec.bitstream.container import read_header
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk
from posecodec.zoo import find_named

FOLDER = GOLDEN / "tokens"


def come_and_go(sequence):
    """Gaps of every kind: people who enter late and leave, and keypoints that are missing now and then."""
    gone = np.random.default_rng(0).random(sequence.valid.shape) < 0.05
    gone[: sequence.frames // 3, 1] = gone[sequence.frames // 2 : sequence.frames // 2 + 40, 0] = True
    positions = np.where(gone[..., None], np.nan, sequence.positions).astype(np.float32)
    return sequence.with_positions(positions, np.where(gone, 0, sequence.confidence).astype(np.float32))


MADE = {
    "walk3d": ("body3d", lambda: walk(150), 8),
    "walk3d_coarse": ("body3d", lambda: walk(300), 5),
    "walk3d_gaps": ("body3d", lambda: come_and_go(walk(100, people=2)), 11),
    "walk2d": ("body2d", lambda: flat_walk(150), 8),
    "walk2d_gaps": ("body2d", lambda: come_and_go(flat_walk(100, people=2)), 11),
}


def stream_of(codec, data, levels):
    """All tokens of a file, lengths of steps included, as one line of integers."""
    return codec.tokenizer.vocabulary(levels).flatten(codec.tokens(data))


@pytest.mark.parametrize("name", MADE)
def test_golden_files_decode_to_the_same_tokens_and_poses(name):
    model, _, levels = MADE[name]
    codec, data = PoseCodec.from_pretrained(model), (FOLDER / f"{name}.posec").read_bytes()
    assert codec.weights.sha256 == json.loads((FOLDER / "golden.json").read_text())[name]["weights"]
    assert find_named(read_header(data).weights) == model
    tokens = np.load(FOLDER / f"{name}.tokens.npy")
    found = stream_of(codec, data, levels)
    assert found.shape == tokens.shape and (found == tokens).all()
    decoded, drawn = codec.decode(data), posecodec.load(FOLDER / f"{name}.decoded.npz")
    assert (decoded.valid == drawn.valid).all() and (decoded.ids, decoded.unit) == (drawn.ids, drawn.unit)
    np.testing.assert_allclose(decoded.positions, drawn.positions, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", MADE)
def test_golden_tokens_are_coarser_and_detokenize(name):
    """The line of integers alone, without the file, is the same motion about a place of its own."""
    model, make, levels = MADE[name]
    codec = PoseCodec.from_pretrained(model)
    grids = codec.tokenizer.vocabulary(levels).unflatten(np.load(FOLDER / f"{name}.tokens.npy"))
    assert sum(grid.frames for grid in grids) >= make().frames and {grid.levels for grid in grids} == {levels}
    assert np.isfinite(codec.detokenize(grids[:1]).positions).all()


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    model, make, levels = MADE[name]
    assert PoseCodec.from_pretrained(model).encode(make(), levels).data == (FOLDER / f"{name}.posec").read_bytes()


def regenerate():
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {}
    for name, (model, make, levels) in MADE.items():
        codec = PoseCodec.from_pretrained(model)
        data = codec.encode(make(), levels).data
        (FOLDER / f"{name}.posec").write_bytes(data)
        np.save(FOLDER / f"{name}.tokens.npy", stream_of(codec, data, levels))
        posecodec.save(codec.decode(data), FOLDER / f"{name}.decoded.npz", force=True)
        known[name] = {"bytes": len(data), "weights": codec.weights.sha256}
    (FOLDER / "golden.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    regenerate()
