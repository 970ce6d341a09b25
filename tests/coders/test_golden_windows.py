"""Files of windows written once decode to the same integers for ever, and to the same poses within 0.01 mm or pixels.

`PYTHONPATH=tests python tests/coders/test_golden_windows.py` writes them anew,
which only other weights or another version may ask for.
"""

import hashlib
import json

import numpy as np
import pytest
from coding import read_integers
from conftest import GOLDEN, flat_walk

import posecodec
from posecodec.bitstream import container
from posecodec.codec import PoseCodec
from posecodec.pose.synthetic import walk
from posecodec.zoo import find_named

FOLDER = GOLDEN / "windows"


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


def digest(codec, data):
    """A hash of all integers of a file: side information, lengths of windows, values."""
    header, chunks = container.read(data)
    found = hashlib.sha256()
    for span, chunk in zip(header.spans, chunks, strict=True):
        made = read_integers(codec, header, chunk, span.length)[1]
        side = made.side_info
        for part in ([side.scale, side.heading, made.qp], side.origin, made.lengths, made.values.ravel()):
            found.update(np.asarray(part).astype("<i4").tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", MADE)
def test_golden_files_decode_to_the_same_integers_and_poses(name):
    model, known = MADE[name][0], json.loads((FOLDER / "golden.json").read_text())[name]
    codec, data = PoseCodec.from_pretrained(model), (FOLDER / f"{name}.posec").read_bytes()
    assert (codec.weights.sha256, len(data)) == (known["weights"], known["bytes"])
    assert find_named(container.read_header(data).weights) == model
    assert digest(codec, data) == known["integers"]
    decoded, drawn = codec.decode(data), posecodec.load(FOLDER / f"{name}.decoded.npz")
    assert (decoded.valid == drawn.valid).all() and (decoded.ids, decoded.unit) == (drawn.ids, drawn.unit)
    np.testing.assert_allclose(decoded.positions, drawn.positions, rtol=0, atol=0.01)


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    model, make, qp = MADE[name]
    encoded = PoseCodec.from_pretrained(model).encode_windows(make(), qp)
    assert encoded.data == (FOLDER / f"{name}.posec").read_bytes()


def regenerate():
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {}
    for name, (model, make, qp) in MADE.items():
        codec = PoseCodec.from_pretrained(model)
        data = codec.encode_windows(make(), qp).data
        (FOLDER / f"{name}.posec").write_bytes(data)
        posecodec.save(codec.decode(data), FOLDER / f"{name}.decoded.npz", force=True)
        known[name] = {"bytes": len(data), "weights": codec.weights.sha256, "integers": digest(codec, data)}
    (FOLDER / "golden.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    regenerate()
