"""Long recordings by the command line: frames a second and the memory of the whole process.

    python benchmarks/long.py [--data ../shared/data] [--only hour,people,signer] [--jobs 1,2] [--decode]

hour: one person, 108,000 frames. people: 20 x 18,000 frames. signer: 20,000 frames of 178 keypoints, a bound of 5 px.
The motion is the validation split's, take after take, each turned, mirrored or stretched a little anew; the signer is drawn.
With one job the process may use one core. Speed is by the time of its processors and by the clock, without what a single
frame takes, which is told apart: interpreter, imports, kernels from their cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

import posecodec
from posecodec.bench.data import load_split
from posecodec.bench.untrained_skeletons import make_signer
from posecodec.pose.orientation import rotate_about_y
from posecodec.pose.sequence import PoseSequence
from posecodec.pose.skeletons.builtin import COCO19
from posecodec.typing import Floats

COMMAND = [sys.executable, "-m", "posecodec"]
SETTLED = 20  # Frames in which a take comes from where the one before ended to its own pose
STRETCH = 0.1  # Share of its pace that a take is made faster or slower by, at most
MIRRORED = [
    COCO19.keypoints.index(
        name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
    )
    for name in COCO19.keypoints
]  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a command took. cpu: seconds of all its threads. peak: MB of memory."""

    seconds: float
    cpu: float
    peak: float


def draw_person(takes: list[Floats], frames: int, seed: int) -> Floats:
    """(T, 19, 3) mm: takes in any order, each varied, from where the one before ended."""
    rng = np.random.default_rng(seed)
    parts, end, length = [], None, 0
    while length < frames:
        part = vary_take(takes[int(rng.integers(len(takes)))], rng)
        if end is not None:
            part = part + (end - part[0]).mean(axis=0) * [1, 0, 1]
            fade = np.maximum(1 - np.arange(1, len(part) + 1) / SETTLED, 0)
            part = part + fade[:, None, None] * (end - part[0])
        parts.append(part)
        end, length = part[-1], length + len(part)
    return np.concatenate(parts)[:frames]


def vary_take(points: Floats, rng: np.random.Generator) -> Floats:
    """A take (T, 19, 3), turned about the vertical, mirrored or not, a little faster or slower."""
    if rng.random() < 0.5:
        points = points[:, MIRRORED] * [-1.0, 1.0, 1.0]
    points = rotate_about_y(
        points - points[0].mean(axis=0) * [1, 0, 1], np.full(len(points), rng.uniform(0, 2 * np.pi))
    )
    at = np.arange(0, len(points) - 1, 1 + rng.uniform(-STRETCH, STRETCH))
    before, share = at.astype(int), (at % 1)[:, None, None]
    return np.asarray((1 - share) * points[before] + share * points[before + 1])


def make_people(data: Path, people: int, frames: int) -> PoseSequence:
    """People beside each other, of the validation split's motion."""
    takes = [take.points.astype(np.float64) for take in load_split(data)]
    positions = [draw_person(takes, frames, seed) for seed in range(people)]
    return PoseSequence.from_arrays(
        np.stack(positions, axis=1).astype(np.float32), fps=30, skeleton=COCO19, unit="mm", up="y"
    )


def run_command(arguments: list[str], jobs: int) -> Run:
    """A command of ours; on one core where there is one job."""

    def stay() -> None:
        if jobs == 1 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    began = time.perf_counter()
    child = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, preexec_fn=stay)
    assert child.stdout is not None
    child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    spent = time.perf_counter() - began
    if status:
        raise click.ClickException(f"posecodec {' '.join(arguments)} ended with {status}")
    return Run(spent, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("../shared/data"), show_default=True)
@click.option("--only", default="hour,people,signer", show_default=True)
@click.option("--jobs", default="1", show_default=True, help="Numbers of jobs, such as 1,2.")
@click.option("--share", default=1.0, show_default=True, help="Of the frames, for a quick look.")
@click.option("--decode", is_flag=True, help="Also decode what was encoded.")
@click.option("--keep", type=click.Path(path_type=Path), help="A folder for the recordings, used again when there.")
@click.option("--out", type=click.Path(path_type=Path), help="Also write the result there, as JSON.")
def main(data: Path, only: str, jobs: str, share: float, decode: bool, keep: Path | None, out: Path | None) -> None:
    """Encode long recordings by the command line."""
    cases = {
        "hour": (lambda: make_people(data, 1, int(108_000 * share)), []),
        "people": (lambda: make_people(data, 20, int(18_000 * share)), []),
        "signer": (lambda: make_signer(int(20_000 * share)), ["--max-error", "5px"]),
    }
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in only.split(","):
            make, options = cases[name]
            source, short, tiny = (
                folder / f"{name}_{share:g}.npz",
                *(Path(scratch) / f"{name}_{n}.npz" for n in (300, 2)),
            )
            if not source.exists():
                posecodec.save(make(), source)
            sequence = posecodec.load(source)
            for path, frames in ((short, 300), (tiny, 2)):
                posecodec.save(sequence.with_positions(sequence.positions[:frames], sequence.confidence[:frames]), path)
            for count in map(int, jobs.split(",")):
                target, more = Path(scratch) / f"{name}.posec", ["-f", "-j", str(count)]
                for path in (short, tiny):  # the first time kernels may be compiled
                    floor = run_command(["encode", str(path), "-o", str(target), *more, *options], count)
                spent = run_command(["encode", str(source), "-o", str(target), *more, *options], count)
                rows.append(describe(name, "encode", count, sequence, spent, floor, target))
                if decode:
                    back = Path(scratch) / "back.npz"
                    spent = run_command(["decode", str(target), "-o", str(back), *more], count)
                    rows.append(describe(name, "decode", count, sequence, spent, floor, target))
    if out:
        out.write_text(json.dumps(rows, indent=1) + "\n")


def describe(
    name: str, what: str, jobs: int, sequence: PoseSequence, spent: Run, floor: Run, target: Path
) -> dict[str, object]:
    """A row of the result, printed."""
    poses, data = sequence.frames * sequence.people, target.read_bytes()
    row: dict[str, object] = {
        "recording": name, "what": what, "jobs": jobs, "frames": sequence.frames, "people": sequence.people,
        "seconds": spent.seconds, "cpu_seconds": spent.cpu, "peak_mb": spent.peak,
        "start_seconds": floor.seconds, "start_cpu_seconds": floor.cpu, "start_peak_mb": floor.peak,
        "poses_per_cpu_second": poses / (spent.cpu - floor.cpu), "poses_per_second": poses / spent.seconds,
        "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()[:12],
    }  # fmt: skip
    print(
        f"{name:7} {what} -j {jobs}: {row['poses_per_cpu_second']:6.0f} poses/s of a core, {row['poses_per_second']:6.0f} by "
        f"the clock with the start of {floor.cpu:.1f} s, {spent.peak:4.0f} MB of which the start {floor.peak:.0f}; "
        f"{len(data):,} bytes, {row['sha256']}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
