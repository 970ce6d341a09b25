"""Motion for training: stretches of one person's motion, out of archives, pose files, folders of them and corpora.

Stretches in which all is seen, but for short gaps, which are bridged. Everything comes at one frame rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecodec import io
from posecodec.corpus.reading import Corpus
from posecodec.corpus.shards import INFO
from posecodec.errors import InputError, report_change
from posecodec.io.detect import is_recording
from posecodec.io.filesystem import find_suffix
from posecodec.kinematics.bones import BoneTree
from posecodec.kinematics.gap_filling import interpolate_bones, interpolate_gaps
from posecodec.pose.orientation import upright
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.signal.resampling import count_frames, resample
from posecodec.typing import Bools, Floats

RATE = 30.0  # Frames a second that is trained at
SHORTEST = 16  # Clips of fewer frames are left out
LONGEST_GAP = 15  # Frames that a keypoint may be away inside a clip


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """One person's gapless motion. points: (T, K, D), in 3D mm, y up, floor near 0; in 2D pixels, y down."""

    name: str
    points: NDArray[np.float32]


def load_clips(
    paths: tuple[str, ...], skeleton: Skeleton, rate: float = RATE, archives: bool = True
) -> list[Clip]:  # fmt: skip
    """Clips of all archives, pose files, folders of them (with those below) and corpora, in a fixed order.

    archives: of coco19; False leaves them out.

    Inside folders what is no recording, or has nothing of the skeleton, is left out with a warning. Raises InputError where
    there is no motion, where it is 2D here and 3D there, or where a file that is named cannot be read.
    """
    clips = [clip for path in paths for clip in _load(Path(path), skeleton, rate, archives)]
    if not clips:
        raise InputError(f"no motion of at least {SHORTEST} frames in {', '.join(paths)}, with all of {skeleton.name}")
    if len({clip.points.shape[2] for clip in clips}) > 1:
        raise InputError(f"2D and 3D motion in {', '.join(paths)}; train on one of them")
    return clips


def _load(path: Path, skeleton: Skeleton, rate: float, archives: bool) -> Iterator[Clip]:
    if not path.exists():
        raise InputError(f"no training data at {path}; the paths of a training config start at the working directory")
    if (path / INFO).is_file():
        corpus = Corpus(path)
        for row, sequence in zip(corpus.rows, corpus, strict=True):
            yield from cut_clips(row["id"], sequence, skeleton, rate)
    elif path.is_dir() and not is_recording(path):
        for inner in sorted(path.iterdir()):
            if not inner.name.startswith(".") and (inner.is_dir() or find_suffix(inner.name) in _list_suffixes()):
                yield from _load_inner(inner, skeleton, rate, archives)
    else:
        yield from _read(path, skeleton, rate, archives)


def _list_suffixes() -> set[str]:
    return {".tar", *(suffix for known in io.FORMATS.values() for suffix in known.suffixes if suffix)}


def _load_inner(path: Path, skeleton: Skeleton, rate: float, archives: bool) -> Iterator[Clip]:
    try:
        yield from _load(path, skeleton, rate, archives)
    except InputError as error:
        report_change(f"left out of the training: {error}")


def _read(path: Path, skeleton: Skeleton, rate: float, archives: bool) -> Iterator[Clip]:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            if "rel_dmm" in archive:
                if archives:
                    yield from _read_archive(path.stem, archive)
                return
    yield from cut_clips(path.stem, io.load(path), skeleton, rate)


def _read_archive(stem: str, archive: Any) -> Iterator[Clip]:
    """A mocap archive: sequences end to end, mid-hip in mm and the rest relative to it in tenths of a mm."""
    points = archive["root_mm"][:, None] + archive["rel_dmm"].astype(np.float32) * np.float32(0.1)
    spans = zip(*(archive[key] for key in ("start", "length", "name", "floor_mm")), strict=True)
    for start, length, name, floor in spans:
        if length >= SHORTEST:
            clip = points[start : start + length] - np.array([0, floor, 0], np.float32)
            yield Clip(f"{stem}/{name}", clip)


def cut_clips(name: str, sequence: PoseSequence, skeleton: Skeleton, rate: float = RATE) -> Iterator[Clip]:
    """The clips of a recording's people. Raises InputError where it has no keypoint of the skeleton."""
    sequence, dims = sequence.mapped_to(skeleton), sequence.dims
    up = sequence.up if sequence.up != "unknown" else "y" if dims == 3 else "-y"
    turn, scale = upright(dims, up).T, UNIT_MM.get(sequence.unit, 1.0) if dims == 3 else 1.0
    count = count_frames(sequence.frames, sequence.rate, rate)
    tree = BoneTree.from_skeleton(skeleton) if dims == 3 and skeleton.root is not None else None
    for person, key in enumerate(sequence.ids):
        points = resample(sequence.positions[:, person].astype(np.float64) @ turn * scale, count)
        for start, stop in find_runs(points):
            run = points[start:stop]
            whole = interpolate_bones(run, tree) if tree else interpolate_gaps(run)
            yield Clip(f"{name}/{key}/{start}", whole.astype(np.float32))


def find_runs(points: Floats, least: float = 0.0) -> list[tuple[int, int]]:
    """(start, stop) of stretches of a person (T, K, D), NaN where not seen, of at least SHORTEST frames.

    In each of their frames more than `least` of the keypoints are seen; none is away for more than LONGEST_GAP frames, and
    each is seen at some time.
    """
    seen = ~np.isnan(points[..., 0])
    kept: Bools = seen.mean(axis=1) > least
    for k in range(seen.shape[1]):
        for start, stop in list_runs(~seen[:, k]):
            if stop - start > LONGEST_GAP:
                kept[start:stop] = False
    runs = [(start, stop) for start, stop in list_runs(kept) if stop - start >= SHORTEST]
    return [(start, stop) for start, stop in runs if seen[start:stop].any(axis=0).all()]


def list_runs(mask: Bools) -> list[tuple[int, int]]:
    """(start, stop) of the stretches in which a mask (T,) is True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
