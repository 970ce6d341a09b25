"""Files written once decode to the same integers for ever, and to the same poses within 0.01 mm.

`PYTHONPATH=tests python tests/coders/test_golden_transform.py` writes them anew,
which only other weights or another version may ask for.
"""

import json
import zlib

import numpy as np
import pytest
from conftest import GOLDEN

from posecodec.bench.untrained_skeletons import make_hand, make_pixels
from posecodec.bitstream import container
from posecodec.codec import PoseCodec
from posecodec.coders.transform import block_coder
from posecodec.pose.synthetic import walk

FOLDER = GOLDEN / "transform"
MADE = {
    "walk": (lambda: walk(150), {}),
    "walk_bounded": (lambda: walk(150, people=2), {"max_error": 3.0}),
    "walk_coarse": (lambda: walk(400), {"bitrate": 0.15}),
    "walk_lossless": (lambda: walk(20), {"lossless": True}),
    "hand": (lambda: make_hand(90), {"max_error": 2.0}),
    "pixels": (lambda: make_pixels(60), {}),
}


def decoded(data, monkeypatch):
    """Positions, and a checksum of every coefficient on the way."""
    found = []
    original = block_coder.dequantize
    monkeypatch.setattr(block_coder, "dequantize", lambda q, *rest: (found.append(q.copy()), original(q, *rest))[1])
    positions = PoseCodec().decode(data).positions
    monkeypatch.undo()
    return positions, zlib.crc32(b"".join(q.astype("<i4").tobytes() for q in found))


@pytest.mark.parametrize("name", MADE)
def test_golden_files_decode_to_the_same_integers_and_poses(name, monkeypatch):
    known = json.loads((FOLDER / "golden.json").read_text())[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    positions, checksum = decoded(data, monkeypatch)
    assert checksum == known["coefficients"]
    expected = np.load(FOLDER / f"{name}.npy") / 100.0
    np.testing.assert_allclose(positions, expected, rtol=0, atol=0.0151)


@pytest.mark.parametrize("name", MADE)
def test_encoding_again_gives_the_golden_file(name):
    make, goal = MADE[name]
    data = (FOLDER / f"{name}.posec").read_bytes()
    again = PoseCodec().encode(make(), **goal).data
    assert container.read(again)[0].guarantee == container.read(data)[0].guarantee
    assert again == data


def regenerate(monkeypatch):
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {}
    for name, (make, goal) in MADE.items():
        data = PoseCodec().encode(make(), **goal).data
        (FOLDER / f"{name}.posec").write_bytes(data)
        positions, checksum = decoded(data, monkeypatch)
        np.save(FOLDER / f"{name}.npy", np.rint(positions * 100.0).astype(np.int32))
        known[name] = {"bytes": len(data), "coefficients": checksum}
    (FOLDER / "golden.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    regenerate(pytest.MonkeyPatch())
