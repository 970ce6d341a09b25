"""What the JSON formats of detections have in common, each test over all of them."""

import numpy as np
import pytest
from detections import annotations, body, frame, instance, marks, meta, person, result

from posecodec.errors import NoRateError, UsageError
from posecodec.io.formats import alphapose, coco, dotpose, mediapipe, mmpose, openpose
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import BODY25, COCO17, COCO19, H36M17

FILES = [
    (alphapose, [result("f_08.jpg", idx=1), result("f_09.jpg", 7, idx=[2]), result("f_12.jpg", idx=2)]),
    (coco, annotations(2)),
    (coco, [result(0), result(0, 5), result(2, track_id=3)]),
    (mmpose, {"meta_info": meta("abc"), "instance_info": frame(instance(1, 3), instance(2, 3, track_id=4))}),
    (openpose, {"version": 1.3, "people": [person(body())]}),
    (mediapipe, {"frames": [{"pose_landmarks": [marks(1, 2), marks(1, 2)]}, None, {"landmarks": marks(1, 2)}]}),
]  # fmt: skip
TIMED = (mediapipe, FILES[-1][1] | {"fps": 30})


@pytest.mark.parametrize(("file_format", "content"), FILES)
def test_no_rate_comes_last(file_format, content, put):
    with pytest.raises(NoRateError, match="--fps N"):
        file_format.read(put(content))


@pytest.mark.parametrize(
    ("file_format", "metadata", "most"),
    [(alphapose, {}, 6), (coco, {}, 1), (coco, {"coco": {"results": True, "first": 7}}, 1)],
)
def test_round_trip(file_format, metadata, most, tmp_path):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6, 3, 17, 2), scale=500).astype(np.float32)
    points[1, 0] = points[2] = points[3:, 1] = points[5, 2, 3:] = np.nan
    confidence = rng.uniform(0.01, most, points.shape[:3])
    sequence = PoseSequence.from_arrays(points, fps=29.97, confidence=confidence, skeleton=COCO17, metadata=metadata)
    file_format.write(sequence, tmp_path / "a.json")
    again = file_format.read(tmp_path / "a.json", fps=29.97)
    np.testing.assert_array_equal(again.positions.astype(np.float32), sequence.positions)
    np.testing.assert_array_equal(again.confidence, sequence.confidence)
    with pytest.raises(UsageError, match="--force"):
        file_format.write(sequence, tmp_path / "a.json")


RESULTS = {"metadata": {"coco": {"results": True}}}
BODY = {"points": np.ones((1, 25, 2)), "skeleton": BODY25}


@pytest.mark.parametrize(("file_format", "changes", "match"), [
    (alphapose, {"points": np.ones((1, 17, 3))}, "3D"),
    (alphapose, {"timestamps": [0.0], "fps": None}, "timestamps"),
    (alphapose, {"skeleton": H36M17}, "would be read as coco17"),
    (alphapose, {"points": np.full((1, 17, 2), np.nan)}, "nobody is seen"),
    (alphapose, {"points": np.ones((1, 0, 17, 2))}, "nobody is seen"),
    (coco, {"points": np.ones((1, 17, 3))}, "2D keypoints, this is 3D"),
    (coco, {"timestamps": [0.0], "fps": None}, "timestamps"), (coco, {"up": "y"}, "--up -y"),
    (coco, {"skeleton": H36M17} | RESULTS, "would be read as coco17"),
    (coco, {"points": np.full((1, 17, 2), np.nan)} | RESULTS, "nobody is seen"),
    (openpose, {"skeleton": COCO19, "points": np.ones((1, 19, 2))}, "body25"),
    (openpose, BODY | {"timestamps": [0.0], "fps": None}, "timestamps.*--fps"),
    (openpose, BODY | {"up": "y"}, "--up -y"),
])  # fmt: skip
def test_what_they_cannot_hold(file_format, changes, match, tmp_path):
    values = {"points": np.ones((1, 17, 2)), "fps": 30, "skeleton": COCO17} | changes
    with pytest.raises(UsageError, match=match):
        file_format.write(PoseSequence.from_arrays(values.pop("points"), **values), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("file_format", "keypoints", "place"), [
    (alphapose, 17, 0), (coco, 17, 0), (coco, 17, 5), (openpose, 25, 0), (dotpose, 17, 5),
])  # fmt: skip
def test_what_has_a_position_is_not_written_as_missing(file_format, keypoints, place, tmp_path, reports):
    points, skeleton = np.full((1, keypoints, 2), place), COCO17 if keypoints == 17 else BODY25
    sequence = PoseSequence.from_arrays(points, fps=30, confidence=np.zeros((1, keypoints)), skeleton=skeleton)
    path = tmp_path / ("a.pose" if file_format is dotpose else "a.json")
    with reports(f"{keypoints} keypoints with a position have confidence 0"):
        file_format.write(sequence, path)
    back = file_format.read(path, fps=30)
    assert back.valid.all() and (back.confidence == np.float32(0.001)).all()


@pytest.mark.parametrize(("file_format", "facts"), [
    (alphapose, 5), (alphapose, {"prefix": 1}),
    (alphapose, {"digits": 10**9, "first": -3, "category_id": "x", "suffix": "7"}), (coco, 5),
    (coco, {"first": -1, "category_id": "x", "category": 5, "size": "a", "names": 5, "results": 1, "tracked": "x"}),
    (coco, {"first": 10**30, "names": {"prefix": 5, "digits": 10**9, "first": "a"}, "size": [0, -1]}), (openpose, 5),
    (openpose, {"prefix": "../x", "first": -1, "missing": 3, "keys": "x", "version": "y", "digits": 0}),
    (openpose, {"prefix": "a\0", "first": True, "missing": [[0, 1e9], ["a"], [-5, 10**9]], "version": None}),
    (openpose, {"keys": [99]}),
    (openpose, {"prefix": "x" * 300, "first": 10**30, "missing": [[0, 10**30]], "keys": [[]], "digits": 10**9}),
    (openpose, {"prefix": "cam2", "suffix": "/etc", "keys": [0]}),
])  # fmt: skip
def test_hostile_metadata(file_format, facts, tmp_path):
    name = file_format.__name__.rpartition(".")[2]
    skeleton = BODY25 if file_format is openpose else COCO17
    points = np.ones((3, len(skeleton), 2))
    sequence = PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, metadata={name: facts})
    target = tmp_path / ("a" if file_format is openpose else "a.json")
    file_format.write(sequence, target)
    np.testing.assert_array_equal(file_format.read(target, fps=30).positions, sequence.positions)
