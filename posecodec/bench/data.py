"""Motion to measure on: the archives of the motion data (see its README), or any folder of pose files.

Gives takes of one person with all of coco19 in every frame, in mm. It does not clean, cut or resample.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecodec import io
from posecodec.errors import InputError
from posecodec.pose.sequence import UNIT_MM, PoseSequence
from posecodec.pose.skeletons.builtin import COCO19

Points = NDArray[np.float32]
"""(T, K, D)."""


@dataclass(frozen=True, eq=False)
class Take:
    """One person's gapless motion. points: (T, 19, 3) float32, mm, coco19. fps: frames per second. up: one of AXES."""

    name: str
    points: Points
    fps: float = 30.0
    up: str = "y"

    def to_sequence(self) -> PoseSequence:
        """The take as the codec gets it."""
        return PoseSequence.from_arrays(self.points, fps=self.fps, skeleton=COCO19, unit="mm", up=self.up)


def load_split(folder: Path, split: str = "val") -> list[Take]:
    """Takes to measure on: of FOLDER/SPLIT/*.npz by file name, or else of all pose files in FOLDER.

    Raises InputError where there is none, or where a file cannot be understood.
    """
    found = load_archives(folder / split) if (folder / split).is_dir() else load_files(folder)
    if not found:
        raise InputError(
            f"{folder}: no motion for split {split!r}; give a folder with {split}/*.npz or pose files in it"
        )
    return found


def load_training(folder: Path) -> list[Take]:
    """Takes of FOLDER/train/*.npz by file name; none where there is no such folder, and then there is no B0 either."""
    return load_archives(folder / "train") if (folder / "train").is_dir() else []


def load_archives(folder: Path) -> list[Take]:
    """Takes of all archives in a folder, by file name. Raises InputError where one is no such archive."""
    return [take for file in sorted(folder.glob("*.npz")) for take in _read_archive(file)]


def load_files(folder: Path) -> list[Take]:
    """Takes of all pose files in a folder, by file name, one a person.

    People who are not whole in every frame are left out. Raises InputError where a file is 2D or has no known length unit.
    """
    suffixes = tuple(suffix for known in io.FORMATS.values() for suffix in known.suffixes)
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes) if folder.is_dir() else []
    return [take for file in files for take in _read_people(file)]


def _read_archive(file: Path) -> list[Take]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            points = archive["root_mm"][:, None] + archive["rel_dmm"].astype(np.float32) * np.float32(0.1)
            spans = zip(archive["name"], archive["start"], archive["length"], strict=True)
            takes = [Take(f"{file.stem}/{name}", points[start : start + count]) for name, start, count in spans]
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{file}: not an archive of motion ({error}); get it again, or give a folder of pose files"
        ) from error
    if any(take.points.shape[1:] != (len(COCO19), 3) or not len(take.points) for take in takes):
        raise InputError(f"{file}: takes need shape (T, 19, 3) with T > 0; get the archive again")
    return takes


def _read_people(file: Path) -> list[Take]:
    sequence = io.load(file).mapped_to(COCO19)
    if sequence.dims != 3 or sequence.unit not in UNIT_MM:
        raise InputError(
            f"{file}: {sequence.dims}D in {sequence.unit!r}; the benchmark measures 3D motion in {', '.join(UNIT_MM)}"
        )
    points = sequence.positions * np.float32(UNIT_MM[sequence.unit])
    whole = [p for p in range(sequence.people) if sequence.frames and not np.isnan(points[:, p]).any()]
    return [Take(f"{file.stem}/{sequence.ids[p]}", points[:, p], sequence.rate, sequence.up) for p in whole]
