"""The same motion as many skeletons have it: bits a frame and keypoint against coco19, in 3D and as five cameras see it.

    python benchmarks/skeletons.py --data ../shared/data [--every 4] [--against transform-0.5]

Joints are the sources' own (`posecodec.train.whole_bodies`). "names unknown": keypoints called joint0, joint1, ...
Prints a table and writes benchmarks/results/skeletons.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from posecodec.codec import PoseCodec
from posecodec.coders.registry import build_coders
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeleton import Skeleton
from posecodec.pose.skeletons.builtin import BUILT_IN
from posecodec.ratecontrol.coder_choice import RateControl
from posecodec.train.cameras import load_cameras, project
from posecodec.train.whole_bodies import load_as

SOLID = (
    "coco19",
    "smpl22",
    "smpl24",
    "h36m17",
    "mediapipe33",
    "body25",
    "halpe26",
    "coco17",
    "mpii16",
    "kinect25",
    "kinect32",
)
FLAT = ("coco17", "mediapipe33", "body25", "halpe26", "h36m17")
UNKNOWN = ("coco19", "smpl22", "h36m17")
SHORTEST = 24  # Frames of a clip
RESULT = Path(__file__).parent / "results" / "skeletons.json"


def forget_names(skeleton: Skeleton) -> Skeleton:
    """The same edges between keypoints that are only counted."""
    return Skeleton("mine", tuple(f"joint{k}" for k in range(len(skeleton))), skeleton.edges)


def load_solid(data: Path, skeleton: Skeleton, every: int) -> Iterator[PoseSequence]:
    """Clips of the validation split, mm."""
    for points in load_as((data / "val",), skeleton, SHORTEST)[::every]:
        yield PoseSequence.from_arrays(points, fps=30, skeleton=skeleton, unit="mm", up="y")


def load_flat(data: Path, skeleton: Skeleton, every: int) -> Iterator[PoseSequence]:
    """The same, in the middle of the studio, as each of its cameras sees them, px."""
    cameras = load_cameras(data / "cameras" / "panoptic_hd5.json")
    for points in load_as((data / "val",), skeleton, SHORTEST)[::every]:
        middle = np.array([points[..., 0].mean(), 0, points[..., 2].mean()])
        near = torch.tensor((points - middle)[None], dtype=torch.float32)
        for number in range(len(cameras.offset)):
            pixels = project(near, cameras.pick(torch.tensor([number])))[0].numpy()
            yield PoseSequence.from_arrays(pixels, fps=30, skeleton=skeleton, unit="px", up="-y")


def measure(codec: PoseCodec, sequences: list[PoseSequence], **goal: float) -> float:
    """Bits a frame of whole files."""
    frames = sum(sequence.frames for sequence in sequences)
    return sum(len(codec.encode(sequence, **goal).data) for sequence in sequences) * 8 / frames


def build_codec(transform: str) -> PoseCodec:
    """A codec with weights of the transform by name."""
    codec = PoseCodec()
    codec.coders = build_coders(None, "cpu", transform)
    codec.rate_control = RateControl(codec.coders)
    return codec


def run(data: Path, every: int, transform: str) -> list[dict[str, Any]]:
    """A row for every skeleton."""
    codec, rows = build_codec(transform), []
    for flat, names, goals in (
        (False, SOLID, {"mean 10 mm": {"mean_error": 10.0}, "max 5 mm": {"max_error": 5.0}}),
        (True, FLAT, {"mean 2 px": {"mean_error": 2.0}, "mean 8 px": {"mean_error": 8.0}}),
    ):
        for name in (*names, *(f"{n}, names unknown" for n in UNKNOWN if not flat)):
            skeleton = BUILT_IN[name.partition(",")[0]]
            sequences = list((load_flat if flat else load_solid)(data, skeleton, every))
            if "," in name:
                unknown = forget_names(skeleton)
                sequences = [
                    PoseSequence.from_arrays(s.positions, fps=30, skeleton=unknown, unit="mm", up="y")
                    for s in sequences
                ]
            bits = {goal: measure(codec, sequences, **asked) for goal, asked in goals.items()}
            rows.append({
                "transform": transform, "skeleton": name, "dims": 2 if flat else 3, "keypoints": len(skeleton),
                "clips": len(sequences), "bits a frame": {goal: round(rate, 2) for goal, rate in bits.items()},
            })  # fmt: skip
            click.echo(json.dumps(rows[-1]), err=True)
    return rows


def print_table(rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> None:
    """Bits a frame, for each keypoint as a multiple of coco19's, and as one of what other weights take."""
    for row in rows:
        first = next((each for each in rows if each["skeleton"] == "coco19" and each["dims"] == row["dims"]), None)
        old = next((e for e in before if (e["skeleton"], e["dims"]) == (row["skeleton"], row["dims"])), None)
        cells = []
        for goal, bits in row["bits a frame"].items():
            cell = f"{goal}: {bits:6.2f}"
            if first:
                cell += f"  {bits / row['keypoints'] / (first['bits a frame'][goal] / 19):.2f} of coco19 a keypoint"
            cells.append(cell + (f"  {bits / old['bits a frame'][goal]:.2f} of before" if old else ""))
        click.echo(f"{row['skeleton']:24} {row['dims']}D {row['keypoints']:3}  " + "   ".join(cells))


@click.command()
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder with val/ and cameras/.")
@click.option("--every", default=4, show_default=True, help="Take every so many clips.")
@click.option("--against", help="Weights of the transform to compare with.")
def main(data: Path, every: int, against: str | None) -> None:
    """Measure, print and write."""
    before = run(data, every, against) if against else []
    rows = run(data, every, "transform")
    print_table(rows, before)
    RESULT.write_text(json.dumps({"every": every, "rows": rows, "before": before}, indent=1) + "\n")


if __name__ == "__main__":
    main()
