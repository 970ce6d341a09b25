"""What windows cost and how natural they move, on the validation motion, by QP.

    python benchmarks/windows.py [--data ../shared/data] [--split val] [--model windows3d] [--out benchmarks/results]

Writes windows_3d.json (2d, 3d-nc) and prints it as a table. A 2D model sees each take through five calibrated cameras,
1920 x 1080.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import click
import numpy as np
from views import load_takes

import posecodec
from posecodec import zoo
from posecodec.analysis import motion_quality
from posecodec.bitstream import container
from posecodec.coders.chunk import ChunkContext
from posecodec.signal.segmentation import list_spans
from posecodec.train.git_commit import find_commit


def measure(codec: posecodec.PoseCodec, takes: list[Any], qp: int) -> dict[str, Any]:
    """One row: whole files, what their chunks take, and how natural they move."""
    size, payload, frames, pairs, seams = 0, 0, 0, [], []
    for take in takes:
        encoded = codec.encode_windows(take.to_sequence(), qp)
        decoded = codec.decode(encoded.data)
        header, chunks = container.read(encoded.data)
        size += len(encoded.data)
        payload += sum(len(chunk.base) for chunk in chunks)
        frames += len(take.points)
        pairs.append((take.points, decoded.positions[:, 0]))
        context = ChunkContext.from_header(header, header.spans[0].length)
        lengths = codec.coders.windows.read_integers(chunks[0], context)[1].lengths
        seams.append([start for start, _ in list_spans(lengths)[1:]])
    root = [(a - a[:, 2:3], b - b[:, 2:3]) for a, b in pairs]
    solid = takes[0].points.shape[2] == 3
    found = vars(motion_quality.measure(pairs, 30.0, seams)) if solid else {}
    height = np.concatenate([np.full(len(p), np.median(np.ptp(p[..., 1], axis=1))) for p, _ in pairs])
    error = np.concatenate([np.linalg.norm(a - b, axis=-1).mean(axis=1) for a, b in pairs])
    return {
        "qp": qp,
        "bits_per_frame": 8 * size / frames,
        "mpjpe": error.mean(),
        "percent_of_height": 100 * (error / height).mean(),
        "mpjpe_root": np.concatenate([np.linalg.norm(a - b, axis=-1).ravel() for a, b in root]).mean(),
        "chunk_bits_per_frame": 8 * payload / frames,
        **{name: value for name, value in found.items() if name != "mpjpe"},
    }


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=Path("../shared/data"), show_default=True)
@click.option("--split", default="val", show_default=True)
@click.option("--model", default="windows3d", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results"), show_default=True)
@click.option("--finest", default=96, show_default=True, help="QP of the finest files; those of the coarsest have 208.")
def main(data: Path, split: str, model: str, out: Path, finest: int) -> None:
    """Measure windows on a split of the motion data."""
    codec = posecodec.PoseCodec.from_pretrained(model)
    weights, takes = zoo.read_weights(model), load_takes(data, split, codec.coders.windows.tables.body.dims)
    rows = [measure(codec, takes, qp) for qp in range(208, finest - 1, -16)]
    record = {
        "model": weights.name, "sha256": weights.sha256, "split": split, "files": len(takes), "commit": find_commit(),
        "machine": platform.processor() or platform.machine(), "rows": rows,
    }  # fmt: skip
    for row in rows:
        click.echo(
            f"QP {row['qp']:3}  {row['bits_per_frame']:6.2f} bits/frame  {row['mpjpe']:6.1f}, root-relative "
            f"{row['mpjpe_root']:6.1f}, {row['percent_of_height']:4.1f} % of height  "
            f"chunks {row['chunk_bits_per_frame']:.2f}  seam {row.get('seam_ratio', np.nan):.2f}"
        )
    out.mkdir(parents=True, exist_ok=True)
    suffix = "" if split == "val" else f"_{split.split('/')[0]}"
    path = out / f"windows_{weights.name.removeprefix('windows')}{suffix}.json"
    path.write_text(json.dumps(record, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
