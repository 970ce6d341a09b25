"""NTU RGB+D skeletons: frames, bodies, confidences, and what is refused with its line."""

from __future__ import annotations

import numpy as np
import pytest

from posecodec.errors import InputError
from posecodec.io import detect
from posecodec.io.formats.ntu import read

SUFFIX = ".skeleton"


def body(key: str = "72057594037931101", start: float = 0.0, state: int = 2, joints: int = 25) -> str:
    rows = [f"{start + k / 8} {k / 4} 3.5 300 200 1000 500 0.1 0.2 0.3 0.9 {state}" for k in range(joints)]
    return "\n".join([f"{key} 0 1 1 1 1 0 -0.1 0.2 2", str(joints), *rows]) + "\n"


def recording(*frames: list[str]) -> str:
    return f"{len(frames)}\n" + "".join(f"{len(bodies)}\n{''.join(bodies)}" for bodies in frames)


def test_hand_worked_recording(put, reports):
    text = recording([body()], [], [body("72057594037931102", 1.0, 1), body(start=0.5, state=0)])
    path = put(text)
    assert detect(path).format == "ntu" and detect(put(text, "a")).format == "ntu"
    with reports("orientations of joints, places in the images and the state of the hands are not kept"):
        sequence = read(path)
    assert sequence.positions.shape == (3, 2, 25, 3) and sequence.skeleton.name == "kinect25"
    assert (sequence.fps, sequence.unit, sequence.up) == (30, "m", "y")
    assert sequence.ids == ("72057594037931101", "72057594037931102")
    np.testing.assert_array_equal(sequence.positions[:, 0, 8, 0], [1.0, np.nan, 1.5])
    np.testing.assert_array_equal(sequence.positions[2, 1, 24], [4.0, 6.0, 3.5])
    assert sequence.confidence[[0, 2, 2], [0, 0, 1], 0].tolist() == [1, 0, 0.5]
    assert read(path, fps=25).fps == 25


def test_windows_line_ends(put):
    assert read(put(recording([body()]).replace("\n", "\r\n"))).frames == 1


@pytest.mark.parametrize(("text", "match"), [
    ("", "0 bytes"), ("0\n", "0 frames and nobody"), (recording([], []), "2 frames and nobody"),
    (recording([body()])[:300], "line 10 has 2 numbers; a joint"), ("3\n1\n", "ends where a body in frame 0"),
    (recording([body()]) + "7\n", "line 30 holds '7' after the last frame"),
    ("x\n", "line 1 holds 'x'; the number of frames"),
    (recording([body(joints=20)]), "line 4: 20 joints; 25"),
    (recording([body().replace("3.5", "x", 1)]), "line 5 holds something else"),
    ("99999999999\n", "line 1 holds '99999999999'"), ("1\n-1\n", "line 2 holds '-1'"),
])  # fmt: skip
def test_refused(text, match, put):
    with pytest.raises(InputError, match=f"a.skeleton: .*({match})"):
        read(put(text))
