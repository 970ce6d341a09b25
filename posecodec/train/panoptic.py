"""Motion and cameras of the CMU Panoptic Studio, by the lists of arXiv 2509.19252: 47 sequences to train, 13 to validate.

The tree is as the Studio's toolbox fetches it: `SEQUENCE/hdPose3d_stage1_coco19`, a folder or a `.tar`, and
`SEQUENCE/calibration_SEQUENCE.json`. The two lists share sessions and people, and there is no third to test by. What the
paper calls egocentric are ten more fixed cameras of the dome. Its rule of who is visible is used twice, of confidence here,
of the image's edges where a camera sees the window (`grid_windows`). Lengths become mm, y up; the floor is at 0 already.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from posecodec import io
from posecodec.errors import InputError, report_change
from posecodec.io.formats.panoptic import FPS, INNER_FOLDER, is_scene
from posecodec.kinematics.bones import BoneTree
from posecodec.kinematics.gap_filling import interpolate_bones
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.train.cameras import Cameras, load_cameras
from posecodec.train.clips import SHORTEST, Clip, find_runs

TRAIN = tuple(
    """160224_haggling1 160226_haggling1 170221_haggling_b1 170221_haggling_b3 170221_haggling_m1 170221_haggling_m2
    170221_haggling_m3 170224_haggling_a2 170224_haggling_a3 170224_haggling_b1 170224_haggling_b2 170224_haggling_b3
    170228_haggling_a1 170228_haggling_a2 170228_haggling_b1 170228_haggling_b2 170228_haggling_b3 170404_haggling_a1
    170404_haggling_a3 170404_haggling_b1 170404_haggling_b2 170404_haggling_b3 170407_haggling_a2 170407_haggling_a3
    170407_haggling_b1 170407_haggling_b2 160422_ultimatum1 160906_band1 160906_band2 160906_ian2 160906_ian3 160906_ian5
    160906_pizza1 161029_flute1 161029_piano1 161029_piano2 161029_piano4 170307_dance5 170407_office2 171026_cello3
    171026_pose1 171026_pose3 171204_pose1 171204_pose2 171204_pose3 171204_pose4 171204_pose6""".split()
)
VALIDATION = tuple(
    """170407_haggling_b3 170407_haggling_a1 170404_haggling_a2 170228_haggling_a3 170224_haggling_a1 170221_haggling_b2
    160422_haggling1 160906_band3 160906_ian1 161029_piano3 170915_office1 171026_pose2 171204_pose5""".split()
)
SPLITS = {"train": TRAIN, "val": VALIDATION}
EXO = (1, 2, 4, 6, 7, 10, 13, 17, 19, 28)  # Nodes of HD cameras
EGO = (0, 3, 5, 8, 9, 14, 15, 23, 24, 25)
SURE = 0.1  # A keypoint counts as seen above this confidence
VISIBLE = 0.9  # A frame of a person is kept above this share of keypoints seen
HD_PANEL = 0  # Where HD cameras are, in a calibration


def load_panoptic(root: Path, split: str) -> list[Clip]:
    """Every person's gapless stretches in the sequences of a split, "train" or "val", in the order of its list.

    The reader takes minutes for a whole tree: it has a file a frame. Raises InputError where no sequence of the split is
    there, or no stretch of at least 16 frames. Warns with the number of sequences that are not.
    """
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; use one of {', '.join(SPLITS)}")
    names = SPLITS[split]
    found = [(name, path) for name in names if (path := _find_poses(root / name)) is not None]
    if not found:
        raise InputError(
            f"{root} holds none of the {len(names)} {split} sequences, such as {names[0]}/{INNER_FOLDER}, folder or .tar; "
            "fetch them by the Panoptic toolbox's scripts/getData.sh and name the folder that they lie in"
        )
    if len(found) < len(names):
        report_change(f"{len(names) - len(found)} of the paper's {len(names)} {split} sequences are not in {root}")
    clips = [clip for name, path in found for clip in _read_clips(name, path)]
    if not clips:
        raise InputError(f"nobody is seen for {SHORTEST} frames in the {len(found)} {split} sequences of {root}")
    return clips


def load_panoptic_cameras(root: Path, nodes: tuple[int, ...]) -> Cameras:
    """The HD cameras of these nodes, by the first sequence of the lists whose calibration knows them all.

    Raises InputError where none does.
    """
    lacking: dict[Path, list[int]] = {}
    for name in (*TRAIN, *VALIDATION):
        path = root / name / f"calibration_{name}.json"
        if path.is_file():
            where = _find_cameras(path)
            lacking[path] = [node for node in nodes if node not in where]
            if not lacking[path]:
                return _turn_upright(load_cameras(path).pick(torch.tensor([where[node] for node in nodes])))
    if lacking:
        path, missing = next(iter(lacking.items()))
        raise InputError(f"no calibration in {root} has all HD cameras asked for; {path} lacks {missing}")
    raise InputError(
        f"no SEQUENCE/calibration_SEQUENCE.json of the paper's sequences in {root}; the Panoptic toolbox's "
        "scripts/getData.sh fetches it with each sequence"
    )


def _find_poses(sequence: Path) -> Path | None:
    """The folder or tar of a sequence's poses."""
    folder, tar = sequence / INNER_FOLDER, sequence / f"{INNER_FOLDER}.tar"
    if folder.is_dir() and is_scene(folder):
        return folder
    return tar if tar.is_file() else None


def _read_clips(name: str, path: Path) -> list[Clip]:
    sequence = io.load(path, format="panoptic", fps=FPS["hd_29_97"])
    turn = upright(3, sequence.up).T * UNIT_MM[sequence.unit]
    tree, clips = BoneTree.from_skeleton(COCO19), []
    for p, key in enumerate(sequence.ids):
        points = sequence.positions[:, p].astype(np.float64) @ turn
        points[~(sequence.confidence[:, p] > SURE)] = np.nan
        for start, stop in find_runs(points, VISIBLE):
            whole: NDArray[np.float32] = interpolate_bones(points[start:stop], tree).astype(np.float32)
            clips.append(Clip(f"{name}/{key}/{sequence.metadata['first_frame'] + start}", whole))
    return clips


def _find_cameras(path: Path) -> dict[int, int]:
    """Node -> place in the calibration, of HD cameras."""
    try:
        entries = json.loads(path.read_text())["cameras"]
        return {int(c["node"]): i for i, c in enumerate(entries) if c["panel"] == HD_PANEL}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a Panoptic calibration (cameras[] with panel and node): {error}") from error


def _turn_upright(cameras: Cameras) -> Cameras:
    """Cameras of centimeters with y down, for mm with y up."""
    turn = torch.tensor(upright(3, "-y").T, dtype=torch.float32)
    return Cameras(cameras.rotation @ turn, cameras.offset * UNIT_MM["cm"], cameras.intrinsics, cameras.distortion)
