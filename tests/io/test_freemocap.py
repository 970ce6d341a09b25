"""FreeMoCap recordings: folders as FreeMoCap leaves them, single files, and files that do not fit each other."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecodec.errors import InputError, NoRateError
from posecodec.io import load
from posecodec.io.detect import detect, is_recording
from posecodec.io.formats import freemocap
from posecodec.pose.skeletons.builtin import MEDIAPIPE33

COUNTS = {"body": 33, "right_hand": 21, "left_hand": 21, "face": 478}

pytestmark = pytest.mark.filterwarnings("ignore:the files state no unit")


def arrays(frames: int = 3, **counts: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {part: rng.normal(size=(frames, count, 3)) for part, count in (counts or COUNTS).items()}


def record(folder: Path, parts: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for part, array in parts.items():
        np.save(folder / f"mediapipe_{part}_3d_xyz.npy", array)
    return folder


def test_all_parts_in_a_recording(tmp_path):
    parts = arrays()
    parts["left_hand"][1] = np.nan
    record(tmp_path / "output_data", parts)
    np.save(tmp_path / "output_data" / "mediapipe_skeleton_3d.npy", np.zeros((3, 553, 3)))
    for path in (tmp_path, tmp_path / "output_data"):
        sequence = freemocap.read(path, fps=29.97)
        whole = np.concatenate([parts[part] for part in ("body", "left_hand", "right_hand", "face")], axis=1)
        np.testing.assert_array_equal(sequence.positions[:, 0], whole)
        assert (sequence.fps, sequence.unit, sequence.up) == (29.97, "mm", "unknown")
        assert sequence.metadata == {"source_format": "freemocap"}
    names = sequence.skeleton.keypoints
    assert names[:33] == MEDIAPIPE33.keypoints and len(names) == 553
    assert names[33:39] == (
        "left_hand/wrist", "left_hand/thumb1", "left_hand/thumb2", "left_hand/thumb3", "left_hand/thumb4",
        "left_hand/index1",
    )  # fmt: skip
    assert names[74] == "right_hand/pinky4" and names[75] == "face/0" and names[-1] == "face/477"
    assert {(33, 34), (34, 35), (33, 38), (54, 55)} <= set(sequence.skeleton.edges)
    assert (37, 38) not in sequence.skeleton.edges
    mirror = sequence.skeleton.mirror
    assert mirror[33] == 54 and mirror[2] == 5 and mirror[80] == 80
    assert not sequence.valid[1, 0, 33:54].any() and sequence.valid.sum() == 3 * 553 - 21


def test_other_results_below_output_data_are_no_recording_of_the_folder_above(tmp_path):
    (tmp_path / "output_data").mkdir()
    (tmp_path / "output_data/a_000000000000_keypoints.json").write_text('{"people": []}')
    assert not is_recording(tmp_path) and detect(tmp_path / "output_data").format == "openpose"
    with pytest.raises(InputError, match="no recording in this folder"):
        detect(tmp_path)
    record(tmp_path / "output_data", arrays())
    assert detect(tmp_path).format == "freemocap"


def test_single_files(tmp_path):
    folder = record(tmp_path, arrays(1, body=33, left_hand=21, face=468))
    assert freemocap.read(folder / "mediapipe_body_3d_xyz.npy", fps=30).skeleton == MEDIAPIPE33
    hand = freemocap.read(folder / "mediapipe_left_hand_3d_xyz.npy", fps=30).skeleton
    assert hand.keypoints[20] == "left_hand/pinky4" and len(hand.edges) == 20
    assert len(freemocap.read(folder / "mediapipe_face_3d_xyz.npy", fps=30).skeleton) == 468
    assert len(freemocap.read(folder, fps=30).skeleton) == 33 + 21 + 468


def test_guess_of_the_unit_and_other_changes_are_reported(tmp_path, reports):
    parts = arrays(body=33)
    parts["body"][0, 0, 0], parts["body"][0, 1, 0] = np.inf, np.nan
    with reports("millimeters", "1 keypoints with an infinite", "1 keypoints with only some"):
        sequence = freemocap.read(record(tmp_path, parts), fps=30)
    assert not sequence.valid[0, 0, :2].any()


def test_no_rate_last(tmp_path):
    folder = record(tmp_path / "a", arrays(body=33))
    with pytest.raises(NoRateError, match="a: .*--fps"):
        freemocap.read(folder)
    record(folder, arrays(body=32))
    with pytest.raises(InputError, match="mediapipe_body_3d_xyz.npy: float64"):
        freemocap.read(folder)


@pytest.mark.parametrize(("parts", "message"), [
    ({}, "no mediapipe_"),
    (arrays(3, body=33) | arrays(4, face=478), "body_3d_xyz.npy has 3 frames, mediapipe_face_3d_xyz.npy 4"),
    (arrays(0, body=33), "no frames"), (arrays(3, left_hand=33), r"left_hand_3d_xyz.npy: .*\(T, 21, 3\)"),
    ({"body": np.zeros((3, 33, 2))}, r"\(T, 33, 3\)"), ({"body": np.zeros((3, 33, 3), "U2")}, "numbers"),
    ({"body": np.array([{}])}, "pickle"),
])  # fmt: skip
def test_malformed(parts, message, tmp_path):
    folder = record(tmp_path / "a", parts)
    with pytest.raises(InputError, match=message) as caught:
        freemocap.read(folder, fps=30)
    assert str(caught.value).startswith(str(folder))


def test_other_names_and_nothing(tmp_path):
    np.save(tmp_path / "points.npy", np.zeros((3, 33, 3)))
    with pytest.raises(InputError, match="mediapipe_PART_3d_xyz.npy"):
        freemocap.read(tmp_path / "points.npy", fps=30)
    with pytest.raises(InputError, match="no such file"):
        freemocap.read(tmp_path / "none", fps=30)
    (tmp_path / "mediapipe_body_3d_xyz.npy").mkdir()
    with pytest.raises(InputError, match="this is a folder"):
        freemocap.read(tmp_path, fps=30)


def test_a_unit_that_is_given_is_not_guessed(tmp_path):
    record(tmp_path, arrays())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for choice in ({"unit": "m"}, {"default_unit": "m"}):
            assert load(tmp_path, format="freemocap", fps=30, **choice).unit == "m"
