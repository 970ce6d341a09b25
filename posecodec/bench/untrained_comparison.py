"""Recordings that nothing was trained on: the codec and quantized differences with zstd-19 at equal maximum error."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import error_per_keypoint
from posecodec.bench.baselines import BASELINES
from posecodec.bench.untrained_skeletons import RECORDINGS
from posecodec.errors import InputError
from posecodec.pose.sequence import UNIT_MM, PoseSequence

NAME = "unseen"  # Of the command and of the file it writes
C3D_BOUNDS = (1.0, 5.0)  # Maximum errors for recordings of markers, mm: those of the made one


@dataclass(frozen=True)
class Row:
    """Bytes of a recording at a maximum error, in its unit; reached: the largest error found after decoding."""

    recording: str
    frames: int
    keypoints: int
    unit: str
    bound: float
    reached: float
    ours: int
    baseline: int

    @property
    def line(self) -> str:
        """A row of the table."""
        return (
            f"| {self.recording} | {self.frames} x {self.keypoints} | {self.bound:g} {self.unit} | {self.reached:.3g} | "
            f"{self.baseline:,} | {self.ours:,} | {100 * (self.ours / self.baseline - 1):+.0f} % |"
        )


HEADING = """| recording | frames x keypoints | bound | reached | differences + zstd-19 | ours | |
|---|---|---|---|---|---|---|"""


def read_c3d(path: Path) -> PoseSequence:
    """The labeled points of a C3D file as one person, mm. Raises InputError where ezc3d is not installed."""
    try:
        import ezc3d
    except ImportError as error:
        raise InputError("reading C3D needs ezc3d; pip install ezc3d") from error
    points = ezc3d.c3d(str(path))
    found = points["data"]["points"][:3].transpose(2, 1, 0)
    rate = float(points["parameters"]["POINT"]["RATE"]["value"][0])
    seen = ~np.isnan(found).any(axis=(0, 2))
    return PoseSequence.from_arrays(found[:, seen], fps=rate, unit="mm", up="z")


def forward_fill(positions: NDArray[np.floating]) -> NDArray[np.float32]:
    """(T, K, D) with gaps filled by the last value before, for codecs that know no gaps."""
    frame = np.where(np.isnan(positions[..., 0]), -1, np.arange(len(positions))[:, None])
    frame = np.maximum.accumulate(frame, axis=0)
    first = np.argmax(frame >= 0, axis=0)
    filled = np.take_along_axis(positions, np.where(frame < 0, first, frame)[..., None], axis=0)
    return np.asarray(np.nan_to_num(filled), np.float32)


def count_baseline_bytes(sequence: PoseSequence, bound: float) -> int:
    """Quantized differences with zstd-19, gaps filled forward, and a mask of them; confidences not counted."""
    import zstandard

    method = next(b for b in BASELINES if b.name == "diff-zstd19")
    total = 0
    for person in range(sequence.people):
        total += len(method.compress(forward_fill(sequence.positions[:, person]), bound))
        missing = ~sequence.valid[:, person]
        if missing.any():
            total += len(zstandard.ZstdCompressor(level=19).compress(np.packbits(missing).tobytes()))
    return total


def measure(name: str, sequence: PoseSequence, bound: float) -> Row:
    """One recording at one bound, confidences taken out of both."""
    from posecodec.codec import PoseCodec

    plain = sequence.with_positions(sequence.positions, sequence.valid.astype(np.float32))
    codec = PoseCodec()
    data = codec.encode(plain, max_error=bound).data
    errors = error_per_keypoint(plain, codec.decode(data)) / UNIT_MM.get(plain.unit, 1.0)
    return Row(
        name, plain.frames, len(plain.skeleton), plain.unit, bound, float(np.nanmax(errors)), len(data),
        count_baseline_bytes(plain, bound),
    )  # fmt: skip


def run(c3d: tuple[Path, ...]) -> list[Row]:
    """All made recordings, and the C3D files given."""
    rows = [measure(name, make(), bound) for name, (make, bounds) in RECORDINGS.items() for bound in bounds]
    return rows + [measure(path.name, read_c3d(path), bound) for path in c3d for bound in C3D_BOUNDS]


def write(rows: list[Row], out: Path) -> Path:
    """unseen.json in a folder, made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return path
