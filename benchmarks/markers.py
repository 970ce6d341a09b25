"""Speed of a bound of 1 mm on recordings of many markers, and against another checkout in the same run.

    python benchmarks/markers.py [--against ../other]

Markers sit on rigid bodies that turn and travel, with 0.15 mm of noise; 4 s at 100, 120 and 200 Hz. Both sides run by turns
in processes of their own, so that a machine with other work slows both; the bytes of both are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

RECORDINGS = ((74, 400, 100.0), (120, 480, 120.0), (193, 800, 200.0))  # Markers, frames, frames a second
MARKERS_OF_BODY = 6
NOISE = 0.15  # mm


def draw_markers(count: int, frames: int, rate: float) -> NDArray[np.float32]:
    """(T, K, 3) mm."""
    generator, seconds = np.random.default_rng(count), np.arange(frames) / rate
    path = np.stack([800 * np.sin(0.8 * seconds), 900 + 20 * np.sin(11.3 * seconds), 300 * seconds], axis=1)
    points = np.empty((frames, count, 3))
    bodies = max(count // MARKERS_OF_BODY, 1)
    for body in range(bodies):
        own = np.arange(body, count, bodies)
        speed, phase, swing = (generator.uniform(*span) for span in ((2, 14, 4), (0, 6.3, 4), (0.1, 0.7, 4)))
        angle, shift = swing * np.sin(seconds[:, None] * speed + phase), generator.normal(0, 250, 3)
        x, y, z = np.moveaxis(generator.normal(0, 60, (len(own), 3)), 1, 0)
        cos, sin = np.cos(angle[:, :1]), np.sin(angle[:, :1])
        turned = np.stack([x * cos - z * sin, y + 0 * cos, x * sin + z * cos], axis=2)
        points[:, own] = (path + shift + 60 * angle[:, 1:])[:, None] + turned
    return (points + generator.normal(0, NOISE, points.shape)).astype(np.float32)


def measure() -> list[dict[str, float | str]]:
    """Seconds and a hash of the bytes of every recording, after a short one to warm up."""
    from posecodec import PoseCodec, PoseSequence, Skeleton

    codec, rows = PoseCodec(), []
    for count, frames, rate in ((8, 40, 100.0), *RECORDINGS):
        skeleton = Skeleton("custom", tuple(f"M{k}" for k in range(count)))
        points = draw_markers(count, frames, rate)[:, None]
        sequence = PoseSequence.from_arrays(points, fps=rate, skeleton=skeleton, unit="mm", up="y")
        began = time.perf_counter()
        data = codec.encode(sequence, max_error=1.0).data
        spent = time.perf_counter() - began
        rows.append({"seconds": spent, "bytes": len(data), "hash": hashlib.sha256(data).hexdigest()[:8]})
    return rows[1:]


def run_checkout(path: Path) -> list[dict[str, float]]:
    """`measure` in a process that imports posecodec from a checkout."""
    found = subprocess.run(
        [sys.executable, __file__, "--bare"], env=os.environ | {"PYTHONPATH": str(path.resolve())}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    rows: list[dict[str, float]] = json.loads(found.stdout)
    return rows


@click.command()
@click.option("--against", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Another checkout.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--bare", is_flag=True, hidden=True)
def main(against: Path | None, rounds: int, bare: bool) -> None:
    """Time a bound of 1 mm."""
    if bare:
        print(json.dumps(measure()))
        return
    here = Path(__file__).parent.parent
    sides = [here] if against is None else [here, against]
    runs = [[run_checkout(side) for side in sides] for _ in range(rounds)]
    for i, (count, frames, _) in enumerate(RECORDINGS):
        spent = [min(run[side][i]["seconds"] for run in runs) for side in range(len(sides))]
        line = f"{count:4} markers: {frames / spent[0]:6.0f} frames/s, {runs[0][0][i]['bytes']:6} bytes"
        if against is not None:
            same = runs[0][0][i]["hash"] == runs[0][1][i]["hash"]
            other = runs[0][1][i]["bytes"]
            line += f"; {spent[1] / spent[0]:4.1f} times as fast as there, {'same bytes' if same else f'{other} there'}"
        print(line)


if __name__ == "__main__":
    main()
