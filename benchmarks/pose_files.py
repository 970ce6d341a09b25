"""Real .pose files: their bytes as they are, packed by zstd, as float16 in .npz, and as .posec at bounds in pixels.

    python benchmarks/pose_files.py FOLDER [--corpus 508e9] [--out benchmarks/results]

FOLDER: of .pose files, such as `src/python/tests/data/hand_estimation` of github.com/sign-language-processing/pose. The
bound holds on every keypoint, confidences are kept to 1/255, names and frame rate too; zstd keeps all bits, float16 places
and confidences alone, to half a pixel at 1,000. --corpus: bytes of a corpus of such files, told at the same ratio. Prints a
table and writes pose_files.json.
"""

from __future__ import annotations

import io
import json
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import zstandard

import posecodec

BOUNDS = (0.5, 1.0, 2.0)  # Pixels
LEVEL = 19  # Of zstd


def measure(path: Path) -> dict[str, Any]:
    """A row of the table."""
    data = path.read_bytes()
    sequence = posecodec.load(path)
    half = io.BytesIO()
    with np.errstate(over="ignore"):
        np.savez_compressed(half, sequence.positions.astype(np.float16), sequence.confidence.astype(np.float16))
    row: dict[str, Any] = {
        "file": path.name, "frames": sequence.frames, "keypoints": len(sequence.skeleton), "dims": sequence.dims,
        "pose": len(data), "zstd": len(zstandard.compress(data, LEVEL)), "float16": len(half.getvalue()),
    }  # fmt: skip
    for bound in BOUNDS:
        began = time.perf_counter()
        encoded = posecodec.encode(sequence, max_error=bound)
        decoded = posecodec.decode(encoded)
        off = np.linalg.norm(decoded.positions - sequence.positions, axis=-1)
        assert np.nanmax(off) <= bound * (1 + 1e-6), (path, bound)
        row[f"{bound:g} px"] = len(encoded.data)
        row[f"seconds {bound:g} px"] = round(time.perf_counter() - began, 2)
    return row


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--corpus", type=float, default=508e9, show_default=True, help="Bytes of a corpus of such files.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
def main(folder: Path, corpus: float, out: Path) -> None:
    """Measure all .pose files of a folder."""
    warnings.simplefilter("ignore")
    sizes = ["pose", "zstd", "float16", *(f"{bound:g} px" for bound in BOUNDS)]
    click.echo(f"| file | frames x keypoints x D | {' | '.join(sizes)} |\n{'|---' * (len(sizes) + 2)}|")
    rows = []
    for path in sorted(folder.glob("*.pose")):
        rows.append(row := measure(path))
        shape = f"{row['frames']} x {row['keypoints']} x {row['dims']}"
        click.echo(f"| {path.name[:12]} | {shape} | {' | '.join(f'{row[name]:,}' for name in sizes)} |")
    total = {name: sum(row[name] for row in rows) for name in sizes}
    click.echo(f"| together | | {' | '.join(f'{total[name]:,}' for name in sizes)} |")
    share = {name: corpus * total[name] / total["pose"] / 1e9 for name in sizes}
    click.echo(f"| {corpus / 1e9:.0f} GB of such | | {' | '.join(f'{share[name]:.1f} GB' for name in sizes)} |")
    found = {"rows": rows, "together": total, "corpus_gigabytes": share}
    (out / "pose_files.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
