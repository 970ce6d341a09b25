"""Objects of other packages: pose-format's Pose and sleap-io's Labels, there and back."""

import numpy as np
import pytest

from posecodec.errors import UsageError
from posecodec.pose.synthetic import film, walk

pytestmark = pytest.mark.filterwarnings("ignore::posecodec.errors.DataWarning")


def test_poses_of_pose_format_come_and_go():
    pose_format = pytest.importorskip("pose_format", reason="pose-format is not installed")
    from posecodec.interop.pose_format import from_pose, to_pose

    sequence = film(walk(20, people=2))
    pose = to_pose(sequence)
    assert isinstance(pose, pose_format.Pose) and pose.body.data.shape == (20, 2, 19, 2) and pose.body.fps == 30
    again = from_pose(pose)
    np.testing.assert_array_equal(again.positions, sequence.positions)
    np.testing.assert_allclose(again.confidence, sequence.confidence, atol=1e-6)


def test_labels_of_sleap_io_come_and_go():
    sleap_io = pytest.importorskip("sleap_io", reason="sleap-io is not installed")
    pytest.importorskip("h5py", reason="h5py is not installed")
    from posecodec.interop.sleap import from_labels, to_labels

    sequence = film(walk(20, people=2))
    labels = to_labels(sequence)
    assert isinstance(labels, sleap_io.Labels) and len(labels) == 20 and len(labels.tracks) == 2
    again = from_labels(labels, fps=30)
    np.testing.assert_allclose(again.positions, sequence.positions, atol=1e-3)
    np.testing.assert_allclose(again.confidence, sequence.confidence, atol=1e-6)
    assert again.skeleton.keypoints == sequence.skeleton.keypoints and again.skeleton.edges == sequence.skeleton.edges
    with pytest.raises(UsageError, match="2D"):
        to_labels(walk(3))
