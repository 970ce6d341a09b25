"""Real recordings of whatever format: bytes of .posec at equal largest error beside general-purpose compressors.

    python benchmarks/real_files.py NAME=FOLDER ... [--fps 25] [--out benchmarks/results]

FOLDER: all recordings in it that are read, in any depth, each content once, of 20 frames and more; such as `Input` of
github.com/Biomechanical-ToolKit/BTKData (C3D and TRC of many systems) or `demo/data` of github.com/trettenbrein/
OpenPoseR (OpenPose). Whole files with names, ids, rate and masks, without metadata, channels and confidences; the others
leave out all but places and masks. Prints a table of sums and writes real_files.json.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

import posecodec
from posecodec.bench.untrained_comparison import OTHERS, Row, measure
from posecodec.errors import PosecodecError
from posecodec.pose.sequence import UNIT_MM, PoseSequence

BOUNDS = {3: (0.2, 1.0, 5.0), 2: (0.5, 1.0, 2.0)}  # By dimensions: millimeters, pixels
SHORTEST = 20  # Frames
RESULT = "real_files.json"


def find_recordings(folder: Path, fps: float) -> Iterator[tuple[str, PoseSequence]]:
    """(path, sequence) of everything in a folder that is a recording, whatever else lies there."""
    seen: set[bytes] = set()
    for path in sorted([*folder.rglob("*")]):
        is_json_frame = path.is_file() and path.name.endswith("_keypoints.json")
        if is_json_frame or (path.is_dir() and not any(path.glob("*_keypoints.json"))):
            continue  # of OpenPose the folder is the recording
        try:
            sequence = posecodec.load(path, **({"fps": fps} if path.is_dir() else {}))
        except PosecodecError:
            continue
        key = hashlib.sha256(np.nan_to_num(sequence.positions).astype(np.float32).tobytes()).digest()
        if sequence.frames >= SHORTEST and key not in seen:
            seen.add(key)
            yield str(path.relative_to(folder)), _strip(sequence)


def _strip(sequence: PoseSequence) -> PoseSequence:
    """Places, names, ids and rate; a length of no known unit is millimeters."""
    if sequence.dims == 3 and sequence.unit in UNIT_MM:
        sequence = sequence.to("mm")
    unit, up = ("px", "-y") if sequence.dims == 2 else ("mm", "z" if sequence.up == "unknown" else sequence.up)
    rate = {"fps": sequence.fps} if sequence.fps is not None else {"timestamps": sequence.timestamps}
    return PoseSequence.from_arrays(
        sequence.positions.astype(np.float32), skeleton=sequence.skeleton, unit=unit, up=up, ids=sequence.ids, **rate
    )


def sum_up(rows: list[Row]) -> dict[str, Any]:
    """Of the files of a folder at one bound."""
    sizes = {name: sum(row.others[name] for row in rows) for name in OTHERS if all(name in row.others for row in rows)}
    best, ours = min(sizes.values()), sum(row.ours for row in rows)
    smaller = sum(row.ours < min(row.others.values()) for row in rows)
    return {"others": sizes, "ours": ours, "to_best": ours / best - 1, "files": len(rows), "smaller_in": smaller}


@click.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("--fps", type=float, default=25.0, show_default=True, help="Of folders that say no rate.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(folders: tuple[str, ...], fps: float, out: Path) -> None:
    """Measure all recordings of some folders."""
    warnings.simplefilter("ignore")
    click.echo(f"| recordings | bound | {' | '.join(OTHERS)} | ours | to the best | smaller in |\n{'|---' * 9}|")
    found: dict[str, Any] = {}
    for text in folders:
        name, _, folder = text.partition("=")
        rows: dict[str, list[Row]] = {}
        for path, sequence in find_recordings(Path(folder), fps):
            for bound in BOUNDS[sequence.dims]:
                row = measure(path, [sequence], bound)
                assert row.reached <= bound * (1 + 1e-6), (path, bound, row.reached)
                rows.setdefault(f"{bound:g} {sequence.unit}", []).append(row)
        for bound, each in rows.items():
            total = sum_up(each)
            shown = " | ".join(f"{total['others'].get(other, 0):,}" for other in OTHERS)
            click.echo(
                f"| {name} | {bound} | {shown} | **{total['ours']:,}** | {100 * total['to_best']:+.0f} % | "
                f"{total['smaller_in']} of {total['files']} |"
            )
            found.setdefault(name, {})[bound] = {"together": total, "rows": [asdict(row) for row in each]}
    (out / RESULT).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
