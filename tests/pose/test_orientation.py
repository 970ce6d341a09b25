"""Which way is up, on walks whose answer is known."""

import numpy as np
import pytest

from posecodec.pose.orientation import guess_up, upright
from posecodec.pose.skeletons.builtin import COCO19, build_skeleton
from posecodec.pose.synthetic import walk

UPS = ("x", "y", "z", "-x", "-y", "-z")
WALK = walk(200).positions[:, 0]


@pytest.mark.parametrize(("dims", "up"), [*((3, up) for up in UPS), *((2, up) for up in UPS if up[-1] != "z")])
def test_upright_is_a_rotation_with_up_on_y_and_in_images_has_y_down(dims, up):
    matrix = upright(dims, up)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(dims))
    assert dims == 2 or np.linalg.det(matrix) == pytest.approx(1)
    axis = np.eye(dims)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    np.testing.assert_allclose(matrix @ axis, [0, 1, 0] if dims == 3 else [0, -1])


@pytest.mark.parametrize("up", UPS)
def test_up_is_guessed(up):
    assert guess_up((WALK @ upright(3, up)).astype(np.float32), COCO19) == up


def test_up_is_guessed_in_images_and_where_nothing_tells():
    assert guess_up(WALK[..., :2] * np.float32([1, -1]), COCO19) == "-y"
    assert guess_up(np.full((2, 19, 3), np.nan, np.float32), COCO19) == "y"
    assert guess_up(np.zeros((2, 4, 2), np.float32), build_skeleton(4)) == "-y"
