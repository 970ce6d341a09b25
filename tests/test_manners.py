"""Python's manners: parts of sequences, several made one, units and rates, the short way to files, what notebooks show."""

from __future__ import annotations

import dataclasses
import warnings
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest

import posecodec
from posecodec import PoseSequence, errors
from posecodec.errors import DataWarning, InputError, UsageError
from posecodec.pose.channels import Channel, read_channels, store_channels
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.pose.synthetic import walk

WALK = walk(60, people=2)
TIMED = PoseSequence.from_arrays(WALK.positions, timestamps=np.arange(60) ** 1.5, skeleton=WALK.skeleton, unit="mm")


HELD = dataclasses.replace(
    WALK,
    metadata={"a": 1, **store_channels([Channel("knee", "angles", "deg", np.arange(60, dtype=np.float32)[:, None])])},
)


def test_errors_are_names_of_the_package():
    public = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert all(getattr(posecodec, name) is getattr(errors, name) for name in public) and public <= {*posecodec.__all__}
    with pytest.raises(posecodec.PosecodecError):
        posecodec.load("nowhere.npz")


def test_a_slice_is_a_sequence():
    part = WALK[10:20]
    assert (len(part), part.fps, part.ids) == (10, WALK.fps, WALK.ids)
    np.testing.assert_array_equal(part.positions, WALK.positions[10:20])
    np.testing.assert_array_equal(WALK[-1].positions, WALK.positions[-1:])
    assert WALK[::2].fps == 15 and len(WALK[5:5]) == 0 and len(list(WALK[:3])) == 3
    np.testing.assert_array_equal(TIMED[10:20:3].timestamps, np.arange(10, 20, 3) ** 1.5)


@pytest.mark.parametrize(("index", "error"), [(60, IndexError), (-61, IndexError), (slice(9, 1, -1), UsageError)])
def test_frames_that_there_are_not(index, error):
    with pytest.raises(error):
        WALK[index]


def test_channels_go_with_their_frames():
    (channel,) = read_channels(HELD[7:9].metadata)
    assert channel.values.ravel().tolist() == [7, 8] and HELD[7:9].metadata["a"] == 1
    with pytest.warns(DataWarning, match="channels"):
        assert PoseSequence.concatenate([HELD, HELD]).metadata == {"a": 1}
    with pytest.warns(DataWarning, match="channels"):
        PoseSequence.concatenate([WALK, HELD])


def test_metadata_of_others_are_told_unless_they_go_on():
    first = dataclasses.replace(WALK, metadata={"source_format": "trc", "trc": {"first_frame": 101}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert PoseSequence.concatenate([first[:20], first[20:30], first[30:]]).metadata == first.metadata
    with pytest.warns(DataWarning, match="1 of 3 sequences have other metadata"):
        PoseSequence.concatenate([first, *(dataclasses.replace(WALK, metadata=other) for other in ({}, {"b": 2}))])


@pytest.mark.parametrize(("metadata", "after"), [
    ({"source_format": "trc", "trc": {"first_frame": 101, "start": 3.25}},
     {"source_format": "trc", "trc": {"first_frame": 161, "start": 5.25}}),
    ({"source_format": "trc"}, {"source_format": "trc", "trc": {"first_frame": 61, "start": 2.0}}),
    ({"first_frame": 5, "unreadable_frames": [9]}, {"first_frame": 65, "unreadable_frames": [9]}),
    ({"openpose": {"missing": [[3, 61], [63, 64], 5]}}, {"openpose": {"missing": [[0, 1], [3, 4]], "first": 60}}),
    ({"coco": {"first": 7, "names": {"prefix": "a"}}}, {"coco": {"first": 67, "names": {"prefix": "a", "first": 60}}}),
    ({"trc": {"start": 10**400, "step": "x"}, "c3d": {"first_frame": 2.5}},
     {"trc": {"start": 10**400, "step": "x"}, "c3d": {"first_frame": 2.5}}),
    ({"trc": {"start": 10**400}}, {"trc": {"start": 10**400, "first_frame": 61}}),
    ({"mine": {"first": 3}, "csv": "odd"}, {"mine": {"first": 3}, "csv": "odd"}),
])  # fmt: skip
def test_facts_that_count_frames_follow_them(metadata, after):
    sequence = dataclasses.replace(walk(70), metadata=metadata)
    assert sequence[60:70].metadata == after and sequence[:9].metadata == metadata
    encoded = posecodec.PoseCodec().encode(sequence).data
    assert posecodec.PoseCodec().decode(encoded, frames=slice(60, 70)).metadata == after


def test_every_other_frame_of_a_trc_is_numbered_so():
    assert dataclasses.replace(WALK, metadata={"trc": {"step": 5}})[10::2].metadata == {
        "trc": {"step": 10, "first_frame": 51, "start": 10 / 30}
    }


def test_one_after_the_other_and_people_by_their_ids():
    first, second = WALK[:20].select(people=["0"]), WALK[20:]
    joined = PoseSequence.concatenate([first, second])
    assert (joined.frames, joined.ids) == (60, ("0", "1"))
    assert np.isnan(joined.positions[:20, 1]).all() and not joined.confidence[:20, 1].any()
    np.testing.assert_array_equal(joined.positions[:, 0], WALK.positions[:, 0])
    assert PoseSequence.concatenate([TIMED[:5], TIMED[5:]]).frames == 60
    with pytest.raises(UsageError, match="add to its timestamps"):
        PoseSequence.concatenate([TIMED, TIMED])


@pytest.mark.parametrize(
    ("other", "remedy"),
    [
        (WALK.to("m"), r"\.to\('mm'\)"),
        (WALK.resample(60), r"\.resample\(30\)"),
        (WALK.select(keypoints=["nose"]), "mapped_to"),
        (dataclasses.replace(WALK, up="z"), "turn"),
        (TIMED, "times"),
    ],
)
def test_sequences_that_do_not_fit_say_what_to_do(other, remedy):
    with pytest.raises(UsageError, match=remedy):
        PoseSequence.concatenate([WALK, dataclasses.replace(other, up=other.up if other is not TIMED else WALK.up)])


def test_selecting_keeps_edges_among_what_is_kept():
    part = WALK.select(keypoints=["left_hip", "left_knee", "nose"], people=[-1])
    assert (part.skeleton.keypoints, part.skeleton.edges) == (("left_hip", "left_knee", "nose"), ((0, 1),))
    assert part.ids == ("1",)
    k = WALK.skeleton.keypoints.index("left_knee")
    np.testing.assert_array_equal(part.positions[:, 0, 1], WALK.positions[:, 1, k])
    assert WALK.select(keypoints=range(19)).skeleton == WALK.skeleton
    with pytest.raises(UsageError, match="left_knee"):
        WALK.select(keypoints=["leftknee"])
    with pytest.raises(UsageError, match="twice"):
        WALK.select(keypoints=["nose", 1])


def test_what_is_selected_maps_as_before():
    body = PoseSequence.from_arrays(np.random.default_rng(3).normal(size=(4, 17, 3)), fps=30, skeleton="h36m17")
    for keypoints in (body.skeleton.keypoints[::-1], body.skeleton.keypoints[:14]):
        whole, part = (each.mapped_to(COCO19) for each in (body, body.select(keypoints=keypoints)))
        kept = [{*body.skeleton.to_coco19.get(name, "?")} <= {*keypoints} for name in COCO19.keypoints]
        np.testing.assert_array_equal(part.positions[:, :, kept], whole.positions[:, :, kept])
        np.testing.assert_array_equal(part.valid.any(axis=(0, 1)), kept)


@pytest.mark.parametrize(
    ("people", "ids"),
    [
        ([0], ("5",)),
        (["0"], ("0",)),
        ("0", ("0",)),
        (1, ("0",)),
        (slice(1, 2), ("0",)),
        (np.array([True, False]), ("5",)),
        ([False, True], ("0",)),
    ],
)
def test_people_are_chosen_alike_in_memory_and_in_a_file(people, ids):
    named = dataclasses.replace(WALK, ids=("5", "0"))
    assert named.select(people=people).ids == ids
    assert posecodec.decode(posecodec.encode(named), people=people).ids == ids


def test_one_name_a_mask_and_a_slice_of_keypoints():
    names = WALK.skeleton.keypoints
    assert WALK.select(keypoints="nose").skeleton.keypoints == ("nose",)
    assert WALK.select(keypoints=slice(0, 3)).skeleton.keypoints == names[:3]
    assert WALK.select(keypoints=np.arange(19) > 15).skeleton.keypoints == names[16:]
    for wrong in ([True], [True, 1, *[False] * 17], [1.0], 19):
        with pytest.raises(UsageError, match="one boolean for each|no keypoint"):
            WALK.select(keypoints=wrong)


@pytest.mark.parametrize("index", [[1, 2], np.ones(60, bool), True, "1"])
def test_frames_are_taken_by_number_or_slice(index):
    with pytest.raises(UsageError, match="a slice as in"):
        WALK[index]
    assert WALK[np.int64(3)].frames == 1


def test_units():
    np.testing.assert_allclose(WALK.to("m").positions * 1000, WALK.positions, rtol=1e-6)
    assert WALK.to("mm") is WALK and WALK.to("in").unit == "in"
    for unit, wanted in (("px", "m"), ("unknown", "m"), ("mm", "furlong")):
        with pytest.raises(UsageError):
            dataclasses.replace(WALK, unit=unit).to(wanted)


@pytest.mark.parametrize("fps", [15, 60, 29.97, 1000 / 3])
def test_another_rate_lasts_as_long(fps):
    line = PoseSequence.from_arrays(np.arange(60.0)[:, None, None] * np.ones((1, 2, 3)), fps=30)
    again = line.resample(fps)
    assert again.fps == fps and abs(again.frames / fps - 60 / 30) < 1.01 * max(1 / fps, 1 / 30)
    np.testing.assert_allclose(again.positions[:, 0, 0, 0], np.arange(again.frames) * 30 / fps, rtol=1e-5)


def test_a_gap_stays_a_gap_at_another_rate():
    points = np.zeros((10, 1, 2))
    points[4] = np.nan
    again = PoseSequence.from_arrays(points, fps=10).resample(20)
    assert np.flatnonzero(~again.valid.ravel()).tolist() == [7, 8, 9]
    assert TIMED.resample(5).frames == int(59**1.5 * 5) + 1
    assert WALK[:0].resample(5).fps == 5 and walk(1).resample(7).frames == 1
    with pytest.raises(UsageError):
        WALK.resample(0)


@pytest.mark.parametrize("last", [3e7, 1e300])
def test_a_rate_for_which_there_is_no_memory_is_refused(last):
    sparse = PoseSequence.from_arrays(np.zeros((3, 19, 3)), timestamps=[0, 1, last])
    with pytest.raises(InputError, match=r"frames a second for .* would need .* split it"):
        sparse.resample(1e4)


def test_a_data_frame_has_a_row_for_each_keypoint():
    pytest.importorskip("pandas")
    table = WALK.to_dataframe()
    assert len(table) == 60 * 2 * 19 and table.columns.tolist()[-4:] == ["x", "y", "z", "confidence"]
    row = table.iloc[19 * 2 * 3 + 19 + 4]
    assert (row.frame, row.time, row.person, row.keypoint) == (3, 0.1, "1", WALK.skeleton.keypoints[4])
    assert row.y == WALK.positions[3, 1, 4, 1]


def test_a_skeleton_by_name():
    assert PoseSequence.of(np.zeros((3, 17, 2)), fps=30, skeleton="coco17").skeleton.keypoints[0] == "nose"
    with pytest.raises(InputError, match="there are coco19"):
        PoseSequence.of(np.zeros((3, 17, 2)), fps=30, skeleton="coco71")


def test_a_skeleton_of_names_only():
    made = PoseSequence.of(np.zeros((2, 3, 2)), fps=30, skeleton=["a", "b", "c"])
    assert made.skeleton.keypoints == ("a", "b", "c") and not made.skeleton.edges


def test_tensors_are_arrays():
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(PoseSequence.of(torch.ones(2, 19, 3), fps=30).positions, 1)
    with pytest.raises(InputError, match="positions are not an array.*detach"):
        PoseSequence.of(torch.ones(2, 19, 3, requires_grad=True), fps=30)


@pytest.mark.parametrize("fps", [30, np.float32(30), np.array([30.0]), np.array(30), Fraction(30, 1)])
def test_rates_are_any_real_number(fps, tmp_path):
    made = PoseSequence.of(np.zeros((2, 19, 3)), fps=fps)
    assert type(made.fps) is float and made.fps == 30
    assert dataclasses.replace(TIMED, fps=fps, timestamps=None).fps == WALK.resample(fps).fps == 30
    posecodec.save(WALK, tmp_path / "a.npz")
    assert posecodec.load(tmp_path / "a.npz", fps=fps).fps == 30


@pytest.mark.parametrize("fps", ["30", True, [30.0], Fraction(10**400)])
def test_what_is_no_rate(fps):
    with pytest.raises(InputError, match="fps is"):
        PoseSequence.of(np.zeros((2, 19, 3)), fps=fps)
    with pytest.raises((InputError, UsageError)):
        WALK.resample(fps)


def test_what_is_no_path_or_sequence_says_the_way_in(tmp_path):
    posecodec.save(WALK, tmp_path / "a.posec")
    posecodec.save(WALK, tmp_path / "a.npz")
    encoded, stream = posecodec.encode(WALK), BytesIO()
    for remedy, work in {
        "PoseSequence.of": lambda: posecodec.encode(WALK.positions),
        "posecodec.decode": lambda: posecodec.load(stream),
        "file.read": lambda: posecodec.decode(stream),
        "no path of a file": lambda: posecodec.save(WALK, stream),
        "to_bytes": lambda: encoded.save(stream),
        "call the output .posec": lambda: encoded.save(tmp_path / "b.npz"),
        "slice what is loaded": lambda: posecodec.load(tmp_path / "a.npz", frames=slice(3)),
        "select from": lambda: posecodec.load(tmp_path / "a.npz", people=["0"]),
        "load it first": lambda: posecodec.compare(tmp_path / "a.npz", WALK),
        "there are nose": lambda: posecodec.load(tmp_path / "a.posec", frames=slice(3)).select("noes"),
    }.items():
        with pytest.raises(UsageError, match=remedy):
            work()


def test_frames_of_a_file_are_a_slice_or_a_range(tmp_path):
    posecodec.save(WALK, tmp_path / "a.posec")
    assert posecodec.load(tmp_path / "a.posec", frames=range(5, 9)).frames == 4
    for frames in (range(0, 9, 2), (10, 20), 10):
        with pytest.raises(UsageError, match="give slice"):
            posecodec.load(tmp_path / "a.posec", frames=frames)


def test_posec_files_are_saved_and_loaded_as_any(tmp_path):
    path = tmp_path / "walk.posec"
    posecodec.save(WALK, path, max_error="5mm")
    back = posecodec.load(path)
    assert np.linalg.norm(back.positions - WALK.positions, axis=-1).max() <= 5
    assert posecodec.load(path, frames=slice(10, 20)).frames == 10
    with pytest.raises(UsageError, match="force"):
        posecodec.save(WALK, path)
    posecodec.save(WALK, path, lossless=True, force=True)
    np.testing.assert_array_equal(posecodec.decode(path.read_bytes()).positions, WALK.positions)
    with pytest.raises(UsageError, match="fps"):
        posecodec.load(path, fps=30)
    posecodec.save(WALK, tmp_path / "walk.npz")
    assert posecodec.load(tmp_path / "walk.npz").frames == 60


@pytest.mark.parametrize("options", [{}, {"max_error": 5}, {"mean_error": 10}, {"bitrate": 2}, {"lossless": True}])
def test_a_report_needs_no_decoding(options):
    encoded = posecodec.encode(WALK, **options)
    off = np.linalg.norm(posecodec.decode(encoded).positions.astype(float) - WALK.positions, axis=-1)
    report = encoded.report
    assert report.max_error == pytest.approx(off.max(), abs=1e-4) and report.mean_error == pytest.approx(
        off.mean(), abs=1e-4
    )
    assert report.bytes == len(encoded.data) and report.bits_per_frame == 8 * report.bytes / 120
    assert f"{report.bytes:,} bytes" in repr(encoded) and len(repr(encoded)) < 200


def test_nobody_has_no_error():
    empty = PoseSequence.from_arrays(np.full((5, 19, 3), np.nan), fps=30)
    assert posecodec.encode(empty).report.max_error is None


@pytest.mark.parametrize("shown", [walk(3), posecodec.encode(walk(20))])
def test_notebooks_show_the_page(shown):
    cell = shown._repr_html_()
    assert cell.startswith("<iframe") and cell.count("<") == 2 and 'sandbox="allow-scripts allow-downloads"' in cell


def test_a_bound_beyond_the_body_is_told_at_the_caller():
    with pytest.warns(DataWarning, match="is more than what is recorded is high") as caught:
        posecodec.encode(WALK, max_error=5000)
    assert caught[0].filename == __file__
    with pytest.warns(DataWarning) as caught:
        PoseSequence.concatenate([HELD, HELD])
    assert caught[0].filename == __file__


def test_a_bound_whose_unit_was_said_is_not_asked_for_it():
    with pytest.warns(DataWarning, match=r"is high \([^)]*\); check the unit of the recording$"):
        posecodec.encode(WALK, max_error="5000MM")


def test_nothing_to_take_off_is_said_as_that():
    with pytest.raises(UsageError, match="denoise is 0"):
        posecodec.encode(WALK, denoise=0)


def test_a_file_that_is_not_there_is_what_python_calls_so(tmp_path):
    for name in ("none.npz", "none.posec", "none.bvh"):
        with pytest.raises(FileNotFoundError) as caught:
            posecodec.load(tmp_path / name)
        assert isinstance(caught.value, InputError) and str(tmp_path / name) in str(caught.value)


def test_the_error_of_what_was_denoised_is_not_told_as_that_of_the_recording():
    assert posecodec.encode(WALK, denoise="2mm").report.mean_error is None


def test_reports_of_several_people_say_whose_rate_it_is():
    assert "kbit/s a person, error" in str(posecodec.encode(WALK).report)
    assert "kbit/s, error" in str(posecodec.encode(WALK.select(people=[0])).report)
