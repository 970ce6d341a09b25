"""The two bases of the transform coder undo themselves: bones with heading and centroid, and the modes of a tree."""

import itertools

import numpy as np
import pytest
from conftest import BODY, TREE, rng

from posecodec.coders.transform.bone_basis import BoneBasis
from posecodec.coders.transform.graph_fourier import WEIGHT_STEPS, GraphBasis, build_tree, compute_modes, learn_tree
from posecodec.coders.transform.weights import load_built_in
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import COCO17, COCO19, SMPL22, build_skeleton

BONES = load_built_in()[1].coco19.tables
CIRCLE = Skeleton("circle", tuple("abcdef"), ((0, 1), (1, 2), (2, 0), (2, 3), (3, 1), (4, 5), (5, 4)))
LOOSE = Skeleton("loose", tuple("abcdefg"), ((5, 6), (3, 4), (2, 6)))


def rest_pose(flipped):
    """A body at rest, with a bone the other way round."""
    bones = BONES.rest.exp_map(np.zeros((1, 3 * len(TREE.bones))))[0]
    bones[flipped] *= -1
    return (TREE.paths @ bones)[None]


def without_bone(number):
    points, (start, end) = BODY.copy(), TREE.bones[number]
    points[:, end] = points[:, start]
    return points


BODIES = {
    **{f"turned by {angle}": rotate_about_y(BODY, np.full(60, angle)) for angle in (0.0, 1.0, 3.1, 3.2, 6.2, -40.0)},
    "turning": rotate_about_y(BODY, np.linspace(0, 50, 60)),
    **{f"of size {scale}": BODY * scale for scale in (1e-3, 0.3, 3.0, 100.0)},
    **{f"mirrored {signs}": BODY * signs for signs in itertools.product((-1, 1), repeat=3)},
    "noise": rng().normal(scale=1000, size=BODY.shape),
    "of no size": np.zeros((3, 19, 3)),
    **{f"bone {n} of length 0": without_bone(n) for n in range(18)},
    **{f"bone {n} almost opposite": rest_pose(n) + rng().normal(scale=1e-3, size=(20, 19, 3)) for n in range(18)},
    **{f"bone {n} opposite": rest_pose(n) for n in sorted(set(range(18)) - {0, 1, 5, 6})},
}


@pytest.mark.parametrize("heading", [0, 1, 128, 255])
@pytest.mark.parametrize("name", BODIES)
def test_bones_undo_themselves(name, heading):
    points = BODIES[name]
    basis = BoneBasis(BONES, TREE, heading, np.rint(points[0].mean(axis=0)))
    channels = basis.forward(points)
    assert channels.shape == (len(points), 3 * 19 + 1) and np.isfinite(channels).all()
    assert np.abs(basis.inverse(channels) - points).max() < 1e-6


def spans(count, edges):
    assert len(edges) == count - 1
    group = set() if count > 1 else {0}
    group |= {0}
    for _ in range(count):
        group |= {k for a, b, _ in edges for k in (a, b) if a in group or b in group}
    return group == set(range(count))


ANY_SKELETONS = [build_skeleton(n) for n in (1, 2, 19, 178)] + [COCO17, COCO19, SMPL22, CIRCLE, LOOSE]


@pytest.mark.parametrize("skeleton", ANY_SKELETONS, ids=lambda s: f"{s.name}{len(s)}")
def test_own_tree_spans_the_keypoints(skeleton):
    assert spans(len(skeleton), build_tree(skeleton))


@pytest.mark.parametrize("frames", [1, 2, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 19, 178])
@pytest.mark.parametrize("kind", ["noise", "same", "still", "far"])
def test_learned_tree_spans_the_keypoints_and_can_be_written(frames, count, kind):
    points = rng().normal(size=(frames, count, 2)).cumsum(axis=0)
    points = {"noise": points, "same": points[:, :1].repeat(count, axis=1), "still": points * 0, "far": points + 1e9}
    edges = learn_tree(points[kind])
    assert spans(count, edges)
    assert [end for _, end, _ in edges] == list(range(1, count))
    assert all(0 <= start < count and 0 <= weight <= WEIGHT_STEPS for start, _, weight in edges)


def test_learned_tree_joins_keypoints_that_move_together():
    a, b = (rng(s).normal(size=(100, 1, 3)).cumsum(axis=0) for s in (1, 2))
    points = np.concatenate([a, b, a + 5, b + 7], axis=1) + rng(3).normal(scale=1e-3, size=(100, 4, 3))
    joined = {frozenset(edge[:2]) for edge in learn_tree(points)}
    assert frozenset((0, 2)) in joined and frozenset((1, 3)) in joined


@pytest.mark.parametrize("skeleton", ANY_SKELETONS, ids=lambda s: f"{s.name}{len(s)}")
def test_modes_are_orthonormal_deterministic_and_begin_with_the_mean(skeleton):
    count, edges = len(skeleton), build_tree(skeleton)
    learned = learn_tree(rng().normal(size=(50, count, 3)) * 10.0 ** rng(1).uniform(-3, 3, (1, count, 1)))
    for tree in (edges, learned):
        vectors = compute_modes(count, tree)
        assert np.allclose(vectors.T @ vectors, np.eye(count), atol=1e-10)
        assert np.allclose(vectors[:, 0], vectors[0, 0], atol=1e-6)
        assert np.array_equal(vectors, compute_modes(count, tree))


@pytest.mark.parametrize("count", [2, 19, 60])
def test_modes_hardly_change_when_the_laplacian_is_rounded_otherwise(count):
    edges = learn_tree(rng().normal(size=(50, count, 3)) * 10.0 ** rng(1).uniform(-2, 2, (1, count, 1)))
    order = rng(2).permutation(count)
    renamed = [(int(order[a]), int(order[b]), w) for a, b, w in edges]
    overlap = compute_modes(count, edges).T @ compute_modes(count, tuple(renamed))[order]
    assert np.allclose(np.abs(overlap), np.eye(count), atol=1e-8)


@pytest.mark.parametrize("dims", [2, 3])
def test_modes_undo_themselves(dims):
    points = rng().normal(scale=500, size=(40, 7, dims))
    basis = GraphBasis(compute_modes(7, build_tree(LOOSE)), np.arange(dims) * 100.0)
    assert np.allclose(basis.inverse(basis.forward(points)), points, atol=1e-9)
