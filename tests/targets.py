"""What tests of targets share: recordings, and what a file with a target must keep."""

import numpy as np
from conftest import rng

from posecodec import PoseCodec, compare
from posecodec.analysis.verification import verify
from posecodec.bitstream import container
from posecodec.errors import InputError
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import COCO17, COCO19
from posecodec.pose.synthetic import walk

CODEC = PoseCodec(None)
WALK = walk(80)
POINTS = WALK.positions.astype(np.float64)
IN_17 = [COCO19.keypoints.index(name) for name in COCO17.keypoints]
SLACK = 1 + 1e-6


def of(points, **options):
    options = {"fps": 30, "unit": "mm", "up": "y", **options}
    return PoseSequence.from_arrays(points, **{k: v for k, v in options.items() if v is not None})


def coded(sequence, codec=CODEC, **goal):
    """What a file with a goal decodes to, its bytes, and the comparison; its promise holds and what is there is kept."""
    data = codec.encode(sequence, **goal).data
    decoded = codec.decode(data)
    assert np.array_equal(decoded.valid, sequence.valid)
    assert (decoded.unit, decoded.up, decoded.ids, decoded.fps) == (
        sequence.unit, sequence.up, sequence.ids, sequence.fps,
    )  # fmt: skip
    assert verify(container.read_header(data), decoded, len(data), sequence).kept is True
    return decoded, data, compare(sequence, decoded)


def held(sequence, bound, codec=CODEC):
    """The comparison after an encode with a maximum error in the recording's unit, which is kept."""
    _, _, found = coded(sequence, codec, max_error=bound)
    assert not found.max > bound * UNIT_MM.get(sequence.unit, 1.0) * SLACK
    return found


def held_or_refused(sequence, bound):
    try:
        held(sequence, bound)
    except InputError as error:
        assert "--lossless" in str(error)
        return False
    return True


def gappy(points, share=0.3):
    points = np.array(points, np.float64)
    points[rng().random(points.shape[:3]) < share] = np.nan
    return points


def come_and_go():
    points = walk(200, people=4).positions.copy()
    points[:50, 0] = points[60:120, 1] = np.nan
    points[:, 2] = np.nan
    points[7, 2], points[199, 3] = 1.0, np.nan
    return points


def exact(sequence):
    decoded, data, _ = coded(sequence, lossless=True)
    assert decoded.positions.dtype == sequence.positions.dtype or not sequence.positions.size
    assert decoded.positions.tobytes() == sequence.positions.tobytes()
    assert decoded.confidence.tobytes() == sequence.confidence.tobytes()
    return data
