"""Tokens of motion that posecodec never saw: any skeleton, 3D and 2D, folders and corpora, from config to files."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import flat_walk

import posecodec
from posecodec import zoo
from posecodec.cli import cli
from posecodec.errors import DataWarning, InputError
from posecodec.kinematics.body_track import list_roots
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN, COCO19
from posecodec.pose.skeletons.files import read_skeleton, read_written, write_skeleton
from posecodec.pose.synthetic import walk
from posecodec.train.clips import LONGEST_GAP, cut_clips, load_clips
from posecodec.train.token_config import TokenTraining, number_keypoints
from posecodec.train.token_loop import TokenTrainer
from posecodec.train.token_start import split_parts
from posecodec.train.transform import export

SMALL = """width = 16
depth = 1
features = 2
codes = 8
levels = 2
latent = 6
"""
DOG = """keypoints = ["trunk", "neck", "snout", "tail", "left_paw_a", "right_paw_a", "left_paw_b", "right_paw_b"]
edges = [["trunk", "neck"], ["neck", "snout"], ["trunk", "tail"], ["neck", "left_paw_a"], ["neck", "right_paw_a"],
  ["trunk", "left_paw_b"], ["trunk", "right_paw_b"]]
root = "trunk"
"""
REST = [[0, 50, 0], [0, 60, 40], [0, 65, 60], [0, 55, -30], [-10, 0, 35], [10, 0, 35], [-10, 0, -5], [10, 0, -5]]


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], catch_exceptions=bool(code))
    assert result.exit_code == code, result.output
    return result.output


def trot(skeleton, frames=200, fps=50.0):
    """A dog that walks away, in centimeters."""
    time = np.arange(frames)[:, None] / fps
    points = np.array(REST, float) + np.zeros((frames, 1, 1))
    points[:, :, 2] += 6 * np.sin(6 * time + np.arange(8)) + 30 * time
    return PoseSequence.from_arrays(points.astype(np.float32), fps=fps, skeleton=skeleton, unit="cm", up="y")


def shrink(path, steps=3):
    """A config of a network so small that it trains at once."""
    text = re.sub(r"(start|prior)_windows = \d+", r"\1_windows = 64", path.read_text())
    text = re.sub(r"evaluate_every = \d+", "evaluate_every = 3\nprior_steps = 2\nbatch = 4\ndefault_levels = 1", text)
    text = re.sub(r"steps = \d+", f"steps = {steps}", text, count=1)
    path.write_text(text.replace("[model]\n", f"[model]\n{SMALL}"))


@pytest.fixture
def dogs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dog.toml").write_text(DOG)
    for split, count in (("train", 2), ("val", 1)):
        (tmp_path / "dogs" / split).mkdir(parents=True)
        for number in range(count):
            clip = trot(read_skeleton("dog.toml"), 200 + 20 * number)
            posecodec.save(clip, tmp_path / "dogs" / split / f"{number}.npz")
    return tmp_path


def test_a_dog_of_fifty_frames_a_second_from_config_to_file(dogs, monkeypatch):
    run(
        "train-config",
        "mine.toml",
        "--data",
        "dogs",
        "--skeleton",
        "dog.toml",
        "--licence",
        "MIT",
        "--attribution",
        "Rex",
    )
    run("train-config", "mine.toml", "--data", "dogs", "--skeleton", "dog.toml", code=1)  # is there, and not replaced
    shrink(dogs / "mine.toml")
    assert "step 3 of 3" in run("train", "--config", "mine.toml", "--export", "mine", "--threads", 1)
    listed = run("models", "mine.safetensors")
    assert "dog" in listed and "MIT" in listed and "Rex" in listed and "keypoints" not in listed
    assert (
        run("bench", "tokens", "--weights", "mine.safetensors", "--data", "dogs/val", "--out", "found").count("| ") > 10
    )
    run("encode", "dogs/val/0.npz", "-o", "a.posec", "-m", "mine.safetensors", "--levels", 1)
    monkeypatch.setenv("POSECODEC_WEIGHTS", str(dogs))
    (dogs / "mine").mkdir()  # a folder of the name is not taken for the weights
    run("decode", "a.posec", "-o", "b.npz")
    back, whole = posecodec.load(dogs / "b.npz"), posecodec.load(dogs / "dogs" / "val" / "0.npz")
    assert back.skeleton == whole.skeleton and back.positions.shape == whole.positions.shape
    assert np.abs(back.positions - whole.positions).mean() < 40  # cm: it goes where the dog goes
    codec = posecodec.PoseCodec.from_pretrained("mine")
    assert codec.detokenize(codec.tokenize(whole)).skeleton == whole.skeleton
    with pytest.raises(InputError, match="cannot code"):
        codec.encode(walk(40), levels=1)
    run("train", "--config", "mine.toml", "--steps", 5, "--begin", "mine.safetensors", "--export", "more")
    assert zoo.read_card(dogs / "more.safetensors")["steps"] == 5


def test_pixels_of_ones_own_need_no_camera_and_no_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split, frames in (("train", 150), ("val", 90)):
        (tmp_path / "flat" / split).mkdir(parents=True)
        posecodec.save(flat_walk(frames).mapped_to(BUILT_IN["coco17"]), tmp_path / "flat" / split / "a.npz")
    run("train-config", "mine.toml", "--data", "flat", "--skeleton", "coco17")
    shrink(tmp_path / "mine.toml", steps=40)
    run("train", "--config", "mine.toml", "--export", "mine", "--threads", 1)
    codec, clip = posecodec.PoseCodec.from_pretrained("mine.safetensors"), posecodec.load(tmp_path / "flat/val/a.npz")
    decoded = codec.decode(codec.encode(clip, levels=2).data)
    height = np.ptp(clip.positions[..., 1])
    assert np.nanmean(np.linalg.norm(decoded.positions - clip.positions, axis=-1)) < 0.15 * height  # and not head down
    assert list_roots(BUILT_IN["coco17"]) == [11, 12]


def test_a_transform_of_ones_own_codes_and_is_found_by_its_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "walks").mkdir()
    for number in range(2):
        posecodec.save(walk(90 + 10 * number), tmp_path / "walks" / f"{number}.npz")
    told = run(
        "train-transform", "--data", "walks", "--export", "mine", "--samples", 8, "--steps", 4, "--licence", "MIT"
    )
    assert "coco19: bases and priors of 2 clips" in told and "smpl22: no clips, kept as it is" in told
    assert zoo.read_card(tmp_path / "mine.safetensors")["licence"] == "MIT"
    run("encode", "walks/0.npz", "-o", "a.posec", "-m", "mine.safetensors", "--max-error", "5mm")
    run("decode", "a.posec", "-o", "b.npz", code=1)  # nobody knows its weights
    run("decode", "a.posec", "-o", "b.npz", "-m", "mine.safetensors")
    monkeypatch.setenv("POSECODEC_WEIGHTS", str(tmp_path))
    run("decode", "a.posec", "-o", "c.npz")
    made, found = (posecodec.load(tmp_path / name) for name in ("b.npz", "c.npz"))
    np.testing.assert_array_equal(made.positions, found.positions)
    assert np.linalg.norm(made.positions - walk(90).positions, axis=-1).max() <= 5
    with pytest.raises(InputError, match="no motion in 3D"):
        (tmp_path / "none").mkdir()
        export((tmp_path / "none",), tmp_path / "x", 8, 4, {}, lambda text: None)


def test_what_does_not_go_together_is_said(dogs):
    (dogs / "bare.toml").write_text(DOG.split("edges")[0])
    for arguments, words in (
        (("--data", "dogs", "--skeleton", "bare.toml"), "no edges"),
        (("--data", "dogs", "--skeleton", "nobody"), "no built-in skeleton"),
        (("--data", ".", "--skeleton", "dog.toml"), "no training data"),
    ):
        result = CliRunner().invoke(cli, ["train-config", "x.toml", *arguments])
        assert result.exit_code and words in str(result.exception), result.exception
    run("train-config", "mine.toml", "--data", "dogs", "--skeleton", "dog.toml")
    text = (dogs / "mine.toml").read_text()
    for wrong, words in (
        (text.replace('"snout"', '"nose"'), "no keypoint of 'dog'"),
        (text.replace(', "right_paw_b"', ""), "7 keypoints"),
        (text.replace("[model]", "[modell]"), "parts"),
    ):
        (dogs / "mine.toml").write_text(wrong)
        with pytest.raises(InputError, match=words):
            TokenTrainer(TokenTraining.load("mine.toml"))


def test_folders_corpora_and_rates_are_read_and_what_is_no_recording_is_left_out(dogs):
    pytest.importorskip("pyarrow")
    skeleton = read_skeleton("dog.toml")
    (dogs / "dogs" / "train" / "notes.csv").write_text("a,b\nc,d\n")
    inner = dogs / "dogs" / "train" / "more"
    inner.mkdir()
    posecodec.save(walk(40), inner / "person.npz")
    with pytest.warns(DataWarning, match="left out"):
        clips = load_clips((str(dogs / "dogs" / "train"),), skeleton)
    assert [len(clip.points) for clip in clips] == [120, 132], "200 and 220 frames at 50 a second, at 30"
    assert clips[0].points[0, 0] == pytest.approx(np.array(posecodec.load("dogs/train/0.npz").positions[0, 0, 0]) * 10)
    run("corpus", "plan", "dogs/val", "-o", "m.parquet")
    run("corpus", "encode", "m.parquet", "-o", "corpus", "--lossless", "--shards", 1)
    assert [len(clip.points) for clip in load_clips(("corpus",), skeleton)] == [120]
    with pytest.raises(InputError, match="2D and 3D"):
        posecodec.save(flat_walk(40), dogs / "flat.npz")
        posecodec.save(walk(40), dogs / "solid.npz")
        load_clips(("flat.npz", "solid.npz"), COCO19)


def test_clips_are_cut_at_long_gaps_and_short_ones_are_bridged():
    positions = walk(100).positions.copy()
    positions[20 : 20 + LONGEST_GAP, 0, 4] = np.nan
    positions[60 : 61 + LONGEST_GAP, 0, 4] = np.nan
    holed = PoseSequence.from_arrays(positions, fps=30, skeleton=COCO19, unit="mm", up="y")
    clips = list(cut_clips("x", holed, COCO19))
    assert [len(clip.points) for clip in clips] == [60, 100 - 61 - LONGEST_GAP]
    assert not any(np.isnan(clip.points).any() for clip in clips)


def test_parts_are_limbs_by_name_else_what_hangs_on_the_root_else_all():
    assert split_parts(COCO19)[:4] == [[3, 4, 5], [9, 10, 11], [6, 7, 8], [12, 13, 14]]
    assert {k for part in split_parts(COCO19) for k in part} == {*range(19)}
    hand = split_parts(BUILT_IN["hand21"])
    assert [len(part) for part in hand] == [4, 4, 4, 4, 4, 1]
    assert split_parts(Skeleton("line", ("a", "b", "c"))) == [[0, 1, 2]]
    assert number_keypoints([["left_wrist", 3]], COCO19) == [[COCO19.keypoints.index("left_wrist"), 3]]


def test_skeletons_of_weights_are_names_or_whole():
    for skeleton in (COCO19, Skeleton("x", ("a", "left_b", "right_b"), ((0, 1),), ((1, 2),), 0)):
        assert read_written(write_skeleton(skeleton)) == skeleton
    assert write_skeleton(COCO19) == "coco19"
    for wrong in ("nobody", 3, None, {"keypoints": "ab"}, {"keypoints": ["a"], "edges": [[0, 9]]}):
        with pytest.raises(InputError):
            read_written(wrong)
    with pytest.raises(InputError, match="root"):
        list_roots(Skeleton("line", ("a", "b")))
