"""SLEAP projects: tracks, labels over predictions, coordinates of old files, several videos, sleap-io, and files that lie."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from slp_files import FRAME, METADATA, add_frame, add_instance, encode_project, make_slp, start_tables

from posecodec import load
from posecodec.errors import InputError, NoRateError
from posecodec.io import detect
from posecodec.io.formats.slp import read

pytest.importorskip("h5py")
SUFFIX = ".slp"


def two(**changes: Any) -> bytes:
    """A frame with two instances without tracks."""
    tables = start_tables()
    add_frame(tables, 0)
    add_instance(tables, 10.0)
    add_instance(tables, 20.0)
    return encode_project(tables, **changes)


def test_tracks_gaps_and_labels(put, reports):
    path = put(make_slp())
    assert detect(path).format == "slp" and detect(put(make_slp(), "a.h5")).format == "slp"
    with reports("1 predicted instances are left out", "1 instances were labeled by hand"):
        sequence = read(path, fps=25)
    assert sequence.positions.shape == (4, 2, 3, 2) and sequence.ids == ("left", "right")
    assert (sequence.fps, sequence.unit, sequence.up) == (25, "px", "-y")
    assert sequence.skeleton.keypoints == ("nose", "left_ear", "right_ear")
    assert sequence.skeleton.edges == ((1, 0), (0, 2)) and sequence.skeleton.pairs == ((1, 2),)
    np.testing.assert_array_equal(sequence.positions[:, 0, 0, 0], [30, 40, np.nan, 60])
    np.testing.assert_array_equal(sequence.positions[3, 1], [[200, 200], [201, 199], [np.nan, np.nan]])
    np.testing.assert_array_equal(sequence.confidence[3], [[0.75, 0.75, 0], [1, 1, 0]])
    assert sequence.metadata["slp"] == {"video": "S1/Walking", "first": 3}
    with pytest.raises(NoRateError):
        read(path)


def test_old_files_count_from_the_corner_of_a_pixel(put):
    assert read(put(two(version=1.0)), fps=30).positions[0, 0, 0].tolist() == [9.5, 9.5]


def test_list_order_stands_for_missing_tracks(put, reports):
    with reports("pass --track"):
        sequence = read(put(two(tracks_json=None)), fps=30)
    assert sequence.ids == ("0", "1") and sequence.positions[0, :, 0, 0].tolist() == [10, 20]
    nodes = {**METADATA, "skeletons": []}
    assert read(put(two(metadata=nodes)), fps=30).skeleton.keypoints == ("left_ear", "right_ear", "nose")
    graph = {**METADATA, "skeletons": [{"nx_graph": METADATA["skeletons"][0]}]}
    assert read(put(two(metadata=graph)), fps=30).skeleton.edges == ((1, 0), (0, 2))


def test_several_videos(put):
    tables = start_tables()
    for video in (0, 1):
        add_frame(tables, 5, video)
        add_instance(tables, 10.0 + video)
    videos = np.array([json.dumps({"backend": {"filename": name}}).encode() for name in ("a.mp4", "b.mp4")])
    path = put(encode_project(tables, videos_json=videos))
    with pytest.raises(InputError, match=r"labels 2 videos: 0 \(a.mp4\), 1 \(b.mp4\); pass item="):
        load(path, fps=30)
    assert [load(path, fps=30, item=item).positions[0, 0, 0, 0] for item in ("0", "b.mp4", "1")] == [10, 11, 11]
    with pytest.raises(InputError, match="no video 'c'"):
        load(path, fps=30, item="c")


SPAN = np.array([(0, 0, 0, 0, 9)], FRAME)


@pytest.mark.parametrize(("changes", "match"), [
    ({"frames": None}, "no data set /frames"), ({"frames": np.ones(3)}, "fields video, frame_idx"),
    ({"points": None}, "/points"),
    ({"frames": np.empty(0, FRAME)}, "no labeled frames"), ({"frames": SPAN}, "frame 0 has instances 0 to 9 of 2"),
    ({"metadata": {}}, "names no nodes"), ({"metadata": []}, "is no object"),
    ({"tracks_json": np.array([b"5"])}, "/tracks_json holds 5"),
    ({"tracks_json": np.array([b"{"])}, "/tracks_json is no JSON"),
    ({"metadata": {"nodes": [{"name": "a"}], "skeletons": []}}, "and 1 nodes"),
    ({"metadata": {**METADATA, "skeletons": [{"nodes": [{"id": 9}]}]}}, "a skeleton's nodes are no numbers"),
    ({"frames": np.array([(0, 0, i, 0, 2) for i in range(3)], FRAME)}, "frames share instances"),
])  # fmt: skip
def test_refused(changes, match, put):
    with pytest.raises(InputError, match=f"a.slp: .*{match}"):
        read(put(two(**changes)), fps=30)


def test_sleap_io_reads_the_same(tmp_path):
    sio = pytest.importorskip("sleap_io")
    rng = np.random.default_rng(0)
    skeleton = sio.Skeleton(nodes=["nose", "neck", "tail"], edges=[("nose", "neck"), ("neck", "tail")])
    tracks = [sio.Track(name) for name in ("a", "b")]
    video = sio.Video("clip.mp4", open_backend=False)
    frames = []
    for t in (0, 1, 3):
        found = []
        for track in tracks:
            points = rng.normal(100, 20, (3, 2))
            points[t % 3] = np.nan
            made = {"points_data": points, "skeleton": skeleton, "track": track}
            predicted = sio.PredictedInstance.from_numpy(**made, point_scores=rng.uniform(size=3), score=0.5)
            found.append(sio.Instance.from_numpy(**made) if t == 3 and track is tracks[1] else predicted)
        frames.append(sio.LabeledFrame(video=video, frame_idx=t, instances=found))
    labels = sio.Labels(labeled_frames=frames, videos=[video], skeletons=[skeleton], tracks=tracks)
    sio.save_slp(labels, str(tmp_path / "a.slp"))
    sequence = read(tmp_path / "a.slp", fps=30)
    theirs = sio.load_slp(str(tmp_path / "a.slp")).numpy(return_confidence=True)
    assert sequence.ids == ("a", "b") and sequence.skeleton.edges == ((0, 1), (1, 2))
    np.testing.assert_array_equal(sequence.positions.astype(np.float32), theirs[..., :2])
    np.testing.assert_allclose(sequence.confidence, np.nan_to_num(theirs[..., 2]) * sequence.valid, rtol=1e-6)
