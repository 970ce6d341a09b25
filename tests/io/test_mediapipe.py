"""MediaPipe dumps: every form a frame can have, world and image landmarks, holistic, and what is reported."""

import numpy as np
import pytest
from detections import marks

from posecodec.errors import DataWarning, InputError, NoRateError
from posecodec.io.formats.mediapipe import read
from posecodec.pose.skeletons.builtin import BUILT_IN, MEDIAPIPE33


def test_hand_worked_list_of_frames(put):
    first = marks()
    first[1], first[2]["x"], first[3]["visibility"] = None, None, 6.5
    with pytest.warns(DataWarning, match="1 confidences are outside 0 to 1 \\(6.5 at most\\); they are kept"):
        sequence = read(put([first, None, marks(7)]), fps=29.97)
    assert sequence.positions.shape == (3, 1, 33, 3) and sequence.skeleton == MEDIAPIPE33
    assert (sequence.fps, sequence.unit, sequence.up, sequence.ids) == (29.97, "unknown", "-y", ("0",))
    assert sequence.valid[0, 0, :4].tolist() == [True, False, False, True] and not sequence.valid[1].any()
    np.testing.assert_array_equal(sequence.positions[2, 0, 2], [9, 5, -0.5])
    np.testing.assert_array_equal(sequence.confidence[0, 0, :4], [0.75, 0, 0, 6.5])
    assert sequence.metadata == {"source_format": "mediapipe"}


POINTS = marks()


@pytest.mark.parametrize("frame", [
    POINTS, [POINTS], {"landmark": POINTS}, {"pose_landmarks": POINTS}, {"poseLandmarks": POINTS},
    {"pose_landmarks": [POINTS]}, {"pose_landmarks": {"landmark": POINTS}},
    {"landmarks": [POINTS], "worldLandmarks": []},
    {"pose_landmarks": POINTS, "pose_world_landmarks": None, "face_landmarks": None},
])  # fmt: skip
def test_forms_of_a_frame(frame, put):
    for content in ([frame], {"frames": [frame]}, {"frames": [frame], "fps": 25}):
        sequence = read(put(content), fps=30)
        assert sequence.positions.shape == (1, 1, 33, 3) and sequence.skeleton == MEDIAPIPE33 and sequence.fps == 30
        np.testing.assert_array_equal(sequence.positions[0, 0, 5], [5.5, -4.5, -1.25])


def test_a_single_frame_is_a_file(put):
    for content in (POINTS, {"pose_landmarks": POINTS}, {"landmark": POINTS}):
        assert read(put(content), fps=30).positions.shape == (1, 1, 33, 3)


def test_rate_of_the_file(put):
    path = put({"frames": [POINTS], "fps": 29.97})
    assert read(path).fps == 29.97 and read(path, fps=24).fps == 24
    with pytest.raises(NoRateError, match="--fps N"):
        read(put({"frames": [POINTS]}))


@pytest.mark.parametrize("rate", ["30", [], 0, -1, 1e999, True])
def test_rates_that_are_none(rate, put):
    with pytest.raises(InputError, match="fps is"):
        read(put({"frames": [POINTS], "fps": rate}))


def test_world_landmarks_are_read_first(put, reports):
    frames = [{"pose_landmarks": marks(), "pose_world_landmarks": marks(2)}, {"pose_landmarks": marks(), "t": 1}]
    with reports("world landmarks are read; the image landmarks beside them are left out", "not kept: t"):
        sequence = read(put(frames), fps=30)
    assert (sequence.unit, sequence.up) == ("m", "-y") and sequence.skeleton == MEDIAPIPE33
    assert sequence.positions[0, 0, 0, 0] == 2 and not sequence.valid[1].any()


def test_holistic(put):
    whole = {
        "face_landmarks": marks(3, 468),
        "pose_landmarks": marks(0),
        "pose_world_landmarks": marks(9),
        "left_hand_landmarks": marks(1, 21),
        "rightHandLandmarks": marks(2, 21),
    }
    with pytest.warns(DataWarning, match="world landmarks are left out"):
        sequence = read(put([{"pose_landmarks": marks(5)}, whole]), fps=30)
    assert sequence.skeleton == BUILT_IN["holistic543"] and sequence.unit == "unknown"
    assert sequence.valid[0, 0].sum() == 33 and sequence.valid[1].all()
    assert sequence.positions[1, 0, [0, 33, 54, 75], 0].tolist() == [0, 1, 2, 3]


def test_parts_of_holistic(put):
    frame = {"pose_landmarks": marks(), "left_hand_landmarks": marks(1, 21)}
    skeleton = read(put([frame]), fps=30).skeleton
    assert skeleton.keypoints[33:35] == ("left_hand/wrist", "left_hand/thumb1") and len(skeleton) == 54
    assert len(skeleton.edges) >= 52 and skeleton.to_coco19["nose"] == ("nose",)
    frame = {"pose_landmarks": marks(), "left_hand_landmarks": marks(1, 21), "right_hand_landmarks": marks(1, 21)}
    assert read(put([frame]), fps=30).skeleton == BUILT_IN["mediapipe75"]
    face = read(put([{"face_landmarks": marks(1, 478)}]), fps=30).skeleton
    assert len(face) == 478 and face.keypoints[477] == "face/477"


LEFT, RIGHT = ([{"category_name": side, "score": 0.9, "index": i}] for i, side in enumerate(("Left", "Right")))


@pytest.mark.parametrize("frame", [
    {"hand_landmarks": [marks(1, 21), marks(5, 21)], "handedness": [RIGHT, LEFT], "hand_world_landmarks": []},
    {"landmarks": [marks(1, 21), marks(5, 21)], "worldLandmarks": [marks(2, 21)] * 2,
     "handednesses": [[{"categoryName": "Right"}], [{"categoryName": "Left"}]]},
    {"multi_hand_landmarks": [{"landmark": marks(1, 21)}, {"landmark": marks(5, 21)}],
     "multi_handedness": [{"classification": [{"label": "Right"}]}, {"classification": [{"label": "Left"}]}]},
    {"handLandmarks": [marks(1, 21), marks(5, 21)], "handedness": ["right", "left"]},
])  # fmt: skip
def test_hands_by_their_sides(frame, put):
    only = {"hand_landmarks": [marks(7, 21)], "handedness": [LEFT]}
    sequence = read(put([frame, only, {"hand_landmarks": [], "handedness": []}]), fps=30)
    assert sequence.positions.shape == (3, 1, 42, 3)
    assert [sequence.skeleton.keypoints[k] for k in (0, 21)] == ["left_hand/wrist", "right_hand/wrist"]
    np.testing.assert_array_equal(sequence.positions[0, 0, [0, 21]], [marks_at(5), marks_at(1)])
    assert sequence.valid[1:, 0, [0, 21]].tolist() == [[True, False], [False, False]]


def marks_at(start):
    return [marks(start, 21)[0][axis] for axis in "xyz"]


def test_hands_of_several_people_and_without_sides(put, reports):
    hands = {"hand_landmarks": [marks(1, 21), marks(5, 21), marks(6, 21)]}
    two = read(put([hands | {"handedness": [LEFT, RIGHT, LEFT]}]), fps=30)
    assert two.valid[0, :, [0, 21]].T.tolist() == [[True, True], [True, False]]
    with reports("pass --track"):
        listed = read(put(hands), fps=30)
    assert listed.skeleton == BUILT_IN["hand21"] and listed.people == 3
    with reports("not kept: hand_world_landmarks"):
        read(put([hands | {"hand_world_landmarks": [marks(1, 21)] * 3}]), fps=30)


def test_names(put):
    named = [mark | {"name": name.upper()} for mark, name in zip(marks(), MEDIAPIPE33.keypoints, strict=True)]
    assert read(put([named]), fps=30).skeleton == MEDIAPIPE33
    few = [mark | {"name": name} for mark, name in zip(marks(1, 3), ["tail", "left_paw", "right_paw"], strict=True)]
    skeleton = read(put([few]), fps=30).skeleton
    assert skeleton.keypoints == ("tail", "left_paw", "right_paw") and skeleton.pairs == ((1, 2),)
    assert read(put([marks(1, 21)]), fps=30).skeleton.keypoints[20] == "20"


def test_several_people(put):
    with pytest.warns(DataWarning, match="pass --track"):
        sequence = read(put([{"pose_landmarks": [marks(), marks(5)]}, [marks(6)], [None, marks(7)], []]), fps=30)
    assert sequence.positions.shape == (4, 2, 33, 3) and sequence.ids == ("0", "1")
    assert sequence.valid[:, :, 0].tolist() == [[True, True], [True, False], [False, True], [False, False]]


def test_without_z(put):
    flat = [{"x": m["x"], "y": m["y"]} for m in marks()]
    sequence = read(put([flat]), fps=30)
    assert sequence.dims == 2 and (sequence.confidence == 1).all()
    with pytest.warns(DataWarning, match="some landmarks have no z"):
        assert read(put([flat, marks()]), fps=30).dims == 2


def test_presence(put):
    with pytest.warns(DataWarning, match="the presence of 33 landmarks is left out"):
        sequence = read(put([marks(presence=0.5)]), fps=30)
    assert (sequence.confidence == 0.75).all()
    alone = [{"x": 1, "y": 2, "presence": 0.5}]
    assert read(put([alone]), fps=30).confidence.item() == 0.5


def test_nobody(put):
    assert read(put([None, None]), fps=30).positions.shape == (2, 0, 33, 3)
    assert read(put([{"pose_landmarks": []}, None]), fps=30).positions.shape == (2, 0, 33, 3)


def test_infinite(put, reports):
    points = marks()
    points[0]["x"], points[1]["z"], points[2]["visibility"] = 1e999, 1e300, 1e999
    with reports("2 keypoints with an infinite", "1 confidences that are not finite"):
        sequence = read(put([points]), fps=30)
    assert sequence.valid[0, 0, :3].tolist() == [False, False, True] and sequence.confidence[0, 0, 2] == 0


@pytest.mark.parametrize(("content", "match"), [
    ("", "0 bytes"), ("[", "line 1, column 2"), ("5", "this is int; a list of frames"), ([], "no frames"),
    ({"frames": []}, "no frames"), ({"frames": 5}, "no landmarks, only frames; name them"), ([5], "frame 0 is int"),
    ({"pose": marks()}, "no landmarks, only pose"), ([{"pose_landmarks": 5}], "frame 0: pose_landmarks is int"),
    ([{"pose_landmarks": [5]}], "frame 0: pose_landmarks is no list of landmarks"),
    ([None, [[marks()[0], 5]]], "frame 1, person 0 is no list of landmarks"),
    ([[{"x": "a", "y": 1}]], "frame 0 holds something else than numbers"),
    ([marks(), marks(1, 21)], "frame 1 has 21 landmarks, frame 0 33; split"),
    ([[{"x": 1, "y": 1, "name": "a"}] * 2], "repeats"), ([[{"x": 1, "y": 1, "name": "\ud800"}]], "no Unicode"),
])  # fmt: skip
def test_refused(content, match, put):
    with pytest.raises(InputError, match=f"a.json: .*{match}"):
        read(put(content), fps=30)
