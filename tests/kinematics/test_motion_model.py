"""Gaps filled by covariances: what a Gaussian expects, at the edges, of weights that are none, from the command line."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner
from coding import hidden
from conftest import flat_walk

import posecodec
from posecodec import zoo
from posecodec.cli import cli
from posecodec.coders.gap_filling import fill_sequence
from posecodec.coders.registry import build_body_model
from posecodec.errors import InputError, WeightsError
from posecodec.kinematics.motion_model import MOST_FRAMES, MOST_VALUES, STRIDE, MotionModel, pack_whole, spread_steps
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO17
from posecodec.pose.skeletons.whole import find_places
from posecodec.pose.synthetic import walk

SHIPPED = {"motion2d", "motion3d"} <= set(zoo.list_weights())
shipped = pytest.mark.skipif(not SHIPPED, reason="the weights motion2d and motion3d are not in this checkout")


def small_model(keypoints=2, steps=3, seed=0):
    """Of a process whose values follow the one before, of keypoints of coco19 that need not be bodies."""
    rng, size = np.random.default_rng(seed), keypoints * 3
    root = rng.normal(size=(size, size))
    first = root @ root.T
    skeleton = Skeleton("pair", tuple("abc"[:keypoints]), edges=((0, 1),), root=0)
    return MotionModel(
        skeleton, ((0, 1, 1.0),), 30.0, rng.normal(size=size), np.stack([first * 0.8**i for i in range(steps)])
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_what_is_missing_is_what_a_gaussian_expects(share):
    model, rng = small_model(), np.random.default_rng(1)
    values, gone = rng.normal(size=18), rng.random(18) < share
    whole, known = model._fill_values(values, gone), ~gone
    covariances = model.covariances
    expected = covariances[np.ix_(gone, known)] @ np.linalg.inv(covariances[np.ix_(known, known)]) @ values[known]
    np.testing.assert_allclose(whole[gone], expected, atol=1e-9)
    assert (whole[known] == values[known]).all()


def test_covariances_are_symmetric_and_of_their_lags():
    model = small_model()
    whole = model.covariances.reshape(3, 6, 3, 6)
    np.testing.assert_allclose(model.covariances, model.covariances.T)
    np.testing.assert_array_equal(whole[2, :, 0], model.lags[2])
    np.testing.assert_array_equal(whole[0, :, 1], model.lags[1].T)


def test_steps_are_spread_by_straight_lines():
    assert spread_steps(np.array([0.0, 2.0, 4.0])).tolist() == [0.0, 0.5, 1.5, 2.5, 3.5, 4.0]
    assert spread_steps(np.array([3.0])).tolist() == [3.0] * STRIDE


@pytest.mark.parametrize("frames", [1, 2, 5, 40])
def test_a_body_that_was_never_seen_is_the_mean(frames):
    model = small_model()
    body = np.full((frames, 2, 3), np.nan)
    made = model.restore_body(body, np.ones((frames, 2), bool), 0)
    np.testing.assert_allclose(made, np.broadcast_to(model.mean.reshape(2, 3), made.shape))


@shipped
@pytest.mark.parametrize("dims", [2, 3])
def test_gaps_are_filled_and_what_was_seen_stays(tmp_path, dims):
    sequence = walk(90) if dims == 3 else flat_walk(90)
    gone = np.zeros((90, 1, 19), bool)
    gone[30:50, :, [4, 5]] = True
    gone[60:70, :, 2] = True
    gone[:, :, 7] = True  # never seen
    holed, codec = hidden(sequence, gone), posecodec.PoseCodec()
    filled = codec.fill_gaps(holed)
    height = np.ptp(sequence.positions[..., 1])
    off = np.linalg.norm(filled.positions - sequence.positions, axis=-1)
    assert off[gone].mean() < 0.05 * height and off[30:50, 0, [4, 5]].mean() < 0.06 * height
    assert (filled.positions[~gone] == holed.positions[~gone]).all() and (filled.confidence == holed.confidence).all()
    assert (codec.fill_gaps(dataclasses.replace(holed, up="unknown")).positions == filled.positions).all()
    assert codec.fill_gaps(sequence).positions.tobytes() == sequence.positions.tobytes()
    assert np.isfinite(codec.decode(codec.encode(holed), fill=True).positions).all()
    posecodec.save(holed, tmp_path / "a.npz")
    arguments = ["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--fill"]
    found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert (posecodec.load(tmp_path / "b.npz").positions == filled.positions).all()


@shipped
def test_other_skeletons_and_rates():
    sequence = walk(240)
    faster = dataclasses.replace(sequence, fps=120.0).mapped_to(COCO17)
    gone = np.zeros((240, 1, 17), bool)
    gone[80:130, :, 9] = True
    filled = posecodec.PoseCodec().fill_gaps(hidden(faster, gone))
    assert np.isfinite(filled.positions).all() and filled.skeleton.name == "coco17"
    other = posecodec.PoseSequence.from_arrays(np.full((4, 2, 3), np.nan), fps=30.0)
    with pytest.raises(InputError, match="cannot be filled"):
        posecodec.PoseCodec().fill_gaps(other)
    slow = dataclasses.replace(sequence, fps=0.001).mapped_to(COCO17)
    assert np.isfinite(posecodec.PoseCodec().fill_gaps(hidden(slow, gone)).positions).all()
    assert build_body_model(zoo.read_weights("motion3d"), 3).count_frames(1024, 1e-300) == MOST_FRAMES


@shipped
def test_weights_of_other_dimensions_or_kinds_are_refused():
    codec, holed = posecodec.PoseCodec(), hidden(walk(9), np.arange(9)[:, None, None] * np.ones((1, 1, 19)) == 3)
    for name in ("motion2d", "transform"):
        with pytest.raises(WeightsError, match="cannot fill gaps in 3D"):
            codec.fill_gaps(holed, name)
    with pytest.raises(WeightsError, match="code nothing"):
        posecodec.PoseCodec.from_pretrained("motion3d")


@shipped
def test_weights_that_are_none_are_refused():
    whole = zoo.read_weights("motion3d")
    lags = whole.tensors["lags"]
    for tensors, settings in (
        ({"lags": lags[:, :3]}, {}), ({"lags": lags.astype(np.float32)}, {}), ({"mean": whole.tensors["mean"][:4]}, {}),
        ({}, {"rate": 0}), ({}, {"bones": [[0, 99, 0.1]]}), ({}, {"scale": "a"}),
    ):  # fmt: skip
        broken = dataclasses.replace(
            whole, tensors={**whole.tensors, **tensors}, settings={**whole.settings, **settings}
        )
        with pytest.raises(WeightsError):
            build_body_model(broken, 3)
    zeros = dataclasses.replace(whole, tensors={**whole.tensors, "lags": np.zeros_like(lags)})
    holed = hidden(walk(9), np.arange(9)[:, None, None] * np.ones((1, 1, 19)) == 3)
    with pytest.raises(WeightsError, match="covariances are none"):
        fill_sequence(holed, build_body_model(zeros, 3))


@shipped
@pytest.mark.parametrize(
    "name",
    ["coco19", "smpl22", "smpl24", "h36m17", "mediapipe33", "body25", "halpe26", "mpii16", "kinect25", "kinect32"],
)
@pytest.mark.parametrize("dims", [2, 3])
def test_common_bodies_are_filled_whole(name, dims):
    skeleton, model = BUILT_IN[name], build_body_model(zoo.read_weights(f"motion{dims}d"), dims)
    places = find_places(skeleton, model.skeleton)
    assert sorted(places) == list(range(len(skeleton))) and len(set(places.values())) == len(places)
    pose = model.mean.reshape(-1, dims)[list(places.values())] * (4000 if dims == 3 else 120)
    still = np.repeat(pose[None, None], 60, axis=0).astype(np.float32)
    sequence = posecodec.PoseSequence.from_arrays(still, fps=30.0, skeleton=skeleton, up="y" if dims == 3 else "-y")
    gone = np.zeros((60, 1, len(skeleton)), bool)
    gone[20:40, 0, ::3] = True
    filled = fill_sequence(hidden(sequence, gone), model)
    off = np.linalg.norm(filled.positions - still, axis=-1)
    assert off[gone].max() < 0.03 * np.ptp(still[..., 1]) and off[~gone].max() == 0


@shipped
@pytest.mark.parametrize("dims", [2, 3])
def test_a_narrow_model_has_its_root_and_its_share_of_what_is_known(dims):
    model = build_body_model(zoo.read_weights(f"motion{dims}d"), dims)
    arms = np.array(["elbow" in name or "wrist" in name for name in model.skeleton.keypoints])
    narrow, kept = model.narrow(arms)
    assert narrow.skeleton.keypoints == tuple(model.skeleton.keypoints[k] for k in kept)
    assert narrow.skeleton.keypoints[narrow.skeleton.root] == "mid_hip" and len(kept) == 5
    assert narrow.lags.shape == (len(model.lags), 5 * dims, 5 * dims) and len(narrow.bones) == 2
    assert model.narrow(arms)[0] is narrow
    everything, _ = model.narrow(np.ones(len(model.skeleton), bool))
    assert len(everything.lags) * len(everything.mean) <= MOST_VALUES and everything.skeleton == model.skeleton
    np.testing.assert_allclose(everything.mean, model.mean)


def test_whole_numbers_hold_what_they_stand_for():
    model = small_model()
    tensors, scale = pack_whole(model.mean, model.lags)
    np.testing.assert_allclose(tensors["lags"] * (scale * 2.0**-30), model.lags, atol=scale * 2**-30)
    np.testing.assert_allclose(tensors["mean"] * 2.0**-18, model.mean, atol=2**-18)
    with pytest.raises(OverflowError):
        pack_whole(model.mean * 1e6, model.lags)


def test_few_narrow_models_are_kept():
    model = small_model(keypoints=3)
    for number in range(8):
        model.narrow(np.array([True, bool(number & 1), bool(number & 2)]))
        assert len(model._narrowed) <= 4
    for number in range(12):
        seen = np.zeros(3, bool)
        seen[number % 3] = True
        narrow, kept = model.narrow(seen)
        assert kept[0] == 0 and len(narrow.skeleton) == len(kept)
    assert len(model._narrowed) <= 4
