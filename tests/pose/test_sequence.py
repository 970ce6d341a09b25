"""PoseSequence and Skeleton refuse what no pose can be, say why, and map keypoints as documented."""

import dataclasses

import numpy as np
import pytest

from posecodec.errors import InputError, PosecodecError
from posecodec.pose.sequence import AXES, UNIT_MM, UNITS, PoseSequence
from posecodec.pose.skeleton import Skeleton, missing_for
from posecodec.pose.skeletons.builtin import BODY25, COCO17, COCO19, H36M17, SMPL22

PAIR = Skeleton("pair", ("left_a", "right_a"), edges=((0, 1),), pairs=((0, 1),))


def make(positions=None, **options):
    """A sequence of 3 frames, 2 people and 2 keypoints in 3D, changed as asked."""
    positions = np.zeros((3, 2, 2, 3)) if positions is None else positions
    return PoseSequence.from_arrays(positions, **{"fps": 30, "skeleton": PAIR, **options})


def with_value(value, where=(1, 0, 1, 2), shape=(3, 2, 2, 3)):
    array = np.zeros(shape, np.float32)
    array[where] = value
    return array


@pytest.mark.parametrize(
    ("options", "found", "remedy"),
    [
        ({"positions": with_value(np.inf)}, "infinite.*frame 1, person 0, keypoint 1", "NaN if missing"),
        ({"positions": with_value(-np.inf)}, "infinite.*frame 1, person 0, keypoint 1", "NaN if missing"),
        ({"positions": np.full((3, 2, 2, 3), 1e300)}, "beyond float32.*frame 0", "NaN if missing"),
        ({"positions": np.zeros(3)}, r"\(3,\)", "is needed"),
        ({"positions": np.zeros((1, 1, 1, 1, 1))}, r"\(1, 1, 1, 1, 1\)", "is needed"),
        ({"positions": np.zeros((3, 2, 2, 4))}, "4 coordinates", "2 or 3"),
        ({"positions": np.zeros((3, 2, 2, 1))}, "1 coordinates", "2 or 3"),
        ({"positions": np.zeros((3, 2, 5, 3))}, "5 keypoints", "'pair' has 2"),
        *(({"positions": np.zeros((3, 2, 2, 3), t)}, t, "numbers are needed") for t in ("<U1", "complex", "object")),
        ({"confidence": np.ones((3, 2))}, r"\(3, 2\)", r"\(3, 2, 2\)"),
        ({"confidence": with_value(np.nan, (2, 1, 0), (3, 2, 2))}, "confidence.*frame 2, person 1", "give 0"),
        ({"confidence": with_value(np.inf, (2, 1, 0), (3, 2, 2))}, "confidence.*frame 2, person 1", "give 0"),
        ({"fps": None}, "either", "--fps"),
        ({"timestamps": [0, 1, 2]}, "either", "--fps"),
        ({"fps": 0}, "fps is 0", "above 0"),
        ({"fps": -25}, "fps is -25", "above 0"),
        ({"fps": np.nan}, "fps is nan", "above 0"),
        ({"fps": np.inf}, "fps is inf", "finite"),
        ({"fps": None, "timestamps": [0, 1]}, r"\(2,\)", r"\(3,\)"),
        ({"fps": None, "timestamps": [0, 1, 1]}, "strictly increasing", "drop repeated"),
        ({"fps": None, "timestamps": [0, 2, 1]}, "strictly increasing", "sort"),
        ({"fps": None, "timestamps": [0, 1, np.nan]}, "not finite", "sort"),
        ({"fps": None, "timestamps": [0, 1, np.inf]}, "not finite", "sort"),
        ({"unit": "furlong"}, "'furlong'", "mm, cm, m, px"),
        ({"up": "w"}, "'w'", "-x, -y, -z"),
        ({"ids": ["a", "a"]}, r"\['a', 'a'\]", "id of their own"),
        ({"ids": [1, "1"]}, r"\['1', '1'\]", "id of their own"),
        ({"ids": ["a"]}, "1 ids for 2 people", "one each"),
        ({"positions": np.full((3, 2, 2, 3), 1e39)}, "infinite coordinate", ""),
        ({"positions": np.full((3, 2, 2, 3), 1e39), "exact": True}, "infinite coordinate", ""),
    ],
)
def test_from_arrays_refuses(options, found, remedy):
    with pytest.raises(InputError, match=f"(?s){found}.*{remedy}"):
        make(**options)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_only_exact_keeps_float64(dtype):
    values = np.arange(36).reshape(3, 2, 2, 3).astype(dtype)
    assert make(positions=values).positions.dtype == np.float32
    found = make(positions=values, exact=True).positions
    assert found.dtype == (np.float64 if dtype == np.float64 else np.float32) and (found == values).all()


@pytest.mark.parametrize(
    ("changes", "found", "remedy"),
    [
        ({"positions": np.zeros((3, 2, 2, 3), np.float16)}, "float16", "float32"),
        ({"positions": np.zeros((3, 2, 2, 3), np.int32)}, "int32", "float32"),
        ({"positions": np.zeros((3, 2, 3), np.float32)}, r"\(3, 2, 3\)", r"\(T, P, K, D\)"),
        ({"positions": with_value(np.nan)}, "only some.*frame 1, person 0, keypoint 1", "all of them NaN"),
        ({"positions": with_value(np.nan, (1, 0, 1))}, "missing keypoint with a confidence at frame 1", "make it 0"),
        ({"confidence": np.ones((3, 2, 2))}, "float64", "float32"),
        ({"confidence": np.ones((3, 2), np.float32)}, r"\(3, 2\)", r"\(3, 2, 2\)"),
        ({"timestamps": np.arange(3, dtype=np.float32), "fps": None}, "float32", "float64"),
    ],
)
def test_the_class_itself_which_does_not_fill_in_or_convert_refuses(changes, found, remedy):
    with pytest.raises(InputError, match=f"{found}.*{remedy}"):
        dataclasses.replace(make(), **changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("a", "b", "a"),), r"repeats.*\['a'\].*rename"),
        (((),), "no keypoints"),
        ((("a", "b"), ((0, 2),)), r"indices \[2\] are outside its 2"),
        ((("a", "b"), ((-1, 0),)), r"indices \[-1\]"),
        ((("a", "b"), (), ((0, 5),)), r"indices \[5\]"),
        ((("a", "b"), (), (), 2), r"indices \[2\]"),
    ],
)
def test_skeletons_that_cannot_be(arguments, message):
    with pytest.raises(PosecodecError, match=message) as caught:
        Skeleton("bad", *arguments)
    assert caught.type is InputError and caught.value.exit_code == 3


def test_from_arrays_fills_in():
    """A (T, K, D) array is one person; NaN anywhere makes the keypoint missing; integers are numbers."""
    positions = np.zeros((3, 19, 2))
    positions[1, 4, 0] = np.nan
    sequence = PoseSequence.from_arrays(positions, fps=29.97)
    assert (sequence.frames, sequence.people, sequence.dims, sequence.fps) == (3, 1, 2, 29.97)
    assert sequence.skeleton is COCO19 and sequence.ids == ("0",)
    assert np.isnan(sequence.positions[1, 0, 4]).all()
    assert (sequence.confidence == sequence.valid).all() and (~sequence.valid).sum() == 1
    assert PoseSequence.from_arrays(np.zeros((1, 5, 3), np.int16), fps=1).skeleton.keypoints == tuple("01234")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_masked_keypoints_are_missing(dtype):
    positions = np.ma.masked_equal(np.ones((3, 19, 2), dtype), 5)
    positions[1, 4, 0] = np.ma.masked
    sequence = PoseSequence.from_arrays(positions, fps=30)
    assert np.argwhere(~sequence.valid).tolist() == [[1, 0, 4]] and np.isnan(sequence.positions[1, 0, 4]).all()
    confidence = np.ma.masked_less(np.linspace(0, 1, 57).reshape(3, 19), 0.5)
    found = PoseSequence.from_arrays(positions, fps=30, confidence=confidence).confidence[:, 0]
    np.testing.assert_array_equal(found, np.where(sequence.valid[:, 0], confidence.filled(0), 0).astype(np.float32))
    with pytest.raises(InputError, match="masked array"):
        sequence.with_positions(np.ma.array(sequence.positions), sequence.confidence)


def test_from_arrays_copies_and_the_value_is_frozen():
    positions, timestamps = np.zeros((3, 2, 2, 3), np.float32), np.arange(3.0)
    sequence = make(positions, fps=None, timestamps=timestamps)
    positions[:], timestamps[:] = 7, 7
    assert not sequence.positions.any() and sequence.timestamps.tolist() == [0, 1, 2]
    for array in (sequence.positions, sequence.confidence, sequence.timestamps):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        sequence.unit = "m"


def test_confidence_of_a_missing_keypoint_becomes_zero_and_others_are_kept():
    positions = np.zeros((1, 1, 2, 3))
    positions[0, 0, 0] = np.nan
    assert make(positions, confidence=[[[0.9, -0.5]]]).confidence.tolist() == [[[0, -0.5]]]


def test_units_and_axes_of_the_bitstream_keep_their_order():
    assert UNITS == ("unknown", "mm", "cm", "m", "px", "in")
    assert AXES == ("unknown", "x", "y", "z", "-x", "-y", "-z")
    assert UNIT_MM == {"mm": 1, "cm": 10, "m": 1000, "in": 25.4}


def numbered(skeleton, **options):
    """Keypoint k of one pose at (k, 2 k, 0), with confidence 1 / (k + 1)."""
    k = np.arange(len(skeleton), dtype=float)
    positions = np.stack([k, 2 * k, 0 * k], axis=-1)[None]
    return PoseSequence.from_arrays(positions, fps=30, skeleton=skeleton, confidence=(1 / (k + 1))[None], **options)


def test_coco17_to_coco19_by_hand():
    """Shoulders are keypoints 5 and 6, hips 11 and 12, the nose is 0."""
    mapped = numbered(COCO17, unit="m", ids="x").mapped_to(COCO19)
    place = {name: mapped.positions[0, 0, k].tolist() for k, name in enumerate(COCO19.keypoints)}
    assert place["neck"] == [5.5, 11, 0] and place["mid_hip"] == [11.5, 23, 0] and place["nose"] == [0, 0, 0]
    assert place["left_wrist"] == [9, 18, 0]
    assert mapped.confidence[0, 0, 0] == np.float32(1 / 7)
    assert (mapped.skeleton, mapped.unit, mapped.ids) == (COCO19, "m", ("x",)) and mapped.valid.all()


def lost(mapped):
    """Names of the keypoints of one pose that are missing."""
    return [COCO19.keypoints[k] for k in np.flatnonzero(~mapped.valid[0, 0])]


def test_a_midpoint_of_a_missing_keypoint_is_missing():
    source = numbered(COCO17)
    positions, confidence = source.positions.copy(), source.confidence.copy()
    positions[0, 0, 5], confidence[0, 0, 5] = np.nan, 0
    mapped = source.with_positions(positions, confidence).mapped_to(COCO19)
    assert lost(mapped) == ["neck", "left_shoulder"] and mapped.confidence[0, 0, 0] == 0


def test_skeletons_without_a_face_leave_it_missing():
    """In h36m17 the head stands for the nose and the thorax (8) for the neck; smpl22 has no nose."""
    h36m = numbered(H36M17).mapped_to(COCO19)
    face = ["left_eye", "left_ear", "right_eye", "right_ear"]
    assert lost(h36m) == face
    assert h36m.positions[0, 0, :2, 0].tolist() == [8, 9]
    smpl = numbered(SMPL22).mapped_to(COCO19)
    assert lost(smpl) == ["nose", *face]
    assert smpl.positions[0, 0, 0, 0] == 16.5  # between the shoulders, not smpl's own neck
    assert smpl.positions[0, 0, 2, 0] == 1.5  # between the hips, not the pelvis


def test_body25_to_coco19_and_to_coco17():
    mapped = numbered(BODY25).mapped_to(COCO19)
    assert mapped.positions[0, 0, :4, 0].tolist() == [1, 0, 8, 5]
    assert numbered(BODY25).mapped_to(COCO17).positions[0, 0, 5:7, 0].tolist() == [5, 2]
    assert missing_for(BODY25, COCO19) == tuple(n for n in BODY25.keypoints if "toe" in n or "heel" in n)


def test_mapping_to_the_same_names_changes_the_skeleton_only_and_to_no_names_is_an_error():
    renamed = Skeleton("renamed", COCO17.keypoints)
    mapped = numbered(COCO17).mapped_to(renamed)
    assert mapped.skeleton is renamed
    np.testing.assert_array_equal(mapped.positions, numbered(COCO17).positions)
    with pytest.raises(InputError, match="no keypoint of 'custom' maps to 'coco19'.*name the keypoints"):
        PoseSequence.from_arrays(np.zeros((1, 5, 3)), fps=30).mapped_to(COCO19)


def test_the_rate_and_printing_in_one_line():
    assert make().rate == 30
    assert make(fps=None, timestamps=[5.0, 5.1, 5.5]).rate == pytest.approx(4)
    assert repr(make(unit="px")) == "PoseSequence(3 frames, 2 people, pair 3D, 30 fps, px)"
    timed = make(fps=None, timestamps=[0, 0.5, 1])
    assert repr(timed) == "PoseSequence(3 frames, 2 people, pair 3D, timestamps, 2 fps, unknown)"
    assert repr(PAIR) == "Skeleton('pair', 2 keypoints)"
