"""Fine bounds on what people really record: the codec, and compressors of bare numbers at equal maximum error.

Recordings that nothing was trained on, made by rule; with data also real detections and the clean validation motion; C3D
files that are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecodec.analysis.metrics import error_per_keypoint
from posecodec.bench.baselines import BASELINES, Baseline
from posecodec.bench.data import load_split
from posecodec.bench.detections import load_detections
from posecodec.bench.untrained_skeletons import RECORDINGS
from posecodec.codec import PoseCodec
from posecodec.errors import InputError
from posecodec.pose.sequence import UNIT_MM, PoseSequence

NAME = "unseen"  # Of the command and of the file it writes
OTHERS = ("diff-zstd19", "linear-rice", "diff-pcodec", "sz3")
C3D_BOUNDS = (0.2, 1.0, 5.0)  # Maximum errors for recordings of markers, mm
MOTION_BOUNDS = (1.0, 5.0, 20.0)  # For the validation motion, mm
DETECTIONS = (
    ("sign_openpose", 2, 0.707), ("sign_mediapipe33", 3, 0.707), ("sign_mediapipe8", 3, 0.707), ("pose2sim_body25b", 6, 1.0)
)  # fmt: skip
"""Archives of DATA/train2d, how many of their recordings are taken, and the maximum error in pixels."""


@dataclass(frozen=True)
class Row:
    """Bytes of recordings at a maximum error, in their unit, summed; reached: the largest error found after decoding.

    clips: how many. others: bytes by compressors, by name; without those that are not installed or cannot code it. least:
    in how many clips the codec's file is smaller than every other's.
    """

    recording: str
    clips: int
    frames: int
    keypoints: int
    unit: str
    bound: float
    reached: float
    ours: int
    others: dict[str, int]
    least: int

    @property
    def line(self) -> str:
        """A row of the table."""
        best = min(self.others.values())
        shown = " | ".join(f"{self.others[name]:,}" if name in self.others else "" for name in OTHERS)
        return (
            f"| {self.recording} | {self.frames:,} x {self.keypoints} | {self.bound:g} {self.unit} | {self.reached:.3g} | "
            f"{shown} | **{self.ours:,}** | {100 * (self.ours / best - 1):+.0f} % | {self.least} of {self.clips} |"
        )


HEADING = f"""| recording | frames x keypoints | bound | reached | {" | ".join(OTHERS)} | ours | to the best | smaller in |
|{"---|" * (7 + len(OTHERS))}"""


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


def count_baseline_bytes(method: Baseline, sequence: PoseSequence, bound: float) -> int | None:
    """By a compressor, gaps filled forward, and a mask of them; confidences not counted. None where it cannot."""
    import zstandard

    total = 0
    for person in range(sequence.people):
        try:
            total += len(method.compress(forward_fill(sequence.positions[:, person]), bound))
        except InputError:
            return None
        missing = ~sequence.valid[:, person]
        if missing.any():
            total += len(zstandard.ZstdCompressor(level=19).compress(np.packbits(missing).tobytes()))
    return total


def measure(name: str, clips: list[PoseSequence], bound: float) -> Row:
    """Recordings of one kind at one bound, confidences taken out of all."""
    codec, plain = PoseCodec(), [clip.with_positions(clip.positions, clip.valid.astype(np.float32)) for clip in clips]
    files = [codec.encode(clip, max_error=bound).data for clip in plain]
    unit = UNIT_MM.get(plain[0].unit, 1.0)
    reached = [
        np.nanmax(error_per_keypoint(clip, codec.decode(data))) / unit for clip, data in zip(plain, files, strict=True)
    ]
    methods = [method for method in BASELINES if method.name in OTHERS and not method.missing]
    sizes = {method.name: [count_baseline_bytes(method, clip, bound) for clip in plain] for method in methods}
    whole = {name: [size for size in each if size is not None] for name, each in sizes.items() if None not in each}
    least = sum(len(data) < min(each[i] for each in whole.values()) for i, data in enumerate(files))
    return Row(
        name, len(plain), sum(clip.frames for clip in plain), len(plain[0].skeleton), plain[0].unit, bound,
        float(max(reached)), sum(map(len, files)), {name: sum(each) for name, each in whole.items()}, least,
    )  # fmt: skip


def run(c3d: tuple[Path, ...], data: Path | None = None) -> Iterator[Row]:
    """All made recordings, those of a folder of motion data, and the C3D files given."""
    for name, (make, bounds) in RECORDINGS.items():
        yield from (measure(name, [make()], bound) for bound in bounds)
    if data is not None:
        for name, count, bound in DETECTIONS:
            yield measure(name, load_detections(data / "train2d" / f"{name}.npz")[:count], bound)
        takes = [take.to_sequence() for take in load_split(data)]
        yield from (measure("validation motion", takes, bound) for bound in MOTION_BOUNDS)
    for path in c3d:
        yield from (measure(path.name, [read_c3d(path)], bound) for bound in C3D_BOUNDS)


def write(rows: list[Row], out: Path) -> Path:
    """unseen.json in a folder, made if need be."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.json"
    path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return path
