"""Lossless files give back every bit of positions and confidences."""

import numpy as np
import pytest
from conftest import rng
from targets import CODEC, POINTS, WALK, exact, of

from posecodec import PoseSequence, compare
from posecodec.analysis.verification import verify
from posecodec.bench import untrained_skeletons
from posecodec.bitstream import container
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk


def strange(kind, frames=50, people=2):
    """Positions with NaN payloads, both zeros, denormals and the largest floats, and confidences of any value."""
    info, bits = np.finfo(kind), np.uint32 if kind == np.float32 else np.uint64
    points = walk(frames, people=people).positions.astype(kind)
    points = points + rng().random(points.shape).astype(kind) * kind(1e-9 if kind == np.float64 else 0)
    points[3, 0, 4] = [-0.0, 0.0, info.smallest_subnormal]
    points[4, 0, 4] = [-info.smallest_subnormal, info.tiny, -np.finfo(np.float32).max]
    gone = rng(1).random(points.shape[:3]) < 0.2
    payloads = (rng(2).integers(1, 1000, points.shape).astype(bits) | np.array(np.nan, kind).view(bits)).view(kind)
    points = np.where(gone[..., None], np.where(rng(3).random(points.shape) < 0.5, payloads, -payloads), points)
    points[10:48, 1] = np.nan
    surely = rng(4).normal(size=points.shape[:3]).astype(np.float32) * 10.0 ** rng(5).integers(
        -40, 38, points.shape[:3]
    )
    surely = np.where(np.isnan(points[..., 0]), np.float32(0), surely).astype(np.float32)
    ids = tuple(str(p) for p in range(people))
    return PoseSequence(points, surely, COCO19, 30.0, None, "mm", "y", ids, {})


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_lossless_keeps_every_bit(kind):
    sequence = strange(kind)
    assert np.isnan(sequence.positions).any() and sequence.positions.dtype == kind
    exact(sequence)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("value", [3.4e38, 1e30, 1e-40, 0.0])
def test_lossless_keeps_every_bit_of_any_size(kind, value):
    exact(of(np.sign(POINTS).astype(kind) * kind(value), exact=True))


def test_lossless_keeps_every_bit_of_several_chunks():
    exact(strange(np.float32, frames=1030))


@pytest.mark.parametrize("name", untrained_skeletons.RECORDINGS)
def test_lossless_keeps_every_bit_of_unseen_recordings(name):
    exact(untrained_skeletons.RECORDINGS[name][0](40))


def test_lossless_keeps_negative_zeros_among_confidences():
    surely = np.ones((80, 1, 19), np.float32)
    surely[5, 0, 3] = -0.0
    points = WALK.positions.copy()
    points[5, 0, 3] = np.nan
    exact(PoseSequence(points, surely, COCO19, 30.0, None, "mm", "y", ("0",)))


def test_lossless_files_that_were_changed_are_not_verified():
    data = CODEC.encode(WALK, lossless=True).data
    decoded = CODEC.decode(data)
    other = decoded.with_positions(decoded.positions + np.float32(0.01), decoded.confidence)
    assert verify(container.read_header(data), other, len(data)).kept is False
    assert verify(container.read_header(data), decoded, len(data), other).kept is False


def test_a_broken_promise_is_told():
    data = CODEC.encode(WALK, max_error=5).data
    decoded = CODEC.decode(data)
    far = decoded.with_positions(decoded.positions + np.float32(6), decoded.confidence)
    header = container.read_header(data)
    assert verify(header, far, len(data), WALK).kept is False
    assert verify(header, decoded, len(data)).kept is None
    assert header.guarantee.reached == pytest.approx(compare(WALK, decoded).max / 5, abs=1 / 255)
